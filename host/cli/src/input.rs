//! Files that a person names: read whole, up to a bound.

use crate::failure::CliError;
use std::io::Read as _;
use std::path::Path;

/// Reads a file of at most `max` bytes; `kind` is what it should be, as `a component`.
///
/// # Errors
/// When it can't be read, is no regular file or is too large.
pub(crate) fn read_bounded(file: &Path, max: u64, kind: &str) -> Result<Vec<u8>, CliError> {
    let bytes = read_prefix(file, max + 1)?;
    if bytes.len() as u64 > max {
        return Err(CliError::usage(format!("{} is larger than {kind} may be: {} MiB", file.display(), max >> 20)));
    }
    Ok(bytes)
}

/// Reads the first `max` bytes of a file, or all that there are.
///
/// # Errors
/// When it can't be read or is no regular file.
pub(crate) fn read_prefix(file: &Path, max: u64) -> Result<Vec<u8>, CliError> {
    let name = file.display();
    let unreadable = |error: std::io::Error| CliError::usage(format!("{name} can't be read: {error}"));
    // Before it is opened: opening a pipe waits for a writer.
    if !std::fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err(CliError::usage(format!("{name} is not a file")));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(file).and_then(|file| file.take(max).read_to_end(&mut bytes)).map_err(unreadable)?;
    Ok(bytes)
}
