//! Signing in and staying signed in, over real HTTP: against the emulator's authority, and against
//! responses that no authority should give.

use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{join, join_all};
use http::StatusCode;
use partner_center_devices::emulator::Emulator;
use partner_center_devices::{
    AccessToken, AppOnlyCredential, AppUserCredential, BatchUploadStatus, Builder, Cloud, Credential, Error, ErrorKind,
    PartnerCenter, RequestContext, RetryPolicy, TokenFuture, TokenRequest,
};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::server::{Reply, Server, response, upload};
use crate::virtual_time::Names;

pub const TENANT: &str = "contoso.onmicrosoft.com";
pub const CLIENT: &str = "8f5a1f6e-0a0b-4c58-9d34-0f9f5a3c2b77";
pub const SECRET: &str = "kJ8~client+secret/that=nobody&may.see";
pub const REFRESH: &str = "0.AXcA-refresh+token/that=nobody&may.see";

pub fn app_only() -> AppOnlyCredential {
    AppOnlyCredential::new(TENANT, CLIENT, SECRET).unwrap()
}

pub fn app_user() -> AppUserCredential {
    AppUserCredential::new(TENANT, CLIENT, SECRET, REFRESH).unwrap()
}

pub fn at(cloud: Cloud, credential: impl Credential + 'static) -> Builder {
    let policy = RetryPolicy::default().initial_delay(Duration::ZERO);
    PartnerCenter::builder(credential).cloud(cloud).retry_policy(policy)
}

fn partner(emulator: &Emulator, credential: impl Credential + 'static) -> PartnerCenter {
    at(emulator.cloud(), credential).build().unwrap()
}

/// A server that is service and authority, the latter with a path.
pub fn cloud(server: &Server) -> Cloud {
    Cloud::custom(&server.base_url, format!("{}/login/", server.base_url)).unwrap()
}

pub fn ok(body: impl AsRef<[u8]>) -> Reply {
    Reply::Send(response("200 OK", &[("Content-Type", "application/json")], body))
}

pub fn token(token: &str) -> Reply {
    ok(json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": token }).to_string())
}

pub fn bearer(server: &Server, request: usize) -> String {
    server.sent(request, "authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned()
}

/// Tokio's clock, which goes on, so that sockets have the time that they need, and can be put forward.
pub struct Clock(Instant);

impl Clock {
    pub fn new() -> Self {
        Self(Instant::now())
    }

    pub async fn set(&self, seconds: u64) {
        tokio::time::pause();
        tokio::time::advance((self.0 + Duration::from_secs(seconds)).saturating_duration_since(Instant::now())).await;
        tokio::time::resume();
    }
}

// What goes to the authority.

#[tokio::test]
async fn app_only_asks_the_v2_endpoint_for_the_default_scope_of_the_cloud() {
    let server = Server::new([token("first-token"), ok("{}")]).await;
    upload(&at(cloud(&server), app_only()).build().unwrap()).get().await.unwrap();

    let head = &server.requests()[0];
    assert!(head.starts_with(&format!("POST /login/{TENANT}/oauth2/v2.0/token HTTP/1.1\r\n")), "{head}");
    assert_eq!(server.sent(0, "content-type").as_deref(), Some("application/x-www-form-urlencoded"));
    let mut form = server.form(0);
    form.sort();
    let scope = format!("{}/.default", server.base_url);
    let expected =
        [("client_id", CLIENT), ("client_secret", SECRET), ("grant_type", "client_credentials"), ("scope", &scope)];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(server.sent(0, "authorization").is_none(), "the secret is in the form alone");
    assert_eq!(bearer(&server, 1), "first-token");
}

#[tokio::test]
async fn app_user_presents_its_refresh_token_and_then_the_one_that_replaced_it() {
    let rotated = |token: &str, refresh: &str| {
        ok(json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": token, "refresh_token": refresh })
            .to_string())
    };
    let unauthorized = Reply::Send(response("401 Unauthorized", &[], "{}"));
    let server =
        Server::new([rotated("one", "next"), ok("{}"), unauthorized, rotated("two", "after-next"), ok("{}")]).await;
    let upload = upload(&at(cloud(&server), app_user()).build().unwrap());
    upload.get().await.unwrap();
    upload.get().await.unwrap();
    let sent = |request: usize, member: &str| {
        server.form(request).into_iter().find(|(name, _)| name == member).map(|(_, value)| value)
    };
    assert_eq!(sent(0, "grant_type").as_deref(), Some("refresh_token"));
    assert_eq!(sent(0, "client_secret").as_deref(), Some(SECRET));
    assert_eq!(sent(0, "scope"), Some(format!("{}/.default offline_access", server.base_url)));
    assert_eq!(sent(0, "refresh_token").as_deref(), Some(REFRESH));
    assert_eq!(sent(3, "refresh_token").as_deref(), Some("next"));
    assert_eq!(bearer(&server, 4), "two");
}

#[tokio::test]
async fn a_refresh_token_that_is_not_replaced_is_used_again() {
    let unauthorized = Reply::Send(response("401 Unauthorized", &[], "{}"));
    let server = Server::new([token("one"), unauthorized, token("two"), ok("{}")]).await;
    upload(&at(cloud(&server), app_user()).build().unwrap()).get().await.unwrap();
    for request in [0, 2] {
        assert!(server.form(request).contains(&("refresh_token".to_owned(), REFRESH.to_owned())));
    }
}

#[tokio::test]
async fn a_public_client_sends_no_secret() {
    let server = Server::new([token("one"), ok("{}")]).await;
    let credential = AppUserCredential::public_client(TENANT, CLIENT, REFRESH).unwrap();
    upload(&at(cloud(&server), credential).build().unwrap()).get().await.unwrap();
    let form = server.form(0);
    assert!(form.iter().all(|(name, _)| name != "client_secret"), "{form:?}");
    assert!(form.contains(&("client_id".to_owned(), CLIENT.to_owned())));
}

#[tokio::test]
async fn a_new_refresh_token_is_handed_over_before_the_access_token_is_used() {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    let kept = Arc::new(Mutex::new(Vec::new()));
    let credential = app_user().on_refresh_token({
        let (emulator, kept) = (Arc::clone(&emulator), Arc::clone(&kept));
        move |token| {
            let used = emulator.requests().len();
            kept.lock().unwrap().push((token.expose().to_owned(), used));
            async { Ok::<_, std::io::Error>(()) }
        }
    });
    upload(&partner(&emulator, credential)).get().await.unwrap();
    let kept = kept.lock().unwrap().clone();
    assert_eq!(kept.len(), 1);
    assert!(kept[0].0.starts_with("emulator-refresh-token-"), "{kept:?}");
    assert_eq!(kept[0].1, 0, "no request was made before");
}

#[tokio::test]
async fn a_refresh_token_that_cannot_be_kept_fails_the_call_and_is_not_lost() {
    let emulator = Emulator::start().await.unwrap();
    let failures = Arc::new(AtomicUsize::new(1));
    let credential = app_user().on_refresh_token(move |_| {
        let fails = failures.swap(0, SeqCst) > 0;
        async move { if fails { Err(std::io::Error::other("the disk is full")) } else { Ok(()) } }
    });
    let upload = upload(&partner(&emulator, credential));
    let error = upload.get().await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Credential, false));
    assert_eq!(error.source().unwrap().to_string(), "the disk is full");
    assert!(emulator.requests().is_empty());
    // The authority takes each refresh token once, so this one is the one that replaced the first.
    upload.get().await.unwrap();
    assert_eq!(emulator.sign_ins(), 2);
}

