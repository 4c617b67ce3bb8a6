#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use partner_center_devices::models::Link;
use partner_center_devices::{AccessToken, UploadLocation, ErrorKind, PartnerCenter, RetryPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());

fuzz_target!(|text: &str| {
    if let Ok(upload) = UploadLocation::from_location(text) {
        let written = format!("/customers/{}/batchJobStatus/{}", upload.customer_id(), upload.tracking_id());
        assert_eq!(UploadLocation::from_location(written).unwrap(), upload);
    }
    RUNTIME.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 16];
            stream.read_exact(&mut head).await.unwrap();
            assert!(head.to_ascii_lowercase() == *b"get /gate/way/v1", "{text}");
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
            std::future::pending::<()>().await;
        };
        let mut link = Link::default();
        link.uri = Some(text.replace("{base}", &base_url));
        let partner = PartnerCenter::builder(AccessToken::new("a-token-nobody-may-see"))
            .base_url(format!("{base_url}/gate/way"))
            .retry_policy(RetryPolicy::none())
            .build()
            .unwrap();
        tokio::select! {
            outcome = partner.follow::<serde_json::Value>(&link) => {
                let error = outcome.unwrap_err();
                assert!(error.is_not_found() || error.kind() == ErrorKind::Config, "{error:?}");
            }
            () = server => {}
        }
    });
});
