//! Typed, scoped powers, and the two operations on them: `covers` and `meet`.

use crate::asked::Use;
use crate::http::{HttpScope, Methods};
use crate::name::NameScope;
use crate::path::{ScopedPath, WorkingFolder};
use crate::place::{ParseCapabilityError, Place, Reading, power_and_rest};
use crate::scope::PathScope;
use crate::secret::SecretScope;
use palisade_model::manifest::Power;
use serde::{Deserialize, Serialize};

/// What stands for every place of a power that is not over paths.
pub(crate) const EVERYWHERE: &str = "*";

/// A power and how far it reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "power", content = "scope", rename_all = "kebab-case")]
pub enum Capability {
    /// Reading files and listing folders.
    FsRead(PathScope),
    /// Writing files and making folders.
    FsWrite(PathScope),
    /// Reading the SQLite databases whose files are in the scope.
    Sql(PathScope),
    /// Reading the databases of servers, by the names of their connections.
    Database(NameScope),
    /// Asking web servers.
    Http(HttpScope),
    /// Asking models, by their aliases.
    Llm(NameScope),
    /// Calling components, by their ids.
    Call(NameScope),
    /// Sending secrets, each where it may go.
    Secret(SecretScope),
}

impl Capability {
    /// The power everywhere.
    #[must_use]
    pub const fn any(power: Power) -> Self {
        match power {
            Power::FsRead => Self::FsRead(PathScope::any()),
            Power::FsWrite => Self::FsWrite(PathScope::any()),
            Power::Sql => Self::Sql(PathScope::any()),
            Power::Database => Self::Database(NameScope::any()),
            Power::Http => Self::Http(HttpScope::any()),
            Power::Llm => Self::Llm(NameScope::any()),
            Power::Call => Self::Call(NameScope::any()),
            Power::Secret => Self::Secret(SecretScope::any()),
        }
    }

    /// The power nowhere.
    #[must_use]
    pub const fn none(power: Power) -> Self {
        match power {
            Power::FsRead => Self::FsRead(PathScope::none()),
            Power::FsWrite => Self::FsWrite(PathScope::none()),
            Power::Sql => Self::Sql(PathScope::none()),
            Power::Database => Self::Database(NameScope::none()),
            Power::Http => Self::Http(HttpScope::none()),
            Power::Llm => Self::Llm(NameScope::none()),
            Power::Call => Self::Call(NameScope::none()),
            Power::Secret => Self::Secret(SecretScope::none()),
        }
    }

    /// The power at these places; those of other powers are left out.
    #[must_use]
    pub fn at(power: Power, places: impl IntoIterator<Item = Place>) -> Self {
        let places = places.into_iter().filter(|place| place.power() == power);
        match power {
            Power::FsRead => Self::FsRead(PathScope::below(places.filter_map(Place::into_path))),
            Power::FsWrite => Self::FsWrite(PathScope::below(places.filter_map(Place::into_path))),
            Power::Sql => Self::Sql(PathScope::below(places.filter_map(Place::into_path))),
            Power::Database => Self::Database(NameScope::of(places.filter_map(Place::into_name))),
            Power::Http => Self::Http(HttpScope::at(places.filter_map(Place::into_http))),
            Power::Llm => Self::Llm(NameScope::of(places.filter_map(Place::into_name))),
            Power::Call => Self::Call(NameScope::of(places.filter_map(Place::into_name))),
            Power::Secret => Self::Secret(SecretScope::at(places.filter_map(Place::into_secret))),
        }
    }

    /// Reads `POWER=PLACE`, such as `fs-read=PATH`, `sql=PATH` or `http=GET,POST ORIGIN`. A path is relative to the
    /// working folder unless it begins with `/`, and one above the working folder reaches the working folder too. Without
    /// methods, an origin may be read from: `GET` and `HEAD`.
    ///
    /// # Errors
    /// When this build does not have the power, the place can't be used or lies in Palisade's own folder.
    pub fn parse(folder: &WorkingFolder, text: &[u8]) -> Result<Self, ParseCapabilityError> {
        Self::parse_in(folder, folder, text)
    }

