//! Named sets of limits, for those who don't want to set each.

use super::{LimitKind, LimitSource, TABLE};
use std::collections::BTreeMap;
use std::fmt;

/// A set of limits by the size of the work. Limits that the form of a component decides and not the size of its work
/// (table elements, instances, handles) are in none. Values: [`LimitSet::values`], why these: docs/design/002-limits.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitSet {
    /// A few megabytes, over in seconds.
    Small,
    /// What holds when nobody says anything.
    Standard,
    /// Gigabytes, or an interpreter inside of the component.
    Large,
}

impl LimitSet {
    /// All sets, smallest first.
    pub const ALL: [Self; 3] = [Self::Small, Self::Standard, Self::Large];

    /// Its name in runbooks and manifests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Standard => "standard",
            Self::Large => "large",
        }
    }

    /// The set of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.name() == name)
    }

    /// Who set a limit that a step took from this set.
    pub(super) const fn of_step(self) -> LimitSource {
        match self {
            Self::Small => LimitSource::StepSmall,
            Self::Standard => LimitSource::StepStandard,
            Self::Large => LimitSource::StepLarge,
        }
    }

    /// What it sets. All of it lies within the ceilings that hold unless the operator sets others.
    #[must_use]
    pub fn values(self) -> BTreeMap<LimitKind, u64> {
        let value = |row: &super::Row| {
            let (small, large) = row.sizes?;
            let value = match self {
                Self::Small => small,
                Self::Standard => row.default,
                Self::Large => large,
            };
            Some((row.kind, value))
        };
        TABLE.iter().filter_map(value).collect()
    }
}

impl fmt::Display for LimitSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_known_by_its_name() {
        for set in LimitSet::ALL {
            assert_eq!(LimitSet::parse(set.name()), Some(set));
        }
        assert_eq!(LimitSet::parse("Large"), None);
        assert_eq!(LimitSet::parse(""), None);
    }

    #[test]
    fn a_larger_set_gives_more_of_everything_and_none_passes_the_ceilings() {
        let [small, standard, large] = LimitSet::ALL.map(LimitSet::values);
        for (kind, value) in &standard {
            assert!(small[kind] < *value && *value < large[kind], "{kind}");
            assert_eq!(*value, kind.default_value(), "{kind}");
            assert!(large[kind] <= kind.default_ceiling(), "{kind}");
        }
        let none = [LimitKind::TableElements, LimitKind::Instances, LimitKind::Handles, LimitKind::Denials];
        let named: Vec<_> = LimitKind::all().filter(|kind| !none.contains(kind)).collect();
        assert!([small, standard, large].iter().all(|set| set.keys().copied().eq(named.iter().copied())));
    }

    #[test]
    fn the_document_gives_the_values_of_each_set() {
        let document = include_str!("../../../../docs/design/002-limits.md");
        let rows = document.lines().filter(|line| line.starts_with("| `"));
        let written: Vec<String> = rows.map(|line| line.split(" | ").take(4).collect::<Vec<_>>().join(" | ")).collect();
        let row = |kind: &LimitKind| {
            let shown = LimitSet::ALL.map(|set| kind.show(set.values()[kind]));
            format!("| `{}` | {}", kind.key(), shown.join(" | "))
        };
        let defined: Vec<String> = LimitSet::Standard.values().keys().map(row).collect();
        assert_eq!(written, defined);
    }
}
