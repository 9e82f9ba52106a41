//! A trace that is played comes to what was recorded.

use std::collections::BTreeSet;

use super::*;
use crate::bgp::attribute::Set;
use crate::observer::trace::{Played, Player, to_memory};

fn played(segments: &[Vec<u8>]) -> Played {
    let mut player = Player::new(None);
    for (segment, name) in segments.iter().zip(1..) {
        player.play(&format!("trace-{name}"), segment);
    }
    player.finish().unwrap()
}

/// However many segments are gone, the oldest first, the rest comes to what the world has come to.
#[track_caller]
pub(super) fn same(segments: &[Vec<u8>], world: &World) {
    let last = segments.len() - 1;
    for first in BTreeSet::from([0, last.min(1), last / 2, last]) {
        let mut played = played(&segments[first..]);
        assert_eq!(played.damage, [""; 0]);
        assert_eq!(played.notes, [""; 0]);
        let (told, live) = (played.offline.snapshot(world.now), world.snapshot());
        assert_eq!(told.summary, live.summary, "from {first} of {}", segments.len());
        let (mut told, mut live) = (told.findings.to_vec(), live.findings.to_vec());
        if first > 0 {
            // Of what goes at one moment, what goes first is not told.
            for findings in [&mut told, &mut live] {
                findings.sort_by(|one, other| one.id.cmp(&other.id));
            }
        }
        assert_eq!(told, live, "from {first} of {}", segments.len());
        assert_eq!(all_pages(1_000, |query| played.offline.routes(query)), world.page_all());
    }
}

/// Segments of a world in which a node leaks one more route a minute.
fn leaking(from: Timestamp, minutes: u8) -> (Vec<Vec<u8>>, World) {
    let (recorder, memory) = to_memory(1);
    let core = Core::new(Arc::new(config()), Settings::default(), from);
    let mut world = World::new();
    (world.core, world.now) = (Recorded::new(core, Some(recorder)), from);
    let session = world.up("leaf1", NODE, NODE_AS, NODE);
    for minute in 0..minutes {
        world.announce(&session, &[&format!("172.16.{minute}.0/24")]);
        world.pass(MINUTE);
    }
    (memory.segments(), world)
}

#[test]
fn segments_that_are_missing_are_told_and_not_played_over() {
    let (mut segments, world) = leaking(START, 3);
    let all = segments.len();
    assert!(all > 12, "{all}");
    segments.drain(1..3);
    let last = segments.len() - 1;
    segments.remove(last - 1);
    let played = played(&segments);
    assert_eq!(
        played.notes,
        ["segments 2 to 3 are missing".to_owned(), format!("segment {} is missing", all - 1)]
    );
    assert_eq!(all_pages(1_000, |query| played.offline.routes(query)), world.page_all());
    assert_eq!(played.from, START);
}

#[test]
fn a_segment_that_cannot_be_read_is_damage_and_not_the_end() {
    let (segments, world) = leaking(START, 2);
    let mut player = Player::new(None);
    for (segment, number) in segments.iter().zip(1..) {
        match number {
            2 => player.miss("trace-2", &std::io::ErrorKind::PermissionDenied.into()),
            _ => player.play(&format!("trace-{number}"), segment),
        }
    }
    let outcome = player.finish().unwrap();
    assert_eq!(outcome.damage, ["trace-2 cannot be read: permission denied"]);
    assert_eq!(outcome.notes, ["segment 2 is missing"]);
    assert_eq!(all_pages(1_000, |query| outcome.offline.routes(query)), world.page_all());
}

/// What is logged meanwhile.
fn logged(run: impl FnOnce()) -> String {
    let (sink, lines) = std::sync::mpsc::channel();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || Lines(sink.clone()));
    tracing::subscriber::with_default(subscriber.finish(), run);
    lines.try_iter().map(|line| String::from_utf8(line).unwrap()).collect()
}

struct Lines(std::sync::mpsc::Sender<Vec<u8>>);

impl std::io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.send(line.to_vec()).unwrap();
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn attributes_that_are_too_large_for_a_base_are_told_once_and_left_out() {
    let (recorder, memory) = to_memory(1);
    let mut world = World::recorded(config(), Settings::default(), Some(recorder));
    let large = |number: u8| [vec![number], vec![0; 60_000]].concat();
    world.pass(SECOND);
    let log = logged(|| {
        for number in 0..150 {
            world.core.rib.intern(Set::from_canonical(&large(number)));
        }
        world.pass(MINUTE);
    });
    let segments = memory.segments();
    assert_eq!(log.matches("too much is known for another segment").count(), 1, "{log}");
    assert!(segments.iter().all(|segment| segment.len() < 100_000));
    assert_eq!(played(&segments).notes, [""; 0], "what goes on does");

    let mut player = Player::new(None);
    player.play("trace-9", segments.last().unwrap());
    let why = player.finish().err().unwrap().to_string();
    assert!(why.contains("trace-9 cannot be begun with: 0 routes and findings and 9000150 octets"), "{why}");
}

#[test]
fn segments_of_two_runs_do_not_go_on_from_each_other() {
    let [(one, _), (other, world)] = [leaking(START, 1), leaking(START.after(MINUTE * 60), 2)];
    let played = played(&[&one[..2], &other[2..]].concat());
    assert_eq!(played.notes.len(), 1, "{:?}", played.notes);
    assert!(played.notes[0].starts_with("inputs are missing before trace-3"), "{:?}", played.notes);
    assert_eq!(played.offline.now().since(world.now), Duration::ZERO);
}

/// Each time a base is written, which may be large.
#[test]
fn a_disk_that_stays_full_is_tried_less_and_less_often() {
    let (recorder, memory) = to_memory(usize::MAX);
    let mut world = World::recorded(config(), Settings::default(), Some(recorder));
    let mut begun = vec![];
    for second in 0..3_600 {
        world.pass(SECOND);
        begun.extend(std::iter::repeat_n(second, memory.fail()));
    }
    assert!(begun.len() < 20 && begun.last() > Some(&3_200), "{begun:?}");
}
