//! What differs between two times.
//!
//! What differs was there at one of them and began or ended in between: what is there at the later one alone came in
//! between, what was there at the earlier one alone went. So two looks into an index find it all, however much there
//! is that did not change; what went and came back the same falls out when both are laid side by side.

mod place;

use std::collections::{BTreeMap, HashMap};

use ipnet::IpNet;
use rusqlite::{Params, params, params_from_iter};

use super::names::{COLUMNS, Names, Row, net};
use super::range::ranges;
use super::runs::Moment;
use super::{Reader, Trouble};
use crate::journal::query::relates;
use crate::journal::view::{Change, Changes, Comparison, Counts, Difference, Member, Pair};
use crate::observer::RouteQuery;
use crate::observer::view::Finding;
use crate::time::Timestamp;
pub use place::Place;
use place::Section;

/// Differences of a page, if the question does not say.
const LIMIT: usize = 100;

/// How many routes that began or ended are laid side by side.
const MOST: usize = 500_000;

/// What orders routes: prefix, peer, path.
type Key = (IpNet, i64, u32);

/// What is compared of a route: names that stand for all of it.
#[derive(Clone, Copy, Debug)]
struct Side {
    id: i64,
    announcer: i64,
    attributes: i64,
    verdict: usize,
}

impl Side {
    const fn is_same(&self, other: &Self) -> bool {
        self.announcer == other.announcer
            && self.attributes == other.attributes
            && self.verdict == other.verdict
    }
}

/// Something at both times.
#[derive(Clone, Debug)]
struct Sides<T> {
    before: Option<T>,
    after: Option<T>,
}

impl<T> Default for Sides<T> {
    fn default() -> Self {
        Self { before: None, after: None }
    }
}

impl<T> Sides<T> {
    const fn change(&self) -> Change {
        match (&self.before, &self.after) {
            (None, _) => Change::New,
            (_, None) => Change::Gone,
            _ => Change::Changed,
        }
    }
}

type Found<K, T> = BTreeMap<K, Sides<T>>;

