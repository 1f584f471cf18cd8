//! `palisade approve` and `palisade reject`: the answer of a person, and what follows from it.

use super::Context;
use super::asked::Given;
use super::resume::go_on;
use super::runs::{find, not_told};
use crate::approver;
use crate::args::AnswerArgs;
use crate::awaited::{self, Awaited};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::person;
use crate::render::console;
use crate::workspace::{Workspace, not_read};
use palisade_engine::{Approving, DecideError, Decision, History, NotCounted, Request, now_ms};
use palisade_model::{RunId, neutral};
use palisade_store::{OwnError, Store};
use std::time::{Duration, Instant};

/// How often it is looked whether whoever works on the run took the answer.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long it is waited for that.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most characters of a note.
const MAX_NOTE: usize = 4_000;

pub(crate) fn exec(context: &Context, args: &AnswerArgs, approved: bool) -> Result<ExitCode, CliError> {
    if args.note.as_ref().is_some_and(|note| note.chars().count() > MAX_NOTE) {
        return Err(CliError::usage(format!("--note has more than {MAX_NOTE} characters")));
    }
    let workspace = Workspace::open(&context.settings)?;
    let (store, run) = find(context, workspace.stored(), &args.run)?;
    let wanted = one(store, run, args.step.as_deref())?;
    let by = person::name();
    let note = args.note.clone();
    let question = History::read(store, wanted.run)
        .and_then(|history| history.question(store, &wanted.step))
        .map_err(|error| not_told(&error))?;
    if args.plan.is_some_and(|plan| plan != question.about) {
        let message = format!("`{}` waits for an answer about something else than that plan", wanted.path);
        let help = format!("`palisade approvals show {} {}` shows what it is about now", wanted.root, wanted.path);
        return Err(CliError::new(ExitCode::Denied, message).help(help));
    }
    let about = Some(question.about);
    let decision = Decision { step: wanted.step.clone(), approved, by, about, note, signature: None };
    let decision = match &args.key {
        Some(file) => decision.signed(&question, &approver::read(file)?),
        None => decision,
    };
    may_answer(&wanted, &decision.by)?;
    // Told here, since whoever works on the run gives no reasons.
    context.settings.approving.judge(&decision, &question).map_err(|error| not_taken(&error.into()))?;
    let told =
        format!("`{}` of run {} is {}", wanted.path, wanted.root, if approved { "approved" } else { "rejected" });
    let approving = &context.settings.approving;
    if let Taken::ByProcess(process) = decide(store, wanted.run, decision, approving)? {
        console::err(&format!("{told}; process {process} goes on with it\n"));
        return Ok(ExitCode::Done);
    }
    if let Some(process) = wake(store, &wanted)? {
        console::err(&format!("{told}; process {process} goes on with it\n"));
        return Ok(ExitCode::Done);
    }
    console::err(&format!("{told}\n"));
    if args.no_run {
        console::err(&format!("`palisade resume {}` goes on\n", wanted.root));
        return Ok(ExitCode::Done);
    }
    let given = Given { key: args.key.as_deref(), rulesets: &args.rulesets, telling: &args.telling };
    go_on(context, &workspace, store, wanted.root, given)
}

/// The step that is meant.
pub(super) fn one(store: &Store, run: RunId, step: Option<&str>) -> Result<Awaited, CliError> {
    let history = History::read(store, run).map_err(|error| not_told(&error))?;
    let parent = history.start().map_err(|error| not_told(&error))?.parent.clone();
    let all = awaited::of(store, parent.map_or(run, |parent| parent.root))?;
    let below = |awaited: &Awaited| awaited.run == run || awaited.above.contains(&run);
    let mut of_run: Vec<Awaited> = all.into_iter().filter(below).collect();
    let names = |all: &[Awaited]| all.iter().map(|one| format!("`{}`", one.path)).collect::<Vec<_>>().join(", ");
    let known = names(&of_run);
    if let Some(step) = step {
        of_run.retain(|awaited| awaited.path == step || awaited.step.as_str() == step);
    }
    let message = match (of_run.len(), step) {
        (1, _) => {
            let first = of_run.into_iter().next();
            return first.ok_or_else(|| CliError::new(ExitCode::Bug, "a step vanished"));
        }
        (0, Some(step)) => format!("step `{}` of run {run} does not wait for a person", neutral::line(step, 80)),
        (0, None) => format!("run {run} does not wait for a person"),
        (_, _) => format!("several steps of run {run} wait for a person: {known}"),
    };
    let help = match (of_run.len(), known.is_empty()) {
        (0, true) => "`palisade approvals list` shows what does".to_owned(),
        (0, false) => format!("these do: {known}"),
        (_, _) => "name the step behind the run".to_owned(),
    };
    Err(CliError::usage(message).help(help))
}

