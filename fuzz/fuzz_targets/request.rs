//! Requests with any strings: `check_request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_tests::check_request(bytes));
