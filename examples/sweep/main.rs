//! Looks up many customers: their device batches and, if tracking IDs are given, their uploads. Each ID
//! of the input is one row of the output, in the same order.

#[path = "../common/mod.rs"]
mod common;
mod input;
mod rows;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use clap::Parser;
use common::{Result, ServiceArgs, with_causes};
use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use input::Id;
use partner_center_devices::{BatchTrackingId, CustomerId, Error, ErrorKind, PartnerCenter, Wait};
use rows::{Format, Row, Rows};
use tokio::sync::watch;

/// Lists the device batches and uploads of many customers
///
/// Each line of the input has a customer ID, followed by any tracking IDs of uploads, separated by commas
/// or spaces. Empty lines, lines that start with # and the header customer_id,tracking_id are ignored.
/// After an interrupt (Ctrl+C), each remaining ID still gets a row.
#[derive(Parser)]
#[command(version, after_help = common::HELP)]
struct Args {
    /// The file with the IDs; - or no FILE reads standard input. Without IDs and credentials, the example
    /// looks up those of the emulator
    #[arg(value_name = "FILE")]
    input: Option<PathBuf>,
    /// The file for the rows; default: standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The format of the rows
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The number of concurrent calls
    #[arg(long, value_name = "CALLS", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Wait for uploads to end, and ask at this interval, such as 30s
    #[arg(long, value_name = "DURATION", value_parser = common::duration)]
    interval: Option<Duration>,
    /// Wait for uploads to end, each for at most this long, such as 10m
    #[arg(long, value_name = "DURATION", value_parser = common::duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Calls the API for one ID.
async fn look_up(partner: &PartnerCenter, id: &Id<'_>, wait: Option<Wait>, row: &mut Row) -> Result<()> {
    let customer: CustomerId = id.customer.parse().map_err(|_| "the customer ID is not a GUID")?;
    let customer = partner.customers().by_id(customer);
    let Some(tracking) = id.tracking else {
        row.set_batches(&customer.device_batches().get().await?);
        return Ok(());
    };
    let tracking: BatchTrackingId = tracking.parse().map_err(|_| "the tracking ID is not a GUID")?;
    let upload = customer.batch_upload_status().by_id(tracking);
    let outcome = match wait {
        Some(wait) => upload.wait(wait).await,
        None => upload.get().await,
    };
    match &outcome {
        Ok(upload) => row.set_upload(upload),
        // An upload that has not ended in time has a status, too.
        Err(error) => error.last_response().into_iter().for_each(|upload| row.set_upload(upload)),
    }
    outcome?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::end(run(Args::parse()).await.map(|()| ExitCode::SUCCESS))
}

async fn run(args: Args) -> Result<()> {
    // IDs that are piped in may still come.
    let has_ids = args.input.is_some() || !io::stdin().is_terminal();
    let service = args.service.connect(has_ids).await?;
    if let (Some(input), Some(output)) = (&args.input, &args.output)
        && input.canonicalize().is_ok_and(|input| output.canonicalize().is_ok_and(|output| input == output))
    {
        return Err("FILE and --output are the same file".into());
    }
    let ids = input::ids(args.input.as_deref(), service.emulator.as_ref())?;
    let waits = args.interval.is_some() || args.timeout.is_some() || ids.are_of_emulator;
    let interval = args.interval.or(service.emulator.as_ref().map(|_| Duration::from_millis(500)));
    let mut wait = Wait::default().first_after(Duration::ZERO);
    if let Some(interval) = interval {
        wait = wait.intervals(interval..=interval);
    }
    if let Some(timeout) = args.timeout {
        wait = wait.at_most(timeout);
    }

    let mut rows = Rows::new(args.format, args.output.as_deref())?;
    let bar = ProgressBar::new(ids.iter().count() as u64);
    bar.set_style(ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} IDs, {eta} left")?);
    let sweep = Sweep {
        partner: service.partner.clone(),
        wait: waits.then_some(wait),
        locked_out: OnceLock::new(),
        interrupted: interrupted(),
    };
    // Rows keep the order of the IDs. A row that is late delays the rows after it, but not the calls.
    let calls = stream::iter(ids.iter().enumerate()).map(async |(place, id)| (place, sweep.row(id).await));
    let mut finished = calls.buffer_unordered(args.concurrency.into());
    while let Some((place, row)) = finished.next().await {
        bar.suspend(|| rows.add(place, row))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    rows.end()
}

/// Becomes true at Ctrl+C.
fn interrupted() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            let _ = sender.send(true);
        }
        // A receiver whose sender is dropped stops waiting.
        sender.closed().await;
    });
    receiver
}

struct Sweep {
    partner: PartnerCenter,
    wait: Option<Wait>,
    /// The error that every further call would end with, too.
    locked_out: OnceLock<String>,
    interrupted: watch::Receiver<bool>,
}

impl Sweep {
    async fn row(&self, id: Id<'_>) -> Row {
        let mut row = Row::new(&id);
        if let Some(reason) = self.locked_out.get() {
            row.error = Some(reason.clone());
            return row;
        }
        let mut interrupted = self.interrupted.clone();
        let outcome = tokio::select! {
            biased;
            _ = interrupted.wait_for(|interrupted| *interrupted) => Err("interrupted".into()),
            outcome = look_up(&self.partner, &id, self.wait.clone(), &mut row) => outcome,
        };
        if let Err(error) = outcome {
            row.error = Some(with_causes(&*error));
            if let Some(error) = error.downcast_ref::<Error>() {
                row.correlation_id = error.correlation_id().map(|id| id.to_string());
                // Without a token that the service accepts, more calls could lock the application out.
                if error.is_unauthorized() || error.kind() == ErrorKind::Credential && !error.is_retryable() {
                    self.locked_out.get_or_init(|| with_causes(error));
                }
            }
        }
        row
    }
}
