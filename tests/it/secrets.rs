//! Nothing shows a token: not `Debug`, not an error, not a log line.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};

use partner_center_devices::emulator::Emulator;
use partner_center_devices::models::{CustomerId, Link};
use partner_center_devices::{
    AccessToken, Cloud, Credential, Error, PartnerCenter, TokenFuture, TokenRequest, UploadLocation,
};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::server::{CUSTOMER, Reply, Server, TOKEN, response, upload};

#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// What everything in this process logs, down to trace and below this crate: one for all tests,
/// for a log of one thread misses what other threads registered first.
pub fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    })
}

pub fn everything_about(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?} {:?}", error.headers());
    text.push_str(&String::from_utf8_lossy(error.body()));
    let mut source = error.source();
    while let Some(error) = source {
        write!(text, "{error} {error:?}").unwrap();
        source = error.source();
    }
    text
}

#[tokio::test]
async fn a_token_is_in_no_debug_output_no_error_and_no_log() {
    let log = log();
    let mut shown = format!("{:?} {:#?}", AccessToken::new(TOKEN), AccessToken::new(TOKEN));

    let echo = format!(r#"{{"code":1,"description":"you sent Authorization: Bearer {TOKEN}"}}"#);
    let echoed = format!("Bearer {TOKEN}");
    let headers = [("Location", echoed.as_str()), ("X-Echo", echoed.as_str())];
    let replies = [
        response("500 Internal Server Error", &headers, &echo),
        response("302 Found", &headers, &echo),
        response("200 OK", &headers, format!(r#"{{"status":{{"{TOKEN}":1}}}}"#)),
        response("200 OK", &headers, format!(r#"{{"devicesStatus":"{TOKEN}"}}"#)),
        b"HTTP/1.1 200 OK\r\nbroken".to_vec(),
    ];
    let count = replies.len();
    let server = Server::new(replies.map(Reply::SendAndClose)).await;
    let partner = server.partner();
    let handle = upload(&partner);
    write!(shown, "{:?} {partner:?} {handle:?} {:?}", server.builder(), partner.customers()).unwrap();
    for _ in 0..count {
        shown.push_str(&everything_about(&handle.get().await.unwrap_err()));
    }
    let server = Server::with_response(response("200 OK", &headers, "{}")).await;
    write!(shown, "{:?}", server.upload().get().await.unwrap()).unwrap();

    for text in [shown, log.text()] {
        assert!(!text.contains(TOKEN), "{text}");
    }
}

#[tokio::test]
async fn an_escaped_echo_in_a_member_that_cannot_be_read_is_hidden_in_the_response_and_in_the_log() {
    let log = log();
    let token = "EwBoA8l6BAAU+abcdefghijklmnopqrstuvwxyz";
    let body = r#"{"items":[{"devicesCount":"Bearer EwBoA8l6BAAU\u002Babcdefghijklmnopqrstuvwxyz"}]}"#;
    let server = Server::with_response(response("200 OK", &[], body)).await;
    let partner = PartnerCenter::builder(AccessToken::new(token)).base_url(&server.base_url).build().unwrap();
    let customer = partner.customers().by_id(CUSTOMER.parse().unwrap());
    let batches = customer.device_batches().get().await.unwrap();
    assert_eq!(batches.unreadable_members()[0].text(), "Bearer ***");
    assert!(log.text().contains("cannot be read") && !log.text().contains(token), "{}", log.text());
}

#[tokio::test]
async fn an_echo_is_hidden_in_every_form_and_of_every_attempt() {
    struct Fresh(AtomicUsize);
    impl Credential for Fresh {
        fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
            let number = self.0.fetch_add(1, SeqCst);
            Box::pin(async move { Ok(AccessToken::new(format!("token/number+{number}"))) })
        }
    }
    let body = r#"{"description":"token\/number+0","data":["Bearer token\/number\u002B1"]}"#;
    let headers = [("Location", "/login?t=token%2Fnumber%2B1"), ("X-Was", "token/number+0")];
    let replies = [response("401 Unauthorized", &[], "{}"), response("403 Forbidden", &headers, body)];
    let server = Server::new(replies.map(Reply::Send)).await;
    let partner = PartnerCenter::builder(Fresh(AtomicUsize::new(0))).base_url(&server.base_url).build().unwrap();
    let error = upload(&partner).get().await.unwrap_err();
    assert_eq!((error.attempts(), error.location()), (2, Some("/login?t=***")));
    let shown = format!("{} {:?} {:?}", everything_about(&error), error.data(), error.headers());
    assert!(shown.contains("***") && !shown.contains("number"), "{shown}");
}

#[tokio::test]
async fn a_token_that_is_broken_into_lines_or_has_lost_its_header_is_hidden() {
    let token =
        format!("{}.{}.{}", "eyJhbGciOiJSUzI1NiJ9", "eyJub2JvZHkiOiJtYXkgc2VlIHRoaXMifQ".repeat(4), "c2ln".repeat(20));
    let lines: Vec<_> = token.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap()).collect();
    let (_, without_header) = token.split_once('.').unwrap();
    for echo in [lines.join("\r\n"), lines.join("\n "), without_header.to_owned()] {
        let body = serde_json::json!({ "code": 1, "description": echo, "data": [{ &echo: echo }] }).to_string();
        let server = Server::with_response(response("400 Bad Request", &[("X-Echo", without_header)], body)).await;
        let partner = PartnerCenter::builder(AccessToken::new(&*token)).base_url(&server.base_url).build().unwrap();
        let error = upload(&partner).get().await.unwrap_err();
        let shown = format!("{} {:?} {:?}", everything_about(&error), error.data(), error.description());
        let parts: Vec<_> = token.as_bytes().windows(24).map(|part| str::from_utf8(part).unwrap()).collect();
        assert!(shown.contains("***") && !parts.iter().any(|part| shown.contains(part)), "{shown}");
    }
}

#[tokio::test]
async fn a_secret_in_the_query_of_a_location_or_a_link_is_in_no_message_and_no_log() {
    const SIGNED: &str = "sig=c2lnbmVkLW5vYm9keS1tYXktc2Vl";
    let log = log();
    let location = format!("https://blob.example.com/devices?{SIGNED}");
    let server = Server::with_response(response("302 Found", &[("Location", &location)], "")).await;
    let error = server.upload().get().await.unwrap_err();
    assert_eq!(error.location(), Some(location.as_str()), "the accessor has it whole");
    assert!(error.to_string().contains("redirecting to https://blob.example.com/devices"), "{error}");
    let mut shown = error.to_string();

    let server = Server::new([Reply::SendAndClose(Vec::new())]).await;
    let mut link = Link::default();
    link.uri = Some(format!("/customers?{SIGNED}"));
    shown.push_str(&everything_about(&server.partner().follow::<serde_json::Value>(&link).await.unwrap_err()));
    assert!(server.requests()[0].contains(SIGNED), "it is sent");
    shown.push_str(&UploadLocation::from_location(&location).unwrap_err().to_string());
    assert!(!shown.contains("sig="), "{shown}");
    let spans = log.text();
    assert!(!spans.lines().any(|line| line.contains("http_request{") && line.contains("sig=")), "in a span");
}

#[test]
fn a_token_in_the_wrong_place_is_cut() {
    let token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.nobody-may-see";
    let builder = || PartnerCenter::builder(AccessToken::new("a-token"));
    for error in [
        token.parse::<CustomerId>().unwrap_err(),
        token.parse::<Cloud>().unwrap_err(),
        token.parse::<UploadLocation>().unwrap_err(),
        builder().header(token, "naïve").build().unwrap_err(),
        builder().header(format!("{token}:"), "").build().unwrap_err(),
    ] {
        let shown = everything_about(&error);
        assert!(shown.contains("eyJ0eXAiOiJKV1QiLCJh…") && !shown.contains("nobody"), "{shown}");
    }
}

#[tokio::test]
async fn the_emulator_records_requests_without_showing_their_token() {
    let emulator = Emulator::start().await.unwrap();
    upload(&emulator.partner()).get().await.unwrap();
    let token = emulator.requests()[0].headers["authorization"].to_str().unwrap().to_owned();
    let token = token.strip_prefix("Bearer ").unwrap();
    assert!(!format!("{emulator:?} {:?}", emulator.requests()).contains(token));
}
