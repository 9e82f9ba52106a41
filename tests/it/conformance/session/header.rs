//! 1.1: header and framing.

use std::time::{Duration, Instant};

use super::{
    Bench, Case, Client, NODE_AS, Place, Stage, Told, announce, block, closed, down, holds, refused,
};
use super::{figure, route, run, unknown, up};
use crate::peer::Heard;
use crate::wire::{
    EXTENDED, KEEPALIVE, NOTIFICATION, OPEN, OPTIONAL, ROUTE_REFRESH, TRANSITIVE, UPDATE, as_path, attribute,
    capability, claiming, four_octet_as, keepalive, message, multiprotocol, next_hop, nlri, notification,
    origin, route_refresh, update,
};

#[test]
fn headers() {
    let bench = Bench::new(Place::config);
    let mut cases = Vec::new();
    for stage in Stage::ALL {
        cases.push(markers(stage));
        cases.extend(lengths(stage));
        cases.extend(types(stage));
        cases.extend(other_protocols(stage));
    }
    run("1.1 Header", &bench, cases);
}

#[test]
fn framing() {
    let bench = Bench::new(Place::config);
    let mut cases = streams();
    cases.extend(long_messages());
    cases.extend(refreshes());
    run("1.1 Framing", &bench, cases);
}

/// A header alone that is wrong for its length.
fn wrong_length(kind: u8, length: u16) -> (Vec<u8>, Told) {
    (claiming(kind, length, &[]), (1, 2, length.to_be_bytes().to_vec()))
}

fn markers(stage: Stage) -> Case {
    refused("RFC 4271, 6.1", "each of the marker's 16 octets wrong, each type", stage, |client| {
        let whole = [client.usual_open().encode(), route(client), notification(6, 2, &[]), keepalive()];
        (0..16)
            .map(|wrong| {
                let mut octets = whole[wrong % 4].clone();
                octets[wrong] = 0xff ^ (1 << (wrong % 8));
                (octets, (1, 1, vec![]))
            })
            .collect()
    })
}

/// Every length that no message of the type may have, from the header alone.
fn lengths(stage: Stage) -> Vec<Case> {
    let long: &[u16] = if stage == Stage::OpenSent { &[4097, 65535] } else { &[] };
    let rows: [(&str, u8, &[u16], &[u16]); 6] = [
        ("OPEN", OPEN, &[0, 18, 19, 28, 4097, 65535], &[]),
        ("UPDATE", UPDATE, &[0, 1, 18, 19, 22], long),
        ("KEEPALIVE", KEEPALIVE, &[0, 18, 20, 23, 4096, 4097, 65535], &[]),
        ("ROUTE-REFRESH", ROUTE_REFRESH, &[0, 18, 19, 20, 22, 24, 4096], long),
        ("type 0", 0, &[0, 18], &[]),
        ("type 255", 255, &[0, 18], &[]),
    ];
    let mut cases: Vec<Case> = rows
        .into_iter()
        .map(|(name, kind, always, long)| {
            let lengths: Vec<u16> = always.iter().chain(long).copied().collect();
            let what = format!("header alone: {name} of {lengths:?}");
            refused("RFC 4271, 6.1; 8654, 4", what, stage, move |_| {
                lengths.iter().map(|length| wrong_length(kind, *length)).collect()
            })
        })
        .collect();
    let lengths: Vec<u16> = [0, 18, 19, 20].iter().chain(long).copied().collect();
    let what = format!("header alone: NOTIFICATION of {lengths:?}");
    cases.push(closed("RFC 4271, 6.4", what, stage, move |_| {
        lengths.iter().map(|length| claiming(NOTIFICATION, *length, &[])).collect()
    }));
    cases
}