#[tokio::test]
async fn a_refresh_token_that_could_not_be_kept_is_handed_over_again_until_it_is() {
    let rotated =
        ok(json!({ "token_type": "Bearer", "access_token": "token-one", "refresh_token": "the-next" }).to_string());
    let server = Server::new([rotated, token("token-two"), token("token-three"), ok("{}")]).await;
    let handed_over = Arc::new(Mutex::new(Vec::new()));
    let credential = app_user().on_refresh_token({
        let handed_over = Arc::clone(&handed_over);
        move |token| {
            let mut handed_over = handed_over.lock().unwrap();
            handed_over.push(token.expose().to_owned());
            let times = handed_over.len();
            async move { if times < 3 { Err(std::io::Error::other("the disk is full")) } else { Ok(()) } }
        }
    });
    let upload = upload(&at(cloud(&server), credential).build().unwrap());
    upload.get().await.unwrap_err();
    upload.get().await.unwrap_err();
    upload.get().await.unwrap();
    assert_eq!(*handed_over.lock().unwrap(), ["the-next"; 3]);
    assert_eq!(bearer(&server, 3), "token-three");
}

#[tokio::test]
async fn a_new_refresh_token_is_kept_although_the_access_token_beside_it_is_of_no_use() {
    for bad in [
        json!({ "access_token": "bad token", "refresh_token": "the-next" }),
        json!({ "access_token": "a-token", "token_type": "pop", "refresh_token": "the-next" }),
        json!({ "refresh_token": "the-next" }),
    ] {
        let server = Server::new([ok(bad.to_string()), token("good-token"), ok("{}")]).await;
        let upload = upload(&at(cloud(&server), app_user()).build().unwrap());
        assert_eq!(upload.get().await.unwrap_err().kind(), ErrorKind::Credential);
        upload.get().await.unwrap();
        assert!(server.form(1).contains(&("refresh_token".to_owned(), "the-next".to_owned())), "{bad}");
    }
}

#[tokio::test]
async fn error_codes_are_read_as_numbers_and_texts() {
    for codes in [json!([700082]), json!(["700082"]), json!(700082)] {
        let body = json!({ "error": "invalid_grant", "error_codes": codes }).to_string();
        let server = Server::new([Reply::Send(response("400 Bad Request", &[], body))]).await;
        let error = upload(&at(cloud(&server), app_user()).build().unwrap()).get().await.unwrap_err();
        assert_eq!(error.error_codes(), [700_082]);
    }
}

// One request for a token at a time.

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_first_calls_sign_in_once() {
    let emulator = Emulator::start().await.unwrap();
    emulator.delay_sign_ins(Duration::from_millis(100));
    for credential in [Box::new(app_only()) as Box<dyn Credential>, Box::new(app_user())] {
        let partner = partner(&emulator, credential);
        let before = emulator.sign_ins();
        let calls = (0..1000).map(|_| {
            tokio::spawn({
                let upload = upload(&partner);
                async move { upload.get().await }
            })
        });
        for call in join_all(calls).await {
            call.unwrap().unwrap();
        }
        assert_eq!(emulator.sign_ins() - before, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_that_is_dropped_harms_nobody() {
    let go_on = Arc::new(Notify::new());
    let Reply::Send(response) = token("good-token") else { unreachable!() };
    let server = Server::new([Reply::SendInTwo(Vec::new(), Arc::clone(&go_on), response), ok("{}")]).await;
    let partner = at(cloud(&server), app_user()).build().unwrap();
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let upload = upload(&partner);
            tokio::spawn(async move { upload.get().await })
        })
        .collect();
    server.received(1).await;
    for call in &calls[..9] {
        call.abort();
    }
    go_on.notify_one();
    calls.into_iter().next_back().unwrap().await.unwrap().unwrap();
    assert_eq!((server.requests().len(), bearer(&server, 1).as_str()), (2, "good-token"));
}

/// A sign-in that its only call has left when its time was over, and what lets the response come.
struct Left {
    server: Server,
    partner: PartnerCenter,
    go_on: Arc<Notify>,
}

impl Left {
    async fn new(credential: impl Credential + 'static, response: Vec<u8>, then: Vec<Reply>) -> Self {
        let go_on = Arc::new(Notify::new());
        let held = Reply::SendInTwo(Vec::new(), Arc::clone(&go_on), response);
        let server = Server::new([held].into_iter().chain(then)).await;
        let policy = RetryPolicy::default().initial_delay(Duration::ZERO);
        let partner = at(cloud(&server), credential).retry_policy(policy).build().unwrap();
        let clock = Clock::new();
        let hurried = upload(&partner.with(RequestContext::new().call_timeout(Duration::from_secs(10))));
        let call = tokio::spawn(async move { hurried.get().await.unwrap_err() });
        server.received(1).await;
        clock.set(11).await;
        let error = call.await.unwrap();
        assert!(error.is_timeout() && error.is_retryable());
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Credential, 0));
        Self { server, partner, go_on }
    }

    /// Lets the response come when the calls of this future wait for it.
    async fn while_it_is_waited_for<T>(&self, calls: impl Future<Output = T>) -> T {
        join(calls, async { self.go_on.notify_one() }).await.0
    }

    fn sign_ins(&self) -> usize {
        self.server.requests().iter().filter(|head| head.starts_with("POST ")).count()
    }
}