impl Reader {
    /// What differs between `from` and `to`: routes by prefix, then verdicts, findings and members. Of the query
    /// count the filters for prefix, leaf, peer, node, cluster and VRF; members know their prefix alone, and are left
    /// out where any other is given. A page after another compares the times that the other compared.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn compare(
        &self,
        from: Timestamp,
        to: Timestamp,
        query: &RouteQuery,
        after: Option<Place>,
    ) -> Result<Comparison, Trouble> {
        let _seen = self.begin()?;
        let (from, to) = after.as_ref().map_or((from, to), |place| (place.from, place.to));
        if from > to {
            return Err(Trouble::Question(format!("{from} is later than {to}")));
        }
        let (earlier, later) = (self.moment(from)?, self.moment(to)?);
        let times = Times { earlier, later };
        let routes = self.changed_routes(&times, query)?;
        let (verdicts, routes): (Found<_, _>, Found<_, _>) =
            routes.into_iter().partition(|(_, sides)| is_judged_otherwise(sides));
        let findings = self.changed_findings(&times, query)?;
        let members = self.changed_members(&times, query)?;
        let counts = Counts {
            routes: count(&routes),
            verdicts: count(&verdicts),
            findings: count(&findings),
            members: count(&members),
        };
        let mut page = Page::new(query, after.map(|place| place.section));
        let mut names = Names::new(&self.connection);
        page.take(routes, Section::Route, |_, sides| {
            self.route_pair(&mut names, &sides).map(Difference::Route)
        })?;
        let verdict = |_, sides| self.route_pair(&mut names, &sides).map(Difference::Verdict);
        page.take(verdicts, Section::Verdict, verdict)?;
        page.take(findings, Section::Finding, |_, sides| {
            Ok(Difference::Finding(Box::new(pair(sides, |it| it))))
        })?;
        page.take(members, Section::Member, |member: Member, sides: Sides<()>| {
            Ok(Difference::Member(pair(sides, |()| member.clone())))
        })?;
        let next_cursor = page.next.map(|section| Place { from, to, section }.to_string());
        let gaps = self.gaps(&times.earlier, &times.later)?;
        Ok(Comparison { from, to, gaps, counts, items: page.items, next_cursor })
    }

    fn changed_routes(&self, times: &Times, query: &RouteQuery) -> Result<Found<Key, Side>, Trouble> {
        let mut routes = Routes {
            query,
            names: Names::new(&self.connection),
            verdicts: HashMap::new(),
            found: BTreeMap::new(),
        };
        if query.prefix.is_some() {
            let sql = format!(
                "SELECT {COLUMNS} FROM route INDEXED BY route_prefix WHERE prefix >= ?1 AND prefix <= ?2 AND since <= ?3"
            );
            for range in ranges(query.prefix, query.matching) {
                self.lay(&sql, params![range.first, range.last, times.later.at()], times, &mut routes)?;
            }
        } else {
            let sql = format!(
                "SELECT {COLUMNS} FROM route INDEXED BY route_until WHERE until >= ?1 AND until <= ?2 AND since <= ?3"
            );
            let first = times.earlier.earliest_end();
            self.lay(&sql, params![first, times.later.at(), times.earlier.at()], times, &mut routes)?;
            let sql = format!(
                "SELECT {COLUMNS} FROM route INDEXED BY route_since WHERE since > ?1 AND since <= ?2"
            );
            self.lay(&sql, params![times.earlier.at(), times.later.at()], times, &mut routes)?;
        }
        routes.finish()
    }

    /// Lays routes that were there at one of the times beside those of the other.
    fn lay(
        &self,
        sql: &str,
        values: impl Params,
        times: &Times,
        routes: &mut Routes<'_>,
    ) -> Result<(), Trouble> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(values)?;
        while let Some(columns) = rows.next()? {
            let (since, until) = (columns.get(9)?, columns.get(10)?);
            if let Some(is_later) = times.only_at_one(since, until) {
                routes.add(&Row::read(columns)?, is_later)?;
            }
        }
        Ok(())
    }

    /// What began or ended between the times, of a table that has no more than that.
    fn lay_out<K: Ord, T>(
        &self,
        table: &str,
        columns: &str,
        times: &Times,
        mut add: impl FnMut(&rusqlite::Row<'_>) -> Result<Option<(K, T)>, Trouble>,
    ) -> Result<Found<K, T>, Trouble> {
        let looks = [
            (
                format!("INDEXED BY {table}_until WHERE until >= ?1 AND until <= ?2 AND since <= ?3"),
                vec![times.earlier.earliest_end(), times.later.at(), times.earlier.at()],
            ),
            (
                format!("INDEXED BY {table}_since WHERE since > ?1 AND since <= ?2"),
                vec![times.earlier.at(), times.later.at()],
            ),
        ];
        let mut found = Found::new();
        for (condition, values) in looks {
            let sql = format!("SELECT since, until, {columns} FROM {table} {condition}");
            let mut statement = self.prepare(&sql)?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                let Some(is_later) = times.only_at_one(row.get(0)?, row.get(1)?) else { continue };
                let Some((key, value)) = add(row)? else { continue };
                put(&mut found, key, value, is_later)?;
            }
        }
        Ok(found)
    }

    fn changed_findings(
        &self,
        times: &Times,
        query: &RouteQuery,
    ) -> Result<Found<(String, String), Finding>, Trouble> {
        let mut found = self.lay_out("finding", "finding, kind, body", times, |row| {
            let (id, kind, body): (String, String, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
            // What an earlier version wrote may lack what this one knows.
            let Ok(finding) = serde_json::from_str::<Finding>(&body) else { return Ok(None) };
            Ok(is_about(&finding, query).then_some(((kind, id), finding)))
        })?;
        let is_same = |before: &Finding, after: &Finding| {
            (&before.severity, &before.summary) == (&after.severity, &after.summary)
        };
        found.retain(|_, sides| !is_both(sides, is_same));
        Ok(found)
    }

    fn changed_members(&self, times: &Times, query: &RouteQuery) -> Result<Found<Member, ()>, Trouble> {
        let RouteQuery { node, leaf, peer, cluster, vrf, .. } = query;
        if [node, leaf, cluster, vrf].into_iter().any(Option::is_some) || peer.is_some() {
            return Ok(Found::new());
        }
        let mut found = self.lay_out("member", "apic, container, prefix", times, |row| {
            let key: Vec<u8> = row.get(4)?;
            let member = Member { prefix: net(&key)?, apic: row.get(2)?, container: row.get(3)? };
            let is_wanted =
                query.prefix.is_none_or(|wanted| relates(&member.prefix, query.matching, &wanted));
            Ok(is_wanted.then_some((member, ())))
        })?;
        found.retain(|_, sides| !is_both(sides, |(), ()| true));
        Ok(found)
    }

    fn route_pair(
        &self,
        names: &mut Names<'_>,
        sides: &Sides<Side>,
    ) -> Result<Pair<crate::observer::view::Route>, Trouble> {
        let sql = format!("SELECT {COLUMNS} FROM route WHERE id = ?1");
        let mut read = |side: Option<Side>| {
            let Some(Side { id, .. }) = side else { return Ok(None) };
            let mut statement = self.prepare(&sql)?;
            let mut rows = statement.query([id])?;
            let row = rows.next()?.map(Row::read).transpose()?;
            row.map(|row| names.route(&row)).transpose()
        };
        Ok(Pair { change: sides.change(), before: read(sides.before)?, after: read(sides.after)? })
    }
}

/// The two times.
struct Times {
    earlier: Moment,
    later: Moment,
}

impl Times {
    /// Whether it was there at the later time alone, or at the earlier one alone; none: at both, or at none.
    fn only_at_one(&self, since: i64, until: Option<i64>) -> Option<bool> {
        let (before, after) = (self.earlier.shows(since, until), self.later.shows(since, until));
        (before != after).then_some(after)
    }
}

