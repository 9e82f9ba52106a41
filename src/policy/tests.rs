mod design;

use std::net::IpAddr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;

use super::*;
use crate::bgp::attribute::Builder;
use crate::config::model::{self, AllowClass, AsRange, Expect, NextHop, OriginAs, UniqueAs, Uniqueness};

const NODE: u32 = 65102;
const LEAF: u32 = 65101;
const AS_SET: u8 = 1;
const AS_SEQUENCE: u8 = 2;

/// The white paper's rack 1, in both families.
fn config() -> Config {
    let allow = |class, prefix: &str, lengths: &[u8]| Allow {
        class,
        prefix: net(prefix),
        lengths: lengths.to_vec(),
        own_only: class == AllowClass::Node,
        clusters: vec![],
        vrfs: vec![],
        racks: vec![],
        nodes: vec![],
        expect: if class == AllowClass::Service { Expect::EveryNode } else { Expect::None },
        except: model::Except::default(),
    };
    Config {
        global: model::Global {
            name: None,
            state_dir: None,
            log: model::Log { format: model::LogFormat::Text, level: model::LogLevel::Info },
        },
        http: model::Http { listen: vec![], ..model::Http::default() },
        leaves: vec![],
        neighbors: vec![],
        nodes: vec![Node {
            name: "dual".into(),
            rack: None,
            cluster: None,
            addresses: vec![ip("192.168.1.2"), ip("fd00:1::2")],
            asn: None,
        }],
        policy: model::Policy {
            max_as_path: 2,
            count_leaf_as: true,
            origin_as: OriginAs::Peer,
            next_hop: NextHop::Peer,
            transit: model::Transit::Reject,
            uniqueness: Uniqueness {
                node_subnet: Unique::OneNode,
                pod_block: Unique::OneNode,
                pod_host: Unique::OneNode,
                service_host: Unique::Any,
                asn: UniqueAs::Auto,
            },
            allow: vec![
                allow(AllowClass::Pod, "10.244.0.0/16", &[26, 32]),
                allow(AllowClass::Service, "10.96.0.0/12", &[12, 32]),
                allow(AllowClass::Node, "192.168.0.0/16", &[29]),
                allow(AllowClass::Pod, "fd00:244::/32", &[122, 128]),
                allow(AllowClass::Service, "fd00:96::/108", &[108, 128]),
                allow(AllowClass::Node, "fd00:1::/32", &[64]),
            ],
        },
        findings: model::Findings {
            open_after: vec![],
            resolve_after: vec![],
            forget_after: Duration::from_hours(7 * 24),
        },
        limits: model::FabricLimits::default(),
        metrics: model::Metrics { per_peer: model::PerPeer::All, rogue_routes_max: 100 },
        apics: vec![],
        eepgs: vec![],
        redirects: vec![],
        safety: model::Safety::default(),
        journal: model::Journal::default(),
        alerts: model::Alerts::default(),
    }
}

fn subject(address: &str, local: &str) -> Subject<'static> {
    Subject {
        address: ip(address),
        local: ip(local),
        peer_as: NODE,
        local_as: LEAF,
        cluster: "default",
        vrf: "default",
        rack: "rack1",
        node: None,
    }
}

const IPV4: (&str, &str) = ("192.168.1.2", "192.168.1.1");
const IPV6: (&str, &str) = ("fd00:1::2", "fd00:1::1");

/// The terms of the peer whose session is of the prefix's family.
fn terms(config: &Config, prefix: &str) -> Terms {
    let (address, local) = if prefix.contains(':') { IPV6 } else { IPV4 };
    Policy::new(config).terms(&subject(address, local))
}

fn judge_with(terms: &Terms, prefix: &str, attributes: &Builder) -> Judgement {
    let prefix = net(prefix);
    attributes.with_set(|set| {
        let judgement = terms.judge(prefix, terms.path(set));
        let failed: Reasons = terms
            .explain(prefix, set)
            .into_iter()
            .filter(|check| !check.passed)
            .map(|check| check.reason)
            .collect();
        assert_eq!(failed, judgement.reasons(), "the explanation of {prefix}");
        judgement
    })
}

