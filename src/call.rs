//! The send loop, through which every call goes, and its decision what to do after an attempt.

use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBackoff;
use http::{HeaderMap, Method, header};
use tokio::runtime::Handle;
use tracing::Instrument;
use url::Url;

use crate::attempt::{Attempt, Exchange};
use crate::client::PartnerCenter;
use crate::credential::{AccessToken, TokenRequest, out_of_time};
use crate::error::{Error, ErrorKind};
use crate::generated;
use crate::headers::CallIds;
use crate::limits::{self, Permit};
use crate::outcome::classify;
use crate::response::Response;
use crate::retry::{Deadline, RetryPolicy};
use crate::trace;
use crate::transport::hardly_passes;

/// What one call carries from attempt to attempt.
struct Call<'c> {
    operation: &'static str,
    ids: CallIds,
    /// Those of every attempt.
    headers: HeaderMap,
    deadline: Deadline,
    backoffs: ExponentialBackoff,
    attempts: u32,
    /// The method of the last request.
    method: Method,
    /// Of the last request, without query.
    url: Option<Url>,
    /// Kept for an attempt that follows at once.
    permit: Permit<'c>,
    /// The token of the last request.
    sent: Option<AccessToken>,
    /// A token that the service refused, and how: it is not sent again.
    refused: Option<(AccessToken, Error)>,
    /// Why the attempt before failed.
    last: Option<Error>,
}

impl Call<'_> {
    fn new(operation: &'static str, partner: &PartnerCenter) -> Result<Self, Error> {
        let PartnerCenter { shared, context } = partner;
        let ids = context.ids();
        let mut headers = shared.headers.clone();
        context.write_locale(&mut headers)?;
        ids.write(&mut headers);
        Ok(Self {
            operation,
            ids,
            headers,
            deadline: Deadline::after(context.call_timeout_or(shared.call_timeout)),
            backoffs: shared.retry.backoffs(),
            attempts: 0,
            method: Method::default(),
            url: None,
            permit: None,
            sent: None,
            refused: None,
            last: None,
        })
    }
}

/// What to do after an attempt.
#[derive(Debug)]
enum Next<T> {
    Done(Result<T, Error>),
    /// Try again with another token.
    Now,
    /// Try again after this delay.
    After(Duration),
}

/// Decides what follows an attempt. `chance` lengthens the delay, from 0 to 1; `may_retry` takes a retry
/// from the budget of the client.
fn next<T>(
    call: &mut Call<'_>,
    outcome: Result<T, Error>,
    policy: &RetryPolicy,
    chance: f64,
    may_retry: impl FnOnce() -> bool,
) -> Next<T> {
    let sent = call.sent.take();
    let error = match outcome {
        Ok(response) => return Next::Done(Ok(response)),
        Err(error) => error,
    };
    // Once: if the service refuses a fresh token too, the reason is another.
    if let Some(token) = sent.filter(|_| error.refuses_token() && call.refused.is_none()) {
        call.refused = Some((token, error.clone()));
        call.last = Some(error);
        return Next::Now;
    }
    let is_sign_in = error.kind() == ErrorKind::Credential;
    let error = match &call.refused {
        Some((_, refusal)) if is_sign_in => error.or_caused_by(refusal),
        _ => error,
    };
    let is_hopeless = hardly_passes(&error) && call.last.as_ref().is_some_and(hardly_passes);
    if is_hopeless || !error.is_retryable() || !(call.method.is_idempotent() || error.had_no_effect()) {
        return Next::Done(Err(error));
    }
    // Calls that wait for the same sign-in come back together, and share the next one.
    let chance = if is_sign_in { 0.0 } else { chance };
    let delay = policy.next_delay(call.backoffs.next(), error.retry_after(), chance, call.deadline.left());
    // Where all calls of the client are held back, the service has set the pace.
    match delay.filter(|_| error.holds_the_client() || may_retry()) {
        Some(delay) => {
            call.last = Some(error);
            Next::After(delay)
        }
        None => Next::Done(Err(error)),
    }
}

