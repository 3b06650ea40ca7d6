//! `POST /group/` and `GET /group/info/`: files under one address. A group is kept as a text with one member a line.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, Request, State};
use serde_json::{Value, json};

use crate::clock::UnixSeconds;
use crate::delivery::uploadcare::FileId;

use super::super::Backend;
use super::super::fields::Fields;
use super::super::store::{Overwrite, StoreError};
use super::file::{File, NewFile, in_iso, key};
use super::form::UploadForm;
use super::info::fields_of;
use super::random_file_id;
use super::refusal::UploadRefusal;

/// The most files of a group.
const MAX_FILES: usize = 1_000;
/// The most bytes of a group's text.
const MAX_TEXT_BYTES: u64 = 1024 * 1024;

/// A group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    id: String,
    created_at: UnixSeconds,
    members: Vec<Member>,
}

/// A file in a group, with the operations that show it there.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: FileId,
    effects: String,
}

/// Makes a group of files that are there.
pub(super) async fn create(
    State(backend): State<Arc<Backend>>,
    request: Request,
) -> Result<Json<Value>, UploadRefusal> {
    let form = UploadForm::read(&backend, request).await?;
    let project = &backend.uploadcare.project;
    project.check_public_key(&form.fields, "pub_key")?;
    project.check_signature(&form.fields, backend.clock.now())?;
    let files = form.fields.list("files");
    if files.is_empty() || files.len() > MAX_FILES {
        return Err(UploadRefusal::GroupFilesRequired);
    }
    let members = files.into_iter().map(Member::parse).collect::<Result<Vec<_>, _>>()?;
    if members.iter().any(|member| File::find(&backend, &member.id).is_none()) {
        return Err(UploadRefusal::GroupFilesNotFound);
    }
    let id = random_file_id().ok_or(UploadRefusal::GroupNotFound)?;
    let id = format!("{id}~{}", members.len());
    let group = Group { id, created_at: backend.clock.now(), members };
    group.keep(&backend).await?;
    Ok(Json(group.info(&backend)))
}

/// Describes a group.
pub(super) async fn show(
    State(backend): State<Arc<Backend>>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, UploadRefusal> {
    let fields = fields_of(query)?;
    backend.uploadcare.project.check_public_key(&fields, "pub_key")?;
    let id = fields.get("group_id").unwrap_or_default();
    let group = Group::find(&backend, id).await?.ok_or(UploadRefusal::GroupNotFound)?;
    Ok(Json(group.info(&backend)))
}

impl Member {
    /// `uuid`, `uuid/-/ops/`, or a CDN URL that ends so.
    fn parse(text: &str) -> Result<Self, UploadRefusal> {
        let refusal = || UploadRefusal::GroupFileUrlInvalid(text.to_owned());
        let path = match text.split_once("://") {
            Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
            None => text.trim_start_matches('/'),
        };
        let (id, rest) = path.split_once('/').unwrap_or((path, ""));
        let effects = rest.strip_prefix("-/").unwrap_or_default();
        let is_plain = !effects.contains(['\n', '\r', ' ']);
        let id = id.parse().ok().filter(|_| is_plain).ok_or_else(refusal)?;
        Ok(Self { id, effects: effects.to_owned() })
    }
}

impl Group {
    /// The group with this id, if there is one.
    pub(super) async fn find(backend: &Backend, id: &str) -> Result<Option<Self>, StoreError> {
        let uploadcare = &backend.uploadcare;
        if !id.contains('~') {
            return Ok(None);
        }
        let key = key(&uploadcare.project.public_key, &id.to_ascii_lowercase());
        let Some((asset, content)) = uploadcare.store.open_content(&key).await? else { return Ok(None) };
        // What cannot be read is a group without members.
        let text = content.next_piece(MAX_TEXT_BYTES).await.map(|(text, _)| text).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let members = text.lines().filter_map(|line| {
            let (id, effects) = line.split_once(' ')?;
            Some(Member { id: id.parse().ok()?, effects: effects.to_owned() })
        });
        Ok(Some(Self {
            id: asset.key.public_id.clone(),
            created_at: asset.description.created_at,
            members: members.collect(),
        }))
    }

    /// The member at a place, counted from 0.
    pub(super) fn member(&self, index: usize) -> Option<&Member> {
        self.members.get(index)
    }

    async fn keep(&self, backend: &Arc<Backend>) -> Result<(), StoreError> {
        let uploadcare = &backend.uploadcare;
        let mut text = String::new();
        for member in &self.members {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{} {}", member.id, member.effects);
        }
        let mut content = uploadcare.store.incoming(MAX_TEXT_BYTES, false);
        content.write(text.into()).await?;
        let content = content.finish().await?;
        let description =
            NewFile::of(&Fields::default(), self.id.clone(), None).describe(&content, self.created_at);
        let key = key(&uploadcare.project.public_key, &self.id);
        uploadcare.store.put(key, description, content, Overwrite::No).await.map(drop)
    }

    fn info(&self, backend: &Backend) -> Value {
        let files = self.members.iter().map(|member| match File::find(backend, &member.id) {
            Some(file) => {
                let mut info = file.info();
                info["default_effects"] = Value::String(member.effects.clone());
                info
            }
            None => Value::Null,
        });
        json!({
            "id": self.id, "datetime_created": in_iso(self.created_at), "datetime_stored": null,
            "files_count": self.members.len(), "cdn_url": format!("{}/{}/", backend.origin(), self.id),
            "url": format!("{}/uploadcare/groups/{}/", backend.origin(), self.id),
            "files": files.collect::<Vec<_>>(),
        })
    }
}
