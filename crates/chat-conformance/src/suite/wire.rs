//! The protocols that a suite runs on.

use std::fmt;

/// The protocol between the transport and the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wire {
    /// HTTP/1.1.
    Http1,
    /// HTTP/1.1 over TLS. ALPN offers nothing else.
    Http1Tls,
    /// HTTP/2 with prior knowledge, to a gateway in front of an HTTP/1.1 server.
    Http2,
    /// HTTP/2 over TLS, to such a gateway. ALPN offers nothing else.
    Http2Tls,
}

impl Wire {
    /// Returns whether TLS is used.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Http1Tls | Self::Http2Tls)
    }

    /// Returns whether HTTP/2 is used.
    pub fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Http2Tls)
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http1Tls => "HTTP/1.1 over TLS",
            Self::Http2 => "HTTP/2",
            Self::Http2Tls => "HTTP/2 over TLS",
        })
    }
}
