//! `palisade:plugin/artifacts`: reading inputs and emitting outputs. No authority: it reaches what the runbook wired.

use crate::bindings::palisade::plugin::artifacts;
use crate::cost::Work;
use crate::meter::Total;
use crate::ports::{Items, ItemsInfo};
use crate::state::{Answer, Host};
use wasmtime::component::{HasSelf, Linker, Resource};

/// Bytes of a batch if the guest leaves it to the host. Measured: 64 KiB to 1 MiB are all as good.
const DEFAULT_BATCH_BYTES: usize = 256 << 10;
/// Most bytes of a batch that a guest may ask for. Without it the host would hold any amount outside of the guest's
/// memory limit while it crosses.
const MAX_BATCH_BYTES: usize = 4 << 20;

/// A cursor that a guest holds.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub struct Reader {
    pub(crate) items: Box<dyn Items>,
    /// The number of an input that every instance gets.
    pub(crate) of_all: Option<usize>,
    /// Bytes that were handed out.
    pub(crate) read: u64,
}

pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    artifacts::add_to_linker::<_, HasSelf<_>>(linker, |host| host)
}

impl artifacts::Host for Host {
    fn emit(&mut self, port: String, items: Vec<u8>) -> Answer<()> {
        self.charge(Work::Emit, items.len());
        if let Err(error) = self.spend(Total::OutputBytes, items.len() as u64) {
            return Ok(Err(error));
        }
        Ok(self.ports.emit(&port, &items).map_err(|error| self.port_error(error)))
    }
}

impl artifacts::HostReader for Host {
    fn info(&mut self, reader: Resource<Reader>) -> wasmtime::Result<artifacts::Info> {
        let ItemsInfo { schema, items, bytes, metadata } = self.table.get(&reader)?.items.info();
        self.charge(Work::Batch, metadata.len());
        Ok(artifacts::Info { schema, item_count: items, byte_count: bytes, metadata })
    }

    fn next(&mut self, reader: Resource<Reader>, max_bytes: u32) -> Answer<Option<artifacts::Batch>> {
        let wanted = match max_bytes as usize {
            0 => DEFAULT_BATCH_BYTES,
            bytes => bytes.min(MAX_BATCH_BYTES),
        };
        let reader = self.table.get_mut(&reader)?;
        let next = reader.items.next(wanted);
        if let Ok(Some(batch)) = &next {
            let bytes = batch.items.len() as u64;
            reader.read = reader.read.saturating_add(bytes);
            match reader.of_all {
                Some(input) => self.meter.handed_out_to_all(input, reader.read),
                None => self.meter.handed_out(bytes),
            }
        }
        let batch = match next {
            Ok(Some(batch)) => batch,
            Ok(None) => {
                self.charge(Work::Small, 0);
                return Ok(Ok(None));
            }
            Err(error) => return Ok(Err(self.port_error(error))),
        };
        self.charge(Work::Batch, batch.items.len());
        Ok(Ok(Some(artifacts::Batch { first: batch.first, items: batch.items })))
    }

    fn drop(&mut self, reader: Resource<Reader>) -> wasmtime::Result<()> {
        self.charge(Work::Small, 0);
        self.table.delete(reader)?;
        Ok(())
    }
}
