//! `palisade runs diff`: which findings are new, gone and the same between two runs, and what else differs.
//!
//! Findings are told apart by their ids; of the documents, one item is in memory at a time.

use super::{FORM, Told, find, not_told};
use crate::args::{Format, RunsDiffArgs};
use crate::commands::plan::assumed;
use crate::commands::{Context, unreadable};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::render::runs::diff::{ArtifactDiff, FindingsDiff, Known, RunsDiff, human};
use crate::render::runs::{ListedFinding, RunHead};
use palisade_engine::{Document, Export, FindingCounts, OnlyIn, diff_findings};
use palisade_model::record::{OutputRecord, RunRecord};
use palisade_model::{RunId, neutral, strict_json};
use palisade_report::FindingTeller;
use palisade_runbook::{PlanDocument, plan_diff};
use palisade_schema::{ArtifactSchema, Registry};
use palisade_store::Store;

pub(super) fn exec(context: &Context, store: Option<&Store>, args: &RunsDiffArgs) -> Result<ExitCode, CliError> {
    let (store, old) = find(context, store, &args.old)?;
    let (_, new) = find(context, Some(store), &args.new)?;
    let (old, new) = (Side::read(context, store, old)?, Side::read(context, store, new)?);
    let (artifacts, unidentified) = artifacts(store, &old, &new, args)?;
    let mut findings = FindingCounts::default();
    artifacts.iter().filter_map(|artifact| artifact.findings.as_ref()).for_each(|found| findings.add(found.counts));
    let diff = RunsDiff {
        v: FORM,
        old: RunHead::new(&old.record, &old.told.standing),
        new: RunHead::new(&new.record, &new.told.standing),
        plan_differences: plan_diff(&old.plan, &new.plan),
        inputs: inputs(&old.record, &new.record),
        artifacts,
        findings,
    };
    if context.format == Format::Json {
        console::json(&diff);
    } else {
        console::out(&human(&diff, context.settings.colour_stdout));
    }
    let why = if args.fail_on_new { not_cleared(&diff, &unidentified) } else { Vec::new() };
    why.iter().for_each(|why| console::err(&format!("error: {why}; `--fail-on-new` makes it a failure\n")));
    Ok(if why.is_empty() { ExitCode::Done } else { ExitCode::Failed })
}

/// Why it can't be said that there are no new findings: there are some, or there could be.
fn not_cleared(diff: &RunsDiff, unidentified: &[String]) -> Vec<String> {
    let mut why = Vec::new();
    match diff.findings.new {
        0 => {}
        1 => why.push("there is 1 new finding".to_owned()),
        new => why.push(format!("there are {new} new findings")),
    }
    if diff.new.state != "succeeded" {
        why.push(format!("the new run has not succeeded (it is {}), so findings may be missing", diff.new.state));
    }
    why.extend(unidentified.iter().map(|name| {
        let name = neutral::line(name, 200);
        format!("`{name}` differs, and its findings have no ids by which new ones could be told")
    }));
    why
}

/// One of the runs.
struct Side {
    told: Told,
    plan: PlanDocument,
    schemas: Registry,
    record: RunRecord,
}

impl Side {
    fn read(context: &Context, store: &Store, run: RunId) -> Result<Self, CliError> {
        let told = Told::read(store, run)?;
        let plan = told.plan(store)?;
        let schemas = told.history.schemas(store).map_err(|error| not_told(&error))?;
        let record = told.history.record(&plan).map_err(|error| not_told(&error))?;
        Ok(Self { told, plan: PlanDocument::new(plan, &assumed(context, None)), schemas, record })
    }

    /// What its steps made that has a name; with whether it is a result.
    fn outputs(&self) -> impl Iterator<Item = (&OutputRecord, bool)> {
        self.record.steps.iter().flat_map(|step| step.outputs())
    }

    fn output(&self, name: &str) -> Option<(&OutputRecord, bool)> {
        self.outputs().find(|(output, _)| output.name.as_str() == name)
    }

    fn schema(&self, output: &OutputRecord) -> Option<&ArtifactSchema> {
        self.schemas.get(&output.schema).map(AsRef::as_ref)
    }

    fn document(&self, store: &Store, output: &OutputRecord) -> Result<Document, CliError> {
        let (name, schema) = (output.name.clone(), output.schema.clone());
        // Ids depend on no time.
        let export = Export { name, artifact: output.digest, schema, started_ms: 0 };
        Document::open(store, &self.schemas, &export).map_err(|error| unreadable(&error))
    }
}

