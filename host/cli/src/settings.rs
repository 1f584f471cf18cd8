//! What holds for this call: the command line, the environment and `palisade.toml` put together.

use crate::args::{Colour, Global};
use crate::audit_log::outside_of;
use crate::embedded::FIRST_PARTY;
use crate::failure::CliError;
use crate::input::read_bounded;
use crate::witness_command::WitnessCommand;
use palisade_authority::WorkingFolder;
use palisade_engine::Approving;
use palisade_net::{Roots, Secrets};
use palisade_runbook::Source;
use palisade_settings::{Mistake, OperatorFile, Place};
use palisade_sql::Connections;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The operator's file.
pub(crate) const FILE_NAME: &str = "palisade.toml";
/// The folder for state, beside the operator's file.
pub(crate) const DATA_DIR_NAME: &str = ".palisade";
/// Most bytes of `palisade.toml` that are read.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 20;

/// What holds for this call.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The folder in which Palisade runs: paths in runbooks are relative to it.
    pub(crate) working_dir: PathBuf,
    /// Where state is kept.
    pub(crate) data_dir: PathBuf,
    /// The `palisade.toml` that was found.
    pub(crate) file: Option<PathBuf>,
    /// Folders of rulesets named in the file, absolute.
    pub(crate) ruleset_paths: Vec<PathBuf>,
    /// What the operator says of approvals.
    pub(crate) approving: Approving,
    /// The files outside of the data directory to which checkpoints of the audit log are appended.
    pub(crate) witnesses: Vec<PathBuf>,
    /// The program that gets each checkpoint.
    pub(crate) witness_command: Option<WitnessCommand>,
    /// What else the file says.
    pub(crate) written: OperatorFile,
    /// The variables that runbooks may use, with their values.
    pub(crate) variables: BTreeMap<String, String>,
    /// Colours on standard output.
    pub(crate) colour_stdout: bool,
    /// Colours on standard error.
    pub(crate) colour_stderr: bool,
    /// Standard error is a terminal on which what was written can be written over.
    pub(crate) bars: bool,
}

impl Settings {
    /// Reads the operator's file and the environment.
    ///
    /// # Errors
    /// When the working folder or the file can't be read, or the file has a mistake.
    pub(crate) fn resolve(global: &Global) -> Result<Self, CliError> {
        Self::resolve_with(global, read_trusted)
    }

    /// As [`Settings::resolve`], but with defaults in place of what the operator's file says.
    ///
    /// # Errors
    /// When the working folder can't be found.
    pub(crate) fn without_file(global: &Global) -> Result<Self, CliError> {
        Self::resolve_with(global, |_, _| Ok(OperatorFile::default()))
    }

    fn resolve_with(
        global: &Global,
        read: impl FnOnce(&Path, &Place) -> Result<OperatorFile, CliError>,
    ) -> Result<Self, CliError> {
        let working_dir = std::env::current_dir()
            .map_err(|error| CliError::usage(format!("the working folder can't be found: {error}")))?;
        let file = working_dir.ancestors().map(|dir| dir.join(FILE_NAME)).find(|path| path.is_file());
        let base = file.as_deref().and_then(Path::parent).unwrap_or(&working_dir);
        let data_dir = global.data_dir.as_ref().map_or_else(|| base.join(DATA_DIR_NAME), |dir| working_dir.join(dir));
        let written = match file.as_deref() {
            Some(file) => read(file, &place(&working_dir, base)?)?,
            None => OperatorFile::default(),
        };
        let witnesses: Vec<_> = written.witnesses.iter().map(|path| base.join(path)).collect();
        for witness in &witnesses {
            outside_of(&data_dir, witness).map_err(|error| CliError {
                message: format!("[audit] witness of {FILE_NAME}: {}", error.message),
                ..error
            })?;
        }
        Ok(Self {
            witnesses,
            witness_command: WitnessCommand::of_environment(|name| std::env::var_os(name))?,
            ruleset_paths: written.ruleset_paths.iter().map(|path| base.join(path)).collect(),
            variables: variables(&written.variables),
            approving: Approving {
                always: written.approval.always,
                four_eyes: written.approval.four_eyes,
                expires_ms: written.approval.expires.map(|expires| expires.0),
                approvers: written.approval.approvers.clone(),
            },
            written,
            colour_stdout: colour(global.color, &std::io::stdout()),
            colour_stderr: colour(global.color, &std::io::stderr()),
            bars: can_move(&std::io::stderr()),
            working_dir,
            data_dir,
            file,
        })
    }
}

/// Where a file of that folder stands, seen from the working folder.
///
/// # Errors
/// When one of them is no path that can be compared.
pub(crate) fn place(working_dir: &Path, base: &Path) -> Result<Place, CliError> {
    let folder = |path: &Path| {
        WorkingFolder::new(path.as_os_str().as_bytes())
            .map_err(|error| CliError::usage(format!("{} can't be used: {error}", path.display())))
    };
    let first_party = FIRST_PARTY.iter().map(|carried| carried.name.to_owned()).collect();
    Ok(Place { folder: folder(working_dir)?, base: folder(base)?, first_party })
}

