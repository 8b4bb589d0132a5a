//! Answers with any head and body: `check_receiver`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_tests::check_receiver(bytes));
