//! Uploads that are refused: the provider's status and words for each reason.

use countersign::emulator::Limits;
use countersign::signing::Algorithm;
use countersign::signing::cloudinary::SignatureVersion;
use reqwest::multipart::Form;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::media::{jpeg, mp4, png};
use super::server::{NOW, Server, signed, signed_with, told, with_fields};

const UPLOAD: &str = "/v1_1/emulator/image/upload";

/// The answer to an upload of a picture with these signed parameters.
async fn refused(server: &Server, path: &str, file: Vec<u8>, params: &[(&str, &str)]) -> String {
    told(server.upload(path, file, "a.png", params).send().await.unwrap()).await
}

/// The answer to an upload whose fields are changed after they were signed.
async fn tampered(server: &Server, change: impl Fn(&mut Vec<(String, String)>)) -> String {
    let mut fields = signed(&[("folder", "kyc/1")]);
    change(&mut fields);
    let request = server.upload_with(UPLOAD, png(), "a.png", &fields);
    told(request.send().await.unwrap()).await
}

fn remove(fields: &mut Vec<(String, String)>, name: &str) {
    fields.retain(|(other, _)| other != name);
}

#[tokio::test]
async fn another_cloud_is_refused_first() {
    let server = Server::start().await;
    insta::assert_snapshot!(refused(&server, "/v1_1/other/image/upload", png(), &[]).await, @r#"401 [Invalid cloud_name other] {"error":{"message":"Invalid cloud_name other"}}"#);
    let form = Form::new().text("upload_preset", "p");
    let unsigned = server.post("/v1_1/other/image/upload", form).send().await.unwrap();
    insta::assert_snapshot!(told(unsigned).await, @r#"401 [Invalid cloud_name other] {"error":{"message":"Invalid cloud_name other"}}"#);
}

#[tokio::test]
async fn a_changed_value_breaks_the_signature_and_the_string_is_told() {
    let server = Server::start().await;
    let changed = tampered(&server, |fields| fields[0].1 = "kyc/2".to_owned()).await;
    insta::assert_snapshot!(changed, @r#"401 [Invalid Signature bf5d94f8e36bd04629483761f264b7188b3dcf4d. String to sign - 'folder=kyc/2&timestamp=1720000000'.] {"error":{"message":"Invalid Signature bf5d94f8e36bd04629483761f264b7188b3dcf4d. String to sign - 'folder=kyc/2&timestamp=1720000000'."}}"#);
}

#[tokio::test]
async fn an_added_parameter_breaks_the_signature() {
    let server = Server::start().await;
    let added = tampered(&server, |fields| fields.push(("type".to_owned(), "upload".to_owned()))).await;
    insta::assert_snapshot!(added, @r#"401 [Invalid Signature bf5d94f8e36bd04629483761f264b7188b3dcf4d. String to sign - 'folder=kyc/1&timestamp=1720000000&type=upload'.] {"error":{"message":"Invalid Signature bf5d94f8e36bd04629483761f264b7188b3dcf4d. String to sign - 'folder=kyc/1&timestamp=1720000000&type=upload'."}}"#);
}

#[tokio::test]
async fn a_version_2_signature_does_not_cover_parameters_cut_out_of_a_value() {
    let server = Server::start().await;
    let fields = signed_with(
        &[("context", "a=b&overwrite=1")],
        super::server::SECRET,
        Algorithm::Sha1,
        SignatureVersion::V2,
    );
    let mut split = fields.clone();
    split[0].1 = "a=b".to_owned();
    split.push(("overwrite".to_owned(), "1".to_owned()));
    let whole = server.upload_with(UPLOAD, png(), "a.png", &fields).send().await.unwrap();
    assert_eq!(whole.status(), 200);
    let split = server.upload_with(UPLOAD, png(), "a.png", &split).send().await.unwrap();
    assert_eq!(split.status(), 401);
}

#[tokio::test]
async fn a_wrong_secret_looks_like_any_other_wrong_signature() {
    let server = Server::start().await;
    let fields = signed_with(&[], "wrong", Algorithm::Sha256, SignatureVersion::V2);
    let response = server.upload_with(UPLOAD, png(), "a.png", &fields).send().await.unwrap();
    insta::assert_snapshot!(told(response).await, @r#"401 [Invalid Signature 33011d063cc5100ffc223c900d9aa4554014d67b98971b843660929a0f91ab1e. String to sign - 'timestamp=1720000000'.] {"error":{"message":"Invalid Signature 33011d063cc5100ffc223c900d9aa4554014d67b98971b843660929a0f91ab1e. String to sign - 'timestamp=1720000000'."}}"#);
}

#[tokio::test]
async fn missing_credentials_are_named() {
    let server = Server::start().await;
    let mut told = Vec::new();
    for name in ["api_key", "timestamp", "signature"] {
        told.push(tampered(&server, |fields| remove(fields, name)).await);
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    400 [Missing required parameter - api_key] {"error":{"message":"Missing required parameter - api_key"}}
    400 [Missing required parameter - timestamp] {"error":{"message":"Missing required parameter - timestamp"}}
    400 [Upload preset must be specified when using unsigned upload] {"error":{"message":"Upload preset must be specified when using unsigned upload"}}
    "#);
}

#[tokio::test]
async fn an_unknown_key_is_named() {
    let server = Server::start().await;
    let told = tampered(&server, |fields| {
        remove(fields, "api_key");
        fields.push(("api_key".to_owned(), "123".to_owned()));
    });
    insta::assert_snapshot!(told.await, @r#"401 [Unknown API key 123] {"error":{"message":"Unknown API key 123"}}"#);
}

#[tokio::test]
async fn unsigned_uploads_need_a_preset_that_exists() {
    let server = Server::start().await;
    let told = tampered(&server, |fields| {
        fields.clear();
        fields.push(("upload_preset".to_owned(), "p".to_owned()));
    });
    insta::assert_snapshot!(told.await, @r#"400 [Upload preset not found] {"error":{"message":"Upload preset not found"}}"#);
}

#[tokio::test]
async fn a_timestamp_is_good_for_an_hour_and_not_a_second_more() {
    let server = Server::start().await;
    let at = |moment: i64| moment.to_string();
    let age = |text: String| {
        let server = &server;
        async move { refused(server, UPLOAD, png(), &[("timestamp", &text)]).await }
    };
    assert!(age(at(NOW - 3_600)).await.starts_with("200"));
    insta::assert_snapshot!(age(at(NOW - 3_601)).await, @r#"400 [Stale request - reported time is 2024-07-03 08:46:39 +0000 which is more than 1 hour ago] {"error":{"message":"Stale request - reported time is 2024-07-03 08:46:39 +0000 which is more than 1 hour ago"}}"#);
    insta::assert_snapshot!(age("yesterday".to_owned()).await, @r#"400 [Invalid value yesterday for parameter timestamp] {"error":{"message":"Invalid value yesterday for parameter timestamp"}}"#);
    insta::assert_snapshot!(age(i64::MIN.to_string()).await, @r#"400 [Stale request - reported time is -9223372036854775808 which is more than 1 hour ago] {"error":{"message":"Stale request - reported time is -9223372036854775808 which is more than 1 hour ago"}}"#);
    assert!(age(at(NOW + 86_400)).await.starts_with("200"), "no rule against the future is known");
}

#[tokio::test]
async fn an_upload_cannot_set_its_own_end() {
    let server = Server::start().await;
    let old = (NOW - 3_601).to_string();
    let later = (NOW + 60).to_string();
    let told = refused(&server, UPLOAD, png(), &[("timestamp", &old), ("expires_at", &later)]).await;
    assert!(told.starts_with("400 [Stale request"), "{told}");
}

#[tokio::test]
async fn a_file_must_be_there_and_be_what_it_is_sent_as() {
    let server = Server::start().await;
    let form = with_fields(Form::new(), &signed(&[]));
    let response = server.post(UPLOAD, form).send().await.unwrap();
    insta::assert_snapshot!(told(response).await, @r#"400 [Missing required parameter - file] {"error":{"message":"Missing required parameter - file"}}"#);

    insta::assert_snapshot!(refused(&server, UPLOAD, Vec::new(), &[]).await, @r#"400 [Empty file] {"error":{"message":"Empty file"}}"#);
    insta::assert_snapshot!(refused(&server, UPLOAD, b"text".to_vec(), &[]).await, @r#"400 [Invalid image file] {"error":{"message":"Invalid image file"}}"#);
    insta::assert_snapshot!(refused(&server, UPLOAD, mp4(), &[]).await, @r#"400 [Invalid image file] {"error":{"message":"Invalid image file"}}"#);
    insta::assert_snapshot!(refused(&server, UPLOAD, png()[..20].to_vec(), &[]).await, @r#"400 [Invalid image file] {"error":{"message":"Invalid image file"}}"#);
    insta::assert_snapshot!(refused(&server, "/v1_1/emulator/video/upload", jpeg(), &[]).await, @r#"400 [Unsupported video format or file] {"error":{"message":"Unsupported video format or file"}}"#);
    insta::assert_snapshot!(refused(&server, "/v1_1/emulator/audio/upload", jpeg(), &[]).await, @r#"400 [Invalid URL for upload] {"error":{"message":"Invalid URL for upload"}}"#);
}

#[tokio::test]
async fn nothing_is_fetched() {
    let server = Server::start().await;
    for text in ["http://169.254.169.254/latest", "file:///etc/passwd", "data:,plain"] {
        let form = with_fields(Form::new().text("file", text), &signed(&[]));
        let response = server.post(UPLOAD, form).send().await.unwrap();
        assert_eq!(response.status(), 400, "{text}");
    }
    let form = with_fields(Form::new().text("file", "https://example.com/a.png"), &signed(&[]));
    insta::assert_snapshot!(told(server.post(UPLOAD, form).send().await.unwrap()).await, @r#"400 [Not emulated: the file is a remote URL, and the emulator was not told to fetch any] {"error":{"message":"Not emulated: the file is a remote URL, and the emulator was not told to fetch any"}}"#);
    let form = with_fields(Form::new().text("file", "nonsense"), &signed(&[]));
    insta::assert_snapshot!(told(server.post(UPLOAD, form).send().await.unwrap()).await, @r#"400 [Unsupported source URL: nonsense] {"error":{"message":"Unsupported source URL: nonsense"}}"#);
}

#[tokio::test]
async fn only_allowed_formats_are_taken() {
    let server = Server::start().await;
    let allowed = |formats: &'static str, path: &'static str, file: Vec<u8>, name: &'static str| {
        let request = server.upload(path, file, name, &[("allowed_formats", formats)]);
        async move { told(request.send().await.unwrap()).await }
    };
    let raw = "/v1_1/emulator/raw/upload";
    assert!(allowed("png, JPEG", UPLOAD, jpeg(), "a").await.starts_with("200"));
    assert!(allowed("txt", raw, b"x".to_vec(), "a.TXT").await.starts_with("200"));
    insta::assert_snapshot!(allowed("jpg", UPLOAD, png(), "a.jpg").await, @r#"400 [Image file format png not allowed] {"error":{"message":"Image file format png not allowed"}}"#);
    insta::assert_snapshot!(allowed("pdf", raw, b"x".to_vec(), "a.txt").await, @r#"400 [Raw file format txt not allowed] {"error":{"message":"Raw file format txt not allowed"}}"#);
    insta::assert_snapshot!(allowed("pdf", raw, b"x".to_vec(), "a").await, @r#"400 [An unknown file format not allowed] {"error":{"message":"An unknown file format not allowed"}}"#);
}

#[tokio::test]
async fn values_that_mean_nothing_are_refused() {
    let server = Server::start().await;
    insta::assert_snapshot!(refused(&server, UPLOAD, png(), &[("type", "fetch")]).await, @r#"400 [Invalid value fetch for parameter type] {"error":{"message":"Invalid value fetch for parameter type"}}"#);
    insta::assert_snapshot!(refused(&server, UPLOAD, png(), &[("moderation", "x")]).await, @r#"400 [Moderation x moderation is not valid] {"error":{"message":"Moderation x moderation is not valid"}}"#);
    insta::assert_snapshot!(refused(&server, UPLOAD, png(), &[("public_id", "a?b")]).await, @r#"400 [public_id (a?b) is invalid] {"error":{"message":"public_id (a?b) is invalid"}}"#);
    insta::assert_snapshot!(refused(&server, UPLOAD, png(), &[("public_id", "v1/b")]).await, @r#"400 [Folder name v1 is not allowed] {"error":{"message":"Folder name v1 is not allowed"}}"#);
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_with_its_size() {
    let limits = Limits { request_file_bytes: 100, ..Limits::default() };
    let server = Server::with_limits(limits).await;
    insta::assert_snapshot!(refused(&server, UPLOAD, super::media::large_png(300_000), &[]).await, @r#"400 [File size too large. Got 300000. Maximum is 100.] {"error":{"message":"File size too large. Got 300000. Maximum is 100."}}"#);
}

#[tokio::test]
async fn what_is_not_emulated_says_so() {
    let server = Server::start().await;
    let explode = server.url("/v1_1/emulator/image/explode");
    let response = server.client.post(explode).form(&signed(&[])).send().await.unwrap();
    insta::assert_snapshot!(told(response).await, @r#"400 [Not emulated: POST /v1_1/emulator/image/explode] {"error":{"message":"Not emulated: POST /v1_1/emulator/image/explode"}}"#);
    let response = server.client.put(server.url(UPLOAD)).form(&signed(&[])).send().await.unwrap();
    insta::assert_snapshot!(told(response).await, @r#"400 [Not emulated: PUT /v1_1/emulator/image/upload] {"error":{"message":"Not emulated: PUT /v1_1/emulator/image/upload"}}"#);
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending_and_the_connection_stays() {
    let server = Server::start().await;
    let mut connection = TcpStream::connect(server.origin.trim_start_matches("http://")).await.unwrap();
    let body = vec![0; 3_000_000];
    for (path, then) in
        [("/v1_1/emulator/image/explode", "keep-alive"), ("/v1_1/other/audio/upload", "close")]
    {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: {then}\r\ncontent-length: {length}\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        connection.write_all(&body).await.unwrap();
    }
    let mut answers = String::new();
    connection.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 400").count(), 2, "{answers}");
}

#[tokio::test]
async fn a_part_whose_header_never_ends_is_refused_before_it_fills_the_memory() {
    let server = Server::start().await;
    let mut body = b"--x\r\nContent-Disposition: form-data; name=\"".to_vec();
    body.resize(20_000_000, b'a');
    let request = server.client.post(server.url(UPLOAD)).body(body);
    let request = request.header("content-type", "multipart/form-data; boundary=x");
    insta::assert_snapshot!(told(request.send().await.unwrap()).await, @r#"400 [The body is not a form: a part header or a boundary never ends] {"error":{"message":"The body is not a form: a part header or a boundary never ends"}}"#);
}

#[tokio::test]
async fn bodies_that_are_no_form_are_refused() {
    let server = Server::start().await;
    let send = |content_type: &'static str, body: &'static str| {
        let request = server.client.post(server.url(UPLOAD)).header("content-type", content_type).body(body);
        async move { told(request.send().await.unwrap()).await }
    };
    insta::assert_snapshot!(send("multipart/form-data; boundary=x", "--x\r\nbroken").await, @r#"400 [The body is not a form: incomplete multipart stream] {"error":{"message":"The body is not a form: incomplete multipart stream"}}"#);
    insta::assert_snapshot!(send("application/json", "[1]").await, @r#"400 [The body is not a JSON object] {"error":{"message":"The body is not a JSON object"}}"#);
    insta::assert_snapshot!(send("text/plain", "hello").await, @r#"400 [Unsupported content type text/plain] {"error":{"message":"Unsupported content type text/plain"}}"#);
}
