//! `palisade:plugin/limits`: the limits in force. No authority.

use crate::bindings::palisade::plugin::limits;
use crate::bindings::palisade::plugin::types::Amount;
use crate::cost::Work;
use crate::state::Host;
use wasmtime::component::{HasSelf, Linker};

pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    limits::add_to_linker::<_, HasSelf<_>>(linker, |host| host)
}

impl limits::Host for Host {
    fn granted(&mut self) -> wasmtime::Result<Vec<Amount>> {
        self.charge(Work::Small, 0);
        let amounts = self.meter.limits().iter();
        Ok(amounts.map(|(kind, limit)| Amount { name: kind.name().to_owned(), value: limit.value }).collect())
    }
}
