//! Why devices fail, and what to do about it. The codes are those of
//! Windows Autopilot; no single page of Microsoft's lists them all, so each has its source.

use std::fmt;

use serde::Serialize;

use crate::redact::on_one_line;

/// Why a device failed.
///
/// Known errors are recognised by their number or, if that is unknown, by their name. The
/// original texts are kept.
///
/// ```
/// use partner_center_devices::DeviceError;
///
/// let error = DeviceError::new("808", "ZtdDeviceAssignedToOtherTenant");
/// assert_eq!(error.meaning(), Some("the device is registered to another tenant"));
/// assert!(!error.is_retryable() && !error.is_harmless());
///
/// let unknown = DeviceError::new("899", "SomethingNew");
/// assert_eq!(
///     (unknown.code(), unknown.name(), unknown.meaning()),
///     (Some("899"), Some("SomethingNew"), None)
/// );
/// ```
///
/// As JSON, it has `code` and `description` as received, and `name`, `meaning` and `remedy` if it is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct DeviceError {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(flatten)]
    known: Option<&'static Known>,
}

#[derive(Debug, PartialEq, Eq, Hash, Serialize)]
struct Known {
    #[serde(skip)]
    number: Option<u32>,
    name: &'static str,
    meaning: &'static str,
    remedy: &'static str,
}

const fn known(number: u32, name: &'static str, meaning: &'static str, remedy: &'static str) -> Known {
    Known { number: Some(number), name, meaning, remedy }
}

/// An error whose number is in no source.
const fn named(name: &'static str, meaning: &'static str, remedy: &'static str) -> Known {
    Known { number: None, name, meaning, remedy }
}

const STORAGE_ERROR: &str = "StorageError";
const ALREADY_ASSIGNED: &str = "ZtdDeviceAlreadyAssigned";
const ASSIGNED_TO_OTHER_TENANT: &str = "ZtdDeviceAssignedToOtherTenant";
/// As Microsoft spells it.
const DELETION_IN_PROGRESS: &str = "ZtdDeviceDeletionInProgess";

// Sources:
// - draft, and of a row that names none: Microsoft's draft "Register devices in Microsoft Managed Desktop"
// - import: Microsoft's support article "Import Windows Autopilot device CSV files, errors"
// - add: Microsoft's "Manually add devices to Windows Autopilot"
// - Niehaus: a post of M. Niehaus, oofhours.com, 7 July 2019
// - clean-up: public scripts that delete devices through Microsoft Graph, which gives these two names; not
//   seen in a response of Partner Center
#[rustfmt::skip] // A table.
static KNOWN: [Known; 17] = [
    // add; the number: anoopcnair.com
    known(640, STORAGE_ERROR, "a general failure of the service", "try again later"),
    // draft, Niehaus
    known(801, "InvalidZtdRequestBody", "the request is malformed or names no tenant", "check the form of the upload"),
    // draft, Niehaus
    known(802, "InvalidZtdHardwareHash", "the hardware hash is invalid", "collect the hash again; it must include the manufacturer and serial number"),
    // draft, Niehaus
    known(803, "MissingZtdSerialNumberAndProductKey", "serial number and product key are missing or invalid", "provide the serial number and product key, or the hardware hash"),
    // draft, import, Niehaus; the remedy: add, MicrosoftLearning/MD-101T00-ManagingModernDesktops#14
    known(806, ALREADY_ASSIGNED, "the device is already registered to this tenant", "nothing is left to do if it is among the tenant's Autopilot devices; if it is in no list of devices, upload it again"),
    known(807, "ZtdDeviceIsNotRegistered", "the device is not registered to the customer's tenant", "register the device before it is configured or removed"),
    // draft, import
    known(808, ASSIGNED_TO_OTHER_TENANT, "the device is registered to another tenant", "have it deregistered there, also from Microsoft Store for Business, then upload it again"),
    known(809, "ZtdProfileIsNotRegistered", "the profile is not registered to the tenant", "create the profile in the customer's tenant first"),
    known(810, "ZtdProfileAssignedToOtherTenant", "the profile belongs to another tenant", "use a profile of the customer's tenant"),
    known(811, "ZtdDeviceRegisteredByOtherTenant", "the device was registered by a user of another tenant", "have that tenant delete it"),
    known(812, "ZtdDeviceNotFound", "manufacturer, model and serial number match no hardware hash", "check them, or upload the hardware hash"),
    known(813, "ZtdDeviceIsNotUnique", "the hash does not identify one device", "upload the device with its full hardware hash"),
    known(814, "ZtdDeviceAlreadyAadRegistered", "the device has an object in the directory already", "check there first whether it is in use"),
    // https://call4cloud.nl/autopilot-hardwaremismatchdetected-908: told to devices by the deployment service;
    // not seen in a response of Partner Center.
    known(908, "HardwareMismatchDetected", "the hardware of the device does not match its hardware hash", "deregister the device, collect the hash again, then upload it again"),
    // add
    named("ZtdDeviceDuplicated", "the upload has the same hash more than once", "look at the other entry: one of them is processed"),
    // clean-up
    named(DELETION_IN_PROGRESS, "the device is being deleted, which takes up to half an hour", "wait until it is deleted, then upload it again"),
    // clean-up
    named("ZtdDeviceAlreadyDeleted", "the device has been deleted already", "upload it again if it is to be registered"),
];

