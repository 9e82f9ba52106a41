//! Questions to the program as it runs, over loopback: pages of routes while a million of them change, a
//! scrape with thousands of peers, the replay of a table, how soon a rogue route is shown, hundreds of clients that
//! follow events, the page at `/`; and members of EEPGs that follow routes.
//!
//! `cargo bench --bench queries`, or with `-- routes`, `-- scrape`, `-- replay`, `-- findings`, `-- streams`,
//! `-- page`, `-- reaction`, `-- requests`, `-- members` for a part. Everything is
//! asked of the binary in a process of its own, so that its CPU time and memory are nobody else's; which
//! one, `THIRDLEAF_PROGRAM` may say. Results go to `target/bench/queries.json`.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "runs the program and its peers")]

mod client;
mod daemon;
mod eepg;
mod findings;
mod page;
mod replay;
mod results;
mod routes;
mod scrape;
mod session;
mod streams;

use results::Results;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|asked| asked == part);
    let mut results = Results::default();
    for (part, measure) in [
        ("replay", replay::measure as fn(&mut Results)),
        ("scrape", scrape::measure),
        ("routes", routes::measure),
        ("findings", findings::measure),
        ("streams", streams::measure),
        ("page", page::measure),
        ("reaction", eepg::reaction),
        ("requests", eepg::requests),
        ("members", eepg::memory),
    ] {
        if wanted(part) {
            measure(&mut results);
        }
    }
    results.write();
}
