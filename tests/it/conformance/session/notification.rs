//! 1.3: NOTIFICATION from the peer ends the session, whatever it says.

use super::{Bench, Case, Place, Stage, announce, closed, run};
use crate::run::eventually;
use crate::wire::{NOTIFICATION, message, notification};

const SOURCE: &str = "RFC 4271, 6.4, 8.2.2";

#[test]
fn notifications() {
    let bench = Bench::new(Place::config);
    let mut cases = codes();
    cases.extend(ceases());
    cases.extend(texts());
    cases.extend(forms());
    run("1.3 NOTIFICATION", &bench, cases);
}

fn codes() -> Vec<Case> {
    let mut cases = Vec::new();
    for stage in Stage::ALL {
        for code in 0..=12 {
            cases.push(closed(SOURCE, format!("NOTIFICATION {code}/0..12"), stage, move |_| {
                (0..=12).map(|subcode| notification(code, subcode, &[])).collect()
            }));
        }
        cases.push(closed(SOURCE, "NOTIFICATION 6/255, 13/1, 100/200, 255/255 with data", stage, |_| {
            let codes = [(6, 255), (13, 1), (100, 200), (255, 255)];
            codes.map(|(code, subcode)| notification(code, subcode, &[0, 1, 2, 255])).to_vec()
        }));
        cases.push(closed(SOURCE, "NOTIFICATION with 1, 255, 256 and 4075 octets of data", stage, |_| {
            [1, 255, 256, 4075].map(|length| notification(6, 2, &vec![0xee; length])).to_vec()
        }));
    }
    cases
}

/// Ends a session with these octets, and says what the API shows as the reason.
fn shown(source: &'static str, what: &str, octets: Vec<u8>, expected: impl Into<String>) -> Case {
    let expected = expected.into();
    let trigger = format!("{what}: shown as {expected:?}");
    Case::new(source, trigger, move |client| {
        let mut peer = Stage::Established.reach(client);
        announce(client, &mut peer);
        peer.send(&octets);
        peer.expect_silent_close();
        let error = eventually("the reason is shown", || {
            client.peer().filter(|peer| peer["state"] != "Established")?["last_error"]
                .as_str()
                .map(str::to_owned)
        });
        assert!(!error.contains(|c: char| c.is_control()), "{error:?}");
        assert!(error.contains(&expected), "{error:?}");
        assert!(error.chars().count() < 400, "{error:?}");
        eventually("its routes are gone", || client.table().is_empty().then_some(()));
    })
}

fn ceases() -> Vec<Case> {
    let names = [
        (1, "maximum number of prefixes reached"),
        (2, "administrative shutdown"),
        (4, "administrative reset"),
        (5, "connection rejected"),
        (6, "other configuration change"),
        (7, "connection collision resolution"),
        (8, "out of resources"),
        (9, "hard reset"),
        (10, "BFD down"),
    ];
    let mut cases: Vec<Case> = names
        .into_iter()
        .map(|(subcode, name)| {
            let expected = format!("received NOTIFICATION 6/{subcode} (cease: {name})");
            shown(
                "RFC 4486; 8538; 9384",
                &format!("Cease/{subcode}"),
                notification(6, subcode, &[]),
                expected,
            )
        })
        .collect();
    cases.push(Case::new("RFC 4486, 4", "Cease/3: a dynamic peer that was removed is forgotten", |client| {
        let mut peer = Stage::Established.reach(client);
        announce(client, &mut peer);
        peer.send(&notification(6, 3, &[]));
        peer.expect_silent_close();
        eventually("it is forgotten", || client.peer().is_none().then_some(()));
        assert!(client.table().is_empty());
    }));
    let others = [
        (1, 1, "message header error: connection not synchronized"),
        (2, 2, "OPEN message error: bad peer AS"),
    ];
    let more = [
        (3, 10, "UPDATE message error: invalid network field"),
        (4, 0, "hold timer expired"),
        (5, 3, "finite state machine error: unexpected message in Established"),
        (6, 77, "6/77 (cease)"),
        (7, 1, "ROUTE-REFRESH message error: invalid message length"),
        (8, 0, "send hold timer expired"),
        (99, 98, "99/98 (unknown error)"),
    ];
    cases.extend(others.into_iter().chain(more).map(|(code, subcode, name)| {
        shown(
            "RFC 4271, 4.5",
            &format!("NOTIFICATION {code}/{subcode}"),
            notification(code, subcode, &[]),
            name,
        )
    }));
    cases
}

