//! A power in one place: what a grant, a deny or a config names, and the text that says so.
//!
//! The one reader of `POWER=PLACE`, wherever it is written.

use crate::http::{HttpPlace, HttpPlaceError, Methods};
use crate::name::{NameError, alias, component, connection};
use crate::origin::OriginError;
use crate::path::{PathError, ScopedPath, WorkingFolder};
use crate::secret::{SecretPlace, SecretPlaceError};
use palisade_model::manifest::Power;
use palisade_model::{ComponentId, neutral};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A power in one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Reading a file, or what is below a folder.
    FsRead(ScopedPath),
    /// Writing below a folder.
    FsWrite(ScopedPath),
    /// Reading the SQLite databases whose files are at or below a path.
    Sql(ScopedPath),
    /// Reading the database behind the connection of that name.
    Database(String),
    /// Requests over HTTP.
    Http(HttpPlace),
    /// Asking the model of that alias.
    Llm(String),
    /// Calling a component.
    Call(ComponentId),
    /// Sending a secret.
    Secret(SecretPlace),
}

/// Why a text is not a capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseCapabilityError {
    /// There is no `=`.
    #[error("`{text}` is not a capability: that is a power, `=` and a place, as in `fs-read=PATH`")]
    NoScope {
        /// What was given, neutralised.
        text: String,
    },
    /// The power is unknown.
    #[error("`{name}` is not a power; known are {}", Power::linked_in_words())]
    UnknownPower {
        /// What stood before the `=`, neutralised.
        name: String,
    },
    /// There is nothing behind the power in this build.
    #[error("this build does not have the power `{power}`; it has {}", Power::linked_in_words())]
    NotLinked {
        /// The power.
        power: &'static str,
    },
    /// The scope is no path.
    #[error("the path of `{power}` can't be used")]
    Path {
        /// The power.
        power: &'static str,
        /// Why.
        #[source]
        source: PathError,
    },
    /// The scope lies in Palisade's own folder, where nothing is ever granted.
    #[error("`{path}` lies in Palisade's own folder; nothing there can be granted")]
    OwnFolder {
        /// The path.
        path: ScopedPath,
    },
    /// The scope is no place of HTTP.
    #[error("what `http` names can't be used")]
    Http(#[source] HttpPlaceError),
    /// The scope is no name.
    #[error("what `{power}` names can't be used")]
    Name {
        /// The power.
        power: &'static str,
        /// Why.
        #[source]
        source: NameError,
    },
    /// The scope is no secret.
    #[error("what `secret` names can't be used")]
    Secret(#[source] SecretPlaceError),
    /// It is to be granted, and is granted elsewhere.
    #[error("a secret is granted by its own table alone: `components` of `[[secret]]` in palisade.toml")]
    SecretGrant,
}

/// What is wrong with a value that a config names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamedError {
    /// It is no path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// It is no URL whose origin can be compared.
    #[error("the URL can't be used")]
    Url(#[from] OriginError),
    /// It is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// What is meant where a text leaves something open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'f> {
    /// The folder of the run.
    pub(crate) folder: &'f WorkingFolder,
    /// The folder to which paths are relative.
    pub(crate) base: &'f WorkingFolder,
    /// The methods that are meant where none is written.
    pub(crate) methods: Methods,
}

/// Parts a text into a power that this build has, and what stands after the `=`.
pub(crate) fn power_and_rest(text: &[u8]) -> Result<(Power, &[u8]), ParseCapabilityError> {
    let shown = |bytes: &[u8]| neutral::line(&String::from_utf8_lossy(bytes), 80);
    let at = text
        .iter()
        .position(|&byte| byte == b'=')
        .ok_or_else(|| ParseCapabilityError::NoScope { text: shown(text) })?;
    let (name, rest) = (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
    let power = std::str::from_utf8(name)
        .ok()
        .and_then(Power::from_name)
        .ok_or_else(|| ParseCapabilityError::UnknownPower { name: shown(name) })?;
    if !power.is_linked() {
        return Err(ParseCapabilityError::NotLinked { power: power.name() });
    }
    Ok((power, rest))
}

impl Reading<'_> {
    /// Reads a place of that power.
    pub(crate) fn place(self, power: Power, written: &[u8]) -> Result<Place, ParseCapabilityError> {
        let path = || {
            ScopedPath::parse_in(self.folder, self.base, written)
                .map_err(|source| ParseCapabilityError::Path { power: power.name(), source })
        };
        let text = String::from_utf8_lossy(written);
        let name = |source| ParseCapabilityError::Name { power: power.name(), source };
        Ok(match power {
            Power::FsRead => Place::FsRead(path()?),
            Power::FsWrite => Place::FsWrite(path()?),
            Power::Sql => Place::Sql(path()?),
            Power::Database => Place::Database(connection(&text).map_err(name)?),
            Power::Http => Place::Http(HttpPlace::parse(&text, self.methods).map_err(ParseCapabilityError::Http)?),
            Power::Llm => Place::Llm(alias(&text).map_err(name)?),
            Power::Call => Place::Call(component(&text).map_err(name)?),
            Power::Secret => Place::Secret(SecretPlace::parse(&text).map_err(ParseCapabilityError::Secret)?),
        })
    }
}

impl Place {
    /// What a value of a config names that is marked for a power: a path below `folder` or elsewhere; a URL, whose origin
    /// is meant; or a name, of a secret wherever it may be sent.
    ///
    /// # Errors
    /// When the value is none of these.
    pub fn named(power: Power, folder: &WorkingFolder, written: &str) -> Result<Self, NamedError> {
        Ok(match power {
            Power::FsRead => Self::FsRead(ScopedPath::parse(folder, written.as_bytes())?),
            Power::FsWrite => Self::FsWrite(ScopedPath::parse(folder, written.as_bytes())?),
            Power::Sql => Self::Sql(ScopedPath::parse(folder, written.as_bytes())?),
            Power::Database => Self::Database(connection(written)?),
            Power::Http => Self::Http(HttpPlace::named(crate::origin::Origin::of_url(written)?)),
            Power::Llm => Self::Llm(alias(written)?),
            Power::Call => Self::Call(component(written)?),
            Power::Secret => Self::Secret(SecretPlace::anywhere(written)?),
        })
    }

    /// Which power.
    #[must_use]
    pub const fn power(&self) -> Power {
        match self {
            Self::FsRead(_) => Power::FsRead,
            Self::FsWrite(_) => Power::FsWrite,
            Self::Sql(_) => Power::Sql,
            Self::Database(_) => Power::Database,
            Self::Http(_) => Power::Http,
            Self::Llm(_) => Power::Llm,
            Self::Call(_) => Power::Call,
            Self::Secret(_) => Power::Secret,
        }
    }

    /// The path, if it is one.
    #[must_use]
    pub const fn path(&self) -> Option<&ScopedPath> {
        match self {
            Self::FsRead(path) | Self::FsWrite(path) | Self::Sql(path) => Some(path),
            Self::Database(_) | Self::Http(_) | Self::Llm(_) | Self::Call(_) | Self::Secret(_) => None,
        }
    }

    /// Says whether `other` lies in it.
    #[must_use]
    pub fn holds(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::FsRead(ours), Self::FsRead(theirs))
            | (Self::FsWrite(ours), Self::FsWrite(theirs))
            | (Self::Sql(ours), Self::Sql(theirs)) => theirs.is_within(ours),
            (Self::Http(ours), Self::Http(theirs)) => ours.covers(theirs),
            (Self::Secret(ours), Self::Secret(theirs)) => ours.holds(theirs),
            _ => self == other,
        }
    }

    /// The same power at another path, if it is a power over paths; else itself.
    pub(crate) fn with_path(&self, path: ScopedPath) -> Self {
        match self {
            Self::FsRead(_) => Self::FsRead(path),
            Self::FsWrite(_) => Self::FsWrite(path),
            Self::Sql(_) => Self::Sql(path),
            other => other.clone(),
        }
    }

    pub(crate) fn into_path(self) -> Option<ScopedPath> {
        match self {
            Self::FsRead(path) | Self::FsWrite(path) | Self::Sql(path) => Some(path),
            _ => None,
        }
    }

    pub(crate) fn into_http(self) -> Option<HttpPlace> {
        match self {
            Self::Http(place) => Some(place),
            _ => None,
        }
    }

    pub(crate) fn into_secret(self) -> Option<SecretPlace> {
        match self {
            Self::Secret(place) => Some(place),
            _ => None,
        }
    }

    pub(crate) fn into_name(self) -> Option<String> {
        match self {
            Self::Database(name) | Self::Llm(name) => Some(name),
            Self::Call(component) => Some(component.to_string()),
            _ => None,
        }
    }

    /// Its stored form beside the power, which loses nothing.
    #[must_use]
    pub fn stored(&self) -> String {
        match self {
            Self::FsRead(path) | Self::FsWrite(path) | Self::Sql(path) => path.stored(),
            other => other.to_string(),
        }
    }

    /// Reads the stored form; none if it is none.
    #[must_use]
    pub fn of_stored(power: Power, text: &str) -> Option<Self> {
        match power {
            Power::FsRead => ScopedPath::of_stored(text).map(Self::FsRead),
            Power::FsWrite => ScopedPath::of_stored(text).map(Self::FsWrite),
            Power::Sql => ScopedPath::of_stored(text).map(Self::Sql),
            Power::Database => connection(text).ok().map(Self::Database),
            Power::Http => HttpPlace::of_stored(text).map(Self::Http),
            Power::Llm => alias(text).ok().map(Self::Llm),
            Power::Call => component(text).ok().map(Self::Call),
            Power::Secret => SecretPlace::parse(text).ok().map(Self::Secret),
        }
    }
}

