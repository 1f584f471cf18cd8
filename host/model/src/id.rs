//! Ids: what things are called, and which names are allowed.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;

/// Most characters of a step id or artifact name.
pub const MAX_NAME_CHARS: usize = 128;
/// Most characters of a namespace, and of a component's own name.
pub const MAX_COMPONENT_NAME_CHARS: usize = 64;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// It is empty.
    #[error("the name is empty")]
    Empty,
    /// It is longer than allowed.
    #[error("the name has more than {max} characters")]
    TooLong {
        /// Most characters allowed.
        max: usize,
    },
    /// A character is not allowed there.
    #[error("`{}` is not allowed in this name", character.escape_debug())]
    Character {
        /// The first such character.
        character: char,
    },
    /// It is kept for Palisade itself.
    #[error("`{name}` is reserved")]
    Reserved {
        /// The name.
        name: String,
    },
    /// It has not the form `namespace:name`.
    #[error("a component id has the form `namespace:name`")]
    NoNamespace,
    /// The part after `@` is not a semantic version.
    #[error("`{text}` is not a semantic version")]
    Version {
        /// What was given.
        text: String,
    },
    /// It is not a run id.
    #[error("`{text}` is not a run id")]
    Run {
        /// What was given.
        text: String,
    },
}

/// The name of a component without its version: `namespace:name`, lower-case ASCII.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId {
    text: String,
    colon: usize,
}

impl ComponentId {
    /// The namespace of the components that come with Palisade.
    pub const FIRST_PARTY: &'static str = "palisade";

    /// The part before the colon.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.text.get(..self.colon).unwrap_or_default()
    }

    /// The part after the colon.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text.get(self.colon + 1..).unwrap_or_default()
    }

    /// What is left of the id when all that a person could mistake is folded: two components whose keys are equal
    /// can't both be registered.
    #[must_use]
    pub fn confusion_key(&self) -> String {
        confusion_key(&self.text)
    }
}

/// The part of component ids before the colon: who stands behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace(String);

impl Namespace {
    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether a person could take the two for each other; the same ones too.
    #[must_use]
    pub fn looks_like(&self, other: &str) -> bool {
        confusion_key(&self.0) == confusion_key(other)
    }
}

impl FromStr for Namespace {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        check_component_part(text)?;
        Ok(Self(text.to_owned()))
    }
}

fn confusion_key(text: &str) -> String {
    // Folded twice: the skeleton of `I` is `l`, that of `m` is `rn`, so case goes first.
    skeleton(&text.to_lowercase().replace('-', "_")).collect::<String>().to_lowercase()
}

impl FromStr for ComponentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (namespace, name) = text.split_once(':').ok_or(IdError::NoNamespace)?;
        for part in [namespace, name] {
            check_component_part(part)?;
        }
        Ok(Self { text: text.to_owned(), colon: namespace.len() })
    }
}

fn check_component_part(part: &str) -> Result<(), IdError> {
    let first = part.chars().next().ok_or(IdError::Empty)?;
    if part.chars().count() > MAX_COMPONENT_NAME_CHARS {
        return Err(IdError::TooLong { max: MAX_COMPONENT_NAME_CHARS });
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    match part.chars().find(|&c| !allowed(c)) {
        Some(character) => Err(IdError::Character { character }),
        None if first.is_ascii_lowercase() => Ok(()),
        None => Err(IdError::Character { character: first }),
    }
}

/// The name of a step in its runbook.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(String);

/// The name of an artifact in its runbook.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactName(String);

/// The boundary that nothing crosses; there is one, `default`, until tenants are configured.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(String);

impl Default for TenantId {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// Checks a name as steps and artifacts have: Unicode letters, digits, `_`, `-`, at most [`MAX_NAME_CHARS`], in NFC,
/// not `run`. Gives its NFC form.
fn checked_name(text: &str) -> Result<String, IdError> {
    // ASCII has one form.
    let name: String = if text.is_ascii() {
        text.get(..text.len().min(MAX_NAME_CHARS + 1)).unwrap_or_default().to_owned()
    } else {
        text.nfc().take(MAX_NAME_CHARS + 1).collect()
    };
    if name.is_empty() {
        return Err(IdError::Empty);
    }
    if name.chars().count() > MAX_NAME_CHARS {
        return Err(IdError::TooLong { max: MAX_NAME_CHARS });
    }
    let mark_or_letter = |c: char| c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let is_wrong = |c: char| !is_plain(c) && (!mark_or_letter(c) || crate::neutral::is_hidden(c));
    if let Some(character) = name.chars().find(|&c| is_wrong(c)) {
        return Err(IdError::Character { character });
    }
    // No letter beyond ASCII has one of these as its small form.
    if name.eq_ignore_ascii_case("run") {
        return Err(IdError::Reserved { name });
    }
    Ok(name)
}

macro_rules! name_type {
    ($name:ident) => {
        impl $name {
            /// The text as written, in NFC.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The form under which names are compared: without case.
            #[must_use]
            pub fn key(&self) -> String {
                self.0.to_lowercase()
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                checked_name(text).map(Self)
            }
        }

        text_form!($name);
    };
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

name_type!(StepId);
name_type!(ArtifactName);
name_type!(TenantId);
text_form!(ComponentId);
text_form!(RunId);

impl ArtifactName {
    /// A name for the step of that number, which has none of its own.
    #[must_use]
    pub fn of_step(number: usize) -> Self {
        Self(format!("step_{number}"))
    }
}

/// Both are names by the same rules.
impl From<StepId> for ArtifactName {
    fn from(id: StepId) -> Self {
        Self(id.0)
    }
}

/// Both are names by the same rules.
impl From<ArtifactName> for StepId {
    fn from(name: ArtifactName) -> Self {
        Self(name.0)
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl StepId {
    /// Makes an id from a free title: NFC, lower case, every other run of characters becomes `_`.
    ///
    /// # Errors
    /// When nothing is left, or the result is too long or reserved.
    pub fn from_title(title: &str) -> Result<Self, IdError> {
        let composed = match title.is_ascii() {
            true => title.to_ascii_lowercase(),
            false => title.nfc().flat_map(char::to_lowercase).collect(),
        };
        let mut id = String::with_capacity(composed.len());
        for c in composed.chars() {
            if c.is_alphanumeric() || c == '-' {
                id.push(c);
            } else if !id.ends_with('_') {
                id.push('_');
            }
        }
        id.trim_matches('_').parse()
    }
}

/// One execution of a plan: a UUID version 7, so that ids sort by their start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(uuid::Uuid);

impl RunId {
    /// Makes an id from a time in milliseconds since 1970 and ten random bytes.
    #[must_use]
    pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
    }

    /// Wraps bytes that already are an id.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(uuid::Uuid::from_bytes(bytes))
    }

    /// The 16 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl FromStr for RunId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        uuid::Uuid::try_parse(text).map(Self).map_err(|_| IdError::Run { text: text.chars().take(80).collect() })
    }
}

/// A component as a runbook names it: an id or an alias, with an optional version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentName {
    /// The id, or the alias where there is no colon.
    pub name: String,
    /// The exact version asked for; none = the one in force.
    pub version: Option<semver::Version>,
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, "@{version}"))
    }
}

