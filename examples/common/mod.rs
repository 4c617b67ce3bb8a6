//! What the examples share: where to call, as whom, and how to show what came back.
#![allow(dead_code, unreachable_pub)]

use std::error::Error;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::{self, ExitCode};
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Parser;
use clap::error::ErrorKind;
use comfy_table::{ContentArrangement, Table, presets};
use partner_center_devices::emulator::Emulator;
use partner_center_devices::models::{BatchUploadDetails, DeviceUploadDetails, UploadStatus};
use partner_center_devices::{
    AccessToken, AppOnlyCredential, AppUserCredential, Cloud, Credential, PartnerCenter, UploadSummary,
};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What `--help` says about the environment.
pub const ENVIRONMENT: &str = "\
Environment:
  PARTNER_CENTER_TOKEN          An access token that was got elsewhere. If it is set, the others are not read
  PARTNER_CENTER_TENANT_ID      The partner's tenant: its GUID or a domain of it
  PARTNER_CENTER_CLIENT_ID      The application that is registered there
  PARTNER_CENTER_CLIENT_SECRET  One of its client secrets. With these three: app-only
  PARTNER_CENTER_REFRESH_TOKEN  A user's refresh token, from the example sign_in. With it: app+user; a public
                                client has no secret. The token that replaces it is not kept
  NO_COLOR                      If it is set, there are no colours

Without any of them, --base-url, --cloud and --authority, the stand-in service is started on loopback and asked.";

#[derive(clap::Args)]
pub struct ServiceArgs {
    /// Where the service is, if not where its cloud has it: a gateway, or the stand-in service
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    #[command(flatten)]
    pub cloud: CloudArgs,
}

#[derive(clap::Args)]
pub struct CloudArgs {
    /// The partner's cloud: global (which it is by default), china or us-government
    #[arg(long, value_name = "NAME")]
    cloud: Option<Cloud>,
    /// Where to sign in, if not where the cloud does
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

/// The service to call; the stand-in lives as long as this.
pub struct Service {
    pub partner: PartnerCenter,
    pub stand_in: Option<Emulator>,
}

impl ServiceArgs {
    pub async fn connect(&self) -> Result<Service> {
        let credential = match (credential()?, &self.base_url) {
            (Some(credential), _) => credential,
            (None, None) if !self.cloud.are_given() => {
                let stand_in = Emulator::start().await?;
                tell(format!("no credentials are set: asking the stand-in service at {}", stand_in.base_url()));
                return Ok(Service { partner: stand_in.partner(), stand_in: Some(stand_in) });
            }
            // A stand-in that runs elsewhere takes any token; no other address without https is accepted.
            (None, Some(url)) if !url.to_ascii_lowercase().starts_with("https:") => Box::new(AccessToken::new("any")),
            (None, _) => return Err("no credentials are set; --help names the variables".into()),
        };
        let mut builder = PartnerCenter::builder(credential).cloud(self.cloud.cloud()?);
        if let Some(url) = &self.base_url {
            builder = builder.base_url(url);
        }
        Ok(Service { partner: builder.application_name("partner-center-devices examples").build()?, stand_in: None })
    }
}

const VARIABLES: [&str; 5] = ["TOKEN", "TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN"];

/// Whether the environment says who calls. A variable that is set but empty says so, too: where a
/// secret is missing, an answer of the stand-in would only look like one.
pub fn is_somebody() -> bool {
    VARIABLES.iter().any(|name| std::env::var_os(format!("PARTNER_CENTER_{name}")).is_some())
}

/// A variable of the environment, if it is set and not empty.
pub fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(_) => Err(format!("{name} is not text").into()),
    }
}

/// The same; without it, the error that names it.
pub fn needed(name: &str) -> Result<String> {
    variable(name)?.ok_or_else(|| format!("{name} is not set, or empty").into())
}

fn credential() -> Result<Option<Box<dyn Credential>>> {
    if let Some(token) = variable("PARTNER_CENTER_TOKEN")? {
        return Ok(Some(Box::new(AccessToken::new(token))));
    }
    if !is_somebody() {
        return Ok(None);
    }
    if VARIABLES[1..].iter().all(|name| std::env::var_os(format!("PARTNER_CENTER_{name}")).is_none()) {
        return Err("PARTNER_CENTER_TOKEN is empty".into());
    }
    let (tenant, client_id) = (needed("PARTNER_CENTER_TENANT_ID")?, needed("PARTNER_CENTER_CLIENT_ID")?);
    let secret = variable("PARTNER_CENTER_CLIENT_SECRET")?;
    Ok(Some(match (secret, variable("PARTNER_CENTER_REFRESH_TOKEN")?) {
        (Some(secret), Some(token)) => Box::new(AppUserCredential::new(tenant, client_id, secret, token)?),
        (None, Some(token)) => Box::new(AppUserCredential::public_client(tenant, client_id, token)?),
        (Some(secret), None) => Box::new(AppOnlyCredential::new(tenant, client_id, secret)?),
        (None, None) => {
            return Err("neither PARTNER_CENTER_CLIENT_SECRET nor PARTNER_CENTER_REFRESH_TOKEN is set".into());
        }
    }))
}

