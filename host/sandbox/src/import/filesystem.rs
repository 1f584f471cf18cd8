//! `wasi:filesystem`, read-only: the files and folders that the config names, and what lies below them.
//!
//! Needs the power `fs-read`. A path leads to an object by the kernel (`filesystem/containment.rs`), `authorise` is asked
//! about where the object really lies, and only then is it opened: that very object, whatever its name leads to by now.
//! Times are hidden, since time is no power here. Nothing in this file can write.

mod bindings;
mod containment;
mod error;
mod guest_path;
mod listing;
mod preopens;
mod stream;

use error::DENIED;
pub(crate) use error::FsError;
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
use guest_path::{GuestPath, GuestPathError};
use listing::{Listing, PIECE};
use palisade_authority::{BoundKind, ScopedPath, Use, authorise};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, fstat, readlinkat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::Arc;
use stream::{FileStream, read_at};
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream};

type FsResult<T> = Result<T, FsError>;

/// A file or folder that a guest holds.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub struct Descriptor {
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
pub struct OpenListing {
    listing: Listing,
    folder: Arc<Folder>,
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
        let descriptor = self.table.get(from)?;
        let (containment, folder) = (Arc::clone(&descriptor.containment), descriptor.folder()?);
        let checked = match GuestPath::check(path) {
            Ok(checked) => checked,
            Err(error) => {
                if matches!(error, GuestPathError::Absolute | GuestPathError::Climbs) {
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
                self.ports.refused(what, reason);
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
        if open_flags.intersects(OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE)
            || flags.intersects(DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY)
        {
            return Err(ErrorCode::ReadOnly.into());
        }
        let containment = Arc::clone(&self.table.get(&from)?.containment);
        let found = match self.reach(&from, &path, follow(path_flags))? {
            Reached::Start(folder) => {
                return Ok(self.push(Descriptor { containment, object: Object::Folder(folder) })?);
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
        Ok(self.push(Descriptor { containment, object })?)
    }

    fn read(&mut self, fd: Resource<Descriptor>, length: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        let descriptor = self.table.get(&fd)?;
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
        self.charge(Work::Small, 0);
        let descriptor = self.table.get(&fd)?;
        let file = Arc::clone(descriptor.file()?);
        let (identity, size) = (descriptor.found().identity, descriptor.found().size);
        let meter = Arc::clone(&self.meter);
        let stream: DynInputStream = Box::new(FileStream { file, offset, identity, size, meter });
        Ok(self.push(stream)?)
    }

    fn read_directory(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<OpenListing>> {
        self.charge(Work::Open, 0);
        let descriptor = self.table.get(&fd)?;
        let folder = descriptor.folder()?;
        let opened = descriptor.containment.open_folder(&folder.found);
        let listing = match &folder.only {
            Some(name) => Listing::of_one(opened?, name)?,
            None => Listing::new(opened?),
        };
        self.limiter.hold(PIECE as u64)?;
        Ok(self.push(OpenListing { listing, folder })?)
    }

    fn get_type(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorType> {
        self.charge(Work::Small, 0);
        Ok(type_of(self.table.get(&fd)?.found().kind))
    }

    fn get_flags(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        self.charge(Work::Small, 0);
        self.table.get(&fd)?;
        Ok(DescriptorFlags::READ)
    }

    fn stat(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        self.charge(Work::Stat, 0);
        let descriptor = self.table.get(&fd)?;
        let size = match &descriptor.object {
            Object::Folder(_) => 0,
            Object::File { file, .. } => u64::try_from(fstat(file)?.st_size).unwrap_or(0),
        };
        Ok(stat_of(descriptor.found().kind, size))
    }

    fn stat_at(&mut self, from: Resource<Descriptor>, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        self.charge(Work::Open, path.len());
        let reached = self.reach(&from, &path, follow(flags))?;
        let found = reached.found();
        Ok(stat_of(found.kind, found.size))
    }

    fn is_same_object(&mut self, a: Resource<Descriptor>, b: Resource<Descriptor>) -> wasmtime::Result<bool> {
        self.charge(Work::Small, 0);
        Ok(self.table.get(&a)?.found().identity == self.table.get(&b)?.found().identity)
    }

    fn metadata_hash(&mut self, fd: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        self.charge(Work::Small, 0);
        Ok(hash_of(self.table.get(&fd)?.found()))
    }

    fn metadata_hash_at(
        &mut self,
        from: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.charge(Work::Open, path.len());
        Ok(hash_of(self.reach(&from, &path, follow(flags))?.found()))
    }

    fn readlink_at(&mut self, from: Resource<Descriptor>, path: String) -> FsResult<String> {
        self.charge(Work::Open, path.len());
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

    /// Nothing was written, so there is nothing to do.
    fn sync(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.charge(Work::Small, 0);
        self.table.get(&fd)?;
        Ok(())
    }

    fn write_via_stream(&mut self, _: Resource<Descriptor>, _: Filesize) -> FsResult<Resource<DynOutputStream>> {
        self.refuse_to_write()
    }

    fn append_via_stream(&mut self, _: Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>> {
        self.refuse_to_write()
    }

    fn set_size(&mut self, _: Resource<Descriptor>, _: Filesize) -> FsResult<()> {
        self.refuse_to_write()
    }

    fn set_times(&mut self, _: Resource<Descriptor>, _: NewTimestamp, _: NewTimestamp) -> FsResult<()> {
        self.refuse_to_write()
    }

    fn write(&mut self, _: Resource<Descriptor>, _: Vec<u8>, _: Filesize) -> FsResult<Filesize> {
        self.refuse_to_write()
    }

    fn create_directory_at(&mut self, _: Resource<Descriptor>, _: String) -> FsResult<()> {
        self.refuse_to_write()
    }

    fn set_times_at(
        &mut self,
        _: Resource<Descriptor>,
        _: PathFlags,
        _: String,
        _: NewTimestamp,
        _: NewTimestamp,
    ) -> FsResult<()> {
        self.refuse_to_write()
    }

    fn link_at(
        &mut self,
        _: Resource<Descriptor>,
        _: PathFlags,
        _: String,
        _: Resource<Descriptor>,
        _: String,
    ) -> FsResult<()> {
        self.refuse_to_write()
    }

    fn remove_directory_at(&mut self, _: Resource<Descriptor>, _: String) -> FsResult<()> {
        self.refuse_to_write()
    }

    fn rename_at(&mut self, _: Resource<Descriptor>, _: String, _: Resource<Descriptor>, _: String) -> FsResult<()> {
        self.refuse_to_write()
    }

    fn symlink_at(&mut self, _: Resource<Descriptor>, _: String, _: String) -> FsResult<()> {
        self.refuse_to_write()
    }

    fn unlink_file_at(&mut self, _: Resource<Descriptor>, _: String) -> FsResult<()> {
        self.refuse_to_write()
    }

    fn drop(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.charge(Work::Small, 0);
        self.table.delete(fd)?;
        Ok(())
    }
}

impl Host {
    fn refuse_to_write<T>(&mut self) -> FsResult<T> {
        self.charge(Work::Small, 0);
        Err(ErrorCode::ReadOnly.into())
    }
}

impl types::HostDirectoryEntryStream for Host {
    fn read_directory_entry(&mut self, stream: Resource<OpenListing>) -> FsResult<Option<DirectoryEntry>> {
        loop {
            let open = self.table.get_mut(&stream)?;
            let entry = open.listing.next()?;
            let above = &open.folder.found.path;
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
                    let above = &self.table.get(&stream)?.folder.found.path;
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
    let mut hash = Sha256::new();
    hash.update(b"palisade:metadata-hash\0");
    hash.update(found.path.to_bytes());
    hash.update([0, type_of(found.kind) as u8]);
    hash.update(found.size.to_le_bytes());
    let digest = hash.finalize();
    let half = |range: std::ops::Range<usize>| {
        digest.get(range).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
    };
    MetadataHashValue { lower: half(0..8), upper: half(8..16) }
}
