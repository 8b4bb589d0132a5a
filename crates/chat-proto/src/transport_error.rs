//! Why a driver's I/O failed.

/// Why a driver's I/O failed. If in doubt, use [`MaybeSent`](Self::MaybeSent).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportError {
    /// The connection was not established: name resolution, TCP, a proxy or TLS failed.
    Connect,
    /// The connection was not established within [`Timeouts::connect`](crate::Timeouts::connect).
    ConnectTimeout,
    /// The connection was not established, and another attempt would fail the same way: the server's certificate is
    /// rejected, or a proxy refuses the client. The call ends as for [`Connect`](Self::Connect), without a retry.
    Permanent,
    /// No server has read the request: the HTTP layer refused it or handed it back unsent.
    Unsent,
    /// The connection failed when the server may have read the request: it was lost, or the response was not HTTP.
    MaybeSent,
    /// The response head was received and rejected: too many headers, conflicting lengths, invalid bytes, or more than the
    /// transport's limit. The call ends as for [`MaybeSent`](Self::MaybeSent), without a retry.
    BadHead,
    /// The connection was lost, or its framing broken, in the response body.
    Body,
}
