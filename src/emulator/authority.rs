//! The authority: gives tokens for the grants that partners use, and takes them back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use url::form_urlencoded;
use uuid::Uuid;

use super::{Answer, Failures, json_answer};

const TOKEN_PATH: &str = "/oauth2/v2.0/token";
const DEVICE_CODE_PATH: &str = "/oauth2/v2.0/devicecode";
/// Where users are sent with their code.
pub(super) const SIGN_IN_PAGE: &str = "/devicelogin";
const DEVICE_CODE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

#[derive(Default)]
pub(super) struct Authority {
    base_url: String,
    pub(super) sign_ins: usize,
    pub(super) lifetime: Duration,
    pub(super) delay: Duration,
    /// Status, error of OAuth, and seconds to wait.
    pub(super) failures: Failures<(StatusCode, String, Option<u64>)>,
    pub(super) given: BTreeSet<String>,
    pub(super) revoked: BTreeSet<String>,
    used_refresh_tokens: BTreeSet<String>,
    /// Device codes that were asked for once; the user approves in the meantime.
    pending: BTreeSet<String>,
}

impl Authority {
    pub(super) fn new(base_url: &str) -> Self {
        Self { base_url: base_url.to_owned(), lifetime: Duration::from_secs(3600), ..Self::default() }
    }

    pub(super) fn serves(path: &str) -> bool {
        path.ends_with(TOKEN_PATH) || path.ends_with(DEVICE_CODE_PATH)
    }

    /// Whether the service takes this token: tokens from elsewhere are no concern of the authority.
    pub(super) fn takes(&self, token: &str) -> bool {
        !self.revoked.contains(token)
    }

    /// The answer, and how long to wait with it.
    pub(super) fn answer(&mut self, path: &str, form: &[u8]) -> (Answer, Duration) {
        let form: BTreeMap<_, _> = form_urlencoded::parse(form).into_owned().collect();
        let answer = if path.ends_with(DEVICE_CODE_PATH) { self.device_code() } else { self.token(&form) };
        (answer, self.delay)
    }

    fn device_code(&self) -> Answer {
        let code = json!({
            "device_code": format!("emulator-device-code-{}", Uuid::new_v4()),
            "user_code": "EMULATOR1",
            "verification_uri": format!("{}{SIGN_IN_PAGE}", self.base_url),
            "expires_in": 900,
            "interval": 1,
        });
        json_answer(StatusCode::OK, &code, None)
    }

    fn token(&mut self, form: &BTreeMap<String, String>) -> Answer {
        self.sign_ins += 1;
        if let Some((status, error, retry_after)) = self.failures.next() {
            return refusal(status, &error, retry_after);
        }
        let given = |name: &str| form.get(name).filter(|value| !value.is_empty());
        let bad_request = |error: &str| refusal(StatusCode::BAD_REQUEST, error, None);
        if given("client_id").is_none() || given("scope").is_none() && given("device_code").is_none() {
            return bad_request("invalid_request");
        }
        match given("grant_type").map(String::as_str) {
            Some("client_credentials") if given("client_secret").is_none() => {
                refusal(StatusCode::UNAUTHORIZED, "invalid_client", None)
            }
            Some("client_credentials") => self.give(false),
            Some("refresh_token") => match given("refresh_token") {
                Some(token) if self.used_refresh_tokens.insert(token.clone()) => self.give(true),
                _ => bad_request("invalid_grant"),
            },
            Some(DEVICE_CODE_GRANT) => match given("device_code") {
                Some(code) if !self.pending.remove(code) => {
                    self.pending.insert(code.clone());
                    bad_request("authorization_pending")
                }
                Some(_) => self.give(true),
                None => bad_request("invalid_request"),
            },
            _ => bad_request("unsupported_grant_type"),
        }
    }

    fn give(&mut self, for_user: bool) -> Answer {
        let token = format!("emulator-access-token-{}", Uuid::new_v4());
        self.given.insert(token.clone());
        let mut answer = json!({
            "token_type": "Bearer",
            "expires_in": self.lifetime.as_secs(),
            "access_token": token,
        });
        if for_user {
            answer["refresh_token"] = json!(format!("emulator-refresh-token-{}", Uuid::new_v4()));
        }
        json_answer(StatusCode::OK, &answer, None)
    }
}

/// In the form of Microsoft's sign-in service.
fn refusal(status: StatusCode, error: &str, retry_after: Option<u64>) -> Answer {
    let (code, words) = match error {
        "invalid_client" => (7_000_215, "Invalid client secret provided."),
        "invalid_grant" => (700_082, "The refresh token has expired due to inactivity."),
        "interaction_required" => (50_076, "You must use multi-factor authentication."),
        "authorization_pending" => (70_016, "The user has not yet finished signing in."),
        "temporarily_unavailable" => (90_055, "The server is terminating the request, for it is too busy."),
        _ => (900_144, "The request cannot be processed."),
    };
    let body = json!({
        "error": error,
        "error_description": format!("AADSTS{code}: {words}"),
        "error_codes": [code],
        "trace_id": Uuid::new_v4(),
        "correlation_id": Uuid::new_v4(),
    });
    json_answer(status, &body, retry_after)
}
