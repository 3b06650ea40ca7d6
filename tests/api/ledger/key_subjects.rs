//! API keys are known as key:NAME; rows from before that get the name.

use std::process::Output;

use countersign::clock::UnixSeconds;
use countersign::config::LedgerConfig;
use countersign::delivery::DeliveryType;
use countersign::ledger::{Event, FileLabel, Happening, Issue, Ledger, Surplus, UploadedFile};
use countersign::profiles::{
    Measure, Period, Profiles, Reservation, Terms, Tracked, UploadId, UploadRequest,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::{Database, key_lines, on_both};
use crate::helpers::{NOW, client, command, read_json};

on_both!(
    a_start_with_api_keys_alone_renames_their_rows_once,
    a_start_with_tokens_as_well_asks_for_the_command,
    a_new_ledger_has_nothing_to_rename,
);

/// A ledger as an earlier version left it: Ann's key, and somebody called zoe, have rows under their bare names.
async fn old_ledger(database: &Database) -> UploadId {
    let ledger = Ledger::new(&LedgerConfig::at(database.url.clone())).unwrap();
    let now = now();
    let window = Period::Month.window(now);
    let mut first = None;
    for (number, subject, used) in [(1, "ann", 2), (2, "key:ann", 3), (3, "zoe", 1)] {
        let id = UploadId::new(now.into(), [number; 10]);
        first = first.or(Some(id));
        let reservation =
            Reservation { measure: Measure::Uploads, amount: used, limit: 100, window: window.clone() };
        let tracked = Tracked {
            id,
            profile: "counted".to_owned(),
            subject: subject.to_owned(),
            public_id: format!("counted/ann/{id}"),
            delivery_type: DeliveryType::Upload,
            terms: Terms::default(),
            reservations: vec![reservation],
            max_open: None,
        };
        let request = UploadRequest::default();
        let (expires_at, address) = (now.plus(60), String::new());
        let issue =
            Issue { tracked, request: &request, issued_at: now, expires_at, request_id: "r", address };
        ledger.issue(issue).await.unwrap();
    }
    let target = "image/upload/a";
    let event = Event { at: now, subject: "ann", upload_id: None, target, detail: None, request_id: "r" };
    ledger.note(Happening::Downloaded, event);
    let profiles = Profiles::from_toml(super::PROFILES).unwrap();
    let terms = profiles.uploadcare(Some("mine")).unwrap().terms().unwrap();
    let file = UploadedFile {
        id: "00000000-0000-4000-8000-000000000001".parse().unwrap(),
        subject: "ann".to_owned(),
        profile: "mine".to_owned(),
        bytes: 10,
        mime_type: None,
        uploaded_micros: NOW.0 * 1_000_000,
        label: FileLabel {
            id: "label-1".to_owned(),
            limit: 25,
            surplus: Surplus::Rejected,
            ends_at: NOW.plus(600),
        },
        request_id: "r".to_owned(),
    };
    ledger.record(&file, terms).await.unwrap();
    ledger.close().await;
    database.execute("DELETE FROM done_once").await.unwrap();
    first.unwrap()
}

/// The processes of these tests have the machine's clock.
fn now() -> UnixSeconds {
    countersign::clock::Clock::system().now()
}

/// Who has how many rows, in every table.
async fn owners(database: &Database) -> Vec<String> {
    database
        .texts(
            "SELECT 'grant ' || subject FROM grants UNION ALL SELECT 'file ' || subject FROM uploadcare_files \
             UNION ALL SELECT 'event ' || subject FROM events \
             UNION ALL SELECT 'quota ' || subject || ' ' || CAST(used AS TEXT) FROM quota_use ORDER BY 1",
        )
        .await
}

const OLD: [&str; 9] = [
    "event ann",
    "event ann",
    "file ann",
    "grant ann",
    "grant key:ann",
    "grant zoe",
    "quota ann 2",
    "quota key:ann 3",
    "quota zoe 1",
];
const NEW: [&str; 8] = [
    "event key:ann",
    "event key:ann",
    "file key:ann",
    "grant key:ann",
    "grant key:ann",
    "grant zoe",
    "quota key:ann 5",
    "quota zoe 1",
];

/// The binary as the operator of an old ledger runs it.
struct Operator<'a> {
    database: &'a Database,
    dir: TempDir,
}

const PROFILES: &str = r#"
[profiles.counted]
folder = "counted/{sub}"
quota = { uploads = "100/month" }
scopes = []
"#;

