//! Limits that every transport has.

/// Maximum size of the head of an answer, in bytes.
///
/// Over HTTP/1.1 this counts the head as it is written. The last read may exceed it by [`MAX_READ`], or by more if a custom
/// connection reads more at once.
///
/// Over HTTP/2 it counts names, values, and 32 bytes for each header (RFC 9113, 6.5.2).
pub const MAX_HEAD: usize = 128 << 10;

/// Maximum size of a read over HTTP/1.1, in bytes. hyper doubles its buffer when a read fills it, so this is a byte less than
/// a power of two.
///
/// A fast stream holds two buffers: one that hyper reads into, and one with the events that are being decoded. Without this
/// limit, only the limit of the head bounds them. Larger reads are hardly faster: four times as many take 1 to 2 % more CPU
/// time.
pub const MAX_READ: usize = (32 << 10) - 1;

/// Maximum number of headers in the head of an HTTP/1.1 answer. This is hyper's own limit.
pub const MAX_HEADERS: usize = 100;

/// Maximum number of interim (1xx) responses to one request.
///
/// After one more, the connection is not read any further, and the timeouts of the call end it.
pub const MAX_INTERIM: usize = 32;
