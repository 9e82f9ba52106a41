//! One node's session.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::Interest;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::{Seen, Shared};
use crate::wire;
use crate::workload::{Announced, Node};

/// How long an OPEN may take before nobody has sent it: daemons leave connections in their queues for a while.
const OPEN: Duration = Duration::from_secs(10);

/// How long a connection may take before nobody has answered it.
const ANSWER: Duration = Duration::from_secs(1);

/// How long after a connection that failed the next one is tried.
const RETRY: Duration = Duration::from_millis(100);

/// Silence after which a session is over.
const HOLD: Duration = Duration::from_secs(wire::HOLD as u64);

pub(super) struct Session {
    pub(super) node: Node,
    pub(super) announced: Announced,
    shared: Rc<Shared>,
    stream: RefCell<Option<Rc<TcpStream>>>,
    phase: Cell<Phase>,
    /// What is to be sent once the session is established.
    table: RefCell<Option<Bytes>>,
    /// What the socket has not taken yet.
    out: RefCell<VecDeque<Bytes>>,
    wake: Notify,
    restarted: Cell<bool>,
    ending: Cell<Option<Ending>>,
    /// What came of a message that is not whole.
    input: RefCell<BytesMut>,
    heard: Cell<Instant>,
    seen: Cell<Seen>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Down,
    OpenSent,
    OpenConfirm,
    Established,
}

/// Why we end a session ourselves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Told,
    Silent,
}

impl Session {
    pub(super) fn new(node: Node, announced: Announced, shared: &Rc<Shared>) -> Self {
        Self {
            node,
            announced,
            shared: Rc::clone(shared),
            stream: RefCell::default(),
            phase: Cell::new(Phase::Down),
            table: RefCell::default(),
            out: RefCell::default(),
            wake: Notify::new(),
            restarted: Cell::new(false),
            ending: Cell::new(None),
            input: RefCell::default(),
            heard: Cell::new(Instant::now()),
            seen: Cell::default(),
        }
    }

