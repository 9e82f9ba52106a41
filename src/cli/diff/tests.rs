use super::shadow::{Said, Shadow};
use super::*;
use crate::cli::testing::{NOW, Stub, page, peer, route};
use crate::cli::tests::{ask, run};
use crate::config::Machine;
use crate::observer::view::{Peer, Route};
use crate::policy::Reason;

/// The configuration of the stub servers, written where no other test writes.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("thirdleaf-diff-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

const CONFIG: &str = crate::web::testing::CONFIG;

fn config(text: &str) -> Config {
    config::parse(text, "x".as_ref(), &Machine).unwrap()
}

fn up(address: &str, node: &str) -> Peer {
    Peer { node: Some(node.into()), router_id: address.parse().ok(), ..peer(address) }
}

fn announced(prefix: &str, peer: &str) -> Route {
    let peer: std::net::IpAddr = peer.parse().unwrap();
    Route { peer, next_hop: Some(peer), ..route(prefix) }
}

fn server(peers: &[Peer], routes: &[Route]) -> Stub {
    Stub::new(&[("/api/v1/peers", page(peers)), ("/api/v1/routes", page(routes))])
}

#[test]
fn says_which_verdicts_change_and_which_findings_open() {
    let mut leaky = up("192.168.1.2", "node2");
    leaky.routes.rejected_not_kept = 4100;
    let routes = [
        announced("10.244.0.0/26", "192.168.1.1"),
        announced("10.245.0.0/26", "192.168.1.1"),
        announced("10.245.1.0/26", "192.168.1.2"),
    ];
    let stub = server(&[up("192.168.1.1", "node1"), leaky], &routes);
    let files = Files::new("says");
    let old = files.write("old.toml", CONFIG);
    let new = files.write("new.toml", &CONFIG.replace("10.244.0.0/16", "10.245.0.0/16"));
    let (code, text) = ask(&stub.url, &["diff", &new, &old]);
    assert_eq!(code, 1, "{text}");
    let (_, forecast) = text.split_once("\n\n").unwrap();
    let lines: Vec<_> = forecast.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "2 routes of 2 peers: rejected not_allowed -> accepted pod_block, e.g. 10.245.0.0/26 of node1",
            "1 route of 1 peer: accepted pod_block -> rejected not_allowed, e.g. 10.244.0.0/26 of node1",
            "",
            "1 finding would open, 2 would close",
        ],
        "{text}"
    );
    assert!(lines[4].starts_with("+ critical rogue_route: 10.244.0.0/26 from node1"), "{text}");
    assert!(lines[5].starts_with("- critical rogue_route: 10.245.0.0/26 from node1"), "{text}");
    assert!(lines[7].starts_with("4100 rejected or noted routes of 1 peer were not kept"), "{text}");

    let (code, json) = ask(&stub.url, &["diff", &new, &old, "-o", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let sizes = ["changes", "verdicts", "opens", "closes", "unknown"]
        .map(|name| json[name].as_array().unwrap_or_else(|| panic!("{name}: {json}")).len());
    assert_eq!((code, sizes), (1, [2, 3, 1, 2, 1]));
    assert_eq!(json["verdicts"][1]["to"], "accepted pod_block");

    let (_, lines) = ask(&stub.url, &["diff", &new, &old, "-o", "jsonl"]);
    let kinds: Vec<String> = lines
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Map<_, _>>(line).unwrap().into_iter().next().unwrap().0
        })
        .collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "verdict").count(), 3, "{kinds:?}");
}

#[test]
fn a_session_that_may_not_be_takes_its_routes_along() {
    let routes = [announced("10.244.0.0/26", "192.168.1.1"), announced("10.244.1.0/26", "192.168.1.2")];
    let stub = server(&[up("192.168.1.1", "node1"), up("192.168.1.2", "node2")], &routes);
    let files = Files::new("session");
    let old = files.write("old.toml", CONFIG);
    let new = files.write("new.toml", &CONFIG.replace("192.168.1.0/26", "192.168.1.0/31"));
    let (_, text) = ask(&stub.url, &["diff", &new, &old]);
    assert!(
        text.contains(
            "\n1 route of 1 peer: accepted pod_block -> gone with its session, e.g. 10.244.1.0/26 of 192.168.1.2\n"
        ),
        "{text}"
    );
}

