//! The file of the store: its place, its mode, its version.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use etcetera::BaseStrategy;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::sql;
use crate::StoreError;

/// Maximum time to wait for other processes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Time between two attempts of what SQLite does not wait for itself.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Number of prepared statements that are kept: all of `sql.rs`.
const STATEMENTS: usize = 16;

/// The default file, in the user's folder for state.
pub(crate) fn default_path() -> Result<PathBuf, StoreError> {
    let folders = etcetera::choose_base_strategy().map_err(StoreError::unavailable)?;
    let state = folders.state_dir().unwrap_or_else(|| folders.data_dir());
    Ok(state.join("chat-rs").join("conversations.sqlite3"))
}

/// Opens the file, creates it if it does not exist, and brings it to the newest version.
pub(crate) fn open(path: &Path) -> Result<Connection, StoreError> {
    // For SQLite, `:memory:`, `file:…` and an empty path are not names of files.
    let path = &Path::new(".").join(path);
    create(path).map_err(|error| {
        StoreError::unavailable(io::Error::new(error.kind(), format!("could not open {}: {error}", path.display())))
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    // Before anything is written, so that a newer file and a file of another program do not change.
    version(&connection)?;
    enable_wal(&connection).map_err(failed)?;
    // FULL: a turn that was appended survives a loss of power.
    // secure_delete: the next checkpoint overwrites deleted text in the file. The `-wal` may have this text until it is
    // overwritten, or until the last process closes the file and removes it.
    let settings = "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;";
    connection.execute_batch(settings).map_err(failed)?;
    migrate(&mut connection)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Creates an empty file that only its owner can read, and its folder. Those that exist are not changed. SQLite gives the mode
/// of the file to its `-wal` and `-shm`.
fn create(path: &Path) -> io::Result<()> {
    let mut folders = DirBuilder::new();
    let mut file = OpenOptions::new();
    file.write(true).create(true).truncate(false);
    folders.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        folders.mode(0o700);
        file.mode(0o600);
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        folders.create(folder)?;
    }
    file.open(path).map(drop)
}

/// Switches to a write-ahead log, so that readers and a writer do not wait for each other. SQLite does not always wait for
/// other processes that do the same.
fn enable_wal(connection: &Connection) -> rusqlite::Result<()> {
    let start = Instant::now();
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(())) {
            Err(error) if is_busy(&error) && start.elapsed() < BUSY_TIMEOUT => thread::sleep(BUSY_PAUSE),
            result => return result,
        }
    }
}

/// Brings the file to the newest version. The transaction makes other processes wait, which then find it done.
fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let newest = sql::MIGRATIONS.len();
    if version(connection)? == newest {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    for step in &sql::MIGRATIONS[version(&transaction)?..] {
        transaction.execute_batch(step).map_err(failed)?;
    }
    let marks = format!("PRAGMA application_id = {}; PRAGMA user_version = {newest};", sql::APPLICATION);
    transaction.execute_batch(&marks).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// The version of the file. 0 is an empty file.
fn version(connection: &Connection) -> Result<usize, StoreError> {
    let read = "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema)
        FROM pragma_user_version, pragma_application_id";
    let (version, application, objects): (i64, i64, i64) =
        connection.query_row(read, (), |row| row.try_into()).map_err(failed)?;
    if application != sql::APPLICATION && (version, objects) != (0, 0) {
        return Err(StoreError::unreadable("the file", "it is the SQLite file of another program"));
    }
    let newest = sql::MIGRATIONS.len();
    usize::try_from(version)
        .ok()
        .filter(|version| *version <= newest)
        .ok_or(StoreError::NewerVersion { found: version, supported: i64::try_from(newest).unwrap_or(i64::MAX) })
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// The error of an operation.
pub(crate) fn failed(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::unreadable("the file", error),
        _ => StoreError::unavailable(error),
    }
}
