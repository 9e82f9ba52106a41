//! How fast `thirdleaf replay` judges a table that somebody wrote down.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};

use crate::daemon::{Temporary, cpu_of_children, program};
use crate::results::{Results, median};

/// Routes of each file.
const ROUTES: u32 = 1_000_000;
/// Routes a second of CPU time.
const GOAL: f64 = 1_500_000.0;
const RUNS: usize = 5;
const WRITTEN: u32 = 1_700_000_000;

const CONFIG: &str = r#"version = 1
[[leaf]]
name = "leaf"
local_as = 65101
router_id = "10.0.0.101"
listen = ["127.0.0.101:1790"]
[[neighbors]]
leaf = "leaf"
range = "172.16.0.0/16"
peer_as = ["60000-65000"]
limits = { prefixes = 200000 }
[policy]
max_as_path = 3
origin_as = "any"
uniqueness = { pod_block = "any" }
[[policy.allow]]
class = "pod"
prefix = "8.0.0.0/5"
lengths = [26]
"#;

pub(crate) fn measure(results: &mut Results) {
    let config = Temporary::new("replay.toml");
    std::fs::write(&config.0, CONFIG).expect("a configuration");
    for (name, peers, sets) in
        [("a million prefixes of 10 peers", 10, 2_000), ("50,000 prefixes of 20 peers", 20, 1_000)]
    {
        let file = Temporary::new("table.mrt");
        write(&file, peers, sets).expect("a file");
        let runs = (0..RUNS).map(|_| {
            let before = cpu_of_children();
            let run = Command::new(program())
                .args(["replay", "--only", "summary", "-c"])
                .args([&config.0, &file.0])
                .stderr(Stdio::null())
                .output()
                .expect("the program runs");
            let text = String::from_utf8_lossy(&run.stdout);
            assert!(text.contains(&format!(" {ROUTES} routes accepted, 0 rejected")), "{text}");
            f64::from(ROUTES) / (cpu_of_children() - before)
        });
        let rate = median(runs.collect());
        results.at_least("replay", name, (rate, "routes a second of CPU"), GOAL);
    }
}

/// A `TABLE_DUMP_V2` in the order of prefixes. Of each peer, 50 prefixes here and there have attributes in
/// common. With 10 peers each prefix is of one of them, with more it is of all.
fn write(file: &Temporary, peers: u16, sets: u32) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(&file.0)?);
    let mut index = vec![10, 0, 0, 1, 0, 0];
    index.extend(peers.to_be_bytes());
    for peer in 0..peers {
        index.push(2);
        index.extend(address(peer).to_be_bytes());
        index.extend(address(peer).to_be_bytes());
        index.extend(asn(peer).to_be_bytes());
    }
    record(&mut out, 1, &index)?;
    let all = peers > 10;
    let prefixes = if all { ROUTES / u32::from(peers) } else { ROUTES };
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for number in 0..prefixes {
        let mut body = number.to_be_bytes().to_vec();
        body.push(26);
        body.extend((0x0a00_0000 + (number << 6)).to_be_bytes());
        let own = u16::try_from(number / (prefixes / u32::from(peers))).unwrap_or(0).min(peers - 1);
        let of = if all { 0..peers } else { own..own + 1 };
        body.extend(u16::try_from(of.len()).unwrap_or(0).to_be_bytes());
        for peer in of {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let set = u32::try_from(random % u64::from(sets)).unwrap_or(0);
            let attributes = attributes(peer, set);
            body.extend(peer.to_be_bytes());
            body.extend(WRITTEN.to_be_bytes());
            body.extend(u16::try_from(attributes.len()).unwrap_or(0).to_be_bytes());
            body.extend(attributes);
        }
        record(&mut out, 2, &body)?;
    }
    out.flush()
}

fn record(out: &mut impl Write, subtype: u16, body: &[u8]) -> std::io::Result<()> {
    out.write_all(&WRITTEN.to_be_bytes())?;
    out.write_all(&13_u16.to_be_bytes())?;
    out.write_all(&subtype.to_be_bytes())?;
    out.write_all(&u32::try_from(body.len()).unwrap_or(0).to_be_bytes())?;
    out.write_all(body)
}

/// ORIGIN, AS_PATH of two, NEXT_HOP.
fn attributes(peer: u16, set: u32) -> Vec<u8> {
    let mut out = vec![0x40, 1, 1, 0, 0x40, 2, 10, 2, 2];
    out.extend(asn(peer).to_be_bytes());
    out.extend((4_200_000_000 + set).to_be_bytes());
    out.extend([0x40, 3, 4]);
    out.extend(address(peer).to_be_bytes());
    out
}

fn address(peer: u16) -> u32 {
    0xac10_0000 + u32::from(peer)
}

fn asn(peer: u16) -> u32 {
    64_512 + u32::from(peer)
}
