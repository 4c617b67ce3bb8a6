//! What the service answers with: the schemas of the specification, as Rust types.
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

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::error::Error;
use crate::foreign::on_one_line;
use crate::lenient::Scalar;

pub use crate::generated::UploadStatus;
pub use crate::generated::types::{
    BatchTrackingId, BatchUploadDetails, CustomerId, DeviceBatch, DeviceBatchCollection, DeviceUploadDetails,
    KeyValuePair, Link, ResourceAttributes, ResourceLinks,
};

/// Reads an id. White space around it is dropped: it comes from files and command lines.
pub(crate) fn guid(what: &str, text: &str) -> Result<Uuid, Error> {
    let wrong = |_| Error::config(format!("\"{}\" is no {what}: a GUID is expected", on_one_line(text)));
    Uuid::parse_str(text.trim()).map_err(wrong)
}

impl UploadStatus {
    /// The numbers that older answers have in place of texts: `DeviceUploadStatusType` of
    /// Microsoft's .NET SDK, in its order.
    const BY_NUMBER: [Self; 5] =
        [Self::Unknown, Self::Queued, Self::Processing, Self::Finished, Self::FinishedWithErrors];

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
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Finished | Self::FinishedWithErrors)
    }
}

/// Letter case, hyphens and underscores make no difference: one published table writes
/// `in-progress` beside `finished_with_errors`. A number is the status that it stands for. Any other
/// text is kept as it is.
impl From<&str> for UploadStatus {
    fn from(text: &str) -> Self {
        fn letters(text: &str) -> impl Iterator<Item = char> {
            text.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase())
        }
        let name = text.trim();
        let listed = match name.parse::<usize>() {
            Ok(number) => Self::BY_NUMBER.get(number),
            Err(_) => Self::LISTED.iter().find(|status| letters(status.as_str()).eq(letters(name))),
        };
        listed.cloned().unwrap_or_else(|| Self::Other(text.to_owned()))
    }
}

impl fmt::Display for UploadStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for UploadStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for UploadStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Scalar::deserialize(deserializer)?.0.as_str().into())
    }
}
