//! What a reload says that it would do.

use std::path::PathBuf;
use std::time::Duration;

use super::super::model::{Http, Neighbors, Node, Reading, Scope, Token};
use super::super::{Changes, Effect, diff, same_terms};
use super::{Config, Fake, SHORTEST, Secret, and, read, read_in, whole_reference, with};

const PEER_AS: &str = "peer_as = [\"65102-65199\"]";
const RANGE: &str = "range = \"192.168.1.0/26\"";

fn shortest() -> Config {
    read(SHORTEST).unwrap()
}

fn lines(changes: &Changes) -> Vec<String> {
    changes.iter().map(|change| format!("{:?}: {change}", change.effect)).collect()
}

/// The changes from the shortest file to `text`.
fn to(text: &str) -> Vec<String> {
    lines(&diff(&shortest(), &read(text).unwrap()))
}

#[test]
fn the_same_file_changes_nothing() {
    for config in [shortest(), whole_reference()] {
        let changes = diff(&config, &config);
        assert!(changes.is_empty() && !changes.resets() && changes.refused().next().is_none());
    }
}

#[test]
fn restart_only_keys_refuse_the_file() {
    let mut new = shortest();
    new.global.state_dir = Some(PathBuf::from("/var"));
    new.http.listen = vec!["0.0.0.0:80".parse().unwrap()];
    new.metrics.rogue_routes_max = 7;
    let changes = diff(&shortest(), &new);
    let refused: Vec<String> = changes.refused().map(ToString::to_string).collect();
    assert_eq!(
        refused,
        [
            "global.state_dir none -> \"/var\" (needs a restart)",
            "http.listen [\"127.0.0.1:9179\"] -> [\"0.0.0.0:80\"] (needs a restart)",
        ]
    );
    assert_eq!(lines(&changes)[0], "Apply: metrics.rogue_routes_max 100 -> 7");
}

#[test]
fn another_token_is_seen_and_not_shown() {
    let with = |name: &str, scope, token: &str| {
        let token = Token { name: name.into(), scope, secret: Secret::new(token) };
        Config { http: Http { tokens: vec![token], ..shortest().http }, ..shortest() }
    };
    let token = |token| with("ci", Scope::Operate, token);
    for (old, new, expected) in [
        (token("hunter2"), token("hunter3"), &["Apply: http: `ci` has another token"][..]),
        (shortest(), token("hunter2"), &["Apply: http: `ci` gets a token: operate"]),
        (token("hunter2"), shortest(), &["Apply: http: the token of `ci` is removed"]),
        (
            token("hunter2"),
            with("ci", Scope::Approve, "hunter2"),
            &["Apply: http: scope of `ci` operate -> approve"],
        ),
    ] {
        let changes = diff(&old, &new);
        assert_eq!(lines(&changes), expected);
        assert!(!format!("{changes:?}").contains("hunter"));
    }
    let mut read = shortest();
    (read.http.read, read.http.hosts) = (Reading::Token, vec!["tl.example".into()]);
    assert_eq!(
        lines(&diff(&shortest(), &read)),
        ["Apply: http.read \"open\" -> \"token\"", "Apply: http.hosts [] -> [\"tl.example\"]"]
    );
}

#[test]
fn terms_of_sessions_reset_them() {
    let more = with(
        PEER_AS,
        &format!(
            "{PEER_AS}\nhold_time = \"9s\"\nfamilies = \"ipv4\"\nmax_peers = 3\nlimits.action = \"hold\""
        ),
    );
    assert_eq!(
        to(&more),
        [
            "Reset: neighbors of leaf `rack1` in 192.168.1.0/26: sessions are reset: \
             families [\"ipv4\",\"ipv6\"] -> [\"ipv4\"], hold_time \"3s\" -> \"9s\"",
            "Apply: neighbors of leaf `rack1` in 192.168.1.0/26: limits.action \"warn\" -> \"hold\"",
            "Apply: neighbors of leaf `rack1` in 192.168.1.0/26: max_peers 400 -> 3",
        ]
    );
}

