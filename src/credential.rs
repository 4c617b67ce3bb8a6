//! Credentials: the trait, and its simplest implementation, a fixed access token.

/// What the credentials that keep their tokens have in common: each is an `issuer` and a `cache`.
macro_rules! kept_in_a_cache {
    ($credential:ident) => {
        impl $credential {
            /// How long before its expiry a token is replaced: default five minutes, at most half its lifetime.
            #[must_use]
            pub fn refresh_before(mut self, before: ::std::time::Duration) -> Self {
                self.cache.refresh_before = Some(before);
                self
            }
        }

        impl $crate::Credential for $credential {
            fn token<'a>(&'a self, request: &'a $crate::TokenRequest) -> $crate::TokenFuture<'a> {
                let issue = || ::std::sync::Arc::clone(&self.issuer).issue(request.clone());
                Box::pin(self.cache.token(request, issue))
            }

            fn refused(&self, token: &$crate::AccessToken) {
                self.cache.forget(token);
            }
        }
    };
}

mod app_only;
mod app_user;
#[cfg(feature = "azure_core")]
mod azure;
mod cache;
mod sign_in;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::header::InvalidHeaderValue;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use crate::cloud::Cloud;
use crate::error::Error;
use crate::pasted::{access_token_problem, pasted_token};

pub use app_only::AppOnlyCredential;
pub use app_user::{AppUserCredential, RefreshToken};
#[cfg(feature = "azure_core")]
pub use azure::AzureCredential;
pub(crate) use sign_in::out_of_time;

/// What [`Credential::token`] returns.
pub type TokenFuture<'a> = Pin<Box<dyn Future<Output = Result<AccessToken, Error>> + Send + 'a>>;

/// Provides the access token for a call.
///
/// The implementations are [`AppOnlyCredential`], [`AppUserCredential`], [`AccessToken`] for a token
/// from elsewhere and, with the feature `azure_core`, `AzureCredential`. An `Arc` of a
/// credential is a credential too, so that several clients can share one. Implement the trait to get
/// tokens in your own way:
///
/// ```
/// use partner_center_devices::{
///     AccessToken, Credential, Error, PartnerCenter, TokenFuture, TokenRequest,
/// };
///
/// #[derive(Debug)]
/// struct FromVault;
///
/// impl FromVault {
///     async fn read(&self, scope: &str) -> Result<String, std::io::Error> {
///         assert_eq!(scope, "https://api.partnercenter.microsoft.com/.default");
///         Ok("eyJ0eXAiOiJKV1Qi".to_owned())
///     }
/// }
///
/// impl Credential for FromVault {
///     fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
///         Box::pin(async move {
///             let token = self
///                 .read(request.cloud().scope())
///                 .await
///                 .map_err(Error::credential)?;
///             Ok(AccessToken::new(token))
///         })
///     }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let partner = PartnerCenter::builder(FromVault).build()?;
/// # Ok(())
/// # }
/// ```
///
/// A credential that signs in with a client assertion, from a certificate or another identity provider, and keeps
/// the token until the service refuses it:
///
/// ```
/// use std::sync::Mutex;
///
/// use partner_center_devices::{AccessToken, Credential, Error};
/// use partner_center_devices::{TokenFuture, TokenRequest, reqwest};
///
/// const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
///
/// struct Assertion {
///     tenant: String,
///     client_id: String,
///     http: reqwest::Client,
///     kept: Mutex<Option<AccessToken>>,
/// }
///
/// impl Assertion {
///     /// The assertion: a JSON Web Token, signed by the certificate.
///     fn signed(&self) -> String {
///         "eyJ0eXAiOiJKV1QiLCJhbGciOiJQUzI1NiJ9".to_owned()
///     }
///
///     async fn sign_in(&self, request: &TokenRequest) -> Result<AccessToken, Error> {
///         let authority = request.cloud().authority();
///         let form = [
///             ("grant_type", "client_credentials"),
///             ("client_id", &self.client_id),
///             ("scope", request.cloud().scope()),
///             ("client_assertion_type", ASSERTION_TYPE),
///             ("client_assertion", &self.signed()),
///         ];
///         let url = format!("{authority}/{}/oauth2/v2.0/token", self.tenant);
///         let response = self.http.post(url).form(&form).send().await;
///         let body = response.map_err(Error::credential)?.bytes().await;
///         let body = body.map_err(Error::credential)?;
///         let body: serde_json::Value =
///             serde_json::from_slice(&body).map_err(Error::credential)?;
///         match body["access_token"].as_str() {
///             Some(token) => Ok(AccessToken::new(token)),
///             None => Err(Error::credential(body["error_codes"].to_string())),
///         }
///     }
/// }
///
/// impl Credential for Assertion {
///     fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
///         Box::pin(async move {
///             if let Some(token) = self.kept.lock().unwrap().clone() {
///                 return Ok(token);
///             }
///             let token = self.sign_in(request).await?;
///             *self.kept.lock().unwrap() = Some(token.clone());
///             Ok(token)
///         })
///     }
///
///     fn refused(&self, _: &AccessToken) {
///         *self.kept.lock().unwrap() = None;
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let emulator = partner_center_devices::emulator::Emulator::start().await?;
/// # let credential = Assertion {
/// #     tenant: "contoso.com".to_owned(),
/// #     client_id: "8f5a1f6e-0a0b-4c58-9d34-0f9f5a3c2b77".to_owned(),
/// #     http: reqwest::Client::builder().no_proxy().build()?,
/// #     kept: Mutex::default(),
/// # };
/// # let cloud = emulator.cloud();
/// # let partner = partner_center_devices::PartnerCenter::builder(credential).cloud(cloud).build()?;
/// # partner.customers().by_id(emulator.example_customer()).device_batches().get().await?;
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a credential",
    label = "expected a credential",
    note = "for an access token that you have already, pass `AccessToken::new(token)`",
    note = "to sign in, pass an `AppOnlyCredential` or an `AppUserCredential`"
)]
pub trait Credential: Send + Sync {
    /// Returns an access token that is valid now. Called before every attempt of a call, and again if the
    /// attempt had to wait for its turn or for a throttle to end, so cache tokens while they are valid.
    ///
    /// # Errors
    ///
    /// [`Error::credential`] with the reason, if there is no token; [`retryable`](Error::retryable) if
    /// it may succeed later.
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a>;

