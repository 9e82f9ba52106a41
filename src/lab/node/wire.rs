//! The messages of a node, octet by octet as BIRD writes them.

use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use ipnet::IpNet;

use super::Settings;
use super::table::Group;
use crate::bgp::announce::Announcer;
use crate::bgp::attribute::{Builder, Community};
use crate::bgp::capability::{AddPathFamily, Capability, RestartFamily};
use crate::bgp::open::AS_TRANS;
use crate::bgp::{Families, Family, Notification, Open, Outgoing};

/// Subtype of a ROUTE-REFRESH that begins a refresh (RFC 7313).
pub(super) const BEGIN: u8 = 1;
/// Subtype of a ROUTE-REFRESH that ends a refresh.
pub(super) const END: u8 = 2;

/// Types of segments of an AS path.
const SET: u8 = 1;
const SEQUENCE: u8 = 2;

/// BIRD 1.6's OPEN: always 63 octets, all capabilities in one parameter.
pub(super) fn open(settings: &Settings, family: Family, hold_time: u16, restarted: bool, out: &mut BytesMut) {
    let (afi, safi) = (family.afi(), 1);
    let capabilities = [
        Capability::multiprotocol(family),
        Capability::RouteRefresh,
        Capability::GracefulRestart {
            restarting: restarted,
            notification: false,
            time: u16::try_from(settings.restart_time.as_secs()).unwrap_or(u16::MAX),
            families: vec![RestartFamily { afi, safi, forwarding: restarted }],
        },
        Capability::FourOctetAs(settings.asn),
        Capability::AddPath(vec![AddPathFamily { afi, safi, mode: 3 }]),
        Capability::EnhancedRouteRefresh,
        Capability::LongLivedGracefulRestart(Vec::new()),
    ];
    // BIRD does not take 65535 for a number of two octets.
    let my_as = u16::try_from(settings.asn).ok().filter(|asn| *asn != u16::MAX).unwrap_or(AS_TRANS);
    let open = Open {
        my_as,
        hold_time,
        identifier: settings.identifier,
        capabilities: capabilities.into_iter().collect(),
    };
    Outgoing::Open(open).encode(out);
}

pub(super) fn keepalive(out: &mut BytesMut) {
    Outgoing::Keepalive.encode(out);
}

pub(super) fn end_of_rib(family: Family, out: &mut BytesMut) {
    Outgoing::EndOfRib(family).encode(out);
}

pub(super) fn say(notification: &Notification, out: &mut BytesMut) {
    Outgoing::Notification(notification.clone()).encode(out);
}

/// The beginning or the end of a refresh.
pub(super) fn refresh(family: Family, subtype: u8, out: &mut BytesMut) {
    Outgoing::RouteRefresh(family).encode(out);
    // The message ends with AFI, subtype, SAFI.
    if let Some(octet) = out.iter_mut().rev().nth(1) {
        *octet = subtype;
    }
}

pub(super) fn is_end_of_rib(message: &[u8], family: Family) -> bool {
    let mut expected = BytesMut::new();
    end_of_rib(family, &mut expected);
    message == expected
}

/// Whether a peer that offers this takes path identifiers in `family` (RFC 7911, 4).
pub(super) fn takes_path_ids(offers: &[AddPathFamily], family: Family) -> bool {
    offers.iter().any(|offer| Family::from_wire(offer.afi, offer.safi) == Some(family) && offer.receives())
}

/// The peer's AS is not the configured one; BIRD sends back what it got.
pub(super) fn bad_peer_as(asn: u32) -> Notification {
    Notification { code: 2, subcode: 2, data: Bytes::copy_from_slice(&asn.to_be_bytes()) }
}

/// Announces a group in as few UPDATEs as it needs.
pub(super) fn announce(group: &Group, asn: u32, source: IpAddr, add_path: bool, out: &mut BytesMut) {
    let said = &group.attributes;
    let own = if said.verbatim { None } else { Some(asn) };
    let path: Vec<u32> = own.into_iter().chain(said.path.iter().copied()).collect();
    let communities: Vec<Community> =
        said.communities.iter().map(|(asn, value)| standard(*asn, *value)).collect();
    let mut attributes = Builder::new(&path, said.next_hop.unwrap_or(source)).communities(&communities);
    if !said.as_set.is_empty() {
        attributes = attributes.as_path(&[(SEQUENCE, &path), (SET, &said.as_set)]);
    }
    if let Some(med) = said.med {
        attributes = attributes.med(med);
    }
    let family = family_of(source);
    let announcer = announcer(family, add_path);
    attributes.with_set(|set| announcer.announce(family, set, group.prefixes.iter().copied(), out));
}

