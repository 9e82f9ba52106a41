//! `thirdleaf replay` on files that daemons wrote: `dumps/` holds what BIRD 1.6 and 2.0, FRR 8.4, GoBGP 3.10
//! and OpenBGPD 7.7 recorded as leaf 65199 of node 65102, a BIRD that announces a pod block, the services, a
//! default route that it should not, and a pod block of IPv6.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::run::{Place, command, quiet, stderr, stdout, thirdleaf};

const CONFIG: &str = r#"version = 1
[[leaf]]
name = "rack1"
local_as = 65199
router_id = "172.16.0.4"
listen = ["0.0.0.0:1790", "[::]:1790"]
[[neighbors]]
leaf = "rack1"
range = "172.16.0.0/16"
peer_as = ["65102-65198"]
[[neighbors]]
leaf = "rack1"
range = "fd00:16::/32"
peer_as = ["65102-65198"]
[[policy.allow]]
class = "pod"
prefix = "10.244.0.0/16"
lengths = [26, 32]
[[policy.allow]]
class = "pod"
prefix = "fd00:10:244::/48"
lengths = [122, 128]
[[policy.allow]]
class = "service"
prefix = "10.96.0.0/12"
lengths = [12, 32]
"#;

fn dump(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/dumps").join(name)
}

struct Replay {
    output: Output,
    answer: Value,
}

impl Replay {
    fn of(files: &[&Path]) -> Self {
        Self::with(CONFIG, files)
    }

    fn with(config: &str, files: &[&Path]) -> Self {
        let place = Place::new();
        let config = place.write("thirdleaf.toml", config);
        let mut arguments = vec!["replay", "-o", "json", "-c", config.to_str().unwrap()];
        arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
        let output = thirdleaf(&arguments);
        let answer = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", stdout(&output), stderr(&output)));
        Self { output, answer }
    }

