//! Header and framing, ROUTE-REFRESH, NOTIFICATION.

use bytes::{Bytes, BytesMut};

use super::hex;
use crate::bgp::notification::MAX_DATA;
use crate::bgp::refresh::Subtype;
use crate::bgp::{Cease, Family, MessageType, Notification, Outgoing, Problem, RouteRefresh, frame};

fn message(kind: u8, length: u16) -> Vec<u8> {
    let mut octets = vec![0xff; 16];
    octets.extend(length.to_be_bytes());
    octets.push(kind);
    octets.resize(usize::from(length).max(19), 0);
    octets
}

#[test]
fn wrong_headers_are_refused_from_the_header_alone() {
    // RFC 4271, 6.1; RFC 8654, 4.
    let rows = [
        ("length 0", 4, 0, false, (1, 2)),
        ("length 18", 4, 18, false, (1, 2)),
        ("length 4097", 2, 4097, false, (1, 2)),
        ("length 65535", 2, 65535, false, (1, 2)),
        ("KEEPALIVE of 20", 4, 20, false, (1, 2)),
        ("KEEPALIVE of 20, extended", 4, 20, true, (1, 2)),
        ("OPEN of 28", 1, 28, false, (1, 2)),
        ("OPEN of 4097, extended", 1, 4097, true, (1, 2)),
        ("UPDATE of 22", 2, 22, false, (1, 2)),
        ("NOTIFICATION of 20", 3, 20, false, (1, 2)),
        ("ROUTE-REFRESH of 4097", 5, 4097, false, (1, 2)),
        ("type 0", 0, 19, false, (1, 3)),
        ("type 6", 6, 23, false, (1, 3)),
        ("type 255", 255, 4096, false, (1, 3)),
        ("type 6 and a length of 18", 6, 18, false, (1, 2)),
        ("type 6 and a length of 4097", 6, 4097, false, (1, 2)),
        ("type 6 and a length of 4097, extended", 6, 4097, true, (1, 3)),
    ];
    for (row, kind, length, extended, code) in rows {
        let octets = &message(kind, length)[..19];
        let notification = frame(octets, extended).expect_err(row).notification();
        assert_eq!((notification.code, notification.subcode), code, "{row}");
        let data = if code.1 == 2 { length.to_be_bytes().to_vec() } else { vec![kind] };
        assert_eq!(notification.data, data, "{row}");
        assert_eq!(frame(&octets[..18], extended), Ok(None), "{row}: 18 octets are no header");
    }
}

#[test]
fn lengths_that_are_allowed() {
    let rows = [(1, 29, false), (1, 4096, true), (2, 23, false), (2, 4096, false), (2, 65535, true)];
    let more = [(3, 21, false), (3, 65535, true), (4, 19, true), (5, 19, false), (5, 23, false)];
    for (kind, length, extended) in rows.into_iter().chain(more) {
        let octets = message(kind, length);
        let found = frame(&octets, extended).unwrap().unwrap();
        assert_eq!((found.kind.code(), found.octets.len()), (kind, usize::from(length)));
        assert_eq!(found.body.len(), usize::from(length) - 19);
    }
}

#[test]
fn garbage_is_refused_at_its_first_octet() {
    // RFC 4271, 6.1: nothing of it is waited for.
    for garbage in ["GET / HTTP/1.1\r\n", "\x16\x03\x01\x02\x00", "\0"] {
        let error = frame(garbage.as_bytes(), false).unwrap_err();
        assert_eq!(error.problem(), Problem::Marker);
        assert_eq!(error.notification(), Notification::new(1, 1));
    }
    for wrong in 0..16 {
        let mut octets = message(4, 19);
        octets[wrong] = 0xfe;
        for end in 0..=19 {
            let problem = frame(&octets[..end], false).map_err(|error| error.problem());
            assert_eq!(problem, if end <= wrong { Ok(None) } else { Err(Problem::Marker) });
        }
    }
}

#[test]
fn a_stream_may_be_cut_anywhere() {
    // RFC 4271, 4.1.
    let mut stream = message(4, 19);
    stream.extend(message(2, 23));
    stream.extend(message(5, 23));
    let kinds = [MessageType::Keepalive, MessageType::Update, MessageType::RouteRefresh];
    for cut in 0..=stream.len() {
        let mut seen = Vec::new();
        let mut start = 0;
        for end in [cut, stream.len()] {
            while let Some(found) = frame(&stream[start..end], false).unwrap() {
                seen.push(found.kind);
                start += found.octets.len();
            }
        }
        assert_eq!(seen, kinds, "cut at {cut}");
    }
}

