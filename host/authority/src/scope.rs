//! Sets of paths: what a capability for files reaches.

use crate::key_file::{is_key_file_name, is_own_folder_name};
use crate::path::ScopedPath;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A set of paths: every path, or the trees below some paths.
///
/// A tree is its path and all that lies below it, without Palisade's own folder, and without key files unless its own
/// path already leads to or through one: naming `certs` does not hand out `certs/server.pem`, naming that file does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PathScope(Trees);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Trees {
    /// Every path but those in Palisade's own folder.
    Any,
    /// The trees below these, none of which covers another.
    Below(BTreeSet<ScopedPath>),
}

/// Why a tree does not hold a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Miss {
    /// The path is not below the tree's.
    Elsewhere,
    /// It is below it, but a key file.
    KeyFile,
}

impl PathScope {
    /// No path at all.
    #[must_use]
    pub const fn none() -> Self {
        Self(Trees::Below(BTreeSet::new()))
    }

    /// Every path but those in Palisade's own folder.
    #[must_use]
    pub const fn any() -> Self {
        Self(Trees::Any)
    }

    /// The trees below `paths`.
    #[must_use]
    pub fn below(paths: impl IntoIterator<Item = ScopedPath>) -> Self {
        let all: BTreeSet<ScopedPath> = paths.into_iter().filter(|path| !is_own(path)).collect();
        let covered = |path: &ScopedPath| all.iter().any(|other| other != path && miss(other, path).is_none());
        Self(Trees::Below(all.iter().filter(|path| !covered(path)).cloned().collect()))
    }

    /// Says whether `path` is in the set.
    #[must_use]
    pub fn contains(&self, path: &ScopedPath) -> bool {
        !is_own(path)
            && match &self.0 {
                Trees::Any => true,
                Trees::Below(trees) => trees.iter().any(|tree| miss(tree, path).is_none()),
            }
    }

    /// Says whether every path of `other` is in this set.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Trees::Any, _) => true,
            (Trees::Below(_), Trees::Any) => false,
            // A tree is covered as soon as its own path is: see the type's rule.
            (Trees::Below(_), Trees::Below(trees)) => trees.iter().all(|tree| self.contains(tree)),
        }
    }

    /// The paths that are in both sets.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (Trees::Any, _) => other.clone(),
            (_, Trees::Any) => self.clone(),
            (Trees::Below(ours), Trees::Below(theirs)) => {
                let inner = ours.iter().filter(|tree| other.contains(tree));
                Self::below(inner.chain(theirs.iter().filter(|tree| self.contains(tree))).cloned())
            }
        }
    }

    /// Says whether no path is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Trees::Below(trees) if trees.is_empty())
    }

    /// The paths below which the trees lie, in order; none if every path is in the set.
    #[must_use]
    pub fn trees(&self) -> Option<&BTreeSet<ScopedPath>> {
        match &self.0 {
            Trees::Any => None,
            Trees::Below(trees) => Some(trees),
        }
    }

    /// The tree that is nearest to holding `path`, and why it does not.
    pub(crate) fn near_miss(&self, path: &ScopedPath) -> Option<(&ScopedPath, Miss)> {
        self.trees()?
            .iter()
            .filter_map(|tree| Some((tree, miss(tree, path)?, path.shared_with(tree)?)))
            .max_by_key(|&(tree, why, shared)| (why == Miss::KeyFile, shared, std::cmp::Reverse(tree)))
            .map(|(tree, why, _)| (tree, why))
    }
}

/// Says whether a path lies in Palisade's own folder, which no scope holds.
pub(crate) fn is_own(path: &ScopedPath) -> bool {
    path.segments().any(is_own_folder_name)
}

