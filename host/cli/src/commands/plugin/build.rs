//! `palisade plugin build`: from sources to a checked component.

use super::project::Project;
use crate::args::{Format, PluginAt};
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use palisade_model::unit::Bytes;
use palisade_model::{Manifest, SchemaRef, neutral};
use palisade_schema::Registry;
use std::fmt::Write as _;
use std::path::Path;

pub(super) fn exec(context: &Context, at: &PluginAt, install_target: bool) -> Result<ExitCode, CliError> {
    let built = Project::open(context, at)?.build(install_target)?;
    let manifest = &built.checked.manifest;
    // As a person would write them in this folder.
    let shown = |path: &Path| path.strip_prefix(&context.settings.working_dir).unwrap_or(path).display().to_string();
    let (component, symbols) = (shown(&built.file), shown(&built.symbols));
    let mut text = format!(
        "built {}\n  component  {component} ({})\n  digest     {}\n  symbols    {symbols}\n",
        manifest.versioned_id(),
        Bytes(built.bytes),
        built.checked.digest,
    );
    // Writing to a String can't fail.
    for import in built.checked.prepared.imports().iter() {
        let functions = if import.functions.is_empty() { "types only".to_owned() } else { import.functions.join(", ") };
        let _ = writeln!(text, "  imports    {}: {functions}", import.interface);
    }
    for request in &manifest.requests {
        let optional = if request.optional { " (optional)" } else { "" };
        let _ =
            writeln!(text, "  asks for   {}{optional}: {}", request.power.name(), neutral::line(&request.reason, 300));
    }
    for (kind, &value) in &manifest.limits {
        let _ = writeln!(text, "  limit      {}: {}", kind.key(), kind.show(value));
    }
    for name in unknown_schemas(manifest)? {
        let _ = writeln!(
            text,
            "warning: nothing here defines `{name}`; carry it with `.schema(…)`, or add what does first"
        );
    }
    let _ = writeln!(text, "next: palisade component add {component}");
    console::err(&text);
    if context.format == Format::Json {
        let imports: Vec<_> = built.checked.prepared.imports().iter().map(|import| &import.interface).collect();
        console::json(&serde_json::json!({
            "id": manifest.versioned_id(), "digest": built.checked.digest, "bytes": built.bytes,
            "component": built.file, "symbols": built.symbols, "imports": imports, "requests": manifest.requests,
        }));
    }
    Ok(ExitCode::Done)
}

/// The schemas of outputs that neither the plugin brings nor Palisade. Another component may; a slip is likelier.
fn unknown_schemas(manifest: &Manifest) -> Result<Vec<SchemaRef>, CliError> {
    let builtin = Registry::builtin().map_err(|error| CliError::from_error(ExitCode::Bug, &error))?;
    let outputs = manifest.outputs.iter().map(|port| &port.schema);
    let is_known =
        |name: &&SchemaRef| builtin.get(name).is_some() || manifest.schemas.iter().any(|own| own.schema == **name);
    Ok(outputs.filter(|name| !is_known(name)).cloned().collect())
}
