//! HTTP: metrics, health and the API. Owns no state: it asks the observer, and tells the daemon.
//!
//! | `GET` | parameters |
//! |---|---|
//! | `/metrics`, `/healthz`, `/readyz` | (`/metrics` comes as gzip to those who accept it) |
//! | `/`, and the pages of its sections | the dashboard: see the head of `src/web/dashboard.rs` |
//! | `/api/v1/summary`, `/api/v1/config`, `/api/v1/version` | |
//! | `/api/v1/peers` | `leaf`, `node`, `cluster`, `vrf`, `peer`, `state` = `up`, `down` or a name of RFC 4271 |
//! | `/api/v1/routes` | `prefix`, `match` = `exact`, `longer` or `covering`, `class`, `node`, `leaf`, `peer`, `cluster`, `vrf`, `state` = `accepted`, `rejected`, `noted` or `stale`, `reason`, `community` |
//! | `/api/v1/routes?at=` | a time, and the same but `stale`: what was there then |
//! | `/api/v1/routes/history` | `prefix` and the same: who announced it and until when, at times from `since` to `until` |
//! | `/api/v1/compare` | `from`, `to` (or now): what differs; `prefix`, `match`, `node`, `leaf`, `peer`, `cluster`, `vrf` |
//! | `/api/v1/routes/why` | `prefix`, `cluster`, `vrf` |
//! | `/api/v1/findings` | `state` = `pending`, `open`, `resolved` or `all`, `severity`, `kind`, `cluster`, `vrf` (one that concerns several is found by each), `leaf`, `node`, `peer`, `prefix` |
//! | `/api/v1/events` | `since` and `until`, times; `after`, the number of an event; `kind`, `prefix`, `match`, `cluster`, `vrf`, `leaf`, `peer`, `node`, `actor`, `order` = `oldest` or `newest` first, `source` = `journal` or `memory` |
//! | `/api/v1/stream` | `since`, or the header `Last-Event-ID` |
//! | `/api/v1/maintenance` | |
//! | `/api/v1/alerts` | what is pushed now, and how receivers do; not paged |
//! | `/api/v1/eepgs` | `apic`, `tenant`, `l3out`, `name`, `vrf` |
//! | `/api/v1/eepgs/members` | `dn`: that of an EEPG or a redirect policy |
//! | `/api/v1/plan` | `operation` = `create`, `modify` or `delete`, `held` = `true`, `false` or the name of a brake; or `requests` = `true`: with the requests that would be sent for these changes |
//!
//! Lists take `limit` (1 to 1,000) and `cursor` besides: a list goes on at `next_cursor` until that is null. A
//! page of routes may have fewer items than `limit`, even none, and go on all the same: where millions are
//! to be looked at for few, it ends in time. So does a page of the plan under a filter; pages of one plan have one
//! `id`: where that differs, the plan changed meanwhile.
//!
//! Times are RFC 3339 in UTC, or how long ago (`1h`). Kinds of events may be several, separated by commas; `peer` stands
//! for all that begin with `peer_`, `route_re*` for all that begin so.
//!
//! The past is what the journal knows: without one, questions about it are 404 with the code `no_journal`. Events come
//! from it, too, in one sequence over all restarts (`source` is `journal`); without one they are those since the start
//! (`memory`), which are those of the stream and have its numbers. `last` is the newest number, wanted or not. Pages
//! after the first show what the first was asked for. When nobody listened, what was there before is shown; `gaps` say
//! so. Whether a route was stale is not kept. A comparison lists routes that came (`new`), went (`gone`) or have other
//! attributes or announcers (`changed`), routes that are judged otherwise (`verdict`), open findings, and members of
//! EEPGs (these only without a filter but `prefix`); what went and came back the same is not listed. What would take too
//! long, or be too much, is 422 with the code `too_much`.
//!
//! Where `http.read` says so, reading needs a token, too; `/healthz` and `/readyz` never do. Without one, a request for
//! a host that is not ours is 421, on loopback and where there are `http.hosts`.
//!
//! What changes something is a `POST`, and needs a bearer token whose scope suffices: 401 without one, 403 where it
//! does not; 403, too, if a browser says that a page of another site sent it. The answer is
//! `{"result"}`, given once what was asked for is on the disk (if there is a `global.state_dir`) or says that it is
//! not yet. Errors are `{"error": {"code", "message"}}`.
//!
//! | `POST` | scope | body |
//! |---|---|---|
//! | `/api/v1/reload` | operate | `{}` |
//! | `/api/v1/peers/reset` | operate | `{"leaf"?, "peer"}` |
//! | `/api/v1/peers/forget` | operate | `{"leaf"?, "peer"}`, or `{"node", "cluster"?}` |
//! | `/api/v1/findings/ack` | operate | `{"id", "reason"}` |
//! | `/api/v1/maintenance` | operate | `{"scope": {"node" or "rack" or "cluster": NAME}, "for": "2h", "reason"}` |
//! | `/api/v1/maintenance/end` | operate | `{"scope"}` |
//! | `/api/v1/alerts/test` | operate | `{"receiver"?}`: sends a test alert there, or everywhere; answers `{"receivers": [...]}`, what became of it at each |
//! | `/api/v1/plan/apply` | approve | `{}` |
//! | `/api/v1/plan/approve` | approve | `{"id"}`: that of the plan; lets through what this very plan holds back |
//! | `/api/v1/eepgs/adopt` | approve | `{"dn"}`: of a member or an EEPG of others |
//! | `/api/v1/eepgs/release` | approve | `{"eepg"?}`: a name or a `dn`; without it, everything |
//! | `/api/v1/sync/pause` | operate | `{"for": "2h", "reason"}`: at most 7 days |
//! | `/api/v1/sync/resume` | operate | `{}` |
//!
//! What a brake or observe mode refuses is 409 with the code `held`; a plan that is another by now, 409 with the code
//! `changed`. Where no `[[apic]]` is configured, lists of EEPGs are empty, and changes of them 404.
//!
//! Requests, connections and streams are bounded in number, size and time, so that no client of this server costs a
//! session anything: 64 connections of one address (384 from this machine) of 512, 64 KiB of a head and of a body, 20 s
//! for the head, 15 s for the body, two minutes for the whole. With `http.tls` it speaks TLS alone.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "serves HTTP")]

