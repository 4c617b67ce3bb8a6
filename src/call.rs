//! The send loop, through which every call goes.

use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use reqwest::Request;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tracing::Instrument;

use crate::client::PartnerCenter;
use crate::credential::{AccessToken, TokenRequest, out_of_time};
use crate::error::Error;
use crate::exchange::{after, receive};
use crate::generated;
use crate::headers::CallIds;
use crate::limits;
use crate::next::{Call, Next, next};
use crate::operation::{Operation, prepare};
use crate::outcome::classify;
use crate::redact::Secrets;
use crate::response::Response;
use crate::trace;

impl PartnerCenter {
    /// Calls the operation of the specification with this ID, which the generated client prepares.
    pub(crate) async fn send<T, F, Fut>(&self, id: &'static str, run: F) -> Result<Response<T>, Error>
    where
        T: DeserializeOwned,
        F: Fn(generated::Client) -> Fut,
        Fut: Future<Output = Result<generated::ResponseValue<T>, generated::Error>>,
    {
        self.send_request(&Operation::documented(id)?, || prepare(&self.shared, &run)).await
    }

    /// Sends one call: attempt after attempt, until one ends it. Each prepares its request, which costs less than
    /// keeping a copy for attempts that are hardly ever needed.
    pub(crate) async fn send_request<T>(
        &self,
        operation: &Operation<T>,
        prepare: impl Fn() -> Result<Request, Error>,
    ) -> Result<Response<T>, Error> {
        Handle::try_current().map_err(Error::outside_runtime)?;
        let (limits, policy) = (&self.shared.limits, &self.shared.retry);
        let mut call = Call::new(self);
        let span = trace::call(operation.name, operation.url_template, call.ids);
        let attempts = async {
            limits.count_call();
            loop {
                let outcome = self.attempt(operation, &mut call, &prepare).await;
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
            let sent = (call.attempts > 0).then(&prepare).and_then(Result::ok);
            error.of_call(call.ids, call.attempts).at(sent.as_ref().map(Request::url))
        });
        span.record("partner_center.attempts", call.attempts);
        trace::record(&span, &outcome);
        outcome
    }

    /// One attempt: the request, admission, and what comes of it.
    async fn attempt<'c, T>(
        &'c self,
        operation: &Operation<T>,
        call: &mut Call<'c>,
        prepare: &impl Fn() -> Result<Request, Error>,
    ) -> Result<Response<T>, Error> {
        let shared = &self.shared;
        let (token, span, response, end) = {
            let mut request = prepare()?;
            self.write_headers(call.ids, request.headers_mut())?;
            let token = self.admit(call).await?;
            request.headers_mut().insert(AUTHORIZATION, token.authorization()?);
            // Only now is it known that there is another token.
            if call.last.as_ref().is_some_and(Error::refuses_token) {
                call.log_retry(Duration::ZERO);
            }
            let timeout = shared.attempt_timeout.min(call.deadline.left());
            if timeout.is_zero() {
                return Err(limits::out_of_time());
            }
            call.method = request.method().clone();
            call.attempts += 1;
            let span = trace::request(&request, operation.url_template, call.attempts);
            // Here, because a future that sends it would keep room for the request to its end.
            let response = span.in_scope(|| shared.http.execute(request));
            (token, span, response, after(timeout))
        };
        let exchanged = receive(response, shared.max_body_size, end).instrument(span.clone()).await;
        let refused = call.refused.iter().map(|(refused, _)| refused);
        let secrets = Secrets::new(refused.chain([&token]).map(AccessToken::expose));
        let outcome = classify(operation, exchanged, &secrets, call.ids, call.attempts);
        call.sent = Some(token);
        span.in_scope(|| trace::log_attempt(call.attempts, &outcome));
        trace::record(&span, &outcome);
        if let Err(error) = &outcome {
            shared.limits.note(error);
        }
        outcome
    }

    /// Writes the headers of the client and of the context over those of the request.
    fn write_headers(&self, ids: CallIds, headers: &mut HeaderMap) -> Result<(), Error> {
        // Room for the IDs and the token, too: each growth would copy all of them.
        headers.reserve(self.shared.headers.len() + 3);
        self.shared.headers.keys().for_each(|name| _ = headers.remove(name));
        headers.extend(self.shared.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.context.write_headers(headers)?;
        ids.write(headers);
        Ok(())
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
