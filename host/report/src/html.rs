//! The page: one file that loads nothing, for people who read what a run found.

mod collect;
mod escape;
mod evidence;
mod gaps;
mod overview;
mod page;
mod places;
mod record;

use crate::evidence::Evidence;
use crate::tally::tally_all;
use crate::{Document, ReportError};
use palisade_model::record::RunRecord;
use std::io::Write;

/// Writes one self-contained HTML page: where a policy and the data disagree, what was found by file and rule with its evidence, what failed, what was left
/// out, what it took, and the digests that say what ran.
///
/// It loads nothing, and its content security policy forbids it to; its only script filters what is there, and without
/// it everything is still to be read. Foreign text is neutralised and escaped. Each document is walked twice; memory
/// and page stay bounded, and the page says what it leaves out.
///
/// # Errors
/// When the writer refuses or a document can't be read.
pub fn html(
    run: &RunRecord,
    documents: &[&dyn Document],
    evidence: Evidence,
    out: &mut impl Write,
) -> Result<(), ReportError> {
    let (tallies, places) = tally_all(documents)?;
    let collected = collect::collect(run, &tallies, &places, evidence)?;
    page::open(run, evidence, out)?;
    overview::cards(run, &tallies, &places, out)?;
    record::failures(run, evidence, out)?;
    gaps::gaps(run, documents, evidence, out)?;
    overview::categories(&tallies, out)?;
    places::findings(&tallies, &collected, &places, evidence, out)?;
    record::steps(run, out)?;
    record::skipped(run, evidence, out)?;
    record::warnings(run, evidence, out)?;
    record::digests(run, out)?;
    page::close(run, out)?;
    Ok(())
}

#[cfg(test)]
mod tests;
