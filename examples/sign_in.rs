//! Signs a user in by device code, and keeps the refresh token for app+user calls.

mod common;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use common::{CloudArgs, Result, say, tell, with_causes};
use oauth2::basic::BasicClient;
use oauth2::{
    AuthType, ClientId, ClientSecret, DeviceAuthorizationUrl, RequestTokenError, Scope,
    StandardDeviceAuthorizationResponse, StandardErrorResponse, TokenResponse, TokenUrl,
};
use partner_center_devices::Cloud;
use partner_center_devices::emulator::Emulator;
use serde_json::Value;
use tempfile::NamedTempFile;

const HELP: &str = "\
Without credentials, --cloud and --authority, the example starts the emulator and signs in there.
Set secrets in the environment: other users of the computer can see command lines.";

/// Signs a user in by device code and keeps the refresh token
///
/// The user opens an address in any browser, enters a code and signs in with multi-factor authentication.
/// The other examples take the refresh token as PARTNER_CENTER_REFRESH_TOKEN.
#[derive(Parser)]
#[command(version, after_help = HELP)]
struct Args {
    /// The file for the refresh token, which only its owner can read. An existing file is replaced
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the refresh token to standard output, and nothing else
    #[arg(long, conflicts_with = "output")]
    print: bool,
    #[command(flatten)]
    cloud: CloudArgs,
    #[command(flatten)]
    application: ApplicationArgs,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Credentials")]
struct ApplicationArgs {
    /// The partner's tenant: its GUID or one of its domains
    #[arg(long, value_name = "TENANT", env = "PARTNER_CENTER_TENANT_ID", hide_env_values = true)]
    tenant_id: Option<String>,
    /// The application that is registered in the tenant
    #[arg(long, value_name = "GUID", env = "PARTNER_CENTER_CLIENT_ID", hide_env_values = true)]
    client_id: Option<String>,
    /// A client secret of the application. A public client has none
    #[arg(long, value_name = "SECRET", env = "PARTNER_CENTER_CLIENT_SECRET", hide_env_values = true)]
    client_secret: Option<String>,
}

impl ApplicationArgs {
    /// Also true if a value is empty: an emulator must not respond where a secret is missing.
    fn are_given(&self) -> bool {
        self.tenant_id.is_some() || self.client_id.is_some() || self.client_secret.is_some()
    }

    /// The tenant ID and the client ID.
    fn ids(&self) -> Result<(&str, &str)> {
        let needed = |value, name| not_empty(value).ok_or_else(|| format!("{name} is not set or is empty"));
        let tenant_id = needed(&self.tenant_id, "PARTNER_CENTER_TENANT_ID")?;
        Ok((tenant_id, needed(&self.client_id, "PARTNER_CENTER_CLIENT_ID")?))
    }

    fn client_secret(&self) -> Option<&str> {
        not_empty(&self.client_secret)
    }
}

fn not_empty(value: &Option<String>) -> Option<&str> {
    value.as_deref().map(str::trim).filter(|value| !value.is_empty())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::end(run(Args::parse()).await.map(|()| ExitCode::SUCCESS))
}

async fn run(args: Args) -> Result<()> {
    common::log_if_asked()?;
    if !args.application.are_given() && !args.cloud.are_given() {
        return sign_in_at_emulator(args).await;
    }
    let (tenant_id, client_id) = args.application.ids()?;
    // Before the sign-in: it must not give a token that cannot be kept.
    let place = match &args.output {
        Some(file) => Some(Place::of(file).map_err(|error| format!("cannot write {}: {error}", file.display()))?),
        None if args.print => None,
        None => return Err("the refresh token needs a place: use --output <FILE> or --print".into()),
    };
    let secret = args.application.client_secret();
    let refresh_token = sign_in(&args.cloud.cloud()?, tenant_id, client_id, secret).await?;
    let Some(place) = place else { return say(refresh_token) };
    let file = place.keep(&refresh_token).map_err(|error| format!("cannot keep the refresh token: {error}"))?;
    tell(format!("signed in; the refresh token is in {}", file.display()));
    Ok(())
}

async fn sign_in_at_emulator(args: Args) -> Result<()> {
    if args.output.is_some() {
        return Err("PARTNER_CENTER_TENANT_ID and PARTNER_CENTER_CLIENT_ID are not set; see --help".into());
    }
    let emulator = Emulator::start().await?;
    tell(format!("no application is set: signing in at the emulator at {}", emulator.base_url()));
    let client_id = "00000000-0000-0000-0000-000000000000";
    let refresh_token = sign_in(&emulator.cloud(), "organizations", client_id, None).await?;
    if args.print {
        return say(refresh_token);
    }
    tell("signed in; the refresh token of the emulator is not kept");
    Ok(())
}

/// The device-code flow of OAuth 2.0 (RFC 8628).
async fn sign_in(cloud: &Cloud, tenant: &str, client_id: &str, secret: Option<&str>) -> Result<String> {
    if !tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
        return Err("PARTNER_CENTER_TENANT_ID is not a GUID or a domain".into());
    }
    let endpoint = |name| format!("{}/{tenant}/oauth2/v2.0/{name}", cloud.authority());
    let mut client = BasicClient::new(ClientId::new(client_id.to_owned())).set_auth_type(AuthType::RequestBody);
    if let Some(secret) = secret {
        client = client.set_client_secret(ClientSecret::new(secret.to_owned()));
    }
    let client = client
        .set_token_uri(TokenUrl::new(endpoint("token"))?)
        .set_device_authorization_url(DeviceAuthorizationUrl::new(endpoint("devicecode"))?);

