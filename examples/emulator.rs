//! Runs the stand-in service alone, for other languages and for curl.

mod common;

use std::process::ExitCode;

use clap::Parser;
use partner_center_devices::emulator::Emulator;

/// Runs the stand-in service on loopback until it is stopped
#[derive(Parser)]
struct Args {
    /// The port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

#[tokio::main]
async fn main() -> ExitCode {
    common::end(run(common::parse()).await)
}

async fn run(args: Args) -> common::Result<()> {
    let emulator =
        Emulator::start_on(args.port).await.map_err(|error| format!("cannot listen on port {}: {error}", args.port))?;
    let (customer, upload) = (emulator.example_customer(), emulator.example_upload());
    common::say(format_args!("the stand-in service listens at {}; try", emulator.base_url()))?;
    for path in [format!("batchJobStatus/{upload}"), "deviceBatches".to_owned()] {
        let url = format!("{}/v1/customers/{customer}/{path}", emulator.base_url());
        common::say(format_args!("  curl -H 'Authorization: Bearer any' {url}"))?;
    }
    common::say(format_args!("it signs in at {}/<tenant>/oauth2/v2.0/token", emulator.base_url()))?;
    std::future::pending().await
}
