//! Files that a run writes for people: each place is looked at before the run starts, and each file appears whole or
//! not at all. What was written is hashed on the way, for the audit log.

use crate::audit_log::ExportedFile;
use crate::documents::ReportDocument;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use palisade_model::digest::Hasher;
use palisade_model::record::RunRecord;
use palisade_model::{Digest, OutputName, neutral};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Bytes that are gathered before they are written.
const BUFFER: usize = 256 << 10;
/// Bytes that a probe writes: a full disk still makes files, but gives them no block.
const PROBE: [u8; 4096] = [0; 4096];

/// A file that can be written.
#[derive(Debug)]
pub(crate) enum Target {
    /// A regular file, or none yet: it is replaced as a whole.
    File(PathBuf),
    /// A pipe or a device: it gets the bytes as they come.
    Stream(PathBuf),
}

/// A folder that can be written.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

/// What keeps two outputs of one run from one place.
#[derive(Debug, Default)]
pub(crate) struct Taken(Vec<(PathBuf, String)>);

impl Taken {
    /// Says what a file is for.
    ///
    /// # Errors
    /// When it is for something else already.
    pub(crate) fn take(&mut self, path: &Path, what: &str) -> Result<(), CliError> {
        if let Some((_, other)) = self.0.iter().find(|(known, _)| known == path) {
            return Err(CliError::usage(format!("{other} and {what} would be one file: {}", path.display())));
        }
        self.0.push((path.to_owned(), what.to_owned()));
        Ok(())
    }
}

impl Folder {
    /// Makes the folder if it is not there, and looks whether the files of `names` and `run.json` can be written in it.
    ///
    /// # Errors
    /// When they can't.
    pub(crate) fn probe(
        dir: &Path,
        names: impl IntoIterator<Item = OutputName>,
        taken: &mut Taken,
    ) -> Result<Self, CliError> {
        let wrong = |what: String| CliError::usage(format!("--out {}: {what}", dir.display()));
        std::fs::create_dir_all(dir).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
                wrong("a file is in the way of the folder".to_owned())
            }
            _ => wrong(format!("the folder can't be made: {error}")),
        })?;
        let dir = dir.canonicalize().map_err(|error| wrong(error.to_string()))?;
        probe(&dir).map_err(|error| wrong(format!("nothing can be written there: {error}")))?;
        let names = names.into_iter().map(|name| format!("{name}.json"));
        for name in names.chain(["run.json".to_owned()]) {
            let file = dir.join(&name);
            make_folder_for(&file, &dir).map_err(wrong)?;
            match std::fs::symlink_metadata(&file) {
                Ok(there) if there.is_dir() => return Err(wrong(format!("`{name}` in it is a folder"))),
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(wrong(format!("`{}` can't be written: {error}", neutral::line(&name, 200))));
                }
                _ => taken.take(&file, "what `--out` writes")?,
            }
        }
        Ok(Self(dir))
    }

    /// Writes `NAME.json` for each output, and `run.json`. Goes on after a failure.
    pub(crate) fn write(&self, record: &RunRecord, documents: &[ReportDocument], written: &mut Written) {
        for document in documents {
            let name = &document.document.export().name;
            let file = self.0.join(format!("{name}.json"));
            // What a runbook makes that is an artifact was not known when it was looked whether all can be written.
            match make_folder_for(&file, &self.0) {
                Ok(()) => {
                    let what = format!("output {name}");
                    written.write(&what, &Target::File(file), |out| Ok(document.document.write(out)?));
                }
                Err(what) => written.failures.push(format!("{} was not written: {what}", file.display())),
            }
        }
        let target = Target::File(self.0.join("run.json"));
        written.write("record", &target, |out| Ok(palisade_report::run_json(record, out)?));
    }
}

impl Target {
    /// Looks whether a file can be written, without changing it; `option` is what named it.
    ///
    /// # Errors
    /// When it can't, or is taken already.
    pub(crate) fn probe(option: &str, path: &Path, taken: &mut Taken) -> Result<Self, CliError> {
        let wrong = |what: String| CliError::usage(format!("{option} {}: {what}", path.display()));
        let is_folder = || wrong("it is a folder; name a file in it".to_owned());
        match std::fs::metadata(path) {
            Ok(there) if there.is_dir() => return Err(is_folder()),
            Ok(there) if !there.is_file() => {
                rustix::fs::access(path, rustix::fs::Access::WRITE_OK)
                    .map_err(|error| wrong(format!("it can't be written: {error}")))?;
                return Ok(Self::Stream(path.to_owned()));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(wrong(format!("it can't be written: {error}"))),
        }
        // Where a link leads is what is replaced, not the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = path.file_name().filter(|_| !path.as_os_str().as_bytes().ends_with(b"/")).ok_or_else(is_folder)?;
        let dir = parent(&path);
        let dir = dir.canonicalize().map_err(|error| match error.kind() {
            ErrorKind::NotFound => wrong(format!("there is no folder `{}`", dir.display())),
            _ => wrong(format!("it can't be written: {error}")),
        })?;
        probe(&dir).map_err(|error| wrong(format!("nothing can be written in its folder: {error}")))?;
        let path = dir.join(name);
        taken.take(&path, &format!("what `{option}` writes"))?;
        Ok(Self::File(path))
    }

    fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Stream(path) => path,
        }
    }

    /// The file that is there afterwards.
    fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Stream(_) => None,
        }
    }

    /// Gives the SHA-256 of what it wrote.
    fn write(&self, write: impl FnOnce(&mut Out<'_>) -> Result<(), anyhow::Error>) -> anyhow::Result<Digest> {
        let fill = |file: &mut File| {
            let hashing = Hashing { to: file, hasher: Hasher::new() };
            let mut out = BufWriter::with_capacity(BUFFER, hashing);
            write(&mut out)?;
            let hashing = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            Ok(hashing.hasher.finish())
        };
        match self {
            Self::File(path) => {
                let mut file = tempfile::NamedTempFile::new_in(parent(path))?;
                let digest = fill(file.as_file_mut())?;
                file.persist(path)?;
                Ok(digest)
            }
            Self::Stream(path) => fill(&mut File::options().write(true).open(path)?),
        }
    }
}

