//! The IO of BGP: listeners, socket options, a task a connection, collision detection.
//!
//! What it learns leaves as [`Event`]s on one bounded channel to the observer, fair to every peer. Whoever
//! connects is matched to the longest range of `[[neighbors]]` that holds its address, and its OPEN to the
//! ASes of that entry; everybody else is turned away and counted.

#![expect(clippy::disallowed_methods, reason = "starts tasks that dial and look")]

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::dialler::Dialler;
use self::listener::Listener;
use self::shared::Shared;
use self::terms::{Table, Terms};
use crate::bgp::session::Stop;
use crate::bgp::{self, Families};
use crate::config::Config;
use crate::time::Clock;

mod beat;
mod collision;
mod connection;
mod dialler;
pub mod event;
mod herald;
mod listener;
mod logs;
mod md5;
pub mod queue;
mod read;
mod refusal;
mod registry;
mod shared;
mod sockopt;
pub mod stats;
mod stranger;
pub mod tap;
mod terms;
#[cfg(test)]
mod tests;

pub use event::{
    Closed, Established, Event, HoldExpiry, Loss, PeerId, Refused, ResetReason, SessionId, Unsigned,
};
pub use listener::ListenError;
pub use md5::Signature;
pub use queue::Delivery;
pub use refusal::Refusal;
pub use sockopt::raise_file_limit;
pub use stats::PeerStats;
pub use tap::Tap;

/// How long a shutdown waits for the last connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// All virtual leaves: a handle, cheap to clone.
#[derive(Clone, Debug)]
pub struct Speaker {
    shared: Arc<Shared>,
    sockets: Arc<tokio::sync::Mutex<Sockets>>,
    listening: Arc<Mutex<Vec<SocketAddr>>>,
}

/// What waits for connections, and what makes them.
#[derive(Debug, Default)]
struct Sockets {
    listeners: Vec<Listener>,
    diallers: HashMap<PeerId, (Arc<Terms>, JoinHandle<()>)>,
    /// Looks at what the kernel drops.
    watch: Option<JoinHandle<()>>,
}

/// Why a session ends at the wish of somebody else in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cease {
    /// An operator wants it to start afresh.
    AdministrativeReset,
    /// It brought too many prefixes: the peer is refused for this long.
    PrefixLimit(Duration),
}

impl Speaker {
    /// Binds every listening address and starts to dial; `tap` hears what sessions say.
    ///
    /// # Errors
    /// The first address that cannot be had; nothing is bound then.
    pub async fn start(
        config: Arc<Config>,
        clock: Clock,
        events: mpsc::Sender<Delivery>,
        tap: Option<Arc<dyn Tap>>,
    ) -> Result<Self, ListenError> {
        let speaker = Self {
            shared: Arc::new(Shared::new(clock, events, tap)),
            sockets: Arc::default(),
            listening: Arc::default(),
        };
        speaker.reconfigure(config).await?;
        Ok(speaker)
    }

    /// Puts `config` in force. Listening addresses open and close one by one; only sessions whose terms
    /// changed are reset.
    ///
    /// # Errors
    /// The first address that cannot be had; nothing has changed then.
    pub async fn reconfigure(&self, config: Arc<Config>) -> Result<(), ListenError> {
        let table = Table::new(&config);
        let mut sockets = self.sockets.lock().await;
        sockets.listen(&table, &self.shared).await?;
        let dialled: Vec<_> =
            table.dialled().map(|(peer, terms)| (source(&config, &peer), peer, Arc::clone(terms))).collect();
        self.shared.registry().reconfigure(table);
        for listener in &mut sockets.listeners {
            listener.serve(&self.shared);
        }
        sockets.dial(dialled, &self.shared).await;
        let bound = sockets.listeners.iter().map(Listener::bound).collect();
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner) = bound;
        Ok(())
    }

    /// Tells from now on of what the kernel drops for its TCP-MD5 signature, wherever it counts that.
    pub async fn watch_signatures(&self) {
        let watch = md5::watch(Arc::downgrade(&self.shared), md5::NETSTAT.as_ref());
        self.sockets.lock().await.watch.get_or_insert_with(|| tokio::spawn(watch));
    }

    /// Ends the session of `peer`, if it has any connection.
    pub fn reset(&self, peer: &PeerId, cease: Cease) -> bool {
        let mut registry = self.shared.registry();
        match cease {
            Cease::AdministrativeReset => registry.reset(peer, bgp::Cease::AdministrativeReset),
            Cease::PrefixLimit(refused) => {
                registry.refuse(peer, self.shared.clock.now().after(refused));
                registry.reset(peer, bgp::Cease::MaximumPrefixes)
            }
        }
    }

    /// Asks `peer` for its routes of `families` again, where that was negotiated.
    pub fn refresh(&self, peer: &PeerId, families: Families) {
        self.shared.registry().refresh(peer, families);
    }

    /// Frees the place that `peer`, if it is down, takes among the `max_peers` of its range.
    pub fn forget(&self, peer: &PeerId) -> bool {
        self.shared.registry().forget(peer)
    }

    /// The addresses that are really bound.
    pub fn listening(&self) -> Vec<SocketAddr> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every peer that is known, connected beyond its OPEN, or dialled, with its counters.
    pub fn peers(&self) -> Vec<(PeerId, Arc<PeerStats>)> {
        self.shared.registry().peers()
    }

    /// Counters by leaf, for sums that never shrink: of each peer, and of all that are remembered no more.
    pub fn counters(&self) -> Vec<(Arc<str>, Arc<PeerStats>)> {
        self.shared.registry().counters()
    }

    /// Connections turned away so far: leaf, reason, count.
    pub fn refusals(&self) -> Vec<(Arc<str>, &'static str, u64)> {
        self.shared.registry().refusals()
    }

    /// How many refusals the observer was not told of because there was no room.
    pub fn untold_refusals(&self) -> u64 {
        self.shared.herald.untold()
    }

    /// Segments that the kernel dropped for their TCP-MD5 signature since the network namespace is there, of
    /// whatever program; none if it does not count them, or nobody [looks](Self::watch_signatures).
    pub fn signatures(&self) -> Option<[(Signature, u64); Signature::ALL.len()]> {
        let mut counts = self.shared.signatures.read()?.into_iter();
        Some(Signature::ALL.map(|signature| (signature, counts.next().unwrap_or_default())))
    }

    /// Stops listening and dialling, tells every peer with `text` (RFC 9003), and waits for all to end.
    pub async fn shutdown(&self, text: &str) {
        let mut sockets = self.sockets.lock().await;
        for (_, dialler) in sockets.diallers.values() {
            dialler.abort();
        }
        if let Some(watch) = &sockets.watch {
            watch.abort();
        }
        for listener in &mut sockets.listeners {
            listener.stop().await;
        }
        *sockets = Sockets::default();
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let stop = Stop::Cease(bgp::Cease::AdministrativeShutdown, text.to_owned());
        self.shared.registry().close(&stop);
        if tokio::time::timeout(PATIENCE, self.shared.idle()).await.is_err() {
            tracing::warn!("some connections would not end");
        }
    }
}

