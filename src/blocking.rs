//! The client without async: the handles have the same names and the same results.
//!
//! Not for use inside an async runtime: calls fail there with a [`Config`](crate::ErrorKind::Config)
//! error, also on the threads that a runtime keeps for blocking work. Use the async client
//! there. Nor for use in a forked process, which does not have the thread behind the client: calls fail
//! in the same way, so build a client in the child.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use partner_center_devices::emulator::Emulator;
//! use partner_center_devices::{AccessToken, PartnerCenter, RequestContext};
//!
//! let emulator = Emulator::start_blocking()?;
//! let partner = PartnerCenter::builder(AccessToken::new("any"))
//!     .base_url(emulator.base_url())
//!     .build_blocking()?;
//! let hurried =
//!     partner.with(RequestContext::new().call_timeout(Duration::from_secs(15)));
//! let customer =
//!     hurried.customers().by_id("47021739-3426-40bf-9601-61b4b6d7c793".parse()?);
//! for batch in &customer.device_batches().get()?.items {
//!     println!("{:?}: {:?} devices", batch.id, batch.devices_count);
//! }
//! # Ok(())
//! # }
//! ```

use std::io;
use std::process;
use std::sync::Arc;

use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tokio::runtime::{self, Handle, Runtime};

use crate::builder::Builder;
use crate::context::RequestContext;
use crate::error::Error;
use crate::models::{BatchTrackingId, BatchUploadDetails, CustomerId, DeviceBatchCollection, Link};
use crate::response::Response;
use crate::wait::Wait;

/// A client or handle whose calls block.
#[derive(Clone, Debug)]
#[must_use = "a handle does nothing until a call is made with it"]
pub struct Blocking<T> {
    handle: T,
    driver: Arc<Driver>,
}

/// The client: [`crate::PartnerCenter`] without async.
pub type PartnerCenter = Blocking<crate::PartnerCenter>;
/// The customers of the partner.
pub type Customers = Blocking<crate::Customers>;
/// One customer of the partner.
pub type Customer = Blocking<crate::Customer>;
/// The device batches of a customer.
pub type DeviceBatches = Blocking<crate::DeviceBatches>;
/// The uploads of device batches of a customer.
pub type BatchUploadStatusCollection = Blocking<crate::BatchUploadStatusCollection>;
/// The status of one upload of a device batch.
pub type BatchUploadStatus = Blocking<crate::BatchUploadStatus>;

impl<T> Blocking<T> {
    fn to<U>(&self, handle: U) -> Blocking<U> {
        Blocking { handle, driver: Arc::clone(&self.driver) }
    }
}

impl Builder {
    /// Checks the settings and builds the blocking client, without connecting.
    ///
    /// ```
    /// # use partner_center_devices::{AccessToken, PartnerCenter};
    /// # fn main() -> Result<(), partner_center_devices::Error> {
    /// let partner =
    ///     PartnerCenter::builder(AccessToken::new("a-token")).build_blocking()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`build`](Self::build), and if no runtime can be started.
    pub fn build_blocking(self) -> Result<PartnerCenter, Error> {
        let handle = self.build()?;
        let driver = Driver::new().map_err(|error| Error::config("cannot start a runtime").caused_by(error))?;
        Ok(Blocking { handle, driver: Arc::new(driver) })
    }
}

impl PartnerCenter {
    /// A client from environment variables: [`Builder::from_env`] with the default settings.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), partner_center_devices::Error> {
    /// let partner = partner_center_devices::blocking::PartnerCenter::from_env()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Builder::from_env`] and [`Builder::build_blocking`].
    pub fn from_env() -> Result<Self, Error> {
        Builder::from_env()?.build_blocking()
    }

    /// The customers of the partner.
    pub fn customers(&self) -> Customers {
        self.to(self.handle.customers())
    }

    /// The same client with your own IDs, locale, headers or timeout for its calls. What the context does
    /// not set is unchanged.
    pub fn with(&self, context: RequestContext) -> Self {
        self.to(self.handle.with(context))
    }

    /// The upload that a `Location` header points to.
    ///
    /// ```
    /// # use partner_center_devices::{AccessToken, PartnerCenter};
    /// # fn main() -> Result<(), partner_center_devices::Error> {
    /// # let partner = PartnerCenter::builder(AccessToken::new("a-token")).build_blocking()?;
    /// let location = "/customers/47021739-3426-40bf-9601-61b4b6d7c793\
    ///     /batchJobStatus/0127ed8e-ff72-4983-a3d8-e8d8bd378932";
    /// let upload = partner.batch_upload(location)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`crate::PartnerCenter::batch_upload`].
    pub fn batch_upload(&self, location: impl AsRef<str>) -> Result<BatchUploadStatus, Error> {
        Ok(self.to(self.handle.batch_upload(location)?))
    }

    /// Gets what a link points to.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use partner_center_devices::{AccessToken, PartnerCenter, emulator::Emulator};
    /// # let emulator = Emulator::start_blocking()?;
    /// # let customer = emulator.example_customer();
    /// # let uri = format!("/customers/{customer}/deviceBatches/Test batch/devices");
    /// # emulator.add_resource(&uri, serde_json::json!({ "items": [] }));
    /// # let partner = PartnerCenter::builder(AccessToken::new("any")).base_url(emulator.base_url()).build_blocking()?;
    /// let batches = partner.customers().by_id(customer).device_batches().get()?;
    /// if let Some(link) = &batches.items[0].devices_link {
    ///     let devices = partner.follow::<serde_json::Value>(link)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`crate::PartnerCenter::follow`].
    pub fn follow<T: DeserializeOwned>(&self, link: &Link) -> Result<Response<T>, Error> {
        self.driver.run(self.handle.follow(link))?
    }
}

