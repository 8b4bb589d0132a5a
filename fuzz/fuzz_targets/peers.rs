//! Two other decoders against the reference: `check_peers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_tests::check_peers(bytes));