/// The id that was given; the stand-in has one of its own.
pub fn id_or<T>(given: Option<T>, of_stand_in: Option<T>, option: &str) -> Result<T> {
    given
        .or(of_stand_in)
        .ok_or_else(|| format!("{option} <GUID> is needed: only the stand-in that starts by itself has its own").into())
}

/// Reads the command line; ends the program with one line if it cannot.
pub fn parse<A: Parser>() -> A {
    let error = match A::try_parse() {
        Ok(args) => return args,
        Err(error) => error,
    };
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        process::exit(0);
    }
    let text = error.render().to_string();
    let lines: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    tell(lines.join(" "));
    process::exit(2);
}

/// Ends the program: on an error with one line that has all its causes.
pub fn end(outcome: Result<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    tell(format!("error: {}", with_causes(&*error)));
    ExitCode::FAILURE
}

/// An error and all its causes, on one line.
pub fn with_causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    printable(&line)
}

/// Standard output. Who reads it may have enough: that is no error.
pub struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_leave(io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        or_leave(io::stdout().flush())
    }
}

fn or_leave<T>(written: io::Result<T>) -> io::Result<T> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => process::exit(0),
        written => written,
    }
}

/// Writes a line to standard output.
pub fn say(line: impl Display) -> Result<()> {
    writeln!(Output, "{line}").map_err(|error| format!("cannot write: {error}").into())
}

/// Writes a line to standard error, if anybody reads it.
pub fn tell(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", printable(&line.to_string()));
}

/// A table that fits into the terminal, if there is one.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header.to_vec());
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(console::Term::stdout().size().1);
    }
    table
}

pub fn time(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

pub fn or_dash(value: &Option<impl Display>) -> String {
    value.as_ref().map_or_else(|| "-".to_owned(), |value| printable(&value.to_string()))
}

/// Foreign text must not drive the terminal, nor turn its text around.
pub fn printable(text: &str) -> String {
    let turns =
        |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || turns(c) { ' ' } else { c }).collect()
}

/// A duration from a number of seconds.
pub fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "not a number of seconds".to_owned())
}

/// The devices by status, as a bar where the terminal can show it, and in words.
pub fn picture(summary: &UploadSummary) -> String {
    let words = printable(&summary.to_string());
    match bar(summary, console::Term::stdout().size().1.saturating_sub(12)) {
        Some(bar) if io::stdout().is_terminal() => format!("{bar}\n           {words}"),
        _ => words,
    }
}

/// The devices by status, as a bar of so many cells; none where there is nothing to show, or no room,
/// or no terminal that can show it.
pub fn bar(summary: &UploadSummary, cells: u16) -> Option<String> {
    let width = usize::from(cells.min(88));
    let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    let locales = ["LC_ALL", "LC_CTYPE", "LANG"].map(|name| variable(name).ok().flatten());
    let locale = locales.into_iter().flatten().next().unwrap_or_else(|| "UTF-8".to_owned()).to_lowercase();
    let knows_blocks = locale.contains("utf-8") || locale.contains("utf8");
    if summary.devices == 0 || width < 20 || summary.by_status.len() > width || is_dumb || !knows_blocks {
        return None;
    }
    let in_colour = variable("NO_COLOR").is_ok_and(|value| value.is_none());
    let mut bar = String::new();
    let (mut devices, mut filled) = (0, 0);
    for (place, (status, count)) in summary.by_status.iter().enumerate() {
        // Each status ends where its share ends, so that the parts add up to the whole; and each has a
        // cell at least.
        devices += count;
        let still_to_come = summary.by_status.len() - place - 1;
        let end = (devices * width / summary.devices).max(filled + 1).min(width - still_to_come);
        let (cell, style) = match status {
            UploadStatus::Finished => ("█", console::Style::new().green()),
            UploadStatus::FinishedWithErrors => ("▒", console::Style::new().red()),
            UploadStatus::Processing | UploadStatus::InProgress => ("▓", console::Style::new().yellow()),
            _ => ("░", console::Style::new().dim()),
        };
        let part = cell.repeat(end - filled);
        bar += &if in_colour { style.force_styling(true).apply_to(part).to_string() } else { part };
        filled = end;
    }
    Some(bar)
}

/// How an upload of the stand-in ends: six devices, two of them with errors.
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