impl PartnerCenter {
    /// Sends one call: attempt after attempt, until one ends it.
    pub(crate) async fn send<T, F, Fut>(&self, operation: &'static str, run: F) -> Result<Response<T>, Error>
    where
        F: Fn(generated::Client) -> Fut,
        Fut: Future<Output = Result<generated::ResponseValue<T>, generated::Error>>,
    {
        in_runtime()?;
        let (limits, policy) = (&self.shared.limits, &self.shared.retry);
        let mut call = Call::new(operation, self)?;
        let span = trace::span(&self.shared.base_url, call.ids);
        let attempts = async {
            limits.count_call();
            loop {
                let outcome = self.attempt(&mut call, &span, &run).await;
                match next(&mut call, outcome, policy, policy.jitter(), || limits.may_retry()) {
                    Next::Done(outcome) => return outcome,
                    Next::Now => {
                        call.refused.iter().for_each(|(token, _)| self.shared.credential.refused(token));
                    }
                    Next::After(delay) => {
                        call.permit = None;
                        tokio::time::sleep(delay).await;
                    }
                }
            }
        };
        let outcome = attempts.instrument(span.clone()).await;
        let outcome = outcome.map_err(|error| {
            let error = if error.is_timeout() { error.after(call.last) } else { error };
            error.of_call(call.ids, call.attempts).at(call.url)
        });
        trace::record(&span, call.attempts, &outcome);
        outcome
    }

    /// One attempt: admission, the headers, the generated operation, and what its outcome means.
    async fn attempt<'c, T, F, Fut>(
        &'c self,
        call: &mut Call<'c>,
        span: &tracing::Span,
        run: &F,
    ) -> Result<Response<T>, Error>
    where
        F: Fn(generated::Client) -> Fut,
        Fut: Future<Output = Result<generated::ResponseValue<T>, generated::Error>>,
    {
        let shared = &self.shared;
        let token = self.admit(call).await?;
        let timeout = shared.attempt_timeout.min(call.deadline.left());
        if timeout.is_zero() {
            return Err(limits::out_of_time());
        }
        let mut headers = call.headers.clone();
        headers.insert(header::AUTHORIZATION, token.authorization()?);

        let attempt = Attempt {
            span: span.clone(),
            operation: call.operation,
            headers,
            timeout,
            body_limit: shared.max_body_size,
            exchange: Arc::default(),
        };
        let base_url = shared.base_url.as_str().trim_end_matches('/');
        let client = generated::Client::new_with_client(base_url, shared.http.clone(), attempt.clone());
        call.attempts += 1;
        let result = run(client).await;
        let Exchange { method, url, received } = attempt.take_exchange();
        call.method = method;
        call.url = url.or(call.url.take());
        let refused = call.refused.iter().map(|(refused, _)| refused);
        let tokens: Vec<_> = refused.chain([&token]).map(AccessToken::expose).collect();
        let outcome = classify(result, received, &tokens).map(|(body, unreadable, received)| Response {
            body,
            unreadable,
            received,
            ids: call.ids,
            attempts: call.attempts,
        });
        call.sent = Some(token);
        trace::log_attempt(call.attempts, &outcome);
        if let Err(error) = &outcome {
            shared.limits.note(error);
        }
        outcome
    }

    /// Waits for a permit and a token, with no throttle in force when both are there.
    async fn admit<'c>(&'c self, call: &mut Call<'c>) -> Result<AccessToken, Error> {
        let limits = &self.shared.limits;
        loop {
            let held_back = |error: Error| error.after(call.last.clone());
            limits.wait_out_throttle(&self.shared.retry, &call.deadline).await.map_err(held_back)?;
            if call.permit.is_none() {
                call.permit = limits.permit(&call.deadline).await?;
            }
            let token = self.token(call).await?;
            if !limits.is_throttled() {
                return Ok(token);
            }
            call.permit = None;
        }
    }

    /// A token that the service has not refused in this call.
    async fn token(&self, call: &Call<'_>) -> Result<AccessToken, Error> {
        let shared = &self.shared;
        let (cloud, http) = (shared.cloud.clone(), shared.http.clone());
        let (attempt_timeout, time_left) = (shared.attempt_timeout, call.deadline.left());
        let request = TokenRequest { cloud, http, attempt_timeout, time_left };
        let token = call.deadline.bound(shared.credential.token(&request)).await;
        match (token.unwrap_or_else(|| Err(out_of_time())), &call.refused) {
            (Ok(token), Some((refused, refusal))) if *refused == token => Err(refusal.clone()),
            (token, _) => token,
        }
    }
}

