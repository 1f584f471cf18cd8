//! What an instance has written: names in memory, bytes in an [`Arena`]. Empty at first, and of no file system: there are
//! no links, no owners and no times in it, and nothing in it leads out.
//!
//! It counts nothing and asks nobody: what may be made, and how much, is said before (`staged.rs`).

use super::arena::{Arena, Extent, StagedBytes};
use super::bindings::wasi::filesystem::types::ErrorCode;
use super::error::code;
use super::guest_path::GuestPath;
use crate::state::NamedPath;
use palisade_authority::{PathError, ScopedPath};
use std::collections::BTreeMap;
use std::fmt;

/// Most bytes of a name, as file systems take it.
const MAX_NAME: usize = 255;

type Result<T> = std::result::Result<T, ErrorCode>;

/// A file or folder, whatever its name is by now. No number is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(u64);

/// All that an instance has written.
#[derive(Debug)]
pub(crate) struct Stage {
    /// The folders that the config names, in its order; they are nodes too.
    named: Vec<(NamedPath, NodeId)>,
    nodes: BTreeMap<NodeId, Node>,
    next: u64,
    /// Made with the first byte.
    arena: Option<Arena>,
}

#[derive(Debug)]
struct Node {
    /// Where it has its name; none = it is one of those that the config names, or has lost its name.
    parent: Option<(NodeId, String)>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Folder(BTreeMap<String, NodeId>),
    File(Extent),
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Spot {
    /// Something that is there.
    There(NodeId),
    /// A name that nothing has yet, in a folder that is there.
    Free {
        /// The folder.
        folder: NodeId,
        /// The name.
        name: String,
    },
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A folder.
    Folder,
    /// A file of so many bytes.
    File(u64),
}

/// A file that an instance leaves behind.
#[derive(Debug)]
pub struct StagedFile {
    /// Where it is to be put.
    pub path: ScopedPath,
    /// Its bytes.
    pub bytes: StagedBytes,
}

impl Stage {
    /// An empty folder for each that the config names.
    pub(super) fn new(named: impl IntoIterator<Item = NamedPath>) -> Self {
        let mut stage = Self { named: Vec::new(), nodes: BTreeMap::new(), next: 0, arena: None };
        for path in named {
            let id = stage.add(Node { parent: None, kind: Kind::Folder(BTreeMap::new()) });
            stage.named.push((path, id));
        }
        stage
    }

    /// The folders that the config names.
    pub(super) fn named(&self) -> &[(NamedPath, NodeId)] {
        &self.named
    }

    /// Finds what a path leads to from a folder. A path that ends with a slash leads to a folder or to nothing.
    ///
    /// # Errors
    /// When a folder on the way is not there or is a file, or a name can't be one.
    pub(super) fn find(&self, from: NodeId, path: GuestPath<'_>) -> Result<Spot> {
        let names = path.names();
        let Some((last, above)) = names.split_last() else { return Ok(Spot::There(from)) };
        let mut folder = from;
        for name in above {
            folder = *self.names(folder)?.get(*name).ok_or(ErrorCode::NoEntry)?;
        }
        match self.names(folder)?.get(*last) {
            Some(&node) if path.wants_folder() && !matches!(self.what(node)?, What::Folder) => {
                Err(ErrorCode::NotDirectory)
            }
            Some(&node) => Ok(Spot::There(node)),
            None if last.len() > MAX_NAME => Err(ErrorCode::NameTooLong),
            None => Ok(Spot::Free { folder, name: (*last).to_owned() }),
        }
    }

    /// As [`Self::find`], for what must be there.
    ///
    /// # Errors
    /// As [`Self::find`], and when there is nothing.
    pub(super) fn find_there(&self, from: NodeId, path: GuestPath<'_>) -> Result<NodeId> {
        match self.find(from, path)? {
            Spot::There(node) => Ok(node),
            Spot::Free { .. } => Err(ErrorCode::NoEntry),
        }
    }

