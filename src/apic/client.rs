//! One request, from its turn to its answer, at the controller that works.
#![expect(clippy::disallowed_methods, reason = "requests wait for their turn here")]

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, Response, Url, redirect};
use tokio::sync::Mutex as Queue;
use tokio::time::sleep;
use tracing::{info, warn};

use super::answer::{Answer, FAILURE, clean, retry_after};
use super::backoff::Backoff;
use super::bucket::Bucket;
use super::error::{Error, Unusable};
use super::query;
use super::session::{Account, LockOut};
use super::stats::{Operation, Stats};
use super::target::Target;
use super::trouble::Troubles;
use crate::config::model::{Apic, Trust};
use crate::time::{Clock, Timestamp};
use crate::trust::{self, NoTls};

/// After so many failures of the connection in a row the next controller is asked.
pub(super) const FAILURES: u32 = 3;
/// Shorter than the time after which nginx ends an idle connection (60 s or more): a request on a connection
/// that ends just then has an unknown outcome.
const IDLE: Duration = Duration::from_secs(20);

/// What tests turn.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Objects a page.
    pub page_size: usize,
    /// Bytes of an answer. A page of 10,000 subnets with their tags is 12 MB.
    pub largest_answer: usize,
    /// To establish a connection, TLS included.
    pub connect_timeout: Duration,
    /// For the whole answer to a read or a login.
    pub read_timeout: Duration,
    /// For the whole answer to a write.
    pub write_timeout: Duration,
    /// The first wait before a repetition, at most.
    pub first_wait: Duration,
    /// No wait before a repetition is longer.
    pub longest_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            page_size: query::PAGE,
            largest_answer: 64 * 1024 * 1024,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_mins(1),
            write_timeout: Duration::from_mins(1),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_mins(1),
        }
    }
}

/// Speaks with one APIC cluster. Cheap to clone; all clones share sessions, rate and counts.
#[derive(Clone)]
pub struct Client {
    pub(super) inner: Arc<Inner>,
}

/// Who it is and where; never a secret.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { name, controllers, .. } = &*self.inner;
        f.debug_struct("Client").field("apic", name).field("controllers", controllers).finish_non_exhaustive()
    }
}

pub(super) struct Inner {
    pub(super) name: Arc<str>,
    pub(super) clock: Clock,
    pub(super) settings: Settings,
    pub(super) account: Account,
    pub(super) lock_out: Mutex<LockOut>,
    pub(super) stats: Stats,
    pub(super) controllers: Vec<Arc<str>>,
    current: AtomicUsize,
    failures: AtomicU32,
    http: reqwest::Client,
    trust: Trust,
    /// Who stands first in it has the next turn.
    queue: Queue<()>,
    bucket: Mutex<Bucket>,
    /// nginx of the APIC lets two logins or refreshes a second pass (`commHttps.throttleRate`), of anybody.
    logins: Mutex<Bucket>,
    troubles: Mutex<Troubles>,
    chance: RandomState,
    drawn: AtomicUsize,
}

impl Client {
    /// A client of the controllers of `config`. It connects to none yet.
    ///
    /// # Errors
    /// If the key, the authorities or a URL of the configuration are of no use.
    pub fn new(config: &Apic, clock: Clock) -> Result<Self, Unusable> {
        Self::with(config, clock, Settings::default())
    }