#[test]
fn what_the_new_file_would_not_keep_is_compared_all_the_same() {
    let routes: Vec<_> = (0..5).map(|n| announced(&format!("10.244.{n}.0/26"), "192.168.1.1")).collect();
    let stub = server(&[up("192.168.1.1", "node1")], &routes);
    let files = Files::new("kept");
    let few = CONFIG.replace("[[nodes]]", "limits = { rejected_kept = 1 }\n[[nodes]]");
    let old = files.write("old.toml", &few);
    let new = files.write("new.toml", &few.replace("10.244.0.0/16", "10.245.0.0/16"));
    let (_, text) = ask(&stub.url, &["diff", &new, &old]);
    assert!(text.contains("\n5 routes of 1 peer: accepted pod_block -> rejected not_allowed, "), "{text}");
}

#[test]
fn transit_that_would_be_noted_does_not_go_however_much_there_is() {
    let handed_on = |n| {
        let mut route = announced(&format!("10.244.{n}.0/26"), "192.168.1.1");
        route.as_path = "65102 65101 65101".to_owned();
        route
    };
    let mut node = up("192.168.1.1", "node1");
    node.routes.noted_not_kept = 20;
    let stub = server(&[node], &(0..150).map(handed_on).collect::<Vec<_>>());
    let files = Files::new("transit");
    let rejecting = files.write("rejecting.toml", CONFIG);
    let noting = CONFIG.replacen("[[policy.allow]]", "[policy]\ntransit = \"note\"\n[[policy.allow]]", 1);
    let noting = files.write("noting.toml", &noting);
    let (_, text) = ask(&stub.url, &["diff", &noting, &rejecting]);
    assert!(text.contains("\n150 routes of 1 peer: rejected as_path_too_long -> noted transit, "), "{text}");
    assert!(!text.contains("gone"), "{text}");
    let (_, text) = ask(&stub.url, &["diff", &rejecting, &noting]);
    assert!(text.contains("\n150 routes of 1 peer: noted transit -> rejected as_path_too_long, "), "{text}");
    assert!(text.contains("\n20 rejected or noted routes of 1 peer were not kept, "), "{text}");
}

#[test]
fn expectations_open_findings_of_what_is_missing() {
    let stub = server(&[up("192.168.1.1", "node1")], &[announced("10.244.0.0/26", "192.168.1.1")]);
    let files = Files::new("expect");
    let old = files.write("old.toml", CONFIG);
    let service = "[[policy.allow]]\nclass = \"service\"\nprefix = \"10.96.0.0/12\"\nlengths = [12, 32]\n";
    let new = files.write("new.toml", &format!("{CONFIG}{service}"));
    let (_, text) = ask(&stub.url, &["diff", &new, &old]);
    assert!(text.contains("\nno route would be judged otherwise\n"), "{text}");
    assert!(
        text.contains("\n1 finding would open, 0 would close\n+ warning missing_service_cidr: "),
        "{text}"
    );
}

#[test]
fn peers_that_are_down_are_missed_by_both_sides_and_their_stale_routes_judged() {
    let mut down = up("192.168.1.2", "node2");
    (down.state, down.families, down.routes.stale) = ("Idle".into(), vec![], 1);
    let stub = server(&[up("192.168.1.1", "node1"), down], &[announced("10.244.1.0/26", "192.168.1.2")]);
    let files = Files::new("down");
    let old = files.write("old.toml", CONFIG);
    let new = files.write("new.toml", &CONFIG.replace("10.244.0.0/16", "10.245.0.0/16"));
    let (_, text) = ask(&stub.url, &["diff", &new, &old]);
    assert!(text.contains("1 route of 1 peer: accepted pod_block -> rejected not_allowed"), "{text}");
    assert!(!text.contains("peer_down"), "{text}");
}

#[test]
fn without_a_daemon_the_files_are_compared_and_that_is_said() {
    let files = Files::new("files");
    let old = files.write("old.toml", CONFIG);
    let new = files.write("new.toml", &CONFIG.replace("[26, 32]", "[26, 28, 32]"));
    let nobody = "http://127.0.0.1:9";
    let (code, text) = ask(nobody, &["diff", &new, &old]);
    assert_eq!(code, 1);
    assert!(text.starts_with("EFFECT  CHANGE\napply "), "{text}");
    let last = text.lines().last().unwrap();
    assert!(
        last.starts_with("what would become of routes and findings is not known: cannot reach"),
        "{text}"
    );
    assert_eq!(run(&["--server", nobody, "diff", &new]).0, 3);
    assert_eq!(ask(nobody, &["diff", &old, &old, "-o", "json"]).0, 0);
}

