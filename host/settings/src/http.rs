//! `[http]`: whom servers are believed.

use crate::table::Reader;
use toml::de::DeTable;

const OF: &str = "[http]";

/// The files with further authorities, as written: relative to the file.
pub(crate) fn read(r: &mut Reader<'_>, file: &DeTable<'_>) -> Vec<String> {
    let Some(table) = r.section(file, "http") else { return Vec::new() };
    r.check_keys(OF, table, &["roots"]);
    r.texts(OF, table, "roots").unwrap_or_default().into_iter().map(|path| path.value).collect()
}

#[cfg(test)]
mod tests {
    use crate::file::tests::{check, read_text};

    #[test]
    fn authorities_are_files() {
        assert_eq!(read_text("[http]\nroots = [\"ca.pem\"]\n").unwrap().roots, ["ca.pem"]);
        check("[http]\nroot = []\n", &["2:1: [http] has no `root` (did you mean `roots`?)"]);
        check("[http]\nroots = [1]\n", &["2:10: what stands in `roots` of [http] is no text"]);
    }
}
