//! A stream that ends as soon as its holder is dropped.
//!
//! russh runs each connection in a task of its own, and that task outlives a `connect` that was given up and any
//! channel that is still open. On a leash it doesn't: dropping the [`Leash`] makes the stream end for it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// Holds on to a stream: the stream lives as long as this.
#[derive(Debug)]
pub(super) struct Leash {
    _held: oneshot::Sender<()>,
}

/// A stream that ends with its leash. Both halves have to be used by one task, as only one is woken.
pub(super) struct Leashed<S> {
    stream: S,
    held: oneshot::Receiver<()>,
    cut: bool,
}

/// Puts a stream on a leash.
pub(super) fn leash<S>(stream: S) -> (Leash, Leashed<S>) {
    let (sender, held) = oneshot::channel();
    (Leash { _held: sender }, Leashed { stream, held, cut: false })
}

impl<S> Leashed<S> {
    fn is_cut(&mut self, cx: &mut Context<'_>) -> bool {
        self.cut = self.cut || Pin::new(&mut self.held).poll(cx).is_ready();
        self.cut
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Leashed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_cut(cx) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Leashed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_cut(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_stream_ends_when_its_leash_is_dropped() {
        let (mut far, near) = tokio::io::duplex(16);
        let (leash, mut near) = leash(near);
        far.write_all(b"hi").await.unwrap();
        let mut buffer = [0; 2];
        near.read_exact(&mut buffer).await.unwrap();
        let reader = tokio::spawn(async move { near.read(&mut [0; 8]).await.map(|n| (n, near)) });
        drop(leash);
        let (n, mut near) = reader.await.unwrap().unwrap();
        assert_eq!(n, 0);
        assert_eq!(near.write(b"x").await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }
}
