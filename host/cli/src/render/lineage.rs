//! What was made from what: as text, as data, and as events of OpenLineage.

pub(crate) mod openlineage;
mod tree;

pub(crate) use tree::said;

use super::runs::{RunHead, foreign, found_at, painted};
use palisade_engine::Lineage;
use palisade_report::ToldFinding;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A lineage as it is written as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct LineageDocument {
    pub(crate) v: u32,
    pub(crate) run: RunHead,
    pub(crate) what: What,
    /// What it was made from, itself among it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) up: Option<Lineage>,
    /// The child runs behind `up`, and those behind them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) children: Vec<ChildLineage>,
    /// What was made from it, itself among it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) down: Option<Lineage>,
}

/// What a step took of the child run that it was, and what that was made from.
#[derive(Debug, Serialize)]
pub(crate) struct ChildLineage {
    pub(crate) run: RunHead,
    /// The child's artifacts that were taken, by their names there.
    pub(crate) results: Vec<String>,
    /// What they were made from there, themselves among it.
    pub(crate) up: Lineage,
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
    let mut part = |title: &str, lineage: Option<&Lineage>, up: bool| {
        let Some(lineage) = lineage else { return };
        let _ = writeln!(out, "\n{}", painted(colour, "1", title));
        if lineage.steps.is_empty() {
            out.push_str("  nothing in this run\n");
            return;
        }
        let mut tree = tree::Tree::new(&document.children, up, colour);
        names.iter().for_each(|name| tree.add(lineage, name));
        out.push_str(&tree.text());
    };
    let (up, down) = match document.what {
        What::Artifact { .. } => ("Made from", "What was made from it"),
        What::Finding { .. } => ("What its artifact was made from", "What was made from its artifact"),
    };
    part(up, document.up.as_ref(), true);
    part(down, document.down.as_ref(), false);
    out
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
