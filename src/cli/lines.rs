//! Lines of standard input, one at a time in one buffer, so that a million of them take no more memory than one.

use std::io::{self, BufRead, BufReader, Read as _, StdinLock};

/// Room for input that was read ahead.
const BUFFER_BYTES: usize = 64 * 1024;
/// The longest line that is kept, in bytes.
const MAX_LINE_BYTES: u64 = 16 * 1024 * 1024;

/// Why a line is not handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadLine {
    /// Some bytes are no text.
    #[error("is not UTF-8")]
    NotUtf8,
    /// Too much for one line.
    #[error("is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
}

/// Reads lines from standard input.
#[derive(Debug)]
pub(super) struct Lines<R = BufReader<StdinLock<'static>>> {
    from: R,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    /// The lines of standard input.
    pub(super) fn stdin() -> Self {
        Self::of(BufReader::with_capacity(BUFFER_BYTES, io::stdin().lock()))
    }

    /// Whether the next line may have to be waited for, so that this is the time to send out results.
    pub(super) fn must_wait(&self) -> bool {
        !self.from.buffer().contains(&b'\n')
    }
}

impl<R: BufRead> Lines<R> {
    fn of(from: R) -> Self {
        Self { from, line: Vec::new(), number: 0 }
    }

    /// The next line that is not blank, without white space around it, and its number; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Result<&str, BadLine>)>> {
        loop {
            self.line.clear();
            let read = self.from.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut self.line)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if read as u64 == MAX_LINE_BYTES && !self.line.ends_with(b"\n") {
                self.from.skip_until(b'\n')?;
                return Ok(Some((self.number, Err(BadLine::TooLong))));
            }
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        let text = std::str::from_utf8(self.line.trim_ascii()).map_err(|_source| BadLine::NotUtf8);
        Ok(Some((self.number, text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_count_but_are_passed_over() {
        let mut lines = Lines::of(&b"a\r\n\n  \n\xff\n b"[..]);
        assert_eq!(lines.next().unwrap(), Some((1, Ok("a"))));
        assert_eq!(lines.next().unwrap(), Some((4, Err(BadLine::NotUtf8))));
        assert_eq!(lines.next().unwrap(), Some((5, Ok("b"))));
        assert_eq!(lines.next().unwrap(), None);
    }

    #[test]
    fn a_line_without_end_is_passed_over_and_not_kept() {
        let text = ["x".repeat(MAX_LINE_BYTES.try_into().unwrap()), "x\nb".to_owned()].concat();
        let mut lines = Lines::of(text.as_bytes());
        assert_eq!(lines.next().unwrap(), Some((1, Err(BadLine::TooLong))));
        assert_eq!(lines.next().unwrap(), Some((2, Ok("b"))));
    }
}
