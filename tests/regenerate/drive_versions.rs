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
    check("a time of the service becomes a date-time", async {
        for (sent, read) in [("2017-07-25T10:00:00", true), ("2017-07-25T10:00:00Z", true), ("", false), ("0001-01-01T00:00:00", false)] {
            let (address, _asked) = serve(&[("200 OK", format!(r#"{{"startedTime":"{sent}"}}"#))]);
            let upload = customer(&address).batch_upload_status().by_id("0127ed8e-ff72-4983-a3d8-e8d8bd378932".parse().unwrap());
            let upload = upload.get().await.unwrap();
            assert_eq!((upload.started_time.is_some(), upload.unreadable_members().len()), (read, 0), "{sent}");
        }
    });
    check("the status becomes a closed enum, by reference alone", async {
        for (sent, status) in [("\"Finished\"", Some("finished")), ("4", Some("finished_with_errors")), ("\"new\"", Some("new")), ("null", None)] {
            let (address, _asked) = serve(&[("200 OK", format!(r#"{{"status":{sent}}}"#))]);
            let upload = customer(&address).batch_upload_status().by_id("0127ed8e-ff72-4983-a3d8-e8d8bd378932".parse().unwrap());
            assert_eq!(upload.get().await.unwrap().status.as_ref().map(|status| status.as_str()), status, "{sent}");
        }
    });
    check("a header parameter of an operation", async {
        let (address, asked) = serve(&[("200 OK", "{}".to_owned())]);
        customer(&address).device_batches().get().await.unwrap();
        assert!(asked.recv().unwrap().to_lowercase().contains("\r\nx-locale: en-us\r\n"), "src/ writes the headers");
    });
    check("a response by default alone, and a renamed parameter of the path", async {
        let (address, asked) = serve(&[("200 OK", r#"{"items":[{"id":1}]}"#.to_owned()), ("403 Forbidden", "<html>".to_owned())]);
        let batches = customer(&address).device_batches();
        assert_eq!(batches.get().await.unwrap().items[0].id.as_deref(), Some("1"));
        assert!(asked.recv().unwrap().starts_with("GET /v1/customers/47021739-3426-40bf-9601-61b4b6d7c793/deviceBatches "));
        assert_eq!(batches.get().await.unwrap_err().status().unwrap().as_u16(), 403);
    });
}
