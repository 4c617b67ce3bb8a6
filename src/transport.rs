//! Why no response came, in words that say what to do, and how often it is worth another try. The texts
//! of the HTTP client's causes decide, because its types are not public.

use std::error::Error as StdError;
use std::iter;

use crate::error::Error;

/// What is known about a failure to get a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    ProxyWantsCredentials,
    SocksUnsupported,
    TlsUnsupported,
    Untrusted,
    NameNotFound,
    NotHttp,
    /// Nothing more than that: it may pass.
    Other,
}

impl Trouble {
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        // Not its own text: that has the URL.
        let causes: Vec<_> = iter::successors(error.source(), |cause| (*cause).source())
            .map(|cause| cause.to_string().to_ascii_lowercase())
            .collect();
        let says = |text: &str| causes.iter().any(|cause| cause.contains(text));
        if says("proxy authorization required") {
            Self::ProxyWantsCredentials
        } else if says("unsupported scheme socks") || says("tunnel error") && says("scheme is not http") {
            Self::SocksUnsupported
        } else if says("scheme is not http") {
            Self::TlsUnsupported
        } else if error.is_connect() && says("certificate") {
            Self::Untrusted
        // A resolver that is busy says so.
        } else if says("dns error") && !says("temporary failure") && !says("try again") {
            Self::NameNotFound
        } else if says(" parsed") || says("message head is too large") || says("corrupt message") {
            Self::NotHttp
        } else {
            Self::Other
        }
    }

    /// What to say, if there is something to say; of the service, or of another server.
    pub(crate) fn message(self, server: &str) -> Option<String> {
        Some(match self {
            Self::ProxyWantsCredentials => format!(
                "cannot connect to {server}: the proxy wants credentials (407): \
                 set the proxy as http://user:password@host:port"
            ),
            Self::SocksUnsupported => {
                format!("cannot connect to {server}: a SOCKS proxy needs the feature `socks` of the crate reqwest")
            }
            Self::TlsUnsupported => {
                format!("cannot connect to {server}: https needs the feature `rustls` of partner-center-devices")
            }
            Self::Untrusted => format!(
                "cannot connect to {server}: its certificate is not trusted: install the certificate of its \
                 issuer (on a bare machine, the package ca-certificates), or add root certificates with `http_client`"
            ),
            Self::NameNotFound => format!("cannot connect to {server}: its name is not found"),
            Self::NotHttp => format!("no response from {server}: what came is not HTTP, or has too many headers"),
            Self::Other => return None,
        })
    }

    /// A mistake in how the program was built.
    pub(crate) fn is_of_config(self) -> bool {
        matches!(self, Self::SocksUnsupported | Self::TlsUnsupported)
    }

    pub(crate) fn may_pass(self) -> bool {
        matches!(self, Self::NameNotFound | Self::NotHttp | Self::Other)
    }
}

/// Whether the reason hardly ever passes: it is worth one more try, and not a second.
pub(crate) fn hardly_passes(error: &Error) -> bool {
    let source = StdError::source(error).and_then(|source| source.downcast_ref::<reqwest::Error>());
    source.map(Trouble::of).is_some_and(|trouble| matches!(trouble, Trouble::NameNotFound | Trouble::NotHttp))
}
