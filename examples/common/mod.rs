//! What the examples share: the service to call, the credentials, and how to show a response.
#![allow(dead_code, unreachable_pub)]

use std::error::Error;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::{self, ExitCode};

use chrono::{DateTime, Utc};
use clap::Parser;
use clap::error::ErrorKind;
use comfy_table::{ContentArrangement, Table, presets};
use console::{Style, Term};
use partner_center_devices::emulator::Emulator;
use partner_center_devices::models::{BatchUploadDetails, DeviceUploadDetails, UploadStatus};
use partner_center_devices::{
    AccessToken, AppOnlyCredential, AppUserCredential, Cloud, Credential, PartnerCenter, UploadSummary,
};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The end of `--help`.
pub const HELP: &str = "\
Without credentials, --base-url, --cloud and --authority, the example starts the emulator and calls it.
Set secrets in the environment: other users of the computer can see command lines.
Set NO_COLOR to turn colors off.";

#[derive(clap::Args)]
pub struct ServiceArgs {
    /// The service, if it is not at the address of the cloud: a gateway or a running emulator
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    #[command(flatten)]
    cloud: CloudArgs,
    #[command(flatten)]
    credential: CredentialArgs,
}

#[derive(clap::Args)]
pub struct CloudArgs {
    /// The partner's cloud: global (default), china or us-government
    #[arg(long, value_name = "NAME")]
    cloud: Option<Cloud>,
    /// The sign-in service, if it is not at the address of the cloud
    #[arg(long, value_name = "URL")]
    authority: Option<String>,
}

impl CloudArgs {
    pub fn are_given(&self) -> bool {
        self.cloud.is_some() || self.authority.is_some()
    }

    pub fn cloud(&self) -> Result<Cloud> {
        let cloud = self.cloud.clone().unwrap_or_default();
        Ok(match &self.authority {
            Some(authority) => Cloud::custom(cloud.base_url(), authority)?,
            None => cloud,
        })
    }
}

#[derive(clap::Args)]
#[command(next_help_heading = "Credentials")]
pub struct ApplicationArgs {
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
    pub fn are_given(&self) -> bool {
        self.tenant_id.is_some() || self.client_id.is_some() || self.client_secret.is_some()
    }

    /// The tenant ID and the client ID.
    pub fn ids(&self) -> Result<(&str, &str)> {
        let needed = |value, name| not_empty(value).ok_or_else(|| format!("{name} is not set or is empty"));
        let tenant_id = needed(&self.tenant_id, "PARTNER_CENTER_TENANT_ID")?;
        Ok((tenant_id, needed(&self.client_id, "PARTNER_CENTER_CLIENT_ID")?))
    }

    pub fn client_secret(&self) -> Option<&str> {
        not_empty(&self.client_secret)
    }
}

#[derive(clap::Args)]
#[command(next_help_heading = "Credentials")]
struct CredentialArgs {
    /// An access token from elsewhere. The other credentials are then ignored
    #[arg(long, value_name = "TOKEN", env = "PARTNER_CENTER_TOKEN", hide_env_values = true)]
    token: Option<String>,
    #[command(flatten)]
    application: ApplicationArgs,
    /// A user's refresh token, from the example sign_in: calls are then app+user instead of app-only.
    /// The example does not keep the refresh token that replaces it
    #[arg(long, value_name = "TOKEN", env = "PARTNER_CENTER_REFRESH_TOKEN", hide_env_values = true)]
    refresh_token: Option<String>,
}

impl CredentialArgs {
    fn credential(&self) -> Result<Option<Box<dyn Credential>>> {
        if let Some(token) = not_empty(&self.token) {
            return Ok(Some(Box::new(AccessToken::new(token))));
        }
        if !self.application.are_given() && self.refresh_token.is_none() {
            return if self.token.is_some() { Err("PARTNER_CENTER_TOKEN is empty".into()) } else { Ok(None) };
        }
        let (tenant_id, client_id) = self.application.ids()?;
        Ok(Some(match (self.application.client_secret(), not_empty(&self.refresh_token)) {
            (Some(secret), Some(token)) => Box::new(AppUserCredential::new(tenant_id, client_id, secret, token)?),
            (None, Some(token)) => Box::new(AppUserCredential::public_client(tenant_id, client_id, token)?),
            (Some(secret), None) => Box::new(AppOnlyCredential::new(tenant_id, client_id, secret)?),
            (None, None) => {
                return Err("neither PARTNER_CENTER_CLIENT_SECRET nor PARTNER_CENTER_REFRESH_TOKEN is set".into());
            }
        }))
    }
}

fn not_empty(value: &Option<String>) -> Option<&str> {
    value.as_deref().map(str::trim).filter(|value| !value.is_empty())
}

/// The service to call. An emulator that was started for it stops when this is dropped.
pub struct Service {
    pub partner: PartnerCenter,
    pub emulator: Option<Emulator>,
}

