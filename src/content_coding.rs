//! The content codings of a response: gateways compress, asked or not. The bound on bodies is on what a
//! body becomes, and is checked as it grows.

use std::io::{self, Write};

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use crate::redact::beginning;

/// What a response has been encoded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Deflate,
}

impl Coding {
    /// The coding that the headers name, or why it is not read.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, String> {
        let values = headers.get_all(CONTENT_ENCODING).iter();
        let names = values.map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
        let names = names.collect::<Vec<_>>().join(",");
        let names = names.split(',').map(str::trim).filter(|name| !matches!(*name, "" | "identity"));
        match names.collect::<Vec<_>>().join(", ").as_str() {
            "" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            other => Err(format!("its Content-Encoding \"{}\" is not supported", beginning(other))),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }
}

/// A body that takes no more than its bound.
#[derive(Default)]
pub(crate) struct Bounded {
    pub(crate) bytes: Vec<u8>,
    /// The length that was announced.
    length: usize,
    limit: usize,
    pub(crate) is_over: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            self.is_over = true;
            return Err(io::Error::other("the body is larger than the bound"));
        }
        if self.bytes.is_empty() {
            // At most the bound, and once: growing piece by piece takes up to twice the memory.
            self.bytes.reserve_exact(self.length);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Undoes a coding, piece by piece.
pub(crate) enum Decoder {
    /// Nothing has come yet. Its first byte says which of two formats `deflate` is.
    Empty(Coding, Bounded),
    Identity(Bounded),
    // In boxes, because every call has room for a decoder.
    Gzip(Box<MultiGzDecoder<Bounded>>),
    Zlib(Box<ZlibDecoder<Bounded>>),
    Deflate(Box<DeflateDecoder<Bounded>>),
}

impl Decoder {
    /// `length` is what is announced, 0 if nothing is: as much as that is taken to come.
    pub(crate) fn new(coding: Coding, length: usize, limit: usize) -> Self {
        Self::Empty(coding, Bounded { length, limit, ..Bounded::default() })
    }

    /// Takes the next piece of the body as it came.
    pub(crate) fn write(self, piece: &[u8]) -> (Self, io::Result<()>) {
        let Some(first) = piece.first() else { return (self, Ok(())) };
        let mut decoder = match self {
            Self::Empty(Coding::Identity, body) => Self::Identity(body),
            // Something on the way has decompressed it and left the header.
            Self::Empty(Coding::Gzip, body) if matches!(first, b'{' | b'[' | b'<' | b'\n' | b'\r' | b' ') => {
                Self::Identity(body)
            }
            Self::Empty(Coding::Gzip, body) => Self::Gzip(MultiGzDecoder::new(body).into()),
            // By RFC 9110 it has zlib's header; some send it without. That begins with the method, which is 8.
            Self::Empty(Coding::Deflate, body) if first & 0x0f == 8 => Self::Zlib(ZlibDecoder::new(body).into()),
            Self::Empty(Coding::Deflate, body) => Self::Deflate(DeflateDecoder::new(body).into()),
            decoder => decoder,
        };
        let written = match &mut decoder {
            Self::Empty(..) => Ok(()),
            Self::Identity(body) => body.write_all(piece),
            Self::Gzip(body) => body.write_all(piece),
            Self::Zlib(body) => body.write_all(piece),
            Self::Deflate(body) => body.write_all(piece),
        };
        (decoder, written)
    }

    /// The body, and whether it was whole.
    pub(crate) fn finish(mut self) -> (Bounded, io::Result<()>) {
        let finished = match &mut self {
            Self::Empty(..) | Self::Identity(_) => Ok(()),
            Self::Gzip(body) => body.try_finish(),
            Self::Zlib(body) => body.try_finish(),
            Self::Deflate(body) => body.try_finish(),
        };
        let body = match &mut self {
            Self::Empty(_, body) | Self::Identity(body) => body,
            Self::Gzip(body) => body.get_mut(),
            Self::Zlib(body) => body.get_mut(),
            Self::Deflate(body) => body.get_mut(),
        };
        (std::mem::take(body), finished)
    }
}
