//! Responses and errors without a service: for unit tests of programs that handle them.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::context::RequestContext;
use crate::error::{Error, ErrorKind};
use crate::models::BatchUploadDetails;
use crate::operation::Operation;
use crate::outcome::classify;
use crate::redact::Secrets;
use crate::response::Response;

impl<T> Response<T> {
    /// A response with status 200, this body and fresh IDs: for tests of your own code.
    ///
    /// ```
    /// use partner_center_devices::Response;
    /// use partner_center_devices::models::{DeviceBatch, DeviceBatchCollection};
    ///
    /// fn names(batches: &Response<DeviceBatchCollection>) -> Vec<&str> {
    ///     batches.items.iter().filter_map(|batch| batch.id.as_deref()).collect()
    /// }
    ///
    /// let mut batch = DeviceBatch::default();
    /// batch.id = Some("Test batch".to_owned());
    /// let mut list = DeviceBatchCollection::default();
    /// list.items.push(batch);
    /// assert_eq!(names(&Response::new(list)), ["Test batch"]);
    /// ```
    pub fn new(body: T) -> Self {
        let received = http::Response::new(Bytes::new()).into();
        Self { body, unreadable: Vec::new(), received, ids: RequestContext::new().ids(), attempts: 1 }
    }
}

impl<T: DeserializeOwned> Response<T> {
    /// What a call returns if the service sends this HTTP response: for tests of your own code. The body is
    /// used as given: a `Content-Encoding` is not decoded, and no bound is checked.
    ///
    /// ```
    /// use partner_center_devices::models::BatchUploadDetails;
    /// use partner_center_devices::{Error, Response, http};
    ///
    /// let throttled = http::Response::builder()
    ///     .status(429)
    ///     .header("Retry-After", "57")
    ///     .body(r#"{ "statusCode": 429, "message": "Rate limit is exceeded." }"#)?;
    /// let error = Response::<BatchUploadDetails>::from_http(throttled).unwrap_err();
    /// assert!(error.is_throttled() && error.retry_after().is_some());
    ///
    /// let finished = http::Response::new(r#"{ "status": "finished" }"#);
    /// assert!(Response::<BatchUploadDetails>::from_http(finished)?.is_complete());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error that the call would return.
    pub fn from_http(response: http::Response<impl Into<Bytes>>) -> Result<Self, Error> {
        let (ids, secrets) = (RequestContext::new().ids(), Secrets::new([]));
        let outcome = classify(&Operation::of_schema("any"), Ok((response.into(), Ok(()))), &secrets, ids, 1);
        outcome.map_err(|error| error.of_call(ids, 1))
    }
}

impl Error {
    /// An error of this kind: for tests of your own code. [`retryable`](Self::retryable) makes it
    /// retryable; for an error of the service, use [`Response::from_http`].
    ///
    /// ```
    /// use partner_center_devices::{Error, ErrorKind};
    ///
    /// let error =
    ///     Error::of_kind(ErrorKind::Transport, "the connection broke").retryable();
    /// assert!(error.is_retryable() && !error.is_timeout());
    /// ```
    pub fn of_kind(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::new(kind, message.into())
    }

    /// An error of a call that ran out of time: for tests of your own code.
    ///
    /// ```
    /// assert!(partner_center_devices::Error::of_timeout().is_timeout());
    /// ```
    pub fn of_timeout() -> Self {
        Self::new(ErrorKind::Transport, "the time of the call ran out").timeout()
    }

    /// An error of a wait whose upload has not ended: for tests of your own code.
    ///
    /// ```
    /// use partner_center_devices::models::BatchUploadDetails;
    /// use partner_center_devices::{Error, ErrorKind, Response};
    ///
    /// let error = Error::not_finished(Response::new(BatchUploadDetails::default()));
    /// assert_eq!(error.kind(), ErrorKind::NotFinished);
    /// assert!(error.last_response().is_some());
    /// ```
    pub fn not_finished(last: Response<BatchUploadDetails>) -> Self {
        Self::unfinished(Some(last))
    }
}
