//! A journal written by hand, for tests: plain rows, as the writer's would be.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use ipnet::IpNet;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::watch;

use super::{Journal, Status, prefix, schema};
use crate::config::model::Fsync;
use crate::observer::view::{Event, Finding, Route};
use crate::time::Timestamp;

/// A journal in a folder of its own, which goes with it.
pub(crate) struct Book {
    pub(crate) path: PathBuf,
    pub(crate) connection: Connection,
}

impl Book {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("thirdleaf-book-{}-{count}", std::process::id()));
        _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join(schema::FILE);
        let connection = schema::open(&path, Fsync::Checkpoint).unwrap();
        Self { path, connection }
    }

    /// All that is written until `done` returns is one commit: fast.
    pub(crate) fn at_once(&self, done: impl FnOnce()) {
        self.connection.execute_batch("BEGIN").unwrap();
        done();
        self.connection.execute_batch("COMMIT").unwrap();
    }

    /// A run; without an end it was killed, or still runs.
    pub(crate) fn run(&self, started: i64, alive: i64, ended: Option<i64>) {
        let sql = "INSERT INTO run (version, started, alive, ended) VALUES ('0', ?1, ?2, ?3)";
        self.connection.execute(sql, params![started, alive, ended]).unwrap();
    }

    /// An event; its number is given out.
    pub(crate) fn event(&self, event: &Event) -> u64 {
        let sql = "INSERT INTO event (at, kind, cluster, vrf, leaf, peer, node, prefix, actor, text) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let mut insert = self.connection.prepare_cached(sql).unwrap();
        let Event { at, kind, cluster, vrf, leaf, peer, node, prefix, actor, text, .. } = event;
        let peer = peer.map(|peer| peer.to_string());
        let prefix = prefix.as_ref().map(prefix::key);
        let at = signed(*at);
        insert.execute(params![at, kind, cluster, vrf, leaf, peer, node, prefix, actor, text]).unwrap();
        u64::try_from(self.connection.last_insert_rowid()).unwrap()
    }

    /// A route came, or is another from now on.
    pub(crate) fn announce(&self, route: &Route, at: i64) {
        self.withdraw(route, at);
        let reasons: Vec<_> = route.reasons.iter().map(|reason| reason.name()).collect();
        let sql = "INSERT INTO route (prefix, peer, path_id, announcer, attributes, class, state, reasons, since) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let mut insert = self.connection.prepare_cached(sql).unwrap();
        let (announcer, attributes) = (self.announcer(route), self.attributes(route));
        let key = prefix::key(&route.prefix);
        let (peer, class, reasons) = (self.peer(route), route.class.name(), reasons.join(","));
        let (state, path_id) = (&*route.state, route.path_id);
        insert
            .execute(params![key, peer, path_id, announcer, attributes, class, state, reasons, at])
            .unwrap();
    }

    /// A route went.
    pub(crate) fn withdraw(&self, route: &Route, at: i64) {
        let sql =
            "UPDATE route SET until = ?4 WHERE prefix = ?1 AND peer = ?2 AND path_id = ?3 AND until IS NULL";
        let mut update = self.connection.prepare_cached(sql).unwrap();
        update.execute(params![prefix::key(&route.prefix), self.peer(route), route.path_id, at]).unwrap();
    }

    pub(crate) fn finding(&self, finding: &Finding, since: i64, until: Option<i64>) {
        let sql = "INSERT INTO finding (finding, kind, since, until, body) VALUES (?1, ?2, ?3, ?4, ?5)";
        let body = serde_json::to_string(finding).unwrap();
        self.connection.execute(sql, params![finding.id, finding.kind, since, until, body]).unwrap();
    }

    pub(crate) fn member(&self, apic: &str, container: &str, net: &str, since: i64, until: Option<i64>) {
        let sql = "INSERT INTO member (apic, container, prefix, since, until) VALUES (?1, ?2, ?3, ?4, ?5)";
        let key = prefix::key(&net.parse::<IpNet>().unwrap());
        self.connection.execute(sql, params![apic, container, key, since, until]).unwrap();
    }

    fn peer(&self, route: &Route) -> i64 {
        let address = route.peer.to_string();
        let select = "SELECT id FROM peer WHERE leaf = ?1 AND address = ?2";
        let insert = "INSERT INTO peer (leaf, address) VALUES (?1, ?2)";
        self.once(select, insert, params![&*route.leaf, address])
    }

    fn announcer(&self, route: &Route) -> i64 {
        let select =
            "SELECT id FROM announcer WHERE cluster = ?1 AND vrf = ?2 AND node IS ?3 AND peer_as = ?4";
        let insert = "INSERT INTO announcer (cluster, vrf, node, peer_as) VALUES (?1, ?2, ?3, ?4)";
        self.once(select, insert, params![&*route.cluster, &*route.vrf, route.node.as_deref(), route.peer_as])
    }

    fn attributes(&self, route: &Route) -> i64 {
        let (next_hop, communities) =
            (route.next_hop.map(|hop| hop.to_string()), route.communities.join(" "));
        let origin = route.origin.as_deref();
        let digest = format!("{}|{next_hop:?}|{communities}|{:?}|{origin:?}", route.as_path, route.med);
        let digest = digest.into_bytes();
        let insert = "INSERT INTO attributes (digest, as_path, next_hop, communities, med, origin) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        let values = params![digest, route.as_path, next_hop, communities, route.med, origin];
        self.connection.prepare_cached(insert).unwrap().execute(values).unwrap();
        let mut select =
            self.connection.prepare_cached("SELECT id FROM attributes WHERE digest = ?1").unwrap();
        select.query_row([digest], |row| row.get(0)).unwrap()
    }

    fn once(&self, select: &str, insert: &str, values: &[&dyn rusqlite::ToSql]) -> i64 {
        let mut known = self.connection.prepare_cached(select).unwrap();
        let known = known.query_row(values, |row| row.get(0)).optional().unwrap();
        known.unwrap_or_else(|| {
            self.connection.prepare_cached(insert).unwrap().execute(values).unwrap();
            self.connection.last_insert_rowid()
        })
    }
}

impl Journal {
    /// The journal at `path`, which nobody writes.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self::at(path, watch::channel(Status::default()).1)
    }

    /// How many more questions may be asked now.
    pub(crate) fn turns_left(&self) -> usize {
        self.turns.available_permits()
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(self.path.parent().unwrap_or(Path::new("/nowhere")));
    }
}

fn signed(at: Timestamp) -> i64 {
    i64::try_from(at.as_micros()).unwrap()
}

/// A route that is accepted.
pub(crate) fn route(prefix: &str, peer: &str) -> Route {
    Route {
        prefix: prefix.parse().unwrap(),
        leaf: "rack1".into(),
        peer: peer.parse().unwrap(),
        node: Some("node1".into()),
        cluster: "default".into(),
        vrf: "default".into(),
        peer_as: 65102,
        path_id: 0,
        class: crate::policy::Class::PodBlock,
        state: "accepted".into(),
        stale: false,
        reasons: vec![],
        as_path: "65102".into(),
        next_hop: peer.parse().ok(),
        communities: vec![],
        med: None,
        origin: Some("igp".into()),
        since: Timestamp::default(),
        eepg: None,
    }
}
