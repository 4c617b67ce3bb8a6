#![no_main]

use std::error::Error as _;
use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use partner_center_devices::{AccessToken, Error, PartnerCenter, RetryPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());

// The bytes after the status line's beginning, so that most inputs get past it.
fuzz_target!(|bytes: &[u8]| {
    RUNTIME.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let answer = [b"HTTP/1.1 ", bytes].concat();
        let server = async {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 2048];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        };
        let partner = PartnerCenter::builder(AccessToken::new("a-token-nobody-may-see"))
            .base_url(base_url)
            .retry_policy(RetryPolicy::none())
            .attempt_timeout(Duration::from_millis(500))
            .max_body_size(1 << 16)
            .build()
            .unwrap();
        let customer = partner.customers().by_id("47021739-3426-40bf-9601-61b4b6d7c793".parse().unwrap());
        let upload = customer.batch_upload_status().by_id("0127ed8e-ff72-4983-a3d8-e8d8bd378932".parse().unwrap());
        let calls = async {
            if let Err(error) = upload.get().await {
                look_at(&error);
            }
            if let Err(error) = customer.device_batches().get().await {
                look_at(&error);
            }
        };
        tokio::select! {
            () = calls => {}
            () = server => {}
        }
    });
});

fn look_at(error: &Error) {
    let text = format!("{error} {error:?} {:?} {:?} {:?}", error.source(), error.headers(), error.data());
    assert!(!text.contains("a-token-nobody-may-see"));
    let _ = (error.retry_after(), error.location(), error.code(), error.description(), error.body());
}
