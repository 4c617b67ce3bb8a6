//! Waiting for an upload to end: from request to request, keeping the last response and what failed.

use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};
use http::StatusCode;
use tokio::runtime::Handle;

use crate::customers::BatchUploadStatus;
use crate::error::{Error, ErrorKind};
use crate::lenient;
use crate::models::BatchUploadDetails;
use crate::response::Response;
use crate::retry::Deadline;
use crate::wait::Wait;

type Outcome = Result<Response<BatchUploadDetails>, Error>;

impl BatchUploadStatus {
    /// Waits until the upload has ended, and returns its last status.
    ///
    /// An upload that ended with failed devices is `Ok`: the result of each device is data. A status
    /// that this crate does not know does not end the wait. All requests send the same `MS-CorrelationId`.
    /// Dropping the future stops it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = partner_center_devices::emulator::Emulator::start().await?;
    /// # let customer = emulator.partner().customers().by_id(emulator.example_customer());
    /// # let tracking_id = emulator.example_upload();
    /// use partner_center_devices::Wait;
    ///
    /// let upload = customer.batch_upload_status().by_id(tracking_id);
    /// let at_once = Wait::default().first_after(std::time::Duration::ZERO);
    /// let ended = upload.wait(at_once).await?;
    /// for failed in ended.failed_devices() {
    ///     println!("{failed}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFinished`](crate::ErrorKind::NotFinished) at the [limit](Wait::at_most), or at once if the
    /// service asks for a longer wait than the time left; and the errors of [`get`](Self::get).
    /// Transient errors do not end the wait before its limit, once the service has responded; nor does a
    /// 304, or a single 404 after the upload was found. The error has the
    /// [last response](Error::last_response), if there was one.
    pub async fn wait(&self, wait: Wait) -> Result<Response<BatchUploadDetails>, Error> {
        let mut watch = Watch::new(self, wait);
        loop {
            let response = watch.next_response().await?;
            if response.is_complete() {
                return Ok(response);
            }
        }
    }

    /// The same wait as a stream of the responses that differ from the one before. It ends with the response
    /// in which the upload has ended, or with an error.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = partner_center_devices::emulator::Emulator::start().await?;
    /// # let customer = emulator.partner().customers().by_id(emulator.example_customer());
    /// # let tracking_id = emulator.example_upload();
    /// use futures_util::StreamExt as _;
    /// use partner_center_devices::Wait;
    ///
    /// let upload = customer.batch_upload_status().by_id(tracking_id);
    /// let at_once = Wait::default().first_after(std::time::Duration::ZERO);
    /// let mut responses = upload.watch(at_once);
    /// while let Some(response) = responses.next().await {
    ///     println!("{}", response?.summary());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`wait`](Self::wait), as the last item.
    pub fn watch(
        &self,
        wait: Wait,
    ) -> impl Stream<Item = Result<Response<BatchUploadDetails>, Error>> + Send + Unpin + use<> {
        let upload = self.clone();
        stream::once(async move { Watch::new(&upload, wait) }).flat_map(Watch::changes).fuse().boxed()
    }
}

/// How much of its time a wait leaves for its last request at most.
const LAST_REQUEST: Duration = Duration::from_secs(10);

/// One wait, from its first moment on.
struct Watch {
    upload: BatchUploadStatus,
    wait: Wait,
    deadline: Deadline,
    /// How long the upload may not be found.
    grace: Deadline,
    /// How long until the next request, and how long after it until the one that follows.
    next: Duration,
    interval: Duration,
    is_last_request: bool,
    /// Without its typed body, which takes several times the memory of the raw one.
    last: Option<Response<()>>,
    /// Why the last request failed, if it did.
    failed: Option<Error>,
}

impl Watch {
    fn new(upload: &BatchUploadStatus, wait: Wait) -> Self {
        let mut upload = upload.clone();
        upload.partner.context = upload.partner.context.correlated();
        Self {
            upload,
            deadline: Deadline::after(wait.at_most),
            grace: Deadline::after(wait.first_after.saturating_add(wait.not_found_grace)),
            next: wait.first_after,
            interval: wait.shortest_interval(),
            is_last_request: false,
            last: None,
            failed: None,
            wait,
        }
    }

