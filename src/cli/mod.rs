//! The command line: one file for each command.

mod emulator;
mod inspect_url;
mod lines;
mod output;
mod serve;
mod shutdown;

use std::io;
use std::ops::BitAndAssign;
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
    /// Say what delivery URLs address: cloud, types, public id, format, version
    InspectUrl(Box<inspect_url::InspectUrlCommand>),
}

/// What a command that did its work found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Exit code 0.
    Yes,
    /// Exit code 1: the work is done, and the answer is no.
    No,
}

impl BitAndAssign for Answer {
    /// One no makes the whole a no.
    fn bitand_assign(&mut self, other: Self) {
        if other == Self::No {
            *self = Self::No;
        }
    }
}

/// A command line that clap lets pass and that still makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// The configuration or the command line is wrong.
const USAGE: u8 = 2;

/// Reads the command line and runs the command.
///
/// Exit codes: 0 done, 1 the answer is no or the run failed, 2 usage or configuration.
pub fn run() -> ExitCode {
    if let Err(error) = config::load_dot_env() {
        return fail(&error, USAGE);
    }
    match perform(Cli::parse()) {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::FAILURE,
        // Whoever reads has seen enough: `countersign inspect-url … | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if error.is::<config::Problems>() || error.is::<Usage>() => fail(&error, USAGE),
        Err(error) => fail(&format_args!("{error:#}"), 1),
    }
}

fn perform(cli: Cli) -> anyhow::Result<Answer> {
    match cli.command.unwrap_or(Command::Serve(Box::new(cli.serve))) {
        Command::Serve(args) => serve::run(&args).map(|()| Answer::Yes),
        Command::Emulator(command) => emulator::run(&command).map(|()| Answer::Yes),
        Command::InspectUrl(command) => inspect_url::run(&command),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// The runtime of the commands that serve.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn fail(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    output::say(format_args!("countersign: {error}"));
    ExitCode::from(code)
}