mod alerts;
mod auth;
mod changes;
mod connection;
mod dashboard;
mod eepgs;
mod gate;
mod gzip;
mod health;
mod history;
mod holders;
mod lists;
mod maintenance;
mod page;
mod params;
mod plan;
mod problem;
mod serve;
mod steer;
mod stream;
mod summary;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
mod trail;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{get, post};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::alert::Alerts;
use crate::config::Config;
use crate::journal::Journal;
use crate::journal::archive::Archive;
use crate::metrics::{Refusal, Reload, Signatures, StateFile};
use crate::observer::{Actor, Observer, Snapshot};
use crate::speaker::{Cease, PeerId, PeerStats, Speaker};
use crate::sync::Controller;
use crate::time::{Clock, Timestamp};
use gate::Gate;
use gzip::Packers;
pub use plan::Plan;
use problem::Problem;
use serve::Server;
use stream::Streams;
pub use summary::{Apic, Summary};

/// Scrapes that ask the observer at once.
const MAX_SCRAPES: usize = 4;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Octets of a request's body.
const MAX_BODY: usize = 64 * 1024;

/// How long an answer of the observer or the EEPG controller is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long what the EEPG controller says of something else, a route or the whole, is waited for.
const ASIDE: Duration = Duration::from_secs(1);

/// How long an answer waits for the disk.
const DISK: Duration = Duration::from_secs(2);

/// How long open requests may take once we stop.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the server needs of the rest of the house.
pub struct App {
    /// Routes, peers, findings, events.
    pub observer: Observer,
    /// The speaker.
    pub sessions: Arc<dyn Sessions>,
    /// Keeps members of EEPGs in step, if any `[[apic]]` is configured.
    pub sync: Option<Controller>,
    /// The journal, if one is kept.
    pub journal: Option<Journal>,
    /// Tells Alertmanagers and webhooks of findings.
    pub alerts: Option<Alerts>,
    /// The time that the EEPG controller goes by.
    pub clock: Clock,
    /// Takes what clients want done.
    pub control: mpsc::Sender<Control>,
    /// Has written what must survive a restart; none, if no place is configured for it.
    pub keep: Option<Keep>,
    /// The configuration in force.
    pub config: watch::Receiver<Arc<Config>>,
    /// The MRT archive, if one is written.
    pub archive: Option<Archive>,
    /// How the daemon itself does.
    pub status: watch::Receiver<Status>,
    /// Turns true when the daemon stops: streams end, no request is taken any more.
    pub stop: watch::Receiver<bool>,
}