impl<'a> Operator<'a> {
    fn of(database: &'a Database) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("keys"), key_lines()).unwrap();
        std::fs::write(dir.path().join("profiles.toml"), PROFILES).unwrap();
        Self { database, dir }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command
            .env("DATABASE_URL", &self.database.url)
            .env("API_KEYS_FILE", self.dir.path().join("keys"))
            .env("NO_COLOR", "1");
        command
    }

    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = self.command(arguments);
        if arguments[0] != "migrate-subjects" {
            command.env("PROFILES_FILE", self.dir.path().join("profiles.toml"));
        }
        let Output { status, stdout, stderr } = command.output().await.unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    /// Starts the service, which must begin to listen.
    async fn start(&self, auth: &str) -> crate::helpers::TestProcess {
        let (keys, profiles) = (self.dir.path().join("keys"), self.dir.path().join("profiles.toml"));
        let [keys, profiles] = [&keys, &profiles].map(|path| path.to_str().unwrap());
        let mut arguments = vec![
            "serve",
            "--emulator",
            "--port",
            "0",
            "--emulator-port",
            "0",
            "--auth",
            auth,
            "--api-keys-file",
            keys,
            "--profiles-file",
            profiles,
            "--database-url",
            &self.database.url,
        ];
        if auth.contains("jwt") {
            arguments.extend(["--jwt-secret", SECRET]);
        }
        crate::helpers::TestProcess::spawn(&arguments).await
    }
}

const SECRET: &str = "a secret of more than thirty-two bytes";

async fn a_start_with_api_keys_alone_renames_their_rows_once(database: Database) {
    let grant = old_ledger(&database).await;
    assert_eq!(owners(&database).await, OLD);
    let operator = Operator::of(&database);
    // Together, as replicas start.
    let (mut first, second) = tokio::join!(operator.start("api-key"), operator.start("api-key"));
    let request = client().get(format!("http://{}/uploads/{grant}", first.address)).bearer_auth("cs_ann");
    let (status, body) = read_json(request.send().await.unwrap()).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(owners(&database).await, NEW);
    first.signal("-TERM");
    second.signal("-TERM");
    let (_, log) = first.finish().await;
    let (_, other) = second.finish().await;
    let renamed = format!("{log}{other}");
    assert_eq!(renamed.matches("rows of an API key were renamed").count(), 1, "{renamed}");
    // What comes later under such a name is not a key's.
    database.execute("UPDATE grants SET subject = 'ann' WHERE subject = 'zoe'").await.unwrap();
    first = operator.start("api-key").await;
    let asked = client().get(format!("http://{}/uploads", first.address)).bearer_auth("cs_ann");
    assert_eq!(asked.send().await.unwrap().status(), 200);
    assert!(owners(&database).await.contains(&"grant ann".to_owned()));
}

async fn a_start_with_tokens_as_well_asks_for_the_command(database: Database) {
    old_ledger(&database).await;
    let operator = Operator::of(&database);
    let with_both = ["--auth", "api-key,jwt", "--jwt-secret", SECRET];
    let serve = [&["serve", "--emulator", "--port", "0", "--emulator-port", "0"], &with_both[..]].concat();
    let (code, _, stderr) = operator.run(&serve).await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("rows of ann") && stderr.contains("countersign migrate-subjects"), "{stderr}");
    let check = [&["check", "--online", "--emulator"], &with_both[..]].concat();
    let (code, stdout, stderr) = operator.run(&check).await;
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert!(stdout.contains("ambiguous subjects ann: run `countersign migrate-subjects`"), "{stdout}");
    assert_eq!(owners(&database).await, OLD);

    let expected = json!({
        "from": "ann", "to": "key:ann", "grants": 1, "files": 1, "quotas": 1, "events": 2,
    });
    let (code, dry, stderr) = operator.run(&["migrate-subjects", "--dry-run"]).await;
    assert_eq!((code, serde_json::from_str::<Value>(&dry).unwrap()), (Some(0), expected.clone()), "{stderr}");
    assert_eq!(owners(&database).await, OLD);
    let (code, done, stderr) = operator.run(&["migrate-subjects"]).await;
    assert_eq!((code, serde_json::from_str::<Value>(&done).unwrap()), (Some(0), expected), "{stderr}");
    assert_eq!(owners(&database).await, NEW);
    assert_eq!(operator.run(&["migrate-subjects"]).await.1, "");
    operator.start("api-key,jwt").await;
}

async fn a_new_ledger_has_nothing_to_rename(database: Database) {
    // Somebody with a token is called like a key that there will be.
    let ledger = Ledger::new(&LedgerConfig::at(database.url.clone())).unwrap();
    ledger.open().await.unwrap();
    let target = "image/upload/a";
    let event = Event { at: NOW, subject: "ann", upload_id: None, target, detail: None, request_id: "r" };
    ledger.note(Happening::Downloaded, event);
    ledger.close().await;
    let operator = Operator::of(&database);
    let process = operator.start("api-key").await;
    let asked = client().get(format!("http://{}/uploads", process.address)).bearer_auth("cs_ann");
    assert_eq!(asked.send().await.unwrap().status(), 200);
    assert_eq!(owners(&database).await, ["event ann"]);
}