    /// The service refused this token with 401: do not return it again. The call then asks for a token
    /// once more and, if it gets a different one, retries once. By default, this does nothing.
    fn refused(&self, token: &AccessToken) {
        let _ = token;
    }
}

impl<C: Credential + ?Sized> Credential for Arc<C> {
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        (**self).token(request)
    }

    fn refused(&self, token: &AccessToken) {
        (**self).refused(token);
    }
}

impl<C: Credential + ?Sized> Credential for Box<C> {
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        (**self).token(request)
    }

    fn refused(&self, token: &AccessToken) {
        (**self).refused(token);
    }
}

/// What a token is requested for.
#[derive(Clone)]
pub struct TokenRequest {
    pub(crate) cloud: Cloud,
    /// The client's own, so that sign-ins go through its proxies and trust its certificates.
    pub(crate) http: reqwest::Client,
    /// How long the client lets a single request take.
    pub(crate) attempt_timeout: Duration,
    /// What is left of the call that asks.
    pub(crate) time_left: Duration,
}

/// A sign-in request takes no longer than this, whatever the client's own limit is.
const LONGEST_SIGN_IN: Duration = Duration::from_secs(30);

/// How long the caller's function may take to keep a new refresh token.
const KEEP_TIMEOUT: Duration = Duration::from_secs(30);

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the HTTP client: the caller's default headers may be secrets.
        f.debug_struct("TokenRequest").field("cloud", &self.cloud).finish_non_exhaustive()
    }
}

impl TokenRequest {
    /// The cloud of the requesting client: the token must be for its [`Cloud::scope`].
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// How long one request for a token may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.attempt_timeout.min(LONGEST_SIGN_IN)
    }
}

/// An access token for the Partner Center API.
///
/// As a credential, it is used for every call until the service refuses it: tokens are valid for about
/// an hour. `Debug` does not show it. Its clones share their memory, which is zeroed when the last is dropped.
///
/// ```
/// use partner_center_devices::{AccessToken, PartnerCenter};
///
/// # fn main() -> Result<(), partner_center_devices::Error> {
/// let partner =
///     PartnerCenter::builder(AccessToken::new("eyJ0eXAiOiJKV1Qi")).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AccessToken(Arc<Token>);

#[derive(Debug)]
struct Token {
    text: SecretString,
    /// The value of the `Authorization` header, made once, or why there is none.
    authorization: Result<HeaderValue, String>,
}

/// A token as it was issued.
#[derive(Clone)]
struct Issued {
    token: AccessToken,
    lifetime: Option<Duration>,
}

type Outcome = Result<Issued, Error>;

impl AccessToken {
    /// A token from its text. Surrounding white space, quotes, angle brackets, a byte-order mark, a leading
    /// `Bearer` and zero-width characters are removed. If the rest cannot be a token, each call fails with a
    /// [`Credential`](crate::ErrorKind::Credential) error before anything is sent.
    pub fn new(token: impl Into<String>) -> Self {
        let text = pasted_token(token);
        let authorization = match access_token_problem(text.expose_secret()) {
            Some(reason) => Err(reason),
            None => bearer(text.expose_secret()).map_err(|_| "the access token does not fit into a header".to_owned()),
        };
        Self(Arc::new(Token { text, authorization }))
    }

    /// The text of the token. It is a secret: whoever has it can call the service until it expires.
    pub fn expose(&self) -> &str {
        self.0.text.expose_secret()
    }

    /// The value of the `Authorization` header.
    pub(crate) fn authorization(&self) -> Result<HeaderValue, Error> {
        self.0.authorization.clone().map_err(Error::credential)
    }
}

/// All its copies share one memory, which is zeroed with the last of them.
fn bearer(token: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let memory = Bytes::from_owner(Zeroizing::new(format!("Bearer {token}")));
    let mut value = HeaderValue::from_maybe_shared(memory)?;
    value.set_sensitive(true);
    Ok(value)
}

impl From<String> for AccessToken {
    fn from(token: String) -> Self {
        Self::new(token)
    }
}

impl Eq for AccessToken {}

impl PartialEq for AccessToken {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Credential for AccessToken {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async { Ok(self.clone()) })
    }
}
