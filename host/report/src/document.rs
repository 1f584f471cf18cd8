//! An output artifact as reports read it, and the form it has as a file.

use crate::ReportError;
use palisade_model::{OutputName, SchemaRef};
use serde_json::{Map, Value};
use std::io::{self, Write};

/// An output artifact of a run. Implemented over the store by whoever asks for a report; several are read at once.
pub trait Document: Sync {
    /// Its name in the runbook.
    fn name(&self) -> &OutputName;

    /// Its schema.
    fn schema(&self) -> &SchemaRef;

    /// JSON pointer of the array that holds the items, as the schema's `x-palisade-items`: `/findings`.
    fn items_pointer(&self) -> &str;

    /// The document without its items, stamps filled.
    fn metadata(&self) -> &Map<String, Value>;

    /// Hands each item to `visit` in order, stamps filled. May be called more than once, and gives the same each time.
    /// An error of `visit` ends the walk and is its result.
    ///
    /// # Errors
    /// What `visit` returned, or that the items can't be read.
    fn for_each(&self, visit: &mut dyn FnMut(Value) -> io::Result<()>) -> io::Result<()>;

    /// Hands each item to `visit` as one line of JSON; stamps may be missing. For counting, where taking every item
    /// apart costs more than the run did: an implementation that has the lines overrides it.
    ///
    /// # Errors
    /// What `visit` returned, or that the items can't be read.
    fn for_each_line(&self, visit: &mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        self.for_each(&mut |item| visit(&item.to_string()))
    }
}

/// Says whether a document's items are findings, not data that passed through.
pub(crate) fn has_findings(document: &dyn Document) -> bool {
    document.items_pointer() == "/findings"
}

/// Walks the items and keeps apart whose fault it was when that fails: the writer's or the document's.
pub(crate) fn walk(document: &dyn Document, visit: &mut dyn FnMut(Value) -> io::Result<()>) -> Result<(), ReportError> {
    let mut refused = None;
    let walked = document.for_each(&mut |item| visit(item).map_err(|error| stop(&mut refused, error)));
    settle(document, walked, refused)
}

/// As [`walk`], over lines.
pub(crate) fn walk_lines(document: &dyn Document, visit: &mut dyn FnMut(&str)) -> Result<(), ReportError> {
    let walked = document.for_each_line(&mut |line| {
        visit(line);
        Ok(())
    });
    settle(document, walked, None)
}

fn stop(refused: &mut Option<io::Error>, error: io::Error) -> io::Error {
    let kind = error.kind();
    *refused = Some(error);
    kind.into()
}

fn settle(document: &dyn Document, walked: io::Result<()>, refused: Option<io::Error>) -> Result<(), ReportError> {
    match (walked, refused) {
        (_, Some(error)) => Err(ReportError::Write(error)),
        (Err(source), None) => Err(ReportError::Read { artifact: document.name().clone(), source }),
        (Ok(()), None) => Ok(()),
    }
}

/// Writes the document as its file has it: one JSON object, the items in their array, one on each line. Needs memory
/// for one item at a time.
///
/// # Errors
/// When the writer refuses, or the items can't be read.
pub fn write_document(document: &dyn Document, out: &mut impl Write) -> Result<(), ReportError> {
    let path: Vec<String> =
        document.items_pointer().split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect();
    write_level(document, Some(document.metadata()), &path, out)
}

/// Writes one object on the way to the items, then what lies below it.
fn write_level(
    document: &dyn Document,
    object: Option<&Map<String, Value>>,
    path: &[String],
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    let Some((key, below)) = path.split_first() else { return write_items(document, out) };
    out.write_all(b"{")?;
    for (name, value) in object.into_iter().flatten().filter(|(name, _)| *name != key) {
        json(out, name)?;
        out.write_all(b": ")?;
        json(out, value)?;
        out.write_all(b",\n")?;
    }
    json(out, key)?;
    out.write_all(b": ")?;
    let inner = object.and_then(|object| object.get(key)).and_then(Value::as_object);
    write_level(document, inner, below, out)?;
    out.write_all(b"}")?;
    Ok(())
}

fn write_items(document: &dyn Document, out: &mut dyn Write) -> Result<(), ReportError> {
    out.write_all(b"[")?;
    let mut first = true;
    walk(document, &mut |item| {
        out.write_all(if std::mem::take(&mut first) { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &item).map_err(io::Error::from)
    })?;
    out.write_all(if first { b"]" } else { b"\n]" })?;
    Ok(())
}

pub(crate) fn json(out: &mut dyn Write, value: &(impl serde::Serialize + ?Sized)) -> io::Result<()> {
    serde_json::to_writer(out, value).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Made;
    use serde_json::json;

    fn written(document: &Made) -> String {
        let mut out = Vec::new();
        write_document(document, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_items_stand_in_their_array() {
        let document = Made::new("a", "x/1.0.0", vec![json!({"n": 1}), json!({"n": 2})])
            .with_metadata(json!({"summary": {"total": 2}, "about": null}));
        assert_eq!(
            written(&document),
            "{\"about\": null,\n\"summary\": {\"total\":2},\n\"findings\": [\n{\"n\":1},\n{\"n\":2}\n]}"
        );
    }

    #[test]
    fn a_document_without_items_has_an_empty_array() {
        assert_eq!(written(&Made::new("a", "x/1.0.0", vec![])), "{\"findings\": []}");
    }

    #[test]
    fn the_array_may_lie_deeper_and_its_name_may_be_escaped() {
        let document = Made::new("a", "x/1.0.0", vec![json!(1)])
            .with_metadata(json!({"in": {"other": true}, "z": 0}))
            .with_pointer("/in/a~1b");
        let value: Value = serde_json::from_str(&written(&document)).unwrap();
        assert_eq!(value, json!({"in": {"other": true, "a/b": [1]}, "z": 0}));
    }

    #[test]
    fn a_writer_that_refuses_is_told_apart_from_a_document_that_breaks() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if bytes.starts_with(b"\n") {
                    Err(io::Error::from(io::ErrorKind::StorageFull))
                } else {
                    Ok(bytes.len())
                }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let document = Made::new("a", "x/1.0.0", vec![json!(1)]);
        let error = write_document(&document, &mut Full).unwrap_err();
        assert!(matches!(&error, ReportError::Write(error) if error.kind() == io::ErrorKind::StorageFull), "{error:?}");

        let error = write_document(&document.broken(), &mut Vec::new()).unwrap_err();
        assert!(matches!(&error, ReportError::Read { artifact, .. } if artifact.as_str() == "a"), "{error:?}");
    }
}