#[test]
fn route_refresh() {
    let parsed = RouteRefresh::parse(&hex("0001 00 01"), true).unwrap();
    assert_eq!((parsed.family(), parsed.subtype), (Some(Family::Ipv4), Subtype::Request));
    assert_eq!(RouteRefresh::parse(&hex("0002 01 01"), true).unwrap().subtype, Subtype::Begin);
    assert_eq!(RouteRefresh::parse(&hex("0002 02 01"), true).unwrap().subtype, Subtype::End);
    let odd = RouteRefresh::parse(&hex("4004 07 47"), false).unwrap();
    assert_eq!((odd.family(), odd.subtype), (None, Subtype::Unknown(7)));
    // RFC 7313, 5: 7/1 with the whole message where it is a marker of an enhanced refresh.
    let whole = |body: &str| [vec![0xff; 16], hex("001805"), hex(body)].concat();
    let rows = [
        ("0001 01 01 00", true, (7, 1), whole("000101 0100")),
        ("0001 02 01 00", true, (7, 1), whole("000102 0100")),
        ("0001 01 01 00", false, (1, 2), hex("0018")),
        ("0001 00 01 00", true, (1, 2), hex("0018")),
        ("0001 01", true, (7, 1), [vec![0xff; 16], hex("001605 000101")].concat()),
        ("0001", true, (1, 2), hex("0015")),
        ("", true, (1, 2), hex("0013")),
    ];
    for (body, enhanced, code, data) in rows {
        let notification = RouteRefresh::parse(&hex(body), enhanced).unwrap_err().notification();
        assert_eq!((notification.code, notification.subcode), code, "{body}");
        assert_eq!(notification.data, data, "{body}");
    }
}

fn shown(code: u8, subcode: u8, data: &[u8]) -> String {
    Notification { code, subcode, data: Bytes::copy_from_slice(data) }.to_string()
}

#[test]
fn notifications_are_fit_to_be_read() {
    // RFC 9003, 2: the text counts only where it may stand; RFC 4486.
    let long = [b"\xff".as_slice(), &[b'a'; 255]].concat();
    assert_eq!(shown(6, 2, b"\x05hello"), "6/2 (cease: administrative shutdown) \"hello\"");
    assert_eq!(shown(6, 4, b"\x05hello, world"), "6/4 (cease: administrative reset) \"hello\"");
    assert_eq!(shown(6, 2, b"\x09hello"), "6/2 (cease: administrative shutdown) \"hello\"");
    assert!(shown(6, 2, &long).ends_with(&format!(" \"{}\"", "a".repeat(255))));
    assert_eq!(shown(6, 2, b""), "6/2 (cease: administrative shutdown)");
    assert_eq!(shown(6, 2, b"\x00"), "6/2 (cease: administrative shutdown) data 00");
    assert_eq!(shown(6, 3, b"\x02hi"), "6/3 (cease: peer de-configured) data 026869");
    assert_eq!(shown(2, 2, &hex("0000fde9")), "2/2 (OPEN message error: bad peer AS) data 0000fde9");
    assert_eq!(shown(9, 9, b""), "9/9 (unknown error)");
    assert_eq!(shown(6, 99, &[7; 4000]), format!("6/99 (cease) data {}...", "07".repeat(16)));
    // Neither a second line nor colours reach a log.
    let evil = shown(6, 2, "\x17a\nb\x1b[31m\u{202e}\u{9b}c\u{2028}d".as_bytes());
    assert!(!evil.chars().any(|c| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}')), "{evil:?}");
    assert_eq!(shown(6, 2, b"\x03a\xff\xfe"), "6/2 (cease: administrative shutdown) \"a\u{fffd}\u{fffd}\"");
}

#[test]
fn text_of_ours_fits() {
    let text = "é".repeat(200);
    let notification = Notification::cease_with_text(Cease::AdministrativeShutdown, &text);
    assert_eq!(notification.data.len(), 255);
    assert_eq!(notification.text(), Some("é".repeat(127)));
    assert_eq!(Notification::cease_with_text(Cease::CollisionResolution, "no").data, Bytes::new());
}

#[test]
fn cease_codes() {
    for cease in Cease::ALL {
        assert_eq!(Cease::from_code(cease.code()), Some(cease));
        assert_eq!(Notification::cease(cease).as_cease(), Some(cease));
    }
    assert_eq!(Cease::from_code(0), None);
    assert_eq!(Cease::from_code(11), None);
}

#[test]
fn what_we_send() {
    let encoded = |outgoing: Outgoing| {
        let mut out = BytesMut::from(&b"before"[..]);
        outgoing.encode(&mut out);
        out[6 + 16..].to_vec()
    };
    assert_eq!(encoded(Outgoing::Keepalive), hex("0013 04"));
    assert_eq!(encoded(Outgoing::EndOfRib(Family::Ipv4)), hex("00170200000000"));
    assert_eq!(encoded(Outgoing::EndOfRib(Family::Ipv6)), hex("001d0200000006800f03000201"));
    assert_eq!(encoded(Outgoing::RouteRefresh(Family::Ipv4)), hex("00170500010001"));
    assert_eq!(encoded(Outgoing::RouteRefresh(Family::Ipv6)), hex("00170500020001"));
    let notification = |data| Notification { code: 3, subcode: 1, data: Bytes::from(data) };
    assert_eq!(encoded(Outgoing::Notification(notification(vec![1, 2]))), hex("0017 03 0301 0102"));
    let longest = encoded(Outgoing::Notification(notification(vec![0; 70_000])));
    assert_eq!((longest.len(), &longest[..2]), (MAX_DATA + 5, &[0x10, 0x00][..]));
}