/// Has written what must survive a restart: who is asked answers whether all of it is on the disk.
pub type Keep = mpsc::Sender<oneshot::Sender<bool>>;

/// What clients want of the speaker.
pub trait Sessions: Send + Sync {
    /// Counters by leaf, for sums that never shrink.
    fn counters(&self) -> Vec<(Arc<str>, Arc<PeerStats>)>;
    /// Connections that leaves refused.
    fn refusals(&self) -> Vec<Refusal>;
    /// How many refusals the observer was not told of.
    fn untold_refusals(&self) -> u64;
    /// What the kernel dropped for its TCP-MD5 signature, if it says so.
    fn signatures(&self) -> Option<Signatures>;
    /// Ends the session of `peer` with Cease/4; answers whether there was one.
    fn reset(&self, peer: &PeerId) -> bool;
}

impl Sessions for Speaker {
    fn counters(&self) -> Vec<(Arc<str>, Arc<PeerStats>)> {
        Self::counters(self)
    }

    fn refusals(&self) -> Vec<Refusal> {
        Self::refusals(self)
            .into_iter()
            .map(|(leaf, reason, count)| Refusal { leaf, reason, count })
            .collect()
    }

    fn untold_refusals(&self) -> u64 {
        Self::untold_refusals(self)
    }

    fn signatures(&self) -> Option<Signatures> {
        Self::signatures(self)
    }

    fn reset(&self, peer: &PeerId) -> bool {
        Self::reset(self, peer, Cease::AdministrativeReset)
    }
}

/// What a client wants done that only the daemon can do.
#[derive(Debug)]
pub enum Control {
    /// Read the configuration file again, because somebody wants it. Answers what changed, or why nothing did.
    Reload(Option<Actor>, oneshot::Sender<Result<String, String>>),
}

/// How the daemon itself does.
#[derive(Clone, Debug)]
pub struct Status {
    /// Configuration is loaded and all listeners are bound.
    pub ready: bool,
    /// How the file does that keeps what must survive a restart; none, if none is configured.
    pub state: Option<StateFile>,
    /// When the daemon started.
    pub started: Timestamp,
    /// The file that a reload reads.
    pub config_file: PathBuf,
    /// How the last attempt to read it ended.
    pub reload: Reload,
    /// Why the last attempt failed, if it did.
    pub reload_error: Option<String>,
}

/// The sockets of the server, bound and not yet served.
#[derive(Debug)]
pub struct Web {
    listeners: Vec<TcpListener>,
}

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("http.listen: cannot listen on {address}: {cause}")]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
    /// Why.
    #[source]
    pub cause: io::Error,
}

impl Web {
    /// Binds all of `addresses`, or none; to be called within a runtime.
    ///
    /// # Errors
    /// The first address that cannot be bound.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        let mut listeners = Vec::new();
        for &address in addresses {
            listeners.push(listen(address).map_err(|cause| BindError { address, cause })?);
        }
        Ok(Self { listeners })
    }

    /// What is really bound: port 0 became a port.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves until `app.stop` turns true (or its sender is gone), and a moment longer for open requests.
    pub async fn serve(self, app: App) {
        let (mut stop, config) = (app.stop.clone(), app.config.clone());
        let gate = Arc::new(Gate::new());
        let shared = Arc::new(Shared::new(app, Arc::clone(&gate)));
        let router = router(Arc::clone(&shared));
        let server = Server { router, gate, config, stop: stop.clone() };
        let mut servers = JoinSet::new();
        for listener in self.listeners {
            servers.spawn(server.clone().serve(listener));
        }
        drop(server);
        servers.spawn(dashboard::watch(shared));
        _ = stop.wait_for(|stop| *stop).await;
        _ = timeout(FAREWELL, async { while servers.join_next().await.is_some() {} }).await;
    }
}

