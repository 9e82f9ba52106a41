//! The whole way from octets to judged, counted routes: 40 nodes of a fabric, 320 routes each.

use std::hint::black_box;
use std::iter;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use ipnet::{IpNet, Ipv4Net};
use thirdleaf::bgp::announce::Announcer;
use thirdleaf::bgp::attribute::Builder;
use thirdleaf::bgp::{Batch, Family, Negotiated, Outgoing, Update, frame};
use thirdleaf::config::{self, Config};
use thirdleaf::observer::{Offline, Settings};
use thirdleaf::speaker::{Established, Event, PeerId, SessionId};
use thirdleaf::time::Timestamp;

use crate::kernels::measured;
use crate::work::ours::terms;

/// The AS of all nodes.
pub(crate) const AS: u32 = 65_102;
const NODES: u32 = 40;

const CONFIG: &str = r#"
version = 1
[[leaf]]
name = "leaf"
local_as = 65000
router_id = "10.0.0.1"
listen = ["192.168.255.254:179"]
[[neighbors]]
leaf = "leaf"
range = "192.168.0.0/16"
peer_as = [65102]
[[policy.allow]]
class = "pod"
prefix = "10.244.0.0/16"
lengths = [26, 32]
[[policy.allow]]
class = "service"
prefix = "10.96.0.0/12"
lengths = [12, 32]
[[policy.allow]]
class = "node"
prefix = "192.168.0.0/16"
lengths = [29]
"#;

pub(crate) fn config() -> Config {
    config::parse(CONFIG, Path::new("guard"), &config::Machine).expect("a configuration")
}

/// From octets in a buffer to an observer that knows all of it.
pub(crate) fn learn() {
    let streams: Vec<BytesMut> = (0..NODES).map(stream).collect();
    let config = Arc::new(config());
    let mut offline = Offline::new(Arc::clone(&config), Settings::default(), Timestamp::default());
    let negotiated = Arc::new(terms());
    for node in 0..NODES {
        let event = established(node, &config, Arc::clone(&negotiated));
        offline.handle(Event::Established(Box::new(event)), Timestamp::default());
    }
    measured(|| {
        for (session, stream) in (0..).zip(&streams) {
            let batch = heard(stream, &negotiated);
            let (session, at) = (SessionId(session), Timestamp::default());
            offline.handle(Event::Routes { session, at, batch }, at);
        }
        offline.finish(Timestamp::default());
    });
    let routes = black_box(offline.snapshot(Timestamp::default())).summary.routes;
    assert_eq!((routes.accepted, routes.rejected), (u64::from(NODES) * 320, 0));
}

fn heard(stream: &[u8], negotiated: &Negotiated) -> Batch {
    let mut batch = Batch::default();
    let mut rest = stream;
    while let Ok(Some(found)) = frame(rest, false) {
        batch.push_update(&Update::parse(found.body, negotiated).expect("a good UPDATE"));
        rest = &rest[found.octets.len()..];
    }
    batch
}

fn established(node: u32, config: &Config, negotiated: Arc<Negotiated>) -> Established {
    Established {
        session: SessionId(node.into()),
        peer: PeerId { leaf: "leaf".into(), address: address(node) },
        local: IpAddr::from([192, 168, 255, 254]),
        at: Timestamp::default(),
        negotiated,
        capabilities: vec![],
        neighbors: Arc::new(config.neighbors[0].clone()),
        stats: Arc::default(),
    }
}

/// All that a node says.
fn stream(node: u32) -> BytesMut {
    let mut out = BytesMut::new();
    let prefixes = prefixes(node).map(|prefix| (0, prefix));
    let builder = Builder::new(&[AS], address(node));
    builder.with_set(|set| Announcer::default().announce(Family::Ipv4, set, prefixes, &mut out));
    Outgoing::EndOfRib(Family::Ipv4).encode(&mut out);
    out
}

/// What a node announces: its subnet, four blocks, the range of the services, 255 services that two other
/// nodes announce too, 59 addresses that it borrowed.
pub(crate) fn prefixes(node: u32) -> impl Iterator<Item = IpNet> {
    let pods = 0x0af4_0000;
    let subnet = iter::once(prefix(0xc0a8_0000 + node * 8, 29));
    let blocks = (0..4).map(move |block| prefix(pods + (node * 4 + block) * 64, 26));
    let range = iter::once(prefix(0x0a60_0000, 12));
    let services = (0..255).map(move |service| prefix(0x0a61_0000 + (node / 3) * 256 + service, 32));
    let borrowed = (0..59).map(move |pod| prefix(pods + 0x8000 + node * 64 + pod, 32));
    subnet.chain(blocks).chain(range).chain(services).chain(borrowed)
}

fn prefix(bits: u32, length: u8) -> IpNet {
    Ipv4Net::new(Ipv4Addr::from_bits(bits), length).expect("a length").into()
}

fn address(node: u32) -> IpAddr {
    Ipv4Addr::from_bits(0xc0a8_0001 + node * 8).into()
}
