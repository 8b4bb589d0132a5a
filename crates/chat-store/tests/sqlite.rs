//! What only SQLite has: a file, and a thread.

mod support;

#[cfg(unix)]
use std::fs::Permissions;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
#[cfg(unix)]
use std::path::Path;
use std::pin::pin;
use std::process::Command;
use std::task::{Context, Waker};
use std::{env, fs};

use chat_store::{AnyStore, ConversationId, Sqlite, Store, StoreError};
use support::{Folder, head, turn};

/// Appends a turn to a file, and returns the modes of its folder and of the three files while it is open.
#[cfg(unix)]
fn modes(path: &Path) -> [u32; 4] {
    let store = async_io::block_on(Sqlite::open(path)).unwrap();
    async_io::block_on(store.append(&head(ConversationId::new(), "t"), 0, &turn("?", "!"))).unwrap();
    ["", "store", "store-wal", "store-shm"].map(|name| mode(&path.with_file_name(name)))
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_new_files() {
    let folder = Folder::new();
    let path = folder.path().join("a/b/store");
    for _ in 0..2 {
        assert_eq!(modes(&path), [0o700, 0o600, 0o600, 0o600]);
    }
    assert_eq!(mode(&folder.path().join("a")), 0o700, "the folder above");
}

#[cfg(unix)]
#[test]
fn files_that_exist_keep_their_modes() {
    for mode in [0o644, 0o660, 0o600] {
        let folder = Folder::new();
        let path = folder.path().join("store");
        let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        set(folder.path(), 0o750);
        fs::write(&path, "").unwrap();
        set(&path, mode);
        assert_eq!(modes(&path), [0o750, mode, mode, mode]);
    }
}

#[test]
fn other_files_are_rejected_and_not_changed() {
    let folder = Folder::new();
    let foreign = folder.path().join("foreign.sqlite3");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    let text = folder.path().join("text");
    fs::write(&text, "Dear diary, ".repeat(1000)).unwrap();
    for (path, reason) in [
        (foreign, "could not read the file: it is the SQLite file of another program"),
        (text, "could not read the file: "),
    ] {
        let before = fs::read(&path).unwrap();
        let error = async_io::block_on(Sqlite::open(&path)).unwrap_err();
        assert!(matches!(error, StoreError::Unreadable { .. }), "{error:?}");
        assert!(error.to_string().starts_with(reason), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    let error = async_io::block_on(Sqlite::open(folder.path())).unwrap_err();
    assert!(error.to_string().starts_with("the store is not available: could not open "), "{error}");
}

#[test]
fn the_executors_thread_does_not_wait_for_other_processes() {
    let folder = Folder::new();
    let path = folder.path().join("store.sqlite3");
    let store = async_io::block_on(Sqlite::open(&path)).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (head, turn) = (head(ConversationId::new(), "t"), turn("?", "!"));
    let mut append = pin!(store.append(&head, 0, &turn));
    for _ in 0..1000 {
        assert!(append.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    other.execute_batch("COMMIT").unwrap();
    async_io::block_on(append).unwrap();
}

#[test]
fn a_dropped_append_can_be_repeated() {
    let folder = Folder::new();
    let store = async_io::block_on(Sqlite::open(folder.path().join("store.sqlite3"))).unwrap();
    let (head, turn) = (head(ConversationId::new(), "t"), turn("?", "!"));
    {
        let mut append = pin!(store.append(&head, 0, &turn));
        let _ = append.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    async_io::block_on(store.append(&head, 0, &turn)).unwrap();
    assert_eq!(async_io::block_on(store.load(head.id, 9)).unwrap().unwrap().turns, [turn]);
}

#[test]
fn the_default_file_is_in_the_folder_for_state() {
    let path = Sqlite::default_path().unwrap();
    assert!(path.is_absolute() && path.ends_with("chat-rs/conversations.sqlite3"), "{}", path.display());
}

#[test]
fn an_address_opens_a_file() {
    let folder = Folder::new();
    let path = folder.path().join("a b:c.sqlite3").display().to_string();
    let (head, turn) = (head(ConversationId::new(), "t"), turn("?", "!"));
    async_io::block_on(async {
        let store = AnyStore::open(&path).await.unwrap();
        store.append(&head, 0, &turn).await.unwrap();
        for address in [format!("sqlite:{path}"), format!("sqlite://{path}")] {
            let loaded = AnyStore::open(&address).await.unwrap().load(head.id, 9).await.unwrap();
            assert_eq!(loaded.unwrap().turns[0], turn, "{address}");
        }
        assert_eq!(AnyStore::open("memory:").await.unwrap().list(None, 1).await.unwrap(), []);
    });
}

#[cfg(unix)]
#[test]
fn a_file_may_have_a_name_that_sqlite_treats_specially() {
    const NAME: &str = "CHAT_STORE_TEST_NAME";
    let (head, turn) = (head(ConversationId::new(), "t"), turn("?", "!"));
    // The other process, whose current folder is the one of the file.
    if let Ok(name) = env::var(NAME) {
        let store = async_io::block_on(Sqlite::open(name)).unwrap();
        return async_io::block_on(store.append(&head, 0, &turn)).unwrap();
    }
    let folder = Folder::new();
    for name in [":memory:", "file:a?mode=memory"] {
        let mut other = Command::new(env::current_exe().unwrap());
        other.args(["a_file_may_have_a_name_that_sqlite_treats_specially", "--exact"]);
        let output = other.current_dir(folder.path()).env(NAME, name).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let store = async_io::block_on(Sqlite::open(folder.path().join(name))).unwrap();
        assert_eq!(async_io::block_on(store.list(None, 9)).unwrap().len(), 1, "{name}");
    }
}
