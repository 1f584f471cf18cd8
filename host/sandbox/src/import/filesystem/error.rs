//! Errors of `wasi:filesystem`: what a guest is told, and what ends it.

use super::bindings::wasi::filesystem::types::ErrorCode;
use super::containment::FindError;
use super::guest_path::GuestPathError;
use crate::state::Ended;
use rustix::io::Errno;
use wasmtime::component::ResourceTableError;

/// Why a call failed.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub enum FsError {
    /// The guest is told a code.
    Code(ErrorCode),
    /// The guest is ended.
    Ended(wasmtime::Error),
}

/// The code for everything that is denied, whatever the reason.
pub(super) const DENIED: ErrorCode = ErrorCode::NotPermitted;

impl From<ErrorCode> for FsError {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

impl From<Errno> for FsError {
    fn from(errno: Errno) -> Self {
        Self::Code(code(errno))
    }
}

impl From<FindError> for FsError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::LedOut => Self::Code(DENIED),
            FindError::NotAFile(_) => Errno::INVAL.into(),
            FindError::Kernel(errno) => errno.into(),
        }
    }
}

impl From<GuestPathError> for FsError {
    fn from(error: GuestPathError) -> Self {
        Self::Code(match error {
            GuestPathError::Empty => ErrorCode::NoEntry,
            GuestPathError::Nul => ErrorCode::Invalid,
            GuestPathError::Absolute | GuestPathError::Climbs => DENIED,
        })
    }
}

impl From<wasmtime::Error> for FsError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Ended(error)
    }
}

impl From<ResourceTableError> for FsError {
    fn from(error: ResourceTableError) -> Self {
        Self::Ended(error.into())
    }
}

impl From<Ended> for FsError {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended.into())
    }
}

/// The code for an error of the kernel; `io` for what nothing here can meet.
pub(super) fn code(errno: Errno) -> ErrorCode {
    match errno {
        Errno::ACCESS => ErrorCode::Access,
        Errno::PERM => ErrorCode::NotPermitted,
        Errno::NOENT | Errno::STALE => ErrorCode::NoEntry,
        Errno::NOTDIR => ErrorCode::NotDirectory,
        Errno::ISDIR => ErrorCode::IsDirectory,
        Errno::LOOP => ErrorCode::Loop,
        Errno::NAMETOOLONG => ErrorCode::NameTooLong,
        Errno::ILSEQ => ErrorCode::IllegalByteSequence,
        Errno::INVAL => ErrorCode::Invalid,
        Errno::AGAIN => ErrorCode::WouldBlock,
        Errno::BUSY => ErrorCode::Busy,
        Errno::INTR => ErrorCode::Interrupted,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => ErrorCode::InsufficientMemory,
        Errno::NXIO | Errno::NODEV => ErrorCode::NoSuchDevice,
        Errno::NOSYS | Errno::NOTSUP => ErrorCode::Unsupported,
        Errno::OVERFLOW => ErrorCode::Overflow,
        Errno::NOSPC | Errno::DQUOT => ErrorCode::InsufficientSpace,
        Errno::FBIG => ErrorCode::FileTooLarge,
        Errno::XDEV => DENIED,
        _ => ErrorCode::Io,
    }
}
