//! What can keep a report from being written.

use palisade_model::OutputName;
use std::io;

/// Why a report is not complete.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The writer refused more bytes; what it got before is no complete report.
    #[error("cannot write the report")]
    Write(#[source] io::Error),
    /// A document could not be read to its end.
    #[error("cannot read artifact `{artifact}` for the report")]
    Read {
        /// Which artifact.
        artifact: OutputName,
        /// What its store said.
        #[source]
        source: io::Error,
    },
    /// The record says that a step made an artifact that is to be exported, and the caller handed over no document of
    /// that name.
    #[error("artifact `{artifact}` is to be exported, and its document is missing")]
    NoDocument {
        /// Which artifact.
        artifact: OutputName,
    },
}

impl From<io::Error> for ReportError {
    /// Takes it as an error of the writer: those of documents are wrapped where they are read.
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}
