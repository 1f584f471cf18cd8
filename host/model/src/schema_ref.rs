//! Names of artifact schemas, exact (`standard_input/1.0.0`) and as a requirement (`standard_input/1`).

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Most characters of a schema's name.
pub const MAX_SCHEMA_NAME_CHARS: usize = 128;

/// Why a text names no schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaRefError {
    /// The name has other characters than lower-case letters, digits, `_` and `.`, or is empty or too long.
    #[error("`{name}` is not the name of a schema: lower-case letters, digits, `_` and `.`")]
    Name {
        /// What stood before the slash, cut to 80 characters.
        name: String,
    },
    /// The part after the slash is not `major.minor.patch`, or not a caret requirement.
    #[error("`{version}` is not a version of a schema")]
    Version {
        /// What stood after the slash, cut to 80 characters.
        version: String,
    },
    /// There is no slash.
    #[error("a schema is named `name/version`")]
    NoVersion,
}

fn check_name(name: &str) -> Result<(), SchemaRefError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.';
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= MAX_SCHEMA_NAME_CHARS
        && name.split('.').all(|part| !part.is_empty())
        && name.chars().all(allowed);
    if good { Ok(()) } else { Err(SchemaRefError::Name { name: name.chars().take(80).collect() }) }
}

/// One schema in one version: `name/major.minor.patch`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaRef {
    name: String,
    version: semver::Version,
}

impl SchemaRef {
    /// Puts a name and a version together.
    ///
    /// # Errors
    /// When the name has characters that are not allowed.
    pub fn new(name: &str, version: semver::Version) -> Result<Self, SchemaRefError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), version })
    }

    /// The name without its version.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> &semver::Version {
        &self.version
    }
}

/// The schemas an input takes: a name and a caret requirement, `name/1`, `name/1.2`, `name/1.2.3`, or any version.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaReq {
    name: String,
    /// The requirement as written, empty = any.
    written: String,
}

impl SchemaReq {
    /// The name without the requirement.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says whether a schema satisfies this requirement.
    #[must_use]
    pub fn accepts(&self, schema: &SchemaRef) -> bool {
        self.name == schema.name
            && (self.written.is_empty()
                || semver::VersionReq::parse(&format!("^{}", self.written))
                    .is_ok_and(|req| req.matches(&schema.version)))
    }
}

impl FromStr for SchemaRef {
    type Err = SchemaRefError;

    fn from_str(text: &str) -> Result<Self, SchemaRefError> {
        let (name, version) = text.split_once('/').ok_or(SchemaRefError::NoVersion)?;
        let version = semver::Version::parse(version)
            .ok()
            .filter(|parsed| parsed.pre.is_empty() && parsed.build.is_empty())
            .ok_or_else(|| SchemaRefError::Version { version: version.chars().take(80).collect() })?;
        Self::new(name, version)
    }
}

impl FromStr for SchemaReq {
    type Err = SchemaRefError;

    fn from_str(text: &str) -> Result<Self, SchemaRefError> {
        let (name, written) = text.split_once('/').unwrap_or((text, ""));
        check_name(name)?;
        let digits = |part: &str| !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit());
        let good = written.is_empty() && !text.contains('/')
            || written.split('.').count() <= 3 && written.split('.').all(digits);
        if good {
            Ok(Self { name: name.to_owned(), written: written.to_owned() })
        } else {
            Err(SchemaRefError::Version { version: written.chars().take(80).collect() })
        }
    }
}

impl fmt::Display for SchemaRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.version)
    }
}

impl fmt::Display for SchemaReq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.written.is_empty() { Ok(()) } else { write!(f, "/{}", self.written) }
    }
}

macro_rules! text_form {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::read(deserializer)
            }
        }
    };
}

text_form!(SchemaRef);
text_form!(SchemaReq);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_carets() {
        let schema: SchemaRef = "standard_input/1.2.0".parse().unwrap();
        for good in ["standard_input", "standard_input/1", "standard_input/1.2", "standard_input/1.1.5"] {
            assert!(good.parse::<SchemaReq>().unwrap().accepts(&schema), "{good}");
        }
        for other in ["standard_input/2", "standard_input/1.3", "source_code/1"] {
            assert!(!other.parse::<SchemaReq>().unwrap().accepts(&schema), "{other}");
        }
    }

    #[test]
    fn names_are_strict() {
        for wrong in ["", "x", "x/1", "X/1.0.0", "../x/1.0.0", "x/1.0.0-a", "x/1.0.0+b", "a..b/1.0.0", "x/1.0.0/2"] {
            assert!(wrong.parse::<SchemaRef>().is_err(), "{wrong}");
        }
        for wrong in ["x/", "x/^1", "x/1.2.3.4", "x/*", "x/ 1"] {
            assert!(wrong.parse::<SchemaReq>().is_err(), "{wrong}");
        }
    }
}
