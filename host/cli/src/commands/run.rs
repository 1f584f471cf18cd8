//! `palisade run`: from a runbook to findings.

use super::Context;
use crate::args::{EvidenceArg, Format, RunArgs};
use crate::documents::{ReportDocument, open_all};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::interrupt;
use crate::output;
use crate::planning::{self, PlanningArgs};
use crate::render::{console, progress::Progress};
use crate::rulesets;
use crate::workspace::Workspace;
use palisade_engine::{Cancel, Observer, Ran, RunRequest, Silent};
use palisade_model::record::RunRecord;
use palisade_model::{StepId, neutral, strict_json};
use palisade_report::TextStyle;
use palisade_runbook::{Code, Denied, Plan, Severity, first_denied};
use serde_json::Value;
use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};

/// Where `--export` writes.
enum ExportTo {
    Stdout,
    File(PathBuf),
}

pub(crate) fn exec(context: &Context, args: &RunArgs) -> Result<ExitCode, CliError> {
    let export = args.export.as_deref().map(export_to).transpose()?;
    if matches!(export, Some(ExportTo::Stdout)) && context.format == Format::Json {
        return Err(CliError::usage("--format json and --export wcf both write to standard output")
            .help("give the export a file: --export wcf=FILE"));
    }
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
    let engine = workspace.engine(args.threads)?;
    let request = RunRequest {
        plan: &plan,
        runbook: source.text().as_bytes(),
        rulesets: &reading.found.rulesets,
        schemas: &workspace.schemas,
        folder: &context.settings.working_dir,
        allowed: args.allow.clone(),
    };
    let cancel = Cancel::new();
    interrupt::cancels(&cancel)?;
    let progress = Progress::new(std::io::stderr().is_terminal());
    // Whoever asked for a document alone still sees what goes on, on standard error.
    let observer: &dyn Observer = if args.quiet { &Silent } else { &progress };
    let mut ran =
        engine.run(&request, observer, &cancel).map_err(|error| CliError::from_error(ExitCode::Failed, &error))?;
    let warnings =
        reading.told.iter().map(|(file, told)| format!("{}:{}: {}", file.name(), told.span.line, told.message));
    ran.record.warnings = warnings.chain(engine.take_warnings()).collect();
    let documents = open_all(engine.store(), &workspace.schemas, &ran.exports)?;
    tell(context, args, &ran, &documents, export.as_ref())?;
    Ok(exit_code(args, &ran.record, &documents))
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

/// Writes everything that was asked for.
fn tell(
    context: &Context,
    args: &RunArgs,
    ran: &Ran,
    documents: &[ReportDocument],
    export: Option<&ExportTo>,
) -> Result<(), CliError> {
    let reported: Vec<&dyn palisade_report::Document> = documents.iter().map(|document| document as _).collect();
    if let Some(dir) = &args.out {
        output::folder(&context.settings.working_dir.join(dir), &ran.record, documents)?;
    }
    let evidence = match args.evidence {
        EvidenceArg::Masked => palisade_report::Evidence::Masked,
        EvidenceArg::Full => palisade_report::Evidence::Full,
    };
    if let Some(file) = &args.report {
        output::file(&context.settings.working_dir.join(file), |out| {
            palisade_report::html(&ran.record, &reported, evidence, out).map_err(Into::into)
        })?;
    }
    match export {
        Some(ExportTo::Stdout) => {
            let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
            let written = palisade_report::wcf(&ran.record, &reported, &mut stdout).map_err(anyhow::Error::from);
            written
                .and_then(|()| Ok(stdout.flush()?))
                .map_err(|error| CliError::new(ExitCode::Failed, format!("{error:#}")))?;
        }
        Some(ExportTo::File(file)) => output::file(&context.settings.working_dir.join(file), |out| {
            palisade_report::wcf(&ran.record, &reported, out).map_err(Into::into)
        })?,
        None => {}
    }
    if context.format == Format::Json {
        console::json(&ran.record);
    } else {
        let style = TextStyle { colour: context.settings.colour_stderr, width: console::width() };
        let mut text = Vec::new();
        palisade_report::summary(&ran.record, &reported, style, &mut text)
            .map_err(|error| CliError::from_error(ExitCode::Failed, &error))?;
        console::err("\n");
        console::err(&String::from_utf8_lossy(&text));
    }
    Ok(())
}

/// The code of the run, made worse by what the caller wants to be a failure; says so on standard error.
fn exit_code(args: &RunArgs, record: &RunRecord, documents: &[ReportDocument]) -> ExitCode {
    let mut code = ExitCode::of_run(record);
    let skipped: u64 = record.steps.iter().map(|step| step.skipped_count).sum();
    if args.fail_on_skip && skipped > 0 {
        console::err("error: a part of the input was skipped, which `--fail-on-skip` makes a failure\n");
        code = code.worse(ExitCode::Failed);
    }
    if !args.fail_on.is_empty() && documents.iter().any(|document| has_class(document, &args.fail_on)) {
        let classes = neutral::line(&args.fail_on.join("`, `"), 200);
        console::err(&format!("error: there are findings of what `--fail-on` names: `{classes}`\n"));
        code = code.worse(ExitCode::Failed);
    }
    code
}

/// Says whether a finding has one of these values in one of its own fields, as its category.
fn has_class(document: &ReportDocument, classes: &[String]) -> bool {
    let mut found = false;
    let looked = palisade_report::Document::for_each_line(document, &mut |line| {
        let item = strict_json::from_str(line).unwrap_or_default();
        let named = |value: &Value| value.as_str().is_some_and(|text| classes.iter().any(|class| class == text));
        found |= item.as_object().is_some_and(|fields| fields.values().any(named));
        Ok(())
    });
    // What can't be read can't be cleared.
    found || looked.is_err()
}

fn export_to(text: &str) -> Result<ExportTo, CliError> {
    match text.split_once('=') {
        None if text == "wcf" => Ok(ExportTo::Stdout),
        Some(("wcf", file)) if !file.is_empty() => Ok(ExportTo::File(Path::new(file).to_owned())),
        _ => {
            let text = neutral::line(text, 80);
            Err(CliError::usage(format!("--export {text}: the only form is `wcf`, or `wcf=FILE`")))
        }
    }
}
