//! Uploadcare end to end: the service's routes, and the emulator that stands in for the provider.

mod callers;
mod client;
mod command_line;
mod delete_files;
mod rest;
mod upload;
