//! 1.2: who gets a connection at all, and what is counted of the others.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::{Bench, Case, Client, Place, announce, down, holds, run, unknown};
use crate::peer::{Heard, Peer};
use crate::run::{Daemon, eventually};
use crate::wire::{OPEN, keepalive, notification};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long TCP tries what must not succeed.
const VAIN: Duration = Duration::from_millis(1500);

#[test]
fn refusals() {
    // Each row has a counter to itself.
    let bench = Bench::new(|place| place.config() + &spare_range(place));
    run("1.2 Refused connections", &bench, counted());
}

#[test]
fn gtsm() {
    let bench = Bench::new(|place| place.config() + &place.range_of_cases("ttl_security_hops = 2"));
    run("1.2 GTSM", &bench, near_and_far());
}

#[test]
fn gtsm_of_all() {
    let bench = Bench::new(|place| place.config().replace("peer_as =", "ttl_security_hops = 1\npeer_as ="));
    for (host, ttl) in [(10, 254), (11, 64), (12, 1)] {
        let far = Peer::connect_on(socket(ttl), bench.place.host(host), bench.leaf(), VAIN);
        assert!(far.is_err(), "RFC 5082, 3: TTL {ttl} was let in, and it must be 255 for everybody");
    }
    let client = bench.client(13);
    let mut peer = Peer::connect_on(socket(255), client.address, bench.leaf(), VAIN).unwrap();
    peer.open(&client.usual_open().encode());
    peer.confirm();
    announce(&client, &mut peer);
}

#[test]
fn md5() {
    let keys = Place::new();
    let [right, wrong] =
        [("right", "open sesame"), ("wrong", "open barley")].map(|(name, key)| keys.write(name, key));
    let key = |path: &Path| format!("password_file = {path:?}");
    let bench = Bench::new(|place| place.config() + &place.range_of_cases(&key(&right)));
    run("1.2 TCP-MD5", &bench, signed(key(&right), key(&wrong)));
}

fn socket(ttl: u32) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_ttl_v4(ttl).unwrap();
    socket
}

fn near_and_far() -> Vec<Case> {
    const SOURCE: &str = "RFC 5082, 3";
    let connect = |client: &Client<'_>, ttl| {
        Peer::connect_on(socket(ttl), client.address, client.bench.leaf(), VAIN).unwrap()
    };
    let mut cases = vec![
        Case::new(SOURCE, "2 hops, TTL 253, 64, 1: closed without an OPEN, counted", move |client| {
            for ttl in [253, 64, 1] {
                assert_eq!(connect(client, ttl).hear(PATIENCE), Heard::Closed);
            }
            eventually("they are counted", || (client.bench.refused("ttl") == 3).then_some(()));
        }),
        Case::new(
            SOURCE,
            "2 hops, a NOTIFICATION from farther away than the connection: not heard",
            move |client| {
                let mut peer = connect(client, 254);
                peer.open(&client.usual_open().encode());
                peer.confirm();
                announce(client, &mut peer);
                peer.socket().set_ttl_v4(253).unwrap();
                peer.send(&notification(6, 2, &[]));
                down(client, "hold timer expired");
            },
        ),
    ];
    for ttl in [254, 255] {
        cases.push(Case::new(SOURCE, format!("2 hops, TTL {ttl}: up"), move |client| {
            let mut peer = connect(client, ttl);
            peer.open(&client.usual_open().encode());
            peer.confirm();
            announce(client, &mut peer);
            peer.expect_up();
        }));
    }
    cases
}

/// Another daemon that dials the leaf from a client's address.
fn dialling(client: &Client<'_>, key: &str) -> (Place, Daemon) {
    let (place, own, leaf) = (Place::new(), client.address, client.bench.leaf());
    let config = format!(
        r#"version = 1
[http]
listen = ["{http}:9179"]
[[leaf]]
name = "other"
local_as = 65102
router_id = "{own}"
listen = ["{own}:1790"]
[[neighbors]]
leaf = "other"
range = "{leaf}/32"
peer_as = [65101]
passive = false
port = 1790
{key}
"#,
        http = place.host(4),
    );
    let daemon = Daemon::start(&place, &place.write("thirdleaf.toml", &config));
    (place, daemon)
}

