//! What was made from what: as text, as data, and as events of OpenLineage.

pub(crate) mod openlineage;
mod tree;

pub(crate) use tree::said;

use super::runs::{RunHead, foreign, found_at, painted};
use palisade_engine::{Lineage, Origin};
use palisade_model::unit::Count;
use palisade_model::{RunId, StepId};
use palisade_report::ToldFinding;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A lineage as it is written as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct LineageDocument {
    pub(crate) v: u32,
    pub(crate) run: RunHead,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<HangsFrom>,
    pub(crate) what: What,
    /// What it was made from, itself among it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) up: Option<Lineage>,
    /// What was made from it, itself among it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) down: Option<Lineage>,
    /// The other runs that belong to it, those above it and those below, as they were met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) runs: Vec<RelativeTold>,
    /// What belongs to it and can't be told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) gaps: Vec<GapTold>,
}

/// Another run that belongs to a lineage.
#[derive(Debug, Serialize)]
pub(crate) struct RelativeTold {
    pub(crate) run: RunHead,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<HangsFrom>,
    /// Its artifacts that its parent took, by their names there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) results: Vec<String>,
    /// Its inputs that what is followed went into.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) given: Vec<String>,
    /// What of it lies behind the artifact, or had the artifact's run run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) up: Option<Lineage>,
    /// What of it was made from the artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) down: Option<Lineage>,
}

/// The step that started a run.
#[derive(Debug, Serialize)]
pub(crate) struct HangsFrom {
    pub(crate) run_id: RunId,
    pub(crate) step: StepId,
    /// The iteration of a loop or the item of a map, from 1; 0 = the step is neither, or can't be told.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) iteration: u32,
}

/// Runs that belong to it and can't be told.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct GapTold {
    /// The first of them.
    pub(crate) run_id: RunId,
    /// The run that speaks of it.
    pub(crate) met_in: RunId,
    /// The step there that started it; none = it is the run above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<StepId>,
    /// Why, in one word.
    pub(crate) reason: &'static str,
    /// Why, in words.
    pub(crate) message: String,
    /// How many runs it are.
    pub(crate) runs: u64,
}

/// Whose lineage it is.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum What {
    /// That of an artifact.
    Artifact {
        /// Its name, or those of all that have its digest.
        names: Vec<String>,
    },
    /// That of a finding.
    Finding {
        id: String,
        /// The artifacts that have it.
        found_in: Vec<FoundIn>,
    },
}

/// A finding in an artifact.
#[derive(Debug, Serialize)]
pub(crate) struct FoundIn {
    pub(crate) artifact: String,
    /// Its number, from 0.
    pub(crate) item: u64,
    #[serde(flatten)]
    pub(crate) told: ToldFinding,
}

/// The lineage as text. `names` are the artifacts where it begins.
pub(crate) fn human(document: &LineageDocument, names: &BTreeSet<&str>, colour: bool) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    match &document.what {
        What::Artifact { names } => {
            let names = names.iter().map(|name| foreign(name)).collect::<Vec<_>>().join(", ");
            let _ = writeln!(out, "{} {names}", painted(colour, "1", "Artifact"));
        }
        What::Finding { id, found_in } => {
            let _ = writeln!(out, "{} {id}", painted(colour, "1", "Finding"));
            found_in.iter().for_each(|found| finding(&mut out, found));
        }
    }
    let run = &document.run;
    let _ = writeln!(out, "  of {}", run.line(colour));
    let _ = writeln!(out, "  runbook {}\n  plan    {}", run.runbook_digest, run.plan_digest);
    let (up, down) = match document.what {
        What::Artifact { .. } => ("Made from", "What was made from it"),
        What::Finding { .. } => ("What its artifact was made from", "What was made from its artifact"),
    };
    if let Some(lineage) = &document.up {
        let mut tree = tree::Tree::new(document, true, colour);
        section(&mut out, up, lineage, names, &mut tree, colour);
        let mut below = document.run.run_id;
        for (started, above) in above(document) {
            let _ = writeln!(out, "\n{}", painted(colour, "1", "Its run was started by"));
            tree.add_step(above, started, below);
            below = above.run.run_id;
            out.push_str(&tree.take());
        }
    }
    if let Some(lineage) = &document.down {
        let mut tree = tree::Tree::new(document, false, colour);
        section(&mut out, down, lineage, names, &mut tree, colour);
        for (HangsFrom { step, .. }, above) in above(document) {
            let Some(part) = &above.down else { continue };
            let title = format!("{down}, in {}", foreign(&above.run.name));
            let _ = writeln!(out, "\n{}", painted(colour, "1", &title));
            let taken =
                part.artifacts.iter().filter(|one| matches!(&one.from, Origin::Step { step: by, .. } if by == step));
            taken.for_each(|artifact| tree.add(above.run.run_id, part, &artifact.name));
            out.push_str(&tree.take());
        }
    }
    if !document.gaps.is_empty() {
        let _ = writeln!(out, "\n{}", painted(colour, "1;33", "What belongs to it and can't be told"));
        document.gaps.iter().for_each(|gap| out.push_str(&gap_line(gap)));
    }
    out
}

/// What begins in the run that was asked about.
fn section<'d>(
    out: &mut String,
    title: &str,
    lineage: &'d Lineage,
    names: &BTreeSet<&str>,
    tree: &mut tree::Tree<'d>,
    colour: bool,
) {
    let _ = writeln!(out, "\n{}", painted(colour, "1", title));
    if lineage.steps.is_empty() {
        out.push_str("  nothing in this run\n");
        return;
    }
    names.iter().for_each(|name| tree.add_asked(lineage, name));
    out.push_str(&tree.take());
}

/// The runs above that which was asked about, the nearest first, each with the step that started the one below.
fn above(document: &LineageDocument) -> Vec<(&HangsFrom, &RelativeTold)> {
    let (mut all, mut parent) = (Vec::new(), document.parent.as_ref());
    // Whoever can write the database can make a circle of runs.
    let mut met = BTreeSet::from([document.run.run_id]);
    while let Some(started) = parent.filter(|started| met.insert(started.run_id)) {
        let Some(above) = document.runs.iter().find(|other| other.run.run_id == started.run_id) else { break };
        all.push((started, above));
        parent = above.parent.as_ref();
    }
    all
}

fn gap_line(gap: &GapTold) -> String {
    let others = if gap.runs > 1 { format!(" and {}", Count(gap.runs - 1).of("other")) } else { String::new() };
    let place = match &gap.step {
        Some(step) => format!("started by step {step} of run {}", gap.met_in),
        None => format!("which started run {}", gap.met_in),
    };
    let help = if gap.reason == "damaged" { "\n    help: `palisade doctor` says all that is damaged" } else { "" };
    format!("  run {}{others}, {place}\n    {}{help}\n", gap.run_id, foreign(&gap.message))
}

fn finding(out: &mut String, found: &FoundIn) {
    let told = &found.told;
    let _ = writeln!(out, "  in `{}`, item {}, counted from 0", foreign(&found.artifact), found.item);
    let what: Vec<&str> = told.category.iter().chain(&told.rule).map(String::as_str).collect();
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(out, "    {name:9} {value}");
        }
    };
    fact("found", &foreign(&what.join(" / ")));
    fact("marks", &told.marks.join(", "));
    fact("at", &found_at(told));
    fact("patterns", &foreign(&told.patterns.join(", ")));
    told.evidence.iter().for_each(|piece| fact("evidence", &foreign(piece)));
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
