//! Signs a user in by device code, and keeps the refresh token for app+user calls.

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use common::{CloudArgs, Result, say, tell, variable};
use oauth2::basic::BasicClient;
use oauth2::{
    AuthType, ClientId, ClientSecret, DeviceAuthorizationUrl, Scope, StandardDeviceAuthorizationResponse,
    TokenResponse, TokenUrl,
};
use partner_center_devices::Cloud;
use partner_center_devices::emulator::Emulator;

const ENVIRONMENT: &str = "\
Environment:
  PARTNER_CENTER_TENANT_ID      The partner's tenant: its GUID or a domain of it
  PARTNER_CENTER_CLIENT_ID      The application that is registered there
  PARTNER_CENTER_CLIENT_SECRET  One of its client secrets; a public client has none

Without an application the stand-in service is started on loopback and signed in at.";

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
    let tenant = variable("PARTNER_CENTER_TENANT_ID")?;
    let client_id = variable("PARTNER_CENTER_CLIENT_ID")?;
    let is_nobody = tenant.is_none() && client_id.is_none() && args.cloud.authority.is_none();
    if !is_nobody && args.output.is_none() && !args.print {
        return Err("nothing says where to keep the refresh token: --output <FILE>, or --print".into());
    }
    let stand_in = if is_nobody { Some(Emulator::start().await?) } else { None };
    let (cloud, tenant, client_id) = match &stand_in {
        Some(stand_in) => {
            tell(format!("no application is set: signing in at the stand-in service at {}", stand_in.base_url()));
            (stand_in.cloud(), "organizations".to_owned(), "00000000-0000-0000-0000-000000000000".to_owned())
        }
        None => {
            let tenant = tenant.ok_or("PARTNER_CENTER_TENANT_ID is not set")?;
            (args.cloud.cloud()?, tenant, client_id.ok_or("PARTNER_CENTER_CLIENT_ID is not set")?)
        }
    };

    let refresh_token = sign_in(&cloud, &tenant, client_id, variable("PARTNER_CENTER_CLIENT_SECRET")?).await?;
    match &args.output {
        Some(file) => {
            keep(file, &refresh_token).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
            tell(format!("signed in; the refresh token is in {}", file.display()));
            Ok(())
        }
        None if args.print => say(refresh_token),
        None => {
            tell("signed in; the refresh token is not kept: --output <FILE> would say where");
            Ok(())
        }
    }
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
    let send = async |request: oauth2::HttpRequest| -> reqwest::Result<oauth2::HttpResponse> {
        let answer = http.execute(request.try_into()?).await?;
        let mut response = oauth2::HttpResponse::default();
        (*response.status_mut(), *response.headers_mut()) = (answer.status(), answer.headers().clone());
        *response.body_mut() = answer.bytes().await?.to_vec();
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

/// The error in words of the authority. What could not be read may have a token in it.
fn in_words<RE, T>(error: oauth2::RequestTokenError<RE, oauth2::StandardErrorResponse<T>>) -> Box<dyn std::error::Error>
where
    RE: std::error::Error + 'static,
    T: oauth2::ErrorResponseType + std::fmt::Display,
{
    match error {
        oauth2::RequestTokenError::ServerResponse(refusal) => format!("the sign-in was refused: {refusal}").into(),
        oauth2::RequestTokenError::Request(error) => Box::new(error),
        _ => "the sign-in service answered with something that is no token".into(),
    }
}

/// Writes the file beside its place and moves it there, so that it is whole and nobody else's at any
/// time.
fn keep(file: &Path, secret: &str) -> std::io::Result<()> {
    let mut name = file.file_name().ok_or_else(|| std::io::Error::other("not the name of a file"))?.to_owned();
    name.push(format!(".{}", uuid::Uuid::new_v4()));
    let beside = file.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(secret.as_bytes())?;
        file.sync_all()
    });
    let moved = written.and_then(|()| fs::rename(&beside, file));
    if moved.is_err() {
        let _ = fs::remove_file(&beside);
    }
    moved
}
