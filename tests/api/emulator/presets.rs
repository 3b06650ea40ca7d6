//! Upload presets, and uploads without a signature.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::media::png;
use super::server::{Server, told};

const UPLOAD: &str = "/v1_1/emulator/image/upload";

async fn with_preset(body: Value) -> Server {
    let server = Server::start().await;
    let (status, answer) = server.admin("POST", "upload_presets", body).await;
    assert_eq!(status, 200, "{answer}");
    server
}

async fn unsigned(server: &Server, fields: &[(&str, &str)]) -> String {
    let form = Form::new().part("file", Part::bytes(png()).file_name("a.png"));
    let form =
        fields.iter().fold(form, |form, (name, value)| form.text((*name).to_owned(), (*value).to_owned()));
    told(server.post(UPLOAD, form).send().await.unwrap()).await
}

#[tokio::test]
async fn presets_are_made_shown_changed_and_removed() {
    let body = json!({"name": "p", "unsigned": true, "folder": "f", "tags": "a,b", "context": "k=v", "transformation": "c_scale,w_100"});
    let server = with_preset(body.clone()).await;
    assert_eq!(server.admin("POST", "upload_presets", body).await.0, 409);
    let (_, shown) = server.admin("GET", "upload_presets/p", json!(null)).await;
    assert_eq!(
        shown,
        json!({"name": "p", "unsigned": true, "settings": {
            "folder": "f", "tags": ["a", "b"], "context": {"k": "v"}, "transformation": [{"crop": "scale", "width": 100}],
        }})
    );
    assert_eq!(server.admin("PUT", "upload_presets/p", json!({"unsigned": false})).await.0, 200);
    let (_, list) = server.admin("GET", "upload_presets", json!(null)).await;
    assert_eq!(list["presets"][0]["unsigned"], false);
    assert_eq!(server.admin("DELETE", "upload_presets/p", json!(null)).await.0, 200);
    assert_eq!(server.admin("GET", "upload_presets/p", json!(null)).await.0, 404);
}

