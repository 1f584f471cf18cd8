//! `palisade init`: a `palisade.toml` that explains itself.

use super::Context;
use crate::args::InitArgs;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::settings;
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

pub(crate) fn exec(context: &Context, args: &InitArgs) -> Result<ExitCode, CliError> {
    let path = context.settings.working_dir.join(settings::FILE_NAME);
    match write(&context.settings.working_dir, &path, args.force) {
        Ok(()) => {
            console::err(&format!("wrote {}\n", path.display()));
            Ok(ExitCode::Done)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(CliError::usage(format!("{} is there already", path.display())).help("`--force` replaces it"))
        }
        Err(error) => Err(CliError::usage(format!("{} can't be written: {error}", path.display()))),
    }
}

/// Writes the file beside its place and then moves it there, so that it is never there in part.
fn write(dir: &Path, path: &Path, replace: bool) -> io::Result<()> {
    // As a file that is made the usual way; a temporary one could be read by its owner alone.
    let mode = Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(mode).tempfile_in(dir)?;
    file.write_all(palisade_settings::commented_file().as_bytes())?;
    let written = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    written.map(drop).map_err(|error| error.error)
}
