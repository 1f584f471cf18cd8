//! `palisade resume`: goes on with a run that was interrupted or whose process is gone.
//!
//! Plan, schemas and inputs are those that the run stored when it started, whatever became of the files since.

use super::Context;
use super::asked::{Given, on_terminal};
use super::replay::{add_children, not_replayed};
use super::runs::{find, not_told};
use crate::args::ResumeArgs;
use crate::artifact_runbooks::ArtifactPlanner;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::lock;
use crate::rulesets::RulesetFolders;
use crate::telling::{self, Outputs};
use crate::workspace::Workspace;
use palisade_engine::{Engine, History, Work, shown_folder};
use palisade_model::{RunId, neutral};
use palisade_runbook::Plan;
use palisade_store::Store;

pub(crate) fn exec(context: &Context, args: &ResumeArgs) -> Result<ExitCode, CliError> {
    let workspace = Workspace::open(&context.settings)?;
    let (store, run) = find(context, workspace.stored(), &args.run)?;
    go_on(context, &workspace, store, run, Given { key: None, rulesets: &args.rulesets, telling: &args.telling })
}

/// Goes on with a run of the workspace's store.
///
/// # Errors
/// When there is nothing to go on with, or it can't be driven to its end.
pub(super) fn go_on(
    context: &Context,
    workspace: &Workspace,
    store: &Store,
    run: RunId,
    given: Given<'_>,
) -> Result<ExitCode, CliError> {
    let Given { rulesets, telling, .. } = given;
    let export = telling::export(context, telling)?;
    let mut history = History::read(store, run).map_err(|error| not_told(&error))?;
    can_be_resumed(run, &history)?;
    let folder = &context.settings.working_dir;
    same_folder(&history, &shown_folder(folder))?;
    let read = |store: &Store| Ok((history.plan(store)?, history.schemas(store)?, history.estimate(store)?));
    let (plan, schemas, estimate) = read(store).map_err(|error| not_told(&error))?;
    lock::check(&context.settings, &plan)?;
    let outputs = Outputs::probe(telling, export, None, &plan)?;
    let mut engine = workspace.engine(telling.threads)?;
    take_in_missing(&mut engine, store, &history, &plan)?;
    let planner = ArtifactPlanner {
        workspace,
        settings: &context.settings,
        folders: &RulesetFolders::new(rulesets, &context.settings)?,
    };
    let work = Work {
        plan: &plan,
        schemas: &schemas,
        folder,
        reuse: true,
        estimate: estimate.as_ref(),
        planning: Some(&planner),
        gate: None,
        llm: history.start().map_err(|error| not_told(&error))?.llm.unwrap_or(context.settings.written.llm.mode),
    };
    let ran = telling::drive(context, telling, |observer, cancel| engine.resume(&mut history, work, observer, cancel))?;
    // A runbook that is an artifact may have brought schemas that nobody knew when the run was taken up.
    let schemas = history.read_on(store).and_then(|()| history.schemas(store));
    let schemas = schemas.map_err(|error| not_told(&error))?;
    let code = telling::tell(context, telling, ran, &engine, &schemas, &outputs)?;
    on_terminal(context, store, run, code, given)
}

/// Makes the components known that the run began with, with all runs below it, and that are not installed any more.
fn take_in_missing(engine: &mut Engine, store: &Store, history: &History, plan: &Plan) -> Result<(), CliError> {
    let mut take = |plan: &Plan| engine.take_in_missing(plan).map_err(|error| not_replayed(&error));
    take(plan)?;
    let mut runs = vec![history.run()];
    add_children(&mut runs, store, history)?;
    let mut next = 1;
    while let Some(&run) = runs.get(next) {
        next += 1;
        let history = History::read(store, run).map_err(|error| not_told(&error))?;
        take(&history.plan(store).map_err(|error| not_told(&error))?)?;
        add_children(&mut runs, store, &history)?;
    }
    Ok(())
}

/// Says early what the engine would refuse: that there is nothing to go on with.
fn can_be_resumed(run: RunId, history: &History) -> Result<(), CliError> {
    if let Some(parent) = &history.start().map_err(|error| not_told(&error))?.parent {
        let message = format!("run {run} is a child of run {}, and goes on with it", parent.root);
        return Err(CliError::usage(message).help(format!("`palisade resume {}`", parent.root)));
    }
    match history.state_after(history.events().len()).run().over() {
        None => Ok(()),
        Some(status) => Err(CliError::usage(format!("run {run} has ended: it is {status}"))
            .help("only what was interrupted, waits for a person, or lost its process, can be resumed; `palisade runs show` says more")),
    }
}

/// The paths of a plan are relative to the folder in which the run began: elsewhere they would lead to other data.
pub(super) fn same_folder(history: &History, folder: &str) -> Result<(), CliError> {
    let started = history.start().map_err(|error| not_told(&error))?;
    match &started.folder {
        Some(began) if began != folder => {
            let began = neutral::line(began, 400);
            Err(CliError::usage(format!("the run works in the folder {began}"))
                .help(format!("go there: cd {began}; `--data-dir` says where the run is kept")))
        }
        _ => Ok(()),
    }
}
