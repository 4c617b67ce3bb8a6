//! Sweeps over many customers: their device batches and, where tracking ids are given, their uploads.
//! Every id that goes in is one row that comes out, in the same order.

mod common;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use common::{Result, ServiceArgs, table, tell, with_causes};
use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use partner_center_devices::emulator::{Emulator, ScriptedUpload};
use partner_center_devices::{BatchTrackingId, CustomerId, DeviceError, Error, ErrorKind, PartnerCenter, Wait};
use serde::Serialize;
use tokio::sync::watch;

/// Lists the device batches and uploads of many customers
///
/// Each line of the input has a customer id and, behind commas or spaces, any tracking ids of its
/// uploads. Empty lines, lines that begin with # and the header customer_id,tracking_id are passed
/// over. Interrupted, it gives a row for each of the ids that are left, too.
#[derive(Parser)]
#[command(after_help = common::ENVIRONMENT)]
struct Args {
    /// The file with the ids; - is standard input, which is read also where no file is named. Without ids
    /// and credentials, the stand-in's own are swept
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
    #[arg(long, value_name = "SECONDS", value_parser = common::seconds, allow_negative_numbers = true)]
    interval: Option<Duration>,
    /// Wait for uploads to end, each this long
    #[arg(long, value_name = "SECONDS", value_parser = common::seconds, allow_negative_numbers = true)]
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
    if let (Some(input), Some(output)) = (&args.input, &args.output)
        && input.canonicalize().is_ok_and(|input| output.canonicalize().is_ok_and(|output| input == output))
    {
        return Err("input and output are the same file".into());
    }
    let piped = match &args.input {
        Some(path) if path.as_os_str() != "-" => {
            Some(std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?)
        }
        Some(_) => piped(None)?,
        None if io::stdin().is_terminal() => None,
        // In a place without input, standard input may stay open for ever.
        None => piped(service.stand_in.as_ref().map(|_| Duration::from_secs(2)))?.filter(|bytes| !bytes.is_empty()),
    };
    let (ids, is_scripted) = match (piped, &service.stand_in) {
        (Some(bytes), _) => (read(&decoded(&bytes))?, false),
        (None, Some(stand_in)) => (read(&script(stand_in))?, true),
        (None, None) => (Vec::new(), false),
    };
    if ids.is_empty() {
        return Err("no ids: name a FILE that has some, or pipe them in".into());
    }
    let waits = args.interval.is_some() || args.timeout.is_some() || is_scripted;
    let interval = args.interval.or(service.stand_in.is_some().then_some(Duration::from_millis(500)));
    let mut wait = Wait::default().first_after(Duration::ZERO);
    if let Some(interval) = interval {
        wait = wait.intervals(interval..=interval);
    }
    wait = wait.at_most(if waits { args.timeout.unwrap_or(Duration::from_secs(3600)) } else { Duration::ZERO });

    let mut rows = Rows::new(args.format, args.output.as_ref())?;
    let bar = ProgressBar::new(ids.len() as u64);
    bar.set_style(ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} ids, {eta} left")?);
    let (stop, stopped) = watch::channel(false);
    let sweep = Sweep { partner: service.partner.clone(), wait, waits, locked_out: OnceLock::new(), stopped };
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            let _ = stop.send(true);
        }
        // Kept, for the sweep would take its end for a stop.
        stop.closed().await;
    });
    // A wait holds up the rows behind it, for they keep their order, but not the calls.
    let mut early = BTreeMap::new();
    let calls = stream::iter(ids).enumerate().map(async |(place, id)| (place, sweep.look_at(id).await));
    let mut found = calls.buffer_unordered(args.concurrency.into());
    let (mut count, mut failed, mut devices_failed) = (0_usize, 0_usize, 0);
    while let Some((place, row)) = found.next().await {
        failed += usize::from(row.error.is_some());
        devices_failed += row.failed_devices.unwrap_or_default();
        early.insert(place, row);
        while let Some(row) = early.remove(&count) {
            count += 1;
            bar.suspend(|| rows.write(row)).map_err(|error| format!("cannot write the rows: {error}"))?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    rows.end()?;
    tell(format!("{count} ids: {} answered, {failed} failed; {devices_failed} devices failed", count - failed));
    if failed > 0 { Err(format!("{failed} of {count} ids failed").into()) } else { Ok(()) }
}

/// What is piped in; none if nothing comes in this time.
fn piped(patience: Option<Duration>) -> Result<Option<Vec<u8>>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let (mut input, mut bytes) = (io::stdin().lock(), Vec::new());
        let begun = input.by_ref().take(1).read_to_end(&mut bytes);
        let _ = sender.send(None);
        let _ = sender.send(Some(begun.and_then(|_| input.read_to_end(&mut bytes)).map(|_| bytes)));
    });
    if let Some(patience) = patience
        && receiver.recv_timeout(patience).is_err()
    {
        return Ok(None);
    }
    let read = receiver.into_iter().flatten().next().unwrap_or_else(|| Ok(Vec::new()));
    Ok(Some(read.map_err(|error| format!("cannot read standard input: {error}"))?))
}

