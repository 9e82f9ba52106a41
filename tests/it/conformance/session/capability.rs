//! 1.2: capabilities of all sorts (RFC 5492 and those that define one).

use serde_json::Value;

use super::open::{refused, taken};
use super::{Bench, Case, Client, NODE_AS, Place, announce, holds, route, run, up};
use crate::run::eventually;
use crate::wire::{
    OPEN, Open, as_path, capability, end_of_rib, four_octet_as, graceful_restart, message, mp_reach,
    mp_unreach, multiprotocol, nlri, origin, parameter, update,
};

const SOURCE: &str = "RFC 5492, 3-4";

#[test]
fn capabilities() {
    let bench = Bench::new(Place::config);
    let mut cases = orders();
    cases.extend(codes());
    cases.extend(contradictions());
    cases.extend(names());
    cases.extend(malformed());
    cases.extend(families());
    cases.extend(roles());
    run("1.2 Capabilities", &bench, cases);
}

/// An OPEN with more capabilities than the plain form holds (RFC 9072).
fn many(client: &Client<'_>, capabilities: &[u8]) -> Vec<u8> {
    let length = u16::try_from(capabilities.len()).unwrap();
    let head = [&[255, 255][..], &(length + 3).to_be_bytes(), &[2], &length.to_be_bytes()].concat();
    message(OPEN, &[client.usual_open().fixed(), head, capabilities.to_vec()].concat())
}

fn mine() -> Vec<u8> {
    four_octet_as(NODE_AS.into())
}

fn ipv4(peer: &Value) {
    assert_eq!(peer["families"], serde_json::json!(["ipv4"]), "{peer}");
}

fn orders() -> Vec<Case> {
    let both = |peer: &Value| assert_eq!(peer["families"], serde_json::json!(["ipv4", "ipv6"]), "{peer}");
    let usual = || [multiprotocol(1, 1), multiprotocol(2, 1), mine()];
    vec![
        taken(
            SOURCE,
            "one capability each parameter",
            move |client| {
                let parameters = usual().map(|one| parameter(2, &one)).concat();
                Open { parameters, ..client.usual_open() }.encode()
            },
            both,
        ),
        taken(
            SOURCE,
            "the other way round",
            move |client| {
                let mut all = usual();
                all.reverse();
                client.open_with(&all).encode()
            },
            both,
        ),
        taken(
            SOURCE,
            "unknown ones before, between and after",
            move |client| {
                let [four, six, number] = usual();
                let unknown = |code, value: &[u8]| capability(code, value);
                client
                    .open_with(&[
                        unknown(0, &[]),
                        four,
                        unknown(99, &[1; 30]),
                        six,
                        unknown(128, &[0]),
                        number,
                        unknown(255, &[]),
                    ])
                    .encode()
            },
            |peer| {
                let shown = peer["capabilities"].to_string();
                assert!(shown.contains("unknown 99 (30 octets)") && shown.contains("unknown 255"), "{shown}");
            },
        ),
        taken(
            SOURCE,
            "each of them twice, the same",
            move |client| client.open_with(&[usual(), usual()].concat()).encode(),
            both,
        ),
        taken(
            SOURCE,
            "200 unknown ones",
            move |client| {
                let unknown = (0..200).flat_map(|n: u8| capability(130 + n % 100, &[n]));
                many(client, &unknown.chain(usual().concat()).collect::<Vec<u8>>())
            },
            both,
        ),
        taken(
            SOURCE,
            "2000 empty ones",
            move |client| many(client, &[usual().concat(), capability(200, &[]).repeat(2000)].concat()),
            both,
        ),
        taken(
            SOURCE,
            "IPv4 200 times, then IPv6 200 times",
            move |client| {
                many(
                    client,
                    &[multiprotocol(1, 1).repeat(200), multiprotocol(2, 1).repeat(200), mine()].concat(),
                )
            },
            both,
        ),
    ]
}

