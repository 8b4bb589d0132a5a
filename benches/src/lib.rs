//! The decoder of event streams side by side with others: same bytes, same chunks, one process, interleaved rounds.
//!
//! ```text
//! cargo bench -p chat-bench --bench sse               the whole table, some two minutes
//! cargo bench -p chat-bench --bench sse -- small/     the rows whose label holds this
//! cargo bench -p chat-bench --bench sse -- --quick    each row once, on little input: does everything still agree?
//! cargo bench -p chat-bench --bench sse -- --fixed small/1400 N
//!                                                     N passes of ours and nothing else, to count instructions
//! ```
//!
//! Instructions of one pass, which a busy machine repeats exactly: run `valgrind --tool=callgrind` over the last form
//! with N = 1 and N = 2 and subtract.
//!
//! README.md of this package says what its other benches do.

pub mod corpora;
pub mod runner;
pub mod subjects;
pub mod table;
