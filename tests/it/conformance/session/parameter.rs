//! 1.2: how the optional parameters of an OPEN are held, plain and extended (RFC 9072).

use serde_json::Value;

use super::open::{refused, taken};
use super::{Bench, Case, Client, Place, Told, announce, run};
use crate::wire::{OPEN, Open, capability, claiming, message, parameter};

const SOURCE: &str = "RFC 4271, 6.2";
const EXTENDED: &str = "RFC 9072, 2";

#[test]
fn parameters() {
    let bench = Bench::new(Place::config);
    let mut cases = kinds();
    cases.extend(lengths());
    cases.extend(extended());
    cases.extend(extended_lengths());
    run("1.2 Optional parameters", &bench, cases);
}

/// An OPEN with these octets after the hold time and identifier: the length of the parameters and all.
fn raw(client: &Client<'_>, tail: &[u8]) -> Vec<u8> {
    message(OPEN, &[&client.usual_open().fixed()[..], tail].concat())
}

/// The usual capabilities in one parameter: its two octets, 6 of IPv4, 6 of IPv6, 6 of the AS.
fn usual(client: &Client<'_>) -> Vec<u8> {
    client.usual_open().parameters
}

fn malformed() -> Told {
    (2, 0, vec![])
}

fn kinds() -> Vec<Case> {
    let unknown = (2, 4, vec![]);
    let mut cases = vec![
        taken(
            SOURCE,
            "no parameters at all, IPv4 alone",
            |client| client.open_with(&[]).encode(),
            |peer| {
                assert_eq!(peer["families"], serde_json::json!(["ipv4"]));
            },
        ),
        refused(
            SOURCE,
            "each unknown parameter 0, 1 (authentication), 3..254, empty",
            unknown.clone(),
            |client| {
                let kinds = (0..=254).filter(|kind| *kind != 2);
                kinds.map(|kind| raw(client, &[2, kind, 0])).collect()
            },
        ),
        refused(
            SOURCE,
            "an unknown parameter with a value, first, last, in between",
            unknown.clone(),
            |client| {
                let (known, other) = (usual(client), parameter(1, &[0, 1, 2, 3]));
                let orders =
                    [vec![&other], vec![&other, &known], vec![&known, &other], vec![&known, &other, &known]];
                orders
                    .map(|parts| {
                        let all: Vec<u8> = parts.into_iter().flatten().copied().collect();
                        Open { parameters: all, ..client.usual_open() }.encode()
                    })
                    .to_vec()
            },
        ),
        refused(SOURCE, "parameter 255 that is not the first", unknown, |client| {
            let all = [usual(client), parameter(255, &[])].concat();
            vec![Open { parameters: all, ..client.usual_open() }.encode()]
        }),
        taken(
            SOURCE,
            "exactly 255 octets of parameters",
            |client| {
                let mut open = client.usual_open();
                let filler = capability(200, &vec![0; 255 - open.parameters.len() - 4]);
                open.parameters.extend(parameter(2, &filler));
                assert_eq!(open.parameters.len(), 255);
                open.encode()
            },
            |_| (),
        ),
    ];
    cases.push(taken(
        "RFC 5492, 4",
        "an empty parameter before, between and after",
        |client| {
            let mut open = client.usual_open();
            open.parameters =
                [&parameter(2, &[])[..], &open.parameters, &parameter(2, &[]), &parameter(2, &[])].concat();
            open.encode()
        },
        |_| (),
    ));
    cases.push(taken(
        "RFC 5492, 4",
        "nothing but an empty parameter",
        |client| raw(client, &[2, 2, 0]),
        |_| (),
    ));
    cases
}

