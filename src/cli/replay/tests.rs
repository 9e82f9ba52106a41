//! What records come to, story by story.

use std::path::Path;

use bytes::BytesMut;
use ipnet::IpNet;

use super::*;
use crate::bgp::announce::{Announcer, put_prefix};
use crate::bgp::attribute::Builder;
use crate::bgp::capability::RestartFamily;
use crate::bgp::notification::Cease;
use crate::bgp::{Capability, Family, Notification, Open, Outgoing};
use crate::config::{self, Config, Machine};
use crate::observer::{RouteQuery, Snapshot};

const CONFIG: &str = r#"version = 1
[[leaf]]
name = "rack1"
local_as = 65199
router_id = "172.16.0.4"
listen = ["0.0.0.0:1790"]
[[neighbors]]
leaf = "rack1"
range = "172.16.0.0/16"
peer_as = ["65102-65198"]
[[policy.allow]]
class = "pod"
prefix = "10.244.0.0/16"
lengths = [26, 32]
[[policy.allow]]
class = "service"
prefix = "10.96.0.0/12"
lengths = [12]
"#;

fn config() -> Arc<Config> {
    Arc::new(config::parse(CONFIG, Path::new("test.toml"), &Machine).unwrap())
}

/// A file in the making: 65102 at 172.16.1.1, as leaf 65199 recorded it.
#[derive(Default)]
struct Recording {
    octets: Vec<u8>,
    second: u32,
}

impl Recording {
    fn record(mut self, code: u16, subtype: u16, body: &[u8]) -> Self {
        self.octets.extend(self.second.to_be_bytes());
        self.octets.extend(code.to_be_bytes());
        self.octets.extend(subtype.to_be_bytes());
        self.octets.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        self.octets.extend(body);
        self
    }

    fn after(mut self, seconds: u32) -> Self {
        self.second += seconds;
        self
    }

    /// `BGP4MP`, whatever follows the two ends.
    fn said(self, subtype: u16, peer_as: u32, body: &[u8]) -> Self {
        let mut octets = peer_as.to_be_bytes().to_vec();
        octets.extend(65199_u32.to_be_bytes());
        octets.extend([0, 0, 0, 1, 172, 16, 1, 1, 172, 16, 1, 4]);
        octets.extend(body);
        self.record(16, subtype, &octets)
    }

    fn state(self, old: u8, new: u8) -> Self {
        self.said(5, 65102, &[0, old, 0, new])
    }

    fn message(self, subtype: u16, message: &Outgoing) -> Self {
        let mut out = BytesMut::new();
        message.encode(&mut out);
        self.said(subtype, 65102, &out)
    }

    fn open(self, restart: Option<bool>) -> Self {
        let families = vec![RestartFamily { afi: 1, safi: 1, forwarding: true }];
        let restart = restart.map(|notification| Capability::GracefulRestart {
            restarting: false,
            notification,
            time: 120,
            families,
        });
        let capabilities = [Capability::multiprotocol(Family::Ipv4), Capability::FourOctetAs(65102)];
        let capabilities = capabilities.into_iter().chain(restart);
        self.message(4, &Outgoing::Open(Open::new(65102, 90, [172, 16, 1, 9].into(), capabilities)))
    }

    fn keepalive(self) -> Self {
        self.message(4, &Outgoing::Keepalive)
    }

    /// A session from its OPEN on.
    fn up(self, restart: Option<bool>) -> Self {
        self.open(restart).state(4, 5).keepalive().state(5, 6)
    }

    fn announce(self, prefixes: &[&str]) -> Self {
        self.announce_from(65102, prefixes)
    }

    fn announce_from(self, asn: u32, prefixes: &[&str]) -> Self {
        let mut out = BytesMut::new();
        let prefixes = prefixes.iter().map(|prefix| (0, prefix.parse::<IpNet>().unwrap()));
        Builder::new(&[asn], [172, 16, 1, 1].into())
            .with_set(|set| Announcer::default().announce(Family::Ipv4, set, prefixes, &mut out));
        self.said(4, asn, &out)
    }

    fn end_of_rib(self) -> Self {
        let mut message = vec![0xff; 16];
        message.extend([0, 23, 2, 0, 0, 0, 0]);
        self.said(4, 65102, &message)
    }

