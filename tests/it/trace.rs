//! What a daemon recorded, replayed: the same routes, verdicts and findings.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use thirdleaf::lab::node::{Node, Route};

use crate::daemon::node;
use crate::run::{Daemon, Place, eventually, quiet, stderr, stdout, thirdleaf};

fn config(place: &Place) -> String {
    // Who went stays pending, however slow the machine is.
    let findings =
        "[findings.open_after]\nrogue_route = \"0s\"\nduplicate_pod_block = \"0s\"\npeer_down = \"1h\"\n";
    place.config().replace("[http]", "[global]\nstate_dir = \"state\"\n[http]") + findings
}

/// A daemon that records, and where.
fn start(place: &Place) -> (Daemon, PathBuf) {
    let path = place.write("thirdleaf.toml", &config(place));
    let daemon = Daemon::start_with(place, &path, &["--record"]);
    (daemon, path.with_file_name("state").join("trace"))
}

/// Good routes, rogue ones, one block on two nodes; a policy that changes; a node that crashed.
async fn live(place: &Place, daemon: &Daemon) -> Vec<Node> {
    let nodes = [1, 2, 3].map(|n| node(place, n));
    nodes[0]
        .announce(["0.0.0.0/0", "172.16.0.0/24"].map(|prefix| Route::fixed(prefix.parse().unwrap())))
        .await;
    nodes[1].add_block("10.244.1.0/26".parse().unwrap()).await;
    nodes[1].borrow(IpAddr::from([10, 245, 0, 9])).await;
    eventually("all is announced", || (daemon.items(&["routes"]).len() == 10).then_some(()));
    place.write("thirdleaf.toml", &config(place).replace("10.244.0.0/16", "10.244.0.0/15"));
    daemon.signal("HUP");
    eventually("the pod is accepted", || {
        (daemon.items(&["routes", "10.245.0.9/32"])[0]["state"] == "accepted").then_some(())
    });
    nodes[2].crash().await;
    eventually("its routes are stale", || (daemon.items(&["routes", "--stale"]).len() == 2).then_some(()));
    nodes.into()
}

/// Routes and findings, once they stay as they are.
fn told(daemon: &Daemon) -> [Vec<Value>; 2] {
    let mut last = None;
    eventually("nothing changes any more", || {
        let now = [daemon.items(&["routes"]), sorted(daemon.items(&["findings"]))];
        let open =
            |kind: &str| now[1].iter().any(|finding| finding["kind"] == kind && finding["state"] == "open");
        let settled = open("rogue_route")
            && open("duplicate_pod_block")
            && now[1].iter().any(|it| it["kind"] == "peer_down");
        let same = last.replace(now.clone()).is_some_and(|last| last == now);
        (settled && same).then_some(now)
    })
}

fn sorted(mut findings: Vec<Value>) -> Vec<Value> {
    findings.sort_by_key(|finding| finding["id"].to_string());
    findings
}

