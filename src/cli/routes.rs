//! `thirdleaf routes`: what peers advertise.

use std::io::Write;
use std::net::IpAddr;

use clap::Args;
use clap::builder::PossibleValuesParser;
use ipnet::IpNet;

use super::client::Client;
use super::output::{self, Row, Style};
use super::scope::Scope;
use super::table::{Cell, Column, Paint, age};
use super::{Error, Exit};
use crate::observer::view::Route;
use crate::policy::{Class, Reason};
use crate::time::Timestamp;

#[derive(Debug, Args)]
pub(super) struct Routes {
    /// Prefix, or an address: routes that cover it
    prefix: Option<Prefix>,
    #[command(flatten)]
    matching: Matching,
    /// Of this class
    #[arg(long, value_parser = PossibleValuesParser::new(Class::ALL.map(Class::name)))]
    class: Option<String>,
    /// Of this node
    #[arg(long)]
    node: Option<String>,
    /// Heard by this leaf
    #[arg(long)]
    leaf: Option<String>,
    /// Announced by this address
    #[arg(long)]
    peer: Option<IpAddr>,
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    state: State,
    /// Rejected or noted for this reason
    #[arg(long, value_parser = PossibleValuesParser::new(Reason::ALL.map(Reason::name)))]
    reason: Option<String>,
    /// With this community
    #[arg(long)]
    community: Option<String>,
    /// At most so many
    #[arg(long, value_parser = super::positive)]
    limit: Option<usize>,
}

/// How the prefix is meant.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Matching {
    /// The very prefix (the default)
    #[arg(long, requires = "prefix")]
    exact: bool,
    /// The prefix and what lies within it
    #[arg(long, requires = "prefix")]
    longer: bool,
    /// The prefix and what it lies within
    #[arg(long, requires = "prefix")]
    covering: bool,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
#[expect(clippy::struct_excessive_bools, reason = "flags, of which one may be given")]
struct State {
    /// Accepted ones only
    #[arg(long)]
    accepted: bool,
    /// Rejected ones only
    #[arg(long)]
    rejected: bool,
    /// Stale ones only
    #[arg(long)]
    stale: bool,
    /// Transit by design only (policy.transit)
    #[arg(long)]
    noted: bool,
}

/// A prefix as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    pub(super) net: IpNet,
    /// Without a length.
    pub(super) is_address: bool,
}

impl std::str::FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self { net: address.into(), is_address: true });
        }
        match text.parse::<IpNet>() {
            Ok(net) => Ok(Self { net: net.trunc(), is_address: false }),
            Err(_) => Err("neither a prefix (10.244.0.0/26) nor an address".to_owned()),
        }
    }
}

impl Matching {
    fn name(&self, prefix: Option<Prefix>) -> Option<String> {
        let name = match prefix? {
            _ if self.exact => "exact",
            _ if self.longer => "longer",
            _ if self.covering => "covering",
            Prefix { is_address: true, .. } => "covering",
            Prefix { is_address: false, .. } => "exact",
        };
        Some(name.to_owned())
    }
}

impl State {
    fn name(&self) -> Option<String> {
        let states = [
            (self.accepted, "accepted"),
            (self.rejected, "rejected"),
            (self.stale, "stale"),
            (self.noted, "noted"),
        ];
        states.into_iter().find(|(wanted, _)| *wanted).map(|(_, name)| name.to_owned())
    }
}

impl Routes {
    pub(super) async fn execute(
        self,
        client: &Client,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<Exit, Error> {
        let query = [
            ("match", self.matching.name(self.prefix)),
            ("prefix", self.prefix.map(|prefix| prefix.net.to_string())),
            ("class", self.class),
            ("node", self.node),
            ("leaf", self.leaf),
            ("peer", self.peer.map(|peer| peer.to_string())),
            ("cluster", self.scope.cluster),
            ("vrf", self.scope.vrf),
            ("state", self.state.name()),
            ("reason", self.reason),
            ("community", self.community),
        ];
        let pages = client.pages::<Route>("/api/v1/routes", &query, self.limit);
        let shown = output::list(pages, style, out).await?;
        Ok(Exit::negative_if(shown == 0))
    }
}

impl Row for Route {
    const COLUMNS: &'static [Column] = &[
        Column::left("PREFIX"),
        Column::left("CLASS"),
        Column::left("NODE"),
        Column::left("LEAF"),
        Column::left("PEER"),
        Column::left("CLUSTER").wide(),
        Column::left("VRF").wide(),
        Column::left("AS-PATH"),
        Column::right("AGE"),
        Column::left("STATE"),
        Column::left("REASON"),
        Column::left("NEXT-HOP").wide(),
        Column::right("PATH-ID").wide(),
        Column::left("ORIGIN").wide(),
        Column::right("MED").wide(),
        Column::left("COMMUNITIES").wide(),
        Column::left("EEPG").wide(),
    ];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        let state = if self.stale { format!("{},stale", self.state) } else { self.state.to_string() };
        let paint = match &*self.state {
            "rejected" => Paint::Bad,
            _ if self.stale => Paint::Warning,
            "noted" => Paint::Plain,
            _ => Paint::Good,
        };
        vec![
            Cell::new(self.prefix),
            Cell::new(self.class),
            Cell::maybe(self.node.as_ref()),
            Cell::new(&self.leaf),
            Cell::new(self.peer),
            Cell::new(&self.cluster),
            Cell::new(&self.vrf),
            Cell::new(&self.as_path),
            Cell::new(age(now, self.since)),
            Cell::new(state).paint(paint),
            Cell::new(self.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
            Cell::maybe(self.next_hop),
            Cell::new(self.path_id),
            Cell::maybe(self.origin.as_ref()),
            Cell::maybe(self.med),
            Cell::all(&self.communities),
            Cell::maybe(self.eepg.as_ref()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stands_for_what_covers_it() {
        let none = Matching { exact: false, longer: false, covering: false };
        let address: Prefix = "10.244.0.9".parse().unwrap();
        assert_eq!(address.net.to_string(), "10.244.0.9/32");
        assert_eq!(none.name(Some(address)).as_deref(), Some("covering"));
        let prefix: Prefix = "fd00::1/64".parse().unwrap();
        assert_eq!(prefix.net.to_string(), "fd00::/64");
        assert_eq!(none.name(Some(prefix)).as_deref(), Some("exact"));
        assert_eq!(none.name(None), None);
        assert!("10.0.0.0/33".parse::<Prefix>().is_err());
    }
}
