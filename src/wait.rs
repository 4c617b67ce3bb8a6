//! Waiting for an upload to end: when to ask, when to stop, and what to tell in between.

use std::iter::Peekable;
use std::ops::RangeInclusive;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use serde::{Deserialize, Deserializer};

use crate::call::in_runtime;
use crate::customers::BatchUploadStatus;
use crate::error::{Error, ErrorKind};
use crate::models::BatchUploadDetails;
use crate::response::Response;
use crate::retry::{A_DAY, Deadline, seconds};

/// How often to ask for an upload that has not ended, and for how long.
///
/// Microsoft warns that polling a resource continuously is likely to be throttled, so the defaults
/// are slow: first after 5 seconds, then at intervals that grow from 5 to 30 seconds, for an hour.
///
/// ```
/// use std::time::Duration;
///
/// use partner_center_devices::Wait;
///
/// let seconds = Duration::from_secs;
/// let patient = Wait::default().intervals(seconds(30)..=seconds(120)).at_most(seconds(6 * 3600));
/// ```
///
/// It can be read from a configuration file; what is missing there has its default. Times are in seconds,
/// as a number that may have a fraction; `intervals` has the shortest and the longest.
///
/// ```
/// # use partner_center_devices::Wait;
/// # fn main() -> Result<(), serde_json::Error> {
/// let wait: Wait = serde_json::from_str(r#"{ "intervals": [30, 120], "at_most": 21600 }"#)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wait {
    #[serde(deserialize_with = "seconds")]
    first_after: Duration,
    #[serde(deserialize_with = "range")]
    intervals: RangeInclusive<Duration>,
    #[serde(deserialize_with = "seconds")]
    at_most: Duration,
    #[serde(deserialize_with = "seconds")]
    not_found_grace: Duration,
}

