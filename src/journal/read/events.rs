//! What happened.
//!
//! Events are looked at in windows of the sequence, so that a page ends in time however few of them are wanted. What
//! is asked for decides which index leads there: kinds and prefixes have one each, that is in the order of the
//! sequence for each of them.

use ipnet::IpNet;
use rusqlite::types::Value;
use rusqlite::{Row as Columns, params_from_iter};

use super::names::{micros, net, timestamp};
use super::range::{Range, ranges};
use super::{Reader, Trouble};
use crate::journal::query::{EventQuery, Place};
use crate::journal::view::{Events, Source};
use crate::observer::Match;
use crate::observer::view::Event;

/// Events of a page, if the question does not say.
const LIMIT: usize = 100;

/// How many events a window holds.
const WINDOW: u64 = 100_000;

/// How many kinds of events there may be; there are some dozens.
const MOST_KINDS: usize = 1_000;

/// A way to the events, in the order of the sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// The sequence itself.
    All,
    /// Of one kind.
    Kind(String),
    /// About one prefix.
    Prefix(Vec<u8>),
    /// About prefixes in this range: all of them at once.
    Prefixes(Range),
}

impl Way {
    const fn condition(&self) -> &'static str {
        match self {
            Self::All => "event WHERE true",
            Self::Kind(_) => "event INDEXED BY event_kind WHERE kind = ?",
            Self::Prefix(_) => "event INDEXED BY event_prefix WHERE prefix = ?",
            Self::Prefixes(_) => "event INDEXED BY event_prefix WHERE prefix >= ? AND prefix <= ?",
        }
    }

    fn values(&self) -> Vec<Value> {
        match self {
            Self::All => vec![],
            Self::Kind(kind) => vec![kind.clone().into()],
            Self::Prefix(key) => vec![key.clone().into()],
            Self::Prefixes(range) => vec![range.first.clone().into(), range.last.clone().into()],
        }
    }
}

/// Part of the sequence, the first one excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    low: u64,
    high: u64,
}

impl Reader {
    /// What happened, in the order of the sequence. A page may have fewer than asked for, even none, and go on all
    /// the same, where much is to be looked at for little.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn events(&self, query: &EventQuery) -> Result<Events, Trouble> {
        let _seen = self.begin()?;
        let last = self.last_event()?;
        let (items, next) = match self.bounds(query, last)? {
            Some(all) => self.page(query, all)?,
            None => (vec![], None),
        };
        let next_cursor = next.map(|place| place.to_string());
        Ok(Events { items, next_cursor, total: None, last, source: Source::Journal })
    }

    fn page(&self, query: &EventQuery, all: Window) -> Result<(Vec<Event>, Option<Place>), Trouble> {
        let ways = self.ways(query)?;
        let limit = if query.limit == 0 { LIMIT } else { query.limit };
        let size = if ways.iter().any(|way| matches!(way, Way::Prefixes(_))) { u64::MAX } else { WINDOW };
        let place = |at| Place { at, end: if query.newest { all.low } else { all.high } };
        let (mut items, mut left) = (Vec::new(), all);
        while left.low < left.high {
            let window = take_window(&mut left, size, query.newest);
            let mut found = Vec::new();
            for way in &ways {
                self.look(way, query, window, limit + 1 - items.len(), &mut found)?;
            }
            found.sort_unstable_by_key(|event: &Event| event.id);
            if query.newest {
                found.reverse();
            }
            items.append(&mut found);
            if items.len() > limit {
                items.truncate(limit);
                let next = items.last().map(|event| if query.newest { event.id - 1 } else { event.id });
                return Ok((items, next.map(place)));
            }
            if self.limit.is_late() && left.low < left.high {
                return Ok((items, Some(place(if query.newest { left.high } else { left.low }))));
            }
        }
        Ok((items, None))
    }

    /// What there may be: what is looked at lies within. None: there is nothing.
    fn bounds(&self, query: &EventQuery, last: u64) -> Result<Option<Window>, Trouble> {
        if let Some(Place { at, end }) = query.cursor {
            let (low, high) = if query.newest { (end, at) } else { (at, end) };
            return Ok(Some(Window { low: low.max(query.after), high: high.min(last) }));
        }
        let mut all = Window { low: query.after, high: last };
        if query.since.is_some() || query.until.is_some() {
            let sql = "SELECT min(id), max(id) FROM event INDEXED BY event_at WHERE at >= ?1 AND at <= ?2";
            let times = [query.since.map_or(0, micros), query.until.map_or(i64::MAX, micros)];
            let found = self
                .prepare(sql)?
                .query_row(times, |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?)))?;
            let (Some(first), Some(newest)) = found else { return Ok(None) };
            all = Window {
                low: all.low.max(number(first).saturating_sub(1)),
                high: all.high.min(number(newest)),
            };
        }
        Ok(Some(all))
    }

    fn ways(&self, query: &EventQuery) -> Result<Vec<Way>, Trouble> {
        if query.prefix.is_some() {
            let ranges = ranges(query.prefix, query.matching).into_iter();
            let is_range = query.matching == Match::Longer;
            return Ok(ranges
                .map(|it| if is_range { Way::Prefixes(it) } else { Way::Prefix(it.first) })
                .collect());
        }
        let Some(kinds) = &query.kinds else { return Ok(vec![Way::All]) };
        let known = self.kinds()?.into_iter();
        Ok(known.filter(|kind| kinds.contain(kind)).map(Way::Kind).collect())
    }

    /// All kinds that there are, each found by one look into the index.
    fn kinds(&self) -> Result<Vec<String>, Trouble> {
        let sql = "SELECT min(kind) FROM event INDEXED BY event_kind WHERE kind > ?1";
        let mut next = self.prepare(sql)?;
        let mut kinds: Vec<String> = Vec::new();
        while kinds.len() < MOST_KINDS {
            let after = kinds.last().map_or("", String::as_str);
            let Some(kind) = next.query_row([after], |row| row.get(0))? else { break };
            kinds.push(kind);
        }
        Ok(kinds)
    }

    /// Looks at one way for at most `most` events of a window.
    fn look(
        &self,
        way: &Way,
        query: &EventQuery,
        window: Window,
        most: usize,
        found: &mut Vec<Event>,
    ) -> Result<(), Trouble> {
        let (sql, values) = sql(way, query, window, most);
        let mut statement = self.prepare(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(columns) = rows.next()? {
            found.push(read(columns)?);
        }
        Ok(())
    }

    fn last_event(&self) -> Result<u64, Trouble> {
        let last =
            self.prepare("SELECT max(id) FROM event")?.query_row([], |row| row.get::<_, Option<i64>>(0))?;
        Ok(number(last.unwrap_or_default()))
    }
}

