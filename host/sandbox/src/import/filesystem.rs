//! `wasi:filesystem`: the files and folders that the config names to be read, and what lies below them; and empty folders
//! to be written to (`filesystem/staged.rs`).
//!
//! Reading needs the power `fs-read`. A path leads to an object by the kernel (`filesystem/containment.rs`), `authorise` is asked
//! about where the object really lies, and only then is it opened: that very object, whatever its name leads to by now.
//! Times are hidden, since time is no power here. Nothing in this file can write; nothing links.

mod arena;
mod bindings;
mod containment;
mod error;
mod guest_path;
mod listing;
mod preopens;
mod stage;
mod staged;
mod stream;

pub use arena::Arena;
use error::DENIED;
pub(crate) use error::FsError;
pub use stage::StagedFile;
pub(crate) use staged::SharedStage;
pub(crate) use stream::MAX_READ;

use crate::cost::Work;
use crate::meter::Total;
use crate::state::Host;
use bindings::wasi::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, Filesize,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
pub(crate) use containment::FindError;
use containment::{Containment, Follow, Found};
use guest_path::GuestPath;
use listing::{Listing, PIECE};
use palisade_authority::{BoundKind, ScopedPath, Use, authorise};
use palisade_model::manifest::Power;
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, fstat, readlinkat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use stage::{NodeId, What};
use staged::Handle;
use std::path::Path;
use std::sync::Arc;
use stream::{FileStream, read_at};
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream};

type FsResult<T> = Result<T, FsError>;

/// A file or folder that a guest holds.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub struct Descriptor(Held);

enum Held {
    /// One of those that it reads.
    Real(Real),
    /// One of those that it writes.
    Staged(Handle),
}

/// A file or folder of a disk.
struct Real {
    containment: Arc<Containment>,
    object: Object,
}

#[derive(Clone)]
enum Object {
    /// A folder; nothing of it was read.
    Folder(Arc<Folder>),
    /// A regular file, open for reading.
    File { found: Arc<Found>, file: Arc<OwnedFd> },
}

struct Folder {
    found: Found,
    /// The one name that can be seen in it, where the config names a single file.
    only: Option<String>,
}

/// A listing that a guest holds.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub struct OpenListing(Listed);

enum Listed {
    Real {
        listing: Listing,
        folder: Arc<Folder>,
    },
    /// Of a folder that is written to, with the last name that was told.
    Staged {
        folder: NodeId,
        last: Option<String>,
    },
}

/// The file that a path of the config names, found but not opened, and where it really lies; for other powers that go
/// by it.
///
/// # Errors
/// When there is nothing, or no regular file.
pub(crate) fn real_file(root: &Path, named: &ScopedPath) -> Result<(OwnedFd, ScopedPath), FindError> {
    let found = Containment::open(root)?.find_named(named)?;
    match found.kind {
        FileType::RegularFile => Ok((found.fd, found.path)),
        other => Err(FindError::NotAFile(noun(other))),
    }
}

pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, HasSelf<_>>(linker, |host| host)?;
    bindings::wasi::filesystem::preopens::add_to_linker::<_, HasSelf<_>>(linker, |host| host)
}

impl Descriptor {
    fn real(&self) -> FsResult<&Real> {
        match &self.0 {
            Held::Real(real) => Ok(real),
            Held::Staged(_) => Err(ErrorCode::CrossDevice.into()),
        }
    }
}

impl Real {
    fn found(&self) -> &Found {
        match &self.object {
            Object::Folder(folder) => &folder.found,
            Object::File { found, .. } => found,
        }
    }

    fn folder(&self) -> FsResult<Arc<Folder>> {
        match &self.object {
            Object::Folder(folder) => Ok(Arc::clone(folder)),
            Object::File { .. } => Err(ErrorCode::NotDirectory.into()),
        }
    }

    fn file(&self) -> FsResult<&Arc<OwnedFd>> {
        match &self.object {
            Object::Folder(_) => Err(ErrorCode::IsDirectory.into()),
            Object::File { file, .. } => Ok(file),
        }
    }
}

