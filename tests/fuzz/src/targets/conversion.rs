//! `runbook convert`: what a runbook of the artifacts form is in the execution form has the same plan.

use super::runbook::planned;
use super::{WORLD, check_diagnostics};
use palisade_model::{ArtifactName, Digest};
use palisade_runbook::{Diagnostic, Plan, Source, convert, parse_as_written};
use std::collections::BTreeSet;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(source) = Source::from_bytes("runbook.yaml", bytes.to_vec()) else { return };
    let (runbook, told) = parse_as_written(&source);
    let Some(runbook) = runbook.filter(|_| !told.iter().any(Diagnostic::is_error)) else { return };
    let (before, _) = planned(&source);
    let (text, told) = match convert(&runbook, &WORLD.components) {
        Ok(converted) => converted,
        Err(told) => {
            check_diagnostics(told.iter().map(|told| (&source, told)));
            assert!(told.iter().any(Diagnostic::is_error), "it is refused without a reason");
            return;
        }
    };
    check_diagnostics(told.iter().map(|told| (&source, told)));
    let (after, told) = planned(&Source::new("runbook.yaml", text.clone()));
    // What has no plan may get one: what WCF ignores is left out.
    let Some(before) = before else { return };
    let after = after.unwrap_or_else(|| panic!("{told:?}\n{text}"));
    // The execution form can't name what a parent may take without making it a result of its own runs too.
    let declared = runbook.outputs.iter().flatten().map(|output| output.name.value.clone());
    let results: BTreeSet<ArtifactName> = exported(&before).into_iter().chain(declared).collect();
    assert_eq!(results, exported(&after), "{text}");
    assert_eq!(compared(before), compared(after), "{text}");
}

/// What both must have: all but what a rewritten text changes.
fn compared(plan: Plan) -> Plan {
    Plan { runbook_digest: Digest::of(b""), aliases: Vec::new(), ..plan }
}

/// The names of the results.
fn exported(plan: &Plan) -> BTreeSet<ArtifactName> {
    let outputs = plan.steps.iter().flat_map(|step| &step.outputs).filter(|output| output.exported);
    let aliases = plan.aliases.iter().filter(|alias| alias.exported);
    outputs.filter_map(|output| output.artifact.clone()).chain(aliases.map(|alias| alias.artifact.clone())).collect()
}
