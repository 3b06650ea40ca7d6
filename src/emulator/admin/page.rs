//! A page of a list: how many, from where on, in which order, and how much of each.
//!
//! A cursor is the place of the last item of a page, so that what is deleted or added between two pages neither hides
//! an item nor shows one twice.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::answer::{AssetAnswer, delivery_url};
use super::super::fields::Fields;
use super::folders::folder_of;
use super::{Access, Admin, Algorithm, Asset, Backend, Refusal};

/// How many items a page has unless the client says otherwise, and at most.
const DEFAULT_RESULTS: usize = 10;
const MAX_RESULTS: usize = 500;

/// Members that an item of a list has only if they are asked for, with the parameter that asks.
const ON_REQUEST: [(&str, &str); 4] =
    [("tags", "tags"), ("context", "context"), ("metadata", "metadata"), ("moderation", "moderations")];

/// Members that only the details of an asset have.
pub(super) const DETAILS: [&str; 7] =
    ["version_id", "etag", "original_filename", "faces", "coordinates", "access_control", "placeholder"];

/// The page of `assets` that the parameters ask for.
pub(super) fn of_assets(
    backend: &Backend,
    admin: &Admin,
    mut assets: Vec<Arc<Asset>>,
    fields: &Fields,
) -> Result<Value, Refusal> {
    let is_ascending = is_ascending(fields)?;
    if let Some(start) = fields.get("start_at") {
        let start = parse_moment(start)?;
        assets.retain(|asset| asset.description.created_at.0 >= start);
    }
    assets.sort_by(|a, b| {
        let order = place(a).cmp(&place(b));
        if is_ascending { order } else { order.reverse() }
    });
    if let Some(cursor) = fields.get("next_cursor") {
        let after = Cursor::parse(cursor)?;
        assets.retain(|asset| {
            let order = place(asset).cmp(&after.place());
            order == if is_ascending { Ordering::Greater } else { Ordering::Less }
        });
    }
    let count = max_results(fields)?;
    let has_more = assets.len() > count;
    assets.truncate(count);
    let items: Vec<_> = assets.iter().map(|asset| item(backend, admin, asset, fields)).collect();
    let mut body = json!({ "resources": items });
    if let (true, Some(last)) = (has_more, assets.last()) {
        body["next_cursor"] = Cursor::of(last).into();
    }
    Ok(body)
}

/// The page of names that the parameters ask for, under `member`.
pub(super) fn of_names(member: &str, mut names: Vec<String>, fields: &Fields) -> Result<Value, Refusal> {
    if let Some(cursor) = fields.get("next_cursor") {
        let refusal = || Refusal::IllegalValue { name: "next_cursor", value: cursor.to_owned() };
        let after = hex::decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let after = after.ok_or_else(refusal)?;
        names.retain(|name| *name > after);
    }
    let count = max_results(fields)?;
    let has_more = names.len() > count;
    names.truncate(count);
    let cursor = names.last().filter(|_| has_more).map(hex::encode);
    let mut body = json!({});
    body[member] = json!(names);
    if let Some(cursor) = cursor {
        body["next_cursor"] = cursor.into();
    }
    Ok(body)
}

/// An asset as lists show it.
pub(super) fn item(backend: &Backend, admin: &Admin, asset: &Asset, fields: &Fields) -> Value {
    let mut members = members(backend, admin, asset);
    for (member, parameter) in ON_REQUEST {
        if fields.flag(parameter) != Some(true) {
            members.remove(member);
        }
    }
    members.retain(|name, _| !DETAILS.contains(&name.as_str()));
    let wanted = fields.list("fields");
    if !wanted.is_empty() {
        let whole = super::page::members(backend, admin, asset);
        members = whole.into_iter().filter(|(name, _)| is_wanted(&wanted, name)).collect();
    }
    Value::Object(members)
}

/// Some members say which asset it is and are always there.
fn is_wanted(wanted: &[&str], name: &str) -> bool {
    wanted.contains(&name) || matches!(name, "asset_id" | "public_id" | "folder")
}

/// Everything that is known about an asset.
pub(super) fn members(backend: &Backend, admin: &Admin, asset: &Asset) -> Map<String, Value> {
    let access = Access { account: &admin.account, algorithm: Algorithm::default() };
    let url = delivery_url(asset, &backend.origin(), Some((access.account, access.algorithm)));
    let Ok(Value::Object(mut members)) = serde_json::to_value(AssetAnswer::new(asset, url)) else {
        return Map::new();
    };
    let mut tags = asset.description.tags.clone();
    tags.sort();
    members.insert("tags".to_owned(), tags.into());
    members.insert("folder".to_owned(), folder_of(asset).into());
    members
}

/// How many items a page may have.
fn max_results(fields: &Fields) -> Result<usize, Refusal> {
    let Some(text) = fields.get("max_results") else {
        return Ok(DEFAULT_RESULTS);
    };
    let count = text.parse().ok().filter(|count| (1..=MAX_RESULTS).contains(count));
    count.ok_or_else(|| Refusal::IllegalValue { name: "max_results", value: text.to_owned() })
}

/// The newest come first unless the client says otherwise.
fn is_ascending(fields: &Fields) -> Result<bool, Refusal> {
    match fields.get("direction").map(str::to_ascii_lowercase).as_deref() {
        None | Some("desc" | "-1") => Ok(false),
        Some("asc" | "1") => Ok(true),
        Some(other) => Err(Refusal::IllegalValue { name: "direction", value: other.to_owned() }),
    }
}

/// A moment as an HTTP date or in ISO 8601.
fn parse_moment(text: &str) -> Result<i64, Refusal> {
    let http = || {
        let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_secs()).ok()
    };
    let iso = || text.parse::<Timestamp>().ok().map(Timestamp::as_second);
    let day = || {
        text.parse::<jiff::civil::Date>()
            .ok()?
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
            .map(|at| at.timestamp().as_second())
    };
    let refusal = || Refusal::IllegalValue { name: "start_at", value: text.to_owned() };
    http().or_else(iso).or_else(day).ok_or_else(refusal)
}

/// Where an asset stands among all: by age, then by name.
fn place(asset: &Asset) -> (i64, &str, &str, &str) {
    let key = &asset.key;
    let age = asset.description.created_at.0;
    (age, &key.public_id, key.resource_type.as_str(), key.delivery_type.as_str())
}

/// The place of the last item of a page, in hexadecimal.
struct Cursor(i64, String, String, String);

impl Cursor {
    fn of(asset: &Asset) -> String {
        let (age, id, resource_type, delivery_type) = place(asset);
        hex::encode(json!([age, id, resource_type, delivery_type]).to_string())
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let refusal = || Refusal::IllegalValue { name: "next_cursor", value: text.to_owned() };
        let bytes = hex::decode(text).ok().ok_or_else(refusal)?;
        let (age, id, resource_type, delivery_type) =
            serde_json::from_slice(&bytes).ok().ok_or_else(refusal)?;
        Ok(Self(age, id, resource_type, delivery_type))
    }

    fn place(&self) -> (i64, &str, &str, &str) {
        (self.0, &self.1, &self.2, &self.3)
    }
}
