//! Both calls, without an account or a network: a customer's device batches, and the status of an upload.
#![allow(clippy::print_stdout)]

use partner_center_devices::emulator::Emulator;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // With an account: let partner = partner_center_devices::PartnerCenter::from_env()?;
    let emulator = Emulator::start().await?;
    let partner = emulator.partner();
    let customer = partner.customers().by_id(emulator.example_customer());

    for batch in &customer.device_batches().get().await?.items {
        let name = batch.id.as_deref().unwrap_or_default();
        println!("batch {name}: {} devices", batch.devices_count.unwrap_or_default());
    }

    let upload = customer.batch_upload_status().by_id(emulator.example_upload()).get().await?;
    println!("{}", upload.summary());
    for failed in upload.failed_devices() {
        let serial_number = failed.device().serial_number.as_deref().unwrap_or_default();
        println!("device {serial_number}: {}", failed.error().meaning().unwrap_or("unknown error"));
    }
    Ok(())
}
