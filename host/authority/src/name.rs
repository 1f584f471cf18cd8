//! Sets of names: which models may be asked, which components called, which connections read.

use palisade_model::{ComponentId, neutral};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most bytes of the alias of a model, or the name of a secret or of a connection.
const MAX_NAME_BYTES: usize = 64;

/// A set of names: every name, or some. Names are compared whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NameScope(Names);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Names {
    Any,
    Of(BTreeSet<String>),
}

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is no alias of a model.
    #[error(
        "`{name}` is not the alias of a model: those have 1 to {MAX_NAME_BYTES} lower-case letters, digits, `-`, `_` and `.`"
    )]
    Alias {
        /// What was written, neutralised.
        name: String,
    },
    /// It is no name of a secret.
    #[error(
        "`{name}` is not the name of a secret: those have 1 to {MAX_NAME_BYTES} lower-case letters, digits, `-`, `_` and `.`"
    )]
    Secret {
        /// What was written, neutralised.
        name: String,
    },
    /// It is no name of a connection.
    #[error(
        "`{name}` is not the name of a connection: those have 1 to {MAX_NAME_BYTES} lower-case letters, digits, `-`, `_` and `.`"
    )]
    Connection {
        /// What was written, neutralised.
        name: String,
    },
    /// It is no id of a component.
    #[error("`{name}` is not the id of a component, as `acme:reader`")]
    Component {
        /// What was written, neutralised.
        name: String,
    },
}

/// Reads the alias of a model.
pub(crate) fn alias(text: &str) -> Result<String, NameError> {
    simple(text).ok_or_else(|| NameError::Alias { name: neutral::line(text, 80) })
}

/// Reads the name of a secret.
pub(crate) fn secret(text: &str) -> Result<String, NameError> {
    simple(text).ok_or_else(|| NameError::Secret { name: neutral::line(text, 80) })
}

/// Reads the name of a connection.
pub(crate) fn connection(text: &str) -> Result<String, NameError> {
    simple(text).ok_or_else(|| NameError::Connection { name: neutral::line(text, 80) })
}

fn simple(text: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let good = !text.is_empty() && text.len() <= MAX_NAME_BYTES && text.bytes().all(allowed);
    good.then(|| text.to_owned())
}

/// Reads the id of a component, without a version: which bytes it stands for is a matter of acceptance.
pub(crate) fn component(text: &str) -> Result<ComponentId, NameError> {
    text.parse().map_err(|_| NameError::Component { name: neutral::line(text, 80) })
}

impl NameScope {
    /// No name at all.
    #[must_use]
    pub const fn none() -> Self {
        Self(Names::Of(BTreeSet::new()))
    }

    /// Every name.
    #[must_use]
    pub const fn any() -> Self {
        Self(Names::Any)
    }

    /// These names.
    #[must_use]
    pub fn of(names: impl IntoIterator<Item = String>) -> Self {
        Self(Names::Of(names.into_iter().collect()))
    }

    /// Says whether a name is in the set.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        match &self.0 {
            Names::Any => true,
            Names::Of(names) => names.contains(name),
        }
    }

    /// Says whether every name of `other` is in this set.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Names::Any, _) => true,
            (Names::Of(_), Names::Any) => false,
            (Names::Of(ours), Names::Of(theirs)) => ours.is_superset(theirs),
        }
    }

    /// The names that are in both sets.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (Names::Any, _) => other.clone(),
            (_, Names::Any) => self.clone(),
            (Names::Of(ours), Names::Of(theirs)) => Self(Names::Of(ours.intersection(theirs).cloned().collect())),
        }
    }

    /// The names, in order; none if every name is in the set.
    #[must_use]
    pub const fn names(&self) -> Option<&BTreeSet<String>> {
        match &self.0 {
            Names::Any => None,
            Names::Of(names) => Some(names),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_name_is_refused() {
        assert_eq!(alias("small-2.5_x"), Ok("small-2.5_x".to_owned()));
        for wrong in ["", "Small", "a b", "a/b", "*", "ä", &"x".repeat(65)] {
            assert!(alias(wrong).is_err(), "{wrong}");
        }
        assert_eq!(component("acme:reader").unwrap().to_string(), "acme:reader");
        for wrong in ["reader", "acme:reader@1.0.0", "*", ""] {
            assert!(component(wrong).is_err(), "{wrong}");
        }
    }

    fn some() -> impl Strategy<Value = NameScope> {
        let names = proptest::sample::subsequence(vec!["a", "ab", "b"], 0..=3);
        (names, any::<bool>()).prop_map(|(names, all)| match all {
            true => NameScope::any(),
            false => NameScope::of(names.into_iter().map(str::to_owned)),
        })
    }

    proptest! {
        #[test]
        fn covers_and_meet_agree_with_membership(a in some(), b in some()) {
            // `c` stands for all the names that no set of these lists.
            let world = ["a", "ab", "b", "c"];
            let both = a.meet(&b);
            for name in world {
                prop_assert_eq!(both.contains(name), a.contains(name) && b.contains(name));
            }
            prop_assert_eq!(a.covers(&b), world.iter().all(|name| !b.contains(name) || a.contains(name)));
            prop_assert_eq!(a.covers(&b), both == b);
            prop_assert_eq!(&both, &b.meet(&a));
            prop_assert!(NameScope::any().covers(&a) && a.covers(&NameScope::none()));
        }
    }
}
