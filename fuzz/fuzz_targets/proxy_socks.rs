//! Any answer of a SOCKS 5 proxy: `check_proxy_socks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_tests::check_proxy_socks(bytes));