    /// As [`Capability::parse`], for one that is written in a file of the folder `base`: paths are relative to that one.
    ///
    /// # Errors
    /// As [`Capability::parse`].
    pub fn parse_in(folder: &WorkingFolder, base: &WorkingFolder, text: &[u8]) -> Result<Self, ParseCapabilityError> {
        let (power, rest) = power_and_rest(text)?;
        Self::read(Reading { folder, base, methods: Methods::READING }, power, rest)
    }

    /// As [`Capability::parse_in`], for a rule about where something may go: without methods, all of an origin are meant,
    /// and `http=*` and its like mean everywhere.
    ///
    /// # Errors
    /// As [`Capability::parse`].
    pub fn parse_destination_in(
        folder: &WorkingFolder,
        base: &WorkingFolder,
        text: &[u8],
    ) -> Result<Self, ParseCapabilityError> {
        let (power, rest) = power_and_rest(text)?;
        if rest == EVERYWHERE.as_bytes() && !power.is_over_paths() {
            return Ok(Self::any(power));
        }
        Self::read(Reading { folder, base, methods: Methods::ALL }, power, rest)
    }

    fn read(reading: Reading<'_>, power: Power, rest: &[u8]) -> Result<Self, ParseCapabilityError> {
        let place = reading.place(power, rest)?;
        match place.path().filter(|path| crate::scope::is_own(path)) {
            Some(path) => Err(ParseCapabilityError::OwnFolder { path: path.clone() }),
            None => Ok(Self::at(power, with_folder_below(reading.folder, place))),
        }
    }

    /// Which power it is.
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

    /// The places of which its scope consists, in order; none if it reaches everywhere.
    #[must_use]
    pub fn places(&self) -> Option<Vec<Place>> {
        Some(match self {
            Self::FsRead(scope) => scope.trees()?.iter().cloned().map(Place::FsRead).collect(),
            Self::FsWrite(scope) => scope.trees()?.iter().cloned().map(Place::FsWrite).collect(),
            Self::Sql(scope) => scope.trees()?.iter().cloned().map(Place::Sql).collect(),
            Self::Http(scope) => scope.places()?.iter().cloned().map(Place::Http).collect(),
            Self::Database(scope) => scope.names()?.iter().cloned().map(Place::Database).collect(),
            Self::Llm(scope) => scope.names()?.iter().cloned().map(Place::Llm).collect(),
            // What is in the scope of a call was read as an id, and ids are all that it can hold.
            Self::Call(scope) => scope.names()?.iter().filter_map(|name| name.parse().ok().map(Place::Call)).collect(),
            Self::Secret(scope) => scope.places()?.iter().cloned().map(Place::Secret).collect(),
        })
    }

    /// The paths that it reaches, if it is a power over files.
    #[must_use]
    pub const fn paths(&self) -> Option<&PathScope> {
        match self {
            Self::FsRead(scope) | Self::FsWrite(scope) | Self::Sql(scope) => Some(scope),
            Self::Database(_) | Self::Http(_) | Self::Llm(_) | Self::Call(_) | Self::Secret(_) => None,
        }
    }

    /// Says whether this use lies within it.
    #[must_use]
    pub fn allows(&self, asked: &Use) -> bool {
        match (self, asked) {
            (Self::FsRead(scope), Use::FsRead { path }) | (Self::FsWrite(scope), Use::FsWrite { path }) => {
                scope.contains(path)
            }
            (Self::Sql(scope), Use::Sql { database }) => scope.contains(database),
            (Self::Http(scope), Use::Http { method, origin, private }) => {
                scope.contains(*method, origin, private.is_some())
            }
            (Self::Database(scope), Use::Database { connection: name })
            | (Self::Llm(scope), Use::Llm { model: name }) => scope.contains(name),
            (Self::Call(scope), Use::Call { component }) => scope.contains(&component.to_string()),
            (Self::Secret(scope), Use::Secret { place }) => scope.contains(place),
            (
                Self::FsRead(_)
                | Self::FsWrite(_)
                | Self::Sql(_)
                | Self::Database(_)
                | Self::Http(_)
                | Self::Llm(_)
                | Self::Call(_)
                | Self::Secret(_),
                _,
            ) => false,
        }
    }