/// Routes that were there at one of the times.
struct Routes<'a> {
    query: &'a RouteQuery,
    names: Names<'a>,
    /// Each verdict once.
    verdicts: HashMap<(String, String, String), usize>,
    found: Found<Key, Side>,
}

impl Routes<'_> {
    fn add(&mut self, row: &Row, is_later: bool) -> Result<(), Trouble> {
        if !self.names.is_of_peer(self.query, row.peer)? {
            return Ok(());
        }
        let next = self.verdicts.len();
        let verdict = (row.class.clone(), row.state.clone(), row.reasons.clone());
        let verdict = *self.verdicts.entry(verdict).or_insert(next);
        let Row { id, announcer, attributes, .. } = *row;
        let side = Side { id, announcer, attributes, verdict };
        put(&mut self.found, (row.prefix, row.peer, row.path_id), side, is_later)
    }

    /// Those that differ, and are of those that are wanted at either time.
    fn finish(mut self) -> Result<Found<Key, Side>, Trouble> {
        self.found.retain(|_, sides| !is_both(sides, Side::is_same));
        if self.query.cluster.is_none() && self.query.vrf.is_none() && self.query.node.is_none() {
            return Ok(self.found);
        }
        let mut wanted = Found::new();
        for (key, sides) in self.found {
            let mut is_wanted = false;
            for side in sides.before.iter().chain(&sides.after) {
                is_wanted |= self.names.is_of_announcer(self.query, side.announcer)?;
            }
            if is_wanted {
                wanted.insert(key, sides);
            }
        }
        Ok(wanted)
    }
}

fn put<K: Ord, T>(found: &mut Found<K, T>, key: K, value: T, is_later: bool) -> Result<(), Trouble> {
    let sides = found.entry(key).or_default();
    let side = if is_later { &mut sides.after } else { &mut sides.before };
    *side = Some(value);
    if found.len() > MOST { Err(Trouble::TooMuch(MOST)) } else { Ok(()) }
}

fn is_both<T>(sides: &Sides<T>, is_same: impl FnOnce(&T, &T) -> bool) -> bool {
    matches!(sides, Sides { before: Some(before), after: Some(after) } if is_same(before, after))
}

fn is_judged_otherwise(sides: &Sides<Side>) -> bool {
    matches!(sides, Sides { before: Some(before), after: Some(after) } if before.verdict != after.verdict)
}

/// Whether a finding is one of those that are wanted; what concerns several concerns each.
fn is_about(finding: &Finding, query: &RouteQuery) -> bool {
    let one_of = |scope: &str, wanted: Option<&String>| {
        wanted.is_none_or(|wanted| scope.is_empty() || scope.split(", ").any(|one| one == wanted))
    };
    let is = |value: Option<&String>, wanted: Option<&String>| wanted.is_none() || value == wanted;
    one_of(&finding.cluster, query.cluster.as_ref())
        && one_of(&finding.vrf, query.vrf.as_ref())
        && is(finding.leaf.as_ref(), query.leaf.as_ref())
        && is(finding.node.as_ref(), query.node.as_ref())
        && (query.peer.is_none() || finding.peer == query.peer)
        && query.prefix.is_none_or(|wanted| {
            finding.prefix.is_some_and(|prefix| relates(&prefix, query.matching, &wanted))
        })
}

fn count<K, T>(found: &Found<K, T>) -> Changes {
    let mut changes = Changes::default();
    for sides in found.values() {
        changes.count(sides.change());
    }
    changes
}

fn pair<T, U>(sides: Sides<T>, show: impl Fn(T) -> U) -> Pair<U> {
    let change = sides.change();
    Pair { change, before: sides.before.map(&show), after: sides.after.map(&show) }
}

/// A page that is being filled, one section after another.
struct Page {
    limit: usize,
    after: Option<Section>,
    items: Vec<Difference>,
    last: Option<Section>,
    next: Option<Section>,
}

impl Page {
    fn new(query: &RouteQuery, after: Option<Section>) -> Self {
        let limit = if query.limit == 0 { LIMIT } else { query.limit };
        Self { limit, after, items: Vec::new(), last: None, next: None }
    }

    fn take<K: Clone + Ord, T>(
        &mut self,
        found: Found<K, T>,
        place: impl Fn(K) -> Section,
        mut show: impl FnMut(K, Sides<T>) -> Result<Difference, Trouble>,
    ) -> Result<(), Trouble> {
        for (key, sides) in found {
            let at = place(key.clone());
            if self.next.is_some() || self.after.as_ref().is_some_and(|after| at <= *after) {
                continue;
            }
            if self.items.len() == self.limit {
                self.next = self.last.take();
                continue;
            }
            self.items.push(show(key, sides)?);
            self.last = Some(at);
        }
        Ok(())
    }
}
