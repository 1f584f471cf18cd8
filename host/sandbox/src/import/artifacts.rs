//! `palisade:plugin/artifacts`: reading inputs and emitting outputs. No authority: it reaches what the runbook wired.

use crate::bindings::palisade::plugin::artifacts;
use crate::cost::Work;
use crate::meter::{AttemptMeter, Total};
use crate::ports::{Items, ItemsInfo};
use crate::state::{Answer, Host};
use palisade_model::Digest;
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
    /// With what reading it counts as input.
    pub(crate) counts: Counts,
    /// Bytes that were handed out.
    pub(crate) read: u64,
}

/// How bytes that are handed out count as input of the attempt, with which its allowances grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// Only this instance gets them.
    Once,
    /// Every instance gets them: the number of the input.
    OfAll(usize),
    /// Not at all: they were counted, or a tool made them, at the attempt's own cost. It could go on for ever otherwise.
    NotAgain,
}

impl Reader {
    /// A cursor over an input.
    pub(crate) fn of_input(items: Box<dyn Items>, of_all: Option<usize>) -> Self {
        Self { items, counts: of_all.map_or(Counts::Once, Counts::OfAll), read: 0 }
    }

    /// The artifact over whose items it goes, if it is one; a tool is to read it, which counts as if the attempt had.
    pub(crate) fn hand_over(&mut self, meter: &AttemptMeter) -> Option<Digest> {
        let artifact = self.items.artifact()?;
        let bytes = self.items.info().bytes;
        match self.counts {
            Counts::Once => meter.handed_out(bytes.saturating_sub(self.read)),
            Counts::OfAll(input) => meter.handed_out_to_all(input, bytes),
            Counts::NotAgain => {}
        }
        self.counts = Counts::NotAgain;
        Some(artifact)
    }

    /// A cursor over what a tool or a runbook made.
    pub(crate) fn of_answer(items: Box<dyn Items>) -> Self {
        Self { items, counts: Counts::NotAgain, read: 0 }
    }
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
            match reader.counts {
                Counts::OfAll(input) => self.meter.handed_out_to_all(input, reader.read),
                Counts::Once => self.meter.handed_out(bytes),
                Counts::NotAgain => {}
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
