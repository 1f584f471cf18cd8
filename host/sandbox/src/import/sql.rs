//! Written by the owner of this interface.

use crate::ports::Rows;
use crate::state::Host;
use wasmtime::component::Linker;

/// The rows of one statement that a guest holds open.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub struct OpenRows {
    pub(crate) rows: Box<dyn Rows>,
}

pub(crate) fn add_to_linker(_linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    Ok(())
}
