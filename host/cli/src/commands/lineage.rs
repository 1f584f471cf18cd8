//! `palisade lineage`: what a finding or an artifact was made from, and what was made from it.
//!
//! There is no index of findings: ids are not stored but follow from the data, so they are computed where one is looked
//! for, in the newest runs first.

mod below;
mod search;

use super::Context;
use super::runs::{Told, find, not_told};
use crate::args::{Format, LineageArgs};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::render::lineage::openlineage::Exported;
use crate::render::lineage::openlineage::ParentAttempt;
use crate::render::lineage::{self, FoundIn, LineageDocument, What};
use crate::render::runs::RunHead;
use crate::workspace::existing_store;
use below::ChildRun;
use palisade_engine::{Event, History, HistoryError, Lineage, Part, Standing, attempt_id};
use palisade_model::record::RunRecord;
use palisade_model::{OutputName, RunId, StepId, strict_json};
use palisade_report::FindingTeller;
use palisade_schema::Registry;
use palisade_store::Store;
use search::{Finding, Target, Wanted, look_in_all, look_in_one};
use std::collections::BTreeSet;

/// Version of the JSON form.
const FORM: u32 = 1;

pub(crate) fn exec(context: &Context, args: &LineageArgs) -> Result<ExitCode, CliError> {
    let store = existing_store(&context.settings)?;
    let wanted = Wanted::new(&args.what);
    // Where no run is named, the latest is at least one to look in.
    let (store, first) = find(context, store.as_ref(), args.run.as_deref().unwrap_or("last"))?;
    let (run, target) = if args.run.is_some() {
        let run = OneRun::read(store, first).map_err(|error| not_told(&error))?;
        let target = look_in_one(store, &run, &wanted)?;
        (run, target)
    } else {
        look_in_all(store, &wanted)?
    };
    tell(context, args, store, &run, &target)?;
    Ok(ExitCode::Done)
}

/// A run with all that is looked at.
struct OneRun {
    told: Told,
    schemas: Registry,
    record: RunRecord,
    lineage: Lineage,
}

impl OneRun {
    fn read(store: &Store, run: RunId) -> Result<Self, HistoryError> {
        let row = store.run(run)?.ok_or(HistoryError::Missing { run, what: "row" })?;
        let (_, standing) = Standing::of(store, row)?;
        let told = Told::new(run, standing, History::read(store, run)?);
        let plan = told.history.plan(store)?;
        let schemas = told.history.schemas(store)?;
        let record = told.history.record(&plan)?;
        let lineage = Lineage::of(&plan, told.history.events(), told.goes_on());
        Ok(Self { told, schemas, record, lineage })
    }

    fn head(&self) -> RunHead {
        RunHead::new(&self.record, &self.told.standing)
    }
}

/// The attempt that a child run is, in the run that started it.
fn parent_attempt(store: &Store, history: &History) -> Result<Option<ParentAttempt>, HistoryError> {
    let Some(parent) = &history.start()?.parent else { return Ok(None) };
    let above = History::read(store, parent.run)?;
    let place = usize::try_from(parent.seq.saturating_sub(1)).unwrap_or(usize::MAX);
    let Some(Event::ChildStarted(started)) = above.events().get(place) else { return Ok(None) };
    let title = |run| store.run(run).map(|row| row.map_or_else(String::new, |row| row.summary.title));
    Ok(Some(ParentAttempt {
        id: attempt_id(parent.run, &started.step, started.iteration, started.attempt),
        runbook: title(parent.run)?,
        step: started.step.clone(),
        root: parent.root,
        root_runbook: title(parent.root)?,
    }))
}

fn tell(context: &Context, args: &LineageArgs, store: &Store, run: &OneRun, target: &Target) -> Result<(), CliError> {
    let names = target.artifacts();
    let part = |walk: &dyn Fn(&str) -> Part| {
        let mut whole = Part::default();
        names.iter().for_each(|name| whole.join(walk(name)));
        whole
    };
    let up = (!args.down).then(|| part(&|name| run.lineage.up(name)));
    let down = (!args.up).then(|| part(&|name| run.lineage.down(name)));
    let children = up.as_ref().map_or_else(|| Ok(Vec::new()), |up| below::below(store, &run.lineage, up));
    let children = children.map_err(|error| not_told(&error))?;
    if context.format == Format::OpenLineage {
        let steps = up.iter().chain(&down).flat_map(|part| part.steps.iter().cloned()).collect();
        export(store, run, steps)?;
        return children.into_iter().try_for_each(|child| export(store, &child.run, child.part.steps));
    }
    let document = LineageDocument {
        v: FORM,
        run: run.head(),
        what: what(args, run, target),
        up: up.as_ref().map(|part| part.of(&run.lineage)),
        children: children.into_iter().map(ChildRun::told).collect(),
        down: down.as_ref().map(|part| part.of(&run.lineage)),
    };
    if context.format == Format::Json {
        console::json(&document);
    } else {
        console::out(&lineage::human(&document, &names, context.settings.colour_stdout));
    }
    Ok(())
}

/// Writes a run and the attempts of these steps as events of OpenLineage.
fn export(store: &Store, run: &OneRun, steps: BTreeSet<StepId>) -> Result<(), CliError> {
    let exported = Exported {
        record: &run.record,
        lineage: &run.lineage,
        events: run.told.history.events(),
        steps,
        parent: parent_attempt(store, &run.told.history).map_err(|error| not_told(&error))?,
    };
    exported.events(&mut |event| console::out(&format!("{event}\n")));
    Ok(())
}

fn what(args: &LineageArgs, run: &OneRun, target: &Target) -> What {
    let found = |finding: &Finding| {
        let artifact = run.lineage.artifact(&finding.artifact);
        // It was read as JSON for its id.
        let item = strict_json::from_str(&finding.line).unwrap_or_default();
        let told = artifact.map(|artifact| {
            let name = artifact.runbook_name().map(OutputName::from);
            FindingTeller::new(&run.record, name.as_ref(), &artifact.schema, args.evidence.into()).tell(&item)
        });
        FoundIn { artifact: finding.artifact.clone(), item: finding.item, told: told.unwrap_or_default() }
    };
    match target {
        Target::Artifact { names } => What::Artifact { names: names.clone() },
        Target::Finding { id, found_in } => {
            What::Finding { id: id.hyphenated().to_string(), found_in: found_in.iter().map(found).collect() }
        }
    }
}
