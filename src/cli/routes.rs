//! `thirdleaf routes`: what peers advertise.

use std::io::Write;
use std::net::IpAddr;

use clap::Args;
use clap::builder::PossibleValuesParser;
use ipnet::IpNet;

use super::client::Client;
use super::output::{self, Printer, Row, Style};
use super::past::{self, File, Memory, Question};
use super::scope::Scope;
use super::table::{Cell, Column, Paint, age};
use super::{Error, Exit};
use crate::journal::view::Spell;
use crate::observer::view::Route;
use crate::observer::{Match, RouteQuery, StateFilter};
use crate::policy::{Class, Reason};
use crate::time::{Timestamp, When};

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
    /// What was there at this time: 2026-11-21T03:12:00Z, or how long ago, like 1h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with = "stale")]
    at: Option<When>,
    /// Who announced it, from when to when
    #[arg(long, requires = "prefix", conflicts_with_all = ["at", "stale", "journal"])]
    history: bool,
    #[command(flatten)]
    file: File,
    /// At most so many
    #[arg(long, value_parser = super::positive)]
    limit: Option<usize>,
}

/// How the prefix is meant.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct Matching {
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
    pub(super) fn name(&self, prefix: Option<Prefix>) -> Option<String> {
        prefix?;
        let name = match self.of(prefix) {
            Match::Exact => "exact",
            Match::Longer => "longer",
            Match::Covering => "covering",
        };
        Some(name.to_owned())
    }

    pub(super) fn of(&self, prefix: Option<Prefix>) -> Match {
        match prefix {
            _ if self.exact => Match::Exact,
            _ if self.longer => Match::Longer,
            _ if self.covering => Match::Covering,
            Some(Prefix { is_address: true, .. }) => Match::Covering,
            _ => Match::Exact,
        }
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
        let shown = match self.at {
            Some(at) => self.show_past(at, client, style, out).await?,
            None if self.file.journal.is_some() => {
                return Err(Error::Usage("--journal needs --at: the time to look at".to_owned()));
            }
            None if self.history => {
                let pages = client.pages::<Spell>("/api/v1/routes/history", &self.parameters(), self.limit);
                output::list(pages, style, out).await?
            }
            None => {
                let pages = client.pages::<Route>("/api/v1/routes", &self.parameters(), self.limit);
                output::list(pages, style, out).await?
            }
        };
        Ok(Exit::negative_if(shown == 0))
    }

    /// What was there at a time; ages are those that routes had then.
    async fn show_past(
        &self,
        at: When,
        client: &Client,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<usize, Error> {
        let memory = Memory::of(client, self.file.journal.as_deref(), style.now)?;
        let query = self.query();
        let mut parameters = self.parameters();
        parameters.push(("at", Some(at.to_string())));
        let style = Style { now: at.from(style.now), ..*style };
        let mut printer = Printer::new::<Route>(&style, out);
        let (mut left, mut cursor) = (self.limit.unwrap_or(usize::MAX), None);
        loop {
            let limit = left.min(past::PAGE);
            let is_first = cursor.is_none();
            let page = memory.routes(Question { parameters: &parameters, limit, cursor }, at, &query).await?;
            if is_first {
                past::warn(&page.gaps);
            }
            left = left.saturating_sub(page.items.len());
            printer.page(&page.items)?;
            cursor = page.next_cursor;
            if cursor.is_none() || left == 0 {
                return printer.finish();
            }
        }
    }

    /// What is asked for, in the words of the API.
    fn parameters(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("match", self.matching.name(self.prefix)),
            ("prefix", self.prefix.map(|prefix| prefix.net.to_string())),
            ("class", self.class.clone()),
            ("node", self.node.clone()),
            ("leaf", self.leaf.clone()),
            ("peer", self.peer.map(|peer| peer.to_string())),
            ("cluster", self.scope.cluster.clone()),
            ("vrf", self.scope.vrf.clone()),
            ("state", self.state.name()),
            ("reason", self.reason.clone()),
            ("community", self.community.clone()),
        ]
    }

    /// The same for a file.
    fn query(&self) -> RouteQuery {
        RouteQuery {
            prefix: self.prefix.map(|prefix| prefix.net),
            matching: self.matching.of(self.prefix),
            class: self.class.as_deref().and_then(Class::from_name),
            node: self.node.clone(),
            leaf: self.leaf.clone(),
            peer: self.peer,
            cluster: self.scope.cluster.clone(),
            vrf: self.scope.vrf.clone(),
            state: self.state.name().as_deref().and_then(StateFilter::from_name),
            reason: self.reason.as_deref().and_then(Reason::from_name),
            community: self.community.clone(),
            ..RouteQuery::default()
        }
    }
}

impl Row for Spell {
    const COLUMNS: &'static [Column] = &[
        Column::left("FROM"),
        Column::left("UNTIL"),
        Column::left("PREFIX"),
        Column::left("NODE"),
        Column::left("LEAF"),
        Column::left("PEER"),
        Column::left("CLUSTER").wide(),
        Column::left("VRF").wide(),
        Column::left("AS-PATH"),
        Column::left("STATE"),
        Column::left("REASON"),
        Column::left("NEXT-HOP").wide(),
        Column::left("COMMUNITIES").wide(),
    ];

    fn cells(&self, _now: Timestamp) -> Vec<Cell> {
        let Self { route, until } = self;
        vec![
            Cell::new(route.since),
            Cell::maybe(*until),
            Cell::new(route.prefix),
            Cell::maybe(route.node.as_ref()),
            Cell::new(&route.leaf),
            Cell::new(route.peer),
            Cell::new(&route.cluster),
            Cell::new(&route.vrf),
            Cell::new(&route.as_path),
            Cell::new(&route.state).paint(paint(route)),
            Cell::new(reasons(route)),
            Cell::maybe(route.next_hop),
            Cell::all(&route.communities),
        ]
    }
}

fn paint(route: &Route) -> Paint {
    match &*route.state {
        "rejected" => Paint::Bad,
        _ if route.stale => Paint::Warning,
        "noted" => Paint::Plain,
        _ => Paint::Good,
    }
}

/// Why a route is rejected or noted.
pub(super) fn reasons(route: &Route) -> String {
    route.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
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
            Cell::new(state).paint(paint(self)),
            Cell::new(reasons(self)),
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
