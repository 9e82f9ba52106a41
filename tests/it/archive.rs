//! The MRT archive of a daemon, replayed: the same routes and verdicts.

use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use thirdleaf::lab::node::Route;

use crate::daemon::node;
use crate::peer::Peer;
use crate::run::{Daemon, Place, eventually, quiet, stderr, thirdleaf};
use crate::wire::{self, Open, UPDATE, capability, four_octet_as, hex, message, multiprotocol};

fn config(place: &Place) -> String {
    let mrt = "[journal]\nmrt = { dir = \"mrt\", rotate = \"1m\" }\n";
    place.config() + &place.range_of_cases("add_path = true") + mrt
}

fn start(place: &Place) -> (Daemon, PathBuf) {
    let path = place.write("thirdleaf.toml", &config(place));
    (Daemon::start(place, &path), path.with_file_name("mrt"))
}

/// Files of messages, in order: a file may be compressed meanwhile.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("updates.") && !name.ends_with(".partial")
    });
    files.sort();
    files
}

/// What `replay` makes of all files.
fn replay(place: &Place, directory: &Path) -> Output {
    let config = place.write("replay.toml", &config(place));
    let files = files(directory);
    let mut arguments = vec!["replay", "-o", "json", "-c", config.to_str().unwrap()];
    arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
    thirdleaf(&arguments)
}

/// Routes without the time of each, which is to the second: it was read before it was taken in.
fn routes(list: &Value) -> Vec<Value> {
    let mut routes = list.get("items").unwrap_or(list).as_array().unwrap().clone();
    for route in &mut routes {
        route["since"].take();
    }
    routes.sort_by_key(ToString::to_string);
    routes
}

fn live(daemon: &Daemon) -> Vec<Value> {
    routes(&Value::Array(daemon.items(&["routes"])))
}

/// Waits until the archive comes to the same as the daemon, which says so many routes.
fn agree(place: &Place, directory: &Path, daemon: &Daemon, count: usize) {
    eventually(&format!("both have {count} routes"), || {
        let live = live(daemon);
        // Between two writes a file may be torn, and is read again.
        let replayed: Value = serde_json::from_slice(&replay(place, directory).stdout).ok()?;
        let again = routes(&replayed["routes"]);
        if again != live || live.len() != count {
            println!("{} live, {} replayed", live.len(), again.len());
        }
        (again == live && live.len() == count).then_some(())
    });
}

/// Octets of all files, unpacked.
fn octets(directory: &Path) -> Vec<u8> {
    let mut octets = Vec::new();
    for path in files(directory) {
        let mut file = fs::File::open(&path).unwrap();
        if path.extension().is_some_and(|extension| extension == "gz") {
            flate2::read::MultiGzDecoder::new(file).read_to_end(&mut octets).unwrap();
        } else {
            file.read_to_end(&mut octets).unwrap();
        }
    }
    octets
}

fn contains(octets: &[u8], wanted: &[u8]) -> bool {
    octets.windows(wanted.len()).any(|window| window == wanted)
}