fn good_token() -> Vec<u8> {
    response("200 OK", &[], r#"{"access_token":"good-token","expires_in":3599}"#)
}

#[tokio::test]
async fn a_sign_in_that_all_have_left_is_taken_up_by_the_next_call() {
    let left = Left::new(app_user(), good_token(), vec![ok("{}")]).await;
    left.while_it_is_waited_for(upload(&left.partner).get()).await.unwrap();
    assert_eq!((left.sign_ins(), bearer(&left.server, 1).as_str()), (1, "good-token"));
}

#[tokio::test]
async fn a_passing_failure_of_a_sign_in_that_all_have_left_is_not_held_against_the_next_call() {
    let busy = response("503 Service Unavailable", &[], r#"{"error":"temporarily_unavailable"}"#);
    let then = [Reply::Send(good_token())].into_iter().chain((0..10).map(|_| ok("{}")));
    let left = Left::new(app_only(), busy, then.collect()).await;
    let calls = (0..10).map(|_| upload(&left.partner)).map(|call| async move { call.get().await });
    for outcome in left.while_it_is_waited_for(join_all(calls)).await {
        outcome.unwrap();
    }
    assert_eq!(left.sign_ins(), 2);
}

#[tokio::test]
async fn calls_after_a_sign_in_that_was_left_learn_that_it_is_refused() {
    let refusal = response("401 Unauthorized", &[], r#"{"error":"invalid_client"}"#);
    let left = Left::new(app_only(), refusal, Vec::new()).await;
    let error = left.while_it_is_waited_for(upload(&left.partner).get()).await.unwrap_err();
    assert_eq!(error.code(), Some("invalid_client"));
    assert_eq!(upload(&left.partner).get().await.unwrap_err().code(), Some("invalid_client"));
    assert_eq!(left.sign_ins(), 1);
}

#[tokio::test]
async fn a_throttle_of_a_sign_in_that_was_left_holds_for_the_next_call() {
    let throttle = response("429 Too Many Requests", &[("Retry-After", "600")], "{}");
    let left = Left::new(app_only(), throttle, Vec::new()).await;
    let error = left.while_it_is_waited_for(upload(&left.partner).get()).await.unwrap_err();
    assert!(error.retry_after().is_some_and(|wait| wait.as_secs().abs_diff(600) < 5), "{error:?}");
    assert_eq!(left.sign_ins(), 1);
}

#[tokio::test]
async fn an_authority_is_left_alone_for_an_hour_at_most_and_only_when_it_is_busy() {
    let never = [("Retry-After", "Fri, 31 Dec 2123 23:59:59 GMT")];
    let busy = Reply::Send(response("503 Service Unavailable", &never, "{}"));
    let refused = Reply::Send(response("400 Bad Request", &[("Retry-After", "3600")], r#"{"error":"invalid_grant"}"#));
    let server = Server::new([refused, busy]).await;
    let clock = Clock::new();
    let partner = at(cloud(&server), app_only()).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap_err().code(), Some("invalid_grant"));
    clock.set(15).await;
    assert_eq!(upload(&partner).get().await.unwrap_err().status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    let held_back = upload(&partner).get().await.unwrap_err().retry_after().unwrap();
    assert!(held_back > Duration::from_secs(3500) && held_back <= Duration::from_secs(3600), "{held_back:?}");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn clients_that_share_a_credential_share_its_token() {
    let emulator = Emulator::start().await.unwrap();
    let credential = Arc::new(app_only());
    for _ in 0..3 {
        upload(&partner(&emulator, Arc::clone(&credential))).get().await.unwrap();
    }
    assert_eq!(emulator.sign_ins(), 1);
}

#[tokio::test]
async fn a_credential_signs_in_at_one_cloud_alone() {
    let (one, other) = (Emulator::start().await.unwrap(), Emulator::start().await.unwrap());
    let credential = Arc::new(app_user());
    upload(&partner(&one, Arc::clone(&credential))).get().await.unwrap();
    let error = upload(&partner(&other, Arc::clone(&credential))).get().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Config, 0));
    assert!(error.to_string().contains("another cloud"), "{error}");
    assert_eq!((one.sign_ins(), other.sign_ins(), other.requests().len()), (1, 0, 0), "no secret goes elsewhere");
    upload(&partner(&one, credential)).get().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_a_failed_sign_in_kept_waiting_try_again_together() {
    let emulator = Emulator::start().await.unwrap();
    emulator.delay_sign_ins(Duration::from_millis(100));
    emulator.fail_next_sign_ins(2, StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
    // Each call draws on the budget, although they share the request.
    let partner = at(emulator.cloud(), app_only()).retry_budget(2.0, 0).build().unwrap();
    let calls = (0..200).map(|_| upload(&partner)).map(|call| async move { call.get().await });
    for outcome in join_all(calls).await {
        outcome.unwrap();
    }
    assert_eq!(emulator.sign_ins(), 3);
}

#[test]
fn a_credential_is_built_without_a_runtime() {
    let _ = PartnerCenter::builder(app_only()).build().unwrap();
    let _ = PartnerCenter::builder(app_user()).build().unwrap();
}

// Expiry.

#[tokio::test]
async fn a_token_is_replaced_five_minutes_before_it_expires_or_as_set() {
    for (set, due) in [(None, 3300), (Some(60), 3540)] {
        let emulator = Emulator::start().await.unwrap();
        let clock = Clock::new();
        let mut credential = app_only();
        if let Some(seconds) = set {
            credential = credential.refresh_before(Duration::from_secs(seconds));
        }
        let upload = upload(&partner(&emulator, credential));
        for (second, sign_ins) in [(0, 1), (due - 5, 1), (due + 5, 2), (due + 10, 2)] {
            clock.set(second).await;
            upload.get().await.unwrap();
            assert_eq!(emulator.sign_ins(), sign_ins, "second {second}");
        }
    }
}

#[tokio::test]
async fn a_token_of_short_life_is_kept_for_half_of_it() {
    let emulator = Emulator::start().await.unwrap();
    emulator.set_token_lifetime(Duration::from_secs(100));
    let clock = Clock::new();
    let upload = upload(&partner(&emulator, app_only()));
    for (second, sign_ins) in [(0, 1), (45, 1), (55, 2)] {
        clock.set(second).await;
        upload.get().await.unwrap();
        assert_eq!(emulator.sign_ins(), sign_ins, "second {second}");
    }
}

#[tokio::test]
async fn an_old_token_is_used_while_it_is_good_and_refreshing_fails() {
    let log = crate::secrets::log();
    let emulator = Emulator::start().await.unwrap();
    let clock = Clock::new();
    let upload = upload(&partner(&emulator, app_user()));
    upload.get().await.unwrap();
    emulator.fail_next_sign_ins(usize::MAX, StatusCode::BAD_REQUEST, "invalid_grant");
    clock.set(3400).await;
    upload.get().await.unwrap();
    assert_eq!(emulator.sign_ins(), 2);
    assert!(log.text().contains("cannot refresh the access token, which is still good"));
    // The authority is left alone for a while, and then asked again.
    for (second, sign_ins) in [(3415, 2), (3425, 3), (3595, 4)] {
        clock.set(second).await;
        upload.get().await.unwrap();
        assert_eq!(emulator.sign_ins(), sign_ins, "second {second}");
    }
    clock.set(3610).await;
    let error = upload.get().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Credential, Some("invalid_grant")));
}

#[tokio::test]
async fn an_expiry_as_text_is_read_and_a_missing_one_is_taken_to_be_near() {
    for (expires_in, kept, replaced) in [
        (json!("3600"), 3295, 3305),
        (json!(3600.0), 3295, 3305),
        (json!(null), 295, 305),
        (json!("soon"), 295, 305),
        (json!(1e300), 86_095, 86_105),
        (json!([]), 295, 305),
        (json!("NaN"), 295, 305),
        (json!(u64::MAX), 86_095, 86_105),
    ] {
        let body = json!({ "token_type": "bearer", "access_token": "good-token", "expires_in": expires_in });
        let replies = [ok(body.to_string()), ok("{}"), ok("{}"), token("next-token"), ok("{}")];
        let server = Server::new(replies).await;
        let clock = Clock::new();
        let upload = upload(&at(cloud(&server), app_only()).build().unwrap());
        for second in [0, kept, replaced] {
            clock.set(second).await;
            upload.get().await.unwrap();
        }
        assert_eq!([1, 2, 4].map(|request| bearer(&server, request)), ["good-token", "good-token", "next-token"]);
    }
}

// 401 from the service.

#[tokio::test]
async fn a_401_gets_a_fresh_token_once_and_is_tried_again_once() {
    for policy in [RetryPolicy::default(), RetryPolicy::none()] {
        let emulator = Emulator::start().await.unwrap();
        let upload = upload(&at(emulator.cloud(), app_only()).retry_policy(policy).build().unwrap());
        upload.get().await.unwrap();
        emulator.revoke_tokens();
        assert_eq!(upload.get().await.unwrap().attempts(), 2);
        assert_eq!(emulator.sign_ins(), 2);

        emulator.fail_next(2, StatusCode::UNAUTHORIZED);
        let error = upload.get().await.unwrap_err();
        assert!(error.is_unauthorized() && !error.is_mfa_required() && !error.is_retryable());
        assert_eq!((error.attempts(), emulator.sign_ins()), (2, 3));
    }
}

#[tokio::test]
async fn a_sign_in_that_fails_after_a_401_tells_of_both() {
    let emulator = Emulator::start().await.unwrap();
    let upload = upload(&partner(&emulator, app_user()));
    upload.get().await.unwrap();
    emulator.revoke_tokens();
    emulator.fail_next_sign_ins(1, StatusCode::BAD_REQUEST, "invalid_grant");
    let error = upload.get().await.unwrap_err();
    assert_eq!((error.kind(), error.code(), error.attempts()), (ErrorKind::Credential, Some("invalid_grant"), 1));
    assert!(error.source().unwrap().to_string().contains("401 Unauthorized"), "{error:?}");
}

#[tokio::test]
async fn a_401_that_no_token_cures_costs_one_sign_in_a_call() {
    let emulator = Emulator::start().await.unwrap();
    emulator.fail_next(usize::MAX, StatusCode::UNAUTHORIZED);
    let upload = upload(&partner(&emulator, app_only()));
    for _ in 0..10 {
        assert!(upload.get().await.unwrap_err().is_unauthorized());
    }
    assert_eq!(emulator.sign_ins(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_refused_together_sign_in_once() {
    let emulator = Emulator::start().await.unwrap();
    let partner = partner(&emulator, app_only());
    upload(&partner).get().await.unwrap();
    emulator.revoke_tokens();
    emulator.delay_sign_ins(Duration::from_millis(50));
    for outcome in join_all((0..100).map(|_| upload(&partner)).map(|call| async move { call.get().await })).await {
        assert!(outcome.unwrap().attempts() <= 2);
    }
    assert_eq!(emulator.sign_ins(), 2);
}

#[tokio::test]
async fn a_token_that_was_refused_is_not_sent_again() {
    let server = Server::new((0..4).map(|_| Reply::Send(response("401 Unauthorized", &[], "{}")))).await;
    let error = upload(&at(cloud(&server), AccessToken::new("static-token")).build().unwrap()).get().await.unwrap_err();
    assert!(error.is_unauthorized());
    assert_eq!((error.attempts(), server.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_401_for_want_of_mfa_is_not_retried_and_says_what_it_means() {
    let fault = |code| json!({ "code": code, "description": "MFA required" }).to_string();
    let text = "Refused: MFA required. (10001)".to_owned();
    for body in [fault(json!(900421)), fault(json!("900421")), fault(json!(10001)), fault(json!("10001")), text] {
        let server = Server::new([token("one"), Reply::Send(response("401 Unauthorized", &[], body))]).await;
        let error = upload(&at(cloud(&server), app_user()).build().unwrap()).get().await.unwrap_err();
        assert!(error.is_unauthorized() && error.is_mfa_required() && error.requires_user_sign_in());
        assert!(error.to_string().contains("MFA required"), "{error}");
        assert_eq!((error.attempts(), server.requests().len()), (1, 2));
        assert!(error.to_string().contains("sign in again, with multi-factor authentication"), "{error}");
    }
}

/// A credential of a user's own, which counts.
#[derive(Default)]
struct Numbered {
    asked: AtomicUsize,
    request: Mutex<String>,
    refused: Mutex<Vec<AccessToken>>,
}

impl Credential for Numbered {
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        assert_eq!(request.cloud(), &Cloud::GLOBAL);
        let number = self.asked.fetch_add(1, SeqCst);
        *self.request.lock().unwrap() = format!("{request:?}");
        Box::pin(async move { Ok(AccessToken::new(format!("token-number-{number}"))) })
    }

    fn refused(&self, token: &AccessToken) {
        self.refused.lock().unwrap().push(token.clone());
    }
}

#[tokio::test]
async fn a_credential_of_ones_own_is_told_of_a_refused_token_and_asked_again() {
    let server = Server::new([Reply::Send(response("401 Unauthorized", &[], "{}")), ok("{}")]).await;
    let credential = Arc::new(Numbered::default());
    let partner = PartnerCenter::builder(Arc::clone(&credential)).base_url(&server.base_url).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap().attempts(), 2);
    assert_eq!([0, 1].map(|request| bearer(&server, request)), ["token-number-0", "token-number-1"]);
    assert!(*credential.refused.lock().unwrap() == [AccessToken::new("token-number-0")]);
}

#[tokio::test]
async fn the_request_for_a_token_does_not_show_the_http_client() {
    let mut headers = http::HeaderMap::new();
    headers.insert("x-gateway-key", http::HeaderValue::from_static("nobody-may-see"));
    let server = Server::with_body("{}").await;
    let credential = Arc::new(Numbered::default());
    let http = reqwest::Client::builder().default_headers(headers);
    let builder = PartnerCenter::builder(Arc::clone(&credential)).base_url(&server.base_url).http_client(http);
    upload(&builder.build().unwrap()).get().await.unwrap();
    let shown = credential.request.lock().unwrap().clone();
    assert!(shown.contains("login.microsoftonline.com") && !shown.contains("nobody-may-see"), "{shown}");
}

struct Sealed;

impl Credential for Sealed {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        Box::pin(async { Err(Error::credential("the vault is sealed")) })
    }
}

#[tokio::test]
async fn a_credential_error_that_is_not_transient_is_not_retried() {
    let server = Server::new([]).await;
    let error = upload(&at(cloud(&server), Sealed).build().unwrap()).get().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.is_retryable()), (ErrorKind::Credential, 0, false));
}

/// Passes on the response of another service.
struct PassesOn(Error, AtomicUsize);

impl Credential for PassesOn {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        assert!(self.1.fetch_add(1, SeqCst) < 100, "asked without end");
        Box::pin(async { Err(self.0.clone()) })
    }
}

#[tokio::test]
async fn a_401_that_the_credential_passes_on_ends_the_call() {
    let of_another = Server::new([Reply::Send(response("401 Unauthorized", &[], "{}"))]).await;
    let refused = of_another.upload().get().await.unwrap_err();
    let server = Server::new([]).await;
    let credential = Arc::new(PassesOn(refused, AtomicUsize::new(0)));
    let error = upload(&at(cloud(&server), Arc::clone(&credential)).build().unwrap()).get().await.unwrap_err();
    assert!(error.is_unauthorized());
    assert_eq!((error.attempts(), credential.1.load(SeqCst)), (0, 1));
}

#[tokio::test]
async fn a_call_asks_for_its_token_when_it_has_its_permit() {
    let server = Server::new([Reply::Send(Vec::new()), ok("{}")]).await;
    let credential = Arc::new(Numbered::default());
    let partner = PartnerCenter::builder(Arc::clone(&credential)).base_url(&server.base_url).max_in_flight(1);
    let partner = partner.build().unwrap();
    let [stalled, waiting] = [upload(&partner), upload(&partner)].map(|call| async move { call.get().await });
    let stalled = tokio::spawn(stalled);
    server.received(1).await;
    let mut waiting = std::pin::pin!(waiting);
    assert!(waiting.as_mut().now_or_never().is_none());
    assert_eq!(credential.asked.load(SeqCst), 1, "what it asks for now could expire in the queue");
    stalled.abort();
    waiting.await.unwrap();
    assert_eq!(bearer(&server, 1), "token-number-1");
}

// Trouble at the authority.

#[tokio::test]
async fn trouble_of_the_authority_is_retried_within_the_call() {
    for status in [408, 429, 500, 501, 502, 503, 504, 599] {
        let failure = || Reply::Send(response(&format!("{status} Trouble"), &[("Retry-After", "0")], "<html>"));
        let server = Server::new([failure(), failure(), token("one"), ok("{}")]).await;
        let response = upload(&at(cloud(&server), app_only()).build().unwrap()).get().await.unwrap();
        assert_eq!(response.attempts(), 1, "{status}: requests to the service alone are counted");

        let server = Server::new((0..9).map(|_| failure())).await;
        let partner = at(cloud(&server), app_only()).build().unwrap();
        let error = upload(&partner).get().await.unwrap_err();
        assert_eq!((error.kind(), error.status().unwrap().as_u16()), (ErrorKind::Credential, status));
        assert!(error.is_retryable() && !error.is_throttled());
        assert_eq!(server.requests().len(), 4, "{status}");
    }
    let cut = || Reply::SendAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_vec());
    let server = Server::new([Reply::SendAndClose(Vec::new()), cut(), token("one"), ok("{}")]).await;
    upload(&at(cloud(&server), app_only()).build().unwrap()).get().await.unwrap();
}

#[tokio::test]
async fn an_authority_that_cannot_be_reached_is_a_credential_error() {
    let server = Server::new([]).await;
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let cloud = Cloud::custom(&server.base_url, format!("http://127.0.0.1:{port}")).unwrap();
    let error = upload(&at(cloud, app_only()).build().unwrap()).get().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Credential, 0));
    assert!(error.is_retryable() && error.source().is_some());
    assert_eq!(error.to_string(), "no access token: cannot connect to the sign-in service");
}

#[tokio::test]
async fn a_wait_that_the_authority_asks_for_in_vain_fails_now_with_its_value() {
    let emulator = Emulator::start().await.unwrap();
    emulator.throttle_next_sign_ins(1, Duration::from_secs(121));
    let error = upload(&partner(&emulator, app_only())).get().await.unwrap_err();
    assert_eq!((error.kind(), emulator.sign_ins()), (ErrorKind::Credential, 1));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(121)));
    // It is the authority's throttle and not the service's.
    upload(&emulator.partner()).get().await.unwrap();
}

