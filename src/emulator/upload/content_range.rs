//! Where a part of a chunked upload belongs, as its headers say.
//!
//! ```text
//! Content-Range: bytes <start>-<end>[/<total>]     end inclusive; total may be `*` or `-1` while it is unknown
//! X-Upload-Part-Number: <1…>  with  X-Upload-Total-Parts: <n>     instead of the range
//! ```

use axum::http::HeaderMap;

use super::super::refusal::Refusal;

/// The provider's smallest part, the last one excepted.
const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;

/// Where a part belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// These bytes of the whole.
    Range { start: u64, end: u64, total: Option<u64> },
    /// This part, counted from one, of so many.
    Part { number: u64, of: u64 },
}

impl Position {
    /// The position a request names, if it names one.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if headers.contains_key("content-range") {
            let range = text("content-range").unwrap_or_default();
            let position = parse_range(range);
            let refusal = || Refusal::InvalidContentRange(range.to_owned());
            return position.ok_or_else(refusal).map(Some);
        }
        let number = text("x-upload-part-number").and_then(digits);
        let of = text("x-upload-total-parts").and_then(digits);
        match (number, of) {
            (Some(number), Some(of)) if (1..=of).contains(&number) => Ok(Some(Self::Part { number, of })),
            (None, None) => Ok(None),
            _ => Err(Refusal::InvalidContentRange("part number".to_owned())),
        }
    }

    /// Whether nothing comes after this part.
    const fn is_last(&self) -> bool {
        match self {
            Self::Range { end, total, .. } => matches!(total, Some(total) if *end + 1 == *total),
            Self::Part { number, of } => *number == *of,
        }
    }

    /// Parts are kept in the order of this number.
    pub(super) const fn order(&self) -> u64 {
        match self {
            Self::Range { start, .. } => *start,
            Self::Part { number, .. } => *number,
        }
    }

    /// Refuses a part of `bytes` that is not as long as its range, or too small to have others after it.
    pub(super) fn check(&self, bytes: u64) -> Result<(), Refusal> {
        match self {
            Self::Range { start, end, .. } if end - start + 1 != bytes => {
                Err(Refusal::InvalidContentRange(format!("for a part of {bytes} bytes")))
            }
            _ if bytes < MIN_PART_BYTES && !self.is_last() => Err(Refusal::PartTooSmall),
            _ => Ok(()),
        }
    }

    /// Whether the part is the whole file.
    pub(super) const fn is_whole(&self) -> bool {
        self.is_last() && matches!(self, Self::Range { start: 0, .. } | Self::Part { of: 1, .. })
    }
}

fn parse_range(text: &str) -> Option<Position> {
    let (range, total) = match text.strip_prefix("bytes ")?.split_once('/') {
        Some((range, "*" | "-1")) => (range, None),
        Some((range, total)) => (range, Some(digits(total)?)),
        None => (text.strip_prefix("bytes ")?, None),
    };
    let (start, end) = range.split_once('-')?;
    let (start, end) = (digits(start)?, digits(end)?);
    let is_sound = start <= end && end < total.unwrap_or(u64::MAX);
    is_sound.then_some(Position::Range { start, end, total })
}

/// A decimal number of ASCII digits and nothing else.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn range(start: u64, end: u64, total: Option<u64>) -> Position {
        Position::Range { start, end, total }
    }

    #[test]
    fn every_spelling_of_the_total_is_read() {
        assert_eq!(parse_range("bytes 0-4/5"), Some(range(0, 4, Some(5))));
        assert_eq!(parse_range("bytes 5-9/-1"), Some(range(5, 9, None)));
        assert_eq!(parse_range("bytes 5-9/*"), Some(range(5, 9, None)));
        assert_eq!(parse_range("bytes 5-9"), Some(range(5, 9, None)));
    }

    #[test]
    fn ranges_that_make_no_sense_are_refused() {
        for text in [
            "",
            "bytes",
            "bytes ",
            "bytes -",
            "bytes 5-4/9",
            "bytes 0-5/5",
            "bytes a-b/c",
            "bytes 0-4/",
            "bytes 0-4/+5",
            "octets 0-4/5",
            "bytes \u{660}-\u{664}/\u{665}",
            "bytes 0-18446744073709551616/-1",
        ] {
            assert_eq!(parse_range(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = parse_range(&format!("bytes {text}"));
        }

        #[test]
        fn what_is_written_is_read(start in 0..u64::MAX / 2, length in 1..u64::MAX / 4) {
            let end = start + length - 1;
            let text = format!("bytes {start}-{end}/{}", end + 1);
            prop_assert_eq!(parse_range(&text), Some(range(start, end, Some(end + 1))));
        }
    }
}
