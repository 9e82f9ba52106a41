//! Connections that tests can cut.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "holds sockets")]

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// Connections of one controller at once.
const MAX: usize = 512;

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Before accepting again when that failed.
const PAUSE: Duration = Duration::from_millis(100);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection. Ends when its controller stops, and where its fate says.
pub(super) struct Line {
    stream: Box<dyn Stream>,
    fate: Fate,
    stopped: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    quotes: Quotes,
}

/// How much of the body of the next answer still leaves.
#[derive(Clone, Debug)]
pub(super) struct Fate(Arc<AtomicUsize>);

const WHOLE: usize = usize::MAX;
const DEAD: usize = 0;

impl Fate {
    /// Nothing leaves any more.
    pub(super) fn die(&self) {
        self.0.store(DEAD, Ordering::Relaxed);
    }

    /// The next answer's head leaves, and so many octets of its body; at least one.
    pub(super) fn cut_after(&self, octets: usize) {
        self.0.store(octets.clamp(1, WHOLE - 1), Ordering::Relaxed);
    }
}

impl Line {
    /// Whether the controller has stopped; leaves word to be woken when it does.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        if let Some(stopped) = &mut self.stopped
            && stopped.as_mut().poll(context).is_ready()
        {
            self.stopped = None;
        }
        self.stopped.is_none() || self.fate.0.load(Ordering::Relaxed) == DEAD
    }
}

fn over<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over(context) {
            return over();
        }
        let Self { stream, quotes, .. } = &mut *self;
        if quotes.encoded.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(stream).poll_read(context, buffer))?;
            let Some(arrived) = buffer.filled().get(before..) else { return Poll::Ready(Ok(())) };
            if !quotes.encode(arrived) {
                return Poll::Ready(Ok(()));
            }
            buffer.set_filled(before);
        }
        let fits = quotes.encoded.len().min(buffer.remaining());
        buffer.put_slice(&quotes.encoded.drain(..fits).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

/// Clients write the quotes of filters as they are, and an APIC takes that; HTTP wants them encoded.
#[derive(Default)]
struct Quotes {
    /// What arrived lately ended within a request line.
    within: bool,
    /// What is to be read in place of what arrived.
    encoded: VecDeque<u8>,
}

impl Quotes {
    /// Encodes quotes in the request line that arrived; false if there are none. Requests come one after the
    /// other, so a request line is what an arrival starts with, or nothing in it is.
    fn encode(&mut self, arrived: &[u8]) -> bool {
        let methods: [&[u8]; 4] = [b"GET /", b"POST /", b"DELETE /", b"PUT /"];
        if !self.within && !methods.iter().any(|method| arrived.starts_with(method)) {
            return false;
        }
        let end = arrived.iter().position(|octet| *octet == b'\r');
        self.within = end.is_none();
        let (line, rest) = arrived.split_at(end.unwrap_or(arrived.len()));
        if !line.contains(&b'"') {
            return false;
        }
        for octet in line {
            match octet {
                b'"' => self.encoded.extend(b"%22"),
                octet => self.encoded.push_back(*octet),
            }
        }
        self.encoded.extend(rest);
        true
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_over(context) {
            return over();
        }
        let left = self.fate.0.load(Ordering::Relaxed);
        if left == WHOLE {
            return Pin::new(&mut self.stream).poll_write(context, octets);
        }
        let head = octets.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |place| place + 4);
        let allowed = octets.get(..head.saturating_add(left)).unwrap_or(octets);
        let written = Pin::new(&mut self.stream).poll_write(context, allowed);
        if written.is_ready() {
            self.fate.die();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Gives connections that are ready to be read from.
pub(super) struct Lines {
    ready: mpsc::Receiver<(Line, SocketAddr)>,
    address: SocketAddr,
}

impl Lines {
    /// Accepts until `stop` turns true.
    pub(super) fn accept(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        stop: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(MAX);
        tokio::spawn(async move {
            let room = Arc::new(Semaphore::new(MAX));
            let mut until = stop.clone();
            tokio::select! {
                _ = until.wait_for(|stop| *stop) => {}
                () = accept(&listener, tls.as_ref(), &stop, &room, &sender) => {}
            }
        });
        Ok(Self { ready, address })
    }
}

async fn accept(
    listener: &TcpListener,
    tls: Option<&TlsAcceptor>,
    stop: &watch::Receiver<bool>,
    room: &Arc<Semaphore>,
    ready: &mpsc::Sender<(Line, SocketAddr)>,
) {
    loop {
        let Ok(permit) = Arc::clone(room).acquire_owned().await else { return };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection");
                sleep(PAUSE).await;
                continue;
            }
        };
        _ = stream.set_nodelay(true);
        let (tls, ready, mut stop) = (tls.cloned(), ready.clone(), stop.clone());
        tokio::spawn(async move {
            let shaken = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => None,
                shaken = handshake(stream, tls) => shaken,
            };
            let Some(stream) = shaken else { return };
            let stopped = Box::pin(async move {
                let _permit = permit;
                _ = stop.wait_for(|stop| *stop).await;
            });
            let line = Line {
                stream,
                fate: Fate(Arc::new(AtomicUsize::new(WHOLE))),
                stopped: Some(stopped),
                quotes: Quotes::default(),
            };
            _ = ready.send((line, address)).await;
        });
    }
}

async fn handshake(stream: TcpStream, tls: Option<TlsAcceptor>) -> Option<Box<dyn Stream>> {
    let Some(tls) = tls else { return Some(Box::new(stream)) };
    let accepted = timeout(PATIENCE, tls.accept(stream)).await.ok()?.ok()?;
    Some(Box::new(accepted))
}

impl Listener for Lines {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        match self.ready.recv().await {
            Some(line) => line,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Connected<IncomingStream<'_, Lines>> for Fate {
    fn connect_info(stream: IncomingStream<'_, Lines>) -> Self {
        stream.io().fate.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_encoded_in_request_lines_and_nowhere_else() {
        let mut quotes = Quotes::default();
        let mut arrives = |text: &str| {
            let encoded = quotes.encode(text.as_bytes());
            let read = String::from_utf8(quotes.encoded.drain(..).collect()).unwrap();
            if encoded { read } else { text.to_owned() }
        };
        assert_eq!(
            arrives("GET /a?b=\"c\" HTTP/1.1\r\nX: \"y\"\r\n\r\n"),
            "GET /a?b=%22c%22 HTTP/1.1\r\nX: \"y\"\r\n\r\n"
        );
        assert_eq!(arrives("{\"a\": 1}"), "{\"a\": 1}");
        assert_eq!(arrives("GET /a?b="), "GET /a?b=");
        assert_eq!(arrives("\"c\" HTTP/1.1\r\n\r\n\"d\""), "%22c%22 HTTP/1.1\r\n\r\n\"d\"");
        assert_eq!(arrives("\"e\""), "\"e\"");
    }
}
