//! Signing in: the two OAuth 2.0 grants at the authority's v2.0 endpoint. The `oauth2` crate writes
//! the requests and reads the tokens; the client's own HTTP client sends them, and what the authority
//! refuses is read here, because Microsoft says more than the standard has fields for.

use std::time::Duration;

use futures_util::future::BoxFuture;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{AuthType, ClientId, ClientSecret, RequestTokenError, Scope, StandardRevocableToken, TokenUrl};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::credential::cache::Issued;
use crate::credential::{AccessToken, TokenRequest, trimmed};
use crate::error::Error;
use crate::retry::A_DAY;
use crate::wire;

/// How long the head of an answer may take, and then its body; how many requests there are is for the
/// call to say.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Tokens have a few kilobytes.
const BODY_LIMIT: usize = 1 << 20;

type Client = oauth2::Client<
    BasicErrorResponse,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

/// An application that is registered with the authority.
#[derive(Debug)]
pub(crate) struct Application {
    tenant: String,
    client_id: String,
    /// Public clients have none.
    client_secret: Option<SecretString>,
}

impl Application {
    pub(crate) fn new(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: Option<String>,
    ) -> Result<Self, Error> {
        let client_secret = client_secret.map(trimmed);
        if client_secret.as_ref().is_some_and(|secret| secret.expose_secret().is_empty()) {
            return Err(Error::config("the client secret is empty"));
        }
        Ok(Self {
            tenant: path_segment("the tenant", tenant)?,
            client_id: path_segment("the client id", client_id)?,
            client_secret,
        })
    }

    /// Gets a token as the application itself or, with a refresh token, for its user; and the
    /// refresh token that replaces the one given.
    pub(crate) async fn sign_in(
        &self,
        request: &TokenRequest,
        refresh_token: Option<&SecretString>,
    ) -> Result<(Result<Issued, Error>, Option<SecretString>), Error> {
        let url = format!("{}/{}/oauth2/v2.0/token", request.cloud.authority(), self.tenant);
        let url = TokenUrl::new(url).map_err(|error| Error::config("the authority is no URL").caused_by(error))?;
        let mut client = Client::new(ClientId::new(self.client_id.clone())).set_auth_type(AuthType::RequestBody);
        if let Some(secret) = &self.client_secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
        }
        let client = client.set_token_uri(url);

        let secrets = self.client_secret.iter().chain(refresh_token).cloned().collect();
        let exchange = Exchange { http: request.http.clone(), secrets };
        let scope = Scope::new(request.cloud.scope().to_owned());
        let answer = match refresh_token {
            None => client.exchange_client_credentials().add_scope(scope).request_async(&exchange).await,
            Some(refresh_token) => {
                let refresh_token = oauth2::RefreshToken::new(refresh_token.expose_secret().to_owned());
                // Without offline_access the answer need not have the next refresh token.
                let scopes = [scope, Scope::new("offline_access".to_owned())];
                client.exchange_refresh_token(&refresh_token).add_scopes(scopes).request_async(&exchange).await
            }
        };
        Ok(answer.map_err(unreadable)?.read())
    }
}

/// A part of a path that cannot become two, or none.
fn path_segment(what: &str, text: impl Into<String>) -> Result<String, Error> {
    let text = text.into().trim().to_owned();
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if !fits || text.trim_matches('.').is_empty() {
        return Err(Error::config(format!("{what} is neither a GUID nor a name: letters, digits, '-', '_' and '.'")));
    }
    Ok(text)
}

/// How the `oauth2` crate sends its requests.
struct Exchange {
    http: reqwest::Client,
    secrets: Vec<SecretString>,
}

impl<'c> oauth2::AsyncHttpClient<'c> for Exchange {
    type Error = Error;
    type Future = BoxFuture<'c, Result<oauth2::HttpResponse, Error>>;

