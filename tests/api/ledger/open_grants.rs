//! How many unused uploads one caller may hold at once under a profile.

use countersign::config::AuthConfig;
use countersign::profiles::Profiles;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::fleet::{Fleet, User};
use super::{Database, Service, id, keys, on_both};
use crate::helpers::{Setup, failure, read_json};

on_both!(
    a_caller_holds_so_many_unused_uploads_and_no_more,
    what_is_used_withdrawn_or_over_makes_room,
    ninety_six_at_once_get_exactly_the_places_there_are,
    a_quota_beside_it_counts_as_well,
    anonymous_callers_are_told_apart_by_address,
    a_renewal_of_one_that_is_over_takes_a_place_again,
    a_batch_that_does_not_fit_takes_no_place,
    two_replicas_share_the_places,
);

const PROFILES: &str = r#"
[profiles.once]
folder = "once/{sub}"
single_use = true
max_open_grants = 3
expires_in = "5m"
scopes = []

[profiles.counted]
folder = "counted/{sub}"
quota = { uploads = "4/day" }
max_open_grants = 2
scopes = []

[profiles.shared]
folder = "shared"
single_use = true
max_open_grants = 20
scopes = []

[profiles.free]
folder = "free"
single_use = true
max_open_grants = "off"
scopes = []
"#;

async fn start(database: Database, auth: AuthConfig, trusted_proxy_hops: usize) -> Service {
    let profiles = Profiles::from_toml(PROFILES).unwrap();
    Service::start_as(database, Setup { auth, profiles, trusted_proxy_hops, ..Setup::default() }).await
}

const FULL: &str = "429 too_many_open_grants: the profile `once` allows 3 unused uploads at a time, and all are taken: \
                    use or withdraw some, or wait until one has expired";

async fn a_caller_holds_so_many_unused_uploads_and_no_more(database: Database) {
    let service = start(database, keys(), 0).await;
    for _ in 0..3 {
        service.sign("ann", "once").await;
        service.pass(10).await;
    }
    let request = service.app.get("/upload-signature?profile=once").bearer_auth("cs_ann");
    let response = request.send().await.unwrap();
    // The first of them ends 300 seconds after its making, 30 of which are over.
    assert_eq!(response.headers()["retry-after"], "270");
    assert_eq!(failure(&read_json(response).await), FULL);
    // Others, and other profiles, have places of their own.
    service.sign("bob", "once").await;
    service.sign("ann", "counted").await;
    for _ in 0..30 {
        service.sign("ann", "free").await;
    }
}

async fn what_is_used_withdrawn_or_over_makes_room(database: Database) {
    let service = start(database, keys(), 0).await;
    let path = "/upload-signature?profile=once";
    let used = service.sign("ann", "once").await;
    let withdrawn = service.sign("ann", "once").await;
    service.sign("ann", "once").await;
    assert_eq!(failure(&service.get("ann", path).await), FULL);
    let answer = service.upload(&used).await;
    service.confirm("ann", &used, &answer).await;
    service.sign("ann", "once").await;
    assert_eq!(failure(&service.get("ann", path).await), FULL);
    service.delete("ann", &format!("/uploads/{}", id(&withdrawn))).await;
    service.sign("ann", "once").await;
    assert_eq!(failure(&service.get("ann", path).await), FULL);
    // Nobody has swept: it is time alone that ends them.
    service.pass(300).await;
    for _ in 0..3 {
        service.sign("ann", "once").await;
    }
    assert_eq!(failure(&service.get("ann", path).await), FULL);
}

async fn ninety_six_at_once_get_exactly_the_places_there_are(database: Database) {
    let service = start(database, keys(), 0).await;
    let who = |number: usize| if number.is_multiple_of(2) { "ann" } else { "bob" };
    let requests = (0..96).map(|number| service.get(who(number), "/upload-signature?profile=shared"));
    let statuses: Vec<_> = join_all(requests).await.into_iter().map(|(status, _)| status).collect();
    assert!(statuses.iter().all(|status| [200, 429].contains(&status.as_u16())), "{statuses:?}");
    for turn in 0..2 {
        let given = statuses.iter().skip(turn).step_by(2).filter(|status| **status == StatusCode::OK);
        assert_eq!(given.count(), 20);
    }
}

async fn a_quota_beside_it_counts_as_well(database: Database) {
    let service = start(database, keys(), 0).await;
    let path = "/upload-signature?profile=counted";
    for turn in 0..2 {
        for place in 0..2 {
            let signed = service.sign("ann", "counted").await;
            assert_eq!(signed["quota"]["uploads"]["remaining"], 3 - 2 * turn - place);
            if turn == 0 {
                let refusal = place == 1;
                if refusal {
                    let refused = failure(&service.get("ann", path).await);
                    assert!(refused.starts_with("429 too_many_open_grants"), "{refused}");
                }
            }
            let answer = service.upload(&signed).await;
            if place == 1 || turn == 1 {
                service.confirm("ann", &signed, &answer).await;
            }
        }
        let (_, list) = service.get("ann", "/uploads?state=issued").await;
        for open in list["data"]["uploads"].as_array().unwrap() {
            service.delete("ann", &format!("/uploads/{}", open["uploadId"].as_str().unwrap())).await;
        }
    }
    let refused = failure(&service.get("ann", path).await);
    assert!(refused.starts_with("429 quota_exceeded"), "{refused}");
}

