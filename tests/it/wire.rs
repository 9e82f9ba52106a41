//! BGP as octets, written down anew from the RFCs: what tests say to the program owes nothing to its own encoder.

use std::net::Ipv4Addr;

/// Codes of messages (RFC 4271, 4.1; RFC 2918, 3).
pub(crate) const OPEN: u8 = 1;
pub(crate) const UPDATE: u8 = 2;
pub(crate) const NOTIFICATION: u8 = 3;
pub(crate) const KEEPALIVE: u8 = 4;
pub(crate) const ROUTE_REFRESH: u8 = 5;

/// Attribute flags (RFC 4271, 4.3).
pub(crate) const OPTIONAL: u8 = 0x80;
pub(crate) const TRANSITIVE: u8 = 0x40;
pub(crate) const EXTENDED: u8 = 0x10;

/// Octets from hexadecimal digits, with blanks wherever they help: `"40 01 01 00"`.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    let digit = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(digit).collect()
}

/// A message with a true length.
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    claiming(kind, u16::try_from(19 + body.len()).unwrap(), body)
}

/// A message whose header says `length`, whatever it has.
pub(crate) fn claiming(kind: u8, length: u16, body: &[u8]) -> Vec<u8> {
    [&[0xff; 16][..], &length.to_be_bytes(), &[kind], body].concat()
}

pub(crate) fn keepalive() -> Vec<u8> {
    message(KEEPALIVE, &[])
}

pub(crate) fn notification(code: u8, subcode: u8, data: &[u8]) -> Vec<u8> {
    message(NOTIFICATION, &[&[code, subcode], data].concat())
}

/// ROUTE-REFRESH of a family, with a subtype (RFC 7313, 3.2).
pub(crate) fn route_refresh(afi: u16, subtype: u8, safi: u8) -> Vec<u8> {
    let [high, low] = afi.to_be_bytes();
    message(ROUTE_REFRESH, &[high, low, subtype, safi])
}

/// What an OPEN says: fields to be changed at will before it is written.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) version: u8,
    pub(crate) my_as: u16,
    pub(crate) hold_time: u16,
    pub(crate) identifier: Ipv4Addr,
    /// Optional parameters as they stand on the wire, without their length.
    pub(crate) parameters: Vec<u8>,
}

impl Open {
    /// As a node of `asn` sends it that has `capabilities`, all in one parameter.
    pub(crate) fn new(asn: u16, identifier: Ipv4Addr, capabilities: &[Vec<u8>]) -> Self {
        let all = capabilities.concat();
        let parameters = if all.is_empty() { Vec::new() } else { parameter(2, &all) };
        Self { version: 4, my_as: asn, hold_time: 3, identifier, parameters }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        self.claiming(u8::try_from(self.parameters.len()).unwrap())
    }

    /// With a length of the optional parameters that may not be theirs.
    pub(crate) fn claiming(&self, length: u8) -> Vec<u8> {
        message(OPEN, &[&self.fixed()[..], &[length], &self.parameters].concat())
    }

    /// The fields before the length of the optional parameters.
    pub(crate) fn fixed(&self) -> Vec<u8> {
        let (my_as, hold_time) = (self.my_as.to_be_bytes(), self.hold_time.to_be_bytes());
        [&[self.version][..], &my_as, &hold_time, &self.identifier.octets()].concat()
    }
}

/// An optional parameter (RFC 4271, 4.2); 2 holds capabilities (RFC 5492, 4).
pub(crate) fn parameter(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind, u8::try_from(value.len()).unwrap()], value].concat()
}

/// A capability (RFC 5492, 4).
pub(crate) fn capability(code: u8, value: &[u8]) -> Vec<u8> {
    parameter(code, value)
}

/// The multiprotocol capability (RFC 4760, 8).
pub(crate) fn multiprotocol(afi: u16, safi: u8) -> Vec<u8> {
    let [high, low] = afi.to_be_bytes();
    capability(1, &[high, low, 0, safi])
}

