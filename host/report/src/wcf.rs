//! WCF's export form, version 2.0.0, so that programs that read WCF's answers can read Palisade's.

use crate::document::{json, write_document};
use crate::{Document, ReportError};
use palisade_model::record::{RunRecord, Status, StepRecord};
use serde::Serialize;
use std::io::Write;

/// Writes the whole run in WCF's export form: every step as an artifact, the content of each exported one. Needs memory
/// for one item at a time.
///
/// WCF knows three outcomes of an artifact besides "not done", so a cancelled step counts as skipped, as WCF counts
/// one that a time-out cut off, and a waiting or interrupted one as pending. A failed `optional` step makes the run
/// `failed`, as it does there.
///
/// # Errors
/// When the writer refuses, a document can't be read, or that of an exported artifact is not in `documents`.
pub fn wcf(run: &RunRecord, documents: &[&dyn Document], out: &mut impl Write) -> Result<(), ReportError> {
    let head = Head::of(run);
    for (start, key, value) in [
        ("{\n  \"", "format_version", serde_json::to_string("2.0.0")),
        (",\n  \"", "run", serde_json::to_string(&head.run)),
        (",\n  \"", "runbook", serde_json::to_string(&head.runbook)),
        (",\n  \"", "summary", serde_json::to_string(&head.summary)),
        (",\n  \"", "errors", serde_json::to_string(&head.errors)),
        (",\n  \"", "skipped", serde_json::to_string(&head.skipped)),
        (",\n  \"", "pending", serde_json::to_string(&head.pending)),
    ] {
        write!(out, "{start}{key}\": {}", value.map_err(std::io::Error::from)?)?;
    }
    out.write_all(b",\n  \"outputs\": [")?;
    let mut first = true;
    let succeeded = run.steps.iter().filter(|step| step.status == Status::Succeeded);
    let outputs = succeeded.flat_map(|step| step.outputs().map(move |(output, exported)| (step, output, exported)));
    for (step, output, _) in outputs.filter(|(_, _, exported)| *exported) {
        let document = documents
            .iter()
            .find(|document| document.name() == &output.name)
            .ok_or_else(|| ReportError::NoDocument { artifact: output.name.clone() })?;
        out.write_all(if std::mem::take(&mut first) { b"\n" } else { b",\n" })?;
        write_output(step, *document, out)?;
    }
    out.write_all(if first { b"]\n}\n" } else { b"\n  ]\n}\n" })?;
    Ok(())
}

fn write_output(step: &StepRecord, document: &dyn Document, out: &mut impl Write) -> Result<(), ReportError> {
    let schema = document.schema();
    let entry = OutputEntry {
        artifact_id: document.name().as_str(),
        duration_seconds: seconds(step.usage.wall_ms),
        name: step.name.as_deref(),
        description: step.description.as_deref(),
        contact: step.contact.as_deref(),
        output_schema: SchemaEntry { name: schema.name(), version: schema.version().to_string() },
    };
    let mut text = Vec::new();
    json(&mut text, &entry)?;
    // The object is left open for the one member that is streamed.
    text.pop();
    out.write_all(&text)?;
    out.write_all(b",\"content\":")?;
    write_document(document, out)?;
    out.write_all(b"}")?;
    Ok(())
}

#[derive(Serialize)]
struct OutputEntry<'a> {
    artifact_id: &'a str,
    duration_seconds: f64,
    name: Option<&'a str>,
    description: Option<&'a str>,
    contact: Option<&'a str>,
    output_schema: SchemaEntry<'a>,
}

#[derive(Serialize)]
struct SchemaEntry<'a> {
    name: &'a str,
    version: String,
}

/// All that stands before the outputs.
struct Head<'a> {
    run: RunEntry<'a>,
    runbook: RunbookEntry<'a>,
    summary: SummaryEntry,
    errors: Vec<ErrorEntry<'a>>,
    skipped: Vec<&'a str>,
    pending: Vec<&'a str>,
}

#[derive(Serialize)]
struct RunEntry<'a> {
    id: String,
    timestamp: &'a str,
    duration_seconds: f64,
    status: &'static str,
}

/// WCF writes `null` where no contact is named; [`RunRecord`] leaves the key out.
#[derive(Serialize)]
struct RunbookEntry<'a> {
    name: &'a str,
    description: &'a str,
    contact: Option<&'a str>,
}

#[derive(Serialize)]
struct SummaryEntry {
    total: usize,
    succeeded: usize,
    failed: usize,
    skipped: usize,
    pending: usize,
}

#[derive(Serialize)]
struct ErrorEntry<'a> {
    artifact_id: &'a str,
    error: &'a str,
}

impl<'a> Head<'a> {
    fn of(run: &'a RunRecord) -> Self {
        let ids = |wanted: &[Status]| -> Vec<&'a str> {
            run.steps.iter().filter(|step| wanted.contains(&step.status)).map(artifact_id).collect()
        };
        let errors: Vec<_> = run
            .steps
            .iter()
            .filter(|step| step.status == Status::Failed)
            .map(|step| ErrorEntry {
                artifact_id: artifact_id(step),
                error: step.failure.as_ref().map_or("Unknown error", |failure| &failure.message),
            })
            .collect();
        let succeeded = ids(&[Status::Succeeded]).len();
        let skipped = ids(&[Status::Skipped, Status::Cancelled]);
        let pending = ids(&[Status::Waiting, Status::Interrupted]);
        let status = if !errors.is_empty() || run.status == Status::Failed {
            "failed"
        } else if !skipped.is_empty() || !pending.is_empty() || run.status != Status::Succeeded {
            "partial"
        } else {
            "completed"
        };
        Self {
            run: RunEntry {
                id: run.run_id.to_string(),
                timestamp: &run.started_at,
                duration_seconds: seconds(run.usage.wall_ms),
                status,
            },
            runbook: RunbookEntry {
                name: &run.runbook.name,
                description: &run.runbook.description,
                contact: run.runbook.contact.as_deref(),
            },
            summary: SummaryEntry {
                total: run.steps.len(),
                succeeded,
                failed: errors.len(),
                skipped: skipped.len(),
                pending: pending.len(),
            },
            errors,
            skipped,
            pending,
        }
    }
}

/// What WCF calls a step: its artifact. One that made none goes by its own id, which WCF's form of a runbook shares.
fn artifact_id(step: &StepRecord) -> &str {
    step.output.as_ref().map_or(step.id.as_str(), |output| output.name.as_str())
}

#[expect(clippy::cast_precision_loss, reason = "a duration in milliseconds stays far below 2^53")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1_000.0
}

#[cfg(test)]
mod tests;