/// IPv6 sockets take IPv6 alone, so that `0.0.0.0` and `[::]` can stand beside each other.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// What handlers share.
struct Shared {
    app: App,
    streams: Streams,
    scrapes: Semaphore,
    moments: dashboard::Moments,
    seen: dashboard::Seen,
    refusals: trail::Refusals,
    packers: Packers,
    gate: Arc<Gate>,
}

type State = axum::extract::State<Arc<Shared>>;

impl Shared {
    fn new(app: App, gate: Arc<Gate>) -> Self {
        Self {
            app,
            streams: Streams::new(),
            scrapes: Semaphore::new(MAX_SCRAPES),
            moments: dashboard::Moments::default(),
            seen: dashboard::Seen::default(),
            refusals: trail::Refusals::default(),
            packers: Packers::new(),
            gate,
        }
    }

    /// What the observer answers to `question`, in time.
    async fn ask<T>(&self, question: impl Future<Output = Option<T>>) -> Result<T, Problem> {
        match timeout(PATIENCE, question).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(Problem::unavailable("the observer has ended")),
            Err(_) => Err(Problem::unavailable("the observer does not answer in time")),
        }
    }

    /// The EEPG controller; none, if no `[[apic]]` is configured.
    fn sync(&self) -> Option<&Controller> {
        self.app.sync.as_ref().filter(|_| !self.app.config.borrow().apics.is_empty())
    }

    /// What the EEPG controller answers, in time.
    async fn told<T>(&self, answer: impl Future<Output = Option<T>>) -> Result<T, Problem> {
        match timeout(PATIENCE, answer).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(Problem::unavailable("the EEPG controller has ended")),
            Err(_) => Err(Problem::unavailable("the EEPG controller does not answer in time")),
        }
    }

    /// What the EEPG controller answers, if it does soon.
    async fn aside<T>(&self, answer: impl Future<Output = Option<T>>) -> Option<T> {
        timeout(ASIDE, answer).await.ok().flatten()
    }

    async fn snapshot(&self) -> Result<Arc<Snapshot>, Problem> {
        self.ask(self.app.observer.snapshot()).await
    }

    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.app.config.borrow())
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let api = Router::new()
        .route("/summary", get(summary::summary))
        .route("/peers", get(lists::peers))
        .route("/routes", get(history::routes))
        .route("/routes/why", get(lists::why))
        .route("/routes/history", get(history::history))
        .route("/compare", get(history::compare))
        .route("/findings", get(lists::findings))
        .route("/events", get(history::events))
        .route("/maintenance", get(maintenance::list).post(maintenance::start))
        .route("/maintenance/end", post(maintenance::end))
        .route("/alerts", get(alerts::list))
        .route("/alerts/test", post(alerts::test))
        .route("/eepgs", get(eepgs::list))
        .route("/eepgs/members", get(eepgs::members))
        .route("/eepgs/adopt", post(eepgs::adopt))
        .route("/eepgs/release", post(eepgs::release))
        .route("/plan", get(plan::plan))
        .route("/plan/apply", post(plan::apply))
        .route("/plan/approve", post(plan::approve))
        .route("/sync/pause", post(steer::pause))
        .route("/sync/resume", post(steer::resume))
        .route("/stream", get(stream::stream))
        .route("/config", get(health::config))
        .route("/version", get(health::version))
        .route("/reload", post(changes::reload))
        .route("/peers/reset", post(changes::reset))
        .route("/peers/forget", post(changes::forget))
        .route("/findings/ack", post(changes::acknowledge));
    Router::new()
        .route("/metrics", get(health::metrics))
        .nest("/api/v1", api)
        .merge(dashboard::router())
        .route_layer(from_fn_with_state(Arc::clone(&shared), auth::guard))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(map_response(harden))
        .with_state(shared)
}

/// What a browser may do with an answer: run and draw what this server embeds, ask this server, and no other.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// Answers are of the moment, unless they say otherwise, and nothing but what they say they are.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    response
}

#[cfg(test)]
mod tests;