/// Why the tree below `tree` does not hold `path`; none if it does.
fn miss(tree: &ScopedPath, path: &ScopedPath) -> Option<Miss> {
    if !path.is_within(tree) {
        Some(Miss::Elsewhere)
    } else if path.segments().any(is_key_file_name) && !tree.segments().any(is_key_file_name) {
        Some(Miss::KeyFile)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::WorkingFolder;
    use proptest::prelude::*;

    fn path(written: &str) -> ScopedPath {
        ScopedPath::parse(&WorkingFolder::new(b"/w").unwrap(), written.as_bytes()).unwrap()
    }

    fn scope(written: &[&str]) -> PathScope {
        PathScope::below(written.iter().map(|&written| path(written)))
    }

    #[test]
    fn names_are_compared_whole() {
        assert!(scope(&["a"]).contains(&path("a/b")));
        assert!(scope(&["a"]).contains(&path("a")));
        assert!(!scope(&["a"]).contains(&path("ab")));
        assert!(!scope(&["a/b"]).contains(&path("a")));
        assert!(!scope(&["."]).contains(&path("/etc")));
        assert!(!scope(&["/etc"]).contains(&path("etc")));
    }

    #[test]
    fn key_files_need_to_be_named() {
        for key in ["server.pem", "a/id_rsa", ".ssh/config", "a/.gnupg/x/y"] {
            assert!(!scope(&["."]).contains(&path(key)), "{key}");
            assert!(scope(&[key]).contains(&path(key)), "{key}");
            assert!(PathScope::any().contains(&path(key)), "{key}");
        }
        assert!(scope(&[".ssh"]).contains(&path(".ssh/id_rsa")));
        assert!(!scope(&["/w2"]).contains(&path("/w2/x.key")));
        assert!(scope(&["."]).contains(&path("id_rsa.pub")));
    }

    #[test]
    fn nothing_reaches_into_palisades_own_folder() {
        for own in [".palisade", ".palisade/x", "a/.palisade", "/w2/.Palisade/x"] {
            assert!(!PathScope::any().contains(&path(own)), "{own}");
            assert!(!scope(&[".", "/"]).contains(&path(own)), "{own}");
            assert!(scope(&[own]).is_empty(), "{own}");
        }
        assert!(scope(&["."]).contains(&path(".palisade2")));
    }

    #[test]
    fn the_near_miss_is_the_longest_common_way() {
        let near = |trees: &[&str], written: &str| {
            scope(trees).near_miss(&path(written)).map(|(tree, why)| (tree.to_string(), why))
        };
        assert_eq!(near(&["a/b/c", "a/x", "z"], "a/b/d"), Some(("a/b/c".to_owned(), Miss::Elsewhere)));
        assert_eq!(near(&[".", "a/x"], "a/x.pem"), Some((".".to_owned(), Miss::KeyFile)));
        assert_eq!(near(&["a"], "/etc"), None);
    }

    /// Every path of a small world, keys and Palisade's own folder included.
    fn world() -> Vec<ScopedPath> {
        let names = ["a", "ab", "k.pem", ".palisade"];
        let mut all = vec![path("."), path("/")];
        for depth in 0..3 {
            let deepest: Vec<_> = all.iter().filter(|path| path.segments().len() == depth).cloned().collect();
            all.extend(deepest.iter().flat_map(|above| names.map(|name| above.join(name.as_bytes()).unwrap())));
        }
        all
    }

    /// What the words of the type say, without any algebra.
    fn naive(trees: &[ScopedPath], path: &ScopedPath) -> bool {
        let text = |path: &ScopedPath| format!("{}/", path.to_string().trim_end_matches('/')).replace("./", "/./");
        let key = |path: &ScopedPath| path.to_string().contains(".pem");
        let own = |path: &ScopedPath| path.to_string().contains(".palisade");
        let below = |tree: &ScopedPath| {
            tree.anchor() == path.anchor() && (tree.segments().len() == 0 || text(path).starts_with(&text(tree)))
        };
        !own(path) && trees.iter().any(|tree| below(tree) && (!key(path) || key(tree)))
    }

    fn some_trees() -> impl Strategy<Value = Vec<ScopedPath>> {
        proptest::collection::vec(proptest::sample::select(world()), 0..4)
    }

    proptest! {
        #[test]
        fn a_scope_is_what_its_words_say(trees in some_trees()) {
            let scope = PathScope::below(trees.clone());
            for path in world() {
                prop_assert_eq!(scope.contains(&path), naive(&trees, &path), "{} in {:?}", path, trees);
            }
        }

        #[test]
        fn covers_and_meet_agree_with_membership(a in some_trees(), b in some_trees(), c in some_trees()) {
            let (a, b, c) = (PathScope::below(a), PathScope::below(b), PathScope::below(c));
            let both = a.meet(&b);
            for path in world() {
                prop_assert_eq!(both.contains(&path), a.contains(&path) && b.contains(&path), "{}", path);
            }
            let inclusion = world().iter().all(|path| !b.contains(path) || a.contains(path));
            prop_assert_eq!(a.covers(&b), inclusion);
            // A lattice: the meet is below both, the largest such, and does not depend on order or grouping.
            prop_assert!(a.covers(&both) && b.covers(&both));
            prop_assert!(!(a.covers(&c) && b.covers(&c)) || both.covers(&c));
            prop_assert_eq!(&both, &b.meet(&a));
            prop_assert_eq!(a.meet(&b.meet(&c)), both.meet(&c));
            prop_assert_eq!(&a.meet(&a), &a);
            prop_assert_eq!(&a.meet(&PathScope::any()), &a);
            prop_assert!(a.meet(&PathScope::none()).is_empty());
            prop_assert!(PathScope::any().covers(&a) && a.covers(&PathScope::none()));
            // An order: what covers each other is the same, and what covers goes on covering.
            prop_assert!(a.covers(&a));
            prop_assert_eq!(a.covers(&b) && b.covers(&a), a == b);
            prop_assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c));
        }
    }
}
