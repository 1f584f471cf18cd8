//! What a fork goes on by: the text of a runbook and what is set beside it, and how that is told.

use super::Changes;
use crate::commands::runs::not_told;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::rulesets;
use crate::workspace::not_read;
use palisade_engine::{ForkPoint, GivenInput, History};
use palisade_model::{Digest, Edit, RunId};
use palisade_runbook::{Plan, Setting, Source};
use palisade_store::Store;
use std::collections::BTreeMap;

/// What the new run goes on by, and what of it was made other.
pub(super) struct Edited {
    pub(super) source: Source,
    /// All values that are set, those of the other run among them.
    pub(super) set: Vec<Setting>,
    /// The other runbook, if there is one.
    runbook: Option<Edit>,
    /// What was other in the other run already.
    before: Vec<Edit>,
}

impl Edited {
    /// Reads the texts.
    ///
    /// # Errors
    /// When one can't be read.
    pub(super) fn read(store: &Store, history: &History, changes: Changes<'_>) -> Result<Self, CliError> {
        let started = history.start().map_err(|error| not_told(&error))?;
        let mut set = Vec::new();
        let (source, runbook, before) = match changes.runbook {
            Some(file) => {
                let source = rulesets::source(file)?;
                let digest = Digest::of(source.text().as_bytes());
                // The same text without what was set beside it is another one, too.
                let is_the_same = digest == started.runbook && !started.is_edited();
                (source, (!is_the_same).then_some(Edit::Runbook { digest }), Vec::new())
            }
            None => {
                let before = started.fork.as_ref().map(|fork| fork.edits.clone()).unwrap_or_default();
                set.extend(before.iter().filter_map(setting));
                (stored_text(store, started.run, started.runbook)?, None, before)
            }
        };
        let set = with(&set, changes.set);
        Ok(Self { source, set, runbook, before })
    }

    /// What is other than in the run that was not forked from any; nothing where all is as it was there.
    pub(super) fn edits(
        &self,
        plan: &Plan,
        old: &Plan,
        point: &ForkPoint,
        given: &[GivenInput],
        old_inputs: &BTreeMap<String, Digest>,
    ) -> Vec<Edit> {
        let is_config = |edit: &Edit| matches!(edit, Edit::Config { .. });
        let before = self.before.iter().filter(|edit| !is_config(edit));
        let mut edits: Vec<Edit> = self.runbook.iter().chain(before).cloned().collect();
        edits.extend(self.set.iter().filter_map(|setting| {
            let step = plan.steps.iter().find(|step| step.id.as_str() == setting.step.to_lowercase())?;
            let (pointer, value) = (setting.pointer.clone(), setting.value.clone());
            Some(Edit::Config { step: step.id.clone(), pointer, value })
        }));
        for given in given.iter().filter(|given| !given.is_default) {
            let edit = Edit::Input { name: given.name.clone() };
            if old_inputs.get(&given.name.key()) != Some(&given.artifact.digest()) && !edits.contains(&edit) {
                edits.push(edit);
            }
        }
        let is_the_same = plan.digest() == old.digest() && plan.digest() == point.past.plan;
        match edits.is_empty() {
            true if !is_the_same => edits.push(Edit::Surroundings),
            // What was set may be what was there.
            false if is_the_same && self.before.is_empty() && given.iter().all(|given| given.is_default) => {
                edits.clear()
            }
            _ => {}
        }
        edits
    }
}

fn setting(edit: &Edit) -> Option<Setting> {
    match edit {
        Edit::Config { step, pointer, value } => {
            Some(Setting { step: step.to_string(), pointer: pointer.clone(), value: value.clone() })
        }
        Edit::Runbook { .. } | Edit::Input { .. } | Edit::Surroundings => None,
    }
}

fn stored_text(store: &Store, run: RunId, digest: Digest) -> Result<Source, CliError> {
    let missing = || {
        CliError::new(ExitCode::Integrity, format!("the runbook of run {run} is not in the store any more"))
            .help("`--runbook FILE` names it")
    };
    let content = store.content(digest).map_err(|fault| not_read(&fault))?.ok_or_else(missing)?;
    let bytes = content.read_all().map_err(|fault| not_read(&fault))?;
    let name = format!("the runbook of run {run}");
    Source::from_bytes(name, bytes).map_err(|wrong| CliError::new(ExitCode::Integrity, wrong.message))
}

/// Settings with more of them, of which the later count.
pub(super) fn with(settings: &[Setting], more: &[Setting]) -> Vec<Setting> {
    let mut all = settings.to_vec();
    for setting in more {
        all.retain(|known: &Setting| (&known.step, &known.pointer) != (&setting.step, &setting.pointer));
        all.push(setting.clone());
    }
    all
}
