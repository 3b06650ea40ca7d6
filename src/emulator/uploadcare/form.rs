//! Reads an upload request: fields from the query and the body, every file streamed to disk.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use multer::{Field, Multipart};

use super::super::Backend;
use super::super::fields::Fields;
use super::super::form::{self, Backlog, Encoding, PiecewiseBody, read_field, read_text};
use super::super::refusal::Refusal;
use super::super::store::Incoming;
use super::refusal::UploadRefusal;

/// A request's fields and files.
#[derive(Debug, Default)]
pub(super) struct UploadForm {
    pub(super) fields: Fields,
    pub(super) files: Vec<FormFile>,
}

/// One file of a request.
#[derive(Debug)]
pub(super) struct FormFile {
    /// The name of its field, which is the key of its id in the answer.
    pub(super) field: String,
    /// As the client names it.
    pub(super) name: String,
    /// As the client describes it.
    pub(super) content_type: Option<String>,
    pub(super) content: Incoming,
}

impl UploadForm {
    /// Reads everything the request says.
    pub(super) async fn read(backend: &Arc<Backend>, request: Request) -> Result<Self, UploadRefusal> {
        let (parts, body) = request.into_parts();
        let mut form = Self::default();
        if let Some(query) = parts.uri.query() {
            form.fields.add_urlencoded(query.as_bytes())?;
        }
        match Encoding::of(&parts.headers)? {
            Encoding::Multipart(boundary) => {
                let backlog = Backlog::default();
                let multipart = Multipart::new(PiecewiseBody::new(body, backlog.clone()), boundary);
                form.read_multipart(backend, multipart, &backlog).await?;
            }
            Encoding::Urlencoded => form.fields.add_urlencoded(&read_text(body).await?)?,
            Encoding::Json => form.fields.add_json(&read_text(body).await?)?,
            Encoding::None => {}
        }
        Ok(form)
    }

    async fn read_multipart(
        &mut self,
        backend: &Arc<Backend>,
        mut multipart: Multipart<'_>,
        backlog: &Backlog,
    ) -> Result<(), UploadRefusal> {
        while let Some(field) = multipart.next_field().await.map_err(Refusal::Multipart)? {
            backlog.clear();
            let Some(name) = field.name().map(str::to_owned) else { continue };
            if field.file_name().is_some() {
                self.files.push(receive(backend, name, field, backlog).await?);
            } else {
                self.fields.add(&name, read_field(field, backlog).await?)?;
            }
        }
        Ok(())
    }
}

/// Streams a file to disk.
async fn receive(
    backend: &Arc<Backend>,
    field_name: String,
    field: Field<'_>,
    backlog: &Backlog,
) -> Result<FormFile, UploadRefusal> {
    let name = field.file_name().unwrap_or_default().to_owned();
    let content_type = field.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.map(str::to_owned);
    let limit = backend.limits.request_file_bytes;
    let content = form::receive(backend.uploadcare.store.incoming(limit, false), field, backlog).await?;
    if content.bytes > limit {
        return Err(UploadRefusal::FileTooLarge);
    }
    Ok(FormFile { field: field_name, name, content_type, content })
}