/// The 4-octet AS capability (RFC 6793, 3).
pub(crate) fn four_octet_as(asn: u32) -> Vec<u8> {
    capability(65, &asn.to_be_bytes())
}

/// The graceful restart capability (RFC 4724, 3): flags and time in one field, then (AFI, flags) of unicast.
pub(crate) fn graceful_restart(flags: u8, seconds: u16, families: &[(u16, u8)]) -> Vec<u8> {
    let field = u16::from(flags) << 8 | seconds;
    let families = families.iter().flat_map(|(afi, flags)| {
        let [high, low] = afi.to_be_bytes();
        [high, low, 1, *flags]
    });
    capability(64, &field.to_be_bytes().into_iter().chain(families).collect::<Vec<u8>>())
}

/// An UPDATE of three parts as they stand on the wire.
pub(crate) fn update(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let length = |part: &[u8]| u16::try_from(part.len()).unwrap().to_be_bytes();
    let body = [&length(withdrawn)[..], withdrawn, &length(attributes), attributes, nlri].concat();
    message(UPDATE, &body)
}

/// End-of-RIB of IPv4 unicast (RFC 4724, 2).
pub(crate) fn end_of_rib() -> Vec<u8> {
    update(&[], &[], &[])
}

/// A path attribute; its length is extended where the flags say so.
pub(crate) fn attribute(flags: u8, code: u8, value: &[u8]) -> Vec<u8> {
    if flags & EXTENDED == 0 {
        [&[flags, code, u8::try_from(value.len()).unwrap()], value].concat()
    } else {
        let [high, low] = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[flags, code, high, low], value].concat()
    }
}

pub(crate) fn origin(value: u8) -> Vec<u8> {
    attribute(TRANSITIVE, 1, &[value])
}

/// AS_PATH: one AS_SEQUENCE of 4-octet numbers.
pub(crate) fn as_path(path: &[u32]) -> Vec<u8> {
    attribute(TRANSITIVE, 2, &segment(2, path))
}

/// A segment of an AS_PATH with 4-octet numbers.
pub(crate) fn segment(kind: u8, path: &[u32]) -> Vec<u8> {
    let numbers = path.iter().flat_map(|asn| asn.to_be_bytes());
    [kind, u8::try_from(path.len()).unwrap()].into_iter().chain(numbers).collect()
}

pub(crate) fn next_hop(address: Ipv4Addr) -> Vec<u8> {
    attribute(TRANSITIVE, 3, &address.octets())
}

/// MP_REACH_NLRI (RFC 4760, 3).
pub(crate) fn mp_reach(afi: u16, safi: u8, next_hop: &[u8], nlri: &[u8]) -> Vec<u8> {
    let [high, low] = afi.to_be_bytes();
    let head = [high, low, safi, u8::try_from(next_hop.len()).unwrap()];
    attribute(OPTIONAL | EXTENDED, 14, &[&head, next_hop, &[0], nlri].concat())
}

/// MP_UNREACH_NLRI (RFC 4760, 4).
pub(crate) fn mp_unreach(afi: u16, safi: u8, withdrawn: &[u8]) -> Vec<u8> {
    let [high, low] = afi.to_be_bytes();
    attribute(OPTIONAL | EXTENDED, 15, &[&[high, low, safi], withdrawn].concat())
}

/// Prefixes as NLRI: `"10.244.1.0/26 2001:db8::/32"`.
pub(crate) fn nlri(prefixes: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for prefix in prefixes.split_whitespace() {
        let prefix: ipnet::IpNet = prefix.parse().unwrap();
        let length = prefix.prefix_len();
        octets.push(length);
        let address = match prefix.network() {
            std::net::IpAddr::V4(address) => address.octets().to_vec(),
            std::net::IpAddr::V6(address) => address.octets().to_vec(),
        };
        octets.extend(&address[..usize::from(length).div_ceil(8)]);
    }
    octets
}
