//! How a path below an opened folder becomes an object that is held open, with its real path known.
//!
//! The kernel resolves, never a comparison of strings. An object is first held by `O_PATH`, which reads nothing, waits
//! for nothing and has no effect on a device; what it is and where it really lies are known before a byte of it can be
//! read. This file decides nothing: whether the real path may be used is for `authorise`.

use super::guest_path::GuestPath;
use palisade_authority::{Anchor, PathError, ScopedPath, WorkingFolder};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags};
use rustix::fs::{Stat, fstat, fstatfs, lstat, openat, openat2, readlinkat, stat};
use rustix::io::Errno;
use std::borrow::Cow;
use std::ffi::CString;
use std::path::Path;

/// How often an opening is tried that a rename somewhere on the way made the kernel give up.
const ATTEMPTS: usize = 16;

/// What the kernel puts behind the path of an object that has lost its name.
const DELETED: &[u8] = b" (deleted)";

/// Whether the last part of a path is followed if it is a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// It is.
    Links,
    /// The link itself is meant.
    Never,
}

/// Which object it is, whatever its names: device and inode.
pub(super) type Identity = (u64, u64);

/// An object that is held but not opened for reading.
#[derive(Debug)]
pub(super) struct Found {
    /// Holds it, by `O_PATH`.
    pub(super) fd: OwnedFd,
    /// What it is.
    pub(super) kind: FileType,
    /// Its length in bytes.
    pub(super) size: u64,
    /// Which object it is.
    pub(super) identity: Identity,
    /// Where it really lies, all links resolved.
    pub(super) path: ScopedPath,
}