    /// What a node is.
    ///
    /// # Errors
    /// When it is gone.
    pub(super) fn what(&self, node: NodeId) -> Result<What> {
        Ok(match &self.node(node)?.kind {
            Kind::Folder(_) => What::Folder,
            Kind::File(extent) => What::File(extent.size()),
        })
    }

    /// Where a node would be put.
    ///
    /// # Errors
    /// When it has lost its name, or its path is too long for a file system.
    pub(super) fn path(&self, node: NodeId) -> Result<ScopedPath> {
        match &self.node(node)?.parent {
            Some((folder, name)) => self.path_in(*folder, name),
            None => {
                let named = self.named.iter().find(|(_, named)| *named == node);
                named.map(|(named, _)| named.path.clone()).ok_or(ErrorCode::NoEntry)
            }
        }
    }

    /// Where something of that name in that folder would be put.
    ///
    /// # Errors
    /// As [`Self::path`].
    pub(super) fn path_in(&self, folder: NodeId, name: &str) -> Result<ScopedPath> {
        join(&self.path(folder)?, name)
    }

    /// The first name behind `after`, and its node.
    ///
    /// # Errors
    /// When the folder is gone or is none.
    pub(super) fn next_name(&self, folder: NodeId, after: Option<&str>) -> Result<Option<(&str, NodeId)>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let names = self.names(folder)?;
        let mut rest = names.range::<str, _>((after.map_or(Unbounded, Excluded), Unbounded));
        Ok(rest.next().map(|(name, node)| (name.as_str(), *node)))
    }

    /// Makes an empty file or folder.
    ///
    /// # Errors
    /// When the folder is gone or is none, or the name is taken.
    pub(super) fn create(&mut self, folder: NodeId, name: &str, what: What) -> Result<NodeId> {
        if self.names(folder)?.contains_key(name) {
            return Err(ErrorCode::Exist);
        }
        self.path(folder)?;
        let kind = match what {
            What::Folder => Kind::Folder(BTreeMap::new()),
            What::File(_) => Kind::File(Extent::default()),
        };
        let node = self.add(Node { parent: Some((folder, name.to_owned())), kind });
        self.names_mut(folder)?.insert(name.to_owned(), node);
        Ok(node)
    }

    /// Takes the name of a file away, or of an empty folder. Who holds a file open may go on with it.
    ///
    /// # Errors
    /// When it is the other of the two, the folder is not empty, or the config names it.
    pub(super) fn remove(&mut self, node: NodeId, wanted: What) -> Result<()> {
        match (&self.node(node)?.kind, wanted) {
            (Kind::Folder(names), What::Folder) if !names.is_empty() => return Err(ErrorCode::NotEmpty),
            (Kind::Folder(_), What::Folder) | (Kind::File(_), What::File(_)) => {}
            (Kind::Folder(_), What::File(_)) => return Err(ErrorCode::IsDirectory),
            (Kind::File(_), What::Folder) => return Err(ErrorCode::NotDirectory),
        }
        let (folder, name) = self.node(node)?.parent.clone().ok_or(ErrorCode::NotPermitted)?;
        self.names_mut(folder)?.remove(&name);
        match self.nodes.get_mut(&node) {
            Some(Node { parent, kind: Kind::File(_) }) => *parent = None,
            _ => drop(self.nodes.remove(&node)),
        }
        Ok(())
    }

    /// Gives a node another name, in place of a file, or of an empty folder if it is one itself.
    ///
    /// # Errors
    /// When the two can't take each other's place, a folder would come to lie in itself, or the config names it.
    pub(super) fn rename(&mut self, node: NodeId, to: &Spot) -> Result<()> {
        let (folder, name) = match to {
            Spot::There(there) if *there == node => return Ok(()),
            Spot::There(there) => self.node(*there)?.parent.clone().ok_or(ErrorCode::NotPermitted)?,
            Spot::Free { folder, name } => (*folder, name.clone()),
        };
        let (from, old) = self.node(node)?.parent.clone().ok_or(ErrorCode::NotPermitted)?;
        if self.is_within(folder, node)? {
            return Err(ErrorCode::Invalid);
        }
        if let Spot::There(there) = to {
            let wanted = self.what(node)?;
            self.remove(*there, wanted)?;
        }
        self.names_mut(from)?.remove(&old);
        self.names_mut(folder)?.insert(name.clone(), node);
        if let Some(renamed) = self.nodes.get_mut(&node) {
            renamed.parent = Some((folder, name));
        }
        Ok(())
    }

