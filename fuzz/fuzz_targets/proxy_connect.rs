//! Any answer of an HTTP proxy to `CONNECT`: `check_proxy_connect`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_tests::check_proxy_connect(bytes));
