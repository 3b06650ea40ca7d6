//! `countersign inspect-url`: one JSON line for each URL.

use serde_json::{Value, json};

use super::run;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn every_url_of_the_published_table_answers_as_it_says() {
    let table = include_str!("../../vectors/delivery_urls.tsv");
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    let urls: Vec<&str> = rows.iter().map(|row| row[1]).collect();
    let ran = run("", &["inspect-url"], &urls.join("\n")).await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let names =
        ["cloud", "resource_type", "type", "public_id", "format", "version", "signature", "seo_suffix"];
    for (row, found) in rows.iter().zip(lines(&ran.stdout)) {
        assert_eq!(found["url"], row[1]);
        for (name, cell) in names.iter().zip(&row[2..]) {
            let expected = if cell.is_empty() { Value::Null } else { json!(cell) };
            assert_eq!(found[name], expected, "{name} of {}", row[1]);
        }
    }
}

#[tokio::test]
async fn the_fields_and_their_order_are_fixed() {
    let arguments = ["inspect-url", "https://res.cloudinary.com/demo/image/upload/w_100/v12/a/b.jpg", "x"];
    let ran = run("", &arguments, "").await;
    assert_eq!(ran.code, Some(1));
    insta::assert_snapshot!(ran.stdout, @r#"
    {"url":"https://res.cloudinary.com/demo/image/upload/w_100/v12/a/b.jpg","cloud":"demo","resource_type":"image","type":"upload","public_id":"a/b","format":"jpg","version":"12","signature":null,"seo_suffix":null}
    {"url":"x","error":"the URL must begin with https://"}
    "#);
}

#[tokio::test]
async fn cloud_and_host_stand_in_where_a_url_has_none() {
    let own = "https://media.example.com/image/upload/v1/a.jpg";
    let path = "/image/upload/v1/a.jpg";
    let configured = "cloudinary://1:2@configured/media.example.com";
    for (account, arguments, expected) in [
        ("", &[own][..], Value::Null),
        ("", &["--cloud", "demo", own], json!("demo")),
        (configured, &[own], json!("configured")),
        (configured, &[path], json!("configured")),
        (configured, &["--cloud", "demo", own], json!("demo")),
        ("", &["--cloud", "demo", "--host", "media.example.com", path], json!("demo")),
        (configured, &["https://res.cloudinary.com/theirs/image/upload/a.jpg"], json!("theirs")),
    ] {
        let ran = run(account, &[&["inspect-url"], arguments].concat(), "").await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(lines(&ran.stdout)[0]["cloud"], expected, "{arguments:?}");
    }
}

#[tokio::test]
async fn what_is_no_text_is_refused_line_by_line() {
    let ran =
        run("", &["inspect-url"], "\n  https://res.cloudinary.com/demo/image/upload/a  \r\nhttps://\n").await;
    let found = lines(&ran.stdout);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["public_id"], "a");
    assert_eq!(found[1]["error"], "the URL has no host");
}