    /// A node and all that lies below it, with their paths if its own is `path`.
    ///
    /// # Errors
    /// When a path is too long for a file system.
    pub(super) fn below(&self, node: NodeId, path: ScopedPath) -> Result<Vec<(NodeId, ScopedPath)>> {
        let mut all = vec![(node, path)];
        let mut seen = 0;
        while let Some((node, path)) = all.get(seen).cloned() {
            seen += 1;
            if let Kind::Folder(names) = &self.node(node)?.kind {
                for (name, &inner) in names {
                    all.push((inner, join(&path, name)?));
                }
            }
        }
        Ok(all)
    }

    /// Has a place for bytes from now on.
    ///
    /// # Errors
    /// When there is no such place.
    pub(super) fn prepare(&mut self, arena: impl FnOnce() -> Result<Arena>) -> Result<()> {
        if self.arena.is_none() {
            self.arena = Some(arena()?);
        }
        Ok(())
    }

    /// Writes into a file; call [`Self::prepare`] before.
    ///
    /// # Errors
    /// When it is no file, or the disk fails.
    pub(super) fn write(&mut self, node: NodeId, bytes: &[u8], offset: u64) -> Result<()> {
        let Self { nodes, arena: Some(arena), .. } = self else { return Err(ErrorCode::Io) };
        arena.write(extent_of(nodes, node)?, bytes, offset).map_err(code)
    }

