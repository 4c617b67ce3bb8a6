//! What an upload came to: which devices failed, why, and what to do about it. The codes are those of
//! Windows Autopilot; no single page of Microsoft's lists them all. Sources: the draft "Register
//! devices in Microsoft Managed Desktop", the support article on importing device CSV files,
//! "Manually add devices", and a post of M. Niehaus (July 2019).

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;

use crate::foreign::on_one_line;
use crate::models::{BatchUploadDetails, DeviceUploadDetails, UploadStatus};
use crate::reading::text;

/// Why a device failed.
///
/// Known codes are recognised by their number and, where that is no known one, by their name. What
/// came is kept as it was.
///
/// ```
/// use partner_center_devices::DeviceError;
///
/// let error = DeviceError::new("808", "ZtdDeviceAssignedToOtherTenant");
/// assert_eq!(error.meaning(), Some("the device is registered to another tenant"));
/// assert!(!error.is_retryable() && !error.is_harmless());
///
/// let unknown = DeviceError::new("899", "SomethingNew");
/// assert_eq!((unknown.code(), unknown.name(), unknown.meaning()), ("899", "SomethingNew", None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceError {
    code: String,
    description: String,
    known: Option<&'static Known>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Known {
    number: Option<u32>,
    name: &'static str,
    meaning: &'static str,
    remedy: &'static str,
}

const fn known(number: u32, name: &'static str, meaning: &'static str, remedy: &'static str) -> Known {
    Known { number: Some(number), name, meaning, remedy }
}

const STORAGE_ERROR: u32 = 640;
const ALREADY_ASSIGNED: u32 = 806;
const ASSIGNED_TO_OTHER_TENANT: u32 = 808;

#[rustfmt::skip] // A table: an entry is two lines, however long they are.
static KNOWN: [Known; 14] = [
    known(STORAGE_ERROR, "StorageError",
        "a general failure of the service", "try again later"),
    known(801, "InvalidZtdRequestBody",
        "the request is malformed or names no tenant", "check the form of the upload"),
    known(802, "InvalidZtdHardwareHash",
        "the hardware hash is invalid", "collect the hash anew; it must have manufacturer and serial number"),
    known(803, "MissingZtdSerialNumberAndProductKey",
        "serial number and product key are missing or invalid", "give serial number and product key, or the hardware hash"),
    known(ALREADY_ASSIGNED, "ZtdDeviceAlreadyAssigned",
        "the device is already registered to this tenant", "nothing is left to do if it is among the tenant's Autopilot devices"),
    known(807, "ZtdDeviceIsNotRegistered",
        "the device is not registered to the customer's tenant", "register the device before it is configured or removed"),
    known(ASSIGNED_TO_OTHER_TENANT, "ZtdDeviceAssignedToOtherTenant",
        "the device is registered to another tenant", "have it deregistered there, also from Microsoft Store for Business, then upload it again"),
    known(809, "ZtdProfileIsNotRegistered",
        "the profile is not registered to the tenant", "create the profile in the customer's tenant first"),
    known(810, "ZtdProfileAssignedToOtherTenant",
        "the profile belongs to another tenant", "use a profile of the customer's tenant"),
    known(811, "ZtdDeviceRegisteredByOtherTenant",
        "the device was registered by a user of another tenant", "have that tenant delete it"),
    known(812, "ZtdDeviceNotFound",
        "manufacturer, model and serial number match no hardware hash", "check them, or upload the hardware hash"),
    known(813, "ZtdDeviceIsNotUnique",
        "the hash does not identify one device", "upload the device with its full hardware hash"),
    known(814, "ZtdDeviceAlreadyAadRegistered",
        "the device has an object in the directory already", "look there whether it is in use before anything else"),
    // Its number is in no source.
    Known { number: None, name: "ZtdDeviceDuplicated",
        meaning: "the upload has the same hash more than once", remedy: "look at the other entry: one of them is processed" },
];

/// The name of 808 on another page of Microsoft's.
const OTHER_NAME_OF_808: &str = "ZtdDeviceAssignedToAnotherTenant";

