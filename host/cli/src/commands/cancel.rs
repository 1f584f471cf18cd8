//! `palisade cancel`: ends a run from another process, or in place of one that is gone.

use super::Context;
use super::runs::{find, not_told, standing};
use crate::args::CancelArgs;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::telling::not_driven;
use crate::workspace::{Workspace, not_read};
use palisade_engine::{Cancel, History, Request, Silent, Standing, Work};
use palisade_model::RunId;
use palisade_model::llm::LlmMode;
use palisade_model::record::Status;
use palisade_store::Store;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often it is looked whether the run has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long it is waited for that. An attempt that does not come back is given up before.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn exec(context: &Context, args: &CancelArgs) -> Result<ExitCode, CliError> {
    let workspace = Workspace::open(&context.settings)?;
    let (store, run) = find(context, workspace.stored(), &args.run)?;
    let history = History::read(store, run).map_err(|error| not_told(&error))?;
    if let Some(status) = ended(&history) {
        return Err(CliError::usage(format!("run {run} has ended: it is {status}")));
    }
    let parent = history.start().map_err(|error| not_told(&error))?.parent.as_ref();
    if let Some(parent) = parent.filter(|_| !matches!(standing(store, run), Ok(Standing::Running { .. }))) {
        let message = format!("run {run} is a child of run {}, and nobody works on it", parent.root);
        return Err(CliError::usage(message).help(format!("`palisade cancel {}` ends both", parent.root)));
    }
    let asked = Request::Cancel.leave(store, run).map_err(|fault| not_read(&fault))?;
    if asked.is_none() {
        return Err(CliError::new(ExitCode::Failed, format!("too much is asked of run {run} already")));
    }
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Standing::Ended(status) = standing(store, run)?
            && !Status::named_can_go_on(&status)
        {
            return Ok(told(run, &status));
        }
        if parent.is_none()
            && store.owner(run).map_err(|fault| not_read(&fault))?.is_none()
            && let Some(code) = in_its_place(context, &workspace, store, run)?
        {
            return Ok(code);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let message = format!("run {run} was asked to end, and has not within {} s", PATIENCE.as_secs());
    Err(CliError::new(ExitCode::Failed, message)
        .help(format!("`palisade runs show {run} --follow` shows what it does")))
}

/// Takes up a run that nobody works on, to end it. None if somebody was faster.
fn in_its_place(
    context: &Context,
    workspace: &Workspace,
    store: &Store,
    run: RunId,
) -> Result<Option<ExitCode>, CliError> {
    let mut history = History::read(store, run).map_err(|error| not_told(&error))?;
    if let Some(status) = ended(&history) {
        return Ok(Some(told(run, status.name())));
    }
    let read = || Ok((history.plan(store)?, history.schemas(store)?, history.start()?.folder.clone()));
    let (plan, schemas, folder) = read().map_err(|error| not_told(&error))?;
    let engine = workspace.engine(None)?;
    // Where the run works: files that were written are still put in their places, and what undoes runs there, too.
    let work = Work {
        plan: &plan,
        schemas: &schemas,
        folder: folder.as_deref().map_or(context.settings.working_dir.as_path(), Path::new),
        reuse: true,
        estimate: None,
        planning: None,
        gate: None,
        llm: LlmMode::Off,
    };
    match engine.resume(&mut history, work, &Silent, &Cancel::new()) {
        Ok(ran) => Ok(Some(told(run, ran.record.status.name()))),
        Err(palisade_engine::RunError::Own(palisade_store::OwnError::Owned { .. })) => Ok(None),
        Err(error) => Err(not_driven(&error)),
    }
}

/// How a run has ended for good.
fn ended(history: &History) -> Option<Status> {
    history.state_after(history.events().len()).run().over()
}

fn told(run: RunId, status: &str) -> ExitCode {
    console::err(&format!("run {run} has ended: it is {status}\n"));
    ExitCode::Done
}
