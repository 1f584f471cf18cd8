//! Plans runbooks that are artifacts, for the engine: with what the operator set up, and nothing of the environment.

use crate::planning;
use crate::planning_context;
use crate::rulesets::RulesetFolders;
use crate::settings::Settings;
use crate::workspace::Workspace;
use palisade_engine::{PlannedArtifact, Planning, Refusal, WantedPlan};
use palisade_model::{Failure, FailureKind, neutral};
use palisade_runbook::{
    Assumed, Code, Denied, Diagnostic, first_denied, parse_artifact, plan_artifact, stays_within, wanted_rulesets,
};
use palisade_schema::Registry;
use std::collections::BTreeMap;

/// What plans runbooks that are artifacts.
#[derive(Debug)]
pub(crate) struct ArtifactPlanner<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) settings: &'a Settings,
    pub(crate) folders: &'a RulesetFolders,
}

impl Planning for ArtifactPlanner<'_> {
    fn plan(&self, wanted: &WantedPlan<'_>) -> Result<PlannedArtifact, Refusal> {
        let WantedPlan { source, caller, allowed, input_bytes, threads } = *wanted;
        let (workspace, settings) = (self.workspace, self.settings);
        let host = |error: crate::failure::CliError| Refusal {
            failure: Failure::new(FailureKind::Host, error.message),
            diagnostics: Vec::new(),
        };
        let allowed = planning::grants(&workspace.folder, allowed).map_err(host)?;
        let components = workspace.components(settings, &allowed).map_err(host)?;
        // What stands in the operator's environment is for runbooks that a person wrote.
        let (runbook, mut told) = parse_artifact(source);
        let Some(runbook) = runbook else { return Err(refusal(source.name(), &told)) };
        let found = self.folders.find(
            wanted_rulesets(&runbook, &components),
            &workspace.schemas,
            Some(&|| planning_context::source((workspace, settings), &components, self.folders)),
        );
        let no_files = BTreeMap::new();
        let context = planning::context((workspace, settings), &components, &found, &no_files, &allowed);
        let (plan, more) = plan_artifact(&runbook, &context, &caller);
        told.extend(found.diagnostics.into_iter().map(|(_, diagnostic)| diagnostic));
        told.extend(more);
        let broken = told.iter().any(Diagnostic::is_error);
        let Some(plan) = plan.filter(|_| !broken) else { return Err(refusal(source.name(), &told)) };
        if let Some(denied) = first_denied(&plan) {
            return Err(denial(&denied));
        }
        let assumed = Assumed { threads, input_bytes, ceilings: &settings.written.ceilings };
        let is_approved =
            caller.child.approved_within.as_ref().is_some_and(|limits| stays_within(&plan, limits, &assumed));
        Ok(PlannedArtifact { plan, rulesets: found.rulesets, is_approved })
    }

    fn schemas(&self) -> &Registry {
        &self.workspace.schemas
    }
}

/// Why a runbook with errors may not run: what is not allowed counts more than what is wrong.
fn refusal(name: &str, told: &[Diagnostic]) -> Refusal {
    let errors: Vec<&Diagnostic> = told.iter().filter(|told| told.is_error()).collect();
    let is_denial =
        |told: &&&Diagnostic| matches!(told.code, Code::NotAllowed | Code::NotForGenerated | Code::BeyondBound);
    let denied = errors.iter().find(is_denial);
    let Some(first) = denied.or_else(|| errors.first()) else {
        let failure = Failure::new(FailureKind::BadRunbook, "the runbook that it is to run can't be read");
        return Refusal { failure, diagnostics: Vec::new() };
    };
    let more = match errors.len() {
        1 => String::new(),
        many => format!("; it has {many} errors"),
    };
    let (name, line) = (neutral::line(name, 80), first.span.line);
    let message = format!("the runbook `{name}` is refused: line {line}: {} [{}]{more}", first.message, first.code);
    let kind = match denied {
        Some(denied) => FailureKind::Denied { what: denied.message.clone(), allow: None },
        None => FailureKind::BadRunbook,
    };
    let failure = Failure { help: first.help.clone(), ..Failure::new(kind, message) };
    let diagnostics = errors.iter().filter_map(|told| serde_json::to_value(told).ok()).collect();
    Refusal { failure, diagnostics }
}

fn denial(denied: &Denied) -> Refusal {
    let Denied { step, pointer, why, allow } = denied;
    let step: Vec<_> = step.iter().map(palisade_model::StepId::as_str).collect();
    let what = format!("its step `{}` may not use what `{pointer}` of its config names: {why}", step.join("/"));
    let kind = FailureKind::Denied { what: what.clone(), allow: allow.clone() };
    let failure = Failure::new(kind, format!("the runbook that it is to run is refused: {what}"));
    let failure = match allow {
        Some(line) => failure.with_help(format!("`{line}` would allow it for this run")),
        None => failure,
    };
    Refusal { failure, diagnostics: Vec::new() }
}
