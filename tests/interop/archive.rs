//! The MRT archive of sessions with real daemons, read by Debian's `bgpdump`: it prints the routes that the API lists.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::daemons::{CalicoNode, bird2, gobgp, gobgpd, unpacked};
use crate::net::{Fabric, eventually};
use crate::thirdleaf::{Row, Thirdleaf, config};

/// A route as `bgpdump -m` prints it: peer, AS, prefix, AS path, origin, next hop, MED, path identifier.
type Printed = [String; 8];

fn archive(fabric: &Fabric) -> PathBuf {
    fabric.file("mrt")
}

/// Our files of this sort, in order.
fn files(directory: &Path, sort: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(sort) && !name.ends_with(".partial")
    });
    files.sort();
    files
}

/// The lines that `bgpdump` prints of a file; it has nothing to complain of.
fn bgpdump(file: &Path) -> Option<Vec<Vec<String>>> {
    let done =
        Command::new(unpacked("bgpdump", "usr/bin/bgpdump")).args(["-v", "-m"]).arg(file).output().unwrap();
    // Between two writes a file may be torn, or compressed meanwhile.
    if !done.status.success() || !done.stderr.is_empty() {
        println!("{}: {}", file.display(), String::from_utf8_lossy(&done.stderr));
        return None;
    }
    let text = String::from_utf8(done.stdout).unwrap();
    Some(text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect())
}

/// Where prefixes have path identifiers, these stand behind them.
fn printed(line: &[String]) -> Printed {
    let mut line = line.to_vec();
    let path_id = if line[0].ends_with("_AP") { line.remove(6) } else { "0".to_owned() };
    line.push(path_id);
    let last = line.len() - 1;
    [3, 4, 5, 6, 7, 8, 10, last].map(|field| line.get(field).cloned().unwrap_or_default())
}

fn is_same_path(one: &Printed, other: &Printed) -> bool {
    [0, 2, 7].iter().all(|field| one[*field] == other[*field])
}

/// What is announced in the end, by messages.
fn announced(directory: &Path) -> Option<Vec<Printed>> {
    let mut routes: Vec<Printed> = Vec::new();
    for file in files(directory, "updates.") {
        for line in bgpdump(&file)? {
            assert!(line[0].starts_with("BGP4MP_ET"), "{line:?}");
            match line[2].as_str() {
                "A" => {
                    let route = printed(&line);
                    routes.retain(|other| !is_same_path(other, &route));
                    routes.push(route);
                }
                "W" => {
                    let route = printed(&line);
                    routes.retain(|other| !is_same_path(other, &route));
                }
                "STATE" if line[6] == "1" => routes.retain(|route| route[0] != line[3]),
                "STATE" => {}
                other => panic!("{other}: {line:?}"),
            }
        }
    }
    routes.sort();
    Some(routes)
}

/// What stands in a table.
fn tabled(file: &Path) -> Option<Vec<Printed>> {
    let lines = bgpdump(file)?;
    assert!(lines.iter().all(|line| line[0].starts_with("TABLE_DUMP2")), "{lines:?}");
    let mut routes: Vec<Printed> = lines.iter().map(|line| printed(line)).collect();
    routes.sort();
    Some(routes)
}

/// The same of the API.
fn listed(thirdleaf: &Thirdleaf) -> Vec<Printed> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "0".to_owned(),
        other => other.to_string(),
    };
    let mut routes: Vec<Printed> = thirdleaf
        .items(&["routes"])
        .iter()
        .map(|route| {
            let mut fields = ["peer", "peer_as", "prefix", "as_path", "origin", "next_hop", "med", "path_id"]
                .map(|key| text(&route[key]));
            fields[4] = fields[4].to_uppercase();
            fields
        })
        .collect();
    routes.sort();
    routes
}