/// Says whether a stream gets colours.
pub(crate) fn colour(wanted: Colour, stream: &impl IsTerminal) -> bool {
    match wanted {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => can_move(stream) && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

/// Says whether a stream is a terminal that knows more than lines.
fn can_move(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

impl Settings {
    /// The folder of the operator's file, or the working folder where there is none.
    pub(crate) fn base(&self) -> &Path {
        self.file.as_deref().and_then(Path::parent).unwrap_or(&self.working_dir)
    }

    /// What servers know components by; none is read yet.
    pub(crate) fn secrets(&self) -> Secrets {
        let places = self.written.secrets.iter().map(|table| (table.name.clone(), table.from.clone()));
        Secrets::new(places.collect(), self.base().to_owned(), |name| std::env::var_os(name))
    }

    /// The files with authorities that servers are believed by.
    pub(crate) fn root_files(&self) -> Vec<PathBuf> {
        self.written.roots.iter().map(|path| self.base().join(path)).collect()
    }

    /// The databases of servers; no password is read yet.
    pub(crate) fn connections(&self) -> Connections {
        let specs = self.written.connections.clone();
        Connections::new(specs, self.base().to_owned(), |name| std::env::var_os(name))
    }

    /// Paths as people know them: relative to the working folder where they are below it.
    pub(crate) fn shown(&self, paths: &[PathBuf]) -> Vec<String> {
        let shown = |path: &PathBuf| path.strip_prefix(&self.working_dir).unwrap_or(path).display().to_string();
        paths.iter().map(shown).collect()
    }
}

/// Reads the authorities that the operator adds to those that the web trusts, and says how many each file holds.
///
/// # Errors
/// When a file can't be read, or holds anything that is no certificate.
pub(crate) fn read_roots(files: &[PathBuf]) -> Result<(Roots, Vec<usize>), CliError> {
    let mut roots = Roots::default();
    let add = |file: &PathBuf| {
        let pem = trusted_text(file, "whoever may change it could answer for any server: take it over")?;
        roots.add_pem(pem.as_bytes()).map_err(|error| {
            CliError::usage(format!("{}, which [http] `roots` of {FILE_NAME} names: {error}", file.display()))
        })
    };
    let counts = files.iter().map(add).collect::<Result<_, _>>()?;
    Ok((roots, counts))
}

fn read_trusted(path: &Path, place: &Place) -> Result<OperatorFile, CliError> {
    let text = trusted_text(path, "what it grants is not used: take it over, or run Palisade elsewhere")?;
    let source = Source::new(path.display().to_string(), text);
    palisade_settings::read(&source, place).map_err(|mistakes| mistaken(&source, &mistakes))
}

/// Reads a file that speaks for this user; `help` says what to do about one that does not.
fn trusted_text(path: &Path, help: &str) -> Result<String, CliError> {
    let shown = path.display();
    let unreadable = |error| CliError::usage(format!("{shown} can't be read: {error}"));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    if !is_trusted(&file.metadata().map_err(unreadable)?, rustix::process::geteuid().as_raw()) {
        return Err(CliError::usage(format!("{shown} belongs to another user, or everybody may change it")).help(help));
    }
    // The file that was looked at is the one that is read.
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(CliError::usage(format!("{shown} is larger than 1 MiB")));
    }
    Ok(text)
}

/// Reads a file that is written like `palisade.toml` or `palisade.lock`, of no more bytes than one may have.
///
/// # Errors
/// When it can't be read, is too large, or no text.
pub(crate) fn source(path: &Path, shown: &str) -> Result<Source, CliError> {
    let bytes = read_bounded(path, MAX_FILE_BYTES, "such a file")?;
    Source::from_bytes(shown, bytes)
        .map_err(|error| CliError::usage(format!("{shown} can't be read: {}", error.message)))
}

/// Says all that is wrong with such a file, each at its place.
pub(crate) fn mistaken(source: &Source, mistakes: &[Mistake]) -> CliError {
    let count = match mistakes.len() {
        1 => "a mistake".to_owned(),
        many => format!("{many} mistakes"),
    };
    let told: String = mistakes.iter().map(|mistake| format!("\n{}", mistake.render(source))).collect();
    CliError::usage(format!("{} has {count}:{}", source.name(), told.trim_end()))
}

/// Says whether a file speaks for this user: it is their own or root's, and not everybody may write to it. The file is
/// looked for upwards, so it could otherwise be one that somebody left in a shared folder.
fn is_trusted(file: &std::fs::Metadata, user: u32) -> bool {
    const ANYBODY_WRITES: u32 = 0o002;
    (file.uid() == user || file.uid() == 0) && file.mode() & ANYBODY_WRITES == 0
}

fn variables(names: &[String]) -> BTreeMap<String, String> {
    names.iter().filter_map(|name| Some((name.clone(), std::env::var(name).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_somebody_else_or_for_everybody_does_not_count() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        let (own, metadata) = (file.as_file().metadata().unwrap().uid(), || file.as_file().metadata().unwrap());
        assert!(is_trusted(&metadata(), own));
        assert_eq!(is_trusted(&metadata(), own + 1), own == 0);
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(!is_trusted(&metadata(), own));
    }
}
