//! `palisade:plugin/attempt`: facts that are the same on every retry and replay. No authority.

use crate::bindings::palisade::plugin::attempt;
use crate::cost::Work;
use crate::state::Host;
use wasmtime::component::{HasSelf, Linker};

pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    attempt::add_to_linker::<_, HasSelf<_>>(linker, |host| host)
}

impl attempt::Host for Host {
    fn idempotency_key(&mut self) -> wasmtime::Result<String> {
        self.charge(Work::Small, 0);
        Ok(self.ports.idempotency_key())
    }
}
