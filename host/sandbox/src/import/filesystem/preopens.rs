//! `wasi:filesystem/preopens`: what the config names is all that an instance can start from.

use super::bindings::wasi::filesystem::preopens;
use super::containment::{Containment, FindError};
use super::{Descriptor, Folder, Held, Object, Real};
use crate::cost::Work;
use crate::state::{Host, NamedPath};
use palisade_authority::Use;
use palisade_model::{Failure, FailureKind};
use rustix::fs::FileType;
use std::sync::Arc;
use wasmtime::component::Resource;

impl preopens::Host for Host {
    /// One for each path of the config, those to be written to last. A path that does not exist, is denied, or is neither
    /// file nor folder has none: the guest can't tell which, people are told.
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        self.charge(Work::Small, 0);
        let mut preopens = self.preopens_to_read()?;
        for (handle, name) in self.staged_folders() {
            preopens.push((self.push(Descriptor(Held::Staged(handle)))?, name));
        }
        Ok(preopens)
    }
}

impl Host {
    fn preopens_to_read(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let Some(granted) = self.granted.clone() else { return Ok(Vec::new()) };
        if granted.paths.is_empty() {
            return Ok(Vec::new());
        }
        let containment = match Containment::open(&granted.root) {
            Ok(containment) => Arc::new(containment),
            Err(errno) => {
                let message = format!("the working folder can't be opened safely (is /proc there?): {errno}");
                self.fail(Failure::new(FailureKind::Host, message));
                return Ok(Vec::new());
            }
        };
        let mut preopens = Vec::with_capacity(granted.paths.len());
        for named in &granted.paths {
            self.charge(Work::Open, 0);
            if let Some((name, folder)) = self.preopen(&containment, named) {
                let object = Object::Folder(Arc::new(folder));
                let descriptor = Descriptor(Held::Real(Real { containment: Arc::clone(&containment), object }));
                preopens.push((self.push(descriptor)?, name));
            }
        }
        Ok(preopens)
    }

    fn preopen(&mut self, containment: &Containment, named: &NamedPath) -> Option<(String, Folder)> {
        let found = match containment.find_named(&named.path) {
            Ok(found) => found,
            Err(error) => {
                self.note_skip(named.written.as_bytes(), &reason(error));
                return None;
            }
        };
        self.authorise(&Use::FsRead { path: found.path.clone() }).ok()?;
        match found.kind {
            FileType::Directory => Some((named.written.clone(), Folder { found, only: None })),
            FileType::RegularFile => {
                let name = named.path.segments().next_back()?;
                let only = std::str::from_utf8(name).ok()?.to_owned();
                let parent = containment.find_parent(&named.path).ok()?;
                Some((parent_as_written(&named.written), Folder { found: parent, only: Some(only) }))
            }
            other => {
                self.note_skip(
                    named.written.as_bytes(),
                    &format!("it is a {}; only files and folders are read", super::noun(other)),
                );
                None
            }
        }
    }
}

fn reason(error: FindError) -> String {
    match error {
        FindError::LedOut => "a link that leads out of the working folder, to nothing that can be opened".to_owned(),
        FindError::NotAFile(_) | FindError::Kernel(_) => format!("it can't be opened: {error}"),
    }
}

/// The folder of a single file, as its path is written: what a guest's standard library looks for.
fn parent_as_written(written: &str) -> String {
    match written.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) => "/".to_owned(),
        Some((parent, _)) => parent.to_owned(),
        None => ".".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_written_as_the_path_is() {
        for (written, parent) in
            [("a.txt", "."), ("./a.txt", "."), ("data/a.txt", "data"), ("/a", "/"), ("/x/a", "/x"), ("../a/", "..")]
        {
            assert_eq!(parent_as_written(written), parent, "{written}");
        }
    }
}
