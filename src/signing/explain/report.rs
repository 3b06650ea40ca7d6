//! What was pasted, sorted: the provider's refusal, the parameters, the signature, the client's own string to sign.
//!
//! ```text
//! {"error":{"message":"…"}}             the refusal; as text it may stand anywhere in the input
//! {"timestamp":1,"folder":"a"}          parameters; {"payload":{…},"signature":"…"} too
//! folder=a    or    folder: a           a parameter a line
//! folder=a&timestamp=1                  a query or a form body; kept as a string to sign as well
//! https://…/download?public_id=a&…      the query of an address
//! curl … -F folder=a …                  the fields of a cURL command
//! ```

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{curl_command, objects, refusal};
use crate::signing::cloudinary::{NOT_SIGNED, SignatureVersion, write_string_to_sign};
use crate::signing::{ParamValue, Params};

/// Members of an answer that hold the parameters.
const ENVELOPES: [&str; 5] = ["data", "payload", "params", "paramsToSign", "params_to_sign"];
/// Members that hold the client's own string to sign.
const STRINGS_TO_SIGN: [&str; 2] = ["string_to_sign", "stringToSign"];
/// What counts of the other members of such an answer.
const BESIDE_AN_ENVELOPE: [&str; 3] = ["signature", "string_to_sign", "stringToSign"];

/// What was pasted, sorted.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The provider's message.
    pub(super) refusal: Option<String>,
    /// What the client says it signed, or what it sent.
    pub(super) params: Params,
    /// The client's own string to sign.
    pub(super) string: Option<String>,
    /// The signature that the client sent.
    pub(super) signature: Option<String>,
}

impl Report {
    /// Takes time and memory in proportion to the text, whatever is in it.
    pub(super) fn read(text: &str) -> Self {
        let mut reader = Reader::default();
        let (objects, rest) = objects::take(text);
        for object in objects {
            reader.read_object(object);
        }
        let rest = reader.take_refusal(rest);
        if rest.contains("curl ") {
            for (name, value) in curl_command::fields(&rest) {
                reader.add(&name, value.into());
            }
        } else {
            rest.lines().map(str::trim).for_each(|line| reader.read_line(line));
        }
        Self { params: reader.params.into_iter().collect(), ..reader.report }
    }

    /// Whether nothing was found but, maybe, a refusal.
    pub(super) fn is_empty(&self) -> bool {
        self.params.iter().len() == 0 && self.signature.is_none() && self.string.is_none()
    }

    /// The timestamp as text.
    pub(super) fn timestamp(&self) -> Option<String> {
        self.params.get("timestamp").map(ToString::to_string)
    }

    /// The string that the provider would make of the parameters as they were sent.
    pub(super) fn received_string(&self) -> String {
        let mut string = String::new();
        write_string_to_sign(&mut string, self.signed_params(), SignatureVersion::V1);
        string
    }

    /// The parameters without those that are never signed.
    pub(super) fn signed_params(&self) -> impl Iterator<Item = (&str, &ParamValue)> {
        self.params.iter().filter(|(name, _)| !NOT_SIGNED.contains(name))
    }
}

/// A report that is still being read.
#[derive(Debug, Default)]
struct Reader {
    /// All but the parameters.
    report: Report,
    params: Vec<(String, ParamValue)>,
    /// Where among them the lists are, by name.
    lists: HashMap<String, usize>,
}

impl Reader {
    fn read_object(&mut self, mut object: Map<String, Value>) {
        let message = match object.remove("error") {
            Some(Value::Object(mut error)) => error.remove("message"),
            other => other.or_else(|| {
                let is_refusal = object.get("message")?.as_str()?.contains("Invalid Signature");
                if is_refusal { object.remove("message") } else { None }
            }),
        };
        if let Some(Value::String(message)) = message {
            self.report.refusal.get_or_insert(message);
            return;
        }
        let envelope = ENVELOPES.into_iter().find(|name| object.get(*name).is_some_and(Value::is_object));
        if let Some(Value::Object(inner)) = envelope.and_then(|name| object.remove(name)) {
            self.read_object(inner);
            object.retain(|name, _| BESIDE_AN_ENVELOPE.contains(&name.as_str()));
        }
        for (name, value) in object {
            match value {
                Value::String(text) if STRINGS_TO_SIGN.contains(&name.as_str()) => {
                    self.report.string = Some(text);
                }
                value => self.add_json(&name, value),
            }
        }
    }

    fn add_json(&mut self, name: &str, value: Value) {
        // What is no text of its own shows as the JSON that a careless client would have sent.
        let as_text = |value: &Value| ParamValue::from(value.to_string());
        let value = match value {
            Value::Null => return,
            value @ Value::Object(_) => as_text(&value),
            value => serde_json::from_value(value.clone()).unwrap_or_else(|_| as_text(&value)),
        };
        self.add(name, value);
    }

    /// Takes the refusal out of the text; what is left is handed back.
    fn take_refusal(&mut self, text: String) -> String {
        if self.report.refusal.is_some() {
            return text;
        }
        let Some(found) = refusal::find(&text) else { return text };
        self.report.refusal = Some(text[found.clone()].to_owned());
        // The rest of the line is what the message was wrapped in.
        let before = text[..found.start].rfind('\n').map_or(0, |at| at + 1);
        let after = text[found.end..].find('\n').map_or(text.len(), |at| found.end + at);
        format!("{}{}", &text[..before], &text[after..])
    }

