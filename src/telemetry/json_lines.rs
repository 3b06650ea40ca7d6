//! Log events as JSON, one object a line: a formatter for `tracing-subscriber` that builds no tree in between.
//!
//! `{"timestamp":"…","level":"INFO","target":"…","message":"…","name":value…}`; spans are not written, as nothing here
//! opens any.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The formatter.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        line.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut line)?;
        write!(line, "\",\"level\":\"{}\",\"target\":\"{}\"", metadata.level().as_str(), metadata.target())?;
        let mut fields = Fields { line, result: Ok(()) };
        event.record(&mut fields);
        fields.result?;
        fields.line.write_str("}\n")
    }
}

/// Writes an event's fields; the first error ends it.
struct Fields<'a> {
    line: Writer<'a>,
    result: fmt::Result,
}

impl Fields<'_> {
    fn write(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        self.result = self.result.and_then(|()| {
            write!(self.line, ",\"{}\":", field.name())?;
            value(&mut self.line)
        });
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, |line| write_text(line, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, |line| write!(line, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, |line| write!(line, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, |line| write!(line, "{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, |line| write_text(line, &format!("{value:?}")));
    }
}

/// A JSON string. What needs no escape, which is nearly everything, goes out in one piece.
fn write_text(line: &mut Writer<'_>, text: &str) -> fmt::Result {
    line.write_char('"')?;
    let mut rest = text;
    while let Some(at) =
        rest.find(|character: char| matches!(character, '"' | '\\') || character.is_control())
    {
        let (plain, special) = rest.split_at(at);
        line.write_str(plain)?;
        let mut after = special.chars();
        match after.next() {
            Some(quote @ ('"' | '\\')) => write!(line, "\\{quote}")?,
            Some(control) => write!(line, "\\u{:04x}", u32::from(control))?,
            None => {}
        }
        rest = after.as_str();
    }
    line.write_str(rest)?;
    line.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_read_back_by_a_json_reader() {
        for text in ["", "plain", "a \"quote\" and a \\", "line\nbreak\tand \u{1b}[31m", "ünï 火 \u{85}"] {
            let mut written = String::new();
            write_text(&mut Writer::new(&mut written), text).unwrap();
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
