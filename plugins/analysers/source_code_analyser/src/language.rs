//! The language of a source file, told by its name.

/// Languages with the suffixes of their files.
const LANGUAGES: [(&str, &[&str]); 3] = [
    ("php", &["php", "php3", "php4", "php5", "phtml"]),
    ("javascript", &["js", "jsx", "mjs", "cjs", "vue"]),
    ("typescript", &["ts", "tsx", "mts", "cts"]),
];

/// Returns the language of the file at `path`, if it is one of those that are known. Case does not matter.
pub(crate) fn of_path(path: &str) -> Option<&'static str> {
    let name = path.trim_end_matches('/').rsplit('/').next()?;
    // A name that begins with its only dot has no suffix.
    let (stem, suffix) = name.rsplit_once('.')?;
    if stem.is_empty() {
        return None;
    }
    let suffix = suffix.to_lowercase();
    LANGUAGES.iter().find(|(_, suffixes)| suffixes.contains(&suffix.as_str())).map(|&(language, _)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_suffix_of_the_name_decides() {
        for (path, expected) in [
            ("a.php", Some("php")),
            ("dir/b.PHTML", Some("php")),
            ("c.d.ts", Some("typescript")),
            ("x.Vue", Some("javascript")),
            ("a.php/readme", None),
            (".php", None),
            ("..php", Some("php")),
            ("php", None),
            ("a.php.", None),
            ("a.py", None),
            ("", None),
        ] {
            assert_eq!(of_path(path), expected, "{path}");
        }
    }
}
