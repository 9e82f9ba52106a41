//! What holds whatever comes.

use std::net::{IpAddr, Ipv4Addr};

use bytes::{Bytes, BytesMut};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{hex, terms};
use crate::bgp::announce::Announcer;
use crate::bgp::attribute::{Builder, Community, Origin};
use crate::bgp::batch::Item;
use crate::bgp::capability::{AddPathFamily, LongLivedFamily, RestartFamily};
use crate::bgp::{
    Batch, Capability, Families, Family, Message, Negotiated, Notification, Open, Outgoing, Update, frame,
};

fn all_terms() -> Vec<Negotiated> {
    let sets = [Families::NONE, Families::only(Family::Ipv4), Families::only(Family::Ipv6), Families::ALL];
    let mut all = Vec::new();
    for families in sets {
        for add_path in sets {
            for bits in 0..4 {
                all.push(Negotiated {
                    families,
                    add_path,
                    four_octet_as: bits & 1 == 0,
                    enhanced_route_refresh: bits & 2 == 0,
                    ..terms()
                });
            }
        }
    }
    all
}

/// Uses everything that a message gives.
fn visit(message: &Message<'_>) -> String {
    let Message::Update(update) = message else { return format!("{message:?}") };
    let mut batch = Batch::default();
    batch.push_update(update);
    let mut seen = vec![update.faults().to_string()];
    for item in batch.items() {
        if let Item::Announce(_, set) = &item {
            let path = set.as_path();
            assert!(path.length() <= path.numbers().count());
            seen.push(format!("{path} {:?} {:?} {:?}", path.first(), path.origin(), set.next_hop()));
            seen.extend(set.communities().map(|community| community.to_string()));
        }
        match item {
            Item::Announce(nlri, _) | Item::Withdraw(nlri) => {
                for (_, prefix) in nlri {
                    assert_eq!(prefix, prefix.trunc());
                    seen.push(prefix.to_string());
                }
            }
            other => seen.push(format!("{other:?}")),
        }
    }
    seen.concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 19).unwrap();
    [&[0xff; 16][..], &length.to_be_bytes(), &[kind], body].concat()
}

/// Attributes that are nearly right: real types and flags, lengths and values of any kind.
fn attribute() -> impl Strategy<Value = Vec<u8>> {
    let code = prop_oneof![1..=18u8, Just(25), Just(32), Just(35), any::<u8>()];
    let flags = prop_oneof![Just(0x40u8), Just(0x80), Just(0xc0), Just(0x50), any::<u8>()];
    let value = prop_oneof![
        vec(any::<u8>(), 0..40),
        vec(0..4u8, 0..40),
        Just(vec![0]),
        Just(vec![2, 1, 0, 0, 0xfe, 0x4e]),
        Just(vec![172, 16, 10, 1]),
        vec(any::<u8>(), 0..9).prop_map(|nlri| [&[0, 1, 1, 4, 172, 16, 10, 1, 0][..], &nlri].concat()),
        vec(any::<u8>(), 0..9).prop_map(|nlri| [&[0, 2, 1, 16][..], &[0xfd; 16], &[0], &nlri].concat()),
        vec(any::<u8>(), 0..9).prop_map(|nlri| [&[0, 2, 1][..], &nlri].concat()),
    ];
    (flags, code, value, -1..2i16).prop_map(|(flags, code, value, lie)| {
        let length = i16::try_from(value.len()).unwrap().saturating_add(if lie == 0 { 0 } else { lie });
        let length = u16::try_from(length.max(0)).unwrap();
        let mut octets = vec![flags, code];
        if flags & 0x10 == 0 {
            octets.push(u8::try_from(length).unwrap());
        } else {
            octets.extend(length.to_be_bytes());
        }
        octets.extend(value);
        octets
    })
}

fn update() -> impl Strategy<Value = Vec<u8>> {
    let nlri = || prop_oneof![3 => Just(vec![24, 10, 1, 0]), 1 => Just(vec![]), 1 => vec(0..40u8, 0..20)];
    let usual = || prop_oneof![1 => Just(""), 4 => Just("40010100 400206 0201 0000fe4e 400304 ac100a01"), 1 => Just("40010100 400204 0201 fe4e 400304 ac100a01")];
    (nlri(), usual(), vec(attribute(), 0..8), usual(), nlri()).prop_map(
        |(withdrawn, first, attributes, last, nlri)| {
            let attributes = [hex(first), attributes.concat(), hex(last)].concat();
            let length = |octets: &[u8]| u16::try_from(octets.len()).unwrap().to_be_bytes();
            [&length(&withdrawn)[..], &withdrawn, &length(&attributes), &attributes, &nlri].concat()
        },
    )
}

