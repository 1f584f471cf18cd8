//! Writing `palisade.toml` for the operator: what would change is shown first, and written only if a person says so and the
//! file is still what was shown.

use super::FORM;
use crate::args::Format;
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::person;
use crate::render::console;
use crate::settings;
use palisade_model::neutral;
use palisade_runbook::Source;
use palisade_settings::{EditError, GrantTable, OperatorFile};
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};

/// Lines that are shown around a change.
const CONTEXT_LINES: usize = 2;
/// Most characters of a line that is shown.
const MAX_LINE_CHARS: usize = 300;
/// What an editor may have put before the text, which is no part of it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The operator's file and what it says.
pub(super) struct File<'c> {
    context: &'c Context,
    /// Where its bytes are, links followed.
    path: PathBuf,
    /// All of it.
    whole: String,
    /// Its text, as [`Source`] has it.
    pub(super) text: String,
    /// What the text says, which is not what was read before if somebody changed it since.
    pub(super) written: OperatorFile,
    pub(super) place: palisade_settings::Place,
}

/// A change of the file.
pub(super) struct Change {
    /// The text as it would be.
    pub(super) new: String,
    /// What a person is to know before they say yes.
    pub(super) notes: Vec<String>,
    /// What it is about, for programs.
    pub(super) told: Value,
}

impl<'c> File<'c> {
    /// The file that holds for this call.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn of(context: &'c Context) -> Result<Self, CliError> {
        let settings = &context.settings;
        let Some(path) = settings.file.as_deref() else {
            return Err(CliError::usage(format!("there is no {} here or above", settings::FILE_NAME))
                .help("`palisade init` makes one"));
        };
        let path = path.canonicalize().map_err(|error| not_written(path, &error))?;
        let whole = read(&path)?;
        let text = whole.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&whole).to_owned();
        let place = settings::place(&settings.working_dir, settings.base())?;
        let source = Source::new(path.display().to_string(), text.as_str());
        let written =
            palisade_settings::read(&source, &place).map_err(|mistakes| settings::mistaken(&source, &mistakes))?;
        Ok(Self { context, path, whole, text, written, place })
    }

    /// What the file would say, and the grants in it.
    ///
    /// # Errors
    /// When the text is not what `palisade.toml` may be: then it is not written.
    pub(super) fn grants_of(&self, new: &str) -> Result<Vec<GrantTable>, CliError> {
        let source = Source::new(self.path.display().to_string(), new);
        let file = palisade_settings::read(&source, &self.place).map_err(|mistakes| {
            let told = settings::mistaken(&source, &mistakes);
            CliError::usage(format!("nothing was written, since the new {}", told.message))
        })?;
        Ok(file.grants)
    }

    /// Shows what would change, and writes it if that is wanted.
    ///
    /// # Errors
    /// When it can't be written, or somebody else changed it meanwhile.
    pub(super) fn change(&self, change: &Change, yes: bool) -> Result<ExitCode, CliError> {
        let json = self.context.format == Format::Json;
        if !json {
            console::out(&self.difference(&change.new));
        }
        for note in &change.notes {
            console::err(&format!("{note}\n"));
        }
        let wanted = yes || (!json && person::agrees(&format!("Write this into {}?", self.shown())));
        if wanted {
            self.write(&change.new)?;
        }
        if json {
            let mut told = json!({"v": FORM, "file": self.shown(), "written": wanted, "notes": change.notes});
            if let (Value::Object(all), Value::Object(more)) = (&mut told, &change.told) {
                all.extend(more.clone());
            }
            console::json(&told);
        } else if wanted {
            console::err(&format!("wrote {}\n", self.shown()));
        } else {
            console::err("nothing was written; `--yes` writes it\n");
        }
        Ok(ExitCode::Done)
    }

    fn shown(&self) -> String {
        self.context.settings.shown(std::slice::from_ref(&self.path)).concat()
    }

    /// The lines that change, with their numbers: those that go in the old text, all others in the new one.
    fn difference(&self, new: &str) -> String {
        // A last line without its break is not another line.
        let break_missing = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { "\n" };
        let old = format!("{}{break_missing}", self.text);
        let diff = TextDiff::from_lines(old.as_str(), new);
        let mut text = format!("{}\n", self.shown());
        for (group, operations) in diff.grouped_ops(CONTEXT_LINES).iter().enumerate() {
            if group > 0 {
                text.push_str("     ...\n");
            }
            for change in operations.iter().flat_map(|operation| diff.iter_changes(operation)) {
                let (sign, number) = match change.tag() {
                    ChangeTag::Delete => ('-', change.old_index()),
                    ChangeTag::Insert => ('+', change.new_index()),
                    ChangeTag::Equal => (' ', change.new_index()),
                };
                let line = neutral::line(change.value().trim_end_matches(['\n', '\r']), MAX_LINE_CHARS);
                let shown = format!("{sign} {:4}  {line}", number.map_or(0, |number| number + 1));
                // Writing to a String can't fail.
                let _ = writeln!(text, "{}", shown.trim_end());
            }
        }
        text
    }

    /// Writes the file beside its place and then moves it there, so that it is never there in part. Two processes take
    /// turns.
    fn write(&self, new: &str) -> Result<(), CliError> {
        let failed = |error: io::Error| not_written(&self.path, &error);
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let opened = std::fs::File::open(folder).map_err(failed)?;
        flock(&opened, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        if read(&self.path)? != self.whole {
            let changed = format!("{} was changed meanwhile: nothing was written", self.shown());
            return Err(CliError::new(ExitCode::Integrity, changed).help("look at it again"));
        }
        let write = || {
            let old = std::fs::metadata(&self.path)?;
            let mut file = tempfile::Builder::new().permissions(old.permissions()).tempfile_in(folder)?;
            let made = file.as_file().metadata()?;
            if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
                fchown(file.as_file(), Some(old.uid()), Some(old.gid()))?;
            }
            // What is asked for when a file is made, the mask may lessen.
            file.as_file().set_permissions(old.permissions())?;
            let mark = self.whole.starts_with(BYTE_ORDER_MARK).then_some(BYTE_ORDER_MARK);
            file.write_all(mark.map(String::from).unwrap_or_default().as_bytes())?;
            file.write_all(new.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&self.path).map_err(|error| error.error)?;
            opened.sync_all()
        };
        write().map_err(failed)
    }
}

/// Says that grants can't be changed for the operator.
pub(super) fn not_changed(error: EditError) -> CliError {
    CliError::usage(format!("{} can't be changed here: {error}", settings::FILE_NAME)).help("change it by hand")
}

fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| CliError::usage(format!("{} can't be read: {error}", path.display())))
}

fn not_written(path: &Path, error: &io::Error) -> CliError {
    CliError::usage(format!("{} can't be written: {error}", path.display()))
}
