use partner_center::apis::configuration::Configuration;
use partner_center::apis::devices_api::{self, GetBatchUploadStatusSuccess, GetDeviceBatchesSuccess};
use partner_center::apis::{Error, ResponseContent};
use partner_center::models::ApiFault;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let base = std::env::args().nth(1).unwrap();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let part: Vec<_> = line.split(' ').collect();
        let mut configuration = Configuration::new();
        configuration.base_path = base.clone();
        configuration.bearer_access_token = (part[3] != "-").then(|| part[3].to_owned());
        let upload =
            devices_api::get_batch_upload_status(&configuration, part[1], part[2], None, None, None, None).await;
        let upload = match upload {
            Ok(ResponseContent { entity: Some(GetBatchUploadStatusSuccess::Status200(data)), .. }) => {
                let device = |device: &partner_center::models::DeviceUploadDetails| {
                    json!({
                        "serialNumber": device.serial_number, "productKey": device.product_key,
                        "status": device.status, "errorCode": device.error_code,
                        "errorDescription": device.error_description,
                    })
                };
                let devices = data.devices_status.iter().flatten().flatten().map(device);
                json!({
                    "http": 200, "batchTrackingId": data.batch_tracking_id, "status": data.status,
                    "startedTime": data.started_time, "completedTime": data.completed_time,
                    "devices": devices.collect::<Vec<_>>(),
                })
            }
            other => failure(other),
        };
        let batches = match devices_api::get_device_batches(&configuration, part[1], None, None, None, None).await {
            Ok(ResponseContent { entity: Some(GetDeviceBatchesSuccess::Status200(data)), .. }) => {
                let batch = |batch: &partner_center::models::DeviceBatch| {
                    json!({
                        "id": batch.id, "status": batch.status, "creationDate": batch.creation_date,
                        "devicesCount": batch.devices_count,
                        "link": batch.devices_link.clone().flatten().map(|link| link.uri),
                    })
                };
                let items = data.items.iter().flatten().flatten().map(batch);
                json!({ "http": 200, "totalCount": data.total_count, "items": items.collect::<Vec<_>>() })
            }
            other => failure(other),
        };
        println!("{}", json!({ "case": part[0], "upload": upload, "batches": batches }));
    }
}

/// The errors of a call have one content each, of the same schema.
fn failure<T, E>(outcome: Result<ResponseContent<T>, Error<E>>) -> Value {
    match outcome {
        Ok(response) => json!({ "crash": format!("{} is not read", response.content) }),
        Err(Error::ResponseError(response)) => {
            let mut read = json!({ "http": response.status.as_u16() });
            if let Ok(fault) = serde_json::from_str::<ApiFault>(&response.content) {
                read["code"] = json!(fault.code);
                read["description"] = json!(fault.description);
                read["statusCode"] = json!(fault.status_code);
                read["message"] = json!(fault.message);
            }
            read
        }
        Err(error) => json!({ "crash": error.to_string() }),
    }
}
