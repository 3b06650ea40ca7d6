//! The service and the emulator as their users meet them: over HTTP, one module per resource.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod helpers;

mod broken_logs;
mod callers;
mod command_line;
mod commands;
mod context;
mod dead_links;
mod delete_files;
mod demo;
mod download_url;
mod edges;
mod explain;
mod explain_limits;
mod hosts;
mod http_rules;
mod ledger;
mod logs;
mod panics;
mod rate_limit;
mod reference_defects;
mod reload;
mod rings;
mod sign_from_body;
mod signature_reach;
mod upload_signature;
mod uploadcare;
mod uploadcare_signature;

mod emulator;
