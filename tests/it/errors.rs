//! What comes in with anything but a 200, and what can be known of it.

use std::error::Error as _;
use std::time::Duration;

use futures_util::StreamExt;
use http::StatusCode;
use partner_center_devices::{Error, ErrorKind, RetryPolicy, Wait};
use serde_json::{Value, json};

use crate::server::{Reply, Server, response};

const IDS: [(&str, &str); 4] = [
    ("MS-RequestId", "7b3e2e00-b330-4480-9d84-59ace713427f"),
    ("MS-CorrelationId", "4a5002a2-0c1b-4e57-b491-dbcf19c0e7b8"),
    ("MS-CV", "YrLe3w6BbUSMt1fi.0"),
    ("MS-ServerId", "030020344"),
];

async fn failing(status: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Error {
    Server::with_response(response(status, headers, body)).await.upload().get().await.unwrap_err()
}

#[tokio::test]
async fn the_documented_fault_is_read_whole() {
    let body = r#"{"code":60003,"description":"Tenant not found.","data":["a","b"],"source":"PartnerFD"}"#;
    let error = failing("404 Not Found", &IDS, body).await;
    assert_eq!(error.kind(), ErrorKind::Service);
    assert_eq!(error.status(), Some(StatusCode::NOT_FOUND));
    assert!(error.is_not_found() && !error.is_retryable());
    assert_eq!(error.code(), Some("60003"));
    assert_eq!(error.description(), Some("Tenant not found."));
    assert_eq!(error.data(), Some(&json!(["a", "b"])));
    assert_eq!(error.source_system(), Some("PartnerFD"));
    assert_eq!(error.body(), body.as_bytes());
    assert_eq!(error.service_request_id(), Some(IDS[0].1));
    assert_eq!(error.service_correlation_id(), Some(IDS[1].1));
    assert_eq!(error.ms_cv(), Some(IDS[2].1));
    assert_eq!(error.server_id(), Some(IDS[3].1));
    assert!(error.request_id().is_some() && error.correlation_id().is_some());
    assert_eq!(error.attempts(), 1);
    assert_eq!(
        error.to_string(),
        "the service responded with 404 Not Found, code 60003: Tenant not found, data: a, b \
         (batch upload status of customer 47021739-3426-40bf-9601-61b4b6d7c793, \
         upload 0127ed8e-ff72-4983-a3d8-e8d8bd378932; \
         request id 7b3e2e00-b330-4480-9d84-59ace713427f, correlation id 4a5002a2-0c1b-4e57-b491-dbcf19c0e7b8; \
         1 attempt)"
    );
}

#[tokio::test]
async fn the_gateways_throttle_is_read_with_its_wait() {
    let body = r#"{ "statusCode": 429, "message": "Rate limit is exceeded. Try again in 57 seconds." }"#;
    let error = failing("429 Too Many Requests", &[("Retry-After", "57")], body).await;
    assert!(error.is_throttled() && error.is_retryable());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(57)));
    assert_eq!(error.description(), Some("Rate limit is exceeded. Try again in 57 seconds."));
    assert_eq!(error.code(), None);
}

#[tokio::test]
async fn a_retry_after_of_another_form_is_read_or_ignored() {
    let error = failing("503 Service Unavailable", &[("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")], "").await;
    assert!(error.retry_after().unwrap() > Duration::from_secs(1 << 30));
    for ignored in ["Tue, 25 Jul 2017 17:52:41 GMT", "-5", "soon", "", "1.5.5"] {
        let error = failing("503 Service Unavailable", &[("Retry-After", ignored)], "").await;
        assert_eq!(error.retry_after(), None, "{ignored}");
    }
}

#[tokio::test]
async fn a_body_of_any_other_shape_keeps_status_headers_and_bytes() {
    let bodies: [&[u8]; 8] = [
        b"<html><body>Bad Gateway</body></html>",
        b"upstream connect error",
        b"",
        b"null",
        b"[]",
        b"\xff\xfe{\0}\0",
        b"\"quoted\"",
        b"{}",
    ];
    for body in bodies {
        let error = failing("502 Bad Gateway", &IDS, body).await;
        assert_eq!(error.kind(), ErrorKind::Service);
        assert_eq!(error.status(), Some(StatusCode::BAD_GATEWAY));
        assert_eq!(error.body(), body);
        assert_eq!(error.service_request_id(), Some(IDS[0].1));
        assert_eq!((error.code(), error.description(), error.data()), (None, None, None));
        assert!(error.is_retryable());
    }
}

