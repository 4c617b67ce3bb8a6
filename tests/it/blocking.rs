//! The client without async: the same names and results, from threads that have no runtime.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc::channel;
use std::time::Duration;

use partner_center_devices::blocking;
use partner_center_devices::emulator::{Emulator, ScriptedUpload};
use partner_center_devices::models::{BatchUploadDetails, UploadStatus};
use partner_center_devices::{AccessToken, ErrorKind, PartnerCenter, RequestContext, RetryPolicy, Wait};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::server::response;

/// An emulator in a runtime of its own, beside the test's thread.
fn start() -> (Runtime, Emulator) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let emulator = runtime.block_on(Emulator::start()).unwrap();
    (runtime, emulator)
}

fn partner(emulator: &Emulator) -> blocking::PartnerCenter {
    PartnerCenter::builder(AccessToken::new("any-token")).base_url(emulator.base_url()).build_blocking().unwrap()
}

fn at_once() -> Wait {
    Wait::default().first_after(Duration::ZERO).intervals(Duration::ZERO..=Duration::ZERO)
}

#[test]
fn both_operations_and_links_do_what_they_do_without_blocking() {
    let (_runtime, emulator) = start();
    let partner = partner(&emulator);
    let customer = partner.customers().by_id(emulator.example_customer());
    let batches = customer.device_batches().get().unwrap();
    assert_eq!(batches.items[0].id.as_deref(), Some("Test batch"));
    let upload = customer.batch_upload_status().by_id(emulator.example_upload());
    assert_eq!(upload.get().unwrap().devices_status.len(), 1);

    let link = batches.items[0].devices_link.clone().unwrap();
    emulator.add_resource(link.uri.as_deref().unwrap(), json!({ "totalCount": 5 }));
    assert_eq!(partner.follow::<Value>(&link).unwrap()["totalCount"], 5);

    let id = Uuid::new_v4();
    let response = partner.with(RequestContext::new().correlation_id(id));
    let response = response.customers().by_id(emulator.example_customer()).device_batches().get().unwrap();
    assert_eq!(response.correlation_id(), id);

    let unknown = partner.customers().by_id(Uuid::new_v4().into()).device_batches().get();
    assert!(unknown.unwrap_err().is_not_found());
}

#[test]
fn waiting_and_watching_block_until_the_upload_ends() {
    let (_runtime, emulator) = start();
    let mut details = BatchUploadDetails::default();
    details.status = Some(UploadStatus::Finished);
    let id = Uuid::new_v4().into();
    let script = || ScriptedUpload::new(details.clone()).queued_reads(2).processing_reads(2);
    let customer = emulator.example_customer();
    emulator.add_upload(customer, id, script());
    let location = format!("/customers/{customer}/batchJobStatus/{id}");
    let upload = partner(&emulator).batch_upload(location).unwrap();
    assert!(upload.wait(at_once()).unwrap().is_complete());

    emulator.add_upload(customer, id, script());
    let seen: Vec<_> = upload.watch(at_once()).map(|response| response.unwrap().status.clone().unwrap()).collect();
    assert_eq!(seen, [UploadStatus::Queued, UploadStatus::Processing, UploadStatus::Finished]);
    let mut ended = upload.watch(at_once());
    assert!(ended.by_ref().count() == 1 && ended.next().is_none(), "an iterator stays at its end");
}

#[tokio::test]
async fn a_mistake_is_told_also_inside_of_a_runtime() {
    let error = PartnerCenter::builder(AccessToken::new("token")).base_url("nonsense").build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[test]
fn a_connection_that_is_closed_between_calls_is_noticed_between_calls() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let (closed, client_has_closed) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            stream.write_all(&response("200 OK", &[], "{}")).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            // Ends when the client has closed its side, too.
            let _ = stream.read_to_end(&mut Vec::new());
            closed.send(()).unwrap();
        }
    });
    let partner = PartnerCenter::builder(AccessToken::new("any-token")).base_url(base_url);
    let partner = partner.retry_policy(RetryPolicy::none()).build_blocking().unwrap();
    let batches = partner.customers().by_id(Uuid::new_v4().into()).device_batches();
    for _ in 0..2 {
        batches.get().unwrap();
        client_has_closed.recv_timeout(Duration::from_secs(9)).unwrap();
    }
}

#[test]
fn the_emulator_runs_beside_a_test_without_async() {
    let emulator = Emulator::start_blocking().unwrap();
    let customer = partner(&emulator).customers().by_id(emulator.example_customer());
    assert_eq!(customer.device_batches().get().unwrap().items.len(), 1);
    // Nor does it stop anybody else when it ends in their runtime.
    tokio::runtime::Runtime::new().unwrap().block_on(async { drop(emulator) });
    assert_eq!(customer.device_batches().get().unwrap_err().kind(), ErrorKind::Transport);
}

#[test]
fn threads_share_a_client() {
    let (_runtime, emulator) = start();
    let partner = partner(&emulator);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let customer = partner.customers().by_id(emulator.example_customer());
            scope.spawn(move || (0..5).for_each(|_| drop(customer.device_batches().get().unwrap())));
        }
    });
    assert_eq!(emulator.requests().len(), 40);
}

#[tokio::test]
async fn inside_a_runtime_a_call_is_an_error_and_no_panic() {
    let emulator = Emulator::start().await.unwrap();
    let partner = partner(&emulator);
    let customer = partner.customers().by_id(emulator.example_customer());
    let upload = customer.batch_upload_status().by_id(emulator.example_upload());
    let errors = [
        customer.device_batches().get().unwrap_err(),
        upload.get().unwrap_err(),
        upload.wait(at_once()).unwrap_err(),
        upload.watch(at_once()).next().unwrap().unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("inside an async runtime"), "{error}");
    }
    assert_eq!(upload.watch(at_once()).count(), 1, "the iterator ends with its error");
    assert!(emulator.requests().is_empty());
    // Nor is dropping the last handle a panic.
    drop((partner, customer, upload));
}
