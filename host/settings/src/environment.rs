//! `[environment]`: the variables that `${NAME}` in a runbook may stand for. Their values are read by who runs it.

use crate::table::Reader;
use toml::de::DeTable;

const OF: &str = "[environment]";

pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>) -> Vec<String> {
    let Some(table) = r.section(file, "environment") else { return Vec::new() };
    r.check_keys(OF, table, &["variables"]);
    r.texts(OF, table, "variables").unwrap_or_default().into_iter().map(|name| name.value).collect()
}
