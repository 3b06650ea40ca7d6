//! `countersign completions` and `countersign man`: what shells and readers get from the same definitions as `--help`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command, ValueEnum};

use super::Answer;
use super::output::{Output, say};

const COMPLETION_EXAMPLES: &str = "\
Examples:
  countersign completions bash > ~/.local/share/bash-completion/completions/countersign
  countersign completions zsh > ~/.zfunc/_countersign
  countersign completions fish > ~/.config/fish/completions/countersign.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  countersign man | man -l -
  countersign man ~/.local/share/man/man1";

/// Which shell completes.
#[derive(Args, Debug)]
#[command(after_help = COMPLETION_EXAMPLES)]
pub(super) struct CompletionsCommand {
    /// The shell
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Where manual pages go.
#[derive(Args, Debug)]
#[command(after_help = MAN_EXAMPLES)]
pub(super) struct ManCommand {
    /// Folder for one page a command; without it the first page goes to standard output
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(super) fn completions(command: &CompletionsCommand, mut program: Command) -> anyhow::Result<Answer> {
    let shell = match command.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, "countersign", &mut script);
    print(&script)
}

pub(super) fn man(command: &ManCommand, program: Command) -> anyhow::Result<Answer> {
    let Some(folder) = &command.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(program).render(&mut page)?;
        return print(&page);
    };
    let in_folder = || format!("the pages cannot be written to `{}`", folder.display());
    std::fs::create_dir_all(folder).with_context(in_folder)?;
    clap_mangen::generate_to(program.disable_help_subcommand(true), folder).with_context(in_folder)?;
    say(format_args!("the pages are in {}", folder.display()));
    Ok(Answer::Yes)
}

fn print(text: &[u8]) -> anyhow::Result<Answer> {
    let mut output = Output::stdout();
    output.line(text.trim_ascii_end())?;
    output.finish()?;
    Ok(Answer::Yes)
}
