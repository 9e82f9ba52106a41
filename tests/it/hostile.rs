//! What hostile and broken peers can do to others: nothing. Each attack is a row against the running daemon,
//! while the sessions of witnesses are watched.
//!
//! Of each row the table says how long a witness waited for a KEEPALIVE at most, by how much the daemon's
//! memory grew at its worst, how many lines it logged, by how much the counter rose that tells of the attack,
//! and what else was measured. It goes to standard output even where tests are quiet.

mod attacks;
mod connections;
mod files;
mod floods;
mod routes;
mod watch;

use std::io::Write;
use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::conformance::NODE_AS;
use crate::peer::Peer;
use crate::run::{Daemon, Place, command};
use crate::wire::{Open, capability, four_octet_as, graceful_restart, multiprotocol};
use watch::Watch;

/// How long a session of 3 seconds may wait for a KEEPALIVE: one is due each second.
const GAP: Duration = Duration::from_millis(2500);
/// What an attack may cost in memory at its worst, in KiB.
const GROWTH: i64 = 192 * 1024;
/// How long it may take until the last of an attack is counted.
const NOTICED: Duration = Duration::from_secs(5);
/// How many lines an attack may have the daemon log.
const LINES: usize = 100;

/// One row.
struct Attack {
    /// What was done.
    what: &'static str,
    /// The metric that counts it, and a part of the labels of the series that are summed up.
    counted: (&'static str, &'static str),
    /// Does it, and says what was measured.
    run: fn(&Scene) -> String,
}

/// What an attack came to.
struct Outcome {
    gap: Duration,
    growth: i64,
    lines: usize,
    count: f64,
    told: Result<String, String>,
}

/// The daemon under attack.
struct Scene {
    place: Place,
    daemon: Daemon,
    watch: Watch,
}

impl Scene {
    fn new(config: impl FnOnce(&Place) -> String) -> Self {
        Self::spawn(config, |file| command(&["run", "-c", file]))
    }

    /// With a command of the test's own that starts the daemon on this file.
    fn spawn(config: impl FnOnce(&Place) -> String, command: impl FnOnce(&str) -> Command) -> Self {
        let place = Place::new();
        let path = place.write("thirdleaf.toml", &config(&place));
        let daemon = Daemon::spawn(&place, command(path.to_str().unwrap()));
        let leaf = place.host(4);
        let watch = Watch::start(|host| Peer::establish(place.host(host), leaf, &open(place.host(host))));
        Self { place, daemon, watch }
    }

    fn leaf(&self) -> Ipv4Addr {
        self.place.host(4)
    }

    fn host(&self, host: u8) -> Ipv4Addr {
        self.place.host(host)
    }

    /// Connects from this host, and says nothing.
    fn connect(&self, host: u8) -> Peer {
        Peer::connect(self.host(host), self.leaf())
    }

    /// A session with all that a hostile peer may wish for.
    fn establish(&self, host: u8) -> Peer {
        Peer::establish(self.host(host), self.leaf(), &self.open(host))
    }

    fn open(&self, host: u8) -> Open {
        open(self.host(host))
    }
    /// How long it takes from the first packet to the daemon's End-of-RIB.
    fn handshake(&self, host: u8) -> Duration {
        let start = Instant::now();
        let peer = self.establish(host);
        let took = start.elapsed();
        peer.close();
        took
    }

    /// The sum of the series of a metric whose labels hold this.
    fn metric(&self, (name, label): (&str, &str)) -> f64 {
        let text = self.daemon.text("/metrics");
        let series = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// Resident memory of the daemon in KiB: now (`VmRSS`), or the most since it was last forgotten (`VmHWM`).
    fn memory(&self, of: &str) -> i64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.daemon.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(of)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn suffer(&self, attack: &Attack) -> Outcome {
        let (memory, count) = (self.memory("VmRSS"), self.metric(attack.counted));
        // See proc(5): forgets the most memory that there was.
        std::fs::write(format!("/proc/{}/clear_refs", self.daemon.pid()), "5").unwrap();
        let lines = self.daemon.logged();
        self.watch.forget();
        let told = catch_unwind(AssertUnwindSafe(|| (attack.run)(self)));
        let gap = self.watch.largest_gap();
        // The last of it may have to be noticed yet.
        let start = Instant::now();
        let mut more = 0.0;
        while more <= 0.0 && start.elapsed() < NOTICED {
            more = self.metric(attack.counted) - count;
        }
        let count = more;
        let growth = self.memory("VmHWM") - memory;
        let lines = self.daemon.logged() - lines;
        let told = told.map_err(|panic| crate::conformance::message(&*panic));
        let told = told.and_then(|told| {
            let ensure = |holds: bool, what: String| if holds { Ok(()) } else { Err(what) };
            ensure(self.watch.is_up(), "a witness' session ended".to_owned())?;
            ensure(gap < GAP, format!("a witness saw no KEEPALIVE for {gap:?}"))?;
            ensure(growth < GROWTH, format!("the daemon grew by {growth} KiB"))?;
            ensure(lines < LINES, format!("{lines} lines were logged"))?;
            ensure(count > 0.0, format!("{} did not rise", attack.counted.0))?;
            Ok(told)
        });
        Outcome { gap, growth, lines, count, told }
    }
}

/// All that a hostile peer may wish for: both families, extended messages, enhanced refresh, graceful
/// restart, additional paths.
fn open(address: Ipv4Addr) -> Open {
    let capabilities = [
        multiprotocol(1, 1),
        multiprotocol(2, 1),
        four_octet_as(NODE_AS.into()),
        capability(2, &[]),
        capability(70, &[]),
        capability(6, &[]),
        graceful_restart(0, 120, &[(1, 0x80), (2, 0x80)]),
        capability(69, &[0, 1, 1, 2]),
    ];
    Open::new(NODE_AS, address, &capabilities)
}

/// Makes the attacks one after the other, prints their table, and fails if one of them hurt.
fn run(title: &str, scene: &Scene, attacks: &[Attack]) {
    let mut table = format!("\n{title}\n  {:>16}{:>10}{:>11}  counted\n", "KEEPALIVE gap", "memory", "log");
    let mut failed = 0;
    for attack in attacks {
        let Outcome { gap, growth, lines, count, told } = scene.suffer(attack);
        let (mark, told) = match told {
            Ok(told) => ("ok  ", told),
            Err(why) => {
                failed += 1;
                ("FAIL", why.replace('\n', "\n       "))
            }
        };
        let (name, label) = attack.counted;
        table.extend([format!(
            "  {mark} {:>8} ms {:>+5} MiB {lines:>3} lines  {} {{{label}}} +{count}\n       {}: {told}\n",
            gap.as_millis(),
            growth / 1024,
            name.trim_start_matches("thirdleaf_"),
            attack.what,
        )]);
    }
    table.extend([format!("  {} of {} attacks hurt nobody\n", attacks.len() - failed, attacks.len())]);
    // Not print!: the table is to be seen in a run that passes, too.
    std::io::stdout().lock().write_all(table.as_bytes()).unwrap();
    assert_eq!(failed, 0, "{failed} attacks hurt");
}

/// Does `act` again and again for a while, and says how often.
fn again_and_again(time: Duration, mut act: impl FnMut(u32)) -> u32 {
    let start = Instant::now();
    let mut times = 0;
    while start.elapsed() < time {
        act(times);
        times += 1;
    }
    times
}
