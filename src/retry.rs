//! When to send again: the policy, the wait that a server asks for, and one pure function that makes
//! the next delay of both. The loop in `call.rs` only sleeps it.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};
use tokio::time::Instant;

/// Nobody waits longer, and no token lives longer; and far beyond, the arithmetic of time overflows.
pub(crate) const A_DAY: Duration = Duration::from_secs(86_400);

/// How often a call is retried, and after what delays.
///
/// [`Error::is_retryable`](crate::Error::is_retryable) says which errors are retried. Delays
/// double from the first up to the cap; `Retry-After` makes them longer, never shorter.
///
/// ```
/// use std::time::Duration;
///
/// use partner_center_devices::RetryPolicy;
///
/// let patient = RetryPolicy::default()
///     .max_retries(5)
///     .max_retry_after(Duration::from_secs(600));
/// let never = RetryPolicy::none();
/// ```
///
/// It can be read from a configuration file; missing settings have their defaults. Times are in seconds,
/// as a number that may have a fraction.
///
/// ```
/// # use partner_center_devices::RetryPolicy;
/// # use std::time::Duration;
/// # fn main() -> Result<(), serde_json::Error> {
/// let policy: RetryPolicy =
///     serde_json::from_str(r#"{ "max_retries": 5, "max_retry_after": 600 }"#)?;
/// assert_eq!(
///     policy,
///     RetryPolicy::default()
///         .max_retries(5)
///         .max_retry_after(Duration::from_secs(600))
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    max_retries: u32,
    #[serde(deserialize_with = "seconds")]
    initial_delay: Duration,
    #[serde(deserialize_with = "seconds")]
    max_delay: Duration,
    #[serde(deserialize_with = "seconds")]
    max_retry_after: Duration,
    jitter: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 3,
            initial_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(30),
            max_retry_after: Duration::from_secs(120),
            jitter: true,
        }
    }
}

impl RetryPolicy {
    /// Every call is sent once; or twice, if the service refuses a token (401) and the credential
    /// has another.
    #[must_use]
    pub fn none() -> Self {
        Self::default().max_retries(0)
    }

    /// How often a call is retried at most: default 3, which makes four requests.
    #[must_use]
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// The delay before the first retry: default 500 ms. It doubles with each further one.
    #[must_use]
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.initial_delay = delay;
        self
    }

    /// The longest delay that doubling and jitter reach: default 30 s.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// The longest `Retry-After` that a call waits for: default 120 s. If the service asks for a longer
    /// wait, the call fails at once, with the value in the error.
    #[must_use]
    pub fn max_retry_after(mut self, wait: Duration) -> Self {
        self.max_retry_after = wait;
        self
    }

    /// Makes delays exact. By default, each is lengthened by a random part of itself, so that calls
    /// that failed together are not retried together.
    #[must_use]
    pub fn without_jitter(mut self) -> Self {
        self.jitter = false;
        self
    }

    /// The delay before another retry, after so many: none if they are used up.
    pub(crate) fn backoff(&self, retries: u32) -> Option<Duration> {
        let delay = self.initial_delay.saturating_mul(2_u32.saturating_pow(retries)).min(self.max_delay);
        (retries < self.max_retries).then(|| delay.min(A_DAY))
    }

    /// What lengthens a delay by chance, from 0 to 1.
    pub(crate) fn jitter(&self) -> f64 {
        if self.jitter { fastrand::f64() } else { 0.0 }
    }

    /// The delay before the next attempt; `None` if there must not be one, because the retries are used
    /// up, the service asks for more patience than allowed, or the call would end in its sleep.
    pub(crate) fn next_delay(
        &self,
        backoff: Option<Duration>,
        retry_after: Option<Duration>,
        jitter: f64,
        time_left: Duration,
    ) -> Option<Duration> {
        let backoff = backoff?;
        let backoff = lengthened(backoff, backoff.mul_f64(jitter), time_left).min(self.max_delay);
        let delay = match retry_after {
            Some(wait) if wait > self.max_retry_after => return None,
            Some(wait) => backoff.max(spread(wait, jitter, time_left)),
            None => backoff,
        };
        (delay < time_left).then_some(delay)
    }

    /// How long to wait for a throttle to end; `None` if that is longer than allowed, or than the time
    /// left.
    pub(crate) fn throttle_delay(&self, wait: Duration, time_left: Duration) -> Option<Duration> {
        self.next_delay(Some(Duration::ZERO), Some(wait), self.jitter(), time_left)
    }
}

