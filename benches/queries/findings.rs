//! How soon a rogue route is shown: from the UPDATE to a finding in `/api/v1/findings`, among 128,000 routes of which
//! 2,000 a second flap.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv4Net};

use crate::client::Client;
use crate::daemon::Daemon;
use crate::results::{Results, quantile};
use crate::session::{Plan, Sessions, announce, attributes, block, withdraw};

pub(crate) const SESSIONS: u8 = 20;
/// Blocks of a session.
pub(crate) const BLOCKS: u32 = 6_400;
const ROGUES: u32 = 200;
/// In milliseconds.
const GOAL: f64 = 50.0;

pub(crate) fn measure(results: &mut Results) {
    let daemon = Daemon::start(1);
    let sessions = Sessions::start((0..SESSIONS).map(|number| plan(daemon.leaves[0], number)).collect());
    let leak = sessions.speaker(leaking(daemon.leaves[0]));
    daemon.wait_for(u64::from(SESSIONS) + 1, u64::from(SESSIONS) * u64::from(BLOCKS));
    let mut client = Client::new(daemon.http);
    for (name, churns) in [("quiet", false), ("2,000 flaps a second", true)] {
        sessions.churn(churns);
        sleep(Duration::from_secs(2));
        let mut times = Vec::new();
        for number in 0..ROGUES {
            let rogue = rogue(number);
            let path = format!("/api/v1/findings?kind=rogue_route&prefix={rogue}");
            let own = attributes(64_999, 4_200_000_000, Ipv4Addr::new(127, 1, 0, 99));
            let start = Instant::now();
            leak.send(announce(&own, &[rogue])).expect("a session");
            while client.get(&path).json()["items"].as_array().is_none_or(Vec::is_empty) {}
            times.push(start.elapsed().as_secs_f64() * 1e3);
            leak.send(withdraw(rogue)).expect("a session");
            sleep(Duration::from_millis(20));
        }
        times.sort_by(f64::total_cmp);
        results.note("findings", format!("{name}: rogue route shown, p50"), quantile(&times, 0.5), "ms");
        let p99 = (quantile(&times, 0.99), "ms");
        results.at_most("findings", format!("{name}: rogue route shown, p99"), p99, GOAL);
        results.note("findings", format!("{name}: rogue route shown, longest"), quantile(&times, 1.0), "ms");
    }
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    results.at_most("findings", "sessions lost", (sessions.ended() as f64, ""), 0.0);
}

fn rogue(number: u32) -> IpNet {
    Ipv4Net::new(Ipv4Addr::from_bits(0xc000_0000 + (number << 8)), 24).expect("a length").into()
}

pub(crate) fn plan(leaf: SocketAddr, number: u8) -> Plan {
    let (asn, source) = (60_000 + u16::from(number), Ipv4Addr::new(127, 1, 0, number + 1));
    let first = u32::from(number) * BLOCKS;
    let prefixes: Vec<_> = (first..first + BLOCKS).map(block).collect();
    let own = attributes(asn, 4_200_000_000, source);
    let flaps = prefixes.iter().map(|prefix| (withdraw(*prefix), announce(&own, &[*prefix]))).collect();
    Plan { source, leaf, asn, updates: announce(&own, &prefixes), flaps, flaps_a_tick: 1 }
}

fn leaking(leaf: SocketAddr) -> Plan {
    let source = Ipv4Addr::new(127, 1, 0, 99);
    Plan { source, leaf, asn: 64_999, updates: vec![], flaps: vec![], flaps_a_tick: 0 }
}
