//! Which findings two artifacts share, by their ids. Holds ids, never documents: about 40 bytes for each finding of the
//! older one.

use crate::document::{Document, DocumentError};
use palisade_schema::FindingId;
use serde::Serialize;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

/// How many findings are in both of two artifacts, or in one of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FindingCounts {
    /// In the newer one alone.
    pub new: u64,
    /// In the older one alone.
    pub gone: u64,
    /// In both.
    pub same: u64,
    /// Those in both that say something else by now, as other evidence.
    pub changed: u64,
}

impl FindingCounts {
    /// Adds those of another pair.
    pub fn add(&mut self, other: Self) {
        self.new += other.new;
        self.gone += other.gone;
        self.same += other.same;
        self.changed += other.changed;
    }
}

/// Which of two artifacts alone has a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnlyIn {
    /// The newer one.
    New,
    /// The older one.
    Old,
}

/// Findings that can be walked more than once, with the same outcome each time.
pub trait Findings {
    /// Why they can't be walked.
    type Error;

    /// Hands out each finding: its id, and the item as it was emitted.
    ///
    /// # Errors
    /// When they can't be read.
    fn walk(&self, take: &mut dyn FnMut(FindingId, &str)) -> Result<(), Self::Error>;
}

impl Findings for Document {
    type Error = DocumentError;

    fn walk(&self, take: &mut dyn FnMut(FindingId, &str)) -> Result<(), DocumentError> {
        self.for_each_id(&mut |_, id, line| take(id, line))
    }
}

/// An artifact that a run did not make has no findings.
impl<F: Findings> Findings for Option<F> {
    type Error = F::Error;

    fn walk(&self, take: &mut dyn FnMut(FindingId, &str)) -> Result<(), F::Error> {
        self.as_ref().map_or(Ok(()), |findings| findings.walk(take))
    }
}

/// Compares two artifacts and hands out each finding that one of them alone has: first those of the newer one, in its
/// order, then those of the older one, in its own.
///
/// # Errors
/// When one can't be read.
pub fn diff_findings<F: Findings>(
    old: &F,
    new: &F,
    take: &mut dyn FnMut(OnlyIn, FindingId, &str),
) -> Result<FindingCounts, F::Error> {
    // Keyed by chance, so that no component can make two items that look equal.
    let hasher = RandomState::new();
    let mut known: HashMap<FindingId, u64> = HashMap::new();
    old.walk(&mut |id, line| {
        known.insert(id, hasher.hash_one(line));
    })?;
    let mut counts = FindingCounts::default();
    new.walk(&mut |id, line| match known.remove(&id) {
        None => {
            counts.new += 1;
            take(OnlyIn::New, id, line);
        }
        Some(before) => {
            counts.same += 1;
            counts.changed += u64::from(before != hasher.hash_one(line));
        }
    })?;
    if !known.is_empty() {
        old.walk(&mut |id, line| {
            if known.contains_key(&id) {
                counts.gone += 1;
                take(OnlyIn::Old, id, line);
            }
        })?;
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    struct Listed(Vec<(u128, &'static str)>);

    impl Findings for Listed {
        type Error = Infallible;

        fn walk(&self, take: &mut dyn FnMut(FindingId, &str)) -> Result<(), Infallible> {
            self.0.iter().for_each(|(id, line)| take(FindingId::from_u128(*id), line));
            Ok(())
        }
    }

    fn check(old: &[(u128, &'static str)], new: &[(u128, &'static str)], counts: [u64; 4], told: &[(OnlyIn, u128)]) {
        let mut taken = Vec::new();
        let mut take = |only, id: FindingId, _: &str| taken.push((only, id.as_u128()));
        let Ok(found) = diff_findings(&Listed(old.to_vec()), &Listed(new.to_vec()), &mut take);
        let [new, gone, same, changed] = counts;
        assert_eq!(found, FindingCounts { new, gone, same, changed });
        assert_eq!(taken, told);
    }

    #[test]
    fn findings_are_told_apart_by_their_ids() {
        check(&[], &[], [0; 4], &[]);
        check(&[(1, "a"), (2, "b")], &[(2, "b"), (1, "a")], [0, 0, 2, 0], &[]);
        check(&[(1, "a")], &[(1, "b")], [0, 0, 1, 1], &[]);
        check(&[], &[(2, "a"), (1, "a")], [2, 0, 0, 0], &[(OnlyIn::New, 2), (OnlyIn::New, 1)]);
        check(&[(3, "a"), (1, "a")], &[(1, "a"), (2, "a")], [1, 1, 1, 0], &[(OnlyIn::New, 2), (OnlyIn::Old, 3)]);
    }
}
