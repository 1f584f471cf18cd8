//! `palisade plugin build`: from sources to a checked component.

use super::project::Project;
use crate::args::{Format, PluginAt};
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use palisade_model::neutral;
use palisade_model::unit::Bytes;
use std::fmt::Write as _;

pub(super) fn exec(context: &Context, at: &PluginAt, install_target: bool) -> Result<ExitCode, CliError> {
    let built = Project::open(context, at)?.build(install_target)?;
    let manifest = &built.checked.manifest;
    let mut text = format!(
        "built {}\n  component  {} ({})\n  digest     {}\n  symbols    {}\n",
        manifest.versioned_id(),
        built.file.display(),
        Bytes(built.bytes),
        built.checked.digest,
        built.symbols.display(),
    );
    // Writing to a String can't fail.
    for import in built.checked.imports.iter() {
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
    let _ = writeln!(text, "next: palisade component add {}", built.file.display());
    console::err(&text);
    if context.format == Format::Json {
        let imports: Vec<_> = built.checked.imports.iter().map(|import| &import.interface).collect();
        console::json(&serde_json::json!({
            "id": manifest.versioned_id(), "digest": built.checked.digest, "bytes": built.bytes,
            "component": built.file, "symbols": built.symbols, "imports": imports, "requests": manifest.requests,
        }));
    }
    Ok(ExitCode::Done)
}
