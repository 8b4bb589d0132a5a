//! The tables.

use chat_bench::table::{Table, number, percent};

use crate::measure::{Measure, Measured};
use crate::subjects::{self, ALL, Reads, SSE_CORE};

/// The legend of rows and columns.
pub(crate) fn rows() -> Table {
    let table = Table::new("Rows and columns", &[]);
    let ours = ALL.iter().filter(|subject| !subject.is_peer);
    ours.fold(table, |table, subject| table.legend(subject.name, subject.description))
        .legend("... + serde_json", "the peers: a decoder, and the JSON into the same owned structs")
        .legend("ns", "nanoseconds per event of the stream")
        .legend("peer", "speed / speed of the fastest peer")
        .legend("spread", "half the distance of the quartiles")
        .legend("instr", "instructions per event")
        .legend("ipeer", "instructions of the peer with the fewest / instructions")
}

/// The rows of one kind of input.
pub(crate) fn measures(measured: &Measured) -> Table {
    let Measured { kind, rows } = measured;
    let title = format!("{}: {}", kind.name, kind.description);
    let mut table = Table::new(title, &["row", "ns", "peer", "spread", "instr", "ipeer"]);
    for (subject, row) in ALL.iter().zip(rows) {
        let ratio = |of: fn(&Measure) -> f64| {
            // It does not do the same work.
            if subject.reads == Reads::Frames { f64::NAN } else { best_peer(measured, of) / of(row) }
        };
        table.row([
            subject.name.to_owned(),
            number(row.nanos, 1),
            number(ratio(|row| row.nanos), 2),
            if row.spread.is_nan() { "-".to_owned() } else { percent(row.spread) },
            number(row.instructions, 0),
            number(ratio(|row| row.instructions), 2),
        ]);
    }
    table
}

fn best_peer(measured: &Measured, of: fn(&Measure) -> f64) -> f64 {
    let peers = ALL.iter().zip(&measured.rows).filter(|(subject, _)| subject.is_peer);
    peers.map(|(_, row)| of(row)).fold(f64::NAN, f64::min)
}

/// What a goal is about.
enum Unit {
    Nanos,
    Instructions,
    /// Speed / speed of [`SSE_CORE`].
    Ratio,
}

/// A goal of a row in a table.
struct Goal {
    table: &'static str,
    row: &'static str,
    unit: Unit,
    floor: f64,
    goal: f64,
}

const GOALS: [Goal; 6] = [
    Goal { table: "plain/50", row: "reply", unit: Unit::Nanos, floor: 90.0, goal: 70.0 },
    Goal { table: "plain/50", row: "try_next", unit: Unit::Nanos, floor: 75.0, goal: 60.0 },
    Goal { table: "plain/50", row: "next_text", unit: Unit::Nanos, floor: 45.0, goal: 35.0 },
    Goal { table: "escapes/50", row: "reply", unit: Unit::Nanos, floor: 95.0, goal: 75.0 },
    Goal { table: "plain/1", row: "reply", unit: Unit::Instructions, floor: 1400.0, goal: 1100.0 },
    Goal { table: "completions/50", row: "reply", unit: Unit::Ratio, floor: 1.5, goal: 3.0 },
];

/// Compares the rows with their goals.
pub(crate) fn goals(tables: &[Measured]) -> Table {
    let mut table = Table::new("Goals", &["table", "row", "unit", "got", "floor", "goal", ""])
        .legend("ns, instr", "per event; floor and goal are maxima; ns are those of the machine on which they were set")
        .legend("ratio", &format!("speed / speed of {SSE_CORE}; floor and goal are minima"))
        .legend("floor, goal", "what must and what should be reached; MISSED: the floor is missed");
    for goal in &GOALS {
        let Some(measured) = tables.iter().find(|measured| measured.kind.name == goal.table) else { continue };
        let row = |name: &str| measured.rows[subjects::position(name).expect("the name of a row")];
        let (unit, got, decimals) = match goal.unit {
            Unit::Nanos => ("ns", row(goal.row).nanos, 0),
            Unit::Instructions => ("instr", row(goal.row).instructions, 0),
            Unit::Ratio => ("ratio", row(SSE_CORE).nanos / row(goal.row).nanos, 2),
        };
        let meets = |wanted: f64| if matches!(goal.unit, Unit::Ratio) { got >= wanted } else { got <= wanted };
        let verdict = match got {
            _ if got.is_nan() => "-",
            _ if meets(goal.goal) => "goal",
            _ if meets(goal.floor) => "floor",
            _ => "MISSED",
        };
        table.row([
            goal.table.to_owned(),
            goal.row.to_owned(),
            unit.to_owned(),
            number(got, decimals),
            number(goal.floor, decimals),
            number(goal.goal, decimals),
            verdict.to_owned(),
        ]);
    }
    table
}
