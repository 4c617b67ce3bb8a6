//! Models as `src/` uses them, whatever type the specification gives to their members.

use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::generated::types::UploadStatus;
use crate::lenient;
use crate::received::without_mark;

/// Reads a body that the service sent, as the client does: numbers for texts, any letter case,
/// times in any form, a byte-order mark. Non-essential members that cannot be read are absent.
///
/// ```
/// use partner_center_devices::models::{self, BatchUploadDetails, UploadStatus};
///
/// # fn main() -> Result<(), partner_center_devices::Error> {
/// let stored = br#"{ "Status": 3, "startedTime": "2017-07-25T10:00:00" }"#;
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
    let read = lenient::from_slice(without_mark(body)).map(|(value, _)| value);
    read.map_err(|error| Error::unreadable(&error.path, &error.source.to_string()))
}

/// The text of a member, whatever type the specification gives it; empty if it is absent.
pub(crate) fn text(member: &Option<impl ToString>) -> String {
    member.as_ref().map(ToString::to_string).unwrap_or_default()
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
