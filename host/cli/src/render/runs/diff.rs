//! Two runs beside each other.

use super::{ListedFinding, RunHead, foreign, painted};
use crate::render::{plan, table};
use palisade_engine::FindingCounts;
use palisade_model::record::OutputRecord;
use palisade_model::unit::Count;
use palisade_model::{Digest, SchemaRef};
use palisade_runbook::Difference;
use serde::Serialize;
use std::fmt::Write as _;

/// What differs between two runs.
#[derive(Debug, Serialize)]
pub(crate) struct RunsDiff {
    pub(crate) v: u32,
    pub(crate) old: RunHead,
    pub(crate) new: RunHead,
    pub(crate) plan_differences: Vec<Difference>,
    /// What was given to the runs.
    pub(crate) inputs: Vec<ArtifactDiff>,
    /// What their steps made, each artifact that has a name.
    pub(crate) artifacts: Vec<ArtifactDiff>,
    /// Over all artifacts.
    pub(crate) findings: FindingCounts,
}

/// An artifact in both runs, or in one of them.
#[derive(Debug, Serialize)]
pub(crate) struct ArtifactDiff {
    pub(crate) name: String,
    /// It is a result of one of the runs.
    pub(crate) exported: bool,
    /// Both have it, with the same digest.
    pub(crate) same: bool,
    pub(crate) old: Option<Known>,
    pub(crate) new: Option<Known>,
    /// None for what is no result, or has no findings with ids.
    pub(crate) findings: Option<FindingsDiff>,
}

/// What is known of an artifact without reading it.
#[derive(Debug, Serialize)]
pub(crate) struct Known {
    pub(crate) digest: Digest,
    schema: SchemaRef,
    pub(crate) items: u64,
    bytes: u64,
}

/// The findings of an artifact.
#[derive(Debug, Serialize)]
pub(crate) struct FindingsDiff {
    #[serde(flatten)]
    pub(crate) counts: FindingCounts,
    /// The first of the new ones.
    pub(crate) listed_new: Vec<ListedFinding>,
    /// The first of those that are gone.
    pub(crate) listed_gone: Vec<ListedFinding>,
}

impl From<&OutputRecord> for Known {
    fn from(output: &OutputRecord) -> Self {
        Self { digest: output.digest, schema: output.schema.clone(), items: output.count, bytes: output.bytes }
    }
}

/// The differences as text.
pub(crate) fn human(diff: &RunsDiff, colour: bool) -> String {
    let mut out = format!("old  {}\nnew  {}\n", diff.old.line(colour), diff.new.line(colour));
    // Writing to a String can't fail.
    let _ = writeln!(out, "  {}", plans(diff));
    if !diff.plan_differences.is_empty() {
        heading(&mut out, "What differs in the plan", colour);
        out.push_str(&plan::diff::human(&diff.plan_differences));
    }
    let others = |out: &mut String, title: &str, artifacts: &[&ArtifactDiff]| {
        if !artifacts.is_empty() {
            heading(out, title, colour);
            table(out, &artifacts.iter().map(|artifact| row(artifact)).collect::<Vec<_>>());
        }
    };
    others(&mut out, "Inputs", &diff.inputs.iter().collect::<Vec<_>>());
    let (found, other): (Vec<_>, Vec<_>) = diff.artifacts.iter().partition(|artifact| artifact.findings.is_some());
    if !found.is_empty() {
        heading(&mut out, "Findings", colour);
        found.iter().for_each(|artifact| findings(&mut out, artifact, colour));
    }
    others(&mut out, "Other artifacts", &other);
    let _ = writeln!(out, "\n{}", counted(&diff.findings));
    out
}

fn plans(diff: &RunsDiff) -> String {
    let (old, new) = (&diff.old, &diff.new);
    let told = |what: &str, old: Digest, new: Digest| {
        if old == new {
            format!("the same {what} {}", new.short())
        } else {
            format!("{what} {} → {}", old.short(), new.short())
        }
    };
    let runbook = told("runbook", old.runbook_digest, new.runbook_digest);
    let plan = told("plan", old.plan_digest, new.plan_digest);
    let only_texts = old.plan_digest != new.plan_digest && diff.plan_differences.is_empty();
    let only_texts = if only_texts { ": only titles and texts differ" } else { "" };
    format!("{runbook} · {plan}{only_texts}")
}

fn heading(out: &mut String, title: &str, colour: bool) {
    let _ = writeln!(out, "\n{}", painted(colour, "1", title));
}

/// An artifact whose findings are not compared.
fn row(artifact: &ArtifactDiff) -> Vec<String> {
    let shown = |known: &Known| format!("{}, {}", Count(known.items).of("item"), known.digest.short());
    let told = match (&artifact.old, &artifact.new) {
        (Some(_), Some(new)) if artifact.same => format!("the same: {}", shown(new)),
        (Some(old), Some(new)) => format!("differs: {} → {}", shown(old), shown(new)),
        (Some(old), None) => format!("only in the old run: {}", shown(old)),
        (None, Some(new)) => format!("only in the new run: {}", shown(new)),
        (None, None) => String::new(),
    };
    vec![foreign(&artifact.name), told]
}

fn findings(out: &mut String, artifact: &ArtifactDiff, colour: bool) {
    let Some(found) = &artifact.findings else { return };
    let only = match (&artifact.old, &artifact.new) {
        (Some(old), Some(new)) if old.schema != new.schema => {
            format!(", but {} → {}: ids of two schemas differ", old.schema, new.schema)
        }
        (Some(_), None) => ", since only the old run made it".to_owned(),
        (None, Some(_)) => ", since only the new run made it".to_owned(),
        _ => String::new(),
    };
    let _ = writeln!(out, "  {}  {}{only}", painted(colour, "1", &foreign(&artifact.name)), counted(&found.counts));
    let rows = |sign: &str, code: &str, listed: &[ListedFinding]| -> Vec<Vec<String>> {
        let sign = painted(colour, code, sign);
        listed.iter().map(|finding| std::iter::once(format!("  {sign}")).chain(finding.cells()).collect()).collect()
    };
    let mut listed = rows("+", "31", &found.listed_new);
    listed.extend(rows("-", "32", &found.listed_gone));
    table(out, &listed);
    let left_out = |counted: u64, listed: usize| counted.saturating_sub(listed as u64);
    let (new, gone) =
        (left_out(found.counts.new, found.listed_new.len()), left_out(found.counts.gone, found.listed_gone.len()));
    if new + gone > 0 {
        let _ =
            writeln!(out, "    {} more new and {} more gone ones are not listed: `--limit N`", Count(new), Count(gone));
    }
}

fn counted(counts: &FindingCounts) -> String {
    let changed = match counts.changed {
        0 => String::new(),
        changed => format!(", {} of them with other content", Count(changed)),
    };
    format!("{} new · {} gone · {} the same{changed}", Count(counts.new), Count(counts.gone), Count(counts.same))
}
