//! OPEN and what two of them agree on.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::hex;
use crate::bgp::capability::{AddPathFamily, RestartFamily};
use crate::bgp::{Capability, Error, Families, Family, Negotiated, Open, Outgoing};

const IDENTIFIER: Ipv4Addr = Ipv4Addr::new(172, 16, 10, 1);

/// An OPEN with these optional parameters, their length before them.
fn open(parameters: &str) -> Result<Open<'static>, Error> {
    Open::parse(&hex(&format!("04 fe4e 00f0 ac100a01 {parameters}"))).map(Open::into_owned)
}

fn code(result: Result<Open<'_>, Error>) -> (u8, u8, Bytes) {
    let notification = result.unwrap_err().notification();
    (notification.code, notification.subcode, notification.data)
}

#[test]
fn fixed_fields() {
    let rows: [(&str, &str, u8, &str); 9] = [
        ("version 3 (RFC 4271, 6.2)", "03 fe4e 00f0 ac100a01 00", 1, "0004"),
        ("version 5", "05 fe4e 00f0 ac100a01 00", 1, "0004"),
        ("AS 0 (RFC 7607, 2)", "04 0000 00f0 ac100a01 00", 2, ""),
        ("AS 0 in the capability", "04 fe4e 00f0 ac100a01 08 02 06 41 04 00000000", 2, ""),
        ("AS 0 in a second capability", "04 fe4e 00f0 ac100a01 0e 02 0c 4104 0000fe4e 4104 00000000", 2, ""),
        ("identifier 0 (RFC 6286, 2.2)", "04 fe4e 00f0 00000000 00", 3, ""),
        ("hold time 1 (RFC 4271, 4.2)", "04 fe4e 0001 ac100a01 00", 6, "0001"),
        ("hold time 2", "04 fe4e 0002 ac100a01 00", 6, "0002"),
        ("cut short", "04 fe4e 0002 ac10", 0, ""),
    ];
    for (row, body, subcode, data) in rows {
        let expected = (2, subcode, Bytes::from(hex(data)));
        assert_eq!(code(Open::parse(&hex(body))), expected, "{row}");
    }
    for hold_time in ["0000", "0003", "ffff"] {
        let body = hex(&format!("04 fe4e {hold_time} 00000001 00"));
        assert!(Open::parse(&body).is_ok(), "hold time {hold_time}");
    }
}

#[test]
fn structure() {
    // RFC 4271, 6.2; RFC 5492, 4; RFC 9072, 2.
    let refused: [(&str, &str, u8); 15] = [
        ("no length of the parameters", "", 0),
        ("parameters run past the message", "02", 0),
        ("octets after the parameters", "00 02", 0),
        ("octets after a capability", "04 02 02 02 00 00", 0),
        ("a parameter without a length", "01 02", 0),
        ("a parameter that overruns", "04 02 03 02 00", 0),
        ("a capability that overruns", "04 02 02 02 01", 0),
        ("a capability without a length", "03 02 01 02", 0),
        ("an unknown parameter", "02 03 00", 4),
        ("authentication (deprecated)", "03 01 01 00", 4),
        ("an unknown parameter after a good one", "06 02 02 02 00 07 00", 4),
        ("extended, cut in its length", "ff ff 00", 0),
        ("extended, runs past the message", "ff ff 0001", 0),
        ("extended, octets after it", "ff ff 0000 00", 0),
        ("extended, parameter overruns", "ff ff 0005 02 0003 02 00", 0),
    ];
    for (row, parameters, subcode) in refused {
        assert_eq!(code(open(parameters)), (2, subcode, Bytes::new()), "{row}");
    }
    let accepted: [(&str, &str, usize); 8] = [
        ("none", "00", 0),
        ("an empty parameter", "02 02 00", 0),
        ("one for each", "08 02 02 02 00 02 02 46 00", 2),
        ("all in one", "06 02 04 02 00 46 00", 2),
        ("duplicates", "08 02 06 02 00 02 00 02 00", 3),
        ("an unknown one", "07 02 05 c8 03 010203", 1),
        ("extended although short", "ff ff 0005 02 0002 02 00", 1),
        ("extended, the short length is not 255", "08 ff 0005 02 0002 02 00", 1),
    ];
    for (row, parameters, capabilities) in accepted {
        assert_eq!(open(parameters).expect(row).capabilities.iter().count(), capabilities, "{row}");
    }
}

