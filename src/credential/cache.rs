//! Keeps a token until shortly before it expires, and sees to it that one request for it is in
//! flight at a time, however many calls wait.
//!
//! The request is a shared future that whoever waits for it drives: there is no task behind it, and
//! a waiter that is dropped takes nothing away from the others. If all are dropped, it is kept as it is
//! for the next call: the authority may have answered it, with the refresh token that comes next.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::{self, Handle};
use tokio::sync::watch;

use crate::cloud::Cloud;
use crate::credential::{AccessToken, TokenRequest};
use crate::error::Error;
use crate::retry::{A_DAY, Throttle};

/// How early a token is replaced, unless the caller says otherwise.
const REFRESH_BEFORE: Duration = Duration::from_secs(300);
/// For a token without expiry: far less than the hour that they live.
const LIFETIME_IF_UNKNOWN: Duration = Duration::from_secs(600);
/// How long a call waits for a new token while the old one is good.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long after a failed early refresh the old token is used without trying again.
const HOLD_OFF: Duration = Duration::from_secs(20);
/// How long a request may take with all that belongs to it, such as keeping a refresh token.
const LONGEST_FLIGHT: Duration = Duration::from_secs(120);

/// A token as it was given.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) token: AccessToken,
    pub(crate) lifetime: Option<Duration>,
}

pub(crate) type Outcome = Result<Issued, Error>;
type Issuing = Shared<BoxFuture<'static, Outcome>>;
/// Those who drive a request, together: it closes when the last of them has left.
type Drivers = watch::Sender<Option<Outcome>>;

pub(crate) struct TokenCache {
    state: Mutex<State>,
    pub(crate) refresh_before: Duration,
    pub(crate) clock: Arc<dyn Fn() -> Instant + Send + Sync>,
}

/// What the credentials that keep their tokens have in common: each is an `issuer` and a `cache`.
macro_rules! kept_in_a_cache {
    ($credential:ident) => {
        impl $credential {
            /// How long before its expiry a token is replaced: default five minutes; half its life at most.
            #[must_use]
            pub fn refresh_before(mut self, before: ::std::time::Duration) -> Self {
                self.cache.refresh_before = before;
                self
            }

            /// The clock by which tokens expire: default [`Instant::now`](std::time::Instant::now). For
            /// tests of expiry.
            #[must_use]
            pub fn clock(mut self, now: impl Fn() -> ::std::time::Instant + Send + Sync + 'static) -> Self {
                self.cache.clock = ::std::sync::Arc::new(now);
                self
            }
        }

        impl $crate::Credential for $credential {
            fn token<'a>(&'a self, request: &'a $crate::TokenRequest) -> $crate::TokenFuture<'a> {
                let issue = || ::std::sync::Arc::clone(&self.issuer).issue(request.clone());
                Box::pin(self.cache.token(request, issue))
            }

            fn refused(&self, token: &$crate::AccessToken) {
                self.cache.forget(token);
            }
        }
    };
}

#[derive(Default)]
struct State {
    /// The first that asked: a refresh token is for one authority, and a token for one service.
    cloud: Option<Cloud>,
    kept: Option<Kept>,
    flight: Option<Flight>,
    /// A failure of a flight that was left has been passed over since the last that was told.
    has_forgiven: bool,
    /// The authority has asked to be left alone.
    throttle: Throttle,
}

#[derive(Clone)]
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
    /// By the clock that bounds it.
    began: tokio::time::Instant,
    /// All who drove it had gone for a time, in which it may have come to anything.
    was_left: bool,
    /// Whose timers and sockets it needs: only there it can be driven.
    runtime: Option<runtime::Id>,
    drivers: Weak<Drivers>,
}

/// A call that waits for a flight.
struct Waiter {
    flight: Flight,
    role: Role,
}

enum Role {
    Drives(Arc<Drivers>),
    /// From another runtime.
    Watches(watch::Receiver<Option<Outcome>>),
}