    /// Says whether everything that `other` allows is allowed by this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::FsRead(ours), Self::FsRead(theirs))
            | (Self::FsWrite(ours), Self::FsWrite(theirs))
            | (Self::Sql(ours), Self::Sql(theirs)) => ours.covers(theirs),
            (Self::Http(ours), Self::Http(theirs)) => ours.covers(theirs),
            (Self::Database(ours), Self::Database(theirs))
            | (Self::Llm(ours), Self::Llm(theirs))
            | (Self::Call(ours), Self::Call(theirs)) => ours.covers(theirs),
            (Self::Secret(ours), Self::Secret(theirs)) => ours.covers(theirs),
            _ => false,
        }
    }

    /// What both allow; nothing if their powers differ.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::FsRead(ours), Self::FsRead(theirs)) => Self::FsRead(ours.meet(theirs)),
            (Self::FsWrite(ours), Self::FsWrite(theirs)) => Self::FsWrite(ours.meet(theirs)),
            (Self::Sql(ours), Self::Sql(theirs)) => Self::Sql(ours.meet(theirs)),
            (Self::Http(ours), Self::Http(theirs)) => Self::Http(ours.meet(theirs)),
            (Self::Database(ours), Self::Database(theirs)) => Self::Database(ours.meet(theirs)),
            (Self::Llm(ours), Self::Llm(theirs)) => Self::Llm(ours.meet(theirs)),
            (Self::Call(ours), Self::Call(theirs)) => Self::Call(ours.meet(theirs)),
            (Self::Secret(ours), Self::Secret(theirs)) => Self::Secret(ours.meet(theirs)),
            _ => return None,
        })
    }
}

/// A place and, where it is a path above the working folder, the working folder too: paths of the one and the other are
/// not compared.
pub(crate) fn with_folder_below(folder: &WorkingFolder, place: Place) -> impl Iterator<Item = Place> {
    let above = place.path().is_some_and(|path| path.contains_folder(folder));
    let here = above.then(|| place.with_path(ScopedPath::root()));
    here.into_iter().chain([place])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::PathError;

    fn parse(text: &str) -> Result<Capability, ParseCapabilityError> {
        Capability::parse(&WorkingFolder::new(b"/home/ann").unwrap(), text.as_bytes())
    }

    fn trees(text: &str) -> Vec<String> {
        parse(text).unwrap().places().unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_capability_is_a_power_and_a_path() {
        assert_eq!(trees("fs-read=data"), ["data"]);
        assert_eq!(trees("sql=/srv/a=b.db"), ["/srv/a=b.db"]);
        assert_eq!(parse("sql=x").unwrap().power(), Power::Sql);
    }

    #[test]
    fn a_folder_above_the_working_folder_reaches_it_too() {
        assert_eq!(trees("fs-read=/home"), [".", "/home"]);
        assert_eq!(trees("fs-read=/"), [".", "/"]);
        assert_eq!(trees("fs-read=/hom"), ["/hom"]);
    }

    #[test]
    fn what_is_no_capability_is_refused() {
        assert!(matches!(parse("fs-read"), Err(ParseCapabilityError::NoScope { .. })));
        assert!(matches!(parse("fs-erase=x"), Err(ParseCapabilityError::UnknownPower { .. })));
        assert!(matches!(parse("=x"), Err(ParseCapabilityError::UnknownPower { .. })));
        assert!(matches!(parse("sql="), Err(ParseCapabilityError::Path { source: PathError::Empty, .. })));
        assert!(matches!(parse("fs-read=a/.palisade/x"), Err(ParseCapabilityError::OwnFolder { .. })));
    }

    #[test]
    fn powers_do_not_mix() {
        let (read, sql) = (parse("fs-read=a").unwrap(), parse("sql=a").unwrap());
        assert!(!read.covers(&sql) && read.meet(&sql).is_none());
        assert!(read.covers(&parse("fs-read=a/b").unwrap()));
        assert_eq!(read.meet(&parse("fs-read=a/b").unwrap()), parse("fs-read=a/b").ok());
    }
}
