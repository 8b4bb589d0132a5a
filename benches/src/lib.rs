//! Compares the event-stream decoder with others: same bytes, same chunks, one process, interleaved rounds.
//!
//! ```text
//! cargo bench -p chat-bench --bench sse               all rows, about two minutes
//! cargo bench -p chat-bench --bench sse -- small/     the rows whose label contains this
//! cargo bench -p chat-bench --bench sse -- --quick    each row once on little input: checks that all agree
//! cargo bench -p chat-bench --bench sse -- --fixed small/1400 N [SUBJECT]
//!                                                     only N passes of ours or another, to count instructions
//! ```
//!
//! To count the instructions of one pass, run `valgrind --tool=callgrind` on the last form with N = 1 and N = 2 and subtract.
//! This is exact even on a busy machine.
//!
//! README.md documents the other benches.

pub mod clients;
pub mod corpora;
pub mod memory;
pub mod runner;
pub mod subjects;
pub mod table;
