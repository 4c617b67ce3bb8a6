//! The result of an upload: how many devices have which status, and which failed.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::device_error::DeviceError;
use crate::models::{BatchUploadDetails, DeviceUploadDetails, UploadStatus};
use crate::reading::text;
use crate::redact::on_one_line;

/// A device that failed, from [`BatchUploadDetails::failed_devices`]. `Display` is one line for an
/// administrator; [`device`](Self::device) has the details.
///
/// ```
/// use partner_center_devices::models::{BatchUploadDetails, DeviceUploadDetails};
///
/// let mut device = DeviceUploadDetails::default();
/// device.product_key = Some("12345-67890".to_owned());
/// device.error_code = Some("640".to_owned());
/// let mut upload = BatchUploadDetails::default();
/// upload.devices_status = vec![DeviceUploadDetails::default(), device];
/// for failed in upload.failed_devices() {
///     assert_eq!(
///         (failed.position(), failed.device().product_key.as_deref()),
///         (2, Some("12345-67890"))
///     );
///     assert!(failed.error().is_retryable());
/// }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct FailedDevice<'a> {
    position: usize,
    device: &'a DeviceUploadDetails,
    error: DeviceError,
}

impl FailedDevice<'_> {
    /// The position of the device in the response, from 1. Devices that were uploaded by hardware hash
    /// alone have no other identifier; their order has been observed to be that of the upload, but is
    /// not documented.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The device, as in the response.
    pub fn device(&self) -> &DeviceUploadDetails {
        self.device
    }

    /// Why it failed.
    pub fn error(&self) -> &DeviceError {
        &self.error
    }
}

impl fmt::Display for FailedDevice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DeviceUploadDetails { serial_number, product_key, device_id, .. } = self.device;
        let ids = [("serial number", text(serial_number)), ("product key", text(product_key)), ("id", text(device_id))];
        let mut shown = ids.iter().map(|(what, id)| (what, on_one_line(id)));
        match shown.find(|(_, id)| !id.is_empty()) {
            Some((what, id)) => write!(f, "device with {what} {id}")?,
            None => write!(f, "device {} of the upload", self.position)?,
        }
        write!(f, ": {}", self.error)
    }
}

/// How many devices of an upload have which status, from [`BatchUploadDetails::summary`]. `Display` is one
/// line.
///
/// ```
/// use partner_center_devices::models::{
///     BatchUploadDetails, DeviceUploadDetails, UploadStatus,
/// };
///
/// let mut device = DeviceUploadDetails::default();
/// device.status = Some(UploadStatus::FinishedWithErrors);
/// device.error_code = Some("806".to_owned());
/// let mut upload = BatchUploadDetails::default();
/// upload.devices_status.push(device);
/// let summary = upload.summary();
/// assert_eq!((summary.devices, summary.failed), (1, 1));
/// assert_eq!(summary.by_status, [(UploadStatus::FinishedWithErrors, 1)]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UploadSummary {
    /// How many devices the response has.
    pub devices: usize,
    /// How many of them failed.
    pub failed: usize,
    /// How many have each status, in the order of the response. A missing status counts as `unknown`.
    pub by_status: Vec<(UploadStatus, usize)>,
    /// How many failed for each reason, in the order of the response; each with the texts of its first device.
    pub by_error: Vec<(DeviceError, usize)>,
}

impl fmt::Display for UploadSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.devices, if self.devices == 1 { "device" } else { "devices" })?;
        for (n, (status, count)) in self.by_status.iter().enumerate() {
            let status = on_one_line(status.as_str());
            let status = if status.is_empty() { "without status" } else { &status };
            write!(f, "{} {count} {status}", if n == 0 { ":" } else { "," })?;
        }
        for (n, (error, count)) in self.by_error.iter().enumerate() {
            let reason = [error.code(), error.name()].map(|text| text.unwrap_or_default().trim()).join(" ");
            let reason = on_one_line(&reason);
            let reason = if reason.is_empty() { "without a reason" } else { &reason };
            write!(f, "{} {count} × {reason}", if n == 0 { "; errors:" } else { "," })?;
        }
        Ok(())
    }
}

impl DeviceUploadDetails {
    /// Why the device failed; `None` if it did not. A device has failed if its status is
    /// `finished_with_errors`, or if it has an error code other than 0 or the name of a known error.
    ///
    /// ```
    /// use partner_center_devices::models::DeviceUploadDetails;
    ///
    /// let mut device = DeviceUploadDetails::default();
    /// assert_eq!(device.error(), None);
    /// device.error_code = Some("806".to_owned());
    /// assert!(device.error().is_some_and(|error| error.is_harmless()));
    /// ```
    pub fn error(&self) -> Option<DeviceError> {
        let code = text(&self.error_code);
        let error = DeviceError::new(code.clone(), text(&self.error_description));
        // 0, 0.0, 0x00000000, or nothing.
        let has_code = code.trim().chars().any(|c| !matches!(c, '0' | '.' | 'x' | 'X'));
        let has_failed = self.status == Some(UploadStatus::FinishedWithErrors) || has_code || error.meaning().is_some();
        has_failed.then_some(error)
    }
}

