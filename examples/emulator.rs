//! Runs the stand-in service alone, for other languages and for curl.
#![allow(clippy::print_stdout, clippy::print_stderr)]

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
    common::end(run(Args::parse()).await)
}

async fn run(args: Args) -> common::Result<()> {
    let emulator =
        Emulator::start_on(args.port).await.map_err(|error| format!("cannot listen on port {}: {error}", args.port))?;
    let (customer, upload) = (emulator.example_customer(), emulator.example_upload());
    println!("the stand-in service listens at {}; try", emulator.base_url());
    for path in [format!("batchJobStatus/{upload}"), "deviceBatches".to_owned()] {
        println!("  curl -H 'Authorization: Bearer any' {}/v1/customers/{customer}/{path}", emulator.base_url());
    }
    std::future::pending().await
}
