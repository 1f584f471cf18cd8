//! How often an attempt used each of its powers where, and was denied it: counted as it happens, told in the commit of its
//! end.

use palisade_authority::Use;
use palisade_model::manifest::Power;
use palisade_sandbox::{Granted, NamedPath};
use std::sync::{Arc, Mutex, PoisonError};

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
        let (power, named, path) = match asked {
            Use::FsRead { path } => (Power::FsRead.name(), &granted.paths, path),
            Use::Sql { database } => (Power::Sql.name(), &granted.connections, database),
        };
        // The nearest: of a folder and one within it, the one within.
        let within = named.iter().filter(|named| path.is_within(&named.path));
        let scope = within.max_by_key(|named| named.path.segments().len()).map(|NamedPath { written, .. }| written);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = counts.iter_mut().find(|count| count.power == power && count.scope.as_ref() == scope);
        let (more, denied) = (u64::from(allowed), u64::from(!allowed));
        match known {
            Some(count) => {
                count.allowed = count.allowed.saturating_add(more);
                count.denied = count.denied.saturating_add(denied);
            }
            None => counts.push(UseCount { power, scope: scope.cloned(), allowed: more, denied }),
        }
    }

    /// All counts, by power and place.
    pub(crate) fn take(&self) -> Vec<UseCount> {
        let mut counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        counts.sort_by(|a, b| (a.power, &a.scope).cmp(&(b.power, &b.scope)));
        counts
    }
}