    /// Keeps the session up.
    pub(super) async fn run(self: Rc<Self>) {
        loop {
            match timeout(ANSWER, self.connect()).await {
                Ok(Ok(stream)) => {
                    self.talk(Rc::new(stream)).await;
                    let phase = self.phase.get();
                    self.close();
                    match phase {
                        _ if self.ending.take() == Some(Ending::Told) => continue,
                        Phase::OpenSent => self.count(|seen| seen.unanswered += 1),
                        _ => self.count(|seen| seen.lost += 1),
                    }
                }
                Ok(Err(_)) => self.count(|seen| seen.refused += 1),
                Err(_) => self.count(|seen| seen.unanswered += 1),
            }
            sleep(RETRY).await;
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(IpAddr::V4(self.node.address()), 0))?;
        let stream = socket.connect(SocketAddr::new(IpAddr::V4(self.node.leaf()), 179)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Speaks until the session is over.
    async fn talk(&self, stream: Rc<TcpStream>) {
        *self.stream.borrow_mut() = Some(Rc::clone(&stream));
        self.phase.set(Phase::OpenSent);
        self.heard.set(Instant::now());
        self.push(wire::open(self.node.asn(), self.node.address(), self.restarted.get()));
        self.input.borrow_mut().clear();
        loop {
            let interest = if self.out.borrow().is_empty() {
                Interest::READABLE
            } else {
                Interest::READABLE | Interest::WRITABLE
            };
            tokio::select! {
                ready = stream.ready(interest) => {
                    if ready.is_err() || self.flush().is_err() || !self.read(&stream) {
                        return;
                    }
                }
                () = self.wake.notified() => {}
            }
            if self.ending.get().is_some() {
                return;
            }
        }
    }

    /// Takes in what has come; false at the end of the session.
    fn read(&self, stream: &TcpStream) -> bool {
        let mut scratch = [0; 4_096];
        let mut input = self.input.borrow_mut();
        loop {
            match stream.try_read(&mut scratch) {
                Ok(0) => return false,
                Ok(length) => input.extend_from_slice(&scratch[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
            while let Some((kind, _, length)) = wire::first(&input) {
                if !self.hear(kind) {
                    return false;
                }
                input.advance(length);
            }
        }
    }

    fn hear(&self, kind: u8) -> bool {
        let now = Instant::now();
        match (self.phase.get(), kind) {
            (_, wire::NOTIFICATION) => {
                self.count(|seen| seen.notifications += 1);
                return false;
            }
            (Phase::OpenSent, wire::OPEN) => {
                self.phase.set(Phase::OpenConfirm);
                self.push(wire::keepalive());
            }
            (Phase::OpenConfirm, wire::KEEPALIVE) => {
                self.phase.set(Phase::Established);
                self.shared.established.set(self.shared.established.get() + 1);
                if let Some(table) = self.table.borrow().clone() {
                    self.push(table);
                }
            }
            (Phase::Established, _) => self.note_silence(now),
            _ => {}
        }
        self.heard.set(now);
        true
    }

    fn note_silence(&self, now: Instant) {
        let silence = now.duration_since(self.heard.get()).as_millis();
        let silence = u64::try_from(silence).unwrap_or(u64::MAX);
        self.count(|seen| seen.silence_ms = seen.silence_ms.max(silence));
    }

    /// Sends the table, now if there is a session and whenever there is a new one.
    pub(super) fn announce(&self) {
        let table = self.announced.all.clone();
        if self.phase.get() == Phase::Established {
            self.push(table.clone());
        }
        *self.table.borrow_mut() = Some(table);
    }

    /// Closes the connection without a word and opens it again, as a node that has restarted.
    pub(super) fn restart(&self) {
        self.restarted.set(true);
        *self.table.borrow_mut() = Some(self.announced.less.clone());
        if self.phase.get() != Phase::Down {
            self.ending.set(Some(Ending::Told));
            self.close();
        }
        self.wake.notify_one();
    }

    /// Lets go of the connection.
    fn close(&self) {
        if self.phase.replace(Phase::Down) == Phase::Established {
            self.shared.established.set(self.shared.established.get() - 1);
        }
        *self.stream.borrow_mut() = None;
        let dropped: usize = self.out.borrow_mut().drain(..).map(|piece| piece.len()).sum();
        self.shared.unsent.set(self.shared.unsent.get() - dropped);
    }

    /// What is due every second.
    pub(super) fn tick(&self, now: Instant) {
        if self.is_silent(now) {
            // Only if it is the far end that is slow.
            if let Some(stream) = self.stream.borrow().clone() {
                self.read(&stream);
            }
            if self.is_silent(now) {
                self.push(wire::hold_timer_expired());
                self.ending.set(Some(Ending::Silent));
                self.wake.notify_one();
            }
        } else if self.phase.get() == Phase::Established {
            self.push(wire::keepalive());
        }
    }

    fn is_silent(&self, now: Instant) -> bool {
        let limit = match self.phase.get() {
            Phase::Down => return false,
            Phase::OpenSent | Phase::OpenConfirm => OPEN,
            Phase::Established => HOLD,
        };
        now.saturating_duration_since(self.heard.get()) > limit
    }

    /// Sends, or keeps what the socket does not take.
    pub(super) fn push(&self, message: Bytes) {
        let Some(stream) = self.stream.borrow().clone() else { return };
        let mut rest = message;
        if self.out.borrow().is_empty() {
            match stream.try_write(&rest) {
                Ok(taken) => rest.advance(taken),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The reader will see what became of the connection.
                Err(_) => return,
            }
        }
        if !rest.is_empty() {
            self.shared.unsent.set(self.shared.unsent.get() + rest.len());
            self.out.borrow_mut().push_back(rest);
            self.wake.notify_one();
        }
    }

    /// Sends what was kept, as far as the socket takes it.
    fn flush(&self) -> io::Result<()> {
        let Some(stream) = self.stream.borrow().clone() else { return Ok(()) };
        let mut out = self.out.borrow_mut();
        while let Some(piece) = out.front_mut() {
            match stream.try_write(piece) {
                Ok(taken) => {
                    piece.advance(taken);
                    self.shared.unsent.set(self.shared.unsent.get() - taken);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            if piece.is_empty() {
                out.pop_front();
            }
        }
        Ok(())
    }

    fn count(&self, change: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen.get();
        change(&mut seen);
        self.seen.set(seen);
    }

    /// Adds what it has seen to its group's, and begins anew.
    pub(super) fn report(&self, group: &mut Seen) {
        let established = self.phase.get() == Phase::Established;
        if established {
            self.note_silence(Instant::now());
        }
        let seen = self.seen.take();
        group.sessions += 1;
        group.established += u32::from(established);
        group.refused += seen.refused;
        group.unanswered += seen.unanswered;
        group.lost += seen.lost;
        group.notifications += seen.notifications;
        group.silence_ms = group.silence_ms.max(seen.silence_ms);
    }
}
