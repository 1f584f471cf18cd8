//! Proofs of RFC 6962, section 2.1: that a leaf is in a tree, and that a tree is the beginning of a larger one. Making one
//! looks up complete subtrees only; checking one needs nothing but the proof (RFC 9162, sections 2.1.3.2 and 2.1.4.2).

use crate::merkle::{Node, empty_root, node_hash};
use palisade_model::Digest;

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf or the smaller tree is not within the tree.
    #[error("number {asked} is not within a tree of {size}")]
    Range {
        /// What was asked for.
        asked: u64,
        /// The size of the tree.
        size: u64,
    },
    /// It has more or fewer hashes than such a proof has.
    #[error("the proof has a wrong number of hashes")]
    Length,
    /// Its hashes lead to another root.
    #[error("the hashes lead to another root")]
    Root,
}

/// The root of the first `size` leaves.
///
/// # Errors
/// As the look-up says.
pub fn root_at<E>(size: u64, mut node: impl FnMut(Node) -> Result<Digest, E>) -> Result<Digest, E> {
    if size == 0 { Ok(empty_root()) } else { root_of(0, size, &mut node) }
}

/// The hashes that lead from a leaf to the root of the first `size` leaves, from below. None where the leaf is not one of
/// them.
///
/// # Errors
/// As the look-up says.
pub fn inclusion<E>(
    index: u64,
    size: u64,
    mut node: impl FnMut(Node) -> Result<Digest, E>,
) -> Result<Option<Vec<Digest>>, E> {
    if index >= size {
        return Ok(None);
    }
    let (mut first, mut end, mut path) = (0, size, Vec::new());
    while end - first > 1 {
        let middle = first + split(end - first);
        if index < middle {
            path.push(root_of(middle, end, &mut node)?);
            end = middle;
        } else {
            path.push(root_of(first, middle, &mut node)?);
            first = middle;
        }
    }
    path.reverse();
    Ok(Some(path))
}

/// The hashes that show that the first `old` leaves are the beginning of the first `new` ones. None where they are more.
///
/// # Errors
/// As the look-up says.
pub fn consistency<E>(
    old: u64,
    new: u64,
    mut node: impl FnMut(Node) -> Result<Digest, E>,
) -> Result<Option<Vec<Digest>>, E> {
    if old > new {
        return Ok(None);
    }
    let (mut first, mut end, mut path) = (0, new, Vec::new());
    if old == 0 || old == new {
        return Ok(Some(path));
    }
    while old < end {
        let middle = first + split(end - first);
        if old <= middle {
            path.push(root_of(middle, end, &mut node)?);
            end = middle;
        } else {
            path.push(root_of(first, middle, &mut node)?);
            first = middle;
        }
    }
    // The smaller tree itself, unless it is the whole left side: whoever checks has its root.
    if first > 0 {
        path.push(root_of(first, end, &mut node)?);
    }
    path.reverse();
    Ok(Some(path))
}

/// Checks that a leaf is in the tree of that size and root.
///
/// # Errors
/// When the proof does not show it.
pub fn verify_inclusion(leaf: Digest, index: u64, size: u64, path: &[Digest], root: Digest) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Range { asked: index, size });
    }
    let (mut number, mut last, mut hash) = (index, size - 1, leaf);
    for other in path {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if number & 1 == 1 || number == last {
            hash = node_hash(*other, hash);
            while number & 1 == 0 && number != 0 {
                number >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(hash, *other);
        }
        number >>= 1;
        last >>= 1;
    }
    match (last, hash == root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Root),
        _ => Err(ProofError::Length),
    }
}