/// Other spellings of names: a correct one, and that of another page of Microsoft's.
const OTHER_NAMES: [(&str, &str); 2] = [
    ("ZtdDeviceDeletionInProgress", DELETION_IN_PROGRESS),
    ("ZtdDeviceAssignedToAnotherTenant", ASSIGNED_TO_OTHER_TENANT),
];

impl DeviceError {
    /// The error of a device, from its code and description.
    ///
    /// ```
    /// use partner_center_devices::DeviceError;
    ///
    /// let known = DeviceError::new("808", "");
    /// assert_eq!(known.name(), Some("ZtdDeviceAssignedToOtherTenant"));
    /// assert!(known.meaning().is_some());
    /// let unknown = DeviceError::new("4711", "Something new");
    /// assert_eq!(
    ///     (unknown.code(), unknown.description()),
    ///     (Some("4711"), Some("Something new"))
    /// );
    /// assert_eq!(unknown.to_string(), "4711 Something new");
    /// ```
    pub fn new(code: impl Into<String>, description: impl Into<String>) -> Self {
        let (code, description) = (code.into(), description.into());
        let said = description.trim();
        let other = OTHER_NAMES.iter().find(|(other, _)| other.eq_ignore_ascii_case(said));
        let name = other.map_or(said, |(_, name)| name);
        let number = code.trim().parse().ok();
        let by_number = KNOWN.iter().find(|known| number.is_some() && known.number == number);
        let known = by_number.or_else(|| KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(name)));
        let filled = |text: String| Some(text).filter(|text| !text.trim().is_empty());
        Self { code: filled(code), description: filled(description), known }
    }

    /// The code as received.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The description as received: usually a symbolic name.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The name of the error; for an unknown error, its description, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.known.map(|known| known.name).or(self.description())
    }

    /// What the error means, if it is known.
    pub fn meaning(&self) -> Option<&'static str> {
        self.known.map(|known| known.meaning)
    }

    /// What to do about the error, if it is known.
    ///
    /// ```
    /// let error = partner_center_devices::DeviceError::new("640", "StorageError");
    /// assert_eq!(error.remedy(), Some("try again later"));
    /// ```
    pub fn remedy(&self) -> Option<&'static str> {
        self.known.map(|known| known.remedy)
    }

    /// Whether uploading the same device again later, unchanged, can help: for `StorageError` (640), and for
    /// a device whose deletion is in progress (`ZtdDeviceDeletionInProgess`, as Microsoft spells it).
    ///
    /// ```
    /// use partner_center_devices::DeviceError;
    ///
    /// assert!(DeviceError::new("640", "").is_retryable());
    /// assert!(DeviceError::new("", "ZtdDeviceDeletionInProgess").is_retryable());
    /// ```
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.is(STORAGE_ERROR) || self.is(DELETION_IN_PROGRESS)
    }

    /// Whether the device is already registered to this tenant (806). Nothing is wrong then, provided that it
    /// is among the tenant's Autopilot devices. If it is not in any list of devices, it has to be uploaded
    /// again.
    ///
    /// ```
    /// assert!(partner_center_devices::DeviceError::new("806", "").is_harmless());
    /// ```
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        self.is(ALREADY_ASSIGNED)
    }

    /// What errors of the same kind share, however their texts differ.
    pub(crate) fn group(&self) -> &str {
        let text = self.code().or(self.description()).unwrap_or_default().trim();
        self.known.map_or(text, |known| known.name)
    }

    fn is(&self, name: &str) -> bool {
        self.known.is_some_and(|known| known.name == name)
    }
}

/// One line: the code, the name, what it means and what to do.
impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match (self.code().unwrap_or_default().trim(), self.name().unwrap_or_default().trim()) {
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
