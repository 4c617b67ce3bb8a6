//! A bounded soak: 20,000 calls, 64 at a time with 56 requests in flight, against a loopback server that
//! fails one request in ten. Every call must end with its own response. `cargo bench --bench soak`, on
//! Linux: sockets and memory are read from `/proc`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use partner_center_devices::{AccessToken, PartnerCenter, RetryPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

const CALLS: usize = 20_000;
const WARM_UP: usize = 4_000;
const IN_FLIGHT: usize = 64;
/// hyper's pool lets a new connection race against one that becomes idle and keeps both, so a few
/// sockets more than requests in flight are open for a moment: 1 to 4 were seen.
const REQUESTS_IN_FLIGHT: usize = IN_FLIGHT - 8;

#[derive(Default)]
struct Counters {
    requests: AtomicUsize,
    responses: AtomicUsize,
    unavailable: AtomicUsize,
    resets: AtomicUsize,
    stalls: AtomicUsize,
}

#[tokio::main]
async fn main() {
    let counters = Arc::new(Counters::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let base_url = format!("http://{address}");
    tokio::spawn({
        let counters = Arc::clone(&counters);
        async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&counters)));
            }
        }
    });
    let policy = RetryPolicy::default().max_retries(10).initial_delay(Duration::from_millis(1));
    let partner = PartnerCenter::builder(AccessToken::new("a-token-for-the-soak"))
        .base_url(base_url)
        .retry_policy(policy)
        .attempt_timeout(Duration::from_millis(500))
        .max_in_flight(REQUESTS_IN_FLIGHT)
        .build()
        .unwrap();

    let started = Instant::now();
    let (mut attempts, mut after_warm_up, mut peak, mut most_open) = (0, 0, 0, 0);
    let mut calls = stream::iter(0..CALLS).map(|_| call(partner.clone())).buffer_unordered(IN_FLIGHT);
    let mut ended = 0;
    while let Some(taken) = calls.next().await {
        attempts += taken;
        ended += 1;
        if ended % 20 == 0 {
            most_open = most_open.max(open_sockets(address.port()));
        }
        if ended % 500 == 0 {
            let memory = resident_kib();
            if ended <= WARM_UP {
                after_warm_up = after_warm_up.max(memory);
            } else {
                peak = peak.max(memory);
            }
        }
    }

    let count = |counter: &AtomicUsize| counter.load(Relaxed);
    let injected = [count(&counters.unavailable), count(&counters.resets), count(&counters.stalls)];
    let retries = attempts - CALLS;
    println!("calls             {ended} in {:.1?}", started.elapsed());
    println!(
        "failures injected {} (503: {}, resets: {}, stalls: {})",
        injected.iter().sum::<usize>(),
        injected[0],
        injected[1],
        injected[2]
    );
    println!("retries           {retries}");
    println!("sockets           {} at most", most_open);
    println!(
        "memory            {peak} KiB at most after warm-up, {after_warm_up} KiB during it: {:.2}",
        peak as f64 / after_warm_up as f64
    );

    assert_eq!(ended, CALLS, "no call is lost");
    assert_eq!(count(&counters.responses), CALLS, "no call gets two responses");
    assert!(most_open <= IN_FLIGHT, "sockets stay within the bound");
    assert!(peak as f64 <= after_warm_up as f64 * 1.25, "memory is flat after warm-up");
}

/// One call; its response must name the upload that it asked for.
async fn call(partner: PartnerCenter) -> usize {
    let (customer, upload) = (Uuid::new_v4(), Uuid::new_v4());
    let handle = partner.customers().by_id(customer.into()).batch_upload_status().by_id(upload.into());
    let response = handle.get().await.unwrap();
    assert_eq!(response.batch_tracking_id, Some(upload.to_string()));
    response.attempts() as usize
}

/// Responds with the id that the path ends with, but for one request in ten.
async fn serve(mut stream: TcpStream, counters: Arc<Counters>) {
    let mut received = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut received).await {
        if !received.ends_with(b"\r\n\r\n") {
            continue;
        }
        let head = String::from_utf8(std::mem::take(&mut received)).unwrap();
        let path = head.split(' ').nth(1).unwrap();
        let body = format!(r#"{{"batchTrackingId":"{}","status":"finished"}}"#, path.rsplit('/').next().unwrap());
        let request = counters.requests.fetch_add(1, Relaxed);
        let response = match request % 30 {
            0 => {
                counters.unavailable.fetch_add(1, Relaxed);
                "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n".to_owned()
            }
            10 => {
                counters.resets.fetch_add(1, Relaxed);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{").await;
                let _ = stream.set_zero_linger();
                break;
            }
            20 => {
                counters.stalls.fetch_add(1, Relaxed);
                // Until the client gives up.
                let _ = stream.read(&mut [0]).await;
                break;
            }
            _ => {
                counters.responses.fetch_add(1, Relaxed);
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            }
        };
        if stream.write_all(response.as_bytes()).await.is_err() {
            break;
        }
    }
}

/// The established connections to the server, as the system counts them: those that the client has
/// closed and the server has not yet noticed are none. 0 where the system does not tell.
fn open_sockets(port: u16) -> usize {
    const ESTABLISHED: &str = "01";
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap_or_default();
    let local = format!(":{port:04X}");
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > 3 && row[1].ends_with(&local) && row[3] == ESTABLISHED).count()
}

/// The resident memory of this process, server included; 0 where the system does not tell.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
