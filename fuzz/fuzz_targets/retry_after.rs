//! Any values of the headers that request a wait: `check_retry_after`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_tests::check_retry_after(bytes));