/// Good routes and rogue ones, sessions of two octets and with path identifiers, what is malformed, and how sessions
/// end: whatever was heard, the files come to what the daemon came to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_archived_comes_to_what_the_daemon_has() {
    let _quiet = quiet();
    let place = Place::new();
    let (daemon, directory) = start(&place);
    let nodes = [4, 5, 6].map(|n| node(&place, n));
    nodes[0]
        .announce(["0.0.0.0/0", "172.16.0.0/24"].map(|prefix| Route::fixed(prefix.parse().unwrap())))
        .await;
    nodes[1].add_block("10.244.4.0/26".parse().unwrap()).await;
    agree(&place, &directory, &daemon, 9);

    // AS 65110 of two octets: the path is long, and what follows is malformed: its prefix is withdrawn.
    let (own, leaf) = (place.host(20), place.host(4));
    let next_hop = own.octets();
    let mut narrow = Peer::establish(own, leaf, &Open::new(65110, own, &[multiprotocol(1, 1)]));
    let announce = |origin: u8, prefixes: &str| {
        let path = hex("40 02 06 02 02 fe 56 fe 57");
        let attributes = [&[0x40, 1, 1, origin][..], &path, &hex("40 03 04"), &next_hop].concat();
        let length = u16::try_from(attributes.len()).unwrap().to_be_bytes();
        message(UPDATE, &[&[0, 0][..], &length, &attributes, &hex(prefixes)].concat())
    };
    narrow.send(&announce(0, "1a 0a f4 14 00  1a 0a f4 15 00"));
    agree(&place, &directory, &daemon, 11);
    let malformed = announce(9, "1a 0a f4 15 00");
    narrow.send(&malformed);
    agree(&place, &directory, &daemon, 10);
    assert!(contains(&octets(&directory), &malformed), "it stands there as it came");

    // Two paths of one prefix.
    let own = place.host(21);
    let capabilities = [multiprotocol(1, 1), four_octet_as(65111), capability(69, &[0, 1, 1, 2])];
    let mut paths = Peer::establish(own, leaf, &Open::new(65111, own, &capabilities));
    let attributes = [&hex("40 01 01 00 40 02 06 02 01 00 00 fe 57 40 03 04")[..], &own.octets()].concat();
    let length = u16::try_from(attributes.len()).unwrap().to_be_bytes();
    let prefixes = hex("00 00 00 01 1a 0a f4 16 00  00 00 00 02 1a 0a f4 16 00");
    let update = message(UPDATE, &[&[0, 0][..], &length, &attributes, &prefixes].concat());
    paths.send(&update);
    agree(&place, &directory, &daemon, 12);

    // A crash leaves routes that are stale; who takes leave takes them along.
    nodes[2].crash().await;
    eventually("its routes are stale", || (daemon.items(&["routes", "--stale"]).len() == 2).then_some(()));
    narrow.send(&wire::notification(6, 2, &[]));
    agree(&place, &directory, &daemon, 11);

    let metrics = daemon.text("/metrics");
    let value = |name: &str| {
        let line = metrics
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {metrics}"));
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    assert!(value("thirdleaf_mrt_messages_written_total") > 15.0);
    assert_eq!((value("thirdleaf_mrt_messages_lost_total"), value("thirdleaf_mrt_failing")), (0.0, 0.0));
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    let output = replay(&place, &directory);
    assert_eq!(stderr(&output), "", "no file is damaged");
    let farewell = hex("ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff");
    assert!(contains(&octets(&directory), &farewell));
    drop((nodes, paths));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_daemon_leaves_what_can_be_read_and_the_next_one_goes_on() {
    let _quiet = quiet();
    let place = Place::new();
    let (daemon, directory) = start(&place);
    let first = node(&place, 4);
    agree(&place, &directory, &daemon, 2);
    for pod in 1..=100 {
        first.borrow(IpAddr::from([10, 244, 9, pod])).await;
    }
    daemon.signal("KILL");
    daemon.wait();
    drop(first);
    // As if the kill had come in the midst of a record.
    let last = files(&directory).pop().unwrap();
    let mut octets = fs::read(&last).unwrap();
    octets.extend_from_within(..30);
    fs::write(&last, octets).unwrap();
    let output = replay(&place, &directory);
    let replayed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(routes(&replayed["routes"]).len() >= 2, "{replayed}");
    assert!(stderr(&output).contains("is torn"), "{}", stderr(&output));

    let (daemon, _) = start(&place);
    let _second = node(&place, 4);
    agree(&place, &directory, &daemon, 2);
    assert_eq!(stderr(&replay(&place, &directory)), "", "what was torn is cut off");
}

/// A file that may not grow is as good as a disk that is full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_a_finding_and_nothing_else() {
    let place = Place::new();
    let path = place.write("thirdleaf.toml", &config(&place));
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_thirdleaf")]);
    command.args(["run", "-c"]).arg(&path);
    let daemon = Daemon::spawn(&place, command);
    let node = node(&place, 4);
    eventually("it is up", || (daemon.items(&["routes"]).len() == 2).then_some(()));
    for pod in 1..=100 {
        node.borrow(IpAddr::from([10, 244, 9, pod])).await;
    }
    let finding = eventually("the finding is there", || {
        let findings = daemon.items(&["findings"]);
        findings.into_iter().find(|finding| finding["kind"] == "journal_failing")
    });
    assert!(finding["summary"].as_str().unwrap().contains("the MRT archive in "), "{finding}");
    eventually("all routes are there", || (daemon.items(&["routes"]).len() == 102).then_some(()));
    let peers = daemon.items(&["peers"]);
    assert_eq!((&peers[0]["state"], &peers[0]["resets"]), (&"Established".into(), &0.into()));
    let lost =
        daemon.text("/metrics").lines().any(|line| line.starts_with("thirdleaf_mrt_messages_lost_total 0"));
    assert!(!lost, "what is missing is counted");
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    let output = replay(&place, &path.with_file_name("mrt"));
    assert_eq!(stderr(&output), "", "what is there is whole");
}
