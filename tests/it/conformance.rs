//! What a speaker that only receives must do, row by row, over real sockets against the running daemon.
//!
//! A case is a row: what its source is, what triggers it, and what must be seen. All cases of a group run
//! against one daemon, each from an address of its own, while a witness' session must not feel any of it.
//! The table goes to standard output even where tests are quiet.

mod routes;
mod session;

use std::io::Write;
use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::peer::{Heard, Peer};
use crate::run::{Daemon, Place, quiet};
use crate::wire::{KEEPALIVE, Open, four_octet_as, multiprotocol};

/// The leaf's AS, and that of every client which does not choose another.
pub(crate) const LEAF_AS: u16 = 65101;
pub(crate) const NODE_AS: u16 = 65102;
/// Host numbers for cases; those before are the leaf, the witness and spares.
const FIRST_HOST: u8 = 10;
const WITNESS: u8 = 5;
/// Cases that run at once: most of them wait most of the time.
const PARALLEL: usize = 16;
/// The longest time between two KEEPALIVEs that a session of 3 seconds may see.
const GAP: Duration = Duration::from_millis(2500);

/// One row.
pub(crate) struct Case {
    /// RFC and section.
    pub(crate) source: &'static str,
    /// What happens.
    pub(crate) trigger: String,
    /// What must come of it: panics if it does not.
    pub(crate) run: Box<dyn Fn(&Client<'_>) + Send + Sync>,
}

impl Case {
    pub(crate) fn new(
        source: &'static str,
        trigger: impl Into<String>,
        run: impl Fn(&Client<'_>) + Send + Sync + 'static,
    ) -> Self {
        Self { source, trigger: trigger.into(), run: Box::new(run) }
    }
}

/// The daemon under test.
pub(crate) struct Bench {
    place: Place,
    pub(crate) daemon: Daemon,
}

/// What a case has: the daemon, and an address that is its own.
pub(crate) struct Client<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) address: Ipv4Addr,
    /// What the table says of the case besides its outcome.
    note: Mutex<String>,
}

impl Bench {
    /// A daemon with `config` of a fresh place.
    pub(crate) fn new(config: impl FnOnce(&Place) -> String) -> Self {
        let place = Place::new();
        let path = place.write("thirdleaf.toml", &config(&place));
        let daemon = Daemon::start(&place, &path);
        Self { place, daemon }
    }

    /// How many connections were refused for `reason`.
    pub(crate) fn refused(&self, reason: &str) -> u64 {
        let metrics = self.daemon.text("/metrics");
        let reason = format!("reason=\"{reason}\"}} ");
        let mut refusals =
            metrics.lines().filter(|line| line.starts_with("thirdleaf_bgp_connections_rejected_total{"));
        let (_, count) = refusals.find_map(|line| line.split_once(&reason)).unwrap();
        count.parse().unwrap()
    }

    pub(crate) fn leaf(&self) -> Ipv4Addr {
        self.place.host(4)
    }

    fn client(&self, host: u8) -> Client<'_> {
        Client { bench: self, address: self.place.host(host), note: Mutex::default() }
    }
}

impl Client<'_> {
    /// Connects and says nothing.
    pub(crate) fn connect(&self) -> Peer {
        Peer::connect(self.address, self.bench.leaf())
    }

    /// Puts a figure into the table.
    pub(crate) fn note(&self, figure: impl Into<String>) {
        *self.note.lock().unwrap() = figure.into();
    }

    /// A session with both families and 4-octet numbers.
    pub(crate) fn establish(&self) -> Peer {
        self.establish_with(&self.usual_open())
    }

    pub(crate) fn establish_with(&self, open: &Open) -> Peer {
        Peer::establish(self.address, self.bench.leaf(), open)
    }

    pub(crate) fn usual_open(&self) -> Open {
        self.open_with(&[multiprotocol(1, 1), multiprotocol(2, 1), four_octet_as(NODE_AS.into())])
    }

    /// An OPEN of this client with just these capabilities.
    pub(crate) fn open_with(&self, capabilities: &[Vec<u8>]) -> Open {
        Open::new(NODE_AS, self.address, capabilities)
    }

    /// What the API says of this client's session, if it knows it.
    pub(crate) fn peer(&self) -> Option<Value> {
        let peers = self.bench.daemon.get(&format!("/api/v1/peers?peer={}", self.address));
        peers["items"].as_array()?.iter().find(|peer| peer["peer"] == self.address.to_string()).cloned()
    }

    /// The routes of this client that the program holds.
    pub(crate) fn routes(&self) -> Vec<Value> {
        let path = format!("/api/v1/routes?limit=1000&peer={}", self.address);
        self.bench.daemon.get(&path)["items"].as_array().unwrap().clone()
    }

    /// The same as lines: prefix, state, first reason, "stale"; in order.
    pub(crate) fn table(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.routes().iter().map(line).collect();
        lines.sort();
        lines
    }
}

