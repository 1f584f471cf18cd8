//! Writes an artifact as the document of its schema, item by item: memory does not grow with the artifact, except by
//! one counter for each kind of finding.

use crate::artifact::ArtifactSchema;
use crate::pointer::split;
use crate::stamp::Stamper;
use crate::violation::Violation;
use serde_json::Value;
use std::io::{self, Write};

/// Why a document can't be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The other side took no more.
    #[error("the document can't be written")]
    Write(#[source] io::Error),
    /// An item is no JSON: what is stored is damaged.
    #[error("a stored item is no JSON: {0:?}")]
    Item(Violation),
}

/// Writes one document: the metadata first, then one item per line.
#[derive(Debug)]
pub struct DocumentWriter<'s, W: Write> {
    stamper: Stamper<'s>,
    out: W,
    /// Closing brackets still to come.
    closing: usize,
    first: bool,
}

impl<'s, W: Write> DocumentWriter<'s, W> {
    /// Writes the metadata and opens the array. `started_unix_ms` is when the attempt started that made the artifact,
    /// in milliseconds since 1970.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn begin(
        schema: &'s ArtifactSchema,
        mut metadata: Value,
        started_unix_ms: u64,
        mut out: W,
    ) -> Result<Self, ExportError> {
        let stamper = Stamper::new(schema, started_unix_ms);
        stamper.metadata(&mut metadata);
        let mut closing = 0;
        let mut level = Some(&metadata);
        for segment in split(schema.items_pointer()) {
            out.write_all(b"{").map_err(ExportError::Write)?;
            for (key, value) in level.and_then(Value::as_object).into_iter().flatten() {
                if *key != segment {
                    write_json(&mut out, &Value::String(key.clone()))?;
                    out.write_all(b":").map_err(ExportError::Write)?;
                    write_json(&mut out, value)?;
                    out.write_all(b",\n").map_err(ExportError::Write)?;
                }
            }
            write_json(&mut out, &Value::String(segment.clone()))?;
            out.write_all(b":").map_err(ExportError::Write)?;
            level = level.and_then(|value| value.get(&segment));
            closing += 1;
        }
        out.write_all(b"[").map_err(ExportError::Write)?;
        Ok(Self { stamper, out, closing, first: true })
    }

    /// Writes the next item with its stamps.
    ///
    /// # Errors
    /// When `out` takes no more, or the line is no JSON.
    pub fn item(&mut self, line: &str) -> Result<(), ExportError> {
        let item = self.stamper.item(line).map_err(ExportError::Item)?;
        let before: &[u8] = if self.first { b"\n" } else { b",\n" };
        self.first = false;
        self.out.write_all(before).map_err(ExportError::Write)?;
        write_json(&mut self.out, &item)
    }

    /// Closes the document and gives back what it was written to.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn finish(mut self) -> Result<W, ExportError> {
        let end = format!("{}]{}\n", if self.first { "" } else { "\n" }, "}".repeat(self.closing));
        self.out.write_all(end.as_bytes()).map_err(ExportError::Write)?;
        Ok(self.out)
    }
}

fn write_json(out: &mut impl Write, value: &Value) -> Result<(), ExportError> {
    serde_json::to_writer(out, value).map_err(|error| ExportError::Write(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema(items: &str, properties: Value) -> ArtifactSchema {
        let json = json!({"type": "object", "x-palisade-items": items, "properties": properties});
        ArtifactSchema::new("acme.x/1.0.0".parse().unwrap(), json).unwrap()
    }

    fn write(schema: &ArtifactSchema, metadata: Value, lines: &[&str]) -> Value {
        let mut writer = DocumentWriter::begin(schema, metadata, 1_000, Vec::new()).unwrap();
        lines.iter().for_each(|line| writer.item(line).unwrap());
        let text = String::from_utf8(writer.finish().unwrap()).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_document_is_metadata_items_and_stamps() {
        let item = json!({"properties": {
            "id": {"x-palisade-stamp": "finding-id", "x-palisade-id-of": ["/source", "/rule"]},
            "evidence": {"items": {"properties": {"seen": {"x-palisade-stamp": "time"}}}},
        }});
        let schema = schema(
            "/findings",
            json!({"findings": {"type": "array", "items": item}, "at": {"x-palisade-stamp": "time"}, "n": {}}),
        );
        let lines = [
            r#"{"source":"a","rule":"r","evidence":[{"content":"1"},{"content":"2"}]}"#,
            r#"{"source":"a","rule":"r"}"#,
            r#"{"source":"b","rule":"r"}"#,
        ];
        let document = write(&schema, json!({"n": 3}), &lines);
        assert_eq!((&document["n"], &document["at"]), (&json!(3), &json!("1970-01-01T00:00:01.000Z")));
        let findings = document["findings"].as_array().unwrap();
        assert_eq!(findings[0]["evidence"][1], json!({"content": "2", "seen": "1970-01-01T00:00:01.000Z"}));
        assert!(findings[1].get("evidence").is_none());
        let ids: std::collections::BTreeSet<_> = findings.iter().map(|finding| finding["id"].as_str()).collect();
        assert_eq!(ids.len(), 3);
        // The ids are part of the format: a changed rule would make all earlier findings look new.
        assert_eq!(findings[0]["id"], write(&schema, json!({}), &lines)["findings"][0]["id"]);
        let other_order = write(&schema, json!({}), &[lines[2], lines[0], lines[1]]);
        assert_eq!(other_order["findings"][0]["id"], findings[2]["id"]);
        assert_eq!(other_order["findings"][2]["id"], findings[1]["id"]);
        let mut stamper = Stamper::new(&schema, 1_000);
        for (line, finding) in lines.iter().zip(findings) {
            let id = stamper.id(line).unwrap().map(|id| id.to_string());
            assert_eq!(id.as_deref(), finding["id"].as_str());
        }
    }

    #[test]
    fn nested_and_empty_arrays_are_written() {
        let inner = json!({"type": "object", "properties": {"list": {"type": "array"}, "n": {}}});
        let schema = schema("/data/list", json!({"data": inner}));
        assert_eq!(
            write(&schema, json!({"data": {"n": 1}, "m": 2}), &[]),
            json!({"m": 2, "data": {"n": 1, "list": []}})
        );
        assert_eq!(write(&schema, json!({}), &["5"]), json!({"data": {"list": [5]}}));
        assert_eq!(Stamper::new(&schema, 1_000).id("5").unwrap(), None);
    }
}
