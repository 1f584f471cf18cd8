//! Secrets that the operator keeps and the host fills into requests: which, in which header, to which origin. What they
//! are is not known here.

use crate::name::{NameError, secret};
use crate::origin::{Origin, OriginError};
use palisade_model::neutral;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;

/// Most bytes of a header's name.
const MAX_HEADER_BYTES: usize = 64;

/// A secret, and where it is sent. Text form: `NAME HEADER ORIGIN`, or `NAME` for wherever else is allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretPlace {
    name: String,
    /// None = anywhere.
    sent: Option<Sent>,
}

/// A header, in lower case, of requests to an origin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Sent {
    header: String,
    origin: Origin,
}

/// A set of secrets in places: every one everywhere, or some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretScope(Places);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Places {
    Any,
    /// None of which lies in another.
    At(BTreeSet<SecretPlace>),
}

/// Why a text names no secret in a place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretPlaceError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The header is none.
    #[error("`{header}` is not a header: those have 1 to {MAX_HEADER_BYTES} lower-case letters, digits and `-`")]
    Header {
        /// What was written, neutralised.
        header: String,
    },
    /// The origin is none.
    #[error("its origin can't be used")]
    Origin(#[from] OriginError),
    /// Others could read what is sent there.
    #[error("`{0}` would get it in the clear: write `https://`")]
    Clear(Origin),
    /// It has too many parts or too few.
    #[error(
        "a secret is named alone, or with a header and an origin, as `tracker-token authorization https://a.example`"
    )]
    Form,
}

impl SecretPlace {
    /// A secret in a header of requests to an origin.
    ///
    /// # Errors
    /// When the name or the header is none, or has capitals.
    pub fn sent(name: &str, header: &str, origin: Origin) -> Result<Self, SecretPlaceError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if header.is_empty() || header.len() > MAX_HEADER_BYTES || !header.bytes().all(allowed) {
            return Err(SecretPlaceError::Header { header: neutral::line(header, 80) });
        }
        Ok(Self { name: secret(name)?, sent: Some(Sent { header: header.to_owned(), origin }) })
    }

    /// A secret, wherever it is sent.
    pub(crate) fn anywhere(name: &str) -> Result<Self, NameError> {
        Ok(Self { name: secret(name)?, sent: None })
    }

    /// A secret in a header of requests to an origin, as they are written where it is granted.
    ///
    /// # Errors
    /// When one of them is none, or others could read what goes there.
    pub fn granted(name: &str, header: &str, origin: &str) -> Result<Self, SecretPlaceError> {
        // The name first: what is wrong with it is wrong at every origin.
        secret(name)?;
        Self::sent(name, header, Origin::parse(origin)?)?.confidential()
    }

    /// Reads what may be granted: never a way in the clear.
    pub(crate) fn parse(text: &str) -> Result<Self, SecretPlaceError> {
        Self::read(text)?.confidential()
    }

    fn confidential(self) -> Result<Self, SecretPlaceError> {
        match self.sent.as_ref().filter(|_| self.is_in_the_clear()) {
            Some(sent) => Err(SecretPlaceError::Clear(sent.origin.clone())),
            None => Ok(self),
        }
    }

    /// Reads what was asked for, whatever was said to it.
    pub(crate) fn of_record(text: &str) -> Option<Self> {
        Self::read(text).ok()
    }

    fn read(text: &str) -> Result<Self, SecretPlaceError> {
        let parts: Vec<&str> = text.split(' ').collect();
        match parts.as_slice() {
            [name] => Ok(Self::anywhere(name)?),
            [name, header, origin] => Self::sent(name, header, Origin::parse(origin)?),
            _ => Err(SecretPlaceError::Form),
        }
    }

    /// Which secret.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is said where it is sent.
    #[must_use]
    pub const fn is_one(&self) -> bool {
        self.sent.is_some()
    }

    /// Whether somebody on the way could read it.
    pub(crate) fn is_in_the_clear(&self) -> bool {
        self.sent.as_ref().is_some_and(|sent| !sent.origin.is_confidential())
    }

    /// Says whether `other` lies in it.
    #[must_use]
    pub fn holds(&self, other: &Self) -> bool {
        self.name == other.name && (self.sent.is_none() || self.sent == other.sent)
    }
}

impl SecretScope {
    /// No secret at all.
    #[must_use]
    pub const fn none() -> Self {
        Self(Places::At(BTreeSet::new()))
    }

    /// Every secret, everywhere.
    #[must_use]
    pub const fn any() -> Self {
        Self(Places::Any)
    }

    /// The secrets at `places`.
    #[must_use]
    pub fn at(places: impl IntoIterator<Item = SecretPlace>) -> Self {
        let all: BTreeSet<SecretPlace> = places.into_iter().collect();
        let within = |place: &SecretPlace| all.iter().any(|other| other != place && other.holds(place));
        Self(Places::At(all.iter().filter(|place| !within(place)).cloned().collect()))
    }

