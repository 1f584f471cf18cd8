//! The one function that decides. Why it decided so is in `authorise/reasons.rs`.
//!
//! People get the exact chain of reasons, a guest gets one text for every refusal: a denial teaches an attacker nothing.

mod reasons;

use crate::asked::Use;
use crate::authority::{Authority, BoundKind};
use crate::key_file::is_settings_name;
use crate::scope::is_own;
use serde::Serialize;

/// What a guest is told, whatever was refused and why.
pub const GUEST_DENIAL: &str = "not allowed";

/// The answer to a [`Use`]. Only [`authorise`] makes one. The reasons are put into words when they are asked for, so
/// that a use that is allowed costs no text.
#[derive(Debug, Clone)]
#[must_use]
pub struct Decision<'a> {
    allowed: bool,
    authority: &'a Authority,
    asked: &'a Use,
}

/// What one bound said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Whose bound.
    pub by: BoundKind,
    /// Whether it allows the use. All must.
    pub allowed: bool,
    /// The rule that allows it, or the rule that almost did and what was compared; for people, neutralised.
    pub text: String,
}

/// Decides: every bound of the authority must allow the use, nothing may forbid it, and no closed folder may be touched.
pub fn authorise<'a>(authority: &'a Authority, asked: &'a Use) -> Decision<'a> {
    let allowed = closed(authority, asked).is_none()
        && authority.deny_that_forbids(asked).is_none()
        && !authority.bounds().is_empty()
        && authority.bounds().iter().all(|bound| bound.rule_that_allows(asked).is_some());
    Decision { allowed, authority, asked }
}

impl Decision<'_> {
    /// Whether the use may happen.
    #[must_use]
    pub const fn allowed(&self) -> bool {
        self.allowed
    }
}

/// Why something is closed to everyone, if it is: a path of Palisade's own, writing what the operator says, or the way of a
/// secret in the clear.
fn closed(authority: &Authority, asked: &Use) -> Option<String> {
    if let Use::Secret { place } = asked {
        let clear = place.is_in_the_clear();
        return clear
            .then(|| format!("`{place}` would go in the clear: secrets go over `https://` or stay on this machine"));
    }
    let path = asked.path()?;
    if matches!(asked, Use::FsWrite { .. }) && path.segments().any(is_settings_name) {
        return Some(format!("`{path}` is for the operator to write, and closed to every component"));
    }
    let own = is_own(path) || authority.closed().iter().any(|folder| path.is_within(folder));
    own.then(|| format!("`{path}` lies in Palisade's own folder, which is closed to every component"))
}

#[cfg(test)]
pub(crate) mod tests;