/// Why nothing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FindError {
    /// A link leads out of the folder, to something that is not there or can't be reached. Which of them is not for the
    /// guest to know.
    #[error("a link leads out of the folder, to nothing that can be opened")]
    LedOut,
    /// It is something else than a file.
    #[error("it is a {0} and no file")]
    NotAFile(&'static str),
    /// The kernel says no.
    #[error(transparent)]
    Kernel(#[from] Errno),
}

/// The run's root and the way to learn real paths.
pub(super) struct Containment {
    root: OwnedFd,
    /// Which folder the root is, and its name when it was opened.
    identity: Identity,
    name: Vec<u8>,
    /// The kernel's `/proc/self/fd`.
    descriptors: OwnedFd,
}

impl Containment {
    /// Opens the root of a run.
    ///
    /// # Errors
    /// When it is no folder, or when `/proc/self/fd` is missing or is not the kernel's: without it no real path can be
    /// known.
    pub(super) fn open(root: &Path) -> Result<Self, Errno> {
        Self::with_descriptors(root, Path::new("/proc/self/fd"))
    }

    fn with_descriptors(root: &Path, path: &Path) -> Result<Self, Errno> {
        let root = openat(CWD, root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let descriptors = openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        if fstatfs(&descriptors)?.f_type != PROC_SUPER_MAGIC {
            return Err(Errno::NOSYS);
        }
        let name = name_in(&descriptors, root.as_fd())?;
        Ok(Self { identity: identity(&fstat(&root)?), name, root, descriptors })
    }

    /// Finds what `path` leads to from the folder `base`. Opens nothing for reading.
    ///
    /// # Errors
    /// When there is nothing, or the kernel refuses; also when it is too old to contain a lookup.
    pub(super) fn find(&self, base: &Found, path: GuestPath<'_>, follow: Follow) -> Result<Found, FindError> {
        self.find_below(base.fd.as_fd(), path.as_str().as_bytes(), follow)
    }

    /// Finds what a path of the config leads to. Opens nothing for reading.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub(super) fn find_named(&self, path: &ScopedPath) -> Result<Found, FindError> {
        self.find_anchored(path.anchor(), &path.to_bytes())
    }

    /// Finds the folder in which a path of the config has its last name.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub(super) fn find_parent(&self, path: &ScopedPath) -> Result<Found, FindError> {
        let bytes = path.to_bytes();
        let parent = match bytes.iter().rposition(|&byte| byte == b'/') {
            Some(0) => &b"/"[..],
            Some(end) => bytes.get(..end).unwrap_or_default(),
            None => b".",
        };
        self.find_anchored(path.anchor(), parent)
    }

    fn find_anchored(&self, anchor: Anchor, path: &[u8]) -> Result<Found, FindError> {
        match anchor {
            Anchor::Root => self.find_below(self.root.as_fd(), path, Follow::Links),
            Anchor::System => {
                let fd = resolve(CWD, path, OFlags::PATH | OFlags::CLOEXEC, ResolveFlags::NO_MAGICLINKS)?;
                Ok(self.look(fd)?)
            }
        }
    }

    fn find_below(&self, base: BorrowedFd<'_>, path: &[u8], follow: Follow) -> Result<Found, FindError> {
        let mut flags = OFlags::PATH | OFlags::CLOEXEC;
        if follow == Follow::Never {
            flags |= OFlags::NOFOLLOW;
        }
        match resolve(base, path, flags, ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS) {
            Ok(fd) => Ok(self.look(fd)?),
            // Where the link leads to is held, without effect on it, so that its real path can be authorised.
            Err(Errno::XDEV) => resolve(base, path, flags, ResolveFlags::NO_MAGICLINKS)
                .and_then(|fd| self.look(fd))
                .map_err(|_| FindError::LedOut),
            Err(error) => Err(error.into()),
        }
    }

    /// What a path names by its letters, from the folder `base`. For records only: nothing is opened by it.
    pub(super) fn spelled(&self, base: &Found, path: &str) -> Option<ScopedPath> {
        let root = name_in(&self.descriptors, self.root.as_fd()).ok()?;
        let folder = WorkingFolder::new(&root).ok()?;
        let base = base.path.to_bytes();
        let start = if base.starts_with(b"/") { Vec::new() } else { [root.as_slice(), b"/"].concat() };
        let whole = [start.as_slice(), &base, b"/", path.as_bytes()].concat();
        ScopedPath::parse(&folder, if path.starts_with('/') { path.as_bytes() } else { &whole }).ok()
    }

    /// Opens a regular file for reading: the very object that was found, whatever its name leads to by now.
    ///
    /// # Errors
    /// When it is no regular file, or may not be read.
    pub(super) fn open_file(&self, found: &Found) -> Result<OwnedFd, Errno> {
        self.reopen(found, OFlags::NONBLOCK | OFlags::NOCTTY, FileType::RegularFile)
    }

    /// Opens a folder to list it: the very object that was found.
    ///
    /// # Errors
    /// When it is no folder, or may not be read.
    pub(super) fn open_folder(&self, found: &Found) -> Result<OwnedFd, Errno> {
        self.reopen(found, OFlags::DIRECTORY, FileType::Directory)
    }

    fn reopen(&self, found: &Found, flags: OFlags, kind: FileType) -> Result<OwnedFd, Errno> {
        if found.kind != kind {
            return Err(if kind == FileType::Directory { Errno::NOTDIR } else { Errno::INVAL });
        }
        let name = found.fd.as_raw_fd().to_string();
        let fd = openat(&self.descriptors, name, flags | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let status = fstat(&fd)?;
        if FileType::from_raw_mode(status.st_mode) != kind || identity(&status) != found.identity {
            return Err(Errno::STALE);
        }
        Ok(fd)
    }

    fn look(&self, fd: OwnedFd) -> Result<Found, Errno> {
        let status = fstat(&fd)?;
        let identity = identity(&status);
        let path = self.real_path(fd.as_fd(), identity)?;
        let kind = FileType::from_raw_mode(status.st_mode);
        Ok(Found { fd, kind, identity, path, size: u64::try_from(status.st_size).unwrap_or(0) })
    }

    fn real_path(&self, fd: BorrowedFd<'_>, identity: Identity) -> Result<ScopedPath, Errno> {
        let path = name_in(&self.descriptors, fd)?;
        // What has lost its name must not pass under what is left of it: `id_rsa (deleted)` is no key file by name.
        if path.ends_with(DELETED) {
            let named = stat(path.as_slice()).map_err(|_| Errno::NOENT)?;
            if self::identity(&named) != identity {
                return Err(Errno::NOENT);
            }
        }
        // The root is asked for anew: it may have been renamed, and both names must be of one moment.
        let root = self.root_name(&path)?;
        WorkingFolder::new(&root).and_then(|folder| ScopedPath::parse(&folder, &path)).map_err(|error| match error {
            PathError::TooLong => Errno::NAMETOOLONG,
            _ => Errno::NOENT,
        })
    }

    /// The name of the root now, to go with the name of an object. For what lies below, it is mostly the one that it had
    /// when it was opened, and looking whether that still is the root is cheaper than asking for its name.
    fn root_name(&self, of: &[u8]) -> Result<Cow<'_, [u8]>, Errno> {
        let still = || lstat(self.name.as_slice()).is_ok_and(|named| identity(&named) == self.identity);
        if of.starts_with(&self.name) && still() {
            return Ok(Cow::Borrowed(&self.name));
        }
        name_in(&self.descriptors, self.root.as_fd()).map(Cow::Owned)
    }
}

