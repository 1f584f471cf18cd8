//! Limits in force and who set each.

use super::{Style, table};
use palisade_model::limits::LimitSource;
use palisade_model::{Limits, RunLimitKind, RunLimits};
use palisade_runbook::Plan;

/// The limits of an attempt: those that somebody set, or all.
pub(super) fn of_attempt(limits: &Limits, all: bool) -> Vec<String> {
    let mut by_setter: Vec<(LimitSource, Vec<String>)> = Vec::new();
    for (kind, limit) in limits.iter().filter(|(_, limit)| all || limit.set_by != LimitSource::Default) {
        let text = format!("{} {}", kind.key(), kind.show(limit.value));
        match by_setter.iter_mut().find(|(setter, _)| *setter == limit.set_by) {
            Some((_, texts)) => texts.push(text),
            None => by_setter.push((limit.set_by, vec![text])),
        }
    }
    by_setter.iter().flat_map(|(setter, texts)| lines(&format!("set by {setter}: "), texts)).collect()
}

/// Texts with commas between them, on as many lines as they need.
fn lines(before: &str, texts: &[String]) -> Vec<String> {
    const COLUMNS: usize = 90;
    let mut lines = vec![before.to_owned()];
    for (index, text) in texts.iter().enumerate() {
        let comma = if index + 1 < texts.len() { ", " } else { "" };
        if let Some(line) = lines.last_mut().filter(|line| line.len() + text.len() <= COLUMNS) {
            line.push_str(text);
            line.push_str(comma);
        } else {
            lines.push(format!("  {text}{comma}"));
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
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
