//! Secrets as people paste them, and refusals as the sign-in service writes them: each from a public
//! report.

use partner_center_devices::{AccessToken, AppOnlyCredential, AppUserCredential, Error, ErrorKind, PartnerCenter};
use serde_json::{Value, json};

use crate::secrets::everything_about;
use crate::server::{Reply, Server, response, upload};
use crate::sign_in::{CLIENT, REFRESH, SECRET, TENANT, app_only, app_user, at, bearer, cloud, ok, token};

const TRACE: &str = "4f1c2b7e-0d63-4a55-9a0e-6f2b8c1d3e00";
const CORRELATION: &str = "b7d0a1c4-55e2-4c1b-8f6a-2d9e0f7c6a11";

/// The ways in which a secret comes with what does not belong to it.
fn pasted(secret: &str) -> Vec<String> {
    vec![
        format!(" {secret}\r\n"),
        format!("\u{feff}{secret}"),
        format!("\"{secret}\""),
        format!("'{secret}'\n"),
        format!("`{secret}`"),
        format!("\u{201c}{secret}\u{201d}"),
        format!("<{secret}>"),
        format!("\u{feff}\"<{secret}>\"\r\n"),
        format!("\u{200b}{secret}\u{2060}\u{200d}"),
        format!("{}\u{200c}{}", &secret[..5], &secret[5..]),
    ]
}

