//! Paths as a guest writes them, checked by their letters alone. What they lead to is for the kernel to say.

/// A path that is relative and does not climb above where it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GuestPath<'a>(&'a str);

/// Why a path is refused before anything is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum GuestPathError {
    /// It is empty.
    #[error("the path is empty")]
    Empty,
    /// It holds a NUL, which would end it for the kernel.
    #[error("the path holds a NUL")]
    Nul,
    /// It begins with `/`.
    #[error("the path is absolute")]
    Absolute,
    /// Its `..` lead above the folder it starts from.
    #[error("the path climbs out of its folder")]
    Climbs,
}

impl GuestPathError {
    /// It is one that leads out of the folder where it begins.
    pub(super) const fn leads_out(&self) -> bool {
        matches!(self, Self::Absolute | Self::Climbs)
    }
}

impl<'a> GuestPath<'a> {
    /// Checks a path.
    ///
    /// # Errors
    /// When it is empty, holds a NUL, is absolute, or has more `..` than names before them.
    pub(super) fn check(path: &'a str) -> Result<Self, GuestPathError> {
        if path.is_empty() {
            return Err(GuestPathError::Empty);
        }
        if path.contains('\0') {
            return Err(GuestPathError::Nul);
        }
        if path.starts_with('/') {
            return Err(GuestPathError::Absolute);
        }
        let mut depth = 0_usize;
        for segment in path.split('/') {
            match segment {
                "" | "." => {}
                ".." => depth = depth.checked_sub(1).ok_or(GuestPathError::Climbs)?,
                _ => depth = depth.saturating_add(1),
            }
        }
        Ok(Self(path))
    }

    /// The path as the guest wrote it.
    pub(super) fn as_str(self) -> &'a str {
        self.0
    }

    /// Says whether it is that single name, written plainly or after `./`.
    pub(super) fn is_name(self, name: &str) -> bool {
        let mut segments = self.0.split('/').filter(|segment| *segment != "." && !segment.is_empty());
        segments.next() == Some(name) && segments.next().is_none()
    }

    /// The names that lead to it from its start, without `.` and `..`: for a place without links, where a name and `..`
    /// behind it lead nowhere.
    pub(super) fn names(self) -> Vec<&'a str> {
        let mut names = Vec::new();
        for segment in self.0.split('/') {
            match segment {
                "" | "." => {}
                ".." => drop(names.pop()),
                name => names.push(name),
            }
        }
        names
    }

    /// Says whether only a folder can be meant: it ends with a slash, or with a segment that is no name.
    pub(super) fn wants_folder(self) -> bool {
        matches!(self.0.rsplit('/').next(), Some("" | "." | ".."))
    }

    /// Says whether it is the folder it starts from.
    pub(super) fn is_start(self) -> bool {
        self.0.split('/').all(|segment| segment == "." || segment.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_its_start() {
        let check = |path| GuestPath::check(path).map(|_| ());
        for good in ["a", "a/b", "./a", "a/../b", "a//b/", ".", "a/..", "..a", "a/...", "a\nb"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check(""), Err(GuestPathError::Empty));
        assert_eq!(check("a\0b"), Err(GuestPathError::Nul));
        assert_eq!(check("/"), Err(GuestPathError::Absolute));
        assert_eq!(check("//a"), Err(GuestPathError::Absolute));
        assert_eq!(check(".."), Err(GuestPathError::Climbs));
        assert_eq!(check("a/../.."), Err(GuestPathError::Climbs));
        assert_eq!(check("./../a/b"), Err(GuestPathError::Climbs));
        // More names later do not pay for an earlier climb.
        assert_eq!(check("../a/b/c"), Err(GuestPathError::Climbs));
    }

    #[test]
    fn the_names_of_a_path_are_those_that_count() {
        let names = |path| GuestPath::check(path).unwrap().names().join("/");
        for (path, expected) in [("a/b", "a/b"), ("./a//b/", "a/b"), ("a/../b", "b"), ("a/b/../../c/.", "c"), (".", "")]
        {
            assert_eq!(names(path), expected, "{path}");
        }
        let wants = |path| GuestPath::check(path).unwrap().wants_folder();
        assert!(wants("a/") && wants("a/.") && wants("a/b/..") && wants(".") && !wants("a") && !wants("a/.b"));
    }

    #[test]
    fn a_name_is_that_name_only() {
        let is = |path, name| GuestPath::check(path).unwrap().is_name(name);
        assert!(is("a.txt", "a.txt") && is("./a.txt", "a.txt") && is("a.txt/", "a.txt"));
        assert!(!is("b/../a.txt", "a.txt") && !is("a.txt/b", "a.txt") && !is(".", "a.txt") && !is("A.TXT", "a.txt"));
    }
}
