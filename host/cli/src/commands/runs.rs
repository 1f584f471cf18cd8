//! `palisade runs`: what ran, and what happened in it. Looking takes no lock of a run, so it works while the run goes on.

mod diff;
mod erase;
mod fork;
mod gc;

pub(super) use fork::{can_be_left, point};

use super::Context;
use crate::args::{Format, RunsCommand, RunsShowArgs};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::render::runs::{self, ListedRun};
use crate::workspace::{existing_store, not_read};
use palisade_engine::{
    Event, Events, Fork, History, HistoryError, Lineage, RemovalError, RunState, Standing, StepState, state_name,
    whole_tree, why,
};
use palisade_model::{RunId, StepId, neutral};
use palisade_report::{TextStyle, Unended};
use palisade_runbook::Plan;
use palisade_store::{Fault, FindRunError, NamingError, Started, Store, VerifyError};
use serde_json::json;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// Version of the JSON forms.
const FORM: u32 = 1;
/// How often somebody who follows a run looks for what was written, at the latest.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often it is looked whether the process of the run is still there.
const LOOK_FOR_OWNER_EVERY: Duration = Duration::from_millis(500);

pub(crate) fn exec(context: &Context, command: &RunsCommand) -> Result<ExitCode, CliError> {
    let store = existing_store(&context.settings)?;
    match command {
        RunsCommand::List { limit, failed, children } => list(context, store.as_ref(), *limit, *failed, *children),
        RunsCommand::Show(args) => {
            let (store, run) = find(context, store.as_ref(), &args.run)?;
            show(context, store, run, args)
        }
        RunsCommand::Fork(args) => fork::exec(context, args),
        RunsCommand::Diff(args) => diff::exec(context, store.as_ref(), args),
        RunsCommand::Gc(args) => gc::exec(context, store.as_ref(), args),
        RunsCommand::Erase(args) => erase::exec(context, store.as_ref(), args),
    }
}

/// The run that a person means, in the store if there is one: looking for it makes none.
///
/// # Errors
/// When there is no such run, or the store can't be read.
pub(super) fn find<'s>(
    context: &Context,
    store: Option<&'s Store>,
    text: &str,
) -> Result<(&'s Store, RunId), CliError> {
    let none = || {
        let folder = context.settings.data_dir.display();
        CliError::usage(format!("there is no run `{}`: {folder} is not there", neutral::line(text, 80)))
            .help("nothing was run here yet; `--data-dir DIR` names another folder")
    };
    let store = store.ok_or_else(none)?;
    let run = store.find_run(text).map_err(|error| not_found(&error))?;
    Ok((store, run))
}

fn list(
    context: &Context,
    store: Option<&Store>,
    limit: NonZeroUsize,
    failed: bool,
    children: bool,
) -> Result<ExitCode, CliError> {
    let status = failed.then_some("failed");
    let started = if children { Started::ByAny } else { Started::ByPeople };
    let read = |store: &Store| {
        let listed = |row| {
            let (row, standing) = Standing::of(store, row)?;
            let fork = fork_of(store, row.run)?;
            Ok(ListedRun::new(&row, &standing, fork.as_ref()))
        };
        store.latest_runs(limit.get(), started, status)?.into_iter().map(listed).collect::<Result<Vec<_>, Fault>>()
    };
    let listed = store.map_or_else(|| Ok(Vec::new()), read).map_err(|fault| not_read(&fault))?;
    if context.format == Format::Json {
        console::json(&json!({"v": FORM, "runs": listed}));
    } else if listed.is_empty() {
        let what = if failed { "no run failed" } else { "nothing was run yet" };
        console::err(&format!("{what} ({})\n", context.settings.data_dir.display()));
    } else {
        console::out(&runs::list(&listed, context.settings.colour_stdout));
    }
    Ok(ExitCode::Done)
}

/// From which run it was forked, if its first event can be read. What lists decide nothing by need not be checked.
fn fork_of(store: &Store, run: RunId) -> Result<Option<Fork>, Fault> {
    let first = store.events(run, 0, 1)?;
    Ok(first.first().and_then(|first| match Event::from_bytes(&first.bytes) {
        Ok(Event::RunStarted(started)) => started.fork,
        _ => None,
    }))
}

fn show(context: &Context, store: &Store, run: RunId, args: &RunsShowArgs) -> Result<ExitCode, CliError> {
    if args.events || args.follow {
        return events(context, store, run, args.follow);
    }
    let told = Told::read(store, run)?;
    match args.at {
        Some(number) => told.at(context, store, number),
        None if args.tree => told.tree(context, store),
        None if args.why => told.why(context, store),
        None => told.whole(context, store),
    }
}

/// A run with how it stands.
pub(super) struct Told {
    run: RunId,
    pub(super) standing: Standing,
    pub(super) history: History,
}

