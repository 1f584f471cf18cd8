//! Files that a run writes for people: each appears whole or not at all.

use crate::documents::ReportDocument;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use palisade_model::record::RunRecord;
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// Writes `NAME.json` for each output and `run.json` into a folder, which is made if it is not there.
///
/// # Errors
/// When something can't be written.
pub(crate) fn folder(dir: &Path, record: &RunRecord, documents: &[ReportDocument]) -> Result<(), CliError> {
    std::fs::create_dir_all(dir)
        .map_err(|error| CliError::new(ExitCode::Failed, format!("{} can't be made: {error}", dir.display())))?;
    for document in documents {
        let name = format!("{}.json", document.document.export().name);
        file(&dir.join(name), |out| Ok(document.document.write(out)?))?;
    }
    file(&dir.join("run.json"), |out| Ok(palisade_report::run_json(record, out)?))
}

/// Writes a file beside its place and then moves it there.
///
/// # Errors
/// When it can't be written; then what was there before is still there.
pub(crate) fn file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut std::fs::File>) -> Result<(), anyhow::Error>,
) -> Result<(), CliError> {
    let dir = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = || -> Result<(), anyhow::Error> {
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        let mut out = BufWriter::with_capacity(256 << 10, file.as_file_mut());
        write(&mut out)?;
        out.flush()?;
        drop(out);
        file.persist(path)?;
        Ok(())
    };
    written()
        .map_err(|error| CliError::new(ExitCode::Failed, format!("{} can't be written: {error:#}", path.display())))
}
