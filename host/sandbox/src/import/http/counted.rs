//! A connection whose bytes are counted while they go to and fro. At the limit it breaks, and the attempt has failed.

use crate::meter::{AttemptMeter, Total};
use palisade_model::Failure;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The first limit that was reached outside of a call; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reached(Arc<Mutex<Option<Failure>>>);

impl Reached {
    fn note(&self, failure: Failure) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }

    /// The failure of the attempt, if a limit was reached.
    pub(crate) fn take(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

pub(super) struct Counted<T> {
    pub(super) inner: T,
    pub(super) meter: Arc<AttemptMeter>,
    pub(super) reached: Reached,
    /// Says that it is open.
    pub(super) _alive: Arc<()>,
}

impl<T> Counted<T> {
    fn spend(&self, bytes: usize) -> io::Result<()> {
        self.meter.spend(Total::HttpBytes, bytes as u64).map_err(|failure| {
            self.reached.note(failure);
            io::Error::from(io::ErrorKind::QuotaExceeded)
        })
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        match read {
            Poll::Ready(Ok(())) => {
                let bytes = buf.filled().len() - before;
                // What is received is input: allowances grow with it, bounded by what may be received.
                Poll::Ready(self.spend(bytes).map(|()| self.meter.handed_out(bytes as u64)))
            }
            other => other,
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // What is over the limit is not sent; what the other side takes is counted once it has. Instances that write at
        // the same time may each be over by one piece.
        let piece = buf.get(..buf.len().min(PIECE)).unwrap_or(buf);
        if self.meter.left(Total::HttpBytes) < piece.len() as u64 {
            return Poll::Ready(self.spend(piece.len()).map(|()| 0));
        }
        match Pin::new(&mut self.inner).poll_write(cx, piece) {
            Poll::Ready(Ok(written)) => Poll::Ready(self.spend(written).map(|()| written)),
            other => other,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Most bytes of one write.
const PIECE: usize = 16 << 10;
