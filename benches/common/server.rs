//! The server of the measurements. The path of a request says what comes back, and in which manner:
//! `/devices/25/…`, `/batches/10000/…`, and with `paced`, `paced-gzip` or `held` behind it.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::UPLOAD;

pub fn upload(devices: usize) -> String {
    let device = |n: usize| {
        format!(
            r#"{{"serialNumber":"SN-{n:08}","productKey":"12345-67890-{n:08}","status":"finished","errorCode":"0","errorDescription":"","attributes":{{"objectType":"DeviceUploadDetails"}}}}"#
        )
    };
    let devices = (0..devices).map(device).collect::<Vec<_>>().join(",");
    format!(
        r#"{{"batchTrackingId":"{UPLOAD}","status":"finished","startedTime":"2017-07-25T10:00:00","completedTime":"2017-07-25T10:10:00","devicesStatus":[{devices}],"attributes":{{"objectType":"BatchUploadDetails"}}}}"#
    )
}

pub fn batches(count: usize) -> String {
    let batch = |n: usize| {
        format!(
            r#"{{"id":"Batch {n}","createdBy":"Contoso","status":"finished","creationDate":"2017-07-25T10:00:00","devicesCount":{n},"devicesLink":{{"uri":"/customers/47021739-3426-40bf-9601-61b4b6d7c793/deviceBatches/Batch {n}/devices","method":"GET","headers":[]}},"attributes":{{"objectType":"DeviceBatch"}}}}"#
        )
    };
    let items = (0..count).map(batch).collect::<Vec<_>>().join(",");
    format!(r#"{{"totalCount":{count},"items":[{items}],"attributes":{{"objectType":"Collection"}}}}"#)
}

/// So many requests are held back at a time.
pub const HELD: usize = 1_000;

/// A pace of 100 Mbit/s.
const BYTES_A_SECOND: usize = 12_500_000;

#[derive(Default)]
struct State {
    responses: Mutex<HashMap<String, Arc<[u8]>>>,
    held: Mutex<usize>,
    release: Notify,
}

/// Prints its address, and serves until it is killed.
pub fn run() -> ! {
    super::runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(serve(stream, Arc::clone(&state)));
        }
    })
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut received = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut received).await {
        // The body of a request for a token has no empty line.
        let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        received.clear();
        let path = head.split(' ').nth(1).unwrap_or_default();
        let key = path.split("/v1").next().unwrap_or_default();
        let mut parts = key.split('/').skip(1);
        let (kind, count) = (parts.next().unwrap_or_default(), parts.next().and_then(|count| count.parse().ok()));
        let manner = parts.next().unwrap_or_default();
        let known = state.responses.lock().unwrap().get(key).cloned();
        let response = known.unwrap_or_else(|| {
            let response = response(kind, count.unwrap_or(0), manner == "paced-gzip");
            state.responses.lock().unwrap().insert(key.to_owned(), Arc::clone(&response));
            response
        });
        if manner == "held" {
            let release = state.release.notified();
            let is_last = {
                let mut held = state.held.lock().unwrap();
                *held = (*held + 1) % HELD;
                *held == 0
            };
            if is_last { state.release.notify_waiters() } else { release.await }
        }
        let began = Instant::now();
        let piece = if manner.starts_with("paced") { 64 << 10 } else { response.len() };
        for (n, piece) in response.chunks(piece).enumerate() {
            if n > 0 {
                let due = Duration::from_secs_f64((n * (64 << 10)) as f64 / BYTES_A_SECOND as f64);
                tokio::time::sleep_until(began + due).await;
            }
            if stream.write_all(piece).await.is_err() {
                return;
            }
        }
    }
}

fn response(kind: &str, count: usize, compressed: bool) -> Arc<[u8]> {
    let body = match kind {
        "devices" => upload(count),
        "batches" => batches(count),
        _ => format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"{}"}}"#, super::token()),
    };
    let mut body = body.into_bytes();
    let mut coding = "";
    if compressed {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&body).unwrap();
        (body, coding) = (encoder.finish().unwrap(), "Content-Encoding: gzip\r\n");
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{coding}MS-RequestId: {UPLOAD}\r\n\
         MS-CorrelationId: {UPLOAD}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat().into()
}
