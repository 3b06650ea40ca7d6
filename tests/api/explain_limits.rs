//! `POST /explain` with texts that were made to cost a lot, and many of them at once.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::helpers::{TestApp, TestProcess, client, failure, read_json};

/// The largest body that the route takes.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// The most that one answer costs: half a second of searching, and reading. Counted by the process's own clock, because
/// the machine may have other things to do.
const MAX_CPU_SECONDS: f64 = 1.0;

/// The text between `front` and `back`, filled with `unit` as far as a body of the largest size goes.
fn filled(front: &str, unit: &str, back: &str) -> String {
    let length = |text: &str| json!(text).to_string().len() - 2;
    let room = MAX_BODY_BYTES - 20 - length(front) - length(back);
    format!("{front}{}{back}", unit.repeat(room / length(unit)))
}

fn refusal_over(string: &str) -> String {
    format!("Invalid Signature {}. String to sign - '{string}'.", "ab".repeat(20))
}

/// As much as a search takes in: it goes on until its time is up.
fn largest_search() -> String {
    let params: Vec<_> = (0..59).map(|number| format!("p{number:02}=a,{}", "b%2F ".repeat(52))).collect();
    refusal_over(&format!("{}&timestamp=1720000000", params.join("&")))
}

/// Texts that are hard to read, to compare or to search, by name.
fn nasty_texts() -> Vec<(&'static str, String)> {
    let opening = format!("Invalid Signature {}. String to sign - '", "ab".repeat(20));
    let sent = "folder=a&timestamp=1720000000&api_key=1&signature=abababababababababababababababababababab";
    let numbered = |line: fn(usize) -> String, count: usize| (0..count).map(line).collect::<String>();
    vec![
        ("one parameter repeated", filled(&opening, "a=1&", "'.")),
        ("a request with one parameter repeated", filled(sent, "&a=b", "")),
        ("a short one", format!("{sent}{}", "&a=b".repeat(120))),
        ("as large as a search may be", largest_search()),
        ("a list item a line", filled("", "name[]=x\n", "")),
        ("a list a line", numbered(|number| format!("n{number}[]=x\n"), 15_000)),
        ("4,000 list items and a request", format!("{}{sent}", "name[]=x\n".repeat(4_000))),
        (
            "a claim of many parameters",
            refusal_over(&numbered(|number| format!("p{number}=1&"), 12_000)) + "\na=1",
        ),
        (
            "many parameters on both sides",
            refusal_over(&numbered(|number| format!("p{number}=1&"), 9_000))
                + "\n"
                + &numbered(|number| format!("p{number}=1\n"), 9_000),
        ),
        ("lines with a label", filled("", "a: b\n", "")),
        (
            "an address and what may belong to it",
            filled(&format!("z={}://?", "x".repeat(99_000)), "&a=1", ""),
        ),
        ("addresses without a query", filled("z=://", "&a=x", "")),
        (
            "a long name before a long list",
            refusal_over(&format!("{}={}", "n".repeat(8_000), ",".repeat(8_000))),
        ),
        ("a long list", refusal_over(&format!("tags={}&timestamp=1720000000", "a,".repeat(8_000)))),
        ("all percent signs", refusal_over(&format!("folder={}&timestamp=1", "%".repeat(16_000)))),
        ("all ampersands", filled(&opening, "&", "'.")),
        ("ends of strings to sign", filled(&opening, "'.x", "")),
        ("openings", filled("", "Invalid Signature ", "")),
        ("refusals that are none", filled("", "upload preset not foun: \n", "")),
        ("a refusal a line", filled("", "upload preset not found: \n", "")),
        ("objects within objects", filled("", "{\"a\":", "")),
        ("lists within objects that never end", filled(&"{\"a\":[".repeat(100), "1,", "")),
        ("texts within objects that never end", filled(&"{\"a\":[\"".repeat(100), "b", "")),
        ("a long list in JSON", filled("{\"ids\":[", "1,", "1]}")),
        ("objects beside one another", filled("", "{\"a\":1}", "")),
        ("quotes of a shell", filled("curl ", "'\"", "")),
        ("quotes within quotes of a shell", filled("curl -F \"", "\\\"'", "")),
        ("fields of a command", filled("curl ", "-F a=1 ", "")),
        ("a command's form", filled("curl -d ", "a=1&", "")),
        ("backticks", filled("timestamp=", "`", "")),
        ("a long timestamp", filled("timestamp=", "1", "")),
        ("a long signature", filled("folder=a&signature=", "a", "")),
        ("a long API key", filled("Unknown API key ", "'", "")),
        ("a long time", filled("Stale request - reported time is ", " ", "")),
        ("blanks", filled("", " ", "")),
        ("line breaks", filled("", "\n", "")),
        ("letters of two bytes", filled("folder=", "é", "\ntimestamp=1")),
        ("an object that is too long", "{".repeat(2 * MAX_BODY_BYTES)),
    ]
}

