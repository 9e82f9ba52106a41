//! UPDATEs as netgauze reads them: wherever both readers take one, they agree on its prefixes, next hops and
//! attributes. Either may refuse what the other takes: we are held to RFC 7606 elsewhere.

#![no_main]

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use libfuzzer_sys::fuzz_target;

use netgauze_bgp_pkt::nlri::{Ipv4UnicastAddress, Ipv6UnicastAddress};
use netgauze_bgp_pkt::path_attribute::{Aggregator, AsPath, MpReach, MpUnreach, PathAttributeValue};
use netgauze_bgp_pkt::update::BgpUpdateMessage;
use netgauze_bgp_pkt::wire::deserializer::BgpParsingContext;
use netgauze_iana::address_family::AddressType;
use netgauze_parse_utils::WritablePdu;
use netgauze_parse_utils::reader::SliceReader;
use netgauze_parse_utils::traits::ParseFromWithOneInput;
use thirdleaf::bgp::{Family, Negotiated, Update};
use thirdleaf_fuzz::update::body;

fuzz_target!(|data: &[u8]| {
    let (terms, body) = body(data);
    let (Some(ours), Some(theirs)) = (ours(&body, &terms), theirs(&body, &terms)) else { return };
    assert_eq!(ours, theirs, "\n{terms:?}");
});

/// What an UPDATE says.
#[derive(Debug, Default, PartialEq)]
struct Said {
    withdrawn: Vec<(u32, IpNet)>,
    /// With the next hop that each is reached by.
    announced: Vec<(u32, IpNet, Option<IpAddr>)>,
    /// Values by type, AS numbers of four octets, if anything is announced.
    attributes: BTreeMap<u8, Vec<u8>>,
}

impl Said {
    fn sorted(mut self) -> Self {
        self.withdrawn.sort_unstable();
        self.announced.sort_unstable();
        self
    }

    /// Extended communities are passed on as they are, known or not (RFC 4360, 6), which is what we do.
    /// netgauze reads them by their meaning and writes others than it read: reserved octets of EVPN as zeros,
    /// the Source AS as a Route Target. Their number is what is left to compare.
    fn count_extended_communities(&mut self) {
        for code in [16, 25] {
            if let Some(value) = self.attributes.get_mut(&code) {
                value.fill(0);
            }
        }
    }
}

/// None where anything is wrong with the UPDATE.
fn ours(body: &[u8], terms: &Negotiated) -> Option<Said> {
    let update = Update::parse(body, terms).ok()?;
    if !update.faults().is_empty() {
        return None;
    }
    let mut said = Said { withdrawn: update.withdrawn().flatten().collect(), ..Said::default() };
    for announced in update.announced() {
        let mut scratch = Vec::new();
        let set = update.attributes(announced, &mut scratch);
        said.announced.extend(announced.nlri.into_iter().map(|(id, prefix)| (id, prefix, set.next_hop())));
        // The next hop is each announcement's own, and compared there.
        let others = set.iter().filter(|attribute| attribute.code != 3);
        said.attributes = others.map(|attribute| (attribute.code, attribute.value.to_vec())).collect();
        said.count_extended_communities();
    }
    Some(said.sorted())
}

fn theirs(body: &[u8], terms: &Negotiated) -> Option<Said> {
    let families = [(Family::Ipv4, AddressType::Ipv4Unicast), (Family::Ipv6, AddressType::Ipv6Unicast)];
    let add_path = families.map(|(family, kind)| (kind, terms.add_path.contains(family)));
    let mut context = BgpParsingContext::new(
        terms.four_octet_as,
        HashMap::new(),
        HashMap::from(add_path),
        true,
        true,
        true,
        true,
    );
    let mut reader = SliceReader::new(body);
    let update = BgpUpdateMessage::parse(&mut reader, &mut context).ok()?;
    reader.is_empty().then(|| said(&update, terms).sorted())
}

