//! A ledger that is gone: what needs it answers 503, everything else goes on, and nothing needs a restart.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

use super::Database;
use super::fleet::{Answer, Fleet, Replica, User};
use crate::helpers::{client, failure};

/// What lies between a replica and its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Nothing.
    Open,
    /// Connections are refused, and those that there are break.
    Cut,
    /// Packets go into the void.
    Silent,
}

/// A line to a database that can be cut.
struct Proxy {
    url: String,
    line: watch::Sender<Line>,
}

impl Proxy {
    async fn to(database: &Database, line: Line) -> Self {
        let mut url = Url::parse(&database.url).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(address.port())).unwrap();
        drop(listener);
        let (line, watched) = watch::channel(line);
        tokio::spawn(relay_all(address, server, watched));
        Self { url: url.to_string(), line }
    }
}

/// Listens except while the line is cut.
async fn relay_all(address: SocketAddr, server: String, mut line: watch::Receiver<Line>) {
    loop {
        line.wait_for(|line| *line != Line::Cut).await.unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        loop {
            let mut cut = line.clone();
            tokio::select! {
                Ok((client, _)) = listener.accept() => {
                    tokio::spawn(relay(client, server.clone(), line.clone()));
                }
                _ = cut.wait_for(|line| *line == Line::Cut) => break,
            }
        }
    }
}

async fn relay(mut client: TcpStream, server: String, mut line: watch::Receiver<Line>) {
    let open = async {
        let mut server = TcpStream::connect(server).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    };
    let mut changes = line.clone();
    let is_open = *line.borrow_and_update() == Line::Open;
    tokio::select! {
        () = open, if is_open => {}
        _ = changes.wait_for(|line| *line != Line::Open) => {}
    }
    // What broke off in the middle cannot go on.
    let _ = line.wait_for(|line| *line != Line::Silent).await;
}

/// Everything that needs the ledger, at once, and how long the slowest took.
async fn ask_everything(user: &User, signed: &Value, uploaded: &Value) -> (Vec<Answer>, Duration) {
    let started = Instant::now();
    let turn = async |number: usize| match number % 4 {
        0 => user.try_sign("once").await,
        1 => user.try_renew(signed).await,
        2 => user.try_confirm(signed, uploaded).await,
        _ => user.ask(Method::GET, "/uploads", None).await,
    };
    (join_all((0..40).map(turn)).await, started.elapsed())
}

/// Signs what no ledger is needed for; how long the slowest took.
async fn ask_for_others(user: &User) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let started = Instant::now();
        assert_eq!(user.sign("free").await["payload"]["folder"], "free/ann");
        slowest = slowest.max(started.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    slowest
}

fn check_refused(answer: &(StatusCode, Value)) {
    let refused = failure(answer);
    assert_eq!(
        refused,
        "503 ledger_unreachable: the ledger cannot be reached; nothing was signed or changed"
    );
    assert!(answer.1.get("data").is_none());
}

