//! The texts by which the service points to its resources: the `Location` of an upload, and links.
//! They are foreign: nothing of them decides where a token goes.

use std::fmt;
use std::str::FromStr;

use http::header::HeaderName;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use crate::client::PartnerCenter;
use crate::customers::BatchUploadStatus;
use crate::error::Error;
use crate::headers::{RESERVED, append, header_value};
use crate::models::{BatchTrackingId, CustomerId, Link};
use crate::operation::{Operation, get_resource};
use crate::pasted::{unwrapped, visible};
use crate::reading::text;
use crate::redact::{beginning, without_query};
use crate::response::Response;

/// The location of an upload, from the `Location` header of the response to it.
///
/// ```
/// use partner_center_devices::UploadLocation;
///
/// # fn main() -> Result<(), partner_center_devices::Error> {
/// let location = "/customers/47021739-3426-40bf-9601-61b4b6d7c793\
///     /batchJobStatus/0127ed8e-ff72-4983-a3d8-e8d8bd378932";
/// let upload = UploadLocation::from_location(location)?;
/// assert_eq!(upload.tracking_id().to_string(), "0127ed8e-ff72-4983-a3d8-e8d8bd378932");
/// # Ok(())
/// # }
/// ```
///
/// It is written and read as text, also by serde.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UploadLocation {
    customer_id: CustomerId,
    tracking_id: BatchTrackingId,
}

impl UploadLocation {
    /// Reads a `Location`: relative as documented, with `/v1`, or absolute; in any letter case, with
    /// or without a slash or a query at the end, and with `//` after the host or `/v1`.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) if it is anything else.
    ///
    /// ```
    /// use partner_center_devices::UploadLocation;
    ///
    /// # fn main() -> Result<(), partner_center_devices::Error> {
    /// let absolute = "https://api.partnercenter.microsoft.com\
    ///     /v1/customers/47021739-3426-40bf-9601-61b4b6d7c793\
    ///     /batchJobStatus/0127ed8e-ff72-4983-a3d8-e8d8bd378932";
    /// let upload = UploadLocation::from_location(absolute)?;
    /// assert_eq!(upload.customer_id().to_string(), "47021739-3426-40bf-9601-61b4b6d7c793");
    /// assert!(UploadLocation::from_location("/customers").is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_location(location: impl AsRef<str>) -> Result<Self, Error> {
        Self::read("", location.as_ref())
    }

    /// Reads a location that may have the path of a gateway.
    fn read(base_path: &str, location: &str) -> Result<Self, Error> {
        let visible = visible(location);
        let location = unwrapped(&visible);
        let parts = Parts::of(location);
        let upload = parts.and_then(|parts| {
            let below = below(base_path, parts.path).unwrap_or(parts.path);
            Self::from_path(below).or_else(|| Self::from_path(parts.path))
        });
        upload.ok_or_else(|| {
            // Without a path it may be anything, a token too.
            let location = if location.contains('/') { without_query(location) } else { beginning(location) };
            let expected = "/customers/<GUID>/batchJobStatus/<GUID> is expected";
            Error::config(format!("\"{location}\" is not the location of an upload: {expected}"))
        })
    }

    fn from_path(path: &str) -> Option<Self> {
        let path = path.split('#').next().unwrap_or_default();
        // A base URL and a location, joined with a slash between them, have two.
        let path = path.trim_start_matches('/');
        let path = path.strip_suffix('/').unwrap_or(path).to_ascii_lowercase();
        let path = path.strip_prefix("v1/").map_or(path.as_str(), |path| path.trim_start_matches('/'));
        let segments: Vec<&str> = path.split('/').collect();
        let ["customers", customer, "batchjobstatus", upload] = *segments else {
            return None;
        };
        Some(Self { customer_id: hyphenated_guid(customer)?.into(), tracking_id: hyphenated_guid(upload)?.into() })
    }

    /// The upload with these IDs. `Display` writes its location, which can be stored and read again.
    ///
    /// ```
    /// # use partner_center_devices::UploadLocation;
    /// # fn main() -> Result<(), partner_center_devices::Error> {
    /// let customer_id = "47021739-3426-40bf-9601-61b4b6d7c793".parse()?;
    /// let tracking_id = "0127ed8e-ff72-4983-a3d8-e8d8bd378932".parse()?;
    /// let upload = UploadLocation::new(customer_id, tracking_id);
    /// assert_eq!(upload.to_string().parse::<UploadLocation>()?, upload);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(customer_id: CustomerId, tracking_id: BatchTrackingId) -> Self {
        Self { customer_id, tracking_id }
    }

    /// The customer that the upload is for.
    pub fn customer_id(&self) -> CustomerId {
        self.customer_id
    }

    /// The upload.
    pub fn tracking_id(&self) -> BatchTrackingId {
        self.tracking_id
    }
}

