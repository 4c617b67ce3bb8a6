//! What the examples share: where to call, with which token, and how to show what came back.
#![allow(dead_code, unreachable_pub)]

use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use comfy_table::{Table, presets};
use partner_center_devices::emulator::Emulator;
use partner_center_devices::{AccessToken, PartnerCenter};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What `--help` says about the environment.
pub const ENVIRONMENT: &str = "\
Environment:
  PARTNER_CENTER_TOKEN  An access token for the Partner Center API. Without it (and without --base-url)
                        the example starts the stand-in service on loopback and asks that.";

#[derive(clap::Args)]
pub struct ServiceArgs {
    /// Where the service is, if not at Microsoft: a gateway, or the stand-in service
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
}

/// The service to call; the stand-in lives as long as this.
pub struct Service {
    pub partner: PartnerCenter,
    pub stand_in: Option<Emulator>,
}

impl ServiceArgs {
    pub async fn connect(&self) -> Result<Service> {
        let token = match std::env::var("PARTNER_CENTER_TOKEN") {
            Ok(token) => Some(token),
            Err(std::env::VarError::NotPresent) => None,
            Err(_) => return Err("PARTNER_CENTER_TOKEN is not text".into()),
        };
        let partner = match (token, &self.base_url) {
            (None, None) => {
                let stand_in = Emulator::start().await?;
                eprintln!("PARTNER_CENTER_TOKEN is not set: asking the stand-in service at {}", stand_in.base_url());
                return Ok(Service { partner: stand_in.partner(), stand_in: Some(stand_in) });
            }
            // A stand-in that runs elsewhere takes any token; no other http address is accepted.
            (None, Some(url)) if url.starts_with("http://") => {
                PartnerCenter::builder(AccessToken::new("stand-in")).base_url(url)
            }
            (None, Some(_)) => return Err("PARTNER_CENTER_TOKEN is not set".into()),
            (Some(token), Some(url)) => PartnerCenter::builder(AccessToken::new(token)).base_url(url),
            (Some(token), None) => PartnerCenter::builder(AccessToken::new(token)),
        };
        Ok(Service { partner: partner.application_name("partner-center-devices examples").build()?, stand_in: None })
    }
}

/// The id that was given; the stand-in has one of its own.
pub fn id_or<T>(given: Option<T>, of_stand_in: Option<T>, option: &str) -> Result<T> {
    given.or(of_stand_in).ok_or_else(|| format!("{option} <GUID> is needed to call a real service").into())
}

/// Ends the program: on an error with one line that has all its causes.
pub fn end(outcome: Result<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    let mut line = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    eprintln!("{}", printable(&line));
    ExitCode::FAILURE
}

pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header.to_vec());
    table
}

pub fn time(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

pub fn or_dash(value: &Option<impl Display>) -> String {
    value.as_ref().map_or_else(|| "-".to_owned(), |value| printable(&value.to_string()))
}

/// Foreign text must not drive the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
