//! One grant from its signature to its end, as its owner and others meet it.

use countersign::clock::UnixSeconds;
use countersign::profiles::Profiles;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Database, Service, id, on_both};
use crate::helpers::{failure, png, read_json, text, upload_form};

on_both!(
    a_grant_is_good_for_one_upload,
    fifty_replays_at_once_make_one_asset_and_one_used_grant,
    an_unused_grant_is_signed_again_under_the_same_public_id,
    a_confirmation_is_the_providers_or_nothing,
    what_breaks_the_profile_is_deleted,
    other_peoples_grants_are_not_there,
    a_shared_folder_belongs_to_each_by_the_ledger,
    the_ledger_says_whose_an_upload_is_before_any_folder_does,
    an_upload_is_deleted_and_stays_so,
    a_page_of_grants_leads_to_the_next,
    many_are_kept_or_none,
    a_signature_reaches_no_other_asset_at_other_endpoints,
);

async fn a_grant_is_good_for_one_upload(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "once").await;
    assert_eq!(signed["payload"]["public_id"], signed["uploadId"]);
    assert_eq!(signed["payload"]["overwrite"], false);
    assert_eq!(service.state("ann", &signed).await["state"], "issued");

    let answer = service.upload(&signed).await;
    let expected = format!("once/ann/{}", id(&signed));
    assert_eq!(answer["public_id"], expected);
    let (status, body) = service.confirm("ann", &signed, &answer).await;
    assert_eq!((status, &body["data"]["state"]), (StatusCode::OK, &json!("used")), "{body}");
    assert_eq!(body["data"]["settledBy"], "confirmation");
    // The same again says the same.
    assert_eq!(service.confirm("ann", &signed, &answer).await.1["data"], body["data"]);

    let again = service.post("ann", "/upload-signature", &json!({ "uploadId": id(&signed) })).await;
    assert_eq!(failure(&again), "409 grant_used: the upload was used; ask for a new signature");
    let replayed = service.upload_to("auto", &signed, png(9, 9)).await;
    assert_eq!((&replayed["existing"], &replayed["etag"]), (&json!(true), &answer["etag"]));
    assert_eq!(service.stored().await, [format!("image {expected}")]);
}

async fn fifty_replays_at_once_make_one_asset_and_one_used_grant(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "once").await;
    let replays = (0..50).map(|size| service.upload_to("image", &signed, png(size + 1, 1)));
    let answers = join_all(replays).await;
    let confirmations = answers.iter().map(|answer| service.confirm("ann", &signed, answer));
    for (status, body) in join_all(confirmations).await {
        assert_eq!((status, &body["data"]["state"]), (StatusCode::OK, &json!("used")), "{body}");
    }
    assert_eq!(service.stored().await.len(), 1);
    let (_, list) = service.get("ann", "/uploads?state=used").await;
    assert_eq!(list["data"]["uploads"].as_array().unwrap().len(), 1);
    let events = service.app.state.ledger.audit(Some("key:ann"), UnixSeconds::default(), 100).await.unwrap();
    assert_eq!(events.iter().filter(|line| line.event == "used").count(), 1);
}

async fn an_unused_grant_is_signed_again_under_the_same_public_id(database: Database) {
    let service = Service::on(database).await;
    let body = json!({ "profile": "once", "params": { "tags": "a" } });
    let (_, body) = service.post("ann", "/upload-signature", &body).await;
    let first = &body["data"];
    service.pass(120).await;
    let (status, body) = service.post("ann", "/upload-signature", &json!({ "uploadId": id(first) })).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let second = &body["data"];
    assert_eq!(second["uploadId"], first["uploadId"]);
    assert_eq!(second["expiresAt"].as_i64().unwrap(), first["expiresAt"].as_i64().unwrap() + 120);
    let mut payload = second["payload"].clone();
    payload["timestamp"] = first["payload"]["timestamp"].clone();
    assert_eq!(payload, first["payload"]);
    assert_eq!(service.state("ann", first).await["expiresAt"], second["expiresAt"]);
    service.upload(second).await;
}

async fn a_confirmation_is_the_providers_or_nothing(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "once").await;
    let other = service.sign("ann", "once").await;
    let answer = service.upload(&signed).await;
    let of_another = service.confirm("ann", &other, &answer).await;
    let mut forged = answer.clone();
    forged["version"] = json!(answer["version"].as_u64().unwrap() + 1);
    let altered = service.confirm("ann", &signed, &forged).await;
    // The signature of an upload is no signature of an answer.
    forged["signature"] = signed["signature"].clone();
    let borrowed = service.confirm("ann", &signed, &forged).await;
    let empty = service.confirm("ann", &signed, &json!({})).await;
    insta::assert_snapshot!([of_another, altered, borrowed, empty].map(|answer| failure(&answer)).join("\n"), @"
    422 confirmation_refused: public_id: is not what this upload was granted
    422 confirmation_refused: signature: is not the provider's for this public_id and version; send its answer as it came
    422 confirmation_refused: signature: is not the provider's for this public_id and version; send its answer as it came
    400 invalid_body: the body is not what this route takes: missing field `public_id` at line 1 column 2
    ");
    assert_eq!(service.state("ann", &signed).await["state"], "issued");
    assert_eq!(service.state("ann", &other).await["state"], "issued");
}

