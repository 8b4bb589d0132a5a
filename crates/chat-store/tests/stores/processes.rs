//! Several processes, some of which are killed.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use chat_store::{AnyStore, AppendError, ConversationId, Store, StoredTurn};

use crate::support::{Place, head, turn};

/// What a child is to do: `OPEN ADDRESS`, or `APPEND ADDRESS CONVERSATION NAME COUNT`.
const ORDER: &str = "CHAT_STORE_TEST_ORDER";

/// Number of turns that each of two processes appends.
const EACH: usize = 100;

/// Number of processes that are killed.
const KILLS: usize = 60;

/// Turns of each process before it is killed.
const TURNS: usize = 3;

/// Another process.
struct Other(Child);

impl Other {
    fn start(order: &[&str]) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["child", "--exact", "--nocapture"]).env(ORDER, order.join("\n"));
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap())
    }

    fn output(&mut self) -> BufReader<ChildStdout> {
        BufReader::new(self.0.stdout.take().expect("the output is read once"))
    }

    fn succeed(mut self) {
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Does what the environment says, as another process of a test.
pub(crate) fn obey() {
    let Ok(order) = env::var(ORDER) else { return };
    let order: Vec<&str> = order.lines().collect();
    let run = async {
        match order[..] {
            ["OPEN", address] => drop(AnyStore::open(address).await.unwrap().list(None, 1).await.unwrap()),
            ["APPEND", address, id, name, count] => append(address, id, name, count.parse().unwrap()).await,
            _ => panic!("{order:?}"),
        }
    };
    if order[1].starts_with("postgres:") {
        tokio::runtime::Runtime::new().unwrap().block_on(run);
    } else {
        async_io::block_on(run);
    }
}

/// Appends turns after those of all processes, and prints a line before and after each.
async fn append(address: &str, id: &str, name: &str, count: usize) {
    let (store, id): (_, ConversationId) = (AnyStore::open(address).await.unwrap(), id.parse().unwrap());
    let mut len = store.load(id, 0).await.unwrap().map_or(0, |loaded| loaded.len);
    for number in 0..count {
        let turn = numbered(name, number);
        println!("appending {number}");
        loop {
            let result = store.append(&head(id, "t"), len, &turn).await;
            len += 1;
            match result {
                Ok(()) => break,
                Err(AppendError::Conflict(other)) => assert_ne!(other.id, turn.id),
                Err(error) => panic!("{error}"),
            }
        }
        println!("appended {number}");
    }
}

/// A turn of several pages.
fn numbered(name: &str, number: usize) -> StoredTurn {
    turn(&format!("{name} {number}"), &format!("{name} {number}. ").repeat(1000))
}

/// Checks that a turn is whole, and returns its name and its number.
fn read(turn: &StoredTurn) -> (String, usize) {
    let question = turn.question();
    let (name, number) = question.split_once(' ').expect("a name and a number");
    let number = number.parse().unwrap();
    assert_eq!(turn.content, numbered(name, number).content);
    (name.to_owned(), number)
}

pub(crate) fn two_processes_append_at_once(place: &Place) {
    let (store, id, address) = (place.open(), ConversationId::new(), place.address());
    let count = EACH.to_string();
    let others = ["a", "b"].map(|name| Other::start(&["APPEND", &address, &id.to_string(), name, &count]));
    others.into_iter().for_each(Other::succeed);
    let loaded = place.run(store.load(id, usize::MAX)).unwrap().unwrap();
    assert_eq!(loaded.len as usize, 2 * EACH);
    let turns: Vec<_> = loaded.turns.iter().map(read).collect();
    for name in ["a", "b"] {
        let numbers: Vec<_> = turns.iter().filter(|turn| turn.0 == name).map(|turn| turn.1).collect();
        assert_eq!(numbers, (0..EACH).collect::<Vec<_>>(), "{name}");
    }
}

pub(crate) fn a_killed_process_leaves_whole_turns(place: &Place) {
    let (id, address) = (ConversationId::new(), place.address());
    let mut acknowledged = 0;
    for kill in 0..KILLS {
        let mut other = Other::start(&["APPEND", &address, &id.to_string(), &format!("p{kill}"), "1000000"]);
        let mut lines = other.output().lines().map(Result::unwrap);
        let mut read_to = |text: &str| {
            let is_end = |line: &String| line.contains(text);
            let before: Vec<String> = lines.by_ref().take_while(|line| !is_end(line)).collect();
            before.iter().filter(|line| line.contains("appended ")).count()
        };
        acknowledged += read_to("running 1 test");
        // Every third one is killed while it opens the store, the others while they append.
        if kill % 3 > 0 {
            acknowledged += read_to(&format!("appending {TURNS}"));
        }
        // Each one a little later.
        (0..kill * 500).for_each(|_| std::hint::spin_loop());
        other.0.kill().unwrap();
        other.0.wait().unwrap();
        acknowledged += read_to("no such line");

        let Some(loaded) = place.run(place.open().load(id, usize::MAX)).unwrap() else {
            assert_eq!(acknowledged, 0);
            continue;
        };
        assert_eq!(loaded.len, loaded.turns.len() as u64);
        assert!(loaded.turns.len() >= acknowledged, "a turn that was acknowledged is lost");
        assert!(loaded.turns.len() <= acknowledged + kill + 1, "more than one turn per process was not acknowledged");
        let turns: Vec<_> = loaded.turns.iter().map(read).collect();
        for (at, (name, number)) in turns.iter().enumerate() {
            let before = turns[..at].iter().rfind(|turn| turn.0 == *name).map(|turn| turn.1 + 1);
            assert_eq!(*number, before.unwrap_or_default(), "{name}");
        }
    }
    assert!(acknowledged >= KILLS * 2 / 3 * TURNS, "{acknowledged} turns of {KILLS} processes");
}

pub(crate) fn processes_migrate_at_once(place: &Place) {
    let address = place.address();
    let others = [(); 6].map(|()| Other::start(&["OPEN", &address]));
    others.into_iter().for_each(Other::succeed);
    assert_eq!(place.run(place.open().list(None, 1)).unwrap(), []);
}
