//! The emulator over HTTP, as a browser, an SDK and a test suite meet it.

mod admin;
mod chunks;
mod control;
mod delivery;
mod download;
mod media;
mod refusals;
mod server;
mod store;
mod upload;
mod uploadcare;
