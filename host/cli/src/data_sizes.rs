//! How large the files and databases are that the configs of a plan name: for estimates alone, nothing of them is read.

use palisade_authority::{Authority, ScopedPath, Use, authorise};
use palisade_model::StepId;
use palisade_runbook::{Plan, PlannedCall, names_data};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs::{Metadata, read_dir, symlink_metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most entries of folders that are looked at for one plan: without it, a runbook that names a large folder would make
/// planning as slow as running.
const MAX_ENTRIES: usize = 100_000;

/// The bytes that each step could read of what its config names, by its own authority. What can't be measured, or not
/// within bounds, is left out; links are not followed.
pub(crate) fn data_bytes(plan: &Plan, folder: &Path) -> BTreeMap<StepId, u64> {
    let mut looking = Looking { folder, left: AtomicUsize::new(MAX_ENTRIES), measured: BTreeMap::new() };
    let calls = plan.steps.iter().filter_map(|step| Some((step, step.call()?)));
    let named = calls.filter(|(_, call)| names_data(call));
    named.filter_map(|(step, call)| Some((step.id.clone(), looking.of_call(call)?))).collect()
}

struct Looking<'a> {
    folder: &'a Path,
    /// How many entries may still be looked at.
    left: AtomicUsize,
    /// What the last step that names a path could read below it: most steps that name one path may do the same.
    measured: BTreeMap<&'a ScopedPath, (&'a Authority, Option<u64>)>,
}

impl<'a> Looking<'a> {
    fn of_call(&mut self, call: &'a PlannedCall) -> Option<u64> {
        // What a server answers is not known before it is asked.
        if call.asks_servers() || call.reads_servers() {
            return None;
        }
        let mut sum = 0_u64;
        for named in &call.paths {
            sum = sum.saturating_add(self.readable(&named.path, &call.authority)?);
        }
        for named in &call.connections {
            let path = &named.path;
            let may = authorise(&call.authority, &Use::Sql { database: path.clone() }).allowed();
            let file = Some(path).filter(|_| may).and_then(|path| self.look(path)).filter(Metadata::is_file)?;
            sum = sum.saturating_add(file.len());
        }
        Some(sum)
    }

    fn readable(&mut self, path: &'a ScopedPath, authority: &'a Authority) -> Option<u64> {
        if let Some((_, bytes)) = self.measured.get(path).filter(|(known, _)| *known == authority) {
            return *bytes;
        }
        let may = |path: &ScopedPath| authorise(authority, &Use::FsRead { path: path.clone() }).allowed();
        let bytes = self.below(path, &may);
        self.measured.insert(path, (authority, bytes));
        bytes
    }

    /// Counts an entry that is looked at; none if it is one too many.
    fn count(&self) -> Option<()> {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).ok().map(drop)
    }

    fn look(&self, path: &ScopedPath) -> Option<Metadata> {
        self.count()?;
        symlink_metadata(self.folder.join(path.to_path_buf())).ok()
    }

    /// The bytes of a file, or of all files below a folder that may be read.
    fn below(&self, path: &ScopedPath, may: &(dyn Fn(&ScopedPath) -> bool + Sync)) -> Option<u64> {
        let named = Some(path).filter(|path| may(path)).and_then(|path| self.look(path))?;
        if named.is_file() {
            return Some(named.len());
        }
        let mut sum = 0_u64;
        let mut folders = vec![path.clone()];
        // Nothing of a run begins before this has ended, so folders are read side by side. The sum is the same in any
        // order, and so is whether there are too many entries.
        while !folders.is_empty() {
            let read: Option<Vec<_>> = folders.par_iter().map(|folder| self.of_folder(folder, may)).collect();
            let (bytes, inner): (Vec<u64>, Vec<Vec<ScopedPath>>) = read?.into_iter().unzip();
            sum = bytes.into_iter().fold(sum, u64::saturating_add);
            folders = inner.concat();
        }
        Some(sum)
    }

    /// The bytes of the files in a folder, and the folders in it.
    fn of_folder(&self, folder: &ScopedPath, may: &dyn Fn(&ScopedPath) -> bool) -> Option<(u64, Vec<ScopedPath>)> {
        let (mut sum, mut folders) = (0_u64, Vec::new());
        for entry in read_dir(self.folder.join(folder.to_path_buf())).ok()? {
            let entry = entry.ok()?;
            let Ok(inner) = folder.join(entry.file_name().as_bytes()) else { continue };
            self.count()?;
            // What is gone since it was listed has no type or size.
            let Some(kind) = entry.file_type().ok().filter(|_| may(&inner)) else { continue };
            if kind.is_dir() {
                folders.push(inner);
            } else if let Some(metadata) = entry.metadata().ok().filter(Metadata::is_file) {
                sum = sum.saturating_add(metadata.len());
            }
        }
        Some((sum, folders))
    }
}
