//! UPDATEs that carry prefixes: for the lab, tests, benches and fuzzing. The speaker never uses this; what
//! it can send is [`Outgoing`](super::Outgoing).

use bytes::{BufMut, BytesMut};
use ipnet::IpNet;

use super::attribute::{Set, code, flag};
use super::header::{HEADER, MAX, MessageType};
use super::outgoing::message;
use super::{Families, Family};

/// Writes UPDATEs of one session to a peer with four-octet AS numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Announcer {
    /// Families with path identifiers (RFC 7911).
    pub add_path: Families,
}

impl Announcer {
    /// Appends UPDATEs that announce `prefixes` of `family` with attributes `set`, each filled up to 4,096
    /// octets; prefixes of the other family are left out. Returns how many UPDATEs it took.
    pub fn announce(
        self,
        family: Family,
        set: Set<'_>,
        prefixes: impl IntoIterator<Item = (u32, IpNet)>,
        out: &mut BytesMut,
    ) -> usize {
        let attributes = Attributes::new(family, set);
        let room = MAX.saturating_sub(HEADER).saturating_sub(attributes.overhead());
        self.pack(family, room, prefixes, |nlri| {
            message(MessageType::Update, out, |out| attributes.encode(nlri, out));
        })
    }

    /// Appends UPDATEs that withdraw `prefixes` of `family`. Returns how many it took.
    pub fn withdraw(
        self,
        family: Family,
        prefixes: impl IntoIterator<Item = (u32, IpNet)>,
        out: &mut BytesMut,
    ) -> usize {
        let room = MAX.saturating_sub(HEADER).saturating_sub(11);
        self.pack(family, room, prefixes, |nlri| {
            message(MessageType::Update, out, |out| withdrawal(family, nlri, out));
        })
    }

    /// Hands out NLRI of at most `room` octets each.
    fn pack(
        self,
        family: Family,
        room: usize,
        prefixes: impl IntoIterator<Item = (u32, IpNet)>,
        mut full: impl FnMut(&[u8]),
    ) -> usize {
        let mut count = 0_usize;
        let mut nlri = Vec::new();
        for (path_id, prefix) in prefixes {
            if Family::of(&prefix) != family {
                continue;
            }
            let before = nlri.len();
            put_prefix(self.add_path.contains(family).then_some(path_id), prefix, &mut nlri);
            if nlri.len() > room && before > 0 {
                let (packed, last) = nlri.split_at_checked(before).unwrap_or((&nlri, &[]));
                full(packed);
                count = count.saturating_add(1);
                nlri = last.to_vec();
            }
        }
        if !nlri.is_empty() {
            full(&nlri);
            count = count.saturating_add(1);
        }
        count
    }
}

/// Appends one prefix in wire form, after its path identifier if there is one.
pub fn put_prefix(path_id: Option<u32>, prefix: IpNet, out: &mut Vec<u8>) {
    if let Some(path_id) = path_id {
        out.extend_from_slice(&path_id.to_be_bytes());
    }
    let length = prefix.prefix_len();
    out.push(length);
    let octets = usize::from(length).div_ceil(8);
    match prefix {
        IpNet::V4(prefix) => out.extend(prefix.network().octets().iter().take(octets)),
        IpNet::V6(prefix) => out.extend(prefix.network().octets().iter().take(octets)),
    }
}

fn withdrawal(family: Family, nlri: &[u8], out: &mut BytesMut) {
    match family {
        Family::Ipv4 => {
            put_u16(nlri.len(), out);
            out.put_slice(nlri);
            out.put_u16(0);
        }
        Family::Ipv6 => {
            out.put_u16(0);
            let value = nlri.len().saturating_add(3);
            put_u16(header_len(value).saturating_add(value), out);
            put_header(code::MP_UNREACH, value, out);
            out.put_u16(family.afi());
            out.put_u8(1);
            out.put_slice(nlri);
        }
    }
}

/// Attributes of announcements: as they are for IPv4, the next hop moved to MP_REACH_NLRI for IPv6.
struct Attributes {
    plain: Vec<u8>,
    reach: Option<Vec<u8>>,
}

impl Attributes {
    fn new(family: Family, set: Set<'_>) -> Self {
        if family == Family::Ipv4 {
            return Self { plain: set.octets().to_vec(), reach: None };
        }
        let next_hop = set.get(code::NEXT_HOP).unwrap_or_default();
        let mut plain = Vec::new();
        for attribute in set.iter().filter(|attribute| attribute.code != code::NEXT_HOP) {
            attribute.put(&mut plain);
        }
        Self { plain, reach: Some(next_hop.to_vec()) }
    }

    /// Octets of the body that are not NLRI.
    fn overhead(&self) -> usize {
        let reach = self.reach.as_ref().map_or(0, |next_hop| next_hop.len().saturating_add(9));
        self.plain.len().saturating_add(reach).saturating_add(4)
    }

    fn encode(&self, nlri: &[u8], out: &mut BytesMut) {
        out.put_u16(0);
        let Some(next_hop) = &self.reach else {
            put_u16(self.plain.len(), out);
            out.put_slice(&self.plain);
            out.put_slice(nlri);
            return;
        };
        let value = next_hop.len().saturating_add(nlri.len()).saturating_add(5);
        put_u16(self.plain.len().saturating_add(value).saturating_add(header_len(value)), out);
        out.put_slice(&self.plain);
        put_header(code::MP_REACH, value, out);
        out.put_u16(Family::Ipv6.afi());
        out.put_slice(&[1, u8::try_from(next_hop.len()).unwrap_or_default()]);
        out.put_slice(next_hop);
        out.put_u8(0);
        out.put_slice(nlri);
    }
}

/// Octets that [`put_header`] takes.
fn header_len(value: usize) -> usize {
    if u8::try_from(value).is_ok() { 3 } else { 4 }
}

/// Flags, type and length of an optional attribute; the length in one octet where it fits, as daemons do.
fn put_header(code: u8, value: usize, out: &mut BytesMut) {
    if let Ok(length) = u8::try_from(value) {
        out.put_slice(&[flag::OPTIONAL, code, length]);
    } else {
        out.put_slice(&[flag::OPTIONAL | flag::EXTENDED, code]);
        put_u16(value, out);
    }
}

fn put_u16(length: usize, out: &mut BytesMut) {
    out.put_u16(u16::try_from(length).unwrap_or(u16::MAX));
}
