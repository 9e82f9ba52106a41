//! What hundreds of clients that follow events cost, and whether sessions notice: the time between two KEEPALIVEs while
//! nothing happens, while routes change, and while 200 clients are told of it besides, some of which read nothing.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::daemon::Daemon;
use crate::results::{Results, quantile};
use crate::session::{Plan, Sessions, announce, attributes, block, withdraw};

const SESSIONS: u8 = 100;
/// Blocks of a session, all of which flap.
const BLOCKS: u32 = 1_280;
/// Clients that read what they are told, and clients that do not.
const CLIENTS: usize = 200;
const DEAF: usize = 20;
/// How long each phase is looked at: some 3,000 KEEPALIVEs.
const PHASE: Duration = Duration::from_secs(30);
/// Of the quiet phase's p99.
const GOAL: f64 = 1.2;

pub(crate) fn measure(results: &mut Results) {
    let daemon = Daemon::start(1);
    let sessions = Sessions::start(plans(daemon.leaves[0]));
    daemon.wait_for(SESSIONS.into(), u64::from(SESSIONS) * u64::from(BLOCKS));
    let quiet = phase(results, "quiet", &daemon, &sessions);
    sessions.churn(true);
    let churn = phase(results, "20,000 flaps a second", &daemon, &sessions);
    let (before, _) = daemon.memory();
    let clients = Clients::follow(daemon.http, CLIENTS);
    let name = "20,000 flaps a second, 200 clients";
    let followed = phase(results, name, &daemon, &sessions);
    clients.note(results, name);
    let deaf: Vec<_> = (0..DEAF).map(|_| ask(daemon.http)).collect();
    let name = "20,000 flaps a second, 200 clients and 20 that do not read";
    let ignored = phase(results, name, &daemon, &sessions);
    clients.note(results, name);
    let (after, _) = daemon.memory();
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    let each = (after - before) * 1e3 / (CLIENTS + DEAF) as f64;
    results.note("streams", "resident, a client", each, "kB");
    sessions.churn(false);
    sleep(Duration::from_secs(2));
    let calm = phase(results, "quiet, 200 clients", &daemon, &sessions);
    drop((clients, deaf));
    for (name, at) in
        [("churn", churn), ("200 clients", followed), ("20 that do not read", ignored), ("calm", calm)]
    {
        let share = at / quiet;
        let name = format!("time between KEEPALIVEs, p99 against quiet: {name}");
        results.at_most("streams", name, (share, "x"), GOAL);
    }
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    results.at_most("streams", "sessions lost", (sessions.ended() as f64, ""), 0.0);
}

/// Looks on for a while; answers the p99 of the time between two KEEPALIVEs.
fn phase(results: &mut Results, name: &str, daemon: &Daemon, sessions: &Sessions) -> f64 {
    sleep(Duration::from_secs(2));
    sessions.gaps();
    let (cpu, flaps, start) = (daemon.cpu(), sessions.flaps(), Instant::now());
    sleep(PHASE);
    let passed = start.elapsed().as_secs_f64();
    let cpu = (daemon.cpu() - cpu) / passed;
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let rate = (sessions.flaps() - flaps) as f64 / passed;
    let mut gaps = sessions.gaps();
    gaps.sort_by(f64::total_cmp);
    results.note("streams", format!("{name}: flaps a second"), rate, "");
    results.note("streams", format!("{name}: CPU s a s"), cpu, "");
    for (share, what) in [(0.5, "p50"), (0.99, "p99"), (1.0, "longest")] {
        let between = format!("{name}: time between KEEPALIVEs, {what}");
        results.note("streams", between, quantile(&gaps, share) * 1e3, "ms");
    }
    quantile(&gaps, 0.99)
}

/// Clients that read whatever they are told, on a few threads.
struct Clients {
    octets: Arc<AtomicU64>,
    reads: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    since: std::cell::Cell<(Instant, u64, u64)>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    fn follow(server: SocketAddr, count: usize) -> Self {
        let (octets, reads, stop) =
            (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let thread = {
            let (octets, reads, stop) = (Arc::clone(&octets), Arc::clone(&reads), Arc::clone(&stop));
            std::thread::spawn(move || {
                runtime.block_on(async {
                    for _ in 0..count {
                        let stream = ask(server);
                        stream.set_nonblocking(true).expect("a socket");
                        let mut stream = tokio::net::TcpStream::from_std(stream).expect("a socket");
                        let (octets, reads) = (Arc::clone(&octets), Arc::clone(&reads));
                        tokio::spawn(async move {
                            let mut buffer = vec![0; 64 * 1024];
                            while let Ok(read @ 1..) =
                                tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await
                            {
                                octets.fetch_add(read as u64, Relaxed);
                                reads.fetch_add(1, Relaxed);
                            }
                        });
                    }
                    while !stop.load(Relaxed) {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                });
            })
        };
        let since = std::cell::Cell::new((Instant::now(), 0, 0));
        Self { octets, reads, stop, since, threads: vec![thread] }
    }

    /// What a client was told a second since this was last asked.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn note(&self, results: &mut Results, name: &str) {
        let now = (Instant::now(), self.octets.load(Relaxed), self.reads.load(Relaxed));
        let (since, octets, reads) = self.since.replace(now);
        let each = CLIENTS as f64 * since.elapsed().as_secs_f64();
        results.note(
            "streams",
            format!("{name}: a client reads a second"),
            (now.1 - octets) as f64 / 1e3 / each,
            "kB",
        );
        results.note("streams", format!("{name}: times a second"), (now.2 - reads) as f64 / each, "");
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// A client that has asked, and heard that it is told.
fn ask(server: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(server).expect("a server");
    stream
        .write_all(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("the question is asked");
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).expect("an answer");
    assert_eq!(&begin, b"HTTP/1.1 200", "there is room for it");
    stream
}

/// Two blocks of each session flap in a hundredth of a second: 20,000 a second of all.
fn plans(leaf: SocketAddr) -> Vec<Plan> {
    let plan = |number: u8| {
        let (asn, source) = (60_000 + u16::from(number), Ipv4Addr::new(127, 1, 0, number + 1));
        let first = u32::from(number) * BLOCKS;
        let prefixes: Vec<_> = (first..first + BLOCKS).map(block).collect();
        let own = attributes(asn, 4_200_000_000, source);
        let flaps = prefixes.iter().map(|prefix| (withdraw(*prefix), announce(&own, &[*prefix]))).collect();
        Plan { source, leaf, asn, updates: announce(&own, &prefixes), flaps, flaps_a_tick: 2 }
    };
    (0..SESSIONS).map(plan).collect()
}
