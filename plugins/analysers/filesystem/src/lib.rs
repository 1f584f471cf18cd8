//! Reads text files: one item for each file below a folder, or for one file.

use std::borrow::Cow;

use palisade_findings::{DOCUMENTS, Texts, TextsMetadata};
use palisade_sdk::fs::{Directory, File, FsError, FsErrorKind, Links, preopens};
use palisade_sdk::{Analyser, ConfigSchema, Context, Description, Failure, Metadata, Property, Request, Result, limit};
use serde::{Deserialize, Serialize};

mod decode;
mod path;
mod pattern;
mod walk;

use decode::{Codec, Errors};
use pattern::Patterns;
use walk::Walk;

/// The name of this connector in what it emits.
const CONNECTOR_TYPE: &str = "filesystem_connector";
/// Files between two words on how far the work is.
const PROGRESS_EVERY: u64 = 64;
/// Formats that need a reader of their own, by the suffixes of names.
const DOCUMENT_SUFFIXES: [&str; 2] = ["docx", "xlsx"];

/// The component.
pub struct Filesystem;

/// The properties of the step. `chunk_size` has no effect on the result and is not looked at.
#[derive(Deserialize)]
pub struct Config {
    path: String,
    encoding: String,
    errors: Errors,
    include_patterns: Option<Vec<String>>,
    exclude_patterns: Option<Vec<String>>,
    max_files: u64,
}

/// What an item says of its file.
#[derive(Serialize)]
struct FileMetadata<'a> {
    file_path: &'a str,
}

/// What was read.
#[derive(Default, Serialize, Deserialize)]
pub struct Totals {
    is_directory: bool,
    files: u64,
    bytes: u64,
}

/// What the document of the texts says.
#[derive(Serialize)]
struct FilesMetadata<'a> {
    file_count: u64,
    total_size_bytes: u64,
    exclude_patterns: &'a Option<Vec<String>>,
    source_type: &'static str,
}

impl Analyser for Filesystem {
    type Config = Config;
    type Partial = Totals;

    fn describe() -> Description {
        let patterns = || Property::list_of(Property::string()).nullable().default(None::<String>);
        let config = ConfigSchema::new()
            .required("path", Property::string().with("pattern", r"\S").path_read().about("A file or folder"))
            .property(
                "chunk_size",
                Property::integer().above(0).default(8192).about("Accepted for old runbooks; changes nothing"),
            )
            .property(
                "encoding",
                Property::string().default("utf-8").about("Encoding of the files, as Python names it"),
            )
            .property(
                "errors",
                Property::one_of(["strict", "replace", "ignore"])
                    .with("type", "string")
                    .default("strict")
                    .about("What becomes of bytes that are no text: the file is left out, U+FFFD, nothing"),
            )
            .property("include_patterns", patterns().about("Lines as in gitignore: the files that are read; null: all"))
            .property("exclude_patterns", patterns().about("Lines as in gitignore: files that are left out after all"))
            .property("max_files", Property::integer().above(0).default(1000).about("Most files of a folder"));
        Description::connector("palisade:filesystem", env!("CARGO_PKG_VERSION"), "Reads text files")
            .about("Reads a text file, or all text files below a folder, in order of their paths.")
            .output(DOCUMENTS, "standard_input/1.0.0")
            .config(config)
            .request(Request::fs_read("to read the files that the runbook names"))
            // The host takes 380,000 to open, look at, read and close a small file: this is for more than a million.
            .limit(limit::FUEL, 500_000_000_000)
            // The host takes 60 for each byte of an item, of which a byte of a file makes at most six.
            .limit(limit::FUEL_PER_INPUT_BYTE, 1_000)
            // The largest file, decoded, and as an item; the names of the largest folder.
            .limit(limit::MEMORY, 256 << 20)
            .limit(limit::WALL, 3_600_000)
            .limit(limit::OUTPUT_BYTES, 64 << 20)
            // A control character is one byte in a file and six in JSON.
            .limit(limit::OUTPUT_BYTES_PER_INPUT_BYTE, 8)
            .limit(limit::FILES_READ, 1_000_000)
    }

    fn run(ctx: &Context, config: Config) -> Result<Totals> {
        let source = path::normalise(config.path.trim());
        let (name, root) = preopens(ctx).into_iter().next().ok_or_else(|| {
            Failure::unavailable(format!("`{source}` is not there, or may not be read"))
                .help("paths are relative to the folder in which palisade runs")
        })?;
        let mut files = Files::new(ctx, &root, &config)?;
        // The folder that is opened for a single file is the one around it, and has its name.
        if path::normalise(name.trim()) != source {
            files.read(path::last(&source), &source)?;
            if files.totals.files == 0 {
                return Err(Failure::bad_input(format!("No readable files found in {source}")));
            }
            return Ok(files.totals);
        }
        files.totals.is_directory = true;
        files.read_all(&source)?;
        Ok(files.totals)
    }

    fn finish(_: &Context, config: Config, parts: Vec<Totals>) -> Result<Vec<Metadata>> {
        let totals = parts.into_iter().next().unwrap_or_default();
        let source = path::normalise(config.path.trim());
        let name = path::last(&source);
        let (suffix, description, source_type) = if totals.is_directory {
            ("_directory", format!("Content from directory {name} ({} files)", totals.files), "directory")
        } else {
            ("", format!("Content from file {name}"), "file")
        };
        let texts = TextsMetadata {
            name: format!("standard_input_from_{name}{suffix}"),
            description,
            content_encoding: &config.encoding,
            source: &source,
            metadata: FilesMetadata {
                file_count: totals.files,
                total_size_bytes: totals.bytes,
                exclude_patterns: &config.exclude_patterns,
                source_type,
            },
        };
        texts.finish()
    }
}

