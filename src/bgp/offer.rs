//! What we offer in our OPEN, and what comes of it with the peer's.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::capability::{AddPathFamily, Capability};
use super::open::AS_TRANS;
use super::{Error, Families, Family, Negotiated, Open, Problem};
use crate::config::model::AsRange;

/// Our side of a session's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Our AS.
    pub local_as: u32,
    /// Our BGP identifier.
    pub identifier: Ipv4Addr,
    /// The hold time that we ask for, whole seconds.
    pub hold_time: Duration,
    /// The families that we take.
    pub families: Families,
    /// Ask for additional paths (RFC 7911).
    pub add_path: bool,
    /// Whom we take for a peer.
    pub peer_as: Vec<AsRange>,
}

impl Offer {
    /// Whether a speaker of `asn` may peer with us: eBGP only. [`AS_TRANS`] is nobody's number, and no
    /// range means it: it has to be named (RFC 6793, 4.2).
    pub fn permits(&self, asn: u32) -> bool {
        let named = |range: &AsRange| range.first == range.last || asn != u32::from(AS_TRANS);
        asn != self.local_as && self.peer_as.iter().any(|range| range.contains(asn) && named(range))
    }

    /// Our OPEN.
    pub fn open(&self) -> Open<'static> {
        let mut capabilities: Vec<_> = self.multiprotocol().collect();
        capabilities.extend([
            Capability::RouteRefresh,
            Capability::EnhancedRouteRefresh,
            Capability::FourOctetAs(self.local_as),
            // We keep routes of others and have none of our own: no family, no time (RFC 4724, 4.2).
            Capability::GracefulRestart { restarting: false, notification: true, time: 0, families: vec![] },
        ]);
        if self.add_path {
            let receive = |family: Family| AddPathFamily { afi: family.afi(), safi: 1, mode: 1 };
            capabilities.push(Capability::AddPath(self.families.iter().map(receive).collect()));
        }
        capabilities.push(Capability::ExtendedMessage);
        let hold_time = u16::try_from(self.hold_time.as_secs()).unwrap_or(u16::MAX);
        Open::new(self.local_as, hold_time, self.identifier, capabilities)
    }

    /// What both agree on.
    ///
    /// # Errors
    /// An AS that is not permitted, a peer of two roles, and one with which we share no family.
    pub fn negotiate(&self, open: &Open<'_>) -> Result<Negotiated, Error> {
        if !self.permits(open.asn()) {
            return Err(Error::new(Problem::PeerAs).at(1));
        }
        if open.contradicts_its_role() {
            return Err(Error::new(Problem::Role));
        }
        let negotiated = Negotiated::between(&self.open(), open);
        if negotiated.families.is_empty() {
            let mut wanted = bytes::BytesMut::new();
            self.multiprotocol().for_each(|capability| capability.encode(&mut wanted));
            return Err(Error::new(Problem::Capability).with_data(&wanted));
        }
        Ok(negotiated)
    }

    fn multiprotocol(&self) -> impl Iterator<Item = Capability> {
        self.families.iter().map(|family| Capability::Multiprotocol { afi: family.afi(), safi: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::super::capability::RestartFamily;
    use super::*;

    fn offer() -> Offer {
        Offer {
            local_as: 65101,
            identifier: Ipv4Addr::new(10, 0, 0, 101),
            hold_time: Duration::from_secs(3),
            families: Families::ALL,
            add_path: false,
            peer_as: vec![AsRange { first: 65100, last: 65299 }],
        }
    }

    fn open(capabilities: Vec<Capability>) -> Open<'static> {
        Open::new(65201, 240, Ipv4Addr::new(10, 0, 0, 1), capabilities)
    }

    #[test]
    fn offers_what_a_session_owes_its_node() {
        let ours = Offer { add_path: true, ..offer() }.open();
        let restart =
            Capability::GracefulRestart { restarting: false, notification: true, time: 0, families: vec![] };
        assert_eq!((ours.asn(), ours.hold_time, ours.identifier), (65101, 3, Ipv4Addr::new(10, 0, 0, 101)));
        assert_eq!(
            ours.capabilities.iter().collect::<Vec<_>>(),
            [
                Capability::Multiprotocol { afi: 1, safi: 1 },
                Capability::Multiprotocol { afi: 2, safi: 1 },
                Capability::RouteRefresh,
                Capability::EnhancedRouteRefresh,
                Capability::FourOctetAs(65101),
                restart,
                Capability::AddPath(vec![
                    AddPathFamily { afi: 1, safi: 1, mode: 1 },
                    AddPathFamily { afi: 2, safi: 1, mode: 1 },
                ]),
                Capability::ExtendedMessage,
            ]
        );
        assert!(!offer().open().capabilities.iter().any(|offered| matches!(offered, Capability::AddPath(_))));
    }

    #[test]
    fn the_smaller_hold_time_counts() {
        for (ours, theirs, hold, keepalive) in
            [(3, 240, 3, 1), (90, 30, 30, 10), (3, 0, 0, 0), (0, 90, 0, 0), (3, 3, 3, 1), (4, 9, 4, 1)]
        {
            let offer = Offer { hold_time: Duration::from_secs(ours), ..offer() };
            let agreed = offer.negotiate(&Open { hold_time: theirs, ..open(vec![]) }).unwrap();
            assert_eq!(agreed.hold_time, Duration::from_secs(hold));
            assert_eq!(agreed.keepalive_time.as_secs(), keepalive);
        }
    }

    #[test]
    fn only_permitted_peers_of_another_as_are_taken() {
        for (asn, permitted) in [(65201, true), (65101, false), (65300, false), (23456, false)] {
            let error = offer().negotiate(&Open::new(asn, 3, Ipv4Addr::new(10, 0, 0, 1), vec![])).err();
            assert_eq!(error.map(|error| error.notification().subcode), (!permitted).then_some(2), "{asn}");
        }
        let hidden = open(vec![Capability::FourOctetAs(4_200_000_000)]);
        assert!(offer().negotiate(&hidden).is_err(), "the capability counts, not the field");
    }

    #[test]
    fn as_trans_is_permitted_where_it_is_named() {
        let permits =
            |first, last| Offer { peer_as: vec![AsRange { first, last }], ..offer() }.permits(23456);
        assert!(permits(23456, 23456));
        assert!(!permits(1, u32::MAX) && !permits(23456, 23457) && !permits(23455, 23456));
    }

    #[test]
    fn whoever_says_two_roles_has_none() {
        // RFC 9234, 4.2.
        let refused = |roles: &[u8]| {
            let roles = roles.iter().map(|role| Capability::Role(*role)).collect();
            offer().negotiate(&open(roles)).err().map(|error| error.notification().subcode)
        };
        assert_eq!([refused(&[]), refused(&[0]), refused(&[3, 3]), refused(&[255])], [None; 4]);
        assert_eq!([refused(&[0, 3]), refused(&[3, 3, 4])], [Some(11); 2]);
    }

    #[test]
    fn families_are_those_that_both_offer() {
        let v4 = Capability::Multiprotocol { afi: 1, safi: 1 };
        let v6 = Capability::Multiprotocol { afi: 2, safi: 1 };
        let vpn = Capability::Multiprotocol { afi: 1, safi: 128 };
        let families = |capabilities| offer().negotiate(&open(capabilities)).map(|agreed| agreed.families);
        assert_eq!(families(vec![]), Ok(Families::only(Family::Ipv4)));
        assert_eq!(families(vec![v6.clone()]), Ok(Families::only(Family::Ipv6)));
        assert_eq!(families(vec![vpn.clone(), v6.clone(), v4]), Ok(Families::ALL));
        assert_eq!(families(vec![vpn]).unwrap_err().notification().subcode, 7);
        let narrow = Offer { families: Families::only(Family::Ipv4), ..offer() };
        assert_eq!(
            narrow.negotiate(&open(vec![v6])).unwrap_err().notification().data.as_ref(),
            [1, 4, 0, 1, 0, 1]
        );
    }

    #[test]
    fn additional_paths_need_both_sides_and_the_right_direction() {
        let entry = |afi, mode| AddPathFamily { afi, safi: 1, mode };
        let theirs = open(vec![Capability::AddPath(vec![entry(1, 3), entry(2, 2)])]);
        let deaf = open(vec![Capability::AddPath(vec![entry(1, 1)])]);
        let ours = Offer { add_path: true, ..offer() };
        assert_eq!(ours.negotiate(&theirs).unwrap().add_path, Families::only(Family::Ipv4));
        assert_eq!(ours.negotiate(&deaf).unwrap().add_path, Families::NONE);
        assert_eq!(offer().negotiate(&theirs).unwrap().add_path, Families::NONE);
    }

    #[test]
    fn graceful_restart_is_what_the_peer_said_last() {
        let restart = |time, forwarding| Capability::GracefulRestart {
            restarting: true,
            notification: false,
            time,
            families: vec![
                RestartFamily { afi: 1, safi: 1, forwarding },
                RestartFamily { afi: 2, safi: 1, forwarding: true },
            ],
        };
        let theirs = open(vec![restart(7, true), restart(120, false)]);
        let agreed = offer().negotiate(&theirs).unwrap().graceful_restart.unwrap();
        assert_eq!(agreed.restart_time, Duration::from_mins(2));
        assert!(agreed.restarting && !agreed.notification);
        assert_eq!(agreed.families, Families::only(Family::Ipv4), "IPv6 was not negotiated");
        assert_eq!(agreed.forwarding, Families::NONE);
    }
}