    /// Makes a file longer or shorter.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(super) fn set_size(&mut self, node: NodeId, size: u64) -> Result<()> {
        let Self { nodes, arena, .. } = self;
        Extent::set_size(extent_of(nodes, node)?, arena.as_ref(), size).map_err(code)
    }

    /// Reads at most `length` bytes of a file; none at its end.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(super) fn read(&self, node: NodeId, length: usize, offset: u64) -> Result<Vec<u8>> {
        match &self.node(node)?.kind {
            Kind::Folder(_) => Err(ErrorCode::IsDirectory),
            Kind::File(extent) => extent.read(self.arena.as_ref(), length, offset).map_err(code),
        }
    }

    /// The files that have a name by now, in the order of their paths; nothing is left.
    ///
    /// # Errors
    /// When a path is too long for a file system.
    pub(super) fn take(&mut self) -> Result<Vec<StagedFile>> {
        let mut files = Vec::new();
        for (named, root) in std::mem::take(&mut self.named) {
            for (node, path) in self.below(root, named.path)? {
                if let Some(Node { kind: Kind::File(extent), .. }) = self.nodes.get_mut(&node) {
                    let bytes = std::mem::take(extent).into_bytes(self.arena.as_ref());
                    files.push(StagedFile { path, bytes });
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// Whether a folder is `above` or lies below it.
    fn is_within(&self, folder: NodeId, above: NodeId) -> Result<bool> {
        let mut at = Some(folder);
        while let Some(node) = at {
            if node == above {
                return Ok(true);
            }
            at = self.node(node)?.parent.as_ref().map(|(folder, _)| *folder);
        }
        Ok(false)
    }

    fn add(&mut self, node: Node) -> NodeId {
        let id = NodeId(self.next);
        self.next += 1;
        self.nodes.insert(id, node);
        id
    }

    fn node(&self, node: NodeId) -> Result<&Node> {
        self.nodes.get(&node).ok_or(ErrorCode::NoEntry)
    }

    fn names(&self, folder: NodeId) -> Result<&BTreeMap<String, NodeId>> {
        match &self.node(folder)?.kind {
            Kind::Folder(names) => Ok(names),
            Kind::File(_) => Err(ErrorCode::NotDirectory),
        }
    }

    fn names_mut(&mut self, folder: NodeId) -> Result<&mut BTreeMap<String, NodeId>> {
        match self.nodes.get_mut(&folder).map(|node| &mut node.kind) {
            Some(Kind::Folder(names)) => Ok(names),
            Some(Kind::File(_)) => Err(ErrorCode::NotDirectory),
            None => Err(ErrorCode::NoEntry),
        }
    }
}

fn extent_of(nodes: &mut BTreeMap<NodeId, Node>, node: NodeId) -> Result<&mut Extent> {
    match nodes.get_mut(&node).map(|node| &mut node.kind) {
        Some(Kind::File(extent)) => Ok(extent),
        Some(Kind::Folder(_)) => Err(ErrorCode::IsDirectory),
        None => Err(ErrorCode::NoEntry),
    }
}

fn join(folder: &ScopedPath, name: &str) -> Result<ScopedPath> {
    folder.join(name.as_bytes()).map_err(|error| match error {
        PathError::TooLong => ErrorCode::NameTooLong,
        _ => ErrorCode::Invalid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_authority::WorkingFolder;
    use std::io::Read as _;

    /// A stage with the folder `out`.
    fn stage() -> (Stage, NodeId) {
        let path = ScopedPath::parse(&WorkingFolder::new(b"/w").unwrap(), b"out").unwrap();
        let stage = Stage::new([NamedPath { written: "out/".to_owned(), path }]);
        let root = stage.named()[0].1;
        (stage, root)
    }

    fn make(stage: &mut Stage, root: NodeId, path: &str, what: What) -> Result<NodeId> {
        match stage.find(root, GuestPath::check(path).unwrap())? {
            Spot::There(_) => Err(ErrorCode::Exist),
            Spot::Free { folder, name } => stage.create(folder, &name, what),
        }
    }

    fn write(stage: &mut Stage, node: NodeId, bytes: &[u8]) {
        stage.prepare(|| Ok(Arena::new(tempfile::tempfile().unwrap()))).unwrap();
        stage.write(node, bytes, 0).unwrap();
    }

    fn taken(stage: &mut Stage) -> Vec<(String, String)> {
        let text = |mut file: StagedFile| {
            let mut text = String::new();
            file.bytes.read_to_string(&mut text).unwrap();
            (file.path.to_string(), text)
        };
        stage.take().unwrap().into_iter().map(text).collect()
    }

    fn pair(path: &str, text: &str) -> (String, String) {
        (path.to_owned(), text.to_owned())
    }

    #[test]
    fn what_has_a_name_in_the_end_is_left_behind() {
        let (mut stage, root) = stage();
        make(&mut stage, root, "b", What::Folder).unwrap();
        for (path, text) in [("b/2", "two"), ("a", "one"), ("gone", "x"), ("b/1", "three")] {
            let file = make(&mut stage, root, path, What::File(0)).unwrap();
            write(&mut stage, file, text.as_bytes());
        }
        let gone = stage.find_there(root, GuestPath::check("gone").unwrap()).unwrap();
        stage.remove(gone, What::File(0)).unwrap();
        // Who holds it open may go on, to no effect.
        write(&mut stage, gone, b"still");
        assert_eq!(stage.read(gone, 9, 0).unwrap(), b"still");
        assert_eq!(stage.path(gone).unwrap_err(), ErrorCode::NoEntry);
        assert_eq!(taken(&mut stage), [pair("out/a", "one"), pair("out/b/1", "three"), pair("out/b/2", "two")]);
        assert_eq!(taken(&mut stage), []);
    }

    #[test]
    fn names_and_kinds_are_minded() {
        let (mut stage, root) = stage();
        make(&mut stage, root, "f", What::File(0)).unwrap();
        make(&mut stage, root, "d", What::Folder).unwrap();
        make(&mut stage, root, "d/g", What::File(0)).unwrap();
        let find = |stage: &Stage, path: &str| stage.find_there(root, GuestPath::check(path).unwrap());
        assert_eq!(find(&stage, "f/").unwrap_err(), ErrorCode::NotDirectory);
        assert_eq!(find(&stage, "f/x").unwrap_err(), ErrorCode::NotDirectory);
        assert_eq!(find(&stage, "x/y").unwrap_err(), ErrorCode::NoEntry);
        assert_eq!(find(&stage, "d/../f"), find(&stage, "./f"));
        assert_eq!(find(&stage, "d/").unwrap(), find(&stage, "d").unwrap());
        assert_eq!(make(&mut stage, root, "f", What::Folder).unwrap_err(), ErrorCode::Exist);
        assert_eq!(make(&mut stage, root, &"n".repeat(256), What::Folder).unwrap_err(), ErrorCode::NameTooLong);
        make(&mut stage, root, &"n".repeat(255), What::Folder).unwrap();
        let (folder, file) = (find(&stage, "d").unwrap(), find(&stage, "f").unwrap());
        assert_eq!(stage.remove(folder, What::Folder).unwrap_err(), ErrorCode::NotEmpty);
        assert_eq!(stage.remove(folder, What::File(0)).unwrap_err(), ErrorCode::IsDirectory);
        assert_eq!(stage.remove(file, What::Folder).unwrap_err(), ErrorCode::NotDirectory);
        assert_eq!(stage.remove(root, What::Folder).unwrap_err(), ErrorCode::NotEmpty);
        // A path that no file system takes.
        let mut folder = root;
        let too_long = std::iter::repeat_with(|| {
            folder = stage.create(folder, &"n".repeat(200), What::Folder)?;
            stage.path(folder)
        });
        assert_eq!(too_long.take(30).find_map(Result::err), Some(ErrorCode::NameTooLong));
    }

    #[test]
    fn renaming_takes_the_place_of_a_file_or_an_empty_folder_only() {
        let (mut stage, root) = stage();
        for folder in ["d", "d/e", "empty"] {
            make(&mut stage, root, folder, What::Folder).unwrap();
        }
        for (path, text) in [("d/e/x", "x"), ("f", "f"), ("g", "g")] {
            let file = make(&mut stage, root, path, What::File(0)).unwrap();
            write(&mut stage, file, text.as_bytes());
        }
        let mut rename = |from: &str, to: &str| {
            let node = stage.find_there(root, GuestPath::check(from).unwrap())?;
            let to = stage.find(root, GuestPath::check(to).unwrap())?;
            stage.rename(node, &to)
        };
        assert_eq!(rename("d", "d/e/inner"), Err(ErrorCode::Invalid));
        assert_eq!(rename("empty", "d"), Err(ErrorCode::NotEmpty));
        assert_eq!(rename("f", "empty"), Err(ErrorCode::IsDirectory));
        assert_eq!(rename("empty", "f"), Err(ErrorCode::NotDirectory));
        assert_eq!(rename(".", "x"), Err(ErrorCode::NotPermitted));
        assert_eq!(rename("f", "."), Err(ErrorCode::NotPermitted));
        assert_eq!(rename("f", "f"), Ok(()));
        assert_eq!(rename("f", "g"), Ok(()));
        assert_eq!(rename("d/e", "empty"), Ok(()));
        assert_eq!(taken(&mut stage), [pair("out/empty/x", "x"), pair("out/g", "f")]);
    }

    #[test]
    fn names_are_listed_in_order_however_they_change_meanwhile() {
        let (mut stage, root) = stage();
        for name in ["b", "a", "c"] {
            make(&mut stage, root, name, What::File(0)).unwrap();
        }
        let next = |stage: &Stage, after| stage.next_name(root, after).unwrap().map(|(name, _)| name.to_owned());
        assert_eq!(next(&stage, None).as_deref(), Some("a"));
        let gone = stage.find_there(root, GuestPath::check("a").unwrap()).unwrap();
        stage.remove(gone, What::File(0)).unwrap();
        assert_eq!(next(&stage, Some("a")).as_deref(), Some("b"));
        assert_eq!(next(&stage, Some("c")), None);
    }
}
