//! `palisade validate`: everything that is wrong with runbooks, without running any of them.

use super::Context;
use crate::args::{Format, ValidateArgs};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::planning::{self, PlanningArgs};
use crate::render::{console, diagnostics};
use crate::rulesets;
use crate::workspace::Workspace;
use palisade_model::neutral;
use palisade_runbook::{Diagnostic, Source};
use serde_json::json;
use std::path::Path;

pub(crate) fn exec(context: &Context, args: &ValidateArgs) -> Result<ExitCode, CliError> {
    let workspace = Workspace::open(&context.settings)?;
    let mut files = Vec::new();
    let mut broken = false;
    for file in &args.runbooks {
        let (told, unreadable) = check(context, &workspace, args, file)?;
        let errors =
            diagnostics::show(told.iter().map(|(source, told)| (source, told)), context.settings.colour_stderr);
        let shown = neutral::line(&file.display().to_string(), 500);
        if let Some(error) = &unreadable {
            console::err(&format!("error: {}\n\n", error.message));
        }
        let bad = errors > 0 || unreadable.is_some();
        broken |= bad;
        if context.format == Format::Human {
            let warnings = told.len() - errors;
            let notes = if warnings > 0 {
                format!(", {}", count(warnings, "warning or note", "warnings and notes"))
            } else {
                String::new()
            };
            console::out(&match (bad, unreadable.is_some()) {
                (false, _) => format!("{shown}: valid{notes}\n"),
                (true, true) => format!("{shown}: can't be read\n"),
                (true, false) => format!("{shown}: {}{notes}\n", count(errors, "error", "errors")),
            });
        }
        let told: Vec<&Diagnostic> = told.iter().map(|(_, told)| told).collect();
        files.push(json!({
            "file": shown, "valid": !bad, "diagnostics": told, "unreadable": unreadable.map(|error| error.message),
        }));
    }
    if context.format == Format::Json {
        console::json(&json!({"files": files}));
    }
    Ok(if broken { ExitCode::Usage } else { ExitCode::Done })
}

/// What is told, each with the file that it is about.
type Told = Vec<(Source, Diagnostic)>;

/// What is told of a file, or why it can't be read.
fn check(
    context: &Context,
    workspace: &Workspace,
    args: &ValidateArgs,
    file: &Path,
) -> Result<(Told, Option<CliError>), CliError> {
    let source = match rulesets::source(file) {
        Ok(source) => source,
        Err(error) => return Ok((Vec::new(), Some(error))),
    };
    let planning = PlanningArgs { rulesets: &args.rulesets, ..PlanningArgs::default() };
    Ok((planning::read(workspace, &context.settings, planning, &source)?.told, None))
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
