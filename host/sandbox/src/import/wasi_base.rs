//! Written by the owner of this interface.

use crate::state::Host;
use wasmtime::component::Linker;

pub(crate) fn add_to_linker(_linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    Ok(())
}

/// The empty world of an instance: no arguments, no environment, virtual clocks and randomness made from `seed`.
/// Called on the first use of a WASI function, so that components without WASI pay nothing.
pub(crate) fn context(_seed: u64) -> wasmtime_wasi::WasiCtx {
    wasmtime_wasi::WasiCtx::builder().build()
}
