//! What the generated client takes from progenitor's runtime; [`ResponseValue`] is ours.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use crate::lenient::{self, Read};

pub(crate) use progenitor_client::{ClientHooks, ClientInfo, Error, OperationInfo, RequestBuilderExt};

/// An ID has nothing to encode, and most parameters are IDs.
pub(crate) fn encode_path(text: &str) -> Cow<'_, str> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_plain { text.into() } else { progenitor_client::encode_path(text).into() }
}

/// How to read the body of a success. The generated client knows this only; the body itself is read
/// where the rest of the response is.
pub(crate) struct ResponseValue<T> {
    pub(crate) read: fn(&[u8]) -> Read<T>,
}

impl<T: DeserializeOwned> ResponseValue<T> {
    pub(crate) async fn from_response<E>(_: reqwest::Response) -> Result<Self, Error<E>> {
        Ok(Self { read: lenient::from_slice })
    }
}

/// A body that is not JSON.
#[allow(dead_code)]
pub(crate) struct ByteStream(pub(crate) Vec<u8>);

// For successes without a body, or with another one than JSON: none of the operations has one yet.
#[allow(dead_code)]
impl ResponseValue<()> {
    pub(crate) fn empty(_: reqwest::Response) -> Self {
        Self { read: |_| Ok(((), Vec::new())) }
    }
}

#[allow(dead_code)]
impl ResponseValue<ByteStream> {
    pub(crate) fn stream(_: reqwest::Response) -> Self {
        Self { read: |body| Ok((ByteStream(body.to_vec()), Vec::new())) }
    }
}
