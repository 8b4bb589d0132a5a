//! The decoder with bodies made of fields, line ends and special cases: `check_lines`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_tests::check_lines(bytes));