fn identity(status: &Stat) -> Identity {
    (status.st_dev, status.st_ino)
}

/// The name of an object that is held, by the kernel's `descriptors`.
fn name_in(descriptors: &OwnedFd, fd: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
    let path: CString = readlinkat(descriptors, fd.as_raw_fd().to_string(), Vec::new())?;
    let path = path.into_bytes();
    // Without a leading slash it is not a path: `(unreachable)/x`, `pipe:[1]`.
    if path.first() == Some(&b'/') { Ok(path) } else { Err(Errno::NOENT) }
}

fn resolve(base: BorrowedFd<'_>, path: &[u8], flags: OFlags, rules: ResolveFlags) -> Result<OwnedFd, Errno> {
    for _ in 1..ATTEMPTS {
        match openat2(base, path, flags, Mode::empty(), rules) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    openat2(base, path, flags, Mode::empty(), rules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    struct Tree {
        dir: tempfile::TempDir,
        containment: Containment,
    }

    impl Tree {
        /// `root/` with `in/file`, beside it `out/secret`.
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir_all(dir.path().join("root/in")).unwrap();
            fs::create_dir_all(dir.path().join("out")).unwrap();
            fs::write(dir.path().join("root/in/file"), "inside").unwrap();
            fs::write(dir.path().join("out/secret"), "outside").unwrap();
            let containment = Containment::open(&dir.path().join("root")).unwrap();
            Self { dir, containment }
        }

        fn find(&self, path: &str) -> Result<Found, FindError> {
            self.find_with(path, Follow::Links)
        }

        fn find_with(&self, path: &str, follow: Follow) -> Result<Found, FindError> {
            let base = self.containment.find_below(self.containment.root.as_fd(), b"in", Follow::Links).unwrap();
            self.containment.find(&base, GuestPath::check(path).unwrap(), follow)
        }

        fn link(&self, target: impl AsRef<Path>, name: &str) {
            symlink(target, self.dir.path().join("root/in").join(name)).unwrap();
        }
    }

    fn text(containment: &Containment, found: &Found) -> String {
        std::io::read_to_string(fs::File::from(containment.open_file(found).unwrap())).unwrap()
    }

    #[test]
    fn what_lies_below_is_found_and_read() {
        let tree = Tree::new();
        let found = tree.find("file").unwrap();
        assert_eq!(found.path.to_string(), "in/file");
        assert_eq!((found.kind, found.size), (FileType::RegularFile, 6));
        assert_eq!(text(&tree.containment, &found), "inside");
        assert_eq!(tree.find(".").unwrap().path.to_string(), "in");
        assert_eq!(tree.find("nothing").unwrap_err(), FindError::Kernel(Errno::NOENT));
    }

    #[test]
    fn a_link_has_the_real_path_of_where_it_leads() {
        let tree = Tree::new();
        tree.link("file", "near");
        tree.link(tree.dir.path().join("out/secret"), "absolute");
        tree.link("../../out/secret", "relative");
        tree.link("../../out", "folder");
        tree.link("../../out/nothing", "dangling");
        assert_eq!(tree.find("near").unwrap().path.to_string(), "in/file");
        let outside = fs::canonicalize(tree.dir.path().join("out/secret")).unwrap();
        for name in ["absolute", "relative", "folder/secret"] {
            let found = tree.find(name).unwrap();
            assert_eq!(found.path.to_string(), outside.to_str().unwrap(), "{name}");
        }
        // Whether there is something outside is not told apart.
        assert_eq!(tree.find("dangling").unwrap_err(), FindError::LedOut);
        assert_eq!(tree.find("folder/nothing").unwrap_err(), FindError::LedOut);
    }

    #[test]
    fn a_path_of_the_config_is_found_wherever_it_is() {
        let tree = Tree::new();
        let named = |path: &str| {
            let folder = WorkingFolder::new(tree.dir.path().join("root").as_os_str().as_encoded_bytes()).unwrap();
            let path = ScopedPath::parse(&folder, path.as_bytes()).unwrap();
            tree.containment.find_named(&path).map(|found| found.path.to_string())
        };
        assert_eq!(named("in/file").unwrap(), "in/file");
        assert_eq!(named(".").unwrap(), ".");
        let outside = fs::canonicalize(tree.dir.path().join("out")).unwrap();
        assert_eq!(named(outside.to_str().unwrap()).unwrap(), outside.to_str().unwrap());
        assert_eq!(named("nothing").unwrap_err(), FindError::Kernel(Errno::NOENT));
    }

    #[test]
    fn a_link_by_way_of_proc_is_refused() {
        let tree = Tree::new();
        let secret = fs::File::open(tree.dir.path().join("out/secret")).unwrap();
        tree.link(format!("/proc/self/fd/{}", secret.as_raw_fd()), "magic");
        assert_eq!(tree.find("magic").unwrap_err(), FindError::LedOut);
    }

    #[test]
    fn a_link_itself_is_held_where_it_is_not_followed() {
        let tree = Tree::new();
        tree.link(tree.dir.path().join("out/secret"), "link");
        let found = tree.find_with("link", Follow::Never).unwrap();
        assert_eq!(found.kind, FileType::Symlink);
        assert_eq!(found.path.to_string(), "in/link");
        assert_eq!(tree.containment.open_file(&found).unwrap_err(), Errno::INVAL);
    }

    #[test]
    fn what_is_swapped_after_the_look_is_not_read() {
        let tree = Tree::new();
        let found = tree.find("file").unwrap();
        fs::rename(tree.dir.path().join("root/in/file"), tree.dir.path().join("root/in/moved")).unwrap();
        tree.link(tree.dir.path().join("out/secret"), "file");
        // The object that was looked at is read, not what the name leads to now.
        assert_eq!(text(&tree.containment, &found), "inside");
    }

    #[test]
    fn a_root_that_was_renamed_keeps_what_lies_in_it() {
        let tree = Tree::new();
        let (root, moved) = (tree.dir.path().join("root"), tree.dir.path().join("moved"));
        let real = || tree.find("file").map(|found| found.path.to_string());
        fs::rename(&root, &moved).unwrap();
        assert_eq!(real().unwrap(), "in/file");
        // Another folder has the name now, or a link that leads to the root: neither is the root.
        fs::create_dir_all(root.join("in")).unwrap();
        fs::write(root.join("in/other"), "").unwrap();
        assert_eq!(real().unwrap(), "in/file");
        let held = openat(CWD, root.join("in/other"), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let outside = fs::canonicalize(root.join("in/other")).unwrap();
        assert_eq!(tree.containment.look(held).unwrap().path.to_string(), outside.to_str().unwrap());
        fs::remove_dir_all(&root).unwrap();
        symlink(&moved, &root).unwrap();
        assert_eq!(real().unwrap(), "in/file");
    }

    #[test]
    fn what_has_lost_its_name_is_not_there() {
        let tree = Tree::new();
        let path = tree.dir.path().join("root/in/id_rsa");
        fs::write(&path, "key").unwrap();
        let held = openat(CWD, &path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(tree.containment.look(held).unwrap_err(), Errno::NOENT);
        // A file that really has such a name is found.
        fs::write(tree.dir.path().join("root/in/a (deleted)"), "").unwrap();
        assert_eq!(tree.find("a (deleted)").unwrap().path.to_string(), "in/a (deleted)");
    }

    #[test]
    fn pipes_sockets_and_devices_are_held_without_waiting_but_not_opened() {
        let tree = Tree::new();
        let inside = tree.dir.path().join("root/in");
        rustix::fs::mknodat(CWD, inside.join("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let _listener = UnixListener::bind(inside.join("socket")).unwrap();
        for (name, kind) in [("pipe", FileType::Fifo), ("socket", FileType::Socket)] {
            let found = tree.find(name).unwrap();
            assert_eq!(found.kind, kind);
            assert_eq!(tree.containment.open_file(&found).unwrap_err(), Errno::INVAL);
            assert_eq!(tree.containment.open_folder(&found).unwrap_err(), Errno::NOTDIR);
        }
        tree.link("/dev/zero", "device");
        let found = tree.find("device").unwrap();
        assert_eq!((found.kind, found.path.to_string().as_str()), (FileType::CharacterDevice, "/dev/zero"));
        assert_eq!(tree.containment.open_file(&found).unwrap_err(), Errno::INVAL);
    }

    #[test]
    fn without_the_kernels_proc_nothing_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Containment::with_descriptors(dir.path(), &dir.path().join("missing")).is_err());
        // A folder that only looks like it.
        assert_eq!(Containment::with_descriptors(dir.path(), dir.path()).err(), Some(Errno::NOSYS));
    }
}
