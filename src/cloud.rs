//! The clouds of Partner Center: the address of the API, the sign-in authority, and the scope of tokens.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::error::Error;
use crate::redact::beginning;

/// A cloud: the address of the API, and the authority that issues tokens for it.
///
/// The addresses are from Microsoft's documentation and PowerShell module. US Government uses the API
/// of the global cloud with its own authority. No page of Microsoft's lists the device-batch operations for
/// 21Vianet or US Government.
///
/// ```
/// use partner_center_devices::Cloud;
///
/// # fn main() -> Result<(), partner_center_devices::Error> {
/// assert_eq!(Cloud::US_GOVERNMENT.authority(), "https://login.microsoftonline.us");
/// assert_eq!("china".parse::<Cloud>()?, Cloud::CHINA);
/// let own = Cloud::custom(
///     "https://partner.example.com/api",
///     "https://login.example.com/adfs",
/// )?;
/// assert_eq!(own.scope(), "https://partner.example.com/.default");
/// # Ok(())
/// # }
/// ```
///
/// As text, also in a configuration file, a cloud is its name, or the two addresses of a custom cloud:
///
/// ```
/// # use partner_center_devices::Cloud;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// assert_eq!(Cloud::US_GOVERNMENT.to_string(), "us-government");
/// let own = "https://partner.example.com/api https://login.example.com/adfs";
/// let cloud: Cloud = serde_json::from_value(own.into())?;
/// assert_eq!(
///     (cloud.authority(), cloud.to_string()),
///     ("https://login.example.com/adfs", own.to_owned())
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cloud {
    base_url: Cow<'static, str>,
    authority: Cow<'static, str>,
    scope: Cow<'static, str>,
}

const GLOBAL_API: &str = "https://api.partnercenter.microsoft.com";
const GLOBAL_SCOPE: &str = "https://api.partnercenter.microsoft.com/.default";

impl Cloud {
    /// The global cloud: the default.
    pub const GLOBAL: Self = Self::known(GLOBAL_API, "https://login.microsoftonline.com", GLOBAL_SCOPE);

    /// China, operated by 21Vianet.
    pub const CHINA: Self = Self::known(
        "https://partner.partnercenterapi.microsoftonline.cn",
        "https://login.chinacloudapi.cn",
        "https://partner.partnercenterapi.microsoftonline.cn/.default",
    );

    /// US Government.
    pub const US_GOVERNMENT: Self = Self::known(GLOBAL_API, "https://login.microsoftonline.us", GLOBAL_SCOPE);

    const fn known(base_url: &'static str, authority: &'static str, scope: &'static str) -> Self {
        Self { base_url: Cow::Borrowed(base_url), authority: Cow::Borrowed(authority), scope: Cow::Borrowed(scope) }
    }

    /// A custom cloud. Both addresses may have paths: calls append `/v1/…` to the first, and
    /// sign-ins `/{tenant}/oauth2/v2.0/token` to the second. Tokens are for the host of the API; for
    /// a gateway in front of a known cloud, keep that cloud and set
    /// [`Builder::base_url`](crate::Builder::base_url).
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) if an address is not absolute, not https (loopback
    /// excepted), or has credentials, a query or a fragment.
    pub fn custom(base_url: impl AsRef<str>, authority: impl AsRef<str>) -> Result<Self, Error> {
        let (base_url, _) = checked_url("the base URL", base_url.as_ref())?;
        let (authority, _) = checked_url("the authority", authority.as_ref())?;
        let text = |url: &Url| Cow::Owned(url.as_str().trim_end_matches('/').to_owned());
        let scope = format!("{}/.default", base_url.origin().ascii_serialization());
        Ok(Self { base_url: text(&base_url), authority: text(&authority), scope: scope.into() })
    }

    /// The address of the API.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The address of the authority, which issues the tokens.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The scope that tokens are requested with: every permission that the application has for the API.
    pub fn scope(&self) -> &str {
        &self.scope
    }
}

impl Default for Cloud {
    fn default() -> Self {
        Self::GLOBAL
    }
}

const NAMED: [(&str, Cloud); 3] =
    [("global", Cloud::GLOBAL), ("china", Cloud::CHINA), ("us-government", Cloud::US_GOVERNMENT)];

/// The name of a known cloud; otherwise the address of the API, a space, and the authority.
impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMED.iter().find(|(_, cloud)| cloud == self) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{} {}", self.base_url, self.authority),
        }
    }
}

/// Reads what `Display` writes.
impl FromStr for Cloud {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some((base_url, authority)) = text.trim().split_once(char::is_whitespace) {
            return Self::custom(base_url, authority);
        }
        let named = NAMED.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text.trim()));
        named.map(|(_, cloud)| cloud).ok_or_else(|| {
            let text = beginning(text);
            Error::config(format!("unknown cloud \"{text}\": expected one of global, china, us-government"))
        })
    }
}

impl TryFrom<String> for Cloud {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Cloud> for String {
    fn from(cloud: Cloud) -> Self {
        cloud.to_string()
    }
}

/// A URL that a token may be sent to, its path without trailing slash, and whether it is on loopback.
pub(crate) fn checked_url(what: &str, text: &str) -> Result<(Url, bool), Error> {
    let wrong = |why: &str| Error::config(format!("{what} {why}"));
    let no_url =
        || wrong("is not a URL with a host: expected https://example.com, or http://localhost:8080 on loopback");
    let mut url = Url::parse(text.trim()).map_err(|error| no_url().caused_by(error))?;
    let (on_loopback, is_unspecified) = match url.host().ok_or_else(no_url)? {
        Host::Domain(name) => (name.eq_ignore_ascii_case("localhost"), false),
        Host::Ipv4(address) => (address.is_loopback(), address.is_unspecified()),
        Host::Ipv6(address) => (address.is_loopback(), address.is_unspecified()),
    };
    if is_unspecified {
        return Err(wrong(
            "is an address that servers listen on: to call this machine, use loopback (http://127.0.0.1)",
        ));
    }
    match url.scheme() {
        "https" => {}
        "http" if on_loopback => {}
        "http" => return Err(wrong("is not https: a token would cross the network in plain text")),
        _ => return Err(wrong("is neither https nor, on loopback, http")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("carries a user name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("carries a query or a fragment"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok((url, on_loopback))
}
