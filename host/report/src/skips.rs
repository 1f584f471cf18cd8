//! What was left out of the inputs of all steps, by reason.

use palisade_model::record::{RunRecord, SkipRecord, StepRecord};
use std::collections::BTreeMap;

/// The parts that were left out.
pub(crate) struct Skips<'a> {
    /// How many.
    pub(crate) total: u64,
    /// How many of them were counted without being noted, since notes are bounded.
    pub(crate) unnamed: u64,
    /// The noted ones by reason: most frequent first, then by reason.
    pub(crate) by_reason: Vec<(&'a str, Group<'a>)>,
}

/// Those with one reason.
#[derive(Default)]
pub(crate) struct Group<'a> {
    pub(crate) count: u64,
    /// The first of them, with the step that left them out.
    pub(crate) first: Vec<Skip<'a>>,
}

/// One of them.
pub(crate) struct Skip<'a> {
    pub(crate) step: &'a StepRecord,
    pub(crate) record: &'a SkipRecord,
}

impl std::ops::Deref for Skip<'_> {
    type Target = SkipRecord;

    fn deref(&self) -> &SkipRecord {
        self.record
    }
}

impl<'a> Skips<'a> {
    /// Groups them; keeps at most `names` of each group.
    pub(crate) fn of(run: &'a RunRecord, names: usize) -> Self {
        let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
        let mut noted = 0;
        for (step, record) in run.steps.iter().flat_map(|step| step.skipped.iter().map(move |record| (step, record))) {
            let group = groups.entry(&record.reason).or_default();
            group.count += 1;
            noted += 1;
            if group.first.len() < names {
                group.first.push(Skip { step, record });
            }
        }
        let counted: u64 = run.steps.iter().map(|step| step.skipped_count).sum();
        let mut by_reason: Vec<_> = groups.into_iter().collect();
        by_reason.sort_by_key(|(_, group)| std::cmp::Reverse(group.count));
        Self { total: counted.max(noted), unnamed: counted.saturating_sub(noted), by_reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::failed_run;

    #[test]
    fn the_same_reason_is_one_group_and_the_unnoted_are_counted() {
        let run = failed_run();
        let skips = Skips::of(&run, 1);
        assert_eq!((skips.total, skips.unnamed), (1_204, 1_200));
        let reasons: Vec<_> =
            skips.by_reason.iter().map(|(reason, group)| (*reason, group.count, group.first.len())).collect();
        assert_eq!(
            reasons,
            [("not valid UTF-8 at byte 17", 2, 1), ("not a regular file", 1, 1), ("outside the working folder", 1, 1)]
        );
    }
}
