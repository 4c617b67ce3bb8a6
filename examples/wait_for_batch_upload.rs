//! Waits for the upload of a device batch to end, and shows its devices by status in the meantime.

mod common;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use common::{Format, ServiceArgs, id_or, or_dash, picture, say, say_json, time};
use futures_util::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use partner_center_devices::emulator::{Emulator, ScriptedUpload};
use partner_center_devices::models::BatchUploadDetails;
use partner_center_devices::{BatchTrackingId, CustomerId, Wait};

/// Waits for the upload of a device batch to end
///
/// The exit code is 0 if the upload ended and all its devices are registered, 3 if it ended and devices failed,
/// and 1 if it has not ended in time or cannot be read.
#[derive(Parser)]
#[command(version, after_help = common::HELP)]
struct Args {
    /// The customer ID
    #[arg(long, value_name = "GUID")]
    customer_id: Option<CustomerId>,
    /// The tracking ID of the upload: the last segment of the Location header in the response to the upload
    #[arg(long, value_name = "GUID")]
    tracking_id: Option<BatchTrackingId>,
    /// The Location header in the response to the upload, instead of both IDs
    #[arg(long, value_name = "URI", conflicts_with_all = ["customer_id", "tracking_id"])]
    location: Option<String>,
    /// The interval between requests, such as 30s; default: from 5s growing to 30s
    #[arg(long, value_name = "DURATION", value_parser = common::duration)]
    interval: Option<Duration>,
    /// How long to wait, such as 10m; default: 1h
    #[arg(long, value_name = "DURATION", value_parser = common::duration)]
    timeout: Option<Duration>,
    /// How to show the last status
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    service: ServiceArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    common::end(run(Args::parse()).await)
}

async fn run(args: Args) -> common::Result<ExitCode> {
    let has_ids = args.customer_id.is_some() || args.tracking_id.is_some() || args.location.is_some();
    let service = args.service.connect(has_ids).await?;
    let scripted = service.emulator.as_ref().map(script);
    let upload = match &args.location {
        Some(location) => service.partner.batch_upload(location)?,
        None => {
            let customer = id_or(args.customer_id, scripted.map(|(customer, _)| customer), "--customer-id")?;
            let upload = id_or(args.tracking_id, scripted.map(|(_, upload)| upload), "--tracking-id")?;
            service.partner.customers().by_id(customer).batch_upload_status().by_id(upload)
        }
    };
    let mut wait = Wait::default();
    let interval = args.interval.or(scripted.map(|_| Duration::from_millis(500)));
    if let Some(interval) = interval {
        wait = wait.first_after(interval.min(Duration::from_secs(5))).intervals(interval..=interval);
    }
    if let Some(timeout) = args.timeout {
        wait = wait.at_most(timeout);
    }

    let progress = ProgressBar::new_spinner();
    progress.set_style(ProgressStyle::with_template("{spinner} {elapsed_precise} {wide_msg}")?);
    progress.enable_steady_tick(Duration::from_millis(200));
    progress.set_message("waiting");
    let shown = upload.watch(wait).try_fold(None, async |_, response| {
        let summary = response.summary();
        let words = common::printable(&format!("{}: {summary}", or_dash(&response.status)));
        if progress.is_hidden() {
            common::tell(words);
        } else {
            let bar = common::bar(&summary, &console::Term::stderr(), 30).map(|bar| bar + " ");
            progress.set_message(bar.unwrap_or_default() + &words);
        }
        Ok(Some(response))
    });
    let ended = shown.await;
    progress.finish_and_clear();
    let ended = match ended {
        Ok(ended) => ended.ok_or("there was no response")?,
        Err(error) => {
            if let Some(last) = error.last_response() {
                show(last, args.format)?;
            }
            return Err(error.into());
        }
    };
    show(&ended, args.format)?;
    Ok(if ended.summary().failed > 0 { ExitCode::from(DEVICES_FAILED) } else { ExitCode::SUCCESS })
}

/// The exit code if the upload ended and devices failed.
const DEVICES_FAILED: u8 = 3;

fn show(upload: &BatchUploadDetails, format: Format) -> common::Result<()> {
    if format == Format::Json {
        return say_json(upload);
    }
    say(format_args!("status     {}", or_dash(&upload.status)))?;
    say(format_args!("completed  {}", time(upload.completed_time)))?;
    say(format_args!("devices    {}", picture(&upload.summary())))?;
    for failed in upload.failed_devices() {
        say(failed)?;
    }
    Ok(())
}

/// Adds an upload to the emulator that takes a few seconds.
fn script(emulator: &Emulator) -> (CustomerId, BatchTrackingId) {
    let (customer, id) = (emulator.example_customer(), uuid::Uuid::new_v4().into());
    emulator.add_upload(
        customer,
        id,
        ScriptedUpload::new(common::scripted_upload()).queued_reads(1).processing_reads(4),
    );
    (customer, id)
}
