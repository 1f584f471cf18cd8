//! What an attempt may do: the operator's grants, met with every bound.
//!
//! An authority keeps its bounds apart instead of folding them into one set, so that a decision can say which of them
//! said no. It can't be widened: all that can be done to one is adding a bound.

use crate::asked::Use;
use crate::capability::Capability;
use crate::deny::Deny;
use crate::grant::Grant;
use crate::index::Index;
use crate::path::ScopedPath;
use crate::place::Place;
use crate::scope::is_own;
use palisade_model::Manifest;
use palisade_model::manifest::Power;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The meet of all grants and bounds that hold for one attempt.
///
/// It comes from [`Authority::none`] or [`Authority::of_operator`] and shrinks by [`Authority::meet`],
/// [`Authority::without`] and [`Authority::denying`]. It can be stored in a plan and read back; what was read back without any bound allows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// All must allow a use. The first is the operator's.
    bounds: Vec<Bound>,
    /// Folders that nobody reaches, whatever the bounds say.
    closed: BTreeSet<ScopedPath>,
    /// What the operator forbids, whatever the bounds say.
    #[serde(default, skip_serializing_if = "Denies::is_empty")]
    denies: Denies,
}

/// Denies, filed by their places. All copies share them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Deny>", into = "Vec<Deny>")]
struct Denies(Arc<(Vec<Deny>, Index)>);

/// Whose bound it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundKind {
    /// Palisade itself: its own folder is closed to everyone.
    Palisade,
    /// What the operator forbids.
    Deny,
    /// The operator's grants.
    Operator,
    /// The powers that the component's manifest requests.
    Manifest,
    /// The runbook's `capabilities`.
    Runbook,
    /// The values that the step's config names.
    Config,
}

/// One of the things an attempt must stay within. Of itself it gives nothing: only [`Authority::meet`] takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    kind: BoundKind,
    rules: Rules,
    #[serde(skip)]
    index: Index,
}

/// The rules of a bound. All copies share them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<Rule>")]
struct Rules(Arc<[Rule]>);

/// A capability within a bound, and where it was stated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it allows.
    pub capability: Capability,
    /// Where it was stated, for people: `runbook.yaml:3`, `--allow fs-read=x`.
    pub stated: String,
}

/// What a step's config names, by the mark in the component's config schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedByConfig {
    /// JSON pointer of the value in the config.
    pub pointer: String,
    /// The power that the mark stands for, where the value says.
    pub place: Place,
}

impl Bound {
    fn new(kind: BoundKind, rules: Vec<Rule>) -> Self {
        Self { kind, rules: rules.into(), index: Index::default() }
    }

    /// The powers that a manifest requests, without any bound on their scope.
    #[must_use]
    pub fn of_manifest(manifest: &Manifest) -> Self {
        let rules = manifest.requests.iter().map(|request| Rule {
            capability: Capability::any(request.power),
            stated: format!("the manifest of {}", manifest.versioned_id()),
        });
        Self::new(BoundKind::Manifest, rules.collect())
    }

    /// The `capabilities` of a runbook; none given = nothing is allowed. (Where a root runbook has no such key at all,
    /// leave this bound away.)
    #[must_use]
    pub fn of_runbook(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self::new(BoundKind::Runbook, rules.into_iter().collect())
    }

