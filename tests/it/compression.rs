//! Compressed responses: read where the coding is known, and otherwise an error that names the coding.
//! Gateways compress, asked or not.

use std::error::Error as _;
use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::StatusCode;
use partner_center_devices::{Error, ErrorKind, RetryPolicy};

use crate::server::{Reply, Server, documented, response, upload};
use crate::sign_in::{app_only, at, cloud};

const FAST: Compression = Compression::fast();

pub fn gzip(body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), FAST);
    encoder.write_all(body.as_ref()).unwrap();
    encoder.finish().unwrap()
}

pub fn zlib(body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), FAST);
    encoder.write_all(body.as_ref()).unwrap();
    encoder.finish().unwrap()
}

pub fn deflate(body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), FAST);
    encoder.write_all(body.as_ref()).unwrap();
    encoder.finish().unwrap()
}

const STATUS: &str = r#"{"status":"finished","devicesStatus":[]}"#;
const THROTTLED: &str = r#"{"statusCode":429,"message":"Rate limit is exceeded. Try again in 57 seconds."}"#;

/// The sentences of an error and of its causes.
fn lines(error: &Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |lines, cause| format!("{lines}\n{cause}"))
}

#[tokio::test]
async fn a_compressed_response_is_read_and_the_headers_are_those_of_the_body() {
    let two_members = [gzip(&STATUS[..9]), gzip(&STATUS[9..])].concat();
    for (coding, body) in [
        ("gzip", gzip(STATUS)),
        ("GZIP", gzip(STATUS)),
        ("x-gzip", gzip(STATUS)),
        ("gzip", two_members),
        ("identity, gzip", gzip(STATUS)),
        ("deflate", zlib(STATUS)),
        ("deflate", deflate(STATUS)),
    ] {
        let server = Server::with_response(response("200 OK", &[("Content-Encoding", coding)], body)).await;
        let response = server.upload().get().await.unwrap();
        assert!(response.is_complete());
        assert_eq!(response.body(), STATUS.as_bytes(), "{coding}");
        assert!(response.headers().get("content-encoding").is_none());
        assert_eq!(response.headers()["content-length"], STATUS.len().to_string().as_str());
        assert_eq!(server.sent(0, "accept-encoding").as_deref(), Some("gzip"));
    }
    for coding in ["identity", ""] {
        let server = Server::with_response(response("200 OK", &[("Content-Encoding", coding)], STATUS)).await;
        assert!(server.upload().get().await.unwrap().is_complete());
    }
}