/// What a path of a guest led to, allowed to be used.
enum Reached {
    /// The folder it started from.
    Start(Arc<Folder>),
    /// Something below it, or where a link below it leads.
    Below(Found),
}

impl Reached {
    fn found(&self) -> &Found {
        match self {
            Self::Start(folder) => &folder.found,
            Self::Below(found) => found,
        }
    }
}

impl Host {
    /// Finds what a path of the guest leads to and asks whether it may be used.
    fn reach(&mut self, from: &Resource<Descriptor>, path: &str, follow: Follow) -> FsResult<Reached> {
        let descriptor = self.table.get(from)?.real()?;
        let (containment, folder) = (Arc::clone(&descriptor.containment), descriptor.folder()?);
        let checked = match GuestPath::check(path) {
            Ok(checked) => checked,
            Err(error) => {
                if error.leads_out() {
                    self.note_escape(containment.spelled(&folder.found, path));
                }
                return Err(error.into());
            }
        };
        if checked.is_start() {
            return Ok(Reached::Start(folder));
        }
        if folder.only.as_ref().is_some_and(|only| !checked.is_name(only)) {
            return Err(ErrorCode::NoEntry.into());
        }
        let found = containment.find(&folder.found, checked, follow).inspect_err(|error| {
            if *error == FindError::LedOut {
                let (what, reason) =
                    self.kept(path, "a link that leads out of its folder, to nothing that can be opened");
                self.ports.refused(Power::FsRead, what, reason);
                self.count_denial();
            }
        })?;
        self.authorise(&Use::FsRead { path: found.path.clone() }).map_err(|_denied| DENIED)?;
        Ok(Reached::Below(found))
    }

    /// Records a path that is refused by its letters alone as the denial that its use would be.
    fn note_escape(&mut self, spelled: Option<ScopedPath>) {
        let (Some(path), Some(granted)) = (spelled, self.granted.clone()) else { return };
        let asked = Use::FsRead { path };
        if !authorise(&granted.authority, &asked).allowed() {
            let _refused_already = self.authorise(&asked);
        }
    }

    /// Says for the guest that something was left out: bounded and counted as if the guest had said it.
    fn note_skip(&mut self, what: &[u8], reason: &str) {
        let escaped = |chunk: std::str::Utf8Chunk<'_>| format!("{}{}", chunk.valid(), chunk.invalid().escape_ascii());
        let what: String = what.utf8_chunks().map(escaped).collect();
        let (what, reason) = self.kept(&what, reason);
        self.ports.skip(what, reason);
    }

    /// Says whether a folder is closed to everyone: Palisade's own is not even shown.
    fn is_closed(&self, path: ScopedPath) -> bool {
        let Some(granted) = &self.granted else { return true };
        let asked = Use::FsRead { path };
        let decision = authorise(&granted.authority, &asked);
        !decision.allowed() && decision.chain().iter().any(|reason| reason.by == BoundKind::Palisade)
    }

    /// The handle behind a descriptor, if it is one of those that the guest writes.
    fn staged(&self, fd: &Resource<Descriptor>) -> FsResult<Option<Handle>> {
        match &self.table.get(fd)?.0 {
            Held::Real(_) => Ok(None),
            Held::Staged(handle) => Ok(Some(handle.clone())),
        }
    }

    fn push_real(&mut self, containment: Arc<Containment>, object: Object) -> FsResult<Resource<Descriptor>> {
        Ok(self.push(Descriptor(Held::Real(Real { containment, object })))?)
    }

    fn open_file(&mut self, containment: &Containment, found: Found) -> FsResult<Object> {
        self.spend(Total::FilesRead, 1).map_err(|_limit| ErrorCode::Quota)?;
        let file = containment.open_file(&found)?;
        Ok(Object::File { found: Arc::new(found), file: Arc::new(file) })
    }
}

impl types::Host for Host {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        match error {
            FsError::Code(code) => Ok(code),
            FsError::Ended(error) => Err(error),
        }
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.charge(Work::Small, 0);
        Ok(self.table.get(&error)?.downcast_ref::<Errno>().map(|&errno| error::code(errno)))
    }
}

