//! What past attempts say of a component that is to run again: a line for each amount.

use super::fit::{Fit, Growth, Range, median_of};
use super::{Basis, FUEL_PER_CPU_MS, PastAttempt, PerMeasure, runs_each};
use crate::plan::{PlannedCall, PlannedStep};
use palisade_model::{Digest, canonical};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Shortest mean CPU time of past attempts that is taken as measured. It is noted in whole milliseconds, so shorter times
/// would say more about rounding than about the component; fuel, which is exact, stands in for them.
const LEAST_CPU_MS: u64 = 10;

/// All past attempts, and what was found out of them so far: many steps of a plan may run one component.
pub(super) struct Past<'a> {
    attempts: &'a BTreeMap<Digest, Vec<PastAttempt>>,
    known: BTreeMap<(Digest, Digest, bool), Option<Rc<Known>>>,
}

impl<'a> Past<'a> {
    pub(super) fn new(attempts: &'a BTreeMap<Digest, Vec<PastAttempt>>) -> Self {
        Self { attempts, known: BTreeMap::new() }
    }

    /// What is known of the component of a step, run as the step runs it.
    pub(super) fn of(&mut self, step: &PlannedStep, call: &PlannedCall) -> Option<Rc<Known>> {
        let attempts = self.attempts.get(&call.component_digest)?;
        let (config, each) = (canonical::digest(&call.config), runs_each(step));
        let known = self.known.entry((call.component_digest, config, each));
        known.or_insert_with(|| Known::of(attempts, config, each).map(Rc::new)).clone()
    }
}

/// A line for each amount.
pub(super) struct Known {
    amounts: PerMeasure<Fit>,
    /// Fuel stands in for CPU time.
    cpu_by_fuel: bool,
    outputs: BTreeMap<String, Fit>,
    pub(super) basis: Basis,
}

impl Known {
    /// From the attempts that ran the same way; those with the same config alone, if there are any.
    fn of(all: &[PastAttempt], config: Digest, each: bool) -> Option<Self> {
        let alike: Vec<&PastAttempt> = all.iter().filter(|past| past.each == each).collect();
        let same: Vec<&PastAttempt> = alike.iter().copied().filter(|past| past.config == config).collect();
        let same_config = !same.is_empty();
        let attempts = if same_config { same } else { alike };
        let input_bytes = || attempts.iter().map(|past| past.input_bytes);
        let basis = Basis {
            attempts: attempts.len() as u64,
            same_config,
            least_input_bytes: input_bytes().min()?,
            most_input_bytes: input_bytes().max()?,
            commit_ms: median_of(attempts.iter().map(|past| past.commit_ms)),
        };
        let fit = |growth, amount: &dyn Fn(&PastAttempt) -> u64| {
            let points: Vec<_> = attempts.iter().map(|past| (past.input_bytes, amount(past))).collect();
            Fit::through(&points, growth)
        };
        let cpu = attempts.iter().map(|past| past.usage.cpu_ms).fold(0, u64::saturating_add);
        let ports: BTreeSet<&String> = attempts.iter().flat_map(|past| past.outputs.keys()).collect();
        let output =
            |port: &String| fit(Growth::WithInput, &|past: &PastAttempt| past.outputs.get(port).copied().unwrap_or(0));
        Some(Self {
            amounts: PerMeasure {
                fuel: fit(Growth::WithInput, &|past| past.usage.fuel),
                cpu_ms: fit(Growth::WithInput, &|past| past.usage.cpu_ms),
                wall_ms: fit(Growth::WithInput, &|past| past.usage.wall_ms),
                memory_bytes: fit(Growth::WhereSeen, &|past| past.usage.memory_peak_bytes),
                output_bytes: fit(Growth::WithInput, &|past| past.usage.output_bytes),
            },
            cpu_by_fuel: cpu < LEAST_CPU_MS.saturating_mul(basis.attempts),
            outputs: ports.into_iter().map(|port| (port.clone(), output(port))).collect(),
            basis,
        })
    }

    /// Bytes of the items of an output port.
    pub(super) fn output(&self, port: &str, input_bytes: Range) -> Range {
        self.outputs.get(port).map_or_else(Range::default, |fit| fit.at(input_bytes))
    }

    pub(super) fn amounts(&self, input_bytes: Range) -> PerMeasure<Range> {
        let amounts = self.amounts.map(|fit| fit.at(input_bytes));
        if self.cpu_by_fuel {
            PerMeasure { cpu_ms: amounts.fuel.map(|fuel| fuel.div_ceil(FUEL_PER_CPU_MS)), ..amounts }
        } else {
            amounts
        }
    }
}