    fn notification(self, subtype: u16, cease: Cease) -> Self {
        self.message(subtype, &Outgoing::Notification(Notification::cease(cease)))
    }

    /// An index of peers, each an address and an AS.
    fn index(self, view: &str, peers: &[([u8; 4], u32)]) -> Self {
        let mut body = vec![172, 16, 0, 4, 0, u8::try_from(view.len()).unwrap()];
        body.extend(view.as_bytes());
        body.extend(u16::try_from(peers.len()).unwrap().to_be_bytes());
        for (address, asn) in peers {
            body.push(2);
            body.extend(address);
            body.extend(address);
            body.extend(asn.to_be_bytes());
        }
        self.record(13, 1, &body)
    }

    /// Routes of one prefix, by place in the index; with path identifiers if there are any.
    fn rib(self, prefix: &str, entries: &[(u16, u32, Option<u32>)]) -> Self {
        let attributes = |asn: u32| Builder::new(&[asn], [172, 16, 1, 1].into()).octets();
        let entries: Vec<_> = entries.iter().map(|(peer, asn, id)| (*peer, attributes(*asn), *id)).collect();
        self.rib_of(prefix, &entries)
    }

    /// The same with any attributes.
    fn rib_of(self, prefix: &str, entries: &[(u16, Vec<u8>, Option<u32>)]) -> Self {
        let mut body = vec![0; 4];
        put_prefix(None, prefix.parse().unwrap(), &mut body);
        body.extend(u16::try_from(entries.len()).unwrap().to_be_bytes());
        for (peer, attributes, path_id) in entries {
            body.extend(peer.to_be_bytes());
            body.extend([0; 4]);
            body.extend(path_id.iter().flat_map(|id| id.to_be_bytes()));
            body.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
            body.extend(attributes);
        }
        let subtype = if entries.iter().any(|(_, _, path_id)| path_id.is_some()) { 8 } else { 2 };
        self.record(13, subtype, &body)
    }
}

const NODE: ([u8; 4], u32) = ([172, 16, 1, 1], 65102);

/// What files come to.
struct Outcome {
    snapshot: Snapshot,
    routes: Vec<String>,
    notes: Vec<String>,
}

impl Outcome {
    fn of(files: &[Recording]) -> Self {
        let mut judge = Judge::new(config());
        for file in files {
            play("test.mrt".to_owned(), &file.octets[..], &mut judge);
        }
        let (mut offline, end, notes) = judge.finish();
        let routes = offline.routes(RouteQuery::default()).items.into_iter().map(|route| {
            let stale = if route.stale { " stale" } else { "" };
            format!("{} #{} {}{stale}", route.prefix, route.path_id, route.state)
        });
        let routes = routes.collect();
        let now = offline.now();
        Self { snapshot: offline.snapshot(now), routes, notes: notes.lines(end) }
    }

    /// Kinds and states of what is wrong.
    fn findings(&self) -> Vec<String> {
        let current = self.snapshot.findings.iter().filter(|finding| finding.state != "resolved");
        let mut all: Vec<_> = current.map(|finding| format!("{} {}", finding.kind, finding.state)).collect();
        all.sort();
        all
    }

    fn last_error(&self) -> &str {
        self.snapshot.peers[0].last_error.as_deref().unwrap_or_default()
    }

    fn says(&self, note: &str) -> bool {
        self.notes.iter().any(|line| line.contains(note))
    }
}

type Ending = fn(Recording) -> Recording;

const BLOCK: &str = "10.244.1.0/26";

