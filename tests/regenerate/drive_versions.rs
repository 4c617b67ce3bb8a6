//! Uses the client of a document with other paths and responses.
#![allow(missing_docs)]

use partner_center_devices::*;

include!("serve.rs");

#[test]
fn drive() {
    check("another version in a path, and a response 2XX alone", async {
        let (address, asked) = serve(&[("200 OK", r#"{"status":"queued"}"#.to_owned()), ("404 Not Found", r#"{"code":1000}"#.to_owned())]);
        let upload = customer(&address).batch_upload_status().by_id("0127ed8e-ff72-4983-a3d8-e8d8bd378932".parse().unwrap());
        assert_eq!(upload.get().await.unwrap().status, Some(models::UploadStatus::Queued));
        assert!(asked.recv().unwrap().starts_with("GET /v2/customers/"));
        assert_eq!(upload.get().await.unwrap_err().code(), Some("1000"));
    });
    check("a response by default alone, and a renamed parameter of the path", async {
        let (address, asked) = serve(&[("200 OK", r#"{"items":[{"id":1}]}"#.to_owned()), ("403 Forbidden", "<html>".to_owned())]);
        let batches = customer(&address).device_batches();
        assert_eq!(batches.get().await.unwrap().items[0].id.as_deref(), Some("1"));
        assert!(asked.recv().unwrap().starts_with("GET /v1/customers/47021739-3426-40bf-9601-61b4b6d7c793/deviceBatches "));
        assert_eq!(batches.get().await.unwrap_err().status().unwrap().as_u16(), 403);
    });
}
