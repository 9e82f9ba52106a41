mod alerts;
mod eepgs;

use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::bgp::Families;
use crate::bgp::Family;
use crate::config::model::PerPeer;
use crate::observer::maintenance::{Whom, Window};
use crate::observer::{PeerSnapshot, Processing, RibSnapshot};
use crate::policy::{Class, Reason};
use crate::speaker::stats::{ErrorAction, Kind, SessionState};
use crate::speaker::{PeerId, PeerStats, ResetReason};

const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn peer(address: &str) -> PeerSnapshot {
    PeerSnapshot {
        id: PeerId { leaf: "rack1".into(), address: address.parse().unwrap() },
        node: Some("node1".into()),
        router_id: None,
        rack: "r1".into(),
        cluster: "default".into(),
        vrf: "default".into(),
        peer_as: Some(65102),
        local_as: 65101,
        up: true,
        since: Some(START.after(Duration::from_millis(1500))),
        hold_time: Some(3),
        families: Families::only(Family::Ipv4),
        capabilities: Arc::default(),
        stats: None,
        last_error: None,
        accepted: [[0; Class::ALL.len()]; 2],
        rejected: [[0; Reason::ALL.len()]; 2],
        noted: [0; 2],
        noted_not_kept: 0,
        stale: [0; 2],
        not_kept: 0,
        announced: [0; 2],
        withdrawn: [0; 2],
        prefix_limit: 10_000,
        missing_service_cidrs: 0,
        missing_node_subnets: 0,
        maintenance: None,
    }
}

/// Established, with two pod blocks and a leaked default route.
fn leaking() -> PeerSnapshot {
    let stats = PeerStats::default();
    stats.set_state(SessionState::Established);
    stats.count_received(Kind::Open, 61);
    stats.count_received(Kind::Update, 100);
    stats.count_received(Kind::Update, 39);
    stats.count_sent(Kind::Open);
    stats.count_sent(Kind::Update);
    stats.count_reset(ResetReason::Tcp);
    stats.count_error(ErrorAction::TreatAsWithdraw);
    let mut peer = peer("192.168.1.1");
    peer.stats = Some(Arc::new(stats));
    peer.accepted[0][Class::PodBlock as usize] = 2;
    peer.rejected[0][Reason::DefaultRoute as usize] = 1;
    (peer.noted, peer.noted_not_kept) = ([100, 0], 7);
    peer.stale = [1, 0];
    peer.not_kept = 4;
    peer.announced = [5, 0];
    peer.withdrawn = [2, 0];
    peer.missing_service_cidrs = 1;
    peer
}

/// Pinned and never seen.
fn down() -> PeerSnapshot {
    let mut peer = peer("fd00::2");
    (peer.up, peer.since, peer.peer_as, peer.node) = (false, None, None, None);
    peer.families = Families::NONE;
    peer
}

fn finding(kind: &str, state: &str) -> view::Finding {
    view::Finding {
        id: "1".into(),
        kind: kind.into(),
        severity: "critical".into(),
        state: state.into(),
        muted: None,
        muted_because: None,
        cluster: "default".into(),
        vrf: "default".into(),
        leaf: None,
        peer: None,
        node: None,
        prefix: None,
        reason: None,
        identity: view::Identity::new(),
        summary: String::new(),
        advice: String::new(),
        evidence: vec![],
        absorbs: vec![],
        absorbs_total: 0,
        since: START,
        opened: None,
        resolved: None,
    }
}

fn rogue(prefix: &str, path_id: u32) -> view::Route {
    view::Route {
        prefix: prefix.parse().unwrap(),
        leaf: "rack1".into(),
        peer: IpAddr::from([192, 168, 1, 1]),
        node: None,
        cluster: "default".into(),
        vrf: "default".into(),
        peer_as: 65102,
        path_id,
        class: Class::Other,
        state: "rejected".into(),
        stale: false,
        reasons: vec![Reason::DefaultRoute, Reason::AsPathTooLong],
        as_path: "65102".into(),
        next_hop: None,
        communities: vec![],
        med: None,
        origin: None,
        since: START,
        eepg: None,
    }
}

