//! One step: its component or child, as often as the step may run it.

use super::amounts::{Amounts, Measure};
use super::attempt::{Reads, Work, attempt};
use super::memory::Held;
use super::{Assumed, Run, WorstCase, run_limit, worst_case};
use crate::plan::{
    BindingSource, PlannedBody, PlannedCall, PlannedChild, PlannedChildRunbook, PlannedRetry, PlannedStep, PlannedWork,
    Submitted,
};
use palisade_model::{LimitKind, RunLimitKind, RunLimits};
use std::collections::BTreeMap;

/// Iterations of a loop that are followed one by one; those after them count as over the largest input there can be.
const FOLLOWED: u32 = 16;

/// What a step comes to.
#[derive(Debug, Default)]
pub(super) struct Worst {
    pub(super) amounts: Amounts,
    pub(super) held: Held,
    pub(super) input_bytes: u64,
    pub(super) output_bytes: u64,
    pub(super) child: Option<Box<WorstCase>>,
}

impl Worst {
    fn of(work: Work, child: Option<Box<WorstCase>>) -> Self {
        let Work { amounts, held, input_bytes, output_bytes } = work;
        Self { amounts, held, input_bytes, output_bytes, child }
    }
}

impl Run<'_> {
    pub(super) fn step(&self, step: &PlannedStep) -> Worst {
        let (artifacts, _) = self.read_bytes(step);
        match &step.work {
            PlannedWork::Component { call } => {
                let reads = self.reads(step, artifacts, if splits(step) { self.assumed.threads } else { 1 });
                Worst::of(retried(attempt(call, reads), step.retry.as_ref()), None)
            }
            PlannedWork::Child { child } => {
                let (work, inner) = self.child(step, child, artifacts);
                Worst::of(retried(work, step.retry.as_ref()), inner)
            }
            PlannedWork::Map { body, max_items, max_concurrency } => {
                self.map(step, body, *max_items, (*max_concurrency).into(), artifacts)
            }
            PlannedWork::Loop { body, max_iterations, .. } => self.repeat(step, body, *max_iterations, artifacts),
            // What it calls spends what it has, but for memory.
            PlannedWork::Agent { call, runbooks, .. } => {
                let own = attempt(call, self.reads(step, artifacts, 1));
                let held = Held::only(own.held.most().saturating_add(step.memory_of_called()));
                let asks_models = step.workers().any(PlannedCall::asks_models);
                let of_models = |kind| if asks_models { call.limits.value(kind) } else { 0 };
                let amounts = own
                    .amounts
                    .with(Measure::ComponentRuns, agent_runs(step, call))
                    .with(Measure::LlmCalls, of_models(LimitKind::LlmCalls))
                    .with(Measure::LlmCost, of_models(LimitKind::LlmCost))
                    .with(Measure::Memory, held.most());
                let work = Work { amounts, held, ..own };
                let work = runbooks.as_deref().map_or(work, |runbooks| self.submitting(work, runbooks));
                Worst::of(retried(work, step.retry.as_ref()), None)
            }
            // An artifact of another run is one that a component made there.
            PlannedWork::Reuse { .. } => {
                Worst { output_bytes: self.ceiling(LimitKind::OutputBytes), ..Worst::default() }
            }
            PlannedWork::Approval { .. } => Worst { input_bytes: artifacts, ..Worst::default() },
        }
    }

    fn reads(&self, step: &PlannedStep, artifacts: u64, threads: u64) -> Reads {
        Reads { artifacts, rulesets: self.read_bytes(step).1, threads }
    }

    /// The body of a map or loop over so many bytes; in a map these are one item, which can't be split.
    fn body(&self, step: &PlannedStep, body: &PlannedBody, artifacts: u64, threads: u64) -> Worst {
        let (work, inner) = match body {
            PlannedBody::Component { call } => (attempt(call, self.reads(step, artifacts, threads)), None),
            PlannedBody::Child { child } => self.child(step, child, artifacts),
        };
        Worst::of(retried(work, step.retry.as_ref()), inner)
    }

    /// The body once for each item, and what finishes them, which has limits of its own. Amounts grow less and less with
    /// the input, so items of equal size are the worst.
    fn map(&self, step: &PlannedStep, body: &PlannedBody, items: u64, at_once: u64, artifacts: u64) -> Worst {
        let (size, larger) = (artifacts / items.max(1), artifacts % items.max(1));
        let (small, large) = (self.body(step, body, size, 1), self.body(step, body, size.saturating_add(1), 1));
        let smaller = items.saturating_sub(larger);
        let whole = self.body(step, body, artifacts, 1);
        let at_once = at_once.min(items).max(1);
        let held = match body {
            // As many items as there are threads, each with a permit; what finishes them comes after.
            PlannedBody::Component { .. } => {
                let memory = whole.held.most();
                Held { always: memory, each_more: memory, more: at_once.min(self.assumed.threads) - 1 }
            }
            PlannedBody::Child { .. } => Held::only(whole.held.most().saturating_mul(at_once)),
        };
        let made = |each: &Worst, count: u64| each.output_bytes.saturating_mul(count);
        let finish = self.finish(step, body);
        let amounts = small.amounts.times(smaller).and(&large.amounts.times(larger.min(items))).and(&finish.amounts);
        Worst {
            amounts: amounts.with(Measure::Memory, held.most()),
            held,
            input_bytes: whole.input_bytes,
            output_bytes: made(&small, smaller)
                .saturating_add(made(&large, larger))
                .saturating_add(finish.output_bytes),
            child: whole.child,
        }
    }

    /// What makes one result of those of all items: it reads none of the artifacts, and belongs to the runs that it finishes.
    fn finish(&self, step: &PlannedStep, body: &PlannedBody) -> Worst {
        let PlannedBody::Component { call } = body else { return Worst::default() };
        let work = attempt(call, Reads { artifacts: 0, rulesets: 0, threads: 1 });
        let work = Work { amounts: work.amounts.with(Measure::ComponentRuns, 0), ..work };
        Worst::of(retried(work, step.retry.as_ref()), None)
    }

    /// The body over and over, each time over what it made before.
    fn repeat(&self, step: &PlannedStep, body: &PlannedBody, iterations: u32, artifacts: u64) -> Worst {
        let threads = if splits(step) { self.assumed.threads } else { 1 };
        let mut all = Worst::default();
        let mut read = artifacts;
        let mut left = iterations;
        let mut add = |once: Worst, times: u32| {
            all.amounts = all.amounts.and(&once.amounts.times(times.into()));
            all.held = all.held.or(once.held);
            all.input_bytes = all.input_bytes.max(once.input_bytes);
            all.output_bytes = all.output_bytes.max(once.output_bytes);
            all.child = once.child.or(all.child.take());
        };
        while left > 0 {
            let once = self.body(step, body, read, threads);
            // From here on nothing changes any more.
            let settled = once.output_bytes == read;
            let last = left > 1 && iterations - left + 1 >= FOLLOWED;
            read = once.output_bytes;
            let times = if settled { left } else { 1 };
            add(once, times);
            left -= times;
            if last && left > 0 {
                let most = self.body(step, body, u64::MAX, threads).output_bytes;
                add(self.body(step, body, most, threads), left);
                left = 0;
            }
        }
        all
    }

    /// A child run over so many bytes of artifacts.
    fn child(&self, step: &PlannedStep, child: &PlannedChild, artifacts: u64) -> (Work, Option<Box<WorstCase>>) {
        let plan = match &child.runbook {
            PlannedChildRunbook::File { plan, .. } => plan,
            PlannedChildRunbook::Artifact { .. } | PlannedChildRunbook::Agent { .. } => {
                let work = self.generated(&child.limits);
                return (Work { input_bytes: artifacts, ..work }, None);
            }
        };
        let single = matches!(step.work, PlannedWork::Child { .. });
        let given = |name: &str| {
            let mut bound = step.inputs.iter().filter(|binding| binding.port == name).peekable();
            // What a map or loop hands to its child is not all that the artifact holds.
            if !single || bound.peek().is_none() {
                return artifacts;
            }
            bound.map(|binding| self.bytes(&binding.source)).fold(0, u64::saturating_add)
        };
        let input_bytes: BTreeMap<_, _> =
            plan.inputs.iter().map(|input| (input.name.clone(), given(input.name.as_str()))).collect();
        let worst = worst_case(plan, &Assumed { input_bytes: &input_bytes, ..*self.assumed });
        let depth = worst.bound.get(Measure::ChildDepth).saturating_add(1);
        let amounts = worst.bound.within(&child.limits).with(Measure::ChildDepth, depth);
        // Whichever artifact of the child it hands back.
        let made = worst.steps.iter().map(|share| share.output_bytes.unwrap_or(u64::MAX));
        let output_bytes = made.chain(input_bytes.values().copied()).max().unwrap_or(0);
        let held = Held::only(amounts.get(Measure::Memory));
        (Work { amounts, held, input_bytes: artifacts, output_bytes }, Some(Box::new(worst)))
    }

    /// An agent with the runbooks that it submits. Each answer lets it begin anew, but for what models said: that is given
    /// again.
    fn submitting(&self, agent: Work, runbooks: &Submitted) -> Work {
        let most = u64::from(runbooks.most);
        let child = self.generated(&runbooks.child.limits);
        let of_models = [Measure::LlmCalls, Measure::LlmCost].map(|measure| (measure, agent.amounts.get(measure)));
        let again = agent.amounts.times(most.saturating_add(1));
        let own = of_models.into_iter().fold(again, |amounts, (measure, once)| amounts.with(measure, once));
        Work { amounts: own.and(&child.amounts.times(most)), held: agent.held.or(child.held), ..agent }
    }

    /// What nobody has planned yet: its limits, and the operator's ceilings for each of its components.
    fn generated(&self, limits: &RunLimits) -> Work {
        let limit = |kind| run_limit(limits, kind);
        let wall = limit(RunLimitKind::MaxDuration);
        let cost = limit(RunLimitKind::MaxLlmCost);
        let runs = limit(RunLimitKind::MaxRuns);
        // As many instances as have permits, and one of each step that finishes without.
        let instances = limit(RunLimitKind::MaxConcurrency).saturating_add(self.assumed.threads.saturating_sub(1));
        let held = Held::only(self.ceiling(LimitKind::Memory).saturating_mul(instances));
        let amounts = Amounts::default()
            .with(Measure::ComponentRuns, runs)
            .with(Measure::Generated, wall)
            .with(Measure::Memory, held.most())
            .with(Measure::Wall, wall)
            // Calls have no limit of their own: their cost ends them.
            .with(Measure::LlmCalls, if cost == 0 { 0 } else { u64::MAX })
            .with(Measure::LlmCost, cost)
            .with(Measure::Egress, limit(RunLimitKind::MaxEgress))
            .with(Measure::ChildDepth, limit(RunLimitKind::MaxDepth));
        Work { amounts, held, input_bytes: 0, output_bytes: self.ceiling(LimitKind::OutputBytes) }
    }
}

