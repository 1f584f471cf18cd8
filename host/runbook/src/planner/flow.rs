//! Telling which labelled data could get to where it may not go.

use super::Planner;
use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::flow::{LabelRules, Leak, leaks};
use crate::plan::{Plan, PlannedStep};
use palisade_authority::Sink;
use palisade_model::{StepId, neutral};
use std::collections::BTreeSet;

impl Planner<'_> {
    /// Checks a plan in which all else is well. `around` are the labels of the runbook itself, where something made it, and
    /// `back_to` the agent that gets what it makes.
    pub(super) fn check_flows(&mut self, plan: &Plan, around: &BTreeSet<String>, back_to: Option<&PlannedStep>) {
        if self.diagnostics.has_error() {
            return;
        }
        let read_later = self.of_systems();
        let rules = LabelRules { flows: self.context.flows, models: self.context.models, read_later: &read_later };
        for leak in leaks(plan, around, back_to, rules) {
            let at = leak.way.first().and_then(|first| {
                let steps = self.runbook.steps.iter();
                let all = steps.flat_map(|step| std::iter::once(step).chain(step.compensate.as_deref()));
                all.map(|step| &step.id).find(|id| StepId::from(id.value.clone()) == *first)
            });
            let span = at.map(|id| id.span).unwrap_or_default();
            let told =
                Diagnostic::new(Code::LabelFlow, &self.runbook.source, span, message(&leak)).with_help(help(&leak));
            self.diagnostics.push(told);
        }
    }

    /// The labels of all systems, one of which a runbook may read that nobody has planned yet.
    fn of_systems(&self) -> BTreeSet<String> {
        let mut labels = BTreeSet::new();
        for system in self.context.systems.iter() {
            labels.extend(system.labels.iter().cloned());
            labels.extend(self.context.components.find(&system.connector).map(|known| known.manifest.id.to_string()));
        }
        labels
    }
}

fn message(leak: &Leak) -> String {
    let step = leak.way.iter().map(StepId::as_str).collect::<Vec<_>>().join("/");
    let mut through: Vec<String> =
        leak.through.names.iter().map(|name| format!("`{}`", neutral::line(name, 80))).collect();
    if leak.through.left_out > 0 {
        through.insert(1.min(through.len()), format!("{} more", leak.through.left_out));
    }
    let label = neutral::line(&leak.label, 80);
    let why = match &leak.kept_by {
        Some(rule) => format!("{} keeps it from there", neutral::line(rule, 200)),
        None => "no `[[flow]]` lets it go there".to_owned(),
    };
    format!(
        "step `{step}` could bring data labelled `{label}` to {}, and {why}; it comes through {}",
        neutral::line(&leak.sink.to_string(), 200),
        through.join(", ")
    )
}

fn help(leak: &Leak) -> String {
    if leak.kept_by.is_some() {
        return "give the step less to read, or have a component make the data harmless that a `[[declassify]]` names"
            .to_owned();
    }
    match &leak.sink {
        sink @ Sink::Power(_) => format!(
            "if it may leave, the operator says so in palisade.toml: `[[flow]] labels = [\"{}\"], to = [\"{}\"]`",
            neutral::line(&leak.label, 80),
            neutral::line(&sink.to_string(), 200)
        ),
        Sink::Approval | Sink::Output => "the operator decides where labelled data may go".to_owned(),
    }
}