fn said(update: &BgpUpdateMessage, terms: &Negotiated) -> Said {
    let mut said = Said::default();
    let (ipv4, ipv6) = (terms.families.contains(Family::Ipv4), terms.families.contains(Family::Ipv6));
    let next_hop = update.path_attributes().iter().find_map(|attribute| match attribute.value() {
        PathAttributeValue::NextHop(next_hop) => Some(IpAddr::V4(next_hop.next_hop())),
        _ => None,
    });
    if ipv4 {
        said.withdrawn.extend(update.withdraw_routes().iter().map(v4));
        said.announced.extend(update.nlri().iter().map(v4).map(|(id, prefix)| (id, prefix, next_hop)));
    }
    for attribute in update.path_attributes() {
        match attribute.value() {
            PathAttributeValue::MpReach(MpReach::Ipv4Unicast { next_hop, nlri, .. }) if ipv4 => {
                let each = nlri.iter().map(v4);
                said.announced.extend(each.map(|(id, prefix)| (id, prefix, Some(*next_hop))));
            }
            PathAttributeValue::MpReach(MpReach::Ipv6Unicast { next_hop_global, next_hop_local, nlri })
                if ipv6 =>
            {
                // We take the link-local address where there is no other.
                let next_hop = match next_hop_local {
                    Some(local) if next_hop_global.is_unspecified() => *local,
                    _ => *next_hop_global,
                };
                let each = nlri.iter().map(v6);
                said.announced.extend(each.map(|(id, prefix)| (id, prefix, Some(next_hop.into()))));
            }
            PathAttributeValue::MpUnreach(MpUnreach::Ipv4Unicast { nlri }) if ipv4 => {
                said.withdrawn.extend(nlri.iter().map(v4));
            }
            PathAttributeValue::MpUnreach(MpUnreach::Ipv6Unicast { nlri }) if ipv6 => {
                said.withdrawn.extend(nlri.iter().map(v6));
            }
            _ => {}
        }
    }
    if !said.announced.is_empty() {
        said.attributes = attributes(update);
        said.count_extended_communities();
    }
    said
}

fn v4(address: &Ipv4UnicastAddress) -> (u32, IpNet) {
    (address.path_id().unwrap_or_default(), IpNet::from(address.network().address()).trunc())
}

fn v6(address: &Ipv6UnicastAddress) -> (u32, IpNet) {
    (address.path_id().unwrap_or_default(), IpNet::from(address.network().address()).trunc())
}

fn attributes(update: &BgpUpdateMessage) -> BTreeMap<u8, Vec<u8>> {
    let mut attributes = BTreeMap::new();
    let mut as4 = As4::default();
    for attribute in update.path_attributes() {
        if let Some((code, value)) = attribute_value(attribute.value(), attribute.transitive(), &mut as4) {
            attributes.insert(code, value);
        }
    }
    as4.merge(&mut attributes);
    attributes
}

/// The value of what is kept of a session with an external peer.
fn attribute_value(value: &PathAttributeValue, transitive: bool, as4: &mut As4) -> Option<(u8, Vec<u8>)> {
    use PathAttributeValue as Value;
    Some(match value {
        Value::Origin(origin) => (1, vec![*origin as u8]),
        Value::AsPath(path) => (2, put_path(&segments(path))),
        Value::MultiExitDiscriminator(med) => (4, med.metric().to_be_bytes().to_vec()),
        Value::AtomicAggregate(_) => (6, vec![]),
        Value::Aggregator(Aggregator::As2Aggregator(aggregator)) => {
            (7, put_aggregator(u32::from(*aggregator.asn()), aggregator.origin()))
        }
        Value::Aggregator(Aggregator::As4Aggregator(aggregator)) => {
            (7, put_aggregator(*aggregator.asn(), aggregator.origin()))
        }
        Value::Communities(list) => {
            (8, list.communities().iter().flat_map(|community| community.value().to_be_bytes()).collect())
        }
        Value::ExtendedCommunities(list) => (16, list.communities().iter().flat_map(written).collect()),
        Value::ExtendedCommunitiesIpv6(list) => (25, list.communities().iter().flat_map(written).collect()),
        Value::LargeCommunities(list) => {
            (32, list.communities().iter().flat_map(|community| community.to_bytes()).collect())
        }
        Value::OnlyToCustomer(asn) => (35, asn.asn().to_be_bytes().to_vec()),
        Value::UnknownAttribute(unknown) if unknown.code() == 18 => {
            as4.aggregator = Some(unknown.value().to_vec());
            return None;
        }
        Value::As4Path(path) => {
            let segments = path.segments().iter();
            let segments = segments.map(|one| (one.segment_type() as u8, one.as_numbers().to_vec()));
            as4.path = Some(segments.collect());
            return None;
        }
        Value::UnknownAttribute(unknown) if transitive => (unknown.code(), unknown.value().to_vec()),
        // Of internal sessions, of prefixes, or not meant to travel.
        _ => return None,
    })
}