    let mut http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    if cloud.authority().starts_with("http://") {
        http = http.no_proxy();
    }
    let http = http.timeout(Duration::from_secs(30)).build()?;
    let send = async |request: oauth2::HttpRequest| -> std::result::Result<oauth2::HttpResponse, io::Error> {
        let received = http.execute(request.try_into().map_err(io::Error::other)?).await.map_err(io::Error::other)?;
        if matches!(received.status().as_u16(), 408 | 429 | 500..=599) {
            // `oauth2` sends a request again only if sending it failed.
            return Err(io::Error::other(format!("the sign-in service responded with {}", received.status())));
        }
        let mut response = oauth2::HttpResponse::default();
        *response.status_mut() = received.status();
        *response.body_mut() = normalized(&received.bytes().await.map_err(io::Error::other)?);
        Ok(response)
    };

    let scopes = [Scope::new(cloud.scope().to_owned()), Scope::new("offline_access".to_owned())];
    let code: StandardDeviceAuthorizationResponse =
        client.exchange_device_code().add_scopes(scopes).request_async(&send).await.map_err(describe)?;
    tell(format!("open {} and enter the code {}", code.verification_uri().as_str(), code.user_code().secret()));
    tell("waiting for the sign-in …");
    let token = client.exchange_device_access_token(&code).request_async(&send, tokio::time::sleep, None).await;
    let token = token.map_err(describe)?;
    let refresh_token = token.refresh_token().ok_or("the response has no refresh token")?;
    Ok(refresh_token.secret().clone())
}

/// The body without a byte-order mark, and with numbers instead of the strings of the v1.0 endpoint.
fn normalized(body: &[u8]) -> Vec<u8> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let Ok(Value::Object(mut members)) = serde_json::from_slice(body) else { return body.to_vec() };
    for name in ["expires_in", "interval"] {
        let number = members.get(name).and_then(Value::as_str).and_then(|text| text.trim().parse::<u64>().ok());
        if let Some(number) = number {
            members.insert(name.to_owned(), number.into());
        }
    }
    if members.contains_key("access_token") {
        members.entry("token_type").or_insert("Bearer".into());
    }
    Value::Object(members).to_string().into_bytes()
}

/// An error with the message of the sign-in service. A response that cannot be read is not shown: it may have
/// a token in it.
fn describe<T>(error: RequestTokenError<io::Error, StandardErrorResponse<T>>) -> Box<dyn std::error::Error>
where
    T: oauth2::ErrorResponseType + std::fmt::Display,
{
    match error {
        RequestTokenError::ServerResponse(refusal) => {
            let words = refusal.to_string();
            // A service that repeats the request would show the secret.
            let is_echo = ["client_secret", "device_code"].iter().any(|name| words.contains(&format!("{name}=")));
            let words = if is_echo { refusal.error().to_string() } else { words };
            format!("the sign-in was refused: {words}").into()
        }
        RequestTokenError::Request(error) => {
            format!("no response from the sign-in service: {}", with_causes(&error)).into()
        }
        _ => "the sign-in service responded with something that is not a token".into(),
    }
}

/// A temporary file beside the one for the refresh token, which it replaces when it is complete. Only its
/// owner can read it at any time, and a crash leaves the old file or the new one.
struct Place {
    target: PathBuf,
    file: NamedTempFile,
}

impl Place {
    fn of(target: &Path) -> io::Result<Self> {
        let target = target.canonicalize().or_else(|_| std::path::absolute(target))?;
        if target.metadata().is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::other("not a regular file"));
        }
        let folder = target.parent().ok_or_else(|| io::Error::other("not the name of a file"))?;
        let file = NamedTempFile::new_in(folder)?;
        Ok(Self { target, file })
    }

    fn keep(mut self, secret: &str) -> io::Result<PathBuf> {
        self.file.write_all(secret.as_bytes())?;
        self.file.as_file().sync_all()?;
        self.file.persist(&self.target)?;
        Ok(self.target)
    }
}
