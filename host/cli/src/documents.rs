//! The documents of a run as reports read them.

use crate::exit_code::ExitCode;
use crate::failure::CliError;
use palisade_engine::{Document, Export};
use palisade_model::{OutputName, SchemaRef};
use palisade_schema::Registry;
use palisade_store::Store;
use serde_json::{Map, Value};
use std::io;

/// An exported artifact with its metadata at hand.
#[derive(Debug)]
pub(crate) struct ReportDocument {
    pub(crate) document: Document,
    metadata: Map<String, Value>,
}

/// Opens all exported artifacts of a run.
///
/// # Errors
/// When one is not there.
pub(crate) fn open_all(store: &Store, schemas: &Registry, exports: &[Export]) -> Result<Vec<ReportDocument>, CliError> {
    let open = |export: &Export| {
        let document = Document::open(store, schemas, export)
            .map_err(|error| CliError::from_error(ExitCode::Integrity, &error))?;
        let metadata = match document.metadata() {
            Value::Object(metadata) => metadata,
            _ => Map::new(),
        };
        Ok(ReportDocument { document, metadata })
    };
    exports.iter().map(open).collect()
}

impl palisade_report::Document for ReportDocument {
    fn name(&self) -> &OutputName {
        &self.document.export().name
    }

    fn schema(&self) -> &SchemaRef {
        &self.document.export().schema
    }

    fn items_pointer(&self) -> &str {
        self.document.items_pointer()
    }

    fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }

    fn for_each(&self, visit: &mut dyn FnMut(Value) -> io::Result<()>) -> io::Result<()> {
        self.document.for_each(visit).map_err(io::Error::other)
    }

    fn for_each_line(&self, visit: &mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        self.document.for_each_line(visit).map_err(io::Error::other)
    }
}
