//! The client that build.rs generates from the specification. Private: what users need of it is
//! re-exported in [`crate::models`].

// Generated text is judged by the snapshot under `tests/`, not by lints made for people.
#![allow(warnings)]

include!(concat!(env!("OUT_DIR"), "/client.rs"));