impl FromStr for ComponentName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (name, version) = text.split_once('@').map_or((text, None), |(name, version)| (name, Some(version)));
        match name.split_once(':') {
            Some(_) => drop(name.parse::<ComponentId>()?),
            None => check_component_part(name)?,
        }
        let version = version
            .map(|text| {
                semver::Version::parse(text).map_err(|_| IdError::Version { text: text.chars().take(80).collect() })
            })
            .transpose()?;
        Ok(Self { name: name.to_owned(), version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn component_ids_are_strict() {
        let id: ComponentId = "acme:pii-finder_2".parse().unwrap();
        assert_eq!((id.namespace(), id.name()), ("acme", "pii-finder_2"));
        for wrong in
            ["acme", "Acme:x", "acme:", ":x", "a:b:c", "a:1x", "a:é", "a:x y", &format!("a:{}", "x".repeat(65))]
        {
            assert!(wrong.parse::<ComponentId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ids_that_look_alike_have_one_key() {
        let key = |text: &str| text.parse::<ComponentId>().unwrap().confusion_key();
        assert_eq!(key("acme:pii-tool"), key("acme:pii_tool"));
        assert_eq!(key("acme:tool1"), key("acme:tooll"));
        assert_eq!(key("acme:to0l"), key("acme:tool"));
        assert_eq!(key("acme:modern"), key("acme:modem"));
        assert_ne!(key("acme:tool"), key("acme:pool"));
    }

    #[test]
    fn names_keep_unicode_letters_and_nothing_that_hides() {
        assert_eq!("Prüfung_1".parse::<StepId>().unwrap().as_str(), "Prüfung_1");
        assert_eq!("u\u{308}".parse::<StepId>().unwrap().as_str(), "ü");
        for wrong in ["", "a b", "a/b", "..", "RUN", "a\u{200b}b", &"x".repeat(129)] {
            assert!(wrong.parse::<StepId>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_title_becomes_an_id() {
        assert_eq!(StepId::from_title("Execute generated runbook").unwrap().as_str(), "execute_generated_runbook");
        assert_eq!(StepId::from_title("  Prüfe: Daten!  ").unwrap().as_str(), "prüfe_daten");
        assert!(StepId::from_title("!!!").is_err());
    }

    #[test]
    fn component_names_may_carry_a_version() {
        let name: ComponentName = "personal_data@1.2.3".parse().unwrap();
        assert_eq!((name.name.as_str(), name.version), ("personal_data", Some(semver::Version::new(1, 2, 3))));
        assert!("personal_data@1".parse::<ComponentName>().is_err());
        assert!("../x".parse::<ComponentName>().is_err());
    }

    #[test]
    fn run_ids_sort_by_time() {
        assert!(RunId::new(1, [255; 10]) < RunId::new(2, [0; 10]));
        let id = RunId::new(1_700_000_000_000, [7; 10]);
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}
