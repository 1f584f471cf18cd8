//! Files of items as a person gives them to a plugin or to a run: read, checked against a schema, spooled.
//!
//! A file is read piece by piece: what is in memory is an item, and what stands beside the items of a document.

use crate::exit_code::ExitCode;
use crate::failure::CliError;
use palisade_engine::{AttemptInput, MAX_METADATA_BYTES};
use palisade_model::unit::Bytes;
use palisade_model::{neutral, strict_json};
use palisade_runbook::MAX_INPUT_BYTES;
use palisade_schema::{ArtifactSchema, DocumentReadError, Violation, read_document};
use palisade_store::{Pending, Spool, Store};
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Most bytes of one item, of what stands beside the items of a document, and of a text file, which is one item.
pub(crate) const MAX_PIECE_BYTES: u64 = 16 << 20;
/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;

/// A file of items for a port: `.json` is a document, anything else JSON Lines.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// The port that reads it.
    pub(crate) port: String,
    /// The file.
    pub(crate) file: PathBuf,
    /// The schema, if it is not the first that the port accepts.
    pub(crate) schema: Option<String>,
    /// The metadata object of a file of JSON Lines.
    pub(crate) metadata: Option<Value>,
}

impl Given {
    /// Looks whether the file is there.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(crate) fn exists(&self) -> Result<(), CliError> {
        self.file.metadata().map(drop).map_err(|error| unreadable(&self.file, &error))
    }

    /// Reads and checks the items.
    ///
    /// # Errors
    /// When the file can't be read, or the first item that does not fit.
    pub(crate) fn read(&self, schema: &ArtifactSchema, store: &Store) -> Result<AttemptInput, CliError> {
        let reading = Reading { file: &self.file, shown: &self.file, schema };
        let (items, metadata) = if is_json(&self.file) {
            reading.document(store)?
        } else {
            reading.lines(self.metadata.as_ref(), store)?
        };
        let (port, schema) = (self.port.clone(), schema.name().to_string());
        Ok(AttemptInput { port, schema, artifact: None, items: items.content().clone(), metadata })
    }
}

/// Reads an input of a run, a file relative to `folder`: a `.json` file is the document, any other is text, which only
/// schemas that say so take. Gives the items and what stands beside them.
///
/// # Errors
/// When the file can't be read or does not fit.
pub(crate) fn run_input(
    folder: &Path,
    file: &Path,
    schema: &ArtifactSchema,
    store: &Store,
) -> Result<(Pending, Value), CliError> {
    let reading = Reading { file: &folder.join(file), shown: file, schema };
    if is_json(file) {
        reading.document(store)
    } else if schema.takes_text() {
        reading.text(store)
    } else {
        Err(CliError::usage(format!(
            "{} is no JSON document (.json), and {} takes no text",
            shown(file),
            schema.name()
        ))
        .help(format!("`palisade schema show {}` says what the document holds", schema.name())))
    }
}

/// Opens a file that people know as `name`. A pipe is refused before it is opened, which would wait for a writer.
///
/// # Errors
/// When it can't be opened, is no file, or is too large.
fn open(file: &Path, name: &Path) -> Result<File, CliError> {
    let found = std::fs::metadata(file).map_err(|error| unreadable(name, &error))?;
    if !found.is_file() {
        return Err(CliError::usage(format!("{} is not a file", shown(name))));
    }
    // Nothing of it is held, but somebody has to read it all, and plans count on it.
    if found.len() > MAX_INPUT_BYTES {
        return Err(CliError::usage(format!("{} has more than {}", shown(name), Bytes(MAX_INPUT_BYTES))));
    }
    File::open(file).map_err(|error| unreadable(name, &error))
}

fn is_json(file: &Path) -> bool {
    file.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"))
}

fn shown(file: &Path) -> String {
    neutral::line(&file.display().to_string(), 400)
}

fn unreadable(file: &Path, error: &io::Error) -> CliError {
    CliError::usage(format!("{} can't be read: {error}", shown(file)))
}

fn failed(error: &dyn std::error::Error) -> CliError {
    CliError::from_error(ExitCode::Failed, error)
}

