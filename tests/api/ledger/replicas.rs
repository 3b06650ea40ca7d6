//! Three replicas on one PostgreSQL database are one service.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::fleet::{Fleet, Replica, User};
use super::{Database, id};
use crate::helpers::failure;

async fn three() -> (Fleet, Vec<Replica>) {
    let fleet = Fleet::on(Database::postgres().await).await;
    let replicas = fleet.replicas(3).await;
    (fleet, replicas)
}

fn users(replicas: &[Replica]) -> Vec<User> {
    replicas.iter().map(|replica| replica.user("ann")).collect()
}

#[tokio::test]
async fn replicas_that_start_together_on_an_empty_database_all_sign() {
    let (fleet, replicas) = three().await;
    let users = users(&replicas);
    join_all(users.iter().map(|user| user.sign("once"))).await;
    assert_eq!(fleet.grants().await.len(), 3);
    for replica in replicas {
        let log = replica.log();
        assert!(!log.contains("ERROR") && !log.contains("WARN"), "{log}");
        assert_eq!(replica.stop().await, Some(0));
    }
}

#[tokio::test]
async fn a_quota_is_exact_however_many_ask_wherever() {
    let (fleet, replicas) = three().await;
    let users = users(&replicas);
    let asked: Vec<_> = (0..96).map(|number| users[number % 3].try_sign("counted")).collect();
    let answers = join_all(asked).await;
    let statuses: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().0.as_u16()).collect();
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    let given = statuses.iter().filter(|status| **status == 200).count();
    // A day may end in the middle of this, and another one begin.
    let used: Vec<_> = fleet.quotas().await.into_values().collect();
    assert!(used.iter().max() == Some(&40) && used.iter().sum::<u64>() == given as u64, "{given} {used:?}");
    fleet.check_quotas().await;
}

#[tokio::test]
async fn what_one_replica_grants_all_renew_list_confirm_and_settle() {
    let (fleet, replicas) = three().await;
    let [first, second, third] = users(&replicas).try_into().ok().unwrap();
    let signed = first.sign("crowd").await;
    let renewed = User::data(second.try_renew(&signed).await);
    assert_eq!(renewed["payload"]["public_id"], signed["payload"]["public_id"]);
    let listed = User::data(third.ask(Method::GET, "/uploads?state=issued", None).await);
    assert_eq!(listed["uploads"][0]["uploadId"], signed["uploadId"]);

    let uploaded = third.upload(&renewed).await;
    let confirmed = third.confirm(&signed, &uploaded).await;
    assert_eq!((&confirmed["state"], &confirmed["bytes"]), (&json!("used"), &uploaded["bytes"]));
    assert_eq!(first.state(&signed).await, confirmed);
    let again = second.try_renew(&signed).await.unwrap();
    assert_eq!(failure(&again), "409 grant_used: the upload was used; ask for a new signature");

    // The grants of one, used and unused, settled by another.
    let unused = second.sign("crowd").await;
    let used = second.sign("crowd").await;
    second.upload(&used).await;
    fleet.let_time_pass().await;
    assert_eq!(fleet.sweep(1).await.len(), 3);
    assert_eq!(third.state(&unused).await["state"], "expired");
    assert_eq!(third.state(&used).await["state"], "used");
    fleet.check_quotas().await;
    fleet.check_settled().await;
}

#[tokio::test]
async fn fifty_replays_and_confirmations_anywhere_make_one_asset_and_one_used_grant() {
    let (fleet, replicas) = three().await;
    let users = users(&replicas);
    let signed = users[0].sign("crowd").await;
    let uploads = (0..50).map(|number| users[number % 3].upload(&signed));
    let uploaded = join_all(uploads).await;
    let confirmations = uploaded.iter().zip(users.iter().cycle());
    let confirmations = confirmations.map(|(uploaded, user)| user.confirm(&signed, uploaded));
    for confirmed in join_all(confirmations).await {
        assert_eq!(confirmed["state"], "used", "{confirmed}");
    }
    assert_eq!(fleet.events("used").await.into_values().collect::<Vec<_>>(), [1]);
    fleet.check_quotas().await;
    fleet.check_settled().await;
}

