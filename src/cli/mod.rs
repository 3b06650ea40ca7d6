//! The command line: one file for each command.

mod emulator;
mod serve;
mod shutdown;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, ServeArgs};

/// Signs uploads to Cloudinary and Uploadcare, and keeps the secret.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::doc_markdown, reason = "docs become help")]
enum Command {
    /// Run the service (the default)
    Serve(Box<ServeArgs>),
    /// Run the emulator alone, for tests of other projects; prints the CLOUDINARY_URL to use
    Emulator(Box<emulator::EmulatorCommand>),
}

/// The configuration or the command line is wrong.
const USAGE: u8 = 2;

/// Reads the command line and runs the command.
///
/// Exit codes: 0 done, 1 the answer is no or the run failed, 2 usage or configuration.
pub fn run() -> ExitCode {
    if let Err(error) = config::load_dot_env() {
        return fail(&error, USAGE);
    }
    let cli = Cli::parse();
    let result = match cli.command.unwrap_or(Command::Serve(Box::new(cli.serve))) {
        Command::Serve(args) => serve::run(&args),
        Command::Emulator(command) => emulator::run(&command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<config::Problems>() => fail(&error, USAGE),
        Err(error) => fail(&format_args!("{error:#}"), 1),
    }
}

/// The runtime of the commands that serve.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

#[expect(clippy::print_stderr, reason = "a command says on standard error why it stops")]
fn fail(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    eprintln!("countersign: {error}");
    ExitCode::from(code)
}
