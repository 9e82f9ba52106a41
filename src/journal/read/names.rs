//! Rows of routes, and what they name: peers, announcers, attributes; each is looked up once a question.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use rusqlite::{Connection, OptionalExtension, Row as Columns};

use super::Trouble;
use crate::journal::prefix;
use crate::observer::view::Route;
use crate::observer::{RouteQuery, StateFilter};
use crate::policy::{Class, Reason};
use crate::time::Timestamp;

/// What a [`Row`] is read from.
pub(super) const COLUMNS: &str =
    "id, prefix, peer, path_id, announcer, attributes, class, state, reasons, since, until";

/// How many sets of attributes are remembered.
const MOST_SETS: usize = 20_000;

/// A row of `route`.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) prefix: IpNet,
    pub(super) peer: i64,
    pub(super) path_id: u32,
    pub(super) announcer: i64,
    pub(super) attributes: i64,
    pub(super) class: String,
    pub(super) state: String,
    pub(super) reasons: String,
    pub(super) since: i64,
    pub(super) until: Option<i64>,
}

impl Row {
    pub(super) fn read(columns: &Columns<'_>) -> Result<Self, Trouble> {
        Ok(Self {
            id: columns.get(0)?,
            prefix: net(columns.get_ref(1)?.as_blob().unwrap_or_default())?,
            peer: columns.get(2)?,
            path_id: u32::try_from(columns.get::<_, i64>(3)?).unwrap_or_default(),
            announcer: columns.get(4)?,
            attributes: columns.get(5)?,
            class: columns.get(6)?,
            state: columns.get(7)?,
            reasons: columns.get(8)?,
            since: columns.get(9)?,
            until: columns.get(10)?,
        })
    }
}

/// Whether the journal knows what is asked for.
pub(super) fn check(query: &RouteQuery) -> Result<(), Trouble> {
    if query.state == Some(StateFilter::Stale) {
        let text = "whether a route was stale is not kept: ask for its peer's events instead";
        return Err(Trouble::Question(text.to_owned()));
    }
    Ok(())
}

/// The prefix of a key.
pub(super) fn net(key: &[u8]) -> Result<IpNet, Trouble> {
    prefix::read(key).ok_or_else(|| Trouble::Damaged("a prefix is none".to_owned()))
}

/// A time as it is shown; one before 1970 is none.
pub(super) fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_micros(u64::try_from(micros).unwrap_or_default())
}

/// A time as it is kept.
pub(super) fn micros(at: Timestamp) -> i64 {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX)
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) leaf: Arc<str>,
    pub(super) address: IpAddr,
}

#[derive(Debug)]
struct Announcer {
    cluster: Arc<str>,
    vrf: Arc<str>,
    node: Option<Arc<str>>,
    peer_as: u32,
}

#[derive(Debug)]
struct Attributes {
    as_path: String,
    next_hop: Option<IpAddr>,
    communities: Vec<String>,
    med: Option<u32>,
    origin: Option<String>,
}

