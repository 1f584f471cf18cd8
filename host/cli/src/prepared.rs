//! A run that could start now: planned, its inputs read, estimated; from its beginning, or from a place in another run.

mod edited;

use self::edited::{Edited, with};
use crate::artifact_runbooks::ArtifactPlanner;
use crate::commands::{Context, runs::not_told};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::planning::{self, PlanningArgs, Reading};
use crate::rulesets::RulesetFolders;
use crate::settings::Settings;
use crate::workspace::Workspace;
use crate::{estimates, inputs, lock};
use palisade_engine::{
    Cancel, Engine, ForkPoint, Forking, Gate, GivenInput, History, Observer, Otherwise, Ran, RunError, RunRequest,
    Side, StepState, Work, asks_a_person, read_plan,
};
use palisade_model::llm::LlmMode;
use palisade_model::{ArtifactName, Edit, StepId};
use palisade_runbook::{Denied, Estimate, Plan, PlannedCall, Setting, Source, first_denied};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A run that could start now.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) plan: Plan,
    reading: Reading,
    basis: Basis,
    given: Vec<GivenInput>,
    estimate: Estimate,
    /// What is granted for it alone.
    allow: Vec<String>,
    /// Where rulesets are looked up for what its steps make.
    folders: RulesetFolders,
    fork: Option<Taken>,
}

/// What a plan was made from, to be made again with more that is set.
#[derive(Debug, Clone)]
pub(crate) struct Basis {
    source: Source,
    set: Vec<Setting>,
    /// The plan of the run that stored the texts of its children.
    stored: Option<Plan>,
}

/// What is taken over of another run.
#[derive(Debug)]
struct Taken {
    point: ForkPoint,
    kept: Vec<StepId>,
    inputs: Vec<palisade_engine::RunInput>,
    edits: Vec<Edit>,
}

/// What is to be other than in the run that is left.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Changes<'a> {
    /// Another runbook.
    pub(crate) runbook: Option<&'a Path>,
    /// Values of configs.
    pub(crate) set: &'a [Setting],
    /// Inputs, as typed.
    pub(crate) input: &'a [String],
    /// Folders of rulesets.
    pub(crate) rulesets: &'a [PathBuf],
    /// What is granted for the new run alone.
    pub(crate) allow: &'a [String],
}

/// How a run is driven.
pub(crate) struct Driving<'a> {
    pub(crate) context: &'a Context,
    pub(crate) workspace: &'a Workspace,
    /// What pure steps made before is used again.
    pub(crate) reuse: bool,
    /// Who starts it.
    pub(crate) by: String,
    /// Who said yes beforehand to what its steps make and allow.
    pub(crate) approved_by: Option<String>,
    /// Who holds it at each step.
    pub(crate) gate: Option<&'a dyn Gate>,
    /// What it may do about language models; none = what the operator's file says.
    pub(crate) llm: Option<LlmMode>,
}

/// Plans a runbook to be run, and shows all that is wrong with it.
///
/// # Errors
/// When there is anything wrong, or it may not run.
pub(crate) fn planned(
    context: &Context,
    workspace: &Workspace,
    planning: PlanningArgs<'_>,
    source: &Source,
) -> Result<(Plan, Reading), CliError> {
    let mut reading = planning::read(workspace, &context.settings, planning, source)?;
    let errors = reading.show(&context.settings);
    let Some(plan) = reading.plan.take().filter(|_| errors == 0) else {
        return Err(planning::unusable(workspace, source.name(), &reading, errors));
    };
    // Bytes that nobody named are granted nothing, which would be told as if it were the cause.
    lock::check(&context.settings, &plan)?;
    deny_early(&plan)?;
    check_secrets(&context.settings, &plan)?;
    check_connections(&context.settings, &plan)?;
    Ok((plan, reading))
}

/// Refuses a run whose steps may send a secret that is not there. It is read again when it is sent.
fn check_secrets(settings: &Settings, plan: &Plan) -> Result<(), CliError> {
    let secrets = settings.secrets();
    let wanted: BTreeSet<String> = plan.calls().into_iter().flat_map(PlannedCall::secrets).collect();
    for name in wanted {
        if let Err(error) = secrets.read(&name) {
            let help = format!("`from` of the [[secret]] `{name}` in palisade.toml says where it should be");
            return Err(CliError::from_error(ExitCode::Usage, &error).help(help));
        }
    }
    Ok(())
}

/// Refuses a run whose steps may read a connection that could not be opened. Its password is read again when it is.
fn check_connections(settings: &Settings, plan: &Plan) -> Result<(), CliError> {
    let connections = settings.connections();
    let wanted: BTreeSet<&str> = plan.calls().into_iter().flat_map(PlannedCall::databases).collect();
    for name in wanted {
        if let Err(error) = connections.check(name) {
            let help = format!("the [[connection]] `{name}` in palisade.toml says where it should be");
            return Err(CliError::from_error(ExitCode::Usage, &error).help(help));
        }
    }
    Ok(())
}