    /// The values of a step's config: exactly these, each for its own power. Where a symbolic link below one of them
    /// leads is named too if `allowed`, what the operator granted for this run, names it.
    #[must_use]
    pub fn of_config<'a>(named: impl IntoIterator<Item = &'a NamedByConfig>, allowed: &[Grant]) -> Self {
        let allowed = allowed
            .iter()
            .map(|grant| Rule { capability: grant.capability().clone(), stated: grant.stated().to_owned() });
        let rules = named.into_iter().map(|named| Rule {
            capability: Capability::at(named.place.power(), [named.place.clone()]),
            stated: match named.place {
                Place::Call(_) => format!("`{}` of the step", named.pointer.trim_start_matches('/')),
                Place::Llm(_) => "what its component was granted".to_owned(),
                _ => format!("`{}` of the step's config", named.pointer),
            },
        });
        Self::new(BoundKind::Config, rules.chain(allowed).collect())
    }

    /// Whose bound it is.
    #[must_use]
    pub const fn kind(&self) -> BoundKind {
        self.kind
    }

    /// What it allows, rule by rule.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules.0
    }

    /// The rules for a power.
    pub(crate) fn rules_for(&self, power: Power) -> impl Iterator<Item = &Rule> {
        self.rules.0.iter().filter(move |rule| rule.capability.power() == power)
    }

    /// The first rule that allows this use.
    pub(crate) fn rule_that_allows(&self, asked: &Use) -> Option<&Rule> {
        self.index.first(&self.rules.0, asked)
    }

    fn reach(&self, power: Power) -> Capability {
        let mut places = Vec::new();
        for rule in self.rules_for(power) {
            match rule.capability.places() {
                None => return Capability::any(power),
                Some(more) => places.extend(more),
            }
        }
        Capability::at(power, places)
    }
}

impl From<Vec<Rule>> for Rules {
    fn from(rules: Vec<Rule>) -> Self {
        Self(rules.into())
    }
}

impl Serialize for Rules {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

impl Denies {
    fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }
}

impl From<Vec<Deny>> for Denies {
    fn from(denies: Vec<Deny>) -> Self {
        Self(Arc::new((denies, Index::default())))
    }
}

impl From<Denies> for Vec<Deny> {
    fn from(denies: Denies) -> Self {
        denies.0.0.clone()
    }
}

impl Authority {
    /// Allows nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::of_operator([])
    }

    /// Allows what the operator grants.
    #[must_use]
    pub fn of_operator(grants: impl IntoIterator<Item = Grant>) -> Self {
        let rules =
            grants.into_iter().map(|grant| Rule { capability: grant.capability, stated: grant.stated }).collect();
        Self {
            bounds: vec![Bound::new(BoundKind::Operator, rules)],
            closed: BTreeSet::new(),
            denies: Denies::default(),
        }
    }

    /// The smaller authority that also stays within `bound`.
    #[must_use]
    pub fn meet(mut self, bound: Bound) -> Self {
        self.bounds.push(bound);
        self
    }

    /// The smaller authority that never reaches `folder` or what lies below it, such as a data directory that is not
    /// called `.palisade`. One that is called so is closed to everyone already and is not kept: plans hold authorities,
    /// and where the data directory lies is nothing that a plan's digest should depend on.
    #[must_use]
    pub fn without(mut self, folder: ScopedPath) -> Self {
        if !is_own(&folder) {
            self.closed.insert(folder);
        }
        self
    }

    /// The smaller authority without what the operator forbids.
    #[must_use]
    pub fn denying(mut self, denies: impl IntoIterator<Item = Deny>) -> Self {
        self.denies = self.denies().iter().cloned().chain(denies).collect::<Vec<_>>().into();
        self
    }

    /// How far a power reaches when all bounds are met, what is closed or forbidden not taken out: what a closure lists,
    /// which names the latter beside it.
    #[must_use]
    pub fn reach(&self, power: Power) -> Capability {
        if self.bounds.iter().any(|bound| bound.rules_for(power).next().is_none()) {
            return Capability::none(power);
        }
        let reaches = self.bounds.iter().map(|bound| bound.reach(power));
        reaches
            .reduce(|met, more| met.meet(&more).unwrap_or(Capability::none(power)))
            .unwrap_or(Capability::none(power))
    }

    /// The folders that are closed to everyone.
    #[must_use]
    pub const fn closed(&self) -> &BTreeSet<ScopedPath> {
        &self.closed
    }

    /// What the operator forbids.
    #[must_use]
    pub fn denies(&self) -> &[Deny] {
        let (denies, _) = &*self.denies.0;
        denies
    }

    /// The first deny that forbids this use.
    pub(crate) fn deny_that_forbids(&self, asked: &Use) -> Option<&Deny> {
        let (denies, filed) = &*self.denies.0;
        filed.first(denies, asked)
    }

    /// The bounds, the operator's first.
    #[must_use]
    pub fn bounds(&self) -> &[Bound] {
        &self.bounds
    }
}