impl DeviceError {
    /// The error of a device from the code and the description that came with it.
    ///
    /// ```
    /// use partner_center_devices::DeviceError;
    ///
    /// let known = DeviceError::new("808", "");
    /// assert_eq!(known.name(), "ZtdDeviceAssignedToOtherTenant");
    /// assert!(known.meaning().is_some());
    /// let unknown = DeviceError::new("4711", "Something new");
    /// assert_eq!((unknown.code(), unknown.description()), ("4711", "Something new"));
    /// assert_eq!(unknown.to_string(), "4711 Something new");
    /// ```
    pub fn new(code: impl Into<String>, description: impl Into<String>) -> Self {
        let (code, description) = (code.into(), description.into());
        let number = code.trim().parse().ok();
        let is_named = |name: &str| name.eq_ignore_ascii_case(description.trim());
        let by_number = |number: u32| KNOWN.iter().find(|known| known.number == Some(number));
        let by_name = || KNOWN.iter().find(|known| is_named(known.name));
        let by_other_name = || by_number(ASSIGNED_TO_OTHER_TENANT).filter(|_| is_named(OTHER_NAME_OF_808));
        let known = number.and_then(by_number).or_else(by_name).or_else(by_other_name);
        Self { code, description, known }
    }

    /// The code as it came; empty if none did.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The description as it came: a symbolic name, as a rule. Empty if none did.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The name of the error; of an unknown one, its description.
    pub fn name(&self) -> &str {
        self.known.map_or(&self.description, |known| known.name)
    }

    /// What it means, if the code is known.
    pub fn meaning(&self) -> Option<&'static str> {
        self.known.map(|known| known.meaning)
    }

    /// What to do about it, if the code is known.
    ///
    /// ```
    /// let error = partner_center_devices::DeviceError::new("640", "StorageError");
    /// assert_eq!(error.remedy(), Some("try again later"));
    /// ```
    pub fn remedy(&self) -> Option<&'static str> {
        self.known.map(|known| known.remedy)
    }

    /// Whether uploading the same device again, as it is, can help: for `StorageError` (640) alone.
    ///
    /// ```
    /// assert!(partner_center_devices::DeviceError::new("640", "").is_retryable());
    /// ```
    pub fn is_retryable(&self) -> bool {
        self.is(STORAGE_ERROR)
    }

    /// Whether nothing is wrong: the device is registered to this very tenant already (806).
    ///
    /// ```
    /// assert!(partner_center_devices::DeviceError::new("806", "").is_harmless());
    /// ```
    pub fn is_harmless(&self) -> bool {
        self.is(ALREADY_ASSIGNED)
    }

    /// What errors of the same kind share, however their texts differ.
    fn kind(&self) -> &str {
        match (self.known, self.code.trim()) {
            (Some(known), _) => known.name,
            (None, "") => self.description.trim(),
            (None, code) => code,
        }
    }

    fn is(&self, number: u32) -> bool {
        self.known.is_some_and(|known| known.number == Some(number))
    }
}

/// One line: the code, the name, what it means and what to do.
impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match (self.code.trim(), self.name().trim()) {
            ("", "") => "failed without a reason".to_owned(),
            (code, "") => format!("error {code}"),
            ("", name) => name.to_owned(),
            (code, name) => format!("{code} {name}"),
        };
        f.write_str(&on_one_line(&line))?;
        let Some(Known { meaning, remedy, .. }) = self.known else { return Ok(()) };
        write!(f, ": {meaning}; {remedy}")
    }
}

/// A device that failed, from [`BatchUploadDetails::failed_devices`]. `Display` is one line for an
/// administrator; the details of the device are there too.
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
///     assert_eq!((failed.position(), failed.product_key.as_deref()), (2, Some("12345-67890")));
///     assert!(failed.error().is_retryable());
/// }
/// ```
#[derive(Clone, Debug)]
pub struct FailedDevice<'a> {
    position: usize,
    device: &'a DeviceUploadDetails,
    error: DeviceError,
}

impl FailedDevice<'_> {
    /// Where the device stands in the answer, from 1. Devices that were uploaded by hardware hash
    /// alone have no other name; their order was seen to be that of the upload, but no document
    /// promises it.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Why it failed.
    pub fn error(&self) -> &DeviceError {
        &self.error
    }
}

