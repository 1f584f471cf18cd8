//! What a list of components says of their configs: bounds that the values of a step must keep to.
//!
//! A list may name a component more than once, and several lists may hold for one step; then every bound of each holds.
//! So more bounds never allow more, whoever states them.

use crate::source::{Span, Spanned};
use palisade_authority::{PathError, ScopedPath, WorkingFolder};
use palisade_model::id::ComponentName;
use palisade_model::neutral;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Most characters of a value in a message.
const MAX_VALUE_CHARS: usize = 80;
/// Most values that a message lists.
const MAX_LISTED: usize = 8;

/// What a value of a config must be. The path is that which `P` stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigRule<P = ScopedPath> {
    /// One of these.
    OneOf(Vec<Value>),
    /// A path at or below this one.
    Below(P),
}

/// A bound on a value of a component's config, and who states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigBound {
    /// JSON pointer of the value in the config.
    pub pointer: String,
    /// What it must be.
    pub rule: ConfigRule,
    /// Where it is stated, for people: `palisade.toml:12`.
    pub stated: String,
}

/// An entry of the operator's list of components that runbooks may use which steps make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorEntry {
    /// Which component.
    pub component: ComponentName,
    /// What its config keeps to.
    pub config: Vec<ConfigBound>,
}

/// An entry of the list of a step, as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedComponent {
    /// Which component.
    pub component: Spanned<ComponentName>,
    /// Pointers and what the values there keep to; each path as it is written, in its place.
    pub config: Vec<(String, ConfigRule<Spanned<String>>)>,
}

impl From<Spanned<ComponentName>> for ListedComponent {
    fn from(component: Spanned<ComponentName>) -> Self {
        Self { component, config: Vec::new() }
    }
}

/// Why something says nothing that a value could keep to.
pub const NO_RULE: &str = "is one of `const = VALUE`, `enum = [VALUE, …]` and `below = PATH`";

/// The pointer of a property: it alone, or a JSON pointer as it is.
#[must_use]
pub fn pointer_of(property: &str) -> String {
    match property.strip_prefix('/') {
        Some(_) => property.to_owned(),
        None => format!("/{}", palisade_schema::escape(property)),
    }
}

impl ConfigRule<String> {
    /// Reads what stands beside a property: `{const: VALUE}`, `{enum: [VALUE, …]}` or `{below: PATH}`; none if it is
    /// neither.
    #[must_use]
    pub fn read(said: &Value) -> Option<Self> {
        let said = said.as_object()?;
        let (key, value) = said.iter().next().filter(|_| said.len() == 1)?;
        Some(match (key.as_str(), value) {
            ("const", value) => Self::OneOf(vec![value.clone()]),
            ("enum", Value::Array(values)) if !values.is_empty() => Self::OneOf(values.clone()),
            ("below", Value::String(path)) => Self::Below(path.clone()),
            _ => return None,
        })
    }
}

impl<P> ConfigRule<P> {
    /// The same rule over a path that is read.
    ///
    /// # Errors
    /// When `read` can't read it.
    pub fn with_path<Q, E>(self, read: impl FnOnce(P) -> Result<Q, E>) -> Result<ConfigRule<Q>, E> {
        Ok(match self {
            Self::OneOf(values) => ConfigRule::OneOf(values),
            Self::Below(path) => ConfigRule::Below(read(path)?),
        })
    }
}

impl ConfigRule {
    /// Whether a value keeps to it. A path is relative to `folder`.
    #[must_use]
    pub fn allows(&self, value: &Value, folder: &WorkingFolder) -> bool {
        match self {
            Self::OneOf(values) => values.contains(value),
            Self::Below(above) => {
                let path = |text: &str| -> Result<ScopedPath, PathError> { ScopedPath::parse(folder, text.as_bytes()) };
                value.as_str().is_some_and(|text| path(text).is_ok_and(|path| path.is_within(above)))
            }
        }
    }
}

impl ConfigBound {
    /// What is wrong with a config, in words; none if it keeps to this. The values at `open` are not known before the run.
    #[must_use]
    pub fn broken_by<'o>(
        &self,
        config: &Value,
        open: impl IntoIterator<Item = &'o str>,
        folder: &WorkingFolder,
    ) -> Option<String> {
        let of_one = |above: &str, below: &str| {
            below.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if open.into_iter().any(|open| of_one(open, &self.pointer) || of_one(&self.pointer, open)) {
            return Some("comes from a document, so that nobody knows it before the run".to_owned());
        }
        match config.pointer(&self.pointer) {
            None => Some("is not stated".to_owned()),
            Some(value) if self.rule.allows(value, folder) => None,
            Some(value) => Some(format!("is `{}`", shown(value))),
        }
    }

    /// The property, as people write it.
    #[must_use]
    pub fn property(&self) -> String {
        let plain = neutral::line(self.pointer.trim_start_matches('/'), 120);
        plain.replace('/', ".").replace("~1", "/").replace("~0", "~")
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => neutral::line(text, MAX_VALUE_CHARS),
        other => neutral::line(&other.to_string(), MAX_VALUE_CHARS),
    }
}

/// What a value must be, in words.
impl fmt::Display for ConfigRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOf(values) => {
                let mut listed: Vec<_> =
                    values.iter().take(MAX_LISTED).map(|value| format!("`{}`", shown(value))).collect();
                if values.len() > MAX_LISTED {
                    listed.push(format!("{} more", values.len() - MAX_LISTED));
                }
                f.write_str(&listed.join(" or "))
            }
            Self::Below(path) => write!(f, "a path below `{path}`"),
        }
    }
}

