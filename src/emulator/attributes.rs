//! What a client may say about an asset, when it uploads it and afterwards.
//!
//! ```text
//! tags                               a,b,c
//! context, metadata                  name=value|name=value      \= and \| stand for the signs themselves
//! metadata                           name=["a","b"]             several values of one field
//! face_coordinates, custom_…         x,y,w,h|x,y,w,h            pixels
//! access_control                     [{"access_type":"anonymous","start":"…","end":"…"},{"access_type":"token"}]
//! moderation                         manual
//! eager                              w_200,c_fill|w_100/png     transformations, each with a format if wanted
//! ```

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::Fields;
use super::metadata::{self, MetadataFields};
use super::refusal::Refusal;
use super::store::{AccessRule, Derived, Description, Moderation, Rectangle};
use super::transformation;

/// Kinds of moderation that somebody else's program does, which an account has to subscribe to.
const MODERATION_ADD_ONS: [&str; 7] = [
    "aws_rek",
    "aws_rek_video",
    "duplicate",
    "google_video_moderation",
    "metascan",
    "perception_point",
    "webpurify",
];

/// Everything that was said; what was not said stays as it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes {
    pub tags: Option<Vec<String>>,
    pub context: Option<BTreeMap<String, String>>,
    pub metadata: Option<BTreeMap<String, Value>>,
    face_coordinates: Option<Vec<Rectangle>>,
    custom_coordinates: Option<Vec<Rectangle>>,
    pub access_control: Option<Vec<AccessRule>>,
    asset_folder: Option<String>,
    pub display_name: Option<String>,
    moderation: Option<Vec<Moderation>>,
    pub eager: Vec<Derived>,
}

impl Attributes {
    /// Reads them from the parameters of a call.
    pub(super) fn parse(fields: &Fields) -> Result<Self, Refusal> {
        let rectangles = |name| fields.get(name).map(|text| parse_rectangles(name, text)).transpose();
        let tags = fields.list("tags");
        Ok(Self {
            tags: (!tags.is_empty()).then(|| words(&tags)),
            context: fields.get("context").map(parse_pairs),
            metadata: fields.get("metadata").map(parse_metadata),
            face_coordinates: rectangles("face_coordinates")?,
            custom_coordinates: rectangles("custom_coordinates")?,
            access_control: fields.get("access_control").map(parse_access_control).transpose()?,
            asset_folder: fields.get("asset_folder").map(folder_path),
            display_name: fields.get("display_name").map(parse_display_name).transpose()?,
            moderation: fields.get("moderation").map(parse_moderation).transpose()?,
            eager: fields.get("eager").map(parse_eager).transpose()?.unwrap_or_default(),
        })
    }

    /// The same, once its metadata is found to be what the fields take.
    pub(super) fn held_against(self, fields: &MetadataFields) -> Result<Self, Refusal> {
        let metadata = self.metadata.map(|values| fields.check(values)).transpose()?;
        Ok(Self { metadata, ..self })
    }

    /// The same with the defaults of fields that nothing was said about.
    pub(super) fn with_defaults(self, fields: &MetadataFields) -> Self {
        let mut values = fields.defaults();
        values.extend(self.metadata.unwrap_or_default());
        Self { metadata: Some(values), ..self }
    }

    /// The same with faces that are no larger than the picture. Only an upload cuts them so.
    pub(super) fn with_faces_within(self, dimensions: Option<(u32, u32)>) -> Self {
        let Some((width, height)) = dimensions else {
            return self;
        };
        let within = |[x, y, w, h]: Rectangle| [x, y, w.min(width), h.min(height)];
        let faces = self.face_coordinates.map(|faces| faces.into_iter().map(within).collect());
        Self { face_coordinates: faces, ..self }
    }

    /// Puts what was said in the place of what was there.
    pub(super) fn apply(self, description: &mut Description) {
        replace(&mut description.tags, self.tags);
        replace(&mut description.context, self.context);
        metadata::merge(&mut description.metadata, &self.metadata.unwrap_or_default());
        replace(&mut description.face_coordinates, self.face_coordinates);
        replace(&mut description.custom_coordinates, self.custom_coordinates);
        replace(&mut description.access_control, self.access_control);
        replace(&mut description.moderation, self.moderation);
        description.asset_folder = self.asset_folder.or(description.asset_folder.take());
        description.display_name = self.display_name.or(description.display_name.take());
        for derived in self.eager {
            let is_known = |known: &Derived| {
                known.transformation == derived.transformation && known.format == derived.format
            };
            if !description.derived.iter().any(is_known) {
                description.derived.push(derived);
            }
        }
    }
}

fn replace<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

/// Each word once, without the space around it.
pub(super) fn words(list: &[&str]) -> Vec<String> {
    let trimmed = list.iter().map(|word| word.trim());
    let mut words: Vec<String> = Vec::new();
    for word in trimmed.filter(|word| !word.is_empty()) {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}

/// `a=1|b=2`, where `\=` and `\|` stand for the characters themselves. Names are trimmed; the last pair of a name wins.
pub(super) fn parse_pairs(text: &str) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    let mut name: Option<String> = None;
    let mut current = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => current.extend(characters.next()),
            '=' if name.is_none() => name = Some(std::mem::take(&mut current).trim().to_owned()),
            '|' => {
                let value = std::mem::take(&mut current);
                pairs.extend(name.take().map(|name| (name, value)));
            }
            other => current.push(other),
        }
    }
    pairs.extend(name.map(|name| (name, current)));
    pairs
}

