//! Compares the decoder with others. The library's documentation has the command lines.

use std::time::Instant;

use chat_bench::corpora;
use chat_bench::runner::{self, label};
use chat_bench::subjects::{self, Scratch, Subject};
use chat_bench::table;

/// Sockets return 1400 bytes or more per read, TLS records and pipes 16 KiB. The small sizes are extreme cases.
const CHUNKS: [usize; 7] = [1, 16, 256, 1400, 16 * 1024, 64 * 1024, usize::MAX];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if has("--fixed") {
        return fixed(&args);
    }
    // `cargo test --benches` runs this without `--bench`, as a test that all agree.
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
        println!("Quick: one round on little input. The numbers mean nothing.\n");
    }
    println!("{}\n{}\n{}", table::speeds(&rows), table::ratios(&rows), table::deviations(&rows));
    if !quick {
        println!("{}", table::goals(&rows));
    }
    // Each is compared with ours. If ours is wrong, all others differ.
    assert!(rows.iter().flat_map(|row| &row.measures).all(|measure| measure.wrong.is_none()), "not all decoders agree");
}

/// `--fixed LABEL PASSES [SUBJECT]`: the same work each time, to count instructions. The subject is the head of a column.
fn fixed(args: &[String]) {
    let words: Vec<_> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let (wanted, passes, subject) = match words[..] {
        [wanted, passes] => (wanted, passes, Subject::Ours.label()),
        [wanted, passes, subject] => (wanted, passes, subject.as_str()),
        _ => panic!("usage: --fixed LABEL PASSES [SUBJECT]"),
    };
    let passes: usize = passes.parse().expect("a number of passes");
    let subject = subjects::ALL.into_iter().find(|each| each.label() == subject).expect("a subject");
    for corpus in [corpora::small(2_000), corpora::mixed(1_000), corpora::big(3, 64 * 1024)] {
        for chunk in CHUNKS {
            if label(&corpus, chunk) == *wanted {
                let start = Instant::now();
                for _ in 0..passes {
                    subjects::pass(subject, corpus.body, chunk, &mut Scratch::default());
                }
                let len = corpus.body.len();
                let speed = (passes * len) as f64 / 1e6 / start.elapsed().as_secs_f64();
                println!("{wanted}: {passes} passes over {len} bytes, {} events, {speed:.0} MB/s", corpus.events());
            }
        }
    }
}
