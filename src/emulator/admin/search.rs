//! `POST /resources/search` and `POST /folders/search`: a page of the assets or folders that an expression describes.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::search::{Expression, Found, Kind, find_in, kind_of};
use super::super::store::Asset;
use super::folders::{self, folder_of, name_of};
use super::{Admin, AdminJson, Backend, Refusal, page, read_json};

type Answer = Result<AdminJson<Value>, Refusal>;

/// How many items a page has unless the client says otherwise, and at most.
const DEFAULT_RESULTS: usize = 50;
const MAX_RESULTS: usize = 500;

/// Members that an item has only if they are asked for.
const ON_REQUEST: [&str; 3] = ["context", "metadata", "tags"];

/// What a search asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    expression: Option<String>,
    #[serde(default)]
    sort_by: Vec<BTreeMap<String, Direction>>,
    max_results: Option<Value>,
    next_cursor: Option<String>,
    #[serde(default)]
    with_field: Vec<String>,
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    aggregate: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Asc,
    Desc,
}

/// Assets of every type, the newest first unless the client says otherwise.
pub(in crate::emulator) async fn search(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let query: Query = read_json(request).await?;
    query.refuse_what_is_not_emulated()?;
    let expression = query.parse(kind_of, backend.clock.now().0)?;
    let mut assets = admin.assets(&backend);
    let find = |asset: &Asset, field: &str| find_in(asset, &folder_of(asset), field);
    assets.retain(|asset| expression.is_true_of(&|field| find(asset, field)));
    assets.sort_by(|a, b| {
        query.order(&|field| find(a, field), &|field| find(b, field), ("created_at", Direction::Desc))
    });
    let page = query.page(assets, |asset| &asset.id)?;
    let items = page.items.iter().map(|asset| item(&backend, &admin, asset, &query)).collect();
    Ok(AdminJson::new(&backend, page.answer("resources", items)))
}

/// Folders, by path unless the client says otherwise.
pub(in crate::emulator) async fn search_folders(
    State(backend): State<Arc<Backend>>,
    admin: Admin,
    request: Request,
) -> Answer {
    let query: Query = read_json(request).await?;
    query.refuse_what_is_not_emulated()?;
    if let Some(field) = query.with_field.first().or(query.fields.first()) {
        return Err(Refusal::NotEmulated(format!("the field {field} of folders")));
    }
    let kind_of = |field: &str| match field {
        "name" => Some(Kind::Text),
        "path" => Some(Kind::Word),
        _ => None,
    };
    let find = |path: &String, field: &str| {
        Found::Texts(vec![if field == "name" { name_of(path).to_owned() } else { path.clone() }])
    };
    let expression = query.parse(kind_of, backend.clock.now().0)?;
    let mut paths: Vec<_> = folders::all(&backend, &admin).into_iter().collect();
    paths.retain(|path| expression.is_true_of(&|field| find(path, field)));
    paths.sort_by(|a, b| {
        query.order(&|field| find(a, field), &|field| find(b, field), ("path", Direction::Asc))
    });
    let page = query.page(paths, |path| path)?;
    let items = page.items.iter().map(|path| json!({ "name": name_of(path), "path": path })).collect();
    Ok(AdminJson::new(&backend, page.answer("folders", items)))
}

/// One page of what was found.
struct Page<T> {
    items: Vec<T>,
    total_count: usize,
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    fn answer(&self, member: &str, items: Vec<Value>) -> Value {
        // In milliseconds, of which a search takes less than one.
        let mut answer = json!({ "total_count": self.total_count, "time": 0 });
        answer[member] = items.into();
        if let Some(cursor) = &self.next_cursor {
            answer["next_cursor"] = cursor.clone().into();
        }
        answer
    }
}

impl Query {
    fn refuse_what_is_not_emulated(&self) -> Result<(), Refusal> {
        if !self.aggregate.is_empty() {
            return Err(Refusal::NotEmulated("aggregate in a search".to_owned()));
        }
        match self.with_field.iter().find(|name| !ON_REQUEST.contains(&name.as_str())) {
            Some(name) => Err(Refusal::NotEmulated(format!("with_field {name} in a search"))),
            None => Ok(()),
        }
    }

    /// The expression; and a look at whether the order can be had.
    fn parse(&self, kind_of: impl Fn(&str) -> Option<Kind>, now: i64) -> Result<Expression, Refusal> {
        let mut fields = self.sort_by.iter().flat_map(BTreeMap::keys);
        if let Some(field) = fields.find(|field| kind_of(field).is_none()) {
            return Err(Refusal::NotEmulated(format!("sort_by {field} in a search")));
        }
        let now = Timestamp::from_second(now).unwrap_or_default();
        Expression::parse(self.expression.as_deref().unwrap_or_default(), kind_of, now)
    }