/// What becomes of a prefix with the path and the next hop of the peer itself.
fn judge(config: &Config, prefix: &str) -> Judgement {
    let next_hop = if prefix.contains(':') { IPV6.0 } else { IPV4.0 };
    judge_with(&terms(config, prefix), prefix, &Builder::new(&[NODE], ip(next_hop)))
}

/// What becomes of a pod block of either family with these segments for a path; the same of both.
fn judge_path(config: &Config, segments: &[(u8, &[u32])]) -> Vec<Reason> {
    let [ipv4, ipv6] = [("10.244.1.0/26", IPV4.0), ("fd00:244::40/122", IPV6.0)].map(|(prefix, next_hop)| {
        let attributes = Builder::default().as_path(segments).next_hop(ip(next_hop));
        reasons(judge_with(&terms(config, prefix), prefix, &attributes))
    });
    assert_eq!(ipv4, ipv6, "both families");
    ipv4
}

fn reasons(judgement: Judgement) -> Vec<Reason> {
    judgement.reasons().iter().collect()
}

fn detail(config: &Config, prefix: &str, attributes: &Builder, reason: Reason) -> String {
    let terms = terms(config, prefix);
    let checks = attributes.with_set(|set| terms.explain(net(prefix), set));
    assert_eq!(checks.iter().map(|check| check.reason).collect::<Vec<_>>(), Reason::ALL[1..14]);
    checks.into_iter().find(|check| check.reason == reason).unwrap().detail
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn accepts_what_a_calico_node_announces() {
    for (prefix, class) in [
        ("192.168.1.0/29", Class::NodeSubnet),
        ("10.244.1.64/26", Class::PodBlock),
        ("10.244.9.7/32", Class::PodHost),
        ("10.96.0.0/12", Class::ServiceCidr),
        ("10.96.0.10/32", Class::ServiceHost),
        ("fd00:1::/64", Class::NodeSubnet),
        ("fd00:244::40/122", Class::PodBlock),
        ("fd00:244::7/128", Class::PodHost),
        ("fd00:96::/108", Class::ServiceCidr),
        ("fd00:96::a/128", Class::ServiceHost),
    ] {
        let judgement = judge(&config(), prefix);
        assert_eq!(
            judgement.accepted().map(|accepted| accepted.class()),
            Some(class),
            "{prefix}: {judgement:?}"
        );
    }
}

#[test]
fn rejects_prefixes_for_the_reason_of_the_table() {
    use Reason::{DefaultRoute, Martian, NotAllowed, NotOwnNodeSubnet, TooBroad, TooSpecific};
    for (prefix, class, expected) in [
        ("0.0.0.0/0", Class::Other, &[DefaultRoute, TooBroad][..]),
        ("::/0", Class::Other, &[DefaultRoute, TooBroad]),
        ("0.0.0.0/8", Class::Other, &[Martian, NotAllowed]),
        ("127.0.0.0/8", Class::Other, &[Martian, NotAllowed]),
        ("127.0.0.1/32", Class::Other, &[Martian, NotAllowed]),
        ("169.254.1.1/32", Class::Other, &[Martian, NotAllowed]),
        ("224.0.0.5/32", Class::Other, &[Martian, NotAllowed]),
        ("240.0.0.0/4", Class::Other, &[Martian, NotAllowed]),
        ("224.0.0.0/3", Class::Other, &[Martian, NotAllowed]),
        ("255.255.255.255/32", Class::Other, &[Martian, NotAllowed]),
        ("::/128", Class::Other, &[Martian, NotAllowed]),
        ("::1/128", Class::Other, &[Martian, NotAllowed]),
        ("::/127", Class::Other, &[Martian, NotAllowed]),
        ("fe80::/64", Class::Other, &[Martian, NotAllowed]),
        ("ff02::1/128", Class::Other, &[Martian, NotAllowed]),
        ("::ffff:10.244.1.0/122", Class::Other, &[Martian, NotAllowed]),
        ("8.8.8.0/24", Class::Other, &[NotAllowed]),
        ("10.112.0.0/12", Class::Other, &[NotAllowed]),
        ("2001:db8::/32", Class::Other, &[NotAllowed]),
        ("10.244.0.0/16", Class::PodBlock, &[TooBroad]),
        ("10.244.1.0/25", Class::PodBlock, &[TooBroad]),
        ("10.0.0.0/8", Class::PodBlock, &[TooBroad]),
        ("192.168.1.0/28", Class::NodeSubnet, &[TooBroad]),
        ("fd00:244::/64", Class::PodBlock, &[TooBroad]),
        ("fd00::/16", Class::ServiceCidr, &[TooBroad]),
        ("10.244.1.0/27", Class::PodBlock, &[TooSpecific]),
        ("10.96.1.0/24", Class::ServiceCidr, &[TooSpecific]),
        ("192.168.1.2/32", Class::NodeSubnet, &[TooSpecific]),
        ("fd00:244::40/123", Class::PodBlock, &[TooSpecific]),
        ("fd00:1::2/128", Class::NodeSubnet, &[TooSpecific]),
        ("192.168.1.8/29", Class::NodeSubnet, &[NotOwnNodeSubnet]),
        ("fd00:1:0:1::/64", Class::NodeSubnet, &[NotOwnNodeSubnet]),
    ] {
        let judgement = judge(&config(), prefix);
        assert_eq!(reasons(judgement), expected, "{prefix}");
        assert_eq!(judgement.class(), class, "{prefix}");
        assert_eq!(judgement.accepted(), None, "{prefix}");
    }
}

#[test]
fn any_entry_that_permits_accepts_and_the_most_specific_of_them_names_the_class() {
    let mut config = config();
    let mut inner = config.policy.allow[1].clone();
    (inner.prefix, inner.lengths) = (net("10.244.128.0/17"), vec![32]);
    config.policy.allow.push(inner);

    assert_eq!(judge(&config, "10.244.129.1/32").accepted().unwrap().class(), Class::ServiceHost);
    assert_eq!(judge(&config, "10.244.1.1/32").accepted().unwrap().class(), Class::PodHost);
    // The inner entry does not permit it, the outer does.
    assert_eq!(judge(&config, "10.244.129.0/26").accepted().unwrap().class(), Class::PodBlock);
    // Nobody permits it: longer than the shortest length there, inside the inner one.
    let judgement = judge(&config, "10.244.129.0/27");
    assert_eq!((reasons(judgement), judgement.class()), (vec![Reason::TooSpecific], Class::ServiceCidr));
    // Not shorter than every length there, but it covers the inner entry.
    config.policy.allow[0].lengths = vec![16, 26];
    assert_eq!(reasons(judge(&config, "10.244.128.0/17")), [Reason::TooBroad]);
}

#[test]
fn an_entry_for_anybodys_node_subnet_outweighs_one_for_the_own() {
    let mut config = config();
    let mut shared = config.policy.allow[2].clone();
    (shared.prefix, shared.own_only) = (net("192.0.0.0/8"), false);
    config.policy.allow.push(shared);
    assert!(judge(&config, "192.168.1.8/29").accepted().is_some());
}

#[test]
fn entries_apply_to_clusters_racks_and_nodes() {
    let mut config = config();
    config.policy.allow.truncate(1);
    let verdict = |config: &Config, subject| {
        Policy::new(config).terms(&subject).judge(net("10.244.1.0/26"), Reasons::NONE).accepted().is_some()
    };
    let peer = subject(IPV4.0, IPV4.1);

    config.policy.allow[0].clusters = vec!["blue".into(), "green".into()];
    assert!(!verdict(&config, peer));
    assert!(verdict(&config, Subject { cluster: "green", ..peer }));

    config.policy.allow[0].vrfs = vec!["prod".into()];
    assert!(!verdict(&config, Subject { cluster: "green", ..peer }));
    assert!(verdict(&config, Subject { cluster: "green", vrf: "prod", ..peer }));
    let peer = Subject { vrf: "prod", ..peer };

    config.policy.allow[0].racks = vec!["rack2".into()];
    assert!(!verdict(&config, Subject { cluster: "green", ..peer }));
    assert!(verdict(&config, Subject { cluster: "green", rack: "rack2", ..peer }));

    config.policy.allow[0].nodes = vec!["dual".into()];
    assert!(!verdict(&config, Subject { cluster: "green", rack: "rack2", ..peer }));
    assert!(verdict(&config, Subject { cluster: "green", rack: "rack2", node: Some("dual"), ..peer }));
}

#[test]
fn counts_the_as_path_as_the_leaf_does() {
    use Reason::{AsPathTooLong, UnexpectedOriginAs};
    let strict = config();
    assert_eq!(judge_path(&strict, &[(AS_SEQUENCE, &[NODE])]), []);
    // Node A passes on what B originated: received two, which a naive count would accept.
    assert_eq!(judge_path(&strict, &[(AS_SEQUENCE, &[NODE, 65103])]), [AsPathTooLong, UnexpectedOriginAs]);
    // Prepending counts.
    assert_eq!(judge_path(&strict, &[(AS_SEQUENCE, &[NODE, NODE])]), [AsPathTooLong]);

    let mut plain = config();
    (plain.policy.count_leaf_as, plain.policy.max_as_path) = (false, 1);
    assert_eq!(judge_path(&plain, &[(AS_SEQUENCE, &[NODE])]), []);
    assert_eq!(judge_path(&plain, &[(AS_SEQUENCE, &[NODE, NODE])]), [AsPathTooLong]);
}

#[test]
fn a_set_counts_once_and_is_rejected_for_itself() {
    use Reason::{AsPathTooLong, AsSet, FirstAsMismatch, UnexpectedOriginAs};
    let mut config = config();
    config.policy.max_as_path = 3;
    // As origin it names nobody.
    assert_eq!(
        judge_path(&config, &[(AS_SEQUENCE, &[NODE]), (AS_SET, &[NODE, 2, 3])]),
        [UnexpectedOriginAs, AsSet]
    );
    assert_eq!(judge_path(&config, &[(AS_SET, &[NODE]), (AS_SEQUENCE, &[NODE])]), [FirstAsMismatch, AsSet]);
    config.policy.max_as_path = 2;
    config.policy.origin_as = OriginAs::Any;
    assert_eq!(judge_path(&config, &[(AS_SEQUENCE, &[NODE]), (AS_SET, &[1, 2])]), [AsPathTooLong, AsSet]);
}

#[test]
fn an_empty_path_is_rejected_for_being_empty_alone() {
    assert_eq!(judge_path(&config(), &[]), [Reason::AsPathEmpty]);
}

#[test]
fn checks_who_is_first_and_last_in_the_path() {
    use Reason::{FirstAsMismatch, OwnAsInPath, UnexpectedOriginAs};
    let mut config = config();
    config.policy.max_as_path = 9;
    assert_eq!(judge_path(&config, &[(AS_SEQUENCE, &[65103, NODE])]), [FirstAsMismatch]);
    assert_eq!(judge_path(&config, &[(AS_SEQUENCE, &[NODE, 65103])]), [UnexpectedOriginAs]);
    assert_eq!(judge_path(&config, &[(AS_SEQUENCE, &[NODE, LEAF, NODE])]), [OwnAsInPath]);

    config.policy.origin_as = OriginAs::List(vec![AsRange { first: 65103, last: 65110 }]);
    assert_eq!(judge_path(&config, &[(AS_SEQUENCE, &[NODE, 65110])]), []);
    assert_eq!(judge_path(&config, &[(AS_SEQUENCE, &[NODE])]), [], "the peer itself is always permitted");
    assert_eq!(judge_path(&config, &[(AS_SEQUENCE, &[NODE, 65111])]), [UnexpectedOriginAs]);

    config.policy.origin_as = OriginAs::Any;
    assert_eq!(judge_path(&config, &[(AS_SEQUENCE, &[NODE, 65111])]), []);
}

/// The situations of a cluster on the white paper's design, and of the newer one.
#[test]
fn judges_what_nodes_do_in_practice() {
    use Reason::{AsPathTooLong, OwnAsInPath, UnexpectedOriginAs};
    const OTHER: u32 = 65103;
    const FABRIC: u32 = 65002;
    let paper = config();
    for (situation, path, expected) in [
        ("own block", &[NODE][..], &[][..]),
        ("mesh left on, an AS a node", &[NODE, OTHER], &[AsPathTooLong, UnexpectedOriginAs]),
        (
            "another rack's block handed on",
            &[NODE, FABRIC, 65201, OTHER],
            &[AsPathTooLong, UnexpectedOriginAs],
        ),
        (
            "the same by our own leaf",
            &[NODE, LEAF, 65201, OTHER],
            &[AsPathTooLong, UnexpectedOriginAs, OwnAsInPath],
        ),
        ("a filter that prepends", &[NODE, NODE, NODE], &[AsPathTooLong]),
    ] {
        assert_eq!(judge_path(&paper, &[(AS_SEQUENCE, path)]), expected, "{situation}");
    }

    let mut newer = config();
    (newer.policy.count_leaf_as, newer.policy.max_as_path) = (false, 1);
    for (situation, path, expected) in [
        ("one AS a cluster", &[NODE][..], &[][..]),
        (
            "the fabric's as-override handed back",
            &[NODE, FABRIC, FABRIC],
            &[AsPathTooLong, UnexpectedOriginAs],
        ),
    ] {
        assert_eq!(judge_path(&newer, &[(AS_SEQUENCE, path)]), expected, "{situation}");
    }
}

#[test]
fn the_next_hop_is_the_peer() {
    use Reason::NextHopNotPeer;
    let mut config = config();
    let verdict = |config: &Config, prefix: &str, next_hop: &str| {
        reasons(judge_with(&terms(config, prefix), prefix, &Builder::new(&[NODE], ip(next_hop))))
    };
    for (prefix, peer, third, own) in [
        ("10.244.1.0/26", "192.168.1.2", "192.168.1.3", "192.168.1.1"),
        ("fd00:244::40/122", "fd00:1::2", "fd00:1::3", "fd00:1::1"),
    ] {
        config.policy.next_hop = NextHop::Peer;
        assert_eq!(verdict(&config, prefix, peer), []);
        assert_eq!(verdict(&config, prefix, third), [NextHopNotPeer]);
        assert_eq!(verdict(&config, prefix, own), [NextHopNotPeer]);
        let none = Builder::default().as_sequence(&[NODE]);
        assert_eq!(reasons(judge_with(&terms(&config, prefix), prefix, &none)), [NextHopNotPeer]);
        config.policy.next_hop = NextHop::Any;
        assert_eq!(verdict(&config, prefix, third), []);
        assert_eq!(verdict(&config, prefix, own), [NextHopNotPeer], "not even then the leaf itself");
    }
}

#[test]
fn a_next_hop_of_the_other_family_is_compared_with_the_pin() {
    let policy = Policy::new(&config());
    let unpinned = subject(IPV4.0, IPV4.1);
    let pinned = Subject { node: Some("dual"), ..unpinned };
    let verdict = |subject, prefix, next_hop| {
        reasons(judge_with(&policy.terms(&subject), prefix, &Builder::new(&[NODE], ip(next_hop))))
    };
    assert_eq!(verdict(unpinned, "fd00:244::40/122", "fd00:1::3"), [], "nobody knows its address");
    assert_eq!(verdict(pinned, "fd00:244::40/122", "fd00:1::2"), []);
    assert_eq!(verdict(pinned, "fd00:244::40/122", "fd00:1::3"), [Reason::NextHopNotPeer]);
    assert_eq!(verdict(pinned, "fd00:1::/64", "fd00:1::2"), [], "its own subnet");
    assert_eq!(verdict(unpinned, "fd00:1::/64", "fd00:1::2"), [Reason::NotOwnNodeSubnet]);
    assert_eq!(verdict(unpinned, "10.244.1.0/26", "::ffff:192.168.1.2"), [], "the same address, mapped");
}

#[test]
fn a_session_within_127_8_may_have_its_own_subnet() {
    let mut config = config();
    config.policy.allow[2].prefix = net("127.0.0.0/8");
    let policy = Policy::new(&config);
    let verdict = |address, local, prefix| {
        let terms = policy.terms(&subject(address, local));
        reasons(judge_with(&terms, prefix, &Builder::new(&[NODE], ip(address))))
    };
    assert_eq!(verdict("127.0.1.2", "127.0.1.1", "127.0.1.0/29"), []);
    assert_eq!(
        verdict("127.0.1.2", "127.0.1.1", "127.0.2.0/29"),
        [Reason::Martian, Reason::NotOwnNodeSubnet],
        "somebody else's"
    );
    assert_eq!(verdict("127.0.1.2", "127.0.1.1", "169.254.0.0/29"), [Reason::Martian, Reason::NotAllowed]);
    assert_eq!(
        verdict("127.0.1.2", "10.0.0.1", "127.0.1.0/29"),
        [Reason::Martian, Reason::NextHopNotPeer],
        "one end only"
    );
    assert_eq!(verdict("192.168.1.2", "127.0.0.1", "127.0.1.0/29")[0], Reason::Martian, "the other end only");
}

#[test]
fn a_loopback_next_hop_is_the_peer_of_a_session_within_127_8_or_nobody() {
    let mut config = config();
    let verdict = |config: &Config, address, local, next_hop| {
        let terms = Policy::new(config).terms(&subject(address, local));
        reasons(judge_with(&terms, "10.244.1.0/26", &Builder::new(&[NODE], ip(next_hop))))
    };
    for next_hop in [NextHop::Peer, NextHop::Any] {
        config.policy.next_hop = next_hop;
        assert_eq!(verdict(&config, "127.0.1.2", "127.0.1.1", "127.0.1.2"), [], "as in a demonstration");
        assert_eq!(verdict(&config, "127.0.1.2", "127.0.1.1", "127.0.1.3"), [Reason::NextHopNotPeer]);
        assert_eq!(verdict(&config, IPV4.0, IPV4.1, "127.0.0.1"), [Reason::NextHopNotPeer]);
    }
}

#[test]
fn the_names_of_reasons_and_their_order_do_not_change() {
    let names = Reason::ALL.map(Reason::name);
    assert_eq!(
        names.join(" "),
        "transit default_route martian not_allowed too_broad too_specific not_own_node_subnet as_path_too_long \
         as_path_empty first_as_mismatch unexpected_origin_as own_as_in_path as_set next_hop_not_peer limit"
    );
    for (index, reason) in Reason::ALL.into_iter().enumerate() {
        assert_eq!(Reason::from_name(reason.name()), Some(reason));
        let later: Reasons = Reason::ALL.into_iter().skip(index).collect();
        assert_eq!(later.first(), Some(reason));
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
    }
}

#[test]
fn a_route_collects_all_its_reasons_and_is_counted_under_the_first() {
    let attributes = Builder::new(&[65103, LEAF], ip("192.168.1.9"));
    let judgement = judge_with(&terms(&config(), "0.0.0.0/0"), "0.0.0.0/0", &attributes);
    assert_eq!(
        reasons(judgement),
        [
            Reason::DefaultRoute,
            Reason::TooBroad,
            Reason::AsPathTooLong,
            Reason::FirstAsMismatch,
            Reason::UnexpectedOriginAs,
            Reason::OwnAsInPath,
            Reason::NextHopNotPeer,
        ]
    );
    assert_eq!(judgement.reasons().first(), Some(Reason::DefaultRoute));
    let limited = judge(&config(), "10.244.1.0/26").over_limit();
    assert_eq!((reasons(limited), limited.accepted()), (vec![Reason::Limit], None));
    assert_eq!(reasons(judge(&config(), "fd00:244::40/122").over_limit()), [Reason::Limit]);
}

#[test]
fn explains_with_the_numbers_that_were_compared() {
    let config = config();
    let long = Builder::new(&[NODE, LEAF, 65103], ip("192.168.1.9"));
    for (prefix, reason, expected) in [
        ("10.244.1.0/26", Reason::AsPathTooLong, "received 3 + leaf 1 = 4 > 2"),
        ("10.244.1.0/26", Reason::UnexpectedOriginAs, "origin AS 65103; the peer's AS 65102 is permitted"),
        ("10.244.1.0/26", Reason::NextHopNotPeer, "next hop 192.168.1.9 is not the peer, 192.168.1.2"),
        ("10.244.1.0/26", Reason::NotAllowed, "overlaps pod 10.244.0.0/16"),
        (
            "10.0.0.0/8",
            Reason::TooBroad,
            "length 8 covers 10.244.0.0/16; pod 10.244.0.0/16 allows 26 32, \
                                           service 10.96.0.0/12 allows 12 32",
        ),
        ("10.244.1.0/27", Reason::TooSpecific, "length 27 is not allowed; pod 10.244.0.0/16 allows 26 32"),
        (
            "8.8.8.0/24",
            Reason::NotAllowed,
            "overlaps none of pod 10.244.0.0/16, node 192.168.0.0/16, service 10.96.0.0/12",
        ),
        (
            "192.168.1.8/29",
            Reason::NotOwnNodeSubnet,
            "192.168.1.8/29 does not hold the peer's address 192.168.1.2",
        ),
        ("169.254.0.0/24", Reason::Martian, "in 169.254.0.0/16 (link-local)"),
    ] {
        assert_eq!(detail(&config, prefix, &long, reason), expected, "{prefix}");
    }
    let mut plain = config;
    (plain.policy.count_leaf_as, plain.policy.max_as_path) = (false, 1);
    assert_eq!(detail(&plain, "10.244.1.0/26", &long, Reason::AsPathTooLong), "received 3 > 1");
}

#[test]
fn says_what_a_peer_owes() {
    let mut config = config();
    let expected = |config: &Config, peer: (&str, &str), node: Option<&'static str>| {
        Policy::new(config).terms(&Subject { node, ..subject(peer.0, peer.1) }).expected().to_vec()
    };
    let services = [Expected::ServiceCidr(net("10.96.0.0/12")), Expected::ServiceCidr(net("fd00:96::/108"))];
    assert_eq!(expected(&config, IPV4, None), services);

    for entry in &mut config.policy.allow {
        entry.expect = if entry.class == AllowClass::Node { Expect::EveryNode } else { Expect::None };
    }
    let (subnet4, subnet6) =
        (Expected::NodeSubnet(net("192.168.0.0/16")), Expected::NodeSubnet(net("fd00:1::/32")));
    assert_eq!(expected(&config, IPV4, None), [subnet4]);
    assert_eq!(expected(&config, IPV6, None), [subnet6]);
    assert_eq!(expected(&config, IPV4, Some("dual")), [subnet4, subnet6]);
    assert_eq!(expected(&config, ("172.16.0.1", "172.16.0.2"), None), [], "it stands elsewhere");
}

