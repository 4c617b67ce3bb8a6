//! App-only: the application calls as itself.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::credential::cache::TokenCache;
use crate::credential::sign_in::Application;
use crate::credential::{AccessToken, Credential, TokenFuture, TokenRequest};
use crate::error::Error;

/// Signs in as the application itself: OAuth 2.0 client credentials, for jobs without a user.
///
/// One token is asked for when the first call needs it and kept until five minutes before it
/// expires; however many calls wait for a token, one request for it is in flight.
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
    application: Arc<Application>,
    cache: TokenCache,
}

impl AppOnlyCredential {
    /// An application of the partner's tenant (its GUID or a domain of it), with its client id and
    /// one of its client secrets. White space around them is dropped.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) if tenant or client id are not made of letters, digits,
    /// `-`, `_` and `.`, or if one of the three is empty.
    pub fn new(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Result<Self, Error> {
        let application = Application::new(tenant, client_id, Some(client_secret.into()))?;
        Ok(Self { application: Arc::new(application), cache: TokenCache::default() })
    }

    /// How long before its expiry a token is replaced: default five minutes; half its life at most.
    #[must_use]
    pub fn refresh_before(mut self, before: Duration) -> Self {
        self.cache.set_refresh_before(before);
        self
    }

    /// The clock by which tokens expire: default [`Instant::now`]. For tests of expiry.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        self.cache.set_clock(now);
        self
    }
}

impl Credential for AppOnlyCredential {
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        let issue = || {
            let (application, request) = (Arc::clone(&self.application), request.clone());
            async move { application.sign_in(&request, None).await?.0 }
        };
        Box::pin(self.cache.token(request, issue))
    }

    fn refused(&self, token: &AccessToken) {
        self.cache.forget(token);
    }
}

impl fmt::Debug for AppOnlyCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppOnlyCredential").field("application", &self.application).finish_non_exhaustive()
    }
}
