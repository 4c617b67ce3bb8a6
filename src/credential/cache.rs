//! Keeps a token until shortly before it expires, and sees to it that one request for it is in
//! flight at a time, however many calls wait.
//!
//! The request is a shared future that whoever waits for it drives: there is no task behind it, and
//! a waiter that is dropped takes nothing away from the others.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::{self, Handle};

use crate::cloud::Cloud;
use crate::credential::{AccessToken, TokenRequest};
use crate::error::Error;

/// How early a token is replaced, unless the caller says otherwise.
const REFRESH_BEFORE: Duration = Duration::from_secs(300);
/// For a token without expiry: far less than the hour that they live.
const LIFETIME_IF_UNKNOWN: Duration = Duration::from_secs(600);
/// Nobody gives tokens for longer, and it keeps foreign numbers out of the arithmetic of time.
const LONGEST_LIFETIME: Duration = Duration::from_secs(86_400);
/// How long a call waits for a new token while the old one is good.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long after a failed early refresh the old token is used without trying again. With the patience
/// before it, it is less than a request has: one that is only slow is taken up again.
const HOLD_OFF: Duration = Duration::from_secs(20);
/// A request that was left for longer has run out of its own time, or never ends.
const LONGEST_FLIGHT: Duration = Duration::from_secs(30);

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
    /// The first that asked: a refresh token is for one authority, and a token for one service.
    cloud: Option<Cloud>,
    kept: Option<Kept>,
    flight: Option<Flight>,
    throttled: Option<Throttled>,
}

struct Kept {
    token: AccessToken,
    expires: Instant,
    refresh_from: Instant,
}

#[derive(Clone)]
struct Flight {
    issuing: Issuing,
    /// By the caller's clock, from which the token lives.
    since: Instant,
    began: tokio::time::Instant,
    /// Whose timers and sockets it needs.
    runtime: Option<runtime::Id>,
}

/// The authority has asked to be left alone.
struct Throttled {
    until: tokio::time::Instant,
    error: Error,
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
    pub(crate) async fn token<F>(&self, request: &TokenRequest, issue: impl Fn() -> F) -> Result<AccessToken, Error>
    where
        F: Future<Output = Result<Issued, Error>> + Send + 'static,
    {
        let (flight, good) = {
            let mut state = self.state();
            if *state.cloud.get_or_insert_with(|| request.cloud.clone()) != request.cloud {
                return Err(Error::config("the credential is in use for another cloud: make one for each"));
            }
            let now = (self.clock)();
            let good = state.kept.as_ref().filter(|kept| now < kept.expires);
            if let Some(kept) = good.filter(|kept| now < kept.refresh_from) {
                return Ok(kept.token.clone());
            }
            let good = good.map(|kept| kept.token.clone());
            if let (None, Some(error)) = (&good, state.throttle()) {
                return Err(error);
            }
            (state.board(now, issue).clone(), good)
        };
        let Some(good) = good else { return self.landed(&flight, flight.issuing.clone().await) };
        let patience = PATIENCE.min(request.time_left / 2);
        match tokio::time::timeout(patience, flight.issuing.clone()).await {
            Ok(outcome) => match self.landed(&flight, outcome) {
                Ok(token) => return Ok(token),
                Err(error) => tracing::warn!(%error, "cannot refresh the access token, which is still good"),
            },
            Err(_) => {
                self.hold_off(&good, HOLD_OFF);
                tracing::warn!("refreshing the access token takes long; the old one is still good");
            }
        }
        Ok(good)
    }

    /// Drops the token, if it is still the one that is kept.
    pub(crate) fn forget(&self, token: &AccessToken) {
        self.state().kept.take_if(|kept| kept.token == *token);
    }

    /// Keeps what a request came to, which the first of its waiters does.
    fn landed(&self, flight: &Flight, outcome: Result<Issued, Error>) -> Result<AccessToken, Error> {
        let mut state = self.state();
        let first = state.flight.take_if(|current| current.issuing.ptr_eq(&flight.issuing)).is_some();
        match outcome {
            Ok(Issued { token, lifetime }) => {
                if first {
                    let lifetime = lifetime.unwrap_or(LIFETIME_IF_UNKNOWN).min(LONGEST_LIFETIME);
                    let expires = flight.since + lifetime;
                    // A token that lives shorter than that would be asked for by every call.
                    let refresh_from = expires - self.refresh_before.min(lifetime / 2);
                    state.kept = Some(Kept { token: token.clone(), expires, refresh_from });
                }
                Ok(token)
            }
            Err(error) => {
                let wait = error.retry_after().unwrap_or_default().min(LONGEST_LIFETIME);
                let kept = state.kept.as_ref().map(|kept| kept.token.clone());
                if first && !wait.is_zero() {
                    state.throttled =
                        Some(Throttled { until: tokio::time::Instant::now() + wait, error: error.clone() });
                }
                drop(state);
                if let Some(kept) = kept.filter(|_| first) {
                    self.hold_off(&kept, wait.max(HOLD_OFF));
                }
                Err(error)
            }
        }
    }

