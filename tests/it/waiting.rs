//! Waiting for an upload, against the emulator's scripted uploads, without delays.

use std::error::Error as _;
use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt};
use http::StatusCode;
use partner_center_devices::emulator::{Emulator, ScriptedUpload};
use partner_center_devices::models::{BatchUploadDetails, DeviceUploadDetails, UploadStatus};
use partner_center_devices::{
    AccessToken, BatchTrackingId, BatchUploadStatus, CustomerId, ErrorKind, PartnerCenter, RequestContext, RetryPolicy,
    Wait,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::server::{CUSTOMER, Reply, Server, TRACKING, response, upload};
use crate::sign_in::Clock;

const ZERO: Duration = Duration::ZERO;
const HOUR: Duration = Duration::from_secs(3600);

/// As fast as it goes.
fn at_once() -> Wait {
    Wait::default().first_after(ZERO).intervals(ZERO..=ZERO)
}

fn details(status: UploadStatus) -> BatchUploadDetails {
    let mut device = DeviceUploadDetails::default();
    device.serial_number = Some("1".to_owned());
    device.status = Some(status.clone());
    let mut details = BatchUploadDetails::default();
    details.status = Some(status);
    details.devices_status = vec![device; 4];
    details
}

fn add(emulator: &Emulator, partner: &PartnerCenter, script: ScriptedUpload) -> BatchUploadStatus {
    let (customer, id) = (CustomerId::from(Uuid::new_v4()), BatchTrackingId::from(Uuid::new_v4()));
    emulator.add_upload(customer, id, script);
    partner.customers().by_id(customer).batch_upload_status().by_id(id)
}

fn status(text: &str) -> Reply {
    Reply::Send(response("200 OK", &[], format!(r#"{{"status":"{text}"}}"#)))
}

/// The next item of a stream that sleeps until then.
async fn next_at<S: Stream + Unpin>(stream: &mut S, clock: &Clock, second: u64) -> S::Item {
    let mut next = stream.next();
    assert!((&mut next).now_or_never().is_none(), "it does not sleep");
    clock.set(second).await;
    next.await.unwrap()
}

#[tokio::test]
async fn both_ends_of_an_upload_are_ok() {
    let emulator = Emulator::start().await.unwrap();
    for end in [UploadStatus::Finished, UploadStatus::FinishedWithErrors] {
        let script = ScriptedUpload::new(details(end.clone())).queued_reads(2).processing_reads(3);
        let before = emulator.requests().len();
        let ended = add(&emulator, &emulator.partner(), script).wait(at_once()).await.unwrap();
        assert_eq!(ended.into_inner(), details(end));
        assert_eq!(emulator.requests().len() - before, 6);
    }
}

#[tokio::test]
async fn an_unknown_status_is_no_end() {
    let texts = ["unknown", "paused_by_operator", "in-progress", "", "FINISHED"];
    let server = Server::new(texts.map(status)).await;
    let ended = server.upload().wait(at_once()).await.unwrap();
    assert_eq!(ended.status, Some(UploadStatus::Finished));
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn a_wait_has_one_correlation_id_and_fresh_request_ids() {
    let chosen = Uuid::new_v4();
    let with_both = RequestContext::new().correlation_id(chosen).request_id(chosen);
    for context in [RequestContext::new(), RequestContext::new().correlation_id(chosen), with_both] {
        let server = Server::new(["queued", "processing", "finished"].map(status)).await;
        let ended = upload(&server.partner().with(context)).wait(at_once()).await.unwrap();
        for request in 0..3 {
            assert_eq!(server.sent(request, "MS-CorrelationId"), Some(ended.correlation_id().to_string()));
        }
        assert_ne!(server.sent(0, "MS-RequestId"), server.sent(1, "MS-RequestId"));
        assert_ne!(server.sent(1, "MS-RequestId"), server.sent(2, "MS-RequestId"));
    }
    let server = Server::new([status("finished")]).await;
    let ended = upload(&server.partner().with(RequestContext::new().correlation_id(chosen))).wait(at_once()).await;
    assert_eq!(ended.unwrap().correlation_id(), chosen);
}

#[tokio::test]
async fn a_connection_that_is_closed_while_it_is_idle_is_not_seen_by_a_wait() {
    let replies = [status("processing"), Reply::SendAndClose(Vec::new()), status("finished")];
    let server = Server::new(replies).await;
    let policy = RetryPolicy::default().initial_delay(ZERO);
    let partner = server.builder().retry_policy(policy).build().unwrap();
    assert!(upload(&partner).wait(at_once()).await.unwrap().is_complete());
    assert_eq!(server.requests().len(), 3);
}

fn not_found() -> Reply {
    Reply::Send(response("404 Not Found", &[], r#"{"code":"1000"}"#))
}

#[tokio::test]
async fn an_upload_that_is_not_found_yet_is_asked_for_again_within_the_grace() {
    let replies = || [not_found(), not_found(), status("queued"), status("finished")];
    let server = Server::new(replies()).await;
    let ended = server.upload().wait(at_once().not_found_grace(HOUR)).await.unwrap();
    assert!(ended.is_complete());
    assert_eq!(server.requests().len(), 4);
    let server = Server::new(replies()).await;
    let seen: Vec<_> = server.upload().watch(at_once().not_found_grace(HOUR)).try_collect().await.unwrap();
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn without_a_grace_a_404_ends_a_wait_at_once() {
    for wait in [at_once(), at_once().not_found_grace(ZERO)] {
        let server = Server::new([not_found(), status("finished")]).await;
        assert!(server.upload().wait(wait).await.unwrap_err().is_not_found());
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_request_that_would_come_after_the_grace_is_not_sent_out_of_turn() {
    let server = Server::new([not_found(), status("finished")]).await;
    let minutes = Duration::from_secs(60)..=Duration::from_secs(60);
    let wait = at_once().intervals(minutes).not_found_grace(Duration::from_secs(59));
    assert!(server.upload().wait(wait).await.unwrap_err().is_not_found());
    assert_eq!(server.requests().len(), 1);

    let later = Reply::Send(response("404 Not Found", &[("Retry-After", "3601")], ""));
    let server = Server::new([later, status("finished")]).await;
    assert!(server.upload().wait(at_once().not_found_grace(HOUR)).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_304_and_a_404_between_good_responses_do_not_end_a_wait() {
    let not_modified = || Reply::Send(response("304 Not Modified", &[], ""));
    let replies = [
        [not_modified(), not_modified(), status("queued"), not_found()],
        [status("queued"), not_found(), not_modified(), not_found()],
        [not_modified(), status("processing"), not_found(), status("finished")],
    ];
    let server = Server::new(replies.into_iter().flatten()).await;
    let seen: Vec<_> = server.upload().watch(at_once()).try_collect().await.unwrap();
    let seen: Vec<_> = seen.iter().map(|response| response.status.clone().unwrap().to_string()).collect();
    assert_eq!((seen, server.requests().len()), (["queued", "processing", "finished"].map(str::to_owned).into(), 12));
}

#[tokio::test]
async fn an_upload_that_was_found_and_is_not_found_twice_in_a_row_is_gone() {
    for wait in [at_once(), at_once().not_found_grace(HOUR)] {
        let server = Server::new([status("queued"), not_found(), not_found(), status("finished")]).await;
        let error = server.upload().wait(wait).await.unwrap_err();
        assert!(error.is_not_found(), "{error}");
        assert_eq!(error.last_response().unwrap().status, Some(UploadStatus::Queued));
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn a_wait_that_wakes_after_its_end_asks_once() {
    let server = Server::new(["queued", "processing", "finished"].map(status)).await;
    let clock = Clock::new();
    let interval = Duration::from_secs(30);
    let mut watch = server.upload().watch(at_once().intervals(interval..=interval).at_most(2 * interval));
    assert_eq!(watch.next().await.unwrap().unwrap().status, Some(UploadStatus::Queued));
    assert_eq!(next_at(&mut watch, &clock, 600).await.unwrap().status, Some(UploadStatus::Processing));
    let error = watch.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::NotFinished, 2));
}

#[tokio::test]
async fn a_wait_keeps_the_bytes_of_the_last_response_and_no_second_one() {
    let server = Server::new(["queued", "processing"].map(status)).await;
    let clock = Clock::new();
    let mut watch = server.upload().watch(at_once().intervals(HOUR..=HOUR).at_most(Duration::from_secs(100)));
    watch.next().await.unwrap().unwrap();
    let given = next_at(&mut watch, &clock, 91).await.unwrap();
    let error = watch.next().await.unwrap().unwrap_err();
    let kept = error.last_response().unwrap();
    assert_eq!((kept.body().as_ptr(), &kept.headers()), (given.body().as_ptr(), &given.headers()));
    assert_eq!((kept.as_ref().into_inner(), kept.request_id()), (given.as_ref().into_inner(), given.request_id()));
}

#[tokio::test]
async fn watching_gives_only_what_changed_and_ends_with_the_end() {
    let texts = ["queued", "queued", "processing", "processing", "processing", "finished", "queued"];
    let server = Server::new(texts.map(status)).await;
    let responses: Vec<_> = server.upload().watch(at_once()).try_collect().await.unwrap();
    let seen: Vec<_> = responses.iter().map(|response| response.status.clone().unwrap().to_string()).collect();
    assert_eq!(seen, ["queued", "processing", "finished"]);
    assert_eq!(server.requests().len(), 6, "nothing is asked after the end");
}

#[tokio::test]
async fn a_stream_that_has_ended_stays_at_its_end() {
    let server = Server::new(["finished", "queued"].map(status)).await;
    let mut watch = server.upload().watch(at_once());
    watch.next().await.unwrap().unwrap();
    for _ in 0..3 {
        assert!(watch.next().await.is_none());
    }
}

#[tokio::test]
async fn watching_tells_of_single_devices() {
    let emulator = Emulator::start().await.unwrap();
    let script = ScriptedUpload::new(details(UploadStatus::Finished)).processing_reads(4);
    let watch = add(&emulator, &emulator.partner(), script).watch(at_once());
    let done: Vec<_> = watch
        .map_ok(|response| response.devices_status.iter().filter(|d| d.status == Some(UploadStatus::Finished)).count())
        .try_collect()
        .await
        .unwrap();
    assert_eq!(done, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn past_its_limit_a_wait_fails_with_the_last_response() {
    let server = Server::new(["queued", "processing"].map(status)).await;
    let clock = Clock::new();
    let mut watch = server.upload().watch(at_once().intervals(HOUR..=HOUR).at_most(Duration::from_secs(100)));
    assert_eq!(watch.next().await.unwrap().unwrap().status, Some(UploadStatus::Queued));
    assert_eq!(next_at(&mut watch, &clock, 91).await.unwrap().status, Some(UploadStatus::Processing));
    let error = watch.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFinished);
    let last = error.last_response().unwrap().status.clone().unwrap();
    let named = format!("(batch upload status of customer {CUSTOMER}, upload {TRACKING}); its last status is {last}");
    assert!(error.to_string().ends_with(&named), "{error}");
    assert_eq!(format!("{error:?}").matches(TRACKING).count(), 1, "{error:?}");
    assert!(error.is_timeout() && !error.is_retryable());
    let last = error.last_response().unwrap();
    assert_eq!(last.status, Some(UploadStatus::Processing));
    assert_eq!(error.correlation_id(), Some(last.correlation_id()));
    assert_eq!(server.requests().len(), 2, "an interval that outlasts the limit is cut short, and that once");

    // However short the limit, the upload is asked for once.
    let server = Server::new([status("processing")]).await;
    let error = server.upload().wait(Wait::default().at_most(ZERO)).await.unwrap_err();
    assert_eq!(error.last_response().unwrap().status, Some(UploadStatus::Processing));
}

#[tokio::test]
async fn who_is_slow_to_take_the_responses_still_learns_the_last_status() {
    let server = Server::new(["queued", "finished"].map(status)).await;
    let clock = Clock::new();
    let mut watch = server.upload().watch(at_once().at_most(Duration::from_secs(60)));
    assert_eq!(watch.next().await.unwrap().unwrap().status, Some(UploadStatus::Queued));
    clock.set(61).await;
    assert_eq!(watch.next().await.unwrap().unwrap().status, Some(UploadStatus::Finished));
}

#[tokio::test]
async fn a_service_that_says_nothing_until_the_limit_is_no_end_of_the_upload() {
    let server = Server::new((0..9).map(|_| Reply::Send(Vec::new()))).await;
    let error = server.upload().wait(at_once().at_most(Duration::from_millis(200))).await.unwrap_err();
    assert_eq!((error.kind(), error.last_response().is_none()), (ErrorKind::NotFinished, true));
    assert!(error.source().unwrap().to_string().contains("in time"), "{error:?}");
}

#[tokio::test]
async fn a_request_of_a_wait_does_not_outlast_its_limit() {
    let server = Server::new([status("queued"), Reply::Send(Vec::new())]).await;
    let error = server.upload().wait(at_once().at_most(Duration::from_millis(200))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFinished);
    assert_eq!(error.last_response().unwrap().status, Some(UploadStatus::Queued));
    assert!(error.source().unwrap().to_string().contains("in time"), "{error:?}");
}

#[tokio::test]
async fn what_may_pass_does_not_end_a_wait() {
    let busy = || Reply::Send(response("503 Busy", &[], ""));
    let server = Server::new([busy(), status("queued"), busy(), Reply::SendAndClose(vec![]), status("finished")]).await;
    let ended = server.upload().wait(at_once()).await.unwrap();
    assert_eq!(ended.status, Some(UploadStatus::Finished));
}

#[tokio::test]
async fn an_address_where_nobody_listens_ends_a_wait_at_once() {
    let server = Server::new([Reply::SendAndClose(vec![]), status("finished")]).await;
    let error = server.upload().wait(at_once()).await.unwrap_err();
    assert_eq!((error.kind(), error.last_response().is_none()), (ErrorKind::Transport, true));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_cannot_pass_ends_a_wait_at_once() {
    let emulator = Emulator::start().await.unwrap();
    let upload =
        add(&emulator, &emulator.partner(), ScriptedUpload::new(details(UploadStatus::Finished)).queued_reads(1));
    let mut watch = upload.watch(at_once());
    watch.next().await.unwrap().unwrap();
    emulator.fail_next(1, StatusCode::FORBIDDEN);
    let error = watch.next().await.unwrap().unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::FORBIDDEN));
    assert_eq!(error.last_response().unwrap().status, Some(UploadStatus::Queued), "what was known is kept");
    assert!(watch.next().await.is_none(), "a stream ends with its error");
}

#[tokio::test]
async fn a_throttle_is_waited_out_or_ends_the_wait_with_its_value() {
    let throttled = |seconds: &str| Reply::Send(response("429 Too Many Requests", &[("Retry-After", seconds)], ""));
    // Longer than a single call would wait, within the limit of the wait: waited out, not failed.
    let server = Server::new([throttled("1"), status("finished")]).await;
    let policy = RetryPolicy::default().max_retry_after(ZERO);
    let partner = server.builder().retry_policy(policy).build().unwrap();
    let ended = upload(&partner).wait(at_once()).await.unwrap();
    assert_eq!((ended.attempts(), server.requests().len()), (1, 2));

    let server = Server::new([status("queued"), throttled("300")]).await;
    let error = server.upload().wait(at_once().at_most(Duration::from_secs(200))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFinished);
    assert!(error.last_response().is_some());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(300)));
    assert!(error.source().unwrap().to_string().contains("retry after 300 s"), "{error:?}");
}

#[tokio::test]
async fn a_wait_that_the_service_wants_longer_says_so() {
    let server =
        Server::new([Reply::Send(response("200 OK", &[("Retry-After", "500")], r#"{"status":"queued"}"#))]).await;
    let error = server.upload().wait(at_once().at_most(Duration::from_secs(20))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFinished);
    assert!(error.to_string().contains("asks for a longer wait"), "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(500)));
    assert_eq!(error.last_response().unwrap().status, Some(UploadStatus::Queued));
}

#[tokio::test]
async fn a_wait_that_the_service_asks_for_is_kept_where_there_is_time() {
    let queued = Reply::Send(response("200 OK", &[("Retry-After", "300")], r#"{"status":"queued"}"#));
    let server = Server::new([queued, status("finished")]).await;
    let (clock, began) = (Clock::new(), Instant::now());
    // Without Retry-After its last request would be due 10 seconds before the end.
    let mut watch = server.upload().watch(at_once().at_most(Duration::from_secs(308)));
    assert_eq!(watch.next().await.unwrap().unwrap().status, Some(UploadStatus::Queued));
    assert!(next_at(&mut watch, &clock, 299).await.unwrap().succeeded());
    assert!(began.elapsed() >= Duration::from_secs(300), "{:?}", began.elapsed());
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn waiting_outside_of_a_runtime_is_an_error() {
    let partner = PartnerCenter::builder(AccessToken::new("token")).build().unwrap();
    let error = upload(&partner).wait(Wait::default()).now_or_never().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("tokio runtime"), "{error}");
}

#[tokio::test]
async fn a_dropped_wait_sends_nothing_more() {
    let server = Server::new([status("queued"), status("finished")]).await;
    let mut watch = server.upload().watch(at_once());
    watch.next().await.unwrap().unwrap();
    drop(watch);
    assert_eq!(server.upload().get().await.unwrap().status, Some(UploadStatus::Finished));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn waits_can_be_spawned() {
    let emulator = Emulator::start().await.unwrap();
    let upload =
        add(&emulator, &emulator.partner(), ScriptedUpload::new(details(UploadStatus::Finished)).queued_reads(1));
    let watching = tokio::spawn(upload.watch(at_once()).count());
    tokio::spawn(async move { upload.wait(at_once()).await }).await.unwrap().unwrap();
    watching.await.unwrap();
}
