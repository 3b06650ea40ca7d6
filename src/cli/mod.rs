//! The command line: one file for each command.

mod api_key;
mod audit;
mod check;
mod delete;
mod download_url;
mod emulator;
mod explain;
mod inspect_url;
mod lines;
mod migrate_subjects;
mod moments;
mod output;
mod profile;
mod reload;
mod serve;
mod shell;
mod shutdown;
mod sign;
mod sweep;

use std::future::Future;
use std::io;
use std::ops::BitAndAssign;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{self, DotEnv, ServeArgs};
use crate::telemetry;

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
    /// Sign an upload and show every step; print it as a cURL command; sign JSON lines
    Sign(Box<sign::SignCommand>),
    /// Say why the provider refuses a signature: paste its error and the parameters
    Explain(Box<explain::ExplainCommand>),
    /// Make a link to a stored original that expires
    DownloadUrl(Box<download_url::DownloadUrlCommand>),
    /// Delete files by their delivery URLs
    Delete(Box<delete::DeleteCommand>),
    /// Say what delivery URLs address: cloud, types, public id, format, version
    InspectUrl(Box<inspect_url::InspectUrlCommand>),
    /// Check the configuration, and with --online whether the provider agrees
    Check(Box<check::CheckCommand>),
    /// Look at profiles: what they would sign, and whether they still do
    Profile(profile::ProfileCommand),
    /// Ask the provider what became of grants that ran out; delete what nobody granted
    Sweep(Box<sweep::SweepCommand>),
    /// Print who did what to which upload, when
    Audit(Box<audit::AuditCommand>),
    /// Give rows that the ledger has of API keys under their bare names to the keys
    MigrateSubjects(Box<migrate_subjects::MigrateSubjectsCommand>),
    /// Make keys for callers
    ApiKey(api_key::ApiKeyCommand),
    /// Print a shell's completion script
    Completions(shell::CompletionsCommand),
    /// Write manual pages
    Man(shell::ManCommand),
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
    let dot_env = match config::load_dot_env() {
        Ok(dot_env) => dot_env,
        Err(error) => return fail(&error, USAGE),
    };
    let matches = Cli::command().get_matches();
    let performed = perform(&matches, &dot_env);
    telemetry::flush();
    match performed {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::FAILURE,
        // Whoever reads has seen enough: `countersign inspect-url … | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if error.is::<config::Problems>() || error.is::<Usage>() => fail(&error, USAGE),
        Err(error) => fail(&format_args!("{error:#}"), 1),
    }
}

fn perform(matches: &ArgMatches, dot_env: &DotEnv) -> anyhow::Result<Answer> {
    let cli = Cli::from_arg_matches(matches).unwrap_or_else(|error| error.exit());
    let flags = matches.subcommand().map_or(matches, |(_, flags)| flags);
    match cli.command.unwrap_or(Command::Serve(Box::new(cli.serve))) {
        Command::Serve(args) => serve::run(&args).map(|()| Answer::Yes),
        Command::Emulator(command) => emulator::run(&command).map(|()| Answer::Yes),
        Command::Sign(command) => sign::run(&command),
        Command::Explain(command) => explain::run(&command),
        Command::DownloadUrl(command) => download_url::run(&command),
        Command::Delete(command) => delete::run(&command),
        Command::InspectUrl(command) => inspect_url::run(&command),
        Command::Check(command) => check::run(&command, &check::Sources { flags, dot_env }),
        Command::Profile(command) => profile::run(&command),
        Command::Sweep(command) => sweep::run(&command),
        Command::Audit(command) => audit::run(&command),
        Command::MigrateSubjects(command) => migrate_subjects::run(&command),
        Command::ApiKey(command) => api_key::run(&command),
        Command::Completions(command) => shell::completions(&command, Cli::command()),
        Command::Man(command) => shell::man(&command, Cli::command()),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// How long the end of a command waits for blocking work, such as a read of a file on a mount that is gone.
const BLOCKING_PATIENCE: Duration = Duration::from_secs(1);

/// Runs `work` to its end on a runtime of its own. What still blocks a thread then is left behind.
fn run_async<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(BLOCKING_PATIENCE);
    Ok(done)
}

fn fail(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    output::say(format_args!("countersign: {error}"));
    ExitCode::from(code)
}
