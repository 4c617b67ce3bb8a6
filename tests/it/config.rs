//! Mistakes of the caller: found when the client is built, before any I/O.

use std::error::Error as _;
use std::time::Duration;

use futures_util::FutureExt;
use partner_center_devices::{
    AccessToken, BatchTrackingId, Builder, Cloud, CustomerId, ErrorKind, PartnerCenter, RetryPolicy, UploadLocation,
    Wait,
};

use crate::server::{CUSTOMER, Server, TRACKING};

fn builder() -> Builder {
    PartnerCenter::builder(AccessToken::new("token"))
}

fn refusal(builder: Builder) -> String {
    let error = builder.build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(error.attempts(), 0);
    error.to_string()
}

#[test]
fn a_client_is_built_without_a_runtime_and_called_outside_of_one_with_an_error() {
    let partner = builder().build().unwrap();
    let error = crate::server::upload(&partner).get().now_or_never().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Config, 0));
    assert!(error.to_string().contains("tokio runtime"), "{error}");
}

#[test]
fn base_urls_other_than_https_are_refused_but_on_loopback() {
    for url in
        ["http://127.0.0.1:8080", "http://127.9.9.9", "http://[::1]:80", "http://localhost:1", "http://LOCALHOST"]
    {
        let _ = builder().base_url(url).build().unwrap();
    }
    for url in [
        "http://example.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://10.0.0.1",
        "http://[::2]",
    ] {
        assert!(refusal(builder().base_url(url)).contains("not https"), "{url}");
    }
    assert!(refusal(builder().base_url("ftp://localhost")).contains("neither https"));
}

#[test]
fn a_base_url_that_is_none_is_refused() {
    for (url, why) in [
        ("", "is not a URL with a host"),
        ("api.partnercenter.microsoft.com", "is not a URL with a host"),
        ("https://", "is not a URL with a host"),
        ("https://user:secret@example.com", "user name or password"),
        ("https://example.com/?a=b", "query or a fragment"),
        ("https://example.com/#a", "query or a fragment"),
        ("https://example.com/v1", "must not have /v1"),
        ("https://example.com/gateway/V1/", "must not have /v1"),
        ("https://example.com/v1/customers/", "must not have /v1:"),
        ("https://example.com/v1/", "must not have /v1:"),
        ("https://example.com/v1//", "must not have /v1:"),
        ("https://example.com/v1.0", "must not have /v1.0:"),
        ("https://example.com/gateway/v1.0/customers", "must not have /v1.0:"),
        ("https://example.com/Beta/", "must not have /beta:"),
        ("http://0.0.0.0:8080", "use loopback"),
        ("http://[::]:8080", "use loopback"),
        ("https://0.0.0.0", "use loopback"),
        ("localhost:8080", "http://localhost:8080 on loopback"),
        ("127.0.0.1:8080", "http://localhost:8080 on loopback"),
        ("data:text/plain,x", "is not a URL with a host"),
    ] {
        let message = refusal(builder().base_url(url));
        assert!(message.contains(why) && !message.contains("secret"), "{url}: {message}");
    }
}

#[test]
fn values_that_no_header_may_carry_are_refused() {
    for value in ["a\r\nX-Injected: 1", "a\nb", "naïve – dash", "a\0b"] {
        assert!(refusal(builder().locale(value)).contains("the locale"));
        assert!(refusal(builder().application_name(value)).contains("the application name"));
        assert!(refusal(builder().header("X-Extra", value)).contains("X-Extra"));
    }
    assert!(refusal(builder().header("X Extra", "a")).contains("not the name of a header"));
    let pasted = refusal(builder().header("Authorization: Bearer eyJ-nobody-may-see", ""));
    assert!(pasted.contains("\"Authorization\"") && !pasted.contains("nobody"), "{pasted}");
    let many = |headers| (0..headers).fold(builder(), |builder, n| builder.header(format!("x-{n}"), "a"));
    let _ = many(100).build().unwrap();
    assert!(refusal(many(101)).contains("too many headers"));
    assert!(refusal(builder().locale("")).contains("the locale is empty"));
    assert!(refusal(builder().application_name(" ")).contains("the application name is empty"));
}

#[test]
fn headers_of_the_client_itself_cannot_be_set() {
    for name in [
        "Authorization",
        "authorization",
        "MS-RequestId",
        "ms-correlationid",
        "Host",
        "Accept",
        "X-Locale",
        "Content-Length",
        "Accept-Encoding",
        "Expect",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Connection",
        "User-Agent",
        "MS-PartnerCenter-Application",
    ] {
        assert!(refusal(builder().header(name, "a")).contains("by the client itself"), "{name}");
    }
}

#[tokio::test]
async fn a_token_that_is_none_fails_before_any_request() {
    for token in ["", "  ", "eyJ0 eyJ0", "a\r\nX-Injected: 1", "tökén"] {
        let server = Server::with_body("{}").await;
        let partner = PartnerCenter::builder(AccessToken::new(token)).base_url(&server.base_url).build().unwrap();
        let error = crate::server::upload(&partner).get().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential);
        assert!(error.source().unwrap().to_string().contains("the access token"));
        assert_eq!(error.attempts(), 0);
        assert!(server.requests().is_empty());
    }
}

#[tokio::test]
async fn white_space_around_a_token_is_dropped() {
    let server = Server::with_body("{}").await;
    let partner =
        PartnerCenter::builder(AccessToken::new(" from-a-file\r\n")).base_url(&server.base_url).build().unwrap();
    crate::server::upload(&partner).get().await.unwrap();
    assert_eq!(server.sent(0, "authorization").as_deref(), Some("Bearer from-a-file"));
}

