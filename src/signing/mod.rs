//! Signatures as pure functions: parameters, secret and time come in as arguments, nothing goes out but text.

pub mod cloudinary;
pub mod explain;
mod object;
mod params;
mod signature;
pub mod uploadcare;

pub use object::{BadObject, ObjectSigner};
pub use params::{ParamValue, Params};
pub use signature::{Algorithm, Signature, UnknownAlgorithm};