/// A file that is read as artifacts of a schema.
#[derive(Clone, Copy)]
struct Reading<'a> {
    file: &'a Path,
    /// The file as people know it.
    shown: &'a Path,
    schema: &'a ArtifactSchema,
}

impl Reading<'_> {
    /// Items alone, as a person writes them for a trial: what stands beside them is checked if it was given, and
    /// otherwise empty, whatever the schema asks of a whole document.
    fn lines(self, metadata: Option<&Value>, store: &Store) -> Result<(Pending, Value), CliError> {
        let mut spool = store.spool(0);
        let validator = self.schema.item().map_err(|error| CliError::from_error(ExitCode::Usage, &error))?;
        let mut reader = BufReader::with_capacity(READ_BYTES, open(self.file, self.shown)?);
        let mut line = String::new();
        for number in 1_u64.. {
            line.clear();
            let read = reader.by_ref().take(MAX_PIECE_BYTES + 1).read_line(&mut line);
            if read.map_err(|error| unreadable(self.shown, &error))? == 0 {
                break;
            }
            if line.len() as u64 > MAX_PIECE_BYTES {
                return Err(self.too_large(&format!("line {number}")));
            }
            let item = line.trim_end_matches(['\r', '\n']);
            validator.check_line(item).map_err(|broken| self.misfit(&format!("line {number}"), &broken))?;
            let end = item.len();
            line.truncate(end);
            line.push('\n');
            spool.append(line.as_bytes()).map_err(|error| failed(&error))?;
        }
        metadata.map_or(Ok(()), |given| self.check_metadata(given))?;
        self.joined(spool, metadata.cloned().unwrap_or_else(|| Value::Object(Map::new())), store)
    }

    /// A document as `palisade run --out` writes it, or without the fields that the host fills in then.
    fn document(self, store: &Store) -> Result<(Pending, Value), CliError> {
        self.take(open(self.file, self.shown)?, store)
    }

    fn take(self, input: impl Read, store: &Store) -> Result<(Pending, Value), CliError> {
        let mut spool = store.spool(0);
        let since_item = Rc::new(Cell::new(0));
        let bounded = Bounded { input, since_item: Rc::clone(&since_item) };
        let mut failure = None;
        let read = read_document(self.schema, BufReader::with_capacity(READ_BYTES, bounded), &mut |item| {
            since_item.set(0);
            spool.append(format!("{item}\n").as_bytes()).map(drop).map_err(|error| {
                failure = Some(failed(&error));
                io::Error::other("the item could not be kept")
            })
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        let metadata = read.map_err(|error| self.unusable(error))?;
        self.joined(spool, metadata, store)
    }

    /// A text file is an artifact of one item.
    fn text(self, store: &Store) -> Result<(Pending, Value), CliError> {
        let mut bytes = Vec::new();
        let read = open(self.file, self.shown)?.take(MAX_PIECE_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|error| unreadable(self.shown, &error))?;
        if bytes.len() as u64 > MAX_PIECE_BYTES {
            return Err(self.too_large("its text"));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            CliError::usage(format!("{} is not UTF-8: byte {at} is wrong", shown(self.shown)))
                .help("save it as text in UTF-8; a PDF or a Word document is none")
        })?;
        let item = json!({"content": text});
        let validator = self.schema.item().map_err(|error| CliError::from_error(ExitCode::Usage, &error))?;
        validator.check(&item).map_err(|broken| self.misfit("its text", &broken))?;
        let metadata = Value::Object(Map::new());
        self.check_metadata(&metadata)?;
        let mut spool = store.spool(0);
        spool.append(format!("{item}\n").as_bytes()).map_err(|error| failed(&error))?;
        self.joined(spool, metadata, store)
    }

    fn check_metadata(self, metadata: &Value) -> Result<(), CliError> {
        let validator = self.schema.metadata().map_err(|error| CliError::from_error(ExitCode::Usage, &error))?;
        validator.check(metadata).map_err(|broken| self.misfit("its metadata", &broken))
    }

    fn unusable(self, error: DocumentReadError) -> CliError {
        let name = self.schema.name();
        match error {
            DocumentReadError::Read(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                self.too_large("an item, or what stands beside the items,")
            }
            DocumentReadError::Read(error) => unreadable(self.shown, &error),
            DocumentReadError::Item { number, violation } => self.misfit(&format!("item {number}"), &violation),
            DocumentReadError::Metadata(violation) => self.misfit("what stands beside its items", &violation),
            DocumentReadError::NoItems { pointer } => CliError::usage(format!(
                "{} is no document of {name}: it has no array at `{pointer}`",
                shown(self.shown)
            ))
            .help(format!("`palisade schema show {name}` says what is wanted")),
            error @ (DocumentReadError::Json(_) | DocumentReadError::Schema(_)) => {
                CliError::usage(format!("{}: {}", shown(self.shown), neutral::line(&error.to_string(), 400)))
            }
        }
    }

    fn joined(self, spool: Spool, metadata: Value, store: &Store) -> Result<(Pending, Value), CliError> {
        if metadata.to_string().len() > MAX_METADATA_BYTES {
            let message = format!("{}: what stands beside the items has more than 1 MiB", shown(self.shown));
            return Err(CliError::usage(message));
        }
        let items = store.join(vec![spool]).map_err(|error| failed(&error))?;
        Ok((items, metadata))
    }

    fn too_large(self, what: &str) -> CliError {
        CliError::usage(format!("{}: {what} has more than {} MiB", shown(self.shown), MAX_PIECE_BYTES >> 20))
    }

    fn misfit(self, what: &str, broken: &Violation) -> CliError {
        let place = if broken.path.is_empty() { "at its root".to_owned() } else { format!("at `{}`", broken.path) };
        let (file, name) = (shown(self.shown), self.schema.name());
        let (rule, message) = (&broken.rule, &broken.message);
        CliError::usage(format!("{file}: {what} does not fit {name}: {place}, rule `{rule}`: it {message}"))
            .help(format!("`palisade schema show {name}` says what is wanted"))
    }
}