fn lengths() -> Vec<Case> {
    vec![
        refused(SOURCE, "every length of the parameters but the true one", malformed(), |client| {
            let open = client.usual_open();
            let mut lengths = (0..=255).filter(|length| usize::from(*length) != open.parameters.len());
            lengths.by_ref().map(|length| open.claiming(length)).collect()
        }),
        refused(SOURCE, "every length of the one parameter above the true one", malformed(), |client| {
            let true_length = usual(client)[1];
            (true_length + 1..=255)
                .map(|length| {
                    let mut open = client.usual_open();
                    open.parameters[1] = length;
                    open.encode()
                })
                .collect()
        }),
        refused(SOURCE, "the one parameter is 1 shorter than what it should hold", malformed(), |client| {
            let mut open = client.usual_open();
            open.parameters[1] -= 1;
            vec![open.encode()]
        }),
        refused(
            "RFC 5492, 4",
            "each capability's length above what is left of the parameter",
            malformed(),
            |client| {
                let mut opens = Vec::new();
                // The second octet of each of the three capabilities, and what follows it.
                for (at, left) in [(3, 16), (9, 10), (15, 4)] {
                    for length in left + 1..=255 {
                        let mut open = client.usual_open();
                        open.parameters[at] = length;
                        opens.push(open.encode());
                    }
                }
                opens
            },
        ),
        refused(
            "RFC 5492, 4",
            "a capability that would fit the OPEN but not its parameter",
            malformed(),
            |client| {
                let first = [2, 4, 65, 6, 0, 0];
                let all = [&first[..], &usual(client)].concat();
                vec![Open { parameters: all, ..client.usual_open() }.encode()]
            },
        ),
        refused("RFC 5492, 4", "a parameter of one octet: a code without length", malformed(), |client| {
            vec![raw(client, &[3, 2, 1, 65])]
        }),
        refused(SOURCE, "a parameter without its length", malformed(), |client| vec![raw(client, &[1, 2])]),
        refused(SOURCE, "cut after each octet of the parameters, lengths unchanged", malformed(), |client| {
            let length = u8::try_from(usual(client).len()).unwrap();
            let tail = [&[length][..], &usual(client)].concat();
            (1..tail.len()).map(|end| raw(client, &tail[..end])).collect()
        }),
        refused(SOURCE, "1, 2, 3, 20 and 1000 octets more than the parameters", malformed(), |client| {
            [1, 2, 3, 20, 1000]
                .map(|more| {
                    let open = client.usual_open();
                    let length = u8::try_from(open.parameters.len()).unwrap();
                    raw(client, &[&[length][..], &open.parameters, &vec![0; more]].concat())
                })
                .to_vec()
        }),
        refused(SOURCE, "octets after parameters of length 0", malformed(), |client| {
            [&[0, 0][..], &[0, 2, 0], &[0; 50]].map(|tail| raw(client, tail)).to_vec()
        }),
        refused(
            SOURCE,
            "header alone: an OPEN without room for the parameters' length",
            (1, 2, vec![0, 28]),
            |client| vec![claiming(OPEN, 28, &client.usual_open().fixed())],
        ),
    ]
}

/// The parameters in the form of RFC 9072, behind two octets.
fn long(first: [u8; 2], parameters: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut all = Vec::new();
    for (kind, value) in parameters {
        all.push(*kind);
        all.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        all.extend(value);
    }
    [&first[..], &u16::try_from(all.len()).unwrap().to_be_bytes(), &all].concat()
}

/// The usual capabilities without their parameter.
fn capabilities(client: &Client<'_>) -> Vec<u8> {
    usual(client)[2..].to_vec()
}

/// The usual ones, and so many more octets of a capability that nobody knows.
fn filled(client: &Client<'_>, octets: usize) -> Vec<u8> {
    let mut all = capabilities(client);
    let end = all.len() + octets;
    while end - all.len() >= 2 {
        let left = end - all.len();
        // No single octet may be left over.
        let take = if left - left.min(257) == 1 { 256 } else { left.min(257) };
        all.extend(capability(200, &vec![0; take - 2]));
    }
    assert_eq!(all.len(), end);
    all
}

fn extended() -> Vec<Case> {
    let known = |peer: &Value| assert_eq!(peer["families"], serde_json::json!(["ipv4", "ipv6"]));
    let mut cases = vec![
        taken(
            EXTENDED,
            "extended, short",
            |client| raw(client, &long([255, 255], &[(2, capabilities(client))])),
            known,
        ),
        taken(
            EXTENDED,
            "extended, one capability each parameter",
            |client| {
                let each: Vec<_> = capabilities(client).chunks(6).map(|one| (2, one.to_vec())).collect();
                raw(client, &long([255, 255], &each))
            },
            known,
        ),
        taken(
            EXTENDED,
            "extended, no parameter at all",
            |client| raw(client, &long([255, 255], &[])),
            |_| (),
        ),
        taken(
            EXTENDED,
            "extended, empty parameters around",
            |client| raw(client, &long([255, 255], &[(2, vec![]), (2, capabilities(client)), (2, vec![])])),
            known,
        ),
        taken(
            EXTENDED,
            "extended, 256, 300 and 1000 octets in one parameter",
            |client| raw(client, &long([255, 255], &[(2, filled(client, 1000))])),
            known,
        ),
        taken(
            EXTENDED,
            "extended, ten parameters of 300 octets",
            |client| {
                let each: Vec<_> = (0..10).map(|_| (2, filled(client, 300 - 18))).collect();
                raw(client, &long([255, 255], &each))
            },
            known,
        ),
        taken(
            EXTENDED,
            "extended, an OPEN of 4096 octets",
            |client| {
                let parameters = long([255, 255], &[(2, filled(client, 4096 - 28 - 4 - 3 - 18))]);
                let open = raw(client, &parameters);
                assert_eq!(open.len(), 4096);
                open
            },
            known,
        ),
        Case::new("RFC 8654, 4", "an OPEN of 4097 octets: 1/2", |client| {
            let parameters = long([255, 255], &[(2, filled(client, 4097 - 28 - 4 - 3 - 18))]);
            let mut peer = client.connect();
            peer.send(&raw(client, &parameters));
            assert_eq!(peer.expect_notification(), (1, 2, vec![16, 1]));
        }),
        refused(EXTENDED, "extended, an unknown parameter, and 255 inside", (2, 4, vec![]), |client| {
            let known = (2, capabilities(client));
            let of = |parameters: &[(u8, Vec<u8>)]| raw(client, &long([255, 255], parameters));
            vec![
                of(&[(1, vec![0; 4])]),
                of(&[(255, vec![])]),
                of(&[known.clone(), (3, vec![0; 300])]),
                of(&[(0, vec![]), known]),
            ]
        }),
    ];
    for first in [1, 4, 100, 254] {
        cases.push(taken(
            EXTENDED,
            format!("extended, announced by {first}, 255"),
            move |client| raw(client, &long([first, 255], &[(2, capabilities(client))])),
            known,
        ));
    }
    cases.push(Case::new(EXTENDED, "a session of the extended form holds routes as any other", |client| {
        let mut peer = client.connect();
        peer.open(&raw(client, &long([255, 255], &[(2, filled(client, 500))])));
        peer.confirm();
        announce(client, &mut peer);
        peer.expect_up();
    }));
    cases
}

