//! Counting by name.

use serde::ser::SerializeMap as _;
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
    pub fn sum<'t>(parts: impl IntoIterator<Item = &'t Self>) -> Self {
        parts.into_iter().fold(Self::default(), |mut sum, part| {
            sum.merge(part);
            sum
        })
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

    fn add_many(&mut self, name: &str, more: u64) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, count)) => *count += more,
            None => self.0.push((name.to_owned(), more)),
        }
    }
}

/// The summary of findings that are counted by name: `total_findings`, `<names>_identified` and the list `<names>`.
#[derive(Debug)]
pub struct Breakdown<'a> {
    names: &'static str,
    counts: Vec<Count<'a>>,
}

/// A count in such a list, with what the name is called there.
#[derive(Debug)]
struct Count<'a> {
    label: &'static str,
    name: &'a str,
    findings: u64,
}

impl<'a> Breakdown<'a> {
    /// Makes the summary of counts in their order, `names` in the plural and `label` what one of them is called.
    pub fn new(names: &'static str, label: &'static str, counts: Vec<(&'a str, u64)>) -> Self {
        Self { names, counts: counts.into_iter().map(|(name, findings)| Count { label, name, findings }).collect() }
    }
}

impl Serialize for Breakdown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut summary = serializer.serialize_map(Some(3))?;
        summary.serialize_entry("total_findings", &self.counts.iter().map(|count| count.findings).sum::<u64>())?;
        summary.serialize_entry(&format!("{}_identified", self.names), &self.counts.len())?;
        summary.serialize_entry(self.names, &self.counts)?;
        summary.end()
    }
}

impl Serialize for Count<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut count = serializer.serialize_map(Some(2))?;
        count.serialize_entry(self.label, self.name)?;
        count.serialize_entry("findings_count", &self.findings)?;
        count.end()
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
        assert_eq!(sum.total(), 6);
    }

    #[test]
    fn a_breakdown_names_what_it_counts() {
        let breakdown = Breakdown::new("domains", "security_domain", vec![("encryption", 2), ("governance", 1)]);
        assert_eq!(
            serde_json::to_value(breakdown).unwrap(),
            serde_json::json!({
                "total_findings": 3,
                "domains_identified": 2,
                "domains": [
                    {"security_domain": "encryption", "findings_count": 2},
                    {"security_domain": "governance", "findings_count": 1},
                ],
            })
        );
    }
}
