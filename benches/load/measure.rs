//! One receiver, fed once: how each workload is measured.

mod lag;

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Deserialize;

use crate::feeder::Seen;
use crate::process::{Cpu, Servant, bound, resident};
use crate::receiver::{self, Held, Place, Receiver, Subject};
use crate::workload::Table;

/// What one run gave: figures by their names.
pub(crate) type Figures = BTreeMap<String, f64>;

/// How often a receiver's CPU is looked at while it is busy.
const SAMPLE: Duration = Duration::from_millis(20);

/// The share of the flaps asked for that a feeder has to come to.
const ENOUGH: f64 = 0.98;

/// For how many seconds it has to be quiet.
const QUIET: f64 = 0.3;

/// A receiver and a feeder that speak.
pub(crate) struct Bench {
    table: Table,
    receiver: Box<dyn Receiver>,
    feeder: Servant,
    cpu: Cpu,
    /// Cores busy with sessions alone.
    idle: f64,
    /// Octets resident with sessions alone.
    empty: u64,
    limit: Duration,
}

/// What the feeder saw of some sessions, and of the others.
pub(crate) struct Stats {
    pub(crate) these: Seen,
    pub(crate) others: Seen,
    /// How many seconds late the feeder itself was at most.
    pub(crate) late: f64,
}

/// What the feeder says of a churn.
#[derive(Deserialize)]
struct Churned {
    flaps: f64,
    /// From the first flap to the last.
    seconds: f64,
    /// Octets of all flaps, and how many of them sockets have not taken.
    octets: f64,
    unsent: f64,
}

impl Bench {
    /// Starts both and waits until all sessions are up.
    pub(crate) fn start(
        subject: Subject,
        table: Table,
        place: &Place,
        limit: Duration,
        figures: &mut Figures,
    ) -> io::Result<Self> {
        let receiver = receiver::start(subject, table, place)?;
        let mut command = bound(std::env::current_exe()?);
        let name = table.to_possible_value().expect("all have names");
        command.args(["feed", "--table", name.get_name()]);
        let feeder = Servant::start(command)?;
        let mut bench = Self { table, receiver, feeder, cpu: Cpu::default(), idle: 0.0, empty: 0, limit };
        bench.answer("ready")?;
        let bare = bench.resident()?;
        bench.feeder.tell("connect")?;
        let up = bench.answer("up")?;
        figures.insert("setup_s".to_owned(), up);
        figures.insert("setup_cpu_s".to_owned(), bench.cpu());
        std::thread::sleep(Duration::from_millis(500));
        let (start, before) = (Instant::now(), bench.cpu());
        std::thread::sleep(Duration::from_millis(1_500));
        bench.idle = (bench.cpu() - before) / start.elapsed().as_secs_f64();
        bench.empty = bench.resident()?;
        figures.insert("idle_cores".to_owned(), bench.idle);
        figures.insert("empty_mb".to_owned(), megabytes(bench.empty));
        let sessions = bench.empty.saturating_sub(bare) as f64 / f64::from(table.sessions());
        figures.insert("session_kb".to_owned(), sessions / 1e3);
        bench.stats(0, 0)?;
        Ok(bench)
    }

    /// That the receiver is there still.
    fn alive(&mut self) -> io::Result<()> {
        if self.receiver.has_ended() { Err(io::Error::other("the receiver has ended")) } else { Ok(()) }
    }

    /// The receiver's memory, in octets.
    fn resident(&mut self) -> io::Result<u64> {
        self.alive()?;
        match resident(&self.receiver.processes()) {
            0 => Err(io::Error::other("the kernel knows of no memory of the receiver's")),
            octets => Ok(octets),
        }
    }

    /// The receiver's CPU so far, in seconds.
    fn cpu(&mut self) -> f64 {
        self.cpu.of(&self.receiver.processes())
    }

    /// Waits for an answer of the feeder; the seconds that it says.
    fn answer(&mut self, kind: &str) -> io::Result<f64> {
        if let Some(value) = self.feeder.answer(kind, self.limit)? {
            return Ok(value["seconds"].as_f64().unwrap_or(0.0));
        }
        let stats = self.stats(0, usize::MAX >> 1)?;
        Err(io::Error::other(format!("not {kind} within {:?}: {:?}", self.limit, stats.these)))
    }

    /// What the feeder saw of sessions since it was last asked.
    pub(crate) fn stats(&mut self, first: usize, count: usize) -> io::Result<Stats> {
        self.feeder.tell(&format!("stats {first} {count}"))?;
        let value = self.feeder.answer("stats", Duration::from_secs(10))?;
        let value = value.ok_or_else(|| io::Error::other("the feeder is stuck"))?;
        let seen = |key: &str| serde_json::from_value(value[key].clone()).map_err(io::Error::other);
        let late = value["late"].as_f64().unwrap_or(0.0);
        Ok(Stats { these: seen("these")?, others: seen("others")?, late })
    }

