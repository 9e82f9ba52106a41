//! Connections, bounded in idleness: nobody holds a socket for long by saying nothing, by
//! never coming to the end of a question, or by not reading what it asked for.

#![expect(clippy::disallowed_methods, reason = "keeps the time of a connection")]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A connection on which nothing moves for so long is closed; streams say that they live more often.
pub(super) const IDLE: Duration = Duration::from_mins(1);

/// A connection that ends when nothing moves on it. What arrives counts once until something is answered:
/// a question that comes in drips is not a longer one.
pub(super) struct Connection<S> {
    stream: S,
    moved: Instant,
    asked: bool,
    idle: Pin<Box<Sleep>>,
}

impl<S> Connection<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, moved: Instant::now(), asked: false, idle: Box::pin(sleep(IDLE)) }
    }

    /// Notes that a question or an answer moved, or waits for the time at which none has for too long.
    fn watch<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        asks: bool,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            if !(self.asked && asks) {
                self.moved = Instant::now();
            }
            self.asked = asks;
            return polled;
        }
        loop {
            ready!(self.idle.as_mut().poll(context));
            let deadline = self.moved + IDLE;
            if deadline <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.idle.as_mut().reset(deadline);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.watch(polled, true, context)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, octets);
        self.watch(polled, false, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(polled, false, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// Sends an octet every five seconds until the server has enough; answers when that was.
    async fn drip(client: &mut DuplexStream, server: &mut Connection<DuplexStream>) -> Duration {
        let start = Instant::now();
        loop {
            client.write_all(b"a").await.unwrap();
            if server.read_u8().await.is_err() {
                return start.elapsed();
            }
            if tokio::time::timeout(Duration::from_secs(5), server.read_u8()).await.is_ok() {
                return start.elapsed();
            }
            assert!(start.elapsed() < 2 * IDLE, "half a request holds the connection");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_comes_in_drips_is_given_up_and_an_answered_one_is_not() {
        let (mut client, server) = duplex(64);
        let mut server = Connection::new(server);
        for _ in 0..30 {
            client.write_all(b"?").await.unwrap();
            server.read_u8().await.unwrap();
            server.write_all(b"!").await.unwrap();
            sleep(IDLE / 2).await;
        }
        assert_eq!(drip(&mut client, &mut server).await, IDLE);
    }
}
