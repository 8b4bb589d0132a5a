//! The decoder against a naive reference, with many chunk splits: `check_sse`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_tests::check_sse(bytes));
