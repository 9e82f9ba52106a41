//! Under virtual time; files in a directory that goes with the test.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::files;
use super::queue::{Part, Queue};
use super::writer::Writer;
use super::*;
use crate::bgp::{Families, Negotiated};
use crate::mrt::{Body, Reader, terms};
use crate::speaker::tap::{Ends, Heard, Step, What};
use crate::speaker::{PeerId, SessionId};

mod tables;

const HOUR: Duration = Duration::from_hours(1);

/// A directory of the test's own.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("thirdleaf-mrt-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn settings(&self) -> MrtArchive {
        MrtArchive::at(self.0.join("archive"))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn writer(settings: &MrtArchive, clock: Clock) -> (Writer, Arc<Queue>) {
    let (queue, _) = Queue::new();
    (Writer::new(Arc::new(settings.clone()), clock, Arc::clone(&queue)), queue)
}

fn message(code: u8, body: &[u8]) -> Vec<u8> {
    let mut octets = vec![0xff; 16];
    octets.extend(u16::try_from(19 + body.len()).unwrap().to_be_bytes());
    octets.push(code);
    octets.extend(body);
    octets
}

/// An UPDATE that says nothing, told apart by this.
fn update(mark: u8) -> Vec<u8> {
    message(2, &[0, 0, 0, 4, 0xc0, 99, 1, mark])
}

fn ends(node: u8, session: u64, negotiated: &Negotiated) -> Arc<Ends> {
    let peer = PeerId { leaf: "rack1".into(), address: [192, 0, 2, node].into() };
    let negotiated = Negotiated { peer_as: 65102, local_as: 65101, ..negotiated.clone() };
    let (session, local) = (SessionId(session), [192, 0, 2, 4].into());
    Arc::new(Ends { session, peer, local, negotiated: Arc::new(negotiated) })
}

fn heard(ends: &Arc<Ends>, at: Timestamp, steps: &[(What, &[u8])]) -> Heard {
    let octets = steps.iter().flat_map(|(_, octets)| *octets).copied().collect();
    let step = |(what, octets): &(What, &[u8])| Step { what: *what, at, octets: octets.len() };
    Heard { ends: Arc::clone(ends), steps: steps.iter().map(step).collect(), octets }
}

fn up(node: u8, session: u64, at: Timestamp) -> Heard {
    heard(&ends(node, session, &terms(true, false)), at, &[(What::Established, &[])])
}

fn said(node: u8, session: u64, at: Timestamp, mark: u8) -> Heard {
    heard(&ends(node, session, &terms(true, false)), at, &[(What::Received, &update(mark))])
}

fn down(node: u8, session: u64, at: Timestamp) -> Heard {
    heard(&ends(node, session, &terms(true, false)), at, &[(What::Closed, &[])])
}

/// Names of all files, sorted.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "lock")
        .collect();
    names.sort();
    names
}

fn octets(path: &Path) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut file = File::open(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "gz") {
        MultiGzDecoder::new(file).read_to_end(&mut octets).unwrap();
    } else {
        file.read_to_end(&mut octets).unwrap();
    }
    octets
}

/// What files say, a word a record: `1+` the session of node 1 is up, `1-` it is not, `1:7` it sent message 7.
fn story(directory: &Path) -> Vec<String> {
    let mut story = Vec::new();
    for name in names(directory) {
        let octets = octets(&directory.join(&name));
        let mut reader = Reader::new(&octets[..]);
        while let Some(record) = reader.next().unwrap_or_else(|error| panic!("{name}: {error}")) {
            let node = |address: std::net::IpAddr| address.to_string().rsplit('.').next().unwrap().to_owned();
            story.push(match &record.body {
                Body::StateChange(change) if change.new == 6 => format!("{}+", node(change.peering.peer)),
                Body::StateChange(change) => format!("{}-", node(change.peering.peer)),
                Body::Message(message) => {
                    format!("{}:{}", node(message.peering.peer), message.body.last().unwrap())
                }
                other => panic!("{other:?}"),
            });
        }
    }
    story
}

