//! Delivery URLs: what Cloudinary's addresses say about an asset.

mod kind;

pub use kind::{DeliveryType, NotADeliveryType, NotAResourceType, ResourceType};
