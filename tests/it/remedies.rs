//! What an error means and what to do about it, for the refusals that partners meet.

use partner_center_devices::ErrorKind;
use serde_json::json;

use crate::pasted::{refusal, refused};
use crate::server::{Server, response, upload};
use crate::sign_in::{app_only, app_user, at, cloud};

const REFUSED: &str = "400 Bad Request";

#[tokio::test]
async fn who_has_to_sign_in_again_is_told_so_whatever_the_reason() {
    let over = [50_055, 50_133, 50_173, 70_008, 70_043, 700_082, 700_084];
    let policies = [53_000, 53_001, 53_003, 530_003, 530_032];
    let mfa = [50_072, 50_074, 50_076, 50_078, 50_079, 50_158];
    for code in over.into_iter().chain(policies).chain(mfa) {
        let error = refused(REFUSED, refusal("invalid_grant", code, "no.", &json!({})), code, true).await;
        assert!(error.requires_user_sign_in() && !error.is_retryable(), "{error}");
        assert_eq!(error.is_mfa_required(), mfa.contains(&code), "{error}");
        let remedy = error.remedy().unwrap();
        assert!(remedy.contains("sign in again") && error.to_string().ends_with(remedy), "{error}");
    }
    let body = json!({ "error": "interaction_required" }).to_string();
    let server = Server::with_response(response(REFUSED, &[], body)).await;
    let error = upload(&at(cloud(&server), app_user()).build().unwrap()).get().await.unwrap_err();
    assert!(error.requires_user_sign_in() && !error.is_mfa_required(), "{error}");
}

#[tokio::test]
async fn what_partners_meet_at_the_sign_in_has_a_meaning_and_a_remedy() {
    for (code, meaning, remedy) in [
        (50_034, "not in this tenant", "check the tenant"),
        (50_126, "password is wrong", "check both"),
        (65_001, "consented", "administrator consent"),
        (70_000, "malformed", "whole"),
        (700_003, "device", "registered device"),
        (700_007, "another application", "client ID"),
        (700_016, "not in this tenant", "check the client ID"),
        (700_025, "public client", "public_client"),
        (700_027, "certificate", "upload the certificate"),
        (7_000_215, "secret is wrong", "not its ID"),
        (7_000_222, "secret has expired", "create a new secret"),
        (90_002, "tenant does not exist", "the cloud"),
        (90_072, "another tenant", "account of this tenant"),
    ] {
        let error = refused(REFUSED, refusal("invalid_client", code, "no.", &json!({})), code, true).await;
        assert!(!error.requires_user_sign_in() && !error.is_mfa_required(), "{error}");
        let (meant, said) = (error.meaning().unwrap(), error.remedy().unwrap());
        assert!(meant.contains(meaning) && said.contains(remedy), "{error}");
        assert!(error.to_string().ends_with(&format!("; {meant}: {said}")), "{error}");
    }
    let error = refused(REFUSED, refusal("invalid_grant", 4_711, "new.", &json!({})), 4_711, true).await;
    assert_eq!((error.meaning(), error.remedy()), (None, None));
    assert!(error.to_string().contains("AADSTS4711: new"), "{error}");
}

#[tokio::test]
async fn the_number_of_a_refusal_is_found_in_its_text() {
    let body = json!({ "error": "invalid_client", "error_description": "AADSTS7000222: over.\r\nTrace ID: x" });
    let server = Server::with_response(response("401 Unauthorized", &[], body.to_string())).await;
    let error = upload(&at(cloud(&server), app_only()).build().unwrap()).get().await.unwrap_err();
    assert_eq!((error.error_codes(), error.meaning()), (&[7_000_222][..], Some("the client secret has expired")));
}

#[tokio::test]
async fn a_refusal_without_any_word_says_that_it_was_the_sign_in_and_its_code() {
    let server = Server::with_response(response(REFUSED, &[], r#"{"error":"invalid_grant"}"#)).await;
    let error = upload(&at(cloud(&server), app_only()).build().unwrap()).get().await.unwrap_err();
    let shown = "no access token: the sign-in service responded with 400 Bad Request, code invalid_grant";
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Credential, shown));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_partners_meet_at_the_service_has_a_meaning_and_a_remedy() {
    for (status, code, remedy) in [
        ("401 Unauthorized", 900_420, "no longer for https://graph.windows.net"),
        ("401 Unauthorized", 800_001, "for Partner Center"),
        ("403 Forbidden", 1_002, "relationship with the customer"),
        ("403 Forbidden", 20_002, "accept the partner"),
        ("403 Forbidden", 900_150, "Admin agent or Sales agent"),
    ] {
        let body = json!({ "code": code.to_string(), "description": "Refused." }).to_string();
        let server = Server::with_response(response(status, &[], body)).await;
        let error = server.upload().get().await.unwrap_err();
        assert_eq!((error.is_forbidden(), server.requests().len()), (status.starts_with("403"), 1));
        let said = error.remedy().unwrap();
        assert!(said.contains(remedy) && error.meaning().is_some() && error.to_string().ends_with(said), "{error}");
        assert!(error.to_string().contains(&format!("code {code}: Refused")), "{error}");
        assert!(!error.requires_user_sign_in() && !error.is_retryable());
    }
    // The same number under another status is another error.
    let server = Server::with_response(response("404 Not Found", &[], r#"{"code":1002}"#)).await;
    assert_eq!(server.upload().get().await.unwrap_err().remedy(), None);
}
