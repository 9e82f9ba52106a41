use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::mpsc;

use super::*;
use crate::config::{self, Machine};
use crate::disk::Unreadable;
use crate::metrics::{Reload, StateFile};
use crate::observer;

/// What could not be read is put here, to be looked at.
const DAMAGED: &str = "state.json.damaged";
/// What the file is called until all of it is written.
const PARTIAL: &str = "state.json.partial";

#[derive(Deserialize)]
struct Found {
    state: State,
}

fn load(path: &Path) -> Result<State, Unreadable> {
    disk::load(path, VERSION, LARGEST)
}

/// A directory that goes with the test.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("thirdleaf-keeper-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn put(&self, name: &str, octets: &[u8]) {
        fs::write(self.0.join(name), octets).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const STATE: &str = r#"{"version":1,"state":{"at":"2025-11-21T21:20:00.000Z","peers":[{"peer":{"leaf":"rack1",
"address":"192.168.1.2"},"peer_as":65102,"identifier":"192.168.1.2","node":"node1",
"known_since":"2025-11-20T21:20:00.000Z","down_since":null,"last_error":"it went"}],"findings":[],
"maintenance":[{"scope":{"rack":"r1"},"since":"2025-11-21T21:00:00.000Z","until":"2025-11-21T22:00:00.000Z",
"reason":"new disks"}]}}"#;

fn state() -> State {
    serde_json::from_str::<Found>(STATE).unwrap().state
}

fn by_hand(directory: &Path) -> Writer {
    Writer { directory: directory.to_owned(), lock: None }
}

#[test]
fn what_was_written_is_read_by_its_owner_alone() {
    let place = Temporary::new("whole");
    let directory = place.0.join("not/there/yet");
    by_hand(&directory).write(state()).unwrap();
    assert_eq!(read(&directory).unwrap(), Some(state()));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory.join(FILE)), mode(&directory)), (0o600, 0o700));
    assert!(!directory.join(PARTIAL).exists());
}

