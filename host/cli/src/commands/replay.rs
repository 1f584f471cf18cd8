//! `palisade replay`: whether what was recorded comes out again, or would by an edited runbook.
//!
//! Reads the data directory, and the edited runbook with its rulesets where one is named. It needs neither the folder in
//! which a run worked, nor the components that are installed now, and takes no lock of a run.

use super::Context;
use super::runs::{find, not_told};
use crate::args::{Format, ReplayArgs};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::interrupt;
use crate::planning::{self, PlanningArgs};
use crate::render::{console, replay as render};
use crate::rulesets::{self, FoundRulesets};
use crate::workspace::{Workspace, not_read};
use palisade_engine::{Cancel, Edited, Engine, History, Observed, Observer, ReplayError, Replayed};
use palisade_model::{FailureKind, LimitKind, RunId, neutral};
use palisade_runbook::Plan;
use palisade_store::Store;
use serde_json::Value;
use std::path::Path;

pub(crate) fn exec(context: &Context, args: &ReplayArgs) -> Result<ExitCode, CliError> {
    let workspace = Workspace::open(&context.settings)?;
    let edited = args.runbook.as_ref().map(|runbook| read(context, args, &workspace, runbook)).transpose()?;
    let name = edited.as_ref().map(|(plan, _)| plan.name.as_str());
    let runs = match &args.run {
        Some(run) => {
            let (store, run) = find(context, workspace.stored(), run)?;
            if edited.is_some() { vec![run] } else { with_children(store, run)? }
        }
        None => all(workspace.stored(), name)?,
    };
    let mut told = Told { code: ExitCode::Done, runs: Vec::with_capacity(runs.len()) };
    if runs.is_empty() {
        let what = name.map_or_else(String::new, |name| format!(" of `{}`", neutral::line(name, 80)));
        console::err(&format!("nothing{what} was run yet ({})\n", context.settings.data_dir.display()));
    } else {
        let edited = edited.as_ref().map(|(plan, found)| Edited {
            plan,
            schemas: &workspace.schemas,
            rulesets: &found.rulesets,
        });
        replay(context, args, (&workspace, edited.as_ref()), runs, &mut told)?;
    }
    if context.format == Format::Json {
        console::json(&serde_json::json!({"v": 1, "runs": told.runs}));
    }
    Ok(told.code)
}

/// Plans an edited runbook.
fn read(
    context: &Context,
    args: &ReplayArgs,
    workspace: &Workspace,
    runbook: &Path,
) -> Result<(Plan, FoundRulesets), CliError> {
    let source = rulesets::source(runbook)?;
    let planning = PlanningArgs { rulesets: &args.rulesets, ..PlanningArgs::default() };
    let mut reading = planning::read(workspace, &context.settings, planning, &source)?;
    let errors = reading.show(&context.settings);
    match reading.plan.take() {
        Some(plan) => Ok((plan, reading.found)),
        None => Err(planning::unusable(workspace, source.name(), &reading, errors)),
    }
}

/// What came of all runs.
struct Told {
    code: ExitCode,
    runs: Vec<Value>,
}

