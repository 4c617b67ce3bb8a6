//! What becomes of a request for a token when its callers leave, its callback hangs, or the sign-in
//! service does not respond: no refresh token is lost, and no call waits for longer than it must.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use partner_center_devices::{
    AccessToken, AppUserCredential, BatchUploadStatus, Error, ErrorKind, PartnerCenter, RefreshToken, RequestContext,
    RetryPolicy,
};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::server::{Reply, Server, response, upload};
use crate::sign_in::{Clock, app_only, app_user, at, bearer, cloud, ok, token};

/// A response with a token and the refresh token `the-next`.
fn rotated() -> Vec<u8> {
    response("200 OK", &[], json!({ "access_token": "good-token", "refresh_token": "the-next" }).to_string())
}

/// A response that breaks off after so many bytes, and goes on when it is told to.
fn slow(response: &[u8], first: usize) -> (Reply, Arc<Notify>) {
    let go_on = Arc::new(Notify::new());
    (Reply::SendInTwo(response[..first].to_vec(), Arc::clone(&go_on), response[first..].to_vec()), go_on)
}

type Kept = Arc<watch::Sender<Vec<String>>>;

/// A credential whose refresh tokens are kept here.
fn keeping() -> (AppUserCredential, Kept) {
    let kept = Kept::default();
    let keep = {
        let kept = Arc::clone(&kept);
        move |token: RefreshToken| {
            kept.send_modify(|kept| kept.push(token.expose().to_owned()));
            async { Ok::<_, io::Error>(()) }
        }
    };
    (app_user().on_refresh_token(keep), kept)
}

/// Waits until the callback was called.
async fn called(kept: &Kept) {
    kept.subscribe().wait_for(|kept| !kept.is_empty()).await.unwrap();
}

/// A call in a task of its own.
fn started(upload: BatchUploadStatus) -> tokio::task::JoinHandle<Result<(), Error>> {
    tokio::spawn(async move { upload.get().await.map(|_| ()) })
}

/// Makes a call with these settings, and gives the error of another from within `on_refresh_token`.
async fn error_from_within(settings: fn(partner_center_devices::Builder) -> partner_center_devices::Builder) -> Error {
    let server = Server::new([Reply::Send(rotated()), ok("{}")]).await;
    let (client, inner) = (Arc::new(OnceLock::<PartnerCenter>::new()), Arc::new(Mutex::new(None)));
    let keep = {
        let (client, inner) = (Arc::clone(&client), Arc::clone(&inner));
        move |_| {
            let hurried = RequestContext::new().call_timeout(Duration::from_millis(50));
            let (upload, inner) = (upload(&client.get().unwrap().with(hurried)), Arc::clone(&inner));
            async move {
                let outcome = upload.get().await;
                *inner.lock().unwrap() = Some(outcome.unwrap_err());
                Ok::<_, io::Error>(())
            }
        }
    };
    let partner = settings(at(cloud(&server), app_user().on_refresh_token(keep))).build().unwrap();
    client.get_or_init(|| partner.clone());
    upload(&partner).get().await.unwrap();
    assert_eq!(server.requests().len(), 2);
    inner.lock().unwrap().take().unwrap()
}

#[tokio::test]
async fn a_call_from_within_on_refresh_token_fails_at_once() {
    let error = error_from_within(|builder| builder).await;
    assert_eq!((error.kind(), error.is_retryable(), error.attempts()), (ErrorKind::Credential, false, 0));
    assert!(error.to_string().contains("on_refresh_token"), "{error}");
}

#[tokio::test]
async fn a_call_from_within_on_refresh_token_fails_in_its_time_where_the_calls_in_flight_are_all_taken() {
    let error = error_from_within(|builder| builder.max_in_flight(1)).await;
    assert!(error.is_timeout() && error.attempts() == 0, "{error:?}");
}