/// The text, also as Windows writes it. What is no text is no id: its row will say so.
fn decoded(bytes: &[u8]) -> String {
    let units =
        |unit: fn([u8; 2]) -> u16| bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect::<Vec<_>>();
    match bytes {
        [0xFF, 0xFE, ..] => String::from_utf16_lossy(&units(u16::from_le_bytes)),
        [0xFE, 0xFF, ..] => String::from_utf16_lossy(&units(u16::from_be_bytes)),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn read(text: &str) -> Result<Vec<Id>> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(|line| line.trim_matches(' '));
    let lines = lines.filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let mut ids = Vec::new();
    for (number, line) in lines.enumerate() {
        let mut words = line.split([',', ';', ' ', '\t']).map(|word| word.trim_matches('"'));
        // Where the customer is missing, what follows is no customer.
        let customer = words.next().unwrap_or_default();
        let mut words = words.filter(|word| !word.is_empty());
        if number == 0 && customer.eq_ignore_ascii_case(HEADER[0]) {
            match words.find(|word| !word.eq_ignore_ascii_case(HEADER[1])) {
                None => continue,
                Some(word) => {
                    let read = HEADER[..2].join(" and ");
                    return Err(format!("the input has a column {word}: only {read} are read").into());
                }
            }
        }
        ids.push(Id { customer: customer.to_owned(), tracking: None });
        ids.extend(words.map(|word| Id { customer: customer.to_owned(), tracking: Some(word.to_owned()) }));
    }
    Ok(ids)
}

struct Sweep {
    partner: PartnerCenter,
    wait: Wait,
    waits: bool,
    /// Why no further call is made: all would end as this one did.
    locked_out: OnceLock<String>,
    stopped: watch::Receiver<bool>,
}

impl Sweep {
    async fn look_at(&self, id: Id) -> Row {
        let mut row = Row { customer_id: id.customer.clone(), tracking_id: id.tracking.clone(), ..Row::default() };
        if let Some(reason) = self.locked_out.get() {
            row.error = Some(reason.clone());
            return row;
        }
        let mut stopped = self.stopped.clone();
        let outcome = tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => Err("interrupted".into()),
            outcome = self.ask(&id, &mut row) => outcome,
        };
        if let Err(error) = outcome {
            row.error = Some(with_causes(&*error));
            if let Some(error) = error.downcast_ref::<Error>() {
                row.correlation_id = error.correlation_id().map(|id| id.to_string());
                // No token, or none that the service takes: asking on would lock the application out.
                if error.is_unauthorized() || error.kind() == ErrorKind::Credential && !error.is_retryable() {
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
            let names: Vec<_> = list.items.iter().map(|batch| batch.id.as_deref().unwrap_or("-")).collect();
            row.detail = names.join("; ");
            return Ok(());
        };
        let tracking: BatchTrackingId = tracking.parse().map_err(|_| "the tracking id is not a GUID")?;
        let upload = customer.batch_upload_status().by_id(tracking);
        let outcome = if self.waits { upload.wait(self.wait.clone()).await } else { upload.get().await };
        let answer = match &outcome {
            Ok(answer) => Some(answer),
            Err(error) => error.last_response(),
        };
        if let Some(answer) = answer {
            let summary = answer.summary();
            row.correlation_id = Some(answer.correlation_id().to_string());
            row.status = answer.status.as_ref().map(ToString::to_string);
            row.devices = i64::try_from(summary.devices).ok();
            row.failed_devices = Some(summary.failed);
            let reason = |(error, count): &(DeviceError, usize)| {
                format!("{count} × {} {}", error.code().unwrap_or_default(), error.name())
            };
            let reasons: Vec<_> = summary.by_error.iter().map(reason).collect();
            row.detail = reasons.join("; ");
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
            None => Box::new(io::stdout()),
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
                    serde_json::Value::String(text) => common::printable(text),
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
    let script = ScriptedUpload::new(common::scripted_upload()).queued_reads(1).processing_reads(4);
    emulator.add_upload(other, upload.into(), script);
    format!("{customer},{}\n{other},{upload}\n", emulator.example_upload())
}
