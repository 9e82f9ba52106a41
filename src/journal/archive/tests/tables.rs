//! Tables, from an observer to a file that a reader takes the same routes from.

use bytes::BytesMut;
use ipnet::IpNet;
use tokio::sync::mpsc;

use super::*;
use crate::bgp::announce::Announcer;
use crate::bgp::attribute::{Builder, Set};
use crate::bgp::{Batch, Family, Update, frame};
use crate::config;
use crate::journal::archive::tables;
use crate::observer::{self, RouteQuery, Settings, view};
use crate::speaker::{Delivery, Established, Event};

/// Two leaves with one AS, and peers of the same addresses.
const CONFIG: &str = r#"version = 1
[[leaf]]
name = "rack1"
local_as = 65101
router_id = "192.0.2.4"
listen = ["192.0.2.4:179"]
[[leaf]]
name = "rack2"
local_as = 65101
router_id = "192.0.2.5"
listen = ["192.0.2.5:179"]
[[neighbors]]
leaf = "rack1"
range = "192.0.2.0/24"
peer_as = [65102]
[[neighbors]]
leaf = "rack2"
range = "192.0.2.0/24"
peer_as = [65102]
[[policy.allow]]
class = "pod"
prefix = "10.0.0.0/8"
lengths = [26, 32]
"#;

/// What tells a route from all others, and what is said of it.
type Told = (String, String, IpNet, u32, String, Option<std::net::IpAddr>, Option<u32>);

fn told(route: view::Route) -> Told {
    let peer = route.peer.to_string();
    (route.leaf.to_string(), peer, route.prefix, route.path_id, route.as_path, route.next_hop, route.med)
}

/// A session comes up and announces these prefixes, with these path identifiers.
async fn announce(
    events: &mpsc::Sender<Delivery>,
    config: &Config,
    (leaf, node, session): (usize, u8, u64),
    add_path: Families,
    routes: &[(u32, IpNet)],
) {
    let peer = PeerId { leaf: config.leaves[leaf].name.clone(), address: [192, 0, 2, node].into() };
    let negotiated = Negotiated { peer_as: 65102, local_as: 65101, add_path, ..terms(true, false) };
    let established = Established {
        session: SessionId(session),
        peer,
        local: config.leaves[leaf].listen[0].ip(),
        at: at(0, 0),
        negotiated: Arc::new(negotiated.clone()),
        capabilities: vec![],
        neighbors: Arc::new(config.neighbors[leaf].clone()),
        stats: Arc::default(),
    };
    events.send(Event::Established(Box::new(established)).into()).await.unwrap();
    let mut out = BytesMut::new();
    for family in Family::ALL {
        let next_hop = match family {
            Family::Ipv4 => [192, 0, 2, node].into(),
            Family::Ipv6 => std::net::IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, node.into()]),
        };
        let builder = Builder::new(&[65102], next_hop).med(u32::try_from(session).unwrap());
        builder.with_set(|set| {
            Announcer { add_path }.announce(family, set, routes.iter().copied(), &mut out);
        });
    }
    let mut octets = &out[..];
    while let Some(message) = frame(octets, true).unwrap() {
        let mut batch = Batch::default();
        batch.push_update(&Update::parse(message.body, &negotiated).unwrap());
        events.send(Event::Routes { session: SessionId(session), at: at(0, 0), batch }.into()).await.unwrap();
        octets = &octets[message.octets.len()..];
    }
}

/// All routes of a file of tables.
fn read(path: &Path) -> Vec<Told> {
    let octets = octets(path);
    let mut reader = Reader::new(&octets[..]);
    let (mut routes, mut leaf, mut body) = (Vec::new(), String::new(), Vec::new());
    let mut seen = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        match record.body {
            Body::Peers { view, .. } => {
                leaf = String::from_utf8(view.to_vec()).unwrap();
                seen.clear();
            }
            Body::Rib(rib) => {
                let with_ids = rib.entries().next().unwrap().path_id.is_some();
                assert!(!seen.contains(&(rib.prefix, with_ids)), "{} twice", rib.prefix);
                seen.push((rib.prefix, with_ids));
                for entry in rib.entries() {
                    entry.write_update(rib.prefix, &mut body);
                    let terms = entry.terms();
                    let update = Update::parse(&body, &terms).unwrap();
                    let mut batch = Batch::default();
                    batch.push_update(&update);
                    let Some(crate::bgp::batch::Item::Announce(_, set)) = batch.items().next() else {
                        panic!("{update:?}")
                    };
                    routes.push(route(&leaf, &entry, rib.prefix, set));
                }
            }
            other => panic!("{other:?}"),
        }
    }
    routes.sort();
    routes
}

fn route(leaf: &str, entry: &crate::mrt::Entry<'_>, prefix: IpNet, set: Set<'_>) -> Told {
    let peer = entry.peer.address.to_string();
    let path = set.as_path().to_string();
    (leaf.to_owned(), peer, prefix, entry.path_id.unwrap_or_default(), path, set.next_hop(), set.med())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_holds_the_routes_of_each_leaf_that_the_observer_has() {
    let temporary = Temporary::new("table");
    let settings = temporary.settings();
    let config = config::parse(CONFIG, Path::new("thirdleaf.toml"), &config::Machine).unwrap();
    let config = Arc::new(config);
    let clock = Clock::start();
    let (events, received) = mpsc::channel(64);
    let settings_of = Settings { strangers: true, ..Settings::default() };
    let observer = observer::spawn(Arc::clone(&config), settings_of, clock, received, |_| ());
    let net = |text: &str| -> IpNet { text.parse().unwrap() };
    // More than one piece, and one prefix that all have.
    let mut routes: Vec<_> =
        (0..2_500_u32).map(|n| (0, net(&format!("10.{}.{}.0/26", n / 250, n % 250)))).collect();
    routes.extend([(0, net("0.0.0.0/0")), (0, net("fd00:10:244::/122"))]);
    announce(&events, &config, (0, 1, 1), Families::NONE, &routes).await;
    let with_ids = [(7, net("0.0.0.0/0")), (8, net("0.0.0.0/0")), (0, net("10.0.1.0/26"))];
    announce(&events, &config, (0, 2, 2), Families::ALL, &with_ids).await;
    announce(&events, &config, (0, 3, 3), Families::NONE, &[(0, net("0.0.0.0/0"))]).await;
    announce(&events, &config, (1, 1, 4), Families::NONE, &[(0, net("0.0.0.0/0"))]).await;
    while observer.summary().await.unwrap().routes.total < 2_507 {
        tokio::task::yield_now().await;
    }

    let mut live = Vec::new();
    let mut query = RouteQuery { limit: 1_000, ..RouteQuery::default() };
    loop {
        let page = observer.routes(query.clone()).await.unwrap();
        live.extend(page.items.into_iter().map(told));
        let Some(cursor) = page.next_cursor else { break };
        query.cursor = Some(cursor.parse().unwrap());
    }
    live.sort();
    assert_eq!(live.len(), 2_507);

    let archive = Archive::start(&settings, clock).unwrap();
    let write = || tables::write(&observer, &archive.queue, &config.leaves, at(13, 0));
    // The thread may not have the directory yet.
    while let Err(error) = write().await {
        assert!(error.to_string().contains("cannot be had"), "{error}");
    }
    let file = files::table(&settings.dir, at(13, 0));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(read(&file), live);
    assert_eq!(archive.status().table, Some(at(13, 0)));
    archive.end().await;
    assert!(names(&settings.dir).iter().all(|name| !name.contains("partial")));
    // Whoever asks for one now is told, and waits for nothing.
    assert!(write().await.is_err());
    archive.end().await;
}
