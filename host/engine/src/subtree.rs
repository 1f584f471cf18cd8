//! What a run and all runs below it may use together, looked at from the outermost run in.

use palisade_model::llm::Bound;
use palisade_model::{Digest, Failure, FailureKind, RunId, RunLimitKind, RunLimits, Spent, neutral};
use palisade_runbook::Plan;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A run with the runs above it, the outermost first. Runs of one tree share what they use.
#[derive(Debug, Clone)]
pub(crate) struct Subtree(Vec<Arc<Level>>);

#[derive(Debug)]
struct Level {
    run: RunId,
    /// The name of its runbook.
    title: String,
    /// The digest of its runbook.
    runbook: Digest,
    limits: RunLimits,
    /// Attempts of components, by it and all below it.
    runs: AtomicU64,
    /// Attempts that go on, by it and all below it.
    at_once: AtomicU64,
    /// What was spent, or is reserved for attempts that go on, by it and all below it.
    spent: Mutex<Spent>,
}

impl Subtree {
    /// A run that a person started.
    pub(crate) fn root(run: RunId, plan: &Plan) -> Self {
        Self(vec![Arc::new(Level::new(run, plan, plan.limits.clone()))])
    }

    /// A run below this one.
    pub(crate) fn below(&self, run: RunId, plan: &Plan, limits: RunLimits) -> Self {
        let own = Arc::new(Level::new(run, plan, limits));
        Self(self.0.iter().cloned().chain([own]).collect())
    }

    /// What each may spend on models with everything below it, the outermost first.
    pub(crate) fn llm_bounds(&self) -> Vec<(RunId, Bound)> {
        let bound = |level: &Level| Bound { cost: level.limits.get(RunLimitKind::MaxLlmCost), ..Bound::default() };
        self.0.iter().map(|level| (level.run, bound(level))).collect()
    }

    /// The name and digest of the runbook of each, the outermost first.
    pub(crate) fn runbooks(&self) -> Vec<(String, Digest)> {
        self.0.iter().map(|level| (level.title.clone(), level.runbook)).collect()
    }

    /// Levels below the run that a person started.
    pub(crate) fn depth(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX).saturating_sub(1)
    }

    /// Whether another level may be below this one.
    ///
    /// # Errors
    /// The `max_depth` that is in the way.
    pub(crate) fn may_go_deeper(&self) -> Result<(), Failure> {
        for (index, level) in self.0.iter().enumerate() {
            let found = (self.0.len() - index) as u64;
            if let Some(most) = level.limits.get(RunLimitKind::MaxDepth).filter(|most| found > *most) {
                let what = format!("children may nest {most} deep, and this one would be {found} deep");
                return Err(self.passed(index, level, RunLimitKind::MaxDepth, most, found, &what));
            }
        }
        Ok(())
    }

    /// Counts attempts that are about to start, in each run that they count for, or in none.
    ///
    /// # Errors
    /// The `max_runs` that they would pass.
    pub(crate) fn take_runs(&self, runs: u64) -> Result<(), Failure> {
        for (index, level) in self.0.iter().enumerate() {
            let most = level.limits.get(RunLimitKind::MaxRuns).unwrap_or(u64::MAX);
            if let Err(used) = level.runs.try_add(runs, most) {
                self.0.iter().take(index).for_each(|above| above.runs.sub(runs));
                let what = format!(
                    "the run may run components {} times at most; {used} are used, and this would take {runs} more: nothing was run",
                    RunLimitKind::MaxRuns.show(most)
                );
                let found = used.saturating_add(runs);
                return Err(self.passed(index, level, RunLimitKind::MaxRuns, most, found, &what));
            }
        }
        Ok(())
    }

    /// Counts attempts that an earlier process made.
    pub(crate) fn add_runs(&self, runs: u64) {
        self.0.iter().for_each(|level| {
            level.runs.fetch_add(runs, Ordering::Relaxed);
        });
    }

    /// Takes room for an attempt, in each run that it counts for, or in none. Says whether there was some.
    pub(crate) fn enter(&self) -> bool {
        let full = self.0.iter().position(|level| {
            let most = level.limits.get(RunLimitKind::MaxConcurrency).unwrap_or(u64::MAX).max(1);
            level.at_once.try_add(1, most).is_err()
        });
        if let Some(full) = full {
            self.0.iter().take(full).for_each(|level| level.at_once.sub(1));
        }
        full.is_none()
    }

    /// Gives back the room of an attempt.
    pub(crate) fn leave(&self) {
        self.0.iter().for_each(|level| level.at_once.sub(1));
    }

    /// Counts what is about to be spent, in each run that it counts for, or in none.
    ///
    /// # Errors
    /// The limit that it would pass.
    pub(crate) fn take(&self, more: &Spent) -> Result<(), Failure> {
        for (index, level) in self.0.iter().enumerate() {
            if let Err(over) = level.try_spend(more) {
                self.0.iter().take(index).for_each(|above| above.spent().take_back(more));
                let Over { kind, most, found, what } = over;
                return Err(self.passed(index, level, kind, most, found, &what));
            }
        }
        Ok(())
    }

    /// Counts what was spent in place of what was reserved for it.
    pub(crate) fn settle(&self, reserved: &Spent, spent: &Spent) {
        for level in &self.0 {
            let mut counted = level.spent();
            counted.take_back(reserved);
            counted.add(spent);
        }
    }

    /// The failure of what would pass a limit of the run at that depth.
    fn passed(&self, index: usize, level: &Level, kind: RunLimitKind, most: u64, found: u64, what: &str) -> Failure {
        let key = kind.key().to_owned();
        let title = |level: &Level| format!("`{}`", neutral::line(&level.title, 60));
        let message = if self.0.len() == 1 {
            what.to_owned()
        } else {
            let chain: Vec<_> = self.0.iter().map(|level| format!("{} ({})", title(level), level.run)).collect();
            let (whose, chain) = (title(level), chain.join(" runs "));
            format!("{what}; so says `{key}` of {whose}, which counts all runs below it: {chain}")
        };
        let help = match index {
            0 => format!("raise `limits.{key}` of the runbook; `[ceilings.run]` of `palisade.toml` says how far"),
            _ => format!("raise `{key}` of the step that runs it, or of its own runbook, whichever is lower"),
        };
        Failure::new(FailureKind::Bound { key, most, found }, message).with_help(help)
    }
}

