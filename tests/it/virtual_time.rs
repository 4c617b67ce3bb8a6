//! How long things wait, by tokio's paused clock: no socket is involved, for no name is ever found.

use std::sync::Arc;
use std::time::Duration;

use partner_center_devices::{
    AccessToken, AppOnlyCredential, Builder, Cloud, Credential, Error, ErrorKind, PartnerCenter, RetryPolicy, Wait,
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::Instant;

use crate::server::upload;

const DAY: Duration = Duration::from_secs(86_400);

/// Finds no name, or never comes to an end.
pub enum Names {
    Unknown,
    /// The resolver is busy.
    Busy,
    Endless,
}

impl Resolve for Names {
    fn resolve(&self, _: Name) -> Resolving {
        match self {
            Self::Unknown => Box::pin(async { Err::<Addrs, _>("no such name".into()) }),
            Self::Busy => Box::pin(async { Err::<Addrs, _>("Temporary failure in name resolution".into()) }),
            Self::Endless => Box::pin(std::future::pending()),
        }
    }
}

fn patient(credential: impl Credential + 'static, names: Names) -> Builder {
    let http = reqwest::Client::builder().no_proxy().dns_resolver(Arc::new(names));
    let builder = PartnerCenter::builder(credential).http_client(http).call_timeout(DAY).attempt_timeout(DAY);
    builder.retry_policy(RetryPolicy::none())
}

fn token() -> AccessToken {
    AccessToken::new("a-token")
}

/// The error of a call, and how long it took.
async fn failed(builder: Builder) -> (Error, Duration) {
    let call = upload(&builder.build().unwrap());
    let began = Instant::now();
    let error = call.get().await.unwrap_err();
    (error, began.elapsed())
}

/// The clock ticks in milliseconds, upwards.
fn is_about(waited: Duration, expected: Duration) -> bool {
    waited >= expected && waited < expected + Duration::from_millis(10)
}

#[tokio::test(start_paused = true)]
async fn retries_wait_by_chance_unless_told_not_to() {
    let exact = RetryPolicy::default().without_jitter();
    let (error, waited) = failed(patient(token(), Names::Busy).retry_policy(exact)).await;
    assert_eq!(error.attempts(), 4);
    assert!(is_about(waited, Duration::from_millis(500 + 1000 + 2000)), "{waited:?}");

    let mut waits = Vec::new();
    for _ in 0..20 {
        let (_, waited) = failed(patient(token(), Names::Busy).retry_policy(RetryPolicy::default())).await;
        assert!(waited >= Duration::from_millis(3500) && waited < Duration::from_millis(7010), "{waited:?}");
        waits.push(waited);
    }
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() > 5, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn connecting_takes_ten_seconds_at_most_or_as_set() {
    let (error, waited) = failed(patient(token(), Names::Endless)).await;
    assert!(error.is_timeout() && error.kind() == ErrorKind::Transport, "{error:?}");
    assert!(is_about(waited, Duration::from_secs(10)), "{waited:?}");
    let (_, waited) = failed(patient(token(), Names::Endless).connect_timeout(Duration::from_secs(3))).await;
    assert!(is_about(waited, Duration::from_secs(3)), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_takes_60_seconds_at_most_and_a_call_180() {
    let builder = || patient(token(), Names::Endless).connect_timeout(DAY);
    let (_, waited) = failed(builder().attempt_timeout(Duration::from_secs(60))).await;
    assert!(is_about(waited, Duration::from_secs(60)), "{waited:?}");
    let (_, waited) = failed(builder().call_timeout(Duration::from_secs(180))).await;
    assert!(is_about(waited, Duration::from_secs(180)), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_without_a_response_ends_after_30_seconds() {
    let cloud = Cloud::custom("https://api.example.com", "https://login.example.com").unwrap();
    let credential = AppOnlyCredential::new("contoso.example.com", "an-application", "a-secret").unwrap();
    let builder = patient(credential, Names::Endless).cloud(cloud).connect_timeout(DAY);
    let (error, waited) = failed(builder).await;
    assert!(error.is_timeout() && error.kind() == ErrorKind::Credential, "{error:?}");
    assert!(is_about(waited, Duration::from_secs(30)), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_asks_first_after_5_seconds_or_as_set() {
    for (wait, seconds) in [(Wait::default(), 5), (Wait::default().first_after(Duration::from_secs(90)), 90)] {
        let upload = upload(&patient(token(), Names::Unknown).build().unwrap());
        let began = Instant::now();
        let error = upload.wait(wait).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 1));
        assert!(is_about(began.elapsed(), Duration::from_secs(seconds)), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_without_a_response_asks_a_last_time_ten_seconds_before_its_limit() {
    let upload = upload(&patient(token(), Names::Endless).connect_timeout(DAY).build().unwrap());
    let began = Instant::now();
    let error = upload.wait(Wait::default().first_after(DAY)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFinished, "{error:?}");
    assert!(is_about(began.elapsed(), Duration::from_secs(3600)), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_shorter_of_the_timeouts_of_an_attempt_and_of_an_own_http_client_applies() {
    for (own, attempt, shorter) in [(5, 60, 5), (60, 5, 5)] {
        let [own, attempt, shorter] = [own, attempt, shorter].map(Duration::from_secs);
        let names = Arc::new(Names::Endless);
        let http = reqwest::Client::builder().no_proxy().dns_resolver(names).timeout(own).connect_timeout(DAY);
        let builder = patient(token(), Names::Endless).http_client(http).connect_timeout(DAY);
        let (error, waited) = failed(builder.attempt_timeout(attempt)).await;
        assert!(error.is_timeout() && error.is_retryable(), "{error:?}");
        assert!(is_about(waited, shorter), "{waited:?}");
    }
}