#[tokio::test]
async fn what_the_authority_refuses_is_not_retried_and_told_whole() {
    for error_of_oauth in
        ["invalid_client", "invalid_grant", "interaction_required", "unauthorized_client", "invalid_scope", "news"]
    {
        let emulator = Emulator::start().await.unwrap();
        emulator.fail_next_sign_ins(2, StatusCode::UNAUTHORIZED, error_of_oauth);
        let error = upload(&partner(&emulator, app_user())).get().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Credential, Some(error_of_oauth)));
        assert!(!error.is_retryable() && !error.is_unauthorized(), "it is not the service that refuses");
        assert_eq!((emulator.sign_ins(), error.attempts(), emulator.requests().len()), (1, 0, 0));
        let code = error.error_codes()[0];
        assert!(error.description().unwrap().starts_with(&format!("AADSTS{code}: ")));
        let (trace_id, correlation_id) = (error.trace_id().unwrap(), error.service_correlation_id().unwrap());
        let line = error.to_string();
        assert!(
            line.starts_with("no access token: the sign-in service responded with 401 Unauthorized, code "),
            "{line}"
        );
        assert!(line.contains(error_of_oauth) && line.contains("AADSTS"), "{line}");
        assert!(line.contains(&format!("(trace id {trace_id}, correlation id {correlation_id})")), "{line}");
    }
}

