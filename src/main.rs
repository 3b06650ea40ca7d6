//! The `countersign` program: see [`countersign::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    countersign::cli::run()
}
