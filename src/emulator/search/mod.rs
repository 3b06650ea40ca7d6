//! The expressions of the search, as far as they are emulated; anything else is refused and never guessed at.
//!
//! ```text
//! expression = both { "OR" both }
//! both       = one { "AND" one }
//! one        = [ "NOT" | "-" ] ( "(" expression ")" | condition )
//! condition  = field ":" value       a text has these words in a row; a path, a word, a number or a moment is this
//!            | field "=" value       is exactly this, letter for letter
//!            | field order value     order = ">" | ">=" | "<" | "<=", with ":" before it if wanted
//!            | field ":" range       range = ( "[" | "{" ) end "TO" end ( "]" | "}" ), end = value | "*"
//! value      = word | '"' … '"'      an unescaped "*" at its end stands for anything
//! ```
//!
//! `!(){}[]*^~?:\=&><"` and white space count as themselves behind a `\`, and in quotes all but `"`, `*` and `\` do.
//! Sizes may be written in `k`, `m` and `g` (of 1,024), ratios as `16:9`, moments as `2024-07-03`,
//! `2024-07-03T09:46:40Z`, or as an age: `3h`, `1d`, `2w`, `1m`, `1y`.
//!
//! Source: <https://cloudinary.com/documentation/search_expressions>.

mod asset_fields;
mod parser;
mod test;

use jiff::Timestamp;

use super::refusal::Refusal;
pub(super) use asset_fields::{find_in, kind_of};
use parser::Parser;
use test::Test;

/// What a field holds, and so what its values look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Words.
    Text,
    /// One word or path, taken whole.
    Word,
    Number,
    /// A number of bytes.
    Size,
    /// Width by height.
    Ratio,
    /// In seconds.
    Moment,
}

/// What is in a field; nothing, if it is not there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    Texts(Vec<String>),
    Numbers(Vec<f64>),
}

/// Which things are searched for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Everything,
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Condition { field: String, test: Test },
}

impl Expression {
    /// Reads an expression about things whose fields are of these kinds. Ages count back from `now`.
    pub(super) fn parse(
        text: &str,
        kind_of: impl Fn(&str) -> Option<Kind>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        if text.trim().is_empty() {
            return Ok(Self::Everything);
        }
        Parser::new(text, &kind_of, now).parse()
    }

    /// Whether it is true of the thing in which `find` finds what a field holds.
    pub(super) fn is_true_of(&self, find: &impl Fn(&str) -> Found) -> bool {
        match self {
            Self::Everything => true,
            Self::All(parts) => parts.iter().all(|part| part.is_true_of(find)),
            Self::Any(parts) => parts.iter().any(|part| part.is_true_of(find)),
            Self::Not(part) => !part.is_true_of(find),
            Self::Condition { field, test } => test.passes(&find(field)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds(field: &str) -> Option<Kind> {
        Some(match field {
            "tags" | "context.k" => Kind::Text,
            "format" => Kind::Word,
            "width" => Kind::Number,
            "bytes" => Kind::Size,
            "aspect_ratio" => Kind::Ratio,
            "created_at" => Kind::Moment,
            _ => return None,
        })
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_720_000_000).unwrap()
    }

    /// A picture that is two hours old.
    fn find(field: &str) -> Found {
        match field {
            "tags" => Found::Texts(vec!["white kitten".to_owned(), "a_b".to_owned()]),
            "context.k" => Found::Texts(Vec::new()),
            "format" => Found::Texts(vec!["png".to_owned()]),
            "width" => Found::Numbers(vec![1600.0]),
            "bytes" => Found::Numbers(vec![1_048_576.0]),
            "aspect_ratio" => Found::Numbers(vec![16.0 / 9.0]),
            "created_at" => Found::Numbers(vec![1_719_992_800.0]),
            other => panic!("{other}"),
        }
    }

    fn is_true(text: &str) -> bool {
        Expression::parse(text, kinds, now()).unwrap().is_true_of(&find)
    }

    #[test]
    fn what_is_true_of_the_picture_finds_it() {
        for text in [
            "",
            "tags:kitten",
            "tags:Kitten AND format:PNG",
            "tags=\"white kitten\"",
            r"tags=white\ kitten",
            "tags:\"white kitten\"",
            "tags:kit*",
            "tags:a_b",
            "tags:*",
            "NOT tags:cat",
            "-tags:cat AND NOT context.k:*",
            "tags:cat OR (format=png AND width>=1600)",
            "tags:cat AND tags:dog OR width:1600",
            "width:[1600 TO 1700} AND width:{1599 TO *]",
            "width:>1000 AND width<2000",
            "bytes=1m AND bytes>1023k AND bytes<1.5mb",
            "aspect_ratio:\"16:9\"",
            "created_at>1d AND created_at<1h",
            "created_at:[1w TO 1h]",
            "created_at=2024-07-03 AND created_at>\"2024-07-03T07:00:00Z\"",
        ] {
            assert!(is_true(text), "{text}");
        }
        for text in [
            "tags:kit",
            "tags=kitten",
            "tags=\"White kitten\"",
            "tags:\"kitten white\"",
            "width:{1600 TO *}",
            "created_at>1h",
            "NOT (tags:kitten OR tags:cat)",
        ] {
            assert!(!is_true(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_emulated_or_makes_no_sense_is_refused() {
        let mut refusals = Vec::new();
        for text in [
            "kitten",
            "colors:red",
            "tags:a tags:b",
            "tags:a AND",
            "(tags:a",
            "tags:a)",
            "tags:k*n",
            "tags:k?",
            "tags:kitten~2",
            "tags:\"open",
            "tags>a",
            "tags:[a TO b]",
            "width:wide",
            "bytes>1tb",
            "created_at>yesterday",
            "format:",
            "width:[1 TO 2",
        ] {
            refusals.push(Expression::parse(text, kinds, now()).unwrap_err().to_string());
        }
        insta::assert_snapshot!(refusals.join("\n"), @"
        Not emulated: search expressions with a word that has no field
        Not emulated: search expressions with the field colors
        Not emulated: search expressions with conditions that have no AND or OR between them
        Invalid search expression: a condition is missing
        Invalid search expression: a ) is missing
        Invalid search expression: there is a ) too many
        Not emulated: search expressions with a * before the end of a word
        Not emulated: search expressions with a ?
        Not emulated: search expressions with a ~
        Invalid search expression: a quote is missing
        Not emulated: search expressions with texts that are larger or smaller than others
        Not emulated: search expressions with ranges of texts
        Invalid search expression: wide is not a value of this field
        Invalid search expression: 1tb is not a value of this field
        Invalid search expression: yesterday is not a value of this field
        Invalid search expression: a value is missing
        Invalid search expression: a ] is missing
        ");
    }

    #[test]
    fn no_depth_of_brackets_ends_the_process() {
        let deep = format!("{}tags:a{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(Expression::parse(&deep, kinds, now()).is_err());
        assert!(Expression::parse(&"NOT ".repeat(100_000), kinds, now()).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r#"[ ()a-c:=<>*"\\\[\]{}0-9TO-]{0,40}|(tags|width|bytes|created_at)[:=<>]{1,2}\PC{0,20}"#) {
            if let Ok(expression) = Expression::parse(&text, kinds, now()) {
                expression.is_true_of(&find);
            }
        }
    }
}
