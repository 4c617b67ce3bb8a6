//! Keeps an access token until shortly before it expires, and sees to it that one request for a new
//! one is in flight at a time, however many calls wait for it.
//!
//! Each request runs as a task of its own, and the calls that wait subscribe to its outcome. So it goes
//! on when they leave: the response may bring the next refresh token, which comes only once.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument;

use crate::cloud::Cloud;
use crate::credential::sign_in::{TURNS, is_refusal, no_token, out_of_time};
use crate::credential::{AccessToken, Issued, KEEP_TIMEOUT, Outcome, TokenRequest};
use crate::error::Error;
use crate::limits::Throttle;
use crate::retry::A_DAY;

/// How early a token is replaced, unless the caller says otherwise.
const REFRESH_BEFORE: Duration = Duration::from_secs(300);
/// For a token without expiry: far less than the hour that tokens live.
const LIFETIME_IF_UNKNOWN: Duration = Duration::from_secs(600);
/// How long calls wait for a new token while the old one is good.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long after a failed early refresh the old token is used without trying again.
const HOLD_OFF: Duration = Duration::from_secs(20);
/// How long a refusal is returned without asking again: repeated failures lock accounts.
const REFUSAL_KEPT: Duration = Duration::from_secs(10);

tokio::task_local! {
    /// The caches, by address, that wait for this task: it must not wait for one of them.
    static AWAITED_BY: Vec<usize>;
}

#[derive(Default)]
pub(crate) struct TokenCache {
    state: Arc<Mutex<State>>,
    pub(crate) refresh_before: Option<Duration>,
}

#[derive(Default)]
struct State {
    /// The first that asked: a refresh token is for one sign-in service, and a token for one API.
    cloud: Option<Cloud>,
    kept: Option<Kept>,
    pending: Option<Pending>,
    /// The sign-in service has asked to be left alone.
    throttle: Throttle,
    /// The sign-in service has refused for good, and until when that is not asked again.
    refusal: Option<(Instant, Error)>,
}

#[derive(Clone)]
struct Kept {
    token: AccessToken,
    expires: Instant,
    refresh_from: Instant,
}

/// A request that is in flight, to be awaited by any number of calls.
#[derive(Clone)]
struct Pending {
    outcome: watch::Receiver<Option<Outcome>>,
    began: Instant,
    /// When nobody waits for it any longer.
    ends: Instant,
}