/// Compares all artifacts; with the names of those that differ, hold findings and can't tell them apart.
fn artifacts(
    store: &Store,
    old: &Side,
    new: &Side,
    args: &RunsDiffArgs,
) -> Result<(Vec<ArtifactDiff>, Vec<String>), CliError> {
    let (mut artifacts, mut unidentified) = (Vec::new(), Vec::new());
    let only_old = old.outputs().filter(|(output, _)| new.output(output.name.as_str()).is_none());
    for (output, _) in new.outputs().chain(only_old) {
        let name = output.name.as_str();
        let (before, after) = (old.output(name), new.output(name));
        let exported = before.into_iter().chain(after).any(|(_, exported)| exported);
        let (before, after) = (before.map(|(output, _)| output), after.map(|(output, _)| output));
        let same = before.zip(after).is_some_and(|(before, after)| before.digest == after.digest);
        let schemas = [(old, before), (new, after)];
        let schemas = || schemas.iter().filter_map(|(side, output)| side.schema((*output)?));
        let findings = if !exported {
            None
        } else if schemas().any(ArtifactSchema::has_finding_ids) {
            Some(match after.filter(|_| same) {
                // Equal digests are equal findings: nothing has to be read.
                Some(after) => all_the_same(after.count),
                None => compared(store, (old, before), (new, after), args)?,
            })
        } else {
            if !same && schemas().any(|schema| schema.items_pointer() == "/findings") {
                unidentified.push(name.to_owned());
            }
            None
        };
        let (name, old, new) = (name.to_owned(), before.map(Known::from), after.map(Known::from));
        artifacts.push(ArtifactDiff { name, exported, same, old, new, findings });
    }
    Ok((artifacts, unidentified))
}

fn all_the_same(items: u64) -> FindingsDiff {
    let counts = FindingCounts { same: items, ..FindingCounts::default() };
    FindingsDiff { counts, listed_new: Vec::new(), listed_gone: Vec::new() }
}

/// Reads the findings of both.
fn compared(
    store: &Store,
    old: (&Side, Option<&OutputRecord>),
    new: (&Side, Option<&OutputRecord>),
    args: &RunsDiffArgs,
) -> Result<FindingsDiff, CliError> {
    let open =
        |(side, output): (&Side, Option<&OutputRecord>)| output.map(|output| side.document(store, output)).transpose();
    let teller = |(side, output): (&Side, Option<&OutputRecord>)| {
        output.map(|output| FindingTeller::new(&side.record, Some(&output.name), &output.schema, args.evidence.into()))
    };
    let (old_teller, new_teller) = (teller(old), teller(new));
    let (mut listed_new, mut listed_gone) = (Vec::new(), Vec::new());
    let counts = diff_findings(&open(old)?, &open(new)?, &mut |only, id, line| {
        let (listed, teller) = match only {
            OnlyIn::New => (&mut listed_new, &new_teller),
            OnlyIn::Old => (&mut listed_gone, &old_teller),
        };
        if listed.len() < args.limit {
            // It was read as JSON for its id.
            let item = strict_json::from_str(line).unwrap_or_default();
            let told = teller.map(|teller| teller.tell(&item)).unwrap_or_default();
            listed.push(ListedFinding { id: id.hyphenated().to_string(), told });
        }
    });
    let counts = counts.map_err(|error| unreadable(&error))?;
    Ok(FindingsDiff { counts, listed_new, listed_gone })
}

/// Compares what was given to the runs.
fn inputs(old: &RunRecord, new: &RunRecord) -> Vec<ArtifactDiff> {
    let find = |record: &RunRecord, name: &str| {
        let input = record.inputs.iter().find(|input| input.artifact.name.as_str() == name);
        input.map(|input| Known::from(&input.artifact))
    };
    let only_old = old.inputs.iter().filter(|input| find(new, input.artifact.name.as_str()).is_none());
    let compare = |name: &str| {
        let (old, new) = (find(old, name), find(new, name));
        let same = old.as_ref().zip(new.as_ref()).is_some_and(|(old, new)| old.digest == new.digest);
        ArtifactDiff { name: name.to_owned(), exported: false, same, old, new, findings: None }
    };
    new.inputs.iter().chain(only_old).map(|input| compare(input.artifact.name.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::Digest;

    fn head(state: &str) -> RunHead {
        let digest = Digest::of(b"x");
        RunHead {
            run_id: RunId::new(1, [1; 10]),
            name: "n".to_owned(),
            state: state.to_owned(),
            started_at: String::new(),
            palisade_version: String::new(),
            runbook_digest: digest,
            plan_digest: digest,
            edited: false,
        }
    }

    #[test]
    fn what_can_not_be_known_is_not_cleared() {
        let check = |state: &str, new: u64, unidentified: &[&str], reasons: &[&str]| {
            let diff = RunsDiff {
                v: FORM,
                old: head("failed"),
                new: head(state),
                plan_differences: Vec::new(),
                inputs: Vec::new(),
                artifacts: Vec::new(),
                findings: FindingCounts { new, gone: 5, same: 5, changed: 5 },
            };
            let unidentified: Vec<String> = unidentified.iter().map(|name| (*name).to_owned()).collect();
            let why = not_cleared(&diff, &unidentified);
            assert_eq!(why.len(), reasons.len(), "{why:?}");
            assert!(why.iter().zip(reasons).all(|(why, reason)| why.contains(reason)), "{why:?}");
        };
        check("succeeded", 0, &[], &[]);
        check("succeeded", 1, &[], &["is 1 new finding"]);
        check("succeeded", 2, &["other"], &["are 2 new findings", "`other` differs"]);
        for state in ["failed", "cancelled", "interrupted", "running", "abandoned", "waiting"] {
            check(state, 0, &[], &["has not succeeded"]);
        }
    }
}
