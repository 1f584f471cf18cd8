//! Runbooks: YAML under a budget, the two forms, the plan and what follows from it.

use super::support::demo;
use super::{WORLD, check_diagnostics};
use palisade_runbook::{Assumed, Diagnostic, Plan, PlanDocument, Source, plan_diff};
use std::collections::BTreeMap;

/// Every child that is asked for by this name, whichever runbook asks.
const CHILD: &str = include_str!("../../../runbooks/valid/child-file/child.yaml");

pub(crate) fn run(bytes: &[u8]) {
    let Ok(source) = Source::from_bytes("runbook.yaml", bytes.to_vec()) else { return };
    let (plan, found) = planned(&source);
    check_diagnostics(found.iter().map(|(source, found)| (source, found)));
    let (again, found_again) = planned(&source);
    let told = |found: Vec<(Source, Diagnostic)>| found.into_iter().map(|(_, told)| told).collect::<Vec<_>>();
    assert_eq!(told(found), told(found_again), "the same runbook is told other things");
    assert_eq!(plan, again, "the same runbook has another plan");
    let Some(plan) = plan else { return };
    let input_bytes = BTreeMap::new();
    let ceilings = BTreeMap::new();
    let assumed = Assumed { threads: 2, input_bytes: &input_bytes, ceilings: &ceilings };
    let document = PlanDocument::new(plan, &assumed);
    assert_eq!(document.waves.iter().map(Vec::len).sum::<usize>(), document.plan.steps.len());
    let written = serde_json::to_string(&document).expect("a plan can be written");
    let read = PlanDocument::read(&written).expect("what was written is a plan");
    assert_eq!(read, document, "it is written as another plan");
    assert_eq!(plan_diff(&document, &read), [], "it differs from itself");
}

/// That there is a plan or an error, `check` sees to.
pub(super) fn planned(source: &Source) -> (Option<Plan>, Vec<(Source, Diagnostic)>) {
    let read = |path: &str| match path {
        "child.yaml" => Some(Source::new(path, CHILD)),
        // A runbook that runs itself.
        "runbook.yaml" => Some(source.clone()),
        _ => None,
    };
    WORLD.check(source, &demo, &read)
}
