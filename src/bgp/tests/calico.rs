//! What a Calico node really sends (BIRD v0.3.3+birdv1.6.8), captured.

use super::{body, hex, terms};
use crate::bgp::batch::Item;
use crate::bgp::{Batch, Families, Family, MessageType, Negotiated, Notification, Open, Update, frame};

/// Everything that an UPDATE says, in one line.
fn told(digits: &str, terms: &Negotiated) -> String {
    let body = body(digits);
    let update = Update::parse(&body, terms).unwrap();
    assert!(update.faults().is_empty(), "{}", update.faults());
    let mut batch = Batch::default();
    batch.push_update(&update);
    let prefixes = |nlri: crate::bgp::Nlri<'_>| {
        let each = nlri.into_iter().map(|(id, prefix)| match id {
            0 => format!(" {prefix}"),
            id => format!(" {{{id}}}{prefix}"),
        });
        each.collect::<String>()
    };
    let items = batch.items().map(|item| match item {
        Item::Announce(nlri, set) => {
            let origin = set.origin().unwrap().name();
            let communities: Vec<_> = set.communities().map(|community| community.to_string()).collect();
            let communities = communities.join(" ");
            let next_hop = set.next_hop().unwrap();
            format!("+{} [{}] {next_hop} {origin} {communities}", prefixes(nlri), set.as_path())
        }
        Item::Withdraw(nlri) => format!("-{}", prefixes(nlri)),
        Item::EndOfRib(family) => format!("end of {family}"),
        other => format!("{other:?}"),
    });
    items.collect::<Vec<_>>().join("; ")
}

#[test]
fn ipv4_updates() {
    let rows = [
        (
            "003902000000144001010040020602010000fe4e400304ac100a0118c63364200af409071a0af40100",
            "+ 198.51.100.0/24 10.244.9.7/32 10.244.1.0/26 [65102] 172.16.10.1 igp ",
        ),
        (
            "003a020000001b4001010040020602010000fe4e400304ac100a01c00804fe4e00640c0a60200a600a14",
            "+ 10.96.0.0/12 10.96.10.20/32 [65102] 172.16.10.1 igp 65102:100",
        ),
        ("00170200000000", "end of ipv4"),
        (
            "002702001000200af40102200af401031dac100a000000",
            "- 0.0.0.0/0 10.244.1.2/32 10.244.1.3/32 172.16.10.0/29",
        ),
        ("001c020005200af409070000", "- 10.244.9.7/32"),
        (
            "003002000000144001010040020602010000fe4e400304ac100a01200af40907",
            "+ 10.244.9.7/32 [65102] 172.16.10.1 igp ",
        ),
        ("001e0200070c0a6018c633640000", "- 10.96.0.0/12 198.51.100.0/24"),
    ];
    for (digits, expected) in rows {
        assert_eq!(told(digits, &terms()), expected);
    }
}

#[test]
fn ipv6_updates_with_add_path() {
    let terms = Negotiated {
        families: Families::only(Family::Ipv6),
        add_path: Families::only(Family::Ipv6),
        ..terms()
    };
    let rows = [
        (
            "008e0200000077400101004002060201fa57e84e800e6700020110fd000010000000000000000000000001000000000470fd\
             000010009600000000000000000000000480fd000010009600000000000000000020000000047afd00001002440001000000\
             00000000000000000380fd000010024400090000000000000007",
            "+ {4}fd00:10:96::/112 {4}fd00:10:96::20/128 {4}fd00:10:244:1::/122 {3}fd00:10:244:9::7/128 \
             [4200065102] fd00:10::1 igp ",
        ),
        ("001d0200000006800f03000201", "end of ipv6"),
        ("0032020000001b800f180002010000000380fd000010024400090000000000000007", "- {3}fd00:10:244:9::7/128"),
    ];
    for (digits, expected) in rows {
        assert_eq!(told(digits, &terms), expected);
    }
}

