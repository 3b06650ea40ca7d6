//! `kill -9` of replicas in the middle of signing, uploading, confirming, renewing and notifications: the books are right.
//!
//! Five kills; a hundred with `COUNTERSIGN_THOROUGH=1` in the environment.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::fleet::{Answer, Fleet, Replica, User};
use super::{Database, id};

/// How many callers there are at once.
const CALLERS: usize = 6;

/// What callers and the one who kills share.
#[derive(Default)]
struct Scene {
    /// Where the replicas are now.
    origins: RwLock<Vec<String>>,
    is_over: AtomicBool,
    seen: Mutex<Seen>,
}

/// What callers were answered.
#[derive(Default)]
struct Seen {
    /// Grants that were signed.
    signed: BTreeSet<String>,
    /// Those whose use was taken note of.
    used: BTreeSet<String>,
    /// Requests that broke off.
    unanswered: usize,
}

impl Scene {
    fn origin(&self) -> String {
        let origins = self.origins.read().unwrap();
        origins[rand::random_range(0..origins.len())].clone()
    }

    /// What a request was answered; a replica that is killed answers nothing.
    async fn heard(&self, answer: Answer) -> Option<Value> {
        match answer {
            Ok((status, mut body)) => {
                assert_eq!(status, StatusCode::OK, "{body}");
                Some(body["data"].take())
            }
            Err(error) => {
                assert!(!error.is_timeout(), "{error:?}");
                self.seen.lock().unwrap().unanswered += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
                None
            }
        }
    }
}

/// One grant from its signature to its end, at whatever replicas there are.
async fn one_turn(scene: &Scene, user: &User, number: usize) {
    let anywhere = || user.moved_to(&scene.origin());
    let Some(signed) = scene.heard(anywhere().try_sign("crowd").await).await else { return };
    scene.seen.lock().unwrap().signed.insert(id(&signed).to_owned());
    if number % 3 == 1 {
        scene.heard(anywhere().try_renew(&signed).await).await;
    }
    // One of four is never used.
    if number.is_multiple_of(4) {
        return;
    }
    let uploaded = user.upload(&signed).await;
    // A replay, which adds nothing.
    user.upload(&signed).await;
    let (one, other) = (anywhere(), anywhere());
    let told = match number % 4 {
        // Nobody says that it was used.
        1 => return,
        2 => tokio::join!(one.try_confirm(&signed, &uploaded), other.try_confirm(&signed, &uploaded)),
        _ => tokio::join!(one.notify(&uploaded), other.notify(&uploaded)),
    };
    let heard = [scene.heard(told.0).await, scene.heard(told.1).await];
    if heard.iter().any(Option::is_some) {
        scene.seen.lock().unwrap().used.insert(id(&signed).to_owned());
    }
}

async fn keep_using(scene: Arc<Scene>) {
    let user = User::at("", "ann");
    for number in 0.. {
        if scene.is_over.load(Ordering::Relaxed) {
            return;
        }
        one_turn(&scene, &user, number).await;
    }
}

/// Waits until so many more were signed; at most a minute.
async fn wait_for(more: usize, scene: &Scene) {
    let signed = || scene.seen.lock().unwrap().signed.len();
    let enough = signed() + more;
    for _ in 0..6_000 {
        if signed() >= enough {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing is signed any more");
}

/// Kills a replica under load, and puts another in its place, so many times.
async fn kill_again_and_again(fleet: &Fleet, mut replicas: Vec<Replica>, kills: u64) -> Scene {
    let scene = Arc::<Scene>::default();
    *scene.origins.write().unwrap() = replicas.iter().map(|replica| replica.origin.clone()).collect();
    let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(keep_using(Arc::clone(&scene)))).collect();
    for kill in 0..kills {
        wait_for(8, &scene).await;
        tokio::time::sleep(Duration::from_millis((kill * 37) % 100)).await;
        replicas.remove(0).kill().await;
        replicas.push(fleet.replica().await);
        *scene.origins.write().unwrap() = replicas.iter().map(|replica| replica.origin.clone()).collect();
    }
    wait_for(8, &scene).await;
    scene.is_over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    Arc::into_inner(scene).unwrap()
}

/// A sweep that is killed in its middle: what it has taken in hand comes again.
async fn begin_to_sweep(fleet: &Fleet) {
    let mut sweep = fleet.command(&["sweep"], &fleet.database.url).spawn().unwrap();
    for _ in 0..400 {
        let settled = fleet.database.texts("SELECT id FROM grants WHERE settled_by = 'sweep' LIMIT 1").await;
        if !settled.is_empty() || sweep.try_wait().unwrap().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sweep.kill().await.unwrap();
}

async fn the_books_are_right(database: Database, replicas: usize) {
    #[expect(clippy::disallowed_methods, reason = "how thorough a test is, is not configuration")]
    let kills = if std::env::var("COUNTERSIGN_THOROUGH").is_ok() { 100 } else { 5 };
    let fleet = Fleet::on(database).await;
    let processes = fleet.replicas(replicas).await;
    let scene = kill_again_and_again(&fleet, processes, kills).await;
    let Seen { signed, used, unanswered } = scene.seen.into_inner().unwrap();
    assert!(!used.is_empty() && unanswered > 0, "{} signed, {} used, {unanswered}", signed.len(), used.len());

    let grants = fleet.grants().await;
    let kept: BTreeSet<_> = grants.iter().map(|grant| grant.id.clone()).collect();
    assert!(signed.is_subset(&kept), "answered and lost: {:?}", signed.difference(&kept));
    let known: BTreeSet<_> =
        grants.iter().filter(|grant| grant.state == "used").map(|grant| grant.id.clone()).collect();
    assert!(used.is_subset(&known), "answered and forgotten: {:?}", used.difference(&known));
    fleet.check_quotas().await;

    fleet.let_time_pass().await;
    begin_to_sweep(&fleet).await;
    fleet.let_time_pass().await;
    fleet.sweep(replicas).await;
    fleet.check_settled().await;
    fleet.check_quotas().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_that_are_killed_in_turn_keep_the_books_right() {
    the_books_are_right(Database::postgres().await, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_on_a_file_that_is_killed_again_and_again_keeps_the_books_right() {
    the_books_are_right(Database::sqlite(), 1).await;
}