#[test]
fn says_what_one_node_alone_may_announce() {
    let mut config = config();
    let unique = |config: &Config| Class::ALL.map(|class| Policy::new(config).unique(class));
    assert_eq!(unique(&config), [true, true, true, false, false, false]);
    config.policy.uniqueness.pod_block = Unique::Any;
    config.policy.uniqueness.service_host = Unique::OneNode;
    assert_eq!(unique(&config), [true, false, true, false, true, false]);
}

#[test]
fn equal_terms_are_equal_whatever_else_changed() {
    let (old, mut new) = (config(), config());
    new.policy.uniqueness.pod_host = Unique::Any;
    new.policy.allow[0].racks = vec!["rack1".into()];
    assert_eq!(terms(&old, "10.0.0.0/8"), terms(&new, "10.0.0.0/8"));
    new.policy.allow[0].lengths.push(27);
    assert_ne!(terms(&old, "10.0.0.0/8"), terms(&new, "10.0.0.0/8"));
}

/// A prefix from so small a space that entries overlap often.
fn any_prefix(ipv6: bool) -> impl Strategy<Value = IpNet> {
    (0..16_u32, 6..14_u8).prop_map(move |(bits, length)| {
        let bits = 0x0af0_0000 | bits << 18;
        if ipv6 {
            Ipv6Net::new((u128::from(bits) << 96).into(), length).unwrap().trunc().into()
        } else {
            Ipv4Net::new(bits.into(), length).unwrap().trunc().into()
        }
    })
}