/// Checks that a tree is the beginning of another; each is its size and root.
///
/// # Errors
/// When the proof does not show it.
pub fn verify_consistency(old: (u64, Digest), new: (u64, Digest), path: &[Digest]) -> Result<(), ProofError> {
    let (old_size, new_size) = (old.0, new.0);
    if old_size > new_size {
        return Err(ProofError::Range { asked: old_size, size: new_size });
    }
    if old_size == 0 || old_size == new_size {
        let expected = if old_size == 0 { empty_root() } else { new.1 };
        let is_same = old.1 == expected;
        return if !path.is_empty() {
            Err(ProofError::Length)
        } else if is_same {
            Ok(())
        } else {
            Err(ProofError::Root)
        };
    }
    // Where the smaller tree is complete, its root is the first hash, and need not be told.
    let told = if old_size.is_power_of_two() { Some((&old.1, path)) } else { path.split_first() };
    let (first, rest) = told.ok_or(ProofError::Length)?;
    let (mut number, mut last) = (old_size - 1, new_size - 1);
    while number & 1 == 1 {
        number >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for other in rest {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if number & 1 == 1 || number == last {
            old_hash = node_hash(*other, old_hash);
            new_hash = node_hash(*other, new_hash);
            while number & 1 == 0 && number != 0 {
                number >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(new_hash, *other);
        }
        number >>= 1;
        last >>= 1;
    }
    match last {
        0 if old_hash == old.1 && new_hash == new.1 => Ok(()),
        0 => Err(ProofError::Root),
        _ => Err(ProofError::Length),
    }
}

/// The largest power of two that is smaller than `width`, which is 2 at least.
const fn split(width: u64) -> u64 {
    1 << (u64::BITS - 1 - (width - 1).leading_zeros())
}

/// The root over leaves that begin at a multiple of the power of two that is as wide as they, or wider.
fn root_of<E>(first: u64, end: u64, node: &mut impl FnMut(Node) -> Result<Digest, E>) -> Result<Digest, E> {
    let width = end - first;
    if width.is_power_of_two() {
        let level = width.trailing_zeros();
        return node(Node { level, index: first >> level });
    }
    let middle = first + split(width);
    Ok(node_hash(root_of(first, middle, node)?, root_of(middle, end, node)?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::merkle::{Frontier, leaf_hash};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The leaves of the tree in the tests of certificate-transparency-go.
    pub(crate) const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];

    /// The definition of RFC 6962, as it stands there.
    pub(crate) fn naive_root(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
                node_hash(naive_root(left), naive_root(right))
            }
        }
    }

    fn naive_path(index: usize, leaves: &[Digest]) -> Vec<Digest> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let at = split(leaves.len() as u64) as usize;
        let (left, right) = leaves.split_at(at);
        let (mut path, other) = if index < at {
            (naive_path(index, left), naive_root(right))
        } else {
            (naive_path(index - at, right), naive_root(left))
        };
        path.push(other);
        path
    }

    fn naive_subproof(old: usize, leaves: &[Digest], whole: bool) -> Vec<Digest> {
        if old == leaves.len() {
            return if whole { Vec::new() } else { vec![naive_root(leaves)] };
        }
        let at = split(leaves.len() as u64) as usize;
        let (left, right) = leaves.split_at(at);
        let (mut path, other) = if old <= at {
            (naive_subproof(old, left, whole), naive_root(right))
        } else {
            (naive_subproof(old - at, right, false), naive_root(left))
        };
        path.push(other);
        path
    }

    struct Tree {
        leaves: Vec<Digest>,
        nodes: BTreeMap<Node, Digest>,
    }

    impl Tree {
        fn new(leaves: Vec<Digest>) -> Self {
            let (mut frontier, mut nodes) = (Frontier::default(), BTreeMap::new());
            leaves.iter().for_each(|leaf| {
                frontier.add(*leaf, |node, hash| {
                    nodes.insert(node, hash);
                })
            });
            Self { leaves, nodes }
        }

        fn of_vectors() -> Self {
            Self::new(LEAVES.iter().map(|leaf| leaf_hash(leaf)).collect())
        }

        fn of(count: usize) -> Self {
            Self::new((0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect())
        }

        fn root(&self, size: u64) -> Digest {
            root_at(size, |node| self.node(node)).unwrap()
        }

        fn node(&self, node: Node) -> Result<Digest, Node> {
            self.nodes.get(&node).copied().ok_or(node)
        }

        fn inclusion(&self, index: u64, size: u64) -> Vec<Digest> {
            inclusion(index, size, |node| self.node(node)).unwrap().unwrap()
        }

        fn consistency(&self, old: u64, new: u64) -> Vec<Digest> {
            consistency(old, new, |node| self.node(node)).unwrap().unwrap()
        }
    }

    fn texts(path: &[Digest]) -> Vec<String> {
        path.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_published_proofs_are_made_and_hold() {
        const B: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
        const CD: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
        const E: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
        const EFGH: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
        const A: &str = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        const AB: &str = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125";
        const ABCD: &str = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7";
        const GH: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
        const EF: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
        let tree = Tree::of_vectors();
        // Leaves count from 1 there.
        let paths: [(u64, u64, &[&str]); 5] =
            [(1, 1, &[]), (1, 8, &[B, CD, EFGH]), (6, 8, &[E, GH, ABCD]), (3, 3, &[AB]), (2, 5, &[A, CD, E])];
        for (leaf, size, expected) in paths {
            let path = tree.inclusion(leaf - 1, size);
            assert_eq!(texts(&path), expected, "leaf {leaf} of {size}");
            let leaf_hash = tree.leaves[leaf as usize - 1];
            assert_eq!(verify_inclusion(leaf_hash, leaf - 1, size, &path, tree.root(size)), Ok(()));
        }
        let proofs: [(u64, u64, &[&str]); 4] =
            [(1, 1, &[]), (1, 8, &[B, CD, EFGH]), (6, 8, &[EF, GH, ABCD]), (2, 5, &[CD, E])];
        for (old, new, expected) in proofs {
            let path = tree.consistency(old, new);
            assert_eq!(texts(&path), expected, "{old} of {new}");
            assert_eq!(verify_consistency((old, tree.root(old)), (new, tree.root(new)), &path), Ok(()));
        }
    }

    #[test]
    fn every_proof_is_that_of_the_definition_and_holds() {
        let tree = Tree::of(40);
        for size in 1..=40_u64 {
            let (leaves, root) = (&tree.leaves[..size as usize], tree.root(size));
            assert_eq!(root, naive_root(leaves));
            for index in 0..size {
                let path = tree.inclusion(index, size);
                assert_eq!(path, naive_path(index as usize, leaves), "{index} of {size}");
                assert_eq!(verify_inclusion(leaves[index as usize], index, size, &path, root), Ok(()));
            }
            for old in 1..=size {
                let path = tree.consistency(old, size);
                assert_eq!(path, naive_subproof(old as usize, leaves, true), "{old} of {size}");
                assert_eq!(verify_consistency((old, tree.root(old)), (size, root), &path), Ok(()));
            }
        }
        assert_eq!(inclusion(40, 40, |node| tree.node(node)), Ok(None));
        assert_eq!(consistency(41, 40, |node| tree.node(node)), Ok(None));
        assert_eq!(verify_consistency((0, empty_root()), (3, tree.root(3)), &[]), Ok(()));
        assert!(tree.consistency(0, 40).is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_proof_is_told() {
        let tree = Tree::of(7);
        let (leaf, root, other) = (tree.leaves[2], tree.root(7), leaf_hash(b"other"));
        let (path, way) = (tree.inclusion(2, 7), tree.consistency(3, 7));
        let longer = |hashes: &[Digest]| [hashes, &[other]].concat();
        let included = |index, path: &[Digest], root| verify_inclusion(leaf, index, 7, path, root);
        assert_eq!(included(2, &path, other), Err(ProofError::Root));
        assert_eq!(included(2, &path[1..], root), Err(ProofError::Length));
        assert_eq!(included(2, &longer(&path), root), Err(ProofError::Length));
        assert_eq!(included(7, &path, root), Err(ProofError::Range { asked: 7, size: 7 }));
        let begins = |old, way: &[Digest], new| verify_consistency(old, (7, new), way);
        let old = (3, tree.root(3));
        assert_eq!(begins((3, other), &way, root), Err(ProofError::Root));
        assert_eq!(begins(old, &way, other), Err(ProofError::Root));
        assert_eq!(begins(old, &way[..way.len() - 1], root), Err(ProofError::Length));
        assert_eq!(begins(old, &longer(&way), root), Err(ProofError::Length));
        assert_eq!(begins(old, &[], root), Err(ProofError::Length));
        assert_eq!(begins((8, root), &way, root), Err(ProofError::Range { asked: 8, size: 7 }));
        assert_eq!(begins((0, other), &[], root), Err(ProofError::Root));
        assert_eq!(begins((0, empty_root()), &[other], root), Err(ProofError::Length));
        assert_eq!(begins((7, other), &[], root), Err(ProofError::Root));
        assert_eq!(begins((7, root), &[], root), Ok(()));
    }

    proptest! {
        #[test]
        fn no_changed_proof_holds(size in 1_u64..70, index in 0_u64..70, bit in 0_usize..256, which in 0_usize..8) {
            let index = index % size;
            let tree = Tree::of(70);
            let (leaf, root) = (tree.leaves[index as usize], tree.root(size));
            let path = tree.inclusion(index, size);
            let holds = |leaf, index, size, path: &[Digest], root| verify_inclusion(leaf, index, size, path, root).is_ok();
            let flip = |digest: Digest| {
                let mut bytes = *digest.as_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                Digest::from_bytes(bytes)
            };
            prop_assert!(!holds(flip(leaf), index, size, &path, root));
            prop_assert!(!holds(leaf, index, size, &path, flip(root)));
            for other in (0..size).filter(|other| *other != index) {
                prop_assert!(!holds(leaf, other, size, &path, root));
            }
            if let Some(&hash) = path.get(which) {
                let mut changed = path.clone();
                changed[which] = flip(hash);
                prop_assert!(!holds(leaf, index, size, &changed, root));
                prop_assert!(!holds(leaf, index, size, &path[..path.len() - 1], root));
            }
            prop_assert!(!holds(leaf, index, size, &[path.as_slice(), &[root]].concat(), root));
            prop_assert!(!holds(leaf, size, size, &path, root));
        }

        #[test]
        fn no_tree_is_the_beginning_of_another(old in 0_u64..70, new in 2_u64..70, changed in 0_usize..70) {
            let old = 1 + old % (new - 1);
            let changed = changed % old as usize;
            let tree = Tree::of(70);
            let mut leaves = tree.leaves.clone();
            leaves[changed] = leaf_hash(b"another");
            let other = Tree::new(leaves);
            let proof = other.consistency(old, new);
            let before = (old, tree.root(old));
            prop_assert!(verify_consistency(before, (new, other.root(new)), &proof).is_err());
            let proof = tree.consistency(old, new);
            prop_assert!(verify_consistency(before, (new, other.root(new)), &proof).is_err());
            prop_assert!(verify_consistency(before, (new, tree.root(new)), &proof).is_ok());
            prop_assert!(verify_consistency((new, tree.root(new)), before, &proof).is_err());
            let longer = [proof.as_slice(), &[tree.root(1)]].concat();
            prop_assert!(verify_consistency(before, (new, tree.root(new)), &longer).is_err());
        }
    }
}
