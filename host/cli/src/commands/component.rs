//! `palisade component`: what code there is, and what it may do.

mod cyclonedx;
mod sign;

use super::Context;
use super::grants::Shown;
use crate::args::{ComponentCommand, Format};
use crate::audit_log::{actor, entry};
use crate::component_check;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::input::read_bounded;
use crate::lock;
use crate::policy::{Policy, powers};
use crate::render::console;
use crate::signature;
use crate::workspace::{Workspace, not_read};
use palisade_audit::{VerifyingKey, What};
use palisade_engine::{Entry, History};
use palisade_model::id::ComponentName;
use palisade_model::manifest::{Arity, InputSource, Power, marked};
use palisade_model::{ComponentId, Digest, Limits, Manifest, RunId, neutral};
use palisade_runbook::NotAccepted;
use palisade_sandbox::Imports;
use palisade_store::{AddError, Added, LockedComponent, Started, Store};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// Most runs of a component that are shown.
const MAX_RUNS: usize = 3;
/// Most runs that are looked at for that.
const MAX_LOOKED_AT: usize = 100;

pub(crate) fn exec(context: &Context, command: &ComponentCommand) -> Result<ExitCode, CliError> {
    let workspace = Workspace::open(&context.settings)?;
    match command {
        ComponentCommand::Add { file, symbols, signature } => {
            add(context, &workspace, file, (symbols.as_deref(), signature.as_deref()))
        }
        ComponentCommand::Sign { file, key, out } => sign::exec(context, file, key, out.as_deref()),
        ComponentCommand::List => list(context, &workspace),
        ComponentCommand::Show { name } => show(context, &workspace, name),
        ComponentCommand::Remove { name } => remove(context, &workspace, name),
    }
}

fn add(
    context: &Context,
    workspace: &Workspace,
    file: &Path,
    (symbols, signature): (Option<&Path>, Option<&Path>),
) -> Result<ExitCode, CliError> {
    let bytes = component_check::read(file)?;
    let checked = component_check::check(&file.display().to_string(), &bytes)?;
    let mut schemas = workspace.schemas.clone();
    for own in &checked.manifest.schemas {
        schemas
            .register(&own.schema, &own.json)
            .map_err(|error| CliError::usage(format!("{}: {error}", file.display())))?;
    }
    let beside = file.with_extension("symbols.wasm");
    let symbols = symbols.map(Path::to_owned).or_else(|| beside.is_file().then_some(beside));
    let symbols = symbols.map(|symbols| read_symbols(&symbols)).transpose()?;
    let id = checked.manifest.versioned_id();
    let lock = lock::read(&context.settings)?;
    let locked = lock.get(&checked.manifest.id, &checked.manifest.version).map(|locked| locked.digest);
    if let Some(locked) = locked.filter(|locked| *locked != checked.digest) {
        return Err(lock::mismatch(&context.settings, ExitCode::Usage, &id, locked, checked.digest));
    }
    let owner = context.settings.written.owner_of(&checked.manifest.id);
    let signature = signature::find(file, signature)?;
    let signed_by = signature.signer(&id, checked.digest, owner)?;
    let store = workspace.store()?;
    let noted = What::ComponentAdded {
        by: actor(),
        component: id.clone(),
        digest: checked.digest,
        signed_by: signed_by.as_ref().map(ToString::to_string),
    };
    let added =
        store.add_component(&checked.manifest, &bytes, &[entry(noted)]).map_err(|error| refused(&id, &error))?;
    if let Some(symbols) = &symbols {
        keep_symbols(&workspace.catalogue.symbol_file(&checked.digest), symbols)?;
    }
    let locked = LockedComponent {
        id: checked.manifest.id.clone(),
        version: checked.manifest.version.clone(),
        digest: checked.digest,
        requests: powers(&checked.manifest),
        signed_by: signed_by.clone(),
    };
    lock::change(&context.settings, Some(&store), |lock| lock.add(locked))?;
    let done = match added {
        Added::New => "added",
        Added::Known => "already registered",
    };
    let imports: Vec<_> = checked.prepared.imports().iter().map(|import| import.interface.as_str()).collect();
    let mut text = format!("{done}: {id}\n  digest   {}\n  imports  {}\n", checked.digest, imports.join(", "));
    let _ = writeln!(text, "  maker    {}", maker(&signature, &checked.manifest.id, signed_by.as_ref()));
    if symbols.is_some() {
        text.push_str("  symbols  kept: stack traces will name functions and lines\n");
    }
    for request in &checked.manifest.requests {
        let _ = writeln!(text, "  asks for {}: {}", request.power.name(), neutral::line(&request.reason, 300));
    }
    text.push_str(&standing(context, &checked.manifest, checked.digest)?);
    console::err(&text);
    if context.format == Format::Json {
        console::json(&serde_json::json!({"id": id, "digest": checked.digest, "status": done}));
    }
    Ok(ExitCode::Done)
}

