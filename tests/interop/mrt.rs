//! What real daemons write into MRT files, replayed: as leaf 65199 in the hub they record a node.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::daemons::{bird1, bird2, birdc2, gobgpd};
use crate::net::{Fabric, eventually};
use crate::thirdleaf::{POLICY, Row};

/// What the node announces: a pod block of each family, the services, and a default route by mistake.
const NODE: &str = "router id 172.16.1.1;\nlog stderr all;\nprotocol device { }\n\
     protocol static leak { ipv4; route 0.0.0.0/0 blackhole; }\n\
     protocol static { ipv4; route 10.244.1.0/26 blackhole; route 10.96.0.0/12 blackhole; }\n\
     protocol static { ipv6; route fd00:10:244:1::/122 blackhole; }\n\
     protocol bgp Leaf { local 172.16.1.1 as 65102; neighbor 172.16.1.4 as 65199; hold time 9; graceful restart;\n\
     \x20 connect delay time 1; error wait time 1, 2; ipv4 { import none; export all; }; ipv6 { import none; export all; }; }\n";

fn ipv4() -> Vec<Row> {
    vec![
        Row::new("172.16.1.1", "0.0.0.0/0", "other", "default_route"),
        Row::new("172.16.1.1", "10.244.1.0/26", "pod_block", "accepted"),
        Row::new("172.16.1.1", "10.96.0.0/12", "service_cidr", "accepted"),
    ]
}

fn all() -> Vec<Row> {
    let mut rows = ipv4();
    rows.push(Row::new("172.16.1.1", "fd00:10:244:1::/122", "pod_block", "accepted"));
    rows.sort();
    rows
}

fn stale(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().map(|row| Row { stale: true, ..row }).collect()
}

/// What `replay` makes of a file: its routes, whatever else.
fn replay(fabric: &Fabric, files: &[&Path]) -> Vec<Row> {
    let config = fabric.file("replay.toml");
    let text = format!(
        "version = 1\n[[leaf]]\nname = \"rack1\"\nlocal_as = 65199\nrouter_id = \"172.16.0.4\"\nlisten = [\"0.0.0.0:179\"]\n\
         [[neighbors]]\nleaf = \"rack1\"\nrange = \"172.16.0.0/16\"\npeer_as = [65102]\n{POLICY}"
    );
    std::fs::write(&config, text).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_thirdleaf"))
        .args(["replay", "-o", "json", "-c"])
        .arg(config)
        .args(files)
        .output()
        .unwrap();
    // Between two writes a file may be torn, and is read again.
    let answer: Value = serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&done.stderr)));
    let mut rows: Vec<Row> = answer["routes"].as_array().unwrap().iter().map(Row::read).collect();
    rows.sort();
    rows
}

/// Waits until the files say this.
fn say(fabric: &Fabric, files: &[&Path], expected: &[Row]) {
    eventually(&format!("{files:?} say {expected:?}"), Duration::from_secs(90), || {
        let there = files.iter().all(|file| file.exists());
        (there && replay(fabric, files) == expected).then_some(())
    });
}

/// A configuration of BIRD that records what it hears.
fn recording(file: &Path, session: &str) -> String {
    format!(
        "router id 172.16.0.4;\nlog stderr all;\nmrtdump \"{}\";\nmrtdump protocols {{ states, messages }};\n\
         protocol device {{ }}\nprotocol bgp Node {{ local 172.16.1.4 as 65199; neighbor 172.16.1.1 as 65102; passive;\n\
         \x20 graceful restart; {session} }}\n",
        file.display()
    )
}

#[test]
fn bird2_records_messages_states_and_tables() {
    let mut fabric = Fabric::new();
    let wire = fabric.node(1);
    let [updates, table4, table6] = ["updates.mrt", "table4.mrt", "table6.mrt"].map(|name| fabric.file(name));
    let config = format!(
        "{}protocol mrt {{ table \"master4\"; filename \"{}\"; period 1; }}\n\
         protocol mrt {{ table \"master6\"; filename \"{}\"; period 1; }}\n",
        recording(&updates, "ipv4 { import all; export none; }; ipv6 { import all; export none; };"),
        table4.display(),
        table6.display(),
    );
    let _leaf = bird2(&fabric, fabric.hub(), "leaf", &config);
    let node = bird2(&fabric, &wire, "node", NODE);
    say(&fabric, &[&updates], &all());
    say(&fabric, &[&table4, &table6], &all());
    birdc2(&fabric, "node", &["disable", "leak"]);
    say(&fabric, &[&updates], &all()[1..]);
    say(&fabric, &[&table4], &ipv4()[1..]);
    node.kill();
    say(&fabric, &[&updates], &stale(all()[1..].to_vec()));
}

#[test]
fn bird1_records_messages_and_states() {
    let mut fabric = Fabric::new();
    let wire = fabric.node(1);
    let updates = fabric.file("updates.mrt");
    let _leaf = bird1(&fabric, fabric.hub(), "leaf", &recording(&updates, "import all; export none;"));
    let mut node = bird2(&fabric, &wire, "node", NODE);
    say(&fabric, &[&updates], &ipv4());
    node.signal("TERM");
    node.wait();
    say(&fabric, &[&updates], &[]);
}

#[test]
fn gobgp_records_updates_and_tables() {
    let mut fabric = Fabric::new();
    let wire = fabric.node(1);
    let [updates, table] = ["updates.mrt", "table.mrt"].map(|name| fabric.file(name));
    // It takes names for layouts of times, in which digits mean something: no folder, then.
    let dump = |kind: &str, file: &Path, more: &str| {
        let file = Path::new(file.file_name().unwrap());
        format!(
            "[[mrt-dump]]\n[mrt-dump.config]\ndump-type = \"{kind}\"\nfile-name = \"{}\"\n{more}",
            file.display()
        )
    };
    let family = |name: &str| {
        format!("[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"{name}\"\n")
    };
    let config = [
        "[global.config]\nas = 65199\nrouter-id = \"172.16.0.4\"\n".to_owned(),
        dump("updates", &updates, ""),
        // The shortest interval that it takes.
        dump("table", &table, "dump-interval = 60\n"),
        "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"172.16.1.1\"\npeer-as = 65102\n\
         [neighbors.transport.config]\npassive-mode = true\n"
            .to_owned(),
        family("ipv4-unicast"),
        family("ipv6-unicast"),
    ];
    let _leaf = gobgpd(&fabric, fabric.hub(), &config.concat());
    let _node = bird2(&fabric, &wire, "node", NODE);
    say(&fabric, &[&updates], &all());
    say(&fabric, &[&table], &all());
}
