//! Sweeps over many customers: their device batches and, where tracking ids are given, their uploads.
//! Every id that goes in is one row that comes out, in the same order.

mod common;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use common::{Result, ServiceArgs, table, tell, with_causes};
use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use partner_center_devices::emulator::{Emulator, Upload};
use partner_center_devices::{BatchTrackingId, CustomerId, DeviceError, Error, ErrorKind, PartnerCenter, Wait};
use serde::Serialize;

/// Lists the device batches and uploads of many customers
///
/// Each line of the input has a customer id and, behind commas or spaces, any tracking ids of its
/// uploads. Empty lines and lines that begin with # are passed over.
#[derive(Parser)]
#[command(after_help = common::ENVIRONMENT)]
struct Args {
    /// The file with the ids; - is standard input, which is read also where no file is named
    #[arg(value_name = "FILE")]
    input: Option<PathBuf>,
    /// Where to write the rows; standard output by default
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The form of the rows
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// How many calls are in flight at once
    #[arg(long, value_name = "CALLS", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Wait for uploads to end, asking this often
    #[arg(long, value_name = "SECONDS", value_parser = common::seconds)]
    interval: Option<Duration>,
    /// Wait for uploads to end, each this long
    #[arg(long, value_name = "SECONDS", value_parser = common::seconds)]
    timeout: Option<Duration>,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Csv,
    /// JSON lines
    Jsonl,
}

/// What is known of one id.
#[derive(Default, Serialize)]
struct Row {
    customer_id: String,
    tracking_id: Option<String>,
    status: Option<String>,
    batches: Option<usize>,
    devices: Option<i64>,
    failed_devices: Option<usize>,
    detail: String,
    error: Option<String>,
    correlation_id: Option<String>,
}

const HEADER: [&str; 9] = [
    "customer_id",
    "tracking_id",
    "status",
    "batches",
    "devices",
    "failed_devices",
    "detail",
    "error",
    "correlation_id",
];

/// One id of the input, with the customer that it belongs to.
struct Id {
    customer: String,
    tracking: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    common::end(run(common::parse()).await)
}

