//! OPEN: read, written again and read as the same; and what we agree on with whoever sent it.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::BytesMut;
use thirdleaf::bgp::header::HEADER;
use thirdleaf::bgp::session::Offer;
use thirdleaf::bgp::{Capability, Families, Family, Open, Outgoing};
use thirdleaf::config::model::AsRange;

use super::input::Input;
use super::recipe;

/// One octet of choices for our side; then, by its highest bit, the recipe of a body or a body.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let bits = input.u8();
    let body = if bits & 0x80 == 0 {
        let asn = input.one_of(&[65102, 4_200_065_102, 65101, 23456, 0]);
        recipe::open(&mut input, asn)
    } else {
        input.rest().to_vec()
    };
    match Open::parse(&body) {
        Ok(open) => {
            is_acceptable(&open);
            arrives_again(&open);
            agrees(&offer(bits), &open);
        }
        Err(error) => {
            let notification = error.notification();
            assert_eq!(notification.code, 2, "{error}");
            assert!(error.offset() <= body.len(), "{error}");
            assert!(notification.subcode != 6 || matches!(body.get(3..5), Some([0, 1 | 2])));
        }
    }
}

fn offer(bits: u8) -> Offer {
    Offer {
        local_as: 65101,
        identifier: Ipv4Addr::new(10, 0, 0, 101),
        hold_time: Duration::from_secs(if bits & 1 == 0 { 3 } else { 90 }),
        families: match bits >> 1 & 3 {
            0 | 3 => Families::ALL,
            1 => Families::only(Family::Ipv4),
            _ => Families::only(Family::Ipv6),
        },
        add_path: bits & 8 != 0,
        peer_as: vec![
            AsRange { first: 65100, last: 65199 },
            AsRange { first: 4_200_000_000, last: u32::MAX },
        ],
    }
}

fn is_acceptable(open: &Open<'_>) {
    assert!(open.asn() != 0 && !open.identifier.is_unspecified() && !matches!(open.hold_time, 1 | 2));
    for capability in open.capabilities.iter() {
        let shown = capability.to_string();
        assert!(!shown.contains(char::is_control), "{shown:?}");
    }
}

/// A name may grow when what is not text is replaced in it; one that fits no capability then is left out.
fn arrives_again(open: &Open<'_>) {
    let fits = |capability: &Capability| {
        let mut out = BytesMut::new();
        capability.encode(&mut out);
        !out.is_empty()
    };
    let again = Open { capabilities: open.capabilities.iter().filter(fits).collect(), ..open.clone() };
    for capability in open.capabilities.iter() {
        let is_text = matches!(capability, Capability::Fqdn { .. } | Capability::SoftwareVersion(_));
        assert!(is_text || fits(&capability), "{capability}");
    }
    let mut out = BytesMut::new();
    Outgoing::Open(again.clone().into_owned()).encode(&mut out);
    let arrived = Open::parse(&out[HEADER..]).unwrap();
    assert!(arrived.capabilities.iter().eq(open.capabilities.iter().filter(fits)));
    assert_eq!(arrived, again);
}

fn agrees(offer: &Offer, open: &Open<'_>) {
    let agreed = match offer.negotiate(open) {
        Ok(agreed) => agreed,
        Err(error) => return assert!(matches!(error.notification().subcode, 2 | 7 | 11), "{error}"),
    };
    assert!(offer.permits(agreed.peer_as));
    assert_eq!((agreed.peer_as, agreed.local_as), (open.asn(), offer.local_as));
    assert!(!agreed.families.is_empty());
    assert_eq!(agreed.families.difference(offer.families), Families::NONE);
    assert_eq!(agreed.add_path.difference(agreed.families), Families::NONE);
    assert!(offer.add_path || agreed.add_path.is_empty());
    assert_eq!(agreed.hold_time, offer.hold_time.min(Duration::from_secs(open.hold_time.into())));
    assert_eq!(agreed.keepalive_time.is_zero(), agreed.hold_time.is_zero());
    assert!(agreed.keepalive_time <= agreed.hold_time / 3 + Duration::from_millis(1));
    assert_eq!(agreed.four_octet_as, open.four_octet_as().is_some());
    if let Some(restart) = agreed.graceful_restart {
        assert_eq!(restart.families.difference(agreed.families), Families::NONE);
        assert_eq!(restart.forwarding.difference(restart.families), Families::NONE);
        assert!(restart.restart_time < Duration::from_secs(4096));
    }
}
