//! What it costs that grants are kept: signatures a second with a ledger, against signing without one, and against rows
//! that PostgreSQL takes when nothing else is done.
//!
//! `cargo bench --bench ledger` runs everything in turn, every answered grant durable: SQLite in WAL mode with
//! synchronous=FULL, PostgreSQL with `fsync` and `synchronous_commit` on. 256 keep-alive connections by default; server on one
//! core, load on another, PostgreSQL where the kernel puts it. `-- --rounds 3 --seconds 4 --connections 256` are the
//! defaults. Files lie in the build folder, which should be on a real disk. Needs Linux, `taskset`, and PostgreSQL's
//! programs; as root also the user `postgres`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a bench prints, and stops where it cannot go on"
)]

#[path = "../http/load.rs"]
mod load;
mod postgres;
#[path = "../http/process.rs"]
#[expect(dead_code, reason = "the bench that it is shared with uses the rest")]
mod process;

use std::env::args;
use std::fs;
use std::path::{Path, PathBuf};

use load::Load;
use postgres::Postgres;
use process::Server;
use tempfile::TempDir;

/// One grant is good for one upload; nothing else is asked.
const PROFILES: &str = "\
[profiles.default]
scopes = []
folder = \"web/1\"

[profiles.once]
folder = \"kyc/1\"
scopes = []
single_use = true
max_open_grants = 1000000

[profiles.counted]
folder = \"kyc/1\"
scopes = []
quota = { uploads = \"1000000000/day\" }
max_open_grants = 1000000
";

fn main() {
    let arguments: Vec<String> = args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "load") {
        return load::run(&arguments[1..]);
    }
    let rounds = number(&arguments, "--rounds", 3);
    let load = Load {
        connections: number(&arguments, "--connections", 256),
        seconds: number(&arguments, "--seconds", 4),
    };
    println!("{} connections, {rounds} rounds of {} s each; the median", load.connections, load.seconds);
    println!("{}", process::placement());

    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let profiles = dir.path().join("profiles.toml");
    fs::write(&profiles, PROFILES).unwrap();
    let postgres = Postgres::start();
    let bench = Bench { dir, profiles, postgres, load };

    let rounds: Vec<_> = (0..rounds).map(|_| bench.round()).collect();
    let median = |pick: fn(&Round) -> f64| {
        let mut values: Vec<_> = rounds.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (stateless, insert) = (median(|round| round.stateless), median(|round| round.insert));
    println!("{:54} {:>12} {:>8}", "", "a second", "ratio");
    let line = |name: &str, value: f64, base: f64| println!("{name:54} {value:>12.0} {:>8.2}", value / base);
    line("signatures without a ledger", stateless, stateless);
    line("single use on SQLite, × without a ledger", median(|round| round.sqlite), stateless);
    line("the same with a quota", median(|round| round.sqlite_counted), stateless);
    line("rows into PostgreSQL, 64 a statement", insert, insert);
    line("single use on PostgreSQL, × rows", median(|round| round.postgres), insert);
    line("the same with a quota", median(|round| round.postgres_counted), insert);
}

struct Bench {
    dir: TempDir,
    profiles: PathBuf,
    postgres: Postgres,
    load: Load,
}

/// Signatures or rows a second.
struct Round {
    stateless: f64,
    sqlite: f64,
    sqlite_counted: f64,
    insert: f64,
    postgres: f64,
    postgres_counted: f64,
}

impl Bench {
    fn round(&self) -> Round {
        let file = self.dir.path().join(format!("{:016x}.db", rand::random::<u64>()));
        let sqlite = format!("sqlite://{}", file.display());
        let database = self.postgres.create();
        Round {
            stateless: self.rate("/upload-signature", &sqlite),
            sqlite: self.rate("/upload-signature?profile=once", &sqlite),
            sqlite_counted: self.rate("/upload-signature?profile=counted", &sqlite),
            postgres: self.rate("/upload-signature?profile=once", &database),
            postgres_counted: self.rate("/upload-signature?profile=counted", &database),
            // Last, since the tables are there by then.
            insert: postgres::rows_a_second(&database, self.load.seconds),
        }
    }

    fn rate(&self, path: &str, database: &str) -> f64 {
        let port = process::free_port();
        let profiles = self.profiles.to_str().unwrap();
        let _server =
            Server::countersign_with(port, &[("PROFILES_FILE", profiles), ("DATABASE_URL", database)]);
        process::generate(&Load { seconds: 1, ..self.load }, port, path, None);
        let answers = process::generate(&self.load, port, path, None);
        answers / f64::from(u32::try_from(self.load.seconds).unwrap())
    }
}

fn number(arguments: &[String], name: &str, default: usize) -> usize {
    let at = arguments.iter().position(|argument| argument == name);
    at.map_or(default, |at| arguments[at + 1].parse().unwrap_or_else(|_| panic!("{name} takes a number")))
}

/// A path as the programs of PostgreSQL take it.
fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
