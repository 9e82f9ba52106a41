//! Listening sockets: bound with the keys and limits of their leaf, and emptied without ever waiting.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the IO of listening")]

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::collision::Direction;
use super::connection::Connection;
use super::refusal::Refusal;
use super::registry::Entry;
use super::shared::Shared;
use super::terms::Table;
use super::{Event, PeerId, Refused, sockopt, stranger};
use crate::config::model::Secret;

/// Connections that the kernel completes while we do not look: a rack that comes back at once.
const BACKLOG: i32 = 4096;
/// What we send is small. A small buffer makes a peer that does not read show itself (RFC 9687).
const SEND_BUFFER: usize = 4096;
/// When TCP asks an idle peer whether it is still there.
const PROBE_AFTER: Duration = Duration::from_mins(1);
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// How long to wait when the machine has no resources for another connection.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Why a leaf cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be had.
    #[error("leaf \"{leaf}\" cannot listen on {address}: {source}")]
    Bind {
        /// The leaf's name.
        leaf: Arc<str>,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The kernel takes no more TCP-MD5 keys, or none at all.
    #[error(
        "leaf \"{leaf}\" cannot set the TCP-MD5 key of {range} on {address}: {source}; \
             the sysctl net.core.optmem_max limits how many there may be"
    )]
    Key {
        /// The leaf's name.
        leaf: Arc<str>,
        /// The address.
        address: SocketAddr,
        /// Whose key.
        range: IpNet,
        /// Why.
        source: io::Error,
    },
}

/// One listening socket and the task that empties it.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) leaf: Arc<str>,
    /// As configured.
    pub(super) address: SocketAddr,
    socket: Arc<TcpListener>,
    keys: Vec<(IpNet, Secret)>,
    task: Option<JoinHandle<()>>,
}

impl Listener {
    /// Binds, but lets nobody in yet.
    pub(super) fn bind(leaf: &Arc<str>, address: SocketAddr, table: &Table) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Bind { leaf: Arc::clone(leaf), address, source };
        let socket = open(address).map_err(failed)?;
        let keys = table.keys(leaf, address.is_ipv6());
        set_keys(&socket, &[], &keys).map_err(|error| error.of(leaf, address))?;
        limit_ttl(&socket, address.is_ipv6(), table.ttl(leaf)).map_err(failed)?;
        socket.listen(BACKLOG).map_err(failed)?;
        // Not before it listens: to epoll, a socket that does not is hung up, and the runtime never forgets that.
        let socket = TcpListener::from_std(socket.into()).map_err(failed)?;
        Ok(Self { leaf: Arc::clone(leaf), address, socket: Arc::new(socket), keys, task: None })
    }

    /// Where it listens really.
    pub(super) fn bound(&self) -> SocketAddr {
        self.socket.local_addr().unwrap_or(self.address)
    }

    /// Sets the keys and TTLs that `leaf` has in `table`. On failure the former keys are in force.
    pub(super) fn adapt(&mut self, leaf: &str, table: &Table) -> Result<(), ListenError> {
        let ipv6 = self.address.is_ipv6();
        let keys = table.keys(leaf, ipv6);
        if let Err(error) = set_keys(&*self.socket, &self.keys, &keys) {
            let _ = set_keys(&*self.socket, &keys, &self.keys);
            return Err(error.of(&self.leaf, self.address));
        }
        self.keys = keys;
        let failed =
            |source| ListenError::Bind { leaf: Arc::clone(&self.leaf), address: self.address, source };
        limit_ttl(&*self.socket, ipv6, table.ttl(leaf)).map_err(failed)
    }

    /// Lets peers of the leaf in.
    pub(super) fn serve(&mut self, shared: &Arc<Shared>) {
        let (shared, socket, leaf) = (Arc::clone(shared), Arc::clone(&self.socket), Arc::clone(&self.leaf));
        self.task.get_or_insert_with(|| tokio::spawn(accept(shared, socket, leaf)));
    }

    /// Hands the socket over to another leaf.
    pub(super) async fn transfer(mut self, leaf: &Arc<str>) -> Self {
        self.stop().await;
        self.leaf = Arc::clone(leaf);
        self
    }

    /// Lets nobody in any more.
    pub(super) async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }
}

/// The key of this range cannot be set.
struct KeyError(IpNet, io::Error);

impl KeyError {
    fn of(self, leaf: &Arc<str>, address: SocketAddr) -> ListenError {
        ListenError::Key { leaf: Arc::clone(leaf), address, range: self.0, source: self.1 }
    }
}