/// The location, as the service writes it.
impl fmt::Display for UploadLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/customers/{}/batchJobStatus/{}", self.customer_id, self.tracking_id)
    }
}

/// Reads a `Location`, as [`UploadLocation::from_location`] does.
impl FromStr for UploadLocation {
    type Err = Error;

    fn from_str(location: &str) -> Result<Self, Error> {
        Self::from_location(location)
    }
}

impl TryFrom<String> for UploadLocation {
    type Error = Error;

    fn try_from(location: String) -> Result<Self, Error> {
        location.parse()
    }
}

impl From<UploadLocation> for String {
    fn from(location: UploadLocation) -> Self {
        location.to_string()
    }
}

/// The other forms of a GUID that a parser takes are in no path.
fn hyphenated_guid(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok().filter(|_| text.len() == uuid::fmt::Hyphenated::LENGTH)
}

/// A URI of the service as written, and not as a parser would correct it.
struct Parts<'a> {
    /// Scheme and authority of an absolute URI.
    origin: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// None for what no service writes: control characters, another scheme, no scheme before a host.
    fn of(uri: &'a str) -> Option<Self> {
        let uri = uri.trim();
        let is_web = |scheme: &str| ["http", "https"].iter().any(|known| known.eq_ignore_ascii_case(scheme));
        let (origin, rest) = match uri.split_once("://") {
            Some((scheme, rest)) if is_web(scheme) => {
                let end = uri.len() - rest.len() + rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
                (Some(&uri[..end]), &uri[end..])
            }
            _ if uri.starts_with("//") || uri.starts_with('\\') || Url::parse(uri).is_ok() => return None,
            _ => (None, uri),
        };
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let is_path = origin.is_none() || path.is_empty() || path.starts_with('/');
        (is_path && !uri.chars().any(char::is_control)).then_some(Self { origin, path, query })
    }
}

/// The path of a gateway, without slash at its end; empty if there is none.
fn base_path(base_url: &Url) -> &str {
    base_url.path().trim_end_matches('/')
}

/// What is behind the path of a gateway, in any letter case.
fn below<'a>(base_path: &str, path: &'a str) -> Option<&'a str> {
    let (base, below) = path.split_at_checked(base_path.len())?;
    base.eq_ignore_ascii_case(base_path).then_some(below)
}

impl PartnerCenter {
    /// The upload that a `Location` header points to. It may have the path of the client's base URL. Only
    /// the two IDs in the location are used: calls go to the service of this client.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = partner_center_devices::emulator::Emulator::start().await?;
    /// # let partner = emulator.partner();
    /// let location = "/customers/47021739-3426-40bf-9601-61b4b6d7c793\
    ///     /batchJobStatus/0127ed8e-ff72-4983-a3d8-e8d8bd378932";
    /// let upload = partner.batch_upload(location)?.get().await?;
    /// assert!(upload.is_complete());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`UploadLocation::from_location`].
    pub fn batch_upload(&self, location: impl AsRef<str>) -> Result<BatchUploadStatus, Error> {
        let UploadLocation { customer_id, tracking_id } =
            UploadLocation::read(base_path(&self.shared.base_url), location.as_ref())?;
        Ok(self.customers().by_id(customer_id).batch_upload_status().by_id(tracking_id))
    }

    /// Gets what a link points to, as your own type: the devices of a batch, for example.
    ///
    /// The link may be relative, with or without `/v1`, or absolute; spaces and other characters that
    /// are not allowed in a URL are encoded. A `?` begins the query and `%20` is a space, even where the
    /// service has put the name of a batch into the link unencoded. The link's headers are sent, except
    /// those that the client sets itself, or that belong to a connection.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = partner_center_devices::emulator::Emulator::start().await?;
    /// # let customer = emulator.example_customer();
    /// # let uri = format!("/customers/{customer}/deviceBatches/Test batch/devices");
    /// # emulator.add_resource(&uri, serde_json::json!({ "items": [{ "serialNumber": "1" }] }));
    /// # let partner = emulator.partner();
    /// #[derive(serde::Deserialize)]
    /// struct Devices {
    ///     items: Vec<serde_json::Value>,
    /// }
    ///
    /// let batches = partner.customers().by_id(customer).device_batches().get().await?;
    /// if let Some(link) = &batches.items[0].devices_link {
    ///     let devices = partner.follow::<Devices>(link).await?;
    ///     assert_eq!(devices.items.len(), 1);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config), before any request, if the link is not for `GET`, has no
    /// URI or invalid HTTP headers, or points to another host or outside the path of the
    /// service; and the errors of every call. The response has to be a JSON object.
    pub async fn follow<T: DeserializeOwned>(&self, link: &Link) -> Result<Response<T>, Error> {
        let (url, headers) = (target(&self.shared.base_url, link)?, headers(link)?);
        self.send_request(&Operation::follow(), || Ok(get_resource(url.clone(), headers.clone()))).await
    }
}

