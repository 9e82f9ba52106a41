//! Accepts connections and has the router answer what comes in on them.
//!
//! Everything has its time: a handshake, the head of a request, its body, and the whole with its answer, but for
//! streams of events. A connection that takes longer is cut.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "serves connections")]

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::auth::Ends;
use super::connection::Connection;
use super::gate::{Gate, Place};
use super::problem::Problem;
use super::tls::Identity;
use crate::config::Config;
use crate::config::model::Tls;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long the head of a request may take, and how long the next request is waited for.
pub(super) const HEAD: Duration = Duration::from_secs(20);

/// How long the body of a request may take, however steadily it comes.
pub(super) const BODY: Duration = Duration::from_secs(15);

/// How long a request and its answer may take together; a stream of events lasts.
const WHOLE: Duration = Duration::from_mins(2);

/// Octets of the head of a request.
const MAX_HEAD: usize = 64 * 1024;

/// Headers of a request.
const MAX_HEADERS: usize = 100;

/// Before accepting again when that failed, for lack of descriptors mostly.
const PAUSE: Duration = Duration::from_millis(500);

/// What all connections share.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) router: Router,
    pub(super) gate: Arc<Gate>,
    pub(super) config: watch::Receiver<Arc<Config>>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Server {
    /// Serves until it is to stop, and then until all requests are answered that came in before.
    pub(super) async fn serve(self, listener: TcpListener) {
        let mut stop = self.stop.clone();
        let mut connections = JoinSet::new();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.accept(&listener, &mut connections) => {}
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    async fn accept(&self, listener: &TcpListener, connections: &mut JoinSet<()>) {
        let mut identity = Identity::default();
        loop {
            let Some(room) = self.gate.room().await else { return };
            while connections.try_join_next().is_some() {}
            let (stream, client) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%error, "cannot accept an HTTP connection");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let tls = self.config.borrow().http.tls.clone();
            let acceptor = identity.acceptor(tls.as_ref());
            let (Some(place), Ok(acceptor)) = (self.gate.admit(client.ip(), room), acceptor) else {
                continue;
            };
            // Events are small and must not wait for each other.
            _ = stream.set_nodelay(true);
            let ends = Ends::new(local(&stream, client), client.ip());
            connections.spawn(self.clone().meet(stream, acceptor, tls, ends, place));
        }
    }

    /// A connection, from its handshake to its end.
    async fn meet(
        mut self,
        stream: TcpStream,
        acceptor: Option<TlsAcceptor>,
        tls: Option<Tls>,
        ends: Ends,
        _place: Place,
    ) {
        let Some(acceptor) = acceptor else { return self.talk(Connection::new(stream), tls, ends).await };
        let shaken = tokio::select! {
            _ = self.stop.wait_for(|stop| *stop) => return,
            shaken = timeout(HANDSHAKE, acceptor.accept(stream)) => shaken,
        };
        match shaken {
            Ok(Ok(stream)) => self.talk(Connection::new(stream), tls, ends).await,
            Ok(Err(error)) => tracing::debug!(client = %ends.client, %error, "no TLS"),
            Err(_) => tracing::debug!(client = %ends.client, "no TLS in time"),
        }
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        mut self,
        stream: Connection<S>,
        tls: Option<Tls>,
        ends: Ends,
    ) {
        let (due, mut until) = watch::channel(None);
        let (due, router) = (Arc::new(due), self.router);
        let service =
            service_fn(move |request| answer(router.clone(), request, ends.clone(), Arc::clone(&due)));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let mut stopping = false;
        loop {
            let late: Option<Instant> = *until.borrow_and_update();
            tokio::select! {
                // Who breaks off, or sends nonsense, has been answered if that can be.
                _ = connection.as_mut() => return,
                _ = self.stop.wait_for(|stop| *stop), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                // Who was taken on other terms comes again, on those that are in force.
                Ok(()) = self.config.changed(), if !stopping => {
                    if self.config.borrow_and_update().http.tls != tls {
                        stopping = true;
                        connection.as_mut().graceful_shutdown();
                    }
                }
                _ = until.changed() => {}
                () = sleep_until(late.unwrap_or_else(Instant::now)), if late.is_some() => return,
            }
        }
    }
}

/// Our end; an address that is not known is not one of this machine's own.
fn local(stream: &TcpStream, client: SocketAddr) -> IpAddr {
    let unknown: IpAddr = if client.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    stream.local_addr().map_or(unknown, |local| local.ip())
}

/// The answer of the router, in time.
async fn answer(
    router: Router,
    request: Request<Incoming>,
    ends: Ends,
    due: Arc<watch::Sender<Option<Instant>>>,
) -> Result<Response, Infallible> {
    due.send_replace(Some(Instant::now() + WHOLE));
    let late = Arc::new(AtomicBool::new(false));
    let mut request =
        request.map(|body| Timed { body, time: Box::pin(sleep(BODY)), late: Arc::clone(&late) });
    request.extensions_mut().insert(ConnectInfo(ends));
    let response = TowerToHyperService::new(router).call(request.map(Body::new)).await?;
    if late.load(Relaxed) {
        let message = format!("the body of the request took longer than {} s", BODY.as_secs());
        return Ok(Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message).into_response());
    }
    let stream = HeaderValue::from_static("text/event-stream");
    if response.headers().get(header::CONTENT_TYPE) == Some(&stream) {
        due.send_replace(None);
    }
    Ok(response)
}

/// A body that has to come in time: who sends it in drips is not waited for.
struct Timed {
    body: Incoming,
    time: Pin<Box<Sleep>>,
    late: Arc<AtomicBool>,
}

impl hyper::body::Body for Timed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.time.as_mut().poll(context).is_ready() {
            self.late.store(true, Relaxed);
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        }
        Pin::new(&mut self.body).poll_frame(context).map_err(io::Error::other)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
