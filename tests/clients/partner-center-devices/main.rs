//! This crate's client among the measured clients: see `tests/clients/run.py`.

use std::io::Write;

use chrono::{DateTime, Utc};
use partner_center_devices::{AccessToken, Customer, Error, PartnerCenter, RetryPolicy};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let base = std::env::args().nth(1).ok_or("no base URL")?;
    for line in std::io::stdin().lines() {
        let line = line?;
        let part: Vec<_> = line.split(' ').collect();
        // It sends no call without a token, so the case without one is left out.
        if part[3] == "-" {
            let left_out = json!({ "case": part[0], "upload": "left out", "batches": "left out" });
            writeln!(std::io::stdout(), "{left_out}")?;
            continue;
        }
        // Each call has a client of its own: after a 429 the next call of a client waits.
        let customer = || -> Result<Customer, Box<dyn std::error::Error>> {
            let client = PartnerCenter::builder(AccessToken::new(part[3])).base_url(&base);
            Ok(client.retry_policy(RetryPolicy::none()).build()?.customers().by_id(part[1].parse()?))
        };
        let upload = match customer()?.batch_upload_status().by_id(part[2].parse()?).get().await {
            Ok(data) => json!({
                "http": 200, "batchTrackingId": data.batch_tracking_id, "status": data.status,
                "startedTime": time(data.started_time), "completedTime": time(data.completed_time),
                "devices": data.devices_status.iter().map(|device| json!({
                    "serialNumber": device.serial_number, "productKey": device.product_key,
                    "status": device.status, "errorCode": device.error_code,
                    "errorDescription": device.error_description,
                })).collect::<Vec<_>>(),
            }),
            Err(error) => failure(&error),
        };
        let batches = match customer()?.device_batches().get().await {
            Ok(data) => json!({
                "http": 200, "totalCount": data.total_count,
                "items": data.items.iter().map(|batch| json!({
                    "id": batch.id, "status": batch.status, "creationDate": time(batch.creation_date),
                    "devicesCount": batch.devices_count,
                    "link": batch.devices_link.as_ref().and_then(|link| link.uri.as_deref()),
                })).collect::<Vec<_>>(),
            }),
            Err(error) => failure(&error),
        };
        let read = json!({ "case": part[0], "upload": upload, "batches": batches });
        writeln!(std::io::stdout(), "{read}")?;
    }
    Ok(())
}

/// As the service writes them: without offset, and with as many digits as there are.
fn time(time: Option<DateTime<Utc>>) -> Option<String> {
    let text = time?.format("%Y-%m-%dT%H:%M:%S%.9f").to_string();
    Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

fn failure(error: &Error) -> Value {
    let Some(status) = error.status() else { return json!({ "crash": error.to_string() }) };
    // The crate has one accessor for the words of the service and for those of the gateway.
    let fault: Value = serde_json::from_slice(error.body()).unwrap_or_default();
    let words = |member: &str| fault.get(member).and(error.description());
    json!({
        "http": status.as_u16(), "code": fault.get("code").and(error.code()), "description": words("description"),
        "statusCode": fault["statusCode"], "message": words("message"),
        "retryAfter": error.retry_after().map(|wait| wait.as_secs().to_string()),
    })
}
