//! Which routes want what.

use super::*;
use crate::config::model::{AsRange, Eepg, Match, Redirect};
use crate::eepg::samples::{config, destination, eepg, net, offer, pin, redirect, rules};
use crate::policy::Class;

const HOST: &str = "10.96.7.7/32";

fn all(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

/// What is wanted in the VRF, in one line.
fn shown(wish: &Wish) -> String {
    let claim = |claim: &Claim| {
        let place = claim.container.to_string();
        let name = place.rsplit_once('-').map_or("", |(_, name)| name);
        let (RuleId::Eepg(rule) | RuleId::Redirect(rule)) = claim.rule;
        format!("{name} by {rule} of {}", claim.witness)
    };
    match wish {
        Wish::Nothing => "nothing".to_owned(),
        Wish::Untouched => "untouched".to_owned(),
        Wish::Unnamed { rule, witness } => format!("{rule:?} has no name for {witness}"),
        Wish::Disputed(claims) => claims.iter().map(claim).collect::<Vec<_>>().join(" or "),
        Wish::Member(member) => claim(member),
    }
}

fn asked(rules: &Rules, prefix: &str, offers: Vec<Offer>) -> String {
    let wishes = rules.decide(&destination(prefix, offers));
    let [(Domain::Vrf(vrf), wish)] = &wishes[..] else { panic!("{wishes:?}") };
    assert_eq!(&**vrf, "prod");
    shown(wish)
}

#[test]
fn all_that_is_given_must_hold_and_of_several_values_one() {
    let matching = |matches: Match| rules(vec![Eepg { matches, ..eepg("web") }], vec![]);
    let host = || offer(Class::ServiceHost, "a", 2);
    let tagged = || Offer { communities: all(&["65000:1", "65000:7"]), ..host() };
    let unnamed = || offer(Class::ServiceHost, "unnamed", 2);
    let block = || offer(Class::PodBlock, "a", 2);
    let pod = || offer(Class::PodHost, "a", 2);
    let default = Match::default;
    let as_range = |first, last| vec![AsRange { first, last }];
    for (place, (matches, prefix, offer, taken)) in [
        (default(), HOST, host(), true),
        (default(), "10.244.1.1/32", pod(), true),
        (default(), "10.244.1.0/26", block(), false),
        (Match { class: vec![Class::PodBlock], ..default() }, "10.244.1.0/26", block(), true),
        (Match { class: vec![Class::PodBlock], ..default() }, HOST, host(), false),
        (Match { class: vec![Class::PodHost, Class::ServiceHost], ..default() }, HOST, host(), true),
        (Match { prefix: vec![net("10.96.7.0/24")], ..default() }, HOST, host(), true),
        (Match { prefix: vec![net("10.96.8.0/24")], ..default() }, HOST, host(), false),
        (Match { prefix: vec![net("10.96.8.0/24"), net(HOST)], ..default() }, HOST, host(), true),
        (Match { prefix: vec![net("::/0")], ..default() }, HOST, host(), false),
        (Match { min_length: Some(32), ..default() }, HOST, host(), true),
        (
            Match { class: Class::ALL.to_vec(), min_length: Some(27), ..default() },
            "10.244.1.0/26",
            block(),
            false,
        ),
        (
            Match { class: Class::ALL.to_vec(), min_length: Some(26), ..default() },
            "10.244.1.0/26",
            block(),
            true,
        ),
        (Match { class: Class::ALL.to_vec(), ..default() }, "0.0.0.0/0", block(), false),
        (Match { class: Class::ALL.to_vec(), ..default() }, "::/0", block(), false),
        (Match { community: all(&["65000:7", "65000:9"]), ..default() }, HOST, tagged(), true),
        (Match { community: all(&["65000:9"]), ..default() }, HOST, tagged(), false),
        (Match { community: all(&["65000:7"]), ..default() }, HOST, host(), false),
        (Match { peer_as: as_range(65_102, 65_103), ..default() }, HOST, host(), true),
        (Match { peer_as: as_range(65_103, 65_104), ..default() }, HOST, host(), false),
        (Match { node: all(&["b", "a"]), ..default() }, HOST, host(), true),
        (Match { node: all(&["b"]), ..default() }, HOST, host(), false),
        (Match { node: all(&["unnamed"]), ..default() }, HOST, unnamed(), false),
        (Match { rack: all(&["rack2", "rack1"]), ..default() }, HOST, host(), true),
        (Match { rack: all(&["rack2"]), ..default() }, HOST, host(), false),
        (Match { leaf: all(&["leaf1"]), ..default() }, HOST, host(), true),
        (Match { leaf: all(&["rack1"]), ..default() }, HOST, host(), false),
        (Match { cluster: all(&["default"]), ..default() }, HOST, host(), true),
        (Match { cluster: all(&["other"]), ..default() }, HOST, host(), false),
        (Match { node: all(&["a"]), rack: all(&["rack2"]), ..default() }, HOST, host(), false),
    ]
    .into_iter()
    .enumerate()
    {
        let expected = if taken { "web by 0 of " } else { "nothing" };
        let found = asked(&matching(matches.clone()), prefix, vec![offer]);
        assert!(found.starts_with(expected), "{place}: {matches:?} {prefix}: {found}");
    }
}

#[test]
fn the_first_rule_of_the_file_wins() {
    let first = Eepg { matches: Match { node: all(&["a"]), ..Match::default() }, ..eepg("first") };
    let elsewhere = Eepg { apic: "elsewhere".into(), ..eepg("elsewhere") };
    let rules = rules(vec![elsewhere, first, eepg("second"), eepg("third")], vec![]);
    let of = |nodes: &[&str]| {
        let offers = nodes.iter().zip(1..).map(|(node, last)| offer(Class::ServiceHost, node, last));
        asked(&rules, HOST, offers.collect())
    };
    assert_eq!(of(&[]), "nothing");
    assert_eq!(of(&["a"]), "first by 1 of a");
    assert_eq!(of(&["b"]), "second by 2 of b");
    assert_eq!(of(&["c", "b"]), "second by 2 of b");
    assert_eq!(of(&["b", "a", "c"]), "first by 1 of a or second by 2 of b");
    // More routes than are asked at once.
    let many: Vec<_> = (0..200).map(|_| "b").chain(["a"]).collect();
    assert_eq!(of(&many), "first by 1 of a or second by 2 of b");
    assert_eq!(of(&many[..200]), "second by 2 of b");
}

#[test]
fn one_claim_is_that_of_the_least_node_and_the_first_rule() {
    let first = Eepg { matches: Match { node: all(&["c"]), ..Match::default() }, ..eepg("web") };
    let rules = rules(vec![first, eepg("web")], vec![]);
    let offers = ["c", "b", "b"].into_iter().zip([1, 9, 3]);
    let offers = offers.map(|(node, last)| offer(Class::ServiceHost, node, last)).collect();
    let wishes = rules.decide(&destination(HOST, offers));
    let [(_, Wish::Member(claim))] = &wishes[..] else { panic!("{wishes:?}") };
    assert_eq!((claim.rule, &*claim.witness), (RuleId::Eepg(0), "b"));
    assert_eq!(claim.peer, IpAddr::from([192, 168, 1, 3]));
    assert_eq!(claim.container.to_string(), "uni/tn-k8s/out-calico/instP-web");
    // Whose route comes first does not matter, however many there are.
    let offers =
        (0..100).map(|_| offer(Class::ServiceHost, "b", 3)).chain([offer(Class::ServiceHost, "c", 1)]);
    assert_eq!(asked(&rules, HOST, offers.collect()), "web by 0 of b");
}

#[test]
fn stale_routes_ask_if_there_are_no_others() {
    let first = Eepg { matches: Match { node: all(&["a"]), ..Match::default() }, ..eepg("first") };
    let rules = rules(vec![first, eepg("second")], vec![]);
    let route = |node, stale| Offer { stale, ..offer(Class::ServiceHost, node, 2) };
    assert_eq!(asked(&rules, HOST, vec![route("a", true), route("b", false)]), "second by 1 of b");
    assert_eq!(asked(&rules, HOST, vec![route("a", false), route("b", true)]), "first by 0 of a");
    assert_eq!(asked(&rules, HOST, vec![route("a", true)]), "first by 0 of a");
    assert_eq!(
        asked(&rules, HOST, vec![route("a", true), route("b", true)]),
        "first by 0 of a or second by 1 of b"
    );
    // What is fresh counts even if no rule takes it.
    let block = Offer { stale: false, ..offer(Class::PodBlock, "c", 4) };
    assert_eq!(asked(&rules, HOST, vec![route("a", true), block]), "nothing");
}

#[test]
fn what_is_never_managed_is_left_alone() {
    let never =
        Eepg { manage: false, matches: Match { node: all(&["a"]), ..Match::default() }, ..eepg("web") };
    let rules = rules(vec![never, eepg("web")], vec![]);
    let route = |node| offer(Class::ServiceHost, node, 2);
    assert_eq!(asked(&rules, HOST, vec![route("a")]), "untouched");
    assert_eq!(asked(&rules, HOST, vec![route("b")]), "web by 1 of b");
    let wishes = rules.decide(&destination(HOST, vec![route("a"), route("b")]));
    assert!(matches!(&wishes[..], [(_, Wish::Disputed(claims))] if claims.len() == 1), "{wishes:?}");
}

#[test]
fn only_hosts_are_destinations_and_each_policy_decides_for_itself() {
    let blocks = Match { class: vec![Class::PodBlock, Class::PodHost], ..Match::default() };
    let elsewhere = Redirect { vrf: "test".into(), ..redirect("elsewhere") };
    let later =
        Redirect { matches: Match { class: vec![Class::PodHost], ..Match::default() }, ..redirect("fw") };
    let fw = Redirect { matches: Match { node: all(&["b"]), ..blocks.clone() }, ..redirect("fw") };
    let lb = Redirect { matches: blocks, ..redirect("lb") };
    let rules = rules(vec![eepg("web")], vec![elsewhere, fw, lb, later]);
    let ask = |prefix, class| {
        let wishes = rules.decide(&destination(prefix, vec![offer(class, "a", 2)]));
        wishes.iter().map(|(_, wish)| shown(wish)).collect::<Vec<_>>()
    };
    assert_eq!(ask("10.244.1.1/32", Class::PodHost), ["web by 0 of a", "fw by 3 of a", "lb by 2 of a"]);
    assert_eq!(ask("10.244.1.0/26", Class::PodBlock), ["nothing", "nothing", "nothing"]);
    assert_eq!(ask(HOST, Class::ServiceHost), ["web by 0 of a", "nothing", "nothing"]);
    let mut other = destination(HOST, vec![]);
    other.vrf = "nowhere".into();
    assert_eq!(rules.decide(&other), []);
    assert_eq!(rules.domains().len(), 4);
    assert_eq!(rules.policies().len(), 3);
    assert_eq!(rules.vrfs(), all(&["prod"]));
    assert_eq!(rules.name(RuleId::Redirect(2)), "redirect lb");
    assert_eq!(rules.name(RuleId::Eepg(0)), "web");
    assert_eq!(rules.name(RuleId::Eepg(7)), "?");
    assert!(rules.redirect(RuleId::Eepg(0)).is_none() && rules.eepg(RuleId::Redirect(0)).is_none());
    let calico = L3out { tenant: "k8s".into(), name: "calico".into() };
    assert_eq!(rules.l3outs(), [(calico, "prod".into())]);
}

#[test]
fn a_name_stands_for_one_node_or_for_none() {
    let ask = |template: &str, matches: Match, node: &str, rack: &str| {
        let nodes = vec![
            pin("a", Some("r1"), None),
            pin("1a", Some("r1"), None),
            pin("1b", None, None),
            pin("twin", Some("r1"), Some("default")),
            pin("twin", Some("r1"), Some("other")),
            pin("sp ace", None, None),
            pin("a", Some("r11"), Some("third")),
        ];
        let rules = vec![Eepg { matches, ..eepg(template) }];
        let rules = Rules::new("fabric", &Config { eepgs: rules, nodes, ..config() });
        let offer = Offer { rack: rack.into(), ..offer(Class::ServiceHost, node, 2) };
        asked(&rules, HOST, vec![offer])
    };
    let any = Match::default;
    let here = || Match { cluster: all(&["default"]), ..any() };
    for (template, matches, node, rack, expected) in [
        ("{node}", any(), "1a", "r1", "1a by 0 of 1a"),
        ("web_{node}", any(), "1a", "r1", "web_1a by 0 of 1a"),
        ("{rack}", any(), "1a", "r1", "r1 by 0 of 1a"),
        ("{rack}", any(), "unnamed", "r1", "r1 by 0 of unnamed"),
        ("{rack}.{node}", any(), "1b", "rack2", "rack2.1b by 0 of 1b"),
        // Nothing that is not pinned has a name.
        ("{node}", any(), "unnamed", "r1", "Eepg(0) has no name for unnamed"),
        // Two clusters have a node of this name, unless the rule is for one of them.
        ("{node}", any(), "twin", "r1", "Eepg(0) has no name for twin"),
        ("{node}", here(), "twin", "r1", "twin by 0 of twin"),
        // Rack r1 and node 1a come to the same name as rack r11 and node a.
        ("{rack}{node}", any(), "1a", "r1", "Eepg(0) has no name for 1a"),
        ("{rack}{node}", any(), "a", "r11", "Eepg(0) has no name for a"),
        ("{rack}{node}", here(), "1a", "r1", "r11a by 0 of 1a"),
        ("{rack}_{node}", any(), "1a", "r1", "r1_1a by 0 of 1a"),
        // The APIC would not take it.
        ("{node}", any(), "sp ace", "r1", "Eepg(0) has no name for sp ace"),
        ("{rack}", any(), "a", "a/b", "Eepg(0) has no name for a"),
        ("{rack}", any(), "a", "", "Eepg(0) has no name for a"),
    ] {
        assert_eq!(ask(template, matches, node, rack), expected, "{template} {node} {rack}");
    }
    let long = "x".repeat(63);
    assert_eq!(ask(&format!("{long}{{node}}"), any(), "1a", "r1"), "Eepg(0) has no name for 1a");
    assert!(
        rules(vec![eepg("{node}")], vec![])
            .unnamed(RuleId::Eepg(0), "n1")
            .starts_with("rule {node} has no name for the EEPG of n1")
    );
}

#[test]
fn who_has_no_name_lets_no_other_have_one() {
    let nodes = vec![pin("a", None, None)];
    let rules = Rules::new("fabric", &Config { eepgs: vec![eepg("{node}")], nodes, ..config() });
    let of = |nodes: &[&str]| {
        let offers = nodes.iter().map(|node| offer(Class::ServiceHost, node, 2)).collect();
        asked(&rules, HOST, offers)
    };
    assert_eq!(of(&["a"]), "a by 0 of a");
    assert_eq!(of(&["a", "unnamed"]), "Eepg(0) has no name for unnamed");
}

#[test]
fn names_of_nodes_are_made_once() {
    let nodes = vec![pin("a", None, None)];
    let rules = Rules::new("fabric", &Config { eepgs: vec![eepg("{node}")], nodes, ..config() });
    let ask = || {
        let wishes = rules.decide(&destination(HOST, vec![offer(Class::ServiceHost, "a", 2)]));
        let [(_, Wish::Member(claim))] = &wishes[..] else { panic!("{wishes:?}") };
        Arc::clone(&claim.container)
    };
    assert!(Arc::ptr_eq(&ask(), &ask()));
}
