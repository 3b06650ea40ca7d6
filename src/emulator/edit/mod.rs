//! Signed calls that change what is stored: `destroy`, `rename`, `explicit`, `tags`, `context` and `metadata`.

mod destroy;
mod explicit;
mod labels;
mod rename;

use std::sync::Arc;

use axum::extract::Request;

use crate::delivery::{DeliveryType, ResourceType};

use super::Backend;
use super::accounts::Operation;
use super::fields::Fields;
use super::form::Form;
use super::refusal::Refusal;
use super::store::AssetKey;
use super::upload::parse_type;
use super::verify::{Access, Call, Lifetime, authenticate};
pub(super) use destroy::{destroy, destroy_by_asset_id};
pub(super) use explicit::explicit;
pub(super) use labels::{context, metadata, tags};
pub(super) use rename::rename;

/// A call whose caller is known.
struct Edit<'a> {
    backend: &'a Backend,
    access: Access<'a>,
    cloud: String,
    resource_type: ResourceType,
    delivery_type: DeliveryType,
    fields: Fields,
}

impl<'a> Edit<'a> {
    /// Reads a call and judges its caller.
    async fn read(
        backend: &'a Arc<Backend>,
        (cloud, word): (String, String),
        request: Request,
    ) -> Result<Self, Refusal> {
        let resource_type = word.parse().ok().ok_or(Refusal::InvalidUploadUrl)?;
        let headers = request.headers().clone();
        let fields = Form::read(backend, request).await?.fields;
        let call = Call {
            cloud: &cloud,
            headers: &headers,
            fields: &fields,
            now: backend.clock.now(),
            lifetime: Lifetime::Hour,
            operation: Operation::Write,
        };
        let access = authenticate(&backend.accounts, call)?;
        Ok(Self { backend, access, delivery_type: parse_type(&fields)?, cloud, resource_type, fields })
    }

    /// What addresses the asset with this public id.
    fn key(&self, public_id: &str) -> AssetKey {
        AssetKey {
            cloud: self.cloud.clone(),
            resource_type: self.resource_type,
            delivery_type: self.delivery_type,
            public_id: public_id.to_owned(),
        }
    }
}
