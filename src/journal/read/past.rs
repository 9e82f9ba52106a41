//! Who announced what at a time, and who announced a prefix at all times.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;
use rusqlite::params;

use super::names::{COLUMNS, Names, Row, check, micros, timestamp};
use super::range::{Range, ranges};
use super::runs::Moment;
use super::{Reader, Trouble};
use crate::journal::prefix;
use crate::journal::view::{Past, Spell};
use crate::observer::view::Route;
use crate::observer::{BadCursor, RouteQuery};
use crate::time::Timestamp;

/// Routes of a page, if the question does not say.
const LIMIT: usize = 100;

/// A place in the order of routes of the past: prefix, then leaf and peer, then path. Opaque to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The time that is shown.
    at: u64,
    prefix: IpNet,
    /// The last route of this prefix that was shown; none: all were.
    route: Option<Name>,
}

/// What orders the routes of a prefix: leaf, peer, path.
type Name = (Arc<str>, IpAddr, u32);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, length) = (self.prefix.addr(), self.prefix.prefix_len());
        write!(f, "{}~{address}~{length}", self.at)?;
        match &self.route {
            Some((leaf, peer, path_id)) => write!(f, "~{path_id}~{peer}~{leaf}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Place {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let mut parts = text.splitn(6, '~');
        let mut part = || parts.next().ok_or(BadCursor);
        let at = part()?.parse().map_err(|_| BadCursor)?;
        let address: IpAddr = part()?.parse().map_err(|_| BadCursor)?;
        let length = part()?.parse().map_err(|_| BadCursor)?;
        let prefix = IpNet::new(address, length).map_err(|_| BadCursor)?;
        let route = match parts.next() {
            None => None,
            Some(path_id) => {
                let path_id = path_id.parse().map_err(|_| BadCursor)?;
                let peer = parts.next().and_then(|peer| peer.parse().ok()).ok_or(BadCursor)?;
                Some((Arc::from(parts.next().ok_or(BadCursor)?), peer, path_id))
            }
        };
        Ok(Self { at, prefix, route })
    }
}

impl Reader {
    /// The routes that were there at the time `at`, by prefix, leaf, peer and path. A page may have fewer than asked
    /// for, and go on all the same, where much is to be looked at for little. A page after another shows the time
    /// that the other showed, whatever `at` says. The query's own cursor has no meaning here.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn routes(
        &self,
        at: Timestamp,
        query: &RouteQuery,
        after: Option<Place>,
    ) -> Result<Past<Route>, Trouble> {
        check(query)?;
        let _seen = self.begin()?;
        let at = after.as_ref().map_or(at, |place| Timestamp::from_micros(place.at));
        let moment = self.moment(at)?;
        let mut page = Page::new(query, at, after, Names::new(&self.connection));
        for range in ranges(query.prefix, query.matching) {
            match self.fill(&mut page, &moment, &range) {
                Ok(true) => {}
                Ok(false) => break,
                // Something is better than nothing, and it goes on from there.
                Err(Trouble::Slow(_)) if page.is_on_its_way() => {
                    page.pause();
                    break;
                }
                Err(trouble) => return Err(trouble),
            }
        }
        let next_cursor = page.next.map(|place| place.to_string());
        let gaps = moment.gap.into_iter().collect();
        Ok(Past { items: page.items, next_cursor, total: None, at: Some(at), gaps })
    }

    /// Goes through one range of prefixes; answers whether the page has room for more.
    fn fill(&self, page: &mut Page<'_>, moment: &Moment, range: &Range) -> Result<bool, Trouble> {
        let mut first = range.first.clone();
        if let Some(after) = &page.after {
            let mut key = prefix::key(&after.prefix);
            if after.route.is_none() {
                // The next key at the earliest.
                key.push(0);
            }
            first = first.max(key);
        }
        if first > range.last {
            return Ok(true);
        }
        let mut statement = self.prepare(&at_sql())?;
        let mut rows = statement.query(params![first, range.last, moment.at(), moment.held()])?;
        while let Some(columns) = rows.next()? {
            let row = Row::read(columns)?;
            if page.prefix != Some(row.prefix) && !page.turn(Some(row.prefix))? {
                return Ok(false);
            }
            if page.is_on_its_way() && page.group.is_empty() && self.limit.is_late() {
                page.pause();
                return Ok(false);
            }
            page.look_at(row)?;
        }
        page.turn(None)
    }

    /// All that was announced of a prefix, from when to when, in the order of prefixes and of time; of times that
    /// overlap with those from `since` to `until`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn history(
        &self,
        query: &RouteQuery,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        cursor: Option<&str>,
    ) -> Result<Past<Spell>, Trouble> {
        check(query)?;
        let _seen = self.begin()?;
        let after = cursor.map(str::parse::<After>).transpose()?;
        let limit = if query.limit == 0 { LIMIT } else { query.limit };
        let (since, until) = (since.map_or(0, micros), until.map_or(i64::MAX, micros));
        let mut names = Names::new(&self.connection);
        let (mut items, mut last, mut more) = (Vec::new(), None, false);
        'ranges: for range in ranges(query.prefix, query.matching) {
            let (key, began, id) = match &after {
                Some(after) if prefix::key(&after.prefix) >= range.first => {
                    (prefix::key(&after.prefix), after.since, after.id)
                }
                _ => (range.first.clone(), -1, -1),
            };
            let mut statement = self.prepare(&history_sql())?;
            let mut rows = statement.query(params![key, began, id, range.last, until, since])?;
            while let Some(columns) = rows.next()? {
                let row = Row::read(columns)?;
                if !names.wants(query, &row)? {
                    continue;
                }
                if items.len() == limit {
                    more = true;
                    break 'ranges;
                }
                last = Some(After { prefix: row.prefix, since: row.since, id: row.id });
                let until = row.until.map(timestamp);
                items.push(Spell { route: names.route(&row)?, until });
            }
        }
        let next_cursor = last.filter(|_| more).map(|after| after.to_string());
        Ok(Past { items, next_cursor, total: None, at: None, gaps: vec![] })
    }
}

