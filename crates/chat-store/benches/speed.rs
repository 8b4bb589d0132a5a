//! Appends and loads per second, on SQLite and on a Postgres server of its own: `cargo bench -p chat-store`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use chat_store::{AnyStore, ConversationId, Store};
use support::postgres::Server;
use support::{Place, head, turn};

/// Time of each measurement.
const TIME: Duration = Duration::from_secs(3);

/// Turns that a load returns.
const LAST: usize = 20;

fn main() {
    let server = Server::start();
    let postgres = server.as_ref().map(|server| ("Postgres", Place::postgres(server.schema())));
    println!("per second, median of 3 runs of {} s; turns of 1 KiB", TIME.as_secs());
    for (name, place) in [("SQLite", Place::sqlite())].into_iter().chain(postgres) {
        let store = place.open();
        println!("{name}, appends: {:.0}", measure(|| place.run(appends(&store))));
        println!("{name}, appends, 16 conversations at once: {:.0}", measure(|| appends_at_once(&place)));
        let id = ConversationId::new();
        place.run(fill(&store, id));
        println!("{name}, loads of the last {LAST} turns: {:.0}", measure(|| place.run(loads(&store, id))));
    }
}

/// The median of three runs.
fn measure(run: impl Fn() -> f64) -> f64 {
    let mut runs = [run(), run(), run()];
    runs.sort_by(f64::total_cmp);
    runs[1]
}

/// Appends turns to one conversation, one after the other.
async fn appends(store: &AnyStore) -> f64 {
    let (head, text, start) = (head(ConversationId::new(), "t"), "x".repeat(1024), Instant::now());
    let mut len = 0;
    while start.elapsed() < TIME {
        store.append(&head, len, &turn("?", &text)).await.unwrap();
        len += 1;
    }
    len as f64 / start.elapsed().as_secs_f64()
}

/// Appends turns to 16 conversations, each on a thread with a store of its own.
fn appends_at_once(place: &Place) -> f64 {
    std::thread::scope(|scope| {
        let append = || place.run(async { appends(&AnyStore::open(&place.address()).await.unwrap()).await });
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(append)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

async fn fill(store: &AnyStore, id: ConversationId) {
    let text = "x".repeat(1024);
    for len in 0..1000 {
        store.append(&head(id, "t"), len, &turn("?", &text)).await.unwrap();
    }
}

async fn loads(store: &AnyStore, id: ConversationId) -> f64 {
    let (start, mut count) = (Instant::now(), 0.0);
    while start.elapsed() < TIME {
        let loaded = store.load(id, LAST).await.unwrap().unwrap();
        assert_eq!(loaded.turns.len(), LAST);
        count += 1.0;
    }
    count / start.elapsed().as_secs_f64()
}
