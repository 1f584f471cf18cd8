//! Paths as they are written, without looking at any file.

/// A path without what does not matter in it: leading `./`, doubled and trailing `/`. `..` stays, since it may lead
/// through a link. The empty path is `.`.
pub(crate) fn normalise(path: &str) -> String {
    // Two leading slashes, and no more or less, mean something of their own to some systems.
    let root = match path.len() - path.trim_start_matches('/').len() {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let normal = format!("{root}{}", parts.join("/"));
    if normal.is_empty() { ".".to_owned() } else { normal }
}

/// A path below a normalised folder.
pub(crate) fn join(folder: &str, relative: &str) -> String {
    match folder {
        "." => relative.to_owned(),
        _ if folder.ends_with('/') => format!("{folder}{relative}"),
        _ => format!("{folder}/{relative}"),
    }
}

/// The last part of a normalised path; nothing for `.` and the root.
pub(crate) fn last(path: &str) -> &str {
    if path == "." { "" } else { path.rsplit('/').next().unwrap_or_default() }
}

/// The suffix of the last part of a path, without its dot. A name that begins with its only dot has none.
pub(crate) fn suffix(path: &str) -> Option<&str> {
    last(path).rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, suffix)| suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_does_not_matter_is_dropped() {
        for (path, expected, name) in [
            ("data", "data", "data"),
            ("./data//x/", "data/x", "x"),
            (".", ".", ""),
            ("./", ".", ""),
            ("a/./b/../c", "a/b/../c", "c"),
            ("..", "..", ".."),
            ("/", "/", ""),
            ("/srv/data/", "/srv/data", "data"),
            ("//srv", "//srv", "srv"),
            ("///srv", "/srv", "srv"),
        ] {
            let normal = normalise(path);
            assert_eq!((normal.as_str(), last(&normal)), (expected, name), "{path}");
        }
    }

    #[test]
    fn a_suffix_needs_a_stem() {
        for (path, expected) in
            [("a.docx", Some("docx")), ("d.x/.docx", None), ("d/a.b.c", Some("c")), ("a.docx.", Some("")), ("a", None)]
        {
            assert_eq!(suffix(path), expected, "{path}");
        }
    }

    #[test]
    fn the_current_folder_gives_no_prefix() {
        assert_eq!((join(".", "a/b"), join("d", "a"), join("/", "a")), ("a/b".into(), "d/a".into(), "/a".into()));
    }
}