/// Who made a component that was added, as far as that was proved.
fn maker(signature: &signature::Found, id: &ComponentId, signed_by: Option<&VerifyingKey>) -> String {
    let by = signature::by(signed_by);
    if signature.is_there() && signed_by.is_none() {
        format!("{by}: a signature is there, but the namespace `{}` has no owner in palisade.toml", id.namespace())
    } else {
        by
    }
}

/// What is granted to a component that was added, and whether it counts.
fn standing(context: &Context, manifest: &Manifest, digest: Digest) -> Result<String, CliError> {
    let workspace = Workspace::open(&context.settings)?;
    let policy = Policy::new(&context.settings, &workspace.folder)?;
    let Some(entry) = workspace.catalogue.get(&digest) else { return Ok(String::new()) };
    let mut text = String::new();
    let mut line = |name: &str, said: &str| {
        // Writing to a String can't fail.
        let _ = writeln!(text, "  {name:8} {said}");
    };
    let id = manifest.versioned_id();
    let acceptance = policy.acceptance(entry);
    if !manifest.requests.is_empty() {
        let tables: Vec<String> = policy.lines(manifest).map(|line| format!("palisade.toml:{line}")).collect();
        match (acceptance.counts(), tables.as_slice()) {
            (_, []) => {
                let power = manifest.requests.first().map_or(Power::FsRead, |request| request.power);
                // No option grants a secret, but what asks for one asks for `http` too.
                let power = if power == Power::Secret { Power::Http } else { power };
                let place = match power {
                    Power::FsRead | Power::FsWrite | Power::Sql => "PATH",
                    Power::Database => "CONNECTION",
                    Power::Http | Power::Secret => "ORIGIN",
                    Power::Llm => "MODEL",
                    Power::Call => "ID",
                };
                line("granted", &format!("nothing; `--allow {}={place}` grants it for one run", power.name()));
            }
            (true, tables) => line("granted", &format!("as before, by {}: it asks for no more", tables.join(", "))),
            // Why it does not count follows.
            (false, _) => {}
        }
    }
    if let Some(NotAccepted { why, help }) = policy.not_accepted(entry) {
        line("waits", &why);
        line("", &help);
    }
    let in_force = policy.lock.in_force(&manifest.id).filter(|version| **version != manifest.version);
    if let Some(in_force) = in_force {
        let until = format!("its name without a version means {in_force} until `palisade grants accept {id}`");
        line("in force", &until);
    }
    Ok(text)
}

fn refused(id: &str, error: &AddError) -> CliError {
    let told = CliError::from_error(ExitCode::Usage, error);
    CliError::usage(format!("{id} was not added: {}", told.message))
}

/// Reads a symbol file, of no more bytes than are read when a stack trace needs it.
fn read_symbols(file: &Path) -> Result<Vec<u8>, CliError> {
    read_bounded(file, palisade_engine::MAX_SYMBOL_BYTES, "a symbol file")
}

fn keep_symbols(to: &Path, symbols: &[u8]) -> Result<(), CliError> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let made = to.parent().map_or(Ok(()), |dir| std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    made.and_then(|()| options.open(to)?.write_all(symbols)).map_err(|error| {
        CliError::new(ExitCode::Failed, format!("the symbol file {} can't be written: {error}", to.display()))
    })
}

fn list(context: &Context, workspace: &Workspace) -> Result<ExitCode, CliError> {
    let entries = workspace.catalogue.list();
    let policy = Policy::new(&context.settings, &workspace.folder)?;
    if context.format == Format::CycloneDx {
        console::json(&cyclonedx::document(&entries, &policy));
        return Ok(ExitCode::Done);
    }
    if context.format == Format::Json {
        let rows = entries.iter().map(|entry| {
            serde_json::json!({
                "id": entry.manifest.id, "version": entry.manifest.version, "digest": entry.digest,
                "kind": entry.manifest.kind, "title": entry.manifest.title, "first_party": entry.first_party,
                "signed_by": policy.signed_by(entry).map(ToString::to_string),
            })
        });
        console::json(&rows.collect::<Vec<_>>());
        return Ok(ExitCode::Done);
    }
    if entries.is_empty() {
        console::err("there are no components: this palisade was built without its own, and none was added\n");
    }
    let width = entries.iter().map(|entry| entry.manifest.versioned_id().len()).max().unwrap_or(0);
    for entry in entries {
        let (id, kind) = (entry.manifest.versioned_id(), entry.manifest.kind.name());
        let title = neutral::line(&entry.manifest.title, 80);
        let maker =
            if entry.first_party { String::new() } else { format!("  ({})", signature::by(policy.signed_by(entry))) };
        console::out(&format!("{id:width$}  {}  {kind:10}  {title}{maker}\n", entry.digest.short()));
    }
    Ok(ExitCode::Done)
}

