//! The send loop, through which every call goes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header;
use tokio::runtime::Handle;
use tracing::Instrument;

use crate::attempt::{Attempt, Exchange};
use crate::client::PartnerCenter;
use crate::credential::{AccessToken, TokenRequest, out_of_time};
use crate::error::Error;
use crate::generated;
use crate::limits;
use crate::next::{Call, Next, next};
use crate::outcome::classify;
use crate::redact::Secrets;
use crate::response::Response;
use crate::trace;

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
        let span = trace::call(operation, call.url_template, call.ids);
        let attempts = async {
            limits.count_call();
            loop {
                let outcome = self.attempt(&mut call, &run).await;
                match next(&mut call, outcome, policy, policy.jitter(), || limits.may_retry()) {
                    Next::Done(outcome) => return outcome,
                    Next::Now => {
                        call.refused.iter().for_each(|(token, _)| self.shared.credential.refused(token));
                    }
                    Next::After(delay) => {
                        call.log_retry(delay);
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
        span.record("partner_center.attempts", call.attempts);
        trace::record(&span, &outcome);
        outcome
    }

    /// One attempt: admission, the headers, the generated operation, and what its outcome means.
    async fn attempt<'c, T, F, Fut>(&'c self, call: &mut Call<'c>, run: &F) -> Result<Response<T>, Error>
    where
        F: Fn(generated::Client) -> Fut,
        Fut: Future<Output = Result<generated::ResponseValue<T>, generated::Error>>,
    {
        let shared = &self.shared;
        let token = self.admit(call).await?;
        // Only now is it known that there is another token.
        if call.last.as_ref().is_some_and(Error::refuses_token) {
            call.log_retry(Duration::ZERO);
        }
        let timeout = shared.attempt_timeout.min(call.deadline.left());
        if timeout.is_zero() {
            return Err(limits::out_of_time());
        }
        let mut headers = call.headers.clone();
        headers.insert(header::AUTHORIZATION, token.authorization()?);

        call.attempts += 1;
        let attempt = Attempt {
            number: call.attempts,
            url_template: call.url_template,
            timeout,
            body_limit: shared.max_body_size,
            exchange: Arc::new(Mutex::new(Exchange::of(headers))),
        };
        let base_url = shared.base_url.as_str().trim_end_matches('/');
        let client = generated::Client::new_with_client(base_url, shared.http.clone(), attempt.clone());
        let result = run(client).await;
        let Exchange { span, method, url, received, .. } = attempt.take_exchange();
        call.method = method;
        call.url = url.or(call.url.take());
        let refused = call.refused.iter().map(|(refused, _)| refused);
        let secrets = Secrets::new(refused.chain([&token]).map(AccessToken::expose));
        let outcome = classify(result, received, &secrets).map(|(body, unreadable, received)| Response {
            body,
            unreadable,
            received,
            ids: call.ids,
            attempts: call.attempts,
        });
        call.sent = Some(token);
        span.in_scope(|| trace::log_attempt(call.attempts, &outcome));
        trace::record(&span, &outcome);
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
