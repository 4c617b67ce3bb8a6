//! App+user: the application calls for a user who has signed in before.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};

use crate::credential::cache::TokenCache;
use crate::credential::sign_in::{Application, SignedIn, no_token};
use crate::credential::{KEEP_TIMEOUT, Outcome, TokenRequest};
use crate::error::Error;
use crate::pasted::{check_secret, pasted};

/// A refresh token. Store it as a secret: whoever has it can sign in as the user.
///
/// `Debug` does not show it, and its memory is zeroed when it is dropped.
///
/// ```
/// use partner_center_devices::RefreshToken;
///
/// let token = RefreshToken::from("0.AXcA".to_owned());
/// assert_eq!(token.expose(), "0.AXcA");
/// assert!(!format!("{token:?}").contains("0.AXcA"));
/// ```
#[derive(Clone, Debug)]
pub struct RefreshToken(SecretString);

impl From<String> for RefreshToken {
    fn from(token: String) -> Self {
        Self(token.into())
    }
}

impl RefreshToken {
    /// The text of the token. It expires if it is not used for 90 days.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

type Keep = dyn Fn(RefreshToken) -> BoxFuture<'static, Result<(), Box<dyn StdError + Send + Sync>>> + Send + Sync;

/// Signs in on behalf of a user with a refresh token: Microsoft's Secure Application Model.
///
/// The user signs in once, with multi-factor authentication (the example `sign_in` does it). Each
/// further sign-in returns a new refresh token that replaces the old one:
/// [register](Self::on_refresh_token) a function that stores it.
///
/// ```
/// use partner_center_devices::{AppUserCredential, PartnerCenter};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let kept = std::env::temp_dir().join("partner-center-devices-doc-refresh-token");
/// # std::fs::write(&kept, "0.AXcA")?;
/// let credential = AppUserCredential::new(
///     "contoso.onmicrosoft.com",
///     "8f5a1f6e-0a0b-4c58-9d34-0f9f5a3c2b77",
///     "the client secret",
///     std::fs::read_to_string(&kept)?,
/// )?
/// .on_refresh_token(move |token| {
///     let kept = kept.clone();
///     async move { std::fs::write(kept, token.expose()) }
/// });
/// let partner = PartnerCenter::builder(credential).build()?;
/// # Ok(())
/// # }
/// ```
pub struct AppUserCredential {
    issuer: Arc<User>,
    cache: TokenCache,
}

struct User {
    application: Application,
    current: Mutex<Current>,
}

struct Current {
    refresh_token: SecretString,
    /// It came with a sign-in, and has not been handed over yet.
    is_new: bool,
    keep: Option<Arc<Keep>>,
}

impl Current {
    fn is(&self, token: &SecretString) -> bool {
        self.refresh_token.expose_secret() == token.expose_secret()
    }
}

impl AppUserCredential {
    /// A user's refresh token, and the application in the partner's tenant (given by GUID or domain)
    /// that it was issued to. Surrounding white space, quotes, angle brackets and a byte-order mark
    /// are removed, and so are zero-width characters.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) if tenant or client ID are not made of letters, digits,
    /// `-`, `_` and `.`; if secret or refresh token have characters beyond printable ASCII or are a whole
    /// JSON object; or if one of the four is empty.
    pub fn new(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
        refresh_token: impl Into<String>,
    ) -> Result<Self, Error> {
        Self::of(Application::new(tenant, client_id, Some(client_secret.into()))?, refresh_token)
    }

    /// The same for a public client, which has no secret.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn public_client(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        refresh_token: impl Into<String>,
    ) -> Result<Self, Error> {
        Self::of(Application::new(tenant, client_id, None)?, refresh_token)
    }

    fn of(application: Application, refresh_token: impl Into<String>) -> Result<Self, Error> {
        let refresh_token = check_secret("the refresh token", pasted(refresh_token))?;
        let current = Mutex::new(Current { refresh_token, is_new: false, keep: None });
        Ok(Self { issuer: Arc::new(User { application, current }), cache: TokenCache::default() })
    }

    /// Registers the function that stores new refresh tokens. It gets each one before the access token that
    /// came with it is used. If it fails, so does the call; the next sign-in calls it again.
    ///
    /// It has 30 seconds, even if the call that signed in is dropped, as long as the tokio runtime of
    /// that call runs. It must not make calls that need this credential: they fail at once or, if the
    /// [limit on requests in flight](crate::Builder::max_in_flight) is reached, when they time out.
    #[must_use]
    pub fn on_refresh_token<F, Fut, E>(self, keep: F) -> Self
    where
        F: Fn(RefreshToken) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let keep = move |token| keep(token).map(|kept| kept.map_err(Into::into)).boxed();
        self.issuer.current().keep = Some(Arc::new(keep));
        self
    }
}

kept_in_a_cache!(AppUserCredential);

impl User {
    async fn issue(self: Arc<Self>, request: TokenRequest) -> Outcome {
        let sent = self.current().refresh_token.clone();
        let signed_in = self.application.sign_in(&request, Some(&sent)).await;
        if let Ok(SignedIn { refresh_token: Some(next), .. }) = &signed_in {
            let mut current = self.current();
            // A request that was given up may end after the one that replaced it.
            if current.is(&sent) {
                (current.refresh_token, current.is_new) = (next.clone(), true);
            }
        }
        // Also after a failure: the one before may still be to be handed over.
        let handed_over = self.hand_over().await;
        let signed_in = signed_in?;
        handed_over?;
        signed_in.access_token
    }

    /// Hands over the refresh token, unless that has been done.
    async fn hand_over(&self) -> Result<(), Error> {
        let (keep, token) = match &*self.current() {
            Current { keep: Some(keep), is_new: true, refresh_token } => (Arc::clone(keep), refresh_token.clone()),
            _ => return Ok(()),
        };
        let unkept = || no_token("the new refresh token could not be stored");
        match tokio::time::timeout(KEEP_TIMEOUT, keep(RefreshToken(token.clone()))).await {
            Ok(kept) => kept.map_err(|error| unkept().caused_by(error))?,
            Err(_) => return Err(unkept().timeout().caused_by("on_refresh_token did not finish within 30 seconds")),
        }
        let mut current = self.current();
        current.is_new &= !current.is(&token);
        Ok(())
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for AppUserCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppUserCredential").field("application", &self.issuer.application).finish_non_exhaustive()
    }
}
