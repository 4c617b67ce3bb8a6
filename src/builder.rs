//! How a client is made: every setting with its default, checked before any I/O.

use std::error::Error as _;
use std::fmt;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::ACCEPT_ENCODING;

use crate::client::{PartnerCenter, Shared};
use crate::cloud::{Cloud, checked_url};
use crate::context::RequestContext;
use crate::credential::Credential;
use crate::error::Error;
use crate::headers::{MS_APPLICATION, X_LOCALE, filled_header_value, further_headers};
use crate::limits::Limits;
use crate::retry::RetryPolicy;

const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// The settings of a client, from [`PartnerCenter::builder`].
///
/// ```
/// use std::time::Duration;
///
/// use partner_center_devices::{AccessToken, PartnerCenter};
///
/// # fn main() -> Result<(), partner_center_devices::Error> {
/// let partner = PartnerCenter::builder(AccessToken::new("eyJ0eXAiOiJKV1Qi"))
///     .application_name("Contoso onboarding")
///     .locale("en-US")
///     .attempt_timeout(Duration::from_secs(20))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Builder {
    credential: Box<dyn Credential>,
    cloud: Cloud,
    base_url: Option<String>,
    locale: String,
    application_name: Option<String>,
    headers: Vec<(String, String)>,
    http_client: Option<reqwest::ClientBuilder>,
    connect_timeout: Duration,
    attempt_timeout: Duration,
    call_timeout: Duration,
    retry: RetryPolicy,
    retry_budget: (f32, u32),
    max_in_flight: Option<usize>,
    max_body_size: usize,
}

impl PartnerCenter {
    /// Starts a client that signs in with this credential:
    /// [`AppOnlyCredential`](crate::AppOnlyCredential), [`AppUserCredential`](crate::AppUserCredential),
    /// an [`AccessToken`](crate::AccessToken), or any other [`Credential`].
    pub fn builder(credential: impl Credential + 'static) -> Builder {
        Builder::new(credential)
    }
}

impl Builder {
    fn new(credential: impl Credential + 'static) -> Self {
        Self {
            credential: Box::new(credential),
            cloud: Cloud::GLOBAL,
            base_url: None,
            locale: "en-US".to_owned(),
            application_name: None,
            headers: Vec::new(),
            http_client: None,
            connect_timeout: Duration::from_secs(10),
            attempt_timeout: Duration::from_secs(60),
            call_timeout: Duration::from_secs(180),
            retry: RetryPolicy::default(),
            retry_budget: (0.2, 10),
            max_in_flight: None,
            max_body_size: 64 << 20,
        }
    }

