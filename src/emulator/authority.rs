//! The authority: gives tokens for the grants that partners use, and takes them back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use url::form_urlencoded;
use uuid::Uuid;

use super::{Script, ScriptedResponse};

const TOKEN_PATH: &str = "/oauth2/v2.0/token";
const DEVICE_CODE_PATH: &str = "/oauth2/v2.0/devicecode";
/// Where users are sent with their code.
pub(super) const SIGN_IN_PAGE: &str = "/devicelogin";
const DEVICE_CODE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What the next request for a token gets.
#[derive(Clone)]
pub(super) enum Scripted {
    /// Status, error of OAuth, and the seconds to wait.
    Refusal(StatusCode, String, Option<u64>),
    /// The number of an AADSTS code.
    Code(u32),
    Response(ScriptedResponse),
}

#[derive(Default)]
pub(super) struct Authority {
    base_url: String,
    pub(super) sign_ins: usize,
    pub(super) lifetime: Duration,
    pub(super) delay: Duration,
    pub(super) script: Script<Scripted>,
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

    /// Whether the service takes this token: tokens from elsewhere do not concern the authority.
    pub(super) fn takes(&self, token: &str) -> bool {
        !self.revoked.contains(token)
    }

    pub(super) fn respond(&mut self, path: &str, form: &[u8]) -> ScriptedResponse {
        let form: BTreeMap<_, _> = form_urlencoded::parse(form).into_owned().collect();
        if path.ends_with(DEVICE_CODE_PATH) { self.device_code() } else { self.token(&form) }
    }

    fn device_code(&self) -> ScriptedResponse {
        let code = json!({
            "device_code": format!("emulator-device-code-{}", Uuid::new_v4()),
            "user_code": "EMULATOR1",
            "verification_uri": format!("{}{SIGN_IN_PAGE}", self.base_url),
            "expires_in": 900,
            "interval": 1,
        });
        ScriptedResponse::plain_json(StatusCode::OK, &code)
    }

    fn token(&mut self, form: &BTreeMap<String, String>) -> ScriptedResponse {
        self.sign_ins += 1;
        match self.script.next() {
            Some(Scripted::Refusal(status, error, retry_after)) => return refusal(status, &error, retry_after),
            Some(Scripted::Code(code)) => return refusal_by_code(code),
            Some(Scripted::Response(response)) => return response,
            None => {}
        }
        let given = |name: &str| form.get(name).filter(|value| !value.is_empty());
        let bad_request = |error: &str| refusal(StatusCode::BAD_REQUEST, error, None);
        if given("client_id").is_none() || given("scope").is_none() && given("device_code").is_none() {
            return bad_request("invalid_request");
        }
        match given("grant_type").map(String::as_str) {
            Some("client_credentials") if given("client_secret").or(given("client_assertion")).is_none() => {
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

    fn give(&mut self, for_user: bool) -> ScriptedResponse {
        let access_token = format!("emulator-access-token-{}", Uuid::new_v4());
        self.given.insert(access_token.clone());
        let mut token = json!({
            "token_type": "Bearer",
            "expires_in": self.lifetime.as_secs(),
            "access_token": access_token,
        });
        if for_user {
            token["refresh_token"] = json!(format!("emulator-refresh-token-{}", Uuid::new_v4()));
        }
        ScriptedResponse::plain_json(StatusCode::OK, &token)
    }
}

/// The code that most often comes with an error of OAuth.
fn refusal(status: StatusCode, error: &str, retry_after: Option<u64>) -> ScriptedResponse {
    let (code, words) = match error {
        "invalid_client" => (7_000_215, "Invalid client secret provided."),
        "invalid_grant" => (700_082, "The refresh token has expired due to inactivity."),
        "interaction_required" => (50_076, "You must use multi-factor authentication."),
        "authorization_pending" => (70_016, "The user has not yet finished signing in."),
        "temporarily_unavailable" => (90_055, "The server is terminating the request, for it is too busy."),
        _ => (900_144, "The request cannot be processed."),
    };
    refusal_with(status, error, None, code, words).retry_after(retry_after)
}

/// As Microsoft's page of the error codes of its sign-in service has them, in short.
fn refusal_by_code(code: u32) -> ScriptedResponse {
    const CLIENT: (u16, &str, Option<&str>) = (401, "invalid_client", None);
    const SIGN_IN: (u16, &str, Option<&str>) = (400, "invalid_grant", Some("basic_action"));
    const OVER: (u16, &str, Option<&str>) = (400, "invalid_grant", Some("bad_token"));
    const GRANT: (u16, &str, Option<&str>) = (400, "invalid_grant", None);
    let ((status, error, suberror), words) = match code {
        16_000 => ((400, "interaction_required", None), "The user account does not exist in the tenant."),
        50_034 => (GRANT, "The user account does not exist in the directory."),
        50_076 => (
            SIGN_IN,
            "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the resource.",
        ),
        50_078 => (
            SIGN_IN,
            "Presented multi-factor authentication has expired due to policies configured by your administrator, you must refresh your multi-factor authentication to access the resource.",
        ),
        50_079 => (
            SIGN_IN,
            "Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication to access the resource.",
        ),
        50_126 => (GRANT, "Error validating credentials due to invalid username or password."),
        50_158 => ((400, "interaction_required", Some("basic_action")), "External security challenge not satisfied."),
        50_173 => (OVER, "The provided grant has expired due to it being revoked, a fresh auth token is needed."),
        53_003 => {
            ((400, "access_denied", Some("message_only")), "Access has been blocked by Conditional Access policies.")
        }
        65_001 => (
            (400, "invalid_grant", Some("consent_required")),
            "The user or administrator has not consented to use the application.",
        ),
        70_000 => (GRANT, "Provided grant is invalid or malformed."),
        70_008 => (OVER, "The provided authorization code or refresh token has expired due to inactivity."),
        70_043 => {
            (OVER, "The refresh token has expired or is invalid due to sign-in frequency checks by Conditional Access.")
        }
        90_002 => {
            ((400, "invalid_request", None), "Tenant not found. Check to make sure you have the correct tenant ID.")
        }
        530_003 => (
            (400, "access_denied", Some("message_only")),
            "Your device is required to be managed to access this resource.",
        ),
        700_003 => (GRANT, "Device object was not found in the tenant directory."),
        700_016 => ((400, "unauthorized_client", None), "Application was not found in the directory."),
        700_025 => (CLIENT, "Client is public so neither 'client_assertion' nor 'client_secret' should be presented."),
        700_027 => (CLIENT, "Client assertion failed signature validation."),
        700_082 => (OVER, "The refresh token has expired due to inactivity."),
        7_000_215 => (CLIENT, "Invalid client secret provided."),
        7_000_222 => (CLIENT, "The provided client secret keys are expired."),
        _ => (GRANT, "The sign-in is refused."),
    };
    refusal_with(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), error, suberror, code, words)
}

/// In the form of Microsoft's sign-in service.
fn refusal_with(status: StatusCode, error: &str, suberror: Option<&str>, code: u32, words: &str) -> ScriptedResponse {
    let (trace, correlation) = (Uuid::new_v4(), Uuid::new_v4());
    let mut body = json!({
        "error": error,
        "error_description": format!("AADSTS{code}: {words} Trace ID: {trace} Correlation ID: {correlation}"),
        "error_codes": [code],
        "trace_id": trace,
        "correlation_id": correlation,
    });
    if let Some(suberror) = suberror {
        body["suberror"] = json!(suberror);
    }
    ScriptedResponse::plain_json(status, &body)
}
