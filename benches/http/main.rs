//! CPU per request of the service, as a ratio to a bare hyper server that answers the same number of bytes.
//!
//! `cargo bench --bench http` builds both, runs them in turn under the same load (64 keep-alive connections by default),
//! each alone on one core with the load on another, and prints requests per second, CPU per request and the ratio.
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

use std::env::args;

use load::Load;
use process::Server;

/// What is measured, and how it is started.
struct Candidate {
    name: &'static str,
    path: &'static str,
    start: fn(u16) -> Server,
}

const CANDIDATES: [Candidate; 4] = [
    Candidate {
        name: "bare hyper, same bytes",
        path: "/",
        start: |port| Server::bare(port, SIGNED_ANSWER_BYTES),
    },
    Candidate { name: "countersign /livez", path: "/livez", start: Server::countersign },
    Candidate {
        name: "countersign /upload-signature",
        path: "/upload-signature",
        start: Server::countersign,
    },
    Candidate {
        name: "countersign /download-url",
        path: "/download-url?public_id=kyc/1/passport_x7k2p1&format=jpg",
        start: Server::countersign,
    },
];

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
    let mut samples = vec![Vec::new(); CANDIDATES.len()];
    for _ in 0..rounds {
        for (candidate, samples) in CANDIDATES.iter().zip(&mut samples) {
            samples.push(sample(candidate, &load, process::free_port()));
        }
    }
    report(&samples);
}

fn sample(candidate: &Candidate, load: &Load, port: u16) -> Sample {
    let server = (candidate.start)(port);
    // The first second warms connections and allocators and is not counted.
    process::generate(&Load { seconds: 1, ..*load }, port, candidate.path);
    let before = server.cpu_microseconds();
    let requests = process::generate(load, port, candidate.path);
    let cpu = server.cpu_microseconds() - before;
    let seconds = f64::from(u32::try_from(load.seconds).unwrap());
    Sample { requests_per_second: requests / seconds, cpu_microseconds: cpu / requests }
}

fn report(samples: &[Vec<Sample>]) {
    let bare = median(samples[0].iter().map(|sample| sample.cpu_microseconds));
    println!("{:32} {:>12} {:>16} {:>14}", "server", "requests/s", "CPU µs/request", "× bare hyper");
    for (candidate, samples) in CANDIDATES.iter().zip(samples) {
        let cpu = median(samples.iter().map(|sample| sample.cpu_microseconds));
        let rate = median(samples.iter().map(|sample| sample.requests_per_second));
        println!("{:32} {rate:>12.0} {cpu:>16.2} {:>14.2}", candidate.name, cpu / bare);
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