    /// The responses that differ from the one before, known by their hashes.
    fn changes(self) -> impl Stream<Item = Outcome> + Send {
        let state = Some((self, RandomState::new(), None));
        stream::unfold(state, async |state| {
            let (mut watch, hasher, mut before) = state?;
            loop {
                match watch.next_response().await {
                    Ok(response) => {
                        let hash = Some(hasher.hash_one(&*response));
                        let is_complete = response.is_complete();
                        if is_complete || mem::replace(&mut before, hash) != hash {
                            return Some((Ok(response), (!is_complete).then_some((watch, hasher, before))));
                        }
                    }
                    Err(error) => return Some((Err(error), None)),
                }
            }
        })
    }

    /// Asks until there is a response, or a failure that ends the wait.
    async fn next_response(&mut self) -> Outcome {
        Handle::try_current().map_err(Error::outside_runtime)?;
        loop {
            self.pause().await?;
            match self.upload.get().await {
                Ok(response) => {
                    self.failed = None;
                    self.last = Some(response.as_ref().map(|_| ()));
                    return Ok(response);
                }
                Err(error) if self.goes_on_after(&error) => {
                    if error.is_retryable() {
                        tracing::warn!(%error, "cannot ask for the upload");
                    }
                    self.failed = Some(error);
                }
                Err(error) => return Err(error.with_last_response(self.take_last())),
            }
        }
    }

    fn goes_on_after(&self, error: &Error) -> bool {
        match error.status().filter(|_| error.kind() == ErrorKind::Service) {
            Some(StatusCode::NOT_MODIFIED) => true,
            // Once found, it is there: the second in a row is believed.
            Some(StatusCode::NOT_FOUND) if self.last.is_some() => {
                !self.failed.as_ref().is_some_and(Error::is_not_found)
            }
            Some(StatusCode::NOT_FOUND) => {
                self.next.max(error.retry_after().unwrap_or_default()) < self.grace.left() && !self.is_last_request
            }
            // Before there was a response, the address may be wrong, and waiting in vain; unless it was only
            // the time of the wait that ran out.
            _ => {
                let is_known = self.last.is_some() || error.status().is_some();
                error.is_retryable() && (is_known || error.is_timeout() && self.deadline.left().is_zero())
            }
        }
    }

    /// Sleeps until it is time to ask, and gives the request the time that is left then. Fails after the
    /// last request, or if the service asks to wait for longer than is left.
    async fn pause(&mut self) -> Result<(), Error> {
        let left = self.deadline.left();
        if self.is_last_request || self.failed.is_some() && left.is_zero() {
            return Err(self.not_finished());
        }
        let asked_for = match &self.failed {
            Some(failed) => failed.retry_after(),
            None => self.last.as_ref().and_then(Response::retry_after),
        };
        let at_least = asked_for.unwrap_or_default();
        if !at_least.is_zero() && at_least >= left {
            return Err(self
                .not_finished()
                .retrying_after(at_least)
                .with_message("the upload has not ended, and the service asks for a longer wait than the time left"));
        }
        let of_last_request = LAST_REQUEST.min(self.wait.at_most / 10);
        let pause = mem::replace(&mut self.next, self.interval).min(left.saturating_sub(of_last_request));
        self.interval = self.wait.interval_after(self.interval);
        tokio::time::sleep(pause.max(at_least)).await;
        // It can be over by now: the computer slept, or nobody took the response before.
        let left = self.deadline.left();
        self.is_last_request = left <= of_last_request;
        let left = if left.is_zero() { LAST_REQUEST } else { left };
        let partner = &mut self.upload.partner;
        let time = partner.context.call_timeout_or(partner.shared.call_timeout).min(left);
        partner.context = partner.context.clone().call_timeout(time);
        Ok(())
    }

    /// The last response, with its typed body again.
    fn take_last(&mut self) -> Option<Response<BatchUploadDetails>> {
        let last = self.last.take()?;
        let (details, _) = lenient::from_slice(last.body()).ok()?;
        Some(last.map(|()| details))
    }

    /// The upload has not ended within the limit of the wait.
    fn not_finished(&mut self) -> Error {
        let (error, failed) = (Error::unfinished(self.take_last()), self.failed.take());
        let mut error = self.upload.about(error);
        if let Some(failed) = &failed {
            error = error.of_same_call(failed);
        }
        let asked_for = failed.as_ref().and_then(Error::retry_after);
        error.retrying_after(asked_for).after(failed)
    }
}
