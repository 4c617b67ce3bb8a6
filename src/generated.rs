//! The client that build.rs generates from the specification. Private: what users need of it is
//! re-exported by name in [`crate::models`].

// Generated text is judged by the snapshot under `tests/`, not by lints made for people.
#![allow(
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    missing_docs,
    missing_debug_implementations,
    unnameable_types,
    unreachable_pub,
    unused_imports
)]

include!(concat!(env!("OUT_DIR"), "/client.rs"));