impl types::HostDescriptor for Host {
    fn open_at(
        &mut self,
        from: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        self.charge(Work::Open, path.len());
        if let Some(folder) = self.staged(&from)? {
            let opened = self.open_staged(&folder, &path, open_flags, flags)?;
            return Ok(self.push(Descriptor(Held::Staged(opened)))?);
        }
        if open_flags.intersects(OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE)
            || flags.intersects(DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY)
        {
            return Err(ErrorCode::ReadOnly.into());
        }
        let containment = Arc::clone(&self.table.get(&from)?.real()?.containment);
        let found = match self.reach(&from, &path, follow(path_flags))? {
            Reached::Start(folder) => {
                return self.push_real(containment, Object::Folder(folder));
            }
            Reached::Below(found) => found,
        };
        let object = match found.kind {
            FileType::Directory => Object::Folder(Arc::new(Folder { found, only: None })),
            FileType::RegularFile if open_flags.contains(OpenFlags::DIRECTORY) => {
                return Err(ErrorCode::NotDirectory.into());
            }
            FileType::RegularFile => self.open_file(&containment, found)?,
            FileType::Symlink => return Err(ErrorCode::Loop.into()),
            other => {
                self.note_skip(path.as_bytes(), &format!("it is a {}; only files and folders are read", noun(other)));
                return Err(ErrorCode::Unsupported.into());
            }
        };
        self.push_real(containment, object)
    }

    fn read(&mut self, fd: Resource<Descriptor>, length: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        if let Some(file) = self.staged(&fd)? {
            return self.read_staged(&file, length, offset);
        }
        let descriptor = self.table.get(&fd)?.real()?;
        let file = Arc::clone(descriptor.file()?);
        // No larger a buffer than what is left of the file: guests ask for much more than small files have.
        let (identity, size) = (descriptor.found().identity, descriptor.found().size);
        // One byte more shows whether the file ends where it did when it was opened.
        let left = size.saturating_sub(offset).saturating_add(1).max(LEAST_READ);
        let wanted = usize::try_from(length.min(left)).unwrap_or(MAX_READ).min(MAX_READ);
        self.charge(Work::ReadFile, wanted);
        let bytes = read_at(&file, offset, wanted)?;
        self.spend(Total::FileBytesRead, bytes.len() as u64).map_err(|_limit| ErrorCode::Quota)?;
        self.meter.handed_out_of_file(identity, size, bytes.len() as u64);
        // Less than was wanted is not the end by itself: some file systems hand out pieces. Where the size says the same,
        // nobody has to ask once more.
        let ends = bytes.len() < wanted && offset.saturating_add(bytes.len() as u64) == size;
        let at_end = length > 0 && (bytes.is_empty() || ends);
        Ok((bytes, at_end))
    }

    fn read_via_stream(&mut self, fd: Resource<Descriptor>, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        if let Some(file) = self.staged(&fd)? {
            let stream: DynInputStream = Box::new(self.read_stream_staged(&file, offset)?);
            return Ok(self.push(stream)?);
        }
        self.charge(Work::Small, 0);
        let descriptor = self.table.get(&fd)?.real()?;
        let file = Arc::clone(descriptor.file()?);
        let (identity, size) = (descriptor.found().identity, descriptor.found().size);
        let meter = Arc::clone(&self.meter);
        let stream: DynInputStream = Box::new(FileStream { file, offset, identity, size, meter });
        Ok(self.push(stream)?)
    }

