//! A peer that does what a test says, and the speaker it talks to.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests use real sockets")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;

use crate::bgp::capability::{Capability, RestartFamily};
use crate::bgp::{MessageType, Notification, Open, Outgoing, frame};
use crate::config::Config;
use crate::speaker::{Delivery, Event, PeerId, Refused, Speaker};
use crate::time::Clock;

/// Whatever takes longer than this does not come.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

/// Asks until the answer is yes.
pub(super) async fn until(mut condition: impl FnMut() -> bool) {
    within(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A running speaker and what it says.
pub(super) struct Host {
    pub(super) speaker: Speaker,
    pub(super) events: mpsc::Receiver<Delivery>,
}

impl Host {
    pub(super) async fn start(config: Config) -> Self {
        Self::with_room(config, 64).await
    }

    pub(super) async fn with_room(config: Config, room: usize) -> Self {
        let (sender, events) = mpsc::channel(room);
        let speaker = Speaker::start(Arc::new(config), Clock::start(), sender, None).await.unwrap();
        Self { speaker, events }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.speaker.listening()[0]
    }

    /// The next event of a session.
    pub(super) async fn event(&mut self) -> Event {
        loop {
            match within(self.events.recv()).await.unwrap().event {
                Event::Refused(_) => {}
                other => return other,
            }
        }
    }

    /// Who was refused next.
    pub(super) async fn refusal(&mut self) -> Refused {
        match within(self.events.recv()).await.unwrap().event {
            Event::Refused(refused) => *refused,
            other => panic!("{other:?}"),
        }
    }

    /// How many connections leaf `a` turned away for `reason`.
    pub(super) fn refused(&self, reason: &str) -> u64 {
        let refusals = self.speaker.refusals();
        let (_, _, count) =
            refusals.iter().find(|(leaf, name, _)| **leaf == *"a" && *name == reason).unwrap();
        *count
    }
}

pub(super) fn peer(address: &str) -> PeerId {
    PeerId { leaf: "a".into(), address: address.parse().unwrap() }
}

pub(super) fn open(asn: u32, last: u8, restart: bool) -> Open<'static> {
    let mut capabilities = vec![
        Capability::Multiprotocol { afi: 1, safi: 1 },
        Capability::RouteRefresh,
        Capability::FourOctetAs(asn),
    ];
    if restart {
        let families = vec![RestartFamily { afi: 1, safi: 1, forwarding: true }];
        capabilities.push(Capability::GracefulRestart {
            restarting: false,
            notification: false,
            time: 120,
            families,
        });
    }
    Open::new(asn, 240, Ipv4Addr::new(192, 168, 1, last), capabilities)
}

pub(super) struct Client {
    pub(super) stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new() }
    }

    pub(super) async fn connect(from: &str, to: SocketAddr) -> Self {
        within(Self::connect_with(from, to, |_| ())).await.unwrap()
    }

    pub(super) async fn connect_with(
        from: &str,
        to: SocketAddr,
        prepare: impl FnOnce(&Socket),
    ) -> std::io::Result<Self> {
        let from: IpAddr = from.parse().unwrap();
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
        prepare(&socket);
        Ok(Self::new(TcpSocket::from_std_stream(socket.into()).connect(to).await?))
    }

    /// A session that has come up.
    pub(super) async fn establish(from: &str, to: SocketAddr, open: Open<'static>) -> Self {
        let mut client = Self::connect(from, to).await;
        client.greet(open).await;
        assert_eq!(client.expect(MessageType::Update).await, [0; 4]);
        client
    }

    /// Exchanges OPEN and KEEPALIVE.
    pub(super) async fn greet(&mut self, open: Open<'static>) {
        self.send(&Outgoing::Open(open)).await;
        self.expect(MessageType::Open).await;
        self.expect(MessageType::Keepalive).await;
        self.send(&Outgoing::Keepalive).await;
    }

    pub(super) async fn send(&mut self, message: &Outgoing) {
        let mut octets = BytesMut::new();
        message.encode(&mut octets);
        self.write(&octets).await;
    }

    pub(super) async fn write(&mut self, octets: &[u8]) {
        within(self.stream.write_all(octets)).await.unwrap();
    }

    /// The next message; none: the connection was closed.
    pub(super) async fn next(&mut self) -> Option<(MessageType, Vec<u8>)> {
        loop {
            if let Some(frame) = frame(&self.unread, true).unwrap() {
                let (message, length) = ((frame.kind, frame.body.to_vec()), frame.octets.len());
                self.unread.drain(..length);
                return Some(message);
            }
            let mut buffer = [0; 4096];
            match within(self.stream.read(&mut buffer)).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
            }
        }
    }

    pub(super) async fn expect(&mut self, kind: MessageType) -> Vec<u8> {
        let (got, body) = self.next().await.expect("the connection is open");
        assert_eq!(got, kind, "{body:?}");
        body
    }

    /// Why it was closed; none: in silence.
    pub(super) async fn farewell(&mut self) -> Option<Notification> {
        let mut last = None;
        while let Some((kind, body)) = self.next().await {
            if kind == MessageType::Notification {
                last = Some(Notification::parse(&body).unwrap());
            }
        }
        last
    }

    /// Until the other side, which has said its last, takes nothing any more.
    pub(super) async fn gone(&mut self) {
        within(async {
            while self.stream.write_all(&[0]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// Whether the other side, which has said its last, still takes what comes: its closed socket would have
    /// answered the first octet.
    pub(super) async fn is_heard(&mut self) -> bool {
        let first = self.stream.write_all(&[0]).await.is_ok();
        tokio::time::sleep(Duration::from_millis(5)).await;
        first && self.stream.write_all(&[0]).await.is_ok()
    }

    /// Code and subcode of the [`farewell`](Self::farewell).
    pub(super) async fn dismissal(&mut self) -> Option<(u8, u8)> {
        self.farewell().await.map(|notification| (notification.code, notification.subcode))
    }

    /// Answers KEEPALIVE with KEEPALIVE, `count` times.
    pub(super) async fn live(&mut self, count: usize) {
        for _ in 0..count {
            self.expect(MessageType::Keepalive).await;
            self.send(&Outgoing::Keepalive).await;
        }
    }
}
