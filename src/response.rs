//! What a successful call returns: the typed body and everything that support asks for.

use std::ops::Deref;

use http::{HeaderMap, StatusCode};
use uuid::Uuid;

use crate::context::{CallIds, MS_CORRELATION_ID, MS_CV, MS_REQUEST_ID, MS_SERVER_ID, header_text};

/// The answer to a call: dereferences to the typed body, and keeps what identifies the exchange.
///
/// The service answers with ids of its own, not with those it was sent, so both are here.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let emulator = partner_center_devices::emulator::Emulator::start().await?;
/// # let customer = emulator.partner().customers().by_id(emulator.example_customer());
/// let batches = customer.device_batches().get().await?;
/// println!("{} batches, request {}", batches.items.len(), batches.request_id());
/// println!("for Microsoft's support: {:?}, {:?}", batches.service_correlation_id(), batches.ms_cv());
/// assert_eq!((batches.status().as_u16(), batches.attempts()), (200, 1));
/// let list = batches.into_inner();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Response<T> {
    pub(crate) body: T,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) ids: CallIds,
    pub(crate) attempts: u32,
}

impl<T> Response<T> {
    /// The typed body, without the rest.
    pub fn into_inner(self) -> T {
        self.body
    }

    /// The status of HTTP; that of an upload is the member `status` of the body.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers of the answer.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The `MS-RequestId` that was sent.
    pub fn request_id(&self) -> Uuid {
        self.ids.request_id
    }

    /// The `MS-CorrelationId` that was sent.
    pub fn correlation_id(&self) -> Uuid {
        self.ids.correlation_id
    }

    /// The `MS-RequestId` that the service answered with.
    pub fn service_request_id(&self) -> Option<&str> {
        header_text(&self.headers, &MS_REQUEST_ID)
    }

    /// The `MS-CorrelationId` that the service answered with: for Microsoft's support.
    pub fn service_correlation_id(&self) -> Option<&str> {
        header_text(&self.headers, &MS_CORRELATION_ID)
    }

    /// The correlation vector (`MS-CV`).
    pub fn ms_cv(&self) -> Option<&str> {
        header_text(&self.headers, &MS_CV)
    }

    /// The server that answered (`MS-ServerId`), as text: it has leading zeros.
    pub fn server_id(&self) -> Option<&str> {
        header_text(&self.headers, &MS_SERVER_ID)
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
