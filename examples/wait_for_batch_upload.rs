//! Waits for the upload of a device batch to end, and shows its devices by status meanwhile.

mod common;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use common::{ServiceArgs, id_or, or_dash, picture, say, time};
use futures_util::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use partner_center_devices::emulator::{Emulator, ScriptedUpload};
use partner_center_devices::models::BatchUploadDetails;
use partner_center_devices::{BatchTrackingId, CustomerId, Wait};

/// Waits for the upload of a device batch to end
#[derive(Parser)]
#[command(after_help = common::ENVIRONMENT)]
struct Args {
    /// The customer, by its Microsoft id
    #[arg(long, value_name = "GUID")]
    customer_id: Option<CustomerId>,
    /// The upload, by the last part of the Location header that answered it
    #[arg(long, value_name = "GUID")]
    tracking_id: Option<BatchTrackingId>,
    /// Customer and upload in one: the Location header that answered the upload
    #[arg(long, value_name = "URI", conflicts_with_all = ["customer_id", "tracking_id"])]
    location: Option<String>,
    /// How often to ask; by default every 5 seconds at first and every 30 later
    #[arg(long, value_name = "SECONDS", value_parser = common::seconds, allow_negative_numbers = true)]
    interval: Option<Duration>,
    /// How long to wait in all; an hour by default
    #[arg(long, value_name = "SECONDS", value_parser = common::seconds, allow_negative_numbers = true)]
    timeout: Option<Duration>,
    #[command(flatten)]
    service: ServiceArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    common::end(run(common::parse()).await)
}

async fn run(args: Args) -> common::Result<()> {
    let service = args.service.connect().await?;
    let scripted = service.stand_in.as_ref().map(script);
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
    let shown = upload.watch(wait).try_fold(None, async |_, answer| {
        let summary = answer.summary();
        let words = common::printable(&format!("{}: {summary}", or_dash(&answer.status)));
        if progress.is_hidden() {
            common::tell(words);
        } else {
            let bar = common::bar(&summary, 30).map(|bar| bar + " ");
            progress.set_message(bar.unwrap_or_default() + &words);
        }
        Ok(Some(answer))
    });
    let ended = shown.await;
    progress.finish_and_clear();
    let ended = match ended {
        Ok(ended) => ended.ok_or("there was no answer")?,
        Err(error) => {
            if let Some(last) = error.last_response() {
                show(last)?;
            }
            return Err(error.into());
        }
    };
    show(&ended)
}

fn show(upload: &BatchUploadDetails) -> common::Result<()> {
    say(format_args!("status     {}", or_dash(&upload.status)))?;
    say(format_args!("completed  {}", time(upload.completed_time)))?;
    say(format_args!("devices    {}", picture(&upload.summary())))?;
    for failed in upload.failed_devices() {
        say(failed)?;
    }
    Ok(())
}

/// Has the stand-in hold an upload that takes a few seconds.
fn script(emulator: &Emulator) -> (CustomerId, BatchTrackingId) {
    let (customer, id) = (emulator.example_customer(), uuid::Uuid::new_v4().into());
    emulator.add_upload(
        customer,
        id,
        ScriptedUpload::new(common::scripted_upload()).queued_reads(1).processing_reads(4),
    );
    (customer, id)
}