    fn read_directory(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<OpenListing>> {
        self.charge(Work::Open, 0);
        if let Some(folder) = self.staged(&fd)? {
            return self.list_staged(&folder);
        }
        let descriptor = self.table.get(&fd)?.real()?;
        let folder = descriptor.folder()?;
        let opened = descriptor.containment.open_folder(&folder.found);
        let listing = match &folder.only {
            Some(name) => Listing::of_one(opened?, name)?,
            None => Listing::new(opened?),
        };
        self.limiter.hold(PIECE as u64)?;
        Ok(self.push(OpenListing(Listed::Real { listing, folder }))?)
    }

    fn get_type(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorType> {
        self.charge(Work::Small, 0);
        match self.staged(&fd)? {
            Some(handle) => Ok(self.stat_staged(handle.node)?.type_),
            None => Ok(type_of(self.table.get(&fd)?.real()?.found().kind)),
        }
    }

    fn get_flags(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        self.charge(Work::Small, 0);
        Ok(self.staged(&fd)?.map_or(DescriptorFlags::READ, |handle| handle.flags))
    }

    fn stat(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        self.charge(Work::Stat, 0);
        if let Some(handle) = self.staged(&fd)? {
            return self.stat_staged(handle.node);
        }
        let descriptor = self.table.get(&fd)?.real()?;
        let size = match &descriptor.object {
            Object::Folder(_) => 0,
            Object::File { file, .. } => u64::try_from(fstat(file)?.st_size).unwrap_or(0),
        };
        Ok(stat_of(descriptor.found().kind, size))
    }

    fn stat_at(&mut self, from: Resource<Descriptor>, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        self.charge(Work::Open, path.len());
        if let Some(folder) = self.staged(&from)? {
            let node = self.find_staged(&folder, &path)?;
            return self.stat_staged(node);
        }
        let reached = self.reach(&from, &path, follow(flags))?;
        let found = reached.found();
        Ok(stat_of(found.kind, found.size))
    }

    fn is_same_object(&mut self, a: Resource<Descriptor>, b: Resource<Descriptor>) -> wasmtime::Result<bool> {
        self.charge(Work::Small, 0);
        Ok(match (&self.table.get(&a)?.0, &self.table.get(&b)?.0) {
            (Held::Real(a), Held::Real(b)) => a.found().identity == b.found().identity,
            (Held::Staged(a), Held::Staged(b)) => a.node == b.node,
            (Held::Real(_), Held::Staged(_)) | (Held::Staged(_), Held::Real(_)) => false,
        })
    }

    fn metadata_hash(&mut self, fd: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        self.charge(Work::Small, 0);
        match self.staged(&fd)? {
            Some(handle) => self.hash_staged(handle.node),
            None => Ok(hash_of(self.table.get(&fd)?.real()?.found())),
        }
    }

    fn metadata_hash_at(
        &mut self,
        from: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.charge(Work::Open, path.len());
        if let Some(folder) = self.staged(&from)? {
            let node = self.find_staged(&folder, &path)?;
            return self.hash_staged(node);
        }
        Ok(hash_of(self.reach(&from, &path, follow(flags))?.found()))
    }

    fn readlink_at(&mut self, from: Resource<Descriptor>, path: String) -> FsResult<String> {
        self.charge(Work::Open, path.len());
        if let Some(folder) = self.staged(&from)? {
            self.find_staged(&folder, &path)?;
            return Err(ErrorCode::Invalid.into());
        }
        let reached = self.reach(&from, &path, Follow::Never)?;
        let found = reached.found();
        if found.kind != FileType::Symlink {
            return Err(ErrorCode::Invalid.into());
        }
        let target = readlinkat(&found.fd, "", Vec::new())?;
        let target = target.into_string().map_err(|_| ErrorCode::IllegalByteSequence)?;
        // An absolute target would tell where on the machine the folder lies.
        if target.starts_with('/') { Err(DENIED.into()) } else { Ok(target) }
    }

    fn advise(&mut self, fd: Resource<Descriptor>, _: Filesize, _: Filesize, _: Advice) -> FsResult<()> {
        self.charge(Work::Small, 0);
        self.table.get(&fd)?;
        Ok(())
    }

    fn sync_data(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.sync(fd)
    }

    /// Nothing has to be durable before the step has succeeded; then all of it is made so.
    fn sync(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.charge(Work::Small, 0);
        self.table.get(&fd)?;
        Ok(())
    }

    fn write_via_stream(&mut self, fd: Resource<Descriptor>, at: Filesize) -> FsResult<Resource<DynOutputStream>> {
        let file = self.writable(&fd)?;
        let stream: DynOutputStream = Box::new(self.stream_staged(&file, Some(at))?);
        Ok(self.push(stream)?)
    }

    fn append_via_stream(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>> {
        let file = self.writable(&fd)?;
        let stream: DynOutputStream = Box::new(self.stream_staged(&file, None)?);
        Ok(self.push(stream)?)
    }

    fn set_size(&mut self, fd: Resource<Descriptor>, size: Filesize) -> FsResult<()> {
        let file = self.writable(&fd)?;
        self.set_size_staged(&file, size)
    }

    /// Nothing has a time.
    fn set_times(&mut self, fd: Resource<Descriptor>, _: NewTimestamp, _: NewTimestamp) -> FsResult<()> {
        self.writable(&fd)?;
        Err(ErrorCode::Unsupported.into())
    }

    fn write(&mut self, fd: Resource<Descriptor>, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let file = self.writable(&fd)?;
        self.write_staged(&file, &bytes, offset)
    }

    fn create_directory_at(&mut self, from: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.charge(Work::Open, path.len());
        let folder = self.writable(&from)?;
        self.create_folder_staged(&folder, &path)
    }

    fn set_times_at(
        &mut self,
        from: Resource<Descriptor>,
        _: PathFlags,
        _: String,
        _: NewTimestamp,
        _: NewTimestamp,
    ) -> FsResult<()> {
        self.writable(&from)?;
        Err(ErrorCode::Unsupported.into())
    }

    /// A second name of a file that may only be read would make it one that can be written.
    fn link_at(
        &mut self,
        _: Resource<Descriptor>,
        _: PathFlags,
        _: String,
        to: Resource<Descriptor>,
        _: String,
    ) -> FsResult<()> {
        self.writable(&to)?;
        Err(DENIED.into())
    }

    fn remove_directory_at(&mut self, from: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.charge(Work::Open, path.len());
        let folder = self.writable(&from)?;
        self.remove_staged(&folder, &path, What::Folder)
    }

    fn rename_at(
        &mut self,
        from: Resource<Descriptor>,
        old: String,
        to: Resource<Descriptor>,
        new: String,
    ) -> FsResult<()> {
        self.charge(Work::Open, old.len() + new.len());
        let (from, to) = (self.writable(&from)?, self.writable(&to)?);
        self.rename_staged(&from, &old, &to, &new)
    }

    fn symlink_at(&mut self, from: Resource<Descriptor>, _: String, _: String) -> FsResult<()> {
        self.writable(&from)?;
        Err(DENIED.into())
    }

    fn unlink_file_at(&mut self, from: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.charge(Work::Open, path.len());
        let folder = self.writable(&from)?;
        self.remove_staged(&folder, &path, What::File(0))
    }

    fn drop(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.charge(Work::Small, 0);
        self.table.delete(fd)?;
        Ok(())
    }
}

impl Host {
    /// The handle of what may be written. What is read from a disk never is.
    fn writable(&mut self, fd: &Resource<Descriptor>) -> FsResult<Handle> {
        self.charge(Work::Small, 0);
        self.staged(fd)?.ok_or_else(|| ErrorCode::ReadOnly.into())
    }

    fn list_staged(&mut self, folder: &Handle) -> FsResult<Resource<OpenListing>> {
        if self.stage()?.lock().what(folder.node)? != What::Folder {
            return Err(ErrorCode::NotDirectory.into());
        }
        self.limiter.hold(PIECE as u64)?;
        Ok(self.push(OpenListing(Listed::Staged { folder: folder.node, last: None }))?)
    }

    fn next_staged(&mut self, folder: NodeId, last: Option<&str>) -> FsResult<Option<DirectoryEntry>> {
        let stage = self.stage()?;
        let stage = stage.lock();
        let Some((name, node)) = stage.next_name(folder, last)? else { return Ok(None) };
        let kind = match stage.what(node)? {
            What::Folder => DescriptorType::Directory,
            What::File(_) => DescriptorType::RegularFile,
        };
        Ok(Some(DirectoryEntry { type_: kind, name: name.to_owned() }))
    }

    fn hash_staged(&self, node: NodeId) -> FsResult<MetadataHashValue> {
        let what = self.stage()?.lock().what(node)?;
        let (kind, size) = match what {
            What::Folder => (DescriptorType::Directory, 0),
            What::File(size) => (DescriptorType::RegularFile, size),
        };
        Ok(hash(node.to_string().as_bytes(), kind, size))
    }
}

impl types::HostDirectoryEntryStream for Host {
    fn read_directory_entry(&mut self, stream: Resource<OpenListing>) -> FsResult<Option<DirectoryEntry>> {
        if let Listed::Staged { folder, last } = &self.table.get(&stream)?.0 {
            let (folder, last) = (*folder, last.clone());
            let next = self.next_staged(folder, last.as_deref())?;
            self.charge(Work::Small, next.as_ref().map_or(0, |entry| entry.name.len()));
            if let (Some(entry), Listed::Staged { last, .. }) = (&next, &mut self.table.get_mut(&stream)?.0) {
                *last = Some(entry.name.clone());
            }
            return Ok(next);
        }
        loop {
            let Listed::Real { listing, folder } = &mut self.table.get_mut(&stream)?.0 else { return Ok(None) };
            let entry = listing.next()?;
            let above = folder.found.path.clone();
            let Some(entry) = entry else {
                self.charge(Work::Small, 0);
                return Ok(None);
            };
            // A folder that is closed to everyone would be denied; it is not shown, so that nobody runs into it.
            let folder = (entry.kind == FileType::Directory).then(|| above.join(entry.name.to_bytes()));
            self.charge(Work::Small, entry.name.count_bytes());
            if folder.is_some_and(|path| path.is_ok_and(|path| self.is_closed(path))) {
                continue;
            }
            match entry.name.into_string() {
                Ok(name) => return Ok(Some(DirectoryEntry { type_: type_of(entry.kind), name })),
                Err(error) => {
                    let name = error.into_cstring().into_bytes();
                    let path = above.join(&name).map_or(name, |path| path.to_bytes());
                    self.note_skip(&path, "its name is not UTF-8");
                }
            }
        }
    }

    fn drop(&mut self, stream: Resource<OpenListing>) -> wasmtime::Result<()> {
        self.charge(Work::Small, 0);
        self.table.delete(stream)?;
        self.limiter.release(PIECE as u64);
        Ok(())
    }
}

/// Least bytes that a read is prepared for, whatever the size of the file was when it was opened: it may have grown,
/// and some files never say their size.
const LEAST_READ: u64 = 4 << 10;

fn follow(flags: PathFlags) -> Follow {
    if flags.contains(PathFlags::SYMLINK_FOLLOW) { Follow::Links } else { Follow::Never }
}

fn type_of(kind: FileType) -> DescriptorType {
    match kind {
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::Fifo => DescriptorType::Fifo,
        FileType::Socket => DescriptorType::Socket,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        FileType::Unknown => DescriptorType::Unknown,
    }
}

fn noun(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "folder",
        FileType::Fifo => "named pipe",
        FileType::Socket => "socket",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        _ => "thing of unknown kind",
    }
}

/// What a guest is told of an object. Its links are not counted and its times not told: neither belongs to its content.
fn stat_of(kind: FileType, size: u64) -> DescriptorStat {
    DescriptorStat {
        type_: type_of(kind),
        link_count: 1,
        size: if kind == FileType::RegularFile { size } else { 0 },
        data_access_timestamp: None,
        data_modification_timestamp: None,
        status_change_timestamp: None,
    }
}

/// A hash over what a guest may know anyway, so that it is the same on every machine: real path, type and size.
fn hash_of(found: &Found) -> MetadataHashValue {
    hash(&found.path.to_bytes(), type_of(found.kind), found.size)
}

fn hash(name: &[u8], kind: DescriptorType, size: u64) -> MetadataHashValue {
    let mut hash = Sha256::new();
    hash.update(b"palisade:metadata-hash\0");
    hash.update(name);
    hash.update([0, kind as u8]);
    hash.update(size.to_le_bytes());
    let digest = hash.finalize();
    let half = |range: std::ops::Range<usize>| {
        digest.get(range).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
    };
    MetadataHashValue { lower: half(0..8), upper: half(8..16) }
}
