//! The lists of what the observer knows.

use std::net::IpAddr;

use axum::Json;
use ipnet::IpNet;

use super::page::{self, Key};
use super::params::Params;
use super::problem::Problem;
use super::{Shared, State};
use crate::observer::findings::Kind;
use crate::observer::view::{Finding, Page, Peer, Route, Why};
use crate::observer::{Match, PeerSnapshot, RouteQuery, StateFilter};
use crate::policy::{Class, Reason};
use crate::speaker::stats::SessionState;

/// `(leaf, address)`.
type PeerKey = (String, IpAddr);

impl Key for PeerKey {
    fn write(&self) -> String {
        format!("{}~{}", self.0, self.1)
    }

    fn read(text: &str) -> Option<Self> {
        let (leaf, address) = text.rsplit_once('~')?;
        Some((leaf.to_owned(), address.parse().ok()?))
    }
}

pub(super) async fn peers(state: State, mut params: Params) -> Result<Json<Page<Peer>>, Problem> {
    let leaf = params.text("leaf")?;
    let node = params.text("node")?;
    let cluster = params.text("cluster")?;
    let vrf = params.text("vrf")?;
    let address = params.address("peer")?;
    let session = params.one_of("state", SessionFilter::from_name, SessionFilter::NAMES)?;
    let limit = params.limit()?;
    let after = page::read::<PeerKey>(params.text("cursor")?)?;
    params.finish()?;
    let snapshot = state.snapshot().await?;
    let wanted = |peer: &&PeerSnapshot| {
        is(leaf.as_ref(), Some(&peer.id.leaf))
            && is(node.as_ref(), peer.node.as_deref())
            && is(cluster.as_ref(), Some(&peer.cluster))
            && is(vrf.as_ref(), Some(&peer.vrf))
            && address.is_none_or(|address| address == peer.id.address)
            && session.is_none_or(|session| session.matches(peer.state()))
    };
    let peers = snapshot.peers.iter().filter(wanted);
    let key = |peer: &&PeerSnapshot| (peer.id.leaf.to_string(), peer.id.address);
    let Page { items, next_cursor, total } = page::page(peers, key, after.as_ref(), limit);
    Ok(Json(Page { items: items.into_iter().map(PeerSnapshot::view).collect(), next_cursor, total }))
}

/// Whether a filter, if there is one, finds what it looks for.
pub(super) fn is(filter: Option<&String>, value: Option<&str>) -> bool {
    filter.is_none_or(|filter| value == Some(filter.as_str()))
}

/// `state` of a peer.
#[derive(Clone, Copy)]
enum SessionFilter {
    Up,
    Down,
    Exactly(SessionState),
}

impl SessionFilter {
    const NAMES: &[&str] =
        &["up", "down", "idle", "connect", "active", "opensent", "openconfirm", "established"];

    fn from_name(name: &str) -> Option<Self> {
        match name {
            "up" => Some(Self::Up),
            "down" => Some(Self::Down),
            _ => {
                let mut states = SessionState::ALL.into_iter();
                states.find(|state| state.name().eq_ignore_ascii_case(name)).map(Self::Exactly)
            }
        }
    }

    fn matches(self, state: SessionState) -> bool {
        match self {
            Self::Up => state == SessionState::Established,
            Self::Down => state != SessionState::Established,
            Self::Exactly(wanted) => state == wanted,
        }
    }
}

/// A prefix, and how it is meant.
pub(super) fn prefix(params: &mut Params) -> Result<(Option<IpNet>, Match), Problem> {
    let prefix = params.prefix("prefix")?;
    let matching = params.one_of("match", Match::from_name, &["exact", "longer", "covering"])?;
    if matching.is_some() && prefix.is_none() {
        return Err(Problem::bad_request("parameter \"match\" needs parameter \"prefix\""));
    }
    Ok((prefix, matching.unwrap_or_default()))
}

/// All that may be asked of routes, but where to go on.
pub(super) fn route_query(params: &mut Params) -> Result<RouteQuery, Problem> {
    let (prefix, matching) = prefix(params)?;
    Ok(RouteQuery {
        prefix,
        matching,
        class: params.one_of("class", Class::from_name, &Class::ALL.map(Class::name))?,
        node: params.text("node")?,
        leaf: params.text("leaf")?,
        peer: params.address("peer")?,
        cluster: params.text("cluster")?,
        vrf: params.text("vrf")?,
        state: params.one_of("state", StateFilter::from_name, &StateFilter::NAMES)?,
        reason: params.one_of("reason", Reason::from_name, &Reason::ALL.map(Reason::name))?,
        community: params.text("community")?,
        limit: params.limit()?,
        cursor: None,
    })
}

/// The same of those that are there now, and where to go on.
pub(super) fn page_query(mut params: Params) -> Result<RouteQuery, Problem> {
    let cursor = params.parse("cursor", "one of an earlier page")?;
    let query = RouteQuery { cursor, ..route_query(&mut params)? };
    params.finish()?;
    Ok(query)
}

pub(super) async fn routes(state: State, params: Params) -> Result<Json<Page<Route>>, Problem> {
    state.routes(page_query(params)?).await.map(Json)
}

