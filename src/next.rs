//! What a call knows of its attempts, and the decision that follows each.

use std::time::Duration;

use http::Method;

use crate::client::PartnerCenter;
use crate::credential::AccessToken;
use crate::error::{Error, ErrorKind};
use crate::headers::CallIds;
use crate::limits::Permit;
use crate::retry::{Deadline, RetryPolicy};
use crate::transport::hardly_passes;

/// What one call carries from attempt to attempt.
pub(crate) struct Call<'c> {
    pub(crate) ids: CallIds,
    pub(crate) deadline: Deadline,
    retries: u32,
    pub(crate) attempts: u32,
    /// The method of the last request.
    pub(crate) method: Method,
    /// Kept for an attempt that follows at once.
    pub(crate) permit: Permit<'c>,
    /// The token of the last request.
    pub(crate) sent: Option<AccessToken>,
    /// A token that the service refused, and how: it is not sent again.
    pub(crate) refused: Option<(AccessToken, Error)>,
    /// Why the attempt before failed.
    pub(crate) last: Option<Error>,
}

impl Call<'_> {
    pub(crate) fn new(partner: &PartnerCenter) -> Self {
        let PartnerCenter { shared, context } = partner;
        Self {
            ids: context.ids(),
            deadline: Deadline::after(context.call_timeout_or(shared.call_timeout)),
            retries: 0,
            attempts: 0,
            method: Method::default(),
            permit: None,
            sent: None,
            refused: None,
            last: None,
        }
    }

    /// Tells of the attempt that failed and of the delay before the next.
    pub(crate) fn log_retry(&self, delay: Duration) {
        if let Some(reason) = &self.last {
            tracing::warn!(attempt = self.attempts, ?delay, %reason, "trying again");
        }
    }
}

/// What to do after an attempt.
#[derive(Debug)]
pub(crate) enum Next<T> {
    Done(Result<T, Error>),
    /// Try again with another token.
    Now,
    /// Try again after this delay.
    After(Duration),
}

/// Decides what follows an attempt. `chance` lengthens the delay, from 0 to 1; `may_retry` takes a retry
/// from the budget of the client.
pub(crate) fn next<T>(
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
    let backoff = policy.backoff(call.retries);
    call.retries += 1;
    let delay = policy.next_delay(backoff, error.retry_after(), chance, call.deadline.left());
    // Where all calls of the client are held back, the service has set the pace.
    match delay.filter(|_| error.holds_the_client() || may_retry()) {
        Some(delay) => {
            call.last = Some(error);
            Next::After(delay)
        }
        None => Next::Done(Err(error)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::header;

    use super::*;
    use crate::operation::Operation;
    use crate::outcome::classify;
    use crate::received::Received;
    use crate::redact::Secrets;

    const SECOND: Duration = Duration::from_secs(1);

    fn call() -> (Call<'static>, RetryPolicy) {
        let partner = PartnerCenter::builder(AccessToken::new("a-token")).build().unwrap();
        (Call::new(&partner), RetryPolicy::default().without_jitter())
    }

    fn service(status: u16, retry_after: Option<&'static str>) -> Error {
        let mut response = http::Response::builder().status(status);
        if let Some(wait) = retry_after {
            response = response.header(header::RETRY_AFTER, wait);
        }
        let received = Received::from(response.body(bytes::Bytes::new()).unwrap());
        let ids = crate::context::RequestContext::new().ids();
        classify::<()>(&Operation::of_schema("any"), Ok((received, Ok(()))), &Secrets::new([]), ids, 1).unwrap_err()
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
