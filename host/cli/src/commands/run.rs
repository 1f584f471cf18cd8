//! `palisade run`: from a runbook to findings.

use super::Context;
use super::runs::not_told;
use crate::args::RunArgs;
use crate::artifact_runbooks::ArtifactPlanner;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::planning::{self, PlanningArgs};
use crate::render::console;
use crate::rulesets::RulesetFolders;
use crate::telling::{self, Outputs};
use crate::workspace::Workspace;
use crate::workspace::not_read;
use crate::{estimates, inputs, lock, person, rulesets};
use palisade_engine::{GivenInput, History, Ran, RunRequest, RunState, Work};
use palisade_model::record::Status;
use palisade_model::{RunId, StepId};
use palisade_runbook::{Code, Denied, Plan, Severity, first_denied};
use palisade_store::Store;

pub(crate) fn exec(context: &Context, args: &RunArgs) -> Result<ExitCode, CliError> {
    let export = telling::export(context, &args.telling)?;
    let source = rulesets::source(&args.runbook)?;
    let workspace = Workspace::open(&context.settings)?;
    let planning = PlanningArgs { rulesets: &args.rulesets, allow: &args.allow };
    let mut reading = planning::read(&workspace, &context.settings, planning, &source)?;
    // What this build can only plan would be no run but a half.
    for (_, told) in &mut reading.told {
        if told.code == Code::PlannedOnly {
            told.severity = Severity::Error;
        }
    }
    let errors = reading.show(&context.settings);
    let Some(plan) = reading.plan.take().filter(|_| errors == 0) else {
        return Err(planning::unusable(&workspace, source.name(), &reading, errors));
    };
    deny_early(&plan)?;
    lock::check(&context.settings, &plan)?;
    let outputs = Outputs::probe(&args.telling, export, Some(&args.runbook), &plan)?;
    let engine = workspace.engine(args.telling.threads)?;
    let folder = &context.settings.working_dir;
    let given = inputs::read(&plan, &args.input, folder, &workspace.schemas, engine.catalogue(), engine.store())?;
    if let Some(key) = &args.idempotency_key
        && let Some(run) = engine.store().run_of_key(key).map_err(|fault| not_read(&fault))?
    {
        let ran = the_first(engine.store(), run, key, &plan, &given)?;
        return telling::tell(context, &args.telling, ran, &engine, &workspace.schemas, &outputs);
    }
    let sizes = given.iter().map(|given| (given.name.clone(), given.artifact.items.content().length())).collect();
    let estimate = estimates::of(&plan, Some(engine.store()), &sizes, folder, engine.threads())?;
    let planner = ArtifactPlanner {
        workspace: &workspace,
        settings: &context.settings,
        folders: RulesetFolders::new(&args.rulesets, &context.settings)?,
    };
    let request = RunRequest {
        work: Work {
            plan: &plan,
            schemas: &workspace.schemas,
            folder,
            reuse: !args.no_cache,
            estimate: Some(&estimate),
            planning: Some(&planner),
        },
        runbook: source.text().as_bytes(),
        approved_by: args.approve.then(person::name),
        rulesets: &reading.found.rulesets,
        key: args.idempotency_key.clone(),
        child_runbooks: reading.child_texts().collect(),
        allowed: args.allow.clone(),
    };
    let mut ran =
        telling::drive(context, &args.telling, |observer, cancel| engine.run(&request, given, observer, cancel))?;
    let warnings =
        reading.told.iter().map(|(file, told)| format!("{}:{}: {}", file.name(), told.span.line, told.message));
    let of_the_run = std::mem::take(&mut ran.record.warnings);
    ran.record.warnings = warnings.chain(of_the_run).collect();
    telling::tell(context, &args.telling, ran, &engine, &workspace.schemas, &outputs)
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

/// Refuses a run whose config names a path that it may not reach, before anything starts.
fn deny_early(plan: &Plan) -> Result<(), CliError> {
    let Some(Denied { step, pointer, why, allow }) = first_denied(plan) else { return Ok(()) };
    let step = step.iter().map(StepId::as_str).collect::<Vec<_>>().join("/");
    let message = format!("step `{step}` may not read what `{pointer}` of its config names: {why}");
    let error = CliError::new(ExitCode::Denied, message);
    Err(match allow {
        Some(line) => error.help(format!("`{line}` would allow it for this run")),
        None => error,
    })
}
