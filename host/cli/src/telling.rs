//! How a run is driven from the command line, and what is told and written of it: for every subcommand that runs one.

use crate::args::{Format, TellingArgs};
use crate::audit_log;
use crate::commands::Context;
use crate::documents::{ReportDocument, open_all};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::interrupt;
use crate::output::{Folder, Taken, Target, Written};
use crate::render::{self, console, progress::Progress};
use crate::workspace::changed;
use palisade_engine::{Cancel, Engine, Observer, Ran, RunError, Silent};
use palisade_model::record::{RunRecord, Status};
use palisade_model::{neutral, strict_json};
use palisade_report::TextStyle;
use palisade_runbook::Plan;
use palisade_schema::Registry;
use palisade_store::{AppendError, Fault, OwnError, SpoolError, Store};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Where `--export` writes.
pub(crate) enum ExportTo {
    Stdout,
    File(PathBuf),
}

/// Everything that the run will write, found to be writable.
pub(crate) struct Outputs {
    folder: Option<Folder>,
    report: Option<Target>,
    export: Option<Target>,
    export_to_stdout: bool,
}

/// Where the export is to be written, if it is wanted.
///
/// # Errors
/// When it has no such form, or standard output is wanted for something else.
pub(crate) fn export(context: &Context, args: &TellingArgs) -> Result<Option<ExportTo>, CliError> {
    let export = args.export.as_deref().map(export_to).transpose()?;
    if matches!(export, Some(ExportTo::Stdout)) && context.format == Format::Json {
        return Err(CliError::usage("--format json and --export wcf both write to standard output")
            .help("give the export a file: --export wcf=FILE"));
    }
    Ok(export)
}

/// Drives a run, showing how far it is; a signal ends it.
///
/// # Errors
/// When it can't be driven to its end.
pub(crate) fn drive(
    context: &Context,
    args: &TellingArgs,
    run: impl FnOnce(&dyn Observer, &Cancel) -> Result<Ran, RunError>,
) -> Result<Ran, CliError> {
    let cancel = Cancel::new();
    interrupt::cancels(&cancel)?;
    let progress = Progress::new(context.settings.bars);
    // Whoever asked for a document alone still sees what goes on, on standard error.
    let observer: &dyn Observer = if args.quiet { &Silent } else { &progress };
    run(observer, &cancel).map_err(|error| not_driven(&error))
}

/// Says why a run could not be driven to its end.
pub(crate) fn not_driven(error: &RunError) -> CliError {
    if let RunError::Append(AppendError::KeyTaken { run }) = error {
        return CliError::new(ExitCode::Interrupted, format!("run {run} has this key: it was started just now"))
            .help(format!("`palisade runs show {run}` says how it stands"));
    }
    if let RunError::NotApproved { .. } = error {
        return CliError::from_error(ExitCode::Denied, error)
            .help("[approval] of palisade.toml says whose answers count; run it again, so that one of them answers");
    }
    if let RunError::ChangedBytes(error) = error {
        return changed(error);
    }
    if let RunError::Host { .. } = error {
        return CliError::from_error(ExitCode::Failed, error)
            .help("once that is mended, `palisade resume` goes on with the run; `palisade cancel` ends it");
    }
    let fault = match error {
        RunError::Store(fault)
        | RunError::Append(AppendError::Fault(fault))
        | RunError::Spool(SpoolError::Fault(fault))
        | RunError::Own(OwnError::Fault(fault)) => Some(fault),
        _ => None,
    };
    match fault {
        Some(fault) if fault.is_damage() => CliError::from_error(ExitCode::Integrity, error)
            .help("`palisade doctor` says all that is damaged; `--data-dir DIR` begins with another folder"),
        Some(Fault::Full { .. }) => CliError::from_error(ExitCode::Failed, error)
            .help("free some space there; `palisade resume` goes on with a run that had begun"),
        _ => CliError::from_error(ExitCode::Failed, error),
    }
}

impl Outputs {
    /// Looks whether everything can be written before anything runs.
    ///
    /// # Errors
    /// When something can't, or two things would be written to one place.
    pub(crate) fn probe(
        args: &TellingArgs,
        export: Option<ExportTo>,
        runbook: Option<&Path>,
        plan: &Plan,
    ) -> Result<Self, CliError> {
        let mut taken = Taken::default();
        if let Some(Ok(runbook)) = runbook.map(Path::canonicalize) {
            taken.take(&runbook, "the runbook")?;
        }
        let names = plan.results().into_iter().map(|(name, _)| name);
        Ok(Self {
            // First, since the others may lie in it; a folder that was made stays, whatever is wrong with them.
            folder: args.out.as_ref().map(|dir| Folder::probe(dir, names, &mut taken)).transpose()?,
            report: args.report.as_ref().map(|file| Target::probe("--report", file, &mut taken)).transpose()?,
            export_to_stdout: matches!(export, Some(ExportTo::Stdout)),
            export: match export {
                Some(ExportTo::File(file)) => Some(Target::probe("--export", &file, &mut taken)?),
                Some(ExportTo::Stdout) | None => None,
            },
        })
    }
}

