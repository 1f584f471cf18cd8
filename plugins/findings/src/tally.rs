//! Counting by name.

use serde::{Deserialize, Serialize, Serializer};

/// Counts by name, in order of first appearance. Adding up those of the parts of an input gives that of the whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally(Vec<(String, u64)>);

impl Tally {
    /// Adds one to the count of `name`.
    pub fn add(&mut self, name: &str) {
        self.add_many(name, 1);
    }

    /// Adds all counts of another tally, whose names appeared later.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            self.add_many(name, *count);
        }
    }

    /// Adds up the parts of an input, in their order.
    pub fn sum(parts: Vec<Self>) -> Self {
        parts.iter().fold(Self::default(), |mut sum, part| {
            sum.merge(part);
            sum
        })
    }

    /// Writes the counts as an object, keys sorted. For `#[serde(serialize_with)]`.
    pub fn as_map<S: Serializer>(tally: &&Self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(tally.by_name())
    }

    /// Names with counts, in order of first appearance.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }

    /// Names with counts, by name.
    pub fn by_name(&self) -> Vec<(&str, u64)> {
        let mut counts: Vec<_> = self.iter().collect();
        counts.sort_unstable();
        counts
    }

    /// Names with counts, the highest first, equal ones in order of first appearance.
    pub fn by_count(&self) -> Vec<(&str, u64)> {
        let mut counts: Vec<_> = self.iter().collect();
        counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        counts
    }

    /// The sum of all counts.
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, count)| count).sum()
    }

    /// How many names there are.
    pub fn names(&self) -> usize {
        self.0.len()
    }

    fn add_many(&mut self, name: &str, more: u64) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, count)) => *count += more,
            None => self.0.push((name.to_owned(), more)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole_in_order() {
        let tally = |names: &[&str]| {
            let mut tally = Tally::default();
            names.iter().for_each(|name| tally.add(name));
            tally
        };
        let mut sum = tally(&["b", "a"]);
        sum.merge(&tally(&["c", "a", "c", "c"]));
        assert_eq!(sum, tally(&["b", "a", "c", "a", "c", "c"]));
        assert_eq!(sum.by_name(), [("a", 2), ("b", 1), ("c", 3)]);
        assert_eq!(sum.by_count(), [("c", 3), ("a", 2), ("b", 1)]);
        assert_eq!((sum.total(), sum.names()), (6, 3));
    }
}
