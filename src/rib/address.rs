//! Addresses as the tables pack them.

use std::fmt::Debug;
use std::hash::Hash;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// How many low bits of an address tell the prefixes of one block apart: 32 pod blocks of /26 or /122.
const LOW_BITS: u32 = 11;
const LOW: u32 = (1 << LOW_BITS) - 1;

/// An address of one family; the order is the numeric one.
pub(super) trait Address: Copy + Default + Ord + Hash + Debug {
    /// The block that the address is in, and its place there.
    fn split(self) -> (Self, u32);
    /// Undoes [`Address::split`].
    fn join(block: Self, low: u32) -> Self;
    /// The address with all but the first `length` bits zero.
    fn first(self, length: u8) -> Self;
    /// The address with all but the first `length` bits one.
    fn last(self, length: u8) -> Self;
    /// A prefix of this address, as others write it.
    fn prefix(self, length: u8) -> IpNet;
}

/// An IPv4 address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct V4(u32);

/// An IPv6 address, in words: a `u128` would be aligned to 16 octets and cost 4 more a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct V6([u32; 4]);

impl From<Ipv4Net> for V4 {
    fn from(prefix: Ipv4Net) -> Self {
        Self(prefix.network().to_bits())
    }
}

impl Address for V4 {
    #[inline]
    fn split(self) -> (Self, u32) {
        (Self(self.0 & !LOW), self.0 & LOW)
    }

    #[inline]
    fn join(block: Self, low: u32) -> Self {
        Self(block.0 | low)
    }

    fn first(self, length: u8) -> Self {
        Self(self.0 & !Self::host_bits(length))
    }

    fn last(self, length: u8) -> Self {
        Self(self.0 | Self::host_bits(length))
    }

    fn prefix(self, length: u8) -> IpNet {
        Ipv4Net::new(Ipv4Addr::from_bits(self.0), length).unwrap_or_default().into()
    }
}

impl V4 {
    fn host_bits(length: u8) -> u32 {
        u32::MAX.checked_shr(u32::from(length)).unwrap_or(0)
    }
}

impl From<Ipv6Net> for V6 {
    fn from(prefix: Ipv6Net) -> Self {
        Self::narrow(prefix.network().to_bits())
    }
}

impl Address for V6 {
    #[inline]
    fn split(self) -> (Self, u32) {
        let [a, b, c, d] = self.0;
        (Self([a, b, c, d & !LOW]), d & LOW)
    }

    #[inline]
    fn join(block: Self, low: u32) -> Self {
        let [a, b, c, d] = block.0;
        Self([a, b, c, d | low])
    }

    fn first(self, length: u8) -> Self {
        Self::narrow(self.wide() & !Self::host_bits(length))
    }

    fn last(self, length: u8) -> Self {
        Self::narrow(self.wide() | Self::host_bits(length))
    }

    fn prefix(self, length: u8) -> IpNet {
        Ipv6Net::new(Ipv6Addr::from_bits(self.wide()), length).unwrap_or_default().into()
    }
}

impl V6 {
    fn host_bits(length: u8) -> u128 {
        u128::MAX.checked_shr(u32::from(length)).unwrap_or(0)
    }

    fn wide(self) -> u128 {
        let [a, b, c, d] = self.0.map(u128::from);
        a << 96 | b << 64 | c << 32 | d
    }

    #[expect(clippy::cast_possible_truncation, reason = "takes the words of a wide number apart")]
    const fn narrow(wide: u128) -> Self {
        Self([(wide >> 96) as u32, (wide >> 64) as u32, (wide >> 32) as u32, wide as u32])
    }
}