#[tokio::test]
async fn an_access_token_is_sent_without_what_was_pasted_with_it() {
    let mut texts = pasted("eyJ.abc.def==");
    texts.extend(["Bearer eyJ.abc.def==", "bearer  eyJ.abc.def==\n", "\"Bearer eyJ.abc.def==\""].map(str::to_owned));
    texts.push("Bearer \"eyJ.abc.def==\"".to_owned());
    for text in texts {
        let server = Server::with_body("{}").await;
        let partner = PartnerCenter::builder(AccessToken::new(&text)).base_url(&server.base_url).build().unwrap();
        upload(&partner).get().await.unwrap();
        assert_eq!(bearer(&server, 0), "eyJ.abc.def==", "{text:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_an_access_token_is_refused_before_anything_is_sent() {
    for (text, says) in [
        ("eyJ.abc\u{ad}.def-secret", "contains U+00AD"),
        ("eyJ.abc .def-secret", "contains U+0020"),
        ("eyJ.abc\n.def-secret", "contains U+000A"),
        ("eyJ.abc\u{202e}.def-secret", "contains U+202E"),
        ("eyJ.abc\u{e9}.def-secret", "contains U+00E9"),
        ("eyJ.abc,.def-secret", "contains ','"),
        ("eyJ.abc=.def-secret", "contains '='"),
        ("Basic eyJ.def-secret", "contains U+0020"),
        ("\u{200b}", "is empty"),
        (r#"{"token_type":"Bearer","access_token":"eyJ.def-secret"}"#, "pass only its access_token"),
        (r#" "{"access_token":"eyJ.def-secret"}" "#, "pass only its access_token"),
    ] {
        let server = Server::with_body("{}").await;
        let partner = PartnerCenter::builder(AccessToken::new(text)).base_url(&server.base_url).build().unwrap();
        let error = upload(&partner).get().await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Credential, 0));
        let shown = everything_about(&error);
        assert!(shown.contains(says) && !shown.contains("secret") && !shown.contains("eyJ"), "{shown}");
        assert!(server.requests().is_empty());
    }
}

#[tokio::test]
async fn secrets_and_refresh_tokens_are_sent_without_what_was_pasted_with_them() {
    for (secret, refresh) in pasted(SECRET).into_iter().zip(pasted(REFRESH)) {
        let server = Server::new([token("good-token"), ok("{}")]).await;
        let credential = AppUserCredential::new(TENANT, format!("\u{feff}{CLIENT}"), &secret, &refresh).unwrap();
        upload(&at(cloud(&server), credential).build().unwrap()).get().await.unwrap();
        let form = server.form(0);
        for (name, value) in [("client_id", CLIENT), ("client_secret", SECRET), ("refresh_token", REFRESH)] {
            assert!(form.contains(&(name.to_owned(), value.to_owned())), "{name}: {form:?}");
        }
    }
}

#[tokio::test]
async fn a_secret_arrives_as_it_is_whatever_characters_it_has() {
    let secret = "Ab8Q~x.Y_z-1+2/3=4 5&6%7#8";
    let server = Server::new([token("good-token"), ok("{}")]).await;
    let credential = AppOnlyCredential::new(TENANT, CLIENT, secret).unwrap();
    upload(&at(cloud(&server), credential).build().unwrap()).get().await.unwrap();
    assert!(server.form(0).contains(&("client_secret".to_owned(), secret.to_owned())));
}

#[test]
fn what_cannot_be_a_secret_or_refresh_token_is_refused() {
    for (text, says) in [
        ("a-sec\u{ad}ret", "contains U+00AD"),
        ("a-sec\nret", "contains U+000A"),
        ("s\u{e9}cret", "contains U+00E9"),
        ("\u{feff}", "is empty"),
        (r#"{"refresh_token":"a-secret"}"#, "is a whole JSON object"),
    ] {
        for (what, error) in [
            ("the client secret", AppOnlyCredential::new(TENANT, CLIENT, text).unwrap_err()),
            ("the client secret", AppUserCredential::new(TENANT, CLIENT, text, REFRESH).unwrap_err()),
            ("the refresh token", AppUserCredential::new(TENANT, CLIENT, SECRET, text).unwrap_err()),
            ("the refresh token", AppUserCredential::public_client(TENANT, CLIENT, text).unwrap_err()),
        ] {
            assert_eq!(error.kind(), ErrorKind::Config);
            let shown = everything_about(&error);
            assert!(shown.contains(&format!("{what} {says}")), "{shown}");
            assert!(!shown.contains("a-sec") && !shown.contains('\u{e9}'), "{shown}");
        }
    }
}

/// A refusal as Microsoft's sign-in service writes it.
pub fn refusal(error: &str, code: u64, says: &str, more: &Value) -> String {
    let mut body = json!({
        "error": error,
        "error_description": format!(
            "AADSTS{code}: {says}\r\nTrace ID: {TRACE}\r\nCorrelation ID: {CORRELATION}\r\nTimestamp: 2026-11-02 08:00:00Z"
        ),
        "error_codes": [code],
        "timestamp": "2026-11-02 08:00:00Z",
        "trace_id": TRACE,
        "correlation_id": CORRELATION,
        "error_uri": format!("https://login.example/error?code={code}"),
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

/// The error of a call that is refused with this body; what all such errors have in common holds.
pub async fn refused(status: &str, body: String, code: u64, of_user: bool) -> Error {
    let reply = Reply::Send(response(status, &[("Content-Type", "text/html")], body));
    let server = Server::new([reply]).await;
    let builder = if of_user { at(cloud(&server), app_user()) } else { at(cloud(&server), app_only()) };
    let error = upload(&builder.build().unwrap()).get().await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Credential, false));
    assert_eq!(error.error_codes(), [code]);
    assert_eq!((error.trace_id(), error.service_correlation_id()), (Some(TRACE), Some(CORRELATION)));
    let shown = error.to_string();
    assert!(shown.contains(&format!("AADSTS{code}")) && !shown.contains(['\r', '\n', '<']), "{shown}");
    assert_eq!((server.requests().len(), error.attempts()), (1, 0));
    error
}

#[tokio::test]
async fn a_malformed_refresh_token_is_refused_with_its_number_and_not_shown() {
    let says = format!("the refresh token {REFRESH} cannot be read.");
    let error = refused("400 Bad Request", refusal("invalid_grant", 70_000, &says, &json!({})), 70_000, true).await;
    assert_eq!((error.code(), error.suberror()), (Some("invalid_grant"), None));
    assert!(!everything_about(&error).contains(REFRESH));
}

#[tokio::test]
async fn a_sign_in_frequency_is_told_from_other_refusals_by_its_suberror() {
    let body = refusal("invalid_grant", 70_043, "the refresh token is over.", &json!({ "suberror": "bad_token" }));
    let error = refused("400 Bad Request", body, 70_043, true).await;
    assert_eq!((error.code(), error.suberror()), (Some("invalid_grant"), Some("bad_token")));
    assert!(!error.is_mfa_required());
    assert!(error.to_string().contains("suberror bad_token"), "{error}");
}

#[tokio::test]
async fn a_sign_in_that_needs_multi_factor_authentication_says_so() {
    for code in [50_072, 50_074, 50_076, 50_078, 50_079, 50_158] {
        let more = json!({ "suberror": "basic_action", "claims": "{\"access_token\":{\"capolids\":{}}}" });
        let body = refusal("invalid_grant", code, "this resource needs multi-factor authentication.", &more);
        let error = refused("400 Bad Request", body, code, true).await;
        assert!(error.is_mfa_required() && !error.is_unauthorized());
        assert_eq!(error.suberror(), Some("basic_action"));
    }
}

#[tokio::test]
async fn a_refusal_is_read_although_a_page_follows_it() {
    let body = refusal("invalid_client", 7_000_215, "the client secret is not right.", &json!({}));
    let error =
        refused("401 Unauthorized", body + "<!DOCTYPE html><html><h3>HTTP Error 500.0</h3></html>", 7_000_215, false);
    assert_eq!(error.await.code(), Some("invalid_client"));
}

#[tokio::test]
async fn a_bare_refusal_says_that_the_sign_in_was_refused_and_its_code() {
    let server = Server::new([Reply::Send(response("400 Bad Request", &[], r#"{"error":"invalid_grant"}"#))]).await;
    let error = upload(&at(cloud(&server), app_only()).build().unwrap()).get().await.unwrap_err();
    assert_eq!(error.code(), Some("invalid_grant"));
    let shown = error.to_string();
    assert!(shown.contains("sign-in") && shown.contains("invalid_grant"), "{shown}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_token_response_off_the_standard_is_read() {
    let body = r#"{"access_token":"eyJ.a.b","expires_in":"86399","ext_expires_in":"86399","not_before":"1759489561"}"#;
    for body in [body.to_owned(), format!("{body}<html>"), body.replace("access_token", "Access_Token")] {
        let server = Server::new([ok(body), ok("{}")]).await;
        upload(&at(cloud(&server), app_only()).build().unwrap()).get().await.unwrap();
        assert_eq!(bearer(&server, 1), "eyJ.a.b");
    }
}

#[tokio::test]
async fn a_sign_in_service_that_is_unavailable_for_a_moment_is_asked_again() {
    let busy = refusal("temporarily_unavailable", 90_033, "a transient error.", &json!({}));
    let html = [("Content-Type", "text/html")];
    let page = "<html><h2>Our services aren't available right now</h2></html>";
    let server = Server::new([
        Reply::Send(response("503 Service Unavailable", &[], busy)),
        Reply::Send(response("504 Gateway Timeout", &html, page)),
        token("good-token"),
        ok("{}"),
    ]);
    let server = server.await;
    upload(&at(cloud(&server), app_only()).build().unwrap()).get().await.unwrap();
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_refresh_token_is_kept_although_the_access_token_beside_it_cannot_be_read() {
    let replies = [ok(r#"{"access_token":{},"refresh_token":"the-next"}"#), token("good-token"), ok("{}")];
    let server = Server::new(replies).await;
    let upload = upload(&at(cloud(&server), app_user()).build().unwrap());
    upload.get().await.unwrap_err();
    upload.get().await.unwrap();
    assert!(server.form(1).contains(&("refresh_token".to_owned(), "the-next".to_owned())));
}