/// Withdraws prefixes with their path identifiers.
pub(super) fn withdraw(prefixes: &[(u32, IpNet)], family: Family, add_path: bool, out: &mut BytesMut) {
    announcer(family, add_path).withdraw(family, prefixes.iter().copied(), out);
}

fn announcer(family: Family, add_path: bool) -> Announcer {
    Announcer { add_path: if add_path { Families::only(family) } else { Families::NONE } }
}

fn standard(asn: u16, value: u16) -> Community {
    Community::Standard(u32::from(asn) << 16 | u32::from(value))
}

/// The family of the daemon that dials from `source`: each has one.
pub(super) fn family_of(source: IpAddr) -> Family {
    if source.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::lab::node::table::{Attributes, Route, group};
    use crate::lab::node::{RESTART_TIME, Timers};

    const IPV4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(172, 16, 10, 1));

    /// What one of Calico's own daemons sent, without the marker.
    fn captured(hex: &str, written: &BytesMut) {
        assert_eq!(format!("{:x}", &written.clone().freeze().slice(16..)), hex);
        assert!(written[..16].iter().all(|octet| *octet == 0xff));
    }

    fn settings(asn: u32, restart_secs: u64) -> Settings {
        Settings {
            name: String::new(),
            asn,
            identifier: std::net::Ipv4Addr::new(172, 16, 10, 1),
            peerings: vec![],
            routes: vec![],
            hidden: vec![],
            restart_time: std::time::Duration::from_secs(restart_secs),
            timers: Timers::BIRD,
        }
    }

    fn opened(asn: u32, restart_secs: u64, family: Family, restarted: bool) -> BytesMut {
        let mut out = BytesMut::new();
        open(&settings(asn, restart_secs), family, 240, restarted, &mut out);
        out
    }

    #[test]
    fn opens_are_birds() {
        let first = opened(65102, RESTART_TIME.as_secs(), Family::Ipv4, true);
        captured(
            "003f0104fe4e00f0ac100a012202200104000100010200400680780001018041040000fe4e45040001010346004700",
            &first,
        );
        let again = opened(65102, 60, Family::Ipv4, false);
        captured(
            "003f0104fe4e00f0ac100a0122022001040001000102004006003c0001010041040000fe4e45040001010346004700",
            &again,
        );
        let wide = opened(4_200_065_102, 120, Family::Ipv6, true);
        captured(
            "003f01045ba000f0ac100a01220220010400020001020040068078000201804104fa57e84e45040002010346004700",
            &wide,
        );
    }

    #[test]
    fn bird_has_no_two_octet_65535() {
        let open = opened(65_535, 120, Family::Ipv4, true);
        assert_eq!(open[20..22], AS_TRANS.to_be_bytes());
    }

    fn prefixes(list: &[&str]) -> Vec<IpNet> {
        list.iter().map(|prefix| prefix.parse().unwrap()).collect()
    }

    fn announced(routes: &[Route], asn: u32, source: IpAddr, add_path: bool) -> BytesMut {
        let mut out = BytesMut::new();
        for group in group(routes.iter().cloned()) {
            announce(&group, asn, source, add_path, &mut out);
        }
        out
    }

    #[test]
    fn announcements_are_birds() {
        let own: Vec<Route> = prefixes(&["198.51.100.0/24", "10.244.9.7/32", "10.244.1.0/26"])
            .into_iter()
            .map(Route::fixed)
            .collect();
        captured(
            "003902000000144001010040020602010000fe4e400304ac100a0118c63364200af409071a0af40100",
            &announced(&own, 65102, IPV4, false),
        );
        let tagged = Attributes { communities: vec![(65102, 100)], ..Attributes::default() };
        let services = prefixes(&["10.96.0.0/12", "10.96.10.20/32"]);
        let services: Vec<Route> =
            services.into_iter().map(|prefix| Route::fixed(prefix).with(tagged.clone())).collect();
        captured(
            "003a020000001b4001010040020602010000fe4e400304ac100a01c00804fe4e00640c0a60200a600a14",
            &announced(&services, 65102, IPV4, false),
        );
    }

    #[test]
    fn add_path_announcements_are_birds() {
        let own = [
            Route::fixed("198.51.100.0/24".parse().unwrap()),
            Route::kernel("10.244.9.7/32".parse().unwrap()),
            Route::fixed("10.244.1.0/26".parse().unwrap()),
        ];
        captured(
            "004502000000144001010040020602010000fe4e400304ac100a010000000418c6336400000003200af40907000000041a0af40100",
            &announced(&own, 65102, IPV4, true),
        );
        let learned = [Route::learned("10.244.5.0/26".parse().unwrap(), &[65101, 65201, 65204])];
        captured(
            "004002000000204001010040021202040000fe4e0000fe4d0000feb10000feb4400304ac100a01000000061a0af40500",
            &announced(&learned, 65102, IPV4, true),
        );
    }

    #[test]
    fn ipv6_announcements_are_birds() {
        let routes = [
            Route::fixed("fd00:10:96::/112".parse().unwrap()),
            Route::fixed("fd00:10:96::20/128".parse().unwrap()),
            Route::fixed("fd00:10:244:1::/122".parse().unwrap()),
            Route::kernel("fd00:10:244:9::7/128".parse().unwrap()),
        ];
        captured(
            "008e0200000077400101004002060201fa57e84e800e6700020110fd000010000000000000000000000001000000000470fd0000100096\
             00000000000000000000000480fd000010009600000000000000000020000000047afd0000100244000100000000000000000000000380\
             fd000010024400090000000000000007",
            &announced(&routes, 4_200_065_102, "fd00:10::1".parse().unwrap(), true),
        );
    }

    #[test]
    fn withdrawals_are_birds() {
        let withdrawn = |list: &[&str], family, add_path| {
            let mut out = BytesMut::new();
            let prefixes: Vec<(u32, IpNet)> = prefixes(list).into_iter().map(|prefix| (3, prefix)).collect();
            withdraw(&prefixes, family, add_path, &mut out);
            out
        };
        captured("001c020005200af409070000", &withdrawn(&["10.244.9.7/32"], Family::Ipv4, false));
        captured(
            "001e0200070c0a6018c633640000",
            &withdrawn(&["10.96.0.0/12", "198.51.100.0/24"], Family::Ipv4, false),
        );
        captured(
            "002702001000200af40102200af401031dac100a000000",
            &withdrawn(
                &["0.0.0.0/0", "10.244.1.2/32", "10.244.1.3/32", "172.16.10.0/29"],
                Family::Ipv4,
                false,
            ),
        );
        captured(
            "0032020000001b800f180002010000000380fd000010024400090000000000000007",
            &withdrawn(&["fd00:10:244:9::7/128"], Family::Ipv6, true),
        );
    }

    #[test]
    fn markers_are_birds() {
        let mut out = BytesMut::new();
        refresh(Family::Ipv4, BEGIN, &mut out);
        captured("00170500010101", &out);
        out.clear();
        refresh(Family::Ipv4, END, &mut out);
        captured("00170500010201", &out);
        out.clear();
        end_of_rib(Family::Ipv6, &mut out);
        captured("001d0200000006800f03000201", &out);
        assert!(is_end_of_rib(&out, Family::Ipv6) && !is_end_of_rib(&out, Family::Ipv4));
    }

    #[test]
    fn an_update_is_never_longer_than_4096_octets() {
        let hosts =
            (0..2_000_u32).map(|host| Route::kernel(IpAddr::from((0x0af4_0000 + host).to_be_bytes()).into()));
        let mut out = BytesMut::new();
        let group =
            Group { attributes: Arc::default(), prefixes: hosts.map(|route| (3, route.prefix)).collect() };
        announce(&group, 65102, IPV4, true, &mut out);
        let mut count = 0;
        while let Some(frame) = crate::bgp::header::frame(&out, false).unwrap() {
            let length = frame.octets.len();
            assert!(length <= 4096);
            let _ = out.split_to(length);
            count += 1;
        }
        assert_eq!((count, out.len()), (5, 0));
    }

    #[test]
    fn paths_can_be_what_they_should_not_be() {
        let path_of = |attributes: Attributes| {
            let route = Route::fixed("10.244.1.0/26".parse().unwrap()).with(attributes);
            let out = announced(&[route], 65102, IPV4, false);
            // Marker, length, type, two lengths, ORIGIN.
            out[27..].to_vec()
        };
        let empty = path_of(Attributes { verbatim: true, ..Attributes::default() });
        assert!(empty.starts_with(&[0x40, 2, 0]));
        let foreign = path_of(Attributes { verbatim: true, path: vec![65103], ..Attributes::default() });
        assert!(foreign.starts_with(&[0x40, 2, 6, 2, 1, 0, 0, 0xfe, 0x4f]));
        let set = path_of(Attributes { as_set: vec![1, 2], ..Attributes::default() });
        assert!(set.starts_with(&[0x40, 2, 16, 2, 1, 0, 0, 0xfe, 0x4e, 1, 2, 0, 0, 0, 1, 0, 0, 0, 2]));
    }
}
