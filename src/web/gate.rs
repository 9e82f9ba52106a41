//! Who may connect: so many at once over all, and so many from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections at once, over all addresses.
pub(super) const MAX: usize = 512;

/// Connections at once of one client: an address, or a network of 64 bits.
const EACH: usize = 64;

/// Connections at once from this machine: whoever is on it can do worse.
const LOCAL: usize = 384;

/// Counts connections.
#[derive(Debug)]
pub(super) struct Gate {
    room: Arc<Semaphore>,
    clients: Mutex<HashMap<IpAddr, usize>>,
    rejected: AtomicU64,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    gate: Arc<Gate>,
    client: IpAddr,
    _room: OwnedSemaphorePermit,
}

impl Gate {
    pub(super) fn new() -> Self {
        let room = Arc::new(Semaphore::new(MAX));
        Self { room, clients: Mutex::default(), rejected: AtomicU64::new(0) }
    }

    /// Waits until there is room for one more.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).acquire_owned().await.ok()
    }

    /// A place for a client, unless it has its share.
    pub(super) fn admit(self: &Arc<Self>, client: IpAddr, room: OwnedSemaphorePermit) -> Option<Place> {
        let share = if client.is_loopback() { LOCAL } else { EACH };
        let client = whole(client);
        let mut clients = self.clients();
        let held = clients.entry(client).or_default();
        if *held >= share {
            drop(clients);
            self.rejected.fetch_add(1, Relaxed);
            return None;
        }
        *held += 1;
        drop(clients);
        Some(Place { gate: Arc::clone(self), client, _room: room })
    }

    /// How many connections there are.
    pub(super) fn connections(&self) -> u64 {
        (MAX - self.room.available_permits().min(MAX)) as u64
    }

    /// How many were turned away.
    pub(super) fn rejected(&self) -> u64 {
        self.rejected.load(Relaxed)
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut clients = self.gate.clients();
        if let Some(held) = clients.get_mut(&self.client) {
            *held -= 1;
            if *held == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

/// Who has an IPv6 address has the 64 bits around it.
fn whole(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn enter(gate: &Arc<Gate>, client: &str) -> Option<Place> {
        let room = gate.room().await.unwrap();
        gate.admit(client.parse().unwrap(), room)
    }

    #[tokio::test]
    async fn one_client_cannot_take_all_places() {
        let gate = Arc::new(Gate::new());
        let mut places = Vec::new();
        for at in 0..EACH {
            places.push(enter(&gate, "10.0.0.1").await.unwrap());
            places.push(enter(&gate, &format!("fd00::{at:x}")).await.unwrap());
        }
        assert!(enter(&gate, "10.0.0.1").await.is_none());
        assert!(enter(&gate, "fd00::ffff").await.is_none());
        assert_eq!((gate.rejected(), gate.connections()), (2, 2 * EACH as u64));
        for client in ["10.0.0.2", "fd00:0:0:1::1"] {
            assert!(enter(&gate, client).await.is_some(), "{client}");
        }
        places.remove(0);
        places.push(enter(&gate, "10.0.0.1").await.unwrap());
        while places.len() < LOCAL {
            places.push(enter(&gate, "127.0.0.1").await.unwrap());
        }
        drop(places);
        assert_eq!(gate.connections(), 0);
        assert!(gate.clients().is_empty());
    }
}