/// The same of a trace, and the exit code.
fn replayed(trace: &Path, more: &[&str]) -> ([Vec<Value>; 2], Option<i32>, String) {
    let output = thirdleaf(&[&["replay", "--trace", trace.to_str().unwrap(), "-o", "json"], more].concat());
    let value: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    let list = |key: &str| {
        let list = &value[key];
        list.get("items").unwrap_or(list).as_array().unwrap().clone()
    };
    ([list("routes"), sorted(list("findings"))], output.status.code(), stderr(&output))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_comes_to_what_the_daemon_told_before_it_was_stopped() {
    let _quiet = quiet();
    let place = Place::new();
    let (daemon, trace) = start(&place);
    let nodes = live(&place, &daemon).await;
    let told = told(&daemon);
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    drop(nodes);

    let (again, code, text) = replayed(&trace, &[]);
    assert_eq!(again, told);
    assert_eq!((code, text.as_str()), (Some(1), ""), "findings are open");
    let segment = trace.join("trace-1");
    assert_eq!(fs::metadata(&segment).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&trace).unwrap().permissions().mode() & 0o777, 0o700);
    let summary = thirdleaf(&["replay", "--trace", segment.to_str().unwrap(), "--only", "summary"]);
    assert!(
        stdout(&summary).contains("rack1") && stdout(&summary).contains(" inputs from "),
        "{}",
        stdout(&summary)
    );

    // By another policy the same announcements are something else.
    let strict = place.write("strict.toml", &config(&place).replace("10.244.0.0/16", "10.200.0.0/16"));
    let ([routes, _], ..) = replayed(&trace, &["-c", strict.to_str().unwrap()]);
    assert_eq!(routes.len(), told[0].len());
    assert!(
        routes.iter().all(|route| route["prefix"] != "10.244.1.0/26" || route["reasons"][0] == "not_allowed")
    );

    // A daemon that starts again goes on in the same ring, from what it remembers.
    drop(Daemon::start_with(&place, &place.write("thirdleaf.toml", &config(&place)), &["--record"]));
    let ([routes, findings], code, _) = replayed(&trace, &[]);
    assert_eq!((routes.len(), code), (0, Some(1)));
    let open = |findings: &[Value]| -> Vec<_> {
        let open = findings.iter().filter(|finding| finding["state"] == "open");
        open.map(|finding| (finding["id"].clone(), finding["opened"].clone())).collect()
    };
    assert_eq!(open(&findings), open(&told[1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_daemon_leaves_a_trace_that_can_be_read_up_to_its_end() {
    let _quiet = quiet();
    let place = Place::new();
    let (daemon, trace) = start(&place);
    let nodes = live(&place, &daemon).await;
    let told = told(&daemon);
    daemon.signal("KILL");
    daemon.wait();
    drop(nodes);
    let (again, _, text) = replayed(&trace, &[]);
    assert_eq!((again, text.as_str()), (told.clone(), ""));

    let segment = trace.join("trace-1");
    let whole = fs::read(&segment).unwrap();
    fs::write(&segment, &whole[..whole.len() - 3]).unwrap();
    let (again, code, text) = replayed(&trace, &[]);
    assert_eq!((again, code), (told, Some(1)));
    assert!(text.contains("trace-1 breaks off at octet"), "{text}");

    let other =
        [b"thirdleaf trace 0.0.0 layout 1", &whole[whole.iter().position(|it| *it == b'\n').unwrap()..]];
    fs::write(&segment, other.concat()).unwrap();
    let output = thirdleaf(&["replay", "--trace", trace.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("trace-1 was written by 0.0.0 layout 1, this is "),
        "{}",
        stderr(&output)
    );

    fs::write(&segment, "something else").unwrap();
    let nothing = thirdleaf(&["replay", "--trace", trace.to_str().unwrap()]);
    assert_eq!(nothing.status.code(), Some(2), "{}", stderr(&nothing));
    assert!(stderr(&nothing).contains("nothing that can be played"), "{}", stderr(&nothing));
}

/// A file that may not grow is as good as a disk that is full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_leaves_a_gap_and_no_damage() {
    let place = Place::new();
    let path = place.write("thirdleaf.toml", &config(&place));
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_thirdleaf")]);
    command.args(["run", "--record", "-c"]).arg(&path);
    let daemon = Daemon::spawn(&place, command);
    let node = node(&place, 1);
    for pod in 1..=200 {
        node.borrow(IpAddr::from([10, 244, 9, pod])).await;
    }
    eventually("something is lost", || {
        let metrics = daemon.text("/metrics");
        let lost = metrics.lines().find_map(|line| line.strip_prefix("thirdleaf_trace_lost_total "));
        (lost.unwrap() != "0").then_some(())
    });
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    let trace = path.with_file_name("state").join("trace");
    let output = thirdleaf(&["replay", "--trace", trace.to_str().unwrap()]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    assert!(fs::metadata(trace.join("trace-1")).unwrap().len() > 1_000);
}

#[test]
fn two_daemons_do_not_record_in_one_place() {
    let place = Place::new();
    let (daemon, trace) = start(&place);
    let path = place.write("thirdleaf.toml", &config(&place));
    let output = thirdleaf(&["run", "-c", path.to_str().unwrap(), "--record"]);
    assert_eq!(output.status.code(), Some(2));
    let reason = format!("cannot record a trace in {}: another thirdleaf records there", trace.display());
    assert!(stderr(&output).contains(&reason), "{}", stderr(&output));
    daemon.signal("KILL");
    daemon.wait();
    drop(Daemon::start_with(&place, &path, &["--record"]));
}

#[test]
fn recording_needs_a_place() {
    let _quiet = quiet();
    let place = Place::new();
    let path = place.write("thirdleaf.toml", &place.config());
    let output = thirdleaf(&["run", "-c", path.to_str().unwrap(), "--record"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("set `state_dir` under [global]"), "{}", stderr(&output));
}
