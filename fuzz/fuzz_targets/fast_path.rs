//! Streams with and without the fast path: `check_fast_path`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_tests::check_fast_path(bytes));