    /// Says whether a secret in a place is in the set.
    #[must_use]
    pub fn contains(&self, asked: &SecretPlace) -> bool {
        self.places().is_none_or(|places| places.iter().any(|place| place.holds(asked)))
    }

    /// Says whether all of `other` is in this set.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self.places(), other.places()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(_), Some(places)) => places.iter().all(|place| self.contains(place)),
        }
    }

    /// What is in both sets.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        match (self.places(), other.places()) {
            (None, _) => other.clone(),
            (_, None) => self.clone(),
            (Some(ours), Some(theirs)) => {
                let in_theirs = ours.iter().filter(|place| other.contains(place));
                let in_ours = theirs.iter().filter(|place| self.contains(place));
                Self::at(in_theirs.chain(in_ours).cloned())
            }
        }
    }

    /// The places, in order; none if every secret is in the set.
    #[must_use]
    pub const fn places(&self) -> Option<&BTreeSet<SecretPlace>> {
        match &self.0 {
            Places::Any => None,
            Places::At(places) => Some(places),
        }
    }
}

impl fmt::Display for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sent {
            Some(Sent { header, origin }) => write!(f, "{} {header} {origin}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl Serialize for SecretPlace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SecretPlace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_secret_is_named_alone_or_with_where_it_is_sent() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let told = SecretPlace::parse(text).map(|place| place.to_string()).map_err(|error| error.to_string());
            match expected {
                Ok(expected) => assert_eq!(told, Ok(expected.to_owned())),
                Err(part) => assert!(told.as_ref().is_err_and(|told| told.contains(part)), "{text}: {told:?}"),
            }
        };
        check("tracker-token", Ok("tracker-token"));
        check("t authorization https://A.example:443", Ok("t authorization https://a.example"));
        check("t x-key http://localhost:8080", Ok("t x-key http://localhost:8080"));
        check("t x-key http://127.0.0.1", Ok("t x-key http://127.0.0.1"));
        check("t x-key http://[::1]", Ok("t x-key http://[::1]"));
        check("T", Err("is not the name of a secret"));
        check("", Err("is not the name of a secret"));
        check("*", Err("is not the name of a secret"));
        check("t X-Key https://a.example", Err("`X-Key` is not a header"));
        check("t a:b https://a.example", Err("is not a header"));
        check("t x-key https://*.a.example", Err("its origin can't be used"));
        check("t x-key https://a.example/path", Err("its origin can't be used"));
        check("t x-key http://a.example", Err("in the clear"));
        check("t x-key http://10.0.0.1", Err("in the clear"));
        check("t x-key", Err("a secret is named alone"));
        check("t x-key https://a.example private", Err("a secret is named alone"));
    }

    fn world() -> Vec<SecretPlace> {
        let of = |text: &str| SecretPlace::parse(text).unwrap();
        let sent = ["a", "b"].into_iter().flat_map(|name| {
            let places = ["x https://p.example", "y https://p.example", "x https://q.example"];
            places.map(|place| of(&format!("{name} {place}")))
        });
        sent.collect()
    }

    fn some() -> impl Strategy<Value = SecretScope> {
        let alone = ["a", "b"].map(|name| SecretPlace::parse(name).unwrap());
        let all: Vec<_> = world().into_iter().chain(alone).collect();
        let places = proptest::sample::subsequence(all, 0..4);
        (places, 0..8).prop_map(|(places, all)| if all == 0 { SecretScope::any() } else { SecretScope::at(places) })
    }

    proptest! {
        #[test]
        fn covers_and_meet_agree_with_membership(a in some(), b in some(), c in some()) {
            let both = a.meet(&b);
            for place in world() {
                prop_assert_eq!(both.contains(&place), a.contains(&place) && b.contains(&place), "{}", place);
            }
            // All that a secret alone stands for is more than this world has.
            let alone = ["a", "b"].map(|name| SecretPlace::parse(name).unwrap());
            for place in alone {
                prop_assert_eq!(both.contains(&place), a.contains(&place) && b.contains(&place), "{}", place);
            }
            prop_assert!(a.covers(&both) && b.covers(&both));
            prop_assert!(!(a.covers(&c) && b.covers(&c)) || both.covers(&c));
            prop_assert_eq!(&both, &b.meet(&a));
            prop_assert_eq!(a.meet(&b.meet(&c)), both.meet(&c));
            prop_assert_eq!(&a.meet(&a), &a);
            prop_assert_eq!(a.covers(&b), both == b);
            prop_assert!(SecretScope::any().covers(&a) && a.covers(&SecretScope::none()));
        }
    }
}
