//! Any credential of the Azure SDK: managed identity, workload identity, certificate, Azure CLI.

use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::time::OffsetDateTime;

use crate::credential::cache::{Issued, TokenCache};
use crate::credential::{AccessToken, Credential, TokenFuture, TokenRequest};
use crate::error::Error;

/// Signs in by a credential of the Azure SDK, such as those of the `azure_identity` crate.
///
/// Some of those keep tokens themselves: after a 401 they may give the refused one again, which is not
/// sent again.
///
/// ```
/// use std::sync::Arc;
///
/// use azure_core::credentials::TokenCredential;
/// use partner_center_devices::{AzureCredential, Error, PartnerCenter};
///
/// /// For example `azure_identity::ManagedIdentityCredential::new(None)?`.
/// fn connect(credential: Arc<dyn TokenCredential>) -> Result<PartnerCenter, Error> {
///     PartnerCenter::builder(AzureCredential::new(credential)).build()
/// }
/// ```
pub struct AzureCredential {
    credential: Arc<dyn TokenCredential>,
    cache: TokenCache,
}

impl AzureCredential {
    /// The credential that gives the tokens; they are kept here as those of the other kinds are.
    pub fn new(credential: Arc<dyn TokenCredential>) -> Self {
        Self { credential, cache: TokenCache::default() }
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

impl Credential for AzureCredential {
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        let issue = || {
            let (credential, cloud) = (Arc::clone(&self.credential), request.cloud().clone());
            async move {
                let issued = credential.get_token(&[cloud.scope()], None).await.map_err(no_token)?;
                let token = AccessToken::new(issued.token.secret());
                token.authorization()?;
                let left = issued.expires_on - OffsetDateTime::now_utc();
                Ok(Issued { token, lifetime: Some(Duration::try_from(left).unwrap_or_default()) })
            }
        };
        Box::pin(self.cache.token(request, issue))
    }

    fn refused(&self, token: &AccessToken) {
        self.cache.forget(token);
    }
}

/// Only the text of the SDK's error: its `Debug` has the raw answer of the authority.
fn no_token(error: azure_core::Error) -> Error {
    let transient = match error.kind() {
        ErrorKind::Connection | ErrorKind::Io => true,
        ErrorKind::HttpResponse { status, .. } => matches!(u16::from(*status), 408 | 429 | 500..=599),
        _ => false,
    };
    let error = Error::credential(error.to_string());
    if transient { error.retryable() } else { error }
}

impl std::fmt::Debug for AzureCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AzureCredential")
    }
}