fn range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RangeInclusive<Duration>, D::Error> {
    #[derive(Deserialize)]
    struct Seconds(#[serde(deserialize_with = "seconds")] Duration);

    let [Seconds(shortest), Seconds(longest)] = <[Seconds; 2]>::deserialize(deserializer)?;
    Ok(shortest..=longest)
}

impl Default for Wait {
    fn default() -> Self {
        Self {
            first_after: Duration::from_secs(5),
            intervals: Duration::from_secs(5)..=Duration::from_secs(30),
            at_most: Duration::from_secs(3600),
            not_found_grace: Duration::ZERO,
        }
    }
}

impl Wait {
    /// How long to wait before asking for the first time: default 5 seconds.
    ///
    /// ```
    /// let now = partner_center_devices::Wait::default().first_after(std::time::Duration::ZERO);
    /// ```
    #[must_use]
    pub fn first_after(mut self, delay: Duration) -> Self {
        self.first_after = delay;
        self
    }

    /// How long to wait between asking: from the shortest interval, growing by half each time, to the
    /// longest. Default 5 to 30 seconds. A `Retry-After` makes an interval longer.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let every_minute = Duration::from_secs(60)..=Duration::from_secs(60);
    /// let wait = partner_center_devices::Wait::default().intervals(every_minute);
    /// ```
    #[must_use]
    pub fn intervals(mut self, intervals: RangeInclusive<Duration>) -> Self {
        self.intervals = intervals;
        self
    }

    /// How long to wait in all: default one hour. The upload is asked for a last time shortly before that
    /// is over, to leave the request its time: 10 seconds, or a tenth if that is less. The wait ends with
    /// the response. With `Duration::ZERO` the upload is asked for once, at once.
    ///
    /// ```
    /// let a_day = partner_center_devices::Wait::default().at_most(std::time::Duration::from_secs(86_400));
    /// ```
    #[must_use]
    pub fn at_most(mut self, limit: Duration) -> Self {
        self.at_most = limit;
        self
    }

    /// How long after the first request a 404 does not end the wait, if the service has never found the
    /// upload: default zero. Where uploads are made asynchronously, one that was just made may not be found
    /// for a moment. The wait goes on asking at its [intervals](Self::intervals), and ends with the 404 if
    /// the next request would come after this time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let right_after_the_upload = partner_center_devices::Wait::default().not_found_grace(Duration::from_secs(30));
    /// ```
    #[must_use]
    pub fn not_found_grace(mut self, grace: Duration) -> Self {
        self.not_found_grace = grace;
        self
    }

    fn delays(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        // Nothing does not grow.
        let bounded = |delay: Duration| delay.clamp(Duration::from_millis(1), A_DAY);
        let growing = ExponentialBuilder::new()
            .with_factor(1.5)
            .with_min_delay(bounded(*self.intervals.start()))
            .with_max_delay(bounded(*self.intervals.end()))
            .without_max_times();
        let longest = *self.intervals.end();
        growing.build().map(move |delay| delay.min(longest))
    }
}

impl BatchUploadStatus {
    /// Waits until the upload has ended, and returns its last status.
    ///
    /// An upload that ended with errors of devices is `Ok`: what its devices came to is data. A status
    /// that this crate does not know does not end the wait. All requests carry the same `MS-CorrelationId`.
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
    /// let ended = upload.wait(Wait::default().first_after(std::time::Duration::ZERO)).await?;
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
    /// service asks to wait for longer than is left of it; and those of [`get`](Self::get).
    /// Transient errors do not end the wait before its limit, once the service has responded. The error
    /// has the [last response](Error::last_response), if there was one.
    pub async fn wait(&self, wait: Wait) -> Result<Response<BatchUploadDetails>, Error> {
        let last = self.watch(wait).try_fold(None, async |_, response| Ok(Some(response))).await?;
        // The stream ends with a response or an error.
        last.ok_or_else(|| not_finished(None, None))
    }

    /// The same as a stream of the responses that differ from the one before. It ends with the response
    /// that ends the upload, or with an error.
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
    /// let mut responses = upload.watch(Wait::default().first_after(std::time::Duration::ZERO));
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
        stream::unfold(Some(Watch::new(self, wait)), async |watch| {
            let mut watch = watch?;
            match watch.next_change().await {
                Ok(response) if response.is_complete() => Some((Ok(response), None)),
                Ok(response) => Some((Ok(response), Some(watch))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .fuse()
        .boxed()
    }
}

/// How much of its time a wait leaves for its last request at most.
const LAST_REQUEST: Duration = Duration::from_secs(10);

/// One wait, from response to response.
struct Watch {
    upload: BatchUploadStatus,
    wait: Wait,
    /// None after the last request.
    delays: Option<Peekable<Box<dyn Iterator<Item = Duration> + Send>>>,
    deadline: Option<Deadline>,
    /// How long the upload may not be found, from the first request on.
    grace: Option<Deadline>,
    last: Option<Response<BatchUploadDetails>>,
    /// Why the last request failed, if it did.
    failed: Option<Error>,
}

impl Watch {
    fn new(upload: &BatchUploadStatus, wait: Wait) -> Self {
        let mut upload = upload.clone();
        upload.partner.context = upload.partner.context.correlated();
        let delays: Box<dyn Iterator<Item = Duration> + Send> = Box::new(wait.delays());
        let delays = Some(delays.peekable());
        Self { upload, delays, wait, deadline: None, grace: None, last: None, failed: None }
    }

    /// Asks until there is something new.
    async fn next_change(&mut self) -> Result<Response<BatchUploadDetails>, Error> {
        in_runtime()?;
        loop {
            self.pause().await?;
            self.grace.get_or_insert_with(|| Deadline::after(self.wait.not_found_grace));
            match self.upload.get().await {
                Ok(response) => {
                    self.failed = None;
                    let is_new = self.last.as_deref().is_none_or(|last| *last != *response);
                    self.last = Some(response.clone());
                    if is_new {
                        return Ok(response);
                    }
                }
                Err(error) if error.is_retryable() && self.goes_on_after(&error) => {
                    tracing::warn!(%error, "cannot ask for the upload");
                    self.failed = Some(error);
                }
                Err(error) if error.is_not_found() && self.may_appear(&error) => self.failed = Some(error),
                Err(error) => return Err(error.with_last_response(self.last.take())),
            }
        }
    }

    /// Before there was a response, the address may be wrong, and waiting in vain; unless it was only
    /// the time of the wait that ran out.
    fn goes_on_after(&self, error: &Error) -> bool {
        self.last.is_some() || error.status().is_some() || error.is_timeout() && self.is_over()
    }

    /// Whether the upload was never found, and there is time for the next request.
    fn may_appear(&mut self, error: &Error) -> bool {
        let (Some(delays), Some(grace), None) = (&mut self.delays, &self.grace, &self.last) else { return false };
        let at_least = error.retry_after().unwrap_or_default();
        !self.wait.not_found_grace.is_zero() && delays.peek().is_some_and(|next| at_least.max(*next) <= grace.left())
    }

    fn is_over(&self) -> bool {
        self.deadline.as_ref().is_some_and(|deadline| deadline.left().is_zero())
    }

    fn not_finished(&mut self) -> Error {
        not_finished(self.last.take(), self.failed.take())
    }

    /// Sleeps until it is time to ask, and gives the request the time that is left then. Fails after the
    /// last request, or if the service asks to wait for longer than is left.
    async fn pause(&mut self) -> Result<(), Error> {
        if self.failed.is_some() && self.is_over() {
            return Err(self.not_finished());
        }
        let is_first = self.deadline.is_none();
        let deadline = self.deadline.get_or_insert_with(|| Deadline::after(self.wait.at_most));
        let left = deadline.left();
        let latest = left.saturating_sub(LAST_REQUEST.min(self.wait.at_most / 10));
        let mut at_least = Duration::ZERO;
        let mut pause = self.wait.first_after;
        if !is_first {
            let Some(interval) = self.delays.as_mut().and_then(Iterator::next) else {
                return Err(self.not_finished());
            };
            let asked_for = match &self.failed {
                Some(failed) => failed.retry_after(),
                None => self.last.as_ref().and_then(Response::retry_after),
            };
            at_least = asked_for.unwrap_or_default();
            if !at_least.is_zero() && at_least >= left {
                return Err(self.not_finished().retrying_after(at_least).with_message(
                    "the upload has not ended, and the service asks to wait for longer than there is time",
                ));
            }
            pause = interval.max(at_least);
        }
        if pause >= latest {
            self.delays = None;
        }
        tokio::time::sleep(pause.min(latest).max(at_least)).await;
        let left = Some(deadline.left()).filter(|left| !left.is_zero()).unwrap_or(LAST_REQUEST);
        let partner = &mut self.upload.partner;
        let time = partner.context.call_timeout_or(partner.shared.call_timeout).min(left);
        partner.context = partner.context.clone().call_timeout(time);
        Ok(())
    }
}

/// The upload has not ended within the limit of a wait.
fn not_finished(last: Option<Response<BatchUploadDetails>>, failed: Option<Error>) -> Error {
    let error = Error::new(ErrorKind::NotFinished, "the upload has not ended within the time to wait for it");
    let error = match (&failed, &last) {
        (Some(failed), _) => error.of_same_call(failed),
        (None, Some(last)) => error.of_call(last.ids, last.attempts),
        (None, None) => error,
    };
    let asked_for = failed.as_ref().and_then(Error::retry_after);
    error.timed_out().retrying_after(asked_for).with_last_response(last).after(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_grow_by_half_from_5_to_30_seconds() {
        let seconds: Vec<_> = Wait::default().delays().take(8).map(|delay| delay.as_secs_f64()).collect();
        assert_eq!(seconds, [5.0, 7.5, 11.25, 16.875, 25.3125, 30.0, 30.0, 30.0]);
    }

    #[test]
    fn intervals_without_end_and_from_nothing_do_no_harm() {
        let delays = |intervals| Wait::default().intervals(intervals).delays().take(3).collect::<Vec<_>>();
        assert_eq!(delays(Duration::ZERO..=Duration::ZERO), [Duration::ZERO; 3]);
        for nothing in [Duration::ZERO, Duration::from_nanos(1)] {
            let delays = Wait::default().intervals(nothing..=Duration::from_secs(30)).delays();
            assert!(delays.take_while(|delay| delay.as_secs() < 30).count() < 30, "they grow");
        }
        assert_eq!(delays(Duration::MAX..=Duration::MAX), [Duration::from_secs(86_400); 3]);
        assert_eq!(delays(Duration::from_secs(9)..=Duration::from_secs(2)), [Duration::from_secs(2); 3]);
    }

    #[test]
    fn the_first_request_is_after_5_seconds_and_the_last_after_an_hour() {
        let wait = Wait::default();
        assert_eq!((wait.first_after.as_secs(), wait.at_most.as_secs()), (5, 3600));
    }
}