async fn run(args: Args) -> Result<()> {
    let service = args.service.connect().await?;
    let ids = match (&args.input, &service.stand_in) {
        (None, Some(stand_in)) => read(&script(stand_in)),
        (None, None) if io::stdin().is_terminal() => return Err("no ids: name a FILE, or pipe them in".into()),
        (None, None) => read(&input("-".as_ref())?),
        (Some(path), _) => read(&input(path)?),
    };
    let waits =
        args.interval.is_some() || args.timeout.is_some() || (service.stand_in.is_some() && args.input.is_none());
    let interval = args.interval.or(service.stand_in.is_some().then_some(Duration::from_millis(500)));
    let mut wait = Wait::default().first_after(Duration::ZERO);
    if let Some(interval) = interval {
        wait = wait.intervals(interval..=interval);
    }
    wait = wait.at_most(if waits { args.timeout.unwrap_or(Duration::from_secs(3600)) } else { Duration::ZERO });

    let mut rows = Rows::new(args.format, args.output.as_ref())?;
    let bar = ProgressBar::new(ids.len() as u64);
    bar.set_style(ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} ids, {eta} left")?);
    let sweep = Sweep { partner: service.partner.clone(), wait, waits, locked_out: OnceLock::new() };
    let mut found = stream::iter(ids).map(|id| sweep.look_at(id)).buffered(args.concurrency.into());
    let (mut count, mut failed, mut devices_failed) = (0_usize, 0_usize, 0);
    while let Some(row) = found.next().await {
        count += 1;
        failed += usize::from(row.error.is_some());
        devices_failed += row.failed_devices.unwrap_or_default();
        rows.write(row)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    rows.end()?;
    tell(format!("{count} ids: {} answered, {failed} failed; {devices_failed} devices failed", count - failed));
    if failed > 0 { Err(format!("{failed} of {count} ids failed").into()) } else { Ok(()) }
}

fn input(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    // What is no text is no id: its row will say so.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn read(text: &str) -> Vec<Id> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut ids = Vec::new();
    for line in lines {
        let mut words = line.split([',', ';', ' ', '\t']).filter(|word| !word.is_empty());
        let customer = words.next().unwrap_or(line).to_owned();
        ids.push(Id { customer: customer.clone(), tracking: None });
        ids.extend(words.map(|word| Id { customer: customer.clone(), tracking: Some(word.to_owned()) }));
    }
    ids
}

struct Sweep {
    partner: PartnerCenter,
    wait: Wait,
    waits: bool,
    /// Why nobody can sign in: further calls would only lock the application out.
    locked_out: OnceLock<String>,
}

impl Sweep {
    async fn look_at(&self, id: Id) -> Row {
        let mut row = Row {
            customer_id: common::printable(&id.customer),
            tracking_id: id.tracking.as_deref().map(common::printable),
            ..Row::default()
        };
        if let Some(reason) = self.locked_out.get() {
            row.error = Some(reason.clone());
            return row;
        }
        if let Err(error) = self.ask(&id, &mut row).await {
            row.error = Some(with_causes(&*error));
            if let Some(error) = error.downcast_ref::<Error>() {
                row.correlation_id = error.correlation_id().map(|id| id.to_string());
                if error.kind() == ErrorKind::Credential && !error.is_retryable() {
                    self.locked_out.get_or_init(|| with_causes(error));
                }
            }
        }
        row
    }

    async fn ask(&self, id: &Id, row: &mut Row) -> Result<()> {
        let customer: CustomerId = id.customer.parse().map_err(|_| "the customer id is not a GUID")?;
        let customer = self.partner.customers().by_id(customer);
        let Some(tracking) = &id.tracking else {
            let list = customer.device_batches().get().await?;
            row.correlation_id = Some(list.correlation_id().to_string());
            row.batches = Some(list.items.len());
            row.devices = Some(list.items.iter().filter_map(|batch| batch.devices_count).map(i64::from).sum());
            let names: Vec<_> = list.items.iter().map(|batch| common::or_dash(&batch.id)).collect();
            row.detail = names.join("; ");
            return Ok(());
        };
        let tracking: BatchTrackingId = tracking.parse().map_err(|_| "the tracking id is not a GUID")?;
        let upload = customer.batch_upload_status().by_id(tracking);
        let outcome = if self.waits { upload.wait(self.wait.clone()).await } else { upload.get().await };
        let answer = match &outcome {
            Ok(answer) => Some(answer),
            Err(error) => error.last_answer(),
        };
        if let Some(answer) = answer {
            let summary = answer.summary();
            row.correlation_id = Some(answer.correlation_id().to_string());
            row.status = Some(common::or_dash(&answer.status));
            row.devices = i64::try_from(summary.devices).ok();
            row.failed_devices = Some(summary.failed);
            let reason = |(error, count): &(DeviceError, usize)| format!("{count} × {} {}", error.code(), error.name());
            let reasons: Vec<_> = summary.by_error.iter().map(reason).collect();
            row.detail = common::printable(&reasons.join("; "));
        }
        outcome?;
        Ok(())
    }
}

/// Where the rows go, one by one; a table is shown when all are there.
enum Rows {
    Table(Box<comfy_table::Table>, Box<dyn Write>),
    Csv(Box<csv::Writer<Box<dyn Write>>>),
    Jsonl(Box<dyn Write>),
}

impl Rows {
    fn new(format: Format, file: Option<&PathBuf>) -> Result<Self> {
        let output: Box<dyn Write> = match file {
            None => Box::new(common::Output),
            Some(path) => Box::new(
                std::fs::File::create(path).map_err(|error| format!("cannot write {}: {error}", path.display()))?,
            ),
        };
        Ok(match format {
            Format::Table => Self::Table(Box::new(table(&HEADER)), output),
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(output);
                writer.write_record(HEADER)?;
                Self::Csv(Box::new(writer))
            }
            Format::Jsonl => Self::Jsonl(output),
        })
    }

    fn write(&mut self, row: Row) -> Result<()> {
        match self {
            Self::Table(table, _) => {
                let members: BTreeMap<String, serde_json::Value> = serde_json::from_value(serde_json::to_value(row)?)?;
                table.add_row(HEADER.map(|name| match &members[name] {
                    serde_json::Value::Null => "-".to_owned(),
                    serde_json::Value::String(text) => text.clone(),
                    number => number.to_string(),
                }));
            }
            Self::Csv(writer) => {
                writer.serialize(row)?;
                writer.flush()?;
            }
            Self::Jsonl(output) => {
                writeln!(output, "{}", serde_json::to_string(&row)?)?;
                output.flush()?;
            }
        }
        Ok(())
    }

    fn end(self) -> Result<()> {
        if let Self::Table(table, mut output) = self {
            writeln!(output, "{table}")?;
        }
        Ok(())
    }
}

/// Has the stand-in hold an upload that takes a few seconds, and says what to ask it for.
fn script(emulator: &Emulator) -> String {
    let (customer, other) = (emulator.example_customer(), CustomerId::from(uuid::Uuid::new_v4()));
    let upload = uuid::Uuid::new_v4();
    emulator.add_customer(other);
    let script = Upload::new(common::scripted_upload()).queued_reads(1).processing_reads(4);
    emulator.add_upload(other, upload.into(), script);
    format!("{customer},{}\n{other},{upload}\n", emulator.example_upload())
}
