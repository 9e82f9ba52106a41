//! The tables, and how the file is opened.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::config::model::Fsync;

/// The file, below `global.state_dir`.
pub const FILE: &str = "journal.db";

/// The version of the tables that this thirdleaf writes. What earlier ones wrote is brought up to it.
pub const VERSION: i64 = 1;

/// `tl3j`: `file` and others can tell what it is.
const APPLICATION: i64 = 0x746c_336a;

/// How long one waits for another that holds the file: only ever for a moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// Octets that the log beside the file keeps when nobody needs them any more, however long somebody has read.
const LOG: i64 = 32 << 20;

/// The steps from one version to the next: what stands at `n` leads from version `n` to `n + 1`.
const STEPS: [&str; 1] = ["
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    version TEXT NOT NULL,
    started INTEGER NOT NULL,
    alive INTEGER NOT NULL,
    ended INTEGER
) STRICT;

CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    cluster TEXT,
    vrf TEXT,
    leaf TEXT,
    peer TEXT,
    node TEXT,
    prefix BLOB,
    actor TEXT,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX event_at ON event (at);
CREATE INDEX event_kind ON event (kind, id);
CREATE INDEX event_prefix ON event (prefix, id) WHERE prefix IS NOT NULL;

CREATE TABLE peer (
    id INTEGER PRIMARY KEY,
    leaf TEXT NOT NULL,
    address TEXT NOT NULL,
    UNIQUE (leaf, address)
) STRICT;
CREATE TABLE announcer (
    id INTEGER PRIMARY KEY,
    cluster TEXT NOT NULL,
    vrf TEXT NOT NULL,
    node TEXT,
    peer_as INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX announcer_who ON announcer (cluster, vrf, ifnull(node, ''), peer_as);
CREATE TABLE attributes (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    as_path TEXT NOT NULL,
    next_hop TEXT,
    communities TEXT NOT NULL,
    med INTEGER,
    origin TEXT
) STRICT;
CREATE TABLE route (
    id INTEGER PRIMARY KEY,
    prefix BLOB NOT NULL,
    peer INTEGER NOT NULL REFERENCES peer,
    path_id INTEGER NOT NULL,
    announcer INTEGER NOT NULL REFERENCES announcer,
    attributes INTEGER NOT NULL REFERENCES attributes,
    class TEXT NOT NULL,
    state TEXT NOT NULL,
    reasons TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER
) STRICT;
CREATE UNIQUE INDEX route_open ON route (peer, prefix, path_id) WHERE until IS NULL;
CREATE INDEX route_prefix ON route (prefix, since);
CREATE INDEX route_since ON route (since);
CREATE INDEX route_until ON route (until) WHERE until IS NOT NULL;
CREATE INDEX route_attributes ON route (attributes);

CREATE TABLE finding (
    id INTEGER PRIMARY KEY,
    finding TEXT NOT NULL,
    kind TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX finding_open ON finding (finding) WHERE until IS NULL;
CREATE INDEX finding_since ON finding (since);
CREATE INDEX finding_until ON finding (until) WHERE until IS NOT NULL;

CREATE TABLE member (
    id INTEGER PRIMARY KEY,
    apic TEXT NOT NULL,
    container TEXT NOT NULL,
    prefix BLOB NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER
) STRICT;
CREATE UNIQUE INDEX member_open ON member (apic, container, prefix) WHERE until IS NULL;
CREATE INDEX member_since ON member (since);
CREATE INDEX member_until ON member (until) WHERE until IS NOT NULL;

CREATE TABLE moment (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    changes INTEGER NOT NULL,
    events INTEGER NOT NULL
) STRICT;
CREATE INDEX moment_at ON moment (at);
"];

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be opened, or is none of `SQLite`.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// It cannot be made.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is another program's.
    #[error("it is no journal of thirdleaf")]
    Foreign,
    /// A later thirdleaf wrote it.
    #[error("it is of version {0}, and this thirdleaf knows version {VERSION} and earlier ones")]
    Later(i64),
}

/// Opens the file for the one who writes it; makes it, or brings it up to date.
///
/// # Errors
/// Why it cannot be used.
pub fn open(path: &Path, fsync: Fsync) -> Result<Connection, Unusable> {
    // What else is made beside it gets the same permissions: only its owner may read all routes.
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let mut connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
    connection.busy_timeout(PATIENCE)?;
    let version = check(&connection)?;
    // Pages that become free can be given back; this takes effect in an empty file alone.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", fsync.synchronous())?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "journal_size_limit", LOG)?;
    for (from, step) in (0..).zip(STEPS).filter(|(from, _)| *from >= version) {
        let step_up = connection.transaction()?;
        step_up.execute_batch(step)?;
        step_up.pragma_update(None, "application_id", APPLICATION)?;
        step_up.pragma_update(None, "user_version", from + 1)?;
        step_up.commit()?;
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Opens the file for one who reads it, while it is written or after.
///
/// # Errors
/// Why it cannot be used.
pub fn read(path: &Path) -> Result<Connection, Unusable> {
    readable(Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))?)
}

/// Opens a file that nobody writes, where nothing can be written beside it: a copy on a medium that is read-only.
///
/// # Errors
/// Why it cannot be used.
pub fn read_still(path: &Path) -> Result<Connection, Unusable> {
    let mut uri = "file:".to_owned();
    for octet in std::path::absolute(path)?.as_os_str().as_encoded_bytes() {
        if octet.is_ascii_alphanumeric() || b"/-_.".contains(octet) {
            uri.push(char::from(*octet));
        } else {
            _ = write!(uri, "%{octet:02x}");
        }
    }
    uri += "?immutable=1";
    readable(Connection::open_with_flags(
        uri,
        flags(OpenFlags::SQLITE_OPEN_READ_ONLY) | OpenFlags::SQLITE_OPEN_URI,
    )?)
}

fn readable(connection: Connection) -> Result<Connection, Unusable> {
    connection.busy_timeout(PATIENCE)?;
    if check(&connection)? < VERSION {
        // Only a journal that nobody has written since the program changed: `run` brings it up to date.
        return Err(Unusable::Foreign);
    }
    Ok(connection)
}

/// Each connection is used by one thread at a time.
fn flags(access: OpenFlags) -> OpenFlags {
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// The version of the tables; 0 of an empty file.
fn check(connection: &Connection) -> Result<i64, Unusable> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (application, version) {
        (0, 0) if tables == 0 => Ok(0),
        (APPLICATION, version) if version > VERSION => Err(Unusable::Later(version)),
        (APPLICATION, version) if version > 0 => Ok(version),
        _ => Err(Unusable::Foreign),
    }
}

const _: () = assert!(STEPS.len() == 1 && VERSION == 1, "a step leads to each version");

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn place(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("thirdleaf-schema-{}-{name}", std::process::id()));
        _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        directory.join(FILE)
    }

    #[test]
    fn makes_a_file_that_only_its_owner_reads_and_opens_it_again() {
        use std::os::unix::fs::PermissionsExt;
        let path = place("new");
        drop(open(&path, Fsync::Commit).unwrap());
        let writer = open(&path, Fsync::Commit).unwrap();
        writer.execute("INSERT INTO peer (leaf, address) VALUES ('rack1', '10.0.0.1')", []).unwrap();
        for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.path());
        }
        let reader = read(&path).unwrap();
        let peers: i64 = reader.query_row("SELECT count(*) FROM peer", [], |row| row.get(0)).unwrap();
        assert_eq!(peers, 1);
        assert!(reader.execute("DELETE FROM peer", []).is_err());
    }

    #[test]
    fn the_log_beside_the_file_shrinks_when_whoever_read_is_gone() {
        let path = place("log");
        let mut writer = open(&path, Fsync::Checkpoint).unwrap();
        let mut reader = read(&path).unwrap();
        let reading = reader.transaction().unwrap();
        reading.query_row("SELECT count(*) FROM event", [], |row| row.get::<_, i64>(0)).unwrap();
        let event = "INSERT INTO event (at, kind, text) VALUES (1, 'x', hex(zeroblob(1000000)))";
        let log = || std::fs::metadata(path.with_extension("db-wal")).unwrap().len();
        let mut write = |count| {
            let transaction = writer.transaction().unwrap();
            (0..count).for_each(|_| _ = transaction.execute(event, []).unwrap());
            transaction.commit().unwrap();
        };
        write(20);
        assert!(log() > u64::try_from(LOG).unwrap());
        drop(reading);
        drop(reader);
        (0..3).for_each(|_| write(1));
        assert!(log() <= u64::try_from(LOG).unwrap(), "{}", log());
    }

    #[test]
    fn leaves_files_of_others_and_of_later_versions_alone() {
        let path = place("foreign");
        std::fs::write(&path, "no database at all, but longer than the header of one would be").unwrap();
        assert!(matches!(open(&path, Fsync::Commit), Err(Unusable::Sqlite(_))));
        let path = place("other");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
        assert!(matches!(open(&path, Fsync::Commit), Err(Unusable::Foreign)));
        let path = place("later");
        drop(open(&path, Fsync::Commit).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert!(matches!(open(&path, Fsync::Commit), Err(Unusable::Later(2))));
        assert!(matches!(read(&path), Err(Unusable::Later(2))));
    }
}