impl Told {
    /// Reads its events.
    ///
    /// # Errors
    /// When it is not there, or can't be read.
    pub(super) fn read(store: &Store, run: RunId) -> Result<Self, CliError> {
        // Asked first: what ends after that is seen in the events.
        let standing = standing(store, run)?;
        let history = History::read(store, run).map_err(|error| not_told(&error))?;
        Ok(Self::new(run, standing, history))
    }

    /// A run that stood so before its events were read.
    pub(super) fn new(run: RunId, standing: Standing, history: History) -> Self {
        let standing = match history.state_after(history.events().len()).run() {
            RunState::Ended(status) => Standing::Ended(status.name().to_owned()),
            RunState::New | RunState::Running => standing,
        };
        Self { run, standing, history }
    }

    /// The plan that it ran by.
    ///
    /// # Errors
    /// When it can't be read.
    pub(super) fn plan(&self, store: &Store) -> Result<Plan, CliError> {
        self.history.plan(store).map_err(|error| not_told(&error))
    }

    /// Says whether somebody works on it.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self.standing, Standing::Running { .. })
    }

    fn whole(&self, context: &Context, store: &Store) -> Result<ExitCode, CliError> {
        let plan = self.plan(store)?;
        let record = self.history.record(&plan).map_err(|error| not_told(&error))?;
        let comparison = self.history.comparison(store, &record).map_err(|error| not_told(&error))?;
        let unended = self.unended(&plan);
        let erased = self.history.erased(store).map_err(|error| not_told(&error))?;
        if context.format == Format::Json {
            let process = if let Standing::Running { process } = self.standing { Some(process) } else { None };
            console::json(&json!({
                "v": FORM, "state": neutral::line(self.standing.name(), 40), "process": process,
                "events": self.history.events().len(), "unended": unended.steps, "record": record,
                "estimate": comparison, "erased": runs::erased_json(&erased),
            }));
            return Ok(ExitCode::Done);
        }
        let style = TextStyle { colour: context.settings.colour_stdout, width: console::width() };
        let mut text = Vec::new();
        palisade_report::history(&record, &unended, style, &mut text)
            .map_err(|error| CliError::from_error(ExitCode::Failed, &error))?;
        let mut text = String::from_utf8_lossy(&text).into_owned();
        let started_by = self.history.start().map_err(|error| not_told(&error))?.parent.as_ref();
        let started_by = started_by.map(|parent| (parent.run, &parent.step));
        let lineage = Lineage::of(&plan, self.history.events(), self.goes_on());
        text.push_str(&runs::allowed(started_by, &lineage, context.settings.colour_stdout));
        text.push_str(&runs::erased(&erased, context.settings.colour_stdout));
        if let Some(comparison) = &comparison {
            text.push_str(&runs::comparison(comparison, context.settings.colour_stdout));
        }
        console::out(&text);
        Ok(ExitCode::Done)
    }

    /// How the run and its steps stand that have not ended.
    fn unended(&self, plan: &Plan) -> Unended<'static> {
        let told = match &self.standing {
            Standing::Ended(_) => return Unended::default(),
            Standing::Running { process } => format!("running in process {process}"),
            Standing::Abandoned => "abandoned: its process is gone".to_owned(),
        };
        let state = self.history.state_after(self.history.events().len());
        let stands = |id: &StepId| match state.step(id) {
            Some(ended) if ended.status().is_some() => None,
            Some(StepState::Running { .. } | StepState::Iterated { .. }) if !self.goes_on() => Some("abandoned"),
            other => Some(state_name(other)),
        };
        let steps = plan.steps.iter().filter_map(|step| Some((step.id.clone(), stands(&step.id)?)));
        Unended { told, steps: steps.collect() }
    }

    fn tree(&self, context: &Context, store: &Store) -> Result<ExitCode, CliError> {
        let plan = self.plan(store)?;
        let steps = whole_tree(store, &plan, &self.history, self.goes_on()).map_err(|error| not_told(&error))?;
        if context.format == Format::Json {
            console::json(&json!({
                "v": FORM, "run_id": self.run, "name": plan.name, "state": neutral::line(self.standing.name(), 40),
                "steps": steps,
            }));
        } else {
            console::out(&runs::tree(self.run, &plan.name, &self.standing, &steps, context.settings.colour_stdout));
        }
        Ok(ExitCode::Done)
    }

    fn why(&self, context: &Context, store: &Store) -> Result<ExitCode, CliError> {
        let plan = self.plan(store)?;
        let all = why(store, self.run, &plan, &self.history).map_err(|error| not_told(&error))?;
        if context.format == Format::Json {
            console::json(&json!({"v": FORM, "run_id": self.run, "name": plan.name, "steps": all}));
        } else {
            console::out(&runs::why(&plan.name, &all, context.settings.colour_stdout));
        }
        Ok(ExitCode::Done)
    }

    fn at(&self, context: &Context, store: &Store, number: u64) -> Result<ExitCode, CliError> {
        let events = self.history.events();
        let count = usize::try_from(number).ok().filter(|count| *count <= events.len()).ok_or_else(|| {
            CliError::usage(format!("the run has {} events, so there is no event {number}", events.len()))
                .help("`--events` shows all; `--at 0` is before the first")
        })?;
        let plan = self.plan(store)?;
        let state = self.history.state_after(count);
        if context.format == Format::Json {
            let mut told = runs::state_json(&plan, &state);
            told["v"] = json!(FORM);
            told["run_id"] = json!(self.run);
            told["event"] = json!(number);
            told["events"] = json!(events.len());
            console::json(&told);
        } else {
            let last = count.checked_sub(1).and_then(|index| events.get(index));
            console::out(&runs::state(&plan, &state, last, (number, events.len()), context.settings.colour_stdout));
        }
        Ok(ExitCode::Done)
    }
}

