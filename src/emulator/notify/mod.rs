//! Notifications: signed as the provider signs them, tried again at 3, 6 and 9 minutes of the emulator's time.
//!
//! They wait in memory, in order; one is sent at a time. What is due is sent at once, when the clock is moved, and
//! otherwise as the clock goes on. Faults may hold one back, double it, or let the next one overtake it.

mod events;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::body::Bytes;
use secrecy::SecretString;
use serde::Serialize;
use url::Url;

use crate::clock::{Clock, UnixSeconds};
use crate::signing::{Algorithm, notification_signature};

use super::faults::{Faults, NotificationFault};
use super::outgoing::{CallError, Outgoing};
pub(super) use events::{Announcement, Occasion};

/// When a notification that was not accepted is sent again, in seconds after the first attempt.
const RETRY_AFTER_SECONDS: [i64; 3] = [180, 360, 540];

/// How many attempts are remembered, and how many notifications may wait.
const CAPACITY: usize = 1_000;

/// How often the queue is looked at while something waits in it.
const TICK: Duration = Duration::from_millis(500);

/// Sends notifications. Clones share the queue.
#[derive(Clone, Debug)]
pub(super) struct Notifier(Arc<Post>);

#[derive(Debug)]
struct Post {
    clock: Clock,
    faults: Arc<Faults>,
    outgoing: Outgoing,
    waiting: Mutex<VecDeque<Notification>>,
    attempts: Mutex<VecDeque<Attempt>>,
    /// Held while one is sent, so that they arrive in order.
    sending: tokio::sync::Mutex<()>,
    is_ticking: AtomicBool,
}

/// One notification on its way.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Notification {
    #[serde(rename = "notification_type")]
    kind: &'static str,
    url: String,
    #[serde(skip)]
    body: Bytes,
    #[serde(skip)]
    secret: SecretString,
    #[serde(skip)]
    algorithm: Algorithm,
    /// How often it was sent.
    attempts: usize,
    first_at: UnixSeconds,
    /// When it is sent next; absent while it waits for another to overtake it.
    due: Option<UnixSeconds>,
}

/// One sending, and how it went.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Attempt {
    #[serde(rename = "notification_type")]
    kind: &'static str,
    url: String,
    #[serde(rename = "attempt")]
    number: usize,
    at: UnixSeconds,
    /// What the receiver answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl Notifier {
    pub(super) fn new(clock: Clock, faults: Arc<Faults>, outgoing: Outgoing) -> Self {
        Self(Arc::new(Post {
            clock,
            faults,
            outgoing,
            waiting: Mutex::default(),
            attempts: Mutex::default(),
            sending: tokio::sync::Mutex::default(),
            is_ticking: AtomicBool::new(false),
        }))
    }

    /// Queues what happened for everybody who wants to know, and sends it without waiting for the outcome.
    pub(super) fn announce(&self, announcement: &Announcement<'_>) {
        let now = self.0.clock.now();
        let Some(body) = announcement.body(now) else { return };
        for url in announcement.urls() {
            self.0.enqueue(Notification {
                kind: announcement.kind(),
                url,
                body: body.clone(),
                secret: announcement.secret(),
                algorithm: announcement.algorithm(),
                attempts: 0,
                first_at: now,
                due: Some(now),
            });
        }
        if !self.0.waiting().is_empty() {
            let post = Arc::clone(&self.0);
            tokio::spawn(async move { post.send_due().await });
            self.tick();
        }
    }

    /// Sends what has become due, and waits until that is done.
    pub(super) async fn catch_up(&self) {
        self.0.send_due().await;
    }

    /// The attempts made, and what waits for its next.
    pub(super) fn list(&self) -> (Vec<Attempt>, Vec<Notification>) {
        let attempts = self.0.attempts().iter().cloned().collect();
        (attempts, self.0.waiting().iter().cloned().collect())
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.0.waiting().clear();
        self.0.attempts().clear();
    }

    /// Looks at the queue every now and then until it is empty, or the emulator is gone.
    fn tick(&self) {
        if self.0.is_ticking.swap(true, Ordering::AcqRel) {
            return;
        }
        let post: Weak<Post> = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                let Some(post) = post.upgrade() else { return };
                post.send_due().await;
                if post.waiting().is_empty() {
                    post.is_ticking.store(false, Ordering::Release);
                    return;
                }
            }
        });
    }
}

