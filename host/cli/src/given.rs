//! Inputs as a person gives them: a file of items for a port, read and checked against the schema.

use crate::exit_code::ExitCode;
use crate::failure::CliError;
use palisade_engine::AttemptInput;
use palisade_model::strict_json;
use palisade_schema::{ArtifactSchema, Violation, split};
use palisade_store::{Spool, Store};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

/// A file of items: `.json` is a document, anything else JSON Lines.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// The port that reads it.
    pub(super) port: String,
    /// The file.
    pub(super) file: PathBuf,
    /// The schema, if it is not the first that the port accepts.
    pub(super) schema: Option<String>,
    /// The metadata object of a file of JSON Lines.
    pub(super) metadata: Option<Value>,
}

impl Given {
    /// Looks whether the file is there.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(super) fn exists(&self) -> Result<(), CliError> {
        self.file.metadata().map(drop).map_err(|error| self.unreadable(&error))
    }

    /// Reads and checks the items.
    ///
    /// # Errors
    /// When the file can't be read, or the first item that does not fit.
    pub(super) fn read(&self, schema: &ArtifactSchema, store: &Store) -> Result<AttemptInput, CliError> {
        let mut spool = store.spool(0);
        let metadata = if self.file.extension().is_some_and(|end| end == "json") {
            self.document(schema, &mut spool)?
        } else {
            self.lines(schema, &mut spool)?
        };
        let items = store.join(vec![spool]).map_err(|error| CliError::from_error(ExitCode::Failed, &error))?;
        let (port, schema) = (self.port.clone(), schema.name().to_string());
        Ok(AttemptInput { port, schema, items: items.content().clone(), metadata })
    }

    fn lines(&self, schema: &ArtifactSchema, spool: &mut Spool) -> Result<Value, CliError> {
        let validator = schema.item().map_err(|error| CliError::from_error(ExitCode::Usage, &error))?;
        let file = File::open(&self.file).map_err(|error| self.unreadable(&error))?;
        let mut reader = BufReader::with_capacity(256 << 10, file);
        let mut line = String::new();
        for number in 1_u64.. {
            line.clear();
            if reader.read_line(&mut line).map_err(|error| self.unreadable(&error))? == 0 {
                break;
            }
            let item = line.trim_end_matches(['\r', '\n']);
            validator.check_line(item).map_err(|broken| self.misfit(&format!("line {number}"), schema, &broken))?;
            let end = item.len();
            line.truncate(end);
            line.push('\n');
            spool.append(line.as_bytes()).map_err(|error| CliError::from_error(ExitCode::Failed, &error))?;
        }
        let metadata = self.metadata.clone();
        if let Some(metadata) = &metadata {
            let validator = schema.metadata().map_err(|error| CliError::from_error(ExitCode::Usage, &error))?;
            validator.check(metadata).map_err(|broken| self.misfit("its metadata", schema, &broken))?;
        }
        Ok(metadata.unwrap_or_else(|| Value::Object(Map::new())))
    }

    /// A document as `palisade run --out` writes it, or without the fields that the host fills in then.
    fn document(&self, schema: &ArtifactSchema, spool: &mut Spool) -> Result<Value, CliError> {
        let unusable = |error| CliError::from_error(ExitCode::Usage, &error);
        let text = std::fs::read_to_string(&self.file).map_err(|error| self.unreadable(&error))?;
        let document = strict_json::from_str(&text)
            .map_err(|error| CliError::usage(format!("{} is no JSON: {error}", self.file.display())))?;
        let whole = schema.document().map_err(unusable)?.check(&document);
        let (items, metadata) = take_apart(document, schema.items_pointer()).ok_or_else(|| {
            let pointer = schema.items_pointer();
            CliError::usage(format!(
                "{} is no document of {}: it has no array at `{pointer}`",
                self.file.display(),
                schema.name()
            ))
        })?;
        if let Err(broken) = whole {
            let (item, rest) = (schema.item().map_err(unusable)?, schema.metadata().map_err(unusable)?);
            let as_emitted = rest.fits(&metadata) && items.iter().all(|value| item.check(value).is_ok());
            if !as_emitted {
                return Err(self.misfit("the document", schema, &broken));
            }
        }
        for item in items {
            spool
                .append(format!("{item}\n").as_bytes())
                .map_err(|error| CliError::from_error(ExitCode::Failed, &error))?;
        }
        Ok(metadata)
    }

    fn unreadable(&self, error: &std::io::Error) -> CliError {
        CliError::usage(format!("{} can't be read: {error}", self.file.display()))
    }

    fn misfit(&self, what: &str, schema: &ArtifactSchema, broken: &Violation) -> CliError {
        let place = if broken.path.is_empty() { "at its root".to_owned() } else { format!("at `{}`", broken.path) };
        CliError::usage(format!(
            "{}: {what} does not fit {}: {place}, rule `{}`: it {}",
            self.file.display(),
            schema.name(),
            broken.rule,
            broken.message
        ))
        .help(format!("`palisade schema show {}` says what is wanted", schema.name()))
    }
}

/// Splits a document into its items and the rest.
fn take_apart(mut document: Value, pointer: &str) -> Option<(Vec<Value>, Value)> {
    let (parent, last) = pointer.rsplit_once('/')?;
    let key = split(&format!("/{last}")).next()?;
    match document.pointer_mut(parent)?.as_object_mut()?.remove(&key)? {
        Value::Array(items) => Some((items, document)),
        _ => None,
    }
}

/// Reads a JSON file.
///
/// # Errors
/// When it can't be read or is no JSON.
pub(super) fn json(file: &Path) -> Result<Value, CliError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| CliError::usage(format!("{} can't be read: {error}", file.display())))?;
    strict_json::from_str(&text).map_err(|error| CliError::usage(format!("{} is no JSON: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::TenantId;
    use serde_json::json;

    fn read(name: &str, text: &str) -> Result<(String, Value), String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        let store = Store::open(&dir.path().join("store"), TenantId::default()).unwrap();
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
        let schema = ArtifactSchema::new("acme.x/1.0.0".parse().unwrap(), schema).unwrap();
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
        assert!(error.contains("the document does not fit"), "{error}");
        assert!(read("in.json", r#"{"title": "t"}"#).is_err());
    }
}
