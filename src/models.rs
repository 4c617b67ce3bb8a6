//! What the service responds with: the schemas of the specification, as Rust types.
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

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::lenient;
use crate::received::BYTE_ORDER_MARK;

pub use crate::generated::types::*;

/// A date and time of the service. On the wire it has no offset and is meant as UTC.
pub type PartnerDateTime = DateTime<Utc>;

/// Reads a body that the service sent, in the way the client does: numbers for texts, any letter case,
/// times in any form, a byte-order mark. Members that cannot be read and decide nothing are absent.
///
/// ```
/// use partner_center_devices::models::{self, BatchUploadDetails, UploadStatus};
///
/// # fn main() -> Result<(), partner_center_devices::Error> {
/// let stored = br#"{ "Status": 3, "startedTime": "2017-07-25T10:00:00", "devicesStatus": null }"#;
/// let upload: BatchUploadDetails = models::from_slice(stored)?;
/// assert_eq!(upload.status, Some(UploadStatus::Finished));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Decode`](crate::ErrorKind::Decode) with the path of the member at fault.
pub fn from_slice<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    lenient::from_slice(body).map(|(value, _)| value).map_err(Error::from)
}

impl UploadStatus {
    /// Whether the upload has ended: `finished` or `finished_with_errors`.
    ///
    /// A status that this crate does not know has not ended.
    ///
    /// ```
    /// use partner_center_devices::models::UploadStatus;
    ///
    /// assert!(UploadStatus::FinishedWithErrors.is_terminal());
    /// assert!(!UploadStatus::from("paused_by_operator").is_terminal());
    /// ```
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Finished | Self::FinishedWithErrors)
    }
}
