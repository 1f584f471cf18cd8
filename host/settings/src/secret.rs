//! `[[secret]]`: what servers know a component by, and the only places to which the host sends it.

use crate::grant::{reason, target};
use crate::key_place;
use crate::table::Reader;
use crate::target::{Names, Target};
use palisade_authority::{Grant, SecretPlace, SecretPlaceError};
use palisade_model::causes;
use palisade_model::llm::KeyPlace;
use palisade_runbook::Spanned;
use semver::Version;
use std::ops::Range;
use toml::de::DeTable;

const OF: &str = "[[secret]]";
const KEYS: [&str; 6] = ["name", "from", "header", "origins", "components", "reason"];
/// The header in which a secret is sent unless the table says another.
const HEADER: &str = "authorization";

/// A `[[secret]]`. It counts for the bytes of its components that a person accepted, which is not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretTable {
    /// Its name.
    pub name: String,
    /// Where it is kept.
    pub from: KeyPlace,
    /// What the components below are granted: it, in one header, at some origins.
    pub grant: Grant,
    /// By which components.
    pub components: Vec<Target>,
    /// Why, for people; neutralised.
    pub reason: Option<String>,
    /// The line of the table.
    pub line: usize,
}

impl SecretTable {
    /// Says whether it speaks of that version of that component.
    #[must_use]
    pub fn concerns(&self, id: &palisade_model::ComponentId, version: &Version) -> bool {
        self.components.iter().any(|target| target.means(id, version))
    }
}

pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>, names: Names<'_>) -> Vec<SecretTable> {
    let mut secrets: Vec<SecretTable> = Vec::new();
    for (table, at) in r.sections(file, "secret") {
        let Some(secret) = one(r, table, &at, names) else { continue };
        if let Some(known) = secrets.iter().find(|known| known.name == secret.name) {
            r.wrong(at, format!("there is a {OF} `{}` already, on line {}", secret.name, known.line), None);
        }
        secrets.push(secret);
    }
    secrets
}

fn one(r: &mut Reader<'_>, table: &DeTable<'_>, at: &Range<usize>, names: Names<'_>) -> Option<SecretTable> {
    r.check_keys(OF, table, &KEYS);
    let name = r.needed_text(OF, table, at, "name");
    if table.get("from").is_none() {
        let help = "write `from = { env = \"NAME\" }` or `from = { file = \"PATH\" }`".to_owned();
        r.wrong(at.clone(), format!("{OF} needs a `from`"), Some(help));
    }
    let from = table.get("from").and_then(|value| key_place::read(r, "from", OF, value));
    let header = r.text(OF, table, "header");
    let origins = listed(r, table, at, "origins", "https://api.example.org");
    let components = listed(r, table, at, "components", "acme:tracker");
    let components = components.iter().filter_map(|name| target(r, name, names)).collect();
    let (reason, line) = (reason(r, OF, table), r.line(at));
    let name = name?;
    let places = places(r, &name, header.as_ref(), &origins);
    let stated = format!("palisade.toml:{line}");
    let (name, from) = (name.value, from?);
    Some(SecretTable { name, from, grant: Grant::of_secret(places, stated), components, reason, line })
}

/// The list of texts under a key, which must be there and not be empty.
fn listed(
    r: &mut Reader<'_>,
    table: &DeTable<'_>,
    at: &Range<usize>,
    key: &str,
    example: &str,
) -> Vec<Spanned<String>> {
    let list = r.texts(OF, table, key);
    if table.get(key).is_none() || list.as_ref().is_some_and(Vec::is_empty) {
        r.wrong(at.clone(), format!("{OF} lists no `{key}`, as `{key} = [\"{example}\"]`"), None);
    }
    list.unwrap_or_default()
}