#[tokio::test]
async fn an_unsigned_upload_does_what_its_preset_says_and_replaces_nothing() {
    let server =
        with_preset(json!({"name": "p", "unsigned": true, "folder": "f", "tags": "a", "overwrite": true}))
            .await;
    let fields = [("upload_preset", "p"), ("public_id", "x"), ("tags", "b"), ("folder", "mine")];
    let answer = unsigned(&server, &fields).await;
    assert!(answer.starts_with("200") && answer.contains(r#""public_id":"f/x""#), "{answer}");
    assert!(answer.contains(r#""tags":["a","b"]"#), "{answer}");
    assert!(unsigned(&server, &fields).await.contains(r#""existing":true"#));
}

#[tokio::test]
async fn what_only_a_signature_allows_is_refused_without_one() {
    let server = with_preset(json!({"name": "p", "unsigned": true})).await;
    let answer = unsigned(&server, &[("upload_preset", "p"), ("return_delete_token", "1")]).await;
    insta::assert_snapshot!(answer, @r#"400 [Return delete token parameter is not allowed when using unsigned upload. Only upload_preset,callback,public_id,folder,asset_folder,tags,context,metadata,face_coordinates,custom_coordinates,source,filename_override,manifest_transformation,manifest_json,template,template_vars,regions,public_id_prefix upload parameters are allowed.] {"error":{"message":"Return delete token parameter is not allowed when using unsigned upload. Only upload_preset,callback,public_id,folder,asset_folder,tags,context,metadata,face_coordinates,custom_coordinates,source,filename_override,manifest_transformation,manifest_json,template,template_vars,regions,public_id_prefix upload parameters are allowed."}}"#);
    for name in
        ["overwrite", "type", "eager", "notification_url", "transformation", "allowed_formats", "moderation"]
    {
        assert!(unsigned(&server, &[("upload_preset", "p"), (name, "1")]).await.starts_with("400"), "{name}");
    }
    server.admin("POST", "upload_presets", json!({"name": "signed"})).await;
    insta::assert_snapshot!(unsigned(&server, &[("upload_preset", "signed")]).await, @r#"400 [Upload preset must be whitelisted for unsigned uploads] {"error":{"message":"Upload preset must be whitelisted for unsigned uploads"}}"#);
}

#[tokio::test]
async fn in_a_signed_upload_the_preset_fills_the_gaps() {
    let server =
        with_preset(json!({"name": "p", "folder": "f", "tags": "a", "allowed_formats": "jpg"})).await;
    let refused = server.upload(UPLOAD, png(), "a.png", &[("upload_preset", "p")]).send().await.unwrap();
    assert_eq!(refused.status(), 400);
    let params = [("upload_preset", "p"), ("folder", "mine"), ("public_id", "x"), ("allowed_formats", "png")];
    let answer = server.store(UPLOAD, png(), "a.png", &params).await;
    assert_eq!(json!([answer["public_id"], answer["tags"]]), json!(["mine/x", ["a"]]));
    let unknown = server.upload(UPLOAD, png(), "a.png", &[("upload_preset", "q")]).send().await.unwrap();
    insta::assert_snapshot!(told(unknown).await, @r#"400 [Upload preset not found] {"error":{"message":"Upload preset not found"}}"#);
}

#[tokio::test]
async fn presets_outlive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::in_dir(dir.path()).await;
    server.admin("POST", "upload_presets", json!({"name": "p", "unsigned": true})).await;
    server.stop(dir.path()).await;
    let server = Server::in_dir(dir.path()).await;
    assert_eq!(server.admin("GET", "upload_presets/p", json!(null)).await.0, 200);
}

#[tokio::test]
async fn everything_an_upload_says_comes_back() {
    let server = Server::start().await;
    server.define_metadata().await;
    let rules = r#"[{"access_type":"anonymous","start":"2024-01-01T00:00:00Z"}]"#;
    let params = [
        ("public_id", "a"),
        ("metadata", r#"m=1|l=["a","b"]"#),
        ("face_coordinates", "1,2,3,4|5,6,1,8"),
        ("custom_coordinates", "1,2,3,4"),
        ("access_control", rules),
        ("async", "false"),
        ("eager", "w_1"),
    ];
    let answer = server.store(UPLOAD, png(), "a.png", &params).await;
    assert_eq!(answer["metadata"], json!({"m": "1", "l": ["a", "b"]}));
    assert_eq!(answer["faces"], json!([[1, 2, 3, 2], [5, 6, 1, 2]]), "the picture has 3 × 2 pixels");
    assert_eq!(answer["coordinates"]["custom"], json!([[1, 2, 3, 4]]));
    assert_eq!(answer["access_control"][0]["access_type"], "anonymous");
    assert_eq!(answer["eager"][0]["emulated"], "original");

    let answer = server.store(UPLOAD, png(), "a.png", &[("public_id", "b"), ("async", "true")]).await;
    assert_eq!(json!([answer["status"], answer["public_id"]]), json!(["pending", "b"]));
    assert_eq!(server.get("/emulator/image/upload/b.png").await.status(), 200);
}

#[tokio::test]
async fn what_would_be_a_false_success_is_refused() {
    let server = Server::start().await;
    let mut answers = Vec::new();
    for (name, value) in [
        ("raw_convert", "illegal"),
        ("detection", "illegal"),
        ("detection", "adv_face"),
        ("ocr", "adv_ocr"),
        ("eval", "x"),
        ("moderation", "aws_rek"),
        ("eager", "t_mine"),
        ("transformation", "w_abc"),
        ("face_coordinates", "1,2"),
        ("access_control", "[x"),
    ] {
        let request = server.upload(UPLOAD, png(), "a.png", &[(name, value)]);
        let answer = told(request.send().await.unwrap()).await;
        answers.push(answer.split(" {").next().unwrap().to_owned());
    }
    insta::assert_snapshot!(answers.join("\n"), @"
    400 [Raw convert is invalid]
    400 [Detection invalid model 'illegal']
    420 [You don't have an active subscription for adv_face]
    420 [You don't have an active subscription for adv_ocr]
    400 [Not emulated: the parameter eval]
    420 [You don't have an active subscription for aws_rek]
    400 [Unknown transformation mine]
    400 [Invalid width in transformation: abc]
    400 [Invalid value 1,2 for parameter face_coordinates]
    400 [Invalid value [x for parameter access_control]
    ");
}
