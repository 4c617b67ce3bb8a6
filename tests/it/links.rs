//! From the `Location` of an upload to its status, and from a link to what it points to.

use http::StatusCode;
use partner_center_devices::emulator::Emulator;
use partner_center_devices::models::Link;
use partner_center_devices::{AccessToken, ErrorKind, PartnerCenter, UploadLocation};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::server::{CUSTOMER, Server, TOKEN, TRACKING};

fn link(uri: &str) -> Link {
    serde_json::from_value(json!({ "uri": uri, "method": "GET", "headers": [] })).unwrap()
}

#[test]
fn every_form_of_a_location_is_read() {
    let relative = format!("/customers/{CUSTOMER}/batchJobStatus/{TRACKING}");
    for location in [
        relative.clone(),
        relative[1..].to_owned(),
        format!("/v1{relative}"),
        format!("v1{relative}"),
        format!("https://api.partnercenter.microsoft.com/v1{relative}"),
        format!("https://api.partnercenter.microsoft.com{relative}"),
        format!("http://localhost:8080/v1{relative}"),
        format!("HTTPS://API.PARTNERCENTER.MICROSOFT.COM/V1{}", relative.to_uppercase()),
        relative.to_lowercase(),
        relative.to_uppercase(),
        format!("{relative}/"),
        format!("{relative}?a=b"),
        format!("{relative}/?a=b#c"),
        format!("  {relative}\r\n"),
        format!("/v1/{relative}"),
        format!("v1/{relative}"),
        format!("https://api.partnercenter.microsoft.com/v1/{relative}"),
        format!("https://api.partnercenter.microsoft.com/{relative}"),
        format!("https://api.partnercenter.microsoft.com//v1/{relative}"),
        format!("\u{feff}\"{relative}\u{200b}\""),
        format!("<{relative}>"),
    ] {
        let upload = UploadLocation::from_location(&location).unwrap();
        assert_eq!(upload.customer_id().to_string(), CUSTOMER, "{location}");
        assert_eq!(upload.tracking_id().to_string(), TRACKING, "{location}");
        assert_eq!(location.parse::<UploadLocation>().unwrap(), upload);
    }
}

#[test]
fn anything_else_is_refused_with_a_clear_error() {
    let simple = TRACKING.replace('-', "");
    for location in [
        String::new(),
        "/".to_owned(),
        TRACKING.to_owned(),
        format!("/customers/{CUSTOMER}"),
        format!("/customers/{CUSTOMER}/batchJobStatus/"),
        format!("/customers/{CUSTOMER}/batchJobStatus/{TRACKING}/devices"),
        format!("/customers/{CUSTOMER}/batchJobStatus/{simple}"),
        format!("/customers/{CUSTOMER}/batchJobStatus/{{{TRACKING}}}"),
        format!("/customers/{CUSTOMER}/deviceBatches/{TRACKING}"),
        format!("/v2/customers/{CUSTOMER}/batchJobStatus/{TRACKING}"),
        format!("/v1/v1/customers/{CUSTOMER}/batchJobStatus/{TRACKING}"),
        format!("//evil.example.com/customers/{CUSTOMER}/batchJobStatus/{TRACKING}"),
        format!("ftp://example.com/customers/{CUSTOMER}/batchJobStatus/{TRACKING}"),
        format!("/customers/../{CUSTOMER}/batchJobStatus/{TRACKING}"),
        format!("/customers//{CUSTOMER}/batchJobStatus/{TRACKING}"),
        "\u{1b}[31m/customers".repeat(1000),
    ] {
        let error = UploadLocation::from_location(&location).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{location}");
        let line = error.to_string();
        assert!(line.contains("is not the location of an upload"), "{line}");
        assert!(line.len() < 500 && !line.chars().any(char::is_control), "{line}");
    }
}

