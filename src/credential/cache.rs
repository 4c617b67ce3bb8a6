//! Keeps a token until shortly before it expires, and sees to it that one request for it is in
//! flight at a time, however many calls wait.
//!
//! The request is a shared future that whoever waits for it drives: there is no task behind it, and
//! a waiter that is dropped takes nothing away from the others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use crate::cloud::Cloud;
use crate::credential::AccessToken;
use crate::error::Error;

/// How early a token is replaced, unless the caller says otherwise.
const REFRESH_BEFORE: Duration = Duration::from_secs(300);
/// For a token without expiry: far less than the hour that they live.
const LIFETIME_IF_UNKNOWN: Duration = Duration::from_secs(600);
/// Nobody gives tokens for longer, and it keeps foreign numbers out of the arithmetic of time.
const LONGEST_LIFETIME: Duration = Duration::from_secs(86_400);
/// How long a call waits for a new token while the old one is good.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long after a failed early refresh the old token is used without trying again.
const HOLD_OFF: Duration = Duration::from_secs(30);

/// A token as it was given.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) token: AccessToken,
    pub(crate) lifetime: Option<Duration>,
}

type Issuing = Shared<BoxFuture<'static, Result<Issued, Error>>>;

pub(crate) struct TokenCache {
    state: Mutex<State>,
    refresh_before: Duration,
    clock: Arc<dyn Fn() -> Instant + Send + Sync>,
}

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    flight: Option<Flight>,
}

struct Kept {
    token: AccessToken,
    cloud: Cloud,
    expires: Instant,
    refresh_from: Instant,
}

#[derive(Clone)]
struct Flight {
    issuing: Issuing,
    cloud: Cloud,
    since: Instant,
}

impl Default for TokenCache {
    fn default() -> Self {
        Self { state: Mutex::default(), refresh_before: REFRESH_BEFORE, clock: Arc::new(Instant::now) }
    }
}

impl TokenCache {
    pub(crate) fn set_refresh_before(&mut self, before: Duration) {
        self.refresh_before = before;
    }

    pub(crate) fn set_clock(&mut self, clock: impl Fn() -> Instant + Send + Sync + 'static) {
        self.clock = Arc::new(clock);
    }

    /// The kept token, or the one that is being issued; `issue` is asked if neither is there.
    pub(crate) async fn token<F>(&self, cloud: &Cloud, issue: impl Fn() -> F) -> Result<AccessToken, Error>
    where
        F: Future<Output = Result<Issued, Error>> + Send + 'static,
    {
        loop {
            let (flight, good) = {
                let mut state = self.state();
                let now = (self.clock)();
                let good = state.kept.as_ref().filter(|kept| kept.cloud == *cloud && now < kept.expires);
                if let Some(kept) = good.filter(|kept| now < kept.refresh_from) {
                    return Ok(kept.token.clone());
                }
                let good = good.map(|kept| kept.token.clone());
                let flight = state.flight.take().filter(|flight| flight.cloud == *cloud);
                let start = || Flight { issuing: issue().boxed().shared(), cloud: cloud.clone(), since: now };
                (state.flight.insert(flight.unwrap_or_else(start)).clone(), good)
            };
            let Some(good) = good else {
                match self.landed(&flight, flight.issuing.clone().await) {
                    // Nobody waited for it until now: it was given too long ago.
                    Ok(None) => continue,
                    Ok(Some(token)) => return Ok(token),
                    Err(error) => return Err(error),
                }
            };
            let in_time = tokio::time::timeout(PATIENCE, flight.issuing.clone()).await;
            match in_time.map(|outcome| self.landed(&flight, outcome)) {
                Ok(Ok(Some(token))) => return Ok(token),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "cannot refresh the access token, which is still good"),
                Err(_) => {
                    self.hold_off(HOLD_OFF);
                    tracing::warn!("refreshing the access token takes long; the old one is still good");
                }
            }
            return Ok(good);
        }
    }

    /// Drops the token, if it is still the one that is kept.
    pub(crate) fn forget(&self, token: &AccessToken) {
        self.state().kept.take_if(|kept| kept.token == *token);
    }

    /// Keeps what a request came to, which the first of its waiters does. None if it came too late.
    fn landed(&self, flight: &Flight, outcome: Result<Issued, Error>) -> Result<Option<AccessToken>, Error> {
        let mut state = self.state();
        let now = (self.clock)();
        let first = state.flight.take_if(|current| current.issuing.ptr_eq(&flight.issuing)).is_some();
        let Issued { token, lifetime } = match outcome {
            Ok(issued) => issued,
            Err(error) => {
                drop(state);
                if first {
                    self.hold_off(error.retry_after().unwrap_or_default());
                }
                return Err(error);
            }
        };
        let lifetime = lifetime.unwrap_or(LIFETIME_IF_UNKNOWN).min(LONGEST_LIFETIME);
        let expires = flight.since + lifetime;
        if first {
            // A token that lives shorter than that would be asked for by every call.
            let refresh_from = expires - self.refresh_before.min(lifetime / 2);
            state.kept = Some(Kept { token: token.clone(), cloud: flight.cloud.clone(), expires, refresh_from });
        }
        let waited_for = now.saturating_duration_since(flight.since) < LIFETIME_IF_UNKNOWN;
        Ok((waited_for || now < expires).then_some(token))
    }

    /// Leaves the kept token as it is for a while.
    fn hold_off(&self, wait: Duration) {
        let from = (self.clock)() + wait.clamp(HOLD_OFF, LONGEST_LIFETIME);
        if let Some(kept) = &mut self.state().kept {
            kept.refresh_from = from;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(token: &str) -> Issued {
        Issued { token: AccessToken::new(token), lifetime: Some(Duration::from_secs(3600)) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_refresh_holds_no_call_up_for_long_while_the_old_token_is_good() {
        let mut cache = TokenCache::default();
        let start = Instant::now();
        cache.set_clock(move || start);
        assert!(cache.token(&Cloud::GLOBAL, || async { Ok(issued("old")) }).await.is_ok());
        let nearly_expired = start + Duration::from_secs(3400);
        cache.set_clock(move || nearly_expired);
        let began = tokio::time::Instant::now();
        let slow = || async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            Ok(issued("new"))
        };
        for _ in 0..3 {
            let token = cache.token(&Cloud::GLOBAL, slow).await;
            assert!(token.is_ok_and(|token| token == AccessToken::new("old")));
        }
        assert_eq!(began.elapsed(), PATIENCE, "only the first call waited");
        // The request is not lost: whoever comes next takes it up.
        let later = nearly_expired + HOLD_OFF;
        cache.set_clock(move || later);
        tokio::time::sleep(Duration::from_secs(20)).await;
        let token = cache.token(&Cloud::GLOBAL, || async { Ok(issued("another")) }).await;
        assert!(token.is_ok_and(|token| token == AccessToken::new("new")));
    }
}
