//! `run.json`.

use crate::ReportError;
use palisade_model::record::RunRecord;
use std::io::Write;

/// Writes the record as `run.json` has it: indented, with a line feed at its end.
///
/// # Errors
/// When the writer refuses.
pub fn run_json(run: &RunRecord, out: &mut impl Write) -> Result<(), ReportError> {
    serde_json::to_writer_pretty(&mut *out, run).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}