    /// Which of two things comes first; what is equal in every field that counts stays as it was.
    fn order(
        &self,
        a: &dyn Fn(&str) -> Found,
        b: &dyn Fn(&str) -> Found,
        unless_told: (&str, Direction),
    ) -> Ordering {
        let told = self.sort_by.iter().flatten().map(|(field, direction)| (field.as_str(), *direction));
        let mut orders = told.chain([unless_told]).map(|(field, direction)| {
            let order = compare(&a(field), &b(field));
            if direction == Direction::Asc { order } else { order.reverse() }
        });
        orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    fn max_results(&self) -> Result<usize, Refusal> {
        let Some(value) = &self.max_results else {
            return Ok(DEFAULT_RESULTS);
        };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let count = text.parse().ok().filter(|count| (1..=MAX_RESULTS).contains(count));
        count.ok_or(Refusal::IllegalValue { name: "max_results", value: text })
    }

    /// The page behind the cursor: behind the item that it names, or where that one stood if it is gone.
    fn page<T>(&self, mut items: Vec<T>, id_of: impl Fn(&T) -> &str) -> Result<Page<T>, Refusal> {
        let (count, total_count) = (self.max_results()?, items.len());
        let mut start = 0;
        if let Some(cursor) = self.next_cursor.as_deref().filter(|cursor| !cursor.is_empty()) {
            let refusal = || Refusal::IllegalValue { name: "next_cursor", value: cursor.to_owned() };
            let bytes = hex::decode(cursor).ok().ok_or_else(refusal)?;
            let (place, id): (usize, String) = serde_json::from_slice(&bytes).ok().ok_or_else(refusal)?;
            let found = items.iter().position(|item| id_of(item) == id);
            start = found.map_or(place, |found| found + 1).min(items.len());
        }
        let mut rest = items.split_off(start);
        let has_more = rest.len() > count;
        rest.truncate(count);
        let last = rest.last().filter(|_| has_more);
        let next_cursor = last.map(|last| hex::encode(json!([start + rest.len(), id_of(last)]).to_string()));
        Ok(Page { items: rest, total_count, next_cursor })
    }
}

/// Numbers by size, texts by letter; what has nothing comes last.
fn compare(a: &Found, b: &Found) -> Ordering {
    let missing_last = |a: bool, b: bool| a.cmp(&b);
    match (a, b) {
        (Found::Numbers(a), Found::Numbers(b)) => match (a.first(), b.first()) {
            (Some(a), Some(b)) => a.total_cmp(b),
            (a, b) => missing_last(a.is_none(), b.is_none()),
        },
        (Found::Texts(a), Found::Texts(b)) => match (a.first(), b.first()) {
            (Some(a), Some(b)) => a.cmp(b),
            (a, b) => missing_last(a.is_none(), b.is_none()),
        },
        _ => Ordering::Equal,
    }
}

/// An asset as a search shows it: context is flat, and some members have other names than in lists.
fn item(backend: &Backend, admin: &Admin, asset: &Asset, query: &Query) -> Value {
    let mut members = page::members(backend, admin, asset);
    let description = &asset.description;
    members.insert("context".to_owned(), json!(description.context));
    members.insert("filename".to_owned(), name_of(&asset.key.public_id).into());
    members.insert("uploaded_at".to_owned(), members["created_at"].clone());
    members.insert("backup_bytes".to_owned(), 0.into());
    members.insert("status".to_owned(), "active".into());
    if let Some((width, height)) = description.dimensions {
        let ratio = f64::from(width) / f64::from(height.max(1));
        members.insert("aspect_ratio".to_owned(), ((ratio * 100.0).round() / 100.0).into());
        members.insert("pixels".to_owned(), (u64::from(width) * u64::from(height)).into());
    }
    let is_brief = |name: &str| {
        query.fields.is_empty()
            && !page::DETAILS.iter().any(|detail| *detail == name && name != "etag")
            && (!ON_REQUEST.contains(&name) || query.with_field.iter().any(|field| field == name))
    };
    let is_asked_for = |name: &str| {
        query.fields.iter().any(|field| field == name) || matches!(name, "asset_id" | "public_id")
    };
    let wanted: Map<String, Value> = members
        .into_iter()
        .filter(|(name, _)| if query.fields.is_empty() { is_brief(name) } else { is_asked_for(name) })
        .collect();
    Value::Object(wanted)
}