    /// The cloud of the partner: the address of the API, the sign-in authority, and the scope of tokens.
    /// Default [`Cloud::GLOBAL`].
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = cloud;
        self
    }

    /// The address of the service, if it differs from that of its cloud: a gateway, for example.
    /// Tokens are still for the [`cloud`](Self::cloud).
    ///
    /// It may have a path; calls append `/v1/…`. It must be https, except on loopback, where nothing leaves
    /// the machine and no proxy is used, not even for signing in.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// The language of texts in responses (`X-Locale`): default `en-US`.
    pub fn locale(mut self, locale: impl Into<String>) -> Self {
        self.locale = locale.into();
        self
    }

    /// The name of your application (`MS-PartnerCenter-Application`): not sent by default.
    pub fn application_name(mut self, name: impl Into<String>) -> Self {
        self.application_name = Some(name.into());
        self
    }

    /// An additional header for every call. For a header that the client or the connection sets itself
    /// (`Authorization`, `Host`, `Content-Length`, the IDs, …), `build` returns a `Config` error.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Your own HTTP client settings: proxies, certificates, DNS. A timeout set there also applies to each attempt.
    ///
    /// It takes the builder and not the built client because three settings are fixed: redirects
    /// are never followed, [`connect_timeout`](Self::connect_timeout) is that of this builder, and on loopback
    /// no proxy is used.
    pub fn http_client(mut self, client: reqwest::ClientBuilder) -> Self {
        self.http_client = Some(client);
        self
    }

    /// How long connecting may take: default 10 seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long one attempt may take, from connecting to the last byte: default 60 seconds. A request
    /// for an access token has the same limit, but at most 30 seconds.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// How long a call may take with all its attempts and the waits between them: default 180
    /// seconds. [`RequestContext::call_timeout`] sets it for individual calls.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// How often and with what delays calls are retried: see [`RetryPolicy`] for the defaults.
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// How many retries the client may make, so that they do not make an outage worse: a share
    /// of the calls of the last ten seconds (default 0.2), plus a number per second (default 10)
    /// for clients that make few calls. Beyond that, calls fail with their last error.
    ///
    /// Retries of sign-ins count, too. Retries after a 429 or 503 with `Retry-After` do not: the service
    /// sets their pace. A share below 1 is rounded down to one in a whole number of calls: 0.3 allows one
    /// retry for four calls.
    pub fn retry_budget(mut self, share: f32, floor_per_second: u32) -> Self {
        self.retry_budget = (share, floor_per_second);
        self
    }

    /// How many requests of the client may be in flight at once: no limit by default. Further calls
    /// wait for their turn, within their timeout. For a moment, a few more connections than that can be open.
    pub fn max_in_flight(mut self, requests: usize) -> Self {
        self.max_in_flight = Some(requests);
        self
    }

    /// How large the decompressed body of a response may be, in bytes: default 64 MiB. A larger body is
    /// an error as soon as its announced or actual length exceeds the bound. So is a body with more objects than
    /// 10,000 plus one for each 64 bytes of the bound, so that a typed response takes at most about ten
    /// times the bound.
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.max_body_size = bytes;
        self
    }

    /// Checks the settings and builds the client, without connecting.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) if the base URL is not absolute, not https (loopback
    /// excepted), has the `/v1` of the calls or another version, or carries credentials, a query or a fragment; if a
    /// locale, name or header is not valid in HTTP, empty, or set by the client itself; if the retry budget, the
    /// limit on requests in flight or the attempt timeout is not a usable value; if the HTTP client cannot be
    /// built.
    pub fn build(self) -> Result<PartnerCenter, Error> {
        let base_url = self.base_url.as_deref().unwrap_or(self.cloud.base_url());
        let (base_url, on_loopback) = checked_url("the base URL", base_url)?;
        let path = base_url.path().to_ascii_lowercase();
        let has = |version: &&&str| {
            path.ends_with(**version) || format!("{path}/").contains(&format!("{version}/customers/"))
        };
        if let Some(version) = ["/v1", "/v1.0", "/beta"].iter().find(has) {
            return Err(Error::config(format!("the base URL must not have {version}: each call adds /v1")));
        }
        if self.attempt_timeout.is_zero() {
            return Err(Error::config("the attempt timeout is zero: set a longer one"));
        }
        let (_, authority_on_loopback) = checked_url("the authority", self.cloud.authority())?;
        let mut headers = further_headers(&self.headers).map_err(Error::config)?;
        // A large response is ten times smaller.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(X_LOCALE, filled_header_value("the locale", &self.locale).map_err(Error::config)?);
        if let Some(name) = &self.application_name {
            headers.insert(MS_APPLICATION, filled_header_value("the application name", name).map_err(Error::config)?);
        }

        let connect_timeout = self.connect_timeout;
        let settled = |http: reqwest::ClientBuilder| {
            let http = http.redirect(reqwest::redirect::Policy::none()).connect_timeout(connect_timeout);
            // Here and not among the headers of the calls: sign-ins carry it, too.
            let http = http.user_agent(USER_AGENT);
            // A proxy from the environment would see a token or secret in plain text.
            if on_loopback || authority_on_loopback { http.no_proxy() } else { http }
        };
        let may_go_without = on_loopback && base_url.scheme() == "http";
        // The caller's own can be built once only, so another one is tried.
        let has_no_roots = || reqwest::Client::builder().build().is_err_and(|error| has_no_certificates(&error));
        let http = self.http_client.unwrap_or_default();
        let http = if may_go_without && has_no_roots() { without_roots(http) } else { http };
        let http = settled(http).build().map_err(|error| {
            let message = match has_no_certificates(&error) {
                true => {
                    "this machine has no certificates to check servers by: install the package ca-certificates, \
                     or add root certificates with `http_client`"
                }
                false => "cannot build the HTTP client",
            };
            Error::config(message).caused_by(error)
        })?;

        let shared = Shared {
            credential: self.credential,
            cloud: self.cloud,
            http,
            base_url,
            headers,
            attempt_timeout: self.attempt_timeout,
            call_timeout: self.call_timeout,
            retry: self.retry,
            limits: Limits::new(self.retry_budget.0, self.retry_budget.1, self.max_in_flight)?,
            max_body_size: self.max_body_size,
        };
        Ok(PartnerCenter { shared: Arc::new(shared), context: RequestContext::new() })
    }
}

/// Whether the HTTP client cannot be built because the system trusts nobody, as in a bare container.
fn has_no_certificates(error: &reqwest::Error) -> bool {
    let mut causes = iter::successors(error.source(), |cause| (*cause).source());
    causes.any(|cause| cause.to_string().contains("No CA certificates"))
}

/// An HTTP client that trusts no server but those that the caller said: for one that is called without TLS.
fn without_roots(http: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    #[cfg(feature = "rustls")]
    let http = http.tls_certs_only([]);
    http
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the headers and not an unchecked URL: there may be secrets in them.
        f.debug_struct("Builder")
            .field("cloud", &self.cloud)
            .field("locale", &self.locale)
            .field("application_name", &self.application_name)
            .field("connect_timeout", &self.connect_timeout)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("call_timeout", &self.call_timeout)
            .field("retry", &self.retry)
            .field("retry_budget", &self.retry_budget)
            .field("max_in_flight", &self.max_in_flight)
            .field("max_body_size", &self.max_body_size)
            .finish_non_exhaustive()
    }
}
