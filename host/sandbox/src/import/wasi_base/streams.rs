//! `wasi:io/streams`: what is read from a file and what is written for people, charged and bounded.
//!
//! Three kinds of streams exist: those of `filesystem/stream.rs`, standard input (always at its end) and output (lines for
//! the log), and bodies of HTTP. The last alone ever wait.

use crate::bindings::palisade::plugin::log;
use crate::cost::Work;
use crate::import::filesystem::MAX_READ;
use crate::state::Host;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::component::Resource;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi_io::bindings::wasi::io::streams;
use wasmtime_wasi_io::bytes::Bytes;
use wasmtime_wasi_io::poll::DynPollable;
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream, StreamError};

/// Most bytes of a line; a longer one is cut into several. Bounds what is kept of a line that never ends.
const MAX_LINE: usize = 4 << 10;

/// Most bytes of one write to standard output.
const MAX_WRITE: usize = 64 << 10;

/// Text that was written and not taken yet; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Written>>);

#[derive(Debug, Default)]
struct Written {
    whole: Vec<String>,
    begun: Vec<u8>,
}

impl Lines {
    /// The whole lines since the last time.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).whole)
    }

    fn write(&self, bytes: &[u8]) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for &byte in bytes {
            if byte != b'\n' {
                written.begun.push(byte);
            }
            if byte == b'\n' || written.begun.len() >= MAX_LINE {
                let line = std::mem::take(&mut written.begun);
                if !line.is_empty() {
                    written.whole.push(String::from_utf8_lossy(&line).into_owned());
                }
            }
        }
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn p2_stream(&self) -> DynOutputStream {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one, which is not linked.
        Box::new(tokio::io::empty())
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > MAX_WRITE {
            return Err(StreamError::trap("more was written than `check-write` allows"));
        }
        Self::write(self, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_WRITE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl Host {
    /// Hands what was written to the log, which charges it and bounds it.
    fn log_lines(&mut self) -> wasmtime::Result<()> {
        for (level, line) in self.wasi().take_lines() {
            log::Host::write(self, level, line)?;
        }
        Ok(())
    }
}

impl streams::Host for Host {
    fn convert_stream_error(&mut self, error: StreamError) -> wasmtime::Result<streams::StreamError> {
        streams::Host::convert_stream_error(&mut self.table, error)
    }
}

impl streams::HostInputStream for Host {
    fn read(&mut self, stream: Resource<DynInputStream>, length: u64) -> StreamResult<Vec<u8>> {
        let length = usize::try_from(length).unwrap_or(MAX_READ).min(MAX_READ);
        let bytes = self.table.get_mut(&stream)?.read(length);
        self.charge(Work::ReadFile, bytes.as_ref().map_or(0, Bytes::len));
        Ok(bytes?.into())
    }

    async fn blocking_read(&mut self, stream: Resource<DynInputStream>, length: u64) -> StreamResult<Vec<u8>> {
        self.table.get_mut(&stream)?.ready().await;
        streams::HostInputStream::read(self, stream, length)
    }

    fn skip(&mut self, stream: Resource<DynInputStream>, length: u64) -> StreamResult<u64> {
        Ok(streams::HostInputStream::read(self, stream, length)?.len() as u64)
    }

    async fn blocking_skip(&mut self, stream: Resource<DynInputStream>, length: u64) -> StreamResult<u64> {
        self.table.get_mut(&stream)?.ready().await;
        streams::HostInputStream::skip(self, stream, length)
    }

    fn subscribe(&mut self, stream: Resource<DynInputStream>) -> wasmtime::Result<Resource<DynPollable>> {
        self.charge(Work::Small, 0);
        streams::HostInputStream::subscribe(&mut self.table, stream)
    }

    async fn drop(&mut self, stream: Resource<DynInputStream>) -> wasmtime::Result<()> {
        self.charge(Work::Small, 0);
        streams::HostInputStream::drop(&mut self.table, stream).await
    }
}

impl streams::HostOutputStream for Host {
    fn check_write(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<u64> {
        self.charge(Work::Small, 0);
        streams::HostOutputStream::check_write(&mut self.table, stream)
    }

    fn write(&mut self, stream: Resource<DynOutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        self.charge(Work::Write, bytes.len());
        streams::HostOutputStream::write(&mut self.table, stream, bytes)?;
        self.log_lines().map_err(StreamError::Trap)
    }

    async fn blocking_write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        self.charge(Work::Write, bytes.len());
        self.table.get_mut(&stream)?.blocking_write_and_flush(bytes.into()).await?;
        self.log_lines().map_err(StreamError::Trap)
    }

    fn flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        self.charge(Work::Small, 0);
        streams::HostOutputStream::flush(&mut self.table, stream)
    }

    async fn blocking_flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        self.charge(Work::Small, 0);
        let stream = self.table.get_mut(&stream)?;
        stream.flush()?;
        stream.write_ready().await.map(drop)
    }

    fn subscribe(&mut self, stream: Resource<DynOutputStream>) -> wasmtime::Result<Resource<DynPollable>> {
        self.charge(Work::Small, 0);
        streams::HostOutputStream::subscribe(&mut self.table, stream)
    }

    fn write_zeroes(&mut self, stream: Resource<DynOutputStream>, length: u64) -> StreamResult<()> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_WRITE {
            return Err(StreamError::trap("more was written than `check-write` allows"));
        }
        streams::HostOutputStream::write(self, stream, vec![0; length])
    }

    async fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        length: u64,
    ) -> StreamResult<()> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_WRITE {
            return Err(StreamError::trap("more was written than `check-write` allows"));
        }
        streams::HostOutputStream::blocking_write_and_flush(self, stream, vec![0; length]).await
    }

    fn splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        length: u64,
    ) -> StreamResult<u64> {
        let allowed = self.table.get_mut(&to)?.check_write()?.min(MAX_WRITE) as u64;
        let bytes = streams::HostInputStream::read(self, from, length.min(allowed))?;
        let moved = bytes.len() as u64;
        streams::HostOutputStream::write(self, to, bytes)?;
        Ok(moved)
    }

    async fn blocking_splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        length: u64,
    ) -> StreamResult<u64> {
        self.table.get_mut(&from)?.ready().await;
        self.table.get_mut(&to)?.write_ready().await?;
        streams::HostOutputStream::splice(self, to, from, length)
    }

    async fn drop(&mut self, stream: Resource<DynOutputStream>) -> wasmtime::Result<()> {
        self.charge(Work::Small, 0);
        streams::HostOutputStream::drop(&mut self.table, stream).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_and_bounded() {
        let lines = Lines::default();
        lines.write(b"one\ntw");
        assert_eq!(lines.take(), ["one"]);
        lines.write(b"o\n\nx\xff\n");
        assert_eq!(lines.take(), ["two", "x\u{fffd}"]);
        lines.write(&[b'a'; MAX_LINE - 1]);
        assert!(lines.take().is_empty());
        lines.write(b"aa");
        assert_eq!(lines.take(), ["a".repeat(MAX_LINE)]);
    }

    #[test]
    fn a_write_larger_than_allowed_is_refused() {
        let mut lines = Lines::default();
        assert!(OutputStream::write(&mut lines, vec![0; MAX_WRITE].into()).is_ok());
        assert!(OutputStream::write(&mut lines, vec![0; MAX_WRITE + 1].into()).is_err());
    }
}
