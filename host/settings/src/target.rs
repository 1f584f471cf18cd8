//! Which component a table means, by its id or a short name.

use palisade_model::ComponentId;
use palisade_model::id::ComponentName;
use palisade_runbook::suggestion;
use semver::Version;
use std::collections::BTreeMap;
use std::fmt;

/// A component, in all its versions or in one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Which.
    pub id: ComponentId,
    /// In which version; none = in every one.
    pub version: Option<Version>,
}

/// The short names that a file can use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'n> {
    pub(crate) aliases: &'n BTreeMap<String, ComponentName>,
    pub(crate) first_party: &'n [String],
}

impl Target {
    /// Says whether it means that version of that component.
    #[must_use]
    pub fn means(&self, id: &ComponentId, version: &Version) -> bool {
        self.id == *id && self.version.as_ref().is_none_or(|own| own == version)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, "@{version}"))
    }
}

impl Names<'_> {
    /// The component of that name; or why there is none, and what to do.
    pub(crate) fn resolve(&self, text: &str) -> Result<Target, (String, Option<String>)> {
        let named: ComponentName = text.parse().map_err(|error| (format!("{error}"), None))?;
        let full = match self.aliases.get(&named.name) {
            Some(of) => ComponentName { version: named.version.or_else(|| of.version.clone()), ..of.clone() },
            None if named.name.contains(':') => named,
            None if self.first_party.contains(&named.name) => {
                ComponentName { name: format!("{}:{}", ComponentId::FIRST_PARTY, named.name), ..named }
            }
            None => {
                let known = self.aliases.keys().map(String::as_str).chain(self.first_party.iter().map(String::as_str));
                let help = suggestion(&named.name, known);
                let none = format!("`{}` is neither an id, as `acme:reader`, nor an alias", named.name);
                return Err((none, help));
            }
        };
        let id = full.name.parse().map_err(|error| (format!("{error}"), None))?;
        Ok(Target { id, version: full.version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let aliases = BTreeMap::from([
            ("reader".to_owned(), "acme:reader".parse().unwrap()),
            ("old".to_owned(), "acme:reader@1.0.0".parse().unwrap()),
        ]);
        let first_party = ["filesystem".to_owned()];
        let found = Names { aliases: &aliases, first_party: &first_party }.resolve(text);
        let told = found
            .map(|target| target.to_string())
            .map_err(|(error, help)| format!("{error}{}", help.map_or_else(String::new, |help| format!("; {help}"))));
        assert_eq!(told, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
    }

    #[test]
    fn short_names_stand_for_ids() {
        check("acme:reader", Ok("acme:reader"));
        check("acme:reader@1.2.0", Ok("acme:reader@1.2.0"));
        check("reader", Ok("acme:reader"));
        check("reader@2.0.0", Ok("acme:reader@2.0.0"));
        check("old", Ok("acme:reader@1.0.0"));
        check("old@3.0.0", Ok("acme:reader@3.0.0"));
        check("filesystem", Ok("palisade:filesystem"));
        check("readr", Err("`readr` is neither an id, as `acme:reader`, nor an alias; did you mean `reader`?"));
    }

    #[test]
    fn what_only_looks_like_an_id_is_none() {
        // A Cyrillic letter in place of a Latin one.
        assert!("\u{430}cme:reader".parse::<ComponentName>().is_err());
        let names = Names { aliases: &BTreeMap::new(), first_party: &[] };
        for wrong in ["\u{430}cme:reader", "acme:", "*", "acme:reader@", "acme:reader@1", "acme:reader "] {
            assert!(names.resolve(wrong).is_err(), "{wrong}");
        }
    }
}
