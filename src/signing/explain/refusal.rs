//! The provider's refusals, by their texts.

/// What the provider said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal<'a> {
    /// `Invalid Signature <hex>. String to sign - '<string>'.`
    InvalidSignature { given: &'a str, string: &'a str },
    /// `Stale request - reported time is <time> which is more than 1 hour ago`
    Stale { reported: &'a str },
    /// `Stale request - expired at <time>`
    LinkExpired,
    /// `Unknown API key <key>`
    UnknownApiKey(&'a str),
    /// `Missing required parameter - <name>`
    Missing(&'a str),
    /// `Invalid cloud_name <name>`
    UnknownCloud(&'a str),
    /// `<Name> parameter is not allowed when using unsigned upload…`
    NeedsSignature(&'a str),
    /// `Invalid value <value> for parameter <name>`
    InvalidValue { value: &'a str, name: &'a str },
    /// `<Kind> file format <format> not allowed`
    FormatNotAllowed(&'a str),
    /// `Invalid extension in transformation: <format>`
    InvalidExtension(&'a str),
    /// `Resource not found - <public id>`
    NotFound(&'a str),
    /// One whose text never changes.
    Fixed(FixedText),
    /// Anything else.
    Other,
}

macro_rules! fixed_texts {
    ($($variant:ident = $text:literal,)+) => {
        /// Refusals that name nothing of the request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum FixedText {
            $($variant,)+
        }

        /// Every fixed text, in lower case.
        const FIXED: &[(&str, FixedText)] = &[$(($text, FixedText::$variant),)+];
    };
}

fixed_texts! {
    PresetMissing = "upload preset must be specified",
    PresetMissingOldText = "must specify upload preset",
    PresetIsSigned = "must be whitelisted for unsigned uploads",
    PresetNotFound = "upload preset not found",
    CloudMismatch = "cloud_name mismatch",
    AdminUnknownKey = "unknown api_key",
    SecretMismatch = "api_secret mismatch",
    Disabled = "disabled customer",
    WrongUrl = "invalid url for upload",
    UnknownFormat = "an unknown file format not allowed",
    NotAnImage = "invalid image file",
    NotAVideo = "unsupported video format or file",
    PartTooSmall = "must be larger than 5mb",
    FileTooLarge = "file size too large",
}

/// Where the texts that name something begin, in the order in which they are looked for.
const OPENINGS: [&str; 7] = [
    "Invalid Signature",
    "Stale request",
    "Unknown API key",
    "Missing required parameter",
    "Invalid cloud_name",
    "Resource not found",
    "Invalid extension in transformation",
];

impl<'a> Refusal<'a> {
    pub(super) fn parse(message: &'a str) -> Self {
        let message = message.trim();
        if let Some(signature) = message.strip_prefix("Invalid Signature") {
            return Self::parse_signature(signature.trim_start());
        }
        let after =
            |opening: &str| message.strip_prefix(opening).map(|rest| rest.trim_matches([' ', '-', ':']));
        if let Some(reported) = after("Stale request - reported time is") {
            return Self::Stale { reported: reported.split(" which").next().unwrap_or(reported) };
        }
        if after("Stale request - expired at").is_some() {
            return Self::LinkExpired;
        }
        let named = after("Unknown API key")
            .map(Self::UnknownApiKey)
            .or_else(|| after("Missing required parameter").map(Self::Missing))
            .or_else(|| after("Invalid cloud_name").map(Self::UnknownCloud))
            .or_else(|| after("Resource not found").map(Self::NotFound))
            .or_else(|| after("Invalid extension in transformation").map(Self::InvalidExtension));
        named.or_else(|| Self::parse_middle(message)).unwrap_or_else(|| Self::parse_fixed(message))
    }

    fn parse_signature(text: &'a str) -> Self {
        let (given, rest) = text.split_once(". String to sign - '").unwrap_or((text, ""));
        let string = rest.strip_suffix("'.").or(rest.strip_suffix('\'')).unwrap_or(rest);
        Self::InvalidSignature { given: given.trim(), string }
    }

    /// Texts that are known by their middle.
    fn parse_middle(message: &'a str) -> Option<Self> {
        if let Some((name, _)) = message.split_once(" parameter is not allowed when using unsigned upload") {
            return Some(Self::NeedsSignature(name));
        }
        if let Some(rest) = message.strip_prefix("Invalid value ") {
            let (value, name) = rest.split_once(" for parameter ")?;
            return Some(Self::InvalidValue { value, name });
        }
        let (_, rest) = message.split_once(" file format ")?;
        Some(Self::FormatNotAllowed(rest.strip_suffix(" not allowed")?))
    }

    fn parse_fixed(message: &str) -> Self {
        let message = message.to_ascii_lowercase();
        let found = FIXED.iter().find(|(text, _)| message.contains(text));
        found.map_or(Self::Other, |(_, fixed)| Self::Fixed(*fixed))
    }
}

/// Where in `text` a refusal stands, for texts that hold more than that.
pub(super) fn find(text: &str) -> Option<std::ops::Range<usize>> {
    if let Some(start) = OPENINGS.iter().filter_map(|opening| text.find(opening)).min() {
        return Some(start..start + length(&text[start..]));
    }
    let is_refusal = |line: &str| !matches!(Refusal::parse(line), Refusal::Other);
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        // The message alone where it stands behind a label, else the whole line.
        let message = line.rsplit_once(": ").map_or(line, |(_, message)| message);
        if let Some(refusal) = [message, line].into_iter().find(|text| is_refusal(text)) {
            let start = start + line.len() - refusal.len();
            return Some(start..start + refusal.trim_end().len());
        }
        start += line.len();
    }
    None
}

/// A refusal ends with its line; a string to sign may hold lines of its own and ends with `'.`.
fn length(text: &str) -> usize {
    let line = text.find('\n').unwrap_or(text.len());
    let Some(opened) = text.find(". String to sign - '") else { return trimmed(&text[..line]) };
    let is_end = |end: &usize| {
        let rest = &text[end + 2..];
        rest.is_empty() || rest.starts_with(['\n', '\r', '"', '\'', '}', ',', ' ', ')', '\\'])
    };
    let ends = text[opened..].match_indices("'.").map(|(at, _)| opened + at);
    ends.into_iter().find(is_end).map_or(line, |end| end + 2)
}

/// Without the closing quotes and brackets of what the text was pasted from.
fn trimmed(line: &str) -> usize {
    line.trim_end().trim_end_matches(['"', '\'', '}', ',', ')']).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_to_sign_may_hold_lines_and_quotes() {
        let text =
            "Error: Invalid Signature ab. String to sign - 'caption=it's\nso&timestamp=1'.\ntimestamp=1";
        let found = &text[find(text).unwrap()];
        let string = "caption=it's\nso&timestamp=1";
        assert_eq!(Refusal::parse(found), Refusal::InvalidSignature { given: "ab", string });
    }

    #[test]
    fn refusals_are_known_by_their_texts() {
        for (text, expected) in [
            (
                "Stale request - reported time is 2016-12-15 04:02:46 +0000 which is more than 1 hour ago",
                Refusal::Stale { reported: "2016-12-15 04:02:46 +0000" },
            ),
            ("Unknown API key 123", Refusal::UnknownApiKey("123")),
            ("Missing required parameter - api_key", Refusal::Missing("api_key")),
            ("x-cld-error: Upload preset not found", Refusal::Fixed(FixedText::PresetNotFound)),
            ("Upload preset not found: ", Refusal::Fixed(FixedText::PresetNotFound)),
            ("Upload preset not found: kyc", Refusal::Fixed(FixedText::PresetNotFound)),
            (
                "Transformation parameter is not allowed when using unsigned upload. Only upload_preset,…",
                Refusal::NeedsSignature("Transformation"),
            ),
            ("Image file format gif not allowed", Refusal::FormatNotAllowed("gif")),
            ("An unknown file format not allowed", Refusal::Fixed(FixedText::UnknownFormat)),
        ] {
            let found = &text[find(text).unwrap()];
            assert_eq!(Refusal::parse(found), expected, "{text}");
        }
        assert_eq!(find("timestamp=1\nfolder=a"), None);
    }
}
