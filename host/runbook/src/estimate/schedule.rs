//! From what steps take to what their run takes: steps that wait for each other come one after the other, the others
//! side by side as far as there is room.

use super::fit::Range;
use super::{PerMeasure, StepEstimate, Told};
use crate::plan::Plan;
use std::collections::BTreeMap;

/// The journal is written when an attempt ends, and when it starts unless it is short and pure.
const COMMITS_OF_A_STEP: u64 = 2;

/// All steps of which something is known, together.
pub(super) fn run(plan: &Plan, steps: &[StepEstimate], threads: u64) -> PerMeasure<Range> {
    let nothing = PerMeasure::default();
    let known = || {
        steps.iter().map(|step| match &step.told {
            Told::Known { amounts, basis, .. } => (amounts, basis.commit_ms),
            Told::Unknown { .. } => (&nothing, 0),
        })
    };
    let amounts = || known().map(|(amounts, _)| amounts);
    let sum = |of: fn(&PerMeasure<Range>) -> Range| amounts().map(of).fold(Range::default(), Range::plus);
    let cpu_ms = sum(|amounts| amounts.cpu_ms);
    let walls = |of: fn(Range) -> u64| {
        let wall = |(amounts, commit): (&PerMeasure<Range>, u64)| {
            of(amounts.wall_ms).saturating_add(commit.saturating_mul(COMMITS_OF_A_STEP))
        };
        known().map(wall).collect::<Vec<_>>()
    };
    let in_order = Range {
        expected: last_end(plan, &walls(|wall| wall.expected)),
        low: last_end(plan, &walls(|wall| wall.low)),
        high: last_end(plan, &walls(|wall| wall.high)),
    };
    // However well they fit side by side, what is to be computed needs a processor.
    let computed = cpu_ms.map(|cpu| cpu / threads.max(1));
    PerMeasure {
        fuel: sum(|amounts| amounts.fuel),
        cpu_ms,
        wall_ms: in_order.zip(computed, u64::max),
        memory_bytes: amounts().fold(Range::default(), |most, amounts| most.zip(amounts.memory_bytes, u64::max)),
        output_bytes: sum(|amounts| amounts.output_bytes),
    }
}

/// When the last step ends if each starts, in the order of the plan, as soon as all before it have ended and there is room.
fn last_end(plan: &Plan, walls: &[u64]) -> u64 {
    // Before anything ran, nothing is known of any step.
    if walls.iter().all(|&wall| wall == 0) {
        return 0;
    }
    let most = plan.max_concurrency().min(plan.steps.len().max(1));
    // When each place is free again.
    let mut places = vec![0_u64; most];
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    for (step, wall) in plan.steps.iter().zip(walls) {
        let ready = step.waits_for().filter_map(|before| ends.get(before.as_str())).max().copied().unwrap_or(0);
        let Some(place) = places.iter_mut().min() else { break };
        *place = ready.max(*place).saturating_add(*wall);
        ends.insert(step.id.as_str(), *place);
    }
    ends.values().max().copied().unwrap_or(0)
}
