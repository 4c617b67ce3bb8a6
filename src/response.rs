//! What a successful call returns: the typed body, and everything that support asks for.

use std::ops::Deref;

use http::{HeaderMap, StatusCode};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::headers::CallIds;
use crate::lenient::UnreadableMember;
use crate::received::Received;

/// The response to a call: dereferences to the typed body, and keeps the IDs of the call.
///
/// The service responds with its own IDs and not with those that were sent, so both are here.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let emulator = partner_center_devices::emulator::Emulator::start().await?;
/// # let customer = emulator.partner().customers().by_id(emulator.example_customer());
/// let batches = customer.device_batches().get().await?;
/// println!("{} batches, request {}", batches.items.len(), batches.request_id());
/// let ids = (batches.service_correlation_id(), batches.ms_cv());
/// println!("for Microsoft's support: {ids:?}");
/// assert_eq!((batches.http_status().as_u16(), batches.attempts()), (200, 1));
/// let list = batches.into_inner();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Response<T> {
    pub(crate) body: T,
    pub(crate) unreadable: Vec<UnreadableMember>,
    pub(crate) received: Received,
    pub(crate) ids: CallIds,
    pub(crate) attempts: u32,
}

impl<T> Response<T> {
    /// The typed body, without the rest.
    pub fn into_inner(self) -> T {
        self.body
    }

    /// The same response, with its body converted.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = partner_center_devices::emulator::Emulator::start().await?;
    /// # let customer = emulator.partner().customers().by_id(emulator.example_customer());
    /// let names = customer.device_batches().get().await?.map(|list| {
    ///     list.items.into_iter().filter_map(|batch| batch.id).collect::<Vec<_>>()
    /// });
    /// assert_eq!(names.http_status().as_u16(), 200);
    /// assert_eq!(names.into_inner(), ["Test batch"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Response<U> {
        let Self { body, unreadable, received, ids, attempts } = self;
        Response { body: make(body), unreadable, received, ids, attempts }
    }

    /// The same response with a reference to its body.
    pub fn as_ref(&self) -> Response<&T> {
        let Self { body, unreadable, received, ids, attempts } = self;
        Response { body, unreadable: unreadable.clone(), received: received.clone(), ids: *ids, attempts: *attempts }
    }

    /// The HTTP status, such as 200. The status of an upload is the member `status` of the typed body.
    pub fn http_status(&self) -> StatusCode {
        self.received.status
    }

    pub(crate) fn retry_after(&self) -> Option<std::time::Duration> {
        self.received.retry_after()
    }

    /// The headers of the response.
    pub fn headers(&self) -> &HeaderMap {
        &self.received.headers
    }

    /// The body as received, decompressed and without byte-order mark, including members that the specification
    /// does not list yet; [`models::from_slice`](crate::models::from_slice) reads it as the client did.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = partner_center_devices::emulator::Emulator::start().await?;
    /// # let customer = emulator.partner().customers().by_id(emulator.example_customer());
    /// let batches = customer.device_batches().get().await?;
    /// let raw: serde_json::Value = serde_json::from_slice(batches.body())?;
    /// assert_eq!(raw["items"][0]["devicesCount"], 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn body(&self) -> &[u8] {
        &self.received.body
    }

    /// The members that could not be read and are therefore absent from the typed body: at most 100.
    ///
    /// Members that decide what a response means, such as `status` and `devicesStatus`, are not among
    /// them: if one of those cannot be read, the call fails.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = partner_center_devices::emulator::Emulator::start().await?;
    /// # let customer = emulator.partner().customers().by_id(emulator.example_customer());
    /// let batches = customer.device_batches().get().await?;
    /// for member in batches.unreadable_members() {
    ///     eprintln!("not read: {} is {}", member.path(), member.text());
    /// }
    /// # assert!(batches.unreadable_members().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn unreadable_members(&self) -> &[UnreadableMember] {
        &self.unreadable
    }

    /// The `MS-RequestId` that was sent.
    pub fn request_id(&self) -> Uuid {
        self.ids.request_id
    }

    /// The `MS-CorrelationId` that was sent.
    pub fn correlation_id(&self) -> Uuid {
        self.ids.correlation_id
    }

    /// The `MS-RequestId` that the service responded with.
    pub fn service_request_id(&self) -> Option<&str> {
        self.received.service_request_id()
    }

    /// The `MS-CorrelationId` that the service responded with: for Microsoft's support.
    pub fn service_correlation_id(&self) -> Option<&str> {
        self.received.service_correlation_id()
    }

    /// The correlation vector (`MS-CV`).
    pub fn ms_cv(&self) -> Option<&str> {
        self.received.ms_cv()
    }

    /// The server that responded (`MS-ServerId`), as text: it has leading zeros.
    pub fn server_id(&self) -> Option<&str> {
        self.received.server_id()
    }

    /// How many requests the call took, from 1.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

impl<T> Deref for Response<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.body
    }
}

/// Writes the typed body.
impl<T: Serialize> Serialize for Response<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.body.serialize(serializer)
    }
}
