//! A connection whose bytes are counted while they go to and fro. At the limit it breaks, and the attempt has failed.

use super::connection::Connecting;
use crate::meter::{AttemptMeter, Total};
use crate::ports::RunBounds;
use palisade_model::Failure;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::{JoinHandle, spawn_blocking};

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

/// By what the bytes of a connection are counted.
pub(super) struct Counting {
    /// The limits of the attempt.
    pub(super) meter: Arc<AttemptMeter>,
    /// What its run may send in all.
    pub(super) run: Arc<dyn RunBounds>,
    pub(super) reached: Reached,
}

pub(super) struct Counted<T> {
    inner: T,
    counting: Counting,
    /// Where its bytes go.
    sink: Arc<str>,
    /// Bytes that the run counts already and that are not sent yet.
    allowed: u64,
    /// The run is asked for more, which may take a commit.
    asking: Option<JoinHandle<Result<u64, Failure>>>,
    /// Says that it is open.
    _alive: Arc<()>,
}

impl<T> Counted<T> {
    pub(super) fn new(inner: T, counting: Counting, to: &Connecting) -> Self {
        let (sink, alive) = (to.origin.to_string().into(), Arc::clone(&to.alive));
        Self { inner, counting, sink, allowed: 0, asking: None, _alive: alive }
    }

    fn spend(&self, bytes: usize) -> io::Result<()> {
        self.counting.meter.spend(Total::HttpBytes, bytes as u64).map_err(|failure| self.over(failure))
    }

    fn over(&self, failure: Failure) -> io::Error {
        self.counting.reached.note(failure);
        io::Error::from(io::ErrorKind::QuotaExceeded)
    }

    /// Waits until the run counts that many bytes that are not sent yet.
    fn poll_allowed(&mut self, bytes: u64, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.allowed < bytes {
            let (run, sink, more) = (Arc::clone(&self.counting.run), Arc::clone(&self.sink), bytes - self.allowed);
            let ask = move || run.send(&sink, more).map(|()| more);
            let asking = self.asking.get_or_insert_with(|| spawn_blocking(ask));
            let answered = ready!(Pin::new(asking).poll(cx));
            self.asking = None;
            self.allowed += answered.map_err(io::Error::other)?.map_err(|failure| self.over(failure))?;
        }
        Poll::Ready(Ok(()))
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
                Poll::Ready(self.spend(bytes).map(|()| self.counting.meter.handed_out(bytes as u64)))
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
        if self.counting.meter.left(Total::HttpBytes) < piece.len() as u64 {
            return Poll::Ready(self.spend(piece.len()).map(|()| 0));
        }
        ready!(self.poll_allowed(piece.len() as u64, cx))?;
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, piece))?;
        self.allowed = self.allowed.saturating_sub(written as u64);
        Poll::Ready(self.spend(written).map(|()| written))
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
