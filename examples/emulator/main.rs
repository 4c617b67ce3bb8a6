//! Runs the emulator by itself, for clients in other languages and for curl.

mod cases;
#[path = "../common/mod.rs"]
mod common;

use std::process::ExitCode;

use clap::Parser;
use partner_center_devices::emulator::Emulator;

/// Runs an emulator of the service on loopback until it is stopped
///
/// Besides the documented examples it has other responses that the service or a gateway may send. Each has
/// its own customer ID, which is printed at the start.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The port to listen on; 0 chooses a free port
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

#[tokio::main]
async fn main() -> ExitCode {
    common::end(run(Args::parse()).await.map(|()| ExitCode::SUCCESS))
}

async fn run(args: Args) -> common::Result<()> {
    let emulator =
        Emulator::start_on(args.port).await.map_err(|error| format!("cannot listen on port {}: {error}", args.port))?;
    let (customer, upload) = (emulator.example_customer(), emulator.example_upload());
    common::say(format_args!("the emulator listens at {}", emulator.base_url()))?;
    common::say("Try:")?;
    for path in [format!("batchJobStatus/{upload}"), "deviceBatches".to_owned()] {
        let url = format!("{}/v1/customers/{customer}/{path}", emulator.base_url());
        common::say(format_args!("  curl -H 'Authorization: Bearer any' {url}"))?;
    }
    common::say("These customer IDs get other responses:")?;
    for case in cases::all() {
        let customer = case.add_to(&emulator);
        common::say(format_args!("  {customer}  {:<16}  {}", case.name, case.what))?;
    }
    common::say(format_args!("The token endpoint is {}/<tenant>/oauth2/v2.0/token", emulator.base_url()))?;
    std::future::pending().await
}
