//! `palisade plan`: what a runbook would do, the most it could come to and all it could touch, without running it.

use super::Context;
use crate::args::{Format, LimitsArg, PlanArgs, PlanCommand, PlanningOptions};
use crate::estimates;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::input_sizes::input_bytes;
use crate::lock;
use crate::planning::{self, PlanningArgs};
use crate::render::{console, plan};
use crate::rulesets;
use crate::workspace::Workspace;
use palisade_model::RunLimits;
use palisade_runbook::{Assumed, Plan, PlanDocument, plan_diff};
use serde_json::json;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

pub(crate) fn exec(context: &Context, args: &PlanArgs) -> Result<ExitCode, CliError> {
    let workspace = Workspace::open(&context.settings)?;
    match (&args.command, &args.runbook) {
        (Some(PlanCommand::Diff { old, new, options }), _) => diff(context, &workspace, old, new, options),
        (None, Some(runbook)) => show(context, &workspace, args, runbook),
        // The command line takes one or the other.
        (None, None) => Err(CliError::usage("there is no runbook to plan")),
    }
}

fn show(context: &Context, workspace: &Workspace, args: &PlanArgs, runbook: &Path) -> Result<ExitCode, CliError> {
    let (plan, stated) = read(context, workspace, &args.options, runbook)?;
    let given = input_bytes(&plan, &args.input, &context.settings.working_dir)?;
    let folder = &context.settings.working_dir;
    let assumed = Assumed { input_bytes: &given, ..assumed(context, args.options.threads) };
    let estimate = estimates::of(&plan, workspace.stored(), &given, folder, assumed.threads)?;
    let document = PlanDocument { estimate: Some(estimate), ..PlanDocument::new(plan, &assumed) };
    match context.format {
        Format::Json => console::json(&document),
        Format::Mermaid => console::out(&plan::mermaid(&document)),
        Format::Human | Format::OpenLineage | Format::CycloneDx => {
            let style = plan::Style {
                colour: context.settings.colour_stdout,
                all_limits: args.limits == LimitsArg::All,
                stated: &stated,
                run_ceilings: &context.settings.written.run_ceilings,
            };
            console::out(&plan::human(&document, style));
        }
    }
    // The process ends here; taking the plan of thousands of steps apart before would only take time.
    std::mem::forget(document);
    Ok(ExitCode::Done)
}

/// Compares two plans under the same assumptions: the threads and ceilings of this machine, inputs of any size.
fn diff(
    context: &Context,
    workspace: &Workspace,
    old: &Path,
    new: &Path,
    options: &PlanningOptions,
) -> Result<ExitCode, CliError> {
    if context.format == Format::Mermaid {
        return Err(CliError::usage("`plan diff` has no diagram").help("use `--format human` or `json`"));
    }
    let document = |file: &Path| {
        let plan = either(context, workspace, options, file)?;
        Ok::<_, CliError>(PlanDocument::new(plan, &assumed(context, options.threads)))
    };
    let (old, new) = (document(old)?, document(new)?);
    let differences = plan_diff(&old, &new);
    if context.format == Format::Json {
        console::json(&json!({
            "v": 1, "old_plan_digest": old.plan_digest, "new_plan_digest": new.plan_digest, "differences": differences,
        }));
    } else {
        console::out(&plan::diff::human(&differences));
    }
    Ok(if differences.is_empty() { ExitCode::Done } else { ExitCode::Failed })
}

/// Plans a runbook, or reads what `plan --format json` wrote.
fn either(context: &Context, workspace: &Workspace, options: &PlanningOptions, file: &Path) -> Result<Plan, CliError> {
    if file.extension().is_none_or(|extension| extension != "json") {
        return Ok(read(context, workspace, options, file)?.0);
    }
    let source = rulesets::source(file)?;
    let document = PlanDocument::read(source.text());
    Ok(document.map_err(|error| CliError::usage(format!("{} is no plan: {error}", source.name())))?.plan)
}

/// The plan, and the limits that the runbook states for the run.
fn read(
    context: &Context,
    workspace: &Workspace,
    options: &PlanningOptions,
    file: &Path,
) -> Result<(Plan, RunLimits), CliError> {
    let source = rulesets::source(file)?;
    let planning = PlanningArgs { rulesets: &options.rulesets, allow: &options.allow, ..PlanningArgs::default() };
    let mut reading = planning::read(workspace, &context.settings, planning, &source)?;
    let errors = reading.show(&context.settings);
    match reading.plan.take() {
        Some(plan) => {
            lock::check(&context.settings, &plan)?;
            Ok((plan, reading.stated))
        }
        None => Err(planning::unusable(workspace, source.name(), &reading, errors)),
    }
}

/// What is assumed where nothing is known of the inputs: the threads and ceilings of this machine, inputs of any size.
pub(super) fn assumed(context: &Context, threads: Option<NonZeroUsize>) -> Assumed<'_> {
    static NO_INPUTS: BTreeMap<palisade_model::ArtifactName, u64> = BTreeMap::new();
    let threads = threads.or_else(|| std::thread::available_parallelism().ok());
    let threads = threads.map_or(1, |threads| threads.get() as u64);
    Assumed { threads, input_bytes: &NO_INPUTS, ceilings: &context.settings.written.ceilings }
}
