//! A raw BGP client: says any octets to the program, and tells what comes back on the wire.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::wire::{self, KEEPALIVE, NOTIFICATION, OPEN, Open};

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a session of 3 seconds tells that it lives.
const CADENCE: Duration = Duration::from_millis(900);

/// What came from the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A message: its type and what follows the header.
    Message(u8, Vec<u8>),
    /// The connection was closed in good order.
    Closed,
    /// The connection was reset.
    Reset,
    /// Nothing within the time.
    Nothing,
}

/// One connection to the program.
pub(crate) struct Peer {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// When our next KEEPALIVE is due, once the session is up.
    keepalive: Option<Instant>,
}

impl Peer {
    /// Connects from `address`, and says nothing.
    pub(crate) fn connect(address: Ipv4Addr, leaf: Ipv4Addr) -> Self {
        Self::try_connect(address, leaf).unwrap()
    }

    pub(crate) fn try_connect(address: Ipv4Addr, leaf: Ipv4Addr) -> std::io::Result<Self> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        Self::connect_on(socket, address, leaf, PATIENCE)
    }

    /// Connects with a socket that has options of its own.
    pub(crate) fn connect_on(
        socket: socket2::Socket,
        address: Ipv4Addr,
        leaf: Ipv4Addr,
        patience: Duration,
    ) -> std::io::Result<Self> {
        socket.bind(&SocketAddr::from((address, 0)).into())?;
        socket.connect_timeout(&SocketAddr::from((leaf, 1790)).into(), patience)?;
        Self::over(socket.into())
    }

    /// Speaks over a connection that is there.
    pub(crate) fn over(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buffer: Vec::new(), keepalive: None })
    }

    /// Connects, and comes up with this OPEN: the routes may come.
    pub(crate) fn establish(address: Ipv4Addr, leaf: Ipv4Addr, open: &Open) -> Self {
        let mut peer = Self::connect(address, leaf);
        peer.open(&open.encode());
        peer.confirm();
        peer
    }

    /// Says this OPEN and hears the program's.
    pub(crate) fn open(&mut self, open: &[u8]) -> Vec<u8> {
        self.send(open);
        let body = self.expect(OPEN);
        self.expect(KEEPALIVE);
        body
    }

    /// Says the KEEPALIVE that makes the session Established, and hears every End-of-RIB up to IPv4's or IPv6's.
    pub(crate) fn confirm(&mut self) {
        self.confirm_and(|_| ());
    }

    /// The same, with a look at the body of the first UPDATE.
    pub(crate) fn confirm_and(&mut self, look: impl FnOnce(&[u8])) {
        self.send(&wire::keepalive());
        self.keepalive = Some(Instant::now() + CADENCE);
        look(&self.expect(wire::UPDATE));
    }

    /// From now on, no KEEPALIVE goes out by itself.
    pub(crate) fn fall_silent(&mut self) {
        self.keepalive = None;
    }

    pub(crate) fn send(&mut self, octets: &[u8]) {
        self.try_send(octets).unwrap();
    }

    /// The program may have closed already: that is not the test's concern here.
    pub(crate) fn try_send(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(octets)
    }

    /// The next message or the end; KEEPALIVEs of ours go out meanwhile if the session is up.
    pub(crate) fn hear(&mut self, within: Duration) -> Heard {
        let end = Instant::now() + within;
        loop {
            if let Some(message) = self.take_message() {
                return message;
            }
            self.keep_alive();
            let now = Instant::now();
            let due = self.keepalive.unwrap_or(end).min(end);
            if now >= end {
                return Heard::Nothing;
            }
            let wait = due.saturating_duration_since(now).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(wait)).unwrap();
            let mut octets = [0; 8192];
            match self.stream.read(&mut octets) {
                Ok(0) => return Heard::Closed,
                Ok(count) => self.buffer.extend(&octets[..count]),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return Heard::Reset,
                },
            }
        }
    }

    /// The body of the next message, which must be of this type; KEEPALIVEs before it do not count.
    #[track_caller]
    pub(crate) fn expect(&mut self, kind: u8) -> Vec<u8> {
        match self.hear_past(|other| other == KEEPALIVE && other != kind) {
            Heard::Message(found, body) if found == kind => body,
            other => panic!("instead of a message of type {kind}: {other:?}"),
        }
    }

    /// NOTIFICATION as (code, subcode, data), then the end. Any other message but KEEPALIVE, UPDATE
    /// (End-of-RIB) and ROUTE-REFRESH before it is an error, and so is an end without it.
    #[track_caller]
    pub(crate) fn expect_notification(&mut self) -> (u8, u8, Vec<u8>) {
        let notification = match self.hear_past(|kind| kind != NOTIFICATION) {
            Heard::Message(_, body) => body,
            other => panic!("instead of a NOTIFICATION: {other:?}"),
        };
        self.finish();
        let after = self.hear(PATIENCE);
        assert!(matches!(after, Heard::Closed | Heard::Reset), "after the NOTIFICATION: {after:?}");
        (notification[0], notification[1], notification[2..].to_vec())
    }

    /// The end without a NOTIFICATION.
    #[track_caller]
    pub(crate) fn expect_silent_close(&mut self) {
        match self.hear_past(|kind| kind != NOTIFICATION) {
            Heard::Message(_, body) => panic!("a NOTIFICATION came: {body:?}"),
            Heard::Closed | Heard::Reset => {}
            Heard::Nothing => panic!("the connection stayed open"),
        }
    }

    /// What comes after messages of types that do not matter; nothing, if these go on for too long.
    fn hear_past(&mut self, skipped: impl Fn(u8) -> bool) -> Heard {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.hear(end.saturating_duration_since(Instant::now())) {
                Heard::Message(kind, _) if skipped(kind) => {}
                other => return other,
            }
        }
    }

    /// The session is up: a KEEPALIVE comes that was not under way when this was asked.
    #[track_caller]
    pub(crate) fn expect_up(&mut self) {
        self.drain();
        self.expect(KEEPALIVE);
    }

    /// What has come so far is old.
    fn drain(&mut self) {
        while let Heard::Message(kind, body) = self.hear(Duration::from_millis(1)) {
            assert_ne!(kind, NOTIFICATION, "a NOTIFICATION came: {body:?}");
        }
    }

    /// What ends the connection within this time, if anything does; what comes before is not looked at.
    pub(crate) fn until_end(&mut self, within: Duration) -> Option<Heard> {
        let end = Instant::now() + within;
        loop {
            match self.hear(end.saturating_duration_since(Instant::now())) {
                Heard::Nothing => return None,
                Heard::Message(kind, _) if kind != NOTIFICATION => {}
                other => return Some(other),
            }
        }
    }

    /// The options of the connection.
    pub(crate) fn socket(&self) -> socket2::SockRef<'_> {
        socket2::SockRef::from(&self.stream)
    }

    /// Polls `probe` until it gives something, keeping the session alive.
    #[track_caller]
    pub(crate) fn until<T>(&mut self, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = probe() {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
            self.keep_alive();
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Says that nothing more will come, but listens.
    pub(crate) fn finish(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// Closes without a word.
    pub(crate) fn close(self) {
        drop(self.stream);
    }

    /// Resets the connection (RST instead of FIN).
    pub(crate) fn reset(self) {
        self.socket().set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Sends the KEEPALIVE that is due, if one is; that the program has closed is found out by who listens.
    pub(crate) fn keep_alive(&mut self) {
        let now = Instant::now();
        if self.keepalive.is_some_and(|due| due <= now) {
            self.keepalive = Some(now + CADENCE);
            let _ = self.stream.write_all(&wire::keepalive());
        }
    }

    fn take_message(&mut self) -> Option<Heard> {
        let header: [u8; 19] = *self.buffer.first_chunk()?;
        assert_eq!(header[..16], [0xff; 16], "the program's own marker");
        let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
        if self.buffer.len() < length {
            return None;
        }
        let message: Vec<u8> = self.buffer.drain(..length).collect();
        Some(Heard::Message(header[18], message[19..].to_vec()))
    }
}
