//! What an error means: for callers, with what to do about it, and for the send loop.

use http::StatusCode;

use crate::error::{Error, ErrorKind};

impl Error {
    /// Whether the same call may succeed later: broken connections, timeouts, 408, 429, 500, 502,
    /// 503, 504, and similar failures of a sign-in.
    ///
    /// The client uses this for its own retries. If an error that you get is retryable, the client's
    /// retries, its time or its retry budget were used up: try again much later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.transient
    }

    /// 404: the service does not know the customer or the upload. Check both IDs, and that the
    /// upload was made for this customer.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.is_of_service(StatusCode::NOT_FOUND)
    }

    /// 401: the service refused the token, and a new one if the credential had one. Check whether the
    /// application may call Partner Center, and whether its tokens are for this cloud.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.is_of_service(StatusCode::UNAUTHORIZED)
    }

    /// 403: the token is valid but not sufficient. Microsoft documents the Admin agent or Sales agent role for the
    /// two operations (older pages also list Global admin), and the partner needs a relationship with the
    /// customer: see [`remedy`](Self::remedy) for the codes 1002, 20002 and 900150.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.is_of_service(StatusCode::FORBIDDEN)
    }

    /// 429: too many calls. Wait [`retry_after`](Self::retry_after), then call less often and with less
    /// parallelism: every further request counts against the limit too.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.is_of_service(StatusCode::TOO_MANY_REQUESTS)
    }

    /// Time ran out: the service or the connection may be slow.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.timeout
    }

    /// Whether the request certainly changed nothing at the service: it was not sent, or the service says
    /// that it was not done.
    pub(crate) fn had_no_effect(&self) -> bool {
        let source = self.0.source.as_deref().and_then(|source| source.downcast_ref::<reqwest::Error>());
        match self.0.kind {
            ErrorKind::Credential => true,
            ErrorKind::Transport => source.is_some_and(reqwest::Error::is_connect),
            _ => {
                self.is_throttled()
                    || self.is_of_service(StatusCode::SERVICE_UNAVAILABLE) && self.0.retry_after.is_some()
            }
        }
    }

    /// Whether another token may do better.
    pub(crate) fn refuses_token(&self) -> bool {
        self.is_unauthorized() && !self.requires_user_sign_in()
    }

    /// Whether the service asks all calls of the client to wait.
    pub(crate) fn holds_the_client(&self) -> bool {
        let is_busy = self.is_throttled() || self.is_of_service(StatusCode::SERVICE_UNAVAILABLE);
        is_busy && self.0.retry_after.is_some_and(|wait| !wait.is_zero())
    }

    fn is_of_service(&self, status: StatusCode) -> bool {
        self.0.kind == ErrorKind::Service && self.status() == Some(status)
    }
}
