//! When a call is sent again, how long that takes at most, and what the calls of a client owe each
//! other.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{join_all, select_all};
use partner_center_devices::{
    AccessToken, Credential, Error, ErrorKind, PartnerCenter, RequestContext, RetryPolicy, TokenFuture, TokenRequest,
};
use tokio::sync::{Notify, Semaphore, watch};

use crate::server::{Reply, Server, response, upload};
use crate::sign_in::{Clock, app_only, at, cloud};

fn reply(status: &str, headers: &[(&str, &str)]) -> Reply {
    Reply::Send(response(status, headers, "{}"))
}

/// Retries as by default, but without waits.
fn at_once() -> RetryPolicy {
    RetryPolicy::default().initial_delay(Duration::ZERO)
}

fn retrying(server: &Server) -> PartnerCenter {
    server.builder().retry_policy(at_once()).build().unwrap()
}

const UNAVAILABLE: &str = "503 Service Unavailable";
const THROTTLED: &str = "429 Too Many Requests";
const LONG: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn transient_statuses_are_retried_and_others_are_not() {
    let transient = [408, 429, 500, 502, 503, 504];
    for status in (201..=204).chain(300..=308).chain(400..=431).chain(500..=511) {
        let server = Server::new((0..4).map(|_| reply(&format!("{status} Status"), &[]))).await;
        let error = upload(&retrying(&server)).get().await.unwrap_err();
        let expected = if transient.contains(&status) { 4 } else { 1 };
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert_eq!(error.attempts(), expected, "{status}");
        assert_eq!(server.requests().len() as u32, expected, "{status}");
        assert_eq!(error.is_retryable(), expected == 4, "{status}");
    }
}

#[tokio::test]
async fn a_call_ends_with_the_first_success_and_says_its_attempts() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    let replies =
        [reply(UNAVAILABLE, &[]), Reply::SendAndClose(cut), Reply::SendAndClose(vec![]), reply("200 OK", &[])];
    let server = Server::new(replies).await;
    assert_eq!(upload(&retrying(&server)).get().await.unwrap().attempts(), 4);
}

#[tokio::test]
async fn keeps_both_ids_over_the_attempts_and_the_body_out_of_it() {
    let server = Server::new([reply(UNAVAILABLE, &[]), reply(THROTTLED, &[]), reply("200 OK", &[])]).await;
    let response = upload(&retrying(&server)).get().await.unwrap();
    for request in 0..3 {
        assert_eq!(server.sent(request, "MS-CorrelationId"), Some(response.correlation_id().to_string()));
        assert_eq!(server.sent(request, "MS-RequestId"), Some(response.request_id().to_string()));
    }
}

#[tokio::test]
async fn unreadable_responses_and_mistakes_are_not_retried() {
    let server = Server::with_body("<html>").await;
    let error = upload(&retrying(&server)).get().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.is_retryable()), (ErrorKind::Decode, 1, false));
}

#[tokio::test]
async fn none_sends_once() {
    let server = Server::new([reply(UNAVAILABLE, &[])]).await;
    let partner = server.builder().retry_policy(RetryPolicy::none()).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap_err().attempts(), 1);
}

#[tokio::test]
async fn a_retry_after_longer_than_allowed_fails_now_with_its_value() {
    let in_a_century = "Fri, 31 Dec 2123 23:59:59 GMT";
    for value in ["121", "18446744073709551615", in_a_century] {
        let server = Server::new([reply(THROTTLED, &[("Retry-After", value)])]).await;
        let error = upload(&retrying(&server)).get().await.unwrap_err();
        assert_eq!(error.attempts(), 1, "{value}");
        assert!(error.is_throttled() && error.retry_after().unwrap() > Duration::from_secs(120));
    }
}

const DATE: &str = "Wed, 01 Jan 2031 10:00:00 GMT";

type Headers = &'static [(&'static str, &'static str)];

