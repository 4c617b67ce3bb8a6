//! What the calls of one client, and of its clones, owe each other and the service: they share a
//! throttle, a budget for retries, and a bound on calls in flight.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tower::retry::budget::{Budget, TpsBudget};

use crate::error::Error;
use crate::retry::RetryPolicy;
use crate::wire::Answer;

/// How long a call counts in the budget for retries.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// What all calls of a client share.
pub(crate) struct Fleet {
    throttle: Mutex<Option<Throttle>>,
    budget: TpsBudget,
    in_flight: Option<Semaphore>,
}

/// A throttle is the partner's, not the call's.
#[derive(Clone)]
struct Throttle {
    until: Instant,
    answer: Answer,
}

impl Fleet {
    /// The share is of the calls in the last ten seconds; the floor is retries a second.
    pub(crate) fn new(share: f32, floor: u32, max_in_flight: Option<usize>) -> Result<Self, Error> {
        // Bounds of the budget itself, which panics beyond them.
        if !(0.0..=10.0).contains(&share) || floor > 1_000_000 {
            return Err(Error::config("the retry budget is beyond a share of 10 or a floor of a million"));
        }
        if max_in_flight.is_some_and(|calls| calls == 0 || calls > Semaphore::MAX_PERMITS) {
            return Err(Error::config("the bound on calls in flight lets no call through, or has no bound"));
        }
        Ok(Self {
            throttle: Mutex::new(None),
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

    /// Waits for a place among the calls in flight; it is free again when the permit is dropped.
    pub(crate) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed, so there is no error to speak of.
        self.in_flight.as_ref()?.acquire().await.ok()
    }

    /// Waits out a throttle that another call met, or fails at once if that would be in vain.
    pub(crate) async fn wait_out_throttle(
        &self,
        policy: &RetryPolicy,
        time_left: impl Fn() -> Duration,
    ) -> Result<(), Error> {
        while let Some(Throttle { until, answer }) = self.throttle() {
            let wait = until.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                break;
            }
            if !policy.is_worth_waiting(wait, time_left()) {
                return Err(Error::held_back(answer, wait));
            }
            tokio::time::sleep(wait.saturating_add(policy.spread(wait))).await;
        }
        Ok(())
    }

    /// Remembers a throttle for the other calls.
    pub(crate) fn note(&self, error: &Error) {
        let (true, Some(wait), Some(answer)) = (error.is_throttled(), error.retry_after(), error.answer()) else {
            return;
        };
        let Some(until) = Instant::now().checked_add(wait) else { return };
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        if throttle.as_ref().is_none_or(|known| known.until < until) {
            *throttle = Some(Throttle { until, answer: answer.clone() });
        }
    }

    fn throttle(&self) -> Option<Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
