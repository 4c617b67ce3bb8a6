#![no_main]

use std::error::Error as _;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use partner_center_devices::{AppUserCredential, Cloud, PartnerCenter, RetryPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());

const SECRET: &str = "a-secret-nobody-may-see";
const REFRESH: &str = "a-refresh-token-nobody-may-see";

// The first byte chooses between a token and a refusal; the others are the body.
fuzz_target!(|bytes: &[u8]| {
    let Some((first, body)) = bytes.split_first() else { return };
    let status = if first % 2 == 0 { "200 OK" } else { "400 Bad Request" };
    let answer = [format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat();
    RUNTIME.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let server = async {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        };
        let credential = AppUserCredential::new("contoso.com", "a-client", SECRET, REFRESH).unwrap();
        let partner = PartnerCenter::builder(credential)
            .cloud(Cloud::custom(&base_url, &base_url).unwrap())
            .retry_policy(RetryPolicy::none())
            .build()
            .unwrap();
        let customer = partner.customers().by_id("47021739-3426-40bf-9601-61b4b6d7c793".parse().unwrap());
        tokio::select! {
            outcome = async { customer.device_batches().get().await } => if let Err(error) = outcome {
                let text = format!("{error} {error:?} {:?} {:?} {:?}", error.source(), error.error_codes(), error.suberror());
                assert!(!text.contains(SECRET) && !text.contains(REFRESH));
            },
            () = server => {}
        }
    });
});
