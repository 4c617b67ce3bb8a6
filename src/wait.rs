//! Waiting for an upload to end: when to ask, when to stop, and what to tell in between.

use std::ops::RangeInclusive;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};

use crate::customers::BatchUploadStatus;
use crate::error::Error;
use crate::models::BatchUploadDetails;
use crate::response::Response;
use crate::retry::Deadline;

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
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    first_after: Duration,
    intervals: RangeInclusive<Duration>,
    at_most: Duration,
}

impl Default for Wait {
    fn default() -> Self {
        Self {
            first_after: Duration::from_secs(5),
            intervals: Duration::from_secs(5)..=Duration::from_secs(30),
            at_most: Duration::from_secs(3600),
        }
    }
}

impl Wait {
    /// How long to wait before asking for the first time: default 5 seconds.
    #[must_use]
    pub fn first_after(mut self, delay: Duration) -> Self {
        self.first_after = delay;
        self
    }

    /// How long to wait between asking: from the shortest interval, growing by half each time, to the
    /// longest. Default 5 to 30 seconds. A `Retry-After` makes an interval longer.
    #[must_use]
    pub fn intervals(mut self, intervals: RangeInclusive<Duration>) -> Self {
        self.intervals = intervals;
        self
    }

    /// How long to wait in all: default one hour. The upload is asked for once in any case.
    #[must_use]
    pub fn at_most(mut self, limit: Duration) -> Self {
        self.at_most = limit;
        self
    }

    fn delays(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        // Arithmetic of floating-point durations overflows beyond, and nobody waits so long.
        let bounded = |delay: Duration| delay.min(Duration::from_secs(86_400));
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
    /// that this crate does not know is no end. All requests carry the same `MS-CorrelationId`.
    /// Dropping the future stops it.
    ///
    /// ```
    /// # #[cfg(feature = "emulator")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use partner_center_devices::Wait;
    /// # let emulator = partner_center_devices::emulator::Emulator::start().await?;
    /// # let customer = emulator.partner().customers().by_id(emulator.example_customer());
    /// # let upload = customer.batch_upload_status().by_id(emulator.example_upload());
    /// # let wait = Wait::default().first_after(std::time::Duration::ZERO);
    /// let ended = upload.wait(wait).await?;
    /// for failed in ended.failed_devices() {
    ///     println!("{failed}");
    /// }
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "emulator"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFinished`](crate::ErrorKind::NotFinished) past the limit, with the
    /// [last answer](Error::last_answer) in it; and those of [`get`](Self::get). Errors that may pass
    /// do not end it before its limit.
    pub async fn wait(&self, wait: Wait) -> Result<Response<BatchUploadDetails>, Error> {
        let last = self.watch(wait).try_fold(None, async |_, answer| Ok(Some(answer))).await?;
        // The stream ends with an answer or an error.
        last.ok_or_else(|| Error::not_finished(None, None))
    }

    /// The same as a stream of the answers that differ from the one before. It ends with the answer
    /// that ends the upload, or with an error as [`wait`](Self::wait) has it.
    ///
    /// ```
    /// # #[cfg(feature = "emulator")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use partner_center_devices::Wait;
    /// # let emulator = partner_center_devices::emulator::Emulator::start().await?;
    /// # let customer = emulator.partner().customers().by_id(emulator.example_customer());
    /// # let upload = customer.batch_upload_status().by_id(emulator.example_upload());
    /// # let wait = Wait::default().first_after(std::time::Duration::ZERO);
    /// use futures_util::StreamExt as _;
    ///
    /// let mut answers = upload.watch(wait);
    /// while let Some(answer) = answers.next().await {
    ///     println!("{}", answer?.summary());
    /// }
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "emulator"))]
    /// # fn main() {}
    /// ```
    pub fn watch(
        &self,
        wait: Wait,
    ) -> impl Stream<Item = Result<Response<BatchUploadDetails>, Error>> + Send + Unpin + use<> {
        stream::unfold(Some(Watch::new(self, wait)), async |watch| {
            let mut watch = watch?;
            match watch.next_change().await {
                Ok(answer) if answer.is_complete() => Some((Ok(answer), None)),
                Ok(answer) => Some((Ok(answer), Some(watch))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }
}

/// One wait, from answer to answer.
struct Watch {
    upload: BatchUploadStatus,
    wait: Wait,
    delays: Box<dyn Iterator<Item = Duration> + Send>,
    deadline: Option<Deadline>,
    last: Option<Response<BatchUploadDetails>>,
}

impl Watch {
    fn new(upload: &BatchUploadStatus, wait: Wait) -> Self {
        let upload = upload.in_one_context();
        Self { upload, delays: Box::new(wait.delays()), wait, deadline: None, last: None }
    }

    /// Asks until there is something new.
    async fn next_change(&mut self) -> Result<Response<BatchUploadDetails>, Error> {
        let mut failed = None;
        loop {
            self.pause(failed.as_ref()).await.map_err(|()| Error::not_finished(self.last.clone(), failed.take()))?;
            match self.upload.get().await {
                Ok(answer) if self.last.as_deref().is_some_and(|last| *last == *answer) => failed = None,
                Ok(answer) => {
                    self.last = Some(answer.clone());
                    return Ok(answer);
                }
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, "cannot ask for the upload; asking again later");
                    failed = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sleeps until it is time to ask; fails at once if that would be past the limit.
    async fn pause(&mut self, failed: Option<&Error>) -> Result<(), ()> {
        let Some(deadline) = &self.deadline else {
            self.deadline = Some(Deadline::after(self.wait.at_most));
            tokio::time::sleep(self.wait.first_after.min(self.wait.at_most)).await;
            return Ok(());
        };
        let asked_for = failed.and_then(Error::retry_after).unwrap_or_default();
        let delay = self.delays.next().unwrap_or_default().max(asked_for);
        if delay >= deadline.left() {
            return Err(());
        }
        tokio::time::sleep(delay).await;
        self.upload.hurry(deadline.left());
        Ok(())
    }
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
        assert_eq!(delays(Duration::MAX..=Duration::MAX), [Duration::from_secs(86_400); 3]);
        assert_eq!(delays(Duration::from_secs(9)..=Duration::from_secs(2)), [Duration::from_secs(2); 3]);
    }
}