/// Asks until the ledger is there again.
async fn wait_for_the_ledger(user: &User) {
    for _ in 0..300 {
        let (status, _) = user.try_sign("once").await.unwrap();
        if status == StatusCode::OK {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the ledger is there, and is not used");
}

async fn one_behind(line: Line) -> (Fleet, Proxy, Replica) {
    let fleet = Fleet::on(Database::postgres().await).await;
    let proxy = Proxy::to(&fleet.database, line).await;
    let replica = fleet.launch(&proxy.url).listening().await;
    (fleet, proxy, replica)
}

/// Signs or lists until there is no ledger any more; how long the last one took.
async fn keep_asking(user: User, signs: bool) -> Duration {
    loop {
        let started = Instant::now();
        let path = if signs { "/upload-signature?profile=once" } else { "/uploads" };
        let answer = user.ask(Method::GET, path, None).await.unwrap();
        if answer.0 != StatusCode::OK {
            check_refused(&answer);
            return started.elapsed();
        }
    }
}

/// The most that a request waits for a ledger that is not there, and for one that is.
const A_WHILE: Duration = Duration::from_secs(20);
const AT_ONCE: Duration = Duration::from_secs(1);

async fn without_the_database(line: Line) {
    let (fleet, proxy, replica) = one_behind(Line::Open).await;
    let user = replica.user("ann");
    let signed = user.sign("once").await;
    let uploaded = user.upload(&signed).await;
    // Some are in the middle of it when the line goes.
    let asking: Vec<_> =
        (0..8).map(|number| tokio::spawn(keep_asking(user.clone(), number % 2 == 0))).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.line.send_replace(line);
    let ((answers, took), others) =
        join(ask_everything(&user, &signed, &uploaded), ask_for_others(&user)).await;
    for answer in answers {
        check_refused(&answer.unwrap());
    }
    assert!(took < A_WHILE && others < AT_ONCE, "{took:?} and {others:?}");
    for asking in asking {
        let took = asking.await.unwrap();
        assert!(took < A_WHILE, "{took:?}");
    }
    proxy.line.send_replace(Line::Open);
    wait_for_the_ledger(&user).await;
    assert_eq!(user.state(&signed).await["state"], "issued");
    assert_eq!(user.confirm(&signed, &uploaded).await["state"], "used");
    fleet.check_quotas().await;
}

#[tokio::test]
async fn a_database_that_refuses_holds_up_only_what_needs_it() {
    without_the_database(Line::Cut).await;
}

#[tokio::test]
async fn a_database_that_is_silent_holds_up_only_what_needs_it() {
    without_the_database(Line::Silent).await;
}

#[tokio::test]
async fn a_replica_that_starts_without_its_database_says_so_and_waits_for_it() {
    let (_fleet, proxy, replica) = one_behind(Line::Cut).await;
    let user = replica.user("ann");
    let signs = async {
        let started = Instant::now();
        let answers = join_all((0..40).map(|_| user.try_sign("once"))).await;
        (answers, started.elapsed())
    };
    let lists = async {
        let started = Instant::now();
        let answers = join_all((0..40).map(|_| user.ask(Method::GET, "/uploads", None))).await;
        (answers, started.elapsed())
    };
    let ((signed, listed), others) = join(join(signs, lists), ask_for_others(&user)).await;
    assert!(signed.1 < A_WHILE && listed.1 < A_WHILE && others < AT_ONCE, "{:?} {:?}", signed.1, listed.1);
    for answer in signed.0.into_iter().chain(listed.0) {
        check_refused(&answer.unwrap());
    }
    let url = format!("{}/upload-signature?profile=once", replica.origin);
    let response = client().get(url).bearer_auth("cs_ann").send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "5");
    let log = replica.log();
    assert!(log.contains("profiles that need the ledger answer 503 until it can be reached"), "{log}");
    proxy.line.send_replace(Line::Open);
    wait_for_the_ledger(&user).await;
}

#[tokio::test]
async fn a_file_that_cannot_be_written_holds_up_only_what_needs_it() {
    let fleet = Fleet::on(Database::sqlite()).await;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("not-there-yet");
    let url = format!("sqlite://{}/ledger.db", folder.display());
    let replica = fleet.launch(&url).listening().await;
    let user = replica.user("ann");
    let signs = join_all((0..20).map(|_| user.try_sign("once")));
    let (answers, others) = join(signs, ask_for_others(&user)).await;
    assert!(others < AT_ONCE, "{others:?}");
    for answer in answers {
        check_refused(&answer.unwrap());
    }
    std::fs::create_dir(&folder).unwrap();
    wait_for_the_ledger(&user).await;
}

/// Ends every connection of the service's, as a server that is stopped does.
const END: &str = "SELECT CAST(count(pg_terminate_backend(pid)) AS TEXT) FROM pg_stat_activity \
                   WHERE datname = current_database() AND application_name = 'countersign'";

#[tokio::test]
async fn a_server_that_stops_fails_a_batch_at_once_and_not_row_by_row() {
    let (fleet, proxy, replica) = one_behind(Line::Open).await;
    let user = replica.user("ann");
    user.sign("once").await;
    let mut connection = PgConnection::connect(&fleet.database.url).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE grants").execute(&mut connection).await.unwrap();
    let signs = async {
        let started = Instant::now();
        (join_all((0..100).map(|_| user.try_sign("once"))).await, started.elapsed())
    };
    let stops = async {
        // The first batches are small, and those that gather behind them are not.
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            fleet.database.texts(END).await;
        }
        proxy.line.send_replace(Line::Cut);
    };
    let ((answers, took), ()) = join(signs, stops).await;
    assert!(took < A_WHILE, "{took:?}");
    for answer in answers {
        check_refused(&answer.unwrap());
    }
}

#[tokio::test]
async fn processes_that_start_together_on_an_empty_file_all_sign() {
    let fleet = Fleet::on(Database::sqlite()).await;
    let replicas = fleet.replicas(4).await;
    let users: Vec<_> = replicas.iter().map(|replica| replica.user("ann")).collect();
    join_all(users.iter().map(|user| user.sign("once"))).await;
    for replica in &replicas {
        let log = replica.log();
        assert!(!log.contains("ERROR"), "{log}");
    }
}
