//! How much memory all guests have at once, at most.
//!
//! Steps that wait for each other never run together. So the steps are put into chains in which each waits for the one
//! before: of a chain at most one step runs at a time, and no more chains run than steps may at once. That is exact for
//! a chain and for steps that have nothing to do with each other, and never too low.

use crate::plan::Plan;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The memory that a step holds while it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Without any permit to compute: one instance may finish while others have all permits.
    pub(super) always: u64,
    /// Memory of each instance more.
    pub(super) each_more: u64,
    /// Instances more, each of which needs a permit.
    pub(super) more: u64,
}

impl Held {
    /// The memory of something that does not share permits.
    pub(super) fn only(always: u64) -> Self {
        Self { always, each_more: 0, more: 0 }
    }

    /// All that it can hold.
    pub(super) fn most(self) -> u64 {
        self.always.saturating_add(self.each_more.saturating_mul(self.more))
    }

    /// Either of both: each part as large as it can be.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            always: self.always.max(other.always),
            each_more: self.each_more.max(other.each_more),
            more: self.more.max(other.more),
        }
    }
}

/// A chain of steps of which one runs at a time.
#[derive(Debug, Clone, Copy, Default)]
struct Chain {
    either: Held,
    /// Its step that holds most.
    most: u64,
    /// Index of its last step.
    last: usize,
}

impl Chain {
    fn add(&mut self, held: Held, index: usize) {
        self.either = self.either.or(held);
        self.most = self.most.max(held.most());
        self.last = index;
    }
}

/// The peak of a run. `held` is in the order of the plan's steps; `undoing` is what undoes steps, one after the other.
pub(super) fn peak(plan: &Plan, held: &[Held], undoing: Held, threads: u64) -> u64 {
    let mut chains = chains(plan, held);
    chains.push(Chain { either: undoing, most: undoing.most(), last: usize::MAX });
    let at_once = plan.max_concurrency();
    // Two bounds, of which each is the better one somewhere. The first forgets that all steps share the permits.
    let apart = largest(chains.iter().map(|chain| chain.most).collect(), at_once);
    let always = largest(chains.iter().map(|chain| chain.either.always).collect(), at_once);
    let together = always.saturating_add(shared(&chains, threads));
    apart.min(together)
}

fn chains(plan: &Plan, held: &[Held]) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    // The step's index and its chain.
    let mut known: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (index, (step, held)) in plan.steps.iter().zip(held).enumerate() {
        let open = step
            .waits_for()
            .filter_map(|before| known.get(before.as_str()))
            .filter_map(|&(before, number)| chains.get(number).filter(|chain| chain.last == before).map(|_| number));
        // By the shape of the plan alone: if amounts had a say, a step that holds more could lead to a lower sum.
        let number = open.min().unwrap_or(chains.len());
        if number == chains.len() {
            chains.push(Chain::default());
        }
        if let Some(chain) = chains.get_mut(number) {
            chain.add(*held, index);
        }
        known.insert(step.id.as_str(), (index, number));
    }
    chains
}

/// The sum of the `most` largest.
fn largest(mut amounts: Vec<u64>, most: usize) -> u64 {
    amounts.sort_unstable_by_key(|&amount| Reverse(amount));
    amounts.into_iter().take(most).fold(0, u64::saturating_add)
}

/// What the permits add: whoever has `n` of them has `n - 1` instances more than without, so one permit adds nothing.
fn shared(chains: &[Chain], threads: u64) -> u64 {
    let mut wanting: Vec<Held> = chains.iter().map(|chain| chain.either).filter(|held| held.more > 0).collect();
    wanting.sort_unstable_by_key(|held| Reverse(held.each_more));
    let mut left = threads.saturating_sub(1);
    let mut sum = 0_u64;
    for held in wanting {
        let taken = held.more.min(left);
        left -= taken;
        sum = sum.saturating_add(held.each_more.saturating_mul(taken));
    }
    sum
}
