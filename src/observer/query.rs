//! Questions about routes.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::policy::{Class, Reason};

/// Which routes to show: `GET /api/v1/routes`. Every filter that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct RouteQuery {
    /// Routes whose prefix relates to this one as `matching` says.
    pub prefix: Option<IpNet>,
    /// How `prefix` is meant.
    pub matching: Match,
    /// Of this class.
    pub class: Option<Class>,
    /// Of the node with this name.
    pub node: Option<String>,
    /// Heard by this leaf.
    pub leaf: Option<String>,
    /// Announced by this address.
    pub peer: Option<IpAddr>,
    /// Of this cluster.
    pub cluster: Option<String>,
    /// Of this VRF.
    pub vrf: Option<String>,
    /// In this state.
    pub state: Option<StateFilter>,
    /// Rejected or noted for this reason, among others.
    pub reason: Option<Reason>,
    /// With this community, written as [`view::Route`](super::view::Route) shows it.
    pub community: Option<String>,
    /// At most so many; 0 stands for 100, and there are never more than 1,000.
    pub limit: usize,
    /// Only what comes after this place.
    pub cursor: Option<Cursor>,
}

impl RouteQuery {
    /// Routes of exactly this prefix.
    pub fn of(prefix: IpNet) -> Self {
        Self { prefix: Some(prefix), ..Self::default() }
    }
}

/// How the prefix of a query is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Match {
    /// The very prefix.
    #[default]
    Exact,
    /// It, and what lies within it.
    Longer,
    /// It, and what it lies within.
    Covering,
}

impl Match {
    /// The way with this name, as the API writes it.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "exact" => Some(Self::Exact),
            "longer" => Some(Self::Longer),
            "covering" => Some(Self::Covering),
            _ => None,
        }
    }
}

/// The `state` of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFilter {
    /// Accepted, stale or not.
    Accepted,
    /// Rejected and kept.
    Rejected,
    /// Stale, whatever the verdict.
    Stale,
    /// Transit by design, and kept.
    Noted,
}

impl StateFilter {
    /// All states, as the API writes them.
    pub const NAMES: [&str; 4] = ["accepted", "rejected", "stale", "noted"];

    /// The state with this name, as the API writes it.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "accepted" => Some(Self::Accepted),
            "rejected" => Some(Self::Rejected),
            "stale" => Some(Self::Stale),
            "noted" => Some(Self::Noted),
            _ => None,
        }
    }
}

/// A place in the order of routes: prefix, then peer, then path. Opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub(super) prefix: IpNet,
    pub(super) peer: u32,
    pub(super) path_id: u32,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, length) = (self.prefix.addr(), self.prefix.prefix_len());
        write!(f, "{address}~{length}~{}~{}", self.peer, self.path_id)
    }
}

/// The text is not a cursor that we gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of an earlier page")]
pub struct BadCursor;

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let mut parts = text.split('~');
        let mut part = || parts.next().ok_or(BadCursor);
        let address: IpAddr = part()?.parse().map_err(|_| BadCursor)?;
        let length = part()?.parse().map_err(|_| BadCursor)?;
        let prefix = IpNet::new(address, length).map_err(|_| BadCursor)?;
        let peer = part()?.parse().map_err(|_| BadCursor)?;
        let path_id = part()?.parse().map_err(|_| BadCursor)?;
        if parts.next().is_some() { Err(BadCursor) } else { Ok(Self { prefix, peer, path_id }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_printing_and_nonsense_does_not_parse() {
        for prefix in ["10.244.0.64/26", "::/0", "fd00:10:244::40/122"] {
            let cursor = Cursor { prefix: prefix.parse().unwrap(), peer: 17, path_id: u32::MAX };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "10.0.0.0~8", "10.0.0.0~33~0~0", "10.0.0.0~8~0~0~0", "x~8~0~0", "10.0.0.0~8~-1~0"] {
            assert_eq!(text.parse::<Cursor>(), Err(BadCursor), "{text}");
        }
    }
}
