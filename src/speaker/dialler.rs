//! Dials the peers that do not dial us: Idle, Connect and Active of RFC 4271, 8.2.2.
//!
//! A dialler never adds a connection to one that is there: a BIRD that is Established takes a second
//! one for a restart, and an active open can end its graceful restart.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the IO of dialling")]

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use super::collision::Direction;
use super::connection::Connection;
use super::shared::Shared;
use super::stats::SessionState;
use super::terms::Terms;
use super::{PeerId, listener, sockopt};

/// Between two attempts, and after a session.
const RETRY: Duration = Duration::from_secs(5);
/// The most that attempts which the peer turns down are apart.
const RETRY_MAX: Duration = Duration::from_mins(1);
/// How long the peer may take to answer.
const CONNECT: Duration = Duration::from_secs(10);

/// Keeps a session with one peer.
pub(super) struct Dialler {
    shared: Arc<Shared>,
    peer: PeerId,
    terms: Arc<Terms>,
    /// The address to dial from, if it must be that one.
    source: Option<IpAddr>,
}

impl Dialler {
    pub(super) fn new(shared: Arc<Shared>, peer: PeerId, terms: Arc<Terms>, source: Option<IpAddr>) -> Self {
        let dialler = Self { shared, peer, terms, source };
        dialler.show(Some(SessionState::Idle));
        dialler
    }

    /// Runs until it is aborted.
    pub(super) async fn run(self) {
        let mut wait = Duration::from_secs(1);
        let mut retry = RETRY;
        loop {
            sleep(jittered(wait)).await;
            wait = RETRY;
            if self.shared.registry().is_busy(&self.peer, self.shared.clock.now()) {
                continue;
            }
            self.show(Some(SessionState::Connect));
            match timeout(CONNECT, self.connect()).await {
                Ok(Ok(stream)) => {
                    let established = self.converse(stream).await;
                    retry = if established { RETRY } else { retry.saturating_mul(2).min(RETRY_MAX) };
                    wait = retry;
                }
                Ok(Err(error)) => tracing::debug!(peer = %self.peer, "cannot connect: {error}"),
                Err(_) => tracing::debug!(peer = %self.peer, "cannot connect: no answer"),
            }
            self.show(Some(SessionState::Idle));
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let to = SocketAddr::new(self.peer.address, self.terms.neighbors.port);
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        listener::tune(&socket)?;
        if let Some(source) = self.source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        if let Some(key) = &self.terms.neighbors.password {
            sockopt::set_md5(&socket, self.terms.neighbors.range, Some(key.expose()))?;
        }
        let ttl = self.terms.min_ttl();
        if ttl > 0 {
            sockopt::set_min_ttl(&socket, to.is_ipv6(), ttl)?;
            if to.is_ipv6() {
                socket.set_unicast_hops_v6(u8::MAX.into())?;
            } else {
                socket.set_ttl_v4(u8::MAX.into())?;
            }
        }
        TcpSocket::from_std_stream(socket.into()).connect(to).await
    }

    /// Runs the connection in a task of its own, which outlives this dialler. Whether it became a session.
    async fn converse(&self, stream: TcpStream) -> bool {
        let Ok(local) = stream.local_addr() else { return false };
        let now = self.shared.clock.now();
        let entered = self.shared.registry().enter(self.peer.clone(), Direction::Dialled, now);
        let Ok(entry) = entered else { return false };
        let connection = Connection::new(Arc::clone(&self.shared), entry, stream, local.ip());
        tokio::spawn(connection.run()).await.unwrap_or(false)
    }

    fn show(&self, state: Option<SessionState>) {
        self.shared.registry().dialling(&self.peer, state);
    }
}

impl Drop for Dialler {
    fn drop(&mut self) {
        self.show(None);
    }
}

/// Between three quarters and all of `time` (RFC 4271, 10).
fn jittered(time: Duration) -> Duration {
    let share = RandomState::new().hash_one(0_u8) % 256;
    let share = u32::try_from(share).unwrap_or_default();
    time.saturating_mul(768_u32.saturating_add(share)) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_takes_up_to_a_quarter() {
        let waits: Vec<_> = (0..200).map(|_| jittered(RETRY)).collect();
        assert!(waits.iter().all(|wait| (RETRY * 3 / 4..RETRY).contains(wait)));
        assert!(waits.iter().max() > waits.iter().min());
    }
}
