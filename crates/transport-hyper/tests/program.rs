//! The conformance suite on a client in another process: the example `conformance`.

use std::env;
use std::path::PathBuf;

use chat_conformance::{Suite, Wire, command};

/// Returns the example, which cargo builds with the tests of this crate.
fn example() -> PathBuf {
    let test = env::current_exe().expect("a test is a file");
    let target = test.ancestors().nth(2).expect("it is in `deps` of a target folder");
    let example = target.join("examples").join("conformance").with_extension(env::consts::EXE_EXTENSION);
    assert!(example.exists(), "build the example first: cargo build -p transport-hyper --example conformance");
    example
}

#[test]
fn a_program_on_hyper_conforms() {
    Suite::new("a program on transport-hyper", Wire::Http1).run_calls(&command(example()));
}

#[test]
fn a_program_on_hyper_conforms_over_tls() {
    Suite::new("a program on transport-hyper", Wire::Http1Tls).run_calls(&command(example()));
}