impl Level {
    fn new(run: RunId, plan: &Plan, limits: RunLimits) -> Self {
        let (title, runbook) = (plan.name.clone(), plan.runbook_digest);
        Self {
            run,
            title,
            runbook,
            limits,
            runs: AtomicU64::new(0),
            at_once: AtomicU64::new(0),
            spent: Mutex::default(),
        }
    }
}

/// A limit that would be passed.
struct Over {
    kind: RunLimitKind,
    most: u64,
    found: u64,
    what: String,
}

impl Level {
    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_spend(&self, more: &Spent) -> Result<(), Over> {
        let mut spent = self.spent();
        let mut sum = spent.clone();
        sum.add(more);
        let check = |kind: RunLimitKind, found: u64, what: &dyn Fn(&str) -> String| match self.limits.in_force(kind) {
            Some(most) if found > most => {
                let by = if self.limits.get(kind).is_none() { ", which is Palisade's default" } else { "" };
                Err(Over { kind, most, found, what: what(&format!("{}{by}", kind.show(most))) })
            }
            _ => Ok(()),
        };
        if more.denials > 0 {
            check(RunLimitKind::MaxDenials, sum.denials, &|most| {
                format!("the run was denied something more often than it may be ({most}): it is ended")
            })?;
        }
        for (sink, bytes) in &more.sent {
            check(RunLimitKind::MaxEgress, sum.sent_to(sink), &|most| {
                format!(
                    "the run may send {most}, to any one server; {} went to {}, and this would be {} more: it was not sent",
                    RunLimitKind::MaxEgress.show(spent.sent_to(sink)),
                    neutral::line(sink, 100),
                    RunLimitKind::MaxEgress.show(*bytes)
                )
            })?;
        }
        *spent = sum;
        Ok(())
    }
}

trait Bounded {
    /// Adds unless it would be more than `most`; then gives what it is.
    fn try_add(&self, more: u64, most: u64) -> Result<(), u64>;
    fn sub(&self, less: u64);
}