/// Scheme, host and port; what follows may be secret.
fn server_of(url: &str) -> String {
    Url::parse(url).map_or_else(|_not_a_url| "-".to_owned(), |url| url.origin().ascii_serialization())
}

impl Post {
    /// Puts a notification at the end of the queue, as the faults will have it.
    fn enqueue(&self, mut notification: Notification) {
        let fault = self.faults.strike_notification(notification.kind, &notification.url);
        let mut waiting = self.waiting();
        if waiting.len() >= CAPACITY {
            tracing::warn!("too many notifications wait; the oldest is dropped");
            waiting.pop_front();
        }
        match fault {
            None => {}
            Some(NotificationFault::Late { seconds }) => {
                notification.due = Some(notification.first_at.plus(seconds));
            }
            Some(NotificationFault::OutOfOrder) => notification.due = None,
            Some(NotificationFault::Twice) => waiting.push_back(notification.clone()),
        }
        waiting.push_back(notification);
    }

    async fn send_due(&self) {
        let _sending = self.sending.lock().await;
        while let Some(notification) = self.next_due() {
            self.send(notification).await;
        }
    }

    fn next_due(&self) -> Option<Notification> {
        let now = self.clock.now();
        let mut waiting = self.waiting();
        let is_due = |one: &Notification| one.due.is_some_and(|due| due <= now);
        let position = waiting.iter().position(is_due)?;
        waiting.remove(position)
    }

    async fn send(&self, mut notification: Notification) {
        let now = self.clock.now();
        let timestamp = now.to_string();
        let Notification { body, secret, algorithm, .. } = &notification;
        let signature = notification_signature(body, &timestamp, secret, *algorithm);
        let headers = [("x-cld-timestamp", timestamp), ("x-cld-signature", signature.to_string())];
        let outcome = self.outgoing.notify(&notification.url, headers, notification.body.clone()).await;
        if let Err(CallError::NotNotified) = &outcome {
            tracing::warn!(
                server = server_of(&notification.url),
                "a notification was refused: start the emulator with --allow and this address to let it through"
            );
        }
        notification.attempts += 1;
        self.note(&notification, now, &outcome);
        self.release_overtaken(&notification.url, now);
        let is_final = matches!(
            outcome,
            Ok(200) | Err(CallError::Forbidden | CallError::NotNotified | CallError::NotHttp)
        );
        if let (false, Some(seconds)) = (is_final, RETRY_AFTER_SECONDS.get(notification.attempts - 1)) {
            notification.due = Some(notification.first_at.plus(*seconds));
            self.waiting().push_back(notification);
        }
    }

    /// What waited for another one to the same address to go first is due now.
    fn release_overtaken(&self, url: &str, now: UnixSeconds) {
        for other in self.waiting().iter_mut() {
            if other.due.is_none() && other.url == url {
                other.due = Some(now);
            }
        }
    }

    fn note(&self, sent: &Notification, at: UnixSeconds, outcome: &Result<u16, CallError>) {
        let mut attempts = self.attempts();
        if attempts.len() == CAPACITY {
            attempts.pop_front();
        }
        attempts.push_back(Attempt {
            kind: sent.kind,
            url: sent.url.clone(),
            number: sent.attempts,
            at,
            status: outcome.as_ref().ok().copied(),
            problem: outcome.as_ref().err().map(ToString::to_string),
        });
    }

    /// Queue and list are whole after every statement, so a poisoned lock still guards good ones.
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Notification>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempts(&self) -> MutexGuard<'_, VecDeque<Attempt>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
