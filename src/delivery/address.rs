//! What names one stored asset on a cloud.

use super::{BadPublicId, DeliveryType, DeliveryUrl, PublicId, ResourceType};

/// One stored asset: the provider knows it by all three together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetAddress {
    /// What kind of file it is.
    pub resource_type: ResourceType,
    /// How it is delivered: upload, private or authenticated.
    pub delivery_type: DeliveryType,
    /// Its name.
    pub public_id: PublicId,
}

/// Why a delivery URL does not address a stored upload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAsset {
    /// A remote file, a list or a generated picture.
    #[error("has the delivery type `{0}`; only upload, private and authenticated hold uploads")]
    NotUploaded(DeliveryType),
    /// A public id that no asset can have.
    #[error("has a public id that {0}")]
    PublicId(BadPublicId),
}

impl TryFrom<&DeliveryUrl> for AssetAddress {
    type Error = NotAnAsset;

    fn try_from(url: &DeliveryUrl) -> Result<Self, Self::Error> {
        if !url.delivery_type().is_uploaded() {
            return Err(NotAnAsset::NotUploaded(url.delivery_type()));
        }
        Ok(Self {
            resource_type: url.resource_type(),
            delivery_type: url.delivery_type(),
            public_id: url.public_id().parse().map_err(NotAnAsset::PublicId)?,
        })
    }
}
