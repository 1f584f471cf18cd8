//! Typed, scoped powers, and the two operations on them: `covers` and `meet`.

use crate::authorise::Use;
use crate::path::{PathError, ScopedPath, WorkingFolder};
use crate::scope::PathScope;
use palisade_model::manifest::Power;
use palisade_model::neutral;
use serde::{Deserialize, Serialize};

/// A power and how far it reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "power", content = "scope", rename_all = "kebab-case")]
pub enum Capability {
    /// Reading files and listing folders.
    FsRead(PathScope),
    /// Reading the SQLite databases whose files are in the scope.
    Sql(PathScope),
}

/// Why a text is not a capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseCapabilityError {
    /// There is no `=`.
    #[error("`{text}` is not a capability: `fs-read=PATH` or `sql=PATH` is wanted")]
    NoScope {
        /// What was given, neutralised.
        text: String,
    },
    /// The power is unknown.
    #[error("`{name}` is not a power; known are `fs-read` and `sql`")]
    UnknownPower {
        /// What stood before the `=`, neutralised.
        name: String,
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
}

impl Capability {
    /// The capability of that power with that scope.
    #[must_use]
    pub const fn new(power: Power, scope: PathScope) -> Self {
        match power {
            Power::FsRead => Self::FsRead(scope),
            Power::Sql => Self::Sql(scope),
        }
    }

    /// Reads `fs-read=PATH` or `sql=PATH`; the path is relative to the working folder unless it begins with `/`. A path
    /// above the working folder reaches the working folder too.
    ///
    /// # Errors
    /// When the power is unknown, the path can't be used or lies in Palisade's own folder.
    pub fn parse(folder: &WorkingFolder, text: &[u8]) -> Result<Self, ParseCapabilityError> {
        Self::parse_in(folder, folder, text)
    }

    /// As [`Capability::parse`], for one that is written in a file of the folder `base`: paths are relative to that one.
    ///
    /// # Errors
    /// As [`Capability::parse`].
    pub fn parse_in(folder: &WorkingFolder, base: &WorkingFolder, text: &[u8]) -> Result<Self, ParseCapabilityError> {
        let (power, path) = power_and_path(folder, base, text)?;
        if crate::scope::is_own(&path) {
            return Err(ParseCapabilityError::OwnFolder { path });
        }
        Ok(Self::new(power, PathScope::below(with_folder_below(folder, path))))
    }

    /// Which power it is.
    #[must_use]
    pub const fn power(&self) -> Power {
        match self {
            Self::FsRead(_) => Power::FsRead,
            Self::Sql(_) => Power::Sql,
        }
    }

    /// How far it reaches.
    #[must_use]
    pub const fn scope(&self) -> &PathScope {
        match self {
            Self::FsRead(scope) | Self::Sql(scope) => scope,
        }
    }

    /// Says whether this use lies within it.
    #[must_use]
    pub fn allows(&self, asked: &Use) -> bool {
        match (self, asked) {
            (Self::FsRead(scope), Use::FsRead { path }) => scope.contains(path),
            (Self::Sql(scope), Use::Sql { database }) => scope.contains(database),
            (Self::FsRead(_), Use::Sql { .. }) | (Self::Sql(_), Use::FsRead { .. }) => false,
        }
    }

    /// Says whether everything that `other` allows is allowed by this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.power() == other.power() && self.scope().covers(other.scope())
    }

    /// What both allow; nothing if their powers differ.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        (self.power() == other.power()).then(|| Self::new(self.power(), self.scope().meet(other.scope())))
    }
}

/// Reads `POWER=PATH`.
pub(crate) fn power_and_path(
    folder: &WorkingFolder,
    base: &WorkingFolder,
    text: &[u8],
) -> Result<(Power, ScopedPath), ParseCapabilityError> {
    let shown = |bytes: &[u8]| neutral::line(&String::from_utf8_lossy(bytes), 80);
    let at = text
        .iter()
        .position(|&byte| byte == b'=')
        .ok_or_else(|| ParseCapabilityError::NoScope { text: shown(text) })?;
    let (name, written) = (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
    let power = std::str::from_utf8(name)
        .ok()
        .and_then(Power::from_name)
        .ok_or_else(|| ParseCapabilityError::UnknownPower { name: shown(name) })?;
    let path = ScopedPath::parse_in(folder, base, written)
        .map_err(|source| ParseCapabilityError::Path { power: power.name(), source })?;
    Ok((power, path))
}

/// A path, and the working folder if it lies below it: paths of the one and the other are not compared.
pub(crate) fn with_folder_below(folder: &WorkingFolder, path: ScopedPath) -> impl Iterator<Item = ScopedPath> {
    path.contains_folder(folder).then(ScopedPath::root).into_iter().chain([path])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Capability, ParseCapabilityError> {
        Capability::parse(&WorkingFolder::new(b"/home/ann").unwrap(), text.as_bytes())
    }

    fn trees(text: &str) -> Vec<String> {
        parse(text).unwrap().scope().trees().unwrap().iter().map(ToString::to_string).collect()
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
        assert!(matches!(parse("fs-write=x"), Err(ParseCapabilityError::UnknownPower { .. })));
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