fn written<E: std::fmt::Debug>(community: &impl WritablePdu<E>) -> Vec<u8> {
    let mut octets = Vec::new();
    community.write(&mut octets).expect("a vector takes everything");
    octets
}

type Segment = (u8, Vec<u32>);

fn segments(path: &AsPath) -> Vec<Segment> {
    match path {
        AsPath::As2PathSegments(segments) => {
            let wide = |numbers: &[u16]| numbers.iter().map(|asn| u32::from(*asn)).collect();
            segments.iter().map(|one| (one.segment_type() as u8, wide(one.as_numbers()))).collect()
        }
        AsPath::As4PathSegments(segments) => {
            segments.iter().map(|one| (one.segment_type() as u8, one.as_numbers().to_vec())).collect()
        }
    }
}

fn put_path(segments: &[Segment]) -> Vec<u8> {
    let mut octets = Vec::new();
    for (kind, numbers) in segments {
        octets.extend([*kind, u8::try_from(numbers.len()).unwrap_or(u8::MAX)]);
        octets.extend(numbers.iter().flat_map(|asn| asn.to_be_bytes()));
    }
    octets
}

fn put_aggregator(asn: u32, address: Ipv4Addr) -> Vec<u8> {
    [asn.to_be_bytes(), address.octets()].concat()
}

/// What a peer with two-octet AS numbers passes on of wider ones (RFC 6793, 4.2.3), which netgauze leaves
/// apart.
#[derive(Default)]
struct As4 {
    path: Option<Vec<Segment>>,
    aggregator: Option<Vec<u8>>,
}

impl As4 {
    fn merge(self, attributes: &mut BTreeMap<u8, Vec<u8>>) {
        let trans = |aggregator: &Vec<u8>| aggregator.starts_with(&23456_u32.to_be_bytes());
        if let (Some(wide), Some(narrow)) = (&self.aggregator, attributes.get_mut(&7)) {
            if !trans(narrow) {
                return;
            }
            narrow.clone_from(wide);
        }
        if let (Some(wide), Some(narrow)) = (&self.path, attributes.get_mut(&2)) {
            *narrow = merged(narrow, wide);
        }
    }
}

/// As many leading ASes of `narrow` as it is longer, then `wide`.
fn merged(narrow: &[u8], wide: &[Segment]) -> Vec<u8> {
    let length = |(kind, numbers): &Segment| if *kind == 1 { 1 } else { numbers.len() };
    let old = read_path(narrow);
    let new: usize = wide.iter().map(length).sum();
    let Some(mut lead) = old.iter().map(length).sum::<usize>().checked_sub(new) else {
        return narrow.to_vec();
    };
    if new == 0 {
        return narrow.to_vec();
    }
    let mut path = Vec::new();
    for (kind, numbers) in old {
        let taken = if kind == 1 { numbers.len() } else { numbers.len().min(lead) };
        if lead == 0 {
            break;
        }
        lead -= if kind == 1 { 1 } else { taken };
        path.push((kind, numbers[..taken].to_vec()));
    }
    path.extend_from_slice(wide);
    put_path(&path)
}

fn read_path(mut octets: &[u8]) -> Vec<Segment> {
    let mut path = Vec::new();
    while let [kind, count, rest @ ..] = octets {
        let (numbers, rest) = rest.split_at(usize::from(*count) * 4);
        path.push((*kind, numbers.as_chunks().0.iter().map(|asn| u32::from_be_bytes(*asn)).collect()));
        octets = rest;
    }
    path
}
