//! What the measurements have in common: a server, the client, and its twin, which does by hand what the
//! client does: bare reqwest, and plain serde structs with owned strings.
#![allow(dead_code, clippy::unwrap_used, clippy::print_stdout)]

mod counted;
mod server;
mod twin;

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use partner_center_devices::models::{BatchUploadDetails, DeviceBatchCollection};
use partner_center_devices::{
    AccessToken, BatchUploadStatus, Builder, Cloud, Credential, DeviceBatches, PartnerCenter,
};

pub use self::counted::{allocations, instructions, peak};
use self::twin::{Batches, Upload, read};

pub const CUSTOMER: &str = "47021739-3426-40bf-9601-61b4b6d7c793";
pub const UPLOAD: &str = "0127ed8e-ff72-4983-a3d8-e8d8bd378932";

/// A token as the service has them: 1.5 kB.
pub fn token() -> String {
    "eyJ0eXAiOiJKV1Qi".repeat(96)
}

/// What a response is about, and how many of them it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Devices(usize),
    Batches(usize),
}

impl Of {
    pub fn body(self) -> String {
        match self {
            Self::Devices(count) => server::upload(count),
            Self::Batches(count) => server::batches(count),
        }
    }

    fn path(self) -> String {
        match self {
            Self::Devices(count) => format!("devices/{count}"),
            Self::Batches(count) => format!("batches/{count}"),
        }
    }
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, what) = match self {
            Self::Devices(1) => (&1, "device"),
            Self::Devices(count) => (count, "devices"),
            Self::Batches(count) => (count, "batches"),
        };
        match count / 1_000 {
            0 => write!(f, "{count} {what}"),
            thousands => write!(f, "{thousands},{:03} {what}", count % 1_000),
        }
    }
}

/// The program that measures starts itself for two other parts; both begin `main` with this.
pub fn play_another_part() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server"] => server::run(),
        ["calls", address, of, side, count] => counted::run(address, of, side, count.parse().unwrap()),
        _ => return,
    }
    std::process::exit(0);
}

/// A server in a process of its own. It ends with this.
pub struct Server {
    process: Option<Child>,
    address: String,
}

impl Server {
    pub fn start() -> Self {
        let program = std::env::current_exe().unwrap();
        let mut process = Command::new(program).arg("server").stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { process: Some(process), address: address.trim().to_owned() }
    }

    /// Both, for a response of this kind. The server does as `manner` says: nothing special if it is empty.
    pub fn pair(&self, of: Of, manner: &str) -> Pair {
        let base_url = format!("http://{}/{}/{manner}", self.address, of.path());
        Pair::new(of, &base_url, PartnerCenter::builder(AccessToken::new(token())).base_url(&base_url))
    }

    /// The same with a client that signs in.
    pub fn pair_with(&self, of: Of, credential: impl Credential + 'static) -> Pair {
        let base_url = format!("http://{}/{}", self.address, of.path());
        let cloud = Cloud::custom(&base_url, format!("http://{}", self.address)).unwrap();
        Pair::new(of, &base_url, PartnerCenter::builder(credential).cloud(cloud))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The client and its twin, ready for the same call.
#[derive(Clone)]
pub struct Pair {
    of: Of,
    upload: BatchUploadStatus,
    batches: DeviceBatches,
    twin: twin::Twin,
}

impl Pair {
    fn new(of: Of, base_url: &str, client: Builder) -> Self {
        let customer = client.build().unwrap().customers().by_id(CUSTOMER.parse().unwrap());
        let path = match of {
            Of::Devices(_) => format!("batchJobStatus/{UPLOAD}"),
            Of::Batches(_) => "deviceBatches".to_owned(),
        };
        Self {
            of,
            upload: customer.batch_upload_status().by_id(UPLOAD.parse().unwrap()),
            batches: customer.device_batches(),
            twin: twin::Twin::new(format!("{}/v1/customers/{CUSTOMER}/{path}", base_url.trim_end_matches('/'))),
        }
    }

    pub async fn client(&self) {
        match self.of {
            Of::Devices(count) => assert_eq!(self.upload.get().await.unwrap().devices_status.len(), count),
            Of::Batches(count) => assert_eq!(self.batches.get().await.unwrap().items.len(), count),
        }
    }

    pub async fn twin(&self) {
        match self.of {
            Of::Devices(count) => assert_eq!(self.twin.get::<Upload>().await.devices_status.len(), count),
            Of::Batches(count) => assert_eq!(self.twin.get::<Batches>().await.items.len(), count),
        }
    }

    /// The size of the future of one call, in bytes: the client's and the twin's.
    pub fn sizes(&self) -> (u64, u64) {
        (size_of_val(&self.upload.get()) as u64, size_of_val(&self.twin.get::<Upload>()) as u64)
    }
}

/// Reads a body as the client does.
pub fn read_by_client(of: Of, body: &[u8]) {
    match of {
        Of::Devices(count) => {
            let upload: BatchUploadDetails = partner_center_devices::models::from_slice(body).unwrap();
            assert_eq!(upload.devices_status.len(), count);
        }
        Of::Batches(count) => {
            let batches: DeviceBatchCollection = partner_center_devices::models::from_slice(body).unwrap();
            assert_eq!(batches.items.len(), count);
        }
    }
}

pub fn read_by_twin(of: Of, body: &[u8]) {
    match of {
        Of::Devices(count) => assert_eq!(read::<Upload>(body).devices_status.len(), count),
        Of::Batches(count) => assert_eq!(read::<Batches>(body).items.len(), count),
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
