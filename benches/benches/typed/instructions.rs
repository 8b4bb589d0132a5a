//! Counts instructions. They are exact on a busy machine, where times are not.

use std::hint::black_box;
use std::process::Command;
use std::sync::OnceLock;

use crate::input::{self, Kind};
use crate::subjects::{self, Subject};

/// Number of texts of a pass. The request and the head are a small part of it.
const TEXTS: usize = 10_000;

/// Whether valgrind is installed.
pub(crate) fn can_count() -> bool {
    static CAN_COUNT: OnceLock<bool> = OnceLock::new();
    *CAN_COUNT.get_or_init(|| Command::new("valgrind").arg("--version").output().is_ok())
}

/// Instructions per event: the difference between one pass and two. NaN without valgrind.
pub(crate) fn per_event(kind: &Kind, subject: &Subject) -> f64 {
    if !can_count() {
        return f64::NAN;
    }
    let [one, two] = [1, 2].map(|passes| count(kind, subject, passes));
    (two - one) as f64 / kind.input(TEXTS).events as f64
}

/// Instructions of a process that makes so many passes.
fn count(kind: &Kind, subject: &Subject, passes: u32) -> i64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().expect("the path of this program"))
        .args(["--fixed", kind.name, subject.name, &passes.to_string()])
        .output()
        .expect("valgrind is installed");
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.split_once("Collected : ").and_then(|(_, rest)| rest.lines().next()?.trim().parse().ok());
    match collected {
        Some(instructions) if output.status.success() => instructions,
        _ => panic!("valgrind failed: {}\n{text}", output.status),
    }
}

/// `--fixed TABLE ROW PASSES`: the same work each time.
pub(crate) fn fixed(kind: &str, subject: &str, passes: u32) {
    let kind = input::ALL.iter().find(|other| other.name == kind).expect("the name of a table");
    let subject = &subjects::ALL[subjects::position(subject).expect("the name of a row")];
    let input = kind.input(TEXTS);
    for _ in 0..passes {
        black_box((subject.run)(&input));
    }
}