fn at_sql() -> String {
    format!(
        "SELECT {COLUMNS} FROM route INDEXED BY route_prefix WHERE prefix >= ?1 AND prefix <= ?2 AND since <= ?3 \
         AND (until IS NULL OR until > ?3 OR until = ?4) ORDER BY prefix"
    )
}

fn history_sql() -> String {
    format!(
        "SELECT {COLUMNS} FROM route INDEXED BY route_prefix WHERE (prefix, since, id) > (?1, ?2, ?3) \
         AND prefix <= ?4 AND since <= ?5 AND (until IS NULL OR until > ?6) ORDER BY prefix, since, id"
    )
}

/// A page that is being filled, one prefix after another.
struct Page<'a> {
    query: &'a RouteQuery,
    limit: usize,
    at: Timestamp,
    after: Option<Place>,
    names: Names<'a>,
    /// What is being looked at, and its routes so far.
    prefix: Option<IpNet>,
    group: Vec<(Name, Row)>,
    /// The last prefix of which all was looked at.
    done: Option<IpNet>,
    items: Vec<Route>,
    next: Option<Place>,
}

impl<'a> Page<'a> {
    fn new(query: &'a RouteQuery, at: Timestamp, after: Option<Place>, names: Names<'a>) -> Self {
        let limit = if query.limit == 0 { LIMIT } else { query.limit };
        Self {
            query,
            limit,
            at,
            after,
            names,
            prefix: None,
            group: Vec::new(),
            done: None,
            items: Vec::new(),
            next: None,
        }
    }

    fn look_at(&mut self, row: Row) -> Result<(), Trouble> {
        if !self.names.wants(self.query, &row)? {
            return Ok(());
        }
        let peer = self.names.peer(row.peer)?;
        let name = (Arc::clone(&peer.leaf), peer.address, row.path_id);
        let was_shown = self.after.as_ref().is_some_and(|after| {
            after.prefix == row.prefix && after.route.as_ref().is_none_or(|route| name <= *route)
        });
        if !was_shown {
            self.group.push((name, row));
        }
        Ok(())
    }

    /// Comes to another prefix, or to the end of those of a range; answers whether there is room for more.
    fn turn(&mut self, prefix: Option<IpNet>) -> Result<bool, Trouble> {
        let mut group = std::mem::take(&mut self.group);
        group.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let room = self.limit - self.items.len();
        let is_full = group.len() > room || (group.len() == room && prefix.is_some());
        group.truncate(room);
        for (_, row) in &group {
            self.items.push(self.names.route(row)?);
        }
        if is_full {
            // Without an item of this prefix, the page was full before.
            let (prefix, route) = match group.pop() {
                Some((name, row)) => (Some(row.prefix), Some(name)),
                None => (self.done, None),
            };
            self.next = prefix.map(|prefix| Place { at: self.at.as_micros(), prefix, route });
            return Ok(false);
        }
        self.done = self.prefix.or(self.done);
        self.prefix = prefix;
        Ok(true)
    }

    /// Whether it got further than the page before.
    fn is_on_its_way(&self) -> bool {
        self.done.is_some()
    }

    /// Ends before it is full.
    fn pause(&mut self) {
        self.next = self.done.map(|prefix| Place { at: self.at.as_micros(), prefix, route: None });
    }
}

/// A place in a history.
struct After {
    prefix: IpNet,
    since: i64,
    id: i64,
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, length) = (self.prefix.addr(), self.prefix.prefix_len());
        write!(f, "{address}~{length}~{}~{}", self.since, self.id)
    }
}

impl FromStr for After {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let parts: Vec<_> = text.split('~').collect();
        let [address, length, since, id] = parts[..] else { return Err(BadCursor) };
        let address: IpAddr = address.parse().map_err(|_| BadCursor)?;
        let prefix = IpNet::new(address, length.parse().map_err(|_| BadCursor)?).map_err(|_| BadCursor)?;
        let number = |text: &str| text.parse::<i64>().map_err(|_| BadCursor);
        Ok(Self { prefix, since: number(since)?, id: number(id)? })
    }
}
