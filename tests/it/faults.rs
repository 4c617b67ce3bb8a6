//! The fault matrix: what the wire can do, one row a fault, and both operations run through each.
//!
//! Every row says how the call ends, how many attempts it takes (one retry is allowed) and within
//! which time, as a guard against hanging. No row may panic or show the token; the bound on bodies
//! is 1 MiB here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use partner_center_devices::{AccessToken, Builder, Cloud, ErrorKind, PartnerCenter, RetryPolicy};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::compression::{deflate, gzip, zlib};
use crate::secrets::everything_about;
use crate::server::{Reply, Server, TOKEN, customer, response, upload};
use crate::sign_in::app_only;
use crate::virtual_time::Names;

/// The row whose connections are used again; in the others that could cost an attempt by chance.
const CLOSED_WHILE_IDLE: &str = "closed while idle after a good response";
const LIMIT: usize = 1 << 20;
/// What the operating system takes of a response that nobody reads.
const SOCKET_BUFFERS: usize = 12 << 20;
const ATTEMPT: Duration = Duration::from_millis(400);
/// For all that an attempt does besides waiting, on a busy machine.
pub const SLACK: Duration = Duration::from_secs(5);

/// What a server does on a connection, once it has read a request.
#[derive(Clone)]
pub enum Act {
    Send(Vec<u8>),
    /// One byte every 50 ms.
    Drip(Vec<u8>),
    /// The same bytes for ever.
    Endless(Vec<u8>),
    /// Nothing more, with the connection open.
    Stall,
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Succeeds,
    Fails(ErrorKind),
    /// With this status, and kind `Service`.
    Status(u16),
    TimesOut,
}
use End::{Fails, Status, Succeeds, TimesOut};

struct Row {
    name: &'static str,
    acts: Vec<Act>,
    end: End,
    attempts: u32,
    /// A guard against hanging, for one call.
    within: Duration,
}

pub const TRANSPORT: End = Fails(ErrorKind::Transport);
const DECODE: End = Fails(ErrorKind::Decode);

pub fn bound(end: End, attempts: u32) -> Duration {
    if end == TimesOut { ATTEMPT * attempts + SLACK } else { SLACK }
}

fn row(name: &'static str, acts: impl IntoIterator<Item = Act>, end: End, attempts: u32) -> Row {
    Row { name, acts: acts.into_iter().collect(), end, attempts, within: bound(end, attempts) }
}

pub fn send(bytes: impl AsRef<[u8]>) -> Act {
    Act::Send(bytes.as_ref().to_vec())
}

fn raw(name: &'static str, bytes: impl AsRef<[u8]>, end: End, attempts: u32) -> Row {
    row(name, [send(bytes)], end, attempts)
}

fn ok(name: &'static str, headers: &[(&str, &str)], body: impl AsRef<[u8]>, end: End) -> Row {
    raw(name, response("200 OK", headers, body), end, 1)
}

fn status(name: &'static str, line: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>, attempts: u32) -> Row {
    raw(name, response(line, headers, body), Status(line[..3].parse().unwrap()), attempts)
}

