//! The cache with the paused clock, and in several runtimes.

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
