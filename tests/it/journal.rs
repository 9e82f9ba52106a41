//! What was there at any time in the past, and what happened since: over withdrawals, changes, restarts and kills.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipnet::IpNet;
use serde_json::Value;
use thirdleaf::lab::node::{Attributes, Node, Route};

use crate::daemon::node;
use crate::run::{Daemon, Place, command, eventually, quiet, stderr, stdout, thirdleaf};

fn start(place: &Place) -> Daemon {
    let config = place.config().replace("[http]", "[global]\nstate_dir = \"state\"\n[http]")
        + "[findings.open_after]\nrogue_route = \"0s\"\nmissing_service_cidr = \"1h\"\nstale_routes = \"1h\"\n";
    Daemon::start(place, &place.write("thirdleaf.toml", &config))
}

fn file(place: &Place) -> PathBuf {
    place.write("unused", "").with_file_name("state").join("journal.db")
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// Routes as the past knows them: not when they were announced first, not whether they are stale.
fn routes(answer: &Value) -> Vec<String> {
    let items = answer.get("items").unwrap_or(answer).as_array().unwrap();
    let mut routes: Vec<_> = items
        .iter()
        .map(|route| {
            let mut route = route.as_object().unwrap().clone();
            for unknown in ["since", "stale", "eepg"] {
                route.remove(unknown);
            }
            Value::from(route).to_string()
        })
        .collect();
    routes.sort();
    routes
}

fn shown_now(daemon: &Daemon) -> Vec<String> {
    routes(&daemon.get("/api/v1/routes?limit=1000"))
}

fn shown_at(daemon: &Daemon, time: &str) -> Vec<String> {
    routes(&daemon.get(&format!("/api/v1/routes?limit=1000&at={time}")))
}

/// What is there once it is as wanted and nobody is stale, and a time at which it was, once the journal has it.
fn settled(daemon: &Daemon, what: &str, wanted: impl Fn(&[Value]) -> bool) -> (String, Vec<String>) {
    let before = eventually(what, || {
        let page = daemon.get("/api/v1/routes?limit=1000");
        let items = page["items"].as_array().unwrap();
        (wanted(items) && items.iter().all(|route| route["stale"] == false)).then(|| routes(&page))
    });
    let time = eventually(&format!("{what}, and it is written"), || {
        // The time by the daemon's clock.
        let page = daemon.get("/api/v1/routes?limit=1000&at=now");
        let time = page["at"].as_str().unwrap().to_owned();
        (routes(&page) == before && shown_at(daemon, &time) == before).then_some(time)
    });
    assert_eq!(shown_now(daemon), before, "{what}: nothing happens meanwhile");
    (time, before)
}

/// Times at which nobody ran, since the time `from`.
fn silent(daemon: &Daemon, from: &str) -> Vec<String> {
    let page = daemon.get(&format!("/api/v1/compare?from={from}"));
    let gaps = page["gaps"].as_array().unwrap().iter();
    gaps.map(|gap| {
        assert!(gap["text"].as_str().unwrap().starts_with("thirdleaf did not run from "), "{gap}");
        let begin = humantime::parse_rfc3339(gap["from"].as_str().unwrap()).unwrap();
        humantime::format_rfc3339_micros(begin + Duration::from_millis(1)).to_string()
    })
    .collect()
}

fn count(prefix: &str, wanted: usize) -> impl Fn(&[Value]) -> bool {
    move |items| items.iter().filter(|route| route["prefix"] == prefix).count() == wanted
}

async fn leak(node: &Node) {
    node.announce([Route::fixed(net("0.0.0.0/0"))]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_is_what_was_shown_then() {
    let _quiet = quiet();
    let place = Place::new();
    let daemon = start(&place);
    let mut known = Vec::new();
    let (first, second) = (node(&place, 1), node(&place, 2));
    known.push(settled(&daemon, "two nodes", |items| items.len() == 4));
    let tagged = Attributes { communities: vec![(65102, 100)], ..Attributes::default() };
    first.announce([Route::fixed(net("10.244.1.0/26")).with(tagged)]).await;
    known.push(settled(&daemon, "another community", |items| {
        items.iter().any(|route| route["communities"][0] == "65102:100")
    }));
    leak(&second).await;
    known.push(settled(&daemon, "a leak", count("0.0.0.0/0", 1)));
    second.withdraw([net("0.0.0.0/0"), net("10.244.2.0/26")]).await;
    known.push(settled(&daemon, "a withdrawal", |items| items.len() == 3));

    // Stopped in good order: what was there stays, until it is known otherwise.
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    second.announce([Route::fixed(net("10.244.2.64/26"))]).await;
    second.withdraw([net("10.96.0.0/12")]).await;
    let daemon = start(&place);
    known.push(settled(&daemon, "after a restart", |items| {
        items.len() == 3 && count("10.244.2.64/26", 1)(items)
    }));

    daemon.signal("KILL");
    daemon.wait();
    first.withdraw([net("10.244.1.0/26")]).await;
    let daemon = start(&place);
    known.push(settled(&daemon, "after a kill", |items| items.len() == 2));

    let silent = silent(&daemon, &known[0].0);
    assert_eq!(silent.len(), 2);
    // While it was stopped, and while it was dead, it is as it was before.
    known.extend(silent.iter().cloned().zip([known[3].1.clone(), known[4].1.clone()]));
    for (time, expected) in &known {
        assert_eq!(&shown_at(&daemon, time), expected, "at {time}");
    }
    for time in &silent {
        let page = daemon.get(&format!("/api/v1/routes?at={time}"));
        let text = page["gaps"][0]["text"].as_str().unwrap();
        assert!(text.starts_with("thirdleaf did not run from "), "{page}");
        let told = daemon.ask(&["routes", "--at", time]);
        assert!(stderr(&told).contains(text), "{}", stderr(&told));
    }
    // Who announced the block, and when: it was there, it had a community, it was gone after the kill.
    let history = daemon.items(&["routes", "10.244.1.0/26", "--history"]);
    assert!(history.len() >= 2, "{history:?}");
    assert!(history.iter().all(|spell| spell["until"].is_string()), "{history:?}");
    assert!(history.iter().any(|spell| spell["communities"][0] == "65102:100"), "{history:?}");

    // The file says the same when nobody runs.
    daemon.signal("TERM");
    daemon.wait();
    let file = file(&place);
    for (time, expected) in &known {
        let told = thirdleaf(&["routes", "--at", time, "--journal", file.to_str().unwrap(), "-o", "json"]);
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!(&routes(&told), expected, "at {time}");
    }
    let events = thirdleaf(&[
        "events",
        "--journal",
        file.to_str().unwrap(),
        "--kind",
        "route_withdrawn",
        "--prefix",
        "0.0.0.0/0",
    ]);
    assert_eq!(stdout(&events).lines().count(), 2, "{}", stdout(&events));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comparison_around_a_leak_shows_it_and_nothing_else() {
    let _quiet = quiet();
    let place = Place::new();
    let daemon = start(&place);
    let (calm, rogue) = (node(&place, 1), node(&place, 2));
    let (before, _) = settled(&daemon, "two nodes", |items| items.len() == 4);
    leak(&rogue).await;
    settled(&daemon, "a leak", count("0.0.0.0/0", 1));
    let open = |daemon: &Daemon| daemon.items(&["findings", "--state", "open"]);
    eventually("it is found", || (open(&daemon).len() == 1).then_some(()));
    let finding = open(&daemon)[0].clone();
    let text = eventually("the finding is written", || {
        let told = daemon.ask(&["compare", &before]);
        assert_eq!((told.status.code(), stderr(&told).as_str()), (Some(1), ""));
        Some(stdout(&told)).filter(|text| text.contains("Findings"))
    });
    let host = place.host(16);
    let (id, summary) = (finding["id"].as_str().unwrap(), finding["summary"].as_str().unwrap());
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[..6],
        [
            "Routes: 1 new",
            &format!("+  0.0.0.0/0  {host}  rack1  {host}  rejected: default_route,too_broad, AS path 65103"),
            "",
            "Findings: 1 new",
            &format!("+  critical  rogue_route  {id}  {summary}"),
            "",
        ],
        "{text}"
    );
    assert!(lines.len() == 7 && lines[6].starts_with("1 route and 1 finding differ between "), "{text}");

    rogue.withdraw([net("0.0.0.0/0")]).await;
    settled(&daemon, "no leak", |items| items.len() == 4);
    let text = eventually("all is as before", || {
        let told = daemon.ask(&["compare", &before]);
        (told.status.code() == Some(0)).then(|| stdout(&told))
    });
    assert!(text.starts_with("nothing differs between "), "{text}");
    drop(calm);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_sees_every_event_once_over_a_stop_and_a_kill() {
    let _quiet = quiet();
    let place = Place::new();
    let daemon = start(&place);
    let mut follow = command(&["events", "--follow", "--after", "0", "-o", "jsonl"]);
    let mut follower = follow.env("THIRDLEAF_SERVER", place.server()).stdout(Stdio::piped()).spawn().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (lines, noted) = (BufReader::new(follower.stdout.take().unwrap()).lines(), Arc::clone(&seen));
    let reading = std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            noted.lock().unwrap().push(serde_json::from_str::<Value>(&line).unwrap());
        }
    });
    let first = node(&place, 1);
    settled(&daemon, "one node", |items| items.len() == 2);
    daemon.signal("TERM");
    daemon.wait();
    let daemon = start(&place);
    let second = node(&place, 2);
    settled(&daemon, "two nodes", |items| items.len() == 4);
    daemon.signal("KILL");
    daemon.wait();
    let daemon = start(&place);
    first.announce([Route::fixed(net("10.244.1.64/26"))]).await;
    settled(&daemon, "a third block", |items| items.len() == 5);

    let seen = eventually("all was seen", || {
        let all = daemon.items(&["events", "--after", "0"]);
        let seen = seen.lock().unwrap().clone();
        (seen.len() >= all.len()).then(|| {
            assert_eq!(seen[..all.len()], all);
            seen
        })
    });
    follower.kill().unwrap();
    follower.wait().unwrap();
    reading.join().unwrap();
    let ids: Vec<_> = seen.iter().map(|event| event["id"].as_u64().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let started = seen.iter().filter(|event| event["kind"] == "started").count();
    assert_eq!(started, 3);
    assert!(
        seen.iter().any(|event| event["kind"] == "route_accepted" && event["prefix"] == "10.244.1.64/26")
    );
    drop(second);
}
