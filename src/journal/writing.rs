//! A batch on its way into the file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use ipnet::IpNet;
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{Moment, prefix, words};
use crate::eepg::Container;
use crate::observer::view::{Event, Finding, Route};
use crate::observer::{RouteChange, RouteChanges};
use crate::speaker::PeerId;
use crate::sync::Wrote;
use crate::time::Timestamp;

/// How many identifiers of peers, announcers and attributes are remembered.
const REMEMBERED: usize = 100_000;

/// Identifiers of what many routes have in common.
#[derive(Default)]
pub(super) struct Known {
    peers: HashMap<(Arc<str>, IpAddr), i64, RandomState>,
    announcers: HashMap<Announcer, i64, RandomState>,
    attributes: HashMap<[u8; 16], i64, RandomState>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Announcer {
    cluster: Arc<str>,
    vrf: Arc<str>,
    node: Option<Arc<str>>,
    peer_as: u32,
}

/// A route as its row tells it.
#[derive(PartialEq, Eq)]
struct Told {
    announcer: i64,
    attributes: i64,
    class: String,
    state: String,
    reasons: String,
}

/// An open row.
struct Open {
    id: i64,
    told: Told,
    since: Timestamp,
    node: Option<String>,
}

/// Rows of routes that are open and of which nothing was heard, by peer.
pub(super) type Unsure = BTreeMap<i64, HashSet<i64, RandomState>>;

/// A transaction.
pub(super) struct Writing<'s> {
    transaction: Transaction<'s>,
    known: &'s mut Known,
    unsure: &'s mut Unsure,
    /// Up to when it was known what is there.
    lapse: Timestamp,
    now: Timestamp,
}

impl<'s> Writing<'s> {
    pub(super) fn new(
        transaction: Transaction<'s>,
        known: &'s mut Known,
        unsure: &'s mut Unsure,
        lapse: Timestamp,
        now: Timestamp,
    ) -> Self {
        known.forget_some();
        Self { transaction, known, unsure, lapse, now }
    }

    pub(super) fn commit(self) -> rusqlite::Result<()> {
        self.transaction.commit()
    }

    /// The run begins, goes on, or ends; answers which it is.
    pub(super) fn run(&self, run: Option<i64>, ends: bool) -> rusqlite::Result<i64> {
        let ended = ends.then_some(micros(self.now));
        let Some(run) = run else {
            let begun = "INSERT INTO run (version, started, alive, ended) VALUES (?1, ?2, ?2, ?3)";
            self.transaction.execute(begun, params![env!("CARGO_PKG_VERSION"), micros(self.now), ended])?;
            return Ok(self.transaction.last_insert_rowid());
        };
        let alive = "UPDATE run SET alive = ?2, ended = ?3 WHERE id = ?1";
        self.transaction.prepare_cached(alive)?.execute(params![run, micros(self.now), ended])?;
        Ok(run)
    }