/// Its stored form is `POWER=` and what [`Place::stored`] gives.
impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}={}", self.power().name(), self.stored()))
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let place = text.split_once('=').and_then(|(power, place)| Self::of_stored(Power::from_name(power)?, place));
        place.ok_or_else(|| serde::de::Error::custom("this is no stored place"))
    }
}

/// For people: the place alone, neutralised where it may hold anything.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FsRead(path) | Self::FsWrite(path) | Self::Sql(path) => path.fmt(f),
            Self::Http(place) => place.fmt(f),
            Self::Database(name) | Self::Llm(name) => name.fmt(f),
            Self::Call(component) => component.fmt(f),
            Self::Secret(place) => place.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(power: Power, text: &str) -> Result<Place, ParseCapabilityError> {
        let folder = WorkingFolder::new(b"/home/ann").unwrap();
        Reading { folder: &folder, base: &folder, methods: Methods::READING }.place(power, text.as_bytes())
    }

    #[test]
    fn a_power_without_anything_behind_it_is_refused_by_its_name() {
        for power in Power::ALL {
            let text = format!("{}=x", power.name());
            match power_and_rest(text.as_bytes()) {
                Ok(found) => assert!(power.is_linked() && found == (power, b"x".as_slice())),
                Err(error) => {
                    assert!(!power.is_linked());
                    assert_eq!(error, ParseCapabilityError::NotLinked { power: power.name() });
                    assert!(
                        error
                            .to_string()
                            .starts_with(&format!("this build does not have the power `{}`", power.name()))
                    );
                }
            }
        }
    }

    #[test]
    fn each_power_has_places_of_its_kind() {
        let check = |power, text: &str, expected: &str| {
            let place = read(power, text).unwrap();
            assert_eq!((place.power(), place.to_string().as_str()), (power, expected));
            assert_eq!(Place::of_stored(power, &place.stored()).as_ref(), Some(&place));
            assert_eq!(serde_json::from_str::<Place>(&serde_json::to_string(&place).unwrap()).unwrap(), place);
        };
        check(Power::FsRead, "data/../a", "a");
        check(Power::FsWrite, "out/", "out");
        check(Power::Sql, "/srv/x.db", "/srv/x.db");
        check(Power::Http, "https://a.example", "GET,HEAD https://a.example");
        check(Power::Llm, "small", "small");
        check(Power::Call, "acme:reader", "acme:reader");
        assert!(matches!(read(Power::Http, "x"), Err(ParseCapabilityError::Http(_))));
        assert!(matches!(read(Power::Llm, "X"), Err(ParseCapabilityError::Name { power: "llm", .. })));
        assert!(matches!(read(Power::Call, "x"), Err(ParseCapabilityError::Name { power: "call", .. })));
    }

    #[test]
    fn a_config_names_the_origin_of_a_url() {
        let folder = WorkingFolder::new(b"/home/ann").unwrap();
        let named = |power, text: &str| Place::named(power, &folder, text).map(|place| place.to_string());
        assert_eq!(named(Power::Http, "https://a.example/v1?x=y").unwrap(), "* https://a.example private");
        assert_eq!(named(Power::FsRead, "./a").unwrap(), "a");
        assert!(named(Power::Http, "a.example").is_err() && named(Power::FsRead, "").is_err());
    }
}