    /// The same with other [`Settings`].
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with(config: &Apic, clock: Clock, settings: Settings) -> Result<Self, Unusable> {
        let apic = &config.name;
        if config.urls.is_empty() {
            return Err(Unusable::NoController { apic: apic.clone() });
        }
        for url in &config.urls {
            let parsed =
                Url::parse(url).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
            if parsed.is_none_or(|url| !matches!(url.path(), "" | "/") || !url.username().is_empty()) {
                return Err(Unusable::Url { apic: apic.clone(), url: url.clone() });
            }
        }
        let now = clock.now();
        let inner = Inner {
            name: apic.clone(),
            account: Account::new(config)?,
            lock_out: Mutex::default(),
            stats: Stats::new(config.urls.clone()),
            controllers: config.urls.clone(),
            current: AtomicUsize::new(0),
            failures: AtomicU32::new(0),
            http: http(apic, &config.trust, &settings)?,
            trust: config.trust.clone(),
            queue: Queue::default(),
            bucket: Mutex::new(Bucket::new(config.requests_per_second, config.burst, now)),
            logins: Mutex::new(Bucket::new(1, 1, now)),
            troubles: Mutex::default(),
            chance: RandomState::new(),
            drawn: AtomicUsize::new(0),
            clock,
            settings,
        };
        if matches!(config.trust, Trust::Insecure) {
            warn!(%apic, "insecure = true: anybody can pass for this APIC, and learn our password");
        }
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The name of the `[[apic]]`.
    pub fn name(&self) -> &Arc<str> {
        &self.inner.name
    }

    /// What it counts.
    pub fn stats(&self) -> &Stats {
        &self.inner.stats
    }

    /// How long to wait before a request is repeated; each one waits differently.
    pub fn backoff(&self) -> Backoff {
        let inner = &self.inner;
        let seed = inner.chance.hash_one(inner.drawn.fetch_add(1, Relaxed));
        Backoff::between(seed, inner.settings.first_wait, inner.settings.longest_wait)
    }
}

/// Environment proxies are not used: the APIC stands in the management network, and no variable of somebody's
/// shell decides who gets to see our password. Redirects are not followed: a token belongs to one controller.
fn http(apic: &Arc<str>, trust: &Trust, settings: &Settings) -> Result<reqwest::Client, Unusable> {
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .http1_only()
        .tcp_nodelay(true)
        .pool_idle_timeout(IDLE)
        .connect_timeout(settings.connect_timeout)
        .user_agent(concat!("thirdleaf/", env!("CARGO_PKG_VERSION")));
    let no_tls = |error| match error {
        NoTls::Authorities(reason) => Unusable::Authorities { apic: apic.clone(), reason },
        NoTls::Setup(reason) => Unusable::Tls { apic: apic.clone(), reason },
    };
    if let Some(tls) = trust::tls(trust).map_err(no_tls)? {
        builder = builder.tls_backend_preconfigured(tls);
    }
    builder.build().map_err(|error| Unusable::Tls { apic: apic.clone(), reason: chain(&error) })
}

/// One request.
pub(super) struct Request<'a> {
    pub(super) operation: Operation,
    pub(super) method: Method,
    pub(super) target: &'a Target,
    pub(super) body: Bytes,
    /// Whether it may still leave, asked when its turn has come; none: always.
    pub(super) may: Option<May<'a>>,
}

/// What is true as long as a request may leave.
pub type May<'a> = &'a (dyn Fn() -> bool + Sync);

impl Request<'_> {
    pub(super) fn may_leave(&self) -> Result<(), Error> {
        if self.may.is_none_or(|may| may()) { Ok(()) } else { Err(Error::TakenBack) }
    }
}

impl Inner {
    /// The controller to ask.
    pub(super) fn current(&self) -> usize {
        self.current.load(Relaxed)
    }

    pub(super) fn controller(&self, at: usize) -> Arc<str> {
        self.controllers.get(at).cloned().unwrap_or_default()
    }

    /// Waits until a request may leave, first come, first served.
    pub(super) async fn turn(&self, operation: Operation) {
        let _waiting = self.stats.wait();
        let _first = self.queue.lock().await;
        if matches!(operation, Operation::Login | Operation::Refresh) {
            self.pass(&self.logins).await;
        }
        self.pass(&self.bucket).await;
    }

    async fn pass(&self, bucket: &Mutex<Bucket>) {
        loop {
            let taken = bucket.lock().unwrap_or_else(PoisonError::into_inner).take(self.clock.now());
            match taken {
                Ok(()) => return,
                Err(wait) => sleep(wait).await,
            }
        }
    }

    /// Sends a request whose turn it is to controller `at`, and reads what comes back, up to a bound.
    pub(super) async fn send(
        &self,
        at: usize,
        request: &Request<'_>,
        cookie: Option<HeaderValue>,
    ) -> Result<Answer, Error> {
        request.may_leave()?;
        let controller = self.controller(at);
        let timeout = match request.operation {
            Operation::Write => self.settings.write_timeout,
            _ => self.settings.read_timeout,
        };
        let mut outgoing =
            self.http.request(request.method.clone(), request.target.url(&controller)?).timeout(timeout);
        if let Some(cookie) = cookie {
            outgoing = outgoing.header(COOKIE, cookie);
        }
        if !request.body.is_empty() {
            outgoing = outgoing.header(CONTENT_TYPE, "application/json").body(request.body.clone());
        }
        let sent = self.clock.now();
        let outcome = match outgoing.send().await {
            Ok(response) => self.receive(&controller, response).await,
            Err(error) => Err(self.failure(&controller, &error).await),
        };
        let status = outcome.as_ref().ok().map(|answer| answer.status);
        self.stats.answered(request.operation, status, self.clock.now().since(sent));
        match &outcome {
            Ok(answer) => {
                if at == self.current() {
                    self.failures.store(0, Relaxed);
                }
                if let Some(wait) = answer.retry_after.filter(|_| !(200..300).contains(&answer.status)) {
                    self.close(self.clock.now().after(wait));
                }
            }
            // The next attempt would meet the same certificate.
            Err(Error::Certificate { .. }) => self.failed(at, FAILURES),
            Err(Error::Connection { .. }) => self.failed(at, 1),
            Err(_) => {}
        }
        outcome
    }

