//! Written by the owner of this interface.

use crate::state::Host;
use wasmtime::component::Linker;

pub(crate) fn add_to_linker(_linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    Ok(())
}
