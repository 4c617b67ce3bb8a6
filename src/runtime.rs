//! What the generated client takes from progenitor's runtime; [`ResponseValue`] is ours.

use std::borrow::Cow;
use std::marker::PhantomData;

pub(crate) use progenitor_client::{ClientHooks, ClientInfo, Error, OperationInfo, RequestBuilderExt};

/// An ID has nothing to encode, and most parameters are IDs.
pub(crate) fn encode_path(text: &str) -> Cow<'_, str> {
    // Without an early end, this takes many bytes at a time.
    let is_plain = text.bytes().fold(true, |is, byte| is & (byte.is_ascii_alphanumeric() | (byte == b'-')));
    if is_plain { text.into() } else { progenitor_client::encode_path(text).into() }
}

/// Says of which type the body of a success is. The generated client gets no response to read: see
/// `operation.rs`.
pub(crate) struct ResponseValue<T>(PhantomData<T>);

#[allow(dead_code)]
impl<T> ResponseValue<T> {
    pub(crate) async fn from_response<E>(_: reqwest::Response) -> Result<Self, Error<E>> {
        Ok(Self(PhantomData))
    }

    pub(crate) fn empty(_: reqwest::Response) -> Self {
        Self(PhantomData)
    }

    pub(crate) fn stream(_: reqwest::Response) -> Self {
        Self(PhantomData)
    }
}

/// A body that is not JSON: none of the operations has one yet.
#[allow(dead_code)]
pub(crate) struct ByteStream;
