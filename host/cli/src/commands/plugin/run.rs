//! `palisade plugin run`: one attempt over files that a person gives.

use super::expectation::kind;
use super::headroom;
use super::project::Project;
use super::workbench::{Trial, Workbench};
use crate::args::{Format, PluginAt};
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::given::{self, Given};
use crate::interrupt;
use crate::render::console;
use palisade_engine::{Cancel, Ended, Made};
use palisade_model::unit::{Bytes, Count, Millis};
use palisade_model::{Failure, FailureKind, neutral, strict_json};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// Bytes of items that are read at once.
const BATCH_BYTES: usize = 256 << 10;
/// Most skips that are listed; all are counted.
const MAX_LISTED_SKIPS: usize = 20;

/// What was typed.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    /// `PORT=FILE` each.
    pub(super) inputs: &'a [String],
    /// JSON, or `@FILE`.
    pub(super) config: Option<&'a str>,
    /// `fs-read=PATH` each.
    pub(super) allow: &'a [String],
}

pub(super) fn exec(context: &Context, at: &PluginAt, wanted: &Wanted<'_>) -> Result<ExitCode, CliError> {
    let folder = &context.settings.working_dir;
    let inputs: Vec<Given> = wanted.inputs.iter().map(|text| input(folder, text)).collect::<Result<_, _>>()?;
    let config = config(folder, wanted.config)?;
    // Before a build that may take minutes.
    inputs.iter().try_for_each(Given::exists)?;
    let project = Project::open(context, at)?;
    let workbench = Workbench::new(context, project.build(false)?, &project.root, None)?;
    let trial = Trial { inputs, config, limits: BTreeMap::new(), folder, allow: wanted.allow };
    let cancel = Cancel::new();
    interrupt::cancels(&cancel)?;
    let ended = workbench.attempt(&trial, &cancel)?;
    tell(&workbench, &trial, &ended);
    if context.format == Format::Json {
        console::json(&document(&ended)?);
    }
    match &ended.result {
        Ok(made) => {
            if context.format == Format::Human {
                write(made, std::io::stdout().lock())?;
            }
            Ok(ExitCode::Done)
        }
        // The document says it already.
        Err(failure) if context.format == Format::Json => {
            show_failure(failure);
            Ok(ExitCode::of_failure(&failure.kind))
        }
        Err(failure) => Err(failed(failure)),
    }
}

fn input(folder: &Path, text: &str) -> Result<Given, CliError> {
    match text.split_once('=') {
        Some((port, file)) if !port.is_empty() && !file.is_empty() => {
            Ok(Given { port: port.to_owned(), file: folder.join(file), schema: None, metadata: None })
        }
        _ => Err(CliError::usage(format!("--input {}: it has the form PORT=FILE", neutral::line(text, 120)))),
    }
}

fn config(folder: &Path, text: Option<&str>) -> Result<Value, CliError> {
    match text {
        None => Ok(Value::Object(Map::new())),
        Some(text) => match text.strip_prefix('@') {
            Some(file) => given::json(&folder.join(file)),
            None => strict_json::from_str(text).map_err(|error| {
                CliError::usage(format!("--config is no JSON: {error}")).help("@FILE reads it from a file")
            }),
        },
    }
}

/// What the plugin used, said and left out, on standard error.
fn tell(workbench: &Workbench<'_>, trial: &Trial<'_>, ended: &Ended) {
    let usage = &ended.usage;
    let mut text = String::new();
    // The text of a panic is logged, and then told as the failure.
    let told = ended.result.as_ref().err().map(|failure| failure.message.as_str());
    for line in ended.log.iter().filter(|line| Some(line.message.as_str()) != told) {
        let level = format!("{:?}", line.level).to_lowercase();
        text.push_str(&format!("{level}: {}\n", neutral::block(&line.message, 2_000)));
    }
    for skip in ended.skipped.iter().take(MAX_LISTED_SKIPS) {
        text.push_str(&format!("skipped {}: {}\n", neutral::line(&skip.what, 300), neutral::line(&skip.reason, 300)));
        if let Some(allow) = &skip.allow {
            text.push_str(&format!("  `{allow}` would allow it\n"));
        }
    }
    if ended.skipped_count > MAX_LISTED_SKIPS as u64 {
        text.push_str(&format!("{} were skipped in all\n", Count(ended.skipped_count)));
    }
    for made in ended.result.iter().flatten() {
        let items = Count(made.items.content().lines());
        text.push_str(&format!("{}: {} of {}\n", made.port, items.of("item"), made.schema.name()));
        if made.metadata.as_object().is_none_or(|metadata| !metadata.is_empty()) {
            text.push_str(&format!("{}: metadata {}\n", made.port, neutral::line(&made.metadata.to_string(), 2_000)));
        }
    }
    // A trial puts nothing in its place.
    for file in &ended.files {
        text.push_str(&format!("would write {}: {}\n", file.path, Bytes(file.bytes.content().length())));
    }
    text.push_str(&format!(
        "used {} of CPU, {} in all, fuel {}, {} of memory\n",
        Millis(usage.cpu_ms),
        Millis(usage.wall_ms),
        Count(usage.fuel),
        Bytes(usage.memory_peak_bytes)
    ));
    for near in headroom::near(usage, &workbench.limits(trial)) {
        text.push_str(&format!("  {}\n", near.told()));
    }
    console::err(&text);
}

