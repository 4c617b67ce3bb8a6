//! Signs a user in by device code, and keeps the refresh token for app+user calls.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use common::{CloudArgs, Result, needed, say, tell, variable, with_causes};
use oauth2::basic::BasicClient;
use oauth2::{
    AuthType, ClientId, ClientSecret, DeviceAuthorizationUrl, RequestTokenError, Scope,
    StandardDeviceAuthorizationResponse, StandardErrorResponse, TokenResponse, TokenUrl,
};
use partner_center_devices::Cloud;
use partner_center_devices::emulator::Emulator;
use serde_json::Value;

const ENVIRONMENT: &str = "\
Environment:
  PARTNER_CENTER_TENANT_ID      The partner's tenant: its GUID or a domain of it
  PARTNER_CENTER_CLIENT_ID      The application that is registered there
  PARTNER_CENTER_CLIENT_SECRET  One of its client secrets; a public client has none

Without any of them, --cloud and --authority, the stand-in service is started on loopback and signed in at.";

/// Signs a user in by device code and keeps the refresh token
///
/// The user opens an address in any browser, enters a code and signs in, with multi-factor
/// authentication. The refresh token is what PARTNER_CENTER_REFRESH_TOKEN of the other examples wants.
#[derive(Parser)]
#[command(after_help = ENVIRONMENT)]
struct Args {
    /// The file to keep the refresh token in, readable by its owner alone; one that exists is replaced
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the refresh token, and nothing else, to standard output
    #[arg(long, conflicts_with = "output")]
    print: bool,
    #[command(flatten)]
    cloud: CloudArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    common::end(run(common::parse()).await)
}

async fn run(args: Args) -> Result<()> {
    if !common::is_somebody() && !args.cloud.are_given() {
        return show(args).await;
    }
    let (tenant, client_id) = (needed("PARTNER_CENTER_TENANT_ID")?, needed("PARTNER_CENTER_CLIENT_ID")?);
    // Before the sign-in: a token that cannot be kept would be lost with it.
    let place = match &args.output {
        Some(file) => Some(Place::beside(file).map_err(|error| format!("cannot write {}: {error}", file.display()))?),
        None if args.print => None,
        None => return Err("nothing says where to keep the refresh token: --output <FILE>, or --print".into()),
    };
    let secret = variable("PARTNER_CENTER_CLIENT_SECRET")?;
    let refresh_token = sign_in(&args.cloud.cloud()?, &tenant, client_id, secret).await?;
    let Some(place) = place else { return say(refresh_token) };
    let file = place.keep(&refresh_token).map_err(|error| format!("cannot keep the refresh token: {error}"))?;
    tell(format!("signed in; the refresh token is in {}", file.display()));
    Ok(())
}

/// Signs in at the stand-in, whose token is worth nothing.
async fn show(args: Args) -> Result<()> {
    if args.output.is_some() {
        return Err("PARTNER_CENTER_TENANT_ID and PARTNER_CENTER_CLIENT_ID are not set; --help says more".into());
    }
    let stand_in = Emulator::start().await?;
    tell(format!("no application is set: signing in at the stand-in service at {}", stand_in.base_url()));
    let client_id = "00000000-0000-0000-0000-000000000000".to_owned();
    let refresh_token = sign_in(&stand_in.cloud(), "organizations", client_id, None).await?;
    if args.print {
        return say(refresh_token);
    }
    tell("signed in; the stand-in's refresh token is not kept");
    Ok(())
}

/// The device-code flow of OAuth 2.0 (RFC 8628).
async fn sign_in(cloud: &Cloud, tenant: &str, client_id: String, secret: Option<String>) -> Result<String> {
    if !tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
        return Err("PARTNER_CENTER_TENANT_ID is neither a GUID nor a domain".into());
    }
    let endpoint = |name| format!("{}/{tenant}/oauth2/v2.0/{name}", cloud.authority());
    let mut client = BasicClient::new(ClientId::new(client_id)).set_auth_type(AuthType::RequestBody);
    if let Some(secret) = secret {
        client = client.set_client_secret(ClientSecret::new(secret));
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
        let answer = http.execute(request.try_into().map_err(io::Error::other)?).await.map_err(io::Error::other)?;
        if matches!(answer.status().as_u16(), 408 | 429 | 500..=599) {
            // As an error of sending it is tried again, while the user signs in.
            return Err(io::Error::other(format!("the sign-in service answered {}", answer.status())));
        }
        let mut response = oauth2::HttpResponse::default();
        *response.status_mut() = answer.status();
        *response.body_mut() = mended(&answer.bytes().await.map_err(io::Error::other)?);
        Ok(response)
    };

    let scopes = [Scope::new(cloud.scope().to_owned()), Scope::new("offline_access".to_owned())];
    let code: StandardDeviceAuthorizationResponse =
        client.exchange_device_code().add_scopes(scopes).request_async(&send).await.map_err(in_words)?;
    tell(format!("open {} and enter the code {}", code.verification_uri().as_str(), code.user_code().secret()));
    tell("waiting for the sign-in …");
    let token = client.exchange_device_access_token(&code).request_async(&send, tokio::time::sleep, None).await;
    let token = token.map_err(in_words)?;
    let refresh_token = token.refresh_token().ok_or("the sign-in gave no refresh token")?;
    Ok(refresh_token.secret().clone())
}

/// What the authority answered, without the byte-order mark, and with a number where the v1.0 endpoint
/// has a text.
fn mended(body: &[u8]) -> Vec<u8> {
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

/// The error in words of the authority. What could not be read may have a token in it.
fn in_words<T>(error: RequestTokenError<io::Error, StandardErrorResponse<T>>) -> Box<dyn std::error::Error>
where
    T: oauth2::ErrorResponseType + std::fmt::Display,
{
    match error {
        RequestTokenError::ServerResponse(refusal) => {
            let words = refusal.to_string();
            // An echo of the form would show the secret.
            let is_echo = ["client_secret", "device_code"].iter().any(|name| words.contains(&format!("{name}=")));
            let words = if is_echo { refusal.error().to_string() } else { words };
            format!("the sign-in was refused: {words}").into()
        }
        RequestTokenError::Request(error) => {
            format!("no answer from the sign-in service: {}", with_causes(&error)).into()
        }
        _ => "the sign-in service answered with something that is no token".into(),
    }
}

/// A new file beside the one that is to be, which it replaces when it is whole: so that the token is
/// somebody else's at no time, and a crash leaves the old one or the new one.
struct Place {
    target: PathBuf,
    beside: PathBuf,
    file: Option<File>,
}

impl Place {
    fn beside(target: &Path) -> io::Result<Self> {
        let target = target.canonicalize().unwrap_or_else(|_| target.to_owned());
        if target.metadata().is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::other("it is there, and no file"));
        }
        let mut name = target.file_name().ok_or_else(|| io::Error::other("not the name of a file"))?.to_owned();
        name.push(format!(".{}", uuid::Uuid::new_v4()));
        let beside = target.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = Some(options.open(&beside)?);
        Ok(Self { target, beside, file })
    }

    fn keep(mut self, secret: &str) -> io::Result<PathBuf> {
        if let Some(mut file) = self.file.take() {
            file.write_all(secret.as_bytes())?;
            file.sync_all()?;
        }
        fs::rename(&self.beside, &self.target)?;
        Ok(self.target.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It is there only if the token was not kept.
        let _ = fs::remove_file(&self.beside);
    }
}
