//! `palisade grants test`: what is granted and denied, against a file that says what is to be.
//!
//! Asked is what the operator and the component's manifest allow together; a runbook can only make it less.

use super::FORM;
use super::explain::reasons;
use crate::args::Format;
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::policy::Policy;
use crate::render::console;
use crate::settings;
use crate::workspace::Workspace;
use palisade_authority::{Bound, authorise};
use palisade_engine::Entry;
use palisade_model::neutral;
use palisade_settings::{Expectation, read_expectations};
use serde_json::json;
use std::path::Path;

pub(super) fn exec(context: &Context, file: &Path) -> Result<ExitCode, CliError> {
    let settings = &context.settings;
    let path = settings.working_dir.join(file);
    let shown = file.display().to_string();
    let source = settings::source(&path, &shown)?;
    let base = path.parent().unwrap_or(&settings.working_dir);
    let base = base.canonicalize().unwrap_or_else(|_| base.to_owned());
    let place = settings::place(&settings.working_dir, &base)?;
    let expected = read_expectations(&source, &place, &settings.written.aliases)
        .map_err(|mistakes| settings::mistaken(&source, &mistakes))?;
    let workspace = Workspace::open(settings)?;
    let policy = Policy::new(settings, &workspace.folder)?;
    let (mut met, mut unmet) = (0_usize, Vec::new());
    for expectation in &expected {
        let entry = registered(context, &workspace, expectation)?;
        let authority = policy.granted(entry, &[]).meet(Bound::of_manifest(&entry.manifest));
        for used in &expectation.uses {
            let decision = authorise(&authority, &used.asked);
            if decision.allowed() == used.allowed {
                met += 1;
                continue;
            }
            unmet.push(json!({
                "line": used.line, "component": entry.manifest.versioned_id(), "asked": used.written,
                "expected": if used.allowed { "allow" } else { "deny" }, "chain": decision.chain(),
            }));
            let (is, wanted) = if used.allowed { ("denied", "allowed") } else { ("allowed", "denied") };
            let asked = neutral::line(&used.written, 200);
            let id = entry.manifest.versioned_id();
            let text = format!("{shown}:{}: {id} is {is} `{asked}`, and is to be {wanted}\n", used.line);
            console::err(&(text + &reasons(&decision.chain())));
        }
    }
    let count = |count: usize| if count == 1 { "1 expectation".to_owned() } else { format!("{count} expectations") };
    if context.format == Format::Json {
        console::json(&json!({"v": FORM, "met": met, "unmet": unmet}));
    }
    if unmet.is_empty() {
        console::err(&format!("{} met\n", count(met)));
        return Ok(ExitCode::Done);
    }
    console::err(&format!("{} of {} not met\n", unmet.len(), count(met + unmet.len())));
    Ok(ExitCode::Failed)
}

/// The component that an expectation is about: it must be there, or nothing would be tested.
fn registered<'w>(context: &Context, workspace: &'w Workspace, expected: &Expectation) -> Result<&'w Entry, CliError> {
    workspace.entry(&context.settings, &expected.component.to_string())
}