#[test]
fn learned_routes_with_add_path() {
    let terms = Negotiated { add_path: Families::only(Family::Ipv4), ..terms() };
    let rows = [
        (
            "004302000000234001010040020e02030000fe4e0000fe4d0000fe4f400304ac100a01e00804fe4e006400000006200a602121",
            "+ {6}10.96.33.33/32 [65102 65101 65103] 172.16.10.1 igp 65102:100",
        ),
        (
            "004502000000144001010040020602010000fe4e400304ac100a010000000418c6336400000003200af40907000000041a0af40100",
            "+ {4}198.51.100.0/24 {3}10.244.9.7/32 {4}10.244.1.0/26 [65102] 172.16.10.1 igp ",
        ),
        (
            "003c020000001c4001010040020e02030000fe4e0000fe4d0000fe4f400304ac100a0100000006200af40907",
            "+ {6}10.244.9.7/32 [65102 65101 65103] 172.16.10.1 igp ",
        ),
        (
            "004002000000204001010040021202040000fe4e0000fe4d0000feb10000feb4400304ac100a01000000061a0af40500",
            "+ {6}10.244.5.0/26 [65102 65101 65201 65204] 172.16.10.1 igp ",
        ),
    ];
    for (digits, expected) in rows {
        assert_eq!(told(digits, &terms), expected);
    }
}

#[test]
fn opens() {
    let rows = [
        (
            "ffffffffffffffffffffffffffffffff003f0104fe4e00f0ac100a01220220010400010001020040068078000101804104\
             0000fe4e45040001010346004700",
            65102,
            "multiprotocol ipv4, route-refresh, graceful-restart 120 s R ipv4 F, 4-octet-as 65102, \
             add-path ipv4 both, enhanced-route-refresh, long-lived-graceful-restart",
        ),
        (
            "ffffffffffffffffffffffffffffffff003f0104fe4e00f0ac100a0122022001040001000102004006003c000101004104\
             0000fe4e45040001010346004700",
            65102,
            "multiprotocol ipv4, route-refresh, graceful-restart 60 s ipv4, 4-octet-as 65102, \
             add-path ipv4 both, enhanced-route-refresh, long-lived-graceful-restart",
        ),
        (
            "ffffffffffffffffffffffffffffffff003f01045ba000f0ac100a01220220010400020001020040068078000201804104\
             fa57e84e45040002010346004700",
            4_200_065_102,
            "multiprotocol ipv6, route-refresh, graceful-restart 120 s R ipv6 F, 4-octet-as 4200065102, \
             add-path ipv6 both, enhanced-route-refresh, long-lived-graceful-restart",
        ),
    ];
    for (digits, asn, capabilities) in rows {
        let octets = hex(digits);
        let found = frame(&octets, false).unwrap().unwrap();
        assert_eq!((found.kind, found.octets.len()), (MessageType::Open, octets.len()));
        let open = Open::parse(found.body).unwrap();
        assert_eq!(
            (open.asn(), open.hold_time, open.identifier.to_string().as_str()),
            (asn, 240, "172.16.10.1")
        );
        let shown: Vec<_> = open.capabilities.iter().map(|one| one.to_string()).collect();
        assert_eq!(shown.join(", "), capabilities);
    }
}

#[test]
fn notifications() {
    let rows = [
        ("ffffffffffffffffffffffffffffffff0015030606", "6/6 (cease: other configuration change)"),
        ("ffffffffffffffffffffffffffffffff0015030602", "6/2 (cease: administrative shutdown)"),
        ("ffffffffffffffffffffffffffffffff0015030400", "4/0 (hold timer expired)"),
        (
            "ffffffffffffffffffffffffffffffff00190302020000fde9",
            "2/2 (OPEN message error: bad peer AS) data 0000fde9",
        ),
    ];
    for (digits, shown) in rows {
        let octets = hex(digits);
        let found = frame(&octets, false).unwrap().unwrap();
        assert_eq!(Notification::parse(found.body).unwrap().to_string(), shown);
    }
}