fn any_entry(ipv6: bool) -> impl Strategy<Value = Allow> {
    let class = prop_oneof![Just(AllowClass::Pod), Just(AllowClass::Service), Just(AllowClass::Node)];
    (class, any_prefix(ipv6), prop::collection::vec(0..4_u8, 1..3), any::<bool>()).prop_map(
        |(class, prefix, longer, own_only)| Allow {
            lengths: longer.iter().map(|more| prefix.prefix_len() + more).collect(),
            class,
            prefix,
            own_only,
            clusters: vec![],
            vrfs: vec![],
            racks: vec![],
            nodes: vec![],
            expect: Expect::None,
            except: model::Except::default(),
        },
    )
}

/// The same rules in so many words, without regard to speed.
fn in_so_many_words(allow: &[Allow], prefix: &IpNet, own: IpAddr) -> Option<Reason> {
    let length = prefix.prefix_len();
    let overlapping: Vec<_> = allow
        .iter()
        .filter(|entry| entry.prefix.contains(prefix) || prefix.contains(&entry.prefix))
        .collect();
    let fitting: Vec<_> = overlapping
        .iter()
        .filter(|entry| entry.prefix.contains(prefix) && entry.lengths.contains(&length))
        .collect();
    if overlapping.is_empty() {
        Some(Reason::NotAllowed)
    } else if fitting.iter().any(|entry| !entry.own_only || prefix.contains(&own)) {
        None
    } else if !fitting.is_empty() {
        Some(Reason::NotOwnNodeSubnet)
    } else if overlapping.iter().all(|entry| entry.lengths.iter().all(|allowed| length < *allowed))
        || overlapping.iter().any(|entry| prefix.contains(&entry.prefix))
    {
        Some(Reason::TooBroad)
    } else {
        Some(Reason::TooSpecific)
    }
}

proptest! {
    #[test]
    fn judges_prefixes_as_the_rules_are_worded(
        (allow, prefixes, peer) in any::<bool>().prop_flat_map(|ipv6| {
            let peer = any_prefix(ipv6).prop_map(|prefix| prefix.network());
            (prop::collection::vec(any_entry(ipv6), 0..6), prop::collection::vec(any_prefix(ipv6), 1..20), peer)
        })
    ) {
        let mut config = config();
        config.policy.allow = allow;
        let terms = Policy::new(&config).terms(&Subject { address: peer, ..subject(IPV4.0, IPV4.1) });
        for prefix in prefixes {
            let judgement = terms.judge(prefix, Reasons::NONE);
            let expected = in_so_many_words(&config.policy.allow, &prefix, peer);
            prop_assert_eq!(reasons(judgement), Vec::from_iter(expected), "{}", prefix);
            prop_assert_eq!(judgement.class() == Class::Other, expected == Some(Reason::NotAllowed));
        }
    }
}
