//! Chat completions with any head, settings and body: `check_completions`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_tests::check_completions(bytes));