fn types(stage: Stage) -> Vec<Case> {
    // Some more rows, so that they run side by side.
    let quarters = [(0, 63), (64, 127), (128, 191), (192, 255)];
    let mut cases: Vec<Case> = quarters
        .into_iter()
        .map(|(first, last)| {
            let what = format!("each type of {first}..{last} but 1..5");
            refused("RFC 4271, 6.1", what, stage, move |_| {
                let unknown = (first..=last).filter(|kind| !(1..=5).contains(kind));
                unknown.map(|kind: u8| (message(kind, &[]), (1, 3, vec![kind]))).collect()
            })
        })
        .collect();
    cases.push(refused("RFC 4271, 6.1", "header alone: type 6 of 20, 23, 4096", stage, |_| {
        [20, 23, 4096].map(|length| (claiming(6, length, &[]), (1, 3, vec![6]))).to_vec()
    }));
    cases
}

/// What is not BGP is refused at its first octet that shows it, whatever comes after.
fn other_protocols(stage: Stage) -> Vec<Case> {
    // A generator, so that a failure can be had again.
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    };
    let rows: [(&str, Vec<u8>); 9] = [
        ("HTTP", b"GET / HTTP/1.1\r\nHost: leaf\r\n\r\n".to_vec()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("TLS ClientHello", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
        ("one octet", vec![0]),
        ("an empty line", b"\r\n".to_vec()),
        ("15 octets of a marker and HTTP", [&[0xff; 15][..], b"GET /"].concat()),
        ("4 kB of random octets", (0..512).flat_map(|_| random()).collect()),
        ("1 MB of zeros", vec![0; 1 << 20]),
    ];
    rows.into_iter()
        .map(|(what, octets)| {
            Case::new("RFC 4271, 6.1", format!("{what} instead of BGP, in {stage}: at once"), move |client| {
                let mut peer = stage.reach(client);
                let start = Instant::now();
                // It need not take all of it.
                let _ = peer.try_send(&octets);
                assert_eq!(peer.expect_notification(), (1, 1, vec![]));
                figure(client, "after", start.elapsed());
                assert!(start.elapsed() < Duration::from_secs(2), "it waited: {:?}", start.elapsed());
                if stage == Stage::Established { down(client, "1/1") } else { unknown(client) }
            })
        })
        .collect()
}

/// OPEN, KEEPALIVE and a route, as one stream.
fn stream(client: &Client<'_>) -> Vec<u8> {
    [client.usual_open().encode(), keepalive(), route(client)].concat()
}

fn streams() -> Vec<Case> {
    let mut cases = vec![
        Case::new("RFC 4271, 4.1", "octet by octet", |client| {
            let mut peer = client.connect();
            for octet in stream(client) {
                peer.send(&[octet]);
            }
            holds(client, &mut peer);
            up(client, &mut peer);
        }),
        Case::new("RFC 4271, 4.1", "OPEN, KEEPALIVE, a route and 400 KEEPALIVEs in one segment", |client| {
            let mut peer = client.connect();
            peer.send(&[stream(client), keepalive().repeat(400)].concat());
            holds(client, &mut peer);
            let received = &peer.until("all are counted", || {
                let api = client.peer()?;
                (api["messages"]["received"]["keepalive"].as_u64()? >= 401).then_some(api)
            })["messages"]["received"];
            assert_eq!((&received["open"], &received["update"]), (&1.into(), &1.into()), "{received}");
            assert!(received["keepalive"] == 401, "{received}");
            peer.expect_up();
        }),
        Case::new("RFC 4271, 4.1", "800 routes, each an UPDATE, in one segment", |client| {
            let mut peer = client.establish();
            let attributes = [origin(0), as_path(&[NODE_AS.into()]), next_hop(client.address)].concat();
            let pods = (0..800).map(|pod| format!("10.244.{}.{}/32", 200 + pod / 256, pod % 256));
            let updates: Vec<Vec<u8>> = pods.map(|pod| update(&[], &attributes, &nlri(&pod))).collect();
            peer.send(&updates.concat());
            peer.until("all are held", || (client.table().len() == 800).then_some(()));
            peer.expect_up();
        }),
        Case::new("RFC 4271, 4.1", "a KEEPALIVE, octet by octet, between others", |client| {
            let mut peer = client.establish();
            for _ in 0..20 {
                for octet in [keepalive(), keepalive()].concat() {
                    peer.send(&[octet]);
                }
            }
            announce(client, &mut peer);
            peer.expect_up();
        }),
    ];
    for first in 0..8 {
        let trigger = format!("OPEN, KEEPALIVE, UPDATE cut in two after each {first} + 8n octets");
        cases.push(Case::new("RFC 4271, 4.1", trigger, move |client| {
            for cut in (first..stream(client).len()).step_by(8).filter(|cut| *cut > 0) {
                let mut peer = client.connect();
                let octets = stream(client);
                let (before, after) = octets.split_at(cut);
                peer.send(before);
                // So that the two are really read one by one.
                std::thread::sleep(Duration::from_millis(3));
                peer.send(after);
                holds(client, &mut peer);
                peer.close();
                crate::run::eventually("it is gone", || client.table().is_empty().then_some(()));
            }
        }));
    }
    for first in 0..4 {
        let trigger = format!("two UPDATEs cut in three at every place, {first} + 4n octets in the middle");
        cases.push(Case::new("RFC 4271, 4.1", trigger, move |client| {
            let mut peer = client.establish();
            let both = [route(client), update(&nlri(&block(client)), &[], &[])].concat();
            for middle in (first..both.len()).step_by(4) {
                for start in (0..both.len() - middle).step_by(5) {
                    peer.send(&both[..start]);
                    peer.send(&both[start..start + middle]);
                    peer.send(&both[start + middle..]);
                    peer.keep_alive();
                }
            }
            announce(client, &mut peer);
            peer.expect_up();
        }));
    }
    cases
}

/// An UPDATE of `length` octets with one route: an unknown attribute fills it.
fn update_of(client: &Client<'_>, length: usize) -> Vec<u8> {
    let base = [origin(0), as_path(&[NODE_AS.into()]), next_hop(client.address)].concat();
    let nlri = nlri(&block(client));
    let filling = length - 19 - 4 - base.len() - 4 - nlri.len();
    let filler = attribute(OPTIONAL | TRANSITIVE | EXTENDED, 200, &vec![7; filling]);
    let update = update(&[], &[base, filler].concat(), &nlri);
    assert_eq!(update.len(), length);
    update
}

fn long_messages() -> Vec<Case> {
    let mut cases = Vec::new();
    for (length, extended) in [
        (4095, false),
        (4096, false),
        (4097, false),
        (65535, false),
        (4097, true),
        (65534, true),
        (65535, true),
    ] {
        let peers = if extended { "the peer offers capability 6" } else { "the peer does not, but we did" };
        let trigger = format!("UPDATE of {length}, {peers}");
        cases.push(Case::new("RFC 8654, 4", trigger, move |client| {
            let mut offer = vec![multiprotocol(1, 1), four_octet_as(NODE_AS.into())];
            offer.extend(extended.then(|| capability(6, &[])));
            let mut peer = client.establish_with(&client.open_with(&offer));
            peer.send(&update_of(client, length));
            holds(client, &mut peer);
            peer.expect_up();
        }));
    }
    cases.push(Case::new("RFC 8654, 4", "20 UPDATEs of 65535 in a row", |client| {
        let mut peer = client.establish();
        peer.send(&update_of(client, 65535).repeat(20));
        holds(client, &mut peer);
        peer.expect_up();
    }));
    cases.push(Case::new(
        "RFC 8654, 4",
        "UPDATE of 65535, octet by octet in its first and last 40",
        |client| {
            let mut peer = client.establish();
            let update = update_of(client, 65535);
            let (head, rest) = update.split_at(40);
            let (middle, tail) = rest.split_at(rest.len() - 40);
            for octet in head {
                peer.send(&[*octet]);
            }
            peer.send(middle);
            for octet in tail {
                peer.send(&[*octet]);
            }
            holds(client, &mut peer);
            peer.expect_up();
        },
    ));
    for stage in Stage::ALL {
        let lengths: &[usize] = if stage == Stage::OpenSent { &[4096] } else { &[4096, 4097, 65535] };
        cases.push(closed("RFC 8654, 4", format!("NOTIFICATION of {lengths:?}"), stage, move |_| {
            lengths.iter().map(|length| notification(6, 2, &vec![b'x'; length - 21])).collect()
        }));
    }
    cases
}

fn refreshes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (enhanced, name) in [(false, "plain"), (true, "enhanced")] {
        let offer = move |client: &Client<'_>| {
            let mut offer = vec![multiprotocol(1, 1), multiprotocol(2, 1), capability(2, &[])];
            offer.extend(enhanced.then(|| capability(70, &[])));
            offer.push(four_octet_as(NODE_AS.into()));
            client.open_with(&offer)
        };
        let trigger = format!("ROUTE-REFRESH ({name}) of any family and subtype: up, nothing is sent");
        cases.push(Case::new("RFC 2918, 4; 7313, 5", trigger, move |client| {
            let mut peer = client.establish_with(&offer(client));
            announce(client, &mut peer);
            for afi in [0, 1, 2, 3, 25, 16388, 65535] {
                for safi in [0, 1, 2, 4, 128, 255] {
                    // Beginning and end of a refresh of our families have an effect, which is not this row's.
                    for subtype in [0, 3, 4, 127, 128, 254, 255] {
                        peer.send(&route_refresh(afi, subtype, safi));
                    }
                }
            }
            peer.expect_up();
            while let Heard::Message(kind, body) = peer.hear(Duration::from_millis(50)) {
                assert_eq!(kind, KEEPALIVE, "{body:?}");
            }
            holds(client, &mut peer);
        }));
        for (subtype, name) in
            [(0, "request"), (1, "BoRR"), (2, "EoRR"), (3, "subtype 3"), (255, "subtype 255")]
        {
            let whole = enhanced && matches!(subtype, 1 | 2);
            let how = if enhanced { "enhanced" } else { "plain" };
            let expected = if whole { "7/1 with all of it" } else { "1/2" };
            let trigger =
                format!("ROUTE-REFRESH ({how}), {name}, of 22, 24, 27, 1000, 4075, 4096: {expected}");
            cases.push(Case::new("RFC 2918, 3; 7313, 5", trigger, move |client| {
                for length in [22_usize, 24, 27, 1000, 4075, 4096] {
                    let body: Vec<u8> = [0, 1, subtype, 1]
                        .into_iter()
                        .chain(std::iter::repeat(9))
                        .take(length - 19)
                        .collect();
                    let octets = message(ROUTE_REFRESH, &body);
                    let mut peer = client.establish_with(&offer(client));
                    peer.send(&octets);
                    let expected = if whole {
                        // As much of it as a NOTIFICATION holds.
                        (7, 1, octets[..length.min(4075)].to_vec())
                    } else {
                        (1, 2, octets[16..18].to_vec())
                    };
                    assert_eq!(peer.expect_notification(), expected, "{length}");
                }
                down(client, if whole { "7/1" } else { "1/2" });
            }));
        }
        let trigger = format!("ROUTE-REFRESH ({name}) of 24, 4096 cut after its subtype 0 or 3: 1/2 at once");
        cases.push(Case::new("RFC 2918, 3", trigger, move |client| {
            for (length, subtype) in [(24_u16, 0), (24, 3), (4096, 0)] {
                let mut peer = client.establish_with(&offer(client));
                peer.send(&claiming(ROUTE_REFRESH, length, &[0, 1, subtype]));
                assert_eq!(peer.expect_notification(), (1, 2, length.to_be_bytes().to_vec()));
            }
        }));
        let trigger = format!("ROUTE-REFRESH ({name}) of 19, 20, 21: too short for a subtype, 1/2 at once");
        cases.push(Case::new("RFC 2918, 3", trigger, move |client| {
            for length in [19_u16, 20, 21] {
                let mut peer = client.establish_with(&offer(client));
                peer.send(&claiming(ROUTE_REFRESH, length, &[]));
                assert_eq!(peer.expect_notification(), (1, 2, length.to_be_bytes().to_vec()));
            }
        }));
    }
    cases
}