#[test]
fn what_becomes_of_routes_is_up_to_the_open_and_the_ending() {
    let lost = |file: Recording| file.after(1).state(6, 1);
    let notified = |file: Recording| file.after(1).notification(4, Cease::AdministrativeShutdown).state(6, 1);
    let ended = |file: Recording| file.after(1).notification(7, Cease::AdministrativeShutdown).state(6, 1);
    let hard = |file: Recording| file.after(1).notification(4, Cease::HardReset).state(6, 1);
    let stale = "10.244.1.0/26 #0 accepted stale";
    let cases: [(Option<bool>, Ending, &[&str], &str); 8] = [
        (None, lost, &[], "left Established for Idle"),
        (Some(false), lost, &[stale], "left Established for Idle"),
        (Some(false), notified, &[], "received NOTIFICATION"),
        (Some(true), notified, &[stale], "received NOTIFICATION"),
        (Some(true), hard, &[], "received NOTIFICATION"),
        (Some(false), ended, &[], "the writer of the file ended the session"),
        (Some(true), ended, &[stale], "the writer of the file ended the session"),
        (Some(true), lost, &[stale], "left Established for Idle"),
    ];
    for (restart, ending, routes, error) in cases {
        let outcome = Outcome::of(&[ending(Recording::default().up(restart).announce(&[BLOCK]))]);
        assert_eq!(outcome.routes, routes, "{restart:?} {error}");
        assert!(outcome.last_error().contains(error), "{}", outcome.last_error());
        assert!(outcome.findings().contains(&"peer_down open".to_owned()));
    }
}

#[test]
fn a_session_that_began_before_the_file_ends_finally_and_owes_nothing() {
    let file = Recording::default().announce(&[BLOCK]).after(600).keepalive();
    let outcome = Outcome::of(&[file]);
    assert_eq!(outcome.routes, ["10.244.1.0/26 #0 accepted"]);
    assert_eq!(outcome.findings(), [""; 0], "the service range may have come before");
    assert!(outcome.says("1 session began before the file"), "{:?}", outcome.notes);
    assert_eq!(Outcome::of(&[Recording::default().announce(&[BLOCK]).state(6, 1)]).routes, [""; 0]);
}

#[test]
fn a_session_of_which_all_is_recorded_owes_what_any_owes() {
    let outcome = Outcome::of(&[Recording::default().up(None).announce(&[BLOCK]).end_of_rib()]);
    assert_eq!(outcome.findings(), ["missing_service_cidr open"]);
    assert!(!outcome.says("began before"));
    let peer = &outcome.snapshot.peers[0];
    assert_eq!(peer.node.as_deref(), Some("172.16.1.9"), "the identifier of its OPEN");
}

#[test]
fn a_restart_sweeps_what_does_not_come_back() {
    let first = Recording::default().up(Some(false)).announce(&[BLOCK, "10.244.2.0/26"]).end_of_rib();
    let again = first.after(5).state(6, 1).after(5).up(Some(false)).announce(&[BLOCK]);
    assert_eq!(Outcome::of(&[again.end_of_rib()]).routes, ["10.244.1.0/26 #0 accepted"]);
}

#[test]
fn a_new_open_begins_a_new_session_where_states_are_not_recorded() {
    let file = Recording::default().open(None).keepalive().announce(&[BLOCK]);
    let outcome = Outcome::of(&[file.after(9).open(None).keepalive().announce(&["10.244.2.0/26"])]);
    assert_eq!(outcome.routes, ["10.244.2.0/26 #0 accepted"]);
}

#[test]
fn an_update_that_would_end_the_session_takes_the_routes_and_the_file_goes_on() {
    // Withdrawn routes that run past the message.
    let mut broken = vec![0xff; 16];
    broken.extend([0, 23, 2, 0xff, 0xff, 0, 0]);
    let file = Recording::default().up(None).announce(&[BLOCK]).said(4, 65102, &broken);
    let outcome = Outcome::of(&[file.announce(&["10.244.2.0/26"])]);
    assert_eq!(outcome.routes, ["10.244.2.0/26 #0 accepted"]);
    assert!(outcome.findings().contains(&"malformed_updates open".to_owned()), "{:?}", outcome.findings());
    assert!(outcome.says("1 UPDATE is so malformed"), "{:?}", outcome.notes);
    assert!(!outcome.says("began before the file"), "its beginning is there: {:?}", outcome.notes);
}

#[test]
fn what_the_writer_sent_is_not_the_peers() {
    let mut own = BytesMut::new();
    Outgoing::Open(Open::new(65199, 90, [172, 16, 0, 4].into(), vec![])).encode(&mut own);
    // As MESSAGE_LOCAL, and like any other message.
    let file = Recording::default().said(7, 65102, &own).said(4, 65102, &own).up(None).announce(&[BLOCK]);
    let outcome = Outcome::of(&[file]);
    assert!(outcome.says("2 messages were sent"), "{:?}", outcome.notes);
    assert_eq!(outcome.snapshot.peers[0].node.as_deref(), Some("172.16.1.9"));
}

