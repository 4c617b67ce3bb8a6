//! The settings of a wait for an upload: when to request its status, and for how long.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::retry::{A_DAY, seconds};

/// How often to request the status of an upload until it has ended, and for how long.
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
/// let patient = Wait::default()
///     .intervals(seconds(30)..=seconds(120))
///     .at_most(seconds(6 * 3600));
/// ```
///
/// It can be read from a configuration file; missing settings have their defaults. Times are in seconds,
/// as a number that may have a fraction; `intervals` is the shortest and the longest interval.
///
/// ```
/// # use partner_center_devices::Wait;
/// # fn main() -> Result<(), serde_json::Error> {
/// let wait: Wait =
///     serde_json::from_str(r#"{ "intervals": [30, 120], "at_most": 21600 }"#)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wait {
    #[serde(deserialize_with = "seconds")]
    pub(crate) first_after: Duration,
    #[serde(deserialize_with = "range")]
    intervals: RangeInclusive<Duration>,
    #[serde(deserialize_with = "seconds")]
    pub(crate) at_most: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(crate) not_found_grace: Duration,
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
    /// How long to wait before the first request: default 5 seconds.
    ///
    /// ```
    /// let now = partner_center_devices::Wait::default()
    ///     .first_after(std::time::Duration::ZERO);
    /// ```
    #[must_use]
    pub fn first_after(mut self, delay: Duration) -> Self {
        self.first_after = delay;
        self
    }

    /// How long to wait between requests: from the shortest interval, growing by half each time, to the
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

    /// How long to wait in all: default one hour. The last request is made shortly before this limit,
    /// to leave time for it: 10 seconds, or a tenth of the limit if that is less. The wait ends with
    /// its response. With `Duration::ZERO`, one request is made immediately.
    ///
    /// ```
    /// let a_day = partner_center_devices::Wait::default()
    ///     .at_most(std::time::Duration::from_secs(86_400));
    /// ```
    #[must_use]
    pub fn at_most(mut self, limit: Duration) -> Self {
        self.at_most = limit;
        self
    }

    /// How long after the first request a 404 does not end the wait, if the service has never found the
    /// upload: default zero. Where uploads are created asynchronously, a new one may not be found
    /// for a moment. The wait goes on at its [intervals](Self::intervals), and ends with the 404 if
    /// the next request would be made after this time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let right_after_the_upload = partner_center_devices::Wait::default()
    ///     .not_found_grace(Duration::from_secs(30));
    /// ```
    #[must_use]
    pub fn not_found_grace(mut self, grace: Duration) -> Self {
        self.not_found_grace = grace;
        self
    }

    pub(crate) fn shortest_interval(&self) -> Duration {
        *self.intervals.start().min(self.intervals.end()).min(&A_DAY)
    }

    /// The interval after this one, longer by half.
    pub(crate) fn interval_after(&self, interval: Duration) -> Duration {
        // Nothing does not grow.
        let longer = interval.max(Duration::from_millis(1)).mul_f64(1.5);
        longer.min(*self.intervals.end()).min(A_DAY)
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    fn intervals(wait: &Wait) -> impl Iterator<Item = Duration> {
        iter::successors(Some(wait.shortest_interval()), |interval| Some(wait.interval_after(*interval)))
    }

    #[test]
    fn intervals_grow_by_half_from_5_to_30_seconds() {
        let seconds: Vec<_> = intervals(&Wait::default()).take(8).map(|interval| interval.as_secs_f64()).collect();
        assert_eq!(seconds, [5.0, 7.5, 11.25, 16.875, 25.3125, 30.0, 30.0, 30.0]);
    }

    #[test]
    fn intervals_without_end_and_from_nothing_do_no_harm() {
        let three = |range| intervals(&Wait::default().intervals(range)).take(3).collect::<Vec<_>>();
        assert_eq!(three(Duration::ZERO..=Duration::ZERO), [Duration::ZERO; 3]);
        for nothing in [Duration::ZERO, Duration::from_nanos(1)] {
            let wait = Wait::default().intervals(nothing..=Duration::from_secs(30));
            assert!(intervals(&wait).take_while(|interval| interval.as_secs() < 30).count() < 30, "they grow");
        }
        assert_eq!(three(Duration::MAX..=Duration::MAX), [Duration::from_secs(86_400); 3]);
        assert_eq!(three(Duration::from_secs(9)..=Duration::from_secs(2)), [Duration::from_secs(2); 3]);
    }

    #[test]
    fn the_first_request_is_after_5_seconds_and_the_last_after_an_hour() {
        let wait = Wait::default();
        assert_eq!((wait.first_after.as_secs(), wait.at_most.as_secs()), (5, 3600));
    }
}