#[tokio::test]
async fn a_response_of_the_authority_that_is_no_token_is_a_clear_error() {
    let cases = [
        ("<html><body>Please log in</body></html>".to_owned(), "not the JSON of a token"),
        (String::new(), "not the JSON of a token"),
        (r#"["a-token","Bearer"]"#.to_owned(), "not the JSON of a token"),
        ("{".to_owned(), "not the JSON of a token"),
        (r#"{"token_type":"Bearer"}"#.to_owned(), "the response has no access token"),
        (json!({ "access_token": { "secret": "x" } }).to_string(), "cannot be read at `access_token`"),
        (json!({ "access_token": "t", "token_type": "mac" }).to_string(), "not a bearer token"),
        (json!({ "access_token": "" }).to_string(), "the response has no access token"),
        (json!({ "error": "invalid_grant" }).to_string(), "code invalid_grant"),
        (json!({ "access_token": "line\r\nbreak" }).to_string(), "no access token"),
        (format!(r#"{{"access_token":"{}"}}"#, "x".repeat(2 << 20)), "larger than any token"),
    ];
    for (body, says) in cases {
        let server = Server::new([ok(&body)]).await;
        let error = upload(&at(cloud(&server), app_only()).build().unwrap()).get().await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Credential, false), "{body:.99}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.body().is_empty());
        assert_eq!(server.requests().len(), 1);
    }
    // Neither a byte-order mark nor a wrong Content-Type loses a token.
    let marked =
        Reply::Send(response("200 OK", &[("Content-Type", "text/html")], "\u{feff}{\"access_token\":\"good-token\"}"));
    let server = Server::new([marked, ok("{}")]).await;
    upload(&at(cloud(&server), app_only()).build().unwrap()).get().await.unwrap();
    assert_eq!(bearer(&server, 1), "good-token");
}

#[tokio::test]
async fn a_refused_sign_in_whose_reason_cannot_be_decompressed_says_so() {
    let refusal = response("400 Bad Request", &[("Content-Encoding", "br")], "nobody-may-see");
    let server = Server::with_response(refusal).await;
    let error = upload(&at(cloud(&server), app_only()).build().unwrap()).get().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Credential, Some(StatusCode::BAD_REQUEST)));
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("cannot be decompressed"), "{error:?}");
}