impl BatchUploadDetails {
    /// Whether the upload has ended, with or without errors. Individual devices may have failed.
    ///
    /// ```
    /// use partner_center_devices::models::{BatchUploadDetails, UploadStatus};
    ///
    /// let mut upload = BatchUploadDetails::default();
    /// assert!(!upload.is_complete());
    /// upload.status = Some(UploadStatus::FinishedWithErrors);
    /// assert!(upload.is_complete() && !upload.succeeded());
    /// ```
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.status.as_ref().is_some_and(UploadStatus::is_terminal)
    }

    /// Whether the upload and all its devices have ended without an error. `finished` is not
    /// enough: an upload can be `finished` although devices failed, as the published example shows.
    ///
    /// ```
    /// use partner_center_devices::models::{
    ///     BatchUploadDetails, DeviceUploadDetails, UploadStatus,
    /// };
    ///
    /// let mut device = DeviceUploadDetails::default();
    /// device.status = Some(UploadStatus::FinishedWithErrors);
    /// let mut upload = BatchUploadDetails::default();
    /// upload.status = Some(UploadStatus::Finished);
    /// assert!(upload.succeeded());
    /// upload.devices_status.push(device);
    /// assert!(!upload.succeeded());
    /// ```
    #[must_use]
    pub fn succeeded(&self) -> bool {
        let has =
            |device: &DeviceUploadDetails| device.status == Some(UploadStatus::Finished) && device.error().is_none();
        self.status == Some(UploadStatus::Finished) && self.devices_status.iter().all(has)
    }

    /// The devices that failed so far, each with its reason. Some reasons are
    /// [harmless](DeviceError::is_harmless).
    ///
    /// ```
    /// use partner_center_devices::models::{
    ///     BatchUploadDetails, DeviceUploadDetails, UploadStatus,
    /// };
    ///
    /// let mut device = DeviceUploadDetails::default();
    /// device.serial_number = Some("1234567890".to_owned());
    /// device.status = Some(UploadStatus::FinishedWithErrors);
    /// device.error_code = Some("808".to_owned());
    /// let mut upload = BatchUploadDetails::default();
    /// upload.devices_status.push(device);
    /// let lines: Vec<_> =
    ///     upload.failed_devices().map(|failed| failed.to_string()).collect();
    /// assert!(lines[0].starts_with(
    ///     "device with serial number 1234567890: 808 ZtdDeviceAssignedToOtherTenant: "
    /// ));
    /// ```
    pub fn failed_devices(&self) -> impl Iterator<Item = FailedDevice<'_>> {
        let numbered = self.devices_status.iter().zip(1..);
        numbered.filter_map(|(device, position)| Some(FailedDevice { position, device, error: device.error()? }))
    }

    /// How many devices have which status, and how many failed for which reason.
    ///
    /// ```
    /// use partner_center_devices::models::{BatchUploadDetails, DeviceUploadDetails};
    ///
    /// let mut upload = BatchUploadDetails::default();
    /// upload.devices_status = vec![DeviceUploadDetails::default(); 3];
    /// assert_eq!(upload.summary().to_string(), "3 devices: 3 unknown");
    /// ```
    #[must_use]
    pub fn summary(&self) -> UploadSummary {
        let status = |device: &DeviceUploadDetails| device.status.clone().unwrap_or(UploadStatus::Unknown);
        let statuses = self.devices_status.iter().map(status);
        let errors = self.failed_devices().map(|failed| failed.error);
        let by_error = counted(errors, |error| error.group().to_owned());
        UploadSummary {
            devices: self.devices_status.len(),
            failed: by_error.iter().map(|(_, count)| count).sum(),
            by_status: counted(statuses, |status| status.as_str().to_owned()),
            by_error,
        }
    }
}

/// The first item of each kind and how many there are of it, in the order in which they came.
fn counted<T>(items: impl Iterator<Item = T>, kind: impl Fn(&T) -> String) -> Vec<(T, usize)> {
    let (mut places, mut counts) = (HashMap::new(), Vec::<(T, usize)>::new());
    for item in items {
        let place = *places.entry(kind(&item)).or_insert(counts.len());
        match counts.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => counts.push((item, 1)),
        }
    }
    counts
}
