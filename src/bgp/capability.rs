//! Capabilities (RFC 5492): what an OPEN offers.

mod list;

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::Family;
use super::notification::sanitised;
use super::wire::{Parsed, counted_by_u8, u8, u16, u32};

pub use list::Capabilities;

/// One capability. Each is read within its own length; one that is known but makes no sense is kept as
/// [`Malformed`](Capability::Malformed) and counts as not offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability {
    /// 1 (RFC 4760).
    Multiprotocol {
        /// Address family.
        afi: u16,
        /// Subsequent address family.
        safi: u8,
    },
    /// 2 (RFC 2918).
    RouteRefresh,
    /// 5 (RFC 8950): NLRI family and the family of its next hop.
    ExtendedNextHop(Vec<NextHopFamily>),
    /// 6 (RFC 8654).
    ExtendedMessage,
    /// 9 (RFC 9234).
    Role(u8),
    /// 64 (RFC 4724, 8538).
    GracefulRestart {
        /// R bit.
        restarting: bool,
        /// N bit.
        notification: bool,
        /// Seconds, 12 bits.
        time: u16,
        /// Families whose routes outlive the session.
        families: Vec<RestartFamily>,
    },
    /// 65 (RFC 6793).
    FourOctetAs(u32),
    /// 69 (RFC 7911).
    AddPath(Vec<AddPathFamily>),
    /// 70 (RFC 7313).
    EnhancedRouteRefresh,
    /// 71 (RFC 9494).
    LongLivedGracefulRestart(Vec<LongLivedFamily>),
    /// 73: the host's name and domain.
    Fqdn {
        /// Host name, sanitised.
        host: String,
        /// Domain name, sanitised.
        domain: String,
    },
    /// 75: what the peer runs, sanitised.
    SoftwareVersion(String),
    /// One that we do not know.
    Unknown {
        /// Its code.
        code: u8,
        /// Its value.
        data: Bytes,
    },
    /// One that we know and that does not have the form it should have.
    Malformed {
        /// Its code.
        code: u8,
        /// Its value.
        data: Bytes,
    },
}

/// An entry of the extended next hop capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in RFC 8950, section 4")]
pub struct NextHopFamily {
    pub afi: u16,
    pub safi: u16,
    pub next_hop_afi: u16,
}

/// An entry of the graceful restart capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartFamily {
    /// Address family.
    pub afi: u16,
    /// Subsequent address family.
    pub safi: u8,
    /// F bit: forwarding state was preserved.
    pub forwarding: bool,
}

/// An entry of the add-path capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddPathFamily {
    /// Address family.
    pub afi: u16,
    /// Subsequent address family.
    pub safi: u8,
    /// 1 receive, 2 send, 3 both; anything else is to be ignored.
    pub mode: u8,
}

impl AddPathFamily {
    /// Whether whoever offers this can take several paths of one prefix.
    pub const fn receives(&self) -> bool {
        matches!(self.mode, 1 | 3)
    }

    /// Whether whoever offers this would send several paths of one prefix.
    pub const fn sends(&self) -> bool {
        matches!(self.mode, 2 | 3)
    }
}

/// An entry of the long-lived graceful restart capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongLivedFamily {
    /// Address family.
    pub afi: u16,
    /// Subsequent address family.
    pub safi: u8,
    /// F bit.
    pub forwarding: bool,
    /// Seconds, 24 bits.
    pub stale_time: u32,
}

impl Capability {
    /// The code of the capability for 4-octet AS numbers (RFC 6793, 9).
    pub(super) const FOUR_OCTET_AS: u8 = 65;

    /// The capability that offers `family`.
    pub const fn multiprotocol(family: Family) -> Self {
        Self::Multiprotocol { afi: family.afi(), safi: 1 }
    }

