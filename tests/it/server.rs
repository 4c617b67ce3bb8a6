//! A server that responds with the bytes it is given, over a real socket: what the wire can do, and
//! what no HTTP library would send.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use partner_center_devices::{AccessToken, BatchUploadStatus, Builder, Customer, PartnerCenter, RetryPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub const TOKEN: &str = "eyJ-a-token-that-nobody-may-see";
pub const CUSTOMER: &str = "47021739-3426-40bf-9601-61b4b6d7c793";
pub const TRACKING: &str = "0127ed8e-ff72-4983-a3d8-e8d8bd378932";

/// What the server does with one request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Sends these bytes and keeps the connection open.
    Send(Vec<u8>),
    /// Sends these bytes and closes the connection.
    SendAndClose(Vec<u8>),
    /// Sends the first bytes, and the others when it is told to.
    SendInTwo(Vec<u8>, Arc<Notify>, Vec<u8>),
}

type Texts = Arc<Mutex<Vec<String>>>;

/// The requests so far.
#[derive(Clone)]
struct Seen {
    requests: Texts,
    bodies: Texts,
    counter: watch::Sender<usize>,
}

pub struct Server {
    pub base_url: String,
    requests: Texts,
    bodies: Texts,
    count: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Server {
    /// Responds to the requests with these replies, in order. A request beyond them gets a 599 that
    /// says so.
    pub async fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let replies = Arc::new(Mutex::new(replies.into_iter().collect::<VecDeque<_>>()));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let (counter, count) = watch::channel(0);
        let seen = Seen { requests: Arc::clone(&requests), bodies: Arc::clone(&bodies), counter };
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&replies), seen.clone()));
            }
        });
        Self { base_url, requests, bodies, count, task }
    }

    pub async fn with_response(response: Vec<u8>) -> Self {
        Self::new([Reply::Send(response)]).await
    }

    /// A 200 with this JSON.
    pub async fn with_body(body: impl AsRef<[u8]>) -> Self {
        Self::with_response(response("200 OK", &[("Content-Type", "application/json")], body)).await
    }

    /// A client that sends each call once.
    pub fn builder(&self) -> Builder {
        PartnerCenter::builder(AccessToken::new(TOKEN)).base_url(&self.base_url).retry_policy(RetryPolicy::none())
    }

    pub fn partner(&self) -> PartnerCenter {
        self.builder().build().unwrap()
    }

    pub fn customer(&self) -> Customer {
        customer(&self.partner())
    }

    pub fn upload(&self) -> BatchUploadStatus {
        upload(&self.partner())
    }

    /// The heads of the requests so far, as they came.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until there were so many requests.
    pub async fn received(&self, count: usize) {
        self.count.clone().wait_for(|received| *received >= count).await.unwrap();
    }

    /// The members of the form that is the body of the n-th request.
    pub fn form(&self, request: usize) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.bodies.lock().unwrap()[request].as_bytes()).into_owned().collect()
    }

    /// The value of a header in the n-th request.
    pub fn sent(&self, request: usize, name: &str) -> Option<String> {
        header(&self.requests()[request], name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn customer(partner: &PartnerCenter) -> Customer {
    partner.customers().by_id(CUSTOMER.parse().unwrap())
}

pub fn upload(partner: &PartnerCenter) -> BatchUploadStatus {
    customer(partner).batch_upload_status().by_id(TRACKING.parse().unwrap())
}

pub fn header(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let mut values = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned());
    let first = values.next();
    assert!(values.next().is_none(), "{name} is sent twice");
    first
}

/// A response with the length of its body.
pub fn response(status: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.as_ref().len()).into_bytes();
    for (name, value) in headers {
        bytes.extend(format!("{name}: {value}\r\n").bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body.as_ref());
    bytes
}

/// A document's example response, byte for byte but for two things that printing it changed: lines of
/// the head end with CRLF again, and Content-Length counts the body as it is printed.
pub fn documented(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let (head, body) = text.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap();
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
    let headers: Vec<_> = headers.into_iter().filter(|(name, _)| *name != "Content-Length").collect();
    response(status, &headers, body)
}

async fn serve(mut stream: TcpStream, replies: Arc<Mutex<VecDeque<Reply>>>, seen: Seen) {
    let mut received = Vec::new();
    loop {
        let end = received.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|end| end + 4);
        let head = end.map(|end| String::from_utf8(received[..end].to_vec()).unwrap());
        let length =
            head.as_deref().and_then(|head| header(head, "Content-Length")).map_or(0, |text| text.parse().unwrap());
        let (Some(end), Some(head)) = (end.filter(|end| received.len() >= end + length), head) else {
            match stream.read_buf(&mut received).await {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            }
        };
        let body = received.drain(..end + length).skip(end).collect();
        let unmatched = || {
            let said = format!("no reply is left for this request: {}", head.lines().next().unwrap_or_default());
            Reply::Send(response("599 Unmatched", &[], said))
        };
        let reply = replies.lock().unwrap().pop_front().unwrap_or_else(unmatched);
        seen.bodies.lock().unwrap().push(String::from_utf8(body).unwrap());
        seen.requests.lock().unwrap().push(head);
        seen.counter.send_modify(|count| *count += 1);
        if let Reply::SendInTwo(first, go_on, _) = &reply {
            if stream.write_all(first).await.is_err() {
                return;
            }
            go_on.notified().await;
        }
        let (Reply::Send(bytes) | Reply::SendAndClose(bytes) | Reply::SendInTwo(_, _, bytes)) = &reply;
        if stream.write_all(bytes).await.is_err() || matches!(reply, Reply::SendAndClose(_)) {
            return;
        }
    }
}
