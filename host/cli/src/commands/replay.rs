//! `palisade replay`: whether what was recorded comes out again.
//!
//! Reads the data directory alone. It needs neither the folder in which a run worked, nor the components that are installed
//! now, and takes no lock of a run.

use super::Context;
use super::runs::{find, not_told};
use crate::args::{Format, ReplayArgs};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::interrupt;
use crate::render::{console, replay as render};
use crate::workspace::{Workspace, not_read};
use palisade_engine::{Cancel, Engine, Observed, Observer, ReplayError, Replayed};
use palisade_model::{FailureKind, LimitKind, RunId};
use palisade_store::Store;
use serde_json::Value;

pub(crate) fn exec(context: &Context, args: &ReplayArgs) -> Result<ExitCode, CliError> {
    let workspace = Workspace::open(&context.settings)?;
    let runs = match &args.run {
        Some(run) => vec![find(context, workspace.stored(), run)?.1],
        None => all(workspace.stored())?,
    };
    if runs.is_empty() {
        console::err(&format!("nothing was run yet ({})\n", context.settings.data_dir.display()));
    }
    let told = if runs.is_empty() {
        Told { code: ExitCode::Done, runs: Vec::new() }
    } else {
        replay(context, args, &workspace, runs)?
    };
    if context.format == Format::Json {
        console::json(&serde_json::json!({"v": 1, "runs": told.runs}));
    }
    Ok(told.code)
}

/// What came of all runs.
struct Told {
    code: ExitCode,
    runs: Vec<Value>,
}

fn replay(context: &Context, args: &ReplayArgs, workspace: &Workspace, runs: Vec<RunId>) -> Result<Told, CliError> {
    let cancel = Cancel::new();
    interrupt::cancels(&cancel)?;
    let mut engine = workspace.engine(args.threads)?;
    let mut told = Told { code: ExitCode::Done, runs: Vec::with_capacity(runs.len()) };
    for run in runs {
        let ended = match one(&mut engine, run, &cancel) {
            // One of many that can't be replayed is told among the others.
            Err(error) if !args.all || error.code == ExitCode::Interrupted => return Err(error),
            ended => ended,
        };
        told.code = told.code.worse(match &ended {
            Ok(replayed) if replayed.difference.is_none() => ExitCode::Done,
            Ok(_) => ExitCode::Integrity,
            Err(error) => error.code,
        });
        if context.format != Format::Json {
            console::out(&render::line(run, &ended, context.settings.colour_stdout));
        }
        told.runs.push(render::json(run, &ended));
    }
    engine.take_warnings().iter().for_each(|warning| console::err(&format!("note: {warning}\n")));
    Ok(told)
}

/// All runs, the oldest first.
fn all(store: Option<&Store>) -> Result<Vec<RunId>, CliError> {
    let runs = store.map_or_else(|| Ok(Vec::new()), Store::runs).map_err(|fault| not_read(&fault))?;
    Ok(runs.iter().rev().map(|row| row.run).collect())
}

fn one(engine: &mut Engine, run: RunId, cancel: &Cancel) -> Result<Replayed, CliError> {
    engine.replay(run, &Compiling, cancel).map_err(|error| not_replayed(&error))
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

/// Says why a run can't be replayed.
fn not_replayed(error: &ReplayError) -> CliError {
    match error {
        ReplayError::History(error) => not_told(error),
        ReplayError::Store(fault) => not_read(fault),
        ReplayError::Missing { .. } => CliError::from_error(ExitCode::Integrity, error)
            .help("it was erased or lost; what does not need it can't be replayed either, since nothing proves that it does not"),
        damage if damage.is_damage() => {
            CliError::from_error(ExitCode::Integrity, damage).help("`palisade doctor` says all that is damaged")
        }
        ReplayError::Cancelled => CliError::from_error(ExitCode::Interrupted, error),
        ReplayError::Component { .. } => CliError::from_error(ExitCode::Usage, error)
            .help("`palisade runs show` says which Palisade ran it; that one can"),
        ReplayError::Unable { failure, .. }
            if matches!(failure.kind, FailureKind::Limit { limit: LimitKind::Wall, .. }) =>
        {
            CliError::from_error(ExitCode::Failed, error)
                .help("this says nothing about the record: the limit held when it was recorded; try again when less runs")
        }
        _ => CliError::from_error(ExitCode::Failed, error),
    }
}
