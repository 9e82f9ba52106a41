//! What depends on how the site is designed: transit, exceptions, clusters, and when a policy widens.

use super::*;

#[test]
fn what_the_fabric_gave_a_node_is_noted_where_that_is_by_design() {
    let rejecting = config();
    let mut noting = config();
    noting.policy.transit = model::Transit::Note;
    let own = ip(IPV4.0);
    let judged = |config: &Config, prefix: &str, path: &[u32]| {
        reasons(judge_with(&terms(config, prefix), prefix, &Builder::new(path, own)))
    };
    // [cluster, fabric, fabric], and [node, leaf, ..., origin].
    let handed_back = [Reason::AsPathTooLong, Reason::UnexpectedOriginAs, Reason::OwnAsInPath];
    for path in [&[NODE, LEAF, LEAF][..], &[NODE, LEAF, 65103], &[NODE, 65200, LEAF]] {
        let noted: Vec<_> = std::iter::once(Reason::Transit).chain(handed_back).collect();
        assert_eq!(judged(&noting, "10.244.1.0/26", path), noted, "{path:?}");
        assert_eq!(judged(&rejecting, "10.244.1.0/26", path), handed_back, "{path:?}");
    }
    // What is wrong beside that stays wrong.
    for (prefix, path, first) in [
        ("0.0.0.0/0", &[NODE, LEAF][..], Reason::DefaultRoute),
        ("127.0.0.0/8", &[NODE, LEAF], Reason::Martian),
        ("172.16.0.0/16", &[NODE, LEAF], Reason::NotAllowed),
        ("10.244.0.0/15", &[NODE, LEAF], Reason::TooBroad),
        ("10.244.1.0/27", &[NODE, LEAF], Reason::TooSpecific),
        ("192.168.9.0/29", &[NODE, LEAF], Reason::NotOwnNodeSubnet),
        ("10.244.1.0/26", &[NODE, 65103], Reason::AsPathTooLong),
        ("10.244.1.0/26", &[65103, LEAF], Reason::AsPathTooLong),
    ] {
        assert_eq!(judged(&noting, prefix, path), judged(&rejecting, prefix, path), "{prefix} {path:?}");
        assert_eq!(judged(&noting, prefix, path)[0], first, "{prefix} {path:?}");
    }
    let third_party = Builder::new(&[NODE, LEAF], ip("192.168.1.9"));
    let judgement = judge_with(&terms(&noting, "10.244.1.0/26"), "10.244.1.0/26", &third_party);
    assert_eq!((judgement.is_noted(), judgement.verdict()), (false, "rejected"));
    let noted =
        judge_with(&terms(&noting, "10.244.1.0/26"), "10.244.1.0/26", &Builder::new(&[NODE, LEAF], own));
    assert_eq!((noted.accepted(), noted.verdict(), noted.class()), (None, "noted", Class::PodBlock));
    assert_eq!(noted.over_limit(), noted, "the limit is not about it");
    assert_eq!(judge(&noting, "10.244.1.0/26").verdict(), "accepted");
}

#[test]
fn a_policy_widens_if_it_may_accept_or_note_more() {
    let widens = |change: fn(&mut Config)| {
        let (before, mut after) = (config(), config());
        change(&mut after);
        let terms = |config: &Config| Policy::new(config).terms(&subject(IPV4.0, IPV4.1));
        assert!(!terms(&before).widen(&terms(&before)));
        (terms(&after).widen(&terms(&before)), terms(&before).widen(&terms(&after)))
    };
    let wider = (true, false);
    assert_eq!(widens(|config| config.policy.allow[0].lengths.push(24)), wider);
    assert_eq!(widens(|config| config.policy.allow[0].prefix = net("10.244.0.0/15")), wider);
    assert_eq!(widens(|config| drop(config.policy.allow.pop())), (false, true));
    assert_eq!(widens(|config| config.policy.max_as_path = 3), wider);
    assert_eq!(widens(|config| config.policy.count_leaf_as = false), wider);
    assert_eq!(widens(|config| config.policy.origin_as = OriginAs::Any), wider);
    let list = |first| OriginAs::List(vec![AsRange { first, last: 65199 }]);
    assert_eq!(widens(|config| config.policy.origin_as = OriginAs::List(vec![])), (false, false));
    let (mut narrow, mut wide) = (config(), config());
    (narrow.policy.origin_as, wide.policy.origin_as) = (list(65150), list(65100));
    let terms = |config: &Config| Policy::new(config).terms(&subject(IPV4.0, IPV4.1));
    assert!(terms(&wide).widen(&terms(&narrow)) && !terms(&narrow).widen(&terms(&wide)));
    assert_eq!(widens(|config| config.policy.next_hop = NextHop::Any), wider);
    assert_eq!(widens(|config| config.policy.transit = model::Transit::Note), wider);
    let not_only_own =
        |config: &mut Config| config.policy.allow.iter_mut().for_each(|entry| entry.own_only = false);
    assert_eq!(widens(not_only_own), wider);
    assert_eq!(widens(|config| config.policy.allow[1].expect = Expect::None), (false, false));
}

#[test]
fn who_is_excepted_owes_nothing_and_may_announce_it_all_the_same() {
    let mut config = config();
    let owes = |config: &Config, subject: Subject<'_>| {
        let terms = Policy::new(config).terms(&subject);
        assert!(terms.judge(net("10.96.0.0/12"), Reasons::NONE).accepted().is_some());
        !terms.expected().is_empty()
    };
    let (peer, pinned) = (subject(IPV4.0, IPV4.1), Subject { node: Some("dual"), ..subject(IPV4.0, IPV4.1) });
    assert!(owes(&config, peer) && owes(&config, pinned));
    config.policy.allow.iter_mut().for_each(|entry| entry.except.nodes = vec!["dual".into()]);
    assert!(owes(&config, peer) && !owes(&config, pinned));
    config.policy.allow.iter_mut().for_each(|entry| entry.except.racks = vec!["rack1".into()]);
    assert!(!owes(&config, peer) && owes(&config, Subject { rack: "rack2", ..peer }));
}

#[test]
fn the_addresses_of_a_pin_are_those_of_its_cluster() {
    let mut config = config();
    let [blue, green] = [("blue", "fd00:1::2"), ("green", "fd00:1::3")].map(|(cluster, address)| Node {
        cluster: Some(cluster.into()),
        addresses: vec![ip(IPV4.0), ip(address)],
        ..config.nodes[0].clone()
    });
    config.nodes = vec![blue, green];
    let policy = Policy::new(&config);
    let verdict = |cluster, next_hop| {
        let terms = policy.terms(&Subject { cluster, node: Some("dual"), ..subject(IPV4.0, IPV4.1) });
        reasons(judge_with(&terms, "fd00:244::40/122", &Builder::new(&[NODE], ip(next_hop))))
    };
    assert_eq!(verdict("blue", "fd00:1::2"), []);
    assert_eq!(verdict("green", "fd00:1::3"), []);
    assert_eq!(verdict("green", "fd00:1::2"), [Reason::NextHopNotPeer]);
}
