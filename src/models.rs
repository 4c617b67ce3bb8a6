//! The bodies of the service: the schemas of the specification, as Rust types.
//!
//! All members are optional because the service leaves members out, or sends null, without a rule
//! that its documents state. Unknown members are ignored. The types are `#[non_exhaustive]`: a new
//! member in the specification does not break code that uses them. Their texts are those of the
//! specification, for clients in any language: what they ask of clients, such as reading a number for
//! a text or encoding a link, this crate does, the latter in
//! [`PartnerCenter::follow`](crate::PartnerCenter::follow). Build one with `default()`:
//!
//! ```
//! use partner_center_devices::models::{DeviceUploadDetails, UploadStatus};
//!
//! let mut device = DeviceUploadDetails::default();
//! device.serial_number = Some("1234567890".to_owned());
//! device.status = Some(UploadStatus::Finished);
//! assert_eq!(device.error_code, None);
//! ```
//!
//! # Storing and reading again
//!
//! `Serialize` writes what the service writes: times without an offset, absent members left out.
//! `Deserialize` reads that back. A raw body of the service can be written in more ways than one; read it
//! with [`from_slice`], which is how the client itself reads.

// Nothing else is in this room: a schema may have any name, `Option` too, and would be meant here.
pub use crate::generated::types::*;
pub use crate::reading::from_slice;
pub use crate::time::PartnerDateTime;
