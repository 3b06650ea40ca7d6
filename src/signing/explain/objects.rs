//! JSON objects in the middle of other text.

use serde_json::{Map, Value};

/// How many places are tried for the beginning of an object.
const MAX_ATTEMPTS: usize = 200;
/// The objects in `text` in their order, and the text without them.
pub(super) fn take(text: &str) -> (Vec<Map<String, Value>>, String) {
    let mut found = Vec::new();
    let mut rest = String::new();
    let mut remaining = text;
    let mut wasted = 0;
    for _ in 0..MAX_ATTEMPTS {
        let Some(start) = remaining.find('{') else { break };
        let candidate = &remaining[start..];
        let mut objects = serde_json::Deserializer::from_str(candidate).into_iter();
        match objects.next() {
            Some(Ok(Value::Object(object))) => {
                found.push(object);
                rest.push_str(&remaining[..start]);
                rest.push('\n');
                remaining = &candidate[objects.byte_offset()..];
            }
            other => {
                wasted +=
                    other.map_or(0, |result| result.err().map_or(0, |error| read_until(&error, candidate)));
                rest.push_str(&remaining[..=start]);
                remaining = &remaining[start + 1..];
            }
        }
        // Objects that are opened and never closed lie inside one another, and each is read to the end of the text.
        if wasted > text.len() {
            break;
        }
    }
    (found, rest + remaining)
}

/// How much of `text` was read before the error.
fn read_until(error: &serde_json::Error, text: &str) -> usize {
    let lines_before = error.line().saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(lines_before).map(str::len).sum();
    start + error.column()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_taken_out_of_the_text_around_them() {
        let (objects, rest) = take("Error {\"a\":1} and { \"b\": {\"c\": 2} }.");
        assert_eq!(objects.len(), 2);
        assert_eq!(rest, "Error \n and \n.");
        let (objects, rest) = take("Error { message: {\"a\":1} }");
        assert_eq!((objects.len(), rest.as_str()), (1, "Error { message: \n }"));
    }

    #[test]
    fn what_was_read_in_vain_is_counted_across_lines() {
        let text = "{\n\"a\":\n1 x";
        let error = serde_json::from_str::<Value>(text).unwrap_err();
        assert!((text.len() - 1..=text.len()).contains(&read_until(&error, text)), "{error}");
    }
}
