// Rustdoc takes the first definition of a link: these replace the addresses at the end of the README.
//! [`Credential`]: crate::Credential
//! [`PartnerCenter`]: crate::PartnerCenter
//! [`Wait`]: crate::Wait
#![cfg_attr(feature = "blocking", doc = "[`blocking`]: crate::blocking\n\n")]
// One of its blocks needs the feature to compile.
#![cfg_attr(any(not(doctest), feature = "azure_core"), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "blocking")]
pub mod blocking;
mod builder;
mod call;
mod client;
mod cloud;
mod content_coding;
mod context;
mod credential;
mod customers;
mod device_error;
#[cfg(feature = "emulator")]
pub mod emulator;
mod env;
mod error;
mod exchange;
mod fault;
mod generated;
mod headers;
mod ids;
mod lenient;
mod limits;
mod links;
pub mod models;
mod next;
mod open_enum;
mod operation;
mod outcome;
mod pasted;
mod reading;
mod received;
mod redact;
mod response;
mod retry;
mod retry_after;
mod runtime;
#[cfg(feature = "test-util")]
mod test_util;
mod text_visitor;
mod time;
mod trace;
mod transport;
mod upload;
mod wait;
mod watch;

// The crates whose types are in the API, so that a program does not need a second version of them.
pub use {bytes, chrono, http, reqwest, serde_json, url, uuid};

pub use builder::Builder;
pub use client::PartnerCenter;
pub use cloud::Cloud;
pub use context::RequestContext;
#[cfg(feature = "azure_core")]
pub use credential::AzureCredential;
pub use credential::{
    AccessToken, AppOnlyCredential, AppUserCredential, Credential, RefreshToken, TokenFuture, TokenRequest,
};
pub use customers::{BatchUploadStatus, BatchUploadStatusCollection, Customer, Customers, DeviceBatches};
pub use device_error::DeviceError;
pub use error::{Error, ErrorKind};
pub use lenient::UnreadableMember;
pub use links::UploadLocation;
pub use models::{BatchTrackingId, CustomerId};
pub use response::Response;
pub use retry::RetryPolicy;
pub use upload::{FailedDevice, UploadSummary};
pub use wait::Wait;

/// The specification that the client is generated from: an OpenAPI 3.0 document in YAML, for clients in
/// other languages, mocks and documentation.
///
/// ```
/// assert!(
///     partner_center_devices::OPENAPI
///         .contains("operationId: getBatchUploadStatus")
/// );
/// ```
pub const OPENAPI: &str = include_str!("../openapi/partner-center-devices.yaml");
