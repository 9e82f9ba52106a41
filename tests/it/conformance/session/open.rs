//! 1.2: OPEN and its fixed fields, and how its optional parameters are held.

use std::fmt::Display;

use serde_json::Value;

use super::super::LEAF_AS;
use super::{Bench, Case, Client, Place, Told, run, unknown, up};
use crate::wire::{OPEN, Open, capability, four_octet_as, message, multiprotocol, parameter};

const SOURCE: &str = "RFC 4271, 6.2";

#[test]
fn opens() {
    let bench = Bench::new(Place::config);
    let mut cases = fields();
    cases.extend(numbers());
    run("1.2 OPEN", &bench, cases);
}

#[test]
fn as_numbers() {
    let bench = Bench::new(|place| {
        place.config().replace("[\"65102-65199\"]", "[23456, \"65102\", \"4200000001-4200000009\"]")
    });
    run("1.2 AS numbers", &bench, wide_numbers());
}

/// Each of these OPENs gets this NOTIFICATION.
pub(super) fn refused(
    source: &'static str,
    trigger: impl Display,
    told: Told,
    opens: impl Fn(&Client<'_>) -> Vec<Vec<u8>> + Send + Sync + 'static,
) -> Case {
    let trigger = format!("{trigger}: {}/{} {:02x?}", told.0, told.1, told.2);
    Case::new(source, trigger, move |client| {
        for open in opens(client) {
            let mut peer = client.connect();
            peer.send(&open);
            assert_eq!(peer.expect_notification(), told, "to {open:02x?}");
        }
        unknown(client);
    })
}

/// With this OPEN a session comes up; what the API says of it.
pub(super) fn taken(
    source: &'static str,
    trigger: impl Display,
    open: impl Fn(&Client<'_>) -> Vec<u8> + Send + Sync + 'static,
    look: impl Fn(&Value) + Send + Sync + 'static,
) -> Case {
    Case::new(source, format!("{trigger}: up"), move |client| {
        let mut peer = client.connect();
        peer.open(&open(client));
        peer.confirm();
        look(&up(client, &mut peer));
        peer.expect_up();
    })
}

/// The usual OPEN, changed.
fn changed(change: fn(&mut Open)) -> impl Fn(&Client<'_>) -> Vec<Vec<u8>> {
    move |client| {
        let mut open = client.usual_open();
        change(&mut open);
        vec![open.encode()]
    }
}

fn fields() -> Vec<Case> {
    let version = (2, 1, vec![0, 4]);
    let mut cases = vec![
        refused(SOURCE, "each version but 4", version.clone(), |client| {
            let versions = (0..=255).filter(|version| *version != 4);
            versions.map(|version| Open { version, ..client.usual_open() }.encode()).collect()
        }),
        refused(SOURCE, "version 3, and nothing else is right", version, |_| {
            vec![message(OPEN, &[3, 0, 0, 0, 1, 0, 0, 0, 0, 200])]
        }),
        refused(
            "RFC 6286, 2.2",
            "identifier 0.0.0.0",
            (2, 3, vec![]),
            changed(|open| open.identifier = [0; 4].into()),
        ),
        refused(SOURCE, "hold time 1", (2, 6, vec![0, 1]), changed(|open| open.hold_time = 1)),
        refused(SOURCE, "hold time 2", (2, 6, vec![0, 2]), changed(|open| open.hold_time = 2)),
        taken(
            "RFC 6286, 2.1",
            "our own identifier",
            |client| Open { identifier: client.bench.leaf(), ..client.usual_open() }.encode(),
            |_| (),
        ),
        Case::new(
            SOURCE,
            "our OPEN: version 4, AS 65101, hold time 3, the leaf's identifier, capabilities",
            |client| {
                let mut peer = client.connect();
                let body = peer.expect(OPEN);
                assert_eq!(body[..5], [4, 254, 77, 0, 3]);
                assert_eq!(body[5..9], client.bench.leaf().octets());
                let capabilities = [
                    multiprotocol(1, 1),
                    multiprotocol(2, 1),
                    capability(2, &[]),
                    capability(70, &[]),
                    four_octet_as(LEAF_AS.into()),
                    capability(64, &[0x40, 0]),
                    capability(6, &[]),
                ];
                let parameter = parameter(2, &capabilities.concat());
                assert_eq!(body[9], u8::try_from(parameter.len()).unwrap());
                assert_eq!(body[10..], parameter);
            },
        ),
    ];
    let identifiers = [[255; 4], [224, 0, 0, 1], [127, 0, 0, 1], [0, 0, 0, 1], [240, 0, 0, 1], [10, 0, 0, 1]];
    for identifier in identifiers {
        let identifier = std::net::Ipv4Addr::from(identifier);
        cases.push(taken(
            "RFC 6286, 2.1",
            format!("identifier {identifier}"),
            move |client| Open { identifier, ..client.usual_open() }.encode(),
            |_| (),
        ));
    }
    for (theirs, agreed) in [(0_u16, 0_u64), (3, 3), (4, 3), (90, 3), (180, 3), (32768, 3), (65535, 3)] {
        cases.push(taken(
            SOURCE,
            format!("hold time {theirs}, {agreed} is agreed on"),
            move |client| {
                // With 3, KEEPALIVEs come; that none do with 0 is a row of the timers.
                Open { hold_time: if theirs == 0 { 3 } else { theirs }, ..client.usual_open() }.encode()
            },
            move |peer| {
                if theirs > 0 {
                    assert_eq!(peer["hold_time"], agreed);
                }
            },
        ));
    }
    cases
}

/// An OPEN of My AS and, if it is given, of the capability's number.
fn of(client: &Client<'_>, my_as: u16, capability: Option<u32>) -> Vec<u8> {
    let mut offer = vec![multiprotocol(1, 1)];
    offer.extend(capability.map(four_octet_as));
    Open { my_as, ..client.open_with(&offer) }.encode()
}

/// My AS, the capability, and the AS that comes of it.
type Row = (u16, Option<u32>, Option<u32>);

fn rows(rows: &[Row]) -> Vec<Case> {
    let source = "RFC 6793, 4; 7607, 2";
    rows.iter()
        .map(|&(my_as, number, agreed)| {
            let trigger = match number {
                Some(number) => format!("My AS {my_as}, capability 65 with {number}"),
                None => format!("My AS {my_as}, no capability 65"),
            };
            match agreed {
                Some(agreed) => taken(
                    source,
                    format!("{trigger}, AS {agreed}"),
                    move |client| of(client, my_as, number),
                    move |peer| {
                        assert_eq!(peer["peer_as"], agreed);
                    },
                ),
                None => {
                    refused(source, trigger, (2, 2, vec![]), move |client| vec![of(client, my_as, number)])
                }
            }
        })
        .collect()
}

fn numbers() -> Vec<Case> {
    let ours = u32::from(LEAF_AS);
    rows(&[
        (65102, None, Some(65102)),
        (65199, None, Some(65199)),
        (65102, Some(65102), Some(65102)),
        (23456, Some(65102), Some(65102)),
        // The capability counts, whatever the field says.
        (65300, Some(65102), Some(65102)),
        (65102, Some(65103), Some(65103)),
        (LEAF_AS, Some(65102), Some(65102)),
        (65102, Some(65300), None),
        (65102, Some(4_200_000_000), None),
        (65102, Some(u32::MAX), None),
        (65102, Some(65102 << 16), None),
        (23456, Some(4_200_000_000), None),
        // Nobody's.
        (65300, None, None),
        (65300, Some(65300), None),
        (65200, None, None),
        (1, None, None),
        (65535, None, None),
        (65535, Some(65535), None),
        // Zero.
        (0, None, None),
        (0, Some(0), None),
        (0, Some(65102), None),
        (65102, Some(0), None),
        (23456, Some(0), None),
        // AS_TRANS.
        (23456, None, None),
        (23456, Some(23456), None),
        (65102, Some(23456), None),
        // Our own.
        (LEAF_AS, None, None),
        (LEAF_AS, Some(ours), None),
        (65102, Some(ours), None),
        (23456, Some(ours), None),
    ])
}

fn wide_numbers() -> Vec<Case> {
    let mut cases = rows(&[
        (23456, None, Some(23456)),
        (23456, Some(23456), Some(23456)),
        (23456, Some(4_200_000_001), Some(4_200_000_001)),
        (65102, Some(4_200_000_009), Some(4_200_000_009)),
        (23456, Some(4_200_000_010), None),
        (23456, Some(4_200_000_000), None),
        (23456, Some(65102), Some(65102)),
        (65103, None, None),
        (59905, None, None),
        (64512, None, None),
    ]);
    cases.push(Case::new("RFC 6793, 4", "two sessions of AS_TRANS and different numbers", |client| {
        let open = |number| of(client, 23456, Some(number));
        let mut peer = client.connect();
        peer.open(&open(4_200_000_002));
        peer.confirm();
        assert_eq!(up(client, &mut peer)["peer_as"], 4_200_000_002_u32);
        let mut second = client.connect();
        second.send(&open(4_200_000_003));
        assert_eq!(second.expect_notification(), (6, 7, vec![]));
        peer.expect_up();
    }));
    cases
}
