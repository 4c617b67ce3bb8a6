//! Keeps an access token until shortly before it expires, and sees to it that one request for a new
//! one is in flight at a time, however many calls wait for it.
//!
//! Each request runs as a task of its own, and the calls that wait subscribe to its outcome. So it goes
//! on when they leave: the response may bring the next refresh token, which comes only once.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument;

use crate::cloud::Cloud;
use crate::credential::sign_in::{is_refusal, no_token, out_of_time};
use crate::credential::{AccessToken, Issued, KEEP_TIMEOUT, Outcome, TokenRequest};
use crate::error::Error;
use crate::exchange::TURNS;
use crate::limits::Throttle;
use crate::retry::A_DAY;

/// How early a token is replaced, unless the caller says otherwise.
const REFRESH_BEFORE: Duration = Duration::from_secs(300);
/// For a token without expiry: far less than the hour that tokens live.
const LIFETIME_IF_UNKNOWN: Duration = Duration::from_secs(600);
/// How long calls wait for a new token while the old one is good.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long after a failed early refresh the old token is used without trying again.
const HOLD_OFF: Duration = Duration::from_secs(20);
/// How long a refusal is returned without asking again: repeated failures lock accounts.
const REFUSAL_KEPT: Duration = Duration::from_secs(10);

tokio::task_local! {
    /// The caches, by address, that wait for this task: it must not wait for one of them.
    static AWAITED_BY: Vec<usize>;
}

#[derive(Default)]
pub(crate) struct TokenCache {
    state: Arc<Mutex<State>>,
    pub(crate) refresh_before: Option<Duration>,
}

#[derive(Default)]
struct State {
    /// The first that asked: a refresh token is for one sign-in service, and a token for one API.
    cloud: Option<Cloud>,
    kept: Option<Kept>,
    pending: Option<Pending>,
    /// The sign-in service has asked to be left alone.
    throttle: Throttle,
    /// The sign-in service has refused for good, and until when that is not asked again.
    refusal: Option<(Instant, Error)>,
}

#[derive(Clone)]
struct Kept {
    token: AccessToken,
    expires: Instant,
    refresh_from: Instant,
}

/// A request that is in flight, to be awaited by any number of calls.
#[derive(Clone)]
struct Pending {
    outcome: watch::Receiver<Option<Outcome>>,
    began: Instant,
    /// When nobody waits for it any longer.
    ends: Instant,
}

