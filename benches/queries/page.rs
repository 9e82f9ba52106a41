//! The page at `/` with 128,000 routes: how much a browser loads for it, and how long that takes the server.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::daemon::Daemon;
use crate::findings::{BLOCKS, SESSIONS, plan};
use crate::results::{Results, quantile};
use crate::session::Sessions;

const VIEWS: usize = 50;
/// Octets of everything.
const WEIGHT: f64 = 150_000.0;
/// In milliseconds.
const GOAL: f64 = 200.0;

pub(crate) fn measure(results: &mut Results) {
    let daemon = Daemon::start(1);
    let sessions = Sessions::start((0..SESSIONS).map(|number| plan(daemon.leaves[0], number)).collect());
    daemon.wait_for(SESSIONS.into(), u64::from(SESSIONS) * u64::from(BLOCKS));
    let mut client = Client::new(daemon.http);
    let page = client.get("/").text();
    let parts = parts(&page);
    let weight: usize = page.len() + parts.iter().map(|part| client.get(part).len()).sum::<usize>();
    #[expect(clippy::cast_precision_loss, reason = "some kilobytes")]
    results.at_most("page", "all that a browser loads for /", (weight as f64, "octets"), WEIGHT);
    for (name, churns) in [("quiet", false), ("2,000 flaps a second", true)] {
        sessions.churn(churns);
        sleep(Duration::from_secs(2));
        let mut times = Vec::new();
        for _ in 0..VIEWS {
            // What is prepared for several is good for a moment, and each is to be made anew.
            sleep(Duration::from_millis(200));
            let start = Instant::now();
            client.get("/");
            for part in &parts {
                client.get(part);
            }
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        results.note("page", format!("{name}: / and its parts, p50"), quantile(&times, 0.5), "ms");
        let longest = (quantile(&times, 1.0), "ms");
        results.at_most("page", format!("{name}: / and its parts, longest"), longest, GOAL);
    }
}

/// The style, the script and the icon: what a browser fetches without being asked.
fn parts(page: &str) -> BTreeSet<String> {
    let tags = page.split('<').filter(|tag| tag.starts_with("link ") || tag.starts_with("script "));
    let addresses = tags.filter_map(|tag| {
        let (_, address) = tag.split_once("href=\"").or_else(|| tag.split_once("src=\""))?;
        Some(address.split('"').next()?.trim_start_matches('/'))
    });
    addresses.map(|address| format!("/{address}")).collect()
}
