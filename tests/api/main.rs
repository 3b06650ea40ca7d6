//! The service and the emulator as their users meet them: over HTTP, one module per resource.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod emulator;