impl Waiter {
    /// What the request comes to; none if those who drove it have left.
    async fn ends(&mut self) -> Option<Outcome> {
        match &mut self.role {
            Role::Drives(drivers) => {
                let outcome = self.flight.issuing.clone().await;
                drivers.send_replace(Some(outcome.clone()));
                Some(outcome)
            }
            Role::Watches(drivers) => drivers.wait_for(Option::is_some).await.ok()?.clone(),
        }
    }
}

impl Default for TokenCache {
    fn default() -> Self {
        Self { state: Mutex::default(), refresh_before: REFRESH_BEFORE, clock: Arc::new(Instant::now) }
    }
}

impl TokenCache {
    /// The kept token, or the one that is being issued; `issue` is asked if neither is there.
    pub(crate) async fn token<F>(&self, request: &TokenRequest, issue: impl Fn() -> F) -> Result<AccessToken, Error>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let patience_ends = tokio::time::Instant::now() + PATIENCE.min(request.time_left / 2);
        loop {
            let (mut waiter, good) = {
                let mut state = self.state();
                if *state.cloud.get_or_insert_with(|| request.cloud.clone()) != request.cloud {
                    return Err(Error::config("the credential is in use for another cloud: make one for each"));
                }
                let now = (self.clock)();
                let good = state.kept.as_ref().filter(|kept| now < kept.expires).cloned();
                if let Some(kept) = good.as_ref().filter(|kept| now < kept.refresh_from) {
                    return Ok(kept.token.clone());
                }
                if let Some((wait, error)) = state.throttle.holds() {
                    return good.map(|kept| kept.token).ok_or_else(|| Error::clone(&error).retrying_after(wait));
                }
                (state.join(now, &issue), good)
            };
            let until = match good {
                Some(_) => patience_ends,
                None => tokio::time::Instant::now() + LONGEST_FLIGHT,
            };
            let outcome = tokio::time::timeout_at(until, waiter.ends()).await;
            // It may have expired in the meantime.
            let good = good.filter(|kept| (self.clock)() < kept.expires);
            let outcome = match outcome {
                // It may have failed some time ago, and do better now.
                Ok(Some(Err(error))) if waiter.flight.was_left => {
                    self.state().forgive(&waiter.flight, &error);
                    continue;
                }
                Ok(Some(outcome)) => self.settle(&waiter.flight, outcome),
                Err(_) if good.is_some() => Err(Error::sign_in_out_of_time()),
                Ok(None) | Err(_) => continue,
            };
            return match (outcome, good) {
                (Err(error), Some(kept)) => {
                    let error = &error as &(dyn std::error::Error + 'static);
                    tracing::warn!(error, "cannot refresh the access token, which is still good");
                    self.hold_off(&kept.token);
                    Ok(kept.token)
                }
                (outcome, _) => outcome,
            };
        }
    }

    /// Drops the token, if it is still the one that is kept.
    pub(crate) fn forget(&self, token: &AccessToken) {
        self.state().kept.take_if(|kept| kept.token == *token);
    }

    /// Keeps what a request came to, which the first of its waiters does.
    fn settle(&self, flight: &Flight, outcome: Outcome) -> Result<AccessToken, Error> {
        let mut state = self.state();
        let first = state.remove(flight);
        state.has_forgiven &= !first;
        match outcome {
            Ok(Issued { token, lifetime }) => {
                if first {
                    let lifetime = lifetime.unwrap_or(LIFETIME_IF_UNKNOWN).min(A_DAY);
                    let expires = flight.since + lifetime;
                    // A token that lives shorter than that would be asked for by every call.
                    let refresh_from = expires - self.refresh_before.min(lifetime / 2);
                    state.kept = Some(Kept { token: token.clone(), expires, refresh_from });
                }
                Ok(token)
            }
            Err(error) => {
                if first && error.is_retryable() {
                    state.throttle.note(&error);
                }
                Err(error)
            }
        }
    }

