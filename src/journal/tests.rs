//! What is written is what happened: whatever is written when, and whatever fails.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rusqlite::Connection;
use tokio::sync::mpsc;

use super::read::Reader;
use super::schema::FILE;
use super::store::{Batch, Settled, Store, Unwritten};
use super::writing::micros;
use super::{Moment, prefix, schema};
use crate::config::model::{Fsync, Journal};
use crate::config::{self, Machine};
use crate::eepg;
use crate::observer::tests::changes::Stage;
use crate::observer::tests::model::{Happening, happening};
use crate::observer::view::{Event, Route};
use crate::observer::{self, RouteChange, RouteChanges};
use crate::policy::{Class, Reason};
use crate::speaker::PeerId;
use crate::sync::Wrote;
use crate::time::{Clock, Timestamp};

/// A directory of its own, removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("thirdleaf-journal-{}-{name}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join(FILE)
    }

    fn open(&self, now: Timestamp) -> Store {
        Store::open(&self.file(), &config(), now).unwrap()
    }

    fn read(&self) -> Connection {
        schema::read(&self.file()).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

fn config() -> Journal {
    Journal { fsync: Fsync::Checkpoint, ..Journal::default() }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(1_763_760_000_000_000).after(Duration::from_secs(seconds))
}

fn peer(address: &str) -> PeerId {
    PeerId { leaf: "rack1".into(), address: address.parse().unwrap() }
}

fn route(prefix: &str, as_path: &str, reasons: &[Reason]) -> Route {
    Route {
        prefix: prefix.parse().unwrap(),
        leaf: "rack1".into(),
        peer: "192.168.1.1".parse().unwrap(),
        node: Some("node1".into()),
        cluster: "default".into(),
        vrf: "default".into(),
        peer_as: 65102,
        path_id: 0,
        class: Class::PodBlock,
        state: if reasons.is_empty() { "accepted".into() } else { "rejected".into() },
        stale: false,
        reasons: reasons.to_vec(),
        as_path: as_path.to_owned(),
        next_hop: Some("192.168.1.1".parse().unwrap()),
        communities: vec![],
        med: None,
        origin: Some("igp".into()),
        since: at(0),
        eepg: None,
    }
}

fn change(seconds: u64, times: u32, prefix: &str, route: Option<Route>) -> RouteChange {
    RouteChange {
        peer: peer("192.168.1.1"),
        prefix: prefix.parse().unwrap(),
        path_id: 0,
        at: at(seconds),
        times,
        route,
    }
}

fn batch(now: Timestamp, routes: Vec<RouteChange>) -> Batch {
    let changes = vec![RouteChanges { routes, ..RouteChanges::default() }];
    Batch { now, changes, ..Batch::default() }
}

/// Rows of routes: `prefix as_path state since-until`, in seconds.
fn rows(file: &Connection) -> Vec<String> {
    let rows = "SELECT prefix, as_path, state, since, until FROM route \
                JOIN attributes ON attributes.id = attributes ORDER BY prefix, since, route.id";
    let mut rows = file.prepare(rows).unwrap();
    let seconds = |micros: i64| (micros - micros_of(0)) / 1_000_000;
    let rows = rows.query_map([], |row| {
        let prefix = prefix::read(&row.get::<_, Vec<u8>>(0)?).unwrap();
        let (path, state): (String, String) = (row.get(1)?, row.get(2)?);
        let until = row.get::<_, Option<i64>>(4)?.map(|until| seconds(until).to_string()).unwrap_or_default();
        Ok(format!("{prefix} {path} {state} {}-{until}", seconds(row.get(3)?)))
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

fn micros_of(seconds: u64) -> i64 {
    micros(at(seconds))
}

fn events(file: &Connection) -> Vec<String> {
    let mut rows = file.prepare("SELECT kind, text FROM event ORDER BY id").unwrap();
    let rows =
        rows.query_map([], |row| Ok(format!("{}: {}", row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

const BLOCK: &str = "10.244.1.0/26";

#[test]
fn a_route_is_a_row_for_each_way_that_it_was() {
    let place = Place::new("ways");
    let mut store = place.open(at(0));
    let mut write = |seconds, times, route| {
        store.write(&batch(at(seconds), vec![change(seconds, times, BLOCK, route)])).unwrap();
    };
    write(1, 1, Some(route(BLOCK, "65102", &[])));
    // Sent again, and come and gone within one look.
    write(2, 1, Some(route(BLOCK, "65102", &[])));
    write(3, 4, Some(route(BLOCK, "65102", &[])));
    write(5, 1, Some(route(BLOCK, "65102 65102", &[])));
    write(7, 1, Some(route(BLOCK, "65102 65102", &[Reason::AsPathTooLong])));
    write(9, 1, None);
    write(10, 1, None);
    write(11, 2, None);
    let file = place.read();
    assert_eq!(
        rows(&file),
        [
            "10.244.1.0/26 65102 accepted 1-5",
            "10.244.1.0/26 65102 65102 accepted 5-7",
            "10.244.1.0/26 65102 65102 rejected 7-9",
        ]
    );
    assert_eq!(
        events(&file),
        [
            "route_accepted: 10.244.1.0/26 of node1 (192.168.1.1 on rack1) is accepted as pod_block",
            "route_flapped: 10.244.1.0/26 of node1 (192.168.1.1 on rack1) changed, and is as it was (4 changes)",
            "route_changed: 10.244.1.0/26 of node1 (192.168.1.1 on rack1) changed: AS path 65102 65102, next hop 192.168.1.1",
            "route_rejected: 10.244.1.0/26 of node1 (192.168.1.1 on rack1) is rejected: as_path_too_long",
            "route_withdrawn: 10.244.1.0/26 of node1 (192.168.1.1 on rack1) is gone",
            "route_flapped: 10.244.1.0/26 of ? (192.168.1.1 on rack1) changed, and is as it was (2 changes)",
        ]
    );
}

#[test]
fn what_is_not_announced_any_more_after_a_restart_was_there_until_we_stopped_listening() {
    let place = Place::new("restart");
    let mut store = place.open(at(0));
    let both = [BLOCK, "10.244.1.64/26", "10.244.1.128/26"];
    let heard = both.iter().map(|prefix| change(1, 1, prefix, Some(route(prefix, "65102", &[])))).collect();
    store.write(&batch(at(1), heard)).unwrap();
    store.write(&batch(at(20), vec![])).unwrap();
    drop(store);
    let mut store = place.open(at(100));
    // One is heard again as it was, one otherwise, one not at all; its peer is waited for.
    let heard = vec![
        change(101, 1, BLOCK, Some(route(BLOCK, "65102", &[]))),
        change(102, 1, both[1], Some(route(both[1], "65102 65102", &[]))),
    ];
    // As it is whenever a run begins: all is told anew.
    store.write(&Batch { unsure: true, ..batch(at(102), heard) }).unwrap();
    let waits = HashSet::from([(Arc::from("rack1"), "192.168.1.1".parse().unwrap())]);
    let waiting = Batch { settled: Some(Settled::AllBut(waits)), ..batch(at(103), vec![]) };
    assert!(store.write(&waiting).unwrap().unsure);
    assert_eq!(rows(&place.read()).last().unwrap(), "10.244.1.128/26 65102 accepted 1-");
    let settled = Batch { settled: Some(Settled::AllBut(HashSet::new())), ..batch(at(104), vec![]) };
    assert!(!store.write(&settled).unwrap().unsure);
    let file = place.read();
    assert_eq!(
        rows(&file),
        [
            "10.244.1.0/26 65102 accepted 1-",
            "10.244.1.64/26 65102 accepted 1-20",
            "10.244.1.64/26 65102 65102 accepted 102-",
            "10.244.1.128/26 65102 accepted 1-20",
        ]
    );
    assert!(events(&file).last().unwrap().starts_with("routes_gone: 1 routes of 192.168.1.1 on rack1"));
}

#[test]
fn what_was_lost_track_of_is_never_there_twice() {
    let place = Place::new("lapse");
    let mut store = place.open(at(0));
    let both = [BLOCK, "10.244.1.64/26"];
    let heard = both.iter().map(|prefix| change(1, 1, prefix, Some(route(prefix, "65102", &[])))).collect();
    store.write(&batch(at(1), heard)).unwrap();
    store.write(&batch(at(10), vec![])).unwrap();
    // Both went on while nothing could be written; one had done so before, but that had not been told.
    let heard = vec![
        change(30, 1, BLOCK, Some(route(BLOCK, "65102 65102", &[]))),
        change(5, 1, both[1], Some(route(both[1], "65102 65102", &[]))),
    ];
    store.write(&Batch { unsure: true, ..batch(at(60), heard) }).unwrap();
    assert_eq!(
        rows(&place.read()),
        [
            "10.244.1.0/26 65102 accepted 1-10",
            "10.244.1.0/26 65102 65102 accepted 30-",
            "10.244.1.64/26 65102 accepted 1-5",
            "10.244.1.64/26 65102 65102 accepted 5-",
        ]
    );
}

#[test]
fn a_reload_that_names_routes_otherwise_leaves_the_past_as_it_was() {
    let place = Place::new("reload");
    let mut store = place.open(at(0));
    store.write(&batch(at(1), vec![change(1, 1, BLOCK, Some(route(BLOCK, "65102", &[])))])).unwrap();
    // Found on a walk: the announcement is the same, its node has another name.
    let renamed = || Some(Route { node: Some("node2".into()), ..route(BLOCK, "65102", &[]) });
    store.write(&batch(at(50), vec![change(1, 0, BLOCK, renamed())])).unwrap();
    // The same while nothing could be written.
    let moved = Some(Route { cluster: "other".into(), ..route(BLOCK, "65102", &[]) });
    store.write(&batch(at(60), vec![])).unwrap();
    store.write(&Batch { unsure: true, ..batch(at(90), vec![change(1, 0, BLOCK, moved)]) }).unwrap();
    let file = place.read();
    assert_eq!(
        rows(&file),
        [
            "10.244.1.0/26 65102 accepted 1-50",
            "10.244.1.0/26 65102 accepted 50-90",
            "10.244.1.0/26 65102 accepted 90-",
        ]
    );
    let last: i64 = file.query_row("SELECT max(at) FROM event", [], |row| row.get(0)).unwrap();
    assert_eq!(last, micros_of(90));
}

#[test]
fn routes_of_a_peer_that_is_forgotten_are_found_without_looking_at_those_of_others() {
    let place = Place::new("forgotten");
    drop(place.open(at(0)));
    let plan = "EXPLAIN QUERY PLAN UPDATE route SET until = max(since, ?2) WHERE peer = ?1 AND until IS NULL";
    let plan: String = place.read().query_row(plan, [1, 2], |row| row.get(3)).unwrap();
    assert_eq!(plan, "SEARCH route USING INDEX route_open (peer=?)");
}

#[test]
fn a_run_begins_with_what_it_writes() {
    let place = Place::new("run");
    let config = Journal { max_bytes: 1 << 20, ..config() };
    let mut store = Store::open(&place.file(), &config, at(0)).unwrap();
    store.write(&batch(at(1), vec![change(1, 1, BLOCK, Some(route(BLOCK, "65102", &[])))])).unwrap();
    drop(store);
    let event = || Event { at: at(50), kind: "reload".into(), text: "x".repeat(1 << 16), ..Event::default() };
    let events = (0..100).map(|_| Arc::new(event())).collect();
    let mut store = Store::open(&place.file(), &config, at(50)).unwrap();
    store.write(&Batch { unsure: true, events, ..batch(at(50), vec![]) }).unwrap_err();
    drop(store);
    let mut store = Store::open(&place.file(), &config, at(90)).unwrap();
    let settled = Some(Settled::AllBut(HashSet::new()));
    store.write(&Batch { unsure: true, settled, ..batch(at(90), vec![]) }).unwrap();
    let file = place.read();
    assert_eq!(rows(&file), ["10.244.1.0/26 65102 accepted 1-1"]);
    let runs: i64 = file.query_row("SELECT count(*) FROM run", [], |row| row.get(0)).unwrap();
    assert_eq!(runs, 2);
}

#[test]
fn a_journal_that_is_full_lets_the_oldest_go_and_keeps_what_is_there() {
    let place = Place::new("full");
    let config = Journal { max_bytes: 4 << 20, ..config() };
    let mut store = Store::open(&place.file(), &config, at(0)).unwrap();
    store.write(&batch(at(1), vec![change(1, 1, BLOCK, Some(route(BLOCK, "65102", &[])))])).unwrap();
    // Far more than fits: each step is another way of another prefix.
    for step in 0..200_u64 {
        let changes = (0..100_u8).map(|host| {
            let prefix = format!("10.244.2.{host}/32");
            let path = if step % 2 == 0 { "65102" } else { "65102 65102" };
            change(2 + step, 1, &prefix, Some(route(&prefix, path, &[])))
        });
        store.write(&batch(at(2 + step), changes.collect())).unwrap();
    }
    let bytes = store.write(&batch(at(300), vec![])).unwrap().bytes;
    assert!(bytes <= config.max_bytes, "{bytes}");
    let file = place.read();
    let open: i64 =
        file.query_row("SELECT count(*) FROM route WHERE until IS NULL", [], |row| row.get(0)).unwrap();
    assert_eq!(open, 101);
    assert!(rows(&file).contains(&format!("{BLOCK} 65102 accepted 1-")));
    let oldest: i64 = file.query_row("SELECT min(at) FROM event", [], |row| row.get(0)).unwrap();
    assert!(oldest > micros_of(10), "the oldest events went");
}

#[test]
fn what_no_route_is_announced_with_any_more_takes_no_room() {
    let place = Place::new("attributes");
    let config = Journal { max_bytes: 4 << 20, ..config() };
    let mut store = Store::open(&place.file(), &config, at(0)).unwrap();
    // One that stays, and one that is announced otherwise each time.
    store.write(&batch(at(1), vec![change(1, 1, BLOCK, Some(route(BLOCK, "65102", &[])))])).unwrap();
    for step in 0..200_u64 {
        let changes = (0..100_u64).map(|host| {
            let prefix = format!("10.244.2.{host}/32");
            let communities = (0..50).map(|one| format!("{}:{}", step * 100 + host, one + 10_000)).collect();
            let told = Route { communities, ..route(&prefix, "65102", &[]) };
            change(2 + step, 1, &prefix, Some(told))
        });
        store.write(&batch(at(2 + step), changes.collect())).unwrap();
    }
    // What is there is as it was announced, also after something went; so is what comes back.
    store.write(&batch(at(300), vec![change(300, 1, BLOCK, None)])).unwrap();
    store.write(&batch(at(301), vec![change(301, 1, BLOCK, Some(route(BLOCK, "65102", &[])))])).unwrap();
    let file = place.read();
    let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM route WHERE attributes NOT IN (SELECT id FROM attributes)"), 0);
    assert_eq!(count("SELECT count(*) FROM attributes WHERE id NOT IN (SELECT attributes FROM route)"), 0);
    assert_eq!(count("SELECT count(*) FROM route WHERE until IS NULL"), 101);
    assert!(count("SELECT max(length(text)) FROM event") < 500);
}

#[test]
fn a_batch_that_does_not_fit_beside_the_past_does_so_when_it_is_tried_again() {
    let place = Place::new("again");
    let config = Journal { max_bytes: 4 << 20, ..config() };
    let mut store = Store::open(&place.file(), &config, at(0)).unwrap();
    let event = |seconds| Event {
        at: at(seconds),
        kind: "reload".into(),
        text: "x".repeat(1 << 10),
        ..Event::default()
    };
    let events = |seconds, count| (0..count).map(|_| Arc::new(event(seconds))).collect();
    // Nearly so much that the oldest goes by itself.
    let small = || Batch { now: at(1), events: events(1, 20), ..Batch::default() };
    while store.write(&small()).unwrap().bytes < config.max_bytes / 8 * 7 {}
    let large = || Batch { now: at(40), events: events(40, 800), ..Batch::default() };
    store.write(&large()).unwrap_err();
    drop(store);
    let mut store = Store::open(&place.file(), &config, at(45)).unwrap();
    store.write(&large()).unwrap();
    let file = place.read();
    let written: i64 = file
        .query_row("SELECT count(*) FROM event WHERE at = ?1", [micros_of(40)], |row| row.get(0))
        .unwrap();
    assert_eq!(written, 800);
}

const CONFIG: &str = r#"
version = 1
[[leaf]]
name = "rack1"
local_as = 65101
router_id = "10.0.0.101"
listen = ["127.0.0.1:0"]
[[neighbors]]
leaf = "rack1"
range = "192.168.1.0/26"
peer_as = ["65102-65199"]
[[policy.allow]]
class = "pod"
prefix = "10.244.0.0/16"
lengths = [26]
"#;

#[tokio::test]
async fn what_an_apic_was_told_while_nothing_could_be_written_is_written_later() {
    let place = Place::new("later");
    let directory = place.0.join("state");
    let clock = Clock::start();
    let config = Arc::new(config::parse(CONFIG, "test.toml".as_ref(), &Machine).unwrap());
    let (_events, received) = mpsc::channel(4);
    let observer = observer::spawn(config, observer::Settings::default(), clock, received, |_| {});
    let (opened, told) = super::open(&directory, &self::config()).unwrap();
    let wrote = |operation: &str, prefix: &str| Wrote {
        at: clock.now(),
        apic: "fabric1".into(),
        refused: None,
        changes: vec![eepg::view::Change {
            operation: operation.into(),
            apic: "fabric1".into(),
            dn: format!("uni/tn-t/out-o/instP-e/extsubnet-[{prefix}]"),
            eepg: "e".into(),
            prefix: prefix.parse().ok(),
            because: eepg::view::Because::default(),
            reason: "a test".into(),
            held_by: None,
            until: None,
        }],
    };
    told.try_send(wrote("create", "10.244.1.1/32")).unwrap();
    told.try_send(wrote("create", "10.244.1.2/32")).unwrap();
    let (journal, end) = opened.start(observer.clone(), clock);
    let is_found = async || {
        let findings = observer.findings().await.unwrap();
        findings.iter().any(|finding| finding.kind == "journal_failing" && finding.state != "resolved")
    };
    let mut status = journal.status.clone();
    status.wait_for(|status| status.failures > 0).await.unwrap();
    while !is_found().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    told.try_send(wrote("delete", "10.244.1.1/32")).unwrap();
    std::fs::create_dir(&directory).unwrap();
    status.wait_for(|status| status.written.is_some()).await.unwrap();
    while is_found().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    end.end().await;
    let file = schema::read(&directory.join(FILE)).unwrap();
    let mut members = file.prepare("SELECT prefix, until IS NULL FROM member ORDER BY prefix").unwrap();
    let members = members.query_map([], |row| {
        Ok((prefix::read(&row.get::<_, Vec<u8>>(0)?).unwrap().to_string(), row.get::<_, bool>(1)?))
    });
    let members: Vec<_> = members.unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(members, [("10.244.1.1/32".to_owned(), false), ("10.244.1.2/32".to_owned(), true)]);
    assert!(events(&file).iter().any(|event| event.starts_with("journal_gap: ")));
    assert_eq!(journal.status().dropped, 0);
}

#[test]
fn minutes_are_kept_in_order_and_go_when_they_are_old() {
    let place = Place::new("minutes");
    let hour = Duration::from_hours(1);
    let mut store = Store::open(&place.file(), &Journal { keep: hour, ..config() }, at(0)).unwrap();
    let minute = |second| Moment { at: at(second), accepted: 10, rejected: 2, changes: second, events: 3 };
    for second in [60, 120, 180, 3_700] {
        let moment = Some(minute(second));
        store.write(&Batch { now: at(second), moment, ..Batch::default() }).unwrap();
    }
    let reader = Reader::open(&place.file()).unwrap();
    assert_eq!(reader.moments(at(0)).unwrap(), [minute(120), minute(180), minute(3_700)]);
    assert_eq!(reader.moments(at(180)).unwrap(), [minute(180), minute(3_700)]);
}

#[test]
fn what_is_over_goes_when_it_is_old() {
    let place = Place::new("old");
    let hour = Duration::from_hours(1);
    let mut store = Store::open(&place.file(), &Journal { keep: hour, ..config() }, at(0)).unwrap();
    store.write(&batch(at(1), vec![change(1, 1, BLOCK, Some(route(BLOCK, "65102", &[])))])).unwrap();
    store.write(&batch(at(5), vec![change(5, 1, BLOCK, None)])).unwrap();
    let other = "10.244.1.64/26";
    store.write(&batch(at(6), vec![change(6, 1, other, Some(route(other, "65102", &[])))])).unwrap();
    store.write(&batch(at(3_604), vec![])).unwrap();
    assert_eq!(rows(&place.read()).len(), 2);
    store.write(&batch(at(3_620), vec![])).unwrap();
    assert_eq!(rows(&place.read()), ["10.244.1.64/26 65102 accepted 6-"]);
    assert!(events(&place.read()).is_empty());
}

#[test]
fn what_does_not_fit_is_refused_whole_and_says_what_to_do() {
    let place = Place::new("disk");
    let mut store = Store::open(&place.file(), &Journal { max_bytes: 1 << 20, ..config() }, at(0)).unwrap();
    let event = || Event { at: at(1), kind: "reload".into(), text: "x".repeat(1 << 16), ..Event::default() };
    let events = (0..100).map(|_| Arc::new(event())).collect();
    let error = store.write(&Batch { now: at(1), events, ..Batch::default() }).unwrap_err();
    assert!(matches!(error, Unwritten::Sqlite(_)));
    assert!(error.to_string().contains("journal.max_bytes"), "{error}");
    assert!(events_of(&place).is_empty());
}

fn events_of(place: &Place) -> Vec<String> {
    events(&place.read())
}

/// What is done with what happened.
#[derive(Clone, Debug)]
enum Step {
    Happens(Happening),
    /// Up to so many changes are written.
    Writes(usize),
    /// A batch is lost: it is told anew from the beginning.
    Fails(usize),
    /// The process dies, and is there again.
    Restarts,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => happening().prop_map(Step::Happens),
        6 => (1..6_usize).prop_map(Step::Writes),
        1 => (1..6_usize).prop_map(Step::Fails),
        1 => Just(Step::Restarts),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_rows_that_are_open_are_what_there_is(story in prop::collection::vec(step(), 1..60)) {
        let place = Place::new("story");
        let mut stage = Stage::new();
        let mut store = place.open(stage.now());
        stage.walk();
        let mut lost_track = 0;
        let mut unsure = true;
        for step in &story {
            match step {
                Step::Happens(happening) => stage.happens(happening),
                Step::Writes(max) => {
                    let changes = stage.changes(*max);
                    unsure |= lost_track != changes.lost_track;
                    lost_track = changes.lost_track;
                    let unsure = std::mem::take(&mut unsure);
                    let batch = Batch { now: stage.now(), unsure, changes: vec![changes], ..Batch::default() };
                    store.write(&batch).unwrap();
                }
                Step::Fails(max) => {
                    stage.changes(*max);
                    stage.walk();
                    unsure = true;
                }
                Step::Restarts => {
                    store = place.open(stage.now());
                    stage.walk();
                    unsure = false;
                }
            }
        }
        stage.pass(Duration::from_secs(3));
        loop {
            let changes = stage.changes(3);
            let (more, complete) = (changes.more, changes.complete);
            let settled = complete.then(|| Settled::AllBut(HashSet::new()));
            let unsure = std::mem::take(&mut unsure);
            store.write(&Batch { now: stage.now(), unsure, changes: vec![changes], settled, ..Batch::default() }).unwrap();
            if complete && !more {
                break;
            }
        }
        let file = place.read();
        prop_assert_eq!(open_routes(&file), expected(&stage));
        let reversed: i64 = file
            .query_row("SELECT count(*) FROM route WHERE until < since", [], |row| row.get(0))
            .unwrap();
        prop_assert_eq!(reversed, 0);
    }
}

/// `leaf peer prefix path_id state as_path communities` of each.
fn open_routes(file: &Connection) -> Vec<String> {
    let open = "SELECT leaf, address, prefix, path_id, state, reasons, as_path, communities FROM route \
                JOIN peer ON peer.id = peer JOIN attributes ON attributes.id = attributes WHERE until IS NULL";
    let mut open = file.prepare(open).unwrap();
    let rows = open.query_map([], |row| {
        let prefix = prefix::read(&row.get::<_, Vec<u8>>(2)?).unwrap();
        let text = |column| row.get::<_, String>(column);
        let path: i64 = row.get(3)?;
        Ok(format!(
            "{} {} {prefix} {path} {} [{}] {} {}",
            text(0)?,
            text(1)?,
            text(4)?,
            text(5)?,
            text(6)?,
            text(7)?
        ))
    });
    let mut rows: Vec<String> = rows.unwrap().collect::<Result<_, _>>().unwrap();
    rows.sort();
    rows
}

fn expected(stage: &Stage) -> Vec<String> {
    let line = |route: Route| {
        let Route { leaf, peer, prefix, path_id, state, as_path, .. } = &route;
        let reasons: Vec<&str> = route.reasons.iter().map(|reason| reason.name()).collect();
        let communities = route.communities.join(" ");
        format!("{leaf} {peer} {prefix} {path_id} {state} [{}] {as_path} {communities}", reasons.join(","))
    };
    let mut lines: Vec<String> = stage.routes().into_iter().map(line).collect();
    lines.sort();
    lines
}
