//! Run record and documents → people's summary, HTML page, WCF's export form.
//!
//! Everything is written to an `impl io::Write` that the caller opened. Nothing here prints, opens a file, reads a
//! clock, or holds more of a document in memory than a bounded part of it.

mod allow;
mod document;
mod error;
mod evidence;
mod fields;
mod finding;
mod gap;
mod glance;
mod html;
mod json;
mod place;
mod skips;
mod summary;
mod tally;
mod told;
mod trust;
mod vocabulary;
mod wcf;

pub use document::{Document, write_document};
pub use error::ReportError;
pub use evidence::Evidence;
pub use html::html;
pub use json::run_json;
pub use summary::{TextStyle, Unended, history, summary, written};
pub use told::{FindingTeller, ToldFinding};
pub use wcf::wcf;

#[cfg(test)]
mod fixture;
