//! Sessions that say whatever octets they are told to: more, and worse, than simulated nodes would.

#![expect(clippy::disallowed_types, reason = "speaks BGP")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use ipnet::{IpNet, Ipv4Net};
use thirdleaf::bgp::Family;
use thirdleaf::bgp::announce::Announcer;
use thirdleaf::bgp::attribute::Builder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;

/// What is offered; leaves that tests let them dial offer as much.
const HOLD_TIME: u16 = 90;
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);

/// Whom a session is, and what it says first.
pub(crate) struct Speaker {
    pub(crate) source: Ipv4Addr,
    pub(crate) leaf: SocketAddr,
    pub(crate) asn: u16,
    /// Capabilities beside multiprotocol IPv4 and four-octet AS numbers, as they stand on the wire.
    pub(crate) capabilities: Vec<u8>,
    /// Messages that follow its first KEEPALIVE.
    pub(crate) first: Vec<u8>,
}

/// A session that lives as long as this and the runtime, if the far end lets it.
pub(crate) struct Said(mpsc::UnboundedSender<Vec<u8>>);

impl Said {
    /// Says these octets as well.
    pub(crate) fn say(&self, octets: Vec<u8>) {
        self.0.send(octets).expect("the session lives");
    }
}

impl Speaker {
    /// One that has nothing to say yet.
    pub(crate) fn new(source: Ipv4Addr, leaf: SocketAddr, asn: u16) -> Self {
        Self { source, leaf, asn, capabilities: Vec::new(), first: Vec::new() }
    }

    /// Starts it; to be called within a runtime.
    pub(crate) fn start(self) -> Said {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let (source, leaf) = (self.source, self.leaf);
            if let Err(error) = self.run(receiver).await {
                println!("{source} to {leaf}: {error}");
            }
        });
        Said(sender)
    }

    async fn run(self, mut more: mpsc::UnboundedReceiver<Vec<u8>>) -> std::io::Result<()> {
        let stream = self.connect().await?;
        stream.set_nodelay(true)?;
        let (mut reader, mut writer) = stream.into_split();
        writer.write_all(&self.open()).await?;
        hear(&mut reader).await?;
        writer.write_all(&message(4, &[])).await?;
        let mut listener = tokio::spawn(async move {
            loop {
                if let Err(error) = hear(&mut reader).await {
                    return error;
                }
            }
        });
        writer.write_all(&self.first).await?;
        let mut beat = tokio::time::interval(KEEPALIVE_EVERY);
        loop {
            tokio::select! {
                said = more.recv() => match said {
                    Some(octets) => writer.write_all(&octets).await?,
                    None => return Ok(()),
                },
                _ = beat.tick() => writer.write_all(&message(4, &[])).await?,
                ended = &mut listener => return Err(ended.unwrap_or_else(std::io::Error::other)),
            }
        }
    }

    /// Many dial at once, and a leaf takes them as it can.
    async fn connect(&self) -> std::io::Result<TcpStream> {
        let mut tries = 0;
        loop {
            let socket = TcpSocket::new_v4()?;
            socket.bind((self.source, 0).into())?;
            match socket.connect(self.leaf).await {
                Err(error) if tries == 100 => return Err(error),
                Err(_) => tries += 1,
                Ok(stream) => return Ok(stream),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn open(&self) -> Vec<u8> {
        let capabilities =
            [&[1, 4, 0, 1, 0, 1, 65, 4][..], &u32::from(self.asn).to_be_bytes(), &self.capabilities];
        let capabilities = capabilities.concat();
        let length = u8::try_from(capabilities.len()).unwrap();
        let fixed =
            [&[4][..], &self.asn.to_be_bytes(), &HOLD_TIME.to_be_bytes(), &self.source.octets()].concat();
        message(1, &[&fixed[..], &[length + 2, 2, length], &capabilities].concat())
    }

    /// UPDATEs that announce these as its own, behind the ASes of `path`.
    pub(crate) fn announce(&self, path: &[u32], prefixes: impl IntoIterator<Item = IpNet>) -> Vec<u8> {
        let path: Vec<u32> = std::iter::once(self.asn.into()).chain(path.iter().copied()).collect();
        let mut octets = BytesMut::new();
        let prefixes = prefixes.into_iter().map(|prefix| (0, prefix));
        Builder::new(&path, IpAddr::V4(self.source))
            .with_set(|set| Announcer::default().announce(Family::Ipv4, set, prefixes, &mut octets));
        octets.to_vec()
    }
}

/// The capability by which speakers tell their names.
pub(crate) fn host_name(host: &[u8], domain: &[u8]) -> Vec<u8> {
    let length = |text: &[u8]| u8::try_from(text.len()).unwrap();
    let value = [&[length(host)], host, &[length(domain)], domain].concat();
    [&[73, length(&value)], &value[..]].concat()
}

/// Cease/2 with a text (RFC 9003).
pub(crate) fn shutdown(text: &[u8]) -> Vec<u8> {
    message(3, &[&[6, 2, u8::try_from(text.len()).unwrap()], text].concat())
}

/// The block of 64 addresses with this number, from 10.0.0.0 on.
pub(crate) fn block(number: u32) -> IpNet {
    Ipv4Net::new(Ipv4Addr::from_bits(0x0a00_0000 + (number << 6)), 26).unwrap().into()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).unwrap();
    [&[0xff; 16][..], &length.to_be_bytes(), &[kind], body].concat()
}

/// Reads a message, whatever it says; an error if it is the last one.
async fn hear(reader: &mut OwnedReadHalf) -> std::io::Result<()> {
    let mut header = [0; 19];
    reader.read_exact(&mut header).await?;
    let mut body = vec![0; usize::from(u16::from_be_bytes([header[16], header[17]])).saturating_sub(19)];
    reader.read_exact(&mut body).await?;
    if header[18] == 3 { Err(std::io::Error::other(format!("NOTIFICATION {body:?}"))) } else { Ok(()) }
}
