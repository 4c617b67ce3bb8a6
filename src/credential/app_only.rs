//! App-only: the application calls as itself.

use std::fmt;
use std::sync::Arc;

use crate::credential::cache::TokenCache;
use crate::credential::sign_in::Application;
use crate::credential::{Outcome, TokenRequest};
use crate::error::Error;

/// Signs in as the application itself: OAuth 2.0 client credentials, for jobs without a user.
///
/// A token is requested when the first call needs it and kept until five minutes before it
/// expires. However many calls wait for a token, only one request for it is in flight.
///
/// ```
/// use partner_center_devices::{AppOnlyCredential, Cloud, PartnerCenter};
///
/// # fn main() -> Result<(), partner_center_devices::Error> {
/// let credential = AppOnlyCredential::new(
///     "contoso.onmicrosoft.com",
///     "8f5a1f6e-0a0b-4c58-9d34-0f9f5a3c2b77",
///     "the client secret",
/// )?;
/// let partner = PartnerCenter::builder(credential).cloud(Cloud::GLOBAL).build()?;
/// # Ok(())
/// # }
/// ```
pub struct AppOnlyCredential {
    issuer: Arc<Application>,
    cache: TokenCache,
}

impl AppOnlyCredential {
    /// An application in the partner's tenant (given by GUID or domain), with its client ID and
    /// one of its client secrets. Surrounding white space, quotes, angle brackets and a byte-order mark
    /// are removed, and so are zero-width characters.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) if tenant or client ID are not made of letters, digits,
    /// `-`, `_` and `.`; if the secret has characters beyond printable ASCII or is a whole JSON object; or
    /// if one of the three is empty.
    pub fn new(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Result<Self, Error> {
        let application = Application::new(tenant, client_id, Some(client_secret.into()))?;
        Ok(Self { issuer: Arc::new(application), cache: TokenCache::default() })
    }
}

kept_in_a_cache!(AppOnlyCredential);

impl Application {
    async fn issue(self: Arc<Self>, request: TokenRequest) -> Outcome {
        self.sign_in(&request, None).await?.access_token
    }
}

impl fmt::Debug for AppOnlyCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppOnlyCredential").field("application", &self.issuer).finish_non_exhaustive()
    }
}
