//! What a condition asks of the value in a field.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::super::refusal::Refusal;
use super::parser::{Operator, Term, invalid, not_emulated};
use super::{Found, Kind};

/// How long a day is.
const DAY_SECONDS: f64 = 86_400.0;

/// How far a ratio may be off: the provider rounds to two digits.
const RATIO_TOLERANCE: f64 = 0.005;

/// What a value has to be.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::emulator) enum Test {
    /// Anything at all.
    There,
    /// These words in a row, in lower case.
    Words(Vec<String>),
    /// This text, letter for letter.
    Text(String),
    /// This text, whatever its case.
    Word(String),
    /// A text that begins so, letter for letter.
    Begins(String),
    /// A text that begins so or has a word that does, in lower case.
    BeginsWord(String),
    /// A path that begins so; behind a slash that is the folder before it, too. In lower case.
    BeginsPath(String),
    /// A number between these.
    Between { low: f64, low_counts: bool, high: f64, high_counts: bool },
}

/// One end of a range, and whether it belongs to it.
pub(super) struct Bound {
    pub term: Term,
    pub counts: bool,
}

impl Test {
    pub(super) fn new(kind: Kind, operator: Operator, term: Term, now: Timestamp) -> Result<Self, Refusal> {
        if term.is_open && term.text.is_empty() && operator == Operator::Has {
            return Ok(Self::There);
        }
        match kind {
            Kind::Text | Kind::Word => Self::of_text(kind, operator, term),
            Kind::Number | Kind::Size | Kind::Ratio | Kind::Moment => {
                let (start, end) = interval(kind, &term, now)?;
                let (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
                Ok(match operator {
                    Operator::Has | Operator::Is => {
                        // Of a day, the second after its end does not count.
                        let high_counts = kind != Kind::Moment || start >= end;
                        Self::Between { low: start, low_counts: true, high: end, high_counts }
                    }
                    Operator::Above { equals } => {
                        Self::Between { low: start, low_counts: equals, high, high_counts: true }
                    }
                    Operator::Below { equals } => {
                        Self::Between { low, low_counts: true, high: start, high_counts: equals }
                    }
                })
            }
        }
    }

    fn of_text(kind: Kind, operator: Operator, Term { text, is_open }: Term) -> Result<Self, Refusal> {
        Ok(match (operator, is_open) {
            (Operator::Above { .. } | Operator::Below { .. }, _) => {
                return Err(not_emulated("texts that are larger or smaller than others"));
            }
            (Operator::Is, true) => Self::Begins(text),
            (Operator::Is, false) => Self::Text(text),
            (Operator::Has, true) if kind == Kind::Word => Self::BeginsPath(text.to_lowercase()),
            (Operator::Has, true) => Self::BeginsWord(text.to_lowercase()),
            (Operator::Has, false) if kind == Kind::Word => Self::Word(text.to_lowercase()),
            (Operator::Has, false) => Self::Words(words(&text)),
        })
    }

    pub(super) fn range(kind: Kind, low: &Bound, high: &Bound, now: Timestamp) -> Result<Self, Refusal> {
        if matches!(kind, Kind::Text | Kind::Word) {
            return Err(not_emulated("ranges of texts"));
        }
        let end = |bound: &Bound, open| {
            let is_anything = bound.term.is_open && bound.term.text.is_empty();
            if is_anything { Ok(open) } else { interval(kind, &bound.term, now).map(|(start, _)| start) }
        };
        Ok(Self::Between {
            low: end(low, f64::NEG_INFINITY)?,
            low_counts: low.counts,
            high: end(high, f64::INFINITY)?,
            high_counts: high.counts,
        })
    }

    pub(super) fn passes(&self, found: &Found) -> bool {
        match found {
            Found::Texts(texts) => texts.iter().any(|text| self.passes_text(text)),
            Found::Numbers(numbers) => numbers.iter().any(|number| self.passes_number(*number)),
        }
    }

    fn passes_text(&self, found: &str) -> bool {
        match self {
            Self::There => true,
            Self::Words(wanted) => {
                !wanted.is_empty() && words(found).windows(wanted.len()).any(|some| some == wanted)
            }
            Self::Text(wanted) => found == wanted,
            Self::Word(wanted) => found.to_lowercase() == *wanted,
            Self::Begins(text) => found.starts_with(text),
            Self::BeginsWord(text) => {
                found.to_lowercase().starts_with(text)
                    || words(found).iter().any(|word| word.starts_with(text))
            }
            Self::BeginsPath(text) => {
                let found = found.to_lowercase();
                found.starts_with(text) || text.strip_suffix('/') == Some(found.as_str())
            }
            Self::Between { .. } => false,
        }
    }

    fn passes_number(&self, found: f64) -> bool {
        match self {
            Self::There => true,
            Self::Between { low, low_counts, high, high_counts } => {
                let above = if *low_counts { found >= *low } else { found > *low };
                let below = if *high_counts { found <= *high } else { found < *high };
                above && below
            }
            _ => false,
        }
    }
}

/// Runs of letters and digits, in lower case.
fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// From where to where a value goes: of a day all of it, of anything else the same twice.
fn interval(kind: Kind, term: &Term, now: Timestamp) -> Result<(f64, f64), Refusal> {
    let refusal = || invalid(&format!("{} is not a value of this field", term.text));
    if term.is_open {
        return Err(refusal());
    }
    let text = term.text.as_str();
    match kind {
        Kind::Ratio => {
            let ratio = parse_ratio(text).ok_or_else(refusal)?;
            Ok((ratio - RATIO_TOLERANCE, ratio + RATIO_TOLERANCE))
        }
        Kind::Size => parse_size(text).map(|size| (size, size)).ok_or_else(refusal),
        Kind::Moment => parse_moment(text, now).ok_or_else(refusal),
        Kind::Number | Kind::Text | Kind::Word => {
            parse_number(text).map(|number| (number, number)).ok_or_else(refusal)
        }
    }
}

fn parse_number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// `1.5` or `16:9`.
fn parse_ratio(text: &str) -> Option<f64> {
    match text.split_once(':') {
        None => parse_number(text),
        Some((width, height)) => {
            Some(parse_number(width)? / parse_number(height).filter(|height| *height > 0.0)?)
        }
    }
}

/// Bytes, or multiples of 1,024 of them.
fn parse_size(text: &str) -> Option<f64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1_024.0,
        "m" | "mb" => 1_024.0 * 1_024.0,
        "g" | "gb" => 1_024.0 * 1_024.0 * 1_024.0,
        _ => return None,
    };
    parse_number(digits).map(|number| number * factor)
}