#[tokio::test]
async fn a_sign_in_whose_caller_left_hands_over_its_refresh_token_however_late_the_next_call_is() {
    let response = rotated();
    for (first, seconds) in [(response.len() - 9, 35), (0, 125)] {
        let (reply, go_on) = slow(&response, first);
        let server = Server::new([reply, ok("{}")]).await;
        let clock = Clock::new();
        let (credential, kept) = keeping();
        let upload = upload(&at(cloud(&server), credential).build().unwrap());
        let call = started(upload.clone());
        server.received(1).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        go_on.notify_one();
        clock.set(seconds).await;
        upload.get().await.unwrap();
        assert_eq!(*kept.borrow(), ["the-next"]);
        assert_eq!((server.requests().len(), bearer(&server, 1).as_str()), (2, "good-token"));
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn a_sign_in_whose_caller_left_hands_over_its_refresh_token_to_a_call_of_another_runtime() {
    let [servers, one, other] = [runtime(), runtime(), runtime()];
    let response = rotated();
    let (reply, go_on) = slow(&response, response.len() - 9);
    let server = servers.block_on(Server::new([reply, ok("{}")]));
    let (credential, kept) = keeping();
    let credential = Arc::new(credential);
    let client = || upload(&at(cloud(&server), Arc::clone(&credential)).build().unwrap());
    one.block_on(async {
        let call = started(client());
        server.received(1).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    });
    other.block_on(async {
        let call = started(client());
        go_on.notify_one();
        call.await.unwrap().unwrap();
    });
    assert_eq!(*kept.borrow(), ["the-next"]);
    assert_eq!(server.requests().len(), 2);
}

/// A credential whose callback hangs the first time, and how often it was called.
fn hanging() -> (AppUserCredential, Kept) {
    let kept = Kept::default();
    let keep = {
        let kept = Arc::clone(&kept);
        move |token: RefreshToken| {
            kept.send_modify(|kept| kept.push(token.expose().to_owned()));
            let hangs = kept.borrow().len() == 1;
            async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                Ok::<_, io::Error>(())
            }
        }
    };
    (app_user().on_refresh_token(keep), kept)
}

#[tokio::test]
async fn a_callback_that_hangs_is_given_up_after_30_seconds() {
    let server = Server::new([Reply::Send(rotated())]).await;
    let (credential, kept) = hanging();
    let call = started(upload(&at(cloud(&server), credential).retry_policy(RetryPolicy::none()).build().unwrap()));
    called(&kept).await;
    // From here on there is nothing but timers, so the paused clock goes from one to the next.
    tokio::time::pause();
    let began = Instant::now();
    assert!(call.await.unwrap().unwrap_err().is_timeout());
    assert!(began.elapsed().as_secs_f64() > 29.0 && began.elapsed().as_secs_f64() < 31.0, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_callback_that_was_given_up_gets_its_token_again() {
    for policy in [RetryPolicy::default().initial_delay(Duration::ZERO), RetryPolicy::none()] {
        let tries_again = policy != RetryPolicy::none();
        let server = Server::new([Reply::Send(rotated()), token("second-token"), ok("{}")]).await;
        let clock = Clock::new();
        let (credential, kept) = hanging();
        let upload = upload(&at(cloud(&server), credential).retry_policy(policy).build().unwrap());
        let call = started(upload.clone());
        called(&kept).await;
        clock.set(32).await;
        let outcome = tokio::time::timeout(Duration::from_secs(20), call).await.expect("it hangs").unwrap();
        if tries_again {
            outcome.unwrap();
        } else {
            let error = outcome.unwrap_err();
            assert!(error.is_timeout() && error.is_retryable() && error.kind() == ErrorKind::Credential, "{error:?}");
            upload.get().await.unwrap();
        }
        assert_eq!(*kept.borrow(), ["the-next"; 2]);
        assert_eq!(bearer(&server, 2), "second-token");
    }
}

#[tokio::test]
async fn a_refresh_token_that_could_not_be_kept_is_handed_over_again_by_a_sign_in_that_fails() {
    let busy = || Reply::Send(response("503 Service Unavailable", &[], "{}"));
    let server = Server::new([Reply::Send(rotated()), busy()]).await;
    let clock = Clock::new();
    let (credential, kept) = hanging();
    let upload = upload(&at(cloud(&server), credential).retry_policy(RetryPolicy::none()).build().unwrap());
    let call = started(upload.clone());
    called(&kept).await;
    clock.set(32).await;
    assert!(call.await.unwrap().unwrap_err().is_timeout());
    assert!(upload.get().await.unwrap_err().to_string().contains("503"));
    assert_eq!(*kept.borrow(), ["the-next"; 2]);
}

#[tokio::test]
async fn a_sign_in_request_has_the_time_of_an_attempt_and_is_replaced_by_the_next_call() {
    let server = Server::new([Reply::Send(Vec::new()), token("good-token"), ok("{}")]).await;
    let clock = Clock::new();
    let builder = at(cloud(&server), app_only()).retry_policy(RetryPolicy::none());
    let upload = upload(&builder.attempt_timeout(Duration::from_secs(5)).build().unwrap());
    let call = started(upload.clone());
    server.received(1).await;
    clock.set(6).await;
    let error = tokio::time::timeout(Duration::from_secs(20), call).await.expect("it goes on").unwrap().unwrap_err();
    assert!(error.is_timeout() && error.is_retryable() && error.kind() == ErrorKind::Credential, "{error:?}");
    upload.get().await.unwrap();
    assert_eq!((server.requests().len(), bearer(&server, 2).as_str()), (3, "good-token"));
}

#[tokio::test]
async fn what_the_sign_in_service_refused_is_returned_for_ten_seconds_without_asking_again() {
    let body = json!({ "error": "invalid_client", "error_codes": [7_000_215] }).to_string();
    let refused = Reply::Send(response("401 Unauthorized", &[], body));
    let server = Server::new([refused, token("good-token"), ok("{}")]).await;
    let clock = Clock::new();
    let upload = upload(&at(cloud(&server), app_only()).build().unwrap());
    for _ in 0..50 {
        let error = upload.get().await.unwrap_err();
        assert_eq!((error.code(), error.error_codes()), (Some("invalid_client"), &[7_000_215][..]));
    }
    assert_eq!(server.requests().len(), 1);
    clock.set(15).await;
    upload.get().await.unwrap();
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_sign_in_says_which_client_it_comes_from() {
    let server = Server::new([token("good-token"), ok("{}")]).await;
    upload(&at(cloud(&server), app_only()).build().unwrap()).get().await.unwrap();
    for request in [0, 1] {
        let expected = format!("partner-center-devices/{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(server.sent(request, "user-agent"), Some(expected));
    }
    assert_eq!(server.sent(0, "accept").as_deref(), Some("application/json"));
}

#[test]
fn tokens_are_made_of_text_and_give_it_back() {
    assert_eq!(AccessToken::from("a-token".to_owned()).expose(), "a-token");
    assert_eq!(RefreshToken::from("a-refresh-token".to_owned()).expose(), "a-refresh-token");
}

#[cfg(feature = "blocking")]
#[test]
fn blocking_clients_each_with_a_runtime_of_its_own_share_a_credential() {
    use partner_center_devices::PartnerCenter;
    use partner_center_devices::emulator::Emulator;

    use crate::server::{CUSTOMER, TRACKING};

    let emulator = Emulator::start_blocking().unwrap();
    let (credential, kept) = keeping();
    let credential = Arc::new(credential);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let builder = PartnerCenter::builder(Arc::clone(&credential)).cloud(emulator.cloud());
                let customer = builder.build_blocking().unwrap().customers().by_id(CUSTOMER.parse().unwrap());
                customer.batch_upload_status().by_id(TRACKING.parse().unwrap()).get().unwrap();
            });
        }
    });
    assert_eq!((emulator.sign_ins(), kept.borrow().len()), (1, 1));
}
