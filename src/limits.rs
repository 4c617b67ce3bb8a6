//! What the calls of one client and of its clones share: a throttle, a budget for retries, and a limit on
//! calls in flight.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tower::retry::budget::{Budget, TpsBudget};

use crate::error::{Error, ErrorKind};
use crate::retry::{Deadline, RetryPolicy};

/// How long a call counts in the budget for retries.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// A single response with a wrong date must not silence a client for good.
const LONGEST_THROTTLE: Duration = Duration::from_secs(3600);

/// A response that asked the client to wait, until that time is over.
#[derive(Default)]
pub(crate) struct Throttle {
    hold: Option<(Instant, Arc<Error>)>,
    /// Whether it is logged that this hold keeps calls back.
    is_logged: bool,
}

impl Throttle {
    /// Remembers this error for as long as it asks to wait, unless a longer wait is known.
    pub(crate) fn note(&mut self, error: &Error) {
        let Some(wait) = error.retry_after().filter(|wait| !wait.is_zero()) else { return };
        let wait = wait.min(LONGEST_THROTTLE);
        let hold = self.holds();
        self.is_logged &= hold.is_some();
        if hold.is_none_or(|(left, _)| left < wait) {
            self.hold = Some((Instant::now() + wait, Arc::new(error.clone())));
        }
    }

    /// The error, and what is left of its wait.
    pub(crate) fn holds(&mut self) -> Option<(Duration, Arc<Error>)> {
        let now = Instant::now();
        self.hold.take_if(|(until, _)| *until <= now);
        self.hold.as_ref().map(|(until, error)| (*until - now, Arc::clone(error)))
    }
}

/// What all calls of a client share.
pub(crate) struct Limits {
    /// A throttle is the partner's, not the call's.
    throttle: Mutex<Throttle>,
    budget: TpsBudget,
    in_flight: Option<Semaphore>,
}

/// A slot among the calls in flight, released on drop; `None` when there is no limit.
pub(crate) type Permit<'a> = Option<SemaphorePermit<'a>>;

impl Limits {
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

    /// A permit for one request, within the time of its call.
    pub(crate) async fn permit(&self, deadline: &Deadline) -> Result<Permit<'_>, Error> {
        let Some(permits) = &self.in_flight else { return Ok(None) };
        // The semaphore is never closed.
        Ok(deadline.bound(permits.acquire()).await.ok_or_else(out_of_time)?.ok())
    }

    /// Sleeps until no throttle is in force; fails at once if that is longer than the policy allows, or
    /// than the call has time.
    pub(crate) async fn wait_out_throttle(&self, policy: &RetryPolicy, deadline: &Deadline) -> Result<(), Error> {
        let throttle = || self.throttle().holds();
        while let Some((wait, reason)) = throttle() {
            if !mem::replace(&mut self.throttle().is_logged, true) {
                tracing::warn!(?wait, %reason, "the service is throttling this client: calls are held back");
            }
            let delay = policy.throttle_delay(wait, deadline.left());
            tokio::time::sleep(delay.ok_or_else(|| held_back(&reason, wait))?).await;
        }
        Ok(())
    }

    pub(crate) fn is_throttled(&self) -> bool {
        self.throttle().holds().is_some()
    }

    /// Remembers a throttle for the other calls.
    pub(crate) fn note(&self, error: &Error) {
        if error.holds_the_client() {
            self.throttle().note(error);
        }
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The call is not sent because the service throttles the client, for this much longer.
fn held_back(throttle: &Error, wait: Duration) -> Error {
    let message = "not sent: the service is throttling this client; an earlier call got";
    throttle.clone().with_message(message).retrying_after(wait)
}

/// The time of the whole call ran out.
pub(crate) fn out_of_time() -> Error {
    Error::new(ErrorKind::Transport, "the call did not finish within its time").timeout()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_come_back_from_a_throttle_one_after_the_other() {
        let limits = Limits::new(0.2, 10, None).unwrap();
        limits.throttle().note(&Error::credential("busy").retrying_after(Duration::from_secs(100)));
        let (policy, deadline) = (RetryPolicy::default(), Deadline::after(Duration::from_secs(180)));
        let began = tokio::time::Instant::now();
        let calls = (0..50).map(async |_| {
            limits.wait_out_throttle(&policy, &deadline).await.unwrap();
            began.elapsed().as_millis()
        });
        let mut waits = futures_util::future::join_all(calls).await;
        waits.sort_unstable();
        waits.dedup();
        assert!(waits[0] >= 100_000 && waits[waits.len() - 1] <= 110_001, "{waits:?}");
        assert!(waits.len() > 25, "{waits:?}");
    }
}
