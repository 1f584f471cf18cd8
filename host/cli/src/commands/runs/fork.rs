//! `palisade runs fork`: a new run that shares the beginning of another one.

use super::{Context, Told, find, not_told};
use crate::args::RunsForkArgs;
use crate::commands::resume::same_folder;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::person;
use crate::prepared::{Changes, Driving, Prepared};
use crate::render::console;
use crate::telling::{self, Outputs};
use crate::workspace::Workspace;
use palisade_engine::{Event, ForkPoint, ForkPointError, History, Standing, rfc3339, shown_folder};
use palisade_model::{RunId, StepId, neutral};
use palisade_runbook::{Plan, Setting, suggestion};
use palisade_store::Store;

pub(super) fn exec(context: &Context, args: &RunsForkArgs) -> Result<ExitCode, CliError> {
    let export = telling::export(context, &args.telling)?;
    let set = args.set.iter().map(|text| setting(text)).collect::<Result<Vec<_>, _>>()?;
    let workspace = Workspace::open(&context.settings)?;
    let (store, run) = find(context, workspace.stored(), &args.run)?;
    let told = Told::read(store, run)?;
    can_be_left(store, run, &told)?;
    same_folder(&told.history, &shown_folder(&context.settings.working_dir))?;
    let point = point(store, run, &told.plan(store)?, &told.history, &args.at)?;
    let engine = workspace.engine(args.telling.threads)?;
    let changes = Changes {
        runbook: args.runbook.as_deref(),
        set: &set,
        input: &args.input,
        rulesets: &args.rulesets,
        allow: &args.allow,
    };
    let mut prepared = Prepared::fork(context, (&workspace, &engine), &told.history, point, changes)?;
    let outputs = Outputs::probe(&args.telling, export, args.runbook.as_deref(), &prepared.plan)?;
    if !args.telling.quiet {
        console::err(&prepared.said());
    }
    let approved_by = person::approves_beforehand(context, args.approve)?;
    let driving = Driving {
        context,
        workspace: &workspace,
        reuse: !args.no_cache,
        by: person::name(),
        approved_by,
        gate: None,
        llm: None,
    };
    let ran = telling::drive(context, &args.telling, |observer, cancel| {
        prepared.run(&engine, driving, None, (observer, cancel))
    })?;
    telling::tell(context, &args.telling, ran, &engine, &workspace.schemas, &outputs)
}

/// Reads `STEP.PATH=VALUE`.
fn setting(text: &str) -> Result<Setting, CliError> {
    Setting::parse(text).map_err(|error| CliError::usage(format!("--set {}: {error}", neutral::line(text, 200))))
}

/// Refuses a run of which nothing can be taken over.
pub(in crate::commands) fn can_be_left(store: &Store, run: RunId, told: &Told) -> Result<(), CliError> {
    if let Standing::Running { process } = told.standing {
        return Err(CliError::usage(format!("run {run} goes on in process {process}"))
            .help("wait until it has ended, or `palisade cancel` it"));
    }
    if let Some(parent) = &told.history.start().map_err(|error| not_told(&error))?.parent {
        let message = format!("run {run} is a child of run {}, by whose plan it ran", parent.root);
        return Err(
            CliError::usage(message).help(format!("fork that one, at the step that ran the child: {}", parent.root))
        );
    }
    let erased = told.history.erased(store).map_err(|error| not_told(&error))?;
    if let Some(&at_ms) = erased.values().next() {
        let message = format!("what run {run} read or made was erased at {}", rfc3339(at_ms));
        return Err(CliError::usage(message).help("nothing of it can be taken over; `palisade run` begins anew"));
    }
    Ok(())
}

/// The place where the run is left.
pub(in crate::commands) fn point(
    store: &Store,
    run: RunId,
    plan: &Plan,
    history: &History,
    at: &str,
) -> Result<ForkPoint, CliError> {
    let wanted: Option<StepId> = at.parse().ok();
    let known = |step: &&StepId| Some(*step) == wanted.as_ref();
    // A step that only an earlier runbook of a run that was forked itself had is none of this one.
    let Some(step) = plan.steps.iter().map(|step| &step.id).find(known) else {
        let message = format!("--at: run {run} has no step `{}`", neutral::line(at, 80));
        let known = plan.steps.iter().map(|step| step.id.as_str());
        let error = CliError::usage(message);
        return Err(match suggestion(at, known) {
            Some(help) => error.help(help),
            None => error.help(format!("`palisade runs show {run}` shows its steps")),
        });
    };
    ForkPoint::read(store, run, step).map_err(|error| match error {
        ForkPointError::History(error) => not_told(&error),
        ForkPointError::NeverStarted { .. } => {
            let mut started: Vec<&str> = Vec::new();
            for event in history.events() {
                if let (Event::AttemptStarted(_) | Event::ChildStarted(_), Some(step)) = (event, event.step())
                    && !started.contains(&step.as_str())
                {
                    started.push(step.as_str());
                }
            }
            let error = CliError::usage(format!("--at: in run {run}, {error}"));
            match started.as_slice() {
                [] => error.help("no step of it started; `palisade run` begins anew"),
                started => error.help(format!("these started: `{}`", started.join("`, `"))),
            }
        }
    })
}
