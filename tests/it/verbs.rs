//! Verbs that tell an operator what to do about what is heard, beside a running daemon.

use std::collections::BTreeSet;

use serde_json::Value;
use thirdleaf::lab::node::{Node, Route};

use crate::daemon::node;
use crate::run::{Daemon, Place, eventually, stderr, stdout, thirdleaf};

/// What a node of [`leaking`] leaks.
const LEAKS: [&str; 3] = ["0.0.0.0/0", "10.244.9.0/26", "10.77.7.0/24"];

/// Three nodes, the second of which leaks: a default route, what it heard of another, a range of its own.
async fn leaking(place: &Place) -> Vec<Node> {
    let nodes: Vec<Node> = (1..=3).map(|n| node(place, n)).collect();
    let leaks = LEAKS.map(|prefix| prefix.parse().unwrap());
    let [default, heard, own] = leaks;
    nodes[1].announce([Route::fixed(default), Route::learned(heard, &[65103]), Route::fixed(own)]).await;
    nodes
}

/// The configuration of `place`, nothing allowed yet.
fn skeleton(place: &Place) -> String {
    let config = place.config();
    let (skeleton, _) = config.split_once("[[policy.allow]]").unwrap();
    format!("{skeleton}[findings.open_after]\nrogue_route = \"0s\"\n")
}

/// Prefixes of routes in this state.
fn prefixes(daemon: &Daemon, state: &str) -> BTreeSet<String> {
    let routes = daemon.items(&["routes"]);
    let wanted = routes.iter().filter(|route| route["state"] == state);
    wanted.map(|route| route["prefix"].as_str().unwrap().to_owned()).collect()
}

/// Prefixes of open findings on rejected routes.
fn rogues(daemon: &Daemon) -> BTreeSet<String> {
    let findings = daemon.items(&["findings", "--kind", "rogue_route", "--state", "open"]);
    findings.iter().map(|finding| finding["prefix"].as_str().unwrap_or("several").to_owned()).collect()
}

fn set(prefixes: &[&str]) -> BTreeSet<String> {
    prefixes.iter().map(|prefix| (*prefix).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_suggested_ends_the_findings_of_a_healthy_fabric_and_no_others() {
    let place = Place::new();
    let incomplete = format!(
        "{}[[policy.allow]]\nclass = \"pod\"\nprefix = \"10.244.2.0/23\"\nlengths = [26]\n",
        skeleton(&place)
    );
    let path = place.write("thirdleaf.toml", &incomplete);
    let daemon = Daemon::start(&place, &path);
    let nodes = leaking(&place).await;
    // No more than findings of a kind that are told one by one.
    let healthy = ["10.244.1.0/26", "10.96.0.0/12"];
    let all = set(&[&LEAKS[..], &healthy].concat());
    eventually("all that is not allowed is found", || (rogues(&daemon) == all).then_some(()));

    let suggested = daemon.ask(&["suggest"]);
    assert_eq!(suggested.status.code(), Some(0), "{}", stderr(&suggested));
    let text = format!("{}{}", skeleton(&place), stdout(&suggested));
    let new = place.write("new.toml", &text);
    let checked = thirdleaf(&["check", new.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}\n{text}", stderr(&checked));
    assert!(stdout(&checked).contains("3 pinned nodes, 3 allowed prefixes"), "{}\n{text}", stdout(&checked));

    // What the reload does is what was said that it would do.
    let diff = daemon.ask(&["diff", new.to_str().unwrap(), "-o", "json"]);
    assert_eq!(diff.status.code(), Some(1), "{}", stderr(&diff));
    let diff: Value = serde_json::from_slice(&diff.stdout).unwrap();
    let prefixes_of = |list: &str| -> BTreeSet<String> {
        let items = diff[list].as_array().unwrap().iter();
        items.map(|item| item["prefix"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(prefixes_of("closes"), set(&healthy), "{diff:#}");
    assert_eq!(prefixes_of("verdicts"), set(&healthy), "{diff:#}");
    assert_eq!(diff["opens"], serde_json::json!([]), "{diff:#}");

    place.write("thirdleaf.toml", &text);
    daemon.signal("HUP");
    eventually("only the leaks are left", || (rogues(&daemon) == set(&LEAKS)).then_some(()));
    assert_eq!(prefixes(&daemon, "rejected"), set(&LEAKS));

    nodes[1].withdraw(LEAKS.map(|prefix| prefix.parse().unwrap())).await;
    eventually("nothing is left", || {
        let findings = daemon.ask(&["findings", "--state", "open"]);
        (findings.status.code() == Some(0)).then_some(())
    });
    let again = daemon.ask(&["suggest"]);
    assert!(!stdout(&again).contains("# New"), "what is allowed is not new:\n{}", stdout(&again));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finding_has_a_page_and_the_list_says_where_it_is() {
    let place = Place::new();
    let daemon = Daemon::start(&place, &place.write("thirdleaf.toml", &skeleton(&place)));
    let _node = node(&place, 1);
    let id = eventually("a finding is open", || {
        let findings = daemon.items(&["findings", "--state", "open"]);
        findings.first().map(|finding| finding["id"].as_str().unwrap().to_owned())
    });
    let page = daemon.ask(&["findings", &id]);
    assert_eq!(page.status.code(), Some(0), "{}", stderr(&page));
    let text = stdout(&page);
    assert!(text.starts_with("critical rogue_route, open\n"), "{text}");
    assert!(text.contains(&format!("\nidentity  {id}\n")) && text.contains("\nWhat shows it:\n"), "{text}");
    let wide = stdout(&daemon.ask(&["findings", "-o", "wide"]));
    assert!(wide.contains(&id), "{wide}");
}

#[test]
fn calico_is_told_the_same_by_the_daemon_and_by_its_file() {
    let place = Place::new();
    let path = place.write("thirdleaf.toml", &place.config());
    let daemon = Daemon::start(&place, &path);
    let (file, asked) = (thirdleaf(&["calico", path.to_str().unwrap()]), daemon.ask(&["calico"]));
    assert_eq!(file.status.code(), Some(0), "{}", stderr(&file));
    assert_eq!(stdout(&file), stdout(&asked));
    assert!(stdout(&file).contains(&format!("  peerIP: {}:1790\n", place.host(4))), "{}", stdout(&file));
}