/// A wait that many calls share, and up to a tenth more.
fn spread(wait: Duration, jitter: f64, time_left: Duration) -> Duration {
    lengthened(wait, (wait / 10).mul_f64(jitter), time_left)
}

/// What is added by chance takes half of the time left at most, so that it alone fails no call.
fn lengthened(delay: Duration, by: Duration, time_left: Duration) -> Duration {
    delay.saturating_add(by.min(time_left.saturating_sub(delay) / 2))
}

/// Reads a time in a configuration: seconds, as a number.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// When a call has to have ended.
pub(crate) struct Deadline {
    started: Instant,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        Self { started: Instant::now(), limit }
    }

    /// How much time the call still has.
    pub(crate) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.started.elapsed())
    }

    /// Does this in the time that is left; `None` if that is not enough.
    pub(crate) async fn bound<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(self.left(), work).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn delays_double_from_the_base_to_the_cap() {
        let policy = RetryPolicy::default().max_retries(5).max_delay(3 * SECOND).without_jitter();
        let delays: Vec<_> = (0..9).map_while(|retries| Some(policy.backoff(retries)?.as_millis())).collect();
        assert_eq!(delays, [500, 1000, 2000, 3000, 3000]);
        let endless =
            RetryPolicy::default().max_retries(u32::MAX).initial_delay(Duration::MAX).max_delay(Duration::MAX);
        assert_eq!(endless.backoff(u32::MAX - 1), Some(A_DAY));
    }

    #[test]
    fn a_backoff_is_lengthened_by_up_to_itself_and_a_wait_by_up_to_a_tenth() {
        let policy = RetryPolicy::default();
        let next = |backoff: u32, retry_after: Option<Duration>, jitter| {
            policy.next_delay(Some(backoff * SECOND), retry_after, jitter, 100 * SECOND)
        };
        assert_eq!(next(4, None, 0.5), Some(6 * SECOND));
        assert_eq!(next(20, None, 1.0), Some(30 * SECOND), "the cap holds for both together");
        assert_eq!(next(0, Some(60 * SECOND), 0.5), Some(63 * SECOND));
        assert_eq!(next(0, Some(98 * SECOND), 1.0), Some(99 * SECOND), "chance alone fails no call");
        assert_eq!(policy.throttle_delay(100 * SECOND, 100 * SECOND), None);
        assert!(policy.throttle_delay(98 * SECOND, 100 * SECOND).is_some_and(|delay| delay <= 99 * SECOND));
        let random: std::collections::BTreeSet<_> = (0..100).map(|_| policy.jitter().to_bits()).collect();
        assert!(random.len() > 50);
        assert_eq!(policy.without_jitter().jitter(), 0.0);
    }

    #[test]
    fn the_next_delay_is_the_longer_of_backoff_and_retry_after() {
        let policy = RetryPolicy::default();
        let next = |backoff: u32, retry_after: Option<u32>| {
            let retry_after = retry_after.map(|seconds| seconds * SECOND);
            policy.next_delay(Some(backoff * SECOND), retry_after, 0.0, 100 * SECOND)
        };
        assert_eq!(next(5, None), Some(5 * SECOND));
        assert_eq!(next(5, Some(2)), Some(5 * SECOND));
        assert_eq!(next(5, Some(20)), Some(20 * SECOND));
        assert_eq!(next(5, Some(121)), None, "longer than allowed");
        assert_eq!(next(5, Some(100)), None, "longer than the time left");
        assert_eq!(policy.next_delay(None, None, 0.0, SECOND), None, "the retries are used up");
    }
}