    /// Its code.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Multiprotocol { .. } => 1,
            Self::RouteRefresh => 2,
            Self::ExtendedNextHop(_) => 5,
            Self::ExtendedMessage => 6,
            Self::Role(_) => 9,
            Self::GracefulRestart { .. } => 64,
            Self::FourOctetAs(_) => Self::FOUR_OCTET_AS,
            Self::AddPath(_) => 69,
            Self::EnhancedRouteRefresh => 70,
            Self::LongLivedGracefulRestart(_) => 71,
            Self::Fqdn { .. } => 73,
            Self::SoftwareVersion(_) => 75,
            Self::Unknown { code, .. } | Self::Malformed { code, .. } => *code,
        }
    }

    /// The capability with this code and this value.
    pub(super) fn decode(code: u8, value: &[u8]) -> Self {
        let decoded = match code {
            1 => complete(value, multiprotocol),
            2 => value.is_empty().then_some(Self::RouteRefresh),
            5 => list(value, next_hop_family).map(Self::ExtendedNextHop),
            6 => value.is_empty().then_some(Self::ExtendedMessage),
            9 => complete(value, u8).map(Self::Role),
            64 => graceful_restart(value),
            Self::FOUR_OCTET_AS => complete(value, u32).map(Self::FourOctetAs),
            69 => list(value, add_path_family).map(Self::AddPath),
            70 => value.is_empty().then_some(Self::EnhancedRouteRefresh),
            71 => list(value, long_lived_family).map(Self::LongLivedGracefulRestart),
            73 => complete(value, fqdn),
            75 => complete(value, counted_by_u8).map(|text| Self::SoftwareVersion(sanitised(text))),
            _ => return Self::Unknown { code, data: Bytes::copy_from_slice(value) },
        };
        decoded.unwrap_or_else(|| Self::Malformed { code, data: Bytes::copy_from_slice(value) })
    }

    /// Appends code, length and value. What does not fit 255 octets is left out, whole.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut value = BytesMut::new();
        self.encode_value(&mut value);
        if let Ok(length) = u8::try_from(value.len()) {
            out.put_slice(&[self.code(), length]);
            out.put_slice(&value);
        }
    }

    fn encode_value(&self, out: &mut BytesMut) {
        match self {
            Self::Multiprotocol { afi, safi } => {
                out.put_u16(*afi);
                out.put_slice(&[0, *safi]);
            }
            Self::RouteRefresh | Self::ExtendedMessage | Self::EnhancedRouteRefresh => {}
            Self::ExtendedNextHop(families) => {
                for family in families {
                    out.put_u16(family.afi);
                    out.put_u16(family.safi);
                    out.put_u16(family.next_hop_afi);
                }
            }
            Self::Role(role) => out.put_u8(*role),
            Self::GracefulRestart { restarting, notification, time, families } => {
                let flags = u16::from(*restarting) << 15 | u16::from(*notification) << 14;
                out.put_u16(flags | (time & 0x0fff));
                for family in families {
                    out.put_u16(family.afi);
                    out.put_slice(&[family.safi, u8::from(family.forwarding) << 7]);
                }
            }
            Self::FourOctetAs(asn) => out.put_u32(*asn),
            Self::AddPath(families) => {
                for family in families {
                    out.put_u16(family.afi);
                    out.put_slice(&[family.safi, family.mode]);
                }
            }
            Self::LongLivedGracefulRestart(families) => {
                for family in families {
                    out.put_u16(family.afi);
                    out.put_slice(&[family.safi, u8::from(family.forwarding) << 7]);
                    out.put_uint(u64::from(family.stale_time & 0x00ff_ffff), 3);
                }
            }
            Self::Fqdn { host, domain } => {
                put_text(out, host);
                put_text(out, domain);
            }
            Self::SoftwareVersion(version) => put_text(out, version),
            Self::Unknown { data, .. } | Self::Malformed { data, .. } => out.put_slice(data),
        }
    }
}

fn put_text(out: &mut BytesMut, text: &str) {
    let text = text.get(..text.floor_char_boundary(255)).unwrap_or_default();
    out.put_u8(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.put_slice(text.as_bytes());
}

/// What `parser` makes of all of `value`.
fn complete<'a, T>(value: &'a [u8], parser: impl Fn(&'a [u8]) -> Parsed<'a, T>) -> Option<T> {
    match parser(value) {
        Ok(([], parsed)) => Some(parsed),
        _ => None,
    }
}

/// As many entries as `value` holds, and nothing else.
fn list<'a, T>(mut value: &'a [u8], parser: impl Fn(&'a [u8]) -> Parsed<'a, T>) -> Option<Vec<T>> {
    let mut entries = Vec::new();
    while !value.is_empty() {
        let (rest, entry) = parser(value).ok()?;
        entries.push(entry);
        value = rest;
    }
    Some(entries)
}

fn multiprotocol(input: &[u8]) -> Parsed<'_, Capability> {
    let (input, afi) = u16(input)?;
    let (input, _reserved) = u8(input)?;
    let (input, safi) = u8(input)?;
    Ok((input, Capability::Multiprotocol { afi, safi }))
}

fn next_hop_family(input: &[u8]) -> Parsed<'_, NextHopFamily> {
    let (input, afi) = u16(input)?;
    let (input, safi) = u16(input)?;
    let (input, next_hop_afi) = u16(input)?;
    Ok((input, NextHopFamily { afi, safi, next_hop_afi }))
}

