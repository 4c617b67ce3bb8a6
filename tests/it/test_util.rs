//! Responses and errors that programs make for their own unit tests are those that calls return.

use partner_center_devices::models::BatchUploadDetails;
use partner_center_devices::{Error, Response};

use crate::server::{Server, documented, response};

fn made(bytes: &[u8]) -> Result<Response<BatchUploadDetails>, Error> {
    let text = str::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let mut response = http::Response::builder().status(status);
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        response = response.header(name, value);
    }
    Response::from_http(response.body(body.to_owned()).unwrap())
}

/// What a response or an error shows, without its IDs, which differ, and what only a call knows.
fn shown(outcome: &Result<Response<BatchUploadDetails>, Error>) -> String {
    match outcome {
        Ok(response) => format!("{:?} {:?}", response.as_ref().into_inner(), response.http_status()),
        Err(error) => format!("{:?} {:?} {:?} {:?}", error.kind(), error.status(), error.code(), error.retry_after()),
    }
}

#[tokio::test]
async fn a_response_that_is_made_of_http_is_what_the_call_returns() {
    for bytes in [
        documented("batch_upload_status.http"),
        response("200 OK", &[], "\u{feff}{\"status\":\"queued\"}"),
        response("200 OK", &[], "[]"),
        response("200 OK", &[], r#"{"code":"400072","description":"not here"}"#),
        response("202 Accepted", &[], "{}"),
        response("206 Partial Content", &[], "{}"),
        response("304 Not Modified", &[], ""),
        response("404 Not Found", &[], r#"{"code":"20002","description":"no such customer"}"#),
        response("429 Too Many Requests", &[("Retry-After", "300")], r#"{"statusCode":429}"#),
    ] {
        let server = Server::with_response(bytes.clone()).await;
        let called = server.upload().get().await;
        assert_eq!(shown(&made(&bytes)), shown(&called), "{}", String::from_utf8_lossy(&bytes));
    }
}
