//! Paths in the one form in which they are compared: anchored, without `.` and `..`, in bytes.
//!
//! Never looks at a disk: `..` is taken away as text, and files are opened by the form that comes out, so that what was
//! compared is what is opened.

use palisade_model::neutral;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// Most bytes of a path: what Linux takes in one call.
const MAX_PATH_BYTES: usize = 4_096;
/// Most characters of a path in a text for people.
const MAX_SHOWN_CHARS: usize = 512;

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anchor {
    /// The folder in which the run was started.
    Root,
    /// The root of the file system, for whatever is not below the working folder.
    System,
}

/// The folder in which a run is started: relative paths begin there, and what lies below it has [`Anchor::Root`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkingFolder(Vec<Box<[u8]>>);

/// A path in normal form. Text form: `data/x`, `.` for the working folder itself, `/etc/hosts` for what lies elsewhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopedPath {
    anchor: Anchor,
    segments: Vec<Box<[u8]>>,
}

/// Why a text is not a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It is empty.
    #[error("the path is empty")]
    Empty,
    /// It holds a byte 0, which ends a path for the kernel.
    #[error("the path holds a NUL byte")]
    Nul,
    /// It is longer than the kernel takes.
    #[error("the path has more than {MAX_PATH_BYTES} bytes")]
    TooLong,
    /// It climbs above the root of the file system.
    #[error("the path climbs above the root of the file system")]
    AboveRoot,
    /// The working folder is not given as an absolute path.
    #[error("the working folder is not an absolute path")]
    NotAbsolute,
    /// A name below a folder is no single name.
    #[error("a name in a folder can't be empty, `.` or `..`, nor hold a slash")]
    NotAName,
}

impl WorkingFolder {
    /// Takes the folder's absolute path. It should be one without symbolic links, as the kernel reports it.
    ///
    /// # Errors
    /// When it is not absolute or no path.
    pub fn new(absolute: &[u8]) -> Result<Self, PathError> {
        if !absolute.starts_with(b"/") {
            return Err(PathError::NotAbsolute);
        }
        normalise(Vec::new(), absolute).map(Self)
    }
}

impl ScopedPath {
    /// The working folder itself.
    #[must_use]
    pub const fn root() -> Self {
        Self { anchor: Anchor::Root, segments: Vec::new() }
    }

    /// Reads a path as a person writes it, relative to the working folder unless it begins with `/`.
    ///
    /// # Errors
    /// When it is empty, too long, holds a NUL byte or climbs above `/`.
    pub fn parse(folder: &WorkingFolder, written: &[u8]) -> Result<Self, PathError> {
        Self::parse_in(folder, folder, written)
    }

    /// As [`ScopedPath::parse`], for a path that is written in a file of another folder and relative to that one.
    ///
    /// # Errors
    /// As [`ScopedPath::parse`].
    pub fn parse_in(folder: &WorkingFolder, base: &WorkingFolder, written: &[u8]) -> Result<Self, PathError> {
        let start = if written.starts_with(b"/") { Vec::new() } else { base.0.clone() };
        let segments = normalise(start, written)?;
        Ok(match segments.strip_prefix(folder.0.as_slice()) {
            Some(below) => Self { anchor: Anchor::Root, segments: below.to_vec() },
            None => Self { anchor: Anchor::System, segments },
        })
    }

