//! `palisade lineage`: what a finding or an artifact was made from, and what was made from it.
//!
//! There is no index of findings: ids are not stored but follow from the data, so they are computed where one is looked
//! for, in the newest runs first.

mod gap;
mod search;

use super::Context;
use super::runs::{Told, find, not_told};
use crate::args::{Format, LineageArgs};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::render::lineage::openlineage::{Exported, ParentAttempt};
use crate::render::lineage::{self, FoundIn, GapTold, HangsFrom, LineageDocument, RelativeTold, What};
use crate::render::runs::RunHead;
use crate::workspace::existing_store;
use gap::Unread;
use palisade_engine::{Event, Followed, History, HistoryError, Lineage, Part, Relative, Standing, Start, attempt_id};
use palisade_model::record::RunRecord;
use palisade_model::{OutputName, RunId, StepId, strict_json};
use palisade_report::FindingTeller;
use palisade_schema::Registry;
use palisade_store::{Fault, Store};
use search::{Finding, Target, Wanted, look_in_all, look_in_one};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Version of the JSON form.
const FORM: u32 = 1;
/// Most runs that are followed: a map may have a hundred thousand children, and each is read whole.
const MAX_FOLLOWED: usize = 1_000;

/// What hangs together with what is asked about.
type Known = Followed<OneRun, Unread>;

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
    tell(context, args, store, run, &target)
}

/// A run with all that is looked at.
struct OneRun {
    told: Told,
    record: RunRecord,
    lineage: Rc<Lineage>,
}

impl OneRun {
    fn read(store: &Store, run: RunId) -> Result<Self, HistoryError> {
        let row = store.run(run)?.ok_or(HistoryError::Missing { run, what: "row" })?;
        let (_, standing) = Standing::of(store, row)?;
        let told = Told::new(run, standing, History::read(store, run)?);
        let plan = told.history.plan(store)?;
        let record = told.history.record(&plan)?;
        let lineage = Rc::new(Lineage::of(&plan, told.history.events(), told.goes_on()));
        Ok(Self { told, record, lineage })
    }

    /// Reads one that another run speaks of.
    fn read_other(store: &Store, run: RunId) -> Result<(Self, Rc<Lineage>), Unread> {
        if store.run(run)?.is_none() {
            return Err(Unread::NotStored);
        }
        let mut read = Self::read(store, run)?;
        read.note_erased(store)?;
        let lineage = Rc::clone(&read.lineage);
        Ok((read, lineage))
    }

    fn note_erased(&mut self, store: &Store) -> Result<(), HistoryError> {
        Rc::make_mut(&mut self.lineage).note_erased(&self.told.history.erased(store)?);
        Ok(())
    }

    fn schemas(&self, store: &Store) -> Result<Registry, HistoryError> {
        self.told.history.schemas(store)
    }

    fn head(&self) -> RunHead {
        RunHead::new(&self.record, &self.told.standing)
    }
}

fn tell(
    context: &Context,
    args: &LineageArgs,
    store: &Store,
    mut run: OneRun,
    target: &Target,
) -> Result<ExitCode, CliError> {
    run.note_erased(store).map_err(|error| not_told(&error))?;
    let (what, lineage) = (what(args, &run, target), Rc::clone(&run.lineage));
    let start = Start { artifacts: target.starts(), up: !args.down, down: !args.up };
    let first = (run.told.history.run(), run, lineage);
    let known = Known::from(first, &start, MAX_FOLLOWED, &mut |run| OneRun::read_other(store, run));
    let gaps = gap::told(&known);
    if context.format == Format::OpenLineage {
        export(store, &known).map_err(|error| not_told(&error))?;
    } else if let Some(document) = document(&known, what, &start, gaps.clone()) {
        if context.format == Format::Json {
            console::json(&document);
        } else {
            let names = start.artifacts.iter().map(|(name, _)| *name).collect();
            console::out(&lineage::human(&document, &names, context.settings.colour_stdout));
        }
    }
    // It is said with all else, and whoever looks at nothing but the end of it is told too.
    Ok(if gap::is_damage(&known) { ExitCode::Integrity } else { ExitCode::Done })
}

fn document(known: &Known, what: What, start: &Start<'_>, gaps: Vec<GapTold>) -> Option<LineageDocument> {
    let (first, others) = known.runs.split_first()?;
    Some(LineageDocument {
        v: FORM,
        run: first.run.head(),
        parent: hangs_from(known, first),
        what,
        up: start.up.then(|| first.up.of(&first.lineage)),
        down: start.down.then(|| first.down.of(&first.lineage)),
        runs: others.iter().map(|other| relative(known, other)).collect(),
        gaps,
    })
}

fn relative(known: &Known, of: &Relative<OneRun>) -> RelativeTold {
    let part = |part: &Part| (!part.is_empty()).then(|| part.of(&of.lineage));
    RelativeTold {
        run: of.run.head(),
        parent: hangs_from(known, of),
        results: of.results.iter().cloned().collect(),
        given: of.given.iter().cloned().collect(),
        up: part(&of.up),
        down: part(&of.down),
    }
}

/// The step that started a run.
fn hangs_from(known: &Known, child: &Relative<OneRun>) -> Option<HangsFrom> {
    let parent = child.lineage.parent.as_ref()?;
    let step = known.run(parent.run).and_then(|above| above.lineage.step(&parent.step));
    let of_step = step.and_then(|step| step.children.iter().find(|one| one.run_id == child.id));
    Some(HangsFrom {
        run_id: parent.run,
        step: parent.step.clone(),
        iteration: of_step.map_or(0, |child| child.iteration),
    })
}

/// Writes what was followed as events of OpenLineage, run by run.
fn export(store: &Store, known: &Known) -> Result<(), HistoryError> {
    let gaps: BTreeMap<RunId, &'static str> = known.gaps.iter().map(|gap| (gap.run, gap::reason(gap))).collect();
    for Relative { run, lineage, up, down, .. } in &known.runs {
        let exported = Exported {
            record: &run.record,
            lineage,
            events: run.told.history.events(),
            steps: up.steps.union(&down.steps).cloned().collect::<BTreeSet<StepId>>(),
            parent: parent_attempt(store, known, lineage)?,
            gaps: &gaps,
        };
        exported.events(&mut |event| console::out(&format!("{event}\n")));
    }
    Ok(())
}

/// The attempt that a child run is, in the run that started it; by its step alone where that run can't be told.
fn parent_attempt(store: &Store, known: &Known, lineage: &Lineage) -> Result<Option<ParentAttempt>, Fault> {
    let Some(parent) = &lineage.parent else { return Ok(None) };
    let place = usize::try_from(parent.seq.saturating_sub(1)).unwrap_or(usize::MAX);
    let id = |events: &[Event]| match events.get(place) {
        Some(Event::ChildStarted(started)) => {
            Some(attempt_id(parent.run, &started.step, started.iteration, started.attempt))
        }
        _ => None,
    };
    let id = match known.run(parent.run) {
        Some(above) => id(above.run.told.history.events()),
        // Nothing of it belongs to what is told.
        None => History::read(store, parent.run).ok().and_then(|above| id(above.events())),
    };
    let title = |run| store.run(run).map(|row| row.map_or_else(String::new, |row| row.summary.title));
    Ok(Some(ParentAttempt {
        run: parent.run,
        id,
        runbook: title(parent.run)?,
        step: parent.step.clone(),
        root: parent.root,
        root_runbook: title(parent.root)?,
    }))
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