impl TokenCache {
    /// The kept token, or the one that is being requested; `issue` is called if there is neither.
    pub(crate) async fn token<F>(&self, request: &TokenRequest, issue: impl FnOnce() -> F) -> Result<AccessToken, Error>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        if locked(&self.state).pending.as_ref().is_some_and(Pending::is_overdue) {
            // Its runtime may have stood still, and have the response to read.
            for _ in 0..2 * TURNS {
                tokio::task::yield_now().await;
            }
        }
        let (good, mut pending) = {
            let mut state = locked(&self.state);
            if *state.cloud.get_or_insert_with(|| request.cloud.clone()) != request.cloud {
                return Err(Error::config("the credential is in use for another cloud: make one for each cloud"));
            }
            let good = state.kept.clone().filter(|kept| Instant::now() < kept.expires);
            if let Some(kept) = good.as_ref().filter(|kept| Instant::now() < kept.refresh_from) {
                return Ok(kept.token.clone());
            }
            match self.join(&mut state, request, issue) {
                Ok(pending) => (good, pending),
                Err(error) => return good.map(|kept| kept.token).ok_or(error),
            }
        };
        let until = match good {
            Some(_) => (pending.began + PATIENCE).min(Instant::now() + request.time_left / 2),
            None => pending.ends,
        };
        let outcome = match tokio::time::timeout_at(until, pending.outcome.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or_else(|| Err(out_of_time())),
            Ok(Err(_)) => Err(no_token("the runtime that was signing in was shut down").retryable()),
            Err(_) => Err(out_of_time()),
        };
        // It may have expired in the meantime.
        let good = good.filter(|kept| Instant::now() < kept.expires);
        outcome.map(|issued| issued.token).or_else(|error| good.map(|kept| kept.token).ok_or(error))
    }

    /// Drops the token, if it is still the one that is kept.
    pub(crate) fn forget(&self, token: &AccessToken) {
        locked(&self.state).kept.take_if(|kept| kept.token == *token);
    }

    /// The request that is in flight, or a new one; an error if there must be none.
    fn join<F>(&self, state: &mut State, request: &TokenRequest, issue: impl FnOnce() -> F) -> Result<Pending, Error>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let id = Arc::as_ptr(&self.state).addr();
        let mut awaited_by = AWAITED_BY.try_with(Vec::clone).unwrap_or_default();
        if awaited_by.contains(&id) {
            return Err(no_token("called from a function that the sign-in itself waits for, such as on_refresh_token"));
        }
        awaited_by.push(id);
        if let Some((wait, error)) = state.throttle.holds() {
            return Err(Error::clone(&error).retrying_after(wait));
        }
        state.refusal.take_if(|(until, _)| *until <= Instant::now());
        if let Some((_, error)) = &state.refusal {
            return Err(error.clone());
        }
        if let Some(pending) = state.pending.as_ref().filter(|pending| pending.goes_on()) {
            return Ok(pending.clone());
        }
        let runtime = Handle::try_current().map_err(|_| {
            Error::config("must be called within a tokio runtime (use #[tokio::main], or the feature blocking)")
        })?;
        let (sender, outcome) = watch::channel(None);
        let began = Instant::now();
        let pending =
            Pending { outcome, began, ends: began + request.timeout() + KEEP_TIMEOUT + Duration::from_secs(1) };
        state.pending = Some(pending.clone());
        let issuing = AWAITED_BY.scope(awaited_by, AssertUnwindSafe(issue()).catch_unwind());
        let (shared, refresh_before) = (Arc::clone(&self.state), self.refresh_before.unwrap_or(REFRESH_BEFORE));
        let of_task = pending.clone();
        let task = async move {
            let outcome = issuing.await.unwrap_or_else(|_| Err(no_token("the sign-in panicked")));
            locked(&shared).settle(&of_task, &outcome, refresh_before);
            sender.send_replace(Some(outcome));
        };
        drop(runtime.spawn(task.in_current_span()));
        Ok(pending)
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Keeps the outcome of a request, unless another one has replaced it.
    fn settle(&mut self, request: &Pending, outcome: &Outcome, refresh_before: Duration) {
        if self.pending.take_if(|pending| pending.outcome.same_channel(&request.outcome)).is_none() {
            return;
        }
        match outcome {
            Ok(Issued { token, lifetime }) => {
                let lifetime = lifetime.unwrap_or(LIFETIME_IF_UNKNOWN).min(A_DAY);
                let expires = request.began + lifetime;
                // A token that lives shorter than that would be requested by every call.
                let refresh_from = expires - refresh_before.min(lifetime / 2);
                self.kept = Some(Kept { token: token.clone(), expires, refresh_from });
            }
            Err(error) => {
                let now = Instant::now();
                if let Some(kept) = self.kept.as_mut().filter(|kept| now < kept.expires) {
                    let error = error as &(dyn std::error::Error + 'static);
                    tracing::warn!(error, "cannot refresh the access token, which is still good");
                    kept.refresh_from = kept.refresh_from.max(now + HOLD_OFF);
                }
                if error.is_retryable() {
                    self.throttle.note(error);
                } else if is_refusal(error) {
                    self.refusal = Some((now + REFUSAL_KEPT, error.clone()));
                }
            }
        }
    }
}

impl Pending {
    fn is_overdue(&self) -> bool {
        self.ends <= Instant::now()
    }