/// How often an attempt of an agent runs a component at most: itself, and what it calls.
#[must_use]
pub fn agent_runs(step: &PlannedStep, call: &PlannedCall) -> u64 {
    let calls = if step.callable().next().is_none() { 0 } else { call.limits.value(LimitKind::ToolCalls) };
    calls.saturating_add(1)
}

/// As often as it may be tried, with the waits in between. What failed attempts made is thrown away.
fn retried(work: Work, retry: Option<&PlannedRetry>) -> Work {
    let Some(retry) = retry else { return work };
    let attempts = u64::from(retry.max_attempts.max(1));
    let doublings = u32::try_from(attempts - 1).unwrap_or(u32::MAX);
    let waits = 2_u64.checked_pow(doublings).map_or(u64::MAX, |power| (power - 1).saturating_mul(retry.backoff_ms));
    let waits = if retry.backoff_ms == 0 { 0 } else { waits };
    let amounts = work.amounts.times(attempts).and(&Amounts::default().with(Measure::Wall, waits));
    Work { amounts, ..work }
}

/// Whether a step's component may run as several instances: all that the runbook wires goes to one per-item port, and what
/// it asks is not written down, which is done in one order.
fn splits(step: &PlannedStep) -> bool {
    let Some(call) = step.call().filter(|_| !step.asks()) else { return false };
    let mut wired = step
        .inputs
        .iter()
        .filter(|input| !matches!(input.source, BindingSource::Ruleset { .. }))
        .map(|input| &input.port);
    let Some(first) = wired.next() else { return false };
    call.per_item.contains(first) && wired.all(|port| port == first)
}
