//! The rules of this crate, tested through its public face and over real sockets.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod answers;
#[cfg(feature = "blocking")]
mod blocking;
mod changes;
mod config;
mod devices;
mod errors;
mod examples;
mod faults;
mod links;
mod prism;
mod properties;
mod reliability;
mod requests;
mod secrets;
mod server;
mod sign_in;
mod specification;
mod stand_in;
mod virtual_time;
mod waiting;
