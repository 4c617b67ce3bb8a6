//! When a call is sent again, how long that takes at most, and what the calls of a client owe each
//! other.

use std::error::Error as _;
use std::time::Duration;

use futures_util::future::join_all;
use partner_center_devices::{ErrorKind, PartnerCenter, RequestContext, RetryPolicy};

use crate::server::{Reply, Server, answer, upload};

fn reply(status: &str, headers: &[(&str, &str)]) -> Reply {
    Reply::Send(answer(status, headers, "{}"))
}

/// Retries as by default, but without waits.
fn at_once() -> RetryPolicy {
    RetryPolicy::default().base_delay(Duration::ZERO)
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
async fn unreadable_answers_and_mistakes_are_not_retried() {
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

#[tokio::test]
async fn a_wait_that_outlasts_the_call_is_not_begun() {
    let server = Server::new([reply(UNAVAILABLE, &[("Retry-After", "100")])]).await;
    let partner = server.builder().retry_policy(at_once()).call_timeout(Duration::from_secs(99)).build().unwrap();
    let error = upload(&partner).get().await.unwrap_err();
    assert_eq!((error.attempts(), error.retry_after()), (1, Some(Duration::from_secs(100))));

    let server = Server::new([reply(UNAVAILABLE, &[])]).await;
    let slow = RetryPolicy::default().base_delay(LONG).max_delay(LONG);
    let partner = server.builder().retry_policy(slow).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap_err().attempts(), 1);
}

#[tokio::test]
async fn a_retry_after_does_not_shorten_the_backoff() {
    let slow = RetryPolicy::default().base_delay(LONG).max_delay(LONG);
    for value in ["0", "1"] {
        let server = Server::new([reply(THROTTLED, &[("Retry-After", value)]), reply("200 OK", &[])]).await;
        let partner = server.builder().retry_policy(slow.clone()).build().unwrap();
        // The backoff outlasts the call, so it fails at once; the wait asked for would not.
        assert_eq!(upload(&partner).get().await.unwrap_err().attempts(), 1, "{value}");
    }
}

#[tokio::test]
async fn a_retry_after_that_says_nothing_is_ignored() {
    for value in ["-1", "soon", "Tue, 25 Jul 2017 17:52:41 GMT", "", "0"] {
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
}

#[tokio::test]
async fn a_dropped_call_sends_nothing_more() {
    let server = Server::new([reply(UNAVAILABLE, &[]), reply("200 OK", &[])]).await;
    let policy = RetryPolicy::default().base_delay(Duration::from_millis(50)).without_jitter();
    let handle = upload(&server.builder().retry_policy(policy).build().unwrap());
    let first_failed = async {
        while server.requests().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = first_failed => {}
        _ = handle.get() => panic!("the call ended"),
    }
    // A later call of another client takes the reply that the dropped call left.
    assert_eq!(server.upload().get().await.unwrap().attempts(), 1);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn after_a_throttle_the_other_calls_of_the_client_wait_in_place_of_asking() {
    let server = Server::new([reply(THROTTLED, &[("Retry-After", "60")])]).await;
    let policy = at_once().longest_retry_after(Duration::from_secs(59));
    let partner = server.builder().retry_policy(policy).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap_err().attempts(), 1);

    let calls = (0..10).map(|_| upload(&partner.clone()));
    for error in join_all(calls.map(|call| async move { call.get().await.unwrap_err() })).await {
        // Too long a wait for this policy, so they fail; what matters is that none was sent.
        assert!(error.is_throttled());
        assert_eq!(error.attempts(), 0);
        let wait = error.retry_after().unwrap();
        assert!(wait <= Duration::from_secs(60) && wait > Duration::from_secs(30));
        assert!(error.to_string().starts_with("not sent, for the service throttles"), "{error}");
    }
    assert_eq!(server.requests().len(), 1);
    // Another client has a throttle of its own.
    assert_eq!(server.upload().get().await.unwrap_err().status().unwrap().as_u16(), 599);
}

#[tokio::test]
async fn a_throttle_that_ends_lets_all_calls_through() {
    let replies = [reply(THROTTLED, &[("Retry-After", "1")])].into_iter().chain((0..6).map(|_| reply("200 OK", &[])));
    let server = Server::new(replies).await;
    let partner = retrying(&server);
    let first = tokio::spawn({
        let call = upload(&partner);
        async move { call.get().await.unwrap().attempts() }
    });
    while server.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    // Give the first call the time to read its 429; nothing goes wrong if that takes longer.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    for response in
        join_all((0..5).map(|_| upload(&partner)).map(|call| async move { call.get().await.unwrap() })).await
    {
        assert_eq!(response.attempts(), 1);
    }
    assert_eq!(first.await.unwrap(), 2);
    assert_eq!(server.requests().len(), 7);
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
}

#[tokio::test]
async fn the_floor_lets_few_calls_retry() {
    let server = Server::new([reply(UNAVAILABLE, &[]), reply("200 OK", &[])]).await;
    assert_eq!(upload(&retrying(&server)).get().await.unwrap().attempts(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_stay_within_their_bound() {
    let server = Server::new((0..40).map(|_| reply("200 OK", &[]))).await;
    let partner = server.builder().max_in_flight(3).build().unwrap();
    join_all((0..40).map(|_| upload(&partner)).map(|call| async move { call.get().await.unwrap() })).await;
    assert!(server.most_connections() <= 3, "{}", server.most_connections());
}

#[tokio::test]
async fn waiting_for_a_place_in_flight_counts_against_the_time_of_the_call() {
    let server = Server::new([Reply::Send(Vec::new())]).await;
    let partner = server.builder().max_in_flight(1).build().unwrap();
    let stalled = tokio::spawn({
        let call = upload(&partner);
        async move { call.get().await }
    });
    while server.requests().is_empty() {
        tokio::task::yield_now().await;
    }
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
    let policy = at_once().retries(usize::MAX).max_delay(Duration::MAX).longest_retry_after(Duration::MAX);
    let partner = server.builder().retry_policy(policy).call_timeout(Duration::MAX).attempt_timeout(Duration::MAX);
    let partner = partner.connect_timeout(Duration::MAX).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap().attempts(), 2);
    let server = Server::new([reply(UNAVAILABLE, &[])]).await;
    let policy = RetryPolicy::default().base_delay(Duration::MAX).max_delay(Duration::MAX);
    let partner = server.builder().retry_policy(policy).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap_err().attempts(), 1);
}