fn report(peers: Vec<PeerSnapshot>) -> Report {
    let mut snapshot = Snapshot { peers, ..Snapshot::default() };
    snapshot.summary.routes.rejected = 1;
    snapshot.summary.routes.rejected_not_kept = 4;
    snapshot.summary.maintenance = vec![Window {
        scope: Whom::Rack("r1".into()),
        since: START,
        until: START.after(Duration::from_mins(1)),
        reason: "new disks".into(),
    }];
    snapshot.findings = vec![
        finding("duplicate_pod_block", "pending"),
        finding("rogue_route", "open"),
        finding("rogue_route", "resolved"),
    ]
    .into();
    snapshot.rib = RibSnapshot { prefixes: [3, 0], paths: [3, 0], bytes: 4096, attribute_sets: 2 };
    snapshot.processing = Processing { buckets: [1, 0, 2, 0, 0, 0, 0, 0], count: 4, sum: 1.25 };
    snapshot.queue = (7, 1024);
    let stats = |peer: &PeerSnapshot| Some((Arc::clone(&peer.id.leaf), Arc::clone(peer.stats.as_ref()?)));
    Report {
        counters: snapshot.peers.iter().filter_map(stats).collect(),
        snapshot: Arc::new(snapshot),
        rogues: vec![rogue("0.0.0.0/0", 0)],
        refusals: vec![Refusal { leaf: "rack1".into(), reason: "not_in_range", count: 3 }],
        untold_refusals: 5,
        signatures: Some([(Signature::Missing, 1), (Signature::Unexpected, 0), (Signature::Wrong, 12)]),
        reload: Reload { successful: true, succeeded: START },
        state: Some(StateFile { failures: 2, written: Some(START) }),
        started: START,
        leaves: vec!["rack1".into(), "rack2".into()],
        config: Metrics { per_peer: PerPeer::All, rogue_routes_max: 100 },
        streams: Streams { open: 2, limit: 256, missed: 9 },
        http: Http { connections: 4, rejected: 2, refused: 7 },
        sync: None,
        journal: None,
        archive: Some(archive::Status {
            written: 12,
            lost: 1,
            queue: (100, 1000),
            size: 5000,
            table: Some(START),
            failing: true,
        }),
        alerts: None,
    }
}

fn text(report: Report) -> String {
    report.pieces_after(String::new()).collect()
}

/// Samples alone, the part after the prefix.
fn samples(report: Report) -> Vec<String> {
    let text = text(report);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.trim_start_matches("thirdleaf_").to_owned()).collect()
}

#[test]
fn shows_how_the_journal_does() {
    let journal =
        journal::Status { bytes: 4096, written: Some(START), failures: 2, dropped: 3, trouble: None };
    let shown = samples(Report { journal: Some(journal), ..report(vec![]) });
    for expected in [
        "journal_bytes 4096",
        "journal_write_failures_total 2",
        "event_log_dropped_total{sink=\"journal\"} 3",
    ] {
        assert!(shown.iter().any(|line| line == expected), "{expected}");
    }
    assert!(shown.iter().any(|line| line.starts_with("journal_last_write_timestamp_seconds 1")));
    assert!(!samples(report(vec![])).iter().any(|line| line.starts_with("journal")));
}

#[test]
fn shows_every_family() {
    let expected = include_str!("expected.txt");
    let text = text(Report { sync: Some(eepgs::status()), ..report(vec![leaking(), down()]) });
    assert!(text == expected, "not as in expected.txt:\n{text}");
}

#[test]
fn the_process_stands_beside_the_rest() {
    let text: String = report(vec![]).pieces().unwrap().collect();
    assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
    assert!(text.contains("\nthirdleaf_build_info{"), "{text}");
}