#[test]
fn what_needs_a_restart_is_refused() {
    let style = Style { format: Format::Table, headings: true, colour: false, now: NOW };
    let mut out = Vec::new();
    let change = |effect, text: &str| Change { effect, text: text.to_owned() };
    let changes = [change(Effect::Reset, "hold_time: 3s -> 9s"), change(Effect::Restart, "http.listen")];
    print(&changes, &style, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("EFFECT   CHANGE\nreset    hold_time: 3s -> 9s\n"), "{text}");
    assert!(text.ends_with("cannot change while we run\n"), "{text}");
}

/// Every path that the API can show comes out as it went in, with the same verdict.
#[test]
fn what_was_heard_is_heard_again() {
    let mut shadow = Shadow::new(&config(CONFIG), NOW);
    let (v4, v6) = (up("192.168.1.1", "node1"), up("192.168.1.3", "node3"));
    let both = Peer { families: vec!["ipv4".into(), "ipv6".into()], ..v6 };
    shadow.peer(&v4);
    shadow.peer(&both);
    let mut routes = Vec::new();
    for (at, path) in ["65102", "65102 65103", "65102 {1 2}", "", "65102 4200000000 {5}"].iter().enumerate() {
        let mut route = announced(&format!("10.244.{at}.0/26"), "192.168.1.1");
        (*path).clone_into(&mut route.as_path);
        routes.push(route);
    }
    let mut other = announced("10.250.0.0/26", "192.168.1.1");
    (other.origin, other.path_id) = (Some("incomplete".into()), 3);
    other.next_hop = "192.168.1.9".parse().ok();
    let mut six = announced("fd00::/122", "192.168.1.3");
    six.next_hop = "fd00::3".parse().ok();
    routes.extend([other, six]);
    let said = Said::of(&routes);
    assert_eq!(said.unreadable, 0);
    shadow.routes(&said);
    shadow.settle();
    let heard: Vec<_> = shadow.walk().collect();
    let shown = |route: &Route| {
        (route.prefix, route.peer, route.path_id, route.as_path.clone(), route.next_hop, route.origin.clone())
    };
    assert_eq!(heard.iter().map(shown).collect::<Vec<_>>(), routes.iter().map(shown).collect::<Vec<_>>());
    let first: Vec<_> = heard.iter().map(|route| route.reasons.first().copied()).collect();
    let long = Some(Reason::AsPathTooLong);
    let (empty, outside) = (Some(Reason::AsPathEmpty), Some(Reason::NotAllowed));
    assert_eq!(first, [None, long, long, empty, long, outside, outside]);
}

#[test]
fn a_hundred_thousand_routes_are_no_trouble() {
    let mut peers = Vec::new();
    let mut routes = Vec::new();
    for n in 0..50_u32 {
        let address = format!("192.168.1.{}", n + 1);
        peers.push(up(&address, &format!("node{n}")));
        for block in 0..2_000_u32 {
            let network = std::net::Ipv4Addr::from_bits(0x0af4_0000 + ((n * 2_000 + block) << 6));
            routes.push(announced(&format!("{network}/26"), &address));
        }
    }
    let [old, new] = ["10.244.0.0/14", "10.244.0.0/15"].map(|pool| CONFIG.replace("10.244.0.0/16", pool));
    let (mut old, mut new) = (Shadow::new(&config(&old), NOW), Shadow::new(&config(&new), NOW));
    for shadow in [&mut old, &mut new] {
        for peer in &peers {
            shadow.peer(peer);
        }
        for page in routes.chunks(1_000) {
            shadow.routes(&Said::of(page));
        }
        shadow.settle();
    }
    let mut groups = Groups::default();
    verdicts::turned(old.walk(), new.walk(), |turned| {
        groups.add(turned);
        Ok(())
    })
    .unwrap();
    let lines = groups.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("accepted pod_block -> rejected not_allowed"), "{lines:?}");
}

#[test]
fn a_file_that_was_edited_in_place_is_not_taken_for_what_is_in_force() {
    let files = Files::new("in-place");
    let file = files.write("thirdleaf.toml", CONFIG);
    let stub = Stub::new(&[
        ("/api/v1/version", serde_json::json!({ "config_file": file })),
        ("/api/v1/config", serde_json::to_value(config(CONFIG)).unwrap()),
    ]);
    assert_eq!(ask(&stub.url, &["diff", &file]), (0, "nothing changes\n".to_owned()));
    files.write("thirdleaf.toml", &CONFIG.replace("10.244.0.0/16", "10.245.0.0/16"));
    let (code, text) = ask(&stub.url, &["diff", &file]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("has changed since the daemon took it up"), "{text}");
}
