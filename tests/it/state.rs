//! What survives when the daemon is killed, stopped, or cut off from its disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use thirdleaf::lab::node::Route;

use crate::daemon::node;
use crate::run::{Daemon, Place, eventually, quiet, stderr};

fn config(place: &Place) -> String {
    let token = place.write("token", "open-sesame");
    let http = format!("[global]\nstate_dir = \"state\"\n[http]\ntoken_file = \"{}\"", token.display());
    place.config().replace("[http]", &http)
        + "[findings.open_after]\nrogue_route = \"0s\"\npeer_down = \"0s\"\n"
}

fn start(place: &Place) -> Daemon {
    Daemon::start(place, &place.write("thirdleaf.toml", &config(place)))
}

/// Where the state is.
fn file(place: &Place) -> PathBuf {
    place.write("thirdleaf.toml", &config(place)).with_file_name("state").join("state.json")
}

/// What the file holds, once it is as wanted.
fn written(place: &Place, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let file = file(place);
    eventually(what, || {
        let document: Value = serde_json::from_slice(&fs::read(&file).ok()?).expect("a whole document");
        assert_eq!(document["version"], 1);
        wanted(&document["state"]).then(|| document["state"].clone())
    })
}

fn len(value: &Value) -> usize {
    value.as_array().unwrap().len()
}

fn open(daemon: &Daemon) -> Vec<Value> {
    daemon.items(&["findings"]).into_iter().filter(|finding| finding["state"] == "open").collect()
}

fn kill(daemon: Daemon) {
    daemon.signal("KILL");
    daemon.wait();
}