    /// Leaves this token as it is for a while.
    fn hold_off(&self, token: &AccessToken, wait: Duration) {
        let from = (self.clock)() + wait;
        if let Some(kept) = self.state().kept.as_mut().filter(|kept| kept.token == *token) {
            kept.refresh_from = kept.refresh_from.max(from);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The request that is in flight, or a new one.
    fn board<F>(&mut self, now: Instant, issue: impl Fn() -> F) -> &Flight
    where
        F: Future<Output = Result<Issued, Error>> + Send + 'static,
    {
        let runtime = Handle::try_current().ok().map(|handle| handle.id());
        let flies = |flight: &Flight| flight.runtime == runtime && flight.began.elapsed() < LONGEST_FLIGHT;
        let start = || {
            // A function of the caller's that panics must not do so in every later call.
            let issuing = AssertUnwindSafe(issue()).catch_unwind();
            let issuing =
                issuing.map(|outcome| outcome.unwrap_or_else(|_| Err(Error::credential("signing in panicked"))));
            Flight { issuing: issuing.boxed().shared(), since: now, began: tokio::time::Instant::now(), runtime }
        };
        let flight = self.flight.take().filter(flies).unwrap_or_else(start);
        self.flight.insert(flight)
    }

    /// Why the authority is not asked now, with what is left of the wait.
    fn throttle(&self) -> Option<Error> {
        let Throttled { until, error } = self.throttled.as_ref()?;
        let left = until.saturating_duration_since(tokio::time::Instant::now());
        (!left.is_zero()).then(|| error.clone().retrying_after(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(token: &str) -> Issued {
        Issued { token: AccessToken::new(token), lifetime: Some(Duration::from_secs(3600)) }
    }

    fn request() -> TokenRequest {
        TokenRequest { cloud: Cloud::GLOBAL, http: reqwest::Client::new(), time_left: Duration::from_secs(60) }
    }

    async fn token(cache: &TokenCache, given: &'static str) -> String {
        let token = cache.token(&request(), || async move { Ok(issued(given)) }).await;
        token.map_or_else(|error| error.to_string(), |token| token.expose().to_owned())
    }

    #[tokio::test]
    async fn only_the_kept_token_is_forgotten() {
        let cache = TokenCache::default();
        assert_eq!(token(&cache, "first").await, "first");
        cache.forget(&AccessToken::new("another"));
        assert_eq!(token(&cache, "second").await, "first");
        cache.forget(&AccessToken::new("first"));
        assert_eq!(token(&cache, "second").await, "second");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_never_ends_is_replaced_by_the_next_call_after_a_while() {
        let cache = TokenCache::default();
        let request = request();
        let endless = cache.token(&request, std::future::pending);
        assert!(tokio::time::timeout(Duration::from_secs(29), endless).await.is_err());
        let joining = token(&cache, "new");
        assert!(tokio::time::timeout(Duration::from_secs(2), joining).await.is_err(), "it may end yet");
        assert_eq!(token(&cache, "new").await, "new");
    }

    #[tokio::test]
    async fn a_panic_of_the_callers_function_is_an_error_of_one_call() {
        let cache = TokenCache::default();
        let outcome = cache.token(&request(), || async { panic!("of the caller") }).await;
        assert!(outcome.is_err_and(|error| error.kind() == crate::ErrorKind::Credential));
        assert_eq!(token(&cache, "next").await, "next");
    }

    #[test]
    fn a_request_of_a_runtime_that_is_gone_is_replaced() {
        let cache = TokenCache::default();
        let runtime = || runtime::Builder::new_current_thread().enable_all().build();
        let slow = || async {
            tokio::time::sleep(Duration::from_secs(9)).await;
            Ok(issued("lost"))
        };
        let left = async {
            let request = request();
            tokio::time::timeout(Duration::from_millis(1), cache.token(&request, slow)).await.is_err()
        };
        assert!(runtime().is_ok_and(|runtime| runtime.block_on(left)));
        assert!(runtime().is_ok_and(|runtime| runtime.block_on(token(&cache, "new")) == "new"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_authority_that_asks_to_wait_is_left_alone_by_all_calls() {
        let cache = TokenCache::default();
        let throttled = || async { Err(Error::credential("busy").retryable().retrying_after(Duration::from_secs(9))) };
        assert!(cache.token(&request(), throttled).await.is_err());
        tokio::time::advance(Duration::from_secs(4)).await;
        let held_back = cache.token(&request(), || async { Ok(issued("too early")) }).await;
        assert!(held_back.is_err_and(|error| error.retry_after() == Some(Duration::from_secs(5))));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(token(&cache, "in time").await, "in time");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_refresh_holds_no_call_up_for_long_while_the_old_token_is_good() {
        let mut cache = TokenCache::default();
        let start = Instant::now();
        cache.set_clock(move || start);
        assert_eq!(token(&cache, "old").await, "old");
        let nearly_expired = start + Duration::from_secs(3400);
        cache.set_clock(move || nearly_expired);
        let began = tokio::time::Instant::now();
        let slow = || async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            Ok(issued("new"))
        };
        for _ in 0..3 {
            let token = cache.token(&request(), slow).await;
            assert!(token.is_ok_and(|token| token == AccessToken::new("old")));
        }
        assert_eq!(began.elapsed(), PATIENCE, "only the first call waited");
        // The request is not lost: whoever comes next takes it up.
        let later = nearly_expired + HOLD_OFF;
        cache.set_clock(move || later);
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(token(&cache, "another").await, "new");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_refresh_costs_a_hurried_call_at_most_half_its_time() {
        let mut cache = TokenCache::default();
        let start = Instant::now();
        cache.set_clock(move || start);
        assert_eq!(token(&cache, "old").await, "old");
        cache.set_clock(move || start + Duration::from_secs(3400));
        let hurried = TokenRequest { time_left: Duration::from_secs(2), ..request() };
        let began = tokio::time::Instant::now();
        assert!(cache.token(&hurried, std::future::pending).await.is_ok());
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }
}