#[test]
fn an_extended_open_cut_anywhere_is_refused() {
    // RFC 9072, 2.
    let whole = hex("04 fe4e 00f0 ac100a01 ff ff 000c 02 0002 02 00 02 0004 41 02 00 00");
    let whole = [&whole[..], &[0; 0]].concat();
    let declared = whole.len() - 13;
    let mut whole = whole;
    whole[11..13].copy_from_slice(&u16::try_from(declared).unwrap().to_be_bytes());
    assert!(Open::parse(&whole).is_ok());
    for end in 10..whole.len() {
        let cut = &whole[..end];
        assert_eq!(code(Open::parse(cut)).1, 0, "cut at {end}");
    }
}

#[test]
fn a_known_capability_of_the_wrong_form_is_not_offered() {
    // RFC 5492; each is read by its own length and never beyond.
    let rows = [
        ("multiprotocol of 3", "01 03 000100"),
        ("multiprotocol of 5", "01 05 0001000100"),
        ("route refresh of 1", "02 01 00"),
        ("extended message of 1", "06 01 00"),
        ("role of 0", "09 00"),
        ("role of 2", "09 02 0000"),
        ("graceful restart of 0", "40 00"),
        ("graceful restart of 1", "40 01 00"),
        ("graceful restart of 5", "40 05 0078000101"),
        ("AS of 0", "41 00"),
        ("AS of 1", "41 01 00"),
        ("AS of 3", "41 03 000000"),
        ("AS of 5", "41 05 0000000001"),
        ("add-path of 3", "45 03 000101"),
        ("enhanced refresh of 1", "46 01 00"),
        ("long-lived restart of 6", "47 06 000101800000"),
        ("extended next hop of 5", "05 05 0001000100"),
        ("host name that overruns", "49 02 0561"),
        ("domain that overruns", "49 03 00 0561"),
        ("software version that overruns", "4b 02 0961"),
    ];
    for (row, capability) in rows {
        let value = hex(capability);
        let parameter = [&[2, u8::try_from(value.len()).unwrap()], &value[..]].concat();
        let length = u8::try_from(parameter.len()).unwrap();
        let octets = [&hex("04 fe4e 00f0 ac100a01")[..], &[length], &parameter].concat();
        let parsed = Open::parse(&octets).expect(row);
        let expected = Capability::Malformed { code: value[0], data: Bytes::copy_from_slice(&value[2..]) };
        assert_eq!(parsed.capabilities.iter().collect::<Vec<_>>(), [expected], "{row}");
        assert_eq!(parsed.asn(), 65102, "{row}");
    }
}

#[test]
fn capabilities_as_people_read_them() {
    let rows = [
        ("01 04 00010001", "multiprotocol ipv4"),
        ("01 04 00190041", "multiprotocol 25/65"),
        ("02 00", "route-refresh"),
        ("05 06 000100010002", "extended-next-hop 1/1 via 2"),
        ("06 00", "extended-message"),
        ("09 01 03", "role customer"),
        ("40 06 c078 0001 01 80", "graceful-restart 120 s R N ipv4 F"),
        ("40 02 0000", "graceful-restart 0 s"),
        ("41 04 fa57e84e", "4-octet-as 4200065102"),
        ("45 04 0002 01 03", "add-path ipv6 both"),
        ("46 00", "enhanced-route-refresh"),
        ("47 07 0001 01 80 000e10", "long-lived-graceful-restart ipv4 3600 s"),
        ("49 0a 056e6f0a6465 03616263", "fqdn no\u{fffd}de.abc"),
        ("4b 05 0442495244", "software-version BIRD"),
        ("c8 02 0102", "unknown 200 (2 octets)"),
        ("41 01 00", "malformed 65 (1 octets)"),
    ];
    for (capability, text) in rows {
        let octets = hex(capability);
        assert_eq!(usize::from(octets[1]), octets.len() - 2);
        assert_eq!(Capability::decode(octets[0], &octets[2..]).to_string(), text);
    }
}

