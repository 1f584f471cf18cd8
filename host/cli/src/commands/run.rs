//! `palisade run`: from a runbook to findings.

use super::Context;
use crate::args::RunArgs;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::planning::{self, PlanningArgs};
use crate::telling::{self, Outputs};
use crate::workspace::Workspace;
use crate::{estimates, inputs, lock, rulesets};
use palisade_engine::{RunRequest, Work};
use palisade_model::StepId;
use palisade_runbook::{Code, Denied, Plan, Severity, first_denied};

pub(crate) fn exec(context: &Context, args: &RunArgs) -> Result<ExitCode, CliError> {
    let export = telling::export(context, &args.telling)?;
    let source = rulesets::source(&args.runbook)?;
    let workspace = Workspace::open(&context.settings)?;
    let planning = PlanningArgs { rulesets: &args.rulesets, allow: &args.allow };
    let mut reading = planning::read(&workspace, &context.settings, planning, &source)?;
    // What this build can only plan would be no run but a half.
    for (_, told) in &mut reading.told {
        if told.code == Code::PlannedOnly {
            told.severity = Severity::Error;
        }
    }
    let errors = reading.show(&context.settings);
    let Some(plan) = reading.plan.take().filter(|_| errors == 0) else {
        return Err(planning::unusable(&workspace, source.name(), &reading, errors));
    };
    deny_early(&plan)?;
    lock::check(&context.settings, &plan)?;
    let outputs = Outputs::probe(&args.telling, export, Some(&args.runbook), &plan)?;
    let engine = workspace.engine(args.telling.threads)?;
    let folder = &context.settings.working_dir;
    let given = inputs::read(&plan, &args.input, folder, &workspace.schemas, engine.catalogue(), engine.store())?;
    let sizes = given.iter().map(|given| (given.name.clone(), given.artifact.items.content().length())).collect();
    let estimate = estimates::of(&plan, Some(engine.store()), &sizes, folder, engine.threads())?;
    let request = RunRequest {
        work: Work {
            plan: &plan,
            schemas: &workspace.schemas,
            folder,
            reuse: !args.no_cache,
            estimate: Some(&estimate),
        },
        runbook: source.text().as_bytes(),
        rulesets: &reading.found.rulesets,
        child_runbooks: reading.child_texts().collect(),
        allowed: args.allow.clone(),
    };
    let mut ran =
        telling::drive(context, &args.telling, |observer, cancel| engine.run(&request, given, observer, cancel))?;
    let warnings =
        reading.told.iter().map(|(file, told)| format!("{}:{}: {}", file.name(), told.span.line, told.message));
    let of_the_run = std::mem::take(&mut ran.record.warnings);
    ran.record.warnings = warnings.chain(of_the_run).collect();
    telling::tell(context, &args.telling, ran, &engine, &workspace.schemas, &outputs)
}

/// Refuses a run whose config names a path that it may not reach, before anything starts.
fn deny_early(plan: &Plan) -> Result<(), CliError> {
    let Some(Denied { step, pointer, why, allow }) = first_denied(plan) else { return Ok(()) };
    let step = step.iter().map(StepId::as_str).collect::<Vec<_>>().join("/");
    let message = format!("step `{step}` may not read what `{pointer}` of its config names: {why}");
    let error = CliError::new(ExitCode::Denied, message);
    Err(match allow {
        Some(line) => error.help(format!("`{line}` would allow it for this run")),
        None => error,
    })
}