#[tokio::test]
async fn a_notification_that_every_replica_hears_has_one_effect() {
    let (fleet, replicas) = three().await;
    let users = users(&replicas);
    for _ in 0..10 {
        let signed = users[0].sign("crowd").await;
        let uploaded = users[0].upload(&signed).await;
        let heard = join_all(users.iter().map(|user| user.notify(&uploaded))).await;
        assert!(heard.iter().all(|answer| answer.as_ref().unwrap().0 == StatusCode::OK), "{heard:?}");
        assert_eq!(users[1].state(&signed).await["settledBy"], "notification");
    }
    assert_eq!(fleet.events("used").await.into_values().collect::<Vec<_>>(), [1; 10]);
    fleet.check_quotas().await;
    fleet.check_settled().await;
}

#[tokio::test]
async fn sweeps_at_once_settle_every_grant_once() {
    let (fleet, replicas) = three().await;
    let users = users(&replicas);
    // More than two sweeps take in hand at once.
    let hundred = json!({ "uploads": vec![json!({ "profile": "crowd" }); 100] });
    let mut signed = Vec::new();
    for number in 0..7 {
        let answer = users[number % 3].ask(Method::POST, "/upload-signature", Some(&hundred)).await;
        signed.extend(User::data(answer).as_array().unwrap().clone());
    }
    join_all(signed.iter().step_by(10).map(|signed| users[0].upload(signed))).await;
    fleet.let_time_pass().await;
    let lines = fleet.sweep(3).await;
    let swept: BTreeSet<_> = lines.iter().map(id).collect();
    assert_eq!((lines.len(), swept.len()), (700, 700));
    assert_eq!(fleet.events("used").await.values().sum::<usize>(), 70);
    assert_eq!(fleet.events("expired").await.values().sum::<usize>(), 630);
    fleet.check_quotas().await;
    fleet.check_settled().await;
}

/// What callers have seen during a rolling restart.
#[derive(Default)]
struct Seen {
    answered: BTreeSet<String>,
    /// Where no answer came from, and why.
    unanswered: Vec<(String, String)>,
}

/// Signs and confirms at whatever replica is next until `origins` is empty.
async fn keep_asking(origins: Arc<RwLock<Vec<String>>>, seen: Arc<Mutex<Seen>>) {
    for number in 0_usize.. {
        let origin = {
            let origins = origins.read().unwrap();
            let Some(count @ 1..) = Some(origins.len()) else { return };
            origins[number % count].clone()
        };
        let user = User::unpooled(&origin, "ann");
        match user.try_sign("crowd").await {
            Ok((status, body)) => {
                assert_eq!(status, StatusCode::OK, "{body}");
                seen.lock().unwrap().answered.insert(id(&body["data"]).to_owned());
            }
            Err(error) if error.is_connect() => {
                seen.lock().unwrap().unanswered.push((origin, format!("{error:?}")));
            }
            Err(error) => panic!("{origin}: {error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_loses_no_answer_and_fails_no_request() {
    let (fleet, replicas) = three().await;
    let origins = replicas.iter().map(|replica| replica.origin.clone()).collect();
    let origins: Arc<RwLock<Vec<_>>> = Arc::new(RwLock::new(origins));
    let seen = Arc::<Mutex<Seen>>::default();
    let ask = || tokio::spawn(keep_asking(Arc::clone(&origins), Arc::clone(&seen)));
    let callers: Vec<_> = (0..8).map(|_| ask()).collect();
    let mut stopped = BTreeSet::new();
    let mut fresh = Vec::new();
    for (place, old) in replicas.into_iter().enumerate() {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stopped.insert(old.origin.clone());
        assert_eq!(old.stop().await, Some(0));
        let new = fleet.replica().await;
        origins.write().unwrap()[place].clone_from(&new.origin);
        fresh.push(new);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    origins.write().unwrap().clear();
    for caller in callers {
        caller.await.unwrap();
    }
    let Seen { answered, unanswered } = std::mem::take(&mut *seen.lock().unwrap());
    assert!(unanswered.iter().all(|(origin, _)| stopped.contains(origin)), "{unanswered:?}");
    let kept: BTreeSet<_> = fleet.grants().await.into_iter().map(|grant| grant.id).collect();
    let lost: Vec<_> = answered.difference(&kept).collect();
    assert!(lost.is_empty() && answered.len() > 30, "{} answered, lost {lost:?}", answered.len());
    // What was kept and not answered cannot be: every request that was taken was answered.
    assert_eq!(kept.len(), answered.len());
    fleet.check_quotas().await;
}
