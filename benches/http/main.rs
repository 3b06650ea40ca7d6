//! CPU per request of the service, as a ratio to a bare hyper server that answers the same number of bytes.
//!
//! `cargo bench --bench http` builds both, runs them in turn under the same load (64 keep-alive connections by default),
//! each alone on one core with the load on another, and prints requests per second, CPU per request and the ratio. What a
//! caller's token costs is the difference to the same requests at a server that does not read it: one that is new each
//! time, and one that the server has seen.
//! `cargo bench --bench http -- --rounds 5 --seconds 4 --connections 64` are the defaults. Needs Linux and `taskset`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a bench prints, and stops where it cannot go on"
)]

mod bare;
mod load;
mod process;
mod tokens;

use std::env::args;

use load::Load;
use process::Server;
use tokens::Tokens;

/// What is measured, and how it is started.
struct Candidate {
    name: &'static str,
    path: &'static str,
    start: fn(u16, &Tokens) -> Server,
    /// The file of tokens that its callers send.
    tokens: Option<&'static str>,
}

const CANDIDATES: [Candidate; 8] = [
    Candidate {
        name: "bare hyper, same bytes",
        path: "/",
        start: |port, _| Server::bare(port, SIGNED_ANSWER_BYTES),
        tokens: None,
    },
    Candidate { name: "countersign /livez", path: "/livez", start: countersign, tokens: None },
    Candidate { name: "countersign /upload-signature", path: SIGN, start: countersign, tokens: None },
    Candidate {
        name: "countersign /download-url",
        path: "/download-url?public_id=kyc/1/passport_x7k2p1&format=jpg",
        start: countersign,
        tokens: None,
    },
    Candidate {
        name: "/upload-signature, token unread",
        path: SIGN,
        start: countersign,
        tokens: Some("hs256-many"),
    },
    Candidate {
        name: "/upload-signature, HS256 anew",
        path: SIGN,
        start: |port, _| Server::countersign_with(port, &Tokens::hs256()),
        tokens: Some("hs256-many"),
    },
    Candidate {
        name: "/upload-signature, HS256 again",
        path: SIGN,
        start: |port, _| Server::countersign_with(port, &Tokens::hs256()),
        tokens: Some("hs256"),
    },
    Candidate {
        name: "/upload-signature, ES256 again",
        path: SIGN,
        start: |port, tokens| Server::countersign_with(port, &tokens.es256()),
        tokens: Some("es256"),
    },
];

const SIGN: &str = "/upload-signature";

fn countersign(port: u16, _tokens: &Tokens) -> Server {
    Server::countersign_with(port, &[])
}

/// The length of a signed answer's body.
const SIGNED_ANSWER_BYTES: usize = 400;

/// One candidate's share of one round.
#[derive(Clone, Copy)]
struct Sample {
    requests_per_second: f64,
    cpu_microseconds: f64,
}

fn main() {
    let arguments: Vec<String> = args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("bare") => bare::serve(arguments[1].parse().unwrap(), arguments[2].parse().unwrap()),
        Some("load") => load::run(&arguments[1..]),
        _ => measure(&arguments),
    }
}

fn measure(arguments: &[String]) {
    let rounds = number(arguments, "--rounds", 5);
    let load = Load {
        connections: number(arguments, "--connections", 64),
        seconds: number(arguments, "--seconds", 4),
    };
    println!(
        "{} connections, {} rounds of {} s each, interleaved; the median of each figure",
        load.connections, rounds, load.seconds
    );
    println!("{}", process::placement());
    let tokens = Tokens::make();
    let mut samples = vec![Vec::new(); CANDIDATES.len()];
    for _ in 0..rounds {
        for (candidate, samples) in CANDIDATES.iter().zip(&mut samples) {
            samples.push(sample(candidate, &load, &tokens));
        }
    }
    report(&samples);
}

fn sample(candidate: &Candidate, load: &Load, tokens: &Tokens) -> Sample {
    let port = process::free_port();
    let server = (candidate.start)(port, tokens);
    let file = candidate.tokens.map(|name| tokens.file(name));
    let file = file.as_deref();
    // The first second warms connections and allocators and is not counted.
    process::generate(&Load { seconds: 1, ..*load }, port, candidate.path, file);
    let before = server.cpu_microseconds();
    let requests = process::generate(load, port, candidate.path, file);
    let cpu = server.cpu_microseconds() - before;
    let seconds = f64::from(u32::try_from(load.seconds).unwrap());
    Sample { requests_per_second: requests / seconds, cpu_microseconds: cpu / requests }
}

fn report(samples: &[Vec<Sample>]) {
    let cpu = |samples: &Vec<Sample>| median(samples.iter().map(|sample| sample.cpu_microseconds));
    let bare = cpu(&samples[0]);
    println!("{:32} {:>12} {:>16} {:>14}", "server", "requests/s", "CPU µs/request", "× bare hyper");
    for (candidate, samples) in CANDIDATES.iter().zip(samples) {
        let rate = median(samples.iter().map(|sample| sample.requests_per_second));
        let cpu = cpu(samples);
        println!("{:32} {rate:>12.0} {cpu:>16.2} {:>14.2}", candidate.name, cpu / bare);
    }
    let with_tokens = CANDIDATES.iter().zip(samples).filter(|(candidate, _)| candidate.tokens.is_some());
    let mut with_tokens = with_tokens.map(|(candidate, samples)| (candidate.name, cpu(samples)));
    let Some((_, unread)) = with_tokens.next() else { return };
    for (name, cpu) in with_tokens {
        println!(
            "{name}: {:+.2} µs for the token, {:+.2} of bare hyper",
            cpu - unread,
            (cpu - unread) / bare
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn number(arguments: &[String], name: &str, default: usize) -> usize {
    let at = arguments.iter().position(|argument| argument == name);
    at.map_or(default, |at| arguments[at + 1].parse().unwrap_or_else(|_| panic!("{name} takes a number")))
}
