//! Gets the device batches of a customer, as Microsoft's sample `GetDevicesBatches` does.

mod common;

use std::process::ExitCode;

use clap::Parser;
use common::{Format, ServiceArgs, id_or, or_dash, say, say_json, table, time};
use partner_center_devices::CustomerId;
use partner_center_devices::emulator::Emulator;

/// Lists the device batches of a customer
#[derive(Parser)]
#[command(version, after_help = common::HELP)]
struct Args {
    /// The customer ID
    #[arg(long, value_name = "GUID")]
    customer_id: Option<CustomerId>,
    /// How to show the list
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
    let service = args.service.connect(args.customer_id.is_some()).await?;
    let emulator = service.emulator.as_ref();
    let customer = id_or(args.customer_id, emulator.map(Emulator::example_customer), "--customer-id")?;

    let list = service.partner.customers().by_id(customer).device_batches().get().await?;

    if args.format == Format::Json {
        return say_json(&list);
    }
    say(format_args!("batches  {}", or_dash(&list.total_count)))?;
    let mut batches = table(&["batch", "status", "created", "created by", "devices"]);
    for batch in &list.items {
        batches.add_row([
            or_dash(&batch.id),
            or_dash(&batch.status),
            time(batch.creation_date),
            or_dash(&batch.created_by),
            or_dash(&batch.devices_count),
        ]);
    }
    say(batches)
}