    fn close(&self, until: Timestamp) {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner).close(until);
    }

    async fn receive(&self, controller: &Arc<str>, mut response: Response) -> Result<Answer, Error> {
        let status = response.status().as_u16();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_after = header(RETRY_AFTER).and_then(retry_after);
        let location = header(LOCATION).map(str::to_owned);
        let succeeded = response.status().is_success();
        let bound = if succeeded { self.settings.largest_answer } else { FAILURE };
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= bound => body.extend_from_slice(&chunk),
                Ok(Some(_)) if succeeded => {
                    let text = format!("the answer has more than {bound} bytes");
                    return Err(Error::TooLarge { text });
                }
                // Of a failure, the begin says it.
                Ok(Some(_) | None) => break,
                Err(error) => {
                    let text = format!("the answer was cut off: {}", chain(&error));
                    return Err(Error::Connection {
                        controller: controller.clone(),
                        outcome_unknown: true,
                        text,
                    });
                }
            }
        }
        Ok(Answer { status, retry_after, location, body, secrets: Vec::new() })
    }

    async fn failure(&self, controller: &Arc<str>, error: &reqwest::Error) -> Error {
        let Some(refusal) = trust::refusal(error) else {
            let outcome_unknown = !(error.is_connect() || error.is_builder());
            return Error::Connection { controller: controller.clone(), outcome_unknown, text: chain(error) };
        };
        let presented = match refusal.presented {
            None => self.look(controller).await,
            seen => seen,
        };
        let advice = match (&self.trust, presented) {
            (Trust::Authorities(_), _) => "set ca_file to the authority that signed it, or pin_sha256",
            (Trust::Pinned(_), _) => "if it is the APIC's new certificate, put this digest into pin_sha256",
            _ => "set ca_file, or pin_sha256 to this digest, if it is the APIC's own",
        };
        let text = format!("{}; {advice}", clean(&refusal.to_string()));
        Error::Certificate { controller: controller.clone(), presented, text }
    }

    /// What the controller presents, where the machine's own trust refused it and does not say. The handshake is
    /// broken off, so nothing is sent.
    async fn look(&self, controller: &str) -> Option<crate::config::model::Digest> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .retry(reqwest::retry::never())
            .connect_timeout(self.settings.connect_timeout)
            .tls_backend_preconfigured(trust::look()?)
            .build()
            .ok()?;
        let error = http.get(controller).timeout(self.settings.connect_timeout).send().await.err()?;
        trust::refusal(&error)?.presented
    }

    /// Counts a failure of the connection to controller `at`; too many lead to the next one.
    fn failed(&self, at: usize, weight: u32) {
        let count = self.controllers.len();
        if at != self.current() || count < 2 || self.failures.fetch_add(weight, Relaxed) + weight < FAILURES {
            return;
        }
        let next = (at + 1) % count;
        if self.current.compare_exchange(at, next, Relaxed, Relaxed).is_ok() {
            self.failures.store(0, Relaxed);
            self.stats.failed_over(next);
            let (from, to) = (self.controller(at), self.controller(next));
            info!(apic = %self.name, %from, %to, "the controller does not work: the next one is asked");
        }
    }

    /// Tells what lasts, once, and that it is over.
    pub(super) fn tell<T>(&self, outcome: &Result<T, Error>) {
        if matches!(outcome, Err(Error::TakenBack)) {
            // That says nothing of the APIC.
            return;
        }
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble = outcome.as_ref().err().filter(|error| error.is_trouble());
        self.stats.set_up(trouble.is_none());
        if matches!(trouble, Some(Error::Throttled { .. })) {
            self.stats.throttled();
        }
        match trouble {
            Some(error) => {
                if troubles.add(error.kind(), self.clock.now()) {
                    warn!(apic = %self.name, kind = error.kind(), "{error}");
                }
            }
            None => {
                if let Some(lasted) = troubles.end(self.clock.now()) {
                    let lasted = humantime::format_duration(Duration::from_secs(lasted.as_secs()));
                    info!(apic = %self.name, controller = %self.controller(self.current()), %lasted, "the APIC answers again");
                }
            }
        }
    }
}

/// An error with its causes, without the URL.
fn chain(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "no answer in time".to_owned() } else { String::new() };
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = if text.is_empty() { cause_text } else { format!("{text}: {cause_text}") };
        }
        next = cause.source();
    }
    if text.is_empty() { "the connection failed".to_owned() } else { clean(&text) }
}
