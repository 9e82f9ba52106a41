//! UPDATEs, their errors, graceful restart and refresh.

mod additional;
mod attribute;
mod counters;
mod endings;
mod flags;
mod multiprotocol;
mod path;
mod refresh;
mod restart;
mod update;
mod variants;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Bench, Client, NODE_AS};
use crate::peer::{Heard, Peer};
use crate::run::{Place, eventually};
use crate::wire::{
    NOTIFICATION, OPTIONAL, Open, TRANSITIVE, as_path, attribute, mp_reach, next_hop, nlri, origin, update,
};

/// The next hop of routes to IPv6 prefixes.
const V6_NEXT_HOP: [u8; 16] = [0xfd, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
/// Seconds that the program and our sessions agree on; the witness insists on 3.
const HOLD_TIME: u16 = 6;
/// How long the program may take over what was said to it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The usual daemon, which allows pods of IPv6 too.
fn bench() -> Bench {
    Bench::new(config)
}

fn config(place: &Place) -> String {
    let pods = "[[policy.allow]]\nclass = \"pod\"\nprefix = \"fd00:10:244::/48\"\nlengths = [122, 128]\n";
    let hold_time = format!("hold_time = \"{HOLD_TIME}s\"\npeer_as = ");
    format!("{}{pods}", place.config().replace("peer_as = ", &hold_time))
}

/// The attributes of a good route, in their order.
fn usual(address: Ipv4Addr) -> [Vec<u8>; 3] {
    [origin(0), as_path(&[NODE_AS.into()]), next_hop(address)]
}

/// An UPDATE that announces these with good attributes.
fn announce(address: Ipv4Addr, prefixes: &str) -> Vec<u8> {
    update(&[], &usual(address).concat(), &nlri(prefixes))
}

/// The same for IPv6.
fn announce_v6(prefixes: &str) -> Vec<u8> {
    let reach = mp_reach(2, 1, &V6_NEXT_HOP, &nlri(prefixes));
    update(&[], &[reach, origin(0), as_path(&[NODE_AS.into()])].concat(), &[])
}

fn withdraw(prefixes: &str) -> Vec<u8> {
    update(&nlri(prefixes), &[], &[])
}

/// A session, of which it is known when the program has taken in what was said.
struct Talk<'a> {
    client: &'a Client<'a>,
    peer: Peer,
    /// Announces a route of its own with this metric: all that was said before was taken in when it is seen.
    marker: fn(&Client<'_>, u32) -> Vec<u8>,
    said: u32,
}

/// The prefixes of markers.
const MARKERS: [&str; 2] = ["10.244.255.255/32", "fd00:10:244:ff::ff/128"];

fn metric(value: u32) -> Vec<u8> {
    attribute(OPTIONAL, 4, &value.to_be_bytes())
}

/// The usual marker.
fn marker(client: &Client<'_>, said: u32) -> Vec<u8> {
    let attributes = [&usual(client.address).concat()[..], &metric(said)].concat();
    update(&[], &attributes, &nlri(MARKERS[0]))
}

/// That of a session with 2-octet AS numbers.
fn narrow_marker(client: &Client<'_>, said: u32) -> Vec<u8> {
    let attributes = [origin(0), narrow_path(&[NODE_AS]), next_hop(client.address), metric(said)].concat();
    update(&[], &attributes, &nlri(MARKERS[0]))
}

/// That of a session that knows IPv6.
fn v6_marker(_: &Client<'_>, said: u32) -> Vec<u8> {
    let reach = mp_reach(2, 1, &V6_NEXT_HOP, &nlri(MARKERS[1]));
    update(&[], &[origin(0), as_path(&[NODE_AS.into()]), metric(said), reach].concat(), &[])
}

/// AS_PATH of 2-octet numbers.
fn narrow_path(path: &[u16]) -> Vec<u8> {
    let numbers = path.iter().flat_map(|asn| asn.to_be_bytes());
    let count = u8::try_from(path.len()).unwrap();
    attribute(TRANSITIVE, 2, &[2, count].into_iter().chain(numbers).collect::<Vec<u8>>())
}

impl<'a> Talk<'a> {
    fn start(client: &'a Client<'a>) -> Self {
        Self::start_with(client, &client.usual_open())
    }

    /// With a hold time of its own unless the OPEN has one: a question to a busy program may take a while,
    /// and no KEEPALIVE goes out meanwhile.
    fn start_with(client: &'a Client<'a>, open: &Open) -> Self {
        let hold_time = if open.hold_time == 3 { HOLD_TIME } else { open.hold_time };
        Self::over(client, client.establish_with(&Open { hold_time, ..open.clone() }))
    }

    fn over(client: &'a Client<'a>, peer: Peer) -> Self {
        // Of what a former session said the last may still be there: no number is used twice.
        static SAID: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
        let said = SAID.fetch_add(1, std::sync::atomic::Ordering::Relaxed) << 16;
        Self { client, peer, marker, said }
    }

    fn marked_by(self, marker: fn(&Client<'_>, u32) -> Vec<u8>) -> Self {
        Self { marker, ..self }
    }

    fn say(&mut self, octets: &[u8]) {
        self.peer.send(octets);
    }

    fn announce(&mut self, prefixes: &str) {
        self.say(&announce(self.client.address, prefixes));
    }

    /// The routes that the program has once it has taken in all that was said, or how the session ended.
    fn try_routes(&mut self) -> Result<Vec<Value>, String> {
        self.said += 1;
        let _ = self.peer.try_send(&(self.marker)(self.client, self.said));
        let end = Instant::now() + PATIENCE;
        let path = format!("/api/v1/routes?peer={}&prefix=", self.client.address);
        let seen = |marker: &str| {
            let routes = self.client.bench.daemon.get(&format!("{path}{marker}"));
            routes["items"].as_array().unwrap().iter().any(|route| route["med"] == self.said)
        };
        loop {
            if MARKERS.iter().any(|marker| seen(marker)) {
                let mut routes = self.client.routes();
                routes.retain(|route| !MARKERS.contains(&route["prefix"].as_str().unwrap()));
                return Ok(routes);
            }
            match self.peer.hear(Duration::from_millis(2)) {
                Heard::Message(NOTIFICATION, body) => return Err(format!("NOTIFICATION {body:?}")),
                Heard::Closed | Heard::Reset => return Err("the session ended".to_owned()),
                Heard::Message(..) | Heard::Nothing => {}
            }
            if Instant::now() > end {
                return Err("the marker was not taken in".to_owned());
            }
        }
    }

    #[track_caller]
    fn routes(&mut self) -> Vec<Value> {
        self.try_routes().unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same as lines: prefix, state, first reason, "stale"; in order.
    #[track_caller]
    fn table(&mut self) -> Vec<String> {
        let mut lines: Vec<String> = self.routes().iter().map(super::line).collect();
        lines.sort();
        lines
    }

    /// The session is up, and once the program has taken in all that was said it has these routes: what is
    /// swept may take a moment.
    #[track_caller]
    fn has(&mut self, lines: &[&str]) {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.table();
            if found == lines || Instant::now() > end {
                assert_eq!(found, lines);
                return;
            }
        }
    }

    /// The program ends the session so, and none of the routes stays.
    #[track_caller]
    fn ends_with(mut self, code: u8, subcode: u8, data: &[u8]) {
        assert_eq!(self.peer.expect_notification(), (code, subcode, data.to_vec()));
        gone(self.client);
    }
}

/// What the API says of this client's session becomes so: it tells what was true a moment ago.
fn shows(client: &Client<'_>, what: &str, is: impl Fn(&Value) -> bool) {
    eventually(what, || client.peer().filter(&is).map(drop));
}

/// A metric of this client's gets this value: `start` is its name and the labels before the peer's.
fn counts(client: &Client<'_>, start: &str, value: u64) {
    let line = format!("{start},leaf=\"rack1\",peer=\"{}\"}} {value}", client.address);
    eventually(&line, || {
        let metrics = client.bench.daemon.text("/metrics");
        metrics.lines().any(|found| found == line).then_some(())
    });
}

/// The program holds no route of this client's.
fn gone(client: &Client<'_>) {
    eventually("the routes are gone", || client.table().is_empty().then_some(()));
}
