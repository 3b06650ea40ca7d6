//! Servers and load as processes of their own, each on its core, and the CPU time that a server has used.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::load::Load;

/// A running server; killed when dropped.
pub(crate) struct Server(Child);

/// Whether the machine has a core for the server and another for the load.
fn has_two_cores() -> bool {
    std::thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2)
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where the two run, in words.
pub(crate) fn placement() -> &'static str {
    if has_two_cores() { "server on core 0, load on core 1" } else { "server and load share one core" }
}

fn on_core(core: &str, program: &str) -> Command {
    if !has_two_cores() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", core, program]);
    command
}

fn this_program() -> String {
    std::env::current_exe().unwrap().to_str().unwrap().to_owned()
}

impl Server {
    pub(crate) fn bare(port: u16, bytes: usize) -> Self {
        let mut command = on_core("0", &this_program());
        Self::start(command.args(["bare", &port.to_string(), &bytes.to_string()]), port)
    }

    /// With everything on: log line, request id, headers, limits, rate limit. The log goes to /dev/null.
    pub(crate) fn countersign_with(port: u16, variables: &[(&str, &str)]) -> Self {
        let mut command = on_core("0", env!("CARGO_BIN_EXE_countersign"));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LOG_FORMAT", "json");
        // On, and never reached: what it costs is part of the figure.
        command.env("RATE_LIMIT", "60000000/min burst 1000000");
        command.env("CLOUDINARY_URL", "cloudinary://123456789012345:abcdefghijklmnopqrstuvwxyza@demo");
        command.envs(variables.iter().copied());
        Self::start(command.args(["serve", "--port", &port.to_string()]), port)
    }

    fn start(command: &mut Command, port: u16) -> Self {
        let server = Self(command.stderr(Stdio::null()).spawn().unwrap());
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server does not listen");
    }

    /// User and system time so far. `taskset` becomes the server, so the process is the server's own.
    pub(crate) fn cpu_microseconds(&self) -> f64 {
        /// Linux counts in hundredths of a second, whatever the kernel's own rate.
        const TICK_MICROSECONDS: f64 = 10_000.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let after_name = stat.rsplit_once(") ").unwrap().1;
        let ticks = after_name.split(' ').skip(11).take(2).map(|field| field.parse::<f64>().unwrap());
        ticks.sum::<f64>() * TICK_MICROSECONDS
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the load in a process of its own and answers how many requests were answered.
pub(crate) fn generate(load: &Load, port: u16, path: &str, tokens: Option<&str>) -> f64 {
    let mut command = on_core("1", &this_program());
    let connections = load.connections.to_string();
    let output = command
        .args(["load", &port.to_string(), path, &connections, &load.seconds.to_string()])
        .args(tokens)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}
