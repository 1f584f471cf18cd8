//! Finds the rules that could speak of a use without asking all of them: an operator may have a thousand grants, and as
//! many denies.
//!
//! A rule is filed under the hash of each place that it names, and a use looked up under each place that could hold it:
//! a path and all above it, an origin and the wildcard above it, a name. What is found is asked again, so that a hash
//! that two places share costs time and nothing else.

use crate::asked::Use;
use crate::authority::Rule;
use crate::deny::Deny;
use crate::origin::OriginPattern;
use crate::path::ScopedPath;
use crate::place::Place;
use palisade_model::manifest::Power;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, OnceLock};

/// Up to how many rules asking all of them is faster.
const FEW: usize = 16;

/// What is filed by its places.
pub(crate) trait Placed {
    /// Says whether it speaks of that use: allows it, or forbids it.
    fn speaks_of(&self, asked: &Use) -> bool;

    /// All places in which it speaks of anything; none = everywhere.
    fn places(&self) -> Option<Vec<Place>>;
}

/// Made from the rules when it is first needed, and shared by all copies made after that. It says nothing that the rules
/// do not say: it is not stored, and all are equal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index(OnceLock<Arc<Filed>>);

/// Numbers of rules.
#[derive(Debug, Default)]
struct Filed {
    by_place: HashMap<u64, Vec<usize>>,
    /// Those that reach everywhere.
    everywhere: Vec<usize>,
}

impl Index {
    /// The first of `rules`, always the same ones, that speaks of a use.
    pub(crate) fn first<'r, R: Placed>(&self, rules: &'r [R], asked: &Use) -> Option<&'r R> {
        if rules.len() <= FEW {
            return rules.iter().find(|rule| rule.speaks_of(asked));
        }
        let filed = self.0.get_or_init(|| Arc::new(Filed::of(rules)));
        let speaks = |number: &usize| rules.get(*number).is_some_and(|rule| rule.speaks_of(asked));
        let mut first = filed.everywhere.iter().copied().find(speaks);
        holding(asked, &mut |key| {
            let numbers = filed.by_place.get(&key).map_or(&[][..], Vec::as_slice);
            if let Some(found) = numbers.iter().copied().find(speaks) {
                first = Some(first.map_or(found, |first| first.min(found)));
            }
        });
        first.and_then(|number| rules.get(number))
    }
}

impl Placed for Rule {
    fn speaks_of(&self, asked: &Use) -> bool {
        self.capability.allows(asked)
    }

    fn places(&self) -> Option<Vec<Place>> {
        self.capability.places()
    }
}

impl Placed for Deny {
    fn speaks_of(&self, asked: &Use) -> bool {
        self.forbids(asked)
    }

    fn places(&self) -> Option<Vec<Place>> {
        let concerned = Power::ALL.into_iter().filter(|power| self.concerns(*power));
        concerned.map(|power| self.place_for(power)).collect()
    }
}

impl PartialEq for Index {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Index {}

impl Filed {
    fn of(rules: &[impl Placed]) -> Self {
        let mut filed = Self::default();
        for (number, rule) in rules.iter().enumerate() {
            match rule.places() {
                None => filed.everywhere.push(number),
                Some(places) => {
                    for place in places {
                        filed.by_place.entry(key(&place)).or_default().push(number);
                    }
                }
            }
        }
        filed
    }
}

fn begin(power: Power) -> DefaultHasher {
    let mut hasher = DefaultHasher::new();
    std::mem::discriminant(&power).hash(&mut hasher);
    hasher
}

fn key(place: &Place) -> u64 {
    match place {
        Place::FsRead(path) | Place::FsWrite(path) | Place::Sql(path) => {
            let mut last = 0;
            each_above(place.power(), path, &mut |key| last = key);
            last
        }
        Place::Http(at) => of_origins(at.origins()),
        Place::Database(name) | Place::Llm(name) => of_name(place.power(), name),
        Place::Call(component) => of_name(place.power(), &component.to_string()),
        Place::Secret(secret) => of_name(place.power(), secret.name()),
    }
}

/// The keys of all places that could hold a use.
fn holding(asked: &Use, look: &mut dyn FnMut(u64)) {
    let power = asked.power();
    match asked {
        Use::FsRead { path } | Use::FsWrite { path } | Use::Sql { database: path } => each_above(power, path, look),
        Use::Http { origin, .. } => {
            look(of_origins(&OriginPattern::One(origin.clone())));
            if let Some(above) = OriginPattern::above(origin) {
                look(of_origins(&above));
            }
        }
        Use::Database { connection: name } | Use::Llm { model: name } => look(of_name(power, name)),
        Use::Call { component } => look(of_name(power, &component.to_string())),
        Use::Secret { place } => look(of_name(power, place.name())),
    }
}

/// The keys of the anchor of a path, of each folder on the way, and of itself.
fn each_above(power: Power, path: &ScopedPath, look: &mut dyn FnMut(u64)) {
    let mut hasher = begin(power);
    path.anchor().hash(&mut hasher);
    look(hasher.finish());
    for segment in path.segments() {
        segment.hash(&mut hasher);
        look(hasher.finish());
    }
}

fn of_origins(origins: &OriginPattern) -> u64 {
    let mut hasher = begin(Power::Http);
    origins.hash(&mut hasher);
    hasher.finish()
}

fn of_name(power: Power, name: &str) -> u64 {
    let mut hasher = begin(power);
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorise::tests::{some_denies, some_rules, some_use};
    use proptest::prelude::*;

    fn check<R: Placed + Clone>(rules: impl Iterator<Item = R> + Clone, asked: &Use) -> Result<(), TestCaseError> {
        // Enough to be filed; the first few are the ones that matter.
        let rules: Vec<R> = rules.cycle().take(2 * FEW).collect();
        let all = rules.iter().position(|rule| rule.speaks_of(asked));
        let found = Index::default().first(&rules, asked);
        prop_assert_eq!(found.map(std::ptr::from_ref), all.map(|number| std::ptr::from_ref(&rules[number])));
        Ok(())
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_asking_all_finds(few in some_rules(), many in some_rules(), asked in some_use()) {
            check(few.into_iter().chain(many), &asked)?;
        }

        #[test]
        fn what_forbids_is_found_as_asking_all_finds_it(denies in some_denies(), asked in some_use()) {
            check(denies.into_iter(), &asked)?;
        }
    }
}
