//! Whether the run as a whole has a bound, and one within the operator's ceilings.

use super::Planner;
use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::plan::{Plan, PlannedWork};
use crate::runbook::Step;
use crate::worst_case::{Assumed, Measure, StepShare, UNBOUNDED, WorstCase, worst_case};
use palisade_model::{RunLimitKind, StepId};
use std::collections::BTreeMap;

impl<'p> Planner<'p> {
    /// Tells what of the worst case has no bound, or one above a ceiling, at the step that has most of it.
    pub(super) fn check_bounds(&mut self, plan: &Plan) {
        // Neither sizes of inputs nor the number of threads turn an amount that is checked into one without a bound.
        let assumed = Assumed { threads: 1, input_bytes: &BTreeMap::new(), ceilings: self.context.ceilings };
        let worst = worst_case(plan, &assumed);
        for share in &worst.steps {
            // The sum of many steps that each have a bound may pass what can be counted; the time of the run bounds it.
            let counted = [
                (Measure::ComponentRuns, "component runs"),
                (Measure::Fuel, "fuel"),
                (Measure::LlmCost, "cost of models"),
            ];
            let boundless: Vec<&str> = counted
                .into_iter()
                .filter(|&(measure, _)| share.amounts.get(measure) == UNBOUNDED)
                .map(|(_, what)| what)
                .collect();
            if !boundless.is_empty() {
                self.unbounded(plan, share, &boundless.join(" and "));
            }
        }
        for measure in Measure::all() {
            self.check_ceiling(&worst, measure);
        }
    }

    fn unbounded(&mut self, plan: &Plan, share: &StepShare, what: &str) {
        let Some(step) = self.step_of(&share.step) else { return };
        let help = match plan.step(&share.step).map(|planned| &planned.work) {
            Some(PlannedWork::Map { .. }) => "lower `max_items`, or the limits of the step",
            Some(PlannedWork::Loop { .. }) => "lower `max_iterations`, or the limits of the step",
            Some(PlannedWork::Child { .. }) => "lower what its child may do",
            _ => "lower the limits of the step, as `fuel_per_input_byte` or `output_bytes`",
        };
        let message = format!("step `{}` has no bound: its {what} could pass 2^64", share.step);
        let unbounded = Diagnostic::new(Code::Unbounded, &self.runbook.source, step.id.span, message).with_help(help);
        self.diagnostics.push(unbounded);
    }

    pub(super) fn step_of(&self, id: &StepId) -> Option<&'p Step> {
        self.runbook.steps.iter().find(|step| step.id.value.as_str() == id.as_str())
    }

    fn check_ceiling(&mut self, worst: &WorstCase, measure: Measure) {
        let Some(kind) = measure.run_limit() else { return };
        let Some(ceiling) = self.context.run_ceilings.get(kind) else { return };
        let stated = self.runbook.limits.get(&kind);
        // Nobody asked for a default, so the ceiling simply takes its place. WCF has one for the duration.
        let default = kind.default_value().is_some() || kind == RunLimitKind::MaxDuration;
        let own = stated.map(|stated| stated.value).or(default.then_some(ceiling));
        let amount = own.map_or(worst.unlimited.get(measure), |own| worst.unlimited.get(measure).min(own));
        if amount <= ceiling {
            return;
        }
        let Some((step, way)) = self.dominating(worst, measure) else { return };
        let (shown, ceiling) = (kind.show(amount), kind.show(ceiling));
        let message = format!(
            "the run could need a `{kind}` of {shown}, and the operator's ceiling is {ceiling}; most of it is in {way}"
        );
        let span = stated.map_or(step.id.span, |stated| stated.span);
        let above = Diagnostic::new(Code::AboveRunCeiling, &self.runbook.source, span, message)
            .with_help(format!("lower what the step may do, or state a lower `{kind}` in the runbook's `limits`"));
        let above = if stated.is_some() { above.with_label(step.id.span, "most of it is here") } else { above };
        self.diagnostics.push(above);
    }

    /// The step that has most of an amount, and the way to it in words.
    fn dominating(&self, worst: &WorstCase, measure: Measure) -> Option<(&Step, String)> {
        let way = worst.dominating.get(&measure)?;
        let step = self.step_of(way.first()?)?;
        let names: Vec<&str> = way.iter().map(StepId::as_str).collect();
        Some((step, format!("step `{}`", names.join("/"))))
    }
}
