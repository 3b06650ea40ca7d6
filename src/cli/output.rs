//! The one place that writes to standard output: results, one a line. Whatever else there is to say goes to standard error.

use std::io::{self, BufWriter, StdoutLock, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::Style;
use serde::Serialize;

/// Room for lines on their way out.
const BUFFER_BYTES: usize = 64 * 1024;

/// Standard output for one command. What was written is lost unless [`Output::finish`] is called.
#[derive(Debug)]
pub(super) struct Output {
    to: BufWriter<StdoutLock<'static>>,
    has_colours: bool,
}

impl Output {
    /// Standard output, with colours if it is a terminal that wants them.
    pub(super) fn stdout() -> Self {
        let stdout = io::stdout();
        let has_colours = AutoStream::choice(&stdout) != ColorChoice::Never;
        Self { to: BufWriter::with_capacity(BUFFER_BYTES, stdout.lock()), has_colours }
    }

    /// Writes one line.
    pub(super) fn line(&mut self, text: impl AsRef<[u8]>) -> io::Result<()> {
        self.to.write_all(text.as_ref())?;
        self.to.write_all(b"\n")
    }

    /// Writes one JSON value as one line.
    pub(super) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, value)?;
        self.to.write_all(b"\n")
    }

    /// `text` in a colour or weight, where the terminal shows it.
    pub(super) fn paint(&self, style: Style, text: &str) -> String {
        if self.has_colours { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Sends out what has gathered, for readers that wait for it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    /// Sends out the rest.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Says something to the person at the keyboard, which no program should read. If nobody can, it changes nothing.
pub(super) fn say(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