fn show(context: &Context, workspace: &Workspace, name: &str) -> Result<ExitCode, CliError> {
    let entry = workspace.entry(&context.settings, name)?;
    let imports = workspace.imports(entry)?;
    let granted = Shown::of(&Policy::new(&context.settings, &workspace.folder)?, entry);
    let runs = workspace.stored().map_or_else(|| Ok(Vec::new()), |store| last_runs(store, entry.digest))?;
    let limits = Limits::settle(&entry.manifest.limits, &BTreeMap::new(), &context.settings.written.ceilings);
    if context.format == Format::Json {
        let imports = imports
            .iter()
            .map(|import| serde_json::json!({"interface": import.interface, "functions": import.functions}));
        console::json(&serde_json::json!({
            "digest": entry.digest, "first_party": entry.first_party, "manifest": &*entry.manifest,
            "imports": imports.collect::<Vec<_>>(), "limits": limits, "authority": granted, "last_runs": runs,
        }));
    } else {
        console::out(&shown(entry, &imports, &limits, (&granted, &runs)));
    }
    Ok(ExitCode::Done)
}

/// A run in which a component ran.
#[derive(Debug, Serialize)]
struct RanIn {
    run_id: RunId,
    title: String,
    state: String,
}

/// The latest runs whose plan has these bytes. One that can't be read is left out: `palisade doctor` tells of it.
fn last_runs(store: &Store, digest: Digest) -> Result<Vec<RanIn>, CliError> {
    let mut found = Vec::new();
    for row in store.latest_runs(MAX_LOOKED_AT, Started::ByAny, None).map_err(|fault| not_read(&fault))? {
        let plan = History::read(store, row.run).and_then(|history| history.plan(store));
        if plan.is_ok_and(|plan| plan.calls().iter().any(|call| call.component_digest == digest)) {
            let state = neutral::line(&row.summary.status, 40);
            found.push(RanIn { run_id: row.run, title: row.summary.title.clone(), state });
        }
        if found.len() == MAX_RUNS {
            break;
        }
    }
    Ok(found)
}

fn shown(entry: &Entry, imports: &Imports, limits: &Limits, (granted, runs): (&Shown, &[RanIn])) -> String {
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
    line(format!("  origin   {}", if entry.first_party { "comes with Palisade".to_owned() } else { granted.origin() }));
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
    for (mark, means) in [
        ("x-palisade-path", "reads the path"),
        ("x-palisade-connection", "opens the database"),
        ("x-palisade-database", "reads the connection"),
    ] {
        for found in marked(&manifest.config_schema, mark) {
            line(format!("    {means} that `{}` of the config names", found.pointer));
        }
    }
    line("  is granted".to_owned());
    granted.lines().into_iter().for_each(|said| line(format!("    {said}")));
    line("  imports".to_owned());
    for import in imports.iter() {
        let functions = import.functions.join(", ");
        let functions = if functions.is_empty() { "types only".to_owned() } else { functions };
        line(format!("    {}: {}", text(&import.interface), text(&functions)));
    }
    if !runs.is_empty() {
        line("  ran last".to_owned());
    }
    for run in runs {
        line(format!("    {}  {}  {}", run.run_id, run.state, text(&run.title)));
    }
    line("\n  limits".to_owned());
    for (kind, limit) in limits.iter() {
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
    let noted = entry(What::ComponentRemoved { by: actor(), component: format!("{id}@{version}") });
    let store = workspace.stored();
    let removed = store.map(|store| store.remove_component(&id, &version, &[noted])).transpose();
    lock::change(&context.settings, store, |lock| {
        lock.remove(&id, &version);
    })?;
    let removed = removed.map_err(|error| CliError::from_error(ExitCode::Failed, &error))?.unwrap_or(false);
    if !removed {
        return Err(CliError::usage(format!("{id}@{version} is not registered"))
            .help("`palisade component list` shows what is"));
    }
    console::err(&format!("removed: {id}@{version}\n"));
    if context.format == Format::Json {
        console::json(&serde_json::json!({"id": id, "version": version, "status": "removed"}));
    }
    Ok(ExitCode::Done)
}