#[test]
fn long_capabilities_need_the_extended_form() {
    let unknown = |octets| Capability::Unknown { code: 200, data: Bytes::from(vec![7; octets]) };
    for sizes in [vec![], vec![250], vec![251], vec![255, 0], vec![255, 255, 255]] {
        let capabilities = sizes.iter().copied().map(unknown);
        let open = Open::new(4_200_065_102, 3, IDENTIFIER, capabilities);
        let mut out = BytesMut::new();
        Outgoing::Open(open.clone()).encode(&mut out);
        assert_eq!(Open::parse(&out[19..]), Ok(open), "{sizes:?}");
        let long = sizes.iter().sum::<usize>() > 250;
        assert_eq!(out.get(29) == Some(&255) && out.get(28) == Some(&255), long, "{sizes:?}");
    }
}

fn ours() -> Open<'static> {
    let families =
        vec![AddPathFamily { afi: 1, safi: 1, mode: 1 }, AddPathFamily { afi: 2, safi: 1, mode: 1 }];
    let graceful_restart =
        Capability::GracefulRestart { restarting: false, notification: true, time: 0, families: vec![] };
    Open::new(
        65199,
        3,
        Ipv4Addr::new(172, 16, 10, 6),
        vec![
            Capability::multiprotocol(Family::Ipv4),
            Capability::multiprotocol(Family::Ipv6),
            Capability::RouteRefresh,
            Capability::EnhancedRouteRefresh,
            Capability::FourOctetAs(65199),
            Capability::AddPath(families),
            graceful_restart,
            Capability::ExtendedMessage,
        ],
    )
}

#[test]
fn a_peer_without_capabilities_offers_ipv4() {
    // RFC 4760, 8; RFC 6793, 4.1.
    let agreed = Negotiated::between(&ours(), &Open::new(65102, 240, IDENTIFIER, vec![]));
    assert_eq!((agreed.peer_as, agreed.local_as), (65102, 65199));
    assert_eq!(agreed.families, Families::only(Family::Ipv4));
    assert!(!agreed.four_octet_as && !agreed.route_refresh && !agreed.enhanced_route_refresh);
    assert!(agreed.extended_message, "we said that we take them");
    assert_eq!((agreed.add_path, agreed.graceful_restart), (Families::NONE, None));
    assert_eq!((agreed.hold_time, agreed.keepalive_time), (Duration::from_secs(3), Duration::from_secs(1)));
}

#[test]
fn what_both_offer_counts() {
    let restart = |afi, forwarding| RestartFamily { afi, safi: 1, forwarding };
    let last = Capability::GracefulRestart {
        restarting: true,
        notification: false,
        time: 120,
        families: vec![restart(1, true), restart(2, false), restart(25, true)],
    };
    let first =
        Capability::GracefulRestart { restarting: false, notification: true, time: 7, families: vec![] };
    let add_path = |afi, mode| AddPathFamily { afi, safi: 1, mode };
    let theirs = Open::new(
        4_200_065_102,
        0,
        IDENTIFIER,
        vec![
            Capability::Multiprotocol { afi: 25, safi: 65 },
            Capability::multiprotocol(Family::Ipv6),
            Capability::FourOctetAs(4_200_065_102),
            first,
            last,
            Capability::AddPath(vec![add_path(1, 3), add_path(2, 2), add_path(2, 9)]),
        ],
    );
    let agreed = Negotiated::between(&ours(), &theirs);
    assert_eq!(agreed.peer_as, 4_200_065_102);
    assert_eq!(agreed.families, Families::only(Family::Ipv6));
    assert_eq!(agreed.add_path, Families::only(Family::Ipv6), "only of a negotiated family");
    assert_eq!((agreed.hold_time, agreed.keepalive_time), (Duration::ZERO, Duration::ZERO));
    let restart = agreed.graceful_restart.unwrap();
    assert_eq!(restart.restart_time, Duration::from_mins(2), "RFC 4724, 3: the last counts");
    assert!(restart.restarting && !restart.notification);
    assert_eq!((restart.families, restart.forwarding), (Families::only(Family::Ipv6), Families::NONE));
}

#[test]
fn add_path_needs_a_sender_and_a_receiver() {
    // RFC 7911, 4.
    for (mode, agreed) in [(0, false), (1, false), (2, true), (3, true), (4, false)] {
        let offer = Capability::AddPath(vec![AddPathFamily { afi: 1, safi: 1, mode }]);
        let theirs = Open::new(65102, 3, IDENTIFIER, vec![offer]);
        assert_eq!(Negotiated::between(&ours(), &theirs).add_path.contains(Family::Ipv4), agreed, "{mode}");
    }
}