/// Cuts the next window off.
fn take_window(left: &mut Window, size: u64, newest: bool) -> Window {
    let Window { low, high } = *left;
    if newest {
        left.high = low.max(high.saturating_sub(size));
        Window { low: left.high, high }
    } else {
        left.low = high.min(low.saturating_add(size));
        Window { low, high: left.low }
    }
}

/// The question as `SQLite` understands it, and the values of its parameters.
fn sql(way: &Way, query: &EventQuery, window: Window, most: usize) -> (String, Vec<Value>) {
    let mut sql = format!(
        "SELECT id, at, kind, cluster, vrf, leaf, peer, node, prefix, actor, text FROM {} AND id > ? AND id <= ?",
        way.condition()
    );
    let mut values = way.values();
    values.extend([Value::from(signed(window.low)), signed(window.high).into()]);
    let mut also = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            sql += " AND ";
            sql += condition;
            values.push(value);
        }
    };
    also("at >= ?", query.since.map(|at| micros(at).into()));
    also("at <= ?", query.until.map(|at| micros(at).into()));
    let texts = [
        ("cluster = ?", query.cluster.clone()),
        ("vrf = ?", query.vrf.clone()),
        ("leaf = ?", query.leaf.clone()),
        ("peer = ?", query.peer.map(|peer| peer.to_string())),
        ("node = ?", query.node.clone()),
        ("actor = ?", query.actor.clone()),
    ];
    for (condition, value) in texts {
        also(condition, value.map(Value::from));
    }
    if let (Some(kinds), Way::Prefix(_) | Way::Prefixes(_)) = (&query.kinds, way) {
        sql += " AND (";
        sql += &kinds.condition(&mut values);
        sql += ")";
    }
    sql += if query.newest { " ORDER BY id DESC LIMIT ?" } else { " ORDER BY id LIMIT ?" };
    values.push(i64::try_from(most).unwrap_or(i64::MAX).into());
    (sql, values)
}

fn read(columns: &Columns<'_>) -> Result<Event, Trouble> {
    let peer: Option<String> = columns.get(6)?;
    let prefix: Option<Vec<u8>> = columns.get(8)?;
    let prefix: Option<IpNet> = prefix.map(|key| net(&key)).transpose()?;
    Ok(Event {
        id: number(columns.get(0)?),
        at: timestamp(columns.get(1)?),
        kind: columns.get(2)?,
        cluster: columns.get(3)?,
        vrf: columns.get(4)?,
        leaf: columns.get(5)?,
        peer: peer.and_then(|peer| peer.parse().ok()),
        node: columns.get(7)?,
        prefix,
        actor: columns.get(9)?,
        text: columns.get(10)?,
    })
}

fn number(id: i64) -> u64 {
    u64::try_from(id).unwrap_or_default()
}

fn signed(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
