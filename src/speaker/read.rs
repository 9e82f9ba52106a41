//! Reading a socket once, and no more often than it pays.

#![expect(clippy::disallowed_types, reason = "the IO of one connection")]

use std::io::{self, ErrorKind, Read};

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Asks the socket itself: the runtime may be behind.
pub(super) fn now(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    (&*SockRef::from(stream)).read(buffer)
}

/// Reads what the runtime says is there. Whoever gets less than he has room for has emptied the socket: the
/// runtime is told so, and nobody asks again before more comes.
pub(super) fn what_is_there(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let room = buffer.len();
    let mut emptied = None;
    let outcome = stream.try_io(Interest::READABLE, || match now(stream, buffer) {
        Ok(count @ 1..) if count < room => {
            emptied = Some(count);
            Err(ErrorKind::WouldBlock.into())
        }
        outcome => outcome,
    });
    emptied.map_or(outcome, Ok)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    fn is_readable(stream: &TcpStream) -> bool {
        pin!(stream.readable()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn what_was_emptied_is_not_asked_again_before_more_comes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (near, mut far) = (near.unwrap(), far.unwrap().0);
        for _ in 0..3 {
            far.write_all(b"four").await.unwrap();
            near.readable().await.unwrap();
            assert_eq!(what_is_there(&near, &mut [0; 3]).unwrap(), 3);
            assert!(is_readable(&near), "there is more");
            assert_eq!(what_is_there(&near, &mut [0; 3]).unwrap(), 1);
            assert!(!is_readable(&near), "there is no more");
        }
        far.write_all(b"last").await.unwrap();
        drop(far);
        near.readable().await.unwrap();
        assert_eq!(what_is_there(&near, &mut [0; 8]).unwrap(), 4);
        near.readable().await.unwrap();
        assert_eq!(what_is_there(&near, &mut [0; 8]).unwrap(), 0, "the end");
    }
}