impl Bounded for AtomicU64 {
    fn try_add(&self, more: u64, most: u64) -> Result<(), u64> {
        let sum = |used: u64| used.checked_add(more).filter(|sum| *sum <= most);
        self.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum).map(drop)
    }

    fn sub(&self, less: u64) {
        self.fetch_sub(less, Ordering::Relaxed);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn plan(name: &str, limits: RunLimits) -> Plan {
        Plan {
            v: 0,
            name: name.to_owned(),
            description: String::new(),
            contact: None,
            runbook_digest: Digest::of(name.as_bytes()),
            inputs: Vec::new(),
            steps: Vec::new(),
            aliases: Vec::new(),
            rulesets: Vec::new(),
            schemas: Vec::new(),
            limits,
            duration_is_set: false,
            offers: std::collections::BTreeMap::new(),
        }
    }

    pub(crate) fn tree(outer: (RunLimitKind, u64), inner: (RunLimitKind, u64)) -> (Subtree, Subtree) {
        let run = |number| RunId::new(number, [0; 10]);
        let root = Subtree::root(run(1), &plan("Outer", [outer].into_iter().collect()));
        let below = root.below(run(2), &plan("Inner", RunLimits::default()), [inner].into_iter().collect());
        (root, below)
    }

    #[test]
    fn attempts_count_for_all_runs_above_or_for_none() {
        let (root, below) = tree((RunLimitKind::MaxRuns, 5), (RunLimitKind::MaxRuns, 3));
        below.take_runs(3).unwrap();
        let inner = below.take_runs(1).unwrap_err();
        assert_eq!(inner.kind, FailureKind::Bound { key: "max_runs".to_owned(), most: 3, found: 4 });
        // What was refused below counts nowhere.
        root.take_runs(2).unwrap();
        let outer = root.take_runs(1).unwrap_err();
        assert_eq!(outer.kind, FailureKind::Bound { key: "max_runs".to_owned(), most: 5, found: 6 });
        let (root, below) = tree((RunLimitKind::MaxRuns, 5), (RunLimitKind::MaxRuns, 9));
        below.add_runs(4);
        let refused = below.take_runs(2).unwrap_err();
        assert_eq!(refused.kind, FailureKind::Bound { key: "max_runs".to_owned(), most: 5, found: 6 });
        assert!(refused.message.contains("so says `max_runs` of `Outer`, which counts all runs below it: `Outer` ("));
        root.take_runs(1).unwrap();
    }

    #[test]
    fn what_models_may_cost_is_bounded_at_each_level() {
        let (root, below) = tree((RunLimitKind::MaxLlmCost, 9), (RunLimitKind::MaxDepth, 1));
        let told = |tree: &Subtree| tree.llm_bounds().iter().map(|(_, bound)| bound.cost).collect::<Vec<_>>();
        assert_eq!((told(&root), told(&below)), (vec![Some(9)], vec![Some(9), None]));
    }

    #[test]
    fn the_depth_is_that_of_the_outermost_run_that_bounds_it() {
        let (root, below) = tree((RunLimitKind::MaxDepth, 2), (RunLimitKind::MaxDepth, 9));
        assert_eq!((root.depth(), below.depth()), (0, 1));
        root.may_go_deeper().unwrap();
        below.may_go_deeper().unwrap();
        let third = below.below(RunId::new(3, [0; 10]), &plan("Third", RunLimits::default()), RunLimits::default());
        assert_eq!(
            third.runbooks().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["Outer", "Inner", "Third"]
        );
        let refused = third.may_go_deeper().unwrap_err();
        assert_eq!(refused.kind, FailureKind::Bound { key: "max_depth".to_owned(), most: 2, found: 3 });
    }

    #[test]
    fn what_is_spent_counts_for_all_runs_above_or_for_none() {
        let to = |bytes| Spent::of_bytes("https://a.example", bytes);
        let (root, below) = tree((RunLimitKind::MaxEgress, 100), (RunLimitKind::MaxEgress, 60));
        below.take(&to(60)).unwrap();
        let inner = below.take(&to(1)).unwrap_err();
        assert_eq!(inner.kind, FailureKind::Bound { key: "max_egress".to_owned(), most: 60, found: 61 });
        assert!(
            inner.message.starts_with("the run may send 60 B, to any one server; 60 B went to https://a.example, and")
        );
        // What was refused below counts nowhere, and what was not needed is there again.
        root.take(&to(40)).unwrap();
        root.take(&to(1)).unwrap_err();
        below.settle(&to(60), &to(10));
        root.take(&to(50)).unwrap();
        let outer = below.take(&to(1)).unwrap_err();
        assert_eq!(outer.kind, FailureKind::Bound { key: "max_egress".to_owned(), most: 100, found: 101 });
    }

    #[test]
    fn what_nobody_bounded_has_a_default() {
        let (root, _) = tree((RunLimitKind::MaxRuns, 1), (RunLimitKind::MaxRuns, 1));
        root.take(&Spent { denials: 5_000, ..Spent::default() }).unwrap();
        let refused = root.take(&Spent { denials: 1, ..Spent::default() }).unwrap_err();
        assert!(refused.message.contains("(5,000, which is Palisade's default)"), "{}", refused.message);
        root.take(&Spent::of_bytes("https://a.example", 256 << 20)).unwrap();
        root.take(&Spent::of_bytes("https://a.example", 1)).unwrap_err();
    }

    #[test]
    fn room_is_taken_in_all_runs_above_or_in_none() {
        let (root, below) = tree((RunLimitKind::MaxConcurrency, 2), (RunLimitKind::MaxConcurrency, 1));
        assert!(below.enter() && !below.enter() && root.enter() && !root.enter());
        below.leave();
        assert!(root.enter() && !below.enter());
        root.leave();
        assert!(below.enter());
    }
}
