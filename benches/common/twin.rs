//! The calls by hand. What a call sends is what the client sends, and nothing of the response is kept but its
//! members: no errors, no retries, no leniency.

use std::fmt;

use reqwest::header::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    pub batch_tracking_id: Option<String>,
    pub status: Option<String>,
    pub started_time: Option<String>,
    pub completed_time: Option<String>,
    pub devices_status: Vec<Device>,
    pub attributes: Option<Attributes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    pub device_id: Option<String>,
    pub serial_number: Option<String>,
    pub product_key: Option<String>,
    pub status: Option<String>,
    pub error_code: Option<String>,
    pub error_description: Option<String>,
    pub attributes: Option<Attributes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    pub etag: Option<String>,
    pub object_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batches {
    pub total_count: Option<i32>,
    pub items: Vec<Batch>,
    pub attributes: Option<Attributes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    pub id: Option<String>,
    pub created_by: Option<String>,
    pub status: Option<String>,
    pub creation_date: Option<String>,
    pub devices_count: Option<i32>,
    pub devices_link: Option<Link>,
    pub attributes: Option<Attributes>,
}

#[derive(Deserialize)]
pub struct Link {
    pub uri: Option<String>,
    pub method: Option<String>,
    pub headers: Vec<serde_json::Value>,
}

pub fn read<T: DeserializeOwned>(body: &[u8]) -> T {
    serde_json::from_slice(body).unwrap()
}

#[derive(Clone)]
pub struct Twin {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl fmt::Debug for Twin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Twin")
    }
}

impl Twin {
    pub fn new(url: String) -> Self {
        let every_call = [("accept-encoding", "gzip"), ("x-locale", "en-US")];
        let every_call = every_call.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        let http = reqwest::Client::builder().no_proxy().user_agent("twin/1.0");
        let http = http.default_headers(HeaderMap::from_iter(every_call)).build().unwrap();
        Self { http, url, token: super::token() }
    }

    pub async fn get<T: DeserializeOwned>(&self) -> T {
        let request = self.http.get(&self.url).bearer_auth(&self.token).header("Accept", "application/json");
        let request = request.header("MS-RequestId", super::UPLOAD).header("MS-CorrelationId", super::UPLOAD);
        read(&request.send().await.unwrap().bytes().await.unwrap())
    }
}