#[tokio::test]
async fn one_member_of_an_unexpected_type_does_not_lose_the_others() {
    let body = r#"{"code":"900421","description":["?"],"data":{"a":1},"source":"PartnerFD"}"#;
    let error = failing("401 Unauthorized", &[], format!("\u{feff}{body}")).await;
    assert!(error.is_unauthorized());
    assert_eq!(error.code(), Some("900421"));
    assert_eq!(error.description(), None);
    assert_eq!(error.data(), Some(&json!({ "a": 1 })));
    assert_eq!(error.source_system(), Some("PartnerFD"));
}

#[tokio::test]
async fn a_fault_that_is_broken_keeps_what_came_before() {
    for body in [
        r#"{"code":800003,"descr"#,
        r#"{"code":"800003","data":[1e999]}"#,
        r#"{"code":"800003","description":"cut \ud83d"}"#,
        r#"{"Code":"800003"} and more"#,
    ] {
        let error = failing("500 Internal Server Error", &IDS, body).await;
        assert_eq!((error.code(), error.body()), (Some("800003"), body.as_bytes()));
    }
    let error = failing("401 Unauthorized", &[], r#"{"Message":"Authorization has been denied."}"#).await;
    assert_eq!(error.description(), Some("Authorization has been denied."));
    let large = format!(r#"{{"data":[{}0],"code":1}}"#, "[],".repeat(1 << 19));
    let error = failing("500 Internal Server Error", &[], &large).await;
    assert_eq!((error.code(), error.data(), error.body()), (Some("1"), None, large.as_bytes()), "a list can be large");
}

#[tokio::test]
async fn a_member_that_cannot_be_read_does_not_lose_those_behind_it() {
    let too_deep = "[".repeat(200) + &"]".repeat(200);
    for broken in ["[1e999]", r#""cut \ud83d""#, &too_deep] {
        let body = format!(r#"{{"data":{broken},"code":"800003"}}"#);
        let error = failing("500 Internal Server Error", &[], &body).await;
        assert_eq!((error.code(), error.data()), (Some("800003"), None), "{body}");
    }
}

#[tokio::test]
async fn the_faults_of_other_gateways_are_read_too() {
    for (body, code, description) in [
        (r#"{"error":{"code":"InvalidTenant","message":"No such tenant."}}"#, Some("InvalidTenant"), "No such tenant."),
        (r#"{"Error":{"Code":"InvalidTenant","Message":"No such tenant."}}"#, Some("InvalidTenant"), "No such tenant."),
        (r#"{"error":"invalid_token","message":"It has expired."}"#, Some("invalid_token"), "It has expired."),
        (
            r#"{"code":"1","description":"","message":"The word of the gateway."}"#,
            Some("1"),
            "The word of the gateway.",
        ),
        (r#"{"title":"Not Found","detail":"No such customer."}"#, None, "No such customer."),
        (r#"{"title":"Not Found","status":404}"#, None, "Not Found"),
    ] {
        let error = failing("404 Not Found", &[], body).await;
        assert_eq!((error.code(), error.description()), (code, Some(description)), "{body}");
    }
    assert_eq!(failing("404 Not Found", &[], r#"{"description":" "}"#).await.description(), None);
}

#[tokio::test]
async fn a_byte_of_another_encoding_does_not_lose_the_fault() {
    let body = [&b"{\"code\":1000,\"description\":\"caf"[..], b"\xe9\"}"].concat();
    let error = failing("404 Not Found", &[], body).await;
    assert_eq!((error.code(), error.description()), (Some("1000"), Some("caf\u{fffd}")));
}

#[tokio::test]
async fn a_200_that_breaks_off_keeps_its_ids() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nMS-CV: cv.0\r\n\r\n{".to_vec();
    let error = Server::new([Reply::SendAndClose(cut)]).await.upload().get().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Transport, Some(StatusCode::OK)));
    assert_eq!((error.ms_cv(), error.body()), (Some("cv.0"), &b"{"[..]));
}

#[tokio::test]
async fn a_location_beyond_ascii_is_named() {
    let error = failing("302 Found", &[("Location", "/caf\u{e9} x")], "").await;
    assert_eq!(error.location(), Some("/caf\u{e9} x"));
    assert!(error.to_string().contains("redirecting to /caf\u{e9} x"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_its_location_is_named() {
    let elsewhere = Server::with_body("{}").await;
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let error = failing(status, &[("Location", &elsewhere.base_url)], "").await;
        assert_eq!(error.kind(), ErrorKind::Service);
        assert_eq!(error.location(), Some(elsewhere.base_url.as_str()));
        assert!(error.to_string().contains(&elsewhere.base_url), "{error}");
        assert!(!error.is_retryable());
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn redirects_stay_off_with_the_callers_http_client() {
    let elsewhere = Server::with_body("{}").await;
    let server = Server::with_response(response("302 Found", &[("Location", &elsewhere.base_url)], "")).await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::limited(10));
    let partner = server.builder().http_client(client).build().unwrap();
    assert_eq!(crate::server::upload(&partner).get().await.unwrap_err().status(), Some(StatusCode::FOUND));
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn another_success_than_200_is_an_error_of_the_service() {
    for status in ["201 Created", "204 No Content", "206 Partial Content", "304 Not Modified"] {
        let bytes = format!("HTTP/1.1 {status}\r\n\r\n").into_bytes();
        let error = Server::new([Reply::SendAndClose(bytes)]).await.upload().get().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Service, "{status}");
        assert_eq!(error.status().unwrap().as_str(), &status[..3]);
    }
}

#[tokio::test]
async fn a_status_survives_a_body_that_breaks_off_or_is_too_large() {
    let cut = b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\nMS-CV: cv.0\r\n\r\nNot".to_vec();
    let error = Server::new([Reply::SendAndClose(cut)]).await.upload().get().await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!((error.ms_cv(), error.body()), (Some("cv.0"), &b"Not"[..]));

    let server =
        Server::with_response(response("429 Too Many Requests", &[("Retry-After", "3")], vec![b'x'; 2000])).await;
    let partner = server.builder().max_body_size(1000).build().unwrap();
    let error = crate::server::upload(&partner).get().await.unwrap_err();
    assert!(error.is_throttled() && error.body().is_empty());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn no_response_is_a_transport_error_with_its_cause() {
    let silent = Server::new([Reply::SendAndClose(Vec::new())]).await.upload().get().await.unwrap_err();
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    let cut = Server::new([Reply::SendAndClose(cut)]).await.upload().get().await.unwrap_err();
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let nobody = partner_center_devices::PartnerCenter::builder(partner_center_devices::AccessToken::new("token"))
        .base_url(format!("http://127.0.0.1:{port}"))
        .retry_policy(partner_center_devices::RetryPolicy::none())
        .build()
        .unwrap();
    let refused = crate::server::upload(&nobody).get().await.unwrap_err();
    for (error, message) in [
        (silent, "no response from the service"),
        (cut, "the response of the service broke off"),
        (refused, "cannot connect to the service"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Transport);
        assert_eq!(error.to_string(), message);
        assert!(error.source().is_some() && error.is_retryable() && !error.is_timeout());
        assert!(error.request_id().is_some());
    }
}

#[tokio::test]
async fn an_attempt_ends_at_its_time_out() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    for stalled in [Vec::new(), head] {
        let server = Server::with_response(stalled).await;
        let partner = server.builder().attempt_timeout(Duration::from_millis(100)).build().unwrap();
        let error = crate::server::upload(&partner).get().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transport);
        assert!(error.is_timeout(), "{error:?}");
    }
}

#[tokio::test]
async fn display_is_one_bounded_line_whatever_the_service_says() {
    let turned = "\u{202e}\u{2028}\u{2066}\u{feff}";
    let body =
        json!({ "code": format!("x\r\n\u{1b}[31m{turned}"), "description": "a\nb\r\n".repeat(1000) }).to_string();
    let line = failing("500 Internal Server Error", &[], body).await.to_string();
    assert!(!line.chars().any(|c| c.is_control() || turned.contains(c)) && line.len() < 1000, "{line}");
}

#[test]
fn an_error_is_a_pointer_wide_and_crosses_threads() {
    fn crosses_threads<T: Send + Sync + 'static>() {}
    crosses_threads::<Error>();
    crosses_threads::<partner_center_devices::PartnerCenter>();
    assert_eq!(size_of::<Error>(), size_of::<usize>());
}

const FAULT: &str = r#"{"code":"400072","description":"Not available here.","data":[],"source":"PartnerAPI"}"#;

#[tokio::test]
async fn a_fault_with_status_200_is_an_error_of_the_service_and_is_not_retried() {
    let faults = [
        (FAULT, "400072"),
        (r#"{"Code":400072,"Message":"Not available here."}"#, "400072"),
        (r#"{"error":{"code":"400072","message":"Not available here."},"more":1}"#, "400072"),
        (r#"{"statusCode":429,"message":"Rate limit is exceeded."}"#, "429"),
    ];
    for (body, code) in faults {
        let server = Server::with_body(body).await;
        let partner = server.builder().retry_policy(RetryPolicy::default()).build().unwrap();
        let error = crate::server::upload(&partner).get().await.unwrap_err();
        assert_eq!((error.kind(), error.code(), error.attempts()), (ErrorKind::Service, Some(code), 1), "{body}");
        assert_eq!((error.status(), error.body()), (Some(StatusCode::OK), body.as_bytes()));
        assert!(!error.is_retryable() && error.to_string().contains(code), "{error}");
        assert_eq!(server.requests().len(), 1);
        let server = Server::with_body(body).await;
        let error = server.customer().device_batches().get().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Service, Some(code)), "{body}");
    }
    let error = failing("200 OK", &IDS, FAULT).await;
    assert!(
        error.to_string().starts_with(
            "the service responded with an error and status 200 OK, code 400072: Not available here (batch upload status of "
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_fault_with_status_200_ends_a_wait_at_once() {
    let at_once = || Wait::default().first_after(Duration::ZERO);
    let error = Server::with_body(FAULT).await.upload().wait(at_once()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Service, Some("400072")));
    let server = Server::with_body(FAULT).await;
    let outcomes: Vec<_> = server.upload().watch(at_once()).collect().await;
    let [Err(error)] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!((error.kind(), error.code()), (ErrorKind::Service, Some("400072")));
}

#[tokio::test]
async fn a_fault_with_status_200_behind_a_link_is_an_error_whatever_the_type() {
    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code)]
    struct Devices {
        items: Option<Vec<Value>>,
    }
    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code)]
    struct Device {
        id: String,
    }
    #[derive(Debug, serde::Deserialize)]
    struct Product {
        code: String,
        description: String,
    }
    let link = || serde_json::from_value(json!({ "uri": "/customers/1/devices" })).unwrap();
    let errors = [
        Server::with_body(FAULT).await.partner().follow::<Value>(&link()).await.unwrap_err(),
        Server::with_body(FAULT).await.partner().follow::<Devices>(&link()).await.unwrap_err(),
        Server::with_body(FAULT).await.partner().follow::<Device>(&link()).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.kind(), error.code()), (ErrorKind::Service, Some("400072")), "{error:?}");
    }
    // What is expected is no fault, nor is what has other members than a fault.
    let product = Server::with_body(FAULT).await.partner().follow::<Product>(&link()).await.unwrap();
    assert_eq!((product.code.as_str(), product.description.as_str()), ("400072", "Not available here."));
    let resource = r#"{"id":1,"code":"400072","description":"A product."}"#;
    Server::with_body(resource).await.partner().follow::<Value>(&link()).await.unwrap();
    Server::with_body(r#"{"totalCount":0}"#).await.partner().follow::<Devices>(&link()).await.unwrap();
}

#[tokio::test]
async fn a_200_with_none_of_the_documented_members_is_a_decode_error_that_says_so() {
    for body in [r#"{"a":1}"#, r#"{"code":"400072"}"#, r#"{"value":[],"@odata.context":""}"#] {
        let errors = [
            Server::with_body(body).await.upload().get().await.unwrap_err(),
            Server::with_body(body).await.customer().device_batches().get().await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!((error.kind(), error.body()), (ErrorKind::Decode, body.as_bytes()));
            assert_eq!(error.to_string(), "the response has none of the documented members");
        }
    }
    let server =
        Server::new(["{}", r#"{"STATUS":null,"a":1}"#].map(|body| Reply::Send(response("200 OK", &[], body)))).await;
    server.upload().get().await.unwrap();
    server.upload().get().await.unwrap();
}

#[tokio::test]
async fn a_fault_larger_than_a_megabyte_is_taken_apart_without_its_lists() {
    let long = "x".repeat(2 << 20);
    for body in [
        format!(r#"{{"trace":"{long}","CODE":"800003","Description":"Down.","data":["{long}"]}}"#),
        format!(r#"{{"error":{{"details":[{{"code":"{long}"}}],"code":"800003","message":"Down."}}}}"#),
        format!(r#"{{"code":"800003","message":"Down.","data":{{"a":"{long}"}},"source":"#),
    ] {
        let error = failing("500 Internal Server Error", &[], &body).await;
        assert_eq!((error.code(), error.description()), (Some("800003"), Some("Down.")), "{}", &body[..20]);
        assert!(error.to_string().len() < 500);
    }
}

#[tokio::test]
async fn an_inner_error_is_read_and_shown() {
    let body = r#"{"code":"InternalServerError","data":[],"innererror":{"code":"UnknownInternalFailure","data":[],
        "message":"unknown trouble inside."},"message":"Something went wrong.","source":"Ingestion"}"#;
    let error = failing("400 Bad Request", &[], body).await;
    assert_eq!((error.code(), error.description()), (Some("InternalServerError"), Some("Something went wrong.")));
    assert_eq!(error.inner_code(), Some("UnknownInternalFailure"));
    assert_eq!(error.inner_description(), Some("unknown trouble inside."));
    let shown =
        "code InternalServerError: Something went wrong, inner error UnknownInternalFailure: unknown trouble inside";
    assert!(error.to_string().contains(shown), "{error}");
    // The innermost one says it; Azure has all of it in a member `error`.
    let body = r#"{"error":{"code":"A","innerError":{"code":"B","innererror":{"code":"C","InnerError":{}}}}}"#;
    assert_eq!(failing("400 Bad Request", &[], body).await.inner_code(), Some("C"));
    assert_eq!(failing("400 Bad Request", &[], r#"{"code":1,"innererror":"text"}"#).await.inner_code(), None);
}

#[tokio::test]
async fn the_names_of_properties_in_the_data_are_shown() {
    let body = r#"{"code":3000,"description":"Invalid property","data":["customerId",7,"batch\nId"]}"#;
    let error = failing("400 Bad Request", &[], body).await;
    assert!(error.to_string().contains("code 3000: Invalid property, data: customerId, batch Id"), "{error}");
}

#[tokio::test]
async fn a_401_without_body_has_its_reason_from_www_authenticate() {
    let over = r#"Bearer error="invalid_token", error_description="The \"token\" is over since 07:00""#;
    let error = failing("401 Unauthorized", &[("WWW-Authenticate", over)], "").await;
    assert_eq!(error.code(), Some("invalid_token"));
    assert_eq!(error.description(), Some("The \"token\" is over since 07:00"));
    assert!(error.to_string().contains("code invalid_token: The \"token\" is over since 07:00"), "{error}");
    let headers = [("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", "Bearer realm=x,error=invalid_token")];
    assert_eq!(failing("401 Unauthorized", &headers, "").await.code(), Some("invalid_token"));
    // What the body says comes first, and a challenge without an error says nothing.
    let error = failing("401 Unauthorized", &[("WWW-Authenticate", over)], r#"{"code":"400"}"#).await;
    assert_eq!((error.code(), error.description()), (Some("400"), None));
    for nothing in ["Bearer", "Bearer error_uri=\"x\"", "Bearer error=", "Bearer error=\"", "error"] {
        let error = failing("401 Unauthorized", &[("WWW-Authenticate", nothing)], "").await;
        assert_eq!((error.code(), error.description()), (None, None), "{nothing}");
    }
    let echo = format!("Bearer error=\"invalid_token\", error_description=\"{}\"", crate::server::TOKEN);
    let error = failing("401 Unauthorized", &[("WWW-Authenticate", &echo)], "").await;
    assert!(!crate::secrets::everything_about(&error).contains(crate::server::TOKEN));
}

#[tokio::test]
async fn a_line_of_plain_text_is_a_description() {
    let plain = [("Content-Type", "text/plain; charset=utf-8")];
    let error = failing("404 Not Found", &plain, "No such customer.\r\n").await;
    assert_eq!(error.description(), Some("No such customer."));
    for page in ["<html></html>", "{\"a\":1}", "", " "] {
        assert_eq!(failing("404 Not Found", &plain, page).await.description(), None);
    }
}

/// What `main` prints, and what is logged.
#[tokio::test]
async fn an_error_is_told_whole_on_one_line() {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let nobody = partner_center_devices::PartnerCenter::builder(partner_center_devices::AccessToken::new("token"))
        .base_url(format!("http://127.0.0.1:{port}"))
        .retry_policy(RetryPolicy::none())
        .build()
        .unwrap();
    let error = crate::server::upload(&nobody).get().await.unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to the service");
    let whole = format!("{error:#}");
    assert!(whole.starts_with("cannot connect to the service: ") && whole.contains("refused"), "{whole}");
    let debug = format!("{error:?}");
    let id = error.request_id().unwrap().to_string();
    assert!(debug.starts_with(&format!("Transport: {whole}")) && !debug.contains('\n'), "{debug}");
    assert!(debug.contains(&id) && debug.contains("attempts: 1") && debug.contains(crate::server::TRACKING), "{debug}");
    assert!(!debug.contains("Inner") && format!("{error:#?}").lines().count() > 2, "{debug}");
}

#[tokio::test]
async fn the_reason_is_on_the_first_line_where_there_is_no_token() {
    let error = Error::credential("the vault is sealed");
    assert_eq!(error.to_string(), "no access token: the vault is sealed");
    assert_eq!(format!("{error:#}"), "no access token: the vault is sealed");
    assert_eq!(format!("{error:?}"), "Credential: no access token: the vault is sealed");
    assert_eq!(error.source().unwrap().to_string(), "the vault is sealed");
}

#[tokio::test]
async fn an_error_of_the_service_says_what_was_asked_for_where_and_how_often() {
    let fail = || Reply::Send(response("500 Internal Server Error", &[], ""));
    let server = Server::new((0..6).map(|_| fail())).await;
    let policy = RetryPolicy::default().max_retries(1).initial_delay(Duration::ZERO);
    let partner = server.builder().retry_policy(policy).build().unwrap();
    let (customer, tracking) = (crate::server::CUSTOMER, crate::server::TRACKING);

    let error = crate::server::upload(&partner).get().await.unwrap_err();
    let shown = error.to_string();
    assert!(shown.contains(&format!("(batch upload status of customer {customer}, upload {tracking}; ")), "{shown}");
    assert!(shown.ends_with("; 2 attempts)"), "{shown}");
    let url = format!("{}/v1/customers/{customer}/batchJobStatus/{tracking}", server.base_url);
    assert_eq!(error.url().unwrap().as_str().to_lowercase(), url.to_lowercase());

    let error = crate::server::customer(&partner).device_batches().get().await.unwrap_err();
    assert!(error.to_string().contains(&format!("(device batches of customer {customer}; ")), "{error}");

    let link = serde_json::from_value(json!({ "uri": "/customers/1/devices?size=1" })).unwrap();
    let error = partner.follow::<Value>(&link).await.unwrap_err();
    let url = format!("{}/v1/customers/1/devices", server.base_url);
    assert_eq!(error.url().unwrap().as_str(), url, "without query");
    assert!(error.to_string().contains(&format!("({url}; ")), "{error}");
}