/// Writes the items as JSON Lines; with several ports each in an object under the name of its port.
fn write(made: &[Made], mut out: impl Write) -> Result<(), CliError> {
    let several = made.len() > 1;
    for made in made {
        let wrote = for_each_line(made, |line| {
            if several {
                writeln!(out, "{}", json!({&made.port: strict_json::from_str(line).unwrap_or_default()}))
            } else {
                writeln!(out, "{line}")
            }
        });
        match wrote {
            // A reader that went away is no error.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(CliError::new(ExitCode::Failed, format!("the items can't be written: {error}"))),
            Ok(()) => {}
        }
    }
    Ok(())
}

fn for_each_line(made: &Made, mut take: impl FnMut(&str) -> std::io::Result<()>) -> std::io::Result<()> {
    let mut reader = made.items.content().items();
    let mut buffer = Vec::new();
    while reader.next(BATCH_BYTES, &mut buffer).map_err(std::io::Error::other)?.is_some() {
        let text = std::str::from_utf8(&buffer).map_err(std::io::Error::other)?;
        text.split_terminator('\n').try_for_each(&mut take)?;
    }
    Ok(())
}

/// Everything as one document.
fn document(ended: &Ended) -> Result<Value, CliError> {
    let mut outputs = Vec::new();
    for made in ended.result.iter().flatten() {
        let mut items = Vec::new();
        for_each_line(made, |line| {
            items.push(strict_json::from_str(line).map_err(std::io::Error::other)?);
            Ok(())
        })
        .map_err(|error| CliError::new(ExitCode::Failed, format!("the items can't be read: {error}")))?;
        let schema = made.schema.name();
        outputs.push(json!({"port": made.port, "schema": schema, "metadata": made.metadata, "items": items}));
    }
    Ok(json!({
        "outputs": outputs, "failure": ended.result.as_ref().err(), "usage": ended.usage,
        "skipped_count": ended.skipped_count, "skipped": ended.skipped, "log": ended.log,
    }))
}

fn failed(failure: &Failure) -> CliError {
    let mut message = format!("the plugin failed ({}): {}", kind(failure), neutral::block(&failure.message, 4_000));
    if let Some((port, item)) = &failure.at {
        message.push_str(&format!(" (port `{}`, item {item})", neutral::line(port, 64)));
    }
    if let FailureKind::Trap { frames } = &failure.kind {
        message.extend(frames.iter().map(|frame| format!("\n    at {}", neutral::line(frame, 300))));
    }
    let mut help = failure.help.as_deref().map(|help| neutral::block(help, 2_000));
    if let FailureKind::Denied { what, allow } = &failure.kind {
        message.push_str(&format!(": {}", neutral::line(what, 600)));
        help = help.or_else(|| allow.as_ref().map(|allow| format!("`{allow}` would allow it")));
    }
    let told = CliError::new(ExitCode::of_failure(&failure.kind), message);
    match help {
        Some(help) => told.help(help),
        None => told,
    }
}

fn show_failure(failure: &Failure) {
    let told = failed(failure);
    let help = told.help.map_or_else(String::new, |help| format!("  help: {help}\n"));
    console::err(&format!("error: {}\n{help}", told.message));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_a_port_and_a_file() {
        let given = input(Path::new("/w"), "documents=data/a=b.jsonl").unwrap();
        assert_eq!((given.port.as_str(), given.file.to_str()), ("documents", Some("/w/data/a=b.jsonl")));
        for wrong in ["documents", "=x", "documents=", ""] {
            assert_eq!(input(Path::new("/w"), wrong).unwrap_err().code, ExitCode::Usage, "{wrong}");
        }
    }

    #[test]
    fn a_config_is_json_or_a_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("c.json"), r#"{"n": 2}"#).unwrap();
        assert_eq!(config(dir.path(), None).unwrap(), json!({}));
        assert_eq!(config(dir.path(), Some(r#"{"n": 1}"#)).unwrap(), json!({"n": 1}));
        assert_eq!(config(dir.path(), Some("@c.json")).unwrap(), json!({"n": 2}));
        assert!(config(dir.path(), Some(r#"{"n": 1, "n": 2}"#)).is_err());
    }

    #[test]
    fn a_failure_tells_place_stack_and_what_to_do() {
        let mut failure = Failure::new(FailureKind::Trap { frames: vec!["f (a.rs:1)".into()] }, "boom").with_help("h");
        failure.at = Some(("in".into(), 3));
        let told = failed(&failure);
        assert_eq!(told.message, "the plugin failed (trap): boom (port `in`, item 3)\n    at f (a.rs:1)");
        assert_eq!((told.code, told.help.as_deref()), (ExitCode::Failed, Some("h")));
    }

    #[test]
    fn a_denial_says_what_was_refused_and_what_would_allow_it() {
        let kind = FailureKind::Denied { what: "no `sql` of `a.db`".into(), allow: Some("--allow sql=a.db".into()) };
        let told = failed(&Failure::new(kind, "not allowed"));
        assert_eq!(told.message, "the plugin failed (denied): not allowed: no `sql` of `a.db`");
        assert_eq!((told.code, told.help.as_deref()), (ExitCode::Denied, Some("`--allow sql=a.db` would allow it")));
    }
}