#[test]
fn the_terms_are_those_of_the_lines() {
    type Edit = fn(&mut Neighbors);
    let old = shortest();
    let cases: [(bool, Edit); 12] = [
        (true, |entry| entry.hold_time = Duration::ZERO),
        (true, |entry| entry.password = Some(Secret::new("x"))),
        (true, |entry| entry.ttl_security_hops = Some(1)),
        (true, |entry| entry.add_path = true),
        (true, |entry| entry.ipv4 = false),
        (true, |entry| entry.ipv6 = false),
        (false, |entry| entry.passive = false),
        (false, |entry| entry.port = 1),
        (false, |entry| entry.max_peers = 1),
        (false, |entry| entry.limits.prefixes = 1),
        (false, |entry| entry.max_stale_time = Duration::ZERO),
        (false, |entry| entry.vrf = "x".into()),
    ];
    for (index, (resets, change)) in cases.into_iter().enumerate() {
        let mut new = old.clone();
        change(&mut new.neighbors[0]);
        let changes = diff(&old, &new);
        assert_eq!((changes.resets(), changes.is_empty()), (resets, false), "{index}");
        assert_eq!(same_terms(&old.neighbors[0], &new.neighbors[0]), !resets, "{index}");
    }
}

#[test]
fn fewer_ases_reset_and_more_do_not() {
    let peer_as = |list: &str| to(&with(PEER_AS, &format!("peer_as = {list}")));
    let title = "neighbors of leaf `rack1` in 192.168.1.0/26: ";
    assert_eq!(
        peer_as("[\"65102-65198\"]"),
        [format!(
            "Reset: {title}sessions are reset: peer_as [\"65102-65199\"] -> [\"65102-65198\"] (those of other ASes only)"
        )]
    );
    assert_eq!(
        peer_as("[\"65150-65300\", \"65102-65149\"]"),
        [format!("Apply: {title}peer_as [\"65102-65199\"] -> [\"65150-65300\",\"65102-65149\"]")]
    );
    assert!(peer_as("[\"65102-65150\", \"65152-65199\"]")[0].starts_with("Reset"));
}

#[test]
fn passwords_are_terms_and_not_shown() {
    let text = with(PEER_AS, &format!("{PEER_AS}\npassword_env = \"KEY\""));
    let with_key = |key: &str| read_in(&text, &Fake::default().variable("KEY", key)).unwrap();
    let title = "Reset: neighbors of leaf `rack1` in 192.168.1.0/26: sessions are reset: ";
    let cases = [
        (shortest(), with_key("a"), "a password is set"),
        (with_key("a"), with_key("b"), "another password"),
        (with_key("a"), shortest(), "the password is removed"),
    ];
    for (old, new, text) in cases {
        assert_eq!(lines(&diff(&old, &new)), [format!("{title}{text}")]);
    }
}

#[test]
fn ranges_come_and_go() {
    assert_eq!(
        to(&with(RANGE, "range = \"192.168.2.0/26\"")),
        [
            "Reset: neighbors of leaf `rack1` in 192.168.1.0/26 is removed: sessions that no other range holds end",
            "Apply: neighbors of leaf `rack1` in 192.168.2.0/26 is added",
        ]
    );
    // A longer range takes its addresses over; only what differs resets.
    let longer = |more: &str| {
        let entry = "[[neighbors]]\nleaf = \"rack1\"\nrange = \"192.168.1.0/28\"\n";
        to(&and(&format!("{entry}{PEER_AS}\n{more}")))
    };
    let moved = "neighbors of leaf `rack1` in 192.168.1.0/28 move from 192.168.1.0/26 to 192.168.1.0/28";
    let added = "Apply: neighbors of leaf `rack1` in 192.168.1.0/28 is added";
    assert_eq!(longer(""), [added.to_owned(), format!("Apply: {moved}")]);
    assert_eq!(
        longer("add_path = true"),
        [format!("Reset: {moved}: sessions are reset: add_path false -> true"), added.to_owned()]
    );
    // And a shorter one takes them back.
    assert_eq!(
        to(&with(RANGE, "range = \"192.168.0.0/16\"")),
        [
            "Apply: neighbors of leaf `rack1` in 192.168.1.0/26 move from 192.168.1.0/26 to 192.168.0.0/16",
            "Apply: neighbors of leaf `rack1` in 192.168.0.0/16 is added",
        ]
    );
}