/// Every capability in a form that few of them have.
fn codes() -> Vec<Case> {
    vec![
        taken(
            SOURCE,
            "each code 0..255 without a value",
            |client| {
                let empty: Vec<u8> = (0..=255).flat_map(|code| capability(code, &[])).collect();
                many(client, &empty)
            },
            ipv4,
        ),
        taken(
            SOURCE,
            "each code 0..255 with one octet",
            |client| {
                let short: Vec<u8> = (0..=255).flat_map(|code| capability(code, &[0])).collect();
                many(client, &short)
            },
            ipv4,
        ),
        Case::new(SOURCE, "each code 0..255 with 255 octets of 0, and of ff: up each time", |client| {
            for filling in [0, 0xff] {
                for codes in (0..=255).collect::<Vec<u8>>().chunks(15) {
                    let all: Vec<u8> =
                        codes.iter().flat_map(|code| capability(*code, &[filling; 255])).collect();
                    let mut peer = client.connect();
                    peer.open(&many(client, &all));
                    peer.confirm();
                    announce_two_octet(client, &mut peer);
                    peer.close();
                    eventually("it is gone", || client.table().is_empty().then_some(()));
                }
            }
        }),
    ]
}

/// Capabilities that contradict each other, or mean nothing without another.
fn contradictions() -> Vec<Case> {
    vec![
        taken(
            "RFC 4724, 3",
            "two graceful restarts that differ: the last counts",
            |client| {
                let first = graceful_restart(0x8, 100, &[(1, 0x80)]);
                let last = graceful_restart(0, 200, &[(2, 0)]);
                client.open_with(&[multiprotocol(1, 1), first, multiprotocol(2, 1), last, mine()]).encode()
            },
            |_| (),
        ),
        taken(
            "RFC 6793, 4",
            "capability 65 twice, both permitted: the first counts",
            |client| {
                client.open_with(&[multiprotocol(1, 1), four_octet_as(65103), four_octet_as(65104)]).encode()
            },
            |peer| assert_eq!(peer["peer_as"], 65103),
        ),
        refused("RFC 7607, 2", "capability 65 twice, the second is 0", (2, 2, vec![]), |client| {
            vec![client.open_with(&[multiprotocol(1, 1), mine(), four_octet_as(0)]).encode()]
        }),
        taken(
            "RFC 7911, 4",
            "add-path of each mode 0..255, which was not asked for",
            |client| {
                let entries: Vec<u8> = (0..=60).flat_map(|mode| [0, 1, 1, mode]).collect();
                many(client, &[multiprotocol(1, 1), mine(), capability(69, &entries)].concat())
            },
            ipv4,
        ),
        taken(
            "RFC 9494, 4.1",
            "long-lived graceful restart without graceful restart",
            |client| {
                client
                    .open_with(&[
                        multiprotocol(1, 1),
                        mine(),
                        capability(71, &[0, 1, 1, 0x80, 0xff, 0xff, 0xff]),
                    ])
                    .encode()
            },
            ipv4,
        ),
        Case::new("RFC 6793, 4.1", "no capability 65: AS_PATH has 2 octets a number", |client| {
            let mut peer = client.establish_with(&client.open_with(&[multiprotocol(1, 1)]));
            announce_two_octet(client, &mut peer);
            peer.expect_up();
        }),
    ]
}