/// Times at which files may begin.
fn at(hour: u64, minute: u64) -> Timestamp {
    // 2026-11-22T00:00:00Z
    Timestamp::from_micros((1_795_305_600 + hour * 3_600 + minute * 60) * 1_000_000)
}

/// Virtual time goes on to the next full hour.
async fn next_hour(clock: Clock) -> Timestamp {
    let next = files::floor(clock.now(), HOUR).after(HOUR);
    tokio::time::advance(next.since(clock.now())).await;
    next
}

#[test]
fn files_are_named_by_the_minute_and_sort_as_time_does() {
    let directory = Path::new("/archive");
    assert_eq!(files::updates(directory, at(13, 7)), directory.join("updates.20261122.1307.mrt"));
    assert_eq!(files::table(directory, at(9, 0)), directory.join("rib.20261122.0900.mrt.gz"));
    assert_eq!(files::floor(at(13, 7), HOUR), at(13, 0));
    assert_eq!(files::floor(at(13, 7), HOUR * 8), at(8, 0));
    assert_eq!(files::floor(at(13, 0), HOUR), at(13, 0));
}

#[tokio::test(start_paused = true)]
async fn a_file_ends_with_its_time_and_is_compressed_and_nothing_is_in_two() {
    let temporary = Temporary::new("rotate");
    let settings = temporary.settings();
    let clock = Clock::start();
    let (mut writer, queue) = writer(&settings, clock);
    next_hour(clock).await;
    let first = files::updates(&settings.dir, clock.now());
    writer.turn();
    writer.hear(&up(1, 1, clock.now()));
    writer.hear(&said(1, 1, clock.now(), 7));
    tokio::time::advance(Duration::from_millis(3_599_999)).await;
    writer.hear(&said(1, 1, clock.now(), 8));
    writer.turn();
    assert_eq!(names(&settings.dir).len(), 1, "its time is not over");
    tokio::time::advance(Duration::from_millis(1)).await;
    // What was taken in before belongs to what is over.
    writer.hear(&said(1, 1, clock.now(), 9));
    writer.turn();
    writer.hear(&said(1, 1, clock.now(), 10));
    for _ in 0..4 {
        writer.turn();
    }
    let second = files::updates(&settings.dir, clock.now());
    let packed = crate::disk::beside(&first, ".gz");
    assert!(packed.exists() && !first.exists() && second.exists(), "{:?}", names(&settings.dir));
    assert_eq!(story(&settings.dir), ["1+", "1:7", "1:8", "1:9", "1:10"]);
    for file in [&packed, &second] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::metadata(&settings.dir).unwrap().permissions().mode() & 0o777, 0o700);
    let status = queue.status();
    assert_eq!((status.written, status.lost, status.failing), (4, 0, false));
}

