//! Delivery URLs: what Cloudinary's addresses say about an asset, and whether the asset is on our cloud.

mod address;
mod format;
mod host;
mod kind;
mod ours;
mod path;
mod public_id;
pub mod uploadcare;
mod url;

pub use address::{AssetAddress, NotAnAsset};
pub use host::{Authority, BadAuthority};
pub use kind::{DeliveryType, NotADeliveryType, NotAResourceType, ResourceType};
pub use ours::{NotOurs, OurDelivery};
pub use public_id::{BadPublicId, PublicId};
pub use url::{DeliveryUrl, DeliveryUrlError, Scheme};
