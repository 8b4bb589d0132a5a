//! Runs the committed corpora of the fuzz targets through their check functions, on any toolchain.

use std::fs;
use std::path::Path;

use chat_tests::{
    check_completions, check_exchange, check_fast_path, check_lines, check_peers, check_proxy_connect,
    check_proxy_socks, check_receiver, check_request, check_retry_after, check_sse,
};

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no corpus");
    for file in files {
        let bytes = fs::read(&file).expect("a file");
        // The panic itself does not name the file.
        if std::panic::catch_unwind(|| check(&bytes)).is_err() {
            panic!("{} failed; see above", file.display());
        }
    }
}

#[test]
fn decoder() {
    replay("decoder", check_sse);
}

#[test]
fn fast_path() {
    replay("fast_path", check_fast_path);
}

#[test]
fn lines() {
    replay("lines", check_lines);
}

#[test]
fn peers() {
    replay("peers", check_peers);
}

#[test]
fn receiver() {
    replay("receiver", check_receiver);
}

#[test]
fn completions() {
    replay("completions", check_completions);
}

#[test]
fn exchange() {
    replay("exchange", check_exchange);
}

#[test]
fn request() {
    replay("request", check_request);
}

#[test]
fn retry_after() {
    replay("retry_after", check_retry_after);
}

#[test]
fn proxy_connect() {
    replay("proxy_connect", check_proxy_connect);
}

#[test]
fn proxy_socks() {
    replay("proxy_socks", check_proxy_socks);
}
