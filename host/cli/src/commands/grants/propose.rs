//! `palisade grants propose`: the smallest grants that would have sufficed for what was denied. It writes nothing.

use super::explain::denied;
use super::{FORM, explain};
use crate::args::Format;
use crate::commands::Context;
use crate::commands::runs::{find, not_told};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::planning::{self, PlanningArgs};
use crate::render::console;
use crate::workspace::{Workspace, existing_store};
use palisade_authority::{BoundKind, Use, authorise};
use palisade_engine::History;
use palisade_model::manifest::Power;
use palisade_model::neutral;
use palisade_runbook::{Plan, PlannedCall, PlannedStep, named_uses};
use palisade_settings::grant_table;
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What would have sufficed.
#[derive(Debug, Default, Serialize)]
struct Proposal {
    /// By component, as an id with its version: the capabilities that a grant would have to list.
    grants: BTreeMap<String, BTreeSet<String>>,
    /// What no grant would have allowed, and who said no.
    beyond: BTreeSet<(String, String, String)>,
}

pub(super) fn exec(context: &Context, what: &str, rulesets: &[PathBuf]) -> Result<ExitCode, CliError> {
    let file = context.settings.working_dir.join(what);
    let proposal = if file.is_file() { of_runbook(context, what, rulesets)? } else { of_run(context, what)? };
    if context.format == Format::Json {
        let beyond: Vec<_> = proposal
            .beyond
            .iter()
            .map(|(step, asked, why)| json!({"step": step, "asked": asked, "why": why}))
            .collect();
        console::json(&json!({"v": FORM, "grants": proposal.grants, "beyond": beyond}));
        return Ok(ExitCode::Done);
    }
    if proposal.grants.is_empty() && proposal.beyond.is_empty() {
        console::err("nothing was denied: there is nothing to propose\n");
    }
    console::out(&people(&proposal, what));
    Ok(ExitCode::Done)
}

fn of_runbook(context: &Context, name: &str, rulesets: &[PathBuf]) -> Result<Proposal, CliError> {
    let workspace = Workspace::open(&context.settings)?;
    let source = crate::rulesets::source(Path::new(name))?;
    let args = PlanningArgs { rulesets, ..PlanningArgs::default() };
    let mut reading = planning::read(&workspace, &context.settings, args, &source)?;
    let errors = reading.show(&context.settings);
    let Some(plan) = reading.plan.take().filter(|_| errors == 0) else {
        return Err(planning::unusable(&workspace, name, &reading, errors));
    };
    let mut proposal = Proposal::default();
    proposal.take_named(&plan);
    Ok(proposal)
}

fn of_run(context: &Context, run: &str) -> Result<Proposal, CliError> {
    let store = existing_store(&context.settings)?;
    let (store, run) = find(context, store.as_ref(), run)?;
    let mut proposal = Proposal::default();
    let mut open = vec![run];
    while let Some(run) = open.pop() {
        let history = History::read(store, run).map_err(|error| not_told(&error))?;
        let plan = history.plan(store).map_err(|error| not_told(&error))?;
        for step in &plan.steps {
            let Some(call) = step.call() else { continue };
            for (asked, _) in denied(&history, &step.id) {
                proposal.take(step, call, &asked);
            }
        }
        // A child that its parent speaks of may not have begun.
        for child in history.children() {
            if store.run(child).map_err(|fault| crate::workspace::not_read(&fault))?.is_some() {
                open.push(child);
            }
        }
    }
    Ok(proposal)
}

impl Proposal {
    /// Takes what the configs of a plan name, children in files included.
    fn take_named(&mut self, plan: &Plan) {
        for step in &plan.steps {
            for call in step.workers() {
                for (_, asked) in named_uses(call) {
                    self.take(step, call, &asked);
                }
            }
            if let Some(child) = step.runs_or_submits().and_then(|child| child.runbook.plan()) {
                self.take_named(child);
            }
        }
    }

    /// Takes a use, if it is denied. A grant suffices where the operator's word alone is missing.
    fn take(&mut self, step: &PlannedStep, call: &PlannedCall, asked: &Use) {
        let decision = authorise(&call.authority, asked);
        if decision.allowed() {
            return;
        }
        let chain = decision.chain();
        let mut no = chain.iter().filter(|reason| !reason.allowed);
        let by_operator_alone = chain.iter().all(|reason| reason.allowed || reason.by == BoundKind::Operator);
        let component = format!("{}@{}", call.component, call.version);
        let shown = || format!("{}={}", asked.power().name(), asked.on());
        if by_operator_alone && asked.power() == Power::Secret {
            let why = "a secret is granted by its own table alone: `[[secret]]` in palisade.toml";
            self.beyond.insert((step.id.to_string(), shown(), why.to_owned()));
            return;
        }
        match String::from_utf8(asked.as_capability()) {
            Ok(written) if by_operator_alone => {
                // A path is absolute where it is not below the working folder, relative to it otherwise.
                self.grants.entry(component).or_default().insert(written);
            }
            Err(_) if by_operator_alone => {
                let why = "its path is not UTF-8, which palisade.toml can't hold: grant the folder above it, or use \
                           `--allow`";
                self.beyond.insert((step.id.to_string(), shown(), why.to_owned()));
            }
            _ => {
                let other = no.find(|reason| reason.by != BoundKind::Operator);
                let why =
                    other.map_or_else(String::new, |reason| format!("{}: {}", explain::bound(reason.by), reason.text));
                self.beyond.insert((step.id.to_string(), shown(), why));
            }
        }
    }
}

fn people(proposal: &Proposal, what: &str) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    if !proposal.grants.is_empty() {
        let _ = writeln!(
            text,
            "# What would have sufficed for what was denied in {}. Read it before you put it into palisade.toml;\n\
             # paths are relative to the folder in which this was printed.",
            neutral::line(what, 200)
        );
    }
    for (component, capabilities) in &proposal.grants {
        let allow: Vec<String> = capabilities.iter().cloned().collect();
        let _ = write!(text, "\n{}", grant_table(component, &allow, Some("")));
    }
    if !proposal.beyond.is_empty() {
        text.push_str("\n# No grant would have allowed:\n");
        for (step, asked, why) in &proposal.beyond {
            let _ = writeln!(text, "#   step {step}: {asked}\n#     {why}");
        }
    }
    text
}