fn extended_lengths() -> Vec<Case> {
    vec![
        refused(EXTENDED, "first length 0, type 255: what follows is left over", malformed(), |client| {
            vec![raw(client, &long([0, 255], &[(2, capabilities(client))]))]
        }),
        refused(EXTENDED, "255 without the type 255, in any form but its own", malformed(), |client| {
            let [_, rest @ ..] = &long([255, 255], &[(2, capabilities(client))])[..] else { unreachable!() };
            vec![
                raw(client, &[&[255, 2][..], &rest[1..]].concat()),
                raw(client, &[255]),
                raw(client, &[255, 2]),
            ]
        }),
        refused(EXTENDED, "extended, cut after each octet, lengths unchanged", malformed(), |client| {
            let tail = long([255, 255], &[(2, capabilities(client))]);
            (1..tail.len()).map(|end| raw(client, &tail[..end])).collect()
        }),
        refused(
            EXTENDED,
            "extended, of two parameters, cut after each octet, lengths unchanged",
            malformed(),
            |client| {
                let tail = long([255, 255], &[(2, capabilities(client)), (2, capability(200, &[1, 2, 3]))]);
                (1..tail.len()).map(|end| raw(client, &tail[..end])).collect()
            },
        ),
        refused(
            EXTENDED,
            "extended, every other length of all up to 600, and 65535",
            malformed(),
            |client| {
                let tail = long([255, 255], &[(2, capabilities(client))]);
                let length = u16::from_be_bytes([tail[2], tail[3]]);
                (0..600)
                    .chain([4096, 32768, 65535])
                    .filter(|other| *other != length)
                    .map(|other: u16| {
                        let mut tail = tail.clone();
                        tail[2..4].copy_from_slice(&other.to_be_bytes());
                        raw(client, &tail)
                    })
                    .collect()
            },
        ),
        refused(
            EXTENDED,
            "extended, the parameter longer than all by 1..300, and 65535",
            malformed(),
            |client| {
                let tail = long([255, 255], &[(2, capabilities(client))]);
                let length = u16::from_be_bytes([tail[5], tail[6]]);
                (length + 1..length + 300)
                    .chain([4096, 65535])
                    .map(|other: u16| {
                        let mut tail = tail.clone();
                        tail[5..7].copy_from_slice(&other.to_be_bytes());
                        raw(client, &tail)
                    })
                    .collect()
            },
        ),
        refused(EXTENDED, "extended, a capability longer than its parameter", malformed(), |client| {
            (7..=255)
                .map(|length| {
                    let mut tail = long([255, 255], &[(2, capabilities(client))]);
                    // The last capability's length.
                    let at = tail.len() - 5;
                    tail[at] = length;
                    raw(client, &tail)
                })
                .collect()
        }),
        refused(EXTENDED, "extended, octets left over", malformed(), |client| {
            [1, 2, 3, 100]
                .map(|more| {
                    raw(client, &[long([255, 255], &[(2, capabilities(client))]), vec![0; more]].concat())
                })
                .to_vec()
        }),
        refused(EXTENDED, "extended, one octet lengths inside", malformed(), |client| {
            let parameters = usual(client);
            let length = u16::try_from(parameters.len()).unwrap().to_be_bytes();
            vec![raw(client, &[&[255, 255][..], &length, &parameters].concat())]
        }),
    ]
}