palisade_sdk::export!(Filesystem);

/// Reads files and emits them.
struct Files<'f> {
    ctx: &'f Context,
    root: &'f Directory,
    config: &'f Config,
    codec: Codec,
    texts: Texts<'f>,
    totals: Totals,
}

impl<'f> Files<'f> {
    /// Fails if the encoding is unknown: no file could be read.
    fn new(ctx: &'f Context, root: &'f Directory, config: &'f Config) -> Result<Self> {
        let codec = Codec::of_name(&config.encoding).ok_or_else(|| {
            Failure::bad_config(format!("unknown encoding `{}`", config.encoding))
                .help("known are utf-8, utf-16, utf-32, ascii, latin-1, cp1252 and the other code pages of Python, gbk, big5, shift_jis, euc-jp, euc-kr and the like")
        })?;
        Ok(Self { ctx, root, config, codec, texts: Texts::new(ctx, CONNECTOR_TYPE), totals: Totals::default() })
    }

    /// Reads the files below a folder. Fails if there are none, or none that can be read.
    fn read_all(&mut self, folder: &str) -> Result<()> {
        let patterns =
            |lines: &Option<Vec<String>>| lines.as_deref().map(Patterns::new).transpose().map_err(bad_pattern);
        let include = patterns(&self.config.include_patterns)?;
        let exclude = patterns(&self.config.exclude_patterns)?;
        let wanted = |path: &str| {
            include.as_ref().is_none_or(|lines| lines.select(path))
                && !exclude.as_ref().is_some_and(|lines| lines.select(path))
        };
        let most = usize::try_from(self.config.max_files).unwrap_or(usize::MAX);
        let mut walk = Walk::new(self.ctx, self.root, folder, &wanted, most)?;
        let mut found = 0;
        while let Some(relative) = walk.next()? {
            if found == self.config.max_files {
                self.ctx.skip(folder, format!("there are more than {found} files: `max_files` leaves out the rest"));
                break;
            }
            found += 1;
            self.read(&relative, &path::join(folder, &relative))?;
            if found % PROGRESS_EVERY == 0 {
                self.ctx.progress(found, None, "files");
            }
        }
        self.ctx.progress(found, found, "files");
        match (found, self.totals.files) {
            (0, _) => Err(Failure::bad_input(format!("No files found in directory {folder}"))),
            (_, 0) => Err(Failure::bad_input(format!("No readable files found in {folder}"))),
            _ => Ok(()),
        }
    }

    /// Reads one file and emits it, or says why not.
    fn read(&mut self, relative: &str, file_path: &str) -> Result<()> {
        match self.content(relative)? {
            Ok((content, size)) => {
                let Some(line) = self.texts.line(&content, file_path, &FileMetadata { file_path })? else {
                    return Ok(());
                };
                drop(content);
                self.ctx.emit_made(DOCUMENTS, &line)?;
                self.totals.files += 1;
                self.totals.bytes += size;
            }
            Err(reason) => self.ctx.skip(file_path, reason),
        }
        Ok(())
    }

    /// The text of a file and its size in bytes, or why it can't be had.
    fn content(&self, relative: &str) -> Result<Result<(String, u64), Cow<'static, str>>> {
        if path::suffix(relative)
            .is_some_and(|suffix| DOCUMENT_SUFFIXES.iter().any(|one| one.eq_ignore_ascii_case(suffix)))
        {
            return Ok(Err("no document reader in this build".into()));
        }
        // An item has at least one byte for each character.
        let most = self.texts.most_bytes().saturating_mul(self.codec.unit());
        // Its size is asked for here only where it matters: reading looks at it anyway.
        let read = |file: File| file.read_all(most).map_err(|error| (error, file.stat().map_or(0, |stat| stat.size)));
        let opened = self.root.open_file(relative, Links::Follow).map_err(|error| (error, 0));
        let bytes = match opened.and_then(read) {
            Ok(bytes) => bytes,
            Err((error, size)) if error.kind == FsErrorKind::TooLarge && size > most => {
                return Ok(Err(self.texts.too_large(size).into()));
            }
            Err((error, _)) => return reason(error).map(|reason| Err(reason.into())),
        };
        let size = bytes.len() as u64;
        Ok(match self.codec.decode(bytes, self.config.errors) {
            Ok(text) => Ok((unix_line_ends(text), size)),
            Err(bad) => Err(format!("it is not {} at byte {}", self.config.encoding, bad.offset).into()),
        })
    }
}

/// Turns CR LF and CR into LF.
fn unix_line_ends(text: String) -> String {
    match memchr::memchr(b'\r', text.as_bytes()) {
        Some(_) => text.replace("\r\n", "\n").replace('\r', "\n"),
        None => text,
    }
}

/// Why a file is left out; a failure if the limit of the whole step is used up.
fn reason(error: FsError) -> Result<&'static str> {
    Ok(match error.kind {
        FsErrorKind::LimitExceeded => return Err(error.into()),
        // The host's own words: it has recorded the refusal, and takes this as the name of what it refused.
        FsErrorKind::Denied => "not allowed",
        FsErrorKind::NotFound => "it is gone",
        FsErrorKind::TooLarge => "it has grown too large for one item while it was read (limit `call-bytes`)",
        FsErrorKind::Loop => "too many links",
        _ => error.reason,
    })
}

fn bad_pattern(error: pattern::BadPattern) -> Failure {
    Failure::bad_config(format!("pattern `{}` can't be used: {}", error.line, error.reason))
}

#[cfg(test)]
mod tests;
