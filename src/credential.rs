//! Who calls: the trait that gives access tokens, and the token itself, which is its simplest kind.

use std::fmt;
use std::pin::Pin;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::error::Error;

/// What [`Credential::token`] returns.
pub type TokenFuture<'a> = Pin<Box<dyn Future<Output = Result<AccessToken, Error>> + Send + 'a>>;

/// Gives the access token for a call.
///
/// [`AccessToken`] is one itself: a token that was got elsewhere. Implement it to get tokens in a way
/// of your own:
///
/// ```
/// use partner_center_devices::{AccessToken, Credential, Error, PartnerCenter, TokenFuture};
///
/// #[derive(Debug)]
/// struct FromVault;
///
/// impl FromVault {
///     async fn read(&self) -> Result<String, std::io::Error> {
///         Ok("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9".to_owned())
///     }
/// }
///
/// impl Credential for FromVault {
///     fn token(&self) -> TokenFuture<'_> {
///         Box::pin(async move {
///             let token = self.read().await.map_err(Error::credential)?;
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
pub trait Credential: Send + Sync {
    /// A token that is good now.
    ///
    /// # Errors
    ///
    /// [`Error::credential`] with the reason, if there is none to be had.
    fn token(&self) -> TokenFuture<'_>;
}

/// An access token for the Partner Center API.
///
/// As a credential it is used for every call, until the service refuses it: tokens live for about
/// an hour. `Debug` does not show it, and its memory is zeroed when it is dropped.
///
/// ```
/// use partner_center_devices::{AccessToken, PartnerCenter};
///
/// # fn main() -> Result<(), partner_center_devices::Error> {
/// let partner = PartnerCenter::builder(AccessToken::new("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9")).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AccessToken(SecretString);

impl AccessToken {
    /// A token from its text, without the word `Bearer`. White space around it is dropped: tokens
    /// read from files end with a newline.
    pub fn new(token: impl Into<String>) -> Self {
        let token = SecretString::from(token.into());
        match token.expose_secret().trim() {
            trimmed if trimmed.len() == token.expose_secret().len() => Self(token),
            trimmed => Self(trimmed.into()),
        }
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The value of the `Authorization` header.
    pub(crate) fn authorization(&self) -> Result<HeaderValue, Error> {
        let token = self.expose();
        if token.is_empty() {
            return Err(Error::credential("the access token is empty"));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let reason = "the access token has white space or other characters that no token has; it is given without the word Bearer";
            return Err(Error::credential(reason));
        }
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Error::credential("the access token does not fit into a header"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(***)")
    }
}

impl Credential for AccessToken {
    fn token(&self) -> TokenFuture<'_> {
        Box::pin(async { Ok(self.clone()) })
    }
}
