//! The emulator over HTTP, as a browser, an SDK and a test suite meet it.

mod admin;
mod chunks;
pub(crate) mod clouds;
mod control;
mod crash;
mod damage;
mod delivery;
mod download;
mod edit;
mod listing;
mod mappings;
mod matrix;
mod media;
mod memory;
mod metadata;
mod notifications;
mod presets;
mod refusals;
mod replay;
mod roles;
mod search;
mod server;
mod store;
mod transformations;
mod upload;
mod uploadcare;