impl TokenCache {
    /// The kept token, or the one that is being requested; `issue` is called if there is neither.
    pub(crate) async fn token<F>(&self, request: &TokenRequest, issue: impl FnOnce() -> F) -> Result<AccessToken, Error>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        if locked(&self.state).pending.as_ref().is_some_and(Pending::is_overdue) {
            // Its runtime may have stood still, and have the response to read.
            for _ in 0..2 * TURNS {
                tokio::task::yield_now().await;
            }
        }
        let (good, mut pending) = {
            let mut state = locked(&self.state);
            if *state.cloud.get_or_insert_with(|| request.cloud.clone()) != request.cloud {
                return Err(Error::config("the credential is in use for another cloud: make one for each cloud"));
            }
            let good = state.kept.clone().filter(|kept| Instant::now() < kept.expires);
            if let Some(kept) = good.as_ref().filter(|kept| Instant::now() < kept.refresh_from) {
                return Ok(kept.token.clone());
            }
            match self.join(&mut state, request, issue) {
                Ok(pending) => (good, pending),
                Err(error) => return good.map(|kept| kept.token).ok_or(error),
            }
        };
        let until = match good {
            Some(_) => (pending.began + PATIENCE).min(Instant::now() + request.time_left / 2),
            None => pending.ends,
        };
        let outcome = match tokio::time::timeout_at(until, pending.outcome.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or_else(|| Err(out_of_time())),
            Ok(Err(_)) => Err(no_token("the runtime that was signing in was shut down").retryable()),
            Err(_) => Err(out_of_time()),
        };
        // It may have expired in the meantime.
        let good = good.filter(|kept| Instant::now() < kept.expires);
        outcome.map(|issued| issued.token).or_else(|error| good.map(|kept| kept.token).ok_or(error))
    }

    /// Drops the token, if it is still the one that is kept.
    pub(crate) fn forget(&self, token: &AccessToken) {
        locked(&self.state).kept.take_if(|kept| kept.token == *token);
    }

    /// The request that is in flight, or a new one; an error if there must be none.
    fn join<F>(&self, state: &mut State, request: &TokenRequest, issue: impl FnOnce() -> F) -> Result<Pending, Error>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let id = Arc::as_ptr(&self.state).addr();
        let mut awaited_by = AWAITED_BY.try_with(Vec::clone).unwrap_or_default();
        if awaited_by.contains(&id) {
            return Err(no_token("called from a function that the sign-in itself waits for, such as on_refresh_token"));
        }
        awaited_by.push(id);
        if let Some((wait, error)) = state.throttle.holds() {
            return Err(Error::clone(&error).retrying_after(wait));
        }
        state.refusal.take_if(|(until, _)| *until <= Instant::now());
        if let Some((_, error)) = &state.refusal {
            return Err(error.clone());
        }
        if let Some(pending) = state.pending.as_ref().filter(|pending| pending.goes_on()) {
            return Ok(pending.clone());
        }
        let runtime = Handle::try_current().map_err(Error::outside_runtime)?;
        let (sender, outcome) = watch::channel(None);
        let began = Instant::now();
        let pending =
            Pending { outcome, began, ends: began + request.timeout() + KEEP_TIMEOUT + Duration::from_secs(1) };
        state.pending = Some(pending.clone());
        let issuing = AWAITED_BY.scope(awaited_by, AssertUnwindSafe(issue()).catch_unwind());
        let (shared, refresh_before) = (Arc::clone(&self.state), self.refresh_before.unwrap_or(REFRESH_BEFORE));
        let of_task = pending.clone();
        let task = async move {
            let outcome = issuing.await.unwrap_or_else(|_| Err(no_token("the sign-in panicked")));
            locked(&shared).settle(&of_task, &outcome, refresh_before);
            sender.send_replace(Some(outcome));
        };
        drop(runtime.spawn(task.in_current_span()));
        Ok(pending)
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Keeps the outcome of a request, unless another one has replaced it.
    fn settle(&mut self, request: &Pending, outcome: &Outcome, refresh_before: Duration) {
        if self.pending.take_if(|pending| pending.outcome.same_channel(&request.outcome)).is_none() {
            return;
        }
        match outcome {
            Ok(Issued { token, lifetime }) => {
                let lifetime = lifetime.unwrap_or(LIFETIME_IF_UNKNOWN).min(A_DAY);
                let expires = request.began + lifetime;
                // A token that lives shorter than that would be requested by every call.
                let refresh_from = expires - refresh_before.min(lifetime / 2);
                self.kept = Some(Kept { token: token.clone(), expires, refresh_from });
            }
            Err(error) => {
                let now = Instant::now();
                if let Some(kept) = self.kept.as_mut().filter(|kept| now < kept.expires) {
                    let error = error as &(dyn std::error::Error + 'static);
                    tracing::warn!(error, "cannot refresh the access token, which is still good");
                    kept.refresh_from = kept.refresh_from.max(now + HOLD_OFF);
                }
                if error.is_retryable() {
                    self.throttle.note(error);
                } else if is_refusal(error) {
                    self.refusal = Some((now + REFUSAL_KEPT, error.clone()));
                }
            }
        }
    }
}

impl Pending {
    fn is_overdue(&self) -> bool {
        self.ends <= Instant::now()
    }

    /// Its task may have been dropped with the runtime.
    fn goes_on(&self) -> bool {
        !self.is_overdue() && self.outcome.has_changed().is_ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
