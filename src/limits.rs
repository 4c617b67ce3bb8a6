//! What the calls of one client, and of its clones, owe each other and the service: they share a
//! throttle, a budget for retries, and a bound on calls in flight.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tower::retry::budget::{Budget, TpsBudget};

use crate::error::Error;
use crate::retry::{Deadline, RetryPolicy, Throttle};

/// How long a call counts in the budget for retries.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// What all calls of a client share.
pub(crate) struct Fleet {
    /// A throttle is the partner's, not the call's.
    throttle: Mutex<Throttle>,
    budget: TpsBudget,
    in_flight: Option<Semaphore>,
}

/// Among the calls in flight, until it is dropped; without a bound on them, it is nothing.
pub(crate) type Place<'a> = Option<SemaphorePermit<'a>>;

impl Fleet {
    /// The share is of the calls in the last ten seconds; the floor is retries a second.
    pub(crate) fn new(share: f32, floor: u32, max_in_flight: Option<usize>) -> Result<Self, Error> {
        // Bounds of the budget itself, which panics beyond them.
        if !(0.0..=10.0).contains(&share) || floor > 1_000_000 {
            return Err(Error::config(
                "the retry budget takes a share from 0 to 10 and a floor of at most 1,000,000 a second",
            ));
        }
        if max_in_flight.is_some_and(|calls| calls == 0 || calls > Semaphore::MAX_PERMITS) {
            return Err(Error::config(format!(
                "the bound on calls in flight must be from 1 to {}",
                Semaphore::MAX_PERMITS
            )));
        }
        // The budget itself rounds the other way: of 0.7 it would make a retry for each call.
        let share = if share > 0.0 && share < 1.0 { 1.0 / (1.0 / share).ceil().min(1e6) } else { share };
        Ok(Self {
            throttle: Mutex::default(),
            budget: TpsBudget::new(BUDGET_WINDOW, floor, share),
            in_flight: max_in_flight.map(Semaphore::new),
        })
    }

    /// Counts a call, of whose number retries are a share.
    pub(crate) fn count_call(&self) {
        self.budget.deposit();
    }

    /// Whether the client as a whole may retry now.
    pub(crate) fn may_retry(&self) -> bool {
        self.budget.withdraw()
    }

    /// Lets a request through: with a place among those in flight, and while no throttle holds. Says
    /// whether it had to wait; fails at once if that would be in vain.
    pub(crate) async fn admit<'a>(
        &'a self,
        place: &mut Place<'a>,
        policy: &RetryPolicy,
        deadline: &Deadline,
    ) -> Result<bool, Error> {
        let mut has_waited = false;
        loop {
            while let Some((wait, error)) = self.throttle() {
                // A place is not held while waiting for a throttle to end.
                *place = None;
                has_waited = true;
                let Some(delay) = policy.throttle_delay(wait, deadline.left()) else {
                    return Err(Error::held_back(&error, wait));
                };
                tokio::time::sleep(delay).await;
            }
            let Some(places) = self.in_flight.as_ref().filter(|_| place.is_none()) else { return Ok(has_waited) };
            *place = places.try_acquire().ok();
            if place.is_none() {
                has_waited = true;
                // The semaphore is never closed, so there is no error to speak of.
                *place = deadline.bound(places.acquire()).await.ok_or_else(Error::out_of_time)?.ok();
            }
        }
    }

    /// Remembers a throttle for the other calls.
    pub(crate) fn note(&self, error: &Error) {
        if error.is_throttled() {
            self.throttle.lock().unwrap_or_else(PoisonError::into_inner).note(error);
        }
    }

    fn throttle(&self) -> Option<(Duration, Arc<Error>)> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner).holds()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_come_back_from_a_throttle_one_after_the_other() {
        let fleet = Fleet::new(0.2, 10, None).unwrap();
        fleet.throttle.lock().unwrap().note(&Error::credential("busy").retrying_after(Duration::from_secs(100)));
        let (policy, deadline) = (RetryPolicy::default(), Deadline::after(Duration::from_secs(180)));
        let began = tokio::time::Instant::now();
        let calls = (0..50).map(async |_| {
            fleet.admit(&mut None, &policy, &deadline).await.unwrap();
            began.elapsed().as_millis()
        });
        let mut waits = futures_util::future::join_all(calls).await;
        waits.sort_unstable();
        waits.dedup();
        assert!(waits[0] >= 100_000 && waits[waits.len() - 1] <= 110_001, "{waits:?}");
        assert!(waits.len() > 25, "{waits:?}");
    }
}
