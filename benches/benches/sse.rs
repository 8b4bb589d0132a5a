//! The decoder beside others. The library's documentation says how to run this and how to read it.

use std::time::Instant;

use chat_bench::corpora;
use chat_bench::runner::{self, label};
use chat_bench::subjects::{self, Scratch, Subject};
use chat_bench::table;

/// A read of a socket brings 1400 bytes and up; TLS records and pipes 16 KiB; the small ones are what tests do to us.
const CHUNKS: [usize; 7] = [1, 16, 256, 1400, 16 * 1024, 64 * 1024, usize::MAX];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if has("--fixed") {
        return fixed(&args);
    }
    // `cargo test --benches` runs this too, without `--bench`: then it is a test that all agree.
    let quick = has("--quick") || has("--test") || !has("--bench");
    let filters: Vec<_> = args.iter().filter(|arg| !arg.starts_with("--")).collect();

    let mut scratch = Scratch::default();
    let mut rows = Vec::new();
    for corpus in corpora::all(quick) {
        scratch.prepare(&corpus);
        for chunk in CHUNKS {
            let label = label(&corpus, chunk);
            if filters.is_empty() || filters.iter().any(|filter| label.contains(&**filter)) {
                rows.push(runner::run(&corpus, chunk, quick, &mut scratch));
            }
        }
    }
    if quick {
        println!("Quick: one round on little input; the figures mean nothing.");
    }
    println!("{}\n{}", table::speeds(&rows), table::deviations(&rows));
    if !quick {
        println!("{}", table::goals(&rows));
    }
    // Each is held against ours: a fault of ours shows as one of all the others.
    assert!(rows.iter().flat_map(|row| &row.measures).all(|measure| measure.wrong.is_none()), "not all agree");
}

/// `--fixed LABEL PASSES`: the same work each time, for counting instructions.
fn fixed(args: &[String]) {
    let words: Vec<_> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let [wanted, passes] = words[..] else { panic!("usage: --fixed LABEL PASSES") };
    let passes: usize = passes.parse().expect("a number of passes");
    for corpus in [corpora::small(2_000), corpora::mixed(1_000), corpora::big(3, 64 * 1024)] {
        for chunk in CHUNKS {
            if label(&corpus, chunk) == *wanted {
                let start = Instant::now();
                for _ in 0..passes {
                    subjects::pass(Subject::Ours, corpus.body, chunk, &mut Scratch::default());
                }
                let len = corpus.body.len();
                let speed = (passes * len) as f64 / 1e6 / start.elapsed().as_secs_f64();
                println!("{wanted}: {passes} times {len} bytes, MB/s: {speed:.0}");
            }
        }
    }
}