#[test]
fn leaves_and_their_listeners() {
    let renamed = SHORTEST.replace("\"rack1\"", "\"rack2\"");
    assert_eq!(
        to(&renamed),
        [
            "Reset: leaf `rack1` is removed: its sessions end",
            "Listen: leaf `rack1` stops listening on 0.0.0.0:1790",
            "Listen: leaf `rack2` begins listening on 0.0.0.0:1790",
            "Apply: leaf `rack2` is added",
            "Apply: neighbors of leaf `rack2` in 192.168.1.0/26 is added",
        ]
    );
    let other =
        with("listen = [\"0.0.0.0:1790\"] ", "listen = [\"[::]:1790\", \"10.0.0.1:1790\"]\nvrf = \"red\"\n#");
    assert_eq!(
        to(&other),
        [
            "Listen: leaf `rack1` stops listening on 0.0.0.0:1790",
            "Listen: leaf `rack1` begins listening on [::]:1790",
            "Listen: leaf `rack1` begins listening on 10.0.0.1:1790",
            "Apply: leaf `rack1`: vrf \"default\" -> \"red\"",
            "Apply: neighbors of leaf `rack1` in 192.168.1.0/26: vrf \"default\" -> \"red\"",
        ]
    );
    assert_eq!(
        to(&with("local_as = 65101", "local_as = 65100")),
        ["Reset: leaf `rack1`: all sessions are reset: local_as 65101 -> 65100"]
    );
}

#[test]
fn policy_nodes_findings_metrics_touch_no_session() {
    let text =
        with("lengths = [26, 32]  ", "lengths = [26, 27]\n#").replace("\"node\"\nprefix", "\"pod\"\nprefix");
    let more = "[policy]\nmax_as_path = 3\ntransit = \"note\"\n[[nodes]]\nname = \"n1\"\naddress = \"192.168.1.1\"\n\
                [findings]\nopen_after.peer_down = \"1s\"\n[limits]\necmp = 32\n[metrics]\nper_peer = \"off\"\n";
    let (old, new) = (shortest(), read(&format!("{text}{more}")).unwrap());
    assert_eq!(
        lines(&diff(&old, &new)),
        [
            "Apply: node `n1` is pinned",
            "Apply: policy.allow pod 10.244.0.0/16: lengths [26,32] -> [26,27]",
            "Apply: policy.allow node 192.168.0.0/16 is removed",
            "Apply: policy.allow pod 192.168.0.0/16 is added",
            "Apply: policy.max_as_path 2 -> 3",
            "Apply: policy.transit \"reject\" -> \"note\"",
            "Apply: findings.open_after.peer_down none -> \"1s\"",
            "Apply: limits.ecmp 64 -> 32",
            "Apply: metrics.per_peer \"all\" -> \"off\"",
        ]
    );
    assert_eq!(lines(&diff(&new, &old))[0], "Apply: node `n1` is no longer pinned");
}

#[test]
fn nodes_of_one_name_are_told_apart_by_their_cluster() {
    let old = whole_reference();
    let mut new = old.clone();
    let green = Node { cluster: Some("green".into()), asn: Some(65112), ..old.nodes[0].clone() };
    new.nodes.insert(0, green.clone());
    assert_eq!(lines(&diff(&old, &new)), ["Apply: node `node1` of cluster `green` is pinned"]);
    let mut newer = new.clone();
    newer.nodes[0].asn = None;
    newer.nodes.reverse();
    assert_eq!(lines(&diff(&new, &newer)), ["Apply: node `node1` of cluster `green`: as 65112 -> none"]);
    newer.nodes = vec![green];
    assert_eq!(lines(&diff(&new, &newer)), ["Apply: node `node1` of cluster `default` is no longer pinned"]);
    assert_eq!(
        lines(&diff(&newer, &old)),
        [
            "Apply: node `node1` of cluster `green`: as 65112 -> 65111",
            "Apply: node `node1` of cluster `green`: cluster \"green\" -> \"default\"",
        ]
    );
}

#[test]
fn the_order_in_the_file_is_no_change() {
    let old = whole_reference();
    let mut new = old.clone();
    new.policy.allow.reverse();
    assert!(diff(&old, &new).is_empty());
}

#[test]
fn the_gravest_comes_first() {
    assert!(
        Effect::Reset < Effect::Listen && Effect::Listen < Effect::Apply && Effect::Apply < Effect::Restart
    );
}
