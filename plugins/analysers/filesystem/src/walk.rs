//! Finds the files below a folder, in order of the bytes of their paths.
//!
//! Holds the names of one folder at a time and of those above it, never those of the whole tree, and of files no more
//! than may still be wanted.

use palisade_sdk::fs::{Directory, FileKind, FsErrorKind, Links};
use palisade_sdk::{Context, Result};

use super::path::join;
use super::reason;

/// The files below a folder that pass a filter, in order.
pub(crate) struct Walk<'w> {
    ctx: &'w Context,
    root: &'w Directory,
    /// The folder as people know it.
    name: &'w str,
    wanted: &'w dyn Fn(&str) -> bool,
    /// Most files that are still asked for.
    most: usize,
    /// What is left of each folder on the way, the next last.
    stack: Vec<Vec<Entry>>,
}

/// A file or folder.
struct Entry {
    /// Relative to the root; that of a folder ends with `/`, which puts it in its place among files.
    path: String,
}

impl<'w> Walk<'w> {
    /// Begins at `root`. At most `most` files will be asked for; `name` is used where something is left out.
    pub(crate) fn new(
        ctx: &'w Context,
        root: &'w Directory,
        name: &'w str,
        wanted: &'w dyn Fn(&str) -> bool,
        most: usize,
    ) -> Result<Self> {
        let mut walk = Self { ctx, root, name, wanted, most, stack: Vec::new() };
        walk.enter("")?;
        Ok(walk)
    }

    /// The path of the next file, relative to the root.
    pub(crate) fn next(&mut self) -> Result<Option<String>> {
        while let Some(level) = self.stack.last_mut() {
            let Some(Entry { path }) = level.pop() else {
                self.stack.pop();
                continue;
            };
            if path.ends_with('/') {
                self.enter(&path)?;
            } else {
                self.most = self.most.saturating_sub(1);
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Reads the names of a folder: the root for the empty path, else it ends with `/`.
    fn enter(&mut self, folder: &str) -> Result<()> {
        let listed = match folder.strip_suffix('/') {
            None => self.root.entries(),
            // The names outlive the folder's handle, of which few may be open at once.
            Some(path) => self.root.open_directory(path, Links::Keep).and_then(|directory| directory.entries()),
        };
        let entries = match listed {
            Ok(entries) => entries,
            Err(error) => return self.leave_out(folder, error),
        };
        let mut level: Vec<Entry> = Vec::new();
        let mut files = 0;
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if error.kind == FsErrorKind::BadName => {
                    self.ctx.skip(join(self.name, folder), "a name in it is not Unicode");
                    continue;
                }
                Err(error) => {
                    self.leave_out(folder, error)?;
                    break;
                }
            };
            let path = format!("{folder}{}", entry.name);
            match entry.kind {
                FileKind::Directory => level.push(Entry { path: path + "/" }),
                _ if !(self.wanted)(&path) => {}
                kind if self.is_file(&path, kind)? => {
                    level.push(Entry { path });
                    files += 1;
                    // One more than wanted, so that the caller can tell that there are more.
                    if files > self.most.saturating_mul(2).saturating_add(64) {
                        files = forget_last(&mut level, self.most.saturating_add(1));
                    }
                }
                _ => {}
            }
        }
        level.sort_unstable_by(|a, b| b.path.cmp(&a.path));
        self.stack.push(level);
        Ok(())
    }

    /// Tells whether something that is no folder is a file, perhaps through a link.
    fn is_file(&self, path: &str, kind: FileKind) -> Result<bool> {
        match kind {
            FileKind::File => Ok(true),
            FileKind::Link => match self.root.stat_at(path, Links::Follow) {
                Ok(stat) if stat.kind == FileKind::Special => self.is_file(path, FileKind::Special),
                Ok(stat) => Ok(stat.kind == FileKind::File),
                Err(error) if error.kind == FsErrorKind::NotFound => {
                    self.ctx.skip(join(self.name, path), "it is a link that leads to nothing");
                    Ok(false)
                }
                Err(error) => self.leave_out(path, error).map(|()| false),
            },
            _ => {
                self.ctx.skip(join(self.name, path), "it is a pipe, socket or device");
                Ok(false)
            }
        }
    }

    fn leave_out(&self, path: &str, error: palisade_sdk::fs::FsError) -> Result<()> {
        let what = join(self.name, path);
        self.ctx.skip(what.trim_end_matches('/'), reason(error)?);
        Ok(())
    }
}

/// Keeps the first `most` files of a level and all folders; returns how many files are left.
fn forget_last(level: &mut Vec<Entry>, most: usize) -> usize {
    level.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let mut files = 0;
    level.retain(|entry| {
        if entry.path.ends_with('/') {
            return true;
        }
        files += 1;
        files <= most
    });
    files.min(most)
}
