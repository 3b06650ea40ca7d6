//! Signatures as pure functions: parameters, secret and time come in as arguments, nothing goes out but text.

mod auth_token;
pub mod cloudinary;
pub mod explain;
mod notification;
mod object;
mod params;
mod signature;
pub mod uploadcare;

pub use auth_token::{AuthTokenKey, InvalidAuthTokenKey};
pub use notification::{is_notification_signature, notification_signature};
pub use object::{BadObject, ObjectSigner};
pub use params::{ParamValue, Params};
pub use signature::{Algorithm, Signature, UnknownAlgorithm};