/// A day, a second, or an age.
fn parse_moment(text: &str, now: Timestamp) -> Option<(f64, f64)> {
    if let Ok(day) = text.parse::<Date>()
        && text.len() == "yyyy-mm-dd".len()
    {
        let start = seconds(day.to_zoned(TimeZone::UTC).ok()?.timestamp());
        return Some((start, start + DAY_SECONDS));
    }
    let second = text.parse::<Timestamp>().ok().or_else(|| age(text, now)).map(seconds)?;
    Some((second, second))
}

fn age(text: &str, now: Timestamp) -> Option<Timestamp> {
    let unit = text.chars().next_back()?;
    let count: i64 = text.strip_suffix(unit)?.parse().ok().filter(|count| (0..=100_000).contains(count))?;
    let span = Span::new();
    let span = match unit {
        'h' => span.try_hours(count),
        'd' => span.try_days(count),
        'w' => span.try_weeks(count),
        'm' => span.try_months(count),
        'y' => span.try_years(count),
        _ => return None,
    };
    let then = now.to_zoned(TimeZone::UTC).checked_sub(span.ok()?).ok()?;
    Some(then.timestamp())
}

#[expect(clippy::cast_precision_loss, reason = "seconds of any year fit")]
fn seconds(moment: Timestamp) -> f64 {
    moment.as_second() as f64
}
