//! `palisade run`: from a runbook to findings.

use super::Context;
use super::asked::{Given, on_terminal};
use super::runs::not_told;
use crate::args::RunArgs;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::planning::PlanningArgs;
use crate::prepared::{Driving, Prepared, planned};
use crate::render::console;
use crate::telling::{self, Outputs};
use crate::workspace::Workspace;
use crate::workspace::not_read;
use crate::{approver, inputs, person, rulesets};
use palisade_engine::{GivenInput, History, Ran, RunState};
use palisade_model::RunId;
use palisade_model::record::Status;
use palisade_runbook::Plan;
use palisade_store::Store;
use std::collections::BTreeSet;

pub(crate) fn exec(context: &Context, args: &RunArgs) -> Result<ExitCode, CliError> {
    let export = telling::export(context, &args.telling)?;
    let source = rulesets::source(&args.runbook)?;
    let workspace = Workspace::open(&context.settings)?;
    let planning = PlanningArgs { rulesets: &args.rulesets, allow: &args.allow, ..PlanningArgs::default() };
    let (plan, reading) = planned(context, &workspace, planning, &source)?;
    let outputs = Outputs::probe(&args.telling, export, Some(&args.runbook), &plan)?;
    let engine = workspace.engine(args.telling.threads)?;
    let folder = &context.settings.working_dir;
    let typed = inputs::Typed { texts: &args.input, known: &BTreeSet::new() };
    let given = inputs::read(&plan, typed, folder, &workspace.schemas, engine.catalogue(), engine.store())?;
    if let Some(key) = &args.idempotency_key
        && let Some(run) = engine.store().run_of_key(key).map_err(|fault| not_read(&fault))?
    {
        let ran = the_first(engine.store(), run, key, &plan, &given)?;
        return telling::tell(context, &args.telling, ran, &engine, &workspace.schemas, &outputs);
    }
    let by = approver::starts(context, args.key.as_deref(), &plan)?;
    let mut prepared = Prepared::fresh(context, &engine, (plan, reading), source, given, planning)?;
    let approved_by = person::approves_beforehand(context, args.approve)?;
    let driving =
        Driving { context, workspace: &workspace, reuse: !args.no_cache, by, approved_by, gate: None, llm: args.llm };
    let key = args.idempotency_key.clone();
    let ran = telling::drive(context, &args.telling, |observer, cancel| {
        prepared.run(&engine, driving, key, (observer, cancel))
    })?;
    let run = ran.record.run_id;
    let code = telling::tell(context, &args.telling, ran, &engine, &workspace.schemas, &outputs)?;
    let given = Given { key: args.key.as_deref(), rulesets: &args.rulesets, telling: &args.telling };
    on_terminal(context, engine.store(), run, code, given)
}

/// The run that was started with that key, if it is the same work and has ended.
fn the_first(store: &Store, run: RunId, key: &str, plan: &Plan, given: &[GivenInput]) -> Result<Ran, CliError> {
    let history = History::read(store, run).map_err(|error| not_told(&error))?;
    let started = history.start().map_err(|error| not_told(&error))?;
    let differs = |what: &str| {
        let message = format!("the key `{key}` is that of run {run}, which had {what}; nothing was started");
        Err(CliError::usage(message).help("a key names one piece of work: take another, or run the same"))
    };
    if started.plan != plan.digest() {
        return differs("another plan");
    }
    let artifacts: Vec<_> = started.inputs.iter().map(|input| input.artifact).collect();
    if artifacts != given.iter().map(|given| given.artifact.digest()).collect::<Vec<_>>() {
        return differs("other inputs");
    }
    match history.state_after(history.events().len()).run() {
        RunState::Ended(status) if status != Status::Interrupted => {
            console::err(&format!("run {run} has this key: nothing is run again\n"));
            history.ran(plan).map_err(|error| not_told(&error))
        }
        RunState::Ended(_) | RunState::New | RunState::Running => {
            let message = format!("run {run} has this key, and has not ended");
            let help = format!(
                "`palisade runs show {run}` says how it stands; `palisade resume {run}` goes on where nobody does"
            );
            Err(CliError::new(ExitCode::Interrupted, message).help(help))
        }
    }
}
