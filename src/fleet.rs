//! What the calls of one client, and of its clones, owe each other and the service: they share a
//! throttle, a budget for retries, and a bound on calls in flight.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tower::retry::budget::{Budget, TpsBudget};

use crate::error::Error;
use crate::retry::{Deadline, RetryPolicy};

/// How long a call counts in the budget for retries.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// A single answer with a wrong date must not silence a client for good.
const LONGEST_THROTTLE: Duration = Duration::from_secs(3600);

/// What all calls of a client share.
pub(crate) struct Fleet {
    /// A throttle is the partner's, not the call's.
    throttle: Mutex<Throttle>,
    budget: TpsBudget,
    in_flight: Option<Semaphore>,
}

/// Among the calls in flight, until it is dropped; without a bound on them, it is nothing.
pub(crate) type Place<'a> = Option<SemaphorePermit<'a>>;

/// An answer that asked to be left alone, until its wait is over.
#[derive(Default)]
pub(crate) struct Throttle(Option<(Instant, Arc<Error>)>);

impl Throttle {
    /// Remembers this error for as long as it asks to wait, unless a longer wait is known.
    pub(crate) fn note(&mut self, error: &Error) {
        let Some(wait) = error.retry_after().filter(|wait| !wait.is_zero()) else { return };
        let until = Instant::now() + wait.min(LONGEST_THROTTLE);
        if self.0.as_ref().is_none_or(|(known, _)| *known < until) {
            self.0 = Some((until, Arc::new(error.clone())));
        }
    }

    /// The error, and what is left of its wait.
    pub(crate) fn holds(&mut self) -> Option<(Duration, Arc<Error>)> {
        let now = Instant::now();
        self.0.take_if(|(until, _)| *until <= now);
        self.0.as_ref().map(|(until, error)| (*until - now, Arc::clone(error)))
    }
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

    /// Lets a request through that need not wait.
    pub(crate) fn admit_now(&self) -> Option<Place<'_>> {
        if self.is_throttled() {
            return None;
        }
        self.in_flight.as_ref().map(Semaphore::try_acquire).transpose().ok()
    }

    /// Lets a request through: once no throttle holds, and with a place among those in flight. Fails at
    /// once if waiting would be in vain.
    pub(crate) async fn admit(&self, policy: &RetryPolicy, deadline: &Deadline) -> Result<Place<'_>, Error> {
        loop {
            // A place is not held while waiting for a throttle to end.
            while let Some((wait, error)) = self.throttle() {
                let Some(delay) = policy.throttle_delay(wait, deadline.left()) else {
                    return Err(Error::held_back(&error, wait));
                };
                tokio::time::sleep(delay).await;
            }
            let Some(places) = &self.in_flight else { return Ok(None) };
            let place = deadline.bound(places.acquire()).await.ok_or_else(Error::out_of_time)?;
            if !self.is_throttled() {
                // The semaphore is never closed, so there is no error to speak of.
                return Ok(place.ok());
            }
        }
    }

    /// Remembers a throttle for the other calls.
    pub(crate) fn note(&self, error: &Error) {
        if error.is_throttled() {
            self.throttle.lock().unwrap_or_else(PoisonError::into_inner).note(error);
        }
    }

    pub(crate) fn is_throttled(&self) -> bool {
        self.throttle().is_some()
    }

    fn throttle(&self) -> Option<(Duration, Arc<Error>)> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner).holds()
    }
}