/// What other daemons say of themselves.
fn names() -> Vec<Case> {
    vec![
        taken(
            SOURCE,
            "what BIRD, FRR and GoBGP send beyond that: FQDN, software version, ORF, dynamic",
            |client| {
                let version = [&[11][..], b"BIRD 2.0.12"].concat();
                let orf = [0, 1, 0, 1, 1, 64, 3];
                client
                    .open_with(&[
                        multiprotocol(1, 1),
                        mine(),
                        capability(73, b"\x04node\x07example"),
                        capability(75, &version),
                        capability(3, &orf),
                        capability(130, &orf),
                        capability(67, &[1, 2, 3]),
                        capability(66, &[]),
                        capability(128, &[]),
                    ])
                    .encode()
            },
            |peer| {
                let shown = peer["capabilities"].to_string();
                assert!(shown.contains("fqdn node.example"), "{shown}");
                assert!(shown.contains("software-version BIRD 2.0.12"), "{shown}");
            },
        ),
        taken(
            "ours",
            "names with control characters are shown without",
            |client| {
                let fqdn = capability(73, b"\x06a\x1b[31m\x04b\r\nc");
                client.open_with(&[multiprotocol(1, 1), mine(), fqdn, capability(75, b"\x03x\x00y")]).encode()
            },
            |peer| {
                let shown: Vec<&str> =
                    peer["capabilities"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
                assert!(shown.iter().all(|text| !text.contains(|c: char| c.is_control())), "{shown:?}");
                assert!(shown.contains(&"software-version x\u{fffd}y"), "{shown:?}");
            },
        ),
    ]
}

/// The client's block in a session of 2-octet numbers.
fn announce_two_octet(client: &Client<'_>, peer: &mut crate::peer::Peer) {
    use crate::wire::{TRANSITIVE, attribute, next_hop, nlri, origin, update};
    let [high, low] = NODE_AS.to_be_bytes();
    let path = attribute(TRANSITIVE, 2, &[2, 1, high, low]);
    let attributes = [origin(0), path, next_hop(client.address)].concat();
    peer.send(&update(&[], &attributes, &nlri(&super::block(client))));
    holds(client, peer);
}

/// A known capability that has not the form it should have, which is as if it had not been sent.
fn malformed() -> Vec<Case> {
    let rows: [(&str, u8, &[u8]); 46] = [
        ("multiprotocol of 0", 1, &[]),
        ("multiprotocol of 1", 1, &[0]),
        ("multiprotocol of 3", 1, &[0, 1, 0]),
        ("multiprotocol of 5", 1, &[0, 1, 0, 1, 0]),
        ("multiprotocol of 8", 1, &[0, 1, 0, 1, 0, 2, 0, 1]),
        ("route refresh of 1", 2, &[0]),
        ("ORF of 0", 3, &[]),
        ("ORF of 3", 3, &[0, 1, 0]),
        ("ORF whose count overruns", 3, &[0, 1, 0, 1, 255, 64, 3]),
        ("extended next hop of 1", 5, &[0]),
        ("extended next hop of 5", 5, &[0, 1, 0, 1, 0]),
        ("extended next hop of 7", 5, &[0, 1, 0, 1, 0, 2, 0]),
        ("extended next hop of odd families", 5, &[255, 255, 255, 255, 255, 255]),
        ("extended message of 1", 6, &[1]),
        ("multiple labels of 1", 8, &[1]),
        ("multiple labels of 3", 8, &[0, 1, 4]),
        ("multiple labels of 5", 8, &[0, 1, 4, 255, 0]),
        ("role of 0", 9, &[]),
        ("role of 2", 9, &[0, 3]),
        ("graceful restart of 0", 64, &[]),
        ("graceful restart of 1", 64, &[0x80]),
        ("graceful restart of 3", 64, &[0, 120, 0]),
        ("graceful restart of 5", 64, &[0, 120, 0, 1, 1]),
        ("graceful restart of 7", 64, &[0, 120, 0, 1, 1, 0x80, 0]),
        ("4-octet AS of 0", 65, &[]),
        ("4-octet AS of 1", 65, &[0]),
        ("4-octet AS of 2", 65, &[254, 78]),
        ("4-octet AS of 3", 65, &[0, 254, 78]),
        ("4-octet AS of 5", 65, &[0, 0, 254, 78, 0]),
        ("4-octet AS of 8", 65, &[0, 0, 254, 78, 0, 0, 254, 78]),
        ("add-path of 1", 69, &[0]),
        ("add-path of 3", 69, &[0, 1, 1]),
        ("add-path of 5", 69, &[0, 1, 1, 2, 0]),
        ("enhanced route refresh of 1", 70, &[0]),
        ("long-lived graceful restart of 1", 71, &[0]),
        ("long-lived graceful restart of 6", 71, &[0, 1, 1, 0x80, 0, 0]),
        ("long-lived graceful restart of 8", 71, &[0, 1, 1, 0x80, 0, 0, 60, 0]),
        ("FQDN of 0", 73, &[]),
        ("FQDN whose host overruns", 73, &[200, b'a']),
        ("FQDN without a domain's length", 73, &[1, b'a']),
        ("FQDN whose domain overruns", 73, &[1, b'a', 9, b'b']),
        ("FQDN with octets left over", 73, &[1, b'a', 1, b'b', 0]),
        ("software version of 0", 75, &[]),
        ("software version that overruns", 75, &[255, b'x']),
        ("software version with octets left over", 75, &[1, b'x', b'y']),
        ("PATHS-LIMIT of 4", 76, &[0, 1, 1, 0]),
    ];
    let mut cases: Vec<Case> = rows
        .into_iter()
        .map(|(what, code, value)| {
            let (unknown, value) = (matches!(code, 3 | 8 | 76), value.to_vec());
            let odd_families = code == 5 && value.len() == 6;
            let expected = if unknown { "unknown" } else { "malformed" };
            let expected = format!("{expected} {code} ({} octets)", value.len());
            Case::new("RFC 5492, 4", format!("{what}: as if it were not there, up"), move |client| {
                // First, last, and between others: what follows keeps its place.
                let odd = capability(code, &value);
                for at in 0..=2 {
                    let mut all = vec![multiprotocol(1, 1), multiprotocol(2, 1)];
                    all.insert(at, odd.clone());
                    if code != 65 {
                        all.push(mine());
                    }
                    let mut peer = client.establish_with(&client.open_with(&all));
                    let api = up(client, &mut peer);
                    assert_eq!(api["families"], serde_json::json!(["ipv4", "ipv6"]));
                    let shown = api["capabilities"].as_array().unwrap();
                    assert!(odd_families || shown.iter().any(|shown| *shown == *expected), "{shown:?}");
                    if code == 65 {
                        announce_two_octet(client, &mut peer);
                    } else {
                        announce(client, &mut peer);
                    }
                    peer.close();
                    // Whatever is wrong with graceful restart, there is none.
                    eventually("it is gone", || client.table().is_empty().then_some(()));
                }
            })
        })
        .collect();
    cases.push(refused(
        "RFC 6793, 4.2",
        "AS_TRANS with a capability 65 of 0, 1, 2, 3, 5 octets",
        (2, 2, vec![]),
        |client| {
            [0, 1, 2, 3, 5]
                .map(|length| {
                    let odd = capability(65, &vec![1; length]);
                    Open { my_as: 23456, ..client.open_with(&[multiprotocol(1, 1), odd]) }.encode()
                })
                .to_vec()
        },
    ));
    cases
}

/// Families as (AFI, SAFI) that a peer offers, and those that the session has.
type Offered = (&'static str, &'static [(u16, u8)], &'static [&'static str]);