fn replay(
    context: &Context,
    args: &ReplayArgs,
    (workspace, edited): (&Workspace, Option<&Edited<'_>>),
    runs: Vec<RunId>,
    told: &mut Told,
) -> Result<(), CliError> {
    let cancel = Cancel::new();
    interrupt::cancels(&cancel)?;
    let mut engine = workspace.engine(args.threads)?;
    // By another plan a run may well make something else; by its own it may not.
    let differs = if edited.is_some() { ExitCode::Failed } else { ExitCode::Integrity };
    for run in runs {
        let ended = match one(&mut engine, run, edited, &cancel) {
            // One of many that can't be replayed is told among the others.
            Err(error) if !args.all || error.code == ExitCode::Interrupted => return Err(error),
            ended => ended,
        };
        told.code = told.code.worse(match &ended {
            Ok(replayed) if replayed.difference.is_none() => ExitCode::Done,
            Ok(_) => differs,
            Err(error) => error.code,
        });
        if context.format != Format::Json {
            console::out(&render::line(run, &ended, context.settings.colour_stdout));
        }
        told.runs.push(render::json(run, &ended));
    }
    engine.take_warnings().iter().for_each(|warning| console::err(&format!("note: {warning}\n")));
    Ok(())
}

/// All runs, or those of a runbook of that name, the oldest first.
fn all(store: Option<&Store>, name: Option<&str>) -> Result<Vec<RunId>, CliError> {
    let runs = store.map_or_else(|| Ok(Vec::new()), Store::runs).map_err(|fault| not_read(&fault))?;
    let wanted = runs.iter().rev().filter(|row| name.is_none_or(|name| row.summary.title == name));
    Ok(wanted.map(|row| row.run).collect())
}

/// A run with all below it.
pub(super) fn with_children(store: &Store, run: RunId) -> Result<Vec<RunId>, CliError> {
    let mut runs = vec![run];
    let mut next = 0;
    while let Some(&run) = runs.get(next) {
        next += 1;
        let history = History::read(store, run).map_err(|error| not_told(&error))?;
        add_children(&mut runs, store, &history)?;
    }
    Ok(runs)
}

/// Adds the runs that a run started and that are not among these.
pub(super) fn add_children(runs: &mut Vec<RunId>, store: &Store, history: &History) -> Result<(), CliError> {
    for child in history.children() {
        // A parent speaks of a child before it begins.
        let began = || store.run(child).map(|row| row.is_some()).map_err(|fault| not_read(&fault));
        if !runs.contains(&child) && began()? {
            runs.push(child);
        }
    }
    Ok(())
}

fn one(engine: &mut Engine, run: RunId, edited: Option<&Edited<'_>>, cancel: &Cancel) -> Result<Replayed, CliError> {
    let replayed = match edited {
        Some(edited) => engine.replay_edited(run, edited, &Compiling, cancel),
        None => engine.replay(run, &Compiling, cancel),
    };
    replayed.map_err(|error| not_replayed(&error))
}

/// Says what takes long before anything is seen of it.
struct Compiling;

impl Observer for Compiling {
    fn observe(&self, event: &Observed<'_>) {
        if let Observed::Compiling { component } = event {
            console::err(&format!("compiling {component} (once)\n"));
        }
    }
}

/// Says why a run can't be replayed, or gone on with, from what it stored.
pub(super) fn not_replayed(error: &ReplayError) -> CliError {
    match error {
        ReplayError::History(error) => not_told(error),
        ReplayError::Store(fault) => not_read(fault),
        ReplayError::Missing { .. } => CliError::from_error(ExitCode::Integrity, error)
            .help("it was lost; what does not need it can't be replayed either, since nothing proves that it does not"),
        ReplayError::Erased { .. } => CliError::from_error(ExitCode::Failed, error)
            .help("this says nothing about the record: what the run read or made is not there to be compared"),
        damage if damage.is_damage() => {
            CliError::from_error(ExitCode::Integrity, damage).help("`palisade doctor` says all that is damaged")
        }
        ReplayError::NotComparable { .. } => CliError::from_error(ExitCode::Usage, error),
        ReplayError::Cancelled => CliError::from_error(ExitCode::Interrupted, error),
        ReplayError::Component { .. } => CliError::from_error(ExitCode::Usage, error)
            .help("`palisade runs show` says which Palisade ran it; that one can"),
        ReplayError::Unable { failure, .. }
            if matches!(failure.kind, FailureKind::Limit { limit: LimitKind::Wall, .. }) =>
        {
            CliError::from_error(ExitCode::Failed, error).help(
                "this says nothing about the record: the limit held when it was recorded; try again when less runs",
            )
        }
        _ => CliError::from_error(ExitCode::Failed, error),
    }
}