impl ServiceArgs {
    pub async fn connect(&self) -> Result<Service> {
        let credential = match (self.credential.credential()?, &self.base_url) {
            (Some(credential), _) => credential,
            (None, None) if !self.cloud.are_given() => {
                let emulator = Emulator::start().await?;
                tell(format!("no credentials are set: calling the emulator at {}", emulator.base_url()));
                return Ok(Service { partner: emulator.partner(), emulator: Some(emulator) });
            }
            // A running emulator accepts any token. The client refuses other addresses without https.
            (None, Some(url)) if !url.to_ascii_lowercase().starts_with("https:") => Box::new(AccessToken::new("any")),
            (None, _) => return Err("no credentials are set; see --help".into()),
        };
        let mut builder = PartnerCenter::builder(credential).cloud(self.cloud.cloud()?);
        if let Some(url) = &self.base_url {
            builder = builder.base_url(url);
        }
        Ok(Service { partner: builder.application_name("partner-center-devices examples").build()?, emulator: None })
    }
}

/// The ID from the command line, or the example of the emulator.
pub fn id_or<T>(given: Option<T>, of_emulator: Option<T>, option: &str) -> Result<T> {
    given.or(of_emulator).ok_or_else(|| format!("{option} <GUID> is required").into())
}

/// Reads the command line. An error ends the program with one line.
pub fn parse<A: Parser>() -> A {
    A::try_parse().unwrap_or_else(|error| {
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            error.exit();
        }
        let text = error.render().to_string();
        let lines: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
        tell(lines.join(" "));
        process::exit(2);
    })
}

/// Ends the program. An error is one line with all its causes.
pub fn end(outcome: Result<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    tell(format!("error: {}", with_causes(&*error)));
    ExitCode::FAILURE
}

/// An error and all its causes, on one line.
pub fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    printable(&causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

/// Writes a line to standard output. That its reader has closed it is not an error.
pub fn say(line: impl Display) -> Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => process::exit(0),
        written => written.map_err(|error| format!("cannot write to standard output: {error}").into()),
    }
}

/// Writes a line to standard error, if it is open.
pub fn tell(line: impl Display) {
    let _ = writeln!(io::stderr(), "{}", printable(&line.to_string()));
}

/// A table, as wide as the terminal.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header.to_vec());
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(Term::stdout().size().1);
    }
    table
}

pub fn time(time: Option<DateTime<Utc>>) -> String {
    or_dash(&time.map(|time| time.format("%Y-%m-%d %H:%M:%S UTC")))
}

pub fn or_dash(value: &Option<impl Display>) -> String {
    value.as_ref().map_or_else(|| "-".to_owned(), |value| printable(&value.to_string()))
}

/// Replaces control characters, so that text from elsewhere cannot control the terminal or reverse its text.
pub fn printable(text: &str) -> String {
    let is_control = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.replace(is_control, " ")
}

/// Devices by status, in words and on a terminal also as a bar.
pub fn picture(summary: &UploadSummary) -> String {
    let (words, term) = (printable(&summary.to_string()), Term::stdout());
    match bar(summary, &term, term.size().1.saturating_sub(12)) {
        Some(bar) if term.is_term() => format!("{bar}\n           {words}"),
        _ => words,
    }
}

/// Devices by status as a bar of at most so many cells. `None` if there are no devices, too few cells, or
/// a terminal that cannot show blocks.
pub fn bar(summary: &UploadSummary, term: &Term, cells: u16) -> Option<String> {
    let (width, parts) = (usize::from(cells.min(88)), summary.by_status.len());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
    let locale = locale.map(|locale| locale.to_lowercase()).find(|locale| !locale.is_empty());
    let has_blocks = locale.is_none_or(|locale| locale.contains("utf-8") || locale.contains("utf8"));
    if summary.devices == 0 || width < 20 || parts > width || console::is_dumb() || !has_blocks {
        return None;
    }
    let mut bar = String::new();
    let (mut devices, mut filled) = (0, 0);
    for (place, (status, count)) in summary.by_status.iter().enumerate() {
        // Each part ends where its share of the sum ends, so that the bar is full; and has at least one cell.
        devices += count;
        let end = (devices * width / summary.devices).max(filled + 1).min(width - (parts - place - 1));
        let (cell, style) = match status {
            UploadStatus::Finished => ("█", Style::new().green()),
            UploadStatus::FinishedWithErrors => ("▒", Style::new().red()),
            UploadStatus::Processing | UploadStatus::InProgress => ("▓", Style::new().yellow()),
            _ => ("░", Style::new().dim()),
        };
        let style = style.force_styling(term.features().colors_supported());
        bar += &style.apply_to(cell.repeat(end - filled)).to_string();
        filled = end;
    }
    Some(bar)
}

/// How an upload to the emulator ends: six devices, two of them with errors.
pub fn scripted_upload() -> BatchUploadDetails {
    let mut details = BatchUploadDetails::default();
    details.status = Some(UploadStatus::FinishedWithErrors);
    details.started_time = Some(Utc::now());
    details.completed_time = details.started_time;
    for number in 1..=6 {
        let mut device = DeviceUploadDetails::default();
        device.serial_number = Some(format!("123456789{number}"));
        device.status = Some(UploadStatus::Finished);
        let failure = match number {
            3 => Some(("806", "ZtdDeviceAlreadyAssigned")),
            5 => Some(("808", "ZtdDeviceAssignedToOtherTenant")),
            _ => None,
        };
        if let Some((code, name)) = failure {
            device.status = Some(UploadStatus::FinishedWithErrors);
            (device.error_code, device.error_description) = (Some(code.to_owned()), Some(name.to_owned()));
        }
        details.devices_status.push(device);
    }
    details
}