fn prefix4() -> impl Strategy<Value = IpNet> {
    (any::<u32>(), 0..=32u8)
        .prop_map(|(address, length)| Ipv4Net::new(address.into(), length).unwrap().trunc().into())
}

fn prefix6() -> impl Strategy<Value = IpNet> {
    (any::<u128>(), 0..=128u8)
        .prop_map(|(address, length)| Ipv6Net::new(address.into(), length).unwrap().trunc().into())
}

fn capability() -> impl Strategy<Value = Capability> {
    let text = "[a-z0-9.-]{0,40}";
    let families = vec((any::<u16>(), any::<u8>(), any::<bool>()), 0..4);
    let restart = |(afi, safi, forwarding)| RestartFamily { afi, safi, forwarding };
    let long_lived = (any::<u16>(), any::<u8>(), any::<bool>(), 0..0x100_0000u32);
    let long_lived = long_lived.prop_map(|(afi, safi, forwarding, stale_time)| LongLivedFamily {
        afi,
        safi,
        forwarding,
        stale_time,
    });
    let add_path = (any::<u16>(), any::<u8>(), any::<u8>());
    let add_path = add_path.prop_map(|(afi, safi, mode)| AddPathFamily { afi, safi, mode });
    prop_oneof![
        (any::<u16>(), any::<u8>()).prop_map(|(afi, safi)| Capability::Multiprotocol { afi, safi }),
        Just(Capability::RouteRefresh),
        Just(Capability::ExtendedMessage),
        Just(Capability::EnhancedRouteRefresh),
        any::<u8>().prop_map(Capability::Role),
        (any::<bool>(), any::<bool>(), 0..4096u16, families).prop_map(
            move |(restarting, notification, time, families)| Capability::GracefulRestart {
                restarting,
                notification,
                time,
                families: families.into_iter().map(restart).collect(),
            }
        ),
        (1..=u32::MAX).prop_map(Capability::FourOctetAs),
        vec(add_path, 0..4).prop_map(Capability::AddPath),
        vec(long_lived, 0..4).prop_map(Capability::LongLivedGracefulRestart),
        (text, text).prop_map(|(host, domain)| Capability::Fqdn { host, domain }),
        text.prop_map(Capability::SoftwareVersion),
        (200..=255u8, vec(any::<u8>(), 0..256))
            .prop_map(|(code, data)| Capability::Unknown { code, data: data.into() }),
    ]
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(kind in 0..8u8, body in vec(any::<u8>(), 0..300)) {
        for terms in all_terms() {
            let octets = message(kind, &body);
            if let Ok(Some(frame)) = frame(&octets, terms.extended_message) {
                match Message::parse(&frame, &terms) {
                    Ok(message) => drop(visit(&message)),
                    Err(error) => drop((error.to_string(), error.notification().to_string())),
                }
            }
            let _ = frame(&body, true);
        }
    }

    #[test]
    fn nearly_valid_updates_never_panic(body in update()) {
        for terms in all_terms() {
            match Update::parse(&body, &terms) {
                Ok(update) => {
                    let mut batch = Batch::default();
                    batch.push_update(&update);
                    // Nothing of a family that was not negotiated gets through.
                    for item in batch.items() {
                        if let Item::Announce(nlri, _) | Item::Withdraw(nlri) = item {
                            prop_assert!(terms.families.contains(nlri.family()));
                            prop_assert!(!nlri.is_empty());
                        }
                    }
                    visit(&Message::Update(update));
                }
                Err(error) => {
                    prop_assert_eq!(error.notification().code, 3);
                    prop_assert!(error.offset() <= body.len());
                }
            }
        }
    }

    /// What was taken in and written out again is taken in as the same, without being rewritten.
    #[test]
    fn the_canonical_form_is_a_fixed_point(body in update()) {
        for terms in all_terms() {
            let Ok(update) = Update::parse(&body, &terms) else { continue };
            for announced in update.announced().filter(|announced| announced.nlri.family() == Family::Ipv4) {
                let mut scratch = Vec::new();
                let canonical = update.attributes(announced, &mut scratch).octets().to_vec();
                let length = u16::try_from(canonical.len()).unwrap().to_be_bytes();
                let again = [&[0, 0], &length[..], &canonical, announced.nlri.octets()].concat();
                let wide = Negotiated { four_octet_as: true, ..terms.clone() };
                let parsed = Update::parse(&again, &wide).unwrap();
                prop_assert!(parsed.faults().is_empty(), "{}", parsed.faults());
                let mut scratch = Vec::new();
                let first = parsed.announced().next().unwrap();
                let set = parsed.attributes(first, &mut scratch);
                prop_assert_eq!(set.octets(), &canonical);
                prop_assert!(scratch.is_empty());
            }
        }
    }

    #[test]
    fn what_is_announced_arrives(
        v4 in vec((any::<u32>(), prefix4()), 0..1500),
        v6 in vec((any::<u32>(), prefix6()), 0..600),
        path in vec(1..=u32::MAX, 0..300),
        med in any::<u32>(),
        tags in vec(any::<u32>(), 0..80),
        add_path in any::<bool>(),
    ) {
        let add_path = if add_path { Families::ALL } else { Families::NONE };
        let terms = Negotiated { add_path, ..terms() };
        let communities: Vec<_> = tags
            .iter()
            .flat_map(|tag| [Community::Standard(*tag), Community::Large(*tag, 1, *tag)])
            .collect();
        for (family, prefixes) in [(Family::Ipv4, v4), (Family::Ipv6, v6)] {
            let next_hop: IpAddr = match family {
                Family::Ipv4 => [172, 16, 10, 1].into(),
                Family::Ipv6 => [0xfd00, 0, 0, 0, 0, 0, 0, 1].into(),
            };
            let builder = Builder::new(&path, next_hop).med(med).communities(&communities);
            let canonical = builder.octets();
            let mut out = BytesMut::new();
            let announcer = Announcer { add_path };
            let sent = builder
                .with_set(|set| announcer.announce(family, set, prefixes.iter().copied(), &mut out));
            let sent = sent + announcer.withdraw(family, prefixes.iter().copied(), &mut out);
            let mut batch = Batch::default();
            let mut received = 0;
            let mut rest = &out[..];
            while let Some(found) = frame(rest, false).unwrap() {
                let update = Update::parse(found.body, &terms).unwrap();
                prop_assert!(update.faults().is_empty());
                batch.push_update(&update);
                rest = &rest[found.octets.len()..];
                received += 1;
            }
            prop_assert!(rest.is_empty());
            prop_assert_eq!(sent, received);
            let (mut announced, mut withdrawn) = (Vec::new(), Vec::new());
            for item in batch.items() {
                match item {
                    Item::Announce(nlri, set) => {
                        prop_assert_eq!(set.octets(), &canonical);
                        prop_assert!(set.as_path().numbers().eq(path.iter().copied()));
                        prop_assert!(set.communities().count() == communities.len());
                        prop_assert_eq!((set.next_hop(), set.med()), (Some(next_hop), Some(med)));
                        prop_assert_eq!(set.origin(), Some(Origin::Igp));
                        announced.extend(nlri);
                    }
                    Item::Withdraw(nlri) => withdrawn.extend(nlri),
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            let id = |id: u32| if add_path.contains(family) { id } else { 0 };
            let expected: Vec<_> = prefixes.into_iter().map(|(path_id, prefix)| (id(path_id), prefix)).collect();
            prop_assert_eq!(&announced, &expected);
            prop_assert_eq!(&withdrawn, &expected);
        }
    }

    #[test]
    fn opens_survive_a_round_trip(
        asn in 1..=u32::MAX,
        hold_time in prop_oneof![Just(0), 3..=u16::MAX],
        identifier in 1..=u32::MAX,
        capabilities in vec(capability(), 0..12),
    ) {
        let open = Open::new(asn, hold_time, Ipv4Addr::from(identifier), capabilities.clone());
        let mut out = BytesMut::new();
        Outgoing::Open(open.clone()).encode(&mut out);
        let found = frame(&out, false).unwrap().unwrap();
        prop_assert_eq!(found.octets.len(), out.len());
        let arrived = Open::parse(found.body).unwrap();
        prop_assert_eq!(arrived.capabilities.iter().collect::<Vec<_>>(), capabilities);
        prop_assert_eq!(arrived, open);
    }

    #[test]
    fn notifications_survive_a_round_trip(code: u8, subcode: u8, data in vec(any::<u8>(), 0..4075)) {
        let notification = Notification { code, subcode, data: Bytes::from(data) };
        let mut out = BytesMut::new();
        Outgoing::Notification(notification.clone()).encode(&mut out);
        let found = frame(&out, false).unwrap().unwrap();
        prop_assert!(!notification.to_string().chars().any(char::is_control));
        prop_assert_eq!(Notification::parse(found.body), Ok(notification));
    }
}
