//! An estimate against what was used: how wrong it was.

use super::fit::Range;
use super::{Estimate, PerMeasure, Told};
use palisade_model::StepId;
use serde::Serialize;
use std::collections::BTreeMap;

/// An estimate against what was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// The steps that were estimated and did what was wanted, in the order of the plan.
    pub steps: Vec<StepCompared>,
    /// The run; none unless all its steps were estimated and did what was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<PerMeasure<Compared>>,
}

/// A step's estimate against what it used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepCompared {
    /// The step.
    pub step: StepId,
    /// Measure by measure.
    pub measures: PerMeasure<Compared>,
}

/// An estimated amount against what was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// What was estimated.
    pub estimated: Range,
    /// What was used.
    pub used: u64,
    /// By how many percent of the estimate more was used than expected, negative = less; none where nothing was expected.
    pub error_percent: Option<i64>,
}

impl Compared {
    fn new(estimated: Range, used: u64) -> Self {
        let expected = i128::from(estimated.expected);
        let more = (i128::from(used) - expected) * 100;
        // Rounded to the nearest.
        let rounded = |more: i128| (more * 2 + expected * more.signum()) / (expected * 2);
        let error_percent = (expected > 0).then(|| i64::try_from(rounded(more)).unwrap_or(i64::MAX));
        Self { estimated, used, error_percent }
    }
}

/// Compares an estimate with what was used: by the steps that did what was wanted, and by the whole run.
#[must_use]
pub fn compare(
    estimate: &Estimate,
    used: &BTreeMap<StepId, PerMeasure<u64>>,
    run: Option<&PerMeasure<u64>>,
) -> Comparison {
    let compared = |estimated: PerMeasure<Range>, used: &PerMeasure<u64>| estimated.zip(*used, Compared::new);
    let step = |known: &super::StepEstimate| match (&known.told, used.get(&known.step)) {
        (Told::Known { amounts, .. }, Some(used)) => {
            Some(StepCompared { step: known.step.clone(), measures: compared(*amounts, used) })
        }
        _ => None,
    };
    let steps: Vec<_> = estimate.steps.iter().filter_map(step).collect();
    let whole = steps.len() == estimate.steps.len();
    let run = run.filter(|_| whole).map(|used| compared(estimate.run, used));
    Comparison { steps, run }
}
