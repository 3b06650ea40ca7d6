//! The string to sign of a JSON object, as the official SDKs' `api_sign_request` would make it of the same object.
//!
//! ```text
//! object  → "name=value" of every member, sorted by name, joined with "&"; nothing is left out because of its name
//! null, "", [] and [""] are dropped; of two members with one name the last counts
//! text    → as it stands        true, false → as they stand
//! array   → its items joined with "," (arrays inside it too; null is an empty item)
//! number  → as JavaScript prints it; an integer keeps its digits, however many
//! object inside the object → refused: the provider takes `k=v|k2=v2` or JSON as text, and no SDK signs either for it
//! ```
//!
//! Where the Node and Python SDKs differ, see docs/differences.md.

use std::fmt::{self, Write as _};
use std::ops::Range;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Signature;
use super::cloudinary::{SignatureVersion, Signer};

/// Signs one JSON object after another. Its buffers are kept, so that a line costs no allocation of its own.
#[derive(Debug)]
pub struct ObjectSigner {
    signer: Signer,
    members: Members,
    string: String,
}

/// Why a text cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadObject {
    /// Not JSON.
    #[error("is not JSON: {0}")]
    Json(String),
    /// JSON, but no object.
    #[error("is not a JSON object")]
    NotAnObject,
    /// A member that has no text of its own.
    #[error(
        "`{0}` holds an object, which is not signed: write it as the text that is sent, such as k=v|k2=v2"
    )]
    Nested(String),
    /// A number that no SDK can hold.
    #[error("`{0}` is a number that is too large")]
    TooLarge(String),
}

impl ObjectSigner {
    /// Signs as `signer` does.
    pub fn new(signer: Signer) -> Self {
        Self { signer, members: Members::default(), string: String::new() }
    }

    /// The string to sign for the JSON object in `text`, and the signature over it.
    pub fn sign(&mut self, text: &str) -> Result<(&str, Signature), BadObject> {
        self.members.read(text)?;
        self.members.sort();
        self.string.clear();
        self.members.write(&mut self.string, self.signer.version());
        Ok((&self.string, self.signer.sign_string(&self.string)))
    }
}

/// The members of one object as text: ranges of one buffer.
#[derive(Debug, Default)]
struct Members {
    text: String,
    ranges: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    name: Range<usize>,
    value: Range<usize>,
}

impl Members {
    fn read(&mut self, json: &str) -> Result<(), BadObject> {
        self.text.clear();
        self.ranges.clear();
        if !json.trim_ascii_start().starts_with('{') {
            // Something that is not even JSON should be told so.
            serde_json::from_str::<&RawValue>(json).map_err(|error| syntax(&error))?;
            return Err(BadObject::NotAnObject);
        }
        let mut bad_value = None;
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let seed = ReadMembers { members: self, bad_value: &mut bad_value };
        let read = deserializer.deserialize_map(seed).and_then(|()| deserializer.end());
        match bad_value {
            Some(bad_value) => Err(bad_value),
            None => read.map_err(|error| syntax(&error)),
        }
    }

    /// By name, byte by byte; of one name the last member stays.
    fn sort(&mut self) {
        let text = &self.text;
        self.ranges.sort_by(|a, b| text[a.name.clone()].cmp(&text[b.name.clone()]));
        self.ranges.dedup_by(|later, kept| {
            let is_same = text[later.name.clone()] == text[kept.name.clone()];
            if is_same {
                kept.value = later.value.clone();
            }
            is_same
        });
    }

    fn write(&self, string: &mut String, version: SignatureVersion) {
        let given = self.ranges.iter().filter(|member| !member.value.is_empty());
        for (index, member) in given.enumerate() {
            if index > 0 {
                string.push('&');
            }
            push_escaped(string, &self.text[member.name.clone()], version);
            string.push('=');
            push_escaped(string, &self.text[member.value.clone()], version);
        }
    }
}