/// Refuses a run whose config names a path that it may not reach, before anything starts.
fn deny_early(plan: &Plan) -> Result<(), CliError> {
    let Some(Denied { step, pointer, why, allow }) = first_denied(plan) else { return Ok(()) };
    let step = step.iter().map(StepId::as_str).collect::<Vec<_>>().join("/");
    let message = if pointer.is_empty() {
        format!("step `{step}` may not do what its component needs: {why}")
    } else {
        format!("step `{step}` may not use what `{pointer}` of its config names: {why}")
    };
    let error = CliError::new(ExitCode::Denied, message);
    Err(match allow {
        Some(line) => error.help(format!("`{line}` would allow it for this run")),
        None => error,
    })
}

impl Prepared {
    /// A run from its beginning.
    ///
    /// # Errors
    /// When the store can't be read.
    pub(crate) fn fresh(
        context: &Context,
        engine: &Engine,
        (plan, reading): (Plan, Reading),
        source: Source,
        given: Vec<GivenInput>,
        planning: PlanningArgs<'_>,
    ) -> Result<Self, CliError> {
        let folders = RulesetFolders::new(planning.rulesets, &context.settings)?;
        let estimate = estimated(context, engine, &plan, sizes(&given).collect())?;
        let (basis, allow) = (Basis { source, set: Vec::new(), stored: None }, planning.allow.to_vec());
        Ok(Self { plan, reading, basis, given, estimate, allow, folders, fork: None })
    }

    /// A run that goes on from a place in another one. The runbook is planned anew, under what is granted now: a run is no
    /// way to keep a power that it had.
    ///
    /// # Errors
    /// When something is wrong with what is to be other, or a step that ran before would be another one.
    pub(crate) fn fork(
        context: &Context,
        (workspace, engine): (&Workspace, &Engine),
        history: &History,
        point: ForkPoint,
        changes: Changes<'_>,
    ) -> Result<Self, CliError> {
        let store = engine.store();
        let told = |error| not_told(&error);
        let started = history.start().map_err(told)?;
        let old = read_plan(store, started.run, started.plan).map_err(told)?;
        let past = read_plan(store, started.run, point.past.plan).map_err(told)?;
        let edited = Edited::read(store, history, changes)?;
        let stored = changes.runbook.is_none().then_some((store, &old));
        let planning = PlanningArgs { rulesets: changes.rulesets, allow: changes.allow, set: &edited.set, stored };
        let (plan, reading) = planned(context, workspace, planning, &edited.source)?;
        let at = &point.from.step;
        if plan.step(at).is_none() {
            return Err(CliError::usage(format!("{} has no step `{at}` any more", edited.source.name()))
                .help("`--at` names a step of both: the first one that is to run anew"));
        }
        let taken = plan.inputs.iter().filter_map(|planned| {
            let mut given = started.inputs.iter().filter(|given| !given.is_default);
            given.find(|given| given.name == planned.name && given.schema == planned.schema).cloned()
        });
        let mut taken: Vec<_> = taken.collect();
        let known: BTreeSet<String> = taken.iter().map(|input| input.name.key()).collect();
        let typed = inputs::Typed { texts: changes.input, known: &known };
        let folder = &context.settings.working_dir;
        let given = inputs::read(&plan, typed, folder, &workspace.schemas, engine.catalogue(), store)?;
        taken.retain(|input| given.iter().all(|given| given.name != input.name));
        let given_digests = given.iter().map(|given| (given.name.key(), given.artifact.digest()));
        let digests = given_digests.chain(taken.iter().map(|input| (input.name.key(), input.artifact))).collect();
        let old_inputs = point.past.inputs();
        let (before, now) = (Side { plan: &past, inputs: &old_inputs }, Side { plan: &plan, inputs: &digests });
        // An approver signs for one run.
        let anew = !context.settings.approving.approvers.is_empty();
        let kept = point.taken_over(before, now, anew).map_err(|step| otherwise(&step, at))?;
        let edits = edited.edits(&plan, &old, &point, &given, &old_inputs);
        let all = sizes(&given).chain(taken.iter().map(|input| (input.name.clone(), input.bytes))).collect();
        let estimate = estimated(context, engine, &plan, all)?;
        let fork = Some(Taken { point, kept, inputs: taken, edits });
        let folders = RulesetFolders::new(changes.rulesets, &context.settings)?;
        let stored = changes.runbook.is_none().then_some(old);
        let basis = Basis { source: edited.source, set: edited.set, stored };
        Ok(Self { plan, reading, basis, given, estimate, allow: changes.allow.to_vec(), folders, fork })
    }

    /// What it was planned from.
    pub(crate) fn basis(&self) -> Basis {
        self.basis.clone()
    }

