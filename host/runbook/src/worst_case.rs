//! The most that a run can come to, from its plan alone: nothing is run, nothing is guessed.
//!
//! Each amount follows from limits that something enforces while the run goes on; docs/design/004-worst-case.md says
//! which rule rests on which code. What does not fit in 64 bits is no bound: [`UNBOUNDED`].

mod amounts;
mod attempt;
mod memory;
mod step;
#[cfg(test)]
mod tests;

pub use amounts::{Amounts, Measure, UNBOUNDED};
pub use step::agent_runs;

use crate::plan::{BindingSource, Plan, PlannedStep};
use memory::Held;
use palisade_model::{ArtifactName, LimitKind, RunLimitKind, RunLimits, StepId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most bytes of a file that is given to a run: what a run input counts for while its size is not known.
pub const MAX_INPUT_BYTES: u64 = 16 << 30;

/// What a plan does not say and the worst case depends on.
#[derive(Debug, Clone, Copy)]
pub struct Assumed<'a> {
    /// Guest instances that compute at once, over all steps: at least one.
    pub threads: u64,
    /// Bytes of the items of run inputs, where they are known; the others count for [`MAX_INPUT_BYTES`].
    pub input_bytes: &'a BTreeMap<ArtifactName, u64>,
    /// The operator's ceilings of attempts: what bounds components that nobody can name yet. A kind that is absent has
    /// its default ceiling.
    pub ceilings: &'a BTreeMap<LimitKind, u64>,
}

/// The most that a run can come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorstCase {
    /// The whole run, within its own limits.
    pub bound: Amounts,
    /// All steps together, if no limit of the run as a whole ended it before.
    pub unlimited: Amounts,
    /// The steps that have most of an amount, from the outside inwards: a step, then the step of its child runbook.
    pub dominating: BTreeMap<Measure, Vec<StepId>>,
    /// The steps, in the order of the plan.
    pub steps: Vec<StepShare>,
}

/// The most that one step can come to, all its attempts, items and iterations together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepShare {
    /// The step.
    pub step: StepId,
    /// Its amounts.
    pub amounts: Amounts,
    /// Bytes that one attempt, or one run of its child, is handed.
    pub input_bytes: Option<u64>,
    /// Bytes of its output.
    pub output_bytes: Option<u64>,
    /// The child runbook that it runs, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<Box<WorstCase>>,
}

/// Computes the worst case of a plan, children included.
#[must_use]
pub fn worst_case(plan: &Plan, assumed: &Assumed<'_>) -> WorstCase {
    let mut run = Run::new(plan, assumed);
    let mut held = Vec::with_capacity(plan.steps.len());
    let mut undoing = Held::default();
    let mut steps = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        let mut worst = run.step(step);
        // What undoes the step may read what the step made.
        run.made.insert(&step.id, worst.output_bytes);
        if let Some(undo) = &step.compensate {
            let undone = run.step(undo);
            undoing = undoing.or(undone.held);
            worst.amounts = worst.amounts.and(&undone.amounts.compensating());
        }
        held.push(worst.held);
        steps.push(StepShare {
            step: step.id.clone(),
            amounts: worst.amounts,
            input_bytes: amounts::stated(worst.input_bytes),
            output_bytes: amounts::stated(worst.output_bytes),
            child: worst.child,
        });
    }
    let mut unlimited = steps.iter().fold(Amounts::default(), |sum, share| sum.and(&share.amounts));
    unlimited.set(Measure::Memory, memory::peak(plan, &held, undoing, assumed.threads));
    let dominating = Measure::all().filter_map(|measure| Some((measure, dominating(&steps, measure)?))).collect();
    WorstCase { bound: unlimited.within(&plan.limits), unlimited, dominating, steps }
}

/// The way to the step that has most of an amount; none if nobody has any.
fn dominating(steps: &[StepShare], measure: Measure) -> Option<Vec<StepId>> {
    let amount = |share: &StepShare| share.amounts.get(measure);
    // The first of equals, as a reader would look for it.
    let most = steps.iter().rev().max_by_key(|share| amount(share)).filter(|share| amount(share) > 0)?;
    let inner = most.child.iter().filter_map(|child| child.dominating.get(&measure)).flatten();
    Some(std::iter::once(&most.step).chain(inner).cloned().collect())
}

/// A plan while its steps are looked at.
struct Run<'p> {
    assumed: &'p Assumed<'p>,
    /// Bytes of what each step makes.
    made: BTreeMap<&'p StepId, u64>,
    /// Bytes of the rulesets, by name.
    rulesets: BTreeMap<&'p str, u64>,
}

impl<'p> Run<'p> {
    fn new(plan: &'p Plan, assumed: &'p Assumed<'p>) -> Self {
        let rulesets = plan.rulesets.iter().map(|ruleset| (ruleset.name.as_str(), ruleset.bytes)).collect();
        Self { assumed, made: BTreeMap::new(), rulesets }
    }

    /// Most bytes of an artifact.
    fn bytes(&self, source: &BindingSource) -> u64 {
        match source {
            BindingSource::Step { step, .. } => self.made.get(step).copied().unwrap_or(UNBOUNDED),
            BindingSource::Input { name } => self.assumed.input_bytes.get(name).copied().unwrap_or(MAX_INPUT_BYTES),
            BindingSource::Ruleset { name, .. } => self.rulesets.get(name.as_str()).copied().unwrap_or(UNBOUNDED),
        }
    }

    /// Most bytes of what a step reads from artifacts, and of its rulesets.
    fn read_bytes(&self, step: &PlannedStep) -> (u64, u64) {
        let mut read = (0_u64, 0_u64);
        for binding in &step.inputs {
            let bytes = self.bytes(&binding.source);
            match binding.source {
                BindingSource::Ruleset { .. } => read.1 = read.1.saturating_add(bytes),
                BindingSource::Step { .. } | BindingSource::Input { .. } => read.0 = read.0.saturating_add(bytes),
            }
        }
        read
    }

    /// The ceiling of a limit that bounds components which nobody can name yet.
    fn ceiling(&self, kind: LimitKind) -> u64 {
        self.assumed.ceilings.get(&kind).copied().unwrap_or_else(|| kind.default_ceiling())
    }
}

/// A limit of a run, or what holds for one that nobody planned.
fn run_limit(limits: &RunLimits, kind: RunLimitKind) -> u64 {
    limits.get(kind).unwrap_or_else(|| kind.default_for_generated())
}
