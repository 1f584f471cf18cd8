//! The tree of RFC 6962, section 2.1: how leaves and nodes are hashed, and how it grows by one leaf after the other.
//!
//! What is kept of the tree are the roots of all its complete subtrees. A leaf that is added completes one of them, or a few;
//! none ever changes.

use palisade_model::Digest;
use palisade_model::digest::Hasher;

/// A complete subtree: the leaves `index << level` up to `(index + 1) << level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// Its height; 0 = a leaf.
    pub level: u32,
    /// Its number among those of its height.
    pub index: u64,
}

/// The right edge of a tree: all that is needed to add to it and to know its root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// The roots of the complete subtrees that make up the tree, the largest first: one for each bit of the size.
    peaks: Vec<Digest>,
}

/// The root of a tree without leaves.
#[must_use]
pub fn empty_root() -> Digest {
    Digest::of(b"")
}

/// The hash of a leaf.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    // Other first bytes than those of a node, so that none can pass for the other.
    hasher.update(&[0]);
    hasher.update(leaf);
    hasher.finish()
}

/// The hash of a node over two others.
#[must_use]
pub fn node_hash(left: Digest, right: Digest) -> Digest {
    let mut bytes = [1; 65];
    let (first, second) = bytes[1..].split_at_mut(32);
    first.copy_from_slice(left.as_bytes());
    second.copy_from_slice(right.as_bytes());
    Digest::of(&bytes)
}

impl Frontier {
    /// The edge of a tree of that size, whose nodes are looked up.
    ///
    /// # Errors
    /// As the look-up says.
    pub fn read<E>(size: u64, mut node: impl FnMut(Node) -> Result<Digest, E>) -> Result<Self, E> {
        let levels = (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1);
        let peaks = levels.map(|level| node(Node { level, index: (size >> level) - 1 })).collect::<Result<_, _>>()?;
        Ok(Self { size, peaks })
    }

    /// How many leaves the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        let root = self.peaks.iter().rev().copied().reduce(|right, left| node_hash(left, right));
        root.unwrap_or_else(empty_root)
    }

    /// Adds a leaf by its hash. Tells all nodes that are complete with it, the leaf first.
    pub fn add(&mut self, leaf: Digest, mut complete: impl FnMut(Node, Digest)) {
        let (mut node, mut hash) = (Node { level: 0, index: self.size }, leaf);
        complete(node, hash);
        while node.index & 1 == 1
            && let Some(left) = self.peaks.pop()
        {
            hash = node_hash(left, hash);
            node = Node { level: node.level + 1, index: node.index >> 1 };
            complete(node, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::tests::{LEAVES, naive_root};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The roots over the first leaves, as certificate-transparency-go has them in its tests.
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn the_published_trees_have_their_published_roots() {
        let mut frontier = Frontier::default();
        assert_eq!(frontier.root().to_string(), ROOTS[0]);
        for (leaf, root) in LEAVES.iter().zip(&ROOTS[1..]) {
            frontier.add(leaf_hash(leaf), |_, _| {});
            assert_eq!(frontier.root().to_string(), *root);
        }
    }

    proptest! {
        #[test]
        fn growing_gives_what_the_definition_gives(count in 0_usize..200) {
            let leaves: Vec<_> = (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect();
            let (mut frontier, mut nodes) = (Frontier::default(), BTreeMap::new());
            for leaf in &leaves {
                frontier.add(*leaf, |node, hash| assert!(nodes.insert(node, hash).is_none()));
            }
            prop_assert_eq!((frontier.size(), frontier.root()), (count as u64, naive_root(&leaves)));
            for (node, hash) in &nodes {
                let (first, width) = ((node.index << node.level) as usize, 1 << node.level);
                prop_assert_eq!(*hash, naive_root(&leaves[first..first + width]));
            }
            let read = Frontier::read(count as u64, |node| nodes.get(&node).copied().ok_or(node));
            prop_assert_eq!(read, Ok(frontier));
        }
    }
}