#[test]
fn a_later_table_replaces_what_was_known_and_parts_of_one_add_up() {
    let table =
        |view: &str, prefix: &str| Recording::default().index(view, &[NODE]).rib(prefix, &[(0, 65102, None)]);
    let first = "10.244.1.0/26 #0 accepted";
    let second = "10.244.2.0/26 #0 accepted";
    let both =
        |other: &str| table("a", BLOCK).index(other, &[NODE]).rib("10.244.2.0/26", &[(0, 65102, None)]);
    assert_eq!(Outcome::of(&[both("b")]).routes, [first, second], "two tables of one writer");
    assert_eq!(Outcome::of(&[both("a")]).routes, [second], "the same again");
    assert_eq!(Outcome::of(&[table("a", BLOCK), table("a", "10.244.2.0/26")]).routes, [second]);
    let messages = Recording::default().up(None).announce(&[BLOCK]);
    assert_eq!(Outcome::of(&[messages, table("a", "10.244.2.0/26")]).routes, [second]);
    let torn = |mut file: Recording| {
        file.octets.pop();
        file
    };
    let torn = torn(table("a", "10.244.2.0/26").rib("10.244.3.0/26", &[(0, 65102, None)]));
    assert_eq!(
        Outcome::of(&[table("a", BLOCK), torn]).routes,
        [first, second],
        "what is missing may be torn off"
    );
}

#[test]
fn a_peer_without_routes_in_a_later_table_has_none() {
    let other = ([172, 16, 2, 1], 65103);
    let first = Recording::default().index("", &[NODE, other]).rib(BLOCK, &[(0, 65102, None)]);
    let second = Recording::default().index("", &[NODE, other]).rib("10.244.2.0/26", &[(1, 65103, None)]);
    assert_eq!(Outcome::of(&[first, second]).routes, ["10.244.2.0/26 #0 rejected"], "a next hop of another");
}

#[test]
fn several_paths_are_told_apart_and_second_peers_are_left_out() {
    let twice = Recording::default().index("", &[NODE, ([172, 16, 1, 1], 65104), ([0; 4], 0)]);
    let file =
        twice.rib(BLOCK, &[(0, 65102, Some(7)), (0, 65102, Some(8)), (1, 65104, Some(9)), (2, 0, Some(1))]);
    let outcome = Outcome::of(&[file]);
    assert_eq!(outcome.routes, ["10.244.1.0/26 #7 accepted", "10.244.1.0/26 #8 accepted"]);
    let note = "1 record is of a second peer with the address of another, and skipped: 172.16.1.1 on rack1 with AS 65104 beside AS 65102";
    assert!(outcome.notes.iter().any(|line| line == note), "{:?}", outcome.notes);
    assert!(outcome.says("1 route is the writer's own"), "{:?}", outcome.notes);

    let file = Recording::default().announce(&[BLOCK]);
    let file =
        file.announce_from(65104, &[BLOCK]).announce_from(65104, &[BLOCK]).announce_from(65105, &[BLOCK]);
    let outcome = Outcome::of(&[file]);
    let note = "3 records are of a second peer with the address of another, and skipped: 172.16.1.1 on rack1 with AS 65104 beside AS 65102, 172.16.1.1 on rack1 with AS 65105 beside AS 65102";
    assert!(outcome.notes.iter().any(|line| line == note), "{:?}", outcome.notes);
}

/// 4200000001 as records of two octets have it: a path of AS_TRANS, and the true one beside it.
const HIDDEN: [u8; 27] = [
    0x40, 1, 1, 0, 0x40, 2, 4, 2, 1, 0x5b, 0xa0, 0x40, 3, 4, 172, 16, 1, 1, 0xc0, 17, 6, 2, 1, 0xfa, 0x56,
    0xea, 1,
];

