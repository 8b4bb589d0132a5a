//! Inputs of an exchange in any order: `check_exchange`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_tests::check_exchange(bytes));