async fn what_breaks_the_profile_is_deleted(database: Database) {
    let service = Service::on(database).await;
    let large = service.sign("ann", "small").await;
    let answer = service.upload_to("image", &large, [png(1, 1), vec![0; 400]].concat()).await;
    let (_, body) = service.confirm("ann", &large, &answer).await;
    assert_eq!(body["data"]["state"], "rejected");
    assert!(body["data"]["deletedAt"].is_i64(), "{body}");
    let raw = service.sign("ann", "small").await;
    let answer = service.upload_to("raw", &raw, b"text".to_vec()).await;
    let (_, body) = service.confirm("ann", &raw, &answer).await;
    let reason = &body["data"]["reason"];
    assert_eq!(reason, "is raw, and the profile takes image");
    assert_eq!(service.stored().await, [""; 0]);
    assert!(service.state("ann", &raw).await["deletedAt"].is_i64());

    let right = service.sign("ann", "small").await;
    let answer = service.upload_to("image", &right, png(1, 1)).await;
    let (_, body) = service.confirm("ann", &right, &answer).await;
    assert_eq!((&body["data"]["state"], &body["data"]["format"]), (&json!("used"), &json!("png")), "{body}");
    assert_eq!(body["data"]["bytes"], answer["bytes"]);
}

async fn other_peoples_grants_are_not_there(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "once").await;
    let answer = service.upload(&signed).await;
    let path = format!("/uploads/{}", id(&signed));
    let none = "404 upload_not_found: there is no such upload";
    assert_eq!(failure(&service.get("bob", &path).await), none);
    assert_eq!(failure(&service.confirm("bob", &signed, &answer).await), none);
    assert_eq!(failure(&service.delete("bob", &path).await), none);
    let renewal = json!({ "uploadId": id(&signed) });
    assert_eq!(failure(&service.post("bob", "/upload-signature", &renewal).await), none);
    assert_eq!(failure(&service.get("ann", &format!("/uploads/{}", "0".repeat(32))).await), none);
    assert_eq!(failure(&service.get("ann", "/uploads/1'; DROP TABLE grants").await), none);
    assert_eq!(service.get("root", &path).await.0, StatusCode::OK);
    assert_eq!(service.get("bob", "/uploads").await.1["data"]["uploads"], json!([]));
    let asked = service.get("bob", "/uploads?subject=key:ann").await;
    assert_eq!(failure(&asked), "400 invalid_query: subject may be another's for administrators only");
    let (_, list) = service.get("root", "/uploads?subject=key:ann").await;
    assert_eq!(list["data"]["uploads"][0]["uploadId"], signed["uploadId"]);
    assert_eq!(service.app.get("/uploads").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

async fn a_shared_folder_belongs_to_each_by_the_ledger(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "shared").await;
    let answer = service.upload(&signed).await;
    service.confirm("ann", &signed, &answer).await;
    let url = answer["secure_url"].as_str().unwrap();
    let link =
        format!("/download-url?public_id={}&format=png&type=upload", answer["public_id"].as_str().unwrap());
    let body = json!({ "urls": [{ "type": "image", "url": url }] });
    let delete = |who| {
        let request = service.app.client.delete(service.app.url("/delete-files"));
        service.ask(who, request.header("content-type", "application/json").body(body.to_string()))
    };
    assert_eq!(service.get("bob", &link).await.0, StatusCode::NOT_FOUND);
    assert_eq!(delete("bob").await.1["data"]["results"][0]["outcome"], "not_found");
    assert_eq!(service.stored().await.len(), 1);
    assert_eq!(service.get("ann", &link).await.0, StatusCode::OK);
    assert_eq!(delete("ann").await.1["data"]["results"][0]["outcome"], "deleted");
    assert!(service.state("ann", &signed).await["deletedAt"].is_i64());
}

/// The folder was one in which the ledger knows every file; now another profile gives it to all of its callers.
async fn the_ledger_says_whose_an_upload_is_before_any_folder_does(database: Database) {
    let service = Service::on(database).await;
    let signed = service.sign("ann", "shared").await;
    let answer = service.upload(&signed).await;
    service.confirm("ann", &signed, &answer).await;
    let now = "[profiles.shared]\nfolder = \"shared\"\nscopes = []\n\
               [profiles.once]\nfolder = \"once/{sub}\"\nsingle_use = true\n";
    service.app.state.replace_profiles(Profiles::from_toml(now).unwrap());
    let plain = service.upload(&service.sign("ann", "shared").await).await;
    let delete = |who, asset: &Value| {
        let body = json!({ "urls": [{ "type": "image", "url": asset["secure_url"] }] });
        let request = service.app.client.delete(service.app.url("/delete-files"));
        service.ask(who, request.header("content-type", "application/json").body(body.to_string()))
    };
    let link = |asset: &Value| {
        format!("/download-url?public_id={}&format=png&type=upload", asset["public_id"].as_str().unwrap())
    };
    assert_eq!(service.get("bob", &link(&answer)).await.0, StatusCode::NOT_FOUND);
    assert_eq!(delete("bob", &answer).await.1["data"]["results"][0]["outcome"], "not_found");
    assert_eq!(service.get("bob", &link(&plain)).await.0, StatusCode::OK);
    assert_eq!(service.get("ann", &link(&answer)).await.0, StatusCode::OK);
    assert_eq!(delete("bob", &plain).await.1["data"]["results"][0]["outcome"], "deleted");
    assert_eq!(delete("ann", &answer).await.1["data"]["results"][0]["outcome"], "deleted");
}