    pub(super) fn events<'e>(&self, events: impl IntoIterator<Item = &'e Event>) -> rusqlite::Result<()> {
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO event (at, kind, cluster, vrf, leaf, peer, node, prefix, actor, text) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?;
        for event in events {
            insert.execute(params![
                micros(event.at),
                event.kind,
                event.cluster,
                event.vrf,
                event.leaf,
                event.peer.map(|peer| peer.to_string()),
                event.node,
                event.prefix.as_ref().map(prefix::key),
                event.actor,
                event.text,
            ])?;
        }
        Ok(())
    }

    pub(super) fn changes(&mut self, changes: &RouteChanges) -> rusqlite::Result<()> {
        for (peer, at) in &changes.forgotten {
            self.forgotten(peer, *at)?;
        }
        changes.routes.iter().try_for_each(|change| self.change(change))
    }

    /// A peer is known no more, and so are its routes.
    fn forgotten(&mut self, id: &PeerId, at: Timestamp) -> rusqlite::Result<()> {
        let peer = self.peer(id)?;
        self.unsure.remove(&peer);
        let close = "UPDATE route SET until = max(since, ?2) WHERE peer = ?1 AND until IS NULL";
        let count = self.transaction.prepare_cached(close)?.execute(params![peer, micros(at)])?;
        if count > 0 {
            self.events([&words::gone(id, count, at)])?;
        }
        Ok(())
    }

    /// A route is other than it was, or may be.
    fn change(&mut self, change: &RouteChange) -> rusqlite::Result<()> {
        let peer = self.peer(&change.peer)?;
        let key = prefix::key(&change.prefix);
        let open = self.open(&key, peer, change.path_id)?;
        let unsure = open.as_ref().is_some_and(|open| self.heard_of(peer, open.id));
        let Some(route) = &change.route else {
            return match open {
                Some(open) => {
                    self.close(&open, if unsure { self.lapse.min(change.at) } else { change.at })?;
                    self.events([&words::withdrawn(change, open.node.as_deref())])
                }
                // It came and went between two looks.
                None if change.times > 1 => self.events([&words::flapped(change)]),
                None => Ok(()),
            };
        };
        let told = self.told(route)?;
        if open.as_ref().is_some_and(|open| open.told == told) {
            // What changed and is as it was is worth a line.
            return if change.times > 1 { self.events([&words::flapped(change)]) } else { Ok(()) };
        }
        let before = open.as_ref().map(|open| (&*open.told.state, &*open.told.class, &*open.told.reasons));
        let same_verdict = before == Some((&*told.state, &*told.class, &*told.reasons));
        // The announcement is the same: what is said of it is another, as after a reload, and has been since now.
        let is_renamed =
            change.times == 0 && open.as_ref().is_some_and(|open| !unsure || change.at <= open.since);
        let at = if is_renamed { self.now } else { change.at };
        let since = open.as_ref().map_or(at, |open| at.max(open.since));
        if let Some(open) = &open {
            // It was there as it was up to the lapse at most, and never at the same time as what came after it.
            let lapsed = unsure && !is_renamed;
            self.close(open, if lapsed { self.lapse.min(since) } else { since })?;
        }
        self.insert(&key, peer, change.path_id, &told, since)?;
        let event = if same_verdict { words::changed(change, route) } else { words::judged(change, route) };
        self.events([&Event { at: since, ..event }])
    }

    /// The row of what is there now.
    fn open(&self, key: &[u8], peer: i64, path_id: u32) -> rusqlite::Result<Option<Open>> {
        let open = "SELECT route.id, announcer, attributes, class, state, reasons, since, announcer.node \
             FROM route JOIN announcer ON announcer.id = announcer \
             WHERE prefix = ?1 AND peer = ?2 AND path_id = ?3 AND until IS NULL";
        let read = |row: &Row<'_>| {
            let told = Told {
                announcer: row.get(1)?,
                attributes: row.get(2)?,
                class: row.get(3)?,
                state: row.get(4)?,
                reasons: row.get(5)?,
            };
            Ok(Open { id: row.get(0)?, told, since: time(row, 6)?, node: row.get(7)? })
        };
        self.transaction.prepare_cached(open)?.query_row(params![key, peer, path_id], read).optional()
    }

    /// Something was heard of a row; answers whether nothing had been.
    fn heard_of(&mut self, peer: i64, row: i64) -> bool {
        let Some(rows) = self.unsure.get_mut(&peer) else { return false };
        let was = rows.remove(&row);
        if rows.is_empty() {
            self.unsure.remove(&peer);
        }
        was
    }

    fn close(&self, open: &Open, at: Timestamp) -> rusqlite::Result<()> {
        let close = "UPDATE route SET until = max(since, ?2) WHERE id = ?1";
        self.transaction.prepare_cached(close)?.execute(params![open.id, micros(at)])?;
        Ok(())
    }

    fn insert(
        &self,
        key: &[u8],
        peer: i64,
        path_id: u32,
        told: &Told,
        since: Timestamp,
    ) -> rusqlite::Result<()> {
        let insert = "INSERT INTO route \
             (prefix, peer, path_id, announcer, attributes, class, state, reasons, since) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        self.transaction.prepare_cached(insert)?.execute(params![
            key,
            peer,
            path_id,
            told.announcer,
            told.attributes,
            told.class,
            told.state,
            told.reasons,
            micros(since),
        ])?;
        Ok(())
    }

    /// What was not heard of is gone, unless its peer is one of `unsettled`.
    pub(super) fn settle(&mut self, unsettled: &HashSet<(Arc<str>, IpAddr)>) -> rusqlite::Result<()> {
        let mut waiting = HashSet::new();
        for (leaf, address) in unsettled {
            waiting.insert(self.peer(&PeerId { leaf: Arc::clone(leaf), address: *address })?);
        }
        let settled: Vec<i64> = self.unsure.keys().filter(|peer| !waiting.contains(peer)).copied().collect();
        for peer in settled {
            let rows = self.unsure.remove(&peer).unwrap_or_default();
            let mut close =
                self.transaction.prepare_cached("UPDATE route SET until = max(since, ?2) WHERE id = ?1")?;
            for row in &rows {
                close.execute(params![row, micros(self.lapse)])?;
            }
            drop(close);
            let named = "SELECT leaf, address FROM peer WHERE id = ?1";
            let named = self
                .transaction
                .query_row(named, [peer], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
            if let Some((leaf, address)) = named.optional()? {
                self.events([&words::not_heard_again(&leaf, &address, rows.len(), self.lapse, self.now)])?;
            }
        }
        Ok(())
    }

    pub(super) fn moment(&self, moment: Option<&Moment>) -> rusqlite::Result<()> {
        let Some(Moment { at, accepted, rejected, changes, events }) = moment else { return Ok(()) };
        let insert =
            "INSERT INTO moment (at, accepted, rejected, changes, events) VALUES (?1, ?2, ?3, ?4, ?5)";
        let count = |count: &u64| i64::try_from(*count).unwrap_or(i64::MAX);
        let counts = params![micros(*at), count(accepted), count(rejected), count(changes), count(events)];
        self.transaction.prepare_cached(insert)?.execute(counts)?;
        Ok(())
    }

    /// What became of members: only what was written is known.
    pub(super) fn wrote(&self, wrote: &[Wrote]) -> rusqlite::Result<()> {
        for wrote in wrote {
            self.events(&words::wrote(wrote))?;
            if wrote.refused.is_some() {
                continue;
            }
            for change in &wrote.changes {
                let Some(prefix) = change.prefix else { continue };
                let Some(container) = Container::of_member(&change.dn) else { continue };
                self.member(&change.operation, &wrote.apic, &container, &prefix, wrote.at)?;
            }
        }
        Ok(())
    }

    fn member(
        &self,
        operation: &str,
        apic: &str,
        container: &str,
        prefix: &IpNet,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        let key = prefix::key(prefix);
        let member = params![apic, container, key, micros(at)];
        match operation {
            "create" => {
                let insert = "INSERT INTO member (apic, container, prefix, since) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT DO NOTHING";
                self.transaction.prepare_cached(insert)?.execute(member)?;
            }
            "delete" => {
                let close = "UPDATE member SET until = max(since, ?4) \
                     WHERE apic = ?1 AND container = ?2 AND prefix = ?3 AND until IS NULL";
                if self.transaction.prepare_cached(close)?.execute(member)? == 0 {
                    // It was there before there was a journal.
                    let insert = "INSERT INTO member (apic, container, prefix, since, until) \
                         VALUES (?1, ?2, ?3, 0, ?4)";
                    self.transaction.prepare_cached(insert)?.execute(member)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Opens and closes rows of findings; answers which are open.
    pub(super) fn findings(
        &self,
        open: &HashMap<String, i64, RandomState>,
        findings: &[Finding],
    ) -> rusqlite::Result<HashMap<String, i64, RandomState>> {
        let mut left = open.clone();
        let mut now_open = HashMap::default();
        for finding in findings.iter().filter(|finding| finding.state == "open") {
            let row = match left.remove(&finding.id) {
                Some(row) => row,
                None => self.opened(finding)?,
            };
            now_open.insert(finding.id.clone(), row);
        }
        let resolved =
            |id: &str| findings.iter().find(|finding| finding.id == id).and_then(|finding| finding.resolved);
        for (id, row) in left {
            let at = resolved(&id).unwrap_or(self.now);
            let close = "UPDATE finding SET until = max(since, ?2) WHERE id = ?1";
            self.transaction.prepare_cached(close)?.execute(params![row, micros(at)])?;
        }
        Ok(now_open)
    }

    fn opened(&self, finding: &Finding) -> rusqlite::Result<i64> {
        let body = serde_json::to_string(finding).unwrap_or_default();
        let since = micros(finding.opened.unwrap_or(self.now));
        let insert = "INSERT INTO finding (finding, kind, since, body) VALUES (?1, ?2, ?3, ?4)";
        self.transaction.prepare_cached(insert)?.execute(params![finding.id, finding.kind, since, body])?;
        Ok(self.transaction.last_insert_rowid())
    }

    fn peer(&mut self, id: &PeerId) -> rusqlite::Result<i64> {
        let name = (Arc::clone(&id.leaf), id.address);
        if let Some(row) = self.known.peers.get(&name) {
            return Ok(*row);
        }
        let insert = "INSERT INTO peer (leaf, address) VALUES (?1, ?2) \
             ON CONFLICT DO UPDATE SET leaf = leaf RETURNING id";
        let named = params![&*id.leaf, id.address.to_string()];
        let row = self.transaction.prepare_cached(insert)?.query_row(named, |row| row.get(0))?;
        self.known.peers.insert(name, row);
        Ok(row)
    }

    fn told(&mut self, route: &Route) -> rusqlite::Result<Told> {
        let reasons: Vec<&str> = route.reasons.iter().map(|reason| reason.name()).collect();
        Ok(Told {
            announcer: self.announcer(route)?,
            attributes: self.attributes(route)?,
            class: route.class.name().to_owned(),
            state: route.state.to_string(),
            reasons: reasons.join(","),
        })
    }

    fn announcer(&mut self, route: &Route) -> rusqlite::Result<i64> {
        let announcer = Announcer {
            cluster: Arc::clone(&route.cluster),
            vrf: Arc::clone(&route.vrf),
            node: route.node.clone(),
            peer_as: route.peer_as,
        };
        if let Some(row) = self.known.announcers.get(&announcer) {
            return Ok(*row);
        }
        let insert = "INSERT INTO announcer (cluster, vrf, node, peer_as) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT DO UPDATE SET cluster = cluster RETURNING id";
        let Announcer { cluster, vrf, node, peer_as } = &announcer;
        let told = params![&**cluster, &**vrf, node.as_deref(), peer_as];
        let row = self.transaction.prepare_cached(insert)?.query_row(told, |row| row.get(0))?;
        self.known.announcers.insert(announcer, row);
        Ok(row)
    }

    fn attributes(&mut self, route: &Route) -> rusqlite::Result<i64> {
        let next_hop = route.next_hop.map(|next_hop| next_hop.to_string());
        let communities = route.communities.join(" ");
        let origin = route.origin.as_deref();
        let told = format!("{}|{next_hop:?}|{communities}|{:?}|{origin:?}", route.as_path, route.med);
        let mut digest = [0; 16];
        let whole = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, told.as_bytes());
        digest.iter_mut().zip(whole.as_ref()).for_each(|(to, from)| *to = *from);
        if let Some(row) = self.known.attributes.get(&digest) {
            return Ok(*row);
        }
        let insert = "INSERT INTO attributes (digest, as_path, next_hop, communities, med, origin) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET digest = digest RETURNING id";
        let told = params![digest, route.as_path, next_hop, communities, route.med, origin];
        let row = self.transaction.prepare_cached(insert)?.query_row(told, |row| row.get(0))?;
        self.known.attributes.insert(digest, row);
        Ok(row)
    }
}

impl Known {
    fn forget_some(&mut self) {
        if self.attributes.len() + self.announcers.len() + self.peers.len() > REMEMBERED {
            *self = Self::default();
        }
    }

    /// These are there no more.
    pub(super) fn forget_attributes(&mut self, gone: &HashSet<i64, RandomState>) {
        if !gone.is_empty() {
            self.attributes.retain(|_, id| !gone.contains(id));
        }
    }
}

/// As the tables keep times.
pub(super) fn micros(at: Timestamp) -> i64 {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX)
}

/// The time in a column.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let micros: i64 = row.get(column)?;
    let micros = u64::try_from(micros)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, Box::new(error)))?;
    Ok(Timestamp::from_micros(micros))
}
