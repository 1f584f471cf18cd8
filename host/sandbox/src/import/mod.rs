//! What components may import: one file for each interface.

use crate::state::Host;
use wasmtime::component::Linker;

pub(crate) mod artifacts;
pub(crate) mod attempt;
pub(crate) mod filesystem;
pub(crate) mod http;
pub(crate) mod limits;
pub(crate) mod llm;
pub(crate) mod log;
pub(crate) mod runbooks;
pub(crate) mod sql;
pub(crate) mod tools;
pub(crate) mod wasi_base;

/// Links all that a component could import; what its instance may do with it is decided at each call.
pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    limits::add_to_linker(linker)?;
    log::add_to_linker(linker)?;
    artifacts::add_to_linker(linker)?;
    attempt::add_to_linker(linker)?;
    sql::add_to_linker(linker)?;
    tools::add_to_linker(linker)?;
    runbooks::add_to_linker(linker)?;
    llm::add_to_linker(linker)?;
    http::add_to_linker(linker)?;
    wasi_base::add_to_linker(linker)?;
    filesystem::add_to_linker(linker)
}
