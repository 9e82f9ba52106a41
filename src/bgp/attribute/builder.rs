//! Attributes put together by hand: for the lab, tests and benches.

use std::net::IpAddr;

use super::canonical::put;
use super::{Community, Origin, Set, code, flag};

const WELL_KNOWN: u8 = flag::TRANSITIVE;
const OPTIONAL: u8 = flag::OPTIONAL;
const OPTIONAL_TRANSITIVE: u8 = flag::OPTIONAL | flag::TRANSITIVE;

/// Builds a canonical [`Set`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Builder {
    /// Type, flags, value; in type order.
    attributes: Vec<(u8, u8, Vec<u8>)>,
}

impl Builder {
    /// What every announcement needs: ORIGIN IGP, one AS_SEQUENCE, a next hop.
    pub fn new(path: &[u32], next_hop: IpAddr) -> Self {
        Self::default().origin(Origin::Igp).as_sequence(path).next_hop(next_hop)
    }

    /// ORIGIN.
    #[must_use]
    pub fn origin(self, origin: Origin) -> Self {
        self.raw(WELL_KNOWN, code::ORIGIN, &[origin.code()])
    }

    /// AS_PATH of one AS_SEQUENCE; empty for no AS.
    #[must_use]
    pub fn as_sequence(self, path: &[u32]) -> Self {
        self.as_path(&[(2, path)])
    }

    /// AS_PATH of segments with these types (1 AS_SET, 2 AS_SEQUENCE); empty ones are left out.
    #[must_use]
    pub fn as_path(self, segments: &[(u8, &[u32])]) -> Self {
        let mut value = Vec::new();
        for (kind, numbers) in segments {
            for numbers in numbers.chunks(255) {
                value.extend([*kind, u8::try_from(numbers.len()).unwrap_or(u8::MAX)]);
                value.extend(numbers.iter().flat_map(|asn| asn.to_be_bytes()));
            }
        }
        self.raw(WELL_KNOWN, code::AS_PATH, &value)
    }

    /// NEXT_HOP.
    #[must_use]
    pub fn next_hop(self, next_hop: IpAddr) -> Self {
        match next_hop {
            IpAddr::V4(address) => self.raw(WELL_KNOWN, code::NEXT_HOP, &address.octets()),
            IpAddr::V6(address) => self.raw(WELL_KNOWN, code::NEXT_HOP, &address.octets()),
        }
    }

    /// MULTI_EXIT_DISC.
    #[must_use]
    pub fn med(self, med: u32) -> Self {
        self.raw(OPTIONAL, code::MED, &med.to_be_bytes())
    }

    /// Communities, each kind in an attribute of its own.
    #[must_use]
    pub fn communities(mut self, communities: &[Community]) -> Self {
        let mut kinds: [(u8, Vec<u8>); 4] = [
            (code::COMMUNITIES, Vec::new()),
            (code::EXTENDED_COMMUNITIES, Vec::new()),
            (code::IPV6_EXTENDED_COMMUNITIES, Vec::new()),
            (code::LARGE_COMMUNITIES, Vec::new()),
        ];
        let [standard, extended, ipv6, large] = &mut kinds;
        for community in communities {
            match community {
                Community::Standard(value) => standard.1.extend(value.to_be_bytes()),
                Community::Extended(octets) => extended.1.extend(octets),
                Community::Ipv6Extended(octets) => ipv6.1.extend(octets),
                Community::Large(global, first, second) => {
                    large.1.extend([global, first, second].into_iter().flat_map(|part| part.to_be_bytes()));
                }
            }
        }
        for (code, value) in kinds.iter().filter(|(_, value)| !value.is_empty()) {
            self = self.raw(OPTIONAL_TRANSITIVE, *code, value);
        }
        self
    }

    /// Any attribute; replaces one of the same type. Whether it makes sense is not asked.
    #[must_use]
    pub fn raw(mut self, flags: u8, code: u8, value: &[u8]) -> Self {
        let attribute = (code, flags, value.to_vec());
        match self.attributes.binary_search_by_key(&code, |attribute| attribute.0) {
            Ok(index) => {
                if let Some(old) = self.attributes.get_mut(index) {
                    *old = attribute;
                }
            }
            Err(index) => self.attributes.insert(index, attribute),
        }
        self
    }

    /// The canonical form.
    pub fn octets(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (code, flags, value) in &self.attributes {
            put(*flags, *code, value, &mut out);
        }
        out
    }

    /// Hands the canonical form to `use_set`.
    pub fn with_set<T>(&self, use_set: impl FnOnce(Set<'_>) -> T) -> T {
        use_set(Set::from_canonical(&self.octets()))
    }
}
