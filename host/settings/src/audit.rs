//! `[audit]`: where the state of the audit log is kept beside the log.

use crate::table::Reader;
use toml::de::DeTable;

const OF: &str = "[audit]";

/// The files to which checkpoints are appended, as written: relative to the file.
pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>) -> Vec<String> {
    let Some(table) = r.section(file, "audit") else { return Vec::new() };
    r.check_keys(OF, table, &["witness"]);
    r.texts(OF, table, "witness").unwrap_or_default().into_iter().map(|path| path.value).collect()
}