    /// What is taken over, and what is asked again, in words; nothing for a run from its beginning.
    pub(crate) fn said(&self) -> String {
        let Some(Taken { point, kept, .. }) = &self.fork else { return String::new() };
        let names = |steps: Vec<&StepId>| steps.iter().map(|step| step.as_str()).collect::<Vec<_>>().join(", ");
        let taken = if kept.is_empty() { "nothing".to_owned() } else { names(kept.iter().collect()) };
        let from = &point.from;
        let mut said = format!(
            "leaves run {} before {}, behind event {}; takes over {taken}\n",
            from.run_id, from.step, from.event
        );
        let ended = |id: &StepId| point.state.step(id).is_some_and(StepState::can_be_kept);
        let anew = self.plan.steps.iter().filter(|step| ended(&step.id) && !kept.contains(&step.id));
        let (asked, behind): (Vec<_>, Vec<_>) = anew.partition(|step| asks_a_person(step));
        let ids = |steps: &[&palisade_runbook::PlannedStep]| names(steps.iter().map(|step| &step.id).collect());
        if !asked.is_empty() {
            let asked = ids(&asked);
            said.push_str(&format!(
                "no answer of a person is taken over, since something was edited; asks again: {asked}\n"
            ));
        }
        if !behind.is_empty() {
            said.push_str(&format!("runs again, since it comes behind: {}\n", ids(&behind)));
        }
        said
    }

    /// Runs it, once.
    ///
    /// # Errors
    /// When it can't be driven to its end.
    pub(crate) fn run(
        &mut self,
        engine: &Engine,
        driving: Driving<'_>,
        key: Option<String>,
        (observer, cancel): (&dyn Observer, &Cancel),
    ) -> Result<Ran, RunError> {
        let Driving { context, workspace, reuse, by, approved_by, gate, llm } = driving;
        let planner = ArtifactPlanner { workspace, settings: &context.settings, folders: &self.folders };
        let given = std::mem::take(&mut self.given);
        let forking = self.fork.as_mut().map(|taken| Forking {
            kept: std::mem::take(&mut taken.kept),
            inputs: std::mem::take(&mut taken.inputs),
            edits: std::mem::take(&mut taken.edits),
            point: &taken.point,
        });
        let request = RunRequest {
            work: Work {
                plan: &self.plan,
                schemas: &workspace.schemas,
                folder: &context.settings.working_dir,
                reuse,
                estimate: Some(&self.estimate),
                planning: Some(&planner),
                gate,
                llm: llm.unwrap_or(context.settings.written.llm.mode),
            },
            by: Some(by),
            approved_by,
            runbook: self.basis.source.text().as_bytes(),
            rulesets: &self.reading.found.rulesets,
            key,
            child_runbooks: self.reading.child_texts().collect(),
            allowed: self.allow.clone(),
            fork: forking.as_ref(),
        };
        let mut ran = engine.run(&request, given, observer, cancel)?;
        let warnings = self
            .reading
            .told
            .iter()
            .map(|(file, told)| format!("{}:{}: {}", file.name(), told.span.line, told.message));
        let of_the_run = std::mem::take(&mut ran.record.warnings);
        ran.record.warnings = self.reading.unheeded.iter().cloned().chain(warnings).chain(of_the_run).collect();
        Ok(ran)
    }
}

impl Basis {
    /// Says whether it has a plan with more that is set and given, and shows what is wrong with it if not.
    ///
    /// # Errors
    /// When it has none.
    pub(crate) fn check(
        &self,
        context: &Context,
        workspace: &Workspace,
        engine: &Engine,
        changes: Changes<'_>,
    ) -> Result<(), CliError> {
        let set = with(&self.set, changes.set);
        let stored = self.stored.as_ref().map(|plan| (engine.store(), plan));
        let planning = PlanningArgs { rulesets: changes.rulesets, allow: changes.allow, set: &set, stored };
        let (plan, _) = planned(context, workspace, planning, &self.source)?;
        let known = plan.inputs.iter().map(|input| input.name.key()).collect();
        let typed = inputs::Typed { texts: changes.input, known: &known };
        let folder = &context.settings.working_dir;
        inputs::read(&plan, typed, folder, &workspace.schemas, engine.catalogue(), engine.store()).map(drop)
    }
}

fn sizes(given: &[GivenInput]) -> impl Iterator<Item = (ArtifactName, u64)> {
    given.iter().map(|given| (given.name.clone(), given.artifact.items().length()))
}

fn estimated(
    context: &Context,
    engine: &Engine,
    plan: &Plan,
    sizes: BTreeMap<ArtifactName, u64>,
) -> Result<Estimate, CliError> {
    estimates::of(plan, Some(engine.store()), &sizes, &context.settings.working_dir, engine.threads())
}

fn otherwise(found: &Otherwise, at: &StepId) -> CliError {
    let Otherwise { step, what } = found;
    CliError::usage(format!("step `{step}` ran before `{at}`, and {what} would be other now; nothing was started"))
        .help(format!("fork at `{step}`, so that it runs anew, or leave it as it was"))
}
