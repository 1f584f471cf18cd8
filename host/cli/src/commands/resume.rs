//! `palisade resume`: goes on with a run that was interrupted or whose process is gone.
//!
//! Plan, schemas and inputs are those that the run stored when it started, whatever became of the files since.

use super::Context;
use super::runs::{find, not_told};
use crate::args::ResumeArgs;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::lock;
use crate::telling::{self, Outputs};
use crate::workspace::Workspace;
use palisade_engine::{History, RunState, Work, shown_folder};
use palisade_model::record::Status;
use palisade_model::{RunId, neutral};
use palisade_store::Store;

pub(crate) fn exec(context: &Context, args: &ResumeArgs) -> Result<ExitCode, CliError> {
    let export = telling::export(context, &args.telling)?;
    let workspace = Workspace::open(&context.settings)?;
    let (store, run) = find(context, workspace.stored(), &args.run)?;
    let history = History::read(store, run).map_err(|error| not_told(&error))?;
    can_be_resumed(run, &history)?;
    let folder = &context.settings.working_dir;
    same_folder(&history, &shown_folder(folder))?;
    let read = |store: &Store| Ok((history.plan(store)?, history.schemas(store)?, history.estimate(store)?));
    let (plan, schemas, estimate) = read(store).map_err(|error| not_told(&error))?;
    lock::check(&context.settings, &plan)?;
    let outputs = Outputs::probe(&args.telling, export, None, &plan)?;
    let engine = workspace.engine(args.telling.threads)?;
    let work = Work { plan: &plan, schemas: &schemas, folder, estimate: estimate.as_ref() };
    let ran = telling::drive(context, &args.telling, |observer, cancel| engine.resume(run, work, observer, cancel))?;
    telling::tell(context, &args.telling, ran, &engine, &schemas, &outputs)
}

/// Says early what the engine would refuse: that there is nothing to go on with.
fn can_be_resumed(run: RunId, history: &History) -> Result<(), CliError> {
    match history.state_after(history.events().len()).run() {
        RunState::Ended(Status::Interrupted) | RunState::Running | RunState::New => Ok(()),
        RunState::Ended(status) => Err(CliError::usage(format!("run {run} has ended: it is {status}"))
            .help("only what was interrupted, or lost its process, can be resumed; `palisade runs show` says more")),
    }
}

/// The paths of a plan are relative to the folder in which the run began: elsewhere they would lead to other data.
fn same_folder(history: &History, folder: &str) -> Result<(), CliError> {
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