    /// The path of the entry `name` in the folder that this path names.
    ///
    /// # Errors
    /// When `name` is not a single name, or the path gets too long.
    pub fn join(&self, name: &[u8]) -> Result<Self, PathError> {
        if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
            return Err(PathError::NotAName);
        }
        if name.contains(&0) {
            return Err(PathError::Nul);
        }
        if self.segments.iter().map(|segment| segment.len() + 1).sum::<usize>() + name.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        let mut segments = Vec::with_capacity(self.segments.len() + 1);
        segments.extend_from_slice(&self.segments);
        segments.push(name.into());
        Ok(Self { anchor: self.anchor, segments })
    }

    /// Where it begins.
    #[must_use]
    pub const fn anchor(&self) -> Anchor {
        self.anchor
    }

    /// The names on the way from the anchor, in bytes; none for the anchor itself.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        self.segments.iter().map(AsRef::as_ref)
    }

    /// Says whether this path is `above` or lies below it. Whole names are compared: `ab` is not below `a`.
    #[must_use]
    pub fn is_within(&self, above: &Self) -> bool {
        self.anchor == above.anchor && self.segments.starts_with(&above.segments)
    }

    /// How many names this path and `other` share from their common anchor; none if their anchors differ.
    #[must_use]
    pub(crate) fn shared_with(&self, other: &Self) -> Option<usize> {
        (self.anchor == other.anchor)
            .then(|| self.segments.iter().zip(&other.segments).take_while(|(a, b)| a == b).count())
    }

    /// Says whether this path, which is not below the working folder, is a folder above it.
    pub(crate) fn contains_folder(&self, folder: &WorkingFolder) -> bool {
        self.anchor == Anchor::System && folder.0.starts_with(&self.segments)
    }

    /// Where paths of that anchor begin.
    #[must_use]
    pub const fn beginning(anchor: Anchor) -> Self {
        Self { anchor, segments: Vec::new() }
    }

    /// The folder in which it has its last name; none for where paths begin.
    #[must_use]
    pub fn above(&self) -> Option<Self> {
        let (_, above) = self.segments.split_last()?;
        Some(Self { anchor: self.anchor, segments: above.to_vec() })
    }

    /// The path for the kernel: relative to the working folder, or absolute.
    #[must_use]
    pub fn to_path_buf(&self) -> PathBuf {
        PathBuf::from(OsStr::from_bytes(&self.to_bytes()))
    }

    /// The text form in bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let joined = self.segments.join(&b'/');
        match self.anchor {
            Anchor::Root if joined.is_empty() => b".".to_vec(),
            Anchor::Root => joined,
            Anchor::System => [b"/", joined.as_slice()].concat(),
        }
    }
}

fn normalise(mut segments: Vec<Box<[u8]>>, written: &[u8]) -> Result<Vec<Box<[u8]>>, PathError> {
    if written.is_empty() {
        return Err(PathError::Empty);
    }
    if written.contains(&0) {
        return Err(PathError::Nul);
    }
    if written.len() > MAX_PATH_BYTES {
        return Err(PathError::TooLong);
    }
    for segment in written.split(|&byte| byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop().ok_or(PathError::AboveRoot)?),
            name => segments.push(name.into()),
        }
    }
    if segments.iter().map(|segment| segment.len() + 1).sum::<usize>() > MAX_PATH_BYTES {
        return Err(PathError::TooLong);
    }
    Ok(segments)
}

/// For people: what could deceive is spelled out, what is not UTF-8 is replaced.
impl fmt::Display for ScopedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&neutral::line(&String::from_utf8_lossy(&self.to_bytes()), MAX_SHOWN_CHARS))
    }
}

impl fmt::Debug for ScopedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScopedPath({self})")
    }
}

impl ScopedPath {
    /// The stored form: the text form, where `%` and bytes that are no UTF-8 are written `%XX`, so that nothing is lost.
    #[must_use]
    pub fn stored(&self) -> String {
        let mut text = String::new();
        for chunk in self.to_bytes().utf8_chunks() {
            text.push_str(&chunk.valid().replace('%', "%25"));
            text.extend(chunk.invalid().iter().map(|byte| format!("%{byte:02X}")));
        }
        text
    }

    /// Reads the stored form; none if it is none.
    #[must_use]
    pub fn of_stored(text: &str) -> Option<Self> {
        let bytes = unescape(text.as_bytes())?;
        let anchor = if bytes.starts_with(b"/") { Anchor::System } else { Anchor::Root };
        Some(Self { anchor, segments: normalise(Vec::new(), &bytes).ok()? })
    }
}