fn texts() -> Vec<Case> {
    let text = |text: &[u8]| [&[u8::try_from(text.len()).unwrap()], text].concat();
    let rows: Vec<(&str, Vec<u8>, String)> = vec![
        ("a text", text(b"going down for an upgrade"), "\"going down for an upgrade\"".into()),
        ("a text of 128 octets", text(&[b'x'; 128]), "x".repeat(128)),
        ("a text of 255 octets", text(&[b'x'; 255]), "x".repeat(255)),
        ("an empty text", vec![0], "administrative".into()),
        ("no text", vec![], "administrative".into()),
        ("a length without text", vec![9], "administrative".into()),
        ("a length of 200 for 5 octets", [&[200][..], b"short"].concat(), "short".into()),
        ("a length of 3 for 8 octets", [&[3][..], b"cut here"].concat(), "\"cut\"".into()),
        ("invalid UTF-8", text(b"ab\xff\xfe\xc3"), "ab\u{fffd}".into()),
        (
            "half a character at its end",
            text("fünf ü".as_bytes().split_last().unwrap().1),
            "fünf \u{fffd}".into(),
        ),
        (
            "control characters",
            text(b"a\x00b\x07c\x1b[31mred\x7f"),
            "a\u{fffd}b\u{fffd}c\u{fffd}[31mred".into(),
        ),
        (
            "a new line and a forged log line",
            text(b"bye\r\nERROR all is lost"),
            "bye\u{fffd}\u{fffd}ERROR".into(),
        ),
        ("C1 control characters", text("x\u{85}y\u{9b}31m".as_bytes()), "x\u{fffd}y\u{fffd}31m".into()),
        (
            "text that runs from right to left",
            text("a\u{202e}b\u{2066}c".as_bytes()),
            "a\u{fffd}b\u{fffd}c".into(),
        ),
        ("quotes and braces", text(b"\"}],{\"x\":1"), "\"}],{\"x\":1".into()),
        ("a script", text(b"<script>alert(1)</script>"), "<script>alert(1)</script>".into()),
        ("other languages", text("Grüße, 再見".as_bytes()), "Grüße, 再見".into()),
        ("4 kB of text after its length", [&[255][..], &[b'y'; 4074]].concat(), "y".repeat(255)),
    ];
    let mut cases = Vec::new();
    for (what, data, expected) in rows {
        for subcode in [2, 4] {
            let what = format!("Cease/{subcode} with {what}");
            cases.push(shown("RFC 9003, 2", &what, notification(6, subcode, &data), expected.clone()));
        }
    }
    cases.push(shown("RFC 8538, 3", "Hard Reset around Cease/2", notification(6, 9, &[6, 2]), "hard reset"));
    cases
}

fn forms() -> Vec<Case> {
    vec![
        Case::new("RFC 4271, 4.1", "NOTIFICATION octet by octet: closed in silence", |client| {
            let mut peer = Stage::Established.reach(client);
            announce(client, &mut peer);
            for octet in notification(6, 2, &[2, b'h', b'i']) {
                // The last ones may meet a closed connection: there are none after its length.
                peer.send(&[octet]);
            }
            peer.expect_silent_close();
            super::down(client, "\"hi\"");
        }),
        Case::new(
            "RFC 4271, 6.4",
            "NOTIFICATION of 21 octets, then 19 without code: one end, one reason",
            |client| {
                let mut peer = Stage::Established.reach(client);
                peer.send(&[notification(6, 4, &[]), message(NOTIFICATION, &[])].concat());
                peer.expect_silent_close();
                super::down(client, "administrative reset");
                let resets = client.peer().unwrap()["resets"].clone();
                assert_eq!(resets, 1);
            },
        ),
    ]
}
