//! Our parser beside others, on the same octets, doing the same work; and beside a cursor written by hand,
//! and a walk over the lengths alone. Prints a table; `thirdleaf-rivals FILE` writes it as JSON too.

mod allocations;
mod bgpkit;
#[path = "../../parse/cursor.rs"]
mod cursor;
mod netgauze;
mod report;
mod routecore;
#[path = "../../parse/work.rs"]
mod work;
mod zettabgp;

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};

use report::{Measured, Report};
use work::{Case, messages, ours};

/// Rounds, in each of which every parser has its turn at every case.
const ROUNDS: usize = 7;
/// How long a turn takes, about.
const TURN: f64 = 30e6;

/// The parsers; all but the last come to the same sum.
const PARSERS: [(&str, fn(&[u8]) -> u64); 7] = [
    ("thirdleaf", ours::parsed),
    ("cursor", cursor::walked),
    ("netgauze-bgp-pkt", netgauze::sum),
    ("routecore", routecore::sum),
    ("bgpkit-parser", bgpkit::sum),
    ("zettabgp", zettabgp::sum),
    ("lengths", cursor::lengths),
];

fn main() {
    let cases: Vec<Case> = messages::cases().collect();
    for case in &cases {
        let (_lengths, all) = PARSERS.split_last().expect("parsers");
        for (name, parser) in all {
            assert_eq!(parser(&case.octets), ours::parsed(&case.octets), "{name}, {}", case.name);
        }
    }
    let mut measured: Vec<Measured> =
        cases.iter().flat_map(|case| PARSERS.map(|(name, parser)| prepare(case, name, parser))).collect();
    for round in 0..ROUNDS {
        let turns = cases.iter().flat_map(|case| PARSERS.map(|(_, parser)| (case, parser)));
        for ((case, parser), measured) in turns.zip(&mut measured) {
            measured.nanoseconds.push(turn(case, parser, measured.repeat));
        }
        eprintln!("round {} of {ROUNDS}", round + 1);
    }
    let report = Report::new(measured);
    print!("{report}");
    if let Some(file) = std::env::args().nth(1) {
        std::fs::write(file, report.json()).expect("a file that can be written");
    }
}

fn prepare(case: &Case, parser: &'static str, parse: fn(&[u8]) -> u64) -> Measured {
    let (_, allocations) = allocations::count(|| black_box(parse(&case.octets)));
    let mut repeat = 1;
    while turn(case, parse, repeat) * f64::from(repeat * case.messages) < TURN / 4.0 {
        repeat *= 2;
    }
    let allocations = allocations as f64 / f64::from(case.messages);
    Measured { case: case.name, parser, repeat: repeat * 4, allocations, nanoseconds: vec![] }
}

/// Processor time a message, in nanoseconds: what others do on this machine counts as little as can be.
fn turn(case: &Case, parse: fn(&[u8]) -> u64, repeat: u32) -> f64 {
    let start = now();
    for _ in 0..repeat {
        black_box(parse(black_box(&case.octets)));
    }
    (now() - start) / f64::from(repeat) / f64::from(case.messages)
}

fn now() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