#[tokio::test]
async fn a_refused_sign_in_whose_reason_does_not_come_in_time_is_a_timeout() {
    let head = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\n{";
    let server = Server::with_response(head.to_vec()).await;
    let builder = at(cloud(&server), app_only()).retry_policy(partner_center_devices::RetryPolicy::none());
    let partner = builder.attempt_timeout(Duration::from_millis(300)).build().unwrap();
    let error = upload(&partner).get().await.unwrap_err();
    assert!(error.is_timeout() && error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn a_redirect_of_the_authority_is_not_followed() {
    let elsewhere = Server::new([token("from-elsewhere")]).await;
    let location = format!("{}/?secret={SECRET}", elsewhere.base_url);
    let server = Server::with_response(response("307 Temporary Redirect", &[("Location", &location)], "")).await;
    let error = upload(&at(cloud(&server), app_only()).build().unwrap()).get().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Credential, Some(StatusCode::TEMPORARY_REDIRECT)));
    assert!(error.location().unwrap().starts_with(&elsewhere.base_url));
    assert!(elsewhere.requests().is_empty());
}

// Mistakes, found before any I/O.

#[tokio::test]
async fn an_authority_on_loopback_is_asked_without_the_proxy() {
    let (authority, proxy) = (Server::new([token("one")]).await, Server::new([]).await);
    let cloud = Cloud::custom("https://api.example.com", &authority.base_url).unwrap();
    let http = reqwest::Client::builder().dns_resolver(Arc::new(Names::Unknown));
    let http = http.proxy(reqwest::Proxy::all(&proxy.base_url).unwrap());
    let partner = at(cloud, app_only()).retry_policy(RetryPolicy::none()).http_client(http).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap_err().kind(), ErrorKind::Transport);
    assert_eq!((authority.requests().len(), proxy.requests().len()), (1, 0), "it would see the secret");
}

#[test]
fn tenants_and_client_ids_that_could_change_the_path_are_refused() {
    for wrong in ["", "  ", ".", "..", "a/b", "../common", "a b", "a?b", "a#b", "a%2fb", "contosö", "a\r\nb", "a\\b"] {
        for error in [
            AppOnlyCredential::new(wrong, CLIENT, SECRET).unwrap_err(),
            AppOnlyCredential::new(TENANT, wrong, SECRET).unwrap_err(),
            AppUserCredential::new(wrong, CLIENT, SECRET, REFRESH).unwrap_err(),
            AppUserCredential::public_client(TENANT, wrong, REFRESH).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Config, "{wrong}");
        }
    }
    AppOnlyCredential::new(" 47021739-3426-40bf-9601-61b4b6d7c793\n", CLIENT, SECRET).unwrap();
}

