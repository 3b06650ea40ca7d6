//! A PostgreSQL server of the bench's own, with every commit on disk before it is answered.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{process, text};

/// How many rows one statement inserts.
const ROWS: usize = 64;

const INSERT: &str = "\
INSERT INTO grants (id, subject, profile, public_id, delivery_type, request, terms, reservations, request_id, \
                    issued_at, expires_at, due_at) \
SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], \
                     $9::text[], $10::bigint[], $11::bigint[], $12::bigint[])";

/// The server; stopped when dropped.
pub(crate) struct Postgres {
    bin: PathBuf,
    dir: TempDir,
    port: u16,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let server = Self { bin: bin(), dir, port: process::free_port() };
        let data = server.data();
        if is_root() {
            run(Command::new("chown").args(["postgres", text(server.dir.path())]));
        }
        run(server
            .program("initdb")
            .args(["--username", "bench", "--auth", "trust"])
            .args(["--pgdata", &data]));
        let settings = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c fsync=on -c synchronous_commit=on",
            server.port,
            text(server.dir.path())
        );
        let log = format!("{data}.log");
        run(server.program("pg_ctl").args([
            "--wait",
            "--pgdata",
            &data,
            "--log",
            &log,
            "--options",
            &settings,
            "start",
        ]));
        server
    }

    /// The address of a new database.
    pub(crate) fn create(&self) -> String {
        let name = format!("bench_{:016x}", rand::random::<u64>());
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        runtime().block_on(async {
            let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
            sqlx::query(create).execute(&mut connection).await.unwrap();
        });
        self.url(&name)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://bench@127.0.0.1:{}/{database}", self.port)
    }

    fn data(&self) -> String {
        self.dir.path().join("data").to_str().unwrap().to_owned()
    }

    /// One of the server's programs, not as root: they refuse that.
    fn program(&self, name: &str) -> Command {
        let path = self.bin.join(name);
        if !is_root() {
            return Command::new(path);
        }
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(path);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.data();
        let _ = self.program("pg_ctl").args(["--mode", "immediate", "--pgdata", &data, "stop"]).output();
    }
}

/// How many rows of grants one connection inserts when it does nothing else: the same columns, each of the same length as
/// those of a single use.
pub(crate) fn rows_a_second(url: &str, seconds: usize) -> f64 {
    let limit = Duration::from_secs(seconds.try_into().unwrap());
    runtime().block_on(async {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let began = Instant::now();
        let mut rows = 0_u32;
        while began.elapsed() < limit {
            insert(&mut connection, rows).await;
            rows += u32::try_from(ROWS).unwrap();
        }
        f64::from(rows) / began.elapsed().as_secs_f64()
    })
}

async fn insert(connection: &mut PgConnection, rows: u32) {
    // Like those of grants, each id comes after the one before.
    let ids: Vec<_> = (0..ROWS).map(|row| format!("{rows:012x}{row:020x}")).collect();
    let public_ids: Vec<_> = ids.iter().map(|id| format!("kyc/1/{id}")).collect();
    let text = |text: &'static str| vec![text; ROWS];
    let number = |number: i64| vec![number; ROWS];
    let insert = sqlx::query(INSERT)
        .bind(&ids)
        .bind(text(""))
        .bind(text("once"))
        .bind(public_ids)
        .bind(text("upload"));
    let insert = insert.bind(text("{}")).bind(text("{}")).bind(text("[]")).bind(text("0123456789abcdef"));
    let insert = insert.bind(number(1_720_000_000)).bind(number(1_720_001_800)).bind(number(1_720_002_400));
    insert.execute(connection).await.unwrap();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// Where the server's programs are; Debian keeps them apart.
fn bin() -> PathBuf {
    let output = Command::new("pg_config").arg("--bindir").output();
    let named = output.map(|output| PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()));
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<_> = debian.map(|version| version.unwrap().path().join("bin")).collect();
    found.sort();
    found.extend(named);
    found.retain(|bin| bin.join("initdb").exists());
    found.pop().unwrap_or_else(|| panic!("needs PostgreSQL's programs: apt-get install postgresql"))
}

fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}");
}