/// Shows each event, and where it is wanted those that come until the run ends.
fn events(context: &Context, store: &Store, run: RunId, follow: bool) -> Result<ExitCode, CliError> {
    let mut events = Events::of(store, run);
    let mut lines = runs::EventLines::new(context.format == Format::Json, context.settings.colour_stdout);
    let mut seen = None;
    let mut looked_for_owner = Instant::now();
    let mut gone = false;
    loop {
        // Asked before the events are read, so that what is written meanwhile is seen the next time.
        let changes = Some(store.changes().map_err(|fault| not_read(&fault))?);
        if seen != changes {
            seen = changes;
            while let Some(recorded) = events.read_next().map_err(|error| not_told(&error))? {
                console::out(&lines.line(&recorded));
            }
        }
        if !follow || lines.run_has_ended() || console::closed() {
            return Ok(ExitCode::Done);
        }
        if gone {
            let told = format!("run {run} has not ended, and its process is gone: no event will come");
            return Err(CliError::new(ExitCode::Interrupted, told));
        }
        if looked_for_owner.elapsed() >= LOOK_FOR_OWNER_EVERY {
            looked_for_owner = Instant::now();
            gone = standing(store, run)? == Standing::Abandoned;
            if gone {
                // What it wrote last is still to be read.
                seen = None;
                continue;
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

pub(super) fn standing(store: &Store, run: RunId) -> Result<Standing, CliError> {
    let row = store.run(run).map_err(|fault| not_read(&fault))?;
    let row = row.ok_or_else(|| CliError::usage(format!("there is no run {run} any more")))?;
    let (_, standing) = Standing::of(store, row).map_err(|fault| not_read(&fault))?;
    Ok(standing)
}

fn not_found(error: &FindRunError) -> CliError {
    match error {
        FindRunError::Fault(fault) => not_read(fault),
        FindRunError::None { .. } | FindRunError::Several { .. } => {
            CliError::from_error(ExitCode::Usage, error).help("`palisade runs list` shows the ids of runs")
        }
    }
}

/// Says why runs can't be removed or erased.
fn not_removed(error: &RemovalError) -> CliError {
    match error {
        RemovalError::Store(fault) | RemovalError::Naming(NamingError::Fault(fault)) => not_read(fault),
        RemovalError::Owned(_) => {
            CliError::from_error(ExitCode::Usage, error).help("wait until it has ended, or `palisade cancel` it")
        }
        RemovalError::Naming(NamingError::Unreadable { .. }) => CliError::from_error(ExitCode::Usage, error)
            .help("a newer Palisade may have written it; that one can remove runs here. Nothing was removed"),
        RemovalError::Naming(NamingError::Changed { .. }) => CliError::from_error(ExitCode::Integrity, error)
            .help("nothing was removed; `palisade doctor` says all that is damaged"),
        RemovalError::Naming(NamingError::Other { .. }) => {
            CliError::from_error(ExitCode::Failed, error).help("nothing was removed; call it again")
        }
    }
}

/// Says why a run can't be told.
pub(crate) fn not_told(error: &HistoryError) -> CliError {
    match error {
        HistoryError::Store(fault) | HistoryError::Journal(VerifyError::Fault(fault)) => not_read(fault),
        damage if damage.is_damage() => {
            CliError::from_error(ExitCode::Integrity, damage).help("`palisade doctor` says all that is damaged")
        }
        HistoryError::Plan { .. } => CliError::from_error(ExitCode::Usage, error)
            .help("`--events` shows what happened; the Palisade that ran it shows the rest"),
        other => CliError::from_error(ExitCode::Usage, other),
    }
}