#[tokio::test]
async fn a_response_that_only_says_that_it_is_compressed_is_read() {
    let server = Server::with_response(response("200 OK", &[("Content-Encoding", "gzip")], STATUS)).await;
    assert!(server.upload().get().await.unwrap().is_complete());
    let server = Server::with_response(response("404 Not Found", &[("Content-Encoding", "gzip")], "")).await;
    assert!(server.upload().get().await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_compressed_error_is_taken_apart_like_any_other() {
    for (coding, body) in [("gzip", gzip(THROTTLED)), ("deflate", zlib(THROTTLED)), ("deflate", deflate(THROTTLED))] {
        let response = response("429 Too Many Requests", &[("Content-Encoding", coding)], body);
        let server = Server::with_response(response).await;
        let error = server.upload().get().await.unwrap_err();
        assert!(error.is_throttled());
        assert_eq!(error.retry_after(), Some(Duration::from_secs(57)));
        assert_eq!(error.body(), THROTTLED.as_bytes());
        assert_eq!(error.description(), Some("Rate limit is exceeded. Try again in 57 seconds."));
    }
}

#[tokio::test]
async fn a_compressed_throttle_is_waited_for_and_the_call_succeeds() {
    let throttled = response("429 Too Many Requests", &[("Content-Encoding", "gzip")], gzip(r#"{"statusCode":429}"#));
    let server = Server::new([throttled, documented("batch_upload_status.http")].map(Reply::Send)).await;
    let policy = RetryPolicy::default().initial_delay(Duration::ZERO);
    let partner = server.builder().retry_policy(policy).build().unwrap();
    assert_eq!(upload(&partner).get().await.unwrap().attempts(), 2);
}

#[tokio::test]
async fn another_coding_is_an_error_that_names_it_and_shows_no_byte_of_the_body() {
    for coding in ["br", "zstd", "compress", "gzip, br", "gzip, gzip"] {
        for status in ["200 OK", "500 Internal Server Error", "401 Unauthorized"] {
            let response = response(status, &[("Content-Encoding", coding)], "nobody-may-see");
            let server = Server::with_response(response).await;
            let error = server.upload().get().await.unwrap_err();
            let kind = if status == "200 OK" { ErrorKind::Decode } else { ErrorKind::Service };
            assert_eq!(error.kind(), kind, "{coding}");
            assert_eq!(error.status().unwrap().as_str(), &status[..3]);
            assert!(lines(&error).contains(&format!("Content-Encoding \"{coding}\" is not supported")), "{error:?}");
            assert!(error.body().is_empty() && !format!("{error:?}").contains("nobody"), "{error:?}");
        }
        let server = Server::with_response(response("200 OK", &[("Content-Encoding", coding)], "nobody-may-see")).await;
        let error = upload(&at(cloud(&server), app_only()).build().unwrap()).get().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credential);
        assert!(lines(&error).contains(&format!("Content-Encoding \"{coding}\" is not supported")), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_not_the_coding_that_it_says_is_an_error_without_its_bytes() {
    let cut = |body: Vec<u8>| body[..body.len() - 4].to_vec();
    let mut wrong = gzip(STATUS);
    wrong[20] ^= 0xff;
    let bodies =
        [("gzip", cut(gzip(STATUS))), ("gzip", wrong), ("gzip", b"PK\x03\x04".to_vec()), ("deflate", vec![0xff; 9])];
    for (coding, body) in bodies {
        let server = Server::with_response(response("200 OK", &[("Content-Encoding", coding)], &body)).await;
        let error = server.upload().get().await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Decode, false), "{error:?}");
        assert!(lines(&error).contains(&format!("it is not valid {coding}")), "{error:?}");
        assert_ne!(error.body(), body);
    }
    // Nothing but its own end says that it is whole.
    let head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n".to_vec();
    let whole = gzip(STATUS);
    let server = Server::new([Reply::SendAndClose([&head[..], &whole[..9]].concat())]).await;
    let error = server.upload().get().await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Transport, true), "{error:?}");
    let server = Server::new([Reply::SendAndClose([head, whole].concat())]).await;
    assert!(server.upload().get().await.unwrap().is_complete());
}

#[tokio::test]
async fn the_bound_on_bodies_is_on_what_they_become() {
    let fits = format!("{STATUS}{}", " ".repeat(1 << 18));
    let limit = fits.len();
    for (coding, compress) in [("gzip", gzip as fn(Vec<u8>) -> Vec<u8>), ("deflate", zlib), ("deflate", deflate)] {
        for (body, status, is_read) in [
            (fits.clone(), "200 OK", true),
            (fits.clone() + " ", "200 OK", false),
            (fits.clone() + " ", "403 Forbidden", false),
            (fits.repeat(4), "200 OK", false),
        ] {
            let response = response(status, &[("Content-Encoding", coding)], compress(body.into_bytes()));
            let server = Server::with_response(response).await;
            let outcome = upload(&server.builder().max_body_size(limit).build().unwrap()).get().await;
            assert_eq!(outcome.is_ok(), is_read, "{coding}");
            if let Err(error) = outcome {
                assert!(error.body().is_empty());
                assert!(error.status() == Some(StatusCode::FORBIDDEN) || error.kind() == ErrorKind::Decode);
            }
        }
    }
}

#[tokio::test]
async fn a_compressed_token_response_is_read_and_so_is_a_refusal() {
    let token = response("200 OK", &[("Content-Encoding", "gzip")], gzip(r#"{"access_token":"good-token"}"#));
    let server = Server::new([token, response("200 OK", &[], STATUS)].map(Reply::Send)).await;
    upload(&at(cloud(&server), app_only()).build().unwrap()).get().await.unwrap();
    assert_eq!(server.sent(0, "accept-encoding").as_deref(), Some("gzip"));
    assert_eq!(server.sent(1, "authorization").as_deref(), Some("Bearer good-token"));

    let refusal = gzip(r#"{"error":"invalid_client","error_codes":[7000215]}"#);
    let server = Server::with_response(response("401 Unauthorized", &[("Content-Encoding", "gzip")], refusal)).await;
    let error = upload(&at(cloud(&server), app_only()).build().unwrap()).get().await.unwrap_err();
    assert_eq!((error.code(), error.error_codes()), (Some("invalid_client"), &[7_000_215][..]));
}