fn push_escaped(string: &mut String, text: &str, version: SignatureVersion) {
    match version {
        SignatureVersion::V1 => string.push_str(text),
        SignatureVersion::V2 => {
            let mut pieces = text.split('&');
            string.push_str(pieces.next().unwrap_or_default());
            for piece in pieces {
                string.push_str("%26");
                string.push_str(piece);
            }
        }
    }
}

fn syntax(error: &serde_json::Error) -> BadObject {
    let text = error.to_string();
    let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
    BadObject::Json(format!("{reason} (column {})", error.column()))
}

/// Reads the members of an object into [`Members`].
struct ReadMembers<'a> {
    members: &'a mut Members,
    bad_value: &'a mut Option<BadObject>,
}

impl<'de> Visitor<'de> for ReadMembers<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        loop {
            let start = self.members.text.len();
            if map.next_key_seed(Append(&mut self.members.text))?.is_none() {
                return Ok(());
            }
            let name = start..self.members.text.len();
            let raw: &'de RawValue = map.next_value()?;
            if let Err(error) = write_value(&mut self.members.text, raw.get()) {
                let name = self.members.text[name].to_owned();
                let bad_value = error.of(name);
                let message = serde::de::Error::custom(&bad_value);
                *self.bad_value = Some(bad_value);
                return Err(message);
            }
            let value = name.end..self.members.text.len();
            self.members.ranges.push(Member { name, value });
        }
    }
}

/// Appends a JSON text, decoded.
struct Append<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Append<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Append<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push_str(text);
        Ok(())
    }
}

/// Why a value has no text.
#[derive(Debug)]
enum BadValue {
    Json(serde_json::Error),
    Nested,
    TooLarge,
}

impl BadValue {
    fn of(self, name: String) -> BadObject {
        match self {
            Self::Json(error) => syntax(&error),
            Self::Nested => BadObject::Nested(name),
            Self::TooLarge => BadObject::TooLarge(name),
        }
    }
}

/// Appends the text of one JSON value; nothing for null.
fn write_value(text: &mut String, json: &str) -> Result<(), BadValue> {
    match json.as_bytes().first() {
        Some(b'"') if !json.contains('\\') => text.push_str(&json[1..json.len() - 1]),
        Some(b'"') => {
            let mut deserializer = serde_json::Deserializer::from_str(json);
            Append(text).deserialize(&mut deserializer).map_err(BadValue::Json)?;
        }
        Some(b't' | b'f') => text.push_str(json),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json).map_err(BadValue::Json)?;
            for (index, item) in items.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_value(text, item.get())?;
            }
        }
        Some(b'{') => return Err(BadValue::Nested),
        Some(b'-' | b'0'..=b'9') => write_number(text, json)?,
        _ => {}
    }
    Ok(())
}

/// Appends a number as JavaScript prints it, so that `1.0` is `1` and `1E21` is `1e+21`; an integer keeps its digits,
/// where JavaScript would round what is beyond 2^53.
fn write_number(text: &mut String, json: &str) -> Result<(), BadValue> {
    let is_integer = !json.contains(['.', 'e', 'E']);
    if is_integer {
        text.push_str(if json == "-0" { "0" } else { json });
        return Ok(());
    }
    let number: f64 = json.parse().map_err(|_source| BadValue::TooLarge)?;
    if !number.is_finite() {
        return Err(BadValue::TooLarge);
    }
    write_float(text, number);
    Ok(())
}