impl Customers {
    /// One customer, by its Microsoft ID (the customer tenant ID).
    pub fn by_id(&self, id: CustomerId) -> Customer {
        self.to(self.handle.by_id(id))
    }
}

impl Customer {
    /// The device batches of the customer.
    pub fn device_batches(&self) -> DeviceBatches {
        self.to(self.handle.device_batches())
    }

    /// The uploads of device batches of the customer.
    pub fn batch_upload_status(&self) -> BatchUploadStatusCollection {
        self.to(self.handle.batch_upload_status())
    }
}

impl DeviceBatches {
    /// Gets the device batches of the customer.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use partner_center_devices::{AccessToken, PartnerCenter, emulator::Emulator};
    /// # let emulator = Emulator::start_blocking()?;
    /// # let partner = PartnerCenter::builder(AccessToken::new("any")).base_url(emulator.base_url()).build_blocking()?;
    /// let customer = partner.customers().by_id(emulator.example_customer());
    /// assert_eq!(customer.device_batches().get()?.items.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::ErrorKind).
    pub fn get(&self) -> Result<Response<DeviceBatchCollection>, Error> {
        self.driver.run(self.handle.get())?
    }
}

impl BatchUploadStatusCollection {
    /// One upload, by the tracking ID from the `Location` header of the response to it.
    pub fn by_id(&self, id: BatchTrackingId) -> BatchUploadStatus {
        self.to(self.handle.by_id(id))
    }
}

impl BatchUploadStatus {
    /// Gets the status of the upload and of each of its devices.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use partner_center_devices::{AccessToken, PartnerCenter, emulator::Emulator};
    /// # let emulator = Emulator::start_blocking()?;
    /// # let partner = PartnerCenter::builder(AccessToken::new("any")).base_url(emulator.base_url()).build_blocking()?;
    /// let customer = partner.customers().by_id(emulator.example_customer());
    /// let upload = customer.batch_upload_status().by_id(emulator.example_upload()).get()?;
    /// assert_eq!(upload.failed_devices().count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::ErrorKind).
    pub fn get(&self) -> Result<Response<BatchUploadDetails>, Error> {
        self.driver.run(self.handle.get())?
    }

    /// Waits until the upload has ended, and returns its last status.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use partner_center_devices::{AccessToken, PartnerCenter, Wait, emulator::Emulator};
    /// # let emulator = Emulator::start_blocking()?;
    /// # let partner = PartnerCenter::builder(AccessToken::new("any")).base_url(emulator.base_url()).build_blocking()?;
    /// let customer = partner.customers().by_id(emulator.example_customer());
    /// let upload = customer.batch_upload_status().by_id(emulator.example_upload());
    /// let ended = upload.wait(Wait::default().first_after(Duration::ZERO))?;
    /// assert!(ended.is_complete() && !ended.succeeded());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`crate::BatchUploadStatus::wait`].
    pub fn wait(&self, wait: Wait) -> Result<Response<BatchUploadDetails>, Error> {
        self.driver.run(self.handle.wait(wait))?
    }

    /// The responses that differ from the one before, as in [`crate::BatchUploadStatus::watch`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// # use partner_center_devices::{AccessToken, PartnerCenter, Wait, emulator::Emulator};
    /// # let emulator = Emulator::start_blocking()?;
    /// # let partner = PartnerCenter::builder(AccessToken::new("any")).base_url(emulator.base_url()).build_blocking()?;
    /// let customer = partner.customers().by_id(emulator.example_customer());
    /// let upload = customer.batch_upload_status().by_id(emulator.example_upload());
    /// for response in upload.watch(Wait::default().first_after(Duration::ZERO)) {
    ///     println!("{}", response?.summary());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`wait`](Self::wait), as the last item.
    pub fn watch(&self, wait: Wait) -> impl Iterator<Item = Result<Response<BatchUploadDetails>, Error>> + use<> {
        let (driver, mut responses) = (Arc::clone(&self.driver), Some(self.handle.watch(wait)));
        std::iter::from_fn(move || match driver.run(responses.as_mut()?.next()) {
            Ok(response) => response,
            Err(error) => {
                // The iterator ends with an error, as the stream does.
                responses = None;
                Some(Err(error))
            }
        })
    }
}

/// The runtime that drives the calls of a client and its handles.
#[derive(Debug)]
pub(crate) struct Driver {
    runtime: Option<Runtime>,
    /// A forked process has the runtime without its thread, and a call would wait for ever.
    process: u32,
}

impl Driver {
    /// A thread of its own keeps connections alive, and notices when one is closed between calls.
    pub(crate) fn new() -> io::Result<Self> {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Self { runtime: Some(runtime), process: process::id() })
    }

    #[cfg(feature = "emulator")]
    pub(crate) fn spawn(&self, task: impl Future<Output: Send> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(task);
        }
    }

    fn run<F: Future>(&self, call: F) -> Result<F::Output, Error> {
        match &self.runtime {
            _ if self.process != process::id() => {
                Err(Error::config("the process was forked since the client was built: build one in the child"))
            }
            Some(runtime) if Handle::try_current().is_err() => Ok(runtime.block_on(call)),
            _ => Err(Error::config("a blocking call inside an async runtime: use the client without `blocking` there")),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Dropping a runtime waits for its tasks, which panics inside another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn in_a_forked_process_a_call_fails_at_once() {
        // Forking takes unsafe code, so this one only believes to be in another process.
        let mut driver = Driver::new().unwrap();
        driver.process = 0;
        let error = driver.run(std::future::pending::<()>()).unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Config);
        assert!(error.to_string().contains("forked"), "{error}");
    }
}
