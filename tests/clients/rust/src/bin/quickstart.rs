use partner_center::apis::Error;
use partner_center::apis::configuration::Configuration;
use partner_center::apis::devices_api::{self, GetBatchUploadStatusSuccess};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let variable = |name, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    let mut configuration = Configuration::new();
    configuration.base_path = variable("PARTNER_CENTER_URL", "http://127.0.0.1:8080");
    configuration.bearer_access_token = Some(variable("PARTNER_CENTER_TOKEN", "any"));
    let customer = "47021739-3426-40bf-9601-61b4b6d7c793";
    let upload = "0127ed8e-ff72-4983-a3d8-e8d8bd378932";
    match devices_api::get_batch_upload_status(&configuration, customer, upload, None, None, None, None).await {
        Ok(response) => {
            let Some(GetBatchUploadStatusSuccess::Status200(upload)) = response.entity else { return };
            println!("{:?} {:?}", upload.status, upload.devices_status);
        }
        Err(Error::ResponseError(response)) => println!("{} {}", response.status, response.content),
        Err(error) => println!("{error}"),
    }
}
