//! One request on the wire and the response to it: whole, within a bound and a time.

use std::mem;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use reqwest::Response;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use crate::content_coding::{Coding, Decoder};
use crate::received::{Received, without_mark};
use crate::retry::A_DAY;

/// How many objects a response may have whatever the bound is.
const MOST_OBJECTS_OF_ANY: usize = 10_000;

/// How many turns an exchange gets after its time has passed.
pub(crate) const TURNS: usize = 32;

/// Why there is no response, or no more of it.
#[derive(Debug)]
pub(crate) enum Lost {
    Broken(reqwest::Error),
    TimedOut,
}

/// Why the body of a response is of no use.
#[derive(Debug)]
pub(crate) enum Failure {
    Lost(Lost),
    /// It is larger than the bound, or has too many objects.
    TooLarge,
    /// It cannot be decompressed, for this reason.
    Undecodable(String),
}

/// What came of a request: the response as far as it came, and how that ended.
pub(crate) type Exchanged = Result<(Received, Result<(), Failure>), Lost>;

/// Reads a response whole, within the bound, before `end`.
pub(crate) async fn receive(
    response: impl Future<Output = reqwest::Result<Response>>,
    limit: usize,
    end: Instant,
) -> Exchanged {
    let mut turns = TURNS;
    let response = until(end, &mut turns, response).await;
    let mut response = response.ok_or(Lost::TimedOut)?.map_err(Lost::Broken)?;
    let (status, headers) = (response.status(), mem::take(response.headers_mut()));
    let mut received = Received { status, headers, body: Bytes::new() };
    let ended = read_body(&mut response, limit, (end, &mut turns), &mut received).await;
    Ok((received, ended))
}

/// When an exchange that begins now has to have ended.
pub(crate) fn after(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(A_DAY)
}

/// Runs this until `end`; `None` if it is not done by then. What has arrived by then still counts: the runtime may
/// have stood still for longer, and gets to its timers before its sockets. So there are a few turns more.
pub(crate) async fn until<T>(end: Instant, turns: &mut usize, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    if Instant::now() < end
        && let Ok(done) = timeout_at(end, &mut work).await
    {
        return Some(done);
    }
    while *turns > 0 {
        *turns -= 1;
        yield_now().await;
        if let Some(done) = work.as_mut().now_or_never() {
            return Some(done);
        }
    }
    None
}

/// Reads the body into `received`, without its coding; as far as it came, if it breaks off.
async fn read_body(
    response: &mut Response,
    limit: usize,
    (end, turns): (Instant, &mut usize),
    received: &mut Received,
) -> Result<(), Failure> {
    let coding = Coding::of(&received.headers).map_err(Failure::Undecodable)?;
    let length = response.content_length().and_then(|length| usize::try_from(length).ok());
    if length.is_some_and(|length| length > limit) {
        return Err(Failure::TooLarge);
    }
    let mut decoder = Decoder::new(coding, length.unwrap_or_default(), limit);
    // A body without coding that came in one piece: kept as it is.
    let mut whole = Bytes::new();
    let mut written = Ok(());
    let lost = loop {
        match until(end, turns, response.chunk()).await {
            // Not the end: HTTP/2 resets a stream whose end is not read.
            Some(Ok(Some(chunk))) if coding == Coding::Identity && length == Some(chunk.len()) => whole = chunk,
            Some(Ok(Some(chunk))) => (decoder, written) = decoder.write(&chunk),
            Some(Ok(None)) => break None,
            Some(Err(error)) => break Some(Lost::Broken(error)),
            None => break Some(Lost::TimedOut),
        }
        if written.is_err() {
            break None;
        }
    };
    let (body, finished) = decoder.finish();
    let bytes = if whole.is_empty() { body.bytes.into() } else { whole };
    // An object of three bytes can become half a kilobyte of memory. Braces within texts count, too.
    let most = MOST_OBJECTS_OF_ANY + limit / 64;
    let has_too_many = || bytes.len() / 3 > most && memchr::memchr_iter(b'{', &bytes).count() > most;
    if body.is_over || has_too_many() {
        return Err(Failure::TooLarge);
    }
    received.body = bytes.slice_ref(without_mark(&bytes));
    if let Some(lost) = lost {
        return Err(Failure::Lost(lost));
    }
    written.and(finished).map_err(|_| Failure::Undecodable(format!("it is not valid {}", coding.name())))?;
    if coding != Coding::Identity {
        received.headers.remove(CONTENT_ENCODING);
        received.headers.insert(CONTENT_LENGTH, bytes.len().into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_arrived_while_the_runtime_stood_still_counts_although_its_time_is_over() {
        let (sender, response) = tokio::sync::oneshot::channel();
        let mut turns = TURNS;
        let mut work = pin!(until(Instant::now() + SECOND, &mut turns, response));
        assert!(work.as_mut().now_or_never().is_none());
        tokio::time::advance(35 * SECOND).await;
        // As the task of a connection does, which gets its turn after the timers.
        tokio::spawn(async move {
            yield_now().await;
            sender.send("the response")
        });
        assert_eq!(work.await, Some(Ok("the response")));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_arrive_in_time_is_given_up_then() {
        let began = Instant::now();
        assert_eq!(until(began + SECOND, &mut 9, std::future::pending::<()>()).await, None);
        assert_eq!(began.elapsed(), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn what_keeps_arriving_after_its_time_ends_all_the_same() {
        let (end, mut turns) = (Instant::now() + SECOND, TURNS);
        let mut pieces = 0;
        tokio::time::advance(2 * SECOND).await;
        while until(end, &mut turns, std::future::ready(())).await.is_some() {
            pieces += 1;
        }
        assert_eq!(pieces, TURNS);
    }
}
