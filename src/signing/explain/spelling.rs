//! One value in two spellings: how clients spell a value when they sign it, against how it was sent.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::cause::{Cause, Finding, shown};
use super::timing;

/// Another spelling of a value; `None` where it would be the same.
type Respell = fn(&str) -> Option<String>;

/// How clients spell values that are sent in another way, and the other way round.
pub(super) const SPELLINGS: [Respell; 32] = [
    |value| word(value, &[("1", "true"), ("0", "false")]),
    |value| word(value, &[("true", "1"), ("false", "0")]),
    |value| word(value, &[("1", "True"), ("0", "False")]),
    |value| word(value, &[("true", "True"), ("false", "False"), ("True", "true"), ("False", "false")]),
    |value| list(value, |items| items.join(", ")),
    |value| list(value, |items| items.join("|")),
    |value| list(value, |items| items.join(";")),
    |value| list(value, |items| items.join(" ")),
    |value| list(value, |items| items.concat()),
    |value| list(value, |items| format!("[\"{}\"]", items.join("\",\""))),
    |value| list(value, |items| format!("[\"{}\"]", items.join("\", \""))),
    |value| list(value, |items| format!("['{}']", items.join("', '"))),
    |value| list(value, |items| format!("[{}]", items.join(","))),
    |value| changed(value, bare_list(value)),
    |value| changed(value, utf8_percent_encode(value, COMPONENT).to_string()),
    |value| changed(value, utf8_percent_encode(value, WHOLE_URI).to_string()),
    |value| changed(value, utf8_percent_encode(value, COMPONENT).to_string().replace("%20", "+")),
    |value| changed(value, utf8_percent_encode(value, SMART_ESCAPE).to_string()),
    |value| changed(value, after_last_colon(value)),
    |value| changed(value, value.replace('/', "%2F")),
    |value| changed(value, value.replace(',', "%2C")),
    |value| changed(value, value.replace('/', "%2F").replace(',', "%2C")),
    |value| changed(value, value.replace('%', "%25")),
    |value| changed(value, value.replace(' ', "+")),
    |value| changed(value, decoded(value)),
    |value| changed(value, decoded(&value.replace('+', " "))),
    |value| changed(value, value.replace('&', "%26")),
    |value| changed(value, value.replace("%26", "&")),
    |value| changed(value, value.replace('&', "&amp;")),
    |value| changed(value, value.replace("\r\n", "\n")),
    |value| changed(value, value.replace("\r\n", "\n").replace('\n', "\r\n")),
    |value| changed(value, value.trim().to_owned()),
];

/// What `encodeURIComponent` leaves alone.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// What `encodeURI` leaves alone.
const WHOLE_URI: &AsciiSet = &COMPONENT
    .remove(b';')
    .remove(b'/')
    .remove(b'?')
    .remove(b':')
    .remove(b'@')
    .remove(b'&')
    .remove(b'=')
    .remove(b'+')
    .remove(b'$')
    .remove(b',')
    .remove(b'#');

/// What the Python and Ruby SDKs leave alone in texts and public ids.
const SMART_ESCAPE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'/').remove(b':');

/// The text of a text layer, `l_text:FONT:TEXT`, encoded alone.
fn after_last_colon(value: &str) -> String {
    let (front, text) = value.rsplit_once(':').unwrap_or(("", value));
    let colon = if front.is_empty() { "" } else { ":" };
    format!("{front}{colon}{}", utf8_percent_encode(text, COMPONENT))
}

fn changed(value: &str, other: String) -> Option<String> {
    (other != value).then_some(other)
}

fn word(value: &str, words: &[(&str, &str)]) -> Option<String> {
    words.iter().find(|(from, _)| *from == value).map(|(_, to)| (*to).to_owned())
}

fn list(value: &str, join: impl Fn(&[&str]) -> String) -> Option<String> {
    let items: Vec<_> = value.split(',').collect();
    if value.contains(['[', '"']) { None } else { changed(value, join(&items)) }
}

/// A list in any spelling, joined with commas.
fn bare_list(value: &str) -> String {
    let bare: String =
        value.chars().filter(|character| !matches!(character, '[' | ']' | '"' | '\'')).collect();
    let items = bare.split([',', '|', ';']).map(str::trim);
    items.collect::<Vec<_>>().join(",")
}

fn decoded(value: &str) -> String {
    percent_decode_str(value).decode_utf8().map_or_else(|_| value.to_owned(), Cow::into_owned)
}