fn matrix() -> Vec<Row> {
    let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let deep =
        |open: &str, close: &str| format!("{{\"attributes\":{}{}}}", open.repeat(100_000), close.repeat(100_000));
    let echo = format!("Bearer {TOKEN}");
    let html = "<html><body><h1>502</h1></body></html>";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let gzipped_chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n";
    let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let headers = |count: usize| (0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    vec![
        // The connection.
        row("reset before the headers", [Act::Reset], TRANSPORT, 2),
        row("reset within the status line", [send("HTTP/1."), Act::Reset], TRANSPORT, 2),
        row("reset within the headers", [send("HTTP/1.1 200 OK\r\nContent-Le"), Act::Reset], TRANSPORT, 2),
        row(
            "reset after the headers",
            [send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), Act::Reset],
            TRANSPORT,
            2,
        ),
        row("reset within the body", [send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), Act::Reset], TRANSPORT, 2),
        row("206 reset", [send("HTTP/1.1 206 Some\r\nContent-Length: 9\r\n\r\n{"), Act::Reset], TRANSPORT, 2),
        row("closed before the headers", [], TRANSPORT, 2),
        raw("closed within the headers", "HTTP/1.1 200 OK\r\nContent", TRANSPORT, 2),
        raw(CLOSED_WHILE_IDLE, response("200 OK", &[], "{}"), Succeeds, 2),
        // Lengths and framing.
        raw("Content-Length too long", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", TRANSPORT, 2),
        raw("Content-Length too short", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}", DECODE, 1),
        raw("Content-Length negative", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}", TRANSPORT, 2),
        raw("Content-Length no number", "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}", TRANSPORT, 2),
        raw("two Content-Lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", TRANSPORT, 2),
        raw("no length, closed", "HTTP/1.1 200 OK\r\n\r\n{}", Succeeds, 1),
        raw("no length, closed midway", "HTTP/1.1 200 OK\r\n\r\n{\"status\":\"fin", TRANSPORT, 2),
        raw("HTTP/1.0, closed midway", "HTTP/1.0 200 OK\r\n\r\n{\"status\":", TRANSPORT, 2),
        raw("chunks", format!("{chunked}1\r\n{{\r\n1\r\n}}\r\n0\r\n\r\n"), Succeeds, 1),
        raw("chunk length broken", format!("{chunked}zz\r\n{{}}\r\n0\r\n\r\n"), TRANSPORT, 2),
        raw("chunk length overflows", format!("{chunked}fffffffffffffffff\r\n{{}}"), TRANSPORT, 2),
        raw("chunk without end", format!("{chunked}2\r\n{{}}"), TRANSPORT, 2),
        raw("last chunk missing", format!("{chunked}2\r\n{{}}\r\n"), TRANSPORT, 2),
        // Time.
        row("stalled before the headers", [Act::Stall], TimesOut, 2),
        row("stalled within the headers", [send("HTTP/1.1 200 OK\r\nX-"), Act::Stall], TimesOut, 2),
        row("stalled body", [send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{"), Act::Stall], TimesOut, 2),
        row(
            "slow is not dead",
            [send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"), Act::Drip(b"{}".to_vec())],
            Succeeds,
            1,
        ),
        row(
            "slow beyond the attempt's time",
            [send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"), Act::Drip(vec![b' '; 99])],
            TimesOut,
            2,
        ),
        // The head.
        raw("no HTTP at all", "220 mail.example.com ESMTP\r\n\r\n", TRANSPORT, 2),
        raw("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n{}", Succeeds, 1),
        raw("HTTP/2.0 in the status line", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", TRANSPORT, 2),
        raw("status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\n{}", TRANSPORT, 2),
        raw("status without reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", Succeeds, 1),
        raw("status beyond 599", response("999 Odd", &[], ""), Status(999), 1),
        raw("one header of 200 kB", response("200 OK", &[("X-Long", &"y".repeat(200_000))], "{}"), Succeeds, 1),
        raw("one header of 1 MB", response("200 OK", &[("X-Long", &"y".repeat(1_000_000))], "{}"), TRANSPORT, 2),
        raw("a thousand headers", format!("HTTP/1.1 200 OK\r\n{}\r\n{{}}", headers(1000)), TRANSPORT, 2),
        raw(
            "header with a control character",
            "HTTP/1.1 200 OK\r\nX: \x01\r\nContent-Length: 2\r\n\r\n{}",
            TRANSPORT,
            2,
        ),
        raw(
            "header of foreign bytes",
            b"HTTP/1.1 200 OK\r\nMS-CV: \xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
            Succeeds,
            1,
        ),
        raw(
            "100 before the response",
            [b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), response("200 OK", &[], "{}")].concat(),
            Succeeds,
            1,
        ),
        raw(
            "103 before the response",
            [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".to_vec(), response("200 OK", &[], "{}")].concat(),
            Succeeds,
            1,
        ),
        raw(
            "101 without being asked",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            Status(101),
            1,
        ),
        // Statuses.
        raw("204", "HTTP/1.1 204 No Content\r\n\r\n", Status(204), 1),
        status("206", "206 Partial Content", &[("Content-Range", "bytes 0-1/9")], "{}", 1),
        raw("304", "HTTP/1.1 304 Not Modified\r\n\r\n", Status(304), 1),
        status("redirect to elsewhere", "302 Found", &[("Location", "https://example.com/")], "", 1),
        status("redirect in a loop", "307 Temporary Redirect", &[("Location", "/")], "", 1),
        status("redirect without location", "301 Moved Permanently", &[], "", 1),
        status("redirect that echoes the token", "302 Found", &[("Location", &format!("/?{TOKEN}"))], "", 1),
        status("HTML from a gateway", "502 Bad Gateway", &[("Content-Type", "text/html")], html, 2),
        status("404 in plain text", "404 Not Found", &[], "nothing here", 1),
        status("400 of a gateway", "400 Bad Request", &[], "", 1),
        status("a fault cut off", "500 Internal Server Error", &[], r#"{"code":1,"desc"#, 2),
        status("a fault nested deep", "500 Internal Server Error", &[], deep("[", "]"), 2),
        status(
            "a fault that echoes the token",
            "403 Forbidden",
            &[("X-Echo", &echo)],
            format!("{{\"description\":\"{echo}\"}}"),
            1,
        ),
        status("an error larger than the bound", "500 Internal Server Error", &[], vec![b'x'; LIMIT + 1], 2),
        row(
            "an error reset within the body",
            [send("HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\n{"), Act::Reset],
            Status(503),
            2,
        ),
        row(
            "an error without end",
            [
                send("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n"),
                Act::Endless(format!("1000\r\n{}\r\n", "x".repeat(4096)).into_bytes()),
            ],
            Status(403),
            1,
        ),
        status("throttled without Retry-After", "429 Too Many Requests", &[], "", 2),
        // Bodies of a 200.
        raw("announced as 200 MB", "HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n{", DECODE, 1),
        row("200 MB unannounced", [send("HTTP/1.1 200 OK\r\n\r\n"), Act::Endless(vec![b' '; 65536])], DECODE, 1),
        row(
            "chunks without end",
            [send(chunked), Act::Endless(format!("1000\r\n{}\r\n", " ".repeat(4096)).into_bytes())],
            DECODE,
            1,
        ),
        ok("empty", &[], "", DECODE),
        ok("HTML with 200", &[("Content-Type", "text/html")], html, DECODE),
        ok("gzip", &[("Content-Encoding", "gzip")], gzip("{}"), Succeeds),
        ok("deflate", &[("Content-Encoding", "deflate")], zlib("{}"), Succeeds),
        ok("deflate without its header", &[("Content-Encoding", "deflate")], deflate("{}"), Succeeds),
        ok("gzip cut off", &[("Content-Encoding", "gzip")], &gzip("{}")[..12], DECODE),
        ok("plain though said to be gzip", &[("Content-Encoding", "gzip")], "{}", Succeeds),
        ok("a coding that is not supported", &[("Content-Encoding", "br")], "\x0b{}\x03", DECODE),
        ok("gzip of more than the bound", &[("Content-Encoding", "gzip")], gzip(vec![b' '; LIMIT + 1]), DECODE),
        row(
            "gzip that becomes 100 times as much without end",
            [send(gzipped_chunks), Act::Endless(chunk(&gzip(vec![b' '; 1 << 16])))],
            DECODE,
            1,
        ),
        row(
            "gzip cut off with the connection",
            [send([b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", &gzip("{}")[..12]].concat())],
            TRANSPORT,
            2,
        ),
        status("a throttle in gzip", "429 Too Many Requests", &[("Content-Encoding", "gzip")], gzip("{}"), 2),
        status("a fault in a coding that is not supported", "403 Forbidden", &[("Content-Encoding", "br")], "{}", 1),
        ok("wrong Content-Type", &[("Content-Type", "image/png")], "{}", Succeeds),
        ok("broken Content-Type", &[("Content-Type", ";;;")], "{}", Succeeds),
        ok("charset of another encoding", &[("Content-Type", "application/json; charset=utf-16")], "{}", Succeeds),
        ok("byte-order mark", &[], "\u{feff}{}", Succeeds),
        ok("two byte-order marks", &[], "\u{feff}\u{feff}{}", DECODE),
        ok("UTF-16", &[], utf16, DECODE),
        ok("invalid UTF-8 in a member that is read", &[], b"{\"batchTrackingId\":\"\xff\",\"items\":\"\xff\"}", DECODE),
        ok("unpaired surrogate", &[], r#"{"batchTrackingId":"\ud800","items":"\ud800"}"#, DECODE),
        ok("arrays nested 100,000 deep where an object is expected", &[], deep("[", "]"), Succeeds),
        ok("objects nested 100,000 deep", &[], deep("{\"a\":", "}"), DECODE),
        ok("a hundred thousand objects", &[], format!("{{\"a\":[{}0]}}", "{},".repeat(100_000)), DECODE),
        ok("duplicate keys", &[], r#"{"attributes":{},"attributes":{}}"#, Succeeds),
        ok("numbers out of range", &[], r#"{"attributes":1e999}"#, DECODE),
        ok("a body that echoes the token", &[("X-Echo", &echo)], format!("{{\"attributes\":\"{echo}\"}}"), Succeeds),
        ok("a sign escaped without end, as in a URL", &[], format!("{{}}%{}", "25".repeat(500_000)), DECODE),
        ok("a sign escaped without end, as in HTML", &[], format!("{{}}&{}", "amp;".repeat(250_000)), DECODE),
        ok("a sign escaped without end, as in JSON", &[], format!("{{}}{}", "\\".repeat(500_000)), DECODE),
        ok("a fault with status 200", &[], r#"{"code":"400072","description":"No."}"#, Status(200)),
        ok("a throttle of the gateway with status 200", &[], r#"{"statusCode":429,"message":"Wait."}"#, Status(200)),
        ok("none of the documented members", &[], r#"{"a":1}"#, DECODE),
        ok("null", &[], "null", DECODE),
        ok("a list", &[], "[]", DECODE),
        ok("two values", &[], "{}{}", DECODE),
        ok("zero bytes", &[], [0; 100], DECODE),
    ]
}

/// Counts what it could write of a body without end.
pub async fn act(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    acts: &[Act],
    written_endless: &AtomicUsize,
) -> bool {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read_buf(&mut request).await, Ok(1..)) {
            return false;
        }
    }
    for act in acts {
        let written = match act {
            Act::Send(bytes) => stream.write_all(bytes).await,
            Act::Drip(bytes) => {
                let mut ticks = tokio::time::interval(Duration::from_millis(50));
                let mut written = Ok(());
                for byte in bytes {
                    ticks.tick().await;
                    written = stream.write_all(&[*byte]).await;
                }
                written
            }
            Act::Endless(bytes) => loop {
                if let Err(error) = stream.write_all(bytes).await {
                    break Err(error);
                }
                written_endless.fetch_add(bytes.len(), SeqCst);
            },
            Act::Stall => std::future::pending().await,
            Act::Reset => return true,
        };
        if written.is_err() {
            return false;
        }
    }
    false
}

async fn serve(acts: Vec<Act>, written_endless: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (acts, written_endless) = (acts.clone(), Arc::clone(&written_endless));
            tokio::spawn(async move {
                let reset = act(&mut stream, &acts, &written_endless).await;
                if reset {
                    stream.set_zero_linger().unwrap();
                }
            });
        }
    });
    address
}

pub fn builder() -> Builder {
    let policy = RetryPolicy::default().max_retries(1).initial_delay(Duration::ZERO);
    PartnerCenter::builder(AccessToken::new(TOKEN)).retry_policy(policy).attempt_timeout(ATTEMPT).max_body_size(LIMIT)
}

/// Runs both operations, one after the other, with the same client.
pub async fn check(name: &str, partner: &PartnerCenter, end: End, attempts: u32, within: Duration) {
    let both = async {
        let upload = upload(partner).get().await.map(|response| response.attempts());
        let batches = customer(partner).device_batches().get().await.map(|response| response.attempts());
        [upload, batches]
    };
    let outcomes = tokio::time::timeout(2 * within, both).await.unwrap_or_else(|_| panic!("{name}: hangs"));
    for outcome in outcomes {
        let taken = match &outcome {
            Ok(attempts) => *attempts,
            Err(error) => error.attempts(),
        };
        let fits = match (end, &outcome) {
            (Succeeds, Ok(_)) => true,
            (Fails(kind), Err(error)) => error.kind() == kind && !error.is_timeout(),
            (Status(status), Err(error)) => {
                error.kind() == ErrorKind::Service && error.status().is_some_and(|found| found.as_u16() == status)
            }
            (TimesOut, Err(error)) => error.is_timeout() && error.kind() == ErrorKind::Transport,
            _ => false,
        };
        // A response may take fewer attempts than it is allowed.
        let fits = fits && if end == Succeeds { taken <= attempts } else { taken == attempts };
        assert!(fits, "{name}: expected {end:?} after {attempts}, got {outcome:?} after {taken}");
        if let Err(error) = outcome {
            assert!(error.body().len() <= LIMIT, "{name}");
            assert!(!everything_about(&error).contains(TOKEN), "{name}: {error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_ends_as_its_row_says() {
    let matrix = matrix();
    assert!(matrix.len() >= 60);
    for Row { name, acts, end, attempts, within } in &matrix {
        let written_endless = Arc::new(AtomicUsize::new(0));
        let address = serve(acts.clone(), Arc::clone(&written_endless)).await;
        let idle = if *name == CLOSED_WHILE_IDLE { usize::MAX } else { 0 };
        let http = reqwest::Client::builder().pool_max_idle_per_host(idle);
        let partner = builder().base_url(format!("http://{address}")).http_client(http).build().unwrap();
        check(name, &partner, *end, *attempts, *within).await;
        let taken = written_endless.load(SeqCst);
        assert!(taken <= 2 * (LIMIT + SOCKET_BUFFERS), "{name}: {taken} bytes were taken of a body without end");
    }
    #[allow(clippy::print_stdout)] // .ci/run looks for this line.
    {
        println!("fault matrix: {} rows, both operations each", matrix.len());
    }
}

#[tokio::test]
async fn a_refused_connection_is_retried_and_reported() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let partner = builder().base_url(format!("http://{address}")).build().unwrap();
    check("connection refused", &partner, TRANSPORT, 2, SLACK).await;
}

#[tokio::test]
async fn a_name_that_is_not_found_is_retried_and_reported() {
    let http = reqwest::Client::builder().dns_resolver(Arc::new(Names::Unknown));
    let partner = builder().base_url("https://example.com").http_client(http).build().unwrap();
    check("name not found", &partner, TRANSPORT, 2, SLACK).await;
}

/// A client with this many retries, without waits.
pub fn retrying(retries: u32) -> Builder {
    let policy = RetryPolicy::default().max_retries(retries).initial_delay(Duration::ZERO);
    builder().retry_policy(policy)
}

#[tokio::test]
async fn what_hardly_passes_is_tried_once_more_and_not_again() {
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n{{}}", "X: y\r\n".repeat(1000));
    let garbage = "220 mail.example.com ESMTP\r\n\r\n".to_owned();
    for garbled in [garbage.clone(), "HTTP/9.1 200 OK\r\n\r\n".to_owned(), many_headers] {
        let address = serve(vec![send(garbled)], Arc::default()).await;
        let partner = retrying(9).base_url(format!("http://{address}")).build().unwrap();
        let error = upload(&partner).get().await.unwrap_err();
        assert_eq!(error.attempts(), 2, "{error:?}");
        assert!(error.to_string().contains("what came is not HTTP, or has too many headers"), "{error}");
    }
    let http = reqwest::Client::builder().dns_resolver(Arc::new(Names::Unknown));
    let partner = retrying(9).base_url("https://example.com").http_client(http).build().unwrap();
    let error = upload(&partner).get().await.unwrap_err();
    assert_eq!((error.attempts(), error.to_string().ends_with("its name is not found")), (2, true), "{error}");

    let replies = [garbage.into_bytes(), response("200 OK", &[], "{}")].map(Reply::SendAndClose);
    let server = Server::new(replies).await;
    let partner = retrying(9).base_url(&server.base_url).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap().attempts(), 2);
}

/// Both addresses of loopback, the one first on which nobody listens.
struct BothAddresses;

impl reqwest::dns::Resolve for BothAddresses {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let addresses = ["[::1]:0", "127.0.0.1:0"].map(|address| address.parse().unwrap());
        Box::pin(async move { Ok(Box::new(addresses.into_iter()) as reqwest::dns::Addrs) })
    }
}

#[tokio::test]
async fn where_localhost_has_two_addresses_and_nobody_listens_on_the_first_the_other_is_tried() {
    let address = serve(vec![send(response("200 OK", &[], "{}"))], Arc::default()).await;
    let http = reqwest::Client::builder().dns_resolver(Arc::new(BothAddresses));
    let url = format!("http://localhost:{}", address.port());
    let partner = builder().base_url(url).http_client(http).attempt_timeout(SLACK).build().unwrap();
    check("localhost is IPv4 only", &partner, Succeeds, 1, SLACK).await;
}

#[tokio::test]
async fn a_resolver_that_is_busy_is_asked_as_often_as_retries_are_allowed() {
    let http = reqwest::Client::builder().dns_resolver(Arc::new(Names::Busy));
    let partner = retrying(4).base_url("https://example.com").http_client(http).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap_err().attempts(), 5);
}

#[tokio::test]
async fn a_proxy_that_wants_credentials_is_asked_once_and_the_error_says_so() {
    let refusal = || Reply::SendAndClose(response("407 Proxy Authentication Required", &[], ""));
    let server = Server::new((0..9).map(|_| refusal())).await;
    let http = || reqwest::Client::builder().proxy(reqwest::Proxy::https(&server.base_url).unwrap());
    let partner = retrying(9).base_url("https://partner.example.com").http_client(http()).build().unwrap();
    let error = upload(&partner).get().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.is_retryable()), (ErrorKind::Transport, 1, false));
    assert!(error.to_string().contains("the proxy wants credentials (407)"), "{error}");
    assert_eq!(server.requests().len(), 1);
    assert!(server.requests()[0].starts_with("CONNECT partner.example.com:443 "));

    let cloud = Cloud::custom("https://partner.example.com", "https://login.example.com").unwrap();
    let partner = PartnerCenter::builder(app_only()).cloud(cloud).http_client(http()).build().unwrap();
    let error = upload(&partner).get().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), error.is_retryable()), (ErrorKind::Credential, 0, false));
    assert!(error.to_string().contains("sign-in service: the proxy wants credentials (407)"), "{error}");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_socks_proxy_without_support_for_it_is_an_error_that_names_the_feature() {
    let proxy = || reqwest::Proxy::all("socks5://127.0.0.1:9").unwrap();
    let http = || reqwest::Client::builder().proxy(proxy());
    let partner = retrying(9).base_url("https://partner.example.com").http_client(http()).build().unwrap();
    let error = upload(&partner).get().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Config, 1), "{error:?}");
    assert!(error.to_string().contains("a SOCKS proxy needs the feature `socks`"), "{error}");

    let cloud = Cloud::custom("https://partner.example.com", "https://login.example.com").unwrap();
    let partner = PartnerCenter::builder(app_only()).cloud(cloud).http_client(http()).build().unwrap();
    let error = upload(&partner).get().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Config, 0), "{error:?}");
    assert!(error.to_string().contains("a SOCKS proxy needs the feature `socks`"), "{error}");
}

/// With `cargo test --no-default-features`.
#[cfg(not(feature = "rustls"))]
#[tokio::test]
async fn https_without_tls_support_is_an_error_that_names_the_feature() {
    let partner = retrying(9).base_url("https://localhost:9").build().unwrap();
    let error = upload(&partner).get().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Config, 1), "{error:?}");
    assert!(error.to_string().contains("https needs the feature `rustls`"), "{error}");

    let cloud = Cloud::custom("https://localhost:9", "https://localhost:9").unwrap();
    let partner = PartnerCenter::builder(app_only()).cloud(cloud).build().unwrap();
    let error = upload(&partner).get().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Config, 0), "{error:?}");
    assert!(error.to_string().contains("https needs the feature `rustls`"), "{error}");
}
