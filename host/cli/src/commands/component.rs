//! `palisade component`: what code there is, and what it may do.

use super::Context;
use crate::args::{ComponentCommand, Format};
use crate::component_check;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::workspace::Workspace;
use palisade_engine::Entry;
use palisade_model::id::ComponentName;
use palisade_model::manifest::{Arity, InputSource, marked};
use palisade_model::{ComponentId, neutral};
use palisade_sandbox::Imports;
use palisade_store::{AddError, Added, Disk, LockFile, LockedComponent};
use std::fmt::Write as _;
use std::path::Path;

/// The file that names the digest of each added component.
const LOCK_FILE: &str = "palisade.lock";

pub(crate) fn exec(context: &Context, command: &ComponentCommand) -> Result<ExitCode, CliError> {
    let workspace = Workspace::open(&context.settings)?;
    match command {
        ComponentCommand::Add { file, symbols } => add(context, &workspace, file, symbols.as_deref()),
        ComponentCommand::List => Ok(list(context, &workspace)),
        ComponentCommand::Show { name } => show(context, &workspace, name),
        ComponentCommand::Remove { name } => remove(context, &workspace, name),
    }
}

fn add(context: &Context, workspace: &Workspace, file: &Path, symbols: Option<&Path>) -> Result<ExitCode, CliError> {
    let bytes = component_check::read(file)?;
    let checked = component_check::check(&file.display().to_string(), &bytes)?;
    let mut schemas = workspace.schemas.clone();
    for own in &checked.manifest.schemas {
        schemas
            .register(&own.schema, &own.json)
            .map_err(|error| CliError::usage(format!("{}: {error}", file.display())))?;
    }
    let id = checked.manifest.versioned_id();
    let added = workspace.store.add_component(&checked.manifest, &bytes).map_err(|error| refused(&id, &error))?;
    let beside = file.with_extension("symbols.wasm");
    let symbols = symbols.map(Path::to_owned).or_else(|| beside.is_file().then_some(beside));
    if let Some(symbols) = &symbols {
        keep_symbols(workspace, &checked.digest, symbols)?;
    }
    let locked = LockedComponent {
        id: checked.manifest.id.clone(),
        version: checked.manifest.version.clone(),
        digest: checked.digest,
    };
    change_lock(context, |lock| lock.insert(locked))?;
    let done = match added {
        Added::New => "added",
        Added::Known => "already registered",
    };
    let imports: Vec<_> = checked.imports.iter().map(|import| import.interface.as_str()).collect();
    let mut text = format!("{done}: {id}\n  digest   {}\n  imports  {}\n", checked.digest, imports.join(", "));
    if symbols.is_some() {
        text.push_str("  symbols  kept: stack traces will name functions and lines\n");
    }
    for request in &checked.manifest.requests {
        let _ = writeln!(
            text,
            "  asks for {}: {}\n           nothing is granted to it; `--allow {}=PATH` grants it for one run",
            request.power.name(),
            neutral::line(&request.reason, 300),
            request.power.name()
        );
    }
    console::err(&text);
    if context.format == Format::Json {
        console::json(&serde_json::json!({"id": id, "digest": checked.digest, "status": done}));
    }
    Ok(ExitCode::Done)
}

fn refused(id: &str, error: &AddError) -> CliError {
    let told = CliError::from_error(ExitCode::Usage, error);
    CliError::usage(format!("{id} was not added: {}", told.message))
}

fn keep_symbols(workspace: &Workspace, digest: &palisade_model::Digest, from: &Path) -> Result<(), CliError> {
    let to = workspace.catalogue.symbol_file(digest);
    let copied = to.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::copy(from, &to));
    copied
        .map(drop)
        .map_err(|error| CliError::usage(format!("the symbol file {} can't be kept: {error}", from.display())))
}

/// Changes `palisade.lock`, which lies beside `palisade.toml`, or in the working folder where there is none.
fn change_lock<T>(context: &Context, change: impl FnOnce(&mut LockFile) -> T) -> Result<T, CliError> {
    let dir = context.settings.file.as_deref().and_then(Path::parent).unwrap_or(&context.settings.working_dir);
    let path = dir.join(LOCK_FILE);
    let failed = |error: &dyn std::error::Error| {
        let told = CliError::from_error(ExitCode::Usage, error);
        CliError::usage(format!("{}: {}", path.display(), told.message))
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(&error)),
    };
    let mut lock =
        if text.is_empty() { LockFile::default() } else { LockFile::parse(&text).map_err(|error| failed(&error))? };
    let result = change(&mut lock);
    lock.write(&Disk, &path).map_err(|error| failed(&error))?;
    Ok(result)
}