fn signed(right: String, wrong: String) -> Vec<Case> {
    const SOURCE: &str = "RFC 2385";
    vec![
        Case::new(SOURCE, "a key here, none there: TCP does not connect", |client| {
            let plain = Peer::connect_on(socket(64), client.address, client.bench.leaf(), VAIN);
            assert!(plain.is_err());
            unknown(client);
        }),
        Case::new(
            SOURCE,
            "daemons that dial: with the key up, with another or none not even TCP",
            move |client| {
                let others = [client.bench.client(20), client.bench.client(21)];
                let _another = dialling(&others[0], &wrong);
                let _none = dialling(&others[1], "");
                let _same = dialling(client, &right);
                eventually("it is up", || (client.peer()?["state"] == "Established").then_some(()));
                // They began to dial before the one that is up, and go on for 10 s.
                std::thread::sleep(VAIN);
                others.iter().for_each(unknown);
                let metrics = client.bench.daemon.text("/metrics");
                let sum: f64 = metrics
                    .lines()
                    .filter(|line| line.starts_with("thirdleaf_bgp_connections_rejected_total{"))
                    .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
                    .sum();
                assert!(sum == 0.0, "no connection, so none to refuse: {metrics}");
            },
        ),
    ]
}

/// A range of one peer, in which the second is one too many.
fn spare_range(place: &Place) -> String {
    let range = place.host(252);
    format!("[[neighbors]]\nleaf = \"rack1\"\nrange = \"{range}/30\"\npeer_as = [\"65102\"]\nmax_peers = 1\n")
}

fn counted() -> Vec<Case> {
    vec![
        Case::new("RFC 4486, 4", "an address of no range: closed without an OPEN, counted", |client| {
            for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 255, 255, 254)] {
                let mut stranger = Peer::connect(address, client.bench.leaf());
                let _ = stranger.try_send(&client.usual_open().encode());
                let heard = stranger.hear(PATIENCE);
                assert!(matches!(heard, Heard::Closed | Heard::Reset), "{heard:?}");
            }
            assert_eq!(client.bench.refused("not_in_range"), 2);
        }),
        Case::new("RFC 4271, 6.2", "a wrong AS: 2/2, counted", |client| {
            let mut open = client.open_with(&[]);
            open.my_as = 65300;
            let mut peer = client.connect();
            peer.send(&open.encode());
            assert_eq!(peer.expect_notification(), (2, 2, vec![]));
            assert_eq!(client.bench.refused("as_not_allowed"), 1);
        }),
        Case::new("RFC 4271, 6.2", "a bad OPEN: 2/1, counted", |client| {
            let mut open = client.usual_open();
            open.version = 3;
            let mut peer = client.connect();
            peer.send(&open.encode());
            assert_eq!(peer.expect_notification(), (2, 1, vec![0, 4]));
            assert_eq!(client.bench.refused("open_error"), 1);
        }),
        Case::new("RFC 4271, 8.2.2", "no OPEN: 4/0, counted", |client| {
            let mut peer = client.connect();
            assert_eq!(peer.expect_notification(), (4, 0, vec![]));
            assert_eq!(client.bench.refused("open_timeout"), 1);
        }),
        Case::new("RFC 4271, 6.8", "a second session: 6/7, counted", |client| {
            let mut peer = client.establish();
            announce(client, &mut peer);
            let mut second = client.connect();
            second.send(&client.usual_open().encode());
            assert_eq!(second.expect_notification(), (6, 7, vec![]));
            assert_eq!(client.bench.refused("collision"), 1);
            holds(client, &mut peer);
            peer.expect_up();
        }),
        Case::new("ours", "a fifth silent connection: the oldest gets 6/8, counted", |client| {
            let mut silent: Vec<Peer> = (0..5).map(|_| client.connect()).collect();
            assert_eq!(silent[0].expect_notification(), (6, 8, vec![]));
            assert_eq!(client.bench.refused("half_open_limit"), 1);
            silent.iter_mut().skip(1).for_each(|peer| drop(peer.expect(OPEN)));
        }),
        Case::new("RFC 4486, 4", "one peer too many for its range: 6/5, counted", |client| {
            let first = client.bench.client(253);
            let mut peer = first.establish();
            let second = client.bench.client(254);
            let mut refused = second.connect();
            refused.send(&[second.usual_open().encode(), keepalive()].concat());
            assert_eq!(refused.expect_notification(), (6, 5, vec![]));
            assert_eq!(client.bench.refused("peer_limit"), 1);
            unknown(&second);
            peer.expect_up();
        }),
    ]
}
