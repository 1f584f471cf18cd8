//! The components that a runbook can name, as the planner sees them.

use crate::nearest::nearest;
use palisade_authority::Authority;
use palisade_model::id::ComponentName;
use palisade_model::manifest::{Power, Request};
use palisade_model::{ComponentId, Digest, Manifest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Components of WCF's that runbooks name and this build does not have.
const NOT_BUILT: &[&str] =
    &["github", "iso27001_assessor", "mongodb", "security_document_evidence_extractor", "security_evidence_normaliser"];

/// A component that is registered.
#[derive(Debug, Clone)]
pub struct KnownComponent {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The digest of its bytes.
    pub digest: Digest,
    /// It comes with Palisade.
    pub first_party: bool,
    /// What the operator grants to this digest.
    pub granted: Authority,
    /// What is granted does not count, since nobody accepted these bytes; none = it does, or nothing is granted.
    pub not_accepted: Option<NotAccepted>,
    /// Labels that what it makes does not have, whatever it reads.
    pub declassifies: BTreeSet<String>,
}

impl KnownComponent {
    /// Its request of a power.
    pub(crate) fn requests(&self, power: Power) -> Option<&Request> {
        self.manifest.requests.iter().find(|request| request.power == power)
    }
}

/// Why a component may not be used yet, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAccepted {
    /// Why.
    pub why: String,
    /// What to do.
    pub help: String,
}

/// The registered components, and the names by which runbooks call them.
#[derive(Debug, Clone, Default)]
pub struct Components {
    versions: BTreeMap<ComponentId, BTreeMap<semver::Version, Arc<KnownComponent>>>,
    in_force: BTreeMap<ComponentId, semver::Version>,
    aliases: BTreeMap<String, ComponentId>,
}

/// Why a name finds no component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotFound {
    /// It is known by name, but not built.
    NotBuilt,
    /// The name is known, the version is not.
    Version { known: Vec<String> },
    /// The name is not known; the nearest that is.
    Name { nearest: Option<String> },
}

impl Components {
    /// Adds a version of a component. The first version added is the one in force until another is put in force.
    pub fn add(&mut self, component: KnownComponent) {
        let (id, version) = (component.manifest.id.clone(), component.manifest.version.clone());
        self.in_force.entry(id.clone()).or_insert_with(|| version.clone());
        self.versions.entry(id).or_default().insert(version, Arc::new(component));
    }

    /// Makes a version the one that a name without a version means. A version that was not added changes nothing.
    pub fn put_in_force(&mut self, id: &ComponentId, version: &semver::Version) {
        if self.versions.get(id).is_some_and(|versions| versions.contains_key(version)) {
            self.in_force.insert(id.clone(), version.clone());
        }
    }

    /// Gives a component a short name.
    pub fn alias(&mut self, alias: &str, id: ComponentId) {
        self.aliases.insert(alias.to_owned(), id);
    }

    /// The version of a component, if it is registered.
    #[must_use]
    pub fn version(&self, id: &ComponentId, version: &semver::Version) -> Option<&KnownComponent> {
        self.versions.get(id)?.get(version).map(Arc::as_ref)
    }

    /// The component that a runbook means by a name.
    pub(crate) fn find(&self, name: &ComponentName) -> Result<&Arc<KnownComponent>, NotFound> {
        let id = self.aliases.get(&name.name).cloned().or_else(|| name.name.parse().ok());
        let Some((id, versions)) = id.as_ref().and_then(|id| self.versions.get_key_value(id)) else {
            return Err(self.unknown(&name.name));
        };
        let version = name.version.as_ref().or_else(|| self.in_force.get(id));
        version
            .and_then(|version| versions.get(version))
            .ok_or_else(|| NotFound::Version { known: versions.keys().map(ToString::to_string).collect() })
    }

    fn unknown(&self, name: &str) -> NotFound {
        if NOT_BUILT.contains(&name) {
            return NotFound::NotBuilt;
        }
        let ids: Vec<String> = self.versions.keys().map(ToString::to_string).collect();
        let known = self.aliases.keys().map(String::as_str).chain(ids.iter().map(String::as_str));
        let known = known.chain(NOT_BUILT.iter().copied());
        NotFound::Name { nearest: nearest(name, known).map(str::to_owned) }
    }
}
