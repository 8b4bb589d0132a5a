//! Decodes bytes to typed events: each layer of ours, and the fastest decoders with serde_json. README.md of this package
//! documents the rows.
//!
//! ```text
//! cargo bench -p chat-bench --bench typed                      all tables, some minutes
//! cargo bench -p chat-bench --bench typed -- plain/            the tables whose name contains this
//! cargo bench -p chat-bench --bench typed -- --instructions    only the instructions, exact on a busy machine
//! cargo bench -p chat-bench --bench typed -- --quick           each row once on little input: checks that all agree
//! cargo bench -p chat-bench --bench typed -- --fixed TABLE ROW PASSES
//!                                                              only the same work each time, for a profiler
//! ```

mod input;
mod instructions;
mod layers;
mod measure;
mod peers;
mod replies;
mod run;
mod subjects;
mod sum;
mod table;

use crate::measure::{Effort, measure};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let words: Vec<_> = args.iter().map(String::as_str).collect();
    if let ["--fixed", table, row, passes] = words[..] {
        return instructions::fixed(table, row, passes.parse().expect("a number of passes"));
    }
    let has = |flag: &str| words.contains(&flag);
    let effort = if has("--quick") || has("--test") || !std::env::args().any(|arg| arg == "--bench") {
        Effort::Quick
    } else if has("--instructions") {
        Effort::Instructions
    } else {
        Effort::Full
    };
    let filters: Vec<_> = words.into_iter().filter(|word| !word.starts_with("--")).collect();
    match effort {
        Effort::Quick => println!("Quick: one round on little input. The numbers mean nothing.\n"),
        _ if !instructions::can_count() => println!("Instructions are not counted: valgrind is not installed.\n"),
        _ => {}
    }
    println!("{}", table::rows());
    let mut tables = Vec::new();
    for kind in input::ALL {
        if filters.is_empty() || filters.iter().any(|filter| kind.name.contains(filter)) {
            let measured = measure(kind, effort);
            println!("{}", table::measures(&measured));
            tables.push(measured);
        }
    }
    if effort != Effort::Quick {
        println!("{}", table::goals(&tables));
    }
}