/// Writes everything that was asked for, whatever of it fails, and says what the run came to.
///
/// # Errors
/// When a document of the run is not there.
pub(crate) fn tell(
    context: &Context,
    args: &TellingArgs,
    mut ran: Ran,
    engine: &Engine,
    schemas: &Registry,
    outputs: &Outputs,
) -> Result<ExitCode, CliError> {
    ran.record.warnings.extend(engine.take_warnings());
    let documents = open_all(engine.store(), schemas, &ran.exports)?;
    let told = write(context, args, &ran, &documents, outputs, engine.store())?;
    Ok(exit_code(args, &ran.record, &documents).worse(told))
}

fn write(
    context: &Context,
    args: &TellingArgs,
    ran: &Ran,
    documents: &[ReportDocument],
    outputs: &Outputs,
    store: &Store,
) -> Result<ExitCode, CliError> {
    let reported: Vec<&dyn palisade_report::Document> = documents.iter().map(|document| document as _).collect();
    let mut written = Written::default();
    if let Some(folder) = &outputs.folder {
        folder.write(&ran.record, documents, &mut written);
    }
    let evidence = args.evidence.into();
    if let Some(target) = &outputs.report {
        written.write("report", target, |out| Ok(palisade_report::html(&ran.record, &reported, evidence, out)?));
    }
    if let Some(target) = &outputs.export {
        written.write("wcf", target, |out| Ok(palisade_report::wcf(&ran.record, &reported, out)?));
    }
    if context.format == Format::Human {
        let style = TextStyle { colour: context.settings.colour_stderr, width: console::width() };
        let mut text = Vec::new();
        palisade_report::summary(&ran.record, &reported, style, &mut text)
            .map_err(|error| CliError::from_error(ExitCode::Failed, &error))?;
        palisade_report::written(&context.settings.shown(&written.files), style, &mut text)
            .map_err(|error| CliError::from_error(ExitCode::Failed, &error))?;
        console::err("\n");
        console::err(&String::from_utf8_lossy(&text));
        let run = ran.record.run_id;
        match ran.record.status {
            Status::Interrupted => console::err(&format!("\n`palisade resume {run}` goes on where it left off\n")),
            Status::Waiting => console::err(&format!(
                "\n`palisade approvals list` shows what it waits for; `palisade approve {run}` or `palisade reject {run}` answers\n"
            )),
            Status::Succeeded | Status::Failed | Status::Skipped | Status::Cancelled => {}
        }
    }
    if outputs.export_to_stdout {
        written.stdout("the export", "wcf", |out| Ok(palisade_report::wcf(&ran.record, &reported, out)?));
    } else if context.format == Format::Json {
        console::json(&ran.record);
    }
    written.notes.iter().for_each(|note| console::err(&format!("note: {note}\n")));
    written.failures.iter().for_each(|failure| console::err(&format!("error: {failure}\n")));
    // Last, since it speaks of all that was written.
    let closed = audit_log::close(&context.settings, store, ran.record.run_id, &written.exported);
    let closed = closed.map_or_else(|error| failed_last(context, &error), |()| ExitCode::Done);
    Ok(if written.failures.is_empty() { closed } else { closed.worse(ExitCode::Failed) })
}

/// Says what went wrong when all else was told, so that no second document comes to standard output.
fn failed_last(context: &Context, error: &CliError) -> ExitCode {
    render::error_for_people(context.settings.colour_stderr, error);
    // Nothing that ran is undone by it, whatever the code would be elsewhere.
    error.code.worse(ExitCode::Failed)
}

/// The code of the run, made worse by what the caller wants to be a failure; says so on standard error.
fn exit_code(args: &TellingArgs, record: &RunRecord, documents: &[ReportDocument]) -> ExitCode {
    let mut code = ExitCode::of_run(record);
    let skipped: u64 = record.steps.iter().map(|step| step.skipped_count).sum();
    if args.fail_on_skip && skipped > 0 {
        console::err("error: a part of the input was skipped, which `--fail-on-skip` makes a failure\n");
        code = code.worse(ExitCode::Failed);
    }
    if !args.fail_on.is_empty() {
        let classes = neutral::line(&args.fail_on.join("`, `"), 200);
        if documents.iter().any(|document| has_class(document, &args.fail_on)) {
            console::err(&format!("error: there are findings of what `--fail-on` names: `{classes}`\n"));
            code = code.worse(ExitCode::Failed);
        } else if !args.quiet {
            // Said, so that a name that is misspelt does not pass for ever without a trace.
            console::err(&format!("no finding is of what `--fail-on` names: `{classes}`\n"));
        }
    }
    code
}

/// Says whether a finding has one of these classes: a value of one of its own fields, as its category, or the name of
/// one that is true, as `special_category`.
fn has_class(document: &ReportDocument, classes: &[String]) -> bool {
    let mut found = false;
    let looked = palisade_report::Document::for_each_line(document, &mut |line| {
        let item = strict_json::from_str(line).map_err(std::io::Error::from)?;
        let of_class = |(name, value): (&String, &Value)| {
            let class = if *value == Value::Bool(true) { Some(name.as_str()) } else { value.as_str() };
            class.is_some_and(|class| classes.iter().any(|wanted| wanted == class))
        };
        found |= item.as_object().is_some_and(|fields| fields.iter().any(of_class));
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