/// `Number::toString` of ECMAScript: the shortest digits that read back as the same number.
///
/// Source: <https://tc39.es/ecma262/#sec-numeric-types-number-tostring>.
fn write_float(text: &mut String, number: f64) {
    if number == 0.0 {
        text.push('0');
        return;
    }
    let scientific = format!("{:e}", number.abs());
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = digits.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if number.is_sign_negative() {
        text.push('-');
    }
    // How many digits stand before the point.
    let before = exponent + 1;
    let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    match before {
        _ if (length..=21).contains(&before) => {
            text.push_str(&digits);
            text.extend((length..before).map(|_| '0'));
        }
        1..=21 => {
            let (whole, fraction) = digits.split_at(usize::try_from(before).unwrap_or_default());
            // Writing to a String cannot fail.
            let _ = write!(text, "{whole}.{fraction}");
        }
        -5..=0 => {
            text.push_str("0.");
            text.extend((before..0).map(|_| '0'));
            text.push_str(&digits);
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            let _ = write!(text, "{first}{point}{rest}e{exponent:+}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::Algorithm;

    fn string(json: &str) -> Result<String, String> {
        let signer = Signer::new("abcd".into(), Algorithm::Sha1, SignatureVersion::V2);
        let mut signer = ObjectSigner::new(signer);
        signer.sign(json).map(|(string, _)| string.to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_published_vector_comes_out() {
        let signer = Signer::new("abcd".into(), Algorithm::Sha1, SignatureVersion::V2);
        let mut signer = ObjectSigner::new(signer);
        let (string, signature) =
            signer.sign(r#"{"timestamp":1315060510,"public_id":"sample_image"}"#).unwrap();
        assert_eq!(string, "public_id=sample_image&timestamp=1315060510");
        assert_eq!(signature.as_str(), "b4ad47fb4e25c7bf5f92a20089f9db59bc302313");
    }

    #[test]
    fn every_kind_of_value_has_one_text() {
        for (json, expected) in [
            ("{}", ""),
            (r#"{"b":1,"a":"x"}"#, "a=x&b=1"),
            (r#"{"a":null,"b":"","c":[],"d":[""],"e":[null]}"#, ""),
            (r#"{"a":true,"b":false,"c":0}"#, "a=true&b=false&c=0"),
            (r#"{"a":["x",["y",null],true,1.50]}"#, "a=x,y,,true,1.5"),
            (r#"{"a":"1","a":"2"}"#, "a=2"),
            (r#"{"a":"1","a":null}"#, ""),
            (r#"{"a":"x&y%26=z","file":"f"}"#, "a=x%26y%26=z&file=f"),
            (r#"{"a\u0026b":"\u00e4\n\"\\"}"#, "a%26b=ä\n\"\\"),
            (r#" { "a" : "x" } "#, "a=x"),
        ] {
            assert_eq!(string(json).as_deref(), Ok(expected), "{json}");
        }
    }

    #[test]
    fn numbers_are_printed_as_javascript_prints_them() {
        for (json, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("1.0", "1"),
            ("-1.50", "-1.5"),
            ("1E2", "100"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("1.25e21", "1.25e+21"),
            ("123456789.125", "123456789.125"),
            ("0.000001", "0.000001"),
            ("1e-7", "1e-7"),
            ("0.1", "0.1"),
            ("5e-324", "5e-324"),
            ("9007199254740993", "9007199254740993"),
            ("12345678901234567890123", "12345678901234567890123"),
        ] {
            assert_eq!(string(&format!(r#"{{"a":{json}}}"#)), Ok(format!("a={expected}")));
        }
    }

    #[test]
    fn what_cannot_be_signed_says_why() {
        for (json, expected) in [
            ("", "is not JSON: EOF while parsing a value (column 0)"),
            ("{", "is not JSON: EOF while parsing an object (column 1)"),
            ("{\"a\":1} x", "is not JSON: trailing characters (column 9)"),
            ("[1]", "is not a JSON object"),
            (
                r#"{"context":{"k":"v"}}"#,
                "`context` holds an object, which is not signed: write it as the text that is sent, such as k=v|k2=v2",
            ),
            (
                r#"{"a":[{}]}"#,
                "`a` holds an object, which is not signed: write it as the text that is sent, such as k=v|k2=v2",
            ),
            (r#"{"a":1e999}"#, "`a` is a number that is too large"),
            (r#"{"a":"\ud800"}"#, "is not JSON: unexpected end of hex escape (column 8)"),
        ] {
            assert_eq!(string(json), Err(expected.to_owned()), "{json}");
        }
    }
}