    /// Sends all tables; waits until they are learned. W1, W2 and W3.
    pub(crate) fn learn(&mut self, figures: &mut Figures) -> io::Result<()> {
        let (start, before) = (Instant::now(), self.cpu());
        self.feeder.tell("send")?;
        let sent = self.answer("sent")?;
        let (at, cpu) = self.settle(start, Held::all(self.table.paths()))?;
        // Metrics are served from memory that belongs to it as well.
        if let Some(http) = self.receiver.http() {
            http?.get("/metrics")?;
        }
        let full = self.resident()?;
        figures.insert("sent_s".to_owned(), sent);
        figures.insert("seconds".to_owned(), at);
        figures.insert("cpu_s".to_owned(), cpu - before);
        figures.insert("resident_mb".to_owned(), megabytes(full));
        let grown = full.saturating_sub(self.empty);
        figures.insert("bytes_a_path".to_owned(), grown as f64 / self.table.paths() as f64);
        self.sessions("", figures)
    }

    /// Keepalives only, for so long. W6.
    pub(crate) fn idle(&mut self, length: Duration, figures: &mut Figures) -> io::Result<()> {
        self.stats(0, 0)?;
        let (start, before) = (Instant::now(), self.cpu());
        std::thread::sleep(length);
        let used = self.cpu() - before;
        self.alive()?;
        figures.insert("idle_cpu_s_min".to_owned(), a_minute(used, start.elapsed()));
        self.sessions("idle_", figures)
    }

    /// Flaps, for so long; meanwhile one more route is asked for, over and over. W4. The figures' names begin
    /// with `name`. What it costs is said only if the feeder kept up and the table was right in the end; see
    /// [`fed`].
    pub(crate) fn churn(
        &mut self,
        name: &str,
        rate: u32,
        length: Duration,
        figures: &mut Figures,
    ) -> io::Result<()> {
        self.stats(0, 0)?;
        let mut http = self.receiver.http().transpose()?;
        let (start, before) = (Instant::now(), self.cpu());
        let limit = length + self.limit;
        self.feeder.tell(&format!("churn {rate} {}", length.as_secs()))?;
        let mut lags = Vec::new();
        while start.elapsed() < length {
            if let Some(http) = &mut http {
                for on in [true, false] {
                    if let Some(lag) = lag::probe(&mut self.feeder, http, on)? {
                        lags.push(lag);
                    } else {
                        let Stats { others, late, .. } = self.stats(0, 0)?;
                        return Err(io::Error::other(format!(
                            "at {rate} flaps a second a route was written and never seen: {others:?}, and the \
                             feeder was {late} s late"
                        )));
                    }
                }
            }
            std::thread::sleep(Duration::from_millis(150));
        }
        let churned = self.feeder.answer("churned", limit)?;
        let churned =
            churned.ok_or_else(|| io::Error::other(format!("the churn did not end within {limit:?}")))?;
        let used = self.cpu() - before;
        let end = Instant::now();
        let Churned { flaps, seconds, octets, unsent } =
            serde_json::from_value(churned).map_err(io::Error::other)?;
        figures.insert(format!("{name}flaps_s"), flaps / seconds);
        figures.insert(format!("{name}unsent_mb"), unsent / 1e6);
        self.sessions(name, figures)?;
        self.wait(Held::all(self.table.paths()))?;
        let mut put = |key: &str, value: f64| figures.insert(format!("{name}{key}"), value);
        put("right_s", end.elapsed().as_secs_f64());
        if flaps / seconds < f64::from(rate) * ENOUGH {
            return Ok(());
        }
        // What was not read has cost nothing yet.
        let read = (flaps * (1.0 - unsent / octets)).max(1.0);
        put("cpu_s_min", used / read * f64::from(rate) * 60.0);
        if let Some([median, most, worst]) = lag::percentiles(&mut lags) {
            put("lag_median_ms", median);
            put("lag_p99_ms", most);
            put("lag_max_ms", worst);
        }
        Ok(())
    }

