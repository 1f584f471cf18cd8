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
type Known = Followed<RunHead, Unread>;
/// What is known of another run for good: its events are not, there may be many of them.
type Other = (RunHead, Rc<Lineage>);

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
    lineage: Lineage,
}

impl OneRun {
    fn read(store: &Store, run: RunId) -> Result<Self, HistoryError> {
        let row = store.run(run)?.ok_or(HistoryError::Missing { run, what: "row" })?;
        let (_, standing) = Standing::of(store, row)?;
        let told = Told::new(run, standing, History::read(store, run)?);
        let plan = told.history.plan(store)?;
        let record = told.history.record(&plan)?;
        let lineage = Lineage::of(&plan, told.history.events(), told.goes_on());
        Ok(Self { told, record, lineage })
    }

    /// Reads one that another run speaks of.
    fn read_other(store: &Store, run: RunId) -> Result<Result<Other, Unread>, HistoryError> {
        if store.run(run)?.is_none() {
            return Ok(Err(Unread::NotStored));
        }
        match Self::read(store, run).and_then(|read| read.known(store)) {
            Ok(known) => Ok(Ok(known)),
            Err(error) => Unread::of(error).map(Err),
        }
    }

    fn schemas(&self, store: &Store) -> Result<Registry, HistoryError> {
        self.told.history.schemas(store)
    }

    fn known(mut self, store: &Store) -> Result<Other, HistoryError> {
        self.lineage.note_erased(store)?;
        Ok((RunHead::new(&self.record, &self.told.standing), Rc::new(self.lineage)))
    }
}

fn tell(
    context: &Context,
    args: &LineageArgs,
    store: &Store,
    run: OneRun,
    target: &Target,
) -> Result<ExitCode, CliError> {
    let (id, what) = (run.told.history.run(), what(args, &run, target));
    let start = Start { artifacts: target.starts(), up: !args.down, down: !args.up };
    let (head, lineage) = run.known(store).map_err(|error| not_told(&error))?;
    let followed = Known::from((id, head, lineage), &start, MAX_FOLLOWED, &mut |run| OneRun::read_other(store, run));
    let known = followed.map_err(|error| not_told(&error))?;
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
        run: first.run.clone(),
        parent: hangs_from(known, first),
        what,
        up: start.up.then(|| first.up.of(&first.lineage)),
        down: start.down.then(|| first.down.of(&first.lineage)),
        runs: others.iter().map(|other| relative(known, other)).collect(),
        gaps,
    })
}

fn relative(known: &Known, of: &Relative<RunHead>) -> RelativeTold {
    let part = |part: &Part| (!part.is_empty()).then(|| part.of(&of.lineage));
    RelativeTold {
        run: of.run.clone(),
        parent: hangs_from(known, of),
        results: of.results.iter().cloned().collect(),
        given: of.given.iter().cloned().collect(),
        up: part(&of.up),
        down: part(&of.down),
    }
}

/// The step that started a run.
fn hangs_from(known: &Known, child: &Relative<RunHead>) -> Option<HangsFrom> {
    let parent = child.lineage.parent.as_ref()?;
    let step = known.run(parent.run).and_then(|above| above.lineage.step(&parent.step));
    let of_step = step.and_then(|step| step.children.iter().find(|one| one.run_id == child.id));
    Some(HangsFrom {
        run_id: parent.run,
        step: parent.step.clone(),
        iteration: of_step.map_or(0, |child| child.iteration),
    })
}

/// Writes what was followed as events of OpenLineage, run by run; each is read again for it.
fn export(store: &Store, known: &Known) -> Result<(), HistoryError> {
    let gaps: BTreeMap<RunId, &'static str> = known.gaps.iter().map(|gap| (gap.run, gap::reason(gap))).collect();
    let attempts = attempts(store, known)?;
    for Relative { id, lineage, up, down, .. } in &known.runs {
        let history = History::read(store, *id)?;
        let exported = Exported {
            record: &history.record(&history.plan(store)?)?,
            lineage,
            events: history.events(),
            steps: up.steps.union(&down.steps).cloned().collect::<BTreeSet<StepId>>(),
            parent: parent_attempt(store, lineage, attempts.get(id))?,
            gaps: &gaps,
        };
        exported.events(&mut |event| console::out(&format!("{event}\n")));
    }
    Ok(())
}

/// The ids of the attempts that child runs are, by those runs. One whose parent can't be told, or does not speak of it where it
/// says, is not among them.
fn attempts(store: &Store, known: &Known) -> Result<BTreeMap<RunId, String>, HistoryError> {
    let mut by_parent: BTreeMap<RunId, Vec<(u64, RunId)>> = BTreeMap::new();
    for Relative { id, lineage, .. } in &known.runs {
        if let Some(parent) = &lineage.parent {
            by_parent.entry(parent.run).or_default().push((parent.seq, *id));
        }
    }
    let mut attempts = BTreeMap::new();
    for (parent, children) in by_parent {
        let history = match History::read(store, parent) {
            Ok(history) => history,
            Err(error) => {
                Unread::of(error)?;
                continue;
            }
        };
        attempts.extend(children.into_iter().filter_map(|(seq, child)| {
            let place = usize::try_from(seq.checked_sub(1)?).ok()?;
            match history.events().get(place)? {
                Event::ChildStarted(started) if started.child == child => {
                    Some((child, attempt_id(parent, &started.step, started.iteration, started.attempt)))
                }
                _ => None,
            }
        }));
    }
    Ok(attempts)
}

/// The attempt that a child run is, in the run that started it; by its step alone where that run can't be told.
fn parent_attempt(store: &Store, lineage: &Lineage, id: Option<&String>) -> Result<Option<ParentAttempt>, Fault> {
    let Some(parent) = &lineage.parent else { return Ok(None) };
    let title = |run| store.run(run).map(|row| row.map_or_else(String::new, |row| row.summary.title));
    Ok(Some(ParentAttempt {
        run: parent.run,
        id: id.cloned(),
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