/// The headers and the body of a throttled response, and how many milliseconds it asks to wait.
const WAITS: [(Headers, &str, u64); 21] = [
    (&[("Retry-After", "2.542")], r#"{"message":"Rate limit is exceeded. Try again in 1 seconds."}"#, 2542),
    (&[("Retry-After", "0.4")], "", 400),
    (&[("Retry-After", "2.0001")], "", 2001),
    (&[("Retry-After", "2.")], "", 2000),
    (&[("Retry-After", "7 seconds")], "", 7000),
    (&[("Retry-After", "90s")], "", 90_000),
    (&[("Retry-After", "5"), ("Retry-After", "60"), ("Retry-After", "7")], "", 60_000),
    (&[("Retry-After", "5, 60, 7")], "", 60_000),
    (&[("x-ms-retry-after-ms", "1500")], "", 1500),
    (&[("retry-after-ms", "1500.5")], "", 1501),
    (&[("Retry-After", "1"), ("retry-after-ms", "1200"), ("x-ms-retry-after-ms", "1100")], "", 1200),
    (&[("Retry-After", "Wed, 01 Jan 2031 10:00:57 GMT"), ("Date", DATE)], "", 57_000),
    (&[("Retry-After", "Wednesday, 01-Jan-31 10:00:57 GMT"), ("Date", DATE)], "", 57_000),
    (&[("Retry-After", "Tue, 25 Jul 2017 17:53:38 GMT"), ("Date", "Tue, 25 Jul 2017 17:52:41 GMT")], "", 57_000),
    (&[], r#"{"statusCode":429,"message":"Rate limit is exceeded. Try again in 57 seconds."}"#, 57_000),
    (&[], "Rate limit is exceeded. Please try again in 57 seconds.", 57_000),
    (&[], r#"{"error":{"message":"Too many requests. Please retry after 1 minute."}}"#, 60_000),
    (&[], r#"{"message":"TRY AGAIN IN 0.5 SECONDS"}"#, 500),
    (&[("Retry-After", "soon")], r#"{"message":"Try again in 57 seconds."}"#, 57_000),
    (&[("Retry-After", "0")], r#"{"message":"Try again in 57 seconds."}"#, 57_000),
    (&[("Retry-After", "3")], r#"{"message":"Try again in 57 seconds."}"#, 3000),
];

#[tokio::test]
async fn a_wait_is_read_however_it_is_written_and_rounded_up() {
    for (headers, body, milliseconds) in WAITS {
        let wait = Duration::from_millis(milliseconds);
        let server = Server::new([Reply::Send(response(THROTTLED, headers, body)), reply("200 OK", &[])]).await;
        // A policy that would wait for anything shorter.
        let policy = at_once().max_retry_after(wait - Duration::from_micros(1));
        let error = upload(&server.builder().retry_policy(policy).build().unwrap()).get().await.unwrap_err();
        assert_eq!((error.retry_after(), error.attempts()), (Some(wait), 1), "{headers:?} {body}");
        let shown = format!("retry after {} s", milliseconds.div_ceil(1000));
        assert!(error.to_string().contains(&shown), "{error}");
        let held_back = upload(&server.partner()).get().await;
        assert!(held_back.is_ok(), "another client is not held back");
    }
}

#[tokio::test]
async fn a_wait_is_read_in_the_same_way_from_the_sign_in_service() {
    for (headers, body, milliseconds) in WAITS {
        let server = Server::new([Reply::Send(response(THROTTLED, headers, body))]).await;
        let partner = at(cloud(&server), app_only()).retry_policy(RetryPolicy::none()).build().unwrap();
        let error = upload(&partner).get().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential);
        assert_eq!(error.retry_after(), Some(Duration::from_millis(milliseconds)), "{headers:?} {body}");
    }
}

#[tokio::test]
async fn an_absurd_wait_ends_the_call_at_once_and_holds_the_client_for_an_hour_at_most() {
    let digits = "9".repeat(400);
    let seconds = format!("{}.5", u64::MAX);
    let words = format!(r#"{{"message":"Try again in {digits} seconds."}}"#);
    for (name, value, body) in [
        ("Retry-After", "99999999999999999999999999", ""),
        ("Retry-After", digits.as_str(), ""),
        ("Retry-After", seconds.as_str(), ""),
        ("retry-after-ms", digits.as_str(), ""),
        ("x-ms-retry-after-ms", "99999999999999999999999999", ""),
        ("X-Other", "", words.as_str()),
    ] {
        let server = Server::new([Reply::Send(response(THROTTLED, &[(name, value)], body))]).await;
        let partner = server.builder().retry_policy(at_once().max_retry_after(LONG)).build().unwrap();
        let error = upload(&partner).get().await.unwrap_err();
        assert_eq!(error.attempts(), 1, "{name}: {value}");
        assert!(error.retry_after().unwrap() > LONG && error.to_string().contains("retry after "), "{error}");
        let held_back = upload(&partner).get().await.unwrap_err();
        assert_eq!(held_back.attempts(), 0);
        assert!(held_back.retry_after().unwrap() <= Duration::from_secs(3600), "{held_back}");
    }
}

#[tokio::test]
async fn a_wait_that_outlasts_the_call_is_not_begun() {
    let server = Server::new([reply(UNAVAILABLE, &[("Retry-After", "100")])]).await;
    let partner = server.builder().retry_policy(at_once()).call_timeout(Duration::from_secs(99)).build().unwrap();
    let error = upload(&partner).get().await.unwrap_err();
    assert_eq!((error.attempts(), error.retry_after()), (1, Some(Duration::from_secs(100))));

    let server = Server::new([reply(UNAVAILABLE, &[])]).await;
    let slow = RetryPolicy::default().initial_delay(LONG).max_delay(LONG);
    let partner = server.builder().retry_policy(slow).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap_err().attempts(), 1);
}

#[tokio::test]
async fn a_retry_after_does_not_shorten_the_backoff() {
    let slow = RetryPolicy::default().initial_delay(LONG).max_delay(LONG);
    for value in ["0", "1"] {
        let server = Server::new([reply(THROTTLED, &[("Retry-After", value)]), reply("200 OK", &[])]).await;
        let partner = server.builder().retry_policy(slow.clone()).build().unwrap();
        // The backoff outlasts the call, so it fails at once; the wait asked for would not.
        assert_eq!(upload(&partner).get().await.unwrap_err().attempts(), 1, "{value}");
    }
}

#[tokio::test]
async fn a_retry_after_that_says_nothing_is_ignored() {
    for value in ["-1", "-2.5", "soon", "Tue, 25 Jul 2017 17:52:41 GMT", "", "0", "0.0", ".", "NaN", "1e5", "5 beers"] {
        let server = Server::new([reply(THROTTLED, &[("Retry-After", value)]), reply("200 OK", &[])]).await;
        assert_eq!(upload(&retrying(&server)).get().await.unwrap().attempts(), 2, "{value}");
    }
}

#[tokio::test]
async fn the_whole_call_ends_in_its_time_and_tells_of_the_attempt_before() {
    let server = Server::new([reply(UNAVAILABLE, &[]), Reply::Send(Vec::new())]).await;
    let partner = server.builder().retry_policy(at_once()).build().unwrap();
    let hurried = partner.with(RequestContext::new().call_timeout(Duration::from_millis(200)));
    let error = upload(&hurried).get().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 2));
    assert!(error.source().unwrap().to_string().contains("503 Service Unavailable"), "{error:?}");
}

#[tokio::test]
async fn a_status_that_came_before_the_time_ran_out_is_kept() {
    for _ in 0..5 {
        let head = b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nMS-CV: cv.0\r\n\r\n".to_vec();
        let server = Server::new([Reply::Send(head)]).await;
        let hurried = server.partner().with(RequestContext::new().call_timeout(Duration::from_millis(100)));
        let error = upload(&hurried).get().await.unwrap_err();
        assert!(error.is_not_found(), "{error:?}");
        assert_eq!(error.ms_cv(), Some("cv.0"));
    }
}

#[tokio::test]
async fn a_call_that_waits_out_a_throttle_keeps_no_place_in_flight() {
    let server = Server::new([reply(THROTTLED, &[("Retry-After", "60")])]).await;
    let partner = server.builder().retry_policy(at_once()).max_in_flight(1).build().unwrap();
    let waiting = tokio::spawn({
        let call = upload(&partner);
        async move { call.get().await }
    });
    server.received(1).await;
    // It sleeps by now, or holds the only place until its response is read; then this one has it.
    let hurried = partner.with(RequestContext::new().call_timeout(Duration::from_secs(30)));
    let error = upload(&hurried).get().await.unwrap_err();
    assert!(error.is_throttled() && !error.is_timeout(), "{error:?}");
    assert!(error.retry_after().unwrap() > Duration::from_secs(30));
    assert_eq!(server.requests().len(), 1);
    waiting.abort();
}

#[tokio::test]
async fn a_401_is_told_at_once_also_when_every_place_is_taken() {
    let go_on = Arc::new(Notify::new());
    let refusal = Reply::SendInTwo(Vec::new(), Arc::clone(&go_on), response("401 Unauthorized", &[], "{}"));
    let server = Server::new([refusal, Reply::Send(Vec::new())]).await;
    let partner = server.builder().max_in_flight(1).build().unwrap();
    let refused = tokio::spawn({
        let call = upload(&partner);
        async move { call.get().await.unwrap_err() }
    });
    server.received(1).await;
    let next = upload(&partner);
    let mut stalled = Box::pin(next.get());
    assert!((&mut stalled).now_or_never().is_none(), "it waits for the place");
    go_on.notify_one();
    assert!(refused.await.unwrap().is_unauthorized());
}

/// Counts who asks, and gives as many tokens as there are permits.
struct Slow(watch::Sender<usize>, Semaphore);

impl Credential for Slow {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async {
            self.0.send_modify(|asked| *asked += 1);
            self.1.acquire().await.unwrap().forget();
            Ok(AccessToken::new("a-token"))
        })
    }
}

#[tokio::test]
async fn a_throttle_that_came_while_calls_got_their_token_holds_for_them() {
    let server = Server::new([reply(THROTTLED, &[("Retry-After", "100")])]).await;
    let credential = Arc::new(Slow(watch::Sender::default(), Semaphore::new(0)));
    let partner = PartnerCenter::builder(Arc::clone(&credential)).base_url(&server.base_url);
    let policy = at_once().max_retry_after(Duration::from_secs(1));
    let partner = partner.retry_policy(policy).build().unwrap();
    let calls = (0..10).map(|_| upload(&partner)).map(|call| tokio::spawn(async move { call.get().await }));
    let calls: Vec<_> = calls.collect();
    credential.0.subscribe().wait_for(|asked| *asked == 10).await.unwrap();
    credential.1.add_permits(1);
    let (first, _, others) = select_all(calls).await;
    assert!(first.unwrap().unwrap_err().is_throttled());
    credential.1.add_permits(9);
    for error in join_all(others).await {
        let error = error.unwrap().unwrap_err();
        assert_eq!((error.is_throttled(), error.attempts()), (true, 0));
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_throttle_without_end_is_forgotten_after_an_hour() {
    let server = Server::new([reply(THROTTLED, &[("Retry-After", "Fri, 31 Dec 2123 23:59:59 GMT")])]).await;
    let partner = retrying(&server);
    assert!(upload(&partner).get().await.unwrap_err().retry_after().unwrap() > Duration::from_secs(1 << 30));
    let held_back = upload(&partner).get().await.unwrap_err();
    assert_eq!(held_back.attempts(), 0);
    assert!(held_back.retry_after().unwrap() <= Duration::from_secs(3600));
}

#[tokio::test]
async fn a_call_that_is_held_back_after_an_attempt_tells_of_that_attempt() {
    let server = Server::new([reply(UNAVAILABLE, &[]), reply(THROTTLED, &[("Retry-After", "100")])]).await;
    let policy = RetryPolicy::default().initial_delay(Duration::from_secs(1)).max_retry_after(Duration::from_secs(90));
    let partner = server.builder().retry_policy(policy).build().unwrap();
    let first = tokio::spawn({
        let call = upload(&partner);
        async move { call.get().await.unwrap_err() }
    });
    server.received(1).await;
    assert!(upload(&partner).get().await.unwrap_err().is_throttled());
    let error = first.await.unwrap();
    assert_eq!(error.attempts(), 1);
    assert!(error.to_string().starts_with("not sent"), "{error}");
    assert!(error.source().unwrap().to_string().contains("503"), "{error:?}");
}

#[tokio::test]
async fn a_dropped_call_sends_nothing_more() {
    // The first response has no end; the call is dropped while it waits for it.
    let stalled = b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{".to_vec();
    let server = Server::new([Reply::Send(stalled), reply("200 OK", &[])]).await;
    let partner = retrying(&server);
    let handle = upload(&partner);
    tokio::select! {
        biased;
        () = server.received(1) => {}
        _ = handle.get() => panic!("the call ended"),
    }
    // A later call of the same client takes the reply that the dropped call left, and none is missing.
    assert_eq!(handle.get().await.unwrap().attempts(), 1);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn the_defaults_are_those_of_the_readme() {
    let shown = format!("{:?}", PartnerCenter::builder(partner_center_devices::AccessToken::new("token")));
    for default in [
        "connect_timeout: 10s",
        "attempt_timeout: 60s",
        "call_timeout: 180s",
        "max_retries: 3",
        "initial_delay: 500ms",
        "max_delay: 30s",
        "max_retry_after: 120s",
        "jitter: true",
        "retry_budget: (0.2, 10)",
        "max_in_flight: None",
        "max_body_size: 67108864",
    ] {
        assert!(shown.contains(default), "{default} is missing in {shown}");
    }
}

#[tokio::test]
async fn after_a_throttle_the_other_calls_of_the_client_wait_in_place_of_asking() {
    let server = Server::new([reply(THROTTLED, &[("Retry-After", "60")])]).await;
    let policy = at_once().max_retry_after(Duration::from_secs(59));
    let partner = server.builder().retry_policy(policy).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap_err().attempts(), 1);

    let calls = (0..10).map(|_| upload(&partner.clone()));
    for error in join_all(calls.map(|call| async move { call.get().await.unwrap_err() })).await {
        // Too long a wait for this policy, so they fail; what matters is that none was sent.
        assert!(error.is_throttled());
        assert_eq!(error.attempts(), 0);
        let wait = error.retry_after().unwrap();
        assert!(wait <= Duration::from_secs(60) && wait > Duration::from_secs(30));
        assert!(error.to_string().starts_with("not sent: the service is throttling this client"), "{error}");
    }
    assert_eq!(server.requests().len(), 1);
    // Another client has a throttle of its own.
    assert_eq!(server.upload().get().await.unwrap_err().status().unwrap().as_u16(), 599);
}

#[tokio::test]
async fn a_503_with_retry_after_holds_back_the_other_calls_and_one_without_does_not() {
    for (headers, sent) in [(&[("Retry-After", "60")][..], 1), (&[], 11)] {
        let server = Server::new((0..11).map(|_| reply(UNAVAILABLE, headers))).await;
        let policy = RetryPolicy::none().max_retry_after(Duration::from_secs(59));
        let partner = server.builder().retry_policy(policy).build().unwrap();
        for _ in 0..11 {
            let error = upload(&partner).get().await.unwrap_err();
            assert_eq!(error.status().unwrap().as_u16(), 503);
        }
        assert_eq!(server.requests().len(), sent);
    }
}

#[tokio::test]
async fn retries_after_a_throttle_do_not_use_up_the_budget() {
    let throttled = || reply(THROTTLED, &[("Retry-After", "1")]);
    let server = Server::new([throttled(), throttled(), reply("200 OK", &[])]).await;
    let partner = server.builder().retry_policy(at_once()).retry_budget(0.0, 0).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap().attempts(), 3);

    let server = Server::new([reply(THROTTLED, &[])]).await;
    let partner = server.builder().retry_policy(at_once()).retry_budget(0.0, 0).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap_err().attempts(), 1, "without Retry-After nothing is paced");
}

/// Counts who asks, and has no token for anybody.
struct Failing(AtomicUsize);

impl Credential for Failing {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        self.0.fetch_add(1, SeqCst);
        Box::pin(async { Err(Error::credential("the vault is restarting").retryable()) })
    }
}

#[tokio::test]
async fn retries_of_sign_ins_stay_within_the_budget_of_the_client() {
    for (share, asked) in [(0.0, 20), (0.1, 22)] {
        let credential = Arc::new(Failing(AtomicUsize::new(0)));
        let builder = PartnerCenter::builder(Arc::clone(&credential)).retry_policy(at_once()).retry_budget(share, 0);
        let partner = builder.build().unwrap();
        for _ in 0..20 {
            assert_eq!(upload(&partner).get().await.unwrap_err().kind(), ErrorKind::Credential);
        }
        assert_eq!(credential.0.load(SeqCst), asked);
    }
}

#[tokio::test]
async fn after_a_throttle_the_other_calls_wait_it_out_in_place_of_earning_one_each() {
    let replies = [reply(THROTTLED, &[("Retry-After", "60")])].into_iter().chain((0..53).map(|_| reply("200 OK", &[])));
    let server = Server::new(replies).await;
    let clock = Clock::new();
    let partner = server.partner();
    assert!(upload(&partner).get().await.unwrap_err().is_throttled());
    let calls = (0..50).map(|_| upload(&partner)).map(|call| async move { call.get().await.unwrap().attempts() });
    let mut calls = Box::pin(join_all(calls));
    assert!((&mut calls).now_or_never().is_none());
    // Whatever else was under way by now would have arrived with these.
    for _ in 0..3 {
        server.upload().get().await.unwrap();
    }
    assert_eq!(server.requests().len(), 4);
    clock.set(67).await;
    assert_eq!(calls.await, [1; 50]);
    assert_eq!(server.requests().len(), 54);
}

#[tokio::test]
async fn retries_stay_within_the_budget_of_the_client() {
    // No floor, and a share of a tenth: of 20 calls, 2 may be retried.
    let server = Server::new((0..200).map(|_| reply(UNAVAILABLE, &[]))).await;
    let partner = server.builder().retry_policy(at_once()).retry_budget(0.1, 0).build().unwrap();
    let mut attempts = 0;
    for _ in 0..20 {
        let error = upload(&partner).get().await.unwrap_err();
        assert!(error.is_retryable(), "the error is the one that the call has");
        attempts += error.attempts();
    }
    assert_eq!(attempts, 22);
    assert_eq!(server.requests().len(), 22);
    let server = Server::new((0..200).map(|_| reply(UNAVAILABLE, &[]))).await;
    let partner = server.builder().retry_policy(at_once()).retry_budget(0.7, 0).build().unwrap();
    for _ in 0..20 {
        upload(&partner).get().await.unwrap_err();
    }
    assert_eq!(server.requests().len(), 30, "a share is never exceeded");
}

#[tokio::test]
async fn the_floor_is_of_the_last_ten_seconds_and_by_default_ten_a_second() {
    for (budget, retries) in [(Some((0.0, 1)), 10), (None, 100)] {
        let server = Server::new((0..200).map(|_| reply(UNAVAILABLE, &[]))).await;
        let mut builder = server.builder().retry_policy(at_once().max_retries(1000));
        if let Some((share, floor)) = budget {
            builder = builder.retry_budget(share, floor);
        }
        let error = upload(&builder.build().unwrap()).get().await.unwrap_err();
        assert_eq!(error.attempts(), 1 + retries, "{error}");
    }
}

#[tokio::test]
async fn the_floor_lets_few_calls_retry() {
    let server = Server::new([reply(UNAVAILABLE, &[]), reply("200 OK", &[])]).await;
    assert_eq!(upload(&retrying(&server)).get().await.unwrap().attempts(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_stay_within_their_bound() {
    let go_on: Vec<_> = (0..40).map(|_| Arc::new(Notify::new())).collect();
    let held = |go_on: &Arc<Notify>| Reply::SendInTwo(Vec::new(), Arc::clone(go_on), response("200 OK", &[], "{}"));
    let server = Server::new(go_on.iter().map(held)).await;
    let partner = server.builder().max_in_flight(3).build().unwrap();
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let call = upload(&partner);
            tokio::spawn(async move { call.get().await })
        })
        .collect();
    for (responses, go_on) in go_on.iter().take(38).enumerate() {
        server.received(responses + 3).await;
        assert_eq!(server.requests().len(), responses + 3, "the next call waits for a response");
        go_on.notify_one();
    }
    calls.iter().for_each(tokio::task::JoinHandle::abort);

    let server = Server::new((0..40).map(|_| reply("200 OK", &[]))).await;
    let partner = server.builder().max_in_flight(3).build().unwrap();
    join_all((0..40).map(|_| upload(&partner)).map(|call| async move { call.get().await.unwrap() })).await;
}

#[tokio::test]
async fn waiting_for_a_place_in_flight_counts_against_the_time_of_the_call() {
    let server = Server::new([Reply::Send(Vec::new())]).await;
    let partner = server.builder().max_in_flight(1).build().unwrap();
    let stalled = tokio::spawn({
        let call = upload(&partner);
        async move { call.get().await }
    });
    server.received(1).await;
    let hurried = partner.with(RequestContext::new().call_timeout(Duration::from_millis(50)));
    let error = upload(&hurried).get().await.unwrap_err();
    assert!(error.is_timeout() && error.source().is_none());
    assert_eq!(error.attempts(), 0);
    stalled.abort();
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let builder = || PartnerCenter::builder(partner_center_devices::AccessToken::new("token"));
    for builder in [
        builder().max_in_flight(0),
        builder().max_in_flight(usize::MAX),
        builder().attempt_timeout(Duration::ZERO),
        builder().retry_budget(-0.1, 10),
        builder().retry_budget(f32::NAN, 10),
        builder().retry_budget(11.0, 10),
        builder().retry_budget(0.2, u32::MAX),
    ] {
        assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::Config);
    }
}

#[tokio::test]
async fn settings_without_end_do_no_harm() {
    let server = Server::new([reply(UNAVAILABLE, &[("Retry-After", "0")]), reply("200 OK", &[])]).await;
    let policy = at_once().max_retries(u32::MAX).max_delay(Duration::MAX).max_retry_after(Duration::MAX);
    let partner = server.builder().retry_policy(policy).call_timeout(Duration::MAX).attempt_timeout(Duration::MAX);
    let partner = partner.connect_timeout(Duration::MAX).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap().attempts(), 2);
    let server = Server::new([reply(UNAVAILABLE, &[])]).await;
    let policy = RetryPolicy::default().initial_delay(Duration::MAX).max_delay(Duration::MAX);
    let partner = server.builder().retry_policy(policy).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap_err().attempts(), 1);
}