/// Looks names up.
pub(super) struct Names<'a> {
    connection: &'a Connection,
    peers: HashMap<i64, Arc<Peer>>,
    announcers: HashMap<i64, Arc<Announcer>>,
    attributes: HashMap<i64, Arc<Attributes>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, peers: HashMap::new(), announcers: HashMap::new(), attributes: HashMap::new() }
    }

    pub(super) fn peer(&mut self, id: i64) -> Result<Arc<Peer>, Trouble> {
        known(&mut self.peers, id, || {
            look_up(self.connection, "SELECT leaf, address FROM peer WHERE id = ?1", id, |row| {
                let address: String = row.get(1)?;
                let leaf: String = row.get(0)?;
                Ok(address.parse().ok().map(|address| Peer { leaf: leaf.into(), address }))
            })
        })
    }

    fn announcer(&mut self, id: i64) -> Result<Arc<Announcer>, Trouble> {
        const SQL: &str = "SELECT cluster, vrf, node, peer_as FROM announcer WHERE id = ?1";
        known(&mut self.announcers, id, || {
            look_up(self.connection, SQL, id, |row| {
                let text = |at| row.get::<_, String>(at).map(Arc::from);
                Ok(Some(Announcer {
                    cluster: text(0)?,
                    vrf: text(1)?,
                    node: row.get::<_, Option<String>>(2)?.map(Arc::from),
                    peer_as: u32::try_from(row.get::<_, i64>(3)?).unwrap_or_default(),
                }))
            })
        })
    }

    fn attributes(&mut self, id: i64) -> Result<Arc<Attributes>, Trouble> {
        const SQL: &str = "SELECT as_path, next_hop, communities, med, origin FROM attributes WHERE id = ?1";
        if self.attributes.len() >= MOST_SETS {
            self.attributes.clear();
        }
        known(&mut self.attributes, id, || {
            look_up(self.connection, SQL, id, |row| {
                let communities: String = row.get(2)?;
                Ok(Some(Attributes {
                    as_path: row.get(0)?,
                    next_hop: row.get::<_, Option<String>>(1)?.and_then(|address| address.parse().ok()),
                    communities: communities.split_whitespace().map(str::to_owned).collect(),
                    med: row.get::<_, Option<i64>>(3)?.and_then(|med| u32::try_from(med).ok()),
                    origin: row.get(4)?,
                }))
            })
        })
    }

    /// Whether all filters hold but that of the prefix.
    pub(super) fn wants(&mut self, query: &RouteQuery, row: &Row) -> Result<bool, Trouble> {
        let state = match query.state {
            None => true,
            Some(StateFilter::Accepted) => row.state == "accepted",
            Some(StateFilter::Rejected) => row.state == "rejected",
            Some(StateFilter::Noted) => row.state == "noted",
            Some(StateFilter::Stale) => false,
        };
        let has = |reason: Reason| row.reasons.split(',').any(|one| one == reason.name());
        Ok(state
            && query.class.is_none_or(|class| row.class == class.name())
            && query.reason.is_none_or(has)
            && self.is_of_peer(query, row.peer)?
            && self.is_of_announcer(query, row.announcer)?
            && self.has_community(query, row.attributes)?)
    }

    /// Whether the filters hold that look at who is the far end.
    pub(super) fn is_of_peer(&mut self, query: &RouteQuery, id: i64) -> Result<bool, Trouble> {
        if query.leaf.is_none() && query.peer.is_none() {
            return Ok(true);
        }
        let peer = self.peer(id)?;
        Ok(query.leaf.as_deref().is_none_or(|leaf| *peer.leaf == *leaf)
            && query.peer.is_none_or(|address| peer.address == address))
    }

    /// Whether the filters hold that look at whose it is.
    pub(super) fn is_of_announcer(&mut self, query: &RouteQuery, id: i64) -> Result<bool, Trouble> {
        if query.cluster.is_none() && query.vrf.is_none() && query.node.is_none() {
            return Ok(true);
        }
        let announcer = self.announcer(id)?;
        Ok(query.cluster.as_deref().is_none_or(|cluster| *announcer.cluster == *cluster)
            && query.vrf.as_deref().is_none_or(|vrf| *announcer.vrf == *vrf)
            && query.node.as_deref().is_none_or(|node| announcer.node.as_deref() == Some(node)))
    }

    fn has_community(&mut self, query: &RouteQuery, id: i64) -> Result<bool, Trouble> {
        let Some(community) = &query.community else { return Ok(true) };
        Ok(self.attributes(id)?.communities.contains(community))
    }

    /// The row as the API shows it.
    pub(super) fn route(&mut self, row: &Row) -> Result<Route, Trouble> {
        let (peer, announcer) = (self.peer(row.peer)?, self.announcer(row.announcer)?);
        let attributes = self.attributes(row.attributes)?;
        Ok(Route {
            prefix: row.prefix,
            leaf: Arc::clone(&peer.leaf),
            peer: peer.address,
            node: announcer.node.clone(),
            cluster: Arc::clone(&announcer.cluster),
            vrf: Arc::clone(&announcer.vrf),
            peer_as: announcer.peer_as,
            path_id: row.path_id,
            class: Class::from_name(&row.class).unwrap_or(Class::Other),
            state: row.state.clone().into(),
            stale: false,
            reasons: row.reasons.split(',').filter_map(Reason::from_name).collect(),
            as_path: attributes.as_path.clone(),
            next_hop: attributes.next_hop,
            communities: attributes.communities.clone(),
            med: attributes.med,
            origin: attributes.origin.clone().map(Into::into),
            since: timestamp(row.since),
            eepg: None,
        })
    }
}

/// What `id` stands for, looked up if it is not known yet.
fn known<K: Hash + Eq, T>(
    names: &mut HashMap<K, Arc<T>>,
    id: K,
    look_up: impl FnOnce() -> Result<T, Trouble>,
) -> Result<Arc<T>, Trouble> {
    if let Some(known) = names.get(&id) {
        return Ok(Arc::clone(known));
    }
    let found = Arc::new(look_up()?);
    names.insert(id, Arc::clone(&found));
    Ok(found)
}

fn look_up<T>(
    connection: &Connection,
    sql: &str,
    id: i64,
    read: impl FnOnce(&Columns<'_>) -> rusqlite::Result<Option<T>>,
) -> Result<T, Trouble> {
    let found = connection.prepare_cached(sql)?.query_row([id], read).optional()?.flatten();
    found.ok_or_else(|| Trouble::Damaged("a route names what is not there".to_owned()))
}