#[tokio::test(start_paused = true)]
async fn what_a_kill_left_of_a_record_is_cut_off_and_the_file_goes_on() {
    let temporary = Temporary::new("torn");
    let settings = temporary.settings();
    let clock = Clock::start();
    next_hour(clock).await;
    let (mut first, _) = writer(&settings, clock);
    first.turn();
    first.hear(&up(1, 1, clock.now()));
    first.hear(&said(1, 1, clock.now(), 7));
    first.turn();
    drop(first);
    let path = files::updates(&settings.dir, clock.now());
    let whole = octets(&path);
    for torn in [1, 11, 12, 13, whole.len() / 3] {
        let mut octets = whole.clone();
        octets.extend(&whole[..torn]);
        fs::write(&path, octets).unwrap();
        let (mut second, _) = writer(&settings, clock);
        second.turn();
        second.hear(&said(1, 1, clock.now(), 8));
        second.turn();
        assert_eq!(story(&settings.dir), ["1+", "1:7", "1:8"], "{torn}");
        drop(second);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_or_too_much_goes_and_what_is_not_ours_stays() {
    let temporary = Temporary::new("trim");
    let directory = &temporary.0;
    let file = |name: &str, octets: usize| fs::write(directory.join(name), vec![0; octets]).unwrap();
    for name in ["updates.20261120.0000.mrt.gz", "rib.20261122.0000.mrt.gz", "updates.20261122.0000.mrt"] {
        file(name, 1_000);
    }
    file("updates.20261122.0100.mrt", 1_000);
    for foreign in ["updates.mrt", "rib.20261120.0000.mrt", "updates.2026112.00000.mrt", "notes"] {
        file(foreign, 1_000);
    }
    let open = directory.join("updates.20261122.0000.mrt");
    let trim = |before, most| files::trim(directory, Some(&open), before, most).unwrap();
    assert_eq!(trim(at(0, 0), 10_000), 3_000, "one is too old");
    assert_eq!(trim(at(0, 0), 2_999), 2_000, "the oldest goes first");
    assert_eq!(trim(at(0, 0), 500), 1_000, "what is written stays");
    assert_eq!(
        names(directory),
        [
            "notes",
            "rib.20261120.0000.mrt",
            "updates.2026112.00000.mrt",
            "updates.20261122.0000.mrt",
            "updates.mrt"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn on_a_full_disk_it_stops_and_says_so_and_goes_on_with_who_is_up() {
    let temporary = Temporary::new("full");
    let settings = temporary.settings();
    let clock = Clock::start();
    next_hour(clock).await;
    let (mut writer, queue) = writer(&settings, clock);
    writer.turn();
    writer.hear(&up(1, 1, clock.now()));
    writer.hear(&up(2, 2, clock.now()));
    writer.turn();
    writer.set_file(OpenOptions::new().write(true).open("/dev/full").unwrap());
    // Of what cannot be written nothing counts.
    writer.hear(&down(2, 2, clock.now()));
    writer.hear(&said(1, 1, clock.now(), 7));
    writer.hear(&up(3, 3, clock.now()));
    writer.turn();
    assert_eq!((queue.status().lost, queue.status().failing), (1, true));
    assert!(queue.why()[0].is_some());
    writer.hear(&said(1, 1, clock.now(), 8));
    writer.turn();
    assert_eq!(queue.status().lost, 2, "nothing is kept until there is room");
    tokio::time::advance(Duration::from_secs(10)).await;
    writer.turn();
    writer.hear(&said(1, 1, clock.now(), 9));
    writer.turn();
    assert_eq!((queue.status().written, queue.status().failing), (1, false));
    assert_eq!(queue.why(), [None, None]);
    assert_eq!(story(&settings.dir), ["1+", "2+", "1-", "2-", "1+", "3+", "1:9"]);
    // A table is asked for.
    queue.gap.notified().await;
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_cannot_be_had_is_tried_again() {
    let temporary = Temporary::new("nowhere");
    let settings = temporary.settings();
    fs::write(&settings.dir, "in its way").unwrap();
    let clock = Clock::start();
    let (mut writer, queue) = writer(&settings, clock);
    writer.turn();
    writer.hear(&up(1, 1, clock.now()));
    assert!(queue.status().failing);
    fs::remove_file(&settings.dir).unwrap();
    writer.turn();
    assert!(queue.status().failing, "not at once");
    tokio::time::advance(Duration::from_secs(5)).await;
    writer.turn();
    assert!(!queue.status().failing);
    assert_eq!(story(&settings.dir), ["1+"]);
    // Two who wrote there would take each other's files for theirs.
    let (mut other, others) = self::writer(&settings, clock);
    other.turn();
    assert!(others.why()[0].as_ref().is_some_and(|why| why.contains("another thirdleaf writes there")));
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_counted_and_its_session_begins_anew() {
    let temporary = Temporary::new("overflow");
    let settings = temporary.settings();
    let clock = Clock::start();
    let (queue, parts) = Queue::new();
    let mut writer = Writer::new(Arc::new(settings.clone()), clock, Arc::clone(&queue));
    writer.turn();
    for node in 1..=3 {
        writer.hear(&up(node, node.into(), clock.now()));
    }
    writer.turn();
    // Nobody takes anything out.
    let long = vec![0; 64 << 10];
    let filler = heard(&ends(9, 9, &terms(true, false)), clock.now(), &[(What::Received, &long)]);
    while queue.send(Part::Heard(filler.clone())).is_ok() {}
    while queue.send(Part::Heard(down(9, 9, clock.now()))).is_ok() {}
    queue.hear(said(1, 1, clock.now(), 7));
    queue.hear(down(2, 2, clock.now()));
    queue.hear(up(4, 4, clock.now()));
    assert_eq!(queue.status().lost, 1);
    let (waiting, room) = queue.status().queue;
    assert!(waiting <= room && waiting > room - (128 << 10), "{waiting} of {room}");
    while let Ok(part) = parts.try_recv() {
        queue.taken(&part);
    }
    assert_eq!(queue.status().queue.0, 0);
    // Of this one the end was lost, and another began since.
    queue.hear(up(2, 5, clock.now()));
    let Ok(Part::Heard(again)) = parts.try_recv() else { panic!("there is room again") };
    writer.hear(&again);
    writer.miss();
    writer.hear(&said(1, 1, clock.now(), 8));
    writer.turn();
    let mut story = story(&settings.dir);
    // In which order peers are told is nobody's business.
    story[4..8].sort();
    assert_eq!(story, ["1+", "2+", "3+", "2+", "1+", "1-", "4+", "4-", "1:8"]);
    queue.gap.notified().await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_late_of_an_older_session_is_void() {
    let temporary = Temporary::new("late");
    let settings = temporary.settings();
    let clock = Clock::start();
    let (mut writer, _) = writer(&settings, clock);
    writer.turn();
    writer.hear(&up(1, 2, clock.now()));
    writer.hear(&said(1, 1, clock.now(), 7));
    writer.hear(&down(1, 1, clock.now()));
    writer.hear(&said(1, 2, clock.now(), 8));
    writer.turn();
    assert_eq!(story(&settings.dir), ["1+", "1:8"]);
}

#[test]
fn a_message_is_told_with_path_identifiers_where_its_family_has_them() {
    let is = |add_path, families, octets: &[u8]| {
        let terms = Negotiated { families, add_path, ..terms(true, false) };
        let ends = ends(1, 1, &terms);
        let mut out = Vec::new();
        records::put(&heard(&ends, at(0, 0), &[(What::Received, octets)]), &mut out);
        let mut reader = Reader::new(&out[..]);
        let record = reader.next().unwrap().unwrap();
        let Body::Message(message) = &record.body else { panic!("{record:?}") };
        message.add_path
    };
    let only = Families::only;
    let (four, six) = (only(crate::bgp::Family::Ipv4), only(crate::bgp::Family::Ipv6));
    let v4 = message(2, &[0, 0, 0, 0, 0, 0, 0, 1, 8, 10]);
    let v6 = message(2, &[0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1]);
    assert!(!is(Families::NONE, Families::ALL, &v4));
    assert!(is(Families::ALL, Families::ALL, &v4) && is(Families::ALL, Families::ALL, &v6));
    assert!(is(four, Families::ALL, &v4) && !is(four, Families::ALL, &v6));
    assert!(!is(six, Families::ALL, &v4) && is(six, Families::ALL, &v6));
    assert!(is(four, four, &v6), "whatever it carries");
    assert!(!is(Families::ALL, Families::ALL, &message(1, &[4, 254, 78, 0, 3, 1, 1, 1, 1, 0])), "an OPEN");
    // Whatever is wrong with it, it is written.
    for damaged in [vec![], vec![0], vec![0, 9, 1], vec![0, 0, 0, 9, 1, 2], vec![0, 0, 0, 3, 0x80, 14, 0]] {
        let mut damaged = damaged;
        damaged.resize(damaged.len().max(4), 0);
        is(four, Families::ALL, &message(2, &damaged));
    }
}
