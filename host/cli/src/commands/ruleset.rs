//! `palisade ruleset`: the rules that analysers go by.

use super::Context;
use crate::args::{Format, RulesetCommand};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::planning_context;
use crate::render::{console, diagnostics};
use crate::rulesets::{RulesetFolders, source};
use crate::workspace::Workspace;
use palisade_model::neutral;
use palisade_runbook::{Code, Diagnostic, Ruleset, RulesetName, Source, read_ruleset};
use palisade_schema::Registry;
use std::path::Path;

/// How the names of the schemas of rulesets begin.
const SCHEMA_PREFIX: &str = "ruleset.";

pub(crate) fn exec(context: &Context, command: &RulesetCommand) -> Result<ExitCode, CliError> {
    let workspace = Workspace::open(&context.settings)?;
    let schemas = &workspace.schemas;
    match command {
        RulesetCommand::List { paths } => {
            let folders = RulesetFolders::new(&paths.rulesets, &context.settings)?;
            let all = folders.list();
            if context.format == Format::Json {
                let rows = all.iter().map(|((name, version), file)| {
                    serde_json::json!({"name": format!("local/{name}/{version}"), "file": file.display().to_string()})
                });
                console::json(&rows.collect::<Vec<_>>());
            } else if all.is_empty() {
                console::err("no rulesets are found; name their folder with --rulesets DIR or in palisade.toml\n");
            } else {
                for ((name, version), file) in &all {
                    let name = neutral::line(&format!("local/{name}/{version}"), 200);
                    console::out(&format!("{name}  {}\n", neutral::line(&file.display().to_string(), 400)));
                }
            }
            Ok(ExitCode::Done)
        }
        RulesetCommand::Show { name, paths } => {
            let folders = RulesetFolders::new(&paths.rulesets, &context.settings)?;
            let name: RulesetName = name.parse().map_err(|error| CliError::usage(format!("`{name}`: {error}")))?;
            let source = if name.name == planning_context::KIND {
                let components = workspace.components(&context.settings, &[])?;
                planning_context::source((&workspace, &context.settings), &components, &folders)
            } else {
                let file = folders.file(&name).ok_or_else(|| {
                    CliError::usage(format!("there is no ruleset `{name}`")).help("`palisade ruleset list` shows all")
                })?;
                source(&file)?
            };
            let (kind, ruleset, told) = read_any(&source, Some(&name), None, schemas);
            let errors = diagnostics::show(told.iter().map(|told| (&source, told)), context.settings.colour_stderr);
            let ruleset = ruleset.filter(|_| errors == 0);
            let ruleset = ruleset.ok_or_else(|| CliError::usage(format!("`{name}` has {errors} errors")))?;
            if context.format == Format::Json {
                let rules = String::from_utf8_lossy(&ruleset.items).into_owned();
                let rules: Vec<serde_json::Value> =
                    rules.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
                console::json(
                    &serde_json::json!({"type": kind, "digest": ruleset.digest, "metadata": ruleset.metadata, "rules": rules}),
                );
            } else {
                console::out(&shown(&kind, &ruleset));
            }
            Ok(ExitCode::Done)
        }
        RulesetCommand::Validate { files, kind } => {
            let broken =
                files.iter().map(|file| validate(context, file, kind.as_deref(), schemas)).sum::<Result<usize, _>>()?;
            Ok(if broken == 0 { ExitCode::Done } else { ExitCode::Usage })
        }
    }
}

/// Checks one file and says how it is; gives 1 if it is broken.
fn validate(context: &Context, file: &Path, kind: Option<&str>, schemas: &Registry) -> Result<usize, CliError> {
    let source = source(file)?;
    let (kind, ruleset, told) = read_any(&source, None, kind, schemas);
    let errors = diagnostics::show(told.iter().map(|told| (&source, told)), context.settings.colour_stderr);
    if context.format == Format::Json {
        console::json(&serde_json::json!({"file": source.name(), "type": kind, "diagnostics": told}));
    } else if let Some(ruleset) = ruleset.filter(|_| errors == 0) {
        console::out(&format!("{}: {} rules of type {kind}\n", source.name(), ruleset.count));
    }
    Ok(usize::from(errors > 0))
}

/// Reads a ruleset whose type may not be known: then the type that it fits best is taken.
fn read_any(
    source: &Source,
    name: Option<&RulesetName>,
    kind: Option<&str>,
    schemas: &Registry,
) -> (String, Option<Ruleset>, Vec<Diagnostic>) {
    let known = schemas.iter().filter_map(|schema| schema.name().name().strip_prefix(SCHEMA_PREFIX)).map(str::to_owned);
    let kinds: Vec<String> = kind.map_or_else(|| known.collect(), |kind| vec![kind.to_owned()]);
    let read = kinds.into_iter().map(|kind| {
        let (ruleset, told) = read_ruleset(source, name, &kind, schemas);
        (kind, ruleset, told)
    });
    let errors = |told: &[Diagnostic]| told.iter().filter(|told| told.is_error()).count();
    // That it is of another type is one error, however many there are in a ruleset of the right one.
    let other_type = |told: &[Diagnostic]| told.iter().any(|told| told.code == Code::RulesetType);
    read.min_by_key(|(_, _, told)| (other_type(told), errors(told))).unwrap_or_default()
}

fn shown(kind: &str, ruleset: &Ruleset) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "local/{}/{}\n  type    {kind}\n  rules   {}\n  digest  {}\n\n",
        ruleset.name, ruleset.version, ruleset.count, ruleset.digest
    );
    for line in String::from_utf8_lossy(&ruleset.items).lines() {
        let rule: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        let field = |name: &str| rule.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        // Not every type of rule has some.
        let patterns = match rule.get("patterns").and_then(serde_json::Value::as_array).map(Vec::len) {
            None => String::new(),
            Some(1) => " (1 pattern)".to_owned(),
            Some(count) => format!(" ({count} patterns)"),
        };
        let (name, about) = (neutral::line(field("name"), 80), neutral::line(field("description"), 160));
        let _ = writeln!(text, "  {name}{patterns}: {about}");
    }
    text
}