    /// Its task may have been dropped with the runtime.
    fn goes_on(&self) -> bool {
        !self.is_overdue() && self.outcome.has_changed().is_ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use tokio::runtime::{Builder, Runtime};
    use tokio::time::{advance, sleep, timeout};

    use super::*;
    use crate::fault::Fault;

    const SECOND: Duration = Duration::from_secs(1);
    /// How long calls wait for a request that never ends.
    const LONGEST: Duration = Duration::from_secs(61);

    fn issued(token: &str) -> Issued {
        Issued { token: AccessToken::new(token), lifetime: Some(3600 * SECOND) }
    }

    fn request() -> TokenRequest {
        let (attempt_timeout, time_left) = (60 * SECOND, 60 * SECOND);
        TokenRequest { cloud: Cloud::GLOBAL, http: reqwest::Client::new(), attempt_timeout, time_left }
    }

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn refusal() -> Error {
        no_token("refused").with_fault(Fault { error_codes: vec![7_000_215], ..Fault::default() })
    }

    async fn slow(token: &str) -> Outcome {
        sleep(20 * SECOND).await;
        Ok(issued(token))
    }

    /// A cache whose token, `old`, is good, but due to be replaced.
    async fn due() -> TokenCache {
        let cache = TokenCache::default();
        assert_eq!(token(&cache, "old").await, "old");
        advance(3400 * SECOND).await;
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
    async fn a_request_that_never_ends_is_an_error_of_the_calls_that_waited_and_is_replaced() {
        let cache = TokenCache::default();
        let began = Instant::now();
        let error = cache.token(&request(), pending).await.unwrap_err();
        assert!(error.is_timeout() && error.is_retryable());
        assert_eq!(began.elapsed(), LONGEST);
        assert_eq!(token(&cache, "new").await, "new");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_goes_on_when_its_callers_leave() {
        let cache = TokenCache::default();
        let request = request();
        let left = cache.token(&request, || slow("slow"));
        assert!(timeout(SECOND, left).await.is_err());
        sleep(35 * SECOND).await;
        assert_eq!(token(&cache, "another").await, "slow");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_of_a_runtime_that_stood_still_is_read_before_it_is_replaced() {
        let (cache, request, release) = (TokenCache::default(), request(), Arc::new(tokio::sync::Notify::new()));
        let released = Arc::clone(&release);
        let issue = || async move {
            released.notified().await;
            Ok(issued("late"))
        };
        assert!(cache.token(&request, issue).now_or_never().is_none());
        tokio::task::yield_now().await;
        locked(&cache.state).pending.as_mut().unwrap().ends = Instant::now();
        release.notify_one();
        assert_eq!(token(&cache, "another").await, "late");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_reaches_the_calls_that_wait_and_not_those_that_come_later() {
        let (cache, asked) = (TokenCache::default(), AtomicUsize::new(0));
        let failing = || {
            asked.fetch_add(1, SeqCst);
            async {
                sleep(SECOND).await;
                Err(no_token("the vault is sealed"))
            }
        };
        let request = request();
        let waiting = futures_util::future::join_all((0..10).map(|_| cache.token(&request, failing)));
        assert!(waiting.await.iter().all(Result::is_err));
        assert_eq!(asked.into_inner(), 1);
        assert_eq!(token(&cache, "later").await, "later");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_returned_without_asking_again_for_ten_seconds() {
        let (cache, asked) = (TokenCache::default(), AtomicUsize::new(0));
        let refusing = || {
            asked.fetch_add(1, SeqCst);
            async { Err(refusal()) }
        };
        let began = Instant::now();
        let request = request();
        for (second, expected) in [(0, 1), (9, 1), (10, 2)] {
            advance((began + second * SECOND).saturating_duration_since(Instant::now())).await;
            assert!(cache.token(&request, refusing).await.is_err());
            assert_eq!(asked.load(SeqCst), expected, "second {second}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_expires_while_its_refresh_fails_is_not_used() {
        let cache = TokenCache::default();
        assert_eq!(token(&cache, "old").await, "old");
        advance(3599 * SECOND).await;
        let failing = || async {
            sleep(2 * SECOND).await;
            Err(no_token("the vault is sealed"))
        };
        assert!(cache.token(&request(), failing).await.is_err());
    }

    #[test]
    fn calls_of_several_runtimes_make_one_request() {
        let (cache, asked) = (TokenCache::default(), AtomicUsize::new(0));
        let (all_wait, release) = (std::sync::Barrier::new(4), tokio::sync::Semaphore::new(0));
        let release = Arc::new(release);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let (runtime, request) = (runtime(), request());
                    let issue = || {
                        asked.fetch_add(1, SeqCst);
                        let release = Arc::clone(&release);
                        async move { release.acquire().await.map(|_| issued("one for all")).map_err(Error::credential) }
                    };
                    let mut call = Box::pin(cache.token(&request, issue));
                    runtime.block_on(async { assert!(call.as_mut().now_or_never().is_none()) });
                    if all_wait.wait().is_leader() {
                        release.add_permits(1);
                    }
                    assert_eq!(runtime.block_on(call).unwrap().expose(), "one for all");
                });
            }
        });
        assert_eq!(asked.into_inner(), 1);
    }

    #[test]
    fn a_request_that_stands_still_in_another_runtime_is_replaced() {
        let cache = TokenCache::default();
        let (idle, request) = (runtime(), request());
        idle.block_on(async { assert!(cache.token(&request, pending).now_or_never().is_none()) });
        let waiting = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        waiting.block_on(async {
            let began = Instant::now();
            let error = cache.token(&request, pending).await.unwrap_err();
            assert!(error.is_timeout() && error.is_retryable());
            assert!(began.elapsed() <= LONGEST);
            assert_eq!(token(&cache, "its own").await, "its own");
        });
    }

    #[test]
    fn a_runtime_that_is_shut_down_is_an_error_of_its_request_alone() {
        let cache = TokenCache::default();
        let (one, other, request) = (runtime(), runtime(), request());
        one.block_on(async { assert!(cache.token(&request, pending).now_or_never().is_none()) });
        let mut waiting = Box::pin(cache.token(&request, pending));
        other.block_on(async { assert!(waiting.as_mut().now_or_never().is_none()) });
        drop(one);
        let error = other.block_on(waiting).unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("shut down"), "{error}");
        assert_eq!(other.block_on(token(&cache, "new")), "new");
    }

    #[test]
    fn a_request_of_a_runtime_that_is_gone_is_replaced() {
        let cache = TokenCache::default();
        let request = request();
        runtime().block_on(async { assert!(cache.token(&request, pending).now_or_never().is_none()) });
        assert_eq!(runtime().block_on(token(&cache, "new")), "new");
    }

    #[tokio::test]
    async fn a_panic_of_the_callers_function_is_an_error_of_one_call() {
        let cache = TokenCache::default();
        let outcome = cache.token(&request(), || async { panic!("of the caller") }).await;
        assert!(outcome.is_err_and(|error| error.kind() == crate::ErrorKind::Credential));
        assert_eq!(token(&cache, "next").await, "next");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_would_wait_for_itself_fails_at_once() {
        let [one, other] = [(); 2].map(|()| Arc::new(TokenCache::default()));
        let began = Instant::now();
        let again = Arc::clone(&one);
        let inner = || async move {
            let error = again.token(&request(), pending).await.unwrap_err();
            Err(Error::credential(error))
        };
        // By way of another credential, too.
        let between = Arc::clone(&other);
        let outer = || async move {
            between.token(&request(), inner).await?;
            Ok(issued("never"))
        };
        let error = one.token(&request(), outer).await.unwrap_err();
        let inner = std::error::Error::source(&error).unwrap().to_string();
        assert!(inner.contains("the sign-in itself waits for"), "{inner}");
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(token(&other, "its own").await, "its own");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sign_in_service_that_asks_to_wait_is_left_alone_by_all_calls() {
        let cache = TokenCache::default();
        let throttled = || async { Err(Error::credential("busy").retryable().retrying_after(9 * SECOND)) };
        assert!(cache.token(&request(), throttled).await.is_err());
        advance(4 * SECOND).await;
        let held_back = cache.token(&request(), || async { Ok(issued("too early")) }).await;
        assert!(held_back.is_err_and(|error| error.retry_after() == Some(5 * SECOND)));
        advance(5 * SECOND).await;
        assert_eq!(token(&cache, "in time").await, "in time");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_refresh_holds_no_call_up_for_long_while_the_old_token_is_good() {
        let cache = due().await;
        let began = Instant::now();
        for _ in 0..3 {
            let token = cache.token(&request(), || slow("new")).await;
            assert!(token.is_ok_and(|token| token == AccessToken::new("old")));
        }
        assert_eq!(began.elapsed(), PATIENCE, "only the first call waited");
        sleep(20 * SECOND).await;
        assert_eq!(token(&cache, "another").await, "new");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refresh_that_was_left_and_failed_costs_no_second_patience() {
        let cache = due().await;
        let hurried = TokenRequest { time_left: 2 * SECOND, ..request() };
        let failing = || async {
            sleep(Duration::from_millis(1900)).await;
            Err(no_token("the vault is sealed"))
        };
        assert!(timeout(SECOND / 2, cache.token(&hurried, failing)).await.is_err());
        sleep(2 * SECOND).await;
        let began = Instant::now();
        assert!(cache.token(&hurried, failing).await.is_ok());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_refresh_costs_a_hurried_call_at_most_half_its_time() {
        let cache = due().await;
        let hurried = TokenRequest { time_left: 2 * SECOND, ..request() };
        let began = Instant::now();
        assert!(cache.token(&hurried, pending).await.is_ok());
        assert_eq!(began.elapsed(), SECOND);
    }
}