/// Why `signed` and `sent` are not the same value of the parameter `name`.
pub(super) fn difference(name: &str, signed: &str, sent: &str) -> Finding {
    let both = format!("`{name}` was signed as {} and sent as {}", shown(signed), shown(sent));
    let (cause, fix) = reason(name, signed, sent);
    match cause {
        Cause::TimestampInMilliseconds => {
            let found = timing::in_milliseconds(if signed.len() > sent.len() { signed } else { sent });
            Finding::new(cause, format!("{both}: one of them counts milliseconds"), found.fix)
        }
        cause => Finding::new(cause, both, fix),
    }
}

fn reason(name: &str, signed: &str, sent: &str) -> (Cause, &'static str) {
    if name == "timestamp" {
        return timestamp_reason(signed, sent);
    }
    if is_boolean(signed) && is_boolean(sent) {
        return (
            Cause::BooleanSpelling,
            "sign the text that is sent: turn the value into text once, and use that text for both",
        );
    }
    if same_but(signed, sent, |text| text.replace("&amp;", "&").replace("%26", "&")) {
        return (
            Cause::AmpersandEscaping,
            "send the `&` as it stands, and in the string to sign write it either as it stands (version 1) or as %26 (version 2), once, and only inside a value",
        );
    }
    if same_but(signed, sent, |text| decoded(&text.replace('+', " "))) {
        let is_transformation = ["transformation", "eager"].contains(&name);
        return if is_transformation {
            (
                Cause::TransformationDecoded,
                "sign and send the same text: the provider decodes nothing, and some SDKs take one level of percent-encoding off a transformation",
            )
        } else {
            (
                Cause::PercentEncoding,
                "sign the plain value: nothing in the string to sign is percent-encoded, only the request on its way is",
            )
        };
    }
    if same_but(signed, sent, |text| text.replace("\r\n", "\n")) {
        return (
            Cause::LineBreaks,
            "sign the line breaks that are sent; a browser's form sends them as \\r\\n whatever the script holds",
        );
    }
    if same_but(signed, sent, |text| text.trim().to_owned()) {
        return (Cause::ValueDiffers, "trim the white space before signing, and send what was signed");
    }
    if same_but(signed, sent, |text| sorted_list(&bare_list(&text.replace(' ', ",")))) {
        return (
            Cause::ListJoinedDifferently,
            "join a list with commas, without spaces, brackets or quotes, in the order in which it is sent",
        );
    }
    (Cause::ValueDiffers, "keep the parameters that were signed, and send exactly those")
}

fn timestamp_reason(signed: &str, sent: &str) -> (Cause, &'static str) {
    if timing::is_in_milliseconds(signed) != timing::is_in_milliseconds(sent) {
        return (Cause::TimestampInMilliseconds, "");
    }
    (
        Cause::TimestampDiffers,
        "take the time once, and send the very timestamp that was signed, best by letting the signing route answer it",
    )
}

fn is_boolean(text: &str) -> bool {
    ["true", "false", "1", "0", "yes", "no"].contains(&text.to_ascii_lowercase().as_str())
}

fn same_but(signed: &str, sent: &str, normal: impl Fn(&str) -> String) -> bool {
    normal(signed) == normal(sent)
}

fn sorted_list(text: &str) -> String {
    let mut items: Vec<_> = text.split(',').filter(|item| !item.is_empty()).collect();
    items.sort_unstable();
    items.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_has_its_cause() {
        for (name, signed, sent, expected) in [
            ("use_filename", "true", "1", Cause::BooleanSpelling),
            ("tags", "a, b", "a,b", Cause::ListJoinedDifferently),
            ("tags", "[\"a\",\"b\"]", "a,b", Cause::ListJoinedDifferently),
            ("tags", "b,a", "a,b", Cause::ListJoinedDifferently),
            ("timestamp", "1720000000000", "1720000000", Cause::TimestampInMilliseconds),
            ("timestamp", "1720000001", "1720000000", Cause::TimestampDiffers),
            ("folder", "a%2Fb", "a/b", Cause::PercentEncoding),
            ("folder", "a b", "a+b", Cause::PercentEncoding),
            ("transformation", "l_text:a%2Fb", "l_text:a/b", Cause::TransformationDecoded),
            ("notification_url", "https://x?a=1&amp;b=2", "https://x?a=1&b=2", Cause::AmpersandEscaping),
            ("context", "a=1\nb", "a=1\r\nb", Cause::LineBreaks),
            ("folder", "kyc/1", "kyc/2", Cause::ValueDiffers),
        ] {
            assert_eq!(difference(name, signed, sent).cause, expected, "{signed} {sent}");
        }
    }
}