    fn read_line(&mut self, line: &str) {
        let line = line.strip_suffix(',').unwrap_or(line);
        let unlabelled = match line.split_once(": ") {
            Some((label, rest)) if label.to_ascii_lowercase().contains("string to sign") => rest,
            _ => line,
        };
        if let Some((_, query)) =
            unlabelled.split_once('?').filter(|(url, _)| url.contains("://") && !url.contains('='))
        {
            self.read_pairs(query.split('#').next().unwrap_or_default(), true);
        } else if unlabelled.split('&').skip(1).any(is_pair) {
            let is_body = ["signature=", "api_key="].iter().any(|name| unlabelled.contains(name));
            if !is_body {
                self.report.string = Some(unlabelled.trim_matches(['\'', '"']).to_owned());
            }
            self.read_pairs(unlabelled.trim_matches(['\'', '"']), is_body);
        } else if let Some((name, value)) =
            split_pair(unlabelled, '=').or_else(|| split_pair(unlabelled, ':'))
        {
            self.add(name, value.trim().to_owned().into());
        }
    }

    fn read_pairs(&mut self, text: &str, is_encoded: bool) {
        if is_encoded {
            for (name, value) in form_urlencoded_pairs(text) {
                self.add(&name, value.into());
            }
            return;
        }
        for (name, value) in super::case::split(text) {
            self.add(name, value.to_owned().into());
        }
    }

    /// Adds a parameter; `name[]` and `name[0]` add to a list, the signature goes to its own place.
    fn add(&mut self, name: &str, value: ParamValue) {
        if name == "signature" {
            self.report.signature = Some(value.to_string());
            return;
        }
        match name.strip_suffix(']').and_then(|open| open.split_once('[')) {
            Some((list, _)) => self.add_item(list, value),
            None => self.push(name, value),
        }
    }

    fn add_item(&mut self, list: &str, value: ParamValue) {
        let found = self.lists.get(list).and_then(|index| self.params.get_mut(*index));
        match found {
            Some((_, ParamValue::List(items))) => items.push(value),
            _ => self.push(list, ParamValue::List(vec![value])),
        }
    }

    fn push(&mut self, name: &str, value: ParamValue) {
        if matches!(value, ParamValue::List(_)) {
            self.lists.entry(name.to_owned()).or_insert(self.params.len());
        }
        self.params.push((name.to_owned(), value));
    }
}

fn form_urlencoded_pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&').filter_map(move |pair| {
        let (name, value) = pair.split_once('=')?;
        Some((decode(name), decode(value)))
    })
}

fn is_pair(text: &str) -> bool {
    split_pair(text, '=').is_some()
}

/// Name and value, if the name looks like one.
fn split_pair(text: &str, separator: char) -> Option<(&str, &str)> {
    let (name, value) = text.split_once(separator)?;
    let name = name.trim().trim_matches(['"', '\'']);
    is_name(name).then_some((name, value))
}

/// Whether a text could be the name of a parameter, `[]` included.
pub(super) fn is_name(text: &str) -> bool {
    let base = text.strip_suffix(']').and_then(|open| open.split_once('[')).map_or(text, |(base, _)| base);
    base.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && base.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Vec<String> {
        Report::read(text).params.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn parameters_are_read_however_they_were_pasted() {
        for text in [
            "{\"folder\":\"a b\",\"timestamp\":1}",
            "{\n  \"folder\": \"a b\",\n  \"timestamp\": 1\n}",
            "{\"status\":\"success\",\"data\":{\"payload\":{\"folder\":\"a b\",\"timestamp\":1},\"signature\":\"x\"}}",
            "folder=a b\ntimestamp=1",
            "folder: a b\ntimestamp: 1",
            "folder=a b&timestamp=1",
            "string to sign: folder=a b&timestamp=1",
            "folder=a+b&timestamp=1&signature=x",
            "https://api.cloudinary.com/v1_1/demo/image/download?folder=a%20b&timestamp=1&signature=x",
            "curl -X POST https://x/upload -F 'folder=a b' --form-string timestamp=1 -F signature=x -F file=@a.jpg",
        ] {
            let without_file: Vec<_> =
                params(text).into_iter().filter(|param| !param.starts_with("file=")).collect();
            assert_eq!(without_file, ["folder=a b", "timestamp=1"], "{text}");
        }
    }

    #[test]
    fn lists_are_read_in_every_spelling() {
        for text in ["{\"ids\":[\"a\",\"b\"]}", "ids[]=a\nids[]=b", "ids[0]=a\nids[1]=b"] {
            assert!(
                matches!(Report::read(text).params.get("ids"), Some(ParamValue::List(items)) if items.len() == 2)
            );
        }
    }

    #[test]
    fn the_refusal_is_found_beside_parameters() {
        let refused = "Invalid Signature ab. String to sign - 'timestamp=1'.";
        for text in [
            format!("{{\"error\":{{\"message\":\"{refused}\"}}}}\ntimestamp=2"),
            format!("{refused}\ntimestamp=2"),
            format!("timestamp=2\nError: {refused}"),
            format!("Error {{ message: \"{refused}\", http_code: 401 }}\ntimestamp=2"),
        ] {
            let report = Report::read(&text);
            assert_eq!(report.refusal.as_deref(), Some(refused), "{text}");
            assert_eq!(params(&text), ["timestamp=2"], "{text}");
        }
    }
}
