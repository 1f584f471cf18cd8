//! Owns the output buffers: JSON Lines per port, handed over in large calls. Never validates; the host does.

use crate::{Failure, Result, host::Host};

/// Bytes at which a buffer is handed over. Between 64 KiB and 1 MiB the cost of crossing is within 2 % of the best;
/// small buffers keep the guest's memory small.
const FLUSH_AT: usize = 128 << 10;

/// One buffer per port, in the order of first use.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    buffers: Vec<(String, Vec<u8>)>,
}

impl Outputs {
    /// Appends one line that `write` makes. On an error of `write` the buffer is as before.
    pub(crate) fn push(
        &mut self,
        host: &impl Host,
        port: &str,
        write: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let index = match self.buffers.iter().position(|(known, _)| known == port) {
            Some(index) => index,
            None => {
                self.buffers.push((port.to_owned(), Vec::new()));
                self.buffers.len() - 1
            }
        };
        let Some((_, buffer)) = self.buffers.get_mut(index) else { return Ok(()) };
        let start = buffer.len();
        if let Err(failure) = write(buffer) {
            buffer.truncate(start);
            return Err(failure);
        }
        buffer.push(b'\n');
        if buffer.len() < FLUSH_AT {
            return Ok(());
        }
        // What was there goes first and by itself, so that a large item that fits the limit of one call is not made
        // too large by small ones before it.
        let (before, item) = buffer.split_at(start);
        if !before.is_empty() {
            host.emit(port, before)?;
        }
        if item.len() >= FLUSH_AT {
            host.emit(port, item)?;
            buffer.clear();
        } else {
            buffer.drain(..start);
        }
        Ok(())
    }

    /// Hands over what is left, port by port.
    pub(crate) fn flush(&mut self, host: &impl Host) -> Result<()> {
        for (port, buffer) in self.buffers.iter_mut().filter(|(_, buffer)| !buffer.is_empty()) {
            host.emit(port, buffer).map_err(Failure::from)?;
            buffer.clear();
        }
        Ok(())
    }
}
