//! A file as a `wasi:io` stream, as the standard libraries of other languages read it.

use super::containment::Identity;
use crate::meter::{AttemptMeter, Total};
use crate::state::Ended;
use rustix::buffer::spare_capacity;
use rustix::fd::OwnedFd;
use rustix::io::{Errno, pread};
use std::sync::Arc;
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_io::bytes::Bytes;

/// Most bytes of a file that the host copies in one call, whatever length the guest asks for. Without it the host would
/// hold any amount outside of the guest's memory limit.
pub(crate) const MAX_READ: usize = 1 << 20;

/// Reads at most `length` bytes at `offset`; none at the end of the file.
///
/// # Errors
/// When the kernel can't read.
pub(super) fn read_at(file: &OwnedFd, offset: u64, length: usize) -> Result<Vec<u8>, Errno> {
    let length = length.min(MAX_READ);
    let mut bytes = Vec::with_capacity(length);
    if length > 0 {
        pread(file, spare_capacity(&mut bytes), offset)?;
        bytes.truncate(length);
    }
    Ok(bytes)
}

/// A cursor over the bytes of an open file.
pub(super) struct FileStream {
    pub(super) file: Arc<OwnedFd>,
    pub(super) offset: u64,
    /// Which file it is, and how long it was when it was found.
    pub(super) identity: Identity,
    pub(super) size: u64,
    pub(super) meter: Arc<AttemptMeter>,
}

impl InputStream for FileStream {
    /// A stream can't say `limit-exceeded`; reading on over the limit ends the guest.
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let bytes =
            read_at(&self.file, self.offset, size).map_err(|errno| StreamError::LastOperationFailed(errno.into()))?;
        if bytes.is_empty() {
            return Err(StreamError::Closed);
        }
        let length = bytes.len() as u64;
        self.meter
            .spend(Total::FileBytesRead, length)
            .map_err(|failure| StreamError::Trap(Ended(Box::new(failure)).into()))?;
        self.meter.handed_out_of_file(self.identity, self.size, length);
        self.offset = self.offset.saturating_add(length);
        Ok(bytes.into())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for FileStream {
    async fn ready(&mut self) {}
}