#[test]
fn empty_secrets_and_refresh_tokens_are_refused() {
    for error in [
        AppOnlyCredential::new(TENANT, CLIENT, " ").unwrap_err(),
        AppUserCredential::new(TENANT, CLIENT, "", REFRESH).unwrap_err(),
        AppUserCredential::new(TENANT, CLIENT, SECRET, "\n").unwrap_err(),
        AppUserCredential::public_client(TENANT, CLIENT, "").unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}

#[test]
fn clouds_have_the_published_addresses() {
    let table = [
        ("global", Cloud::GLOBAL, "api.partnercenter.microsoft.com", "login.microsoftonline.com"),
        ("china", Cloud::CHINA, "partner.partnercenterapi.microsoftonline.cn", "login.chinacloudapi.cn"),
        ("us-government", Cloud::US_GOVERNMENT, "api.partnercenter.microsoft.com", "login.microsoftonline.us"),
    ];
    for (name, cloud, api, authority) in table {
        assert_eq!(cloud.base_url(), format!("https://{api}"));
        assert_eq!(cloud.scope(), format!("https://{api}/.default"));
        assert_eq!(cloud.authority(), format!("https://{authority}"));
        assert_eq!(name.parse::<Cloud>().unwrap(), cloud);
    }
    assert_eq!(Cloud::default(), Cloud::GLOBAL);
    assert_eq!("germany".parse::<Cloud>().unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn a_custom_cloud_may_have_paths_and_must_have_https() {
    let cloud = Cloud::custom("https://api.example.com:8443/partner/", "https://login.example.com/adfs/").unwrap();
    assert_eq!(cloud.base_url(), "https://api.example.com:8443/partner");
    assert_eq!(cloud.authority(), "https://login.example.com/adfs");
    assert_eq!(cloud.scope(), "https://api.example.com:8443/.default");
    for (base_url, authority) in [
        ("http://api.example.com", "https://login.example.com"),
        ("https://api.example.com", "http://login.example.com"),
        ("https://api.example.com", "login.example.com"),
        ("https://api.example.com", "https://user:secret@login.example.com"),
        ("https://api.example.com", "https://login.example.com?a=b"),
    ] {
        let error = Cloud::custom(base_url, authority).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}

#[tokio::test]
async fn one_process_holds_clients_for_several_partners_and_clouds() {
    let servers = [Server::new([token("token-a"), ok("{}")]).await, Server::new([token("token-b"), ok("{}")]).await];
    let tenants = ["fabrikam.com", "northwind.cn"];
    let uploads: Vec<BatchUploadStatus> = (0..2)
        .map(|n| {
            let credential = AppOnlyCredential::new(tenants[n], CLIENT, SECRET).unwrap();
            upload(&at(cloud(&servers[n]), credential).build().unwrap())
        })
        .collect();
    for outcome in join_all(uploads.iter().map(BatchUploadStatus::get)).await {
        outcome.unwrap();
    }
    for (n, bearer_token) in ["token-a", "token-b"].into_iter().enumerate() {
        assert!(servers[n].requests()[0].contains(tenants[n]));
        assert_eq!(bearer(&servers[n], 1), bearer_token);
    }
}

// Secrets.

#[tokio::test]
async fn secrets_are_in_no_debug_output_no_error_and_no_log() {
    let log = crate::secrets::log();
    let access_token = "eyJ-an-access-token+that/nobody.may-see==";
    let next = "0.AXcA-the-next-refresh-token+nobody/may=see";
    let in_form: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let echo = format!("client_secret={SECRET} {in_form} refresh_token={REFRESH}");
    let members = ["error", "error_description", "suberror", "trace_id", "correlation_id"];
    let refusal = Value::from_iter(members.map(|name| (name, echo.as_str())));
    let escaped = refusal.to_string().replace('/', "\\/").replace('+', "\\u002b");
    let headers = [("Location", echo.as_str()), ("Set-Cookie", echo.as_str()), ("X-Echo", echo.as_str())];
    let good = json!({ "access_token": access_token, "refresh_token": next, "expires_in": 3599 }).to_string();
    let mut shown = format!("{:?} {:?} {:#?}", app_only(), app_user(), app_user());
    let mut leaves: Vec<(&str, Vec<Reply>)> = Vec::new();
    for body in [
        refusal.to_string(),
        escaped,
        format!("\"{access_token}\""),
        format!("{{\"access_token\":\"{access_token}\",\"refresh_token\":[\"{next}\"]}}"),
        format!("{{\"access_token\":\"{access_token}\",\"token_type\":\"{access_token}\"}}"),
        format!("{{\"access_token\":[\"{access_token}\"]}}"),
        format!("{{\"access_token\":\"{access_token}"),
        echo.clone(),
    ] {
        leaves.push(("400 Bad Request", vec![Reply::Send(response("400 Bad Request", &headers, &body))]));
        leaves.push(("200 OK", vec![Reply::Send(response("200 OK", &headers, &body))]));
    }
    let fault = json!({ "description": format!("you sent {access_token}") }).to_string();
    let echoed = [("X-Echo", access_token), ("Location", access_token)];
    for fault in [fault.clone(), fault.replace('/', "\\/").replace('+', "\\u002b")] {
        leaves.push(("the service", vec![ok(&good), Reply::Send(response("403 Forbidden", &echoed, fault))]));
    }
    for body in [
        format!("{{\"status\":{{\"{access_token}\":1}}}}"),
        format!("{{\"devicesStatus\":\"{}\"}}", access_token.replace('/', "\\/")),
    ] {
        leaves.push(("the service", vec![ok(&good), Reply::Send(response("200 OK", &echoed, body))]));
    }
    for (name, replies) in leaves {
        let server = Server::new(replies).await;
        let keep = |token: partner_center_devices::RefreshToken| async move { Err(format!("{token:?}")) };
        let credential = if name == "the service" { app_user() } else { app_user().on_refresh_token(keep) };
        let partner = at(cloud(&server), credential).build().unwrap();
        let error = upload(&partner).get().await.unwrap_err();
        let body_of_a_service = String::from_utf8_lossy(error.body()).into_owned();
        shown.push_str(&crate::secrets::everything_about(&error).replace(&body_of_a_service, ""));
        shown.push_str(&format!("{partner:?} {:?}", at(cloud(&server), app_only())));
    }
    let request = json!({ "shown": shown, "log": log.text() });
    for (place, text) in request.as_object().unwrap() {
        let text = text.as_str().unwrap();
        for secret in [SECRET, REFRESH, &in_form, access_token, next] {
            let lines: Vec<_> = text.lines().filter(|line| line.contains(secret)).collect();
            assert!(lines.is_empty(), "{place}: {secret}: {:.999}", lines[0]);
        }
    }
}

#[cfg(feature = "azure_core")]
mod azure {
    use std::pin::Pin;

    use azure_core::credentials::{AccessToken as AzureToken, TokenCredential, TokenRequestOptions};
    use azure_core::error::ErrorKind as AzureErrorKind;
    use azure_core::time::{Duration as AzureDuration, OffsetDateTime};
    use partner_center_devices::AzureCredential;

    use super::*;

    #[derive(Debug, Default)]
    struct Fake {
        asked: Mutex<Vec<String>>,
        failures: Mutex<Vec<AzureErrorKind>>,
    }

    /// As the credentials of the Azure SDK fail: the real error is behind one that says little.
    fn failed(kind: AzureErrorKind) -> azure_core::Error {
        let cause = azure_core::Error::with_message(kind, "connection reset");
        let message = format!("no managed identity here: {}", "<html>".repeat(1000));
        azure_core::Error::with_error(AzureErrorKind::Credential, cause, message)
    }

    impl TokenCredential for Fake {
        fn get_token<'life0, 'life1, 'life2, 'life3, 'async_trait>(
            &'life0 self,
            scopes: &'life1 [&'life2 str],
            _: Option<TokenRequestOptions<'life3>>,
        ) -> Pin<Box<dyn Future<Output = azure_core::Result<AzureToken>> + Send + 'async_trait>>
        where
            Self: 'async_trait,
            'life0: 'async_trait,
            'life1: 'async_trait,
            'life2: 'async_trait,
            'life3: 'async_trait,
        {
            let number = {
                let mut asked = self.asked.lock().unwrap();
                asked.push(scopes.join(" "));
                asked.len()
            };
            let failure = self.failures.lock().unwrap().pop();
            Box::pin(async move {
                match failure {
                    Some(kind) => Err(failed(kind)),
                    None => Ok(AzureToken::new(
                        format!("azure-token-{number}"),
                        OffsetDateTime::now_utc() + AzureDuration::hours(1),
                    )),
                }
            })
        }
    }

    #[tokio::test]
    async fn a_credential_of_the_azure_sdk_is_asked_for_the_scope_and_its_token_kept() {
        let server =
            Server::new([ok("{}"), ok("{}"), Reply::Send(response("401 Unauthorized", &[], "{}")), ok("{}")]).await;
        let fake = Arc::new(Fake::default());
        let upload = upload(&at(cloud(&server), AzureCredential::new(fake.clone())).build().unwrap());
        for _ in 0..3 {
            upload.get().await.unwrap();
        }
        let scope = format!("{}/.default", server.base_url);
        assert_eq!(*fake.asked.lock().unwrap(), [scope.clone(), scope], "the second after the 401");
        let sent: Vec<_> = (0..4).map(|request| bearer(&server, request)).collect();
        assert_eq!(sent, ["azure-token-1", "azure-token-1", "azure-token-1", "azure-token-2"]);
    }

    #[tokio::test]
    async fn a_token_of_the_azure_sdk_is_replaced_before_it_expires() {
        let server = Server::new((0..4).map(|_| ok("{}"))).await;
        let (fake, clock) = (Arc::new(Fake::default()), Clock::new());
        let credential = AzureCredential::new(fake.clone());
        let credential = credential.refresh_before(Duration::from_secs(600));
        let upload = upload(&at(cloud(&server), credential).build().unwrap());
        // The expiry is by the clock of the system, so a few seconds of it are gone.
        for (second, asked) in [(0, 1), (2900, 1), (3001, 2), (3002, 2)] {
            clock.set(second).await;
            upload.get().await.unwrap();
            assert_eq!(fake.asked.lock().unwrap().len(), asked, "second {second}");
        }
    }

    #[tokio::test]
    async fn a_response_behind_an_error_of_the_azure_sdk_says_whether_and_when_to_try_again() {
        for (status, retry_after, asked) in [(503, "0", 4), (429, "500", 1), (408, "", 4), (400, "0", 1)] {
            let mut headers = azure_core::http::headers::Headers::new();
            headers.insert("retry-after", retry_after);
            let status = azure_core::http::StatusCode::from(status);
            let response = azure_core::http::RawResponse::from_bytes(status, headers, "secret-of-azure");
            let kind =
                AzureErrorKind::HttpResponse { status, error_code: None, raw_response: Some(Box::new(response)) };
            let fake = Arc::new(Fake::default());
            *fake.failures.lock().unwrap() = vec![kind; 9];
            let server = Server::new([]).await;
            let partner = at(cloud(&server), AzureCredential::new(fake.clone())).build().unwrap();
            let error = upload(&partner).get().await.unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Credential, u16::from(status) != 400));
            assert_eq!(fake.asked.lock().unwrap().len(), asked, "{status}");
            assert_eq!(
                error.retry_after().is_some_and(|wait| wait.as_secs() == 500),
                asked == 1 && error.is_retryable()
            );
            assert!(!crate::secrets::everything_about(&error).contains("secret-of-azure"));
        }
    }

    #[tokio::test]
    async fn a_token_of_the_azure_sdk_is_shown_nowhere() {
        let echo = "you sent azure-token-1";
        let server = Server::new([Reply::Send(response("403 Forbidden", &[("X-Echo", echo)], echo))]).await;
        let log = crate::secrets::log();
        let partner = at(cloud(&server), AzureCredential::new(Arc::new(Fake::default()))).build().unwrap();
        let error = upload(&partner).get().await.unwrap_err();
        let shown = format!("{partner:?} {} {}", crate::secrets::everything_about(&error), log.text());
        let told: Vec<_> = shown.lines().filter(|line| line.contains("azure-token")).collect();
        assert!(told.is_empty() && shown.contains("403"), "{:.999}", told[0]);
    }

    #[derive(Debug)]
    struct Says(String);

    impl TokenCredential for Says {
        fn get_token<'life0, 'life1, 'life2, 'life3, 'async_trait>(
            &'life0 self,
            _: &'life1 [&'life2 str],
            _: Option<TokenRequestOptions<'life3>>,
        ) -> Pin<Box<dyn Future<Output = azure_core::Result<AzureToken>> + Send + 'async_trait>>
        where
            Self: 'async_trait,
            'life0: 'async_trait,
            'life1: 'async_trait,
            'life2: 'async_trait,
            'life3: 'async_trait,
        {
            Box::pin(async { Err(azure_core::Error::with_message(AzureErrorKind::Credential, self.0.clone())) })
        }
    }

    #[tokio::test]
    async fn what_the_sign_in_service_said_is_found_in_the_text_of_the_azure_sdk() {
        let (trace, correlation) = ("4f1c2b7e-0d63-4a55-9a0e-6f2b8c1d3e00", "b7d0a1c4-55e2-4c1b-8f6a-2d9e0f7c6a11");
        let refusal = format!(
            "SecretCredential authentication failed. AADSTS7000215: the client secret is not right. {}. \
             Trace ID: {trace} Correlation ID: {correlation} Timestamp: 2026-11-02 08:00:00Z",
            "See to it that the value of the secret is sent and not its ID. ".repeat(5)
        );
        for text in [refusal.clone(), format!("Several credentials failed:\nno Azure CLI here\n{refusal}\nno pod here")]
        {
            let server = Server::new([]).await;
            let credential = AzureCredential::new(Arc::new(Says(text.clone())));
            let error = upload(&at(cloud(&server), credential).build().unwrap()).get().await.unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Credential, false));
            assert_eq!(error.error_codes(), [7_000_215]);
            assert_eq!((error.trace_id(), error.service_correlation_id()), (Some(trace), Some(correlation)));
            let shown = error.to_string();
            assert!(shown.starts_with("no access token: AADSTS7000215: the client secret is not right."), "{shown}");
            assert!(shown.contains(trace) && shown.contains(correlation), "{shown}");
            let reasons = error.source().unwrap().to_string();
            assert!(
                text.lines().count() == 1 || reasons.contains("no Azure CLI here") && reasons.contains("no pod here")
            );
        }
    }

    #[tokio::test]
    async fn an_error_of_the_azure_sdk_is_a_credential_error_and_retried_if_it_may_pass() {
        for (kind, asked) in [(AzureErrorKind::Credential, 1), (AzureErrorKind::Io, 4), (AzureErrorKind::Connection, 4)]
        {
            let server = Server::new([]).await;
            let fake = Arc::new(Fake::default());
            *fake.failures.lock().unwrap() = vec![kind; 9];
            let credential = AzureCredential::new(fake.clone());
            let error = upload(&at(cloud(&server), credential).build().unwrap()).get().await.unwrap_err();
            assert_eq!((error.kind(), error.attempts()), (ErrorKind::Credential, 0));
            let reason = error.source().unwrap().to_string();
            assert!(reason.starts_with("no managed identity here") && reason.len() < 300, "{reason}");
            assert_eq!(fake.asked.lock().unwrap().len(), asked);
        }
    }
}

#[tokio::test]
async fn a_user_signs_in_by_device_code() {
    // As the example `sign_in` does it, but by hand: what the emulator responds with is the protocol's.
    let emulator = Emulator::start().await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |path: &str, form: &[(&str, &str)]| {
        let form: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let url = format!("{}/organizations/oauth2/v2.0/{path}", emulator.base_url());
        let response = client.post(url).body(form).send().await.unwrap();
        serde_json::from_slice::<Value>(&response.bytes().await.unwrap()).unwrap()
    };
    let code = post("devicecode", &[("client_id", CLIENT), ("scope", "x")]).await;
    let page = client.get(code["verification_uri"].as_str().unwrap()).send().await.unwrap();
    assert_eq!((page.status(), emulator.requests().len()), (StatusCode::OK, 0), "the page is none of the service");
    let code = code["device_code"].as_str().unwrap();
    let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
    let form = [grant, ("client_id", CLIENT), ("device_code", code)];
    assert_eq!(post("token", &form).await["error"], "authorization_pending");
    assert!(post("token", &form).await["refresh_token"].is_string());
}