#[test]
fn ids_are_guids_and_show_in_lower_case_with_hyphens() {
    let id: CustomerId = CUSTOMER.to_uppercase().parse().unwrap();
    assert_eq!(id.to_string(), CUSTOMER);
    assert_eq!(format!(" {CUSTOMER}\r\n").parse::<CustomerId>().unwrap(), id);
    for text in ["", "47021739", "../../v1/customers", "47021739-3426-40bf-9601-61b4b6d7c79", "a\u{1b}[31m"] {
        let error = text.parse::<CustomerId>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let line = error.to_string();
        assert!(line.ends_with("is not a customer ID: expected a GUID") && !line.contains('\u{1b}'), "{line}");
        let error = BatchTrackingId::try_from(text).unwrap_err();
        assert!(error.to_string().ends_with("is not a batch tracking ID: expected a GUID"), "{error}");
    }
}

#[test]
fn an_id_is_read_as_it_is_pasted() {
    let id: CustomerId = CUSTOMER.parse().unwrap();
    let (first, rest) = CUSTOMER.split_at(9);
    for text in [
        format!("{CUSTOMER}\u{200b}"),
        format!("\u{feff}{CUSTOMER}"),
        format!("{first}\u{200d}{rest}\u{2060}\n"),
        format!("{{{CUSTOMER}}}"),
        format!("{{{}}}", CUSTOMER.to_uppercase()),
        format!("\"{CUSTOMER}\""),
        format!("'{CUSTOMER}'"),
        format!("`{CUSTOMER}`"),
        format!("\u{201c}{CUSTOMER}\u{201d}"),
        format!(" \"{{ {CUSTOMER} }}\" "),
        format!("{{\"{CUSTOMER}\"}}"),
        format!("<{CUSTOMER}>"),
    ] {
        assert_eq!(text.parse::<CustomerId>().unwrap(), id, "{text:?}");
        assert_eq!(BatchTrackingId::try_from(text).unwrap().to_string(), CUSTOMER);
    }
}

#[test]
fn a_character_that_makes_an_id_wrong_and_is_not_seen_is_named() {
    for (odd, name) in [("\u{ad}", "U+00AD"), ("\u{200e}", "U+200E"), ("\u{2011}", "U+2011"), ("\0", "U+0000")] {
        let text = CUSTOMER.replacen('-', &format!("-{odd}"), 1);
        let line = text.parse::<CustomerId>().unwrap_err().to_string();
        assert!(line.contains(&format!("contains {name} and is not a customer ID: expected a GUID")), "{line}");
    }
    // What is dropped does not make it right.
    let line = format!("{CUSTOMER}\u{200b}-1").parse::<CustomerId>().unwrap_err().to_string();
    assert!(line.ends_with("is not a customer ID: expected a GUID"), "{line}");
}

#[test]
fn policies_waits_and_clouds_are_read_from_a_configuration_file() {
    let yaml = "max_retries: 5\ninitial_delay: 0.25\nmax_delay: 60\nmax_retry_after: 600\njitter: false";
    let policy = RetryPolicy::default().max_retries(5).initial_delay(Duration::from_millis(250));
    let policy = policy.max_delay(Duration::from_secs(60)).max_retry_after(Duration::from_secs(600)).without_jitter();
    assert_eq!(serde_saphyr::from_str::<RetryPolicy>(yaml).unwrap(), policy);
    assert_eq!(serde_saphyr::from_str::<RetryPolicy>("{}").unwrap(), RetryPolicy::default());

    let seconds = Duration::from_secs;
    let wait = Wait::default().first_after(seconds(1)).intervals(seconds(2)..=seconds(3)).at_most(seconds(4));
    let wait = wait.not_found_grace(seconds(5));
    let yaml = "first_after: 1\nintervals: [2, 3.0]\nat_most: 4\nnot_found_grace: 5";
    assert_eq!(serde_saphyr::from_str::<Wait>(yaml).unwrap(), wait);
    assert_eq!(serde_saphyr::from_str::<Wait>("{}").unwrap(), Wait::default());

    for wrong in ["max_delay: -1", "retries: 5", "initial_delay: 1e99", "max_retries: -1"] {
        serde_saphyr::from_str::<RetryPolicy>(wrong).unwrap_err();
    }
    serde_saphyr::from_str::<Wait>("intervals: [1]").unwrap_err();
}

#[test]
fn a_cloud_and_a_location_read_what_they_write() {
    let own = Cloud::custom("https://partner.example.com/api", "https://login.example.com/adfs").unwrap();
    for cloud in [Cloud::GLOBAL, Cloud::CHINA, Cloud::US_GOVERNMENT, own] {
        assert_eq!(cloud.to_string().parse::<Cloud>().unwrap(), cloud);
        let json = serde_json::to_string(&cloud).unwrap();
        assert_eq!(serde_json::from_str::<Cloud>(&json).unwrap(), cloud);
    }
    assert_eq!(serde_json::to_value(Cloud::CHINA).unwrap(), "china");
    let error = serde_json::from_str::<Cloud>(r#""mars""#).unwrap_err().to_string();
    assert!(error.starts_with("unknown cloud \"mars\": expected one of global, china, us-government"), "{error}");

    let location = format!("/customers/{CUSTOMER}/batchJobStatus/{TRACKING}");
    let read: UploadLocation = serde_json::from_value(location.clone().into()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), location);
    serde_json::from_str::<UploadLocation>(r#""/customers""#).unwrap_err();
}
