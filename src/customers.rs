//! The path to a call, as Microsoft's SDK has it. Handles own what they need: they can be kept, sent
//! to other tasks and used often, and making them does no I/O.

use crate::client::PartnerCenter;
use crate::error::Error;
use crate::generated::Client;
use crate::models::{BatchTrackingId, BatchUploadDetails, CustomerId, DeviceBatchCollection};
use crate::response::Response;

/// The customers of the partner.
///
/// ```
/// # use partner_center_devices::{AccessToken, PartnerCenter};
/// # fn main() -> Result<(), partner_center_devices::Error> {
/// # let partner = PartnerCenter::builder(AccessToken::new("a-token")).build()?;
/// let id = "47021739-3426-40bf-9601-61b4b6d7c793".parse()?;
/// let customer = partner.customers().by_id(id);
/// let batches = customer.device_batches();
/// let tracking_id = "0127ed8e-ff72-4983-a3d8-e8d8bd378932".parse()?;
/// let upload = customer.batch_upload_status().by_id(tracking_id);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a handle does nothing until a call is made with it"]
pub struct Customers {
    partner: PartnerCenter,
}

impl PartnerCenter {
    /// The customers of the partner.
    pub fn customers(&self) -> Customers {
        Customers { partner: self.clone() }
    }
}

impl Customers {
    /// One customer, by its Microsoft ID (the customer tenant ID).
    pub fn by_id(&self, id: CustomerId) -> Customer {
        Customer { partner: self.partner.clone(), id }
    }
}

/// One customer of the partner.
#[derive(Clone, Debug)]
#[must_use = "a handle does nothing until a call is made with it"]
pub struct Customer {
    partner: PartnerCenter,
    id: CustomerId,
}

impl Customer {
    /// The device batches of the customer.
    pub fn device_batches(&self) -> DeviceBatches {
        DeviceBatches { partner: self.partner.clone(), customer: self.id }
    }

    /// The uploads of device batches of the customer.
    pub fn batch_upload_status(&self) -> BatchUploadStatusCollection {
        BatchUploadStatusCollection { customer: self.clone() }
    }
}

/// The device batches of a customer.
#[derive(Clone, Debug)]
#[must_use = "a handle does nothing until a call is made with it"]
pub struct DeviceBatches {
    partner: PartnerCenter,
    customer: CustomerId,
}

impl DeviceBatches {
    /// Gets the device batches of the customer.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let emulator = partner_center_devices::emulator::Emulator::start().await?;
    /// let customer = emulator.partner().customers().by_id(emulator.example_customer());
    /// let list = customer.device_batches().get().await?;
    /// assert_eq!(list.items[0].id.as_deref(), Some("Test batch"));
    /// assert_eq!((list.attempts(), list.server_id()), (1, Some("030020344")));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::ErrorKind).
    pub async fn get(&self) -> Result<Response<DeviceBatchCollection>, Error> {
        let customer = self.customer;
        let call = |client: Client| async move { client.get_device_batches(&customer).await };
        let outcome = self.partner.send("getDeviceBatches", call).await;
        outcome.map_err(|error| error.about(format!("device batches of customer {customer}")))
    }
}

/// The uploads of device batches of a customer.
#[derive(Clone, Debug)]
#[must_use = "a handle does nothing until a call is made with it"]
pub struct BatchUploadStatusCollection {
    customer: Customer,
}

impl BatchUploadStatusCollection {
    /// One upload, by the tracking ID from the `Location` header of the response to it.
    pub fn by_id(&self, id: BatchTrackingId) -> BatchUploadStatus {
        let Customer { partner, id: customer } = self.customer.clone();
        BatchUploadStatus { partner, customer, id }
    }
}

/// The status of one upload of a device batch.
#[derive(Clone, Debug)]
#[must_use = "a handle does nothing until a call is made with it"]
pub struct BatchUploadStatus {
    pub(crate) partner: PartnerCenter,
    customer: CustomerId,
    id: BatchTrackingId,
}

impl BatchUploadStatus {
    /// Gets the status of the upload and of each of its devices.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let emulator = partner_center_devices::emulator::Emulator::start().await?;
    /// let customer = emulator.partner().customers().by_id(emulator.example_customer());
    /// let upload = customer
    ///     .batch_upload_status()
    ///     .by_id(emulator.example_upload())
    ///     .get()
    ///     .await?;
    /// assert_eq!(upload.devices_status[0].error_code.as_deref(), Some("808"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::ErrorKind).
    pub async fn get(&self) -> Result<Response<BatchUploadDetails>, Error> {
        let (customer, id) = (self.customer, self.id);
        let call = |client: Client| async move { client.get_batch_upload_status(&customer, &id).await };
        let outcome = self.partner.send("getBatchUploadStatus", call).await;
        outcome.map_err(|error| self.about(error))
    }

    /// Names the operation and its IDs in an error.
    pub(crate) fn about(&self, error: Error) -> Error {
        let Self { customer, id, .. } = self;
        error.about(format!("batch upload status of customer {customer}, upload {id}"))
    }
}