fn families() -> Vec<Case> {
    const SOURCE: &str = "RFC 4760, 8";
    let rows: [Offered; 7] = [
        ("no multiprotocol capability at all", &[], &["ipv4"]),
        ("IPv4", &[(1, 1)], &["ipv4"]),
        ("IPv6 alone", &[(2, 1)], &["ipv6"]),
        ("IPv6, IPv4", &[(2, 1), (1, 1)], &["ipv4", "ipv6"]),
        (
            "VPN, multicast, EVPN, link state and IPv4",
            &[(1, 128), (1, 2), (25, 70), (16388, 71), (1, 1)],
            &["ipv4"],
        ),
        ("odd numbers and IPv6", &[(0, 0), (65535, 255), (1, 0), (0, 1), (2, 1)], &["ipv6"]),
        ("both, each of them thrice", &[(1, 1), (2, 1), (1, 1), (2, 1), (1, 1), (2, 1)], &["ipv4", "ipv6"]),
    ];
    let mut cases: Vec<Case> = rows
        .into_iter()
        .map(|(what, offered, agreed)| {
            let offered = offered.to_vec();
            taken(
                SOURCE,
                format!("{what}: {}", agreed.join(", ")),
                move |client| {
                    let all = offered.iter().map(|(afi, safi)| multiprotocol(*afi, *safi));
                    client.open_with(&all.chain([mine()]).collect::<Vec<_>>()).encode()
                },
                move |peer| assert_eq!(peer["families"], serde_json::json!(agreed)),
            )
        })
        .collect();
    cases.push(Case::new(SOURCE, "IPv6 alone: its routes are heard and withdrawn", |client| {
        let mut peer = client.establish_with(&client.open_with(&[multiprotocol(2, 1), mine()]));
        let next_hop = std::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).octets();
        let reach = mp_reach(2, 1, &next_hop, &nlri("fd00:1::/64"));
        let attributes = [reach, origin(0), as_path(&[NODE_AS.into()])].concat();
        peer.send(&update(&[], &attributes, &[]));
        peer.until("it is held", || (client.table().len() == 1).then_some(()));
        peer.send(&update(&[], &mp_unreach(2, 1, &nlri("fd00:1::/64")), &[]));
        peer.until("it is gone", || client.table().is_empty().then_some(()));
        peer.expect_up();
    }));
    let wanted = [multiprotocol(1, 1), multiprotocol(2, 1)].concat();
    cases.push(refused(
        "RFC 5492, 3",
        "no family of ours, what we want is sent along",
        (2, 7, wanted),
        |client| {
            [(1, 128), (2, 2), (25, 70)]
                .map(|(afi, safi)| client.open_with(&[multiprotocol(afi, safi), mine()]).encode())
                .to_vec()
        },
    ));
    cases.push(Case::new(
        "RFC 4724, 4.2",
        "graceful restart of families that were not negotiated: routes go at once",
        |client| {
            let restart = graceful_restart(0, 120, &[(2, 0x80), (25, 0x80)]);
            let mut peer = client.establish_with(&client.open_with(&[multiprotocol(1, 1), restart, mine()]));
            peer.send(&[route(client), end_of_rib()].concat());
            holds(client, &mut peer);
            peer.close();
            eventually("it is gone", || client.table().is_empty().then_some(()));
        },
    ));
    cases
}

fn roles() -> Vec<Case> {
    const SOURCE: &str = "RFC 9234, 4.2";
    let mut cases: Vec<Case> = [0, 1, 2, 3, 4, 5, 255]
        .into_iter()
        .map(|role| {
            taken(
                SOURCE,
                format!("role {role}, ours is not configured"),
                move |client| {
                    client.open_with(&[multiprotocol(1, 1), capability(9, &[role]), mine()]).encode()
                },
                |_| (),
            )
        })
        .collect();
    cases.push(taken(
        SOURCE,
        "the same role twice",
        |client| {
            client
                .open_with(&[multiprotocol(1, 1), capability(9, &[3]), capability(9, &[3]), mine()])
                .encode()
        },
        |_| (),
    ));
    cases.push(refused(SOURCE, "two roles that are not the same", (2, 11, vec![]), |client| {
        [[0, 3], [3, 4], [255, 0]]
            .map(|roles| {
                let [one, other] = roles.map(|role| capability(9, &[role]));
                client.open_with(&[multiprotocol(1, 1), one, other, mine()]).encode()
            })
            .to_vec()
    }));
    cases
}