/// Fails once more was read since the last item than one item may have: a JSON reader holds what it has not finished.
struct Bounded<R> {
    input: R,
    since_item: Rc<Cell<u64>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let since = self.since_item.get().saturating_add(read as u64);
        self.since_item.set(since);
        if since > MAX_PIECE_BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(read) }
    }
}

/// Reads a JSON file.
///
/// # Errors
/// When it can't be read or is no JSON.
pub(crate) fn json(file: &Path) -> Result<Value, CliError> {
    let mut text = String::new();
    let read = open(file, file)?.take(MAX_PIECE_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| unreadable(file, &error))?;
    if text.len() as u64 > MAX_PIECE_BYTES {
        return Err(CliError::usage(format!("{} has more than {} MiB", shown(file), MAX_PIECE_BYTES >> 20)));
    }
    strict_json::from_str(&text).map_err(|error| CliError::usage(format!("{} is no JSON: {error}", shown(file))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::TenantId;
    use serde_json::json;

    fn schema(takes_text: bool) -> ArtifactSchema {
        let schema = json!({
            "type": "object", "x-palisade-items": "/lines", "additionalProperties": false,
            "properties": {
                "lines": {"type": "array", "items": {
                    "type": "object", "required": ["text", "at"],
                    "properties": {"text": {"type": "string"}, "at": {"type": "string", "x-palisade-stamp": "time"}},
                }},
                "title": {"type": "string"},
            },
        });
        let schema = if takes_text { text_schema() } else { schema };
        ArtifactSchema::new("acme.x/1.0.0".parse().unwrap(), schema).unwrap()
    }

    fn text_schema() -> Value {
        json!({
            "type": "object", "x-palisade-items": "/texts", "x-palisade-text": true,
            "properties": {"texts": {"type": "array", "items": {
                "type": "object", "required": ["content"], "properties": {"content": {"type": "string", "minLength": 1}},
            }}},
        })
    }

    fn read(name: &str, text: &str) -> Result<(String, Value), String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        let store = Store::open(&dir.path().join("store"), TenantId::default()).unwrap();
        let schema = schema(false);
        let given = Given { port: "in".to_owned(), file, schema: None, metadata: None };
        let input = given.read(&schema, &store).map_err(|error| error.message)?;
        Ok((String::from_utf8(input.items.read_all().unwrap()).unwrap(), input.metadata))
    }

    #[test]
    fn lines_are_items_and_the_last_needs_no_end() {
        let lines = "{\"text\":\"a\"}\r\n{\"text\":\"b\"}";
        assert_eq!(read("in.jsonl", lines), Ok(("{\"text\":\"a\"}\n{\"text\":\"b\"}\n".to_owned(), json!({}))));
    }

    #[test]
    fn an_item_that_does_not_fit_is_named_by_its_line() {
        let error = read("in.jsonl", "{\"text\":\"a\"}\n{\"text\":5}\n").unwrap_err();
        assert!(error.contains("line 2 does not fit acme.x/1.0.0: at `/text`, rule `type`"), "{error}");
        assert!(read("in.jsonl", "{\"text\":\"a\"}\n\n").is_err());
    }

    #[test]
    fn a_document_is_taken_with_and_without_what_the_host_fills() {
        let emitted = r#"{"title": "t", "lines": [{"text": "a"}]}"#;
        assert_eq!(read("in.json", emitted), Ok(("{\"text\":\"a\"}\n".to_owned(), json!({"title": "t"}))));
        let exported = r#"{"lines": [{"text": "a", "at": "2020-01-01T00:00:00Z"}]}"#;
        assert!(read("in.json", exported).is_ok());
        let error = read("in.json", r#"{"lines": [{"text": 5}]}"#).unwrap_err();
        assert!(error.contains("item 0 does not fit acme.x/1.0.0: at `/text`, rule `type`"), "{error}");
        assert!(read("in.json", r#"{"title": "t"}"#).is_err());
    }

    fn run_input_of(name: &str, content: &[u8], takes_text: bool) -> Result<(String, Value), String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), content).unwrap();
        let store = Store::open(&dir.path().join("store"), TenantId::default()).unwrap();
        let read = run_input(dir.path(), Path::new(name), &schema(takes_text), &store);
        let (items, metadata) = read.map_err(|error| error.message)?;
        Ok((String::from_utf8(items.content().read_all().unwrap()).unwrap(), metadata))
    }

    #[test]
    fn a_text_is_one_item_where_the_schema_takes_text() {
        let read = run_input_of("policy.md", "# P\n".as_bytes(), true);
        assert_eq!(read, Ok(("{\"content\":\"# P\\n\"}\n".to_owned(), json!({}))));
        let refused = run_input_of("policy.md", b"x", false).unwrap_err();
        assert_eq!(refused, "policy.md is no JSON document (.json), and acme.x/1.0.0 takes no text");
        assert_eq!(run_input_of("a.txt", b"ab\xff", true).unwrap_err(), "a.txt is not UTF-8: byte 2 is wrong");
        assert!(
            run_input_of("a.txt", b"", true).unwrap_err().contains("its text does not fit acme.x/1.0.0: at `/content`")
        );
    }

    #[test]
    fn one_item_is_bounded_and_many_are_not() {
        let item = format!(r#"{{"text":"{}"}}"#, "x".repeat(1 << 20));
        let document = |count: usize| format!(r#"{{"lines": [{}]}}"#, vec![item.as_str(); count].join(","));
        assert_eq!(run_input_of("a.json", document(20).as_bytes(), false).unwrap().0.lines().count(), 20);
        let large = format!(r#"{{"lines": [{{"text":"{}"}}]}}"#, "x".repeat(17 << 20));
        let refused = run_input_of("a.json", large.as_bytes(), false).unwrap_err();
        assert_eq!(refused, "a.json: an item, or what stands beside the items, has more than 16 MiB");
        let metadata = |bytes: usize| format!(r#"{{"title": "{}", "lines": []}}"#, "x".repeat(bytes));
        assert!(run_input_of("a.json", metadata(17 << 20).as_bytes(), false).unwrap_err().contains("more than 16 MiB"));
        assert!(run_input_of("a.json", metadata(1 << 20).as_bytes(), false).unwrap_err().contains("more than 1 MiB"));
        assert!(run_input_of("a.json", metadata(1_000_000).as_bytes(), false).is_ok());
        let text = "x".repeat(17 << 20);
        assert_eq!(run_input_of("a.txt", text.as_bytes(), true).unwrap_err(), "a.txt: its text has more than 16 MiB");
    }
}
