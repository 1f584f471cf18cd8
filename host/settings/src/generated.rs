//! `[generated]`: what runbooks may use that are artifacts.

use crate::file::Place;
use crate::table::{Reader, Value};
use palisade_authority::ScopedPath;
use palisade_model::causes;
use palisade_model::id::ComponentName;
use palisade_runbook::{ConfigBound, ConfigRule, NO_RULE, OperatorEntry, Spanned, pointer_of};
use toml::de::DeTable;

const OF: &str = "[generated]";
const ENTRY: &str = "an entry of `components` of [generated]";

pub(crate) struct Generated {
    pub(crate) components: Option<Vec<OperatorEntry>>,
    /// The folder in which Palisade runs is a system that they may read.
    pub(crate) this_folder: bool,
}

pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>, place: &Place) -> Generated {
    let Some(table) = r.section(file, "generated") else { return Generated { components: None, this_folder: true } };
    r.check_keys(OF, table, &["components", "this_folder"]);
    let components = table.get("components").map(|value| {
        let Some(list) = value.get_ref().as_array() else {
            r.wrong(value.span(), format!("`components` of {OF} is no list of components"), None);
            return Vec::new();
        };
        list.iter().filter_map(|one| entry(r, one, place)).collect()
    });
    Generated { components, this_folder: r.flag(OF, table, "this_folder").unwrap_or(true) }
}

/// The name of a component, or a table with bounds on its config beside the name.
fn entry(r: &mut Reader<'_>, value: &Value<'_>, place: &Place) -> Option<OperatorEntry> {
    let Some(table) = value.get_ref().as_table() else {
        let text = r.as_text(&format!("what stands in `components` of {OF}"), value)?;
        return Some(OperatorEntry { component: name(r, &text)?, config: Vec::new() });
    };
    r.check_keys(ENTRY, table, &["component", "config"]);
    let text = r.needed_text(ENTRY, table, &value.span(), "component");
    let component = text.and_then(|text| name(r, &text));
    let mut config = Vec::new();
    let bounds = table.get("config").and_then(|value| {
        let bounds = value.get_ref().as_table();
        if bounds.is_none() {
            r.wrong(value.span(), format!("`config` of {ENTRY} is no table"), None);
        }
        bounds
    });
    let stated = format!("palisade.toml:{}", r.line(&value.span()));
    for (property, said) in bounds.into_iter().flatten() {
        config.extend(bound(r, property.get_ref(), said, &stated, place));
    }
    Some(OperatorEntry { component: component?, config })
}

fn name(r: &mut Reader<'_>, text: &Spanned<String>) -> Option<ComponentName> {
    let told = |error| r.wrong(text.span.start..text.span.end, format!("`components` of {OF}: {error}"), None);
    text.value.parse().map_err(told).ok()
}

fn bound(r: &mut Reader<'_>, property: &str, said: &Value<'_>, stated: &str, place: &Place) -> Option<ConfigBound> {
    let json = r.json(ENTRY, said)?;
    let Some(rule) = ConfigRule::read(&json) else {
        r.wrong(
            said.span(),
            format!("`{property}` in `config` of {ENTRY} is no bound"),
            Some(format!("a bound {NO_RULE}")),
        );
        return None;
    };
    let path = |path: String| ScopedPath::parse_in(&place.folder, &place.base, path.as_bytes());
    let told = |error| r.wrong(said.span(), format!("`{property}` in `config` of {ENTRY}: {}", causes(&error)), None);
    let rule = rule.with_path(path).map_err(told).ok()?;
    Some(ConfigBound { pointer: pointer_of(property), rule, stated: stated.to_owned() })
}

#[cfg(test)]
mod tests {
    use crate::file::tests::{check, read_text};

    #[test]
    fn an_entry_may_bound_the_config() {
        let text = "[generated]\ncomponents = [\n  \"palisade:personal_data\",\n  { component = \"acme:words@1.0.0\", config = { \
                    mode = { enum = [\"a\", 1] }, \"/deep/er\" = { const = true }, path = { below = \"data\" } } },\n]\n";
        let listed = read_text(text).unwrap().generated.unwrap();
        assert_eq!((listed[0].component.to_string().as_str(), listed[0].config.len()), ("palisade:personal_data", 0));
        let bounds: Vec<_> =
            listed[1].config.iter().map(|one| format!("{} {one} {}", one.pointer, one.stated)).collect();
        let expected = [
            "/deep/er `deep.er` is `true` palisade.toml:4",
            "/mode `mode` is `a` or `1` palisade.toml:4",
            "/path `path` is a path below `/w/data` palisade.toml:4",
        ];
        assert_eq!(bounds, expected);
        assert_eq!(read_text("[generated]\ncomponents = []\n").unwrap().generated, Some(Vec::new()));
    }

    #[test]
    fn what_is_wrong_with_an_entry_is_told_at_its_place() {
        let listed = |entry: &str| format!("[generated]\ncomponents = [{entry}]\n");
        let of = "an entry of `components` of [generated]";
        check("[generated]\ncomponents = 3\n", &["2:14: `components` of [generated] is no list of components"]);
        check(&listed("3"), &["2:15: what stands in `components` of [generated] is no text"]);
        check(&listed("{}"), &[&format!("2:15: {of} needs a `component`")]);
        check(
            &listed("{component = \"a b\", confg = {}}"),
            &[
                "2:28: `components` of [generated]: ` ` is not allowed in this name",
                &format!("2:35: {of} has no `confg` (did you mean `config`?)"),
            ],
        );
        check(&listed("{component = \"acme:x\", config = 1}"), &[&format!("2:47: `config` of {of} is no table")]);
        let help = "(a bound is one of `const = VALUE`, `enum = [VALUE, …]` and `below = PATH`)";
        for wrong in ["1", "{}", "{enum = []}", "{const = 1, below = \"a\"}", "{under = \"a\"}"] {
            check(
                &listed(&format!("{{component = \"acme:x\", config = {{mode = {wrong}}}}}")),
                &[&format!("2:55: `mode` in `config` of {of} is no bound {help}")],
            );
        }
        check(
            &listed("{component = \"acme:x\", config = {mode = {below = \"\"}}}"),
            &[&format!("2:55: `mode` in `config` of {of}: the path is empty")],
        );
    }
}
