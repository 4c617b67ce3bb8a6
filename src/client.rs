//! The client: what its clones and handles share, and the context of the calls of each.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use url::Url;

use crate::cloud::Cloud;
use crate::context::RequestContext;
use crate::credential::Credential;
use crate::limits::Limits;
use crate::retry::RetryPolicy;

/// A client of the Partner Center service, for one partner in one cloud.
///
/// Cheap to clone; clones share connections and credential. There is no state outside of it, so one
/// process can hold clients for several partners and clouds. Calls need a tokio runtime with its timers
/// and I/O enabled, as `#[tokio::main]` makes it.
///
/// ```no_run
/// use partner_center_devices::{AccessToken, PartnerCenter};
///
/// # async fn run(token: String) -> Result<(), Box<dyn std::error::Error>> {
/// let partner = PartnerCenter::builder(AccessToken::new(token)).build()?;
/// let customer = partner.customers().by_id("47021739-3426-40bf-9601-61b4b6d7c793".parse()?);
/// for batch in &customer.device_batches().get().await?.items {
///     println!("{:?}: {:?} devices", batch.id, batch.devices_count);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a client does nothing until a call is made with it"]
pub struct PartnerCenter {
    pub(crate) shared: Arc<Shared>,
    pub(crate) context: RequestContext,
}

/// What all clones and handles of a client share.
pub(crate) struct Shared {
    pub(crate) credential: Box<dyn Credential>,
    pub(crate) cloud: Cloud,
    pub(crate) http: reqwest::Client,
    pub(crate) base_url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) attempt_timeout: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) limits: Limits,
    pub(crate) max_body_size: usize,
}

impl PartnerCenter {
    /// The same client with the caller's ids, locale or time for its calls. What the context does not
    /// set stays as it is.
    ///
    /// ```
    /// # use partner_center_devices::{AccessToken, PartnerCenter, RequestContext};
    /// # use uuid::Uuid;
    /// # fn main() -> Result<(), partner_center_devices::Error> {
    /// # let partner = PartnerCenter::builder(AccessToken::new("a-token")).build()?;
    /// let traced = partner.with(RequestContext::new().correlation_id(Uuid::new_v4()));
    /// let in_french = traced.with(RequestContext::new().locale("fr-FR"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with(&self, context: RequestContext) -> Self {
        Self { shared: Arc::clone(&self.shared), context: context.or(&self.context) }
    }
}

impl fmt::Debug for PartnerCenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartnerCenter")
            .field("base_url", &self.shared.base_url.as_str())
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}
