//! Systems: data that the operator set up under a name, so that a runbook need not know how it is reached.

use crate::nearest::nearest;
use palisade_model::id::ComponentName;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A system, as `[[system]]` of `palisade.toml` describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct System {
    /// Its name.
    pub name: String,
    /// Other names for it.
    pub aliases: Vec<String>,
    /// The connector that reads it.
    pub connector: ComponentName,
    /// The connector's config; nobody but the operator sets it.
    pub config: Value,
    /// Marks on its data that say where it may not go.
    pub labels: BTreeSet<String>,
}

/// All systems, by their names and aliases without case.
#[derive(Debug, Clone, Default)]
pub struct Systems {
    systems: Vec<System>,
    names: BTreeMap<String, usize>,
}

impl Systems {
    /// Adds a system. Gives the name that another system has already, if one does; nothing is added then.
    pub fn add(&mut self, system: System) -> Option<String> {
        let names = || std::iter::once(&system.name).chain(&system.aliases);
        if let Some(taken) = names().find(|name| self.names.contains_key(&name.to_lowercase())) {
            return Some(taken.clone());
        }
        let index = self.systems.len();
        for name in names() {
            self.names.insert(name.to_lowercase(), index);
        }
        self.systems.push(system);
        None
    }

    /// The system of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&System> {
        self.names.get(&name.to_lowercase()).and_then(|&index| self.systems.get(index))
    }

    /// All systems, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &System> {
        self.systems.iter()
    }

    /// The nearest known name to a wrong one.
    pub(crate) fn nearest(&self, wrong: &str) -> Option<&str> {
        nearest(wrong, self.names.keys().map(String::as_str))
    }
}