fn set_keys(socket: &impl AsFd, old: &[(IpNet, Secret)], new: &[(IpNet, Secret)]) -> Result<(), KeyError> {
    for (range, _) in old.iter().filter(|(range, _)| new.iter().all(|(kept, _)| kept != range)) {
        // It may be gone already, if this undoes what could not be done.
        let _ = sockopt::set_md5(socket, *range, None);
    }
    for (range, key) in new.iter().filter(|key| !old.contains(key)) {
        sockopt::set_md5(socket, *range, Some(key.expose())).map_err(|error| KeyError(*range, error))?;
    }
    Ok(())
}

/// GTSM: the least TTL that any peer of the leaf may have, and whether there are peers that must have one.
fn limit_ttl(socket: &impl AsFd, ipv6: bool, (least, secured): (u8, bool)) -> io::Result<()> {
    sockopt::set_min_ttl(socket, ipv6, least)?;
    sockopt::save_syn(socket, secured)?;
    match (secured, ipv6) {
        (false, _) => Ok(()),
        (true, false) => SockRef::from(socket).set_ttl_v4(u8::MAX.into()),
        (true, true) => SockRef::from(socket).set_unicast_hops_v6(u8::MAX.into()),
    }
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Accepted connections inherit this.
    tune(&socket)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// What every connection is like, accepted or dialled.
pub(super) fn tune(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    // A session without hold time must not outlive its peer's machine for ever.
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_INTERVAL).with_retries(3);
    socket.set_tcp_keepalive(&probes)
}

async fn accept(shared: Arc<Shared>, socket: Arc<TcpListener>, leaf: Arc<str>) {
    loop {
        match socket.accept().await {
            Ok((stream, from)) => welcome(&shared, &leaf, stream, from),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_the_peers(&error) => _ = shared.registry().count(&leaf, Refusal::Lost),
            Err(error) => {
                let budget = shared.registry().count(&leaf, Refusal::Resources);
                if let Some(suppressed) = budget.take(shared.clock.now()) {
                    tracing::error!(%leaf, suppressed, "cannot accept connections: {error}");
                }
                shared.registry().relieve();
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

/// Whether the one connection failed, and not accepting.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

fn welcome(shared: &Arc<Shared>, leaf: &Arc<str>, stream: TcpStream, from: SocketAddr) {
    let peer = PeerId { leaf: Arc::clone(leaf), address: from.ip() };
    let entered = shared.registry().enter(peer, Direction::Accepted, shared.clock.now());
    match entered {
        Ok(entry) => {
            tokio::spawn(prepare(Arc::clone(shared), entry, stream, from));
        }
        Err(refusal) => {
            report(shared, leaf, from, refusal);
            if refusal == Refusal::NotInRange {
                stranger::turn_away(shared, PeerId { leaf: Arc::clone(leaf), address: from.ip() }, stream);
            }
        }
    }
}

async fn prepare(shared: Arc<Shared>, entry: Entry, stream: TcpStream, from: SocketAddr) {
    match secure(&entry, &stream).and_then(|near| Ok((near, stream.local_addr()?.ip()))) {
        Ok((true, local)) => {
            Connection::new(shared, entry, stream, local).run().await;
        }
        Ok((false, _)) => {
            shared.registry().leave(&entry, false);
            report(&shared, &entry.peer.leaf, from, Refusal::Ttl);
            let now = shared.clock.now();
            if shared.herald.admits(&entry.peer, now) {
                shared.herald.tell(Event::Refused(Box::new(Refused {
                    peer: entry.peer.clone(),
                    at: now,
                    why: Refusal::Ttl,
                    offered_as: None,
                    expected: format!("a TTL of at least {}", entry.terms.min_ttl()),
                    detail: String::new(),
                })));
            }
        }
        // Gone before it began.
        Err(_) => {
            let mut registry = shared.registry();
            registry.leave(&entry, false);
            registry.count(&entry.peer.leaf, Refusal::Lost);
        }
    }
}

/// Puts GTSM in force on a connection; whether it came from near enough so far.
fn secure(entry: &Entry, stream: &TcpStream) -> io::Result<bool> {
    let least = entry.terms.min_ttl();
    if least == 0 {
        return Ok(true);
    }
    sockopt::set_min_ttl(stream, entry.peer.address.is_ipv6(), least)?;
    Ok(sockopt::syn_ttl(stream)?.is_some_and(|ttl| ttl >= least))
}

fn report(shared: &Shared, leaf: &Arc<str>, from: SocketAddr, refusal: Refusal) {
    let budget = shared.registry().count(leaf, refusal);
    if let Some(suppressed) = budget.take(shared.clock.now()) {
        let reason = match refusal {
            Refusal::Ttl => "it comes from farther away than ttl_security_hops permits",
            _ => "no neighbors entry of this leaf holds the address",
        };
        tracing::warn!(%leaf, peer = %from.ip(), suppressed, "connection refused: {reason}");
    }
}