impl Serialize for ScopedPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.stored())
    }
}

impl<'de> Deserialize<'de> for ScopedPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::of_stored(&text).ok_or_else(|| serde::de::Error::custom("this is no stored path"))
    }
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let (digits, after) = after.split_first_chunk::<2>()?;
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, expected: Result<&str, PathError>) {
        let folder = WorkingFolder::new(b"/home/ann/project").unwrap();
        let path = ScopedPath::parse(&folder, written.as_bytes());
        assert_eq!(path.map(|path| path.to_string()), expected.map(str::to_owned), "{written}");
    }

    #[test]
    fn paths_have_one_form() {
        check("data/x", Ok("data/x"));
        check("./data//x/", Ok("data/x"));
        check("data/../data/./x", Ok("data/x"));
        check(".", Ok("."));
        check("data/..", Ok("."));
        check("/etc/hosts", Ok("/etc/hosts"));
        check("/", Ok("/"));
    }

    #[test]
    fn below_the_working_folder_is_below_it_however_it_is_written() {
        check("/home/ann/project/data", Ok("data"));
        check("../project/data", Ok("data"));
        check("/home/ann/project", Ok("."));
        check("/home/ann/project2", Ok("/home/ann/project2"));
    }

    #[test]
    fn dot_dot_leads_out_to_the_system_and_no_further() {
        check("../x", Ok("/home/ann/x"));
        check("../../..", Ok("/"));
        check("../../../..", Err(PathError::AboveRoot));
        check("/..", Err(PathError::AboveRoot));
    }

    #[test]
    fn a_path_of_another_folder_begins_there() {
        let (folder, base) = (WorkingFolder::new(b"/w/runs/a").unwrap(), WorkingFolder::new(b"/w").unwrap());
        let read = |written: &str| ScopedPath::parse_in(&folder, &base, written.as_bytes()).unwrap().to_string();
        let expected = ["/w/data", "data", ".", "/etc"];
        assert_eq!(["data", "runs/a/data", "runs/a", "/etc"].map(read), expected);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        check("", Err(PathError::Empty));
        check("a\0b", Err(PathError::Nul));
        check(&"x".repeat(4_097), Err(PathError::TooLong));
        check(&"x".repeat(4_096), Err(PathError::TooLong));
        let longest = "x".repeat(4_096 - "/home/ann/project".len() - 1);
        check(&longest, Ok(&format!("{}…", "x".repeat(MAX_SHOWN_CHARS))));
        assert_eq!(WorkingFolder::new(b"home"), Err(PathError::NotAbsolute));
    }

    #[test]
    fn a_joined_name_is_one_name() {
        let path = ScopedPath::root().join(b"a").unwrap();
        assert_eq!(path.join(b"b").unwrap().to_string(), "a/b");
        for wrong in [&b""[..], b".", b"..", b"a/b"] {
            assert_eq!(path.join(wrong), Err(PathError::NotAName));
        }
        assert_eq!(path.join(b"a\0"), Err(PathError::Nul));
        assert_eq!(path.join(&[b'x'; 4_096]), Err(PathError::TooLong));
    }

    #[test]
    fn the_stored_form_loses_nothing() {
        let folder = WorkingFolder::new(b"/w").unwrap();
        for written in [&b"a/b"[..], b".", b"/", b"/etc/x", b"50%", b"%41", b"a\xff\xc3/\n", "Grüße".as_bytes()] {
            let path = ScopedPath::parse(&folder, written).unwrap();
            let text = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<ScopedPath>(&text).unwrap(), path, "{text}");
        }
        assert!(serde_json::from_str::<ScopedPath>(r#""a%+1""#).is_err());
        assert!(serde_json::from_str::<ScopedPath>(r#""a%00""#).is_err());
        assert!(serde_json::from_str::<ScopedPath>(r#""../x""#).is_err());
    }
}
