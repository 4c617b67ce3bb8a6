//! Any credential of the Azure SDK: managed identity, workload identity, certificate, Azure CLI.

use std::error::Error as StdError;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::http::RawResponse;
use azure_core::time::OffsetDateTime;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::credential::cache::TokenCache;
use crate::credential::sign_in::{may_pass, not_reached};
use crate::credential::{AccessToken, Issued, Outcome, TokenRequest};
use crate::error::Error;
use crate::exchange::{Lost, TURNS, after, until};
use crate::fault::{Fault, is_echo};
use crate::received::Received;
use crate::redact::on_one_line;

/// Of a chain of credentials, this many say why they gave no token.
const MOST_REASONS: usize = 10;

/// Signs in with a credential of the Azure SDK, such as those of the `azure_identity` crate.
///
/// Some of those cache tokens themselves: after a 401 they may return the refused token again, which is not
/// sent again.
///
/// ```
/// use std::sync::Arc;
///
/// use azure_core::credentials::TokenCredential;
/// use partner_center_devices::{AzureCredential, Error, PartnerCenter};
///
/// /// For example `azure_identity::ManagedIdentityCredential::new(None)?`.
/// fn connect(
///     credential: Arc<dyn TokenCredential>,
/// ) -> Result<PartnerCenter, Error> {
///     PartnerCenter::builder(AzureCredential::new(credential)).build()
/// }
/// ```
pub struct AzureCredential {
    issuer: Arc<Azure>,
    cache: TokenCache,
}

struct Azure(Arc<dyn TokenCredential>);

impl AzureCredential {
    /// The credential that provides the tokens; they are cached here as for the other credentials.
    pub fn new(credential: Arc<dyn TokenCredential>) -> Self {
        Self { issuer: Arc::new(Azure(credential)), cache: TokenCache::default() }
    }
}

kept_in_a_cache!(AzureCredential);

impl Azure {
    async fn issue(self: Arc<Self>, request: TokenRequest) -> Outcome {
        let scopes = [request.cloud().scope()];
        let mut turns = TURNS;
        let issued = until(after(request.timeout()), &mut turns, self.0.get_token(&scopes, None)).await;
        let issued = issued.ok_or_else(|| not_reached(Lost::TimedOut))?.map_err(no_token)?;
        let token = AccessToken::new(issued.token.secret());
        token.authorization()?;
        let left = issued.expires_on - OffsetDateTime::now_utc();
        Ok(Issued { token, lifetime: Some(Duration::try_from(left).unwrap_or_default()) })
    }
}

/// The reasons, each on its beginning only: behind it there may be the raw response of the sign-in
/// service. What that says of itself is taken apart.
fn no_token(error: azure_core::Error) -> Error {
    let causes = || iter::successors(Some(&error as &(dyn StdError + 'static)), |error| (*error).source());
    let mut reasons = Vec::<String>::new();
    for text in causes().map(ToString::to_string) {
        // A credential that tries several others has a line for each of them.
        let lines = text.lines().map(on_one_line).filter(|line| !line.is_empty() && !is_echo(line));
        for line in lines.take(MOST_REASONS) {
            if !reasons.iter().any(|reason| reason.contains(&line)) {
                reasons.push(line);
            }
        }
    }
    reasons.truncate(MOST_REASONS);
    let fault = Fault::find_sign_in(&causes().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    let reason = Error::credential(reasons.join("; ")).with_fault(fault);
    // What really happened is behind an error that says only that there is no token.
    match causes().filter_map(|cause| cause.downcast_ref::<azure_core::Error>()).last().map(azure_core::Error::kind) {
        Some(ErrorKind::Connection | ErrorKind::Io) => reason.retryable(),
        Some(ErrorKind::HttpResponse { status, raw_response, .. }) if may_pass(u16::from(*status)) => {
            reason.retrying_after(raw_response.as_deref().and_then(wait)).retryable()
        }
        _ => reason,
    }
}

/// How long a response to the Azure SDK asks to wait.
fn wait(response: &RawResponse) -> Option<Duration> {
    let headers = response.headers().iter().filter_map(|(name, value)| {
        Some((HeaderName::try_from(name.as_str()).ok()?, HeaderValue::try_from(value.as_str()).ok()?))
    });
    let status = StatusCode::from_u16(response.status().into()).ok()?;
    let body = Bytes::copy_from_slice(response.body());
    Received { status, headers: headers.collect(), body }.retry_after()
}

impl std::fmt::Debug for AzureCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AzureCredential")
    }
}