/// Pairs, where a list of values is written as JSON. The Admin API's clients send an object instead.
pub(super) fn parse_metadata(text: &str) -> BTreeMap<String, Value> {
    if let Ok(Value::Object(members)) = serde_json::from_str(text) {
        return members.into_iter().collect();
    }
    let as_list = |text: &str| serde_json::from_str(text).ok().filter(Value::is_array);
    let value = |text: String| as_list(&text).unwrap_or(Value::String(text));
    parse_pairs(text).into_iter().map(|(name, text)| (name, value(text))).collect()
}

fn parse_rectangles(name: &'static str, text: &str) -> Result<Vec<Rectangle>, Refusal> {
    let refusal = || Refusal::InvalidValue { name, value: text.to_owned() };
    let rectangle = |text: &str| {
        let numbers: Vec<u32> =
            text.split(',').map(|number| number.trim().parse().ok()).collect::<Option<_>>()?;
        <Rectangle>::try_from(numbers).ok()
    };
    text.split('|').map(rectangle).collect::<Option<_>>().ok_or_else(refusal)
}

fn parse_access_control(text: &str) -> Result<Vec<AccessRule>, Refusal> {
    serde_json::from_str::<Vec<AccessRule>>(text)
        .or_else(|_| serde_json::from_str(text).map(|rule| vec![rule]))
        .ok()
        .ok_or_else(|| Refusal::InvalidValue { name: "access_control", value: text.to_owned() })
}

/// Only moderation by hand exists here; the others are paid add-ons of the provider.
fn parse_moderation(text: &str) -> Result<Vec<Moderation>, Refusal> {
    for kind in text.split('|') {
        let name = kind.split(':').next().unwrap_or_default();
        if MODERATION_ADD_ONS.contains(&name) {
            return Err(Refusal::NotSubscribed(name.to_owned()));
        }
        if kind != "manual" {
            return Err(Refusal::InvalidModeration(kind.to_owned()));
        }
    }
    Ok(vec![Moderation { status: "pending".to_owned(), kind: "manual".to_owned() }])
}

/// The provider shows the name in its console, where a slash would read as a folder.
fn parse_display_name(text: &str) -> Result<String, Refusal> {
    let is_sound =
        text.chars().count() <= 255 && !text.contains(['/', '?', '&', '#', '\\', '%', '<', '>', '+']);
    let refusal = || Refusal::InvalidValue { name: "display_name", value: text.to_owned() };
    is_sound.then(|| text.to_owned()).ok_or_else(refusal)
}

/// A folder without slashes at its ends.
pub(super) fn folder_path(text: &str) -> String {
    let segments: Vec<_> = text.split('/').map(str::trim).filter(|part| !part.is_empty()).collect();
    segments.join("/")
}

/// Transformations, each with a format behind its last slash if it has one; a lone slash keeps the format.
fn parse_eager(text: &str) -> Result<Vec<Derived>, Refusal> {
    text.split('|')
        .filter(|item| !item.is_empty())
        .map(|item| {
            let (chain, format) = match item.rsplit_once('/') {
                Some((chain, end)) if transformation::is_format(end) => (chain, Some(end.to_owned())),
                Some((chain, "")) => (chain, None),
                _ => (item, None),
            };
            transformation::check(chain)?;
            Ok(Derived::new(chain.to_owned(), format))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn context_pairs_may_hold_escaped_signs() {
        let pairs = parse_pairs(r"a=1|b=x\=y\|z=2|c=|lonely");
        let expected = [("a", "1"), ("b", "x=y|z=2"), ("c", "")];
        assert!(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected));
    }

    #[test]
    fn tags_are_trimmed_and_kept_once() {
        assert_eq!(words(&["a ", "", "b", "a"]), ["a", "b"]);
    }

    #[test]
    fn metadata_holds_texts_and_lists() {
        let metadata = parse_metadata(r#"a=["x","y"]|b=[z"#);
        assert_eq!(metadata["a"], serde_json::json!(["x", "y"]));
        assert_eq!(metadata["b"], "[z");
    }

    #[test]
    fn an_eager_item_may_end_in_a_format() {
        let eager = parse_eager("w_200,c_fill/e_sepia|w_100/png|w_50/").unwrap();
        let told: Vec<_> =
            eager.iter().map(|item| (item.transformation.as_str(), item.format.as_deref())).collect();
        assert_eq!(told, [("w_200,c_fill/e_sepia", None), ("w_100", Some("png")), ("w_50", None)]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = parse_pairs(&text);
            let _ = parse_metadata(&text);
            let _ = parse_rectangles("face_coordinates", &text);
            let _ = parse_access_control(&text);
            let _ = parse_eager(&text);
        }

        #[test]
        fn escaped_pairs_come_back(name in "[a-z=|\\\\]{1,8}", value in "[a-z=|\\\\]{0,8}") {
            let escape = |text: &str| text.replace('\\', r"\\").replace('=', r"\=").replace('|', r"\|");
            let pairs = parse_pairs(&format!("{}={}", escape(&name), escape(&value)));
            prop_assert_eq!(pairs.get(&name), Some(&value));
        }
    }
}
