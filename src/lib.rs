//! countersign signs uploads to a media cloud without ever handing out the secret.
//!
//! A caller asks for one upload under a profile that is fixed on the server; the profile makes a grant; the grant is
//! signed for minutes. Downloads get links that die after a minute, and deletion by URL reaches only this cloud.
//! With no account at all everything runs against an emulator that says no wherever the real service says no.
//! The modules below stand in the order in which a request passes them: edge first, foundations last.

pub mod app;
pub mod cli;
pub mod connections;
mod descriptors;
pub mod host;
pub mod outermost;
mod panics;
mod stalled_writes;
pub mod state;
mod strict_http;
pub mod telemetry;

pub mod api;
pub mod demo;
pub mod settling;

pub mod auth;
pub mod delivery;
pub mod profiles;
pub mod signing;

pub mod emulator;
pub mod ledger;
pub mod providers;

pub mod clock;
pub mod config;