fn may_answer(awaited: &Awaited, by: &str) -> Result<(), CliError> {
    if awaited.approvers.is_empty() || awaited.approvers.iter().any(|name| name == by) {
        return Ok(());
    }
    let names: Vec<_> = awaited.approvers.iter().map(|name| neutral::line(name, 80)).collect();
    let (by, names) = (neutral::line(by, 80), names.join(" or "));
    let message = format!("`{}` waits for {names}, and you are {by}", awaited.path);
    Err(CliError::new(ExitCode::Denied, message).help(
        "`approvers` of the step names who may answer: users of this system, or approvers by the names of their keys",
    ))
}

/// Who took an answer.
enum Taken {
    /// It was written down here.
    Here,
    /// A process that works on the run.
    ByProcess(u32),
}

fn decide(store: &Store, run: RunId, decision: Decision, approving: &Approving) -> Result<Taken, CliError> {
    let began = Instant::now();
    loop {
        let error = match decision.clone().record(store, run, approving, now_ms()) {
            Ok(()) => return Ok(Taken::Here),
            Err(error) => error,
        };
        let DecideError::Own(OwnError::Owned { owner, .. }) = &error else { return Err(not_taken(&error)) };
        let request = Request::Decide(decision.clone());
        let Some(asked) = request.leave(store, run).map_err(|fault| not_read(&fault))? else {
            return Err(CliError::new(ExitCode::Failed, format!("too much is asked of run {run} already")));
        };
        while began.elapsed() < PATIENCE {
            std::thread::sleep(LOOK_EVERY);
            let waits = store.asked(run).map_err(|fault| not_read(&fault))?.iter().any(|known| known.id == asked);
            if !waits {
                return match_answer(store, run, &decision, owner.unwrap_or_default());
            }
            if store.owner(run).map_err(|fault| not_read(&fault))?.is_none() {
                break;
            }
        }
        if began.elapsed() >= PATIENCE {
            let message =
                format!("the answer was left for run {run}, and nobody took it within {} s", PATIENCE.as_secs());
            return Err(CliError::new(ExitCode::Failed, message));
        }
    }
}

/// Whoever works on the run took the answer: was it in time?
fn match_answer(store: &Store, run: RunId, decision: &Decision, process: u32) -> Result<Taken, CliError> {
    let history = History::read(store, run).map_err(|error| not_told(&error))?;
    let taken = history.events().iter().any(|event| event.is_answer_of(&decision.step, &decision.by));
    if taken {
        Ok(Taken::ByProcess(process))
    } else {
        Err(not_taken(&DecideError::NotAwaited { run, step: decision.step.clone() }))
    }
}

/// Tells the nearest run above that somebody works on that its child goes on. None if nobody works on any.
fn wake(store: &Store, awaited: &Awaited) -> Result<Option<u32>, CliError> {
    let mut child = awaited.run;
    for run in &awaited.above {
        if let Some(process) = store.owner(*run).map_err(|fault| not_read(&fault))? {
            Request::GoOn { child }.leave(store, *run).map_err(|fault| not_read(&fault))?;
            return Ok(Some(process));
        }
        child = *run;
    }
    Ok(None)
}

fn not_taken(error: &DecideError) -> CliError {
    match error {
        DecideError::History(error) => not_told(error),
        DecideError::NotAwaited { .. } | DecideError::Expired { .. } => {
            CliError::from_error(ExitCode::Usage, error).help("`palisade approvals list` shows what does")
        }
        DecideError::NotCounted(why) => CliError::from_error(ExitCode::Denied, error).help(match why {
            NotCounted::Same { .. } => "another one of [approval] approvers answers, with their own `--key FILE`",
            NotCounted::Unknown => "begin it anew with `run --key FILE`, so that it is known who did",
            NotCounted::Another => "`palisade approvals list` shows what it waits for now",
            NotCounted::Unsigned | NotCounted::Forged { .. } => {
                "`--key FILE` signs it; [approval] of palisade.toml says whose answers count"
            }
        }),
        DecideError::Own(_) | DecideError::Append(_) => CliError::from_error(ExitCode::Failed, error),
    }
}
