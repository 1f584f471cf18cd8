//! JSON pointers (RFC 6901) as text.

use serde_json::Value;

/// Escapes one segment, so that it can follow a `/`.
#[must_use]
pub fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

/// The segments of a pointer, unescaped; none for the empty pointer, which names the whole document.
pub fn split(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~"))
}

/// Appends a segment to a pointer.
pub(crate) fn join(pointer: &str, segment: &str) -> String {
    format!("{pointer}/{}", escape(segment))
}

/// The value at the end of a pointer and the object key that leads there.
pub(crate) fn parent_mut<'v>(document: &'v mut Value, pointer: &str) -> Option<(&'v mut Value, String)> {
    let (parent, last) = pointer.rsplit_once('/')?;
    let last = split(&format!("/{last}")).next()?;
    Some((document.pointer_mut(parent)?, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_survive_their_escapes() {
        let pointer = join(&join("", "a/b"), "c~d");
        assert_eq!(pointer, "/a~1b/c~0d");
        assert_eq!(split(&pointer).collect::<Vec<_>>(), ["a/b", "c~d"]);
        assert_eq!(split("").count(), 0);
    }
}