impl Recording {
    /// `BGP4MP` with ASes of two octets: the far end is AS_TRANS.
    fn said_narrow(self, subtype: u16, body: &[u8]) -> Self {
        let ends = [0x5b, 0xa0, 254, 175, 0, 0, 0, 1, 172, 16, 1, 1, 172, 16, 1, 4];
        self.record(16, subtype, &[&ends, body].concat())
    }

    fn announce_hidden(self) -> Self {
        let mut update = vec![0xff; 16];
        update.extend([0, 23 + 27 + 5, 2, 0, 0, 0, 27]);
        update.extend(HIDDEN);
        update.extend([26, 10, 244, 1, 0]);
        self.said_narrow(1, &update)
    }
}

#[test]
fn who_is_as_trans_to_a_record_of_two_octets_is_told_by_its_paths() {
    let old =
        [&[0, 0, 0, 1, 10, 244, 1, 0, 26, 1, 0, 0, 0, 0, 172, 16, 1, 1, 0x5b, 0xa0, 0, 27][..], &HIDDEN];
    let table = Recording::default().record(12, 1, &old.concat());
    let messages = Recording::default().announce_hidden();
    let keepalive = [&[0xff; 16][..], &[0, 19, 4]].concat();
    let end_of_rib = [&[0xff; 16][..], &[0, 23, 2, 0, 0, 0, 0]].concat();
    let started = Recording::default().said_narrow(0, &[0, 5, 0, 6]).announce_hidden();
    let started = started.said_narrow(1, &end_of_rib);
    let again = Recording::default().announce_hidden().said_narrow(0, &[0, 6, 0, 1]);
    let again = again.said_narrow(0, &[0, 5, 0, 6]).said_narrow(1, &keepalive).announce_hidden();
    let again = again.said_narrow(1, &end_of_rib);
    let owing = &["missing_service_cidr open"][..];
    for (file, findings) in [(table, owing), (messages, &[][..]), (started, owing), (again, owing)] {
        let outcome = Outcome::of(&[file]);
        assert_eq!(outcome.snapshot.peers[0].peer_as, Some(4_200_000_001));
        assert_eq!(outcome.routes, ["10.244.1.0/26 #0 accepted"]);
        assert_eq!(outcome.findings(), findings);
        assert!(
            outcome
                .says("does not permit, and is judged all the same: 172.16.1.1 on rack1 with AS 4200000001")
        );
        assert!(!outcome.says("23456"), "{:?}", outcome.notes);
    }
}

#[test]
fn a_peer_that_is_as_trans_in_four_octets_stays_what_it_is() {
    let file = Recording::default().announce_from(23456, &[BLOCK]).announce_from(23456, &["10.244.2.0/26"]);
    assert_eq!(Outcome::of(&[file]).routes.len(), 2, "each message is of the same session");
}

#[test]
fn a_route_of_ipv4_by_way_of_ipv6_is_judged() {
    // As FRR and GoBGP write it between unnumbered peers: the next hop is in MP_REACH_NLRI alone.
    let origin_and_path = [0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 254, 78];
    let next_hop = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let entry = [&origin_and_path[..], &[0x80, 14, 17, 16], &next_hop].concat();
    let table = Recording::default().index("", &[NODE]).rib_of(BLOCK, &[(0, entry, None)]);
    let reach = [&[0x80, 14, 26, 0, 1, 1, 16][..], &next_hop, &[0, 26, 10, 244, 1, 0][..]].concat();
    let mut update = vec![0xff; 16];
    update.extend([0, 23 + 13 + 29, 2, 0, 0, 0, 13 + 29]);
    update.extend([&origin_and_path[..], &reach].concat());
    let messages = Recording::default().said(4, 65102, &update);
    for (file, findings) in [(table, &["missing_service_cidr open"][..]), (messages, &[])] {
        let outcome = Outcome::of(&[file]);
        assert_eq!(outcome.routes, ["10.244.1.0/26 #0 accepted"]);
        assert_eq!(outcome.findings(), findings);
        assert!(!outcome.says("cannot be read"), "{:?}", outcome.notes);
    }
}

