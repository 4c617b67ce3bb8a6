//! The rules of this crate, tested through its public face and over real sockets.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[cfg(feature = "blocking")]
mod blocking;
mod changes;
mod compression;
mod config;
mod devices;
mod errors;
mod examples;
mod faults;
mod links;
mod logs;
mod pasted;
mod prism;
mod properties;
mod reading;
mod reliability;
mod remedies;
mod requests;
mod responses;
#[cfg(feature = "schemars")]
mod schemas;
mod secrets;
mod server;
mod sign_in;
mod specification;
mod stand_in;
mod test_util;
#[cfg(feature = "rustls")]
mod tls;
mod token_requests;
mod virtual_time;
mod waiting;