    /// Leaves this token as it is for a while.
    fn hold_off(&self, token: &AccessToken) {
        let from = (self.clock)() + HOLD_OFF;
        if let Some(kept) = self.state().kept.as_mut().filter(|kept| kept.token == *token) {
            kept.refresh_from = kept.refresh_from.max(from);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Joins the request that is in flight, or a new one.
    fn join<F>(&mut self, now: Instant, issue: impl Fn() -> F) -> Waiter
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let runtime = Handle::try_current().ok().map(|handle| handle.id());
        let is_left = |flight: &Flight| flight.drivers.strong_count() == 0;
        // Nobody can go on with what was left in another runtime, or stands still there.
        self.flight.take_if(|flight| {
            flight.runtime != runtime && (is_left(flight) || flight.began.elapsed() >= LONGEST_FLIGHT)
        });
        if let Some(flight) = &mut self.flight {
            flight.was_left |= is_left(flight) && !self.has_forgiven;
        }
        let flight = self.flight.get_or_insert_with(|| {
            let issuing = in_bounds(issue()).boxed().shared();
            let began = tokio::time::Instant::now();
            Flight { issuing, since: now, began, was_left: false, runtime, drivers: Weak::new() }
        });
        let role = match flight.drivers.upgrade() {
            Some(drivers) if flight.runtime != runtime => Role::Watches(drivers.subscribe()),
            drivers => {
                let drivers = drivers.unwrap_or_default();
                flight.drivers = Arc::downgrade(&drivers);
                Role::Drives(drivers)
            }
        };
        Waiter { flight: flight.clone(), role }
    }

    /// Passes over a failure of a flight that was left, but for the wait that it asks for.
    fn forgive(&mut self, flight: &Flight, error: &Error) {
        if self.remove(flight) {
            self.has_forgiven = true;
            let wait = error.retry_after().filter(|_| error.is_retryable()).unwrap_or_default();
            let wait = wait.saturating_sub(flight.began.elapsed());
            self.throttle.note(&error.clone().retrying_after(wait));
        }
    }

    /// Takes this flight away, if nobody has done so before.
    fn remove(&mut self, flight: &Flight) -> bool {
        self.flight.take_if(|current| current.issuing.ptr_eq(&flight.issuing)).is_some()
    }
}

/// A function of the caller's may panic or never end, which must be the error of one request alone.
async fn in_bounds(issuing: impl Future<Output = Outcome>) -> Outcome {
    let issuing = AssertUnwindSafe(issuing).catch_unwind();
    match tokio::time::timeout(LONGEST_FLIGHT, issuing).await {
        Ok(outcome) => outcome.unwrap_or_else(|_| Err(Error::credential("signing in panicked"))),
        Err(_) => Err(Error::sign_in_out_of_time()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn issued(token: &str) -> Issued {
        Issued { token: AccessToken::new(token), lifetime: Some(Duration::from_secs(3600)) }
    }

    fn request() -> TokenRequest {
        TokenRequest { cloud: Cloud::GLOBAL, http: reqwest::Client::new(), time_left: Duration::from_secs(60) }
    }

    fn runtime() -> runtime::Runtime {
        runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    /// A cache whose token, `old`, is good, but due to be replaced.
    async fn due() -> TokenCache {
        let mut cache = TokenCache::default();
        let start = Instant::now();
        cache.clock = Arc::new(move || start);
        assert_eq!(token(&cache, "old").await, "old");
        cache.clock = Arc::new(move || start + Duration::from_secs(3400));
        cache
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
    async fn a_request_that_never_ends_is_an_error_of_the_calls_that_waited_for_it() {
        let cache = TokenCache::default();
        let request = request();
        let began = tokio::time::Instant::now();
        let error = cache.token(&request, std::future::pending).await.unwrap_err();
        assert!(error.is_timeout() && error.is_retryable());
        assert_eq!(began.elapsed(), LONGEST_FLIGHT);
        assert_eq!(token(&cache, "new").await, "new");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_was_left_is_taken_up_however_late() {
        let cache = TokenCache::default();
        let request = request();
        let slow = || async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            Ok(issued("slow"))
        };
        let left = cache.token(&request, slow);
        assert!(tokio::time::timeout(Duration::from_secs(1), left).await.is_err());
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(token(&cache, "another").await, "slow", "its answer may have the next refresh token");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_expires_while_its_refresh_fails_is_not_used() {
        let mut cache = TokenCache::default();
        let (start, moved) = (Instant::now(), Arc::new(std::sync::atomic::AtomicU64::new(0)));
        let clock = Arc::clone(&moved);
        cache.clock = Arc::new(move || start + Duration::from_secs(clock.load(std::sync::atomic::Ordering::SeqCst)));
        assert_eq!(token(&cache, "old").await, "old");
        moved.store(3599, std::sync::atomic::Ordering::SeqCst);
        let failing = || {
            moved.store(3601, std::sync::atomic::Ordering::SeqCst);
            async { Err(Error::credential("refused")) }
        };
        assert!(cache.token(&request(), failing).await.is_err());
    }

    #[test]
    fn calls_of_several_runtimes_make_one_request() {
        let cache = TokenCache::default();
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let all_wait = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let slow = || {
                        asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        async {
                            tokio::time::sleep(Duration::from_millis(200)).await;
                            Ok(issued("one for all"))
                        }
                    };
                    all_wait.wait();
                    let token = runtime().block_on(cache.token(&request(), slow)).unwrap();
                    assert_eq!(token.expose(), "one for all");
                });
            }
        });
        assert_eq!(asked.into_inner(), 1);
    }

    #[test]
    fn who_watches_a_request_that_is_left_makes_its_own() {
        let cache = TokenCache::default();
        let (driving, watching) = (runtime(), runtime());
        let request = request();
        let mut driver = Box::pin(cache.token(&request, std::future::pending));
        driving.block_on(async { assert!(driver.as_mut().now_or_never().is_none()) });
        let mut watcher = Box::pin(token(&cache, "its own"));
        watching.block_on(async { assert!(watcher.as_mut().now_or_never().is_none()) });
        drop(driver);
        assert_eq!(watching.block_on(watcher), "its own");
    }

    #[test]
    fn a_request_that_stands_still_in_another_runtime_is_replaced() {
        let cache = TokenCache::default();
        let idle = runtime();
        let request = request();
        let mut driver = Box::pin(cache.token(&request, std::future::pending));
        idle.block_on(async { assert!(driver.as_mut().now_or_never().is_none()) });
        let watching = runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let waited = async {
            let began = tokio::time::Instant::now();
            assert_eq!(token(&cache, "its own").await, "its own");
            began.elapsed()
        };
        assert!(watching.block_on(waited).abs_diff(LONGEST_FLIGHT) < Duration::from_secs(1));
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
        let slow = || async {
            tokio::time::sleep(Duration::from_secs(9)).await;
            Ok(issued("lost"))
        };
        let left = async {
            let request = request();
            tokio::time::timeout(Duration::from_millis(1), cache.token(&request, slow)).await.is_err()
        };
        assert!(runtime().block_on(left));
        assert_eq!(runtime().block_on(token(&cache, "new")), "new");
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
        let mut cache = due().await;
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
        let later = (cache.clock)() + HOLD_OFF;
        cache.clock = Arc::new(move || later);
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(token(&cache, "another").await, "new");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refresh_that_was_left_and_failed_costs_no_second_patience() {
        let cache = due().await;
        let hurried = TokenRequest { time_left: Duration::from_secs(2), ..request() };
        let failing = || async {
            tokio::time::sleep(Duration::from_millis(1900)).await;
            Err(Error::credential("refused"))
        };
        let left = cache.token(&hurried, failing);
        assert!(tokio::time::timeout(Duration::from_secs(1) / 2, left).await.is_err());
        let began = tokio::time::Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(cache.token(&hurried, failing).await.is_ok());
        assert!(began.elapsed() <= Duration::from_secs(2), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_refresh_costs_a_hurried_call_at_most_half_its_time() {
        let cache = due().await;
        let hurried = TokenRequest { time_left: Duration::from_secs(2), ..request() };
        let began = tokio::time::Instant::now();
        assert!(cache.token(&hurried, std::future::pending).await.is_ok());
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }
}
