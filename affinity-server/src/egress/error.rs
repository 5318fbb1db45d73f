//! Why a request did not leave, or got no answer.

use std::net::IpAddr;

/// A failed outbound request. None of the fields holds a key, a path or a query.
#[derive(Debug)]
#[non_exhaustive]
pub enum EgressError {
    /// The HTTP client cannot be made, for example because the system has no root certificates.
    Client {
        /// What the TLS or HTTP library said.
        source: reqwest::Error,
    },
    /// The address is not `http` or `https`, or has no host.
    UnsupportedUrl {
        /// The scheme that was found.
        scheme: String,
    },
    /// The host is, or resolves only to, an address inside a private network.
    PrivateAddress {
        /// The host as it was asked for.
        host: String,
        /// The first address that was refused.
        address: IpAddr,
    },
    /// The host has no address.
    Unresolved {
        /// The host as it was asked for.
        host: String,
    },
    /// No complete answer came in time.
    Timeout {
        /// The host that was asked.
        host: String,
        /// The time allowed for the whole exchange.
        timeout_ms: u128,
    },
    /// The connection failed or broke.
    Broken {
        /// The host that was asked.
        host: String,
        /// What the HTTP library said, without the address.
        source: reqwest::Error,
    },
    /// The answer is longer than the caller accepts.
    ResponseTooLarge {
        /// The host that was asked.
        host: String,
        /// The largest accepted answer.
        bytes_max: usize,
    },
}

impl std::fmt::Display for EgressError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client { .. } => write!(f, "the HTTP client cannot start"),
            Self::UnsupportedUrl { scheme } => {
                write!(f, "outbound address has scheme \"{scheme}\", expected http or https with a host")
            }
            Self::PrivateAddress { host, address } => {
                write!(f, "host \"{host}\" is at {address}, which is not a public address")
            }
            Self::Unresolved { host } => write!(f, "host \"{host}\" has no address"),
            Self::Timeout { host, timeout_ms } => {
                write!(f, "host \"{host}\" gave no complete answer within {timeout_ms} ms")
            }
            Self::Broken { host, .. } => write!(f, "the connection to host \"{host}\" failed"),
            Self::ResponseTooLarge { host, bytes_max } => {
                write!(f, "host \"{host}\" answered more than {bytes_max} bytes")
            }
        }
    }
}

impl std::error::Error for EgressError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Client { source } | Self::Broken { source, .. } => Some(source),
            _ => None,
        }
    }
}
