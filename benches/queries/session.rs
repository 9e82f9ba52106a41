//! Sessions of nodes that say what was written down before, and watch for how long nobody answers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ipnet::{IpNet, Ipv4Net};
use thirdleaf::bgp::Family;
use thirdleaf::bgp::announce::Announcer;
use thirdleaf::bgp::attribute::{Builder, Community};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::{Builder as Runtimes, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const KEEPALIVE: [u8; 19] = {
    let mut message = [0xff; 19];
    [message[16], message[17], message[18]] = [0, 19, 4];
    message
};
/// Octets written before a session looks at its clock again.
const PORTION: usize = 64 * 1024;
/// How often a session changes something.
const TICK: Duration = Duration::from_millis(10);
/// After how many ticks what was withdrawn is announced again.
const GONE: usize = 10;

/// What a node says.
pub(crate) struct Plan {
    pub(crate) source: Ipv4Addr,
    pub(crate) leaf: SocketAddr,
    pub(crate) asn: u16,
    pub(crate) updates: Vec<u8>,
    /// UPDATEs that withdraw one route, and announce it again.
    pub(crate) flaps: Vec<(Vec<u8>, Vec<u8>)>,
    /// How many of them begin in a tick while there is churn.
    pub(crate) flaps_a_tick: usize,
}

/// All sessions, on threads of their own.
pub(crate) struct Sessions {
    runtime: Runtime,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    churn: AtomicBool,
    flaps: AtomicU64,
    /// The longest time without a message, in microseconds.
    silence: AtomicU64,
    /// Times without a message, in seconds.
    gaps: Mutex<Vec<f64>>,
    ended: AtomicU64,
}

impl Sessions {
    pub(crate) fn start(plans: Vec<Plan>) -> Self {
        let runtime = Runtimes::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let shared = Arc::<Shared>::default();
        for plan in plans {
            let (_, says) = unbounded_channel();
            runtime.spawn(live(plan, says, Arc::clone(&shared)));
        }
        Self { runtime, shared }
    }

    /// One session more; what is sent to it, it says at once.
    pub(crate) fn speaker(&self, plan: Plan) -> UnboundedSender<Vec<u8>> {
        let (speaker, says) = unbounded_channel();
        self.runtime.spawn(live(plan, says, Arc::clone(&self.shared)));
        speaker
    }

    /// For how long the daemon said nothing, each time since this was last asked, in seconds.
    pub(crate) fn gaps(&self) -> Vec<f64> {
        std::mem::take(&mut *self.shared.gaps.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn churn(&self, on: bool) {
        self.shared.churn.store(on, Relaxed);
    }

    /// Routes withdrawn and announced again so far.
    pub(crate) fn flaps(&self) -> u64 {
        self.shared.flaps.load(Relaxed)
    }

    /// For how long the daemon said nothing to one of them, at most since this was last asked, in seconds.
    pub(crate) fn silence(&self) -> f64 {
        Duration::from_micros(self.shared.silence.swap(0, Relaxed)).as_secs_f64()
    }

    pub(crate) fn ended(&self) -> u64 {
        self.shared.ended.load(Relaxed)
    }
}

async fn live(plan: Plan, mut says: UnboundedReceiver<Vec<u8>>, shared: Arc<Shared>) {
    let ended = session(plan, &mut says, &shared).await;
    shared.ended.fetch_add(1, Relaxed);
    eprintln!("a session ended: {ended:?}");
}

async fn session(
    plan: Plan,
    says: &mut UnboundedReceiver<Vec<u8>>,
    shared: &Arc<Shared>,
) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((plan.source, 0).into())?;
    let stream = socket.connect(plan.leaf).await?;
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    writer.write_all(&open(plan.asn, plan.source)).await?;
    message(&mut reader).await?;
    writer.write_all(&KEEPALIVE).await?;
    let listening = tokio::spawn(listen(reader, Arc::clone(shared)));
    let told = tell(&mut writer, &plan, says, shared).await;
    listening.abort();
    told
}

async fn tell(
    writer: &mut OwnedWriteHalf,
    plan: &Plan,
    says: &mut UnboundedReceiver<Vec<u8>>,
    shared: &Shared,
) -> std::io::Result<()> {
    for portion in plan.updates.chunks(PORTION) {
        writer.write_all(portion).await?;
        // Portions do not end with messages: what is being said keeps the session alive.
    }
    let mut said = Instant::now();
    let mut gone = std::collections::VecDeque::new();
    let mut next = 0;
    let mut ticks = tokio::time::interval(if plan.flaps.is_empty() { Duration::from_secs(1) } else { TICK });
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let mut out = Vec::new();
        tokio::select! {
            _ = ticks.tick() => {}
            Some(octets) = says.recv() => {
                writer.write_all(&octets).await?;
                continue;
            }
        }
        if said.elapsed() >= Duration::from_millis(990) {
            said = Instant::now();
            out.extend(KEEPALIVE);
        }
        let churns = shared.churn.load(Relaxed);
        if churns {
            let begun: Vec<_> =
                (0..plan.flaps_a_tick).map(|at| (next + at) % plan.flaps.len().max(1)).collect();
            next += plan.flaps_a_tick;
            begun.iter().filter_map(|at| plan.flaps.get(*at)).for_each(|(withdraw, _)| out.extend(withdraw));
            gone.push_back(begun);
        }
        if (gone.len() > GONE || !churns)
            && let Some(begun) = gone.pop_front()
        {
            begun.iter().filter_map(|at| plan.flaps.get(*at)).for_each(|(_, announce)| out.extend(announce));
            shared.flaps.fetch_add(begun.len() as u64, Relaxed);
        }
        writer.write_all(&out).await?;
    }
}

async fn listen(mut reader: OwnedReadHalf, shared: Arc<Shared>) -> std::io::Result<()> {
    let mut heard = Instant::now();
    loop {
        message(&mut reader).await?;
        let gap = u64::try_from(heard.elapsed().as_micros()).unwrap_or(u64::MAX);
        shared.silence.fetch_max(gap, Relaxed);
        shared.gaps.lock().unwrap_or_else(PoisonError::into_inner).push(heard.elapsed().as_secs_f64());
        heard = Instant::now();
    }
}

/// Reads a message, whatever it says.
async fn message(reader: &mut OwnedReadHalf) -> std::io::Result<()> {
    let mut header = [0; 19];
    reader.read_exact(&mut header).await?;
    let mut body = vec![0; usize::from(u16::from_be_bytes([header[16], header[17]])) - 19];
    reader.read_exact(&mut body).await?;
    if header[18] == 3 { Err(std::io::Error::other(format!("NOTIFICATION {body:?}"))) } else { Ok(()) }
}

/// Hold time 3 s; multiprotocol IPv4, four-octet AS numbers.
fn open(asn: u16, identifier: Ipv4Addr) -> Vec<u8> {
    let mut body = vec![4];
    body.extend(asn.to_be_bytes());
    body.extend(3_u16.to_be_bytes());
    body.extend(identifier.octets());
    body.extend([14, 2, 12, 1, 4, 0, 1, 0, 1, 65, 4]);
    body.extend(u32::from(asn).to_be_bytes());
    let length = u16::try_from(19 + body.len()).expect("short");
    [&[0xff; 16][..], &length.to_be_bytes(), &[1], &body].concat()
}

/// UPDATEs that announce `prefixes`.
pub(crate) fn announce(attributes: &Builder, prefixes: &[IpNet]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let prefixes = prefixes.iter().map(|prefix| (0, *prefix));
    attributes.with_set(|set| Announcer::default().announce(Family::Ipv4, set, prefixes, &mut out));
    out.to_vec()
}

/// An UPDATE that withdraws a route.
pub(crate) fn withdraw(prefix: IpNet) -> Vec<u8> {
    let mut out = BytesMut::new();
    Announcer::default().withdraw(Family::Ipv4, [(0, prefix)], &mut out);
    out.to_vec()
}

/// Attributes of a path of two ASes.
pub(crate) fn attributes(asn: u16, second: u32, next_hop: Ipv4Addr) -> Builder {
    Builder::new(&[asn.into(), second], IpAddr::from(next_hop))
}

/// The same with a community.
pub(crate) fn tagged(attributes: Builder, community: u32) -> Builder {
    attributes.communities(&[Community::Standard(community)])
}

/// The block with this number.
pub(crate) fn block(number: u32) -> IpNet {
    Ipv4Net::new(Ipv4Addr::from_bits(0x0a00_0000 + (number << 6)), 26).expect("a length").into()
}