/// The bound in words, without who states it.
impl fmt::Display for ConfigBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}", self.property(), self.rule)
    }
}

/// Where something is stated, for people.
pub(crate) fn stated(source: &str, span: Span) -> String {
    format!("{}:{}", neutral::line(source, 120), span.line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn folder() -> WorkingFolder {
        WorkingFolder::new(b"/srv/work").unwrap()
    }

    fn bound(property: &str, said: &Value) -> ConfigBound {
        let read = |path: String| ScopedPath::parse(&folder(), path.as_bytes());
        let rule = ConfigRule::read(said).unwrap().with_path(read).unwrap();
        ConfigBound { pointer: pointer_of(property), rule, stated: "palisade.toml:2".to_owned() }
    }

    fn check(property: &str, said: &Value, config: &Value, expected: Option<&str>) {
        let found = bound(property, said).broken_by(config, [], &folder());
        assert_eq!(found.as_deref(), expected, "{property} {said} {config}");
    }

    #[test]
    fn a_value_keeps_to_what_is_said_of_it() {
        check("mode", &json!({"const": "a"}), &json!({"mode": "a"}), None);
        check("mode", &json!({"const": "a"}), &json!({"mode": "b"}), Some("is `b`"));
        check("mode", &json!({"const": ["a"]}), &json!({"mode": ["a", 1]}), Some("is `[\"a\",1]`"));
        check("mode", &json!({"enum": ["a", 7]}), &json!({"mode": 7}), None);
        check("mode", &json!({"enum": ["a", 7]}), &json!({"mode": "7"}), Some("is `7`"));
        check("path", &json!({"below": "data"}), &json!({"path": "data/a"}), None);
        check("path", &json!({"below": "data"}), &json!({"path": "./data"}), None);
        check("path", &json!({"below": "data"}), &json!({"path": "/srv/work/data/x"}), None);
        for outside in ["database", "data/../x", "/etc", "", "a\0b"] {
            let found = bound("path", &json!({"below": "data"})).broken_by(&json!({"path": outside}), [], &folder());
            assert!(found.is_some(), "{outside}");
        }
        check("path", &json!({"below": "data"}), &json!({"path": 3}), Some("is `3`"));
    }

    #[test]
    fn what_is_absent_or_not_known_yet_keeps_to_nothing() {
        check("mode", &json!({"const": null}), &json!({}), Some("is not stated"));
        check("/a/b", &json!({"const": 1}), &json!({"a": {"b": 1}}), None);
        check("/a/b", &json!({"const": 1}), &json!({"a": 1}), Some("is not stated"));
        check("a/b", &json!({"const": 1}), &json!({"a/b": 1}), None);
        let bound = bound("/a/b", &json!({"const": null}));
        let config = json!({"a": {"b": null}});
        for open in ["/a", "/a/b", "/a/b/c"] {
            assert!(bound.broken_by(&config, [open], &folder()).is_some(), "{open}");
        }
        assert_eq!(bound.broken_by(&config, ["/a/bc", "/b"], &folder()), None);
    }

    #[test]
    fn what_says_no_rule_is_none() {
        for wrong in [
            json!("a"),
            json!({}),
            json!({"const": 1, "below": "a"}),
            json!({"enum": []}),
            json!({"enum": "a"}),
            json!({"below": 1}),
            json!({"above": "a"}),
        ] {
            assert_eq!(ConfigRule::read(&wrong), None, "{wrong}");
        }
    }

    fn some_rule() -> impl Strategy<Value = Value> {
        let value = proptest::sample::select(vec![json!("a"), json!("data/x"), json!(1), json!(null)]);
        prop_oneof![
            value.clone().prop_map(|value| json!({"const": value})),
            proptest::collection::vec(value, 1..3).prop_map(|values| json!({"enum": values})),
            proptest::sample::select(vec!["data", "data/x", "."]).prop_map(|path| json!({"below": path})),
        ]
    }

    proptest! {
        /// Bounds of several lists meet: what keeps to all keeps to each, in any order, and more bounds never allow more.
        #[test]
        fn bounds_meet(
            ours in proptest::collection::vec((proptest::sample::select(vec!["p", "q"]), some_rule()), 0..4),
            theirs in proptest::collection::vec((proptest::sample::select(vec!["p", "q"]), some_rule()), 0..4),
            p in proptest::option::of(proptest::sample::select(vec![json!("a"), json!("data/x/y"), json!("data"), json!(1)])),
        ) {
            let config = p.map_or_else(|| json!({"q": 1}), |p| json!({"p": p, "q": 1}));
            let read = |list: &[(&str, Value)]| list.iter().map(|(at, said)| bound(at, said)).collect::<Vec<_>>();
            let keeps = |bounds: &[ConfigBound]| bounds.iter().all(|bound| bound.broken_by(&config, [], &folder()).is_none());
            let (ours, theirs) = (read(&ours), read(&theirs));
            let both = [ours.clone(), theirs.clone()].concat();
            let turned = [theirs.clone(), ours.clone()].concat();
            prop_assert_eq!(keeps(&both), keeps(&ours) && keeps(&theirs));
            prop_assert_eq!(keeps(&both), keeps(&turned));
            let stored: Vec<ConfigBound> = serde_json::from_str(&serde_json::to_string(&both).unwrap()).unwrap();
            prop_assert_eq!(stored, both);
        }
    }
}
