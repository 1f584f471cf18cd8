//! Opening the SQLite file that was authorised, and no other.

use rusqlite::{Connection, OpenFlags};
use rustix::fd::{AsFd, OwnedFd};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Byte of the file header that is 2 in WAL mode; SQLite file format, section 1.3.
const READ_VERSION_OFFSET: u64 = 19;

/// Why a database can't be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The file can't be read.
    #[error("the database file can't be read")]
    Io(#[from] std::io::Error),
    /// It is not a regular file.
    #[error("the database is not a regular file")]
    NotAFile,
    /// SQLite can't open it.
    #[error("the database can't be opened")]
    Sqlite(#[from] rusqlite::Error),
    /// Another file took its place while it was opened.
    #[error("the database file was replaced while it was opened")]
    Replaced,
}

/// An open database that can only be read.
#[derive(Debug)]
pub(crate) struct Database {
    connection: Connection,
}

impl Database {
    /// Opens the database behind `file`, a descriptor of the file that was authorised.
    ///
    /// SQLite opens by name and wants to see the files beside it, so the descriptor's own name is used and the file
    /// that SQLite then holds is compared with the descriptor.
    ///
    /// # Errors
    /// When it can't be opened, is no regular file, or another file stands under its name by then.
    pub(crate) fn open(file: &OwnedFd) -> Result<Self, OpenError> {
        use std::os::fd::AsRawFd as _;
        let wanted = identity(file)?;
        let own_name = format!("/proc/self/fd/{}", file.as_raw_fd());
        let path = std::fs::read_link(&own_name)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(uri(&path, is_quiet_wal(&own_name, &path)?), flags)?;
        connection.busy_timeout(super::LOCK_WAIT)?;
        // Makes SQLite open the file; a broken header shows here too.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
        if holds(wanted)? < 1 { Err(OpenError::Replaced) } else { Ok(Self { connection }) }
    }

    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// Device and inode of a regular file.
fn identity(file: impl AsFd) -> Result<(u64, u64), OpenError> {
    let stat = rustix::fs::fstat(file).map_err(std::io::Error::from)?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        Ok((stat.st_dev, stat.st_ino))
    } else {
        Err(OpenError::NotAFile)
    }
}

/// How many descriptors of this process are open for reading on that file. One that was opened with `O_PATH`, as the
/// authorised one is, does not count.
fn holds(wanted: (u64, u64)) -> std::io::Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(info) =
            name.to_str().and_then(|name| std::fs::read_to_string(format!("/proc/self/fdinfo/{name}")).ok())
        else {
            continue;
        };
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).map(str::trim);
        let flags = flags.and_then(|flags| i32::from_str_radix(flags, 8).ok()).unwrap_or_default();
        if flags & rustix::fs::OFlags::PATH.bits() as i32 != 0 {
            continue;
        }
        let path = Path::new("/proc/self/fd").join(&name);
        let same = std::fs::metadata(path).is_ok_and(|found| {
            use std::os::unix::fs::MetadataExt as _;
            (found.dev(), found.ino()) == wanted
        });
        count += usize::from(same);
    }
    Ok(count)
}

/// Says whether the file is in WAL mode with nothing waiting in its log. Such a file is read as it is: SQLite would
/// otherwise make two files beside it, which a reader has no business doing.
fn is_quiet_wal(own_name: &str, path: &Path) -> std::io::Result<bool> {
    let mut version = [0];
    let file = std::fs::File::open(own_name)?;
    let read = file.read_at(&mut version, READ_VERSION_OFFSET)?;
    let log = std::fs::metadata(beside(path, "-wal")).map_or(0, |found| found.len());
    Ok(read == 1 && version == [2] && log == 0)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// `file:` URI with everything escaped that could be read as a part of it.
fn uri(path: &Path, immutable: bool) -> String {
    let escaped: String = OsStr::as_bytes(path.as_os_str())
        .iter()
        .map(|&byte| match byte {
            b'/' | b'.' | b'-' | b'_' | b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    format!("file://{escaped}?mode=ro{}", if immutable { "&immutable=1" } else { "" })
}