#[test]
fn bgpdump_prints_the_routes_of_real_daemons() {
    let mut fabric = Fabric::new();
    let [wire1, wire2, wire3] = [1, 2, 3].map(|n| fabric.node(n));
    let directory = archive(&fabric);
    let journal = format!(
        "[journal]\nmrt = {{ dir = \"{}\", rotate = \"1m\", table_every = \"1m\" }}\n",
        directory.display()
    );
    let thirdleaf = Thirdleaf::start_from(&fabric, &config("", "add_path = true", &journal));
    // BIRD 1.6 as Calico has it, with path identifiers, one daemon a family; and a route that it should not announce.
    let mut first =
        CalicoNode::new(1, &["10.244.1.0/26", "10.96.0.0/12", "fd00:10:244:1::/122", "fd00:10:96::/112"]);
    first.borrowed = vec!["10.244.77.7/32"];
    let _first = (first.start(&fabric, &wire1), first.start_v6(&fabric, &wire1));
    // BIRD 2: both families in one session, two paths of one prefix, an AS of four octets.
    let second = bird2(
        &fabric,
        &wire2,
        "node2",
        "router id 172.16.2.1;\nlog stderr all;\nprotocol device { }\n\
         protocol static { ipv4; route 10.244.2.0/26 blackhole { bgp_med = 7; }; route 10.96.0.0/12 blackhole; }\n\
         protocol static { ipv4 { preference 150; }; route 10.96.0.0/12 blackhole { bgp_med = 9; }; }\n\
         protocol static { ipv6; route fd00:10:244:2::/122 blackhole; }\n\
         protocol bgp Leaf { local 172.16.2.1 as 4200065103; neighbor 172.16.2.4 as 65199; hold time 9;\n\
         \x20 graceful restart; connect delay time 1; error wait time 1, 2;\n\
         \x20 ipv4 { import none; export all; add paths tx; }; ipv6 { import none; export all; add paths tx; }; }\n",
    );
    // GoBGP, without path identifiers.
    let _third = gobgpd(
        &fabric,
        &wire3,
        "[global.config]\nas = 65104\nrouter-id = \"172.16.3.1\"\n\
         [[neighbors]]\n[neighbors.config]\nneighbor-address = \"172.16.3.4\"\npeer-as = 65199\n\
         [[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"ipv4-unicast\"\n\
         [[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"ipv6-unicast\"\n",
    );
    thirdleaf.wait_established(&["172.16.1.1", "fd00:16:1::1", "172.16.2.1", "172.16.3.1"]);
    for route in
        ["10.244.3.0/26 -a ipv4", "0.0.0.0/0 -a ipv4", "fd00:10:244:3::/122 nexthop fd00:16:3::1 -a ipv6"]
    {
        let words: Vec<_> = ["global", "rib", "add"].into_iter().chain(route.split(' ')).collect();
        eventually(route, Duration::from_secs(10), || gobgp(&wire3, &words).then_some(()));
    }
    // Five, four, three.
    let (live, _) = eventually("all routes are there", Duration::from_mins(1), || {
        let live = listed(&thirdleaf);
        println!("{} routes", live.len());
        (live.len() == 12).then_some(live)
    });
    eventually("the messages say the same", Duration::from_secs(10), || {
        let routes = announced(&directory)?;
        if routes != live {
            println!("{routes:#?} instead of {live:#?}");
        }
        (routes == live).then_some(())
    });
    eventually("a table says the same", Duration::from_secs(140), || {
        let routes = tabled(files(&directory, "rib.").last()?)?;
        (routes == live).then_some(())
    });
    // `replay` has the same again, from a table and what follows it, and from all messages.
    let table = files(&directory, "rib.").pop().unwrap();
    let stamp = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        name.split('.').skip(1).take(2).collect::<Vec<_>>().join(".")
    };
    let replayed = |files: Vec<PathBuf>| {
        let mut command = thirdleaf.cli();
        command.args(["replay", "-o", "json", "-c"]).arg(fabric.file("thirdleaf.toml")).args(&files);
        let done = command.output().unwrap();
        let answer: Value = serde_json::from_slice(&done.stdout).ok()?;
        let mut rows: Vec<_> = answer["routes"].as_array().unwrap().iter().map(Row::read).collect();
        rows.sort();
        let live = thirdleaf.routes();
        if rows != live {
            println!("{files:?}: {rows:#?} instead of {live:#?}");
        }
        (rows == live).then_some(())
    };
    eventually("a table and what follows it come to the same", Duration::from_secs(20), || {
        let later = files(&directory, "updates.").into_iter().filter(|file| stamp(file) >= stamp(&table));
        replayed([table.clone()].into_iter().chain(later).collect())
    });
    second.kill();
    eventually("its routes are stale", Duration::from_secs(20), || {
        (thirdleaf.routes().iter().filter(|row| row.stale).count() == 4).then_some(())
    });
    eventually("all messages come to the same", Duration::from_secs(20), || {
        replayed(files(&directory, "updates."))
    });
    thirdleaf.stop();
    for file in files(&directory, "updates.") {
        assert!(bgpdump(&file).is_some(), "{}", file.display());
    }
}

/// One megabyte is all that there is: the archive stops with a finding, sessions go on, and so does the archive once
/// there is room.
#[test]
fn a_full_disk_stops_the_archive_and_nothing_else() {
    let mut fabric = Fabric::new();
    let wire = fabric.node(1);
    let directory = archive(&fabric);
    std::fs::create_dir(&directory).unwrap();
    let mounted = Tmpfs::mount(&directory);
    let journal = format!("[journal]\nmrt = {{ dir = \"{}\" }}\n", directory.display());
    let ballast = directory.join("ballast");
    std::fs::write(&ballast, vec![0; 900 << 10]).unwrap();
    let thirdleaf = Thirdleaf::start_from(&fabric, &config("", "", &journal));
    let node = CalicoNode::new(1, &["10.244.1.0/26", "10.96.0.0/12"]);
    let bird = node.start(&fabric, &wire);
    thirdleaf.wait_established(&["172.16.1.1"]);
    let failing = || thirdleaf.findings().iter().any(|(kind, ..)| kind == "journal_failing");
    // Every reload sends everything again.
    let ((), _) = eventually("the disk is full", Duration::from_mins(1), || {
        let rest = vec![0; 4 << 10];
        while std::fs::File::options()
            .append(true)
            .open(&ballast)
            .is_ok_and(|mut file| std::io::Write::write_all(&mut file, &rest).is_ok())
        {}
        bird.process.signal("HUP");
        wire.ip(&["route", "replace", "10.244.77.7/32", "dev", "lo"]);
        wire.ip(&["route", "del", "10.244.77.7/32", "dev", "lo"]);
        failing().then_some(())
    });
    assert_eq!(thirdleaf.state_of("172.16.1.1"), "Established");
    std::fs::remove_file(&ballast).unwrap();
    eventually("it goes on", Duration::from_secs(90), || (!failing()).then_some(()));
    eventually("and says what is announced", Duration::from_secs(30), || {
        let table = files(&directory, "rib.").pop()?;
        (tabled(&table)? == listed(&thirdleaf)).then_some(())
    });
    thirdleaf.stop();
    drop(mounted);
}

struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(at: &Path) -> Self {
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs"]).arg(at).status();
        assert!(done.unwrap().success(), "mount needs root");
        Self(at.to_owned())
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
