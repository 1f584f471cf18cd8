//! Compiled code on disk. Code is native: whoever can write it runs as the host.
//!
//! An entry counts only if it lies in a folder of ours that nobody else may write, is itself ours alone, and carries a
//! MAC (HMAC-SHA256) over component, engine and code under a key kept outside of the folder. What is verified is what
//! is loaded: the bytes are read once. An entry that fails is thrown away, compiled anew, and reported.

use crate::compile::Code;
use crate::engine_id::EngineId;
use hmac::{Hmac, KeyInit as _, Mac as _};
use palisade_model::Digest;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, fstat, mkdirat, openat, renameat, renameat_with, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::Sha256;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

/// First bytes of an entry: what it is, in which form.
const MAGIC: &[u8; 16] = b"palisade-code-1\n";
const MAC_BYTES: usize = 32;
/// Magic, MAC and the number of core instances; native code follows.
const HEADER_BYTES: usize = MAGIC.len() + MAC_BYTES + size_of::<u32>();
/// A block of SHA-256: the longest key that HMAC takes as it is.
const KEY_BYTES: usize = 64;
/// Most bytes of an entry that are read. Python's code has 40 MB.
const MAX_ENTRY_BYTES: u64 = 600 << 20;

/// Why the cache can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A file or folder belongs to somebody else, or others may touch it, or it is of another kind.
    #[error("the {what} of the code cache is not safe: {why}")]
    Unsafe {
        /// `folder`, `key` or `entry`.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The key or the folder can't be read or made.
    #[error("the {what} of the code cache can't be used")]
    Io {
        /// `folder`, `key` or `entry`.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Compiled code in a folder, under a key in a file elsewhere.
#[derive(Debug)]
pub struct CodeCache {
    folder: OwnedFd,
    key: [u8; KEY_BYTES],
}

/// What the cache has for a component.
#[derive(Debug)]
pub(crate) enum Found {
    /// Code whose MAC is right.
    Code(Code),
    /// Nothing.
    Nothing,
    /// An entry that can't be trusted.
    Bad(String),
}

impl CodeCache {
    /// Opens the cache in `folder`, which is made if it does not exist, with the key in the file `key`, which is made
    /// on first need. Both need a parent that exists. The key must not lie in the folder.
    ///
    /// # Errors
    /// When folder or key can't be made or read, or somebody else may touch them.
    pub fn open(folder: &Path, key: &Path) -> Result<Self, CacheError> {
        let failed = |what| move |source: Errno| CacheError::Io { what, source: source.into() };
        match mkdirat(CWD, folder, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed("folder")(error)),
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let folder = openat(CWD, folder, flags, Mode::empty()).map_err(failed("folder"))?;
        check_ours(&folder, FileType::Directory, "folder")?;
        let key = match read_key(key) {
            Err(CacheError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => make_key(key),
            read => read,
        }?;
        Ok(Self { folder, key })
    }

    /// Looks up the code of a component for an engine.
    pub(crate) fn find(&self, component: &Digest, engine: &EngineId) -> Found {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match openat(&self.folder, entry_name(component, engine), flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Found::Nothing,
            Err(error) => return Found::Bad(format!("it can't be opened: {error}")),
        };
        if let Err(error) = check_ours(&file, FileType::RegularFile, "entry") {
            return Found::Bad(error.to_string());
        }
        let mut entry = Vec::new();
        match File::from(file).take(MAX_ENTRY_BYTES).read_to_end(&mut entry) {
            Ok(_) => {}
            Err(error) => return Found::Bad(format!("it can't be read: {error}")),
        }
        let Some((magic, rest)) = entry.split_at_checked(MAGIC.len()) else {
            return Found::Bad("it is too short".into());
        };
        let Some((tag, rest)) = rest.split_at_checked(MAC_BYTES).filter(|_| magic == MAGIC) else {
            return Found::Bad("it is not in the form of this version".into());
        };
        if self.mac(component, engine, rest).verify_slice(tag).is_err() {
            return Found::Bad("its MAC is wrong".into());
        }
        let Some((count, _)) = rest.split_first_chunk() else { return Found::Bad("it is too short".into()) };
        let core_instances = u32::from_le_bytes(*count);
        entry.drain(..HEADER_BYTES);
        Found::Code(Code { core_instances, native: entry })
    }

    /// Stores the code of a component for an engine, in place of what is there.
    ///
    /// # Errors
    /// When it can't be written; nothing changed then.
    pub(crate) fn store(&self, component: &Digest, engine: &EngineId, code: &Code) -> Result<(), CacheError> {
        let failed = |source: io::Error| CacheError::Io { what: "entry", source };
        let count = code.core_instances.to_le_bytes();
        let tag = self.mac(component, engine, &count).chain_update(&code.native).finalize().into_bytes();
        let name = entry_name(component, engine);
        let unfinished = format!("{name}.{}", unique().map_err(|error| failed(error.into()))?);
        let written = create(&self.folder, &unfinished).and_then(|mut file| {
            file.write_all(MAGIC)?;
            file.write_all(&tag)?;
            file.write_all(&count)?;
            file.write_all(&code.native)
        });
        // Not synced: an entry that a crash cut short has a wrong MAC and is compiled anew.
        let renamed = written.and_then(|()| Ok(renameat(&self.folder, &unfinished, &self.folder, &name)?));
        if renamed.is_err() {
            let _ = unlinkat(&self.folder, &unfinished, AtFlags::empty());
        }
        renamed.map_err(failed)
    }

    fn mac(&self, component: &Digest, engine: &EngineId, rest: &[u8]) -> Hmac<Sha256> {
        // Every part but the last has a fixed length, so no two entries have the same bytes.
        Hmac::<Sha256>::new(&self.key.into())
            .chain_update(MAGIC)
            .chain_update(component.as_bytes())
            .chain_update(engine.as_bytes())
            .chain_update(rest)
    }
}

fn entry_name(component: &Digest, engine: &EngineId) -> String {
    format!("{component}-{}", engine.short())
}

fn read_key(path: &Path) -> Result<[u8; KEY_BYTES], CacheError> {
    let failed = |source| CacheError::Io { what: "key", source };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = openat(CWD, path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    check_ours(&file, FileType::RegularFile, "key")?;
    let mut bytes = Vec::new();
    File::from(file).take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    bytes.try_into().map_err(|_| CacheError::Unsafe { what: "key", why: "it does not have 64 bytes" })
}

/// Makes the key so that of several processes one wins and all read the same.
fn make_key(path: &Path) -> Result<[u8; KEY_BYTES], CacheError> {
    let failed = |source| CacheError::Io { what: "key", source };
    let mut bytes = [0; KEY_BYTES];
    fill_random(&mut bytes).map_err(|error| failed(error.into()))?;
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", unique().map_err(|error| failed(error.into()))?));
    let made = create(CWD, &unfinished).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_all()?;
        match renameat_with(CWD, &unfinished, CWD, path, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => Ok(unlinkat(CWD, &unfinished, AtFlags::empty())?),
            renamed => Ok(renamed?),
        }
    });
    if made.is_err() {
        let _ = unlinkat(CWD, &unfinished, AtFlags::empty());
    }
    made.map_err(failed)?;
    read_key(path)
}

fn create(folder: impl std::os::fd::AsFd, name: impl rustix::path::Arg) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?))
}

fn check_ours(file: &OwnedFd, kind: FileType, what: &'static str) -> Result<(), CacheError> {
    let stat = fstat(file).map_err(|error| CacheError::Io { what, source: error.into() })?;
    let why = if FileType::from_raw_mode(stat.st_mode) != kind {
        "it is of the wrong kind"
    } else if stat.st_uid != geteuid().as_raw() {
        "it belongs to somebody else"
    } else if stat.st_mode & 0o077 != 0 {
        "others than its owner may use it"
    } else {
        return Ok(());
    };
    Err(CacheError::Unsafe { what, why })
}

fn unique() -> Result<String, Errno> {
    let mut bytes = [0; 8];
    fill_random(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

fn fill_random(bytes: &mut [u8]) -> Result<(), Errno> {
    // Up to 256 bytes come at once; the length is checked all the same.
    if getrandom(&mut *bytes, GetRandomFlags::empty())? == bytes.len() { Ok(()) } else { Err(Errno::AGAIN) }
}
