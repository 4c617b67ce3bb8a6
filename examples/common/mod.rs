//! What the examples share: the service to call, the credentials, and how to show a response.
#![allow(dead_code, unreachable_pub)]

use std::env;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::{self, ExitCode};
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use console::{Style, Term};
use partner_center_devices::emulator::Emulator;
use partner_center_devices::models::{BatchUploadDetails, DeviceUploadDetails, UploadStatus};
use partner_center_devices::{AccessToken, Builder, Cloud, PartnerCenter, UploadSummary};
use serde::Serialize;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The end of `--help`.
pub const HELP: &str = "\
Credentials are environment variables, since other users of the computer can see command lines:
  PARTNER_CENTER_TOKEN          an access token from elsewhere; or, to sign in,
  PARTNER_CENTER_TENANT_ID      the partner's tenant: its GUID or one of its domains
  PARTNER_CENTER_CLIENT_ID      the application that is registered in the tenant
  PARTNER_CENTER_CLIENT_SECRET  its secret; a public client has none
  PARTNER_CENTER_REFRESH_TOKEN  a user's refresh token from the example sign_in, for app+user calls
AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET are read where those are not set.
Without credentials, --base-url, --cloud and --authority, the example starts the emulator and calls it.
Set RUST_LOG=debug to see each call and attempt, NO_COLOR to turn colors off.";

#[derive(clap::Args)]
pub struct ServiceArgs {
    /// The service, if it is not at the address of the cloud: a gateway or a running emulator
    #[arg(long, value_name = "URL", env = "PARTNER_CENTER_BASE_URL")]
    base_url: Option<String>,
    #[command(flatten)]
    cloud: CloudArgs,
}

#[derive(clap::Args)]
pub struct CloudArgs {
    /// The partner's cloud: global (default), china or us-government
    #[arg(long, value_name = "NAME", env = "PARTNER_CENTER_CLOUD")]
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

/// The service to call. An emulator that was started for it stops when this is dropped.
pub struct Service {
    pub partner: PartnerCenter,
    pub emulator: Option<Emulator>,
}

impl ServiceArgs {
    /// The variables of the Azure SDK may be set for another program: they count if IDs are given.
    pub async fn connect(&self, has_ids: bool) -> Result<Service> {
        log_if_asked()?;
        let is_set = |name: &str| env::var_os(name).is_some();
        let own = ["TOKEN", "TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN"];
        let has_credentials = own.iter().any(|name| is_set(&format!("PARTNER_CENTER_{name}")))
            || has_ids && is_set("AZURE_CLIENT_SECRET");
        if !has_credentials && self.base_url.is_none() && !self.cloud.are_given() {
            let emulator = Emulator::start().await?;
            let missing = if is_set("AZURE_CLIENT_SECRET") { "IDs are given" } else { "credentials are set" };
            tell(format!("no {missing}: calling the emulator at {}", emulator.base_url()));
            return Ok(Service { partner: emulator.partner(), emulator: Some(emulator) });
        }
        let builder = match &self.base_url {
            // A running emulator accepts any token. The client refuses other addresses without https.
            Some(url) if !has_credentials && url.to_ascii_lowercase().starts_with("http:") => {
                PartnerCenter::builder(AccessToken::new("any"))
            }
            _ => Builder::from_env()?,
        };
        let builder = builder.cloud(self.cloud.cloud()?).application_name("partner-center-devices examples");
        let builder = self.base_url.iter().fold(builder, |builder, url| builder.base_url(url));
        Ok(Service { partner: builder.build()?, emulator: None })
    }
}

/// Logs to standard error what `RUST_LOG` asks for: `debug`, for example.
pub fn log_if_asked() -> Result<()> {
    if let Some(log) = env::var("RUST_LOG").ok().filter(|log| !log.is_empty()) {
        let filter: Targets = log.parse().map_err(|error| format!("RUST_LOG: {error}"))?;
        let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
        tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    }
    Ok(())
}

/// How a single response is shown.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Text,
    /// The typed body, as the service writes it
    Json,
}

/// Writes a response as JSON.
pub fn say_json(response: &impl Serialize) -> Result<()> {
    say(serde_json::to_string_pretty(response)?)
}

/// A duration such as `10m` or `1h 30m`; a number alone is in seconds.
pub fn duration(text: &str) -> std::result::Result<Duration, String> {
    match text.trim().parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string()),
        Err(_) => humantime::parse_duration(text).map_err(|error| error.to_string()),
    }
}

/// The ID from the command line, or the example of the emulator.
pub fn id_or<T>(given: Option<T>, of_emulator: Option<T>, option: &str) -> Result<T> {
    given.or(of_emulator).ok_or_else(|| format!("{option} <GUID> is required").into())
}

/// Ends the program. An error is one line with all its causes.
pub fn end(outcome: Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        tell(format!("error: {}", with_causes(&*error)));
        ExitCode::FAILURE
    })
}

/// An error and all its causes, on one line.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref::<partner_center_devices::Error>() {
        return printable(&format!("{error:#}"));
    }
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
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| env::var(name).ok());
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
