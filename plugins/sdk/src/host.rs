//! Owns the border of the SDK: what it needs of a host, and which host is compiled in.
//!
//! In a component the host is the WIT bindings (`guest`), natively it is memory (`memory`). The choice is made by the
//! compiler, not by `dyn`: a table of functions would keep every import alive, and a component imports what it calls.

use crate::{
    HostError, Level,
    fs::{FileKind, FsError, Links, Stat},
    http::{HttpError, Request},
    llm::{Answer, Question},
    reader::Info,
    runbooks::Submitted,
    sql::{Column, Value},
    tools::{Call, Tool},
};

#[cfg(target_family = "wasm")]
pub(crate) mod guest;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod memory;

#[cfg(target_family = "wasm")]
pub(crate) use guest::{Body, Directory, File, Guest as Current, Names, NewFile, Reader, Rows, WriteFolder};
#[cfg(not(target_family = "wasm"))]
pub(crate) use memory::{Body, Directory, File, Memory as Current, Names, NewFile, Reader, Rows, WriteFolder};

/// What a context asks of its host.
pub(crate) trait Host {
    fn log(&self, level: Level, message: &str);
    fn progress(&self, done: u64, total: Option<u64>, note: &str);
    fn skip(&self, what: &str, reason: &str);
    fn limits(&self) -> Vec<(String, u64)>;
    fn idempotency_key(&self) -> String;
    fn emit(&self, port: &str, items: &[u8]) -> Result<(), HostError>;
    /// Says no to a port that the manifest does not declare; only a test can know that.
    fn check_input(&self, port: &str) -> Result<(), HostError>;
    fn preopens(&self) -> Vec<(String, Directory)>;
    fn write_folders(&self) -> Vec<(String, WriteFolder)>;
    fn query(&self, connection: &str, statement: &str, parameters: &[Value]) -> Result<Rows, HostError>;
    fn tools(&self) -> Vec<Tool>;
    /// What the tool made, by output port.
    fn call_tool(&self, call: &Call<'_>) -> Result<Vec<(String, Reader)>, HostError>;
    fn most_runbooks(&self) -> u32;
    fn submit(&self, definition: &str, inputs: &[(String, &Reader)]) -> Result<Submitted, HostError>;
    fn ask_model(&self, question: &Question) -> Result<Answer, HostError>;
    fn send(&self, request: &Request) -> Result<Answered, HttpError>;
}

/// Status, headers and body of an answer.
pub(crate) type Answered = (u16, Headers, Body);

/// Names and values.
pub(crate) type Headers = Vec<(String, Vec<u8>)>;

/// A cursor over the items of one artifact.
pub(crate) trait ReadItems {
    fn info(&self) -> Info;
    fn next(&self, max_bytes: u32) -> Result<Option<(u64, Vec<u8>)>, HostError>;
}

/// A folder of the guest's own view of the world.
pub(crate) trait OpenFiles: Sized {
    type File;
    type Names;
    fn stat(&self) -> Result<Stat, FsError>;
    fn stat_at(&self, path: &str, links: Links) -> Result<Stat, FsError>;
    fn open_file(&self, path: &str, links: Links) -> Result<Self::File, FsError>;
    fn open_directory(&self, path: &str, links: Links) -> Result<Self, FsError>;
    fn names(&self) -> Result<Self::Names, FsError>;
}

/// An open file.
pub(crate) trait ReadBytes {
    fn stat(&self) -> Result<Stat, FsError>;
    fn read(&self, length: u64, offset: u64) -> Result<(Vec<u8>, bool), FsError>;
}

/// A folder that the guest may write to. Empty at first.
pub(crate) trait MakeFiles {
    type NewFile;
    fn create_file(&self, path: &str) -> Result<Self::NewFile, FsError>;
    fn create_directory(&self, path: &str) -> Result<(), FsError>;
    fn rename(&self, from: &str, to: &str) -> Result<(), FsError>;
    fn remove_file(&self, path: &str) -> Result<(), FsError>;
    fn remove_directory(&self, path: &str) -> Result<(), FsError>;
}

/// A file that the guest made.
pub(crate) trait WriteBytes {
    fn write(&self, bytes: &[u8], offset: u64) -> Result<u64, FsError>;
    fn set_size(&self, size: u64) -> Result<(), FsError>;
    fn read(&self, length: u64, offset: u64) -> Result<(Vec<u8>, bool), FsError>;
}

/// The names of a folder, in the order in which the host finds them.
pub(crate) trait ListNames {
    fn next(&self) -> Result<Option<(String, FileKind)>, FsError>;
}

/// The rows of one statement.
pub(crate) trait ReadRows {
    fn columns(&self) -> Vec<Column>;
    fn next(&self, max_bytes: u32) -> Result<Option<Vec<u8>>, HostError>;
}

/// The body of an answer.
pub(crate) trait ReadBody {
    fn next(&mut self, most: u64) -> Result<Option<Vec<u8>>, HttpError>;
}
