//! Files of expectations, as `palisade grants test` reads them: what a component must be allowed, and what denied.

use crate::file::{Place, parse};
use crate::grant::{each, target};
use crate::mistake::Mistake;
use crate::table::Reader;
use crate::target::{Names, Target};
use palisade_authority::Use;
use palisade_model::id::ComponentName;
use palisade_runbook::{Source, Spanned};
use std::collections::BTreeMap;

/// A `[[expect]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// Of which component.
    pub component: Target,
    /// What it is to be answered, in the order of the file, what is allowed first.
    pub uses: Vec<Expected>,
}

/// A use, and what the answer is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// What is asked for.
    pub asked: Use,
    /// As it is written.
    pub written: String,
    /// The answer.
    pub allowed: bool,
    /// The line where it stands.
    pub line: usize,
}

/// Reads a file of expectations. Its paths are relative to its own folder; `aliases` are those of the operator's file.
///
/// # Errors
/// All mistakes, in the order of the text.
pub fn read_expectations(
    source: &Source,
    place: &Place,
    aliases: &BTreeMap<String, ComponentName>,
) -> Result<Vec<Expectation>, Vec<Mistake>> {
    const OF: &str = "[[expect]]";
    let table = parse(source)?;
    let mut reader = Reader::new(source);
    let r = &mut reader;
    r.check_keys("the file", &table, &["expect"]);
    let names = Names { aliases, first_party: &place.first_party };
    let mut all = Vec::new();
    for (table, at) in r.sections(&table, "expect") {
        r.check_keys(OF, table, &["component", "allow", "deny"]);
        let component = r.needed_text(OF, table, &at, "component").and_then(|name| target(r, &name, names));
        let mut uses = Vec::new();
        for (key, allowed) in [("allow", true), ("deny", false)] {
            let written = r.texts(OF, table, key).unwrap_or_default();
            let asked = each(r, &written, |text, _| Use::parse_in(&place.folder, &place.base, text.as_bytes()));
            let places = written.into_iter().map(|Spanned { value, span }| (value, span.line));
            uses.extend(asked.into_iter().zip(places).map(|(asked, (written, line))| Expected {
                asked,
                written,
                allowed,
                line,
            }));
        }
        if uses.is_empty() {
            r.wrong(
                at,
                format!("{OF} expects nothing: `allow` or `deny` lists uses, as `deny = [\"fs-read=hr\"]`"),
                None,
            );
        }
        all.extend(component.map(|component| Expectation { component, uses }));
    }
    if all.is_empty() && table.get("expect").is_none() {
        r.wrong(0..0, "the file expects nothing: it has no `[[expect]]`", None);
    }
    let mistakes = reader.into_mistakes();
    if mistakes.is_empty() { Ok(all) } else { Err(mistakes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::tests::place;

    fn read(text: &str) -> Result<Vec<String>, Vec<String>> {
        let found = read_expectations(&Source::new("expect.toml", text), &place(), &BTreeMap::new());
        let told = |one: Expectation| {
            let of = one.component.to_string();
            one.uses.into_iter().map(move |used| format!("{of} {} {} {}", used.written, used.allowed, used.line))
        };
        found
            .map(|all| all.into_iter().flat_map(told).collect())
            .map_err(|mistakes| mistakes.into_iter().map(|one| format!("{}: {}", one.span.line, one.message)).collect())
    }

    #[test]
    fn expectations_are_uses_with_their_answers() {
        let text = "[[expect]]\ncomponent = \"sqlite\"\ndeny = [\"sql=hr.db\"]\nallow = [\n\"sql=crm.db\"]\n";
        let expected = ["palisade:sqlite sql=crm.db true 5", "palisade:sqlite sql=hr.db false 3"];
        assert_eq!(read(text), Ok(expected.map(str::to_owned).into()));
    }

    #[test]
    fn a_file_that_expects_nothing_is_a_mistake() {
        let nothing = ["1: the file expects nothing: it has no `[[expect]]`"];
        assert_eq!(read(""), Err(nothing.map(str::to_owned).into()));
        let empty = "1: [[expect]] expects nothing: `allow` or `deny` lists uses, as `deny = [\"fs-read=hr\"]`";
        assert_eq!(read("[[expect]]\ncomponent = \"sqlite\"\n"), Err(vec![empty.to_owned()]));
        assert!(read("[[expect]]\ncomponent = \"sqlite\"\nallow = [\"sql\"]\n").is_err());
    }
}