/// A field of `/proc/PID/status` in kB: `VmRSS` is the memory in use, `VmHWM` the most there has been.
fn memory(process: &TestProcess, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.child.id().unwrap())).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How long the process has computed, in seconds.
fn cpu_seconds(process: &TestProcess) -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.child.id().unwrap())).unwrap();
    // User and system time; the program's name before them may hold anything.
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS_PER_SECOND
}

async fn spawn() -> TestProcess {
    let arguments = ["serve", "--emulator", "--port", "0", "--emulator-port", "0", "--rate-limit", "off"];
    TestProcess::spawn(&arguments).await
}

#[tokio::test]
async fn any_text_is_answered_or_refused_at_once_and_in_little_memory() {
    let process = spawn().await;
    let client = client();
    let ask = async |text: &str| {
        let request =
            client.post(format!("http://{}/explain", process.address)).json(&json!({ "text": text }));
        read_json(request.send().await.unwrap()).await
    };
    ask("timestamp=1720000000").await;
    let before = memory(&process, "VmRSS");
    for (name, text) in nasty_texts() {
        let began = cpu_seconds(&process);
        let (status, body) = ask(&text).await;
        let took = cpu_seconds(&process) - began;
        assert!([200, 413].contains(&status.as_u16()), "{name}: {status} {body}");
        assert!(took < MAX_CPU_SECONDS, "{name}: {took} s");
        assert!(body.to_string().len() < 10_000, "{name}: an answer of {} bytes", body.to_string().len());
    }
    let most = memory(&process, "VmHWM") - before;
    assert!(most < 50 * 1024, "{most} kB more");
}

#[tokio::test]
async fn two_searches_run_at_once_and_others_are_told_to_come_again() {
    let app = TestApp::spawn().await;
    let text = json!({ "text": largest_search() });
    let ask = || async {
        let answer = app.client.post(app.url("/explain")).json(&text).send().await.unwrap();
        let retry_after = answer.headers().get("retry-after").cloned();
        (retry_after, read_json(answer).await)
    };
    let answers = join_all((0..8).map(|_| ask())).await;
    let (busy, found): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, (status, _))| *status == 503);
    assert!(found.len() >= 2 && !busy.is_empty(), "{found:?}");
    for (_, (status, body)) in found {
        assert_eq!(status, 200, "{body}");
        assert!(body["data"]["message"].as_str().unwrap().contains("ended after 0.5 s"), "{body}");
    }
    for (retry_after, answer) in busy {
        assert_eq!(retry_after.unwrap(), "1");
        assert_eq!(
            failure(&answer),
            "503 explain_busy: other signatures are being explained now; try again in 1 s"
        );
    }
    let (status, _) = app.post_json("/explain", &json!({ "text": "hello" })).await;
    assert_eq!(status, 200, "the slots are free again");
}

/// Sends a request and leaves without its answer.
async fn ask_and_leave(address: &str, text: &str) {
    let body = json!({ "text": text }).to_string();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /explain HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn a_search_that_nobody_waits_for_makes_room() {
    let app = TestApp::spawn().await;
    let address = app.address.to_string();
    let text = largest_search();
    // Without room made for it, the last of these would wait for five searches, and be refused.
    for _ in 0..5 {
        join_all([ask_and_leave(&address, &text), ask_and_leave(&address, &text)]).await;
    }
    let answer = app.post_json("/explain", &json!({ "text": "hello" })).await;
    assert_eq!(answer.0, 200, "{}", answer.1);
}

#[tokio::test]
async fn sigterm_ends_the_process_while_a_hundred_searches_are_under_way() {
    let process = spawn().await;
    let client = client();
    let text = largest_search();
    let asking = (0..100).map(|_| {
        let url = format!("http://{}/explain", process.address);
        tokio::spawn(client.post(url).json(&json!({ "text": text })).send())
    });
    let asking: Vec<_> = asking.collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    process.signal("-TERM");
    let began = Instant::now();
    let (code, log) = tokio::time::timeout(Duration::from_secs(20), process.finish()).await.unwrap();
    assert_eq!(code, Some(0), "{log}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(!log.contains("were cut off"), "{log}");
    for asked in asking {
        if let Ok(answer) = asked.await.unwrap() {
            assert!([200, 503].contains(&answer.status().as_u16()), "{}", answer.status());
        }
    }
}