/// Where the secret may be sent. What is wrong is told at the part that is wrong, once.
fn places(
    r: &mut Reader<'_>,
    name: &Spanned<String>,
    header: Option<&Spanned<String>>,
    origins: &[Spanned<String>],
) -> Vec<SecretPlace> {
    let mut places = Vec::new();
    for origin in origins {
        let written = header.map_or(HEADER, |header| header.value.as_str());
        match SecretPlace::granted(&name.value, written, &origin.value) {
            Ok(place) => places.push(place),
            Err(error) => {
                let (at, all) = match &error {
                    SecretPlaceError::Name(_) => (name, true),
                    SecretPlaceError::Header { .. } => (header.unwrap_or(name), true),
                    _ => (origin, false),
                };
                r.wrong(at.span.start..at.span.end, format!("{OF}: {}", causes(&error)), None);
                if all {
                    break;
                }
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::tests::{check, read_text};

    fn table(rest: &str) -> String {
        format!("[[secret]]\nname = \"token\"\nfrom = {{ env = \"TOKEN\" }}\n{rest}\n")
    }

    #[test]
    fn a_secret_says_where_it_is_and_where_it_may_go() {
        let rest = "origins = [\"https://a.example\", \"http://localhost:8000\"]\ncomponents = [\"acme:x\", \"filesystem\"]\n\
                    reason = \"why\"";
        let read = read_text(&table(rest)).unwrap().secrets.remove(0);
        assert_eq!((read.name.as_str(), read.from), ("token", KeyPlace::Env("TOKEN".to_owned())));
        let components: Vec<_> = read.components.iter().map(ToString::to_string).collect();
        assert_eq!(components, ["acme:x", "palisade:filesystem"]);
        let places: Vec<_> = read.grant.capability().places().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(places, ["token authorization http://localhost:8000", "token authorization https://a.example"]);
        assert_eq!((read.grant.stated(), read.reason.as_deref(), read.line), ("palisade.toml:1", Some("why"), 1));
        let rest = "header = \"x-api-key\"\norigins = [\"https://a.example\"]\ncomponents = [\"acme:x@1.0.0\"]";
        let read = read_text(&table(rest)).unwrap().secrets.remove(0);
        let places = read.grant.capability().places().unwrap();
        assert_eq!(places[0].to_string(), "token x-api-key https://a.example");
        let concerns = |version: &str| read.concerns(&"acme:x".parse().unwrap(), &version.parse().unwrap());
        assert!(concerns("1.0.0") && !concerns("1.0.1"));
    }

    #[test]
    fn what_is_wrong_with_a_secret_is_told_at_its_place() {
        check(
            "[[secret]]\n",
            &[
                "1:1: [[secret]] needs a `name`",
                "1:1: [[secret]] needs a `from` (write `from = { env = \"NAME\" }` or `from = { file = \"PATH\" }`)",
                "1:1: [[secret]] lists no `origins`, as `origins = [\"https://api.example.org\"]`",
                "1:1: [[secret]] lists no `components`, as `components = [\"acme:tracker\"]`",
            ],
        );
        check(
            &table(
                "origins = [\"http://a.example\", \"https://*.a.example\", \"a.example\"]\ncomponents = [\"*\", \"readr\"]\nheaders = 1",
            ),
            &[
                "4:12: [[secret]]: `http://a.example` would get it in the clear: write `https://`",
                "4:32: [[secret]]: its origin can't be used: `*` stands for one whole part in front of at least two others, as in `https://*.example.org`",
                "4:55: [[secret]]: its origin can't be used: it begins with neither `https://` nor `http://`",
                "5:15: `*` is not allowed in this name",
                "5:20: `readr` is neither an id, as `acme:reader`, nor an alias (known are `filesystem`, `sqlite`)",
                "6:1: [[secret]] has no `headers` (did you mean `header`?)",
            ],
        );
        let good = "origins = [\"https://a.example\", \"https://b.example\"]\ncomponents = [\"acme:x\"]";
        check(
            &table(good).replace("\"token\"", "\"To ken\"").replace("{ env = \"TOKEN\" }", "\"t0psecret\""),
            &[
                "2:8: [[secret]]: `To ken` is not the name of a secret: those have 1 to 64 lower-case letters, digits, `-`, `_` and `.`",
                "3:8: `from` of [[secret]] says where the key is, in one way (keys themselves don't stand in this file: write `{ env = \"NAME\" }` or `{ file = \"PATH\" }`)",
            ],
        );
        check(
            &table(&format!("header = \"X-Key\"\n{good}")),
            &["4:10: [[secret]]: `X-Key` is not a header: those have 1 to 64 lower-case letters, digits and `-`"],
        );
        check(&table(good).repeat(2), &["6:1: there is a [[secret]] `token` already, on line 1"]);
    }
}