#[test]
fn the_first_start_has_nothing_to_read() {
    let place = Temporary::new("first");
    assert_eq!(read(&place.0).unwrap(), None);
    assert_eq!(read(&place.0.join("not/there")).unwrap(), None);
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn what_cannot_be_read_is_set_aside_wherever_it_breaks_off() {
    let place = Temporary::new("torn");
    for cut in 0..STATE.len() {
        place.put(FILE, &STATE.as_bytes()[..cut]);
        assert_eq!(read(&place.0).unwrap(), None, "cut at {cut}");
        assert_eq!(place.names(), [DAMAGED], "cut at {cut}");
        assert_eq!(fs::read(place.0.join(DAMAGED)).unwrap().len(), cut);
    }
    place.put(FILE, STATE.as_bytes());
    assert!(read(&place.0).unwrap().is_some());
}

#[test]
fn what_is_not_ours_is_set_aside() {
    let place = Temporary::new("foreign");
    let later = STATE.replacen(":1,", ":2,", 1);
    for foreign in [later.as_bytes(), b"version = 1", b"[1, 2]", b"{}", b"\xff\xfe", &[b'['; 1 << 12]] {
        place.put(FILE, foreign);
        assert_eq!(read(&place.0).unwrap(), None);
        assert_eq!(place.names(), [DAMAGED]);
    }
    place.put(FILE, later.as_bytes());
    assert_eq!(
        load(&place.0.join(FILE)).unwrap_err().to_string(),
        "it is of version 2, and this thirdleaf reads version 1"
    );
    // One octet too many; it takes no room on the disk.
    File::create(place.0.join(FILE)).unwrap().set_len(LARGEST + 1).unwrap();
    assert!(matches!(load(&place.0.join(FILE)), Err(Unreadable::TooLarge(_))));
    fs::remove_file(place.0.join(FILE)).unwrap();
    fs::create_dir(place.0.join(FILE)).unwrap();
    assert!(matches!(load(&place.0.join(FILE)), Err(Unreadable::NoFile)));
}

/// Any octet may turn into another: what is read then is something else or nothing, but never a panic.
#[test]
fn a_damaged_octet_is_no_reason_not_to_start() {
    let place = Temporary::new("octets");
    let mut refused = 0;
    for at in 0..STATE.len() {
        let mut octets = STATE.as_bytes().to_vec();
        octets[at] ^= 0x10;
        place.put(FILE, &octets);
        refused += usize::from(read(&place.0).unwrap().is_none());
    }
    assert!(refused > STATE.len() / 2, "{refused} of {}", STATE.len());
}

#[test]
fn the_old_file_stays_until_the_new_one_is_whole() {
    let place = Temporary::new("full");
    let mut writer = by_hand(&place.0);
    writer.write(state()).unwrap();
    // A disk that is full fails where this does.
    fs::create_dir(place.0.join(PARTIAL)).unwrap();
    place.put("state.json.partial/file", b"");
    let other = State { peers: vec![], ..state() };
    writer.write(other.clone()).unwrap_err();
    assert_eq!(read(&place.0).unwrap(), Some(state()));
    fs::remove_dir_all(place.0.join(PARTIAL)).unwrap();
    // Nor does what a killed process left behind do any harm.
    place.put(PARTIAL, &STATE.as_bytes()[..100]);
    assert_eq!(read(&place.0).unwrap(), Some(state()));
    writer.write(other.clone()).unwrap();
    assert_eq!(read(&place.0).unwrap(), Some(other));
    assert_eq!(place.names(), [FILE, LOCK]);
}

#[test]
fn one_at_a_time_writes_into_a_place() {
    let place = Temporary::new("shared");
    let mut one = by_hand(&place.0);
    one.write(state()).unwrap();
    let mut other = by_hand(&place.0);
    let error = other.write(state()).unwrap_err();
    assert!(error.to_string().contains("another thirdleaf writes there"), "{error}");
    drop(one);
    other.write(state()).unwrap();
}

#[test]
fn who_comes_second_starts_with_nothing() {
    let place = Temporary::new("second");
    by_hand(&place.0).write(state()).unwrap();
    let (known, first) = open(place.0.clone()).unwrap();
    assert_eq!(known, Some(state()));
    assert!(open(place.0.clone()).is_none());
    drop(first);
    assert!(open(place.0.clone()).is_some());
}

/// What is whole and cannot be read now, a link to itself for one, is neither set aside nor written over.
#[test]
fn what_cannot_be_read_now_stays_where_it_is() {
    let place = Temporary::new("unread");
    std::os::unix::fs::symlink(FILE, place.0.join(FILE)).unwrap();
    assert!(open(place.0.clone()).is_none());
    assert_eq!(place.names(), [FILE, LOCK]);
}

#[test]
fn a_lock_that_is_no_file_is_neither_followed_nor_waited_for() {
    let place = Temporary::new("lock");
    let path = place.0.join(LOCK);
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    assert!(open(place.0.clone()).is_none());
    assert_eq!(place.names(), [LOCK]);
    fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(open(place.0.clone()).is_none());
}

struct Lines(std::sync::mpsc::Sender<Vec<u8>>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.send(line.to_vec()).unwrap();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const CONFIG: &str = r#"
version = 1
[[leaf]]
name = "rack1"
local_as = 65101
router_id = "10.0.0.101"
listen = ["127.0.0.1:1790"]
[[neighbors]]
leaf = "rack1"
range = "192.168.1.0/26"
peer_as = ["65102-65199"]
[[policy.allow]]
class = "pod"
prefix = "10.244.0.0/16"
lengths = [26]
"#;

/// Virtual time passes while the disk works: the keeper looks as often as it can.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_is_told_once_until_it_is_written_again() {
    let place = Temporary::new("again");
    let (sink, lines) = std::sync::mpsc::channel();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || Lines(sink.clone()));
    let _log = tracing::subscriber::set_default(subscriber.finish());
    let clock = Clock::start();
    let config = Arc::new(config::parse(CONFIG, "test.toml".as_ref(), &Machine).unwrap());
    let (_events, received) = mpsc::channel(4);
    let observer = observer::spawn(config, observer::Settings::default(), clock, received, |_| {});
    let (status, shown) = watch::channel(Status {
        ready: true,
        state: Some(StateFile::default()),
        started: clock.now(),
        config_file: PathBuf::new(),
        reload: Reload { successful: true, succeeded: clock.now() },
        reload_error: None,
    });
    let directory = place.0.join("state");
    place.put("state", b"a file is in its way");
    let (end, _keep) = Keeper::start(start(by_hand(&directory)).unwrap(), observer, clock, status);
    let mut file = shown.clone();
    let of = |status: &Status| status.state.unwrap();
    file.wait_for(|status| of(status).failures >= 3).await.unwrap();
    assert_eq!(of(&shown.borrow()).written, None);
    fs::remove_file(&directory).unwrap();
    file.wait_for(|status| of(status).written.is_some()).await.unwrap();
    let first = of(&shown.borrow()).written.unwrap();
    assert_eq!(read(&directory).unwrap().unwrap().at.as_secs(), first.as_secs());

    // What does not change is not written again, but not left to grow old either.
    file.wait_for(|status| of(status).written > Some(first)).await.unwrap();
    let second = of(&shown.borrow()).written.unwrap();
    assert!(second.since(first) >= OLDEST, "{first} {second}");
    let (done, written) = oneshot::channel();
    end.send(done).unwrap();
    written.await.unwrap();
    assert!(of(&shown.borrow()).written.unwrap() >= second, "at the end it is, in any case");
    let log: Vec<_> = lines.try_iter().map(|line| String::from_utf8(line).unwrap()).collect();
    let count = |what: &str| log.iter().filter(|line| line.contains(what)).count();
    assert_eq!((count("cannot be written"), count("is written again")), (1, 1), "{log:?}");
}