#[test]
fn the_end_of_a_session_that_names_no_peer_is_the_only_one_with_its_as() {
    // As BIRD 2.0 writes it.
    let nobody = [0, 0, 254, 78, 0, 0, 254, 175, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1];
    let file = || Recording::default().up(None).announce(&[BLOCK]);
    assert_eq!(Outcome::of(&[file().record(16, 5, &nobody)]).routes, [""; 0]);
    let mut other = 65102_u32.to_be_bytes().to_vec();
    other.extend([0, 0, 254, 175, 0, 0, 0, 1, 172, 16, 2, 1, 172, 16, 2, 4]);
    let mut keepalive = BytesMut::new();
    Outgoing::Keepalive.encode(&mut keepalive);
    other.extend(&keepalive);
    let outcome = Outcome::of(&[file().record(16, 4, &other).record(16, 5, &nobody)]);
    assert_eq!(outcome.routes.len(), 1);
    assert!(outcome.says("1 end of a session does not say whose"), "{:?}", outcome.notes);
}

#[test]
fn time_that_runs_backwards_is_told() {
    let new = Recording::default().after(9_000).announce(&[BLOCK]);
    let old = Recording::default().after(1_000).announce(&["10.244.2.0/26"]).keepalive();
    let outcome = Outcome::of(&[new, old]);
    let note =
        "2 records are earlier than what came before (first: test.mrt, at octet 0): are the files in order?";
    assert!(outcome.says(note), "{:?}", outcome.notes);
    let ordered = Recording::default().after(1_000).keepalive().after(8_000).announce(&[BLOCK]);
    assert!(!Outcome::of(&[ordered]).says("earlier than"));
}

#[test]
fn a_time_that_the_next_record_takes_back_is_not_believed() {
    const YEAR_2097: u32 = 4_026_531_840;
    // A route that is stale is kept for minutes, not for a lifetime.
    let lost = || Recording::default().after(1_000).up(Some(false)).announce(&[BLOCK]).after(5).state(6, 1);
    // A change of states, of another peer and between none that matter.
    let other = |file: Recording| file.record(16, 5, &[&[0; 11][..], &[1], &[0; 12]].concat());
    let at = |mut file: Recording, second: u32| {
        file.second = second;
        file
    };
    let stale = "10.244.1.0/26 #0 accepted stale";
    let leapt = other(at(other(at(lost(), YEAR_2097)), 1_010));
    let octet = lost().octets.len();
    let outcome = Outcome::of(&[leapt]);
    assert_eq!(outcome.routes, [stale]);
    let note = format!(
        "1 record has a time far ahead of those around it, which is not believed: test.mrt, at octet {octet}"
    );
    assert!(outcome.says(&note), "{:?}", outcome.notes);
    assert!(outcome.notes[0].contains("to 1970-01-01T00:16:50.000Z"), "{:?}", outcome.notes);
    assert!(!outcome.says("earlier than"), "{:?}", outcome.notes);

    let first = other(at(Recording::default(), YEAR_2097));
    let outcome = Outcome::of(&[at(first, 1_000).up(None).announce(&[BLOCK])]);
    assert!(outcome.notes[0].contains("from 1970-01-01T00:16:40.000Z to 1970-01-01T00:16:40.000Z"));

    // A gap is none, however long: what follows is as late.
    let gap = other(other(at(lost(), 90_000)));
    let outcome = Outcome::of(&[gap]);
    assert_eq!(outcome.routes, [""; 0]);
    assert!(!outcome.says("far ahead"), "{:?}", outcome.notes);
    assert_eq!(Outcome::of(&[other(at(lost(), 90_000))]).routes, [""; 0], "nor at the end");
}

#[test]
fn time_goes_on_until_findings_have_opened_and_ages_count_to_the_end() {
    let outcome = Outcome::of(&[Recording::default().after(1_000).announce(&["0.0.0.0/0"])]);
    assert_eq!(outcome.findings(), ["rogue_route open"]);
    let [finding] = &outcome.snapshot.findings[..] else { panic!() };
    assert_eq!(finding.since.as_secs(), 1_000);
    assert!(outcome.notes[0].ends_with(
        "1 record read, from 1970-01-01T00:16:40.000Z to 1970-01-01T00:16:40.000Z: 1 message, 0 routes of tables"
    ));
}
