//! Gets the status of a device batch upload, as Microsoft's sample `GetBatchUploadStatus` does.

mod common;

use std::process::ExitCode;

use clap::Parser;
use common::{Format, ServiceArgs, id_or, or_dash, picture, say, say_json, table, time};
use partner_center_devices::emulator::Emulator;
use partner_center_devices::{BatchTrackingId, CustomerId};

/// Shows the status of a device batch upload and of its devices
#[derive(Parser)]
#[command(version, after_help = common::HELP)]
struct Args {
    /// The customer ID
    #[arg(long, value_name = "GUID")]
    customer_id: Option<CustomerId>,
    /// The tracking ID of the upload: the last segment of the Location header in the response to the upload
    #[arg(long, value_name = "GUID")]
    tracking_id: Option<BatchTrackingId>,
    /// How to show the status
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    service: ServiceArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    common::end(run(Args::parse()).await.map(|()| ExitCode::SUCCESS))
}

async fn run(args: Args) -> common::Result<()> {
    let service = args.service.connect(args.customer_id.is_some() || args.tracking_id.is_some()).await?;
    let emulator = service.emulator.as_ref();
    let customer = id_or(args.customer_id, emulator.map(Emulator::example_customer), "--customer-id")?;
    let tracking = id_or(args.tracking_id, emulator.map(Emulator::example_upload), "--tracking-id")?;

    let customer = service.partner.customers().by_id(customer);
    let upload = customer.batch_upload_status().by_id(tracking).get().await?;

    if args.format == Format::Json {
        return say_json(&upload);
    }
    say(format_args!("batch      {}", or_dash(&upload.batch_tracking_id)))?;
    say(format_args!("status     {}", or_dash(&upload.status)))?;
    say(format_args!("started    {}", time(upload.started_time)))?;
    say(format_args!("completed  {}", time(upload.completed_time)))?;
    say(format_args!("devices    {}", picture(&upload.summary())))?;
    let mut devices = table(&["serial number", "product key", "status", "error code", "error description"]);
    for device in &upload.devices_status {
        devices.add_row([
            or_dash(&device.serial_number),
            or_dash(&device.product_key),
            or_dash(&device.status),
            or_dash(&device.error_code),
            or_dash(&device.error_description),
        ]);
    }
    say(devices)?;
    for failed in upload.failed_devices() {
        say(failed)?;
    }
    Ok(())
}
