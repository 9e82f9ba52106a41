//! What a client counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::time::Timestamp;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `aaaLogin`.
    Login,
    /// `aaaRefresh`.
    Refresh,
    /// A page of a query.
    Read,
    /// A POST of objects.
    Write,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Login, Self::Refresh, Self::Read, Self::Write];

    /// As metrics label it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Refresh => "refresh",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// Upper bounds of the classes of [`Latency`], in seconds; the last class has none.
pub const BOUNDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// Codes, as metrics label them: the class of the HTTP status, or that no answer came.
pub const CODES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counts of one client, since it was made. Anybody may read them at any time.
#[derive(Debug, Default)]
pub struct Stats {
    up: AtomicBool,
    requests: [[AtomicU64; CODES.len()]; Operation::ALL.len()],
    latencies: [Histogram; Operation::ALL.len()],
    throttled: AtomicU64,
    retries: AtomicU64,
    failovers: AtomicU64,
    waiting: AtomicUsize,
    current: AtomicUsize,
    controllers: Vec<Arc<str>>,
    token_issued: AtomicU64,
    token_expires: AtomicU64,
}

#[derive(Debug, Default)]
struct Histogram {
    counts: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let class = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        if let Some(count) = self.counts.get(class) {
            count.fetch_add(1, Relaxed);
        }
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// How long answers to one operation took.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    /// Of what.
    pub operation: Operation,
    /// How many took no longer than the bound of their class, and longer than the one before.
    pub counts: [u64; BOUNDS.len() + 1],
    /// All of them together.
    pub sum: Duration,
}

/// [`Stats`] at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Whether the last request was answered by an APIC that knows us and is not overloaded.
    pub up: bool,
    /// The controller in use.
    pub controller: Arc<str>,
    /// Requests by operation and code, those that there were.
    pub requests: Vec<(Operation, &'static str, u64)>,
    /// How long answers took, by operation.
    pub latencies: Vec<Latency>,
    /// Answers that asked us to wait.
    pub throttled: u64,
    /// Requests that were repeated.
    pub retries: u64,
    /// Changes of the controller in use.
    pub failovers: u64,
    /// Requests that wait for their turn.
    pub waiting: usize,
    /// When the token in use was issued; none with certificates.
    pub token_issued: Option<Timestamp>,
    /// When it expires unless it is refreshed.
    pub token_expires: Option<Timestamp>,
}

impl Stats {
    pub(super) fn new(controllers: Vec<Arc<str>>) -> Self {
        Self { controllers, ..Self::default() }
    }

    pub(super) fn answered(&self, operation: Operation, status: Option<u16>, took: Duration) {
        let code = status.map_or(0, |status| usize::from(status / 100).min(5));
        let of = operation as usize;
        if let Some(count) = self.requests.get(of).and_then(|codes| codes.get(code)) {
            count.fetch_add(1, Relaxed);
        }
        if let Some(histogram) = self.latencies.get(of).filter(|_| status.is_some()) {
            histogram.observe(took);
        }
    }

    pub(super) fn set_up(&self, up: bool) {
        self.up.store(up, Relaxed);
    }

    pub(super) fn throttled(&self) {
        self.throttled.fetch_add(1, Relaxed);
    }

    pub(super) fn retried(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(super) fn failed_over(&self, to: usize) {
        self.failovers.fetch_add(1, Relaxed);
        self.current.store(to, Relaxed);
    }

    pub(super) fn token(&self, issued: Timestamp, expires: Timestamp) {
        self.token_issued.store(issued.as_micros(), Relaxed);
        self.token_expires.store(expires.as_micros(), Relaxed);
    }

    /// Counts a request as waiting until what is returned is dropped.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Relaxed);
        Waiting(&self.waiting)
    }

    /// What they are now.
    pub fn snapshot(&self) -> Snapshot {
        let stamp = |micros: &AtomicU64| match micros.load(Relaxed) {
            0 => None,
            micros => Some(Timestamp::from_micros(micros)),
        };
        let mut requests = Vec::new();
        for (operation, codes) in Operation::ALL.into_iter().zip(&self.requests) {
            let counts =
                CODES.into_iter().zip(codes).map(|(code, count)| (operation, code, count.load(Relaxed)));
            requests.extend(counts.filter(|(_, _, count)| *count > 0));
        }
        let latencies =
            Operation::ALL.into_iter().zip(&self.latencies).map(|(operation, histogram)| Latency {
                operation,
                counts: std::array::from_fn(|at| {
                    histogram.counts.get(at).map_or(0, |count| count.load(Relaxed))
                }),
                sum: Duration::from_micros(histogram.micros.load(Relaxed)),
            });
        Snapshot {
            up: self.up.load(Relaxed),
            controller: self.controllers.get(self.current.load(Relaxed)).cloned().unwrap_or_default(),
            requests,
            latencies: latencies.collect(),
            throttled: self.throttled.load(Relaxed),
            retries: self.retries.load(Relaxed),
            failovers: self.failovers.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            token_issued: stamp(&self.token_issued),
            token_expires: stamp(&self.token_expires),
        }
    }
}

/// A request that waits for its turn.
pub(super) struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
