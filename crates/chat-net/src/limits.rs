//! Limits that every transport has.

/// How large the head of an answer may be, in bytes. Over HTTP/1.1 it counts as it is written, and a head that fits into
/// a read buffer at once may be up to three times as large; over HTTP/2 it counts the names, the values, and 32 bytes for
/// each header (RFC 9113, 6.5.2).
pub const MAX_HEAD: usize = 128 << 10;

/// How many interim responses (1xx) a request may get. After that, its connection is not read any further, and the call's
/// own clocks end it.
pub const MAX_INTERIM: usize = 32;