    /// `count` nodes from `first` on restart at once, each coming back with less. W5. The figures' names begin
    /// with `name`.
    pub(crate) fn restart(
        &mut self,
        name: &str,
        first: u32,
        count: u32,
        wanted: u64,
        figures: &mut Figures,
    ) -> io::Result<()> {
        self.stats(0, 0)?;
        let (start, before) = (Instant::now(), self.cpu());
        self.feeder.tell(&format!("restart {first} {count}"))?;
        let up = self.feeder.answer("up", self.limit)?;
        let again = match up {
            Some(_) => self.wait(Held::all(wanted)),
            None => {
                Err(io::Error::other(format!("{name}: not all sessions came back within {:?}", self.limit)))
            }
        };
        let (seconds, used) = (start.elapsed().as_secs_f64(), self.cpu() - before);
        let stats = self.stats(first as usize, count as usize)?;
        let mut put = |key: &str, value: f64| figures.insert(format!("{name}{key}"), value);
        if let Some(up) = up {
            put("up_s", up["seconds"].as_f64().unwrap_or(0.0));
        }
        if again.is_ok() {
            put("again_s", seconds);
            put("cpu_s", used);
        }
        put("back", f64::from(stats.these.established));
        put("unanswered", f64::from(stats.these.refused + stats.these.unanswered));
        put("dropped", f64::from(stats.these.lost));
        put("silence_s", stats.these.silence_ms as f64 / 1e3);
        if count < self.table.sessions() {
            put("late_s", stats.late);
            put("others_dropped", f64::from(stats.others.lost));
            put("others_silence_s", stats.others.silence_ms as f64 / 1e3);
        }
        again
    }

    /// Waits until the receiver holds what it should.
    fn wait(&mut self, wanted: Held) -> io::Result<()> {
        let start = Instant::now();
        loop {
            let asked = Instant::now();
            self.alive()?;
            let held = self.receiver.held()?;
            if held.is_none_or(|held| held == wanted) {
                return Ok(());
            }
            if start.elapsed() > self.limit {
                return Err(io::Error::other(format!(
                    "not {wanted:?} within {:?}, but {held:?}",
                    self.limit
                )));
            }
            // Those for whom it is hard to count are asked less.
            std::thread::sleep(
                (asked.elapsed() * 20).clamp(Duration::from_millis(5), Duration::from_secs(2)),
            );
        }
    }

    /// What became of the sessions: how many were lost, how long they heard nothing.
    fn sessions(&mut self, name: &str, figures: &mut Figures) -> io::Result<()> {
        let Stats { others: seen, late, .. } = self.stats(0, 0)?;
        figures.insert(format!("{name}lost"), f64::from(seen.lost));
        figures.insert(format!("{name}silence_s"), seen.silence_ms as f64 / 1e3);
        figures.insert(format!("{name}late_s"), late);
        Ok(())
    }

    /// Waits until the receiver is quiet and holds what it should: when it became quiet, and its CPU until then.
    fn settle(&mut self, start: Instant, wanted: Held) -> io::Result<(f64, f64)> {
        loop {
            let (at, cpu) = self.quiet(start)?;
            match self.receiver.held()? {
                None => return Ok((at, cpu)),
                Some(held) if held == wanted => return Ok((at, cpu)),
                held if start.elapsed() > self.limit => {
                    let limit = self.limit;
                    return Err(io::Error::other(format!("not {wanted:?} within {limit:?}, but {held:?}")));
                }
                Some(_) => std::thread::sleep(Duration::from_millis(500)),
            }
        }
    }

    /// Waits until the receiver does no more than keep its sessions: since when, and its CPU until then.
    fn quiet(&mut self, start: Instant) -> io::Result<(f64, f64)> {
        let busy = self.idle * 1.5 + 0.03;
        let mut samples = vec![(start.elapsed().as_secs_f64(), self.cpu())];
        let mut first = 0;
        loop {
            std::thread::sleep(SAMPLE);
            let (at, cpu) = (start.elapsed().as_secs_f64(), self.cpu());
            samples.push((at, cpu));
            while samples[first + 1].0 + QUIET <= at {
                first += 1;
            }
            let (since, used) = samples[first];
            let window = at - since;
            if window >= QUIET && cpu - used <= busy * window {
                // What it did meanwhile beyond keeping its sessions was work still.
                return Ok((since, used.max(cpu - window * self.idle)));
            }
            self.alive()?;
            if start.elapsed() > self.limit {
                let cores = (cpu - used) / window;
                return Err(io::Error::other(format!(
                    "busy still after {:?}, with {cores:.2} cores",
                    self.limit
                )));
            }
        }
    }
}

/// That the feeder flapped about as often as it was asked to.
pub(crate) fn fed(name: &str, rate: u32, figures: &Figures) -> io::Result<()> {
    match figures.get(&format!("{name}flaps_s")) {
        Some(flaps) if *flaps >= f64::from(rate) * ENOUGH => Ok(()),
        flaps => {
            let flaps = flaps.copied().unwrap_or(0.0);
            Err(io::Error::other(format!("the feeder came to {flaps:.0} flaps a second of {rate}")))
        }
    }
}

/// Seconds of CPU a minute.
fn a_minute(used: f64, time: Duration) -> f64 {
    used / time.as_secs_f64() * 60.0
}

fn megabytes(octets: u64) -> f64 {
    octets as f64 / 1e6
}