/// Where a link points to, below the base URL of the service and nowhere else.
pub(crate) fn target(base_url: &Url, link: &Link) -> Result<Url, Error> {
    let refused = |why: &str| Err(Error::config(format!("the link is not followed: it {why}")));
    if link.method.is_some() && !text(&link.method).trim().eq_ignore_ascii_case(Method::GET.as_str()) {
        return refused("is not for GET");
    }
    let uri = &text(&link.uri);
    if uri.trim().is_empty() {
        return refused("has no URI");
    }
    let Some(parts) = Parts::of(uri) else { return refused("is not a URI of the service") };
    if let Some(origin) = parts.origin {
        let is_ours =
            |url: Url| url.origin() == base_url.origin() && url.username().is_empty() && url.password().is_none();
        if !Url::parse(origin).is_ok_and(is_ours) {
            return refused("points to another host");
        }
    }
    let base_path = base_path(base_url);
    let mut url = base_url.clone();
    url.set_path(&encoded(parts.path));
    let path = url.path().to_owned();
    let path = below(base_path, &path).filter(|rest| rest.starts_with('/')).unwrap_or(&path);
    // A base URL and a link, joined with a slash between them, have two.
    let path = path.trim_start_matches('/');
    let (version, path) = path.split_at(if below("v1/", path).is_some() { 2 } else { 0 });
    let version = if version.is_empty() { "v1" } else { version };
    url.set_path(&format!("{base_path}/{version}/{}", path.trim_start_matches('/')));
    url.set_query(parts.query.map(encoded).as_deref());
    // Dots lead elsewhere, encoded too: gateways are known to decode before they route, and to cut off
    // what is behind a semicolon.
    let decoded = percent_decode_str(parts.path).decode_utf8_lossy();
    let decoded = percent_decode_str(&decoded).decode_utf8_lossy();
    let is_dots = |part: &str| matches!(part.split(';').next(), Some("." | ".."));
    if decoded.split(['/', '\\']).any(is_dots) {
        return refused("has `.` or `..` as a part of its path");
    }
    if http::Uri::try_from(url.as_str()).is_err() { refused("is not a URI that HTTP can carry") } else { Ok(url) }
}

/// Encodes what the URL parser would take for something else: names of batches stand in links as
/// they are, and may have a `#`, a `%` or a backslash.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for (place, c) in text.char_indices() {
        let is_hex = |byte: &u8| byte.is_ascii_hexdigit();
        let is_escape = || text.as_bytes().get(place + 1..place + 3).is_some_and(|digits| digits.iter().all(is_hex));
        match c {
            '#' => encoded.push_str("%23"),
            '\\' => encoded.push_str("%5C"),
            '%' if !is_escape() => encoded.push_str("%25"),
            _ => encoded.push(c),
        }
    }
    encoded
}

/// Headers of links that are not sent: of single connections, for other methods than GET, or secrets.
#[rustfmt::skip]
const UNSENT: [&str; 7] = [
    "cookie", "http2-settings", "keep-alive", "proxy-connection",
    "x-http-method", "x-http-method-override", "x-method-override",
];

/// The headers of a link that are not the client's own.
fn headers(link: &Link) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for pair in &link.headers {
        let (Some(key), value) = (&pair.key, text(&pair.value)) else { continue };
        let name = HeaderName::try_from(key.to_string())
            .map_err(|_| Error::config("the link has a header with an invalid name"))?;
        if !RESERVED.contains(&name) && !UNSENT.contains(&name.as_str()) {
            let value = header_value("a header of the link", &value);
            value.and_then(|value| append(&mut headers, name, value)).map_err(Error::config)?;
        }
    }
    Ok(headers)
}