impl Sockets {
    /// Listens where `table` says: binds what is new, then adapts what stays, then closes what is left.
    async fn listen(&mut self, table: &Table, shared: &Shared) -> Result<(), ListenError> {
        let mut new = Vec::new();
        let mut kept = Vec::new();
        for leaf in table.leaves() {
            for &address in &leaf.listen {
                let free = |place: &usize| !kept.iter().any(|(kept, _)| kept == place);
                let at = |place: &usize| self.listeners.get(*place).is_some_and(|old| old.address == address);
                let ours =
                    |place: &usize| self.listeners.get(*place).is_some_and(|old| old.leaf == leaf.name);
                let places = || (0..self.listeners.len()).filter(&free).filter(&at);
                match places().find(&ours).or_else(|| places().next()) {
                    Some(place) => kept.push((place, Arc::clone(&leaf.name))),
                    None => new.push(Listener::bind(&leaf.name, address, table)?),
                }
            }
        }
        self.adapt(&kept, table, shared)?;
        for (place, old) in std::mem::take(&mut self.listeners).into_iter().enumerate() {
            let mut old = old;
            match kept.iter().find(|(kept, _)| *kept == place) {
                Some((_, leaf)) if *leaf == old.leaf => self.listeners.push(old),
                Some((_, leaf)) => self.listeners.push(old.transfer(leaf).await),
                None => old.stop().await,
            }
        }
        self.listeners.extend(new);
        Ok(())
    }

    fn adapt(
        &mut self,
        kept: &[(usize, Arc<str>)],
        table: &Table,
        shared: &Shared,
    ) -> Result<(), ListenError> {
        for (done, (place, leaf)) in kept.iter().enumerate() {
            let Some(listener) = self.listeners.get_mut(*place) else { continue };
            if let Err(error) = listener.adapt(leaf, table) {
                for (place, _) in kept.iter().take(done) {
                    if let Some(listener) = self.listeners.get_mut(*place) {
                        let _ = listener.adapt(&Arc::clone(&listener.leaf), shared.registry().table());
                    }
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Dials those of `wanted`, and nobody else.
    async fn dial(&mut self, wanted: Vec<(Option<IpAddr>, PeerId, Arc<Terms>)>, shared: &Arc<Shared>) {
        let stays = |peer: &PeerId, old: &Terms| {
            let same = |new: &Terms| new.neighbors == old.neighbors && new.offer == old.offer;
            wanted.iter().any(|(_, wanted, new)| wanted == peer && same(new))
        };
        let ending: Vec<_> = self.diallers.extract_if(|peer, (terms, _)| !stays(peer, terms)).collect();
        for (_, (_, dialler)) in ending {
            dialler.abort();
            let _ = dialler.await;
        }
        for (source, peer, terms) in wanted {
            self.diallers.entry(peer.clone()).or_insert_with(|| {
                let dialler = Dialler::new(Arc::clone(shared), peer, Arc::clone(&terms), source);
                (terms, tokio::spawn(dialler.run()))
            });
        }
    }
}

/// The address to dial `peer` from: that of its leaf, if it is one.
fn source(config: &Config, peer: &PeerId) -> Option<IpAddr> {
    let leaf = config.leaves.iter().find(|leaf| leaf.name == peer.leaf)?;
    let mut addresses = leaf.listen.iter().map(SocketAddr::ip);
    addresses.find(|own| own.is_ipv4() == peer.address.is_ipv4() && !own.is_unspecified())
}
