//! Limits in force and who set each.

use super::{Style, table};
use palisade_model::limits::LimitSource;
use palisade_model::{Limits, RunLimitKind, RunLimits};
use palisade_runbook::Plan;

/// The limits of an attempt: those that somebody set, or all.
pub(super) fn of_attempt(limits: &Limits, all: bool) -> Vec<String> {
    let wanted = limits.iter().filter(|(_, limit)| all || limit.set_by != LimitSource::Default);
    wanted.map(|(kind, limit)| format!("{} {}, set by {}", kind.key(), kind.show(limit.value), limit.set_by)).collect()
}

/// The limits of the run.
pub(super) fn of_run(out: &mut String, plan: &Plan, style: Style<'_>) {
    let row = |(kind, value): (RunLimitKind, u64)| {
        let set_by = if style.stated.get(kind) == Some(value) {
            "the runbook"
        } else if style.run_ceilings.get(kind) == Some(value) {
            "the operator's ceiling"
        } else {
            "WCF's default"
        };
        vec![kind.key().to_owned(), kind.show(value), format!("set by {set_by}")]
    };
    table(out, &plan.limits.iter().map(row).collect::<Vec<_>>());
}

/// Limits of a run in one line.
pub(super) fn in_words(limits: &RunLimits) -> String {
    let words: Vec<String> = limits.iter().map(|(kind, value)| format!("{kind} {}", kind.show(value))).collect();
    if words.is_empty() { "no limits of its own".to_owned() } else { words.join(", ") }
}