fn line(route: &Value) -> String {
    let text = |key: &str| route[key].as_str().unwrap().to_owned();
    let reason = route["reasons"][0].as_str().map(|reason| format!(" {reason}")).unwrap_or_default();
    let stale = if route["stale"] == true { " stale" } else { "" };
    format!("{} {}{reason}{stale}", text("prefix"), text("state"))
}

/// What came of a case: its note, or why it failed.
type Outcome = Result<String, String>;

/// Runs all cases of a group, prints their table, and fails if one of them did.
pub(crate) fn run(group: &str, bench: &Bench, cases: Vec<Case>) {
    let _quiet = quiet();
    let cases = cases.into_boxed_slice();
    let next = AtomicUsize::new(0);
    let outcomes: Mutex<Vec<Option<Outcome>>> = Mutex::new(vec![None; cases.len()]);
    let witness = Witness::start(bench);
    assert!(cases.len() <= usize::from(u8::MAX - FIRST_HOST), "an address for each case");
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                while let Some((at, case)) = take(&next, &cases) {
                    let client = bench.client(FIRST_HOST + u8::try_from(at).unwrap());
                    let outcome = catch_unwind(AssertUnwindSafe(|| (case.run)(&client)));
                    let note = || client.note.lock().unwrap().clone();
                    let outcome = outcome.map(|()| note()).map_err(|panic| message(&*panic));
                    outcomes.lock().unwrap()[at] = Some(outcome);
                }
            });
        }
    });
    let witnessed = bench.client(WITNESS).peer().unwrap();
    let gap = witness.stop();
    let outcomes = outcomes.into_inner().unwrap();
    report(group, &cases, &outcomes, gap);
    let failed = outcomes.iter().filter(|outcome| !matches!(outcome, Some(Ok(_)))).count();
    assert_eq!(failed, 0, "{failed} rows of {group} failed");
    assert!(witnessed["state"] == "Established" && witnessed["resets"] == 0, "{witnessed}");
    assert!(gap < GAP, "another session saw no KEEPALIVE for {gap:?}");
}

fn take<'a>(next: &AtomicUsize, cases: &'a [Case]) -> Option<(usize, &'a Case)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    cases.get(at).map(|case| (at, case))
}

pub(crate) fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panicked").to_owned()
}

fn report(group: &str, cases: &[Case], outcomes: &[Option<Outcome>], gap: Duration) {
    let mut table = vec![format!("\n{group}")];
    for (case, outcome) in cases.iter().zip(outcomes) {
        let (mark, detail) = match outcome {
            Some(Ok(note)) if note.is_empty() => ("ok  ", String::new()),
            Some(Ok(note)) => ("ok  ", format!(": {note}")),
            Some(Err(why)) => ("FAIL", format!("\n       {}", why.replace('\n', "\n       "))),
            None => ("FAIL", "\n       did not run".to_owned()),
        };
        table.push(format!("  {mark} {:<24} {}{detail}", case.source, case.trigger));
    }
    let passed = outcomes.iter().filter(|outcome| matches!(outcome, Some(Ok(_)))).count();
    let (rows, gap) = (cases.len(), gap.as_millis());
    table.push(format!("  {passed} of {rows} rows; another session's largest KEEPALIVE gap {gap} ms\n"));
    // Not print!: the table is to be seen in a run that passes, too.
    std::io::stdout().lock().write_all(table.join("\n").as_bytes()).unwrap();
}

/// A session that nothing must disturb: it knows the largest gap between two KEEPALIVEs.
pub(crate) struct Witness {
    stop: Arc<AtomicBool>,
    task: std::thread::JoinHandle<Duration>,
}

impl Witness {
    pub(crate) fn start(bench: &Bench) -> Self {
        let client = bench.client(WITNESS);
        let mut peer = client.establish();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = std::thread::spawn(move || {
            let mut last = Instant::now();
            let mut largest = Duration::ZERO;
            while !stopped.load(Ordering::Relaxed) {
                match peer.hear(Duration::from_millis(100)) {
                    Heard::Message(KEEPALIVE, _) => last = Instant::now(),
                    Heard::Nothing | Heard::Message(..) => {}
                    other => panic!("the witness' session ended: {other:?}"),
                }
                largest = largest.max(last.elapsed());
            }
            largest
        });
        Self { stop, task }
    }

    /// The largest gap so far.
    pub(crate) fn stop(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.task.join().unwrap()
    }
}