fn graceful_restart(value: &[u8]) -> Option<Capability> {
    let (families, head) = u16(value).ok()?;
    Some(Capability::GracefulRestart {
        restarting: head & 0x8000 != 0,
        notification: head & 0x4000 != 0,
        time: head & 0x0fff,
        families: list(families, restart_family)?,
    })
}

fn restart_family(input: &[u8]) -> Parsed<'_, RestartFamily> {
    let (input, afi) = u16(input)?;
    let (input, safi) = u8(input)?;
    let (input, flags) = u8(input)?;
    Ok((input, RestartFamily { afi, safi, forwarding: flags & 0x80 != 0 }))
}

fn add_path_family(input: &[u8]) -> Parsed<'_, AddPathFamily> {
    let (input, afi) = u16(input)?;
    let (input, safi) = u8(input)?;
    let (input, mode) = u8(input)?;
    Ok((input, AddPathFamily { afi, safi, mode }))
}

fn long_lived_family(input: &[u8]) -> Parsed<'_, LongLivedFamily> {
    let (input, afi) = u16(input)?;
    let (input, safi) = u8(input)?;
    let (input, tail) = u32(input)?;
    let forwarding = tail & 0x8000_0000 != 0;
    Ok((input, LongLivedFamily { afi, safi, forwarding, stale_time: tail & 0x00ff_ffff }))
}

fn fqdn(input: &[u8]) -> Parsed<'_, Capability> {
    let (input, host) = counted_by_u8(input)?;
    let (input, domain) = counted_by_u8(input)?;
    Ok((input, Capability::Fqdn { host: sanitised(host), domain: sanitised(domain) }))
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Multiprotocol { afi, safi } => write!(f, "multiprotocol {}", Named(*afi, *safi)),
            Self::RouteRefresh => f.write_str("route-refresh"),
            Self::ExtendedNextHop(families) => {
                f.write_str("extended-next-hop")?;
                families.iter().try_for_each(|family| {
                    write!(f, " {}/{} via {}", family.afi, family.safi, family.next_hop_afi)
                })
            }
            Self::ExtendedMessage => f.write_str("extended-message"),
            Self::Role(role) => write!(f, "role {}", role_name(*role)),
            Self::GracefulRestart { restarting, notification, time, families } => {
                write!(f, "graceful-restart {time} s")?;
                f.write_str(if *restarting { " R" } else { "" })?;
                f.write_str(if *notification { " N" } else { "" })?;
                families.iter().try_for_each(|family| {
                    let forwarding = if family.forwarding { " F" } else { "" };
                    write!(f, " {}{forwarding}", Named(family.afi, family.safi))
                })
            }
            Self::FourOctetAs(asn) => write!(f, "4-octet-as {asn}"),
            Self::AddPath(families) => {
                f.write_str("add-path")?;
                families.iter().try_for_each(|family| {
                    write!(f, " {} {}", Named(family.afi, family.safi), mode_name(family.mode))
                })
            }
            Self::EnhancedRouteRefresh => f.write_str("enhanced-route-refresh"),
            Self::LongLivedGracefulRestart(families) => {
                f.write_str("long-lived-graceful-restart")?;
                families.iter().try_for_each(|family| {
                    write!(f, " {} {} s", Named(family.afi, family.safi), family.stale_time)
                })
            }
            Self::Fqdn { host, domain } if domain.is_empty() => write!(f, "fqdn {host}"),
            Self::Fqdn { host, domain } => write!(f, "fqdn {host}.{domain}"),
            Self::SoftwareVersion(version) => write!(f, "software-version {version}"),
            Self::Unknown { code, data } => write!(f, "unknown {code} ({} octets)", data.len()),
            Self::Malformed { code, data } => write!(f, "malformed {code} ({} octets)", data.len()),
        }
    }
}

/// A family by its name, or by its numbers.
struct Named(u16, u8);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Family::from_wire(self.0, self.1) {
            Some(family) => write!(f, "{family}"),
            None => write!(f, "{}/{}", self.0, self.1),
        }
    }
}

const fn mode_name(mode: u8) -> &'static str {
    match mode {
        1 => "receive",
        2 => "send",
        3 => "both",
        _ => "?",
    }
}

const fn role_name(role: u8) -> &'static str {
    match role {
        0 => "provider",
        1 => "route-server",
        2 => "route-server-client",
        3 => "customer",
        4 => "peer",
        _ => "?",
    }
}
