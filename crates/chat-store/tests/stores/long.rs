//! A conversation of 100,000 turns.

use chat_store::{ConversationId, Store};
use rusqlite::StatementStatus;

use crate::support::postgres::client;
use crate::support::{Place, head, turn};

#[path = "../../src/postgres/sql.rs"]
#[allow(dead_code, reason = "one statement is of interest")]
mod postgres;
#[path = "../../src/sqlite/sql.rs"]
#[allow(dead_code, reason = "one statement is of interest")]
mod sqlite;

const TURNS: i64 = 100_000;

pub(crate) fn loading_the_last_turns_reads_only_them(place: &Place) {
    let store = place.open();
    let (long, short) = (ConversationId::new(), ConversationId::new());
    for id in [long, short] {
        place.run(store.append(&head(id, "t"), 0, &turn("0?", "Zero."))).unwrap();
    }
    for len in 1..20 {
        place.run(store.append(&head(short, "t"), len, &turn("?", "!"))).unwrap();
    }
    match place {
        Place::Memory(_) => unreachable!("it reads no file"),
        Place::Sqlite(_) => fill_sqlite(&place.address(), long),
        Place::Postgres(runtime, url) => runtime.block_on(fill_postgres(url, long)),
    }
    let last = turn("last?", "Last.");
    place.run(store.append(&head(long, "t"), TURNS as u64 - 1, &last)).unwrap();
    let loaded = place.run(store.load(long, 10)).unwrap().unwrap();
    assert_eq!((loaded.len, loaded.turns.len(), &loaded.turns[9]), (TURNS as u64, 10, &last));
    match place {
        Place::Memory(_) => unreachable!("it reads no file"),
        Place::Sqlite(_) => check_sqlite(&place.address(), long, short),
        Place::Postgres(runtime, url) => runtime.block_on(check_postgres(url, long)),
    }
    let all = place.run(store.load(long, usize::MAX)).unwrap().unwrap().turns;
    assert_eq!(all.len() as i64, TURNS);
    assert!(place.run(store.delete(long)).unwrap());
}

/// Copies the first turn to all places but the last.
fn fill_sqlite(path: &str, id: ConversationId) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let fill = format!(
        "BEGIN IMMEDIATE;
        WITH RECURSIVE places(place) AS (SELECT 1 UNION ALL SELECT place + 1 FROM places WHERE place < {TURNS} - 2)
        INSERT INTO turn SELECT turn.conversation, places.place, turn.id, turn.content
        FROM places, turn, conversation c WHERE turn.conversation = c.key AND turn.place = 0 AND c.id = '{id}';
        UPDATE conversation SET len = {TURNS} - 1 WHERE id = '{id}';
        COMMIT"
    );
    connection.execute_batch(&fill).unwrap();
}

/// The plan has no scan and no sorting, and the number of steps is that of a short conversation.
fn check_sqlite(path: &str, long: ConversationId, short: ConversationId) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let plan: Vec<String> = {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", sqlite::LAST)).unwrap();
        statement.query_map((1, 10), |row| row.get(3)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(plan, ["SEARCH turn USING INDEX sqlite_autoindex_turn_1 (conversation=?)"]);
    let steps = |id: ConversationId| {
        let mut head = connection.prepare(sqlite::HEAD).unwrap();
        let key: i64 = head.query_row([id.to_string()], |row| row.get(0)).unwrap();
        let mut last = connection.prepare(sqlite::LAST).unwrap();
        assert_eq!(last.query_map([key, 10], |_| Ok(())).unwrap().count(), 10);
        (head.get_status(StatementStatus::VmStep), last.get_status(StatementStatus::VmStep))
    };
    assert_eq!(steps(long), steps(short));
}

async fn fill_postgres(url: &str, id: ConversationId) {
    let fill = format!(
        "INSERT INTO chat_turn SELECT t.conversation, s.place, t.id, t.content
        FROM generate_series(1, {TURNS} - 2) s(place), chat_turn t, chat_conversation c
        WHERE t.conversation = c.key AND t.place = 0 AND c.id = '{id}';
        UPDATE chat_conversation SET len = {TURNS} - 1 WHERE id = '{id}';
        ANALYZE chat_turn"
    );
    client(url).await.batch_execute(&fill).await.unwrap();
}

/// The plan reads ten rows of the index, and does not scan or sort.
async fn check_postgres(url: &str, id: ConversationId) {
    let client = client(url).await;
    let key = format!("(SELECT key FROM chat_conversation WHERE id = '{id}')");
    let sql = postgres::LAST
        .replace("{schema}.", "")
        .replace("$1", &key)
        .replace("$2", &TURNS.to_string())
        .replace("$3", "10");
    let rows = client.query(&format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {sql}"), &[]).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    let read = plan.lines().find(|line| line.contains("Index Scan Backward using chat_turn_pkey")).expect(&plan);
    assert!(read.contains("rows=10 ") || read.contains("rows=10.00 "), "{plan}");
    assert!(!plan.contains("Sort") && !plan.contains("Seq Scan on chat_turn"), "{plan}");
}
