//! `[aliases]`: short names of components.

use crate::table::Reader;
use palisade_model::id::ComponentName;
use std::collections::BTreeMap;
use toml::de::DeTable;

const OF: &str = "[aliases]";

pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>) -> BTreeMap<String, ComponentName> {
    let Some(table) = r.section(file, "aliases") else { return BTreeMap::new() };
    let mut aliases = BTreeMap::new();
    for (key, _) in table {
        let alias = key.get_ref().to_string();
        let Some(id) = r.text(OF, table, &alias) else { continue };
        let is_short = alias.parse::<ComponentName>().is_ok_and(|name| name.version.is_none()) && !alias.contains(':');
        match id.value.parse::<ComponentName>() {
            Ok(named) if is_short && named.name.contains(':') => drop(aliases.insert(alias, named)),
            _ => r.wrong(key.span(), format!("{OF} `{alias}` = `{}` is not `name` = `namespace:name`", id.value), None),
        }
    }
    aliases
}

#[cfg(test)]
mod tests {
    use crate::file::tests::{check, read_text};

    #[test]
    fn an_alias_is_a_short_name_for_a_long_one() {
        let file = read_text("[aliases]\npii = \"acme:pii\"\nold = \"acme:pii@1.0.0\"\n").unwrap();
        assert_eq!(file.aliases["old"].to_string(), "acme:pii@1.0.0");
        check("[aliases]\npii = \"evil\"\n", &["2:1: [aliases] `pii` = `evil` is not `name` = `namespace:name`"]);
        check(
            "[aliases]\n\"a:b\" = \"acme:x\"\nx = 1\n",
            &["2:1: [aliases] `a:b` = `acme:x` is not `name` = `namespace:name`", "3:5: `x` of [aliases] is no text"],
        );
    }
}