    fn call(&'c self, request: oauth2::HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl Exchange {
    /// Sends one request for a token. What is not a 200 ends here: its status says what to do, and
    /// its body may have all that the error should say.
    async fn send(&self, request: oauth2::HttpRequest) -> Result<oauth2::HttpResponse, Error> {
        let request = reqwest::Request::try_from(request).map_err(Error::sign_in_transport)?;
        // Looks for the answer before it looks at the time: what was left for long may have one.
        let late = |_| Error::sign_in_timed_out();
        let response = tokio::time::timeout(TIMEOUT, self.http.execute(request)).await.map_err(late)?;
        let response = response.map_err(Error::sign_in_transport)?;
        let (answer, end) = tokio::time::timeout(TIMEOUT, wire::read(response, BODY_LIMIT)).await.map_err(late)?;
        let secrets: Vec<&str> = self.secrets.iter().map(|secret| secret.expose_secret()).collect();
        let refusal = Error::sign_in_refused(answer.clone(), &secrets);
        if answer.status != http::StatusCode::OK || refusal.code().is_some() {
            return Err(refusal);
        }
        if answer.over_bounds {
            return Err(Error::sign_in_unreadable("the answer is larger than any token"));
        }
        end.map_err(Error::sign_in_transport)?;
        if !wire::is_object(&answer.body) {
            return Err(Error::sign_in_unreadable(NO_TOKEN_AT_ALL));
        }
        // Without headers: what the body is, it says better than its Content-Type.
        Ok(http::Response::new(answer.body.to_vec()))
    }
}

const NO_TOKEN_AT_ALL: &str = "the answer is not the JSON of a token";

/// The crate's own error has the answer's bytes in it, and serde's message its texts: a token, maybe.
fn unreadable(error: RequestTokenError<Error, BasicErrorResponse>) -> Error {
    match error {
        RequestTokenError::Request(error) => error,
        RequestTokenError::Parse(error, _) if !matches!(error.path().to_string().as_str(), "" | "." | "?") => {
            Error::sign_in_unreadable(format!("the answer cannot be read at `{}`", error.path()))
        }
        _ => Error::sign_in_unreadable(NO_TOKEN_AT_ALL),
    }
}

#[derive(Debug, Deserialize, Serialize)]
struct TokenAnswer {
    #[serde(default = "no_token")]
    access_token: oauth2::AccessToken,
    #[serde(default = "bearer", deserialize_with = "token_type")]
    token_type: BasicTokenType,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<Duration>,
    #[serde(default)]
    refresh_token: Option<oauth2::RefreshToken>,
}

fn no_token() -> oauth2::AccessToken {
    oauth2::AccessToken::new(String::new())
}

fn bearer() -> BasicTokenType {
    BasicTokenType::Bearer
}

fn token_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BasicTokenType, D::Error> {
    Ok(match Option::<String>::deserialize(deserializer)? {
        Some(other) if !other.eq_ignore_ascii_case("bearer") => BasicTokenType::Extension(other),
        _ => BasicTokenType::Bearer,
    })
}

/// The v1.0 endpoint has the number as text; what is no number is as good as nothing.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let seconds = match Value::deserialize(deserializer)? {
        Value::String(text) => text.trim().parse::<f64>().ok(),
        value => value.as_f64(),
    };
    Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.clamp(0.0, A_DAY.as_secs_f64())).ok()))
}

impl TokenAnswer {
    /// The token, if it is good for anything, and the next refresh token in any case: the one before
    /// it may be spent.
    fn read(self) -> (Result<Issued, Error>, Option<SecretString>) {
        let refresh_token = self.refresh_token.map(|token| trimmed(token.into_secret()));
        let refresh_token = refresh_token.filter(|token| !token.expose_secret().is_empty());
        let token = AccessToken::new(self.access_token.into_secret());
        let issued = match token.authorization() {
            _ if token.expose().is_empty() => Err(Error::sign_in_unreadable("the answer has none")),
            _ if self.token_type != BasicTokenType::Bearer => {
                Err(Error::sign_in_unreadable("the token is not a bearer token"))
            }
            // Before it is kept, for it would fail every call until it expires.
            Err(error) => Err(error),
            Ok(_) => Ok(Issued { token, lifetime: self.expires_in }),
        };
        (issued, refresh_token)
    }
}

impl oauth2::TokenResponse for TokenAnswer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &oauth2::AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in
    }

    fn refresh_token(&self) -> Option<&oauth2::RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}
