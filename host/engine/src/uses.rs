//! How often an attempt used each of its powers where, and was denied it: counted as it happens, told in the commit of its
//! end.

use palisade_authority::{ScopedPath, Use};
use palisade_model::manifest::Power;
use palisade_sandbox::{Granted, NamedPath};
use std::sync::{Arc, Mutex, PoisonError};

/// Most places of an attempt that are counted by themselves: a wildcard of the operator's may hold any number. The rest is
/// counted as one.
const MAX_COUNTS: usize = 256;

/// How often a power was used in one place, over all instances of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseCount {
    /// The power, as `fs-read`.
    pub power: &'static str,
    /// The place that the config names and within which it was, as it is written there; none = outside of all of them.
    pub scope: Option<String>,
    /// How often it was allowed.
    pub allowed: u64,
    /// How often it was denied.
    pub denied: u64,
}

/// The counts of an attempt, which its instances share.
#[derive(Debug, Clone, Default)]
pub struct Uses(Arc<Mutex<Vec<UseCount>>>);

impl Uses {
    /// Counts one use.
    pub(crate) fn count(&self, granted: &Granted, asked: &Use, allowed: bool) {
        let power = asked.power().name();
        let scope = match asked {
            Use::FsRead { path } => nearest(&granted.paths, path),
            Use::FsWrite { path } => nearest(&granted.writes, path),
            Use::Sql { database } => nearest(&granted.connections, database),
            // What is no path is a place by itself; what is denied is nowhere, or a guest could name as many as it likes.
            Use::Http { origin, .. } => allowed.then(|| origin.to_string()),
            Use::Database { .. } | Use::Llm { .. } | Use::Call { .. } | Use::Secret { .. } => {
                allowed.then(|| asked.on())
            }
        };
        self.add(power, scope, allowed);
    }

    /// Counts what was denied and nobody could be asked about: it has no place.
    pub(crate) fn refuse(&self, power: Power) {
        self.add(power.name(), None, false);
    }

    fn add(&self, power: &'static str, scope: Option<String>, allowed: bool) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |counts: &[UseCount], scope: &Option<String>| {
            counts.iter().position(|count| count.power == power && count.scope == *scope)
        };
        let is_full = counts.len() >= MAX_COUNTS && find(&counts, &scope).is_none();
        let scope = scope.filter(|_| !is_full);
        let known = find(&counts, &scope).and_then(|at| counts.get_mut(at));
        let (more, denied) = (u64::from(allowed), u64::from(!allowed));
        match known {
            Some(count) => {
                count.allowed = count.allowed.saturating_add(more);
                count.denied = count.denied.saturating_add(denied);
            }
            None => counts.push(UseCount { power, scope, allowed: more, denied }),
        }
    }

    /// All counts, by power and place.
    pub(crate) fn take(&self) -> Vec<UseCount> {
        let mut counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        counts.sort_by(|a, b| (a.power, &a.scope).cmp(&(b.power, &b.scope)));
        counts
    }
}

/// Of what the config names, what holds a path, as it is written there: of a folder and one within it, the one within.
fn nearest(named: &[NamedPath], path: &ScopedPath) -> Option<String> {
    let holding = named.iter().filter(|named| path.is_within(&named.path));
    holding.max_by_key(|named| named.path.segments().len()).map(|NamedPath { written, .. }| written.clone())
}