async fn an_upload_is_deleted_and_stays_so(database: Database) {
    let service = Service::on(database).await;
    let used = service.sign("ann", "once").await;
    let answer = service.upload(&used).await;
    service.confirm("ann", &used, &answer).await;
    let (status, body) = service.delete("ann", &format!("/uploads/{}", id(&used))).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["data"]["state"], "used");
    assert!(body["data"]["deletedAt"].is_i64());
    assert_eq!(service.stored().await.len(), 0);

    let unused = service.sign("ann", "once").await;
    let (_, body) = service.delete("ann", &format!("/uploads/{}", id(&unused))).await;
    assert_eq!(body["data"]["reason"], "was withdrawn by its owner");
    let again = service.post("ann", "/upload-signature", &json!({ "uploadId": id(&unused) })).await;
    assert_eq!(
        failure(&again),
        "409 grant_over: the upload was rejected or withdrawn; ask for a new signature"
    );

    // Both signatures are still good at the provider: what comes with them goes with the next sweep.
    service.upload(&used).await;
    service.upload(&unused).await;
    service.pass(3_600).await;
    service.sweep().await;
    assert_eq!(service.stored().await, [""; 0]);
}

async fn a_page_of_grants_leads_to_the_next(database: Database) {
    let service = Service::on(database).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, service.sign("ann", "once").await["uploadId"].as_str().unwrap().to_owned());
        service.app.clock.advance(1);
    }
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let (_, page) = service.get("ann", &format!("/uploads?limit=2{cursor}")).await;
        let page = &page["data"];
        found.extend(page["uploads"].as_array().unwrap().iter().map(|one| id(one).to_owned()));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, ids);
    let wrong =
        ["limit=0", "limit=101", "cursor=x", "state=lost", "page=1"].map(|query| format!("/uploads?{query}"));
    let mut refusals = Vec::new();
    for path in &wrong {
        refusals.push(failure(&service.get("ann", path).await));
    }
    insta::assert_snapshot!(refusals.join("\n"), @"
    400 invalid_query: limit must be 1 to 100
    400 invalid_query: limit must be 1 to 100
    400 invalid_query: cursor must be the nextCursor of a page
    400 invalid_query: state must be issued, used, expired or rejected
    400 invalid_query: the query has an unknown parameter `page`, expected one of `limit`, `cursor`, `state`, `subject`
    ");
}

async fn many_are_kept_or_none(database: Database) {
    let service = Service::on(database).await;
    let uploads = |count| json!({ "uploads": vec![json!({ "profile": "counted" }); count] });
    let refused = service.post("ann", "/upload-signature", &uploads(4)).await;
    let refusal = failure(&refused);
    assert!(refusal.starts_with("429 quota_exceeded: uploads["), "{refusal}");
    let (_, list) = service.get("ann", "/uploads").await;
    let after: Vec<_> = list["data"]["uploads"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert!(after.iter().all(|state| **state == "expired"), "{after:?}");
    let (status, body) = service.post("ann", "/upload-signature", &uploads(2)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["data"].as_array().unwrap().len(), 2);
}

async fn a_signature_reaches_no_other_asset_at_other_endpoints(database: Database) {
    let service = Service::on(database).await;
    let theirs = service.sign("bob", "once").await;
    let stored = service.upload(&theirs).await;
    let own = service.sign("ann", "once").await;
    let base = format!("{}/v1_1/demo", service.app.emulator_origin);
    for endpoint in ["image/destroy", "image/explicit", "image/rename", "raw/destroy", "image/tags"] {
        for victim in
            [None, Some(("public_id", &stored["public_id"])), Some(("from_public_id", &stored["public_id"]))]
        {
            let mut form = upload_form(&own);
            if let Some((name, value)) = victim {
                form = form.text(name, text(value)).text("to_public_id", "once/ann/mine");
            }
            let answer =
                service.app.client.post(format!("{base}/{endpoint}")).multipart(form).send().await.unwrap();
            let (status, body) = read_json(answer).await;
            assert!(status != StatusCode::OK || body["result"] == "not found", "{endpoint} {body}");
        }
    }
    assert_eq!(service.stored().await, [format!("image {}", text(&stored["public_id"]))]);
}