fn post(daemon: &Daemon, path: &str, body: &str) -> u16 {
    daemon.post(path, "open-sesame", body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_daemon_comes_back_with_its_findings_and_its_peers() {
    let _quiet = quiet();
    let place = Place::new();
    let daemon = start(&place);
    let (rogue, gone, calm) = (node(&place, 1), node(&place, 2), node(&place, 3));
    rogue.announce([Route::fixed("172.16.0.0/24".parse().unwrap())]).await;
    eventually("all are up", || (daemon.items(&["peers"]).len() == 3).then_some(()));
    gone.crash().await;
    let before = eventually("both are found", || Some(open(&daemon)).filter(|open| open.len() == 2));
    let body = r#"{"scope": {"rack": "rack1"}, "for": "1h", "reason": "new disks"}"#;
    assert_eq!(post(&daemon, "/api/v1/maintenance", body), 200);
    written(&place, "it is written", |state| {
        len(&state["findings"]) == 2 && len(&state["peers"]) == 3 && len(&state["maintenance"]) == 1
    });
    let mode = fs::metadata(file(&place)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    kill(daemon);
    drop((rogue, calm));

    let daemon = start(&place);
    let events = daemon.get("/api/v1/events?source=memory&limit=1000");
    let after = open(&daemon);
    let named = |findings: &[Value]| {
        let mut named: Vec<_> =
            findings.iter().map(|it| (it["id"].clone(), it["since"].clone(), it["opened"].clone())).collect();
        named.sort_by_key(|(id, ..)| id.to_string());
        named
    };
    assert_eq!(named(&after), named(&before));
    let mut events = events["items"].as_array().unwrap().iter();
    assert!(events.all(|event| event["kind"] != "finding_open"), "{events:?}");
    let peers = daemon.items(&["peers"]);
    assert_eq!(peers.len(), 3);
    for peer in &peers {
        assert_ne!(peer["state"], "Established");
        assert!(peer["peer_as"].is_u64() && peer["node"] == peer["peer"], "{peer}");
        assert_eq!(peer["maintenance"]["reason"], "new disks");
    }
    let metrics = daemon.text("/metrics");
    assert_eq!(metrics.matches("\nthirdleaf_bgp_session_up{").count(), 3);
    // One was missed before, and is; the others may not have found us yet.
    let missed = after.iter().filter(|finding| finding["kind"] == "peer_down");
    let missed: Vec<_> = missed.map(|finding| finding["peer"].clone()).collect();
    assert_eq!(missed, [place.host(16).to_string()]);
    let found = daemon.items(&["findings"]);
    assert_eq!(found.len(), 2, "{found:?}");

    // Back again, it is not missed any more.
    let back = node(&place, 2);
    eventually("that is over", || open(&daemon).iter().all(|it| it["kind"] != "peer_down").then_some(()));
    drop(back);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_forgotten_stays_forgotten() {
    let _quiet = quiet();
    let place = Place::new();
    let daemon = start(&place);
    let (first, second, third) = (node(&place, 1), node(&place, 2), node(&place, 3));
    eventually("all are up", || (daemon.items(&["peers"]).len() == 3).then_some(()));
    drop((first, second));
    eventually("two are down", || {
        let down = |peer: &&Value| peer["state"] != "Established";
        (daemon.items(&["peers"]).iter().filter(down).count() == 2).then_some(())
    });
    written(&place, "all are known", |state| len(&state["peers"]) == 3);
    let (first, second) = (place.host(8), place.host(16));
    assert_eq!(post(&daemon, "/api/v1/peers/forget", &format!(r#"{{"peer": "{first}"}}"#)), 200);
    assert_eq!(post(&daemon, "/api/v1/peers/forget", &format!(r#"{{"node": "{second}"}}"#)), 200);
    written(&place, "one is left", |state| len(&state["peers"]) == 1);
    kill(daemon);
    drop(third);
    let daemon = start(&place);
    let peers = daemon.items(&["peers"]);
    assert_eq!(peers.len(), 1);
    assert_eq!(peers[0]["peer"], place.host(24).to_string());
}

/// A kill right after the answer costs nothing of what was asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_asks_for_is_on_the_disk_before_the_answer() {
    let _quiet = quiet();
    let place = Place::new();
    let daemon = start(&place);
    let (rogue, gone) = (node(&place, 1), node(&place, 2));
    rogue.announce([Route::fixed("172.16.0.0/24".parse().unwrap())]).await;
    eventually("all are up", || (daemon.items(&["peers"]).len() == 2).then_some(()));
    drop(gone);
    eventually("both are found", || Some(open(&daemon)).filter(|open| open.len() == 2));
    let file = file(&place);
    let state = || serde_json::from_slice::<Value>(&fs::read(&file).unwrap()).unwrap()["state"].take();
    for round in 0..5 {
        let body = format!(r#"{{"scope": {{"rack": "rack1"}}, "for": "1h", "reason": "round {round}"}}"#);
        assert_eq!(post(&daemon, "/api/v1/maintenance", &body), 200);
        assert_eq!(state()["maintenance"][0]["reason"], format!("round {round}"));
        assert_eq!(post(&daemon, "/api/v1/maintenance/end", r#"{"scope": {"rack": "rack1"}}"#), 200);
        assert_eq!(len(&state()["maintenance"]), 0, "round {round}");
    }
    let id = open(&daemon).iter().find(|it| it["kind"] == "rogue_route").unwrap()["id"].clone();
    assert_eq!(post(&daemon, "/api/v1/findings/ack", &format!(r#"{{"id": {id}, "reason": "known"}}"#)), 200);
    assert!(state()["findings"].as_array().unwrap().iter().any(|it| it["acknowledged"] == "known"));
    let body = format!(r#"{{"peer": "{}"}}"#, place.host(16));
    assert_eq!(post(&daemon, "/api/v1/peers/forget", &body), 200);
    assert_eq!(len(&state()["peers"]), 1);
    kill(daemon);
    drop(rogue);
}

/// The last word is written before peers are told: how sessions end then is nobody's doing but ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_is_stopped_writes_what_was_there_before_the_goodbye() {
    let _quiet = quiet();
    let place = Place::new();
    let daemon = start(&place);
    let node = node(&place, 1);
    eventually("it is up", || (daemon.items(&["peers"]).len() == 1).then_some(()));
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    let state = written(&place, "at once", |_| true);
    assert_eq!((len(&state["peers"]), &state["peers"][0]["down_since"]), (1, &Value::Null));
    assert_eq!(len(&state["findings"]), 0);
    drop(node);
}

/// A kill at any moment leaves the file as it was, or as it is to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_is_killed_again_and_again_never_loses_its_file() {
    let _quiet = quiet();
    let place = Place::new();
    let daemon = start(&place);
    let nodes = [node(&place, 1), node(&place, 2)];
    written(&place, "both are known", |state| len(&state["peers"]) == 2);
    kill(daemon);
    drop(nodes);
    let mut known = 2;
    for pause in [0_u64, 5, 20, 80, 320, 1_280] {
        let daemon = start(&place);
        assert!(daemon.items(&["peers"]).len() >= known, "after {pause} ms");
        let node = node(&place, 3);
        std::thread::sleep(std::time::Duration::from_millis(pause));
        drop(node);
        kill(daemon);
        let state = written(&place, "at once", |_| true);
        assert!(len(&state["peers"]) >= known, "after {pause} ms");
        known = len(&state["peers"]);
    }
    // A start from a file that breaks off is a first start.
    let file = file(&place);
    let whole = fs::read(&file).unwrap();
    for cut in [0, 1, whole.len() / 2, whole.len() - 2] {
        fs::write(&file, &whole[..cut]).unwrap();
        let daemon = start(&place);
        assert_eq!(daemon.items(&["peers"]).len(), 0, "cut at {cut}");
        assert_eq!(fs::read(file.with_file_name("state.json.damaged")).unwrap().len(), cut);
        kill(daemon);
    }
}

/// A file that may not grow is as good as a disk that is full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_costs_nothing_but_the_file() {
    let place = Place::new();
    let path = place.write("thirdleaf.toml", &config(&place));
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_thirdleaf")]);
    command.args(["run", "-c"]).arg(&path);
    let daemon = Daemon::spawn(&place, command);
    let node = node(&place, 1);
    eventually("two attempts fail", || {
        let metrics = daemon.text("/metrics");
        let failures =
            metrics.lines().find_map(|line| line.strip_prefix("thirdleaf_state_write_failures_total "));
        (failures.unwrap().parse::<u64>().unwrap() >= 2).then_some(())
    });
    assert!(!daemon.text("/metrics").contains("thirdleaf_state_last_write_timestamp_seconds"));
    assert_eq!(daemon.items(&["peers", "--state", "up"]).len(), 1);
    assert_eq!(node.status()[0].sessions, 1);
    assert!(!file(&place).exists());
    daemon.signal("TERM");
    assert!(daemon.wait().success());
}

#[test]
fn without_a_place_nothing_is_written_and_nothing_said_of_it() {
    let place = Place::new();
    let daemon = Daemon::start(&place, &place.write("thirdleaf.toml", &place.config()));
    assert!(!daemon.text("/metrics").contains("thirdleaf_state_"));
    let health = daemon.ask(&["check-health"]);
    assert_eq!(health.status.code(), Some(0), "{}", stderr(&health));
}
