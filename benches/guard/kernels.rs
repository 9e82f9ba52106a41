//! What is counted.

use std::hint::black_box;

use crate::work::{Case, messages, ours};
use crate::{fabric, routes};

/// The kernels, by what they do.
pub(crate) const NAMES: &[&str] = &[
    "fabric_learn",
    "parse_mixed",
    "parse_open",
    "parse_update_1",
    "parse_update_500",
    "parse_mp_reach_200",
    "policy_judge",
    "rib_announce_new",
    "rib_announce_same",
    "rib_announce_other",
    "rib_withdraw",
    "rib_sweep",
    "rib_exact",
    "rib_longer",
];

/// Prepares a kernel and runs it.
pub(crate) fn run(name: &str) {
    match name {
        "fabric_learn" => fabric::learn(),
        "parse_open" => parse("open", 1_000),
        "parse_update_1" => parse("update, one /32", 1_000),
        "parse_update_500" => parse("update, 500 x /26", 100),
        "parse_mp_reach_200" => parse("mp_reach, 200 x /122", 100),
        "parse_mixed" => parse("mixed", 100_000),
        "policy_judge" => routes::judge(),
        "rib_announce_new" => routes::announce_new(),
        "rib_announce_same" => routes::announce_same(),
        "rib_announce_other" => routes::announce_other(),
        "rib_withdraw" => routes::withdraw(),
        "rib_sweep" => routes::sweep(),
        "rib_exact" => routes::exact(),
        "rib_longer" => routes::longer(),
        _ => panic!("there is no kernel {name}"),
    }
}

/// All that is counted.
#[inline(never)]
pub(crate) fn measured(mut work: impl FnMut()) {
    work();
    // Something is left to do here: the call above is one that returns.
    black_box(());
}

/// Parses so many messages of a case.
fn parse(name: &str, count: u32) {
    let Case { messages: each, octets, .. } =
        messages::cases().find(|case| case.name == name).expect("a case");
    measured(|| {
        for _ in 0..count / each {
            black_box(ours::parsed(black_box(&octets)));
        }
    });
}
