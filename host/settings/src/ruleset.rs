//! `[rulesets]`: where rulesets are looked up.

use crate::table::Reader;
use toml::de::DeTable;

const OF: &str = "[rulesets]";

pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>) -> Vec<String> {
    let Some(table) = r.section(file, "rulesets") else { return Vec::new() };
    r.check_keys(OF, table, &["paths"]);
    r.texts(OF, table, "paths").unwrap_or_default().into_iter().map(|path| path.value).collect()
}