/// Without a runtime, its timers and sockets panic.
pub(crate) fn in_runtime() -> Result<(), Error> {
    Handle::try_current().map(|_| ()).map_err(|_| {
        Error::config("must be called within a tokio runtime (use #[tokio::main], or the feature blocking)")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::received::Received;

    const SECOND: Duration = Duration::from_secs(1);

    fn call() -> (Call<'static>, RetryPolicy) {
        let partner = PartnerCenter::builder(AccessToken::new("a-token")).build().unwrap();
        (Call::new("get", &partner).unwrap(), RetryPolicy::default().without_jitter())
    }

    fn service(status: u16, retry_after: Option<&'static str>) -> Error {
        let mut response = http::Response::builder().status(status);
        if let Some(wait) = retry_after {
            response = response.header(header::RETRY_AFTER, wait);
        }
        let (head, body) = response.body(bytes::Bytes::new()).unwrap().into_parts();
        let received =
            Received { status: head.status, headers: head.headers, body, over_bounds: false, undecoded: None };
        classify::<()>(Err(generated::Error::Custom(String::new())), Some(received), &[]).unwrap_err()
    }

    fn decide(call: &mut Call<'_>, policy: &RetryPolicy, error: Error, may_retry: bool) -> Next<()> {
        next(call, Err(error), policy, 0.0, || may_retry)
    }

    #[test]
    fn a_success_ends_the_call_and_so_does_what_cannot_pass() {
        let (mut call, policy) = call();
        assert!(matches!(next(&mut call, Ok(7), &policy, 0.0, || true), Next::Done(Ok(7))));
        assert!(matches!(decide(&mut call, &policy, service(404, None), true), Next::Done(Err(_))));
    }

    #[test]
    fn what_may_pass_is_tried_again_after_growing_delays_until_the_retries_are_used_up() {
        let (mut call, policy) = call();
        for milliseconds in [500, 1000, 2000] {
            let next = decide(&mut call, &policy, service(500, None), true);
            assert!(matches!(next, Next::After(delay) if delay.as_millis() == milliseconds), "{next:?}");
        }
        assert!(matches!(decide(&mut call, &policy, service(500, None), true), Next::Done(Err(_))));
        assert!(call.last.is_some());
    }

    #[test]
    fn a_401_is_tried_again_at_once_with_another_token_and_only_once() {
        let (mut call, policy) = call();
        call.sent = Some(AccessToken::new("a-token"));
        assert!(matches!(decide(&mut call, &policy, service(401, None), false), Next::Now));
        assert!(call.refused.as_ref().is_some_and(|(token, _)| token.expose() == "a-token"));
        call.sent = Some(AccessToken::new("another"));
        assert!(matches!(decide(&mut call, &policy, service(401, None), true), Next::Done(Err(_))));
    }

    #[test]
    fn a_sign_in_that_fails_after_a_401_says_why_there_was_one() {
        let (mut call, policy) = call();
        call.sent = Some(AccessToken::new("a-token"));
        decide(&mut call, &policy, service(401, None), true);
        let Next::Done(Err(error)) = decide(&mut call, &policy, Error::new(ErrorKind::Credential, "none"), true) else {
            panic!("there is no other token");
        };
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("401"));
        let Next::Done(Err(error)) = decide(&mut call, &policy, Error::credential("the vault is sealed"), true) else {
            panic!("there is no other token");
        };
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the vault is sealed");
    }

    #[test]
    fn a_request_that_may_have_changed_something_is_not_repeated() {
        let (mut call, policy) = call();
        call.method = Method::POST;
        for (status, retry_after) in [(500, None), (502, Some("1")), (503, None)] {
            let next = decide(&mut call, &policy, service(status, retry_after), true);
            assert!(matches!(next, Next::Done(Err(_))), "{status}: {next:?}");
        }
        // These say that it was not done.
        assert!(matches!(decide(&mut call, &policy, service(429, None), true), Next::After(_)));
        assert!(
            matches!(decide(&mut call, &policy, service(503, Some("9")), true), Next::After(wait) if wait == 9 * SECOND)
        );
    }

    #[test]
    fn without_budget_only_those_retries_go_on_that_the_service_paces() {
        for (error, goes_on) in [
            (service(503, None), false),
            (service(429, None), false),
            (service(500, Some("1")), false),
            (service(429, Some("1")), true),
            (service(503, Some("1")), true),
            (Error::credential("busy").retryable(), false),
        ] {
            let (mut call, policy) = call();
            let text = error.to_string();
            assert_eq!(matches!(decide(&mut call, &policy, error, false), Next::After(_)), goes_on, "{text}");
        }
    }

    #[test]
    fn calls_that_wait_for_the_same_sign_in_come_back_together() {
        let (mut call, policy) = call();
        let next = next::<()>(&mut call, Err(Error::credential("busy").retryable()), &policy, 1.0, || true);
        assert!(matches!(next, Next::After(delay) if delay.as_millis() == 500), "{next:?}");
    }
}
