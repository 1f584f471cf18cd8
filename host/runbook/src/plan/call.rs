//! Components in a plan: with which config they run, and what they may do.

use super::{Binding, BindingSource};
use palisade_authority::{Authority, Capability, NamedByConfig, Place, ScopedPath};
use palisade_model::manifest::Power;
use palisade_model::{ComponentId, Digest, Limits, SchemaRef};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A component, its config and what it may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedCall {
    /// The component.
    pub component: ComponentId,
    /// Its version.
    pub version: semver::Version,
    /// The digest of its bytes.
    pub component_digest: Digest,
    /// It comes with Palisade.
    pub first_party: bool,
    /// The config, defaults filled in; null where a value is filled in before the attempt.
    pub config: Value,
    /// Values that are filled in before the attempt.
    pub values: Vec<PlannedValue>,
    /// Input ports whose items may be split over several instances.
    pub per_item: Vec<String>,
    /// Limits in force for each attempt.
    pub limits: Limits,
    /// Paths that the config names.
    pub paths: Vec<NamedPath>,
    /// Databases that the config names.
    pub connections: Vec<NamedConnection>,
    /// What else the config names: origins and the like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<NamedByConfig>,
    /// The alias of the model that it asks where it names none; absent if it asks none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_model: Option<Box<str>>,
    /// What it may do: the meet of the operator's grants, the manifest, the runbook and the config.
    pub authority: Authority,
    /// Labels that what it makes does not have, whatever it reads: the operator says so of its bytes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub declassifies: BTreeSet<String>,
}

impl PlannedCall {
    /// Whether it may ask language models.
    #[must_use]
    pub fn asks_models(&self) -> bool {
        self.may_use(Power::Llm)
    }

    /// Whether it may ask web servers.
    #[must_use]
    pub fn asks_servers(&self) -> bool {
        self.may_use(Power::Http)
    }

    /// Whether it may read databases of servers.
    #[must_use]
    pub fn reads_servers(&self) -> bool {
        self.may_use(Power::Database)
    }

    /// The names of the connections that its config names.
    pub fn databases(&self) -> impl Iterator<Item = &str> {
        self.places.iter().filter_map(|named| match &named.place {
            Place::Database(connection) => Some(connection.as_str()),
            _ => None,
        })
    }

    /// Whether it could change something outside of the run: whether it may send requests that do more than read.
    #[must_use]
    pub fn may_change_outside(&self) -> bool {
        match self.authority.reach(Power::Http) {
            Capability::Http(scope) => !scope.only_reads(),
            _ => true,
        }
    }

    /// The names of the secrets that it may send.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<String> {
        match self.authority.reach(Power::Secret) {
            Capability::Secret(scope) => {
                scope.places().into_iter().flatten().map(|place| place.name().to_owned()).collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// Whether there is anything that it may use a power on.
    pub(crate) fn may_use(&self, power: Power) -> bool {
        self.authority.reach(power).places().is_none_or(|places| !places.is_empty())
    }
}

/// A component that an agent may call. Only an agent of its team has any power.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedTool {
    /// The component, with the config that it has where the agent gives none.
    pub call: PlannedCall,
    /// The properties of its config that the runbook states, which no call changes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub fixed: BTreeSet<String>,
    /// The rulesets that it reads, whatever config the agent gives.
    pub rulesets: Vec<Binding>,
    /// What lines must fit that the agent gives to a port.
    pub lines: BTreeMap<String, SchemaRef>,
}

impl PlannedTool {
    /// What no call changes of its config.
    #[must_use]
    pub fn fixed_config(&self) -> Map<String, Value> {
        let value = |name: &String| Some((name.clone(), self.call.config.get(name)?.clone()));
        self.fixed.iter().filter_map(value).collect()
    }
}

/// A value of the config that comes from a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedValue {
    /// JSON pointer into the config.
    pub pointer: String,
    /// The artifact.
    pub source: BindingSource,
    /// JSON pointer into its document.
    pub path: String,
}

/// A path that a step's config names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedPath {
    /// JSON pointer into the config.
    pub pointer: String,
    /// The value as the component sees it: the name of the preopen.
    pub written: String,
    /// The path in normal form.
    pub path: ScopedPath,
}

/// A database that a step's config names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedConnection {
    /// JSON pointer into the config.
    pub pointer: String,
    /// The connection's name for the component: `sqlite:PATH`, the path as the component sees it.
    pub name: String,
    /// The database's file in normal form.
    pub path: ScopedPath,
}
