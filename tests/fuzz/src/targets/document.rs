//! Documents that are given to a run: read item by item, judged as the whole document would be, exported as they were.

use super::{first_line, schema};
use palisade_model::strict_json;
use palisade_schema::{ArtifactSchema, DocumentReadError, DocumentWriter, read_document};
use serde_json::Value;

/// Some time in 2026, in milliseconds since 1970.
const STARTED_MS: u64 = 1_790_000_000_000;

/// The first line is a schema or the name of one; what follows is the document.
pub(crate) fn run(bytes: &[u8]) {
    let Some((line, text)) = first_line(bytes) else { return };
    let Some(schema) = schema(line) else { return };
    let (Ok(item), Ok(document)) = (schema.item(), schema.document()) else { return };
    if schema.metadata().is_err() {
        return;
    }
    let Ok((metadata, lines)) = read(&schema, text) else {
        let whole = strict_json::from_str(text).ok().filter(|whole| document.fits(whole));
        let items = whole.as_ref().and_then(|whole| whole.pointer(schema.items_pointer()));
        assert!(!items.is_some_and(Value::is_array), "a document that fits is refused");
        return;
    };
    assert!(strict_json::from_str(text).is_ok(), "what is no JSON is read");
    for line in &lines {
        assert_eq!(item.check_line(line), Ok(()), "{line}");
    }
    let mut writer =
        DocumentWriter::begin(&schema, metadata.clone(), STARTED_MS, Vec::new()).expect("memory takes all");
    for line in &lines {
        writer.item(line).expect("an item that was read is JSON");
    }
    let written = String::from_utf8(writer.finish().expect("memory takes all")).expect("JSON is text");
    let (metadata_again, lines_again) = read(&schema, &written).unwrap_or_else(|error| panic!("{error:?}\n{written}"));
    assert_eq!((metadata_again, lines_again), (metadata, lines), "exported and read it is another");
}

fn read(schema: &ArtifactSchema, text: &str) -> Result<(Value, Vec<String>), DocumentReadError> {
    let mut lines = Vec::new();
    let metadata = read_document(schema, text.as_bytes(), &mut |line| {
        lines.push(line.to_owned());
        Ok(())
    })?;
    Ok((metadata, lines))
}