#[tokio::test]
async fn a_location_goes_straight_to_the_handle_and_only_to_the_configured_host() {
    let server = Server::with_body(r#"{"status":"finished"}"#).await;
    let location = format!("https://evil.example.com/v1/customers/{CUSTOMER}/batchJobStatus/{TRACKING}");
    server.partner().batch_upload(&location).unwrap().get().await.unwrap();
    let path = format!("GET /v1/customers/{CUSTOMER}/batchJobStatus/{TRACKING} ");
    assert!(server.requests()[0].starts_with(&path));
    assert_eq!(server.partner().batch_upload("nowhere").unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_location_may_have_the_path_of_a_gateway_in_any_letter_case() {
    let server = Server::with_body(r#"{"status":"finished"}"#).await;
    let partner = server.builder().base_url(format!("{}/gate/way/", server.base_url)).build().unwrap();
    for prefix in [
        "/gate/way",
        "/gate/way/",
        "/gate/way/v1",
        "/gate/way/v1/",
        "/Gate/WAY/V1",
        "https://elsewhere.example.com/gate/way/v1",
        "/v1",
        "",
    ] {
        let location = format!("{prefix}/customers/{CUSTOMER}/batchJobStatus/{TRACKING}");
        let _ = partner.batch_upload(&location).unwrap();
    }
    let location = format!("/another/way/customers/{CUSTOMER}/batchJobStatus/{TRACKING}");
    assert_eq!(partner.batch_upload(&location).unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn the_link_of_the_documented_batch_is_followed() {
    let emulator = Emulator::start().await.unwrap();
    let customer = emulator.partner().customers().by_id(emulator.example_customer());
    let batches = customer.device_batches().get().await.unwrap();
    let devices = batches.items[0].devices_link.as_ref().unwrap();
    emulator.add_resource(devices.uri.as_deref().unwrap(), json!({ "totalCount": 5 }));
    let response = emulator.partner().follow::<Value>(devices).await.unwrap();
    assert_eq!(response["totalCount"], 5);
    assert_eq!((response.http_status(), response.attempts()), (StatusCode::OK, 1));
    let path = &emulator.requests()[1].path;
    assert_eq!(path, &format!("/v1/customers/{CUSTOMER}/deviceBatches/Test%20batch/devices"));
}

#[tokio::test]
async fn a_link_is_sent_as_a_documented_request_below_the_base_path() {
    for (base, uri, path) in [
        ("", "/customers/1/deviceBatches/Test batch/devices", "/v1/customers/1/deviceBatches/Test%20batch/devices"),
        ("", "customers/1", "/v1/customers/1"),
        ("", "/v1/customers/1", "/v1/customers/1"),
        ("", "/V1/customers/1", "/V1/customers/1"),
        ("", "/v1//customers/1", "/v1/customers/1"),
        ("", "v1//customers/1//a", "/v1/customers/1//a"),
        ("", "{base}//customers/1", "/v1/customers/1"),
        ("", "{base}//v1//customers/1", "/v1/customers/1"),
        ("/gate/way", "/gate/way//v1//customers/1", "/gate/way/v1/customers/1"),
        ("", "/customers/Ünïcode 東京", "/v1/customers/%C3%9Cn%C3%AFcode%20%E6%9D%B1%E4%BA%AC"),
        ("", "/customers/already%20encoded", "/v1/customers/already%20encoded"),
        ("", "/customers/100% sure #1 a\\b", "/v1/customers/100%25%20sure%20%231%20a%5Cb"),
        ("", "/customers?size=5&filter=a b", "/v1/customers?size=5&filter=a%20b"),
        ("/gate/way", "/customers/1", "/gate/way/v1/customers/1"),
        ("/gate/way", "/v1/customers/1", "/gate/way/v1/customers/1"),
        ("/gate/way", "/gate/way/v1/customers/1", "/gate/way/v1/customers/1"),
        ("/gate/way", "{base}/gate/way/v1/customers/a b", "/gate/way/v1/customers/a%20b"),
        ("/gate/way", "{base}/v1/customers/1", "/gate/way/v1/customers/1"),
        ("", "{base}/v1/customers/1?a=b", "/v1/customers/1?a=b"),
    ] {
        let server = Server::with_body("{}").await;
        let partner = server.builder().base_url(format!("{}{base}", server.base_url)).build().unwrap();
        let uri = uri.replace("{base}", &server.base_url);
        partner.follow::<Value>(&link(&uri)).await.unwrap();
        let head = &server.requests()[0];
        assert!(head.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{uri}: {head}");
        assert_eq!(server.sent(0, "authorization"), Some(format!("Bearer {TOKEN}")));
        assert_eq!(server.sent(0, "accept").as_deref(), Some("application/json"));
        for name in ["MS-RequestId", "MS-CorrelationId", "X-Locale", "User-Agent"] {
            assert!(server.sent(0, name).is_some(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_path_that_only_begins_like_that_of_the_gateway_is_below_it() {
    for (uri, path) in [
        ("/gate/waymore/a", "/gate/way/v1/gate/waymore/a"),
        ("/gate/way/a", "/gate/way/v1/a"),
        ("/Gate/Way/V1/a", "/gate/way/V1/a"),
        ("/gate/way", "/gate/way/v1/gate/way"),
    ] {
        let server = Server::with_body("{}").await;
        let partner = server.builder().base_url(format!("{}/gate/way", server.base_url)).build().unwrap();
        partner.follow::<Value>(&link(uri)).await.unwrap();
        assert!(server.requests()[0].starts_with(&format!("GET {path} HTTP/1.1")), "{}", server.requests()[0]);
    }
}

#[tokio::test]
async fn a_link_to_elsewhere_is_refused_before_any_token_leaves() {
    let elsewhere = Server::new([]).await;
    let server = Server::new([]).await;
    let host = server.base_url.strip_prefix("http://").unwrap();
    let port = server.base_url.rsplit(':').next().unwrap();
    for uri in [
        format!("{}/v1/customers", elsewhere.base_url),
        elsewhere.base_url.replace("http:", ""),
        format!("https://{host}/v1/customers"),
        format!("http://user@{host}/v1/customers"),
        format!("http://{host}@evil.example.com/"),
        format!("http://localhost:{port}/v1/customers"),
        "//evil.example.com/v1/customers".to_owned(),
        "https:/evil.example.com/".to_owned(),
        "https:evil.example.com".to_owned(),
        "javascript:alert(1)".to_owned(),
        "file:///etc/passwd".to_owned(),
        "/../../admin".to_owned(),
        "/v1/../admin".to_owned(),
        "/v1/%2e%2e/admin".to_owned(),
        "/customers/../../admin".to_owned(),
        "/v1/..".to_owned(),
        "/customers/a/../b".to_owned(),
        "/customers/%252e%252e/admin".to_owned(),
        "/customers/..%5cadmin".to_owned(),
        "/customers/..;/admin".to_owned(),
        "/customers/1/deviceBatches/./devices".to_owned(),
        "/customers/1/deviceBatches/%2E/devices".to_owned(),
        format!("/{}", "a".repeat(70_000)),
        String::new(),
        "/customers/a\nb".to_owned(),
    ] {
        for base in ["", "/gate/way"] {
            let partner = server.builder().base_url(format!("{}{base}", server.base_url)).build().unwrap();
            let error = partner.follow::<Value>(&link(&uri)).await.unwrap_err();
            assert_eq!((error.kind(), error.attempts()), (ErrorKind::Config, 0), "{uri:.200}");
        }
    }
    assert!(server.requests().is_empty() && elsewhere.requests().is_empty());
}

#[tokio::test]
async fn only_get_links_are_followed() {
    let server = Server::new([]).await;
    for method in ["POST", "DELETE", "", "GET,POST"] {
        let link = serde_json::from_value(json!({ "uri": "/customers", "method": method })).unwrap();
        let error = server.partner().follow::<Value>(&link).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().contains("not for GET")), (ErrorKind::Config, true));
    }
    assert!(server.requests().is_empty());
    for link in [json!({ "uri": "/customers", "method": "get" }), json!({ "uri": "/customers" })] {
        let server = Server::with_body("{}").await;
        server.partner().follow::<Value>(&serde_json::from_value(link).unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn the_links_own_headers_are_sent_unless_they_are_ours() {
    let server = Server::with_body("{}").await;
    let headers = json!([
        { "key": "MS-ContinuationToken", "value": "next-page" },
        { "key": "Authorization", "value": "Bearer of-the-link" },
        { "key": "host", "value": "evil.example.com" },
        { "key": "X-Locale", "value": "xx-XX" },
        { "key": "Accept-Encoding", "value": "br" },
        { "key": "Cookie", "value": "of-the-link" },
        { "key": "Keep-Alive", "value": "timeout=5" },
        { "key": "Proxy-Connection", "value": "keep-alive" },
        { "key": "X-HTTP-Method-Override", "value": "DELETE" },
        { "key": "api-version", "value": "of-the-link" },
        { "key": "X-Mine", "value": "of-the-link" },
        { "key": "X-Twice", "value": "1" },
        { "key": "X-Twice", "value": "2" },
        { "key": null, "value": "x" },
        { "key": "X-Empty", "value": null },
    ]);
    let link = serde_json::from_value(json!({ "uri": "/customers", "headers": headers })).unwrap();
    let partner = server.builder().header("X-Mine", "of-the-client").build().unwrap();
    partner.follow::<Value>(&link).await.unwrap();
    assert_eq!(server.sent(0, "ms-continuationtoken").as_deref(), Some("next-page"));
    assert_eq!(server.sent(0, "authorization"), Some(format!("Bearer {TOKEN}")));
    assert_eq!(server.sent(0, "host").as_deref(), server.base_url.strip_prefix("http://"));
    assert!(server.requests()[0].to_lowercase().contains("x-twice: 1\r\nx-twice: 2"), "{}", server.requests()[0]);
    assert_eq!(server.sent(0, "x-locale").as_deref(), Some("en-US"));
    assert_eq!(server.sent(0, "x-mine").as_deref(), Some("of-the-client"));
    assert_eq!(server.sent(0, "accept-encoding").as_deref(), Some("gzip"), "the client's own");
    for name in ["cookie", "keep-alive", "proxy-connection", "x-http-method-override"] {
        assert_eq!(server.sent(0, name), None, "{name}");
    }
    assert_eq!(server.sent(0, "api-version").as_deref(), Some("of-the-link"));

    let server = Server::new([]).await;
    let headers: Vec<_> = (0..101).map(|n| json!({ "key": format!("x-{n}"), "value": "1" })).collect();
    let link = serde_json::from_value(json!({ "uri": "/customers", "headers": headers })).unwrap();
    assert_eq!(server.partner().follow::<Value>(&link).await.unwrap_err().kind(), ErrorKind::Config, "no panic");
    for (key, value) in [("X Bad", "a"), ("X-Bad", "a\r\nX-Injected: 1"), ("", "a")] {
        let server = Server::new([]).await;
        let link = json!({ "uri": "/customers", "headers": [{ "key": key, "value": value }] });
        let error = server.partner().follow::<Value>(&serde_json::from_value(link).unwrap()).await.unwrap_err();
        assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Config, 0));
    }
}

#[tokio::test]
async fn a_link_is_followed_through_the_same_send_loop() {
    let emulator = Emulator::start().await.unwrap();
    emulator.add_resource("/customers/1/things", json!({ "a": 1 }));
    emulator.fail_next(2, StatusCode::SERVICE_UNAVAILABLE);
    let response = emulator.partner().follow::<Value>(&link("/customers/1/things")).await.unwrap();
    assert_eq!(response.attempts(), 3);
    let error = emulator.partner().follow::<Value>(&link("/customers/1/nothing")).await.unwrap_err();
    assert!(error.is_not_found());
    #[derive(Debug, serde::Deserialize)]
    struct Wrong {
        #[allow(dead_code)]
        a: Vec<String>,
    }
    let error = emulator.partner().follow::<Wrong>(&link("/customers/1/things")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().contains("at `a`"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_location_makes_reading_it_panic_and_what_is_read_is_what_was_written(
        any in any::<String>(),
        customer in any::<u128>(),
        tracking in any::<u128>(),
        prefix in "(https?://[a-z.:0-9]{1,9})?/?(v1/)?",
        suffix in "/?([?#].{0,9})?",
    ) {
        let _ = UploadLocation::from_location(&any);
        let (customer, tracking) = (uuid::Uuid::from_u128(customer), uuid::Uuid::from_u128(tracking));
        let location = format!("{prefix}customers/{customer}/batchJobStatus/{tracking}{suffix}");
        if let Ok(upload) = UploadLocation::from_location(location) {
            prop_assert_eq!((*upload.customer_id(), *upload.tracking_id()), (customer, tracking));
        }
    }

    #[test]
    fn no_link_sends_a_token_elsewhere(uri in ".{0,40}|(https?:)?/{0,3}[a-z@:/.%\\\\]{0,30}", base in "(/[a-z]{1,5}){0,2}") {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let server = Server::with_body("{}").await;
            let partner = PartnerCenter::builder(AccessToken::new(TOKEN)).base_url(format!("{}{base}", server.base_url));
            let outcome = partner.build().unwrap().follow::<Value>(&link(&uri)).await;
            match outcome {
                Ok(_) => {
                    let head = server.requests()[0].to_lowercase();
                    assert!(head.starts_with(&format!("get {base}/v1/")), "{uri}: {head}");
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Config, "{uri}: {error:?}"),
            }
        });
    }
}
