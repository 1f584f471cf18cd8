//! Asks whoever sits at the terminal what a run waits for, instead of only saying that it does.

use super::{Context, answer, approvals};
use crate::args::{AnswerArgs, Format, TellingArgs};
use crate::awaited;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::person;
use palisade_model::RunId;
use palisade_store::Store;
use std::path::{Path, PathBuf};

/// With what the run was started, or gone on with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) key: Option<&'a Path>,
    pub(super) rulesets: &'a [PathBuf],
    pub(super) telling: &'a TellingArgs,
}

/// Shows the first step that waits and asks, where the answer would count; `code` is what the run ended with. Goes on with the
/// run after a yes or a no.
///
/// # Errors
/// When the run can't be told, or can't be gone on with.
pub(super) fn on_terminal(
    context: &Context,
    store: &Store,
    run: RunId,
    code: ExitCode,
    given: Given<'_>,
) -> Result<ExitCode, CliError> {
    let Given { key, rulesets, telling } = given;
    let approving = &context.settings.approving;
    // Who started it is not the one to ask, or has no key at hand.
    let counts = !approving.four_eyes && (approving.approvers.is_empty() || key.is_some());
    let wanted = code == ExitCode::Waiting && context.format == Format::Human && !telling.quiet;
    if !wanted || !counts || !person::sees() {
        return Ok(code);
    }
    let user = person::name();
    let may_answer =
        |awaited: &awaited::Awaited| key.is_some() || awaited.approvers.is_empty() || awaited.approvers.contains(&user);
    let Some(awaited) = awaited::of(store, run)?.into_iter().find(may_answer) else { return Ok(code) };
    approvals::show(context, &run.to_string(), Some(&awaited.path))?;
    let question = format!("`{}`: yes, no, or Enter to leave it waiting? ", awaited.path);
    let Some(approved) = person::answers(&question) else { return Ok(code) };
    let args = AnswerArgs {
        run: run.to_string(),
        step: Some(awaited.path),
        note: None,
        // They answered what they were shown.
        plan: awaited.runbook.map(|runbook| runbook.plan_digest),
        key: key.map(Path::to_owned),
        rulesets: rulesets.to_vec(),
        no_run: false,
        telling: telling.clone(),
    };
    answer::exec(context, &args, approved)
}
