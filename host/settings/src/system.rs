//! `[[system]]`: data that the operator set up under a name.

use crate::table::Reader;
use palisade_model::id::ComponentName;
use palisade_model::neutral;
use palisade_runbook::{System, Systems};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::de::DeTable;

/// The system that everybody has.
pub const THIS_FOLDER: &str = "this folder";
const KEYS: [&str; 5] = ["name", "aliases", "connector", "config", "labels"];

pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>, with_this_folder: bool) -> Systems {
    let mut systems = Systems::default();
    for (table, at) in r.sections(file, "system") {
        let Some(system) = one(r, table, &at) else { continue };
        let of = of(&system.name);
        if let Some(taken) = systems.add(system) {
            r.wrong(at, format!("{of}: the name `{taken}` is taken by another system"), None);
        }
    }
    if with_this_folder {
        // One that the operator calls so takes its place.
        systems.add(this_folder());
    }
    systems
}

fn of(name: &str) -> String {
    format!("[[system]] `{}`", neutral::line(name, 60))
}

fn one(r: &mut Reader<'_>, table: &DeTable<'_>, at: &Range<usize>) -> Option<System> {
    const OF: &str = "[[system]]";
    r.check_keys(OF, table, &KEYS);
    let name = r.needed_text(OF, table, at, "name");
    let connector = r.needed_text(OF, table, at, "connector");
    let texts = |r: &mut Reader<'_>, key| -> Vec<String> {
        r.texts(OF, table, key).unwrap_or_default().into_iter().map(|text| text.value).collect()
    };
    let (aliases, labels) = (texts(r, "aliases"), texts(r, "labels"));
    let config = match table.get("config") {
        None => Some(Json::Object(serde_json::Map::new())),
        Some(value) if value.get_ref().is_table() => r.json("a config of [[system]]", value),
        Some(value) => {
            r.wrong(value.span(), "`config` of [[system]] is no table", None);
            None
        }
    };
    let (name, connector) = (name?, connector?);
    let of = of(&name.value);
    if std::iter::once(&name.value).chain(&aliases).any(|name| name.trim().is_empty()) {
        r.wrong(name.span.start..name.span.end, format!("{of} has an empty name"), None);
        return None;
    }
    let told = |error| {
        r.wrong(connector.span.start..connector.span.end, format!("{of}: `connector`: {error}"), None);
    };
    let connector: ComponentName = connector.value.parse().map_err(told).ok()?;
    Some(System { name: name.value, aliases, connector, config: config?, labels: labels.into_iter().collect() })
}

/// What there is where the operator names no system.
pub(crate) fn only_this_folder() -> Systems {
    let mut systems = Systems::default();
    systems.add(this_folder());
    systems
}

/// The folder in which Palisade runs, as a system: what a runbook reads that knows of no other.
fn this_folder() -> System {
    System {
        name: THIS_FOLDER.to_owned(),
        aliases: Vec::new(),
        connector: ComponentName { name: "filesystem".to_owned(), version: None },
        config: serde_json::json!({"path": "."}),
        labels: BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::tests::{check, read_text};

    #[test]
    fn a_system_has_a_connector_and_its_config() {
        let text = "[[system]]\nname = \"shop\"\nconnector = \"sqlite\"\nlabels = [\"personal\"]\n\
                    config = { a = [1, 2.5, true], b = { c = \"x\" } }\n";
        let file = read_text(text).unwrap();
        let names: Vec<_> = file.systems.iter().map(|system| system.name.as_str()).collect();
        assert_eq!(names, ["shop", THIS_FOLDER]);
        let config = &file.systems.find("SHOP").unwrap().config;
        assert_eq!(config, &serde_json::json!({"a": [1, 2.5, true], "b": {"c": "x"}}));
        let without = read_text("[generated]\nthis_folder = false\n").unwrap();
        assert_eq!(without.systems.iter().count(), 0);
    }

    #[test]
    fn what_is_wrong_with_a_system_is_told_at_its_place() {
        let named = |rest: &str| format!("[[system]]\nname = \"a\"\n{rest}");
        check(&named(""), &["1:1: [[system]] needs a `connector`"]);
        check(&named("connector = \"a b\"\n"), &["3:13: [[system]] `a`: `connector`: ` ` is not allowed in this name"]);
        check(
            &named("connector = \"x\"\nconfig = {d = 1979-05-27, f = nan}\n"),
            &["4:15: a config of [[system]] can't hold a date: write it as a text"],
        );
        let twice = named("connector = \"x\"\n").repeat(2);
        check(&twice, &["4:1: [[system]] `a`: the name `a` is taken by another system"]);
        check("[system]\nname = \"a\"\n", &["1:1: `system` may stand there more than once: write `[[system]]`"]);
    }
}
