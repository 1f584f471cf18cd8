//! `palisade init`: a `palisade.toml` that explains itself.

use super::Context;
use crate::args::InitArgs;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::settings;

pub(crate) fn exec(context: &Context, args: &InitArgs) -> Result<ExitCode, CliError> {
    use std::io::Write as _;
    let path = context.settings.working_dir.join(settings::FILE_NAME);
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    if args.force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let written = options.open(&path).and_then(|mut file| file.write_all(settings::commented_file().as_bytes()));
    match written {
        Ok(()) => {
            console::err(&format!("wrote {}\n", path.display()));
            Ok(ExitCode::Done)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(CliError::usage(format!("{} is there already", path.display())).help("`--force` replaces it"))
        }
        Err(error) => Err(CliError::usage(format!("{} can't be written: {error}", path.display()))),
    }
}