#[test]
fn single_peers_can_be_left_out_but_not_their_leaves() {
    let healthy = peer("192.168.1.9");
    let series_of = |mode, wanted: &str| {
        let mut report = report(vec![leaking(), healthy.clone(), down()]);
        report.config.per_peer = mode;
        let lines = samples(report);
        assert!(lines.contains(&r#"bgp_peers{leaf="rack1",state="Established"} 2"#.to_owned()), "{lines:#?}");
        assert!(lines.contains(&r#"bgp_received_bytes_total{leaf="rack1"} 200"#.to_owned()), "{lines:#?}");
        lines.iter().filter(|line| line.starts_with("bgp_") && line.contains(wanted)).count()
    };
    assert!(series_of(PerPeer::All, r#"peer="192.168.1.9""#) > 0);
    assert_eq!(series_of(PerPeer::Problem, r#"peer="192.168.1.9""#), 0);
    assert!(series_of(PerPeer::Problem, r#"peer="192.168.1.1""#) > 0);
    assert!(series_of(PerPeer::Problem, r#"peer="fd00::2""#) > 0);
    assert_eq!(series_of(PerPeer::Off, "peer="), 0);
}

#[test]
fn a_leafs_counters_outlive_its_peers() {
    let mut report = report(vec![leaking()]);
    Arc::make_mut(&mut report.snapshot).peers.clear();
    let lines = samples(report);
    assert!(lines.contains(&r#"bgp_received_bytes_total{leaf="rack1"} 200"#.to_owned()), "{lines:#?}");
}

#[test]
fn every_problem_counts_as_one() {
    type Spoil = fn(&mut PeerSnapshot);
    let spoils: [Spoil; 6] = [
        |peer| peer.up = false,
        |peer| peer.rejected[1][3] = 1,
        |peer| peer.stale[1] = 1,
        |peer| peer.not_kept = 1,
        |peer| peer.missing_service_cidrs = 1,
        |peer| peer.missing_node_subnets = 1,
    ];
    for (at, spoil) in spoils.into_iter().enumerate() {
        let mut peer = peer("192.168.1.9");
        spoil(&mut peer);
        let mut report = report(vec![peer]);
        report.config.per_peer = PerPeer::Problem;
        assert!(samples(report).iter().any(|line| line.starts_with("bgp_session_up{")), "problem {at}");
    }
}

#[test]
fn rogue_routes_are_capped_and_the_rest_is_counted() {
    let mut report = report(vec![]);
    report.rogues = ["0.0.0.0/0", "10.0.0.0/8", "172.16.0.0/12"].map(|prefix| rogue(prefix, 0)).into();
    Arc::make_mut(&mut report.snapshot).summary.routes.rejected = 3;
    report.config.rogue_routes_max = 2;
    let lines = samples(report);
    assert_eq!(lines.iter().filter(|line| line.starts_with("rogue_route_info{")).count(), 2);
    assert!(lines.contains(&"rogue_routes_omitted 5".to_owned()), "{lines:#?}");
}

#[test]
fn no_series_comes_twice() {
    let mut report = report(vec![leaking(), down()]);
    report.rogues = vec![rogue("0.0.0.0/0", 1), rogue("0.0.0.0/0", 2)];
    let lines = samples(report);
    let mut series: Vec<_> =
        lines.iter().filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name).collect();
    let all = series.len();
    series.sort_unstable();
    series.dedup();
    assert_eq!(series.len(), all);
}

#[test]
fn thousands_of_peers_come_in_pieces_and_each_family_in_one() {
    let peers = (0..1_000_u16).map(|number| {
        let [high, low] = number.to_be_bytes();
        let mut peer = leaking();
        peer.id.address = [10, 0, high, low].into();
        peer
    });
    let whole = report(peers.collect());
    let pieces: Vec<_> = whole.pieces_after(String::new()).collect();
    assert!(pieces.len() > 10, "{}", pieces.len());
    let largest = pieces.iter().map(String::len).max().unwrap();
    assert!(largest < 8 * Pieces::ENOUGH && pieces.iter().all(|piece| piece.ends_with('\n')), "{largest}");
    let text = pieces.concat();
    let headers: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let distinct: std::collections::BTreeSet<_> = headers.iter().collect();
    assert_eq!(headers.len(), distinct.len());
    let ups = text.lines().filter(|line| line.starts_with("thirdleaf_bgp_session_up{"));
    assert_eq!(ups.collect::<std::collections::BTreeSet<_>>().len(), 1_000);
    // A family's samples stand together, behind its header.
    let mut family = "";
    for line in text.lines() {
        if let Some(header) = line.strip_prefix("# TYPE ") {
            family = header.split(' ').next().unwrap();
        }
        assert!(line.starts_with('#') || line.starts_with(family), "{line} among {family}");
    }
}