/// What files are written through.
type Out<'a> = BufWriter<Hashing<'a>>;

/// A file with the digest of what it got so far.
pub(crate) struct Hashing<'a> {
    to: &'a mut File,
    hasher: Hasher,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.to.write(bytes)?;
        self.hasher.update(bytes.get(..taken).unwrap_or(bytes));
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// What was written in the end, and what was not.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The files that are complete.
    pub(crate) files: Vec<PathBuf>,
    /// All that is complete, standard output too, as the audit log is told.
    pub(crate) exported: Vec<ExportedFile>,
    /// What is not as it was wanted, but is no failure.
    pub(crate) notes: Vec<String>,
    /// Why others are not.
    pub(crate) failures: Vec<String>,
}

impl Written {
    /// Writes a file, which is `what`; what was there before is still there if that fails.
    pub(crate) fn write(
        &mut self,
        what: &str,
        target: &Target,
        write: impl FnOnce(&mut Out<'_>) -> Result<(), anyhow::Error>,
    ) {
        let path = target.path();
        match target.write(write) {
            Ok(digest) => {
                self.files.extend(target.file().map(Path::to_owned));
                self.exported.push(ExportedFile { what: what.to_owned(), digest });
            }
            Err(error) => self.failures.push(format!("{} was not written: {error:#}", path.display())),
        }
    }

    /// Writes to standard output; `name` names it for people, and it is `what`.
    pub(crate) fn stdout(
        &mut self,
        name: &str,
        what: &str,
        write: impl FnOnce(&mut BufWriter<&mut Counting>) -> Result<(), anyhow::Error>,
    ) {
        let mut counting = Counting { stdout: io::stdout().lock(), hasher: Hasher::new(), bytes: 0, closed: false };
        let mut out = BufWriter::with_capacity(BUFFER, &mut counting);
        let done = write(&mut out).and_then(|()| Ok(out.flush()?));
        drop(out);
        let Counting { hasher, bytes, closed, .. } = counting;
        let bytes = palisade_model::unit::Count(bytes);
        match done {
            Ok(()) => self.exported.push(ExportedFile { what: what.to_owned(), digest: hasher.finish() }),
            // Whoever reads only the beginning, as `head` does, does not want the rest.
            Err(_) if closed => {
                self.notes.push(format!("{name} is not complete: its reader went away after {bytes} bytes"));
            }
            Err(error) => self.failures.push(format!(
                "{name} is not complete: standard output took {bytes} bytes and then no more: {error:#}"
            )),
        }
    }
}

/// Makes the folder in which what a child made lies: that of its step, below that of all results.
fn make_folder_for(file: &Path, all: &Path) -> Result<(), String> {
    let Some(inner) = file.parent().filter(|inner| *inner != all) else { return Ok(()) };
    let name = || neutral::line(&file.strip_prefix(all).unwrap_or(file).display().to_string(), 200);
    std::fs::create_dir_all(inner).map_err(|error| format!("no folder can be made for `{}`: {error}", name()))?;
    match inner.canonicalize() {
        Ok(real) if real == inner => Ok(()),
        _ => Err(format!("`{}` would be outside of it", name())),
    }
}

/// Writes a file beside its place and then moves it there.
///
/// # Errors
/// When it can't be written; then what was there before is still there.
pub(crate) fn file(path: &Path, write: impl FnOnce(&mut Out<'_>) -> Result<(), anyhow::Error>) -> Result<(), CliError> {
    Target::File(path.to_owned())
        .write(write)
        .map(drop)
        .map_err(|error| CliError::new(ExitCode::Failed, format!("{} can't be written: {error:#}", path.display())))
}

/// Standard output, with how much of what it got has left the process.
pub(crate) struct Counting {
    stdout: io::StdoutLock<'static>,
    hasher: Hasher,
    bytes: u64,
    /// The reader went away.
    closed: bool,
}

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.stdout.write(bytes).and_then(|taken| self.stdout.flush().map(|()| taken));
        match &taken {
            Ok(taken) => {
                self.hasher.update(bytes.get(..*taken).unwrap_or(bytes));
                self.bytes += *taken as u64;
            }
            Err(error) => self.closed |= error.kind() == ErrorKind::BrokenPipe,
        }
        taken
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}

/// Writes to a file without a name, so that nothing is left whatever happens meanwhile.
fn probe(dir: &Path) -> io::Result<()> {
    tempfile::tempfile_in(dir)?.write_all(&PROBE)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != OsStr::new("")).unwrap_or(Path::new("."))
}
