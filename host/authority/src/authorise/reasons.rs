//! The reasons of a decision, in words for people: what each bound said, and what almost allowed a use.

use super::{Decision, Reason, closed};
use crate::asked::Use;
use crate::authority::{Bound, BoundKind, Rule};
use crate::grant::allow_line;
use crate::path::ScopedPath;
use crate::place::Place;
use crate::scope::Miss;
use palisade_model::manifest::Power;

impl Decision<'_> {
    /// What each bound said, the operator's first; before them what forbids the use, if something does. Where a folder is
    /// closed to everyone, that alone.
    #[must_use]
    pub fn chain(&self) -> Vec<Reason> {
        if let Some(text) = closed(self.authority, self.asked) {
            return vec![Reason { by: BoundKind::Palisade, allowed: false, text }];
        }
        let forbidding = self.authority.deny_that_forbids(self.asked);
        let forbidden = forbidding.map(|deny| {
            let (power, on) = (self.asked.power().name(), self.asked.on());
            let (denied, at) = (deny.power().name(), deny.place());
            let stated = deny.stated();
            let text = format!(
                "the operator forbids `{power}` of `{on}`: a deny of `{denied}` of `{at}` ({stated}) beats every allow"
            );
            Reason { by: BoundKind::Deny, allowed: false, text }
        });
        forbidden.into_iter().chain(self.authority.bounds().iter().map(|bound| self.ask(bound))).collect()
    }

    /// What said no, in one line for people: the first bound that denied.
    #[must_use]
    pub fn denial(&self) -> Option<String> {
        self.chain().into_iter().find(|reason| !reason.allowed).map(|reason| reason.text)
    }

    /// The `--allow` argument that would allow this use, if no more than the operator's word is missing: a grant, which
    /// also counts as naming the place where a link in a named folder leads. No option gives a secret.
    #[must_use]
    pub fn allow_line(&self) -> Option<String> {
        let denied: Vec<_> = self.chain().into_iter().filter(|reason| !reason.allowed).collect();
        let by_word = |reason: &Reason| matches!(reason.by, BoundKind::Operator | BoundKind::Config);
        let grant_is_missing = !denied.is_empty() && denied.iter().all(by_word) && self.asked.power() != Power::Secret;
        grant_is_missing.then(|| allow_line(&self.asked.as_capability()))
    }

    fn ask(&self, bound: &Bound) -> Reason {
        let rule = bound.rule_that_allows(self.asked);
        let text = match rule {
            Some(rule) => self.why_allowed(bound.kind(), rule),
            None => self.why_denied(bound),
        };
        Reason { by: bound.kind(), allowed: rule.is_some(), text }
    }

    fn why_allowed(&self, kind: BoundKind, rule: &Rule) -> String {
        let (power, stated) = (self.asked.power().name(), &rule.stated);
        match kind {
            BoundKind::Manifest => format!("`{power}` is requested by {stated}"),
            _ => format!("`{power}` of `{}` is covered by {stated}", self.asked.on()),
        }
    }

    fn why_denied(&self, bound: &Bound) -> String {
        let (power, on) = (self.asked.power().name(), self.asked.on());
        let denied = match bound.kind() {
            BoundKind::Manifest => return format!("the component's manifest does not request `{power}`"),
            BoundKind::Operator => format!("the operator grants no `{power}` of `{on}`"),
            BoundKind::Runbook => format!("the runbook's `capabilities` hold no `{power}` of `{on}`"),
            BoundKind::Config => format!("the step's config names no `{power}` of `{on}`"),
            BoundKind::Palisade | BoundKind::Deny => format!("`{on}` is closed to everyone"),
        };
        match self.near_miss(bound) {
            Some(near) => format!("{denied}; {near}"),
            None => denied,
        }
    }

    /// The rule that almost allowed the use, and the comparison that failed.
    fn near_miss(&self, bound: &Bound) -> Option<String> {
        match self.asked {
            Use::FsRead { path } | Use::FsWrite { path } | Use::Sql { database: path } => {
                near_path(self.asked.power(), path, bound)
            }
            Use::Http { method, origin, private } => {
                let places = bound.rules_for(Power::Http).flat_map(|rule| {
                    let places = rule.capability.places().unwrap_or_default();
                    places.into_iter().filter_map(Place::into_http).map(move |place| (rule, place))
                });
                let compared = places.map(|(rule, place)| {
                    let (rank, failed) = place.near_miss(*method, origin, private.is_some());
                    (rank, format!("`{place}` ({}) is for {failed}", rule.stated))
                });
                // Of several that are as near, the first.
                compared.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, text)| text)
            }
            Use::Database { .. } | Use::Llm { .. } | Use::Call { .. } | Use::Secret { .. } => {
                let rule = bound.rules_for(self.asked.power()).next()?;
                let places = rule.capability.places()?;
                let names: Vec<_> = places.iter().map(|place| format!("`{place}`")).collect();
                Some(format!("it is not {} ({})", names.join(" or "), rule.stated))
            }
        }
    }
}

/// The rule whose path is nearest, or the one that allows another power there.
fn near_path(power: Power, path: &ScopedPath, bound: &Bound) -> Option<String> {
    let nearest = bound
        .rules_for(power)
        .filter_map(|rule| Some((rule, rule.capability.paths()?.near_miss(path)?)))
        .max_by_key(|(_, (tree, why))| (*why == Miss::KeyFile, path.shared_with(tree)));
    if let Some((rule, (tree, why))) = nearest {
        let stated = &rule.stated;
        return Some(match why {
            Miss::KeyFile => {
                format!(
                    "it looks like a private key, which `{tree}` ({stated}) does not cover: such files must be named"
                )
            }
            Miss::Elsewhere => format!("it is not below `{tree}` ({stated})"),
        });
    }
    let holds = |rule: &&Rule| rule.capability.paths().is_some_and(|paths| paths.contains(path));
    if let Some(other) = bound.rules().iter().find(holds) {
        return Some(format!("`{}` is allowed there ({})", other.capability.power().name(), other.stated));
    }
    let mut first = bound.rules_for(power).filter_map(|rule| Some((rule, rule.capability.paths()?.trees()?.first()?)));
    first.next().map(|(rule, tree)| format!("it is not below `{tree}` ({})", rule.stated))
}