async fn anonymous_callers_are_told_apart_by_address(database: Database) {
    let service = start(database, AuthConfig::Off { said_so: true }, 1).await;
    let sign = async |address: &str| {
        let request = service.app.get("/upload-signature?profile=shared").header("x-forwarded-for", address);
        request.send().await.unwrap().status().as_u16()
    };
    for _ in 0..20 {
        assert_eq!(sign("6.6.6.6, 192.0.2.1").await, 200);
    }
    for (address, expected) in [
        ("192.0.2.1", 429),
        ("7.7.7.7, 192.0.2.1", 429),
        ("::ffff:192.0.2.1", 429),
        ("192.0.2.2", 200),
        ("2001:db8:1:2::1", 200),
    ] {
        assert_eq!(sign(address).await, expected, "{address}");
    }
    for number in 0..19 {
        assert_eq!(sign(&format!("2001:db8:1:2::{number}")).await, 200);
    }
    assert_eq!(sign("2001:db8:1:2:ffff::1").await, 429);
    assert_eq!(sign("2001:db8:1:3::1").await, 200);
}

async fn a_renewal_of_one_that_is_over_takes_a_place_again(database: Database) {
    let service = start(database, keys(), 0).await;
    let first = service.sign("ann", "once").await;
    let renew = async |signed: &Value| {
        service.post("ann", "/upload-signature", &json!({ "uploadId": id(signed) })).await
    };
    service.sign("ann", "once").await;
    service.sign("ann", "once").await;
    // As long as it is open its place is its own.
    assert_eq!(renew(&first).await.0, StatusCode::OK);
    service.pass(300).await;
    let second = service.sign("ann", "once").await;
    service.sign("ann", "once").await;
    assert_eq!(renew(&first).await.0, StatusCode::OK);
    assert_eq!(failure(&service.get("ann", "/upload-signature?profile=once").await), FULL);
    service.pass(300).await;
    for _ in 0..3 {
        service.sign("ann", "once").await;
    }
    assert_eq!(failure(&renew(&second).await), FULL);
}

async fn a_batch_that_does_not_fit_takes_no_place(database: Database) {
    let service = start(database, keys(), 0).await;
    let batch = |count| json!({ "uploads": vec![json!({ "profile": "once" }); count] });
    let (_, body) = service.post("ann", "/upload-signature", &batch(4)).await;
    let message = body["message"].as_str().unwrap();
    assert!(message.starts_with("uploads[3]: the profile `once` allows 3"), "{message}");
    let (status, body) = service.post("ann", "/upload-signature", &batch(3)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

async fn two_replicas_share_the_places(database: Database) {
    let url = database.url.clone();
    let first = start(database, keys(), 0).await;
    let second = start(Database { url, _dir: None }, keys(), 0).await;
    first.app.state.ledger.open().await.unwrap();
    let services = [&first, &second];
    let requests = (0..60).map(|number| services[number % 2].get("ann", "/upload-signature?profile=shared"));
    let answers = join_all(requests).await;
    assert_eq!(answers.iter().filter(|(status, _)| *status == StatusCode::OK).count(), 20);
    assert!(answers.iter().all(|(status, _)| [200, 429].contains(&status.as_u16())), "{answers:?}");
}

#[tokio::test]
async fn three_processes_give_away_the_default_of_a_thousand_and_no_more() {
    let fleet = Fleet::on(Database::postgres().await).await;
    let replicas = fleet.replicas(3).await;
    let users: Vec<User> = replicas.iter().map(|replica| replica.user("ann")).collect();
    let mut given = 0;
    for _ in 0..4 {
        let asked: Vec<_> = (0..288).map(|number| users[number % 3].try_sign("once")).collect();
        let answers = join_all(asked).await.into_iter().map(|answer| answer.unwrap().0.as_u16());
        given += answers.filter(|status| *status == 200).count();
    }
    assert_eq!(given, 1_000);
    assert_eq!(fleet.grants().await.len(), 1_000);
}

#[test]
fn what_is_no_number_of_places_stops_the_start() {
    for (text, expected) in [
        ("single_use = true\nmax_open_grants = 0", "must be a whole number from 1 to 1000000, or \"off\""),
        (
            "single_use = true\nmax_open_grants = \"many\"",
            "must be a whole number from 1 to 1000000, or \"off\"",
        ),
        ("single_use = true\nmax_open_grants = 1.5", "must be a whole number from 1 to 1000000, or \"off\""),
        ("max_open_grants = 3", "has a meaning with single_use, max_bytes or quota only"),
    ] {
        let errors = Profiles::from_toml(&format!("[profiles.p]\nfolder = \"p\"\n{text}")).unwrap_err();
        assert_eq!(errors[0].to_string(), format!("profiles.p.max_open_grants: {expected}"));
    }
}
