//! `[generated]`: what runbooks may use that are artifacts.

use crate::table::Reader;
use palisade_model::id::ComponentName;
use toml::de::DeTable;

const OF: &str = "[generated]";

pub(crate) struct Generated {
    pub(crate) components: Option<Vec<ComponentName>>,
    /// The folder in which Palisade runs is a system that they may read.
    pub(crate) this_folder: bool,
}

pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>) -> Generated {
    let Some(table) = r.section(file, "generated") else { return Generated { components: None, this_folder: true } };
    r.check_keys(OF, table, &["components", "this_folder"]);
    let names = r.texts(OF, table, "components");
    let components = names.map(|names| {
        let mut name = |name: palisade_runbook::Spanned<String>| {
            let told = |error| r.wrong(name.span.start..name.span.end, format!("`components` of {OF}: {error}"), None);
            name.value.parse().map_err(told).ok()
        };
        names.into_iter().filter_map(&mut name).collect()
    });
    Generated { components, this_folder: r.flag(OF, table, "this_folder").unwrap_or(true) }
}
