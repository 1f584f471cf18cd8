//! `palisade runbook`: rewriting runbooks.

use super::Context;
use crate::args::RunbookCommand;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::planning;
use crate::render::{console, diagnostics};
use crate::rulesets;
use crate::workspace::Workspace;
use palisade_runbook::{Diagnostic, Source, convert, parse_as_written};
use std::io::Write as _;
use std::path::{Path, PathBuf};

pub(crate) fn exec(context: &Context, command: &RunbookCommand) -> Result<ExitCode, CliError> {
    match command {
        RunbookCommand::Convert { runbook, out } => exec_convert(context, runbook, out.as_deref()),
    }
}

fn exec_convert(context: &Context, file: &Path, out: Option<&Path>) -> Result<ExitCode, CliError> {
    let source = rulesets::source(file)?;
    let workspace = Workspace::open(&context.settings)?;
    let components = workspace.components(&context.settings, &planning::grants(&workspace.folder, &[])?)?;
    let (runbook, mut told) = parse_as_written(&source);
    let mut converted = None;
    if let Some(runbook) = runbook.filter(|_| !told.iter().any(Diagnostic::is_error)) {
        match convert(&runbook, &components) {
            Ok((text, more)) => {
                told.extend(more);
                converted = Some(text);
            }
            Err(more) => told.extend(more),
        }
    }
    show(context, &source, &told);
    let Some(text) = converted else {
        let mut error = CliError::usage(format!("{} can't be converted", source.name()));
        error.diagnostics = told.iter().filter_map(|told| serde_json::to_value(told).ok()).collect();
        return Err(error);
    };
    match out {
        None => console::out(&text),
        Some(file) => write_new(&context.settings.working_dir.join(file), &text)?,
    }
    Ok(ExitCode::Done)
}

fn show(context: &Context, source: &Source, told: &[Diagnostic]) {
    diagnostics::show(told.iter().map(|told| (source, told)), context.settings.colour_stderr);
}

/// Writes a file that is not there yet: what a person has written is never replaced.
fn write_new(file: &PathBuf, text: &str) -> Result<(), CliError> {
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).open(file);
    opened
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .map_err(|error| CliError::usage(format!("{} can't be written: {error}", file.display())))
}