fn list(context: &Context, workspace: &Workspace) -> ExitCode {
    let entries = workspace.catalogue.list();
    if context.format == Format::Json {
        let rows = entries.iter().map(|entry| {
            serde_json::json!({
                "id": entry.manifest.id, "version": entry.manifest.version, "digest": entry.digest,
                "kind": entry.manifest.kind, "title": entry.manifest.title, "first_party": entry.first_party,
            })
        });
        console::json(&rows.collect::<Vec<_>>());
        return ExitCode::Done;
    }
    if entries.is_empty() {
        console::err("there are no components: this palisade was built without its own, and none was added\n");
    }
    let width = entries.iter().map(|entry| entry.manifest.versioned_id().len()).max().unwrap_or(0);
    for entry in entries {
        let (id, kind) = (entry.manifest.versioned_id(), entry.manifest.kind.name());
        let title = neutral::line(&entry.manifest.title, 80);
        console::out(&format!("{id:width$}  {}  {kind:10}  {title}\n", entry.digest.short()));
    }
    ExitCode::Done
}

fn show(context: &Context, workspace: &Workspace, name: &str) -> Result<ExitCode, CliError> {
    let entry = workspace.entry(&context.settings, name)?;
    if context.format == Format::Json {
        console::json(&serde_json::json!({
            "digest": entry.digest, "first_party": entry.first_party, "manifest": &*entry.manifest,
        }));
    } else {
        console::out(&shown(entry, &workspace.imports(entry)?));
    }
    Ok(ExitCode::Done)
}

fn shown(entry: &Entry, imports: &Imports) -> String {
    let manifest = &entry.manifest;
    let text = |text: &str| neutral::line(text, 300);
    let mut out = String::new();
    // Writing to a String can't fail.
    let mut line = |line: String| out.push_str(&(line + "\n"));
    line(format!("{}  {}", manifest.versioned_id(), text(&manifest.title)));
    if !manifest.description.is_empty() {
        line(format!("  {}", text(&manifest.description)));
    }
    line(format!("  kind     {}", manifest.kind.name()));
    line(format!("  digest   {}", entry.digest));
    line(format!("  origin   {}", if entry.first_party { "comes with Palisade" } else { "added" }));
    line("\n  reads".to_owned());
    for port in &manifest.inputs {
        let from = match &port.source {
            InputSource::Runbook { accepts } => {
                accepts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
            }
            InputSource::Ruleset { pointer } => format!("the ruleset that `{pointer}` of the config names"),
        };
        let many = match port.arity {
            Arity::One => "",
            Arity::Optional => ", optional",
            Arity::Many => ", any number",
        };
        let per_item = if port.per_item { ", item by item" } else { "" };
        line(format!("    {}: {from}{many}{per_item}", port.name));
    }
    line("  writes".to_owned());
    manifest.outputs.iter().for_each(|port| line(format!("    {}: {}", port.name, port.schema)));
    line("\n  asks for".to_owned());
    if manifest.requests.is_empty() {
        line("    no power".to_owned());
    }
    for request in &manifest.requests {
        let optional = if request.optional { " (optional)" } else { "" };
        line(format!("    {}{optional}: {}", request.power.name(), text(&request.reason)));
    }
    for (mark, means) in [("x-palisade-path", "reads the path"), ("x-palisade-connection", "opens the database")] {
        for found in marked(&manifest.config_schema, mark) {
            line(format!("    {means} that `{}` of the config names", found.pointer));
        }
    }
    line("  is granted".to_owned());
    line(match (entry.first_party, manifest.requests.is_empty()) {
        (_, true) => "    nothing, and needs nothing".to_owned(),
        (true, false) => "    reading below the working folder, except .palisade and key files".to_owned(),
        (false, false) => "    nothing; `--allow POWER=PATH` grants it for one run".to_owned(),
    });
    line("  imports".to_owned());
    for import in imports.iter() {
        let functions = import.functions.join(", ");
        let functions = if functions.is_empty() { "types only".to_owned() } else { functions };
        line(format!("    {}: {}", text(&import.interface), text(&functions)));
    }
    line("\n  limits".to_owned());
    for (kind, limit) in
        palisade_model::Limits::settle(&manifest.limits, &Default::default(), &Default::default()).iter()
    {
        line(format!("    {:28} {:>18}  set by {}", kind.key(), kind.show(limit.value), limit.set_by));
    }
    out
}

fn remove(context: &Context, workspace: &Workspace, name: &str) -> Result<ExitCode, CliError> {
    let parsed: ComponentName = name.parse().map_err(|error| CliError::usage(format!("`{name}`: {error}")))?;
    let id: ComponentId = parsed
        .name
        .parse()
        .map_err(|error| CliError::usage(format!("`{name}`: {error}")).help("name it in full, as acme:pii@1.0.0"))?;
    let version = parsed
        .version
        .ok_or_else(|| CliError::usage(format!("`{name}` has no version")).help(format!("name one: {id}@1.0.0")))?;
    if id.namespace() == ComponentId::FIRST_PARTY {
        return Err(CliError::usage(format!("`{id}` comes with Palisade and can't be removed")));
    }
    let removed = workspace
        .store
        .remove_component(&id, &version)
        .map_err(|error| CliError::from_error(ExitCode::Failed, &error))?;
    change_lock(context, |lock| lock.remove(&id, &version))?;
    if removed {
        console::err(&format!("removed: {id}@{version}\n"));
        Ok(ExitCode::Done)
    } else {
        Err(CliError::usage(format!("{id}@{version} is not registered"))
            .help("`palisade component list` shows what is"))
    }
}