impl Deref for FailedDevice<'_> {
    type Target = DeviceUploadDetails;

    fn deref(&self) -> &DeviceUploadDetails {
        self.device
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

/// How many devices of an upload are where, from [`BatchUploadDetails::summary`]. `Display` is one
/// line.
///
/// ```
/// use partner_center_devices::models::{BatchUploadDetails, DeviceUploadDetails, UploadStatus};
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadSummary {
    /// How many devices the answer has.
    pub devices: usize,
    /// How many of them failed.
    pub failed: usize,
    /// How many have each status, in the order of the answer. A missing status counts as `unknown`.
    pub by_status: Vec<(UploadStatus, usize)>,
    /// How many failed for each reason, in the order of the answer; each with the texts of the first.
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
            let reason = on_one_line(&format!("{} {}", error.code().trim(), error.name()));
            let reason = if reason.is_empty() { "without a reason" } else { &reason };
            write!(f, "{} {count} × {reason}", if n == 0 { "; errors:" } else { "," })?;
        }
        Ok(())
    }
}

impl DeviceUploadDetails {
    /// Why the device failed; none if it has not. A device has failed if its status is
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
        let error = DeviceError::new(text(&self.error_code), text(&self.error_description));
        // 0, 0.0, 0x00000000, or nothing.
        let has_code = error.code.trim().chars().any(|c| !matches!(c, '0' | '.' | 'x' | 'X'));
        let has_failed = self.status == Some(UploadStatus::FinishedWithErrors) || has_code || error.known.is_some();
        has_failed.then_some(error)
    }
}

impl BatchUploadDetails {
    /// Whether the upload has ended, with or without errors. Single devices may have failed.
    ///
    /// ```
    /// use partner_center_devices::models::{BatchUploadDetails, UploadStatus};
    ///
    /// let mut upload = BatchUploadDetails::default();
    /// assert!(!upload.is_complete());
    /// upload.status = Some(UploadStatus::FinishedWithErrors);
    /// assert!(upload.is_complete() && !upload.succeeded());
    /// ```
    pub fn is_complete(&self) -> bool {
        self.status.as_ref().is_some_and(UploadStatus::is_terminal)
    }

    /// Whether the upload has ended and every device with it, without an error. `finished` is not
    /// enough: an upload can be `finished` although devices failed, as the published example shows.
    ///
    /// ```
    /// use partner_center_devices::models::{BatchUploadDetails, DeviceUploadDetails, UploadStatus};
    ///
    /// let mut device = DeviceUploadDetails::default();
    /// device.status = Some(UploadStatus::FinishedWithErrors);
    /// let mut upload = BatchUploadDetails::default();
    /// upload.status = Some(UploadStatus::Finished);
    /// assert!(upload.succeeded());
    /// upload.devices_status.push(device);
    /// assert!(!upload.succeeded());
    /// ```
    pub fn succeeded(&self) -> bool {
        let has =
            |device: &DeviceUploadDetails| device.status == Some(UploadStatus::Finished) && device.error().is_none();
        self.status == Some(UploadStatus::Finished) && self.devices_status.iter().all(has)
    }

    /// The devices that failed so far, each with its reason. Some reasons are
    /// [harmless](DeviceError::is_harmless).
    ///
    /// ```
    /// use partner_center_devices::models::{BatchUploadDetails, DeviceUploadDetails, UploadStatus};
    ///
    /// let mut device = DeviceUploadDetails::default();
    /// device.serial_number = Some("1234567890".to_owned());
    /// device.status = Some(UploadStatus::FinishedWithErrors);
    /// device.error_code = Some("808".to_owned());
    /// let mut upload = BatchUploadDetails::default();
    /// upload.devices_status.push(device);
    /// let lines: Vec<_> = upload.failed_devices().map(|failed| failed.to_string()).collect();
    /// assert!(lines[0].starts_with("device with serial number 1234567890: 808 ZtdDeviceAssignedToOtherTenant: "));
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
    pub fn summary(&self) -> UploadSummary {
        let status = |device: &DeviceUploadDetails| device.status.clone().unwrap_or(UploadStatus::Unknown);
        let statuses = self.devices_status.iter().map(status);
        let errors = self.failed_devices().map(|failed| failed.error);
        let by_error = counted(errors, |error| error.kind().to_owned());
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