    fn exit(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// Peer, prefix, and verdict of every route.
    fn routes(&self) -> Vec<String> {
        let routes = self.answer["routes"].as_array().unwrap().iter().map(|route| {
            let [peer, prefix, state] = ["peer", "prefix", "state"].map(|key| route[key].as_str().unwrap());
            let outlives = if route["stale"] == true { " stale" } else { "" };
            format!("{peer} {prefix} {}{outlives}", route["reasons"][0].as_str().unwrap_or(state))
        });
        routes.collect()
    }

    /// Kinds and states of what is wrong, sorted.
    fn findings(&self) -> Vec<String> {
        let findings = self.answer["findings"].as_array().unwrap().iter();
        let mut all: Vec<_> = findings
            .map(|finding| {
                format!("{} {}", finding["kind"].as_str().unwrap(), finding["state"].as_str().unwrap())
            })
            .collect();
        all.sort();
        all
    }

    fn notes(&self) -> String {
        self.answer["notes"].to_string()
    }
}

const V4: [&str; 3] = [
    "172.16.1.1 0.0.0.0/0 default_route",
    "172.16.1.1 10.96.0.0/12 accepted",
    "172.16.1.1 10.244.1.0/26 accepted",
];
const ROGUE: &str = "rogue_route open";

/// What is left of a file at its end: routes, findings.
#[test]
fn files_of_five_daemons_say_what_was_announced() {
    let _quiet = quiet();
    let stale = |route: &str| format!("{route} stale");
    let one_session = "172.16.1.1 fd00:10:244:1::/122 accepted".to_owned();
    let two_sessions = "fd00:16:1::1 fd00:10:244:1::/122 accepted".to_owned();
    let v4 = || V4.map(str::to_owned).to_vec();
    let with = |more: &String| [v4(), vec![more.clone()]].concat();
    let lost = |routes: Vec<String>| routes.iter().map(|route| stale(route)).collect::<Vec<_>>();
    for (name, routes, findings) in [
        // The tables of BIRD 2 were written again after the leak was mended.
        ("bird2-table4.mrt", v4()[1..].to_vec(), vec![]),
        ("bird2-table6.mrt", vec![one_session.clone()], vec![]),
        ("gobgp-updates.mrt", with(&one_session), vec![ROGUE]),
        ("gobgp-table.mrt", with(&one_session), vec![ROGUE]),
        ("frr-table.mrt", v4(), vec![ROGUE]),
        ("openbgpd-table1.mrt", with(&two_sessions), vec![ROGUE]),
        ("openbgpd-table2.mrt", with(&two_sessions), vec![ROGUE]),
        // The leak was mended, then the node killed.
        (
            "bird2-updates.mrt",
            lost(with(&one_session)[1..].to_vec()),
            vec!["peer_down open", "stale_routes pending"],
        ),
        (
            "frr-updates.mrt",
            lost(with(&two_sessions)),
            vec![
                "peer_down pending",
                "peer_down pending",
                "rack_down open",
                ROGUE,
                "stale_routes pending",
                "stale_routes pending",
            ],
        ),
        // The node said goodbye.
        ("bird1-updates.mrt", vec![], vec!["peer_down open"]),
        // What it did before is not over for that.
        (
            "openbgpd-updates.mrt",
            vec![],
            vec!["peer_down pending", "peer_down pending", "rack_down open", ROGUE],
        ),
    ] {
        let replay = Replay::of(&[&dump(name)]);
        assert_eq!(replay.routes(), routes, "{name}");
        assert_eq!(replay.findings(), findings, "{name}");
        assert_eq!(replay.answer["damage"], Value::Array(vec![]), "{name}");
        assert_eq!(
            replay.exit(),
            Some(i32::from(!findings.is_empty())),
            "{name}: {}",
            stderr(&replay.output)
        );
        assert_eq!(stderr(&replay.output), "", "{name}");
    }
}

#[test]
fn several_files_in_order_are_one_story() {
    let _quiet = quiet();
    let replay = Replay::of(&[&dump("bird2-table4.mrt"), &dump("bird2-table6.mrt")]);
    let all = [&V4[1..], &["172.16.1.1 fd00:10:244:1::/122 accepted"]].concat();
    assert_eq!(replay.routes(), all);
    assert_eq!(replay.exit(), Some(0));
    // A table that has no default route any more takes it back, and keeps the other family.
    let replay = Replay::of(&[&dump("gobgp-table.mrt"), &dump("bird2-table4.mrt")]);
    assert_eq!(replay.routes(), all);
    assert_eq!(replay.exit(), Some(0));
}

fn gzipped(octets: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(octets).unwrap();
    packer.finish().unwrap()
}

fn bzipped(octets: &[u8]) -> Vec<u8> {
    let mut packer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    packer.write_all(octets).unwrap();
    packer.finish().unwrap()
}

/// A file of these octets in a place of its own.
fn file(place: &Place, name: &str, octets: &[u8]) -> PathBuf {
    let path = place.write(name, "");
    std::fs::write(&path, octets).unwrap();
    path
}

#[test]
fn packed_files_are_known_by_what_they_hold() {
    let _quiet = quiet();
    let place = Place::new();
    let plain = std::fs::read(dump("gobgp-table.mrt")).unwrap();
    let expected = Replay::of(&[&dump("gobgp-table.mrt")]);
    let (head, tail) = plain.split_at(100);
    for packed in [
        gzipped(&plain),
        bzipped(&plain),
        // In pieces, as rotating writers leave them.
        [gzipped(head), gzipped(tail)].concat(),
        [bzipped(head), bzipped(tail)].concat(),
    ] {
        let replay = Replay::of(&[&file(&place, "table.txt", &packed)]);
        assert_eq!(replay.output.stdout, expected.output.stdout);
        assert_eq!(replay.exit(), expected.exit());
    }
}

#[test]
fn zeros_behind_the_last_record_are_padding_packed_or_not() {
    let place = Place::new();
    let plain = std::fs::read(dump("bird2-table4.mrt")).unwrap();
    let zeros = vec![0; 700];
    for packed in [
        [&plain[..], &zeros].concat(),
        gzipped(&[&plain[..], &zeros].concat()),
        [gzipped(&plain), zeros.clone()].concat(),
        [bzipped(&plain), zeros.clone()].concat(),
    ] {
        let replay = Replay::of(&[&file(&place, "table", &packed)]);
        assert_eq!(replay.routes(), V4[1..]);
        assert_eq!((replay.exit(), stderr(&replay.output)), (Some(0), String::new()));
        assert!(replay.notes().contains("700 octets are padding"), "{}", replay.notes());
    }
    let rubbish = [gzipped(&plain), zeros, b"rubbish".to_vec()].concat();
    assert_eq!(Replay::of(&[&file(&place, "table", &rubbish)]).exit(), Some(1));
}

#[test]
fn standard_input_is_a_file_too() {
    let _quiet = quiet();
    let place = Place::new();
    let config = place.write("thirdleaf.toml", CONFIG);
    let mut child = command(&["replay", "-o", "json", "-c", config.to_str().unwrap(), "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let plain = std::fs::read(dump("gobgp-table.mrt")).unwrap();
    child.stdin.take().unwrap().write_all(&gzipped(&plain)).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, Replay::of(&[&dump("gobgp-table.mrt")]).output.stdout);
}

#[test]
fn what_is_there_of_a_torn_file_is_judged() {
    let _quiet = quiet();
    let place = Place::new();
    let plain = std::fs::read(dump("openbgpd-table2.mrt")).unwrap();
    let whole = Replay::of(&[&dump("openbgpd-table2.mrt")]);
    let packed = gzipped(&plain);
    for (torn, text) in
        [(&plain[..plain.len() - 1], "is torn"), (&packed[..packed.len() - 20], "cannot be read")]
    {
        let torn = file(&place, "torn.mrt", torn);
        let replay = Replay::of(&[&torn]);
        assert_eq!(replay.exit(), Some(1));
        let said = stderr(&replay.output);
        let place = if text == "is torn" { "torn.mrt: " } else { "torn.mrt, unpacked: " };
        assert!(said.contains(&format!("{place}the record at octet ")) && said.contains(text), "{said}");
        assert!(replay.answer["damage"][0].as_str().unwrap().contains(text));
        let all = whole.routes();
        assert!(!replay.routes().is_empty() && replay.routes().iter().all(|route| all.contains(route)));
        assert!(replay.routes().len() < all.len());
    }
}

#[test]
fn a_bad_record_is_passed_over() {
    let _quiet = quiet();
    let place = Place::new();
    let mut octets = std::fs::read(dump("gobgp-updates.mrt")).unwrap();
    // The marker of the first message.
    octets[12 + 20] = 0;
    let replay = Replay::of(&[&file(&place, "bad.mrt", &octets)]);
    assert_eq!(replay.routes(), ["172.16.1.1 fd00:10:244:1::/122 accepted"]);
    let said = stderr(&replay.output);
    assert!(said.contains("the record at octet 0 holds no BGP message"), "{said}");
    assert_eq!(replay.exit(), Some(1));
}

#[test]
fn what_is_no_mrt_file_is_said_to_be_none() {
    let _quiet = quiet();
    let place = Place::new();
    for (octets, text) in [
        (&b"#!/bin/sh\necho this is not what you think\n"[..], "this is no MRT file"),
        (b"", "there is nothing that can be judged"),
    ] {
        let replay = Replay::of(&[&file(&place, "none", octets)]);
        assert_eq!((replay.exit(), replay.routes()), (Some(1), vec![]));
        assert!(stderr(&replay.output).contains(text), "{}", stderr(&replay.output));
    }
}

#[test]
fn a_peer_in_no_range_is_judged_and_said_to_be() {
    let _quiet = quiet();
    let elsewhere = CONFIG.replace("172.16.0.0/16", "172.31.0.0/16");
    let replay = Replay::with(&elsewhere, &[&dump("frr-table.mrt")]);
    assert_eq!(replay.routes(), V4);
    let note = "1 peer is in no range of [[neighbors]]; judged as a peer of leaf rack1: 172.16.1.1";
    assert!(replay.notes().contains(note), "{}", replay.notes());

    let other = CONFIG.replace("65102-65198", "65103-65198");
    let replay = Replay::with(&other, &[&dump("frr-table.mrt")]);
    assert_eq!(replay.routes(), V4);
    let note = "1 peer has an AS that its range does not permit, and is judged all the same: 172.16.1.1 on rack1 with AS 65102";
    assert!(replay.notes().contains(note), "{}", replay.notes());
}

#[test]
fn of_several_leaves_it_is_the_one_with_the_as_of_the_writer() {
    let _quiet = quiet();
    let first = CONFIG.replace("local_as = 65199", "local_as = 65100");
    let (leaf, _) = CONFIG.split_once("[[policy.allow]]").unwrap();
    let second = leaf.replace("version = 1", "").replace("rack1", "rack2").replace(":1790", ":1791");
    let both = format!("{first}{second}");
    let of_leaf = |name: &str| {
        let replay = Replay::with(&both, &[&dump(name)]);
        replay.answer["routes"][0]["leaf"].as_str().unwrap().to_owned()
    };
    assert_eq!(of_leaf("gobgp-updates.mrt"), "rack2");
    assert_eq!(of_leaf("gobgp-table.mrt"), "rack1", "a table does not tell: the first");
}

#[test]
fn a_table_owes_what_it_should_hold() {
    let _quiet = quiet();
    let more = "[[policy.allow]]\nclass = \"service\"\nprefix = \"10.112.0.0/16\"\nlengths = [16]\n";
    let config = format!("{CONFIG}{more}");
    let missing = "missing_service_cidr open";
    assert_eq!(Replay::with(&config, &[&dump("gobgp-table.mrt")]).findings(), [missing, ROGUE]);
    // GoBGP records neither OPEN nor states: what was announced before is not known.
    assert_eq!(Replay::with(&config, &[&dump("gobgp-updates.mrt")]).findings(), [ROGUE]);
}

#[test]
fn prints_what_the_daemon_would() {
    let _quiet = quiet();
    let place = Place::new();
    let config = place.write("thirdleaf.toml", CONFIG);
    let table = dump("frr-table.mrt");
    let run = |more: &[&str]| {
        let arguments = ["replay", "-c", config.to_str().unwrap(), table.to_str().unwrap()];
        stdout(&thirdleaf(&[&arguments, more].concat()))
    };
    let text = run(&[]);
    for part in [
        "BGP summary information for leaf rack1, rack rack1",
        "172.16.1.1  4  65102 ",
        "4 records read, from 2026-11-22T00:17:10.000Z",
        "PREFIX         CLASS ",
        "10.96.0.0/12   service_cidr ",
        "critical  open   rogue_route  00:00:00  0.0.0.0/0 from 172.16.1.1",
        "Findings: 1 open, 0 pending; 1 rogue_route",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let findings = run(&["--only", "findings"]);
    assert!(findings.contains("rogue_route") && !findings.contains("10.96.0.0"), "{findings}");
    let kinds: Vec<String> = run(&["-o", "jsonl"])
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap().as_object().unwrap().keys().next().unwrap().clone()
        })
        .collect();
    assert_eq!(kinds, ["note", "summary", "peer", "route", "route", "route", "finding"]);
}

#[test]
fn wrong_usage_is_2() {
    let _quiet = quiet();
    let place = Place::new();
    let config = place.write("thirdleaf.toml", CONFIG);
    let config = config.to_str().unwrap();
    let xz = file(&place, "table.xz", b"\xfd7zXZ\0\0\x04\xe6\xd6");
    for (arguments, text) in [
        (vec!["replay", "-c", config], "FILE"),
        (vec!["replay", "some.mrt"], "--config"),
        (vec!["replay", "-c", config, "/nonexistent.mrt"], "cannot read /nonexistent.mrt: No such file"),
        (vec!["replay", "-c", config, xz.to_str().unwrap()], "packed with xz"),
        (vec!["replay", "-c", "/nonexistent.toml", "some.mrt"], "cannot read /nonexistent.toml"),
    ] {
        let output = thirdleaf(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(text), "{}", stderr(&output));
    }
}
