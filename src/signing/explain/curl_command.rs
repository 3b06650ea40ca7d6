//! The fields of a pasted cURL command: words as a shell splits them, then the options that carry fields.

/// Options whose next word is a field.
const FIELD_OPTIONS: [&str; 8] =
    ["-F", "--form", "--form-string", "-d", "--data", "--data-raw", "--data-urlencode", "--data-ascii"];

/// Names and values in the order of the command.
pub(super) fn fields(command: &str) -> Vec<(String, String)> {
    let words = words(command);
    let mut fields = Vec::new();
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let field = match FIELD_OPTIONS.iter().find_map(|option| after_option(word, option)) {
            Some("") => words.next(),
            attached => attached,
        };
        // `-d` may hold several at once.
        let is_data = word.starts_with("-d") || word.starts_with("--data");
        let pairs = field
            .into_iter()
            .flat_map(|field| if is_data { field.split('&').collect() } else { vec![field] });
        for (name, value) in pairs.filter_map(|pair| pair.split_once('=')) {
            let is_literal = is_data || word.starts_with("--form-string");
            let value = if is_literal { value.to_owned() } else { without_form_quotes(value) };
            fields.push((name.to_owned(), value));
        }
    }
    fields
}

/// `--form` has quotes of its own around a value that holds a `;` or a `,`.
fn without_form_quotes(value: &str) -> String {
    match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => value.to_owned(),
    }
}

/// What is attached to the option, if the word is this option: `-Fa=b`, `--form=a=b`, or nothing.
fn after_option<'a>(word: &'a str, option: &str) -> Option<&'a str> {
    let rest = word.strip_prefix(option)?;
    if rest.is_empty() || !option.starts_with("--") { Some(rest) } else { rest.strip_prefix('=') }
}

/// Words of a command, without the quoting of a POSIX shell.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                let word = word.get_or_insert_default();
                word.extend(characters.by_ref().take_while(|next| *next != '\''));
            }
            '"' => read_double_quoted(word.get_or_insert_default(), &mut characters),
            '\\' => match characters.next() {
                None | Some('\n') => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
            },
            space if space.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

fn read_double_quoted(word: &mut String, characters: &mut std::str::Chars<'_>) {
    while let Some(character) = characters.next() {
        match character {
            '"' => return,
            '\\' => match characters.next() {
                Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(escaped),
                Some('\n') | None => {}
                Some(other) => word.extend(['\\', other]),
            },
            other => word.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_through_the_shells_quotes() {
        let command = "curl --silent \\\n  -F 'caption=it'\\''s' -Ftags=a,b --form=\"x=\\\"1\\\"\" -d 'a=1&b=2' https://x";
        let expected = [("caption", "it's"), ("tags", "a,b"), ("x", "1"), ("a", "1"), ("b", "2")];
        let found = fields(command);
        assert!(found.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected), "{found:?}");
    }
}
