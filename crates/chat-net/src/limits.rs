//! Limits that every transport has.

/// Maximum size of the head of an answer, in bytes.
///
/// Over HTTP/1.1 this counts the head as it is written. The last read may exceed it: by 32 KiB, or by more with
/// a custom connection that reads more at once.
/// Over HTTP/2 it counts names, values, and 32 bytes for each header (RFC 9113, 6.5.2).
pub const MAX_HEAD: usize = 128 << 10;

/// Maximum number of headers in the head of an HTTP/1.1 answer. This is hyper's own limit.
pub const MAX_HEADERS: usize = 100;

/// Maximum number of interim (1xx) responses to one request.
///
/// After one more, the connection is not read any further, and the timeouts of the call end it.
pub const MAX_INTERIM: usize = 32;
