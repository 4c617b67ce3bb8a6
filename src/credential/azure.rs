//! Any credential of the Azure SDK: managed identity, workload identity, certificate, Azure CLI.

use std::error::Error as StdError;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::http::headers::RETRY_AFTER;
use azure_core::time::OffsetDateTime;

use crate::credential::cache::{Issued, Outcome, TokenCache};
use crate::credential::{AccessToken, TokenRequest};
use crate::error::{Error, sign_in_may_pass};
use crate::foreign::on_one_line;
use crate::retry::wait_of;

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
    issuer: Arc<Azure>,
    cache: TokenCache,
}

struct Azure(Arc<dyn TokenCredential>);

impl AzureCredential {
    /// The credential that gives the tokens; they are kept here as those of the other kinds are.
    pub fn new(credential: Arc<dyn TokenCredential>) -> Self {
        Self { issuer: Arc::new(Azure(credential)), cache: TokenCache::default() }
    }
}

kept_in_a_cache!(AzureCredential);

impl Azure {
    async fn issue(self: Arc<Self>, request: TokenRequest) -> Outcome {
        let issued = self.0.get_token(&[request.cloud().scope()], None).await.map_err(no_token)?;
        let token = AccessToken::new(issued.token.secret());
        token.authorization()?;
        let left = issued.expires_on - OffsetDateTime::now_utc();
        Ok(Issued { token, lifetime: Some(Duration::try_from(left).unwrap_or_default()) })
    }
}

/// Only the beginning of the SDK's text: it may have the raw answer of the authority behind it.
fn no_token(error: azure_core::Error) -> Error {
    let reason = Error::credential(on_one_line(&error.to_string()));
    // What really happened is behind an error that says only that there is no token.
    let causes = iter::successors(Some(&error as &(dyn StdError + 'static)), |error| (*error).source());
    match { causes }.filter_map(|cause| cause.downcast_ref::<azure_core::Error>()).last().map(azure_core::Error::kind) {
        Some(ErrorKind::Connection | ErrorKind::Io) => reason.retryable(),
        Some(ErrorKind::HttpResponse { status, raw_response, .. }) if sign_in_may_pass(u16::from(*status)) => {
            let headers = raw_response.as_ref().map(|response| response.headers());
            let wait = headers.and_then(|headers| wait_of(headers.get_optional_str(&RETRY_AFTER)?));
            wait.map_or(reason.clone(), |wait| reason.retrying_after(wait)).retryable()
        }
        _ => reason,
    }
}

impl std::fmt::Debug for AzureCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AzureCredential")
    }
}