impl Shared {
    /// A page of routes, with the EEPGs that hold them.
    pub(super) async fn routes(&self, query: RouteQuery) -> Result<Page<Route>, Problem> {
        let mut page = self.ask(self.app.observer.routes(query)).await?;
        self.name_holders(&mut page.items).await;
        Ok(page)
    }

    /// How routes of a prefix were judged.
    pub(super) async fn why(&self, mut params: Params) -> Result<Vec<Why>, Problem> {
        let prefix = params.prefix("prefix")?;
        let (cluster, vrf) = (params.text("cluster")?, params.text("vrf")?);
        params.finish()?;
        let prefix = prefix.ok_or_else(|| Problem::bad_request("parameter \"prefix\" is missing"))?;
        let query = RouteQuery { cluster, vrf, ..RouteQuery::of(prefix) };
        let mut items = self.ask(self.app.observer.why(query)).await?;
        self.explain_members(&mut items).await;
        Ok(items)
    }
}

pub(super) async fn why(state: State, params: Params) -> Result<Json<Page<Why>>, Problem> {
    let items = state.why(params).await?;
    let total = Some(items.len() as u64);
    Ok(Json(Page { items, next_cursor: None, total }))
}

/// The worst first, then the oldest: `(severity, since, id)`.
type FindingKey = (u64, u64, String);

impl Key for FindingKey {
    fn write(&self) -> String {
        format!("{}~{}~{}", self.0, self.1, self.2)
    }

    fn read(text: &str) -> Option<Self> {
        let (severity, rest) = text.split_once('~')?;
        let (since, id) = rest.split_once('~')?;
        Some((severity.parse().ok()?, since.parse().ok()?, id.to_owned()))
    }
}

const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

fn severity(name: &str) -> u64 {
    SEVERITIES.iter().take_while(|severity| **severity != name).count() as u64
}

/// `state` of a finding.
#[derive(Clone, Copy, Default)]
enum FindingFilter {
    #[default]
    Current,
    All,
    Exactly(&'static str),
}

impl FindingFilter {
    const NAMES: &[&str] = &["pending", "open", "resolved", "all"];

    fn from_name(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::All),
            _ => Self::NAMES.iter().find(|state| **state == name).map(|state| Self::Exactly(state)),
        }
    }

    fn matches(self, state: &str) -> bool {
        match self {
            Self::All => true,
            Self::Current => state != "resolved",
            Self::Exactly(wanted) => state == wanted,
        }
    }
}

/// Which findings are asked for.
pub(super) fn findings_page<'a>(
    all: impl Iterator<Item = &'a Finding>,
    mut params: Params,
) -> Result<Page<&'a Finding>, Problem> {
    let wanted_state =
        params.one_of("state", FindingFilter::from_name, FindingFilter::NAMES)?.unwrap_or_default();
    let known = |name: &str| SEVERITIES.into_iter().find(|severity| *severity == name);
    let wanted_severity = params.one_of("severity", known, &SEVERITIES)?;
    let kind = params.one_of("kind", Kind::from_name, &Kind::ALL.map(Kind::name))?.map(Kind::name);
    let cluster = params.text("cluster")?;
    let vrf = params.text("vrf")?;
    let leaf = params.text("leaf")?;
    let node = params.text("node")?;
    let peer = params.address("peer")?;
    let prefix = params.prefix("prefix")?;
    let limit = params.limit()?;
    let after = page::read::<FindingKey>(params.text("cursor")?)?;
    params.finish()?;
    let wanted = |finding: &&Finding| {
        wanted_state.matches(&finding.state)
            && wanted_severity.is_none_or(|severity| severity == finding.severity)
            && kind.is_none_or(|kind| kind == finding.kind)
            && concerns(&finding.cluster, cluster.as_deref())
            && concerns(&finding.vrf, vrf.as_deref())
            && is(leaf.as_ref(), finding.leaf.as_deref())
            && is(node.as_ref(), finding.node.as_deref())
            && (peer.is_none() || peer == finding.peer)
            && (prefix.is_none() || prefix == finding.prefix)
    };
    let findings = all.filter(wanted);
    let key =
        |finding: &&Finding| (severity(&finding.severity), finding.since.as_micros(), finding.id.clone());
    Ok(page::page(findings, key, after.as_ref(), limit))
}

pub(super) async fn findings(state: State, params: Params) -> Result<Json<Page<Finding>>, Problem> {
    let all = state.ask(state.app.observer.findings()).await?;
    let Page { items, next_cursor, total } = findings_page(all.iter(), params)?;
    Ok(Json(Page { items: items.into_iter().cloned().collect(), next_cursor, total }))
}

/// Whether a finding with this `scope`, which may be several (`a, b`) or all (empty), is one of `wanted`.
fn concerns(scope: &str, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| {
        scope.is_empty() || scope == wanted || scope.split(", ").any(|one| one == wanted)
    })
}

#[cfg(test)]
mod tests {
    use super::concerns;

    #[test]
    fn a_finding_of_several_clusters_concerns_each_of_them() {
        for (scope, wanted, expected) in [
            ("a, b", "a", true),
            ("a, b", "b", true),
            ("a, b", "a, b", true),
            ("a, b", "c", false),
            ("ab", "a", false),
            ("", "a", true),
        ] {
            assert_eq!(concerns(scope, Some(wanted)), expected, "{scope:?} {wanted}");
            assert!(concerns(scope, None));
        }
    }
}
