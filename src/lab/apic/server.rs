//! A controller: its port, and the way of a request through it.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "serves HTTP")]

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request as HttpRequest, State as Shares};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::answer::{Answer, Delivery, Request, State};
use super::knobs;
use super::line::{Fate, Lines};
use super::target::Place;
use crate::time::{Clock, Timestamp};

/// How long the connections of a controller that ends are waited for.
const FAREWELL: Duration = Duration::from_secs(2);

/// What all controllers share.
pub(super) struct Shared {
    state: Mutex<State>,
    clock: Clock,
    /// Microseconds by which the clock is ahead.
    ahead: AtomicU64,
    /// Microseconds that every request waits.
    latency: AtomicU64,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) controllers: tokio::sync::Mutex<Vec<Controller>>,
}

impl Shared {
    pub(super) fn new(state: impl FnOnce(Timestamp) -> State, tls: Option<TlsAcceptor>) -> Self {
        let clock = Clock::start();
        Self {
            state: Mutex::new(state(clock.now())),
            clock,
            ahead: AtomicU64::new(0),
            latency: AtomicU64::new(0),
            tls,
            controllers: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now().after(Duration::from_micros(self.ahead.load(Ordering::Relaxed)))
    }

    pub(super) fn advance(&self, time: Duration) {
        self.ahead.fetch_add(micros(time), Ordering::Relaxed);
    }

    pub(super) fn set_latency(&self, latency: Duration) {
        self.latency.store(micros(latency), Ordering::Relaxed);
    }

    pub(super) async fn kill(&self, number: usize) -> bool {
        let mut controllers = self.controllers.lock().await;
        let Some(controller) = number.checked_sub(1).and_then(|place| controllers.get_mut(place)) else {
            return false;
        };
        controller.stop().await;
        true
    }

    pub(super) async fn restart(self: &Arc<Self>, number: usize) -> io::Result<bool> {
        let mut controllers = self.controllers.lock().await;
        let Some(controller) = number.checked_sub(1).and_then(|place| controllers.get_mut(place)) else {
            return Ok(false);
        };
        if controller.running.is_none() {
            *controller = Controller::start(self, number, controller.address).await?;
        }
        Ok(true)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
}

/// A controller, alive or not.
pub(super) struct Controller {
    pub(super) address: SocketAddr,
    running: Option<Running>,
}

struct Running {
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Controller {
    /// Boxed, for a request to a controller can start another one.
    pub(super) fn start(
        shared: &Arc<Shared>,
        number: usize,
        address: SocketAddr,
    ) -> BoxFuture<'_, io::Result<Self>> {
        Self::open(shared, number, address).boxed()
    }

    async fn open(shared: &Arc<Shared>, number: usize, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let lines = Lines::accept(listener, shared.tls.clone(), stopped)?;
        let own = Own { shared: Arc::clone(shared), number };
        let routes = Router::new().fallback(serve).with_state(own);
        let service = routes.into_make_service_with_connect_info::<Fate>();
        let serving = tokio::spawn(async move {
            _ = axum::serve(lines, service).await;
        });
        Ok(Self { address, running: Some(Running { stop, serving }) })
    }

    pub(super) const fn is_alive(&self) -> bool {
        self.running.is_some()
    }

    /// Closes the port, and ends all connections.
    async fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.stop.send_replace(true);
            // Until then connections that are there already are ended by those who serve them.
            _ = timeout(FAREWELL, running.stop.closed()).await;
            running.serving.abort();
            _ = (&mut running.serving).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.serving.abort();
    }
}

/// Which controller serves.
#[derive(Clone)]
struct Own {
    shared: Arc<Shared>,
    number: usize,
}

async fn serve(
    Shares(own): Shares<Own>,
    ConnectInfo(fate): ConnectInfo<Fate>,
    request: HttpRequest,
) -> Response {
    let Own { shared, number } = own;
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let max_body = shared.state().max_body;
    let Some(body) = read(body, max_body).await else {
        fate.die();
        return respond(Answer::html(400));
    };
    let fits = body.len() <= max_body;
    if target.starts_with("/_sim") {
        return knobs::turn(&shared, parts.method.as_str(), &target, &body).await;
    }
    let latency = Duration::from_micros(shared.latency.load(Ordering::Relaxed));
    if !latency.is_zero() {
        sleep(latency).await;
    }
    let cookies: Vec<String> = parts
        .headers
        .get_all(header::COOKIE)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    let request = Request {
        method: parts.method.as_str(),
        target: &target,
        cookies: &cookies,
        body: &body,
        controller: number,
        now: shared.now(),
    };
    let mut state = shared.state();
    let (answer, delivery) = if fits {
        state.serve(&request)
    } else {
        state.note(&request, &Place::Nowhere, Some(413));
        (Answer::html(413), Delivery::Whole)
    };
    drop(state);
    match delivery {
        Delivery::Whole => {}
        Delivery::Cut => fate.cut_after(answer.body.len() / 2),
        Delivery::Nothing => fate.die(),
    }
    respond(answer)
}

/// A body; of one that is too long, a little more than what is taken, once it has come to its end.
async fn read(body: Body, max: usize) -> Option<Vec<u8>> {
    let (mut stream, mut read, mut passed) = (body.into_data_stream(), Vec::new(), 0_usize);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.ok()?;
        passed = passed.saturating_add(chunk.len());
        if passed > MAX_PASSED {
            return None;
        }
        if read.len() <= max {
            read.extend_from_slice(&chunk);
        }
    }
    Some(read)
}

/// Octets of a body that are listened to at all.
const MAX_PASSED: usize = 256 << 20;

fn respond(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let kind = if answer.html { "text/html" } else { "application/json" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::SERVER, HeaderValue::from_static("Cisco APIC"));
    if let Some(cookie) = answer.cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        headers.insert(header::SET_COOKIE, cookie);
    }
    response
}
