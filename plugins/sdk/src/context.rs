//! Owns what an analyser is handed while it works: inputs, outputs, lines for people, facts of the attempt.
//!
//! Gives no time and no randomness: equal inputs must give equal outputs.

use std::cell::RefCell;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Failure, Limits, Line, Result,
    host::{self, Host},
    json,
    output::Outputs,
    reader::{Item, Items, Reader},
};

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the author, in detail.
    Trace,
    /// For the author.
    Debug,
    /// For the person who runs it.
    Info,
    /// Something may be wrong.
    Warn,
    /// Something is wrong.
    Error,
}

/// The world of one call of `run` or `finish`. Everything takes `&self`, so iterating and emitting don't collide.
#[derive(Debug)]
pub struct Context {
    pub(crate) host: host::Current,
    readers: Vec<Reader>,
    outputs: RefCell<Outputs>,
}

impl Context {
    pub(crate) fn new(host: host::Current, readers: Vec<Reader>) -> Self {
        Self { host, readers, outputs: RefCell::default() }
    }

    /// Iterates over the artifacts wired to an input port, in the runbook's order; none for an optional port left open.
    pub fn inputs(&self, port: &str) -> impl Iterator<Item = &Reader> {
        self.readers.iter().filter(move |reader| reader.port() == port)
    }

    /// Iterates over the parsed items of an input port. For items that borrow, see [`Context::for_each_item`].
    ///
    /// An item of another shape than `T` gives a `bad-input` failure with its number, then the iteration goes on.
    pub fn items<T: DeserializeOwned>(&self, port: &str) -> Items<'_, T> {
        Items::new(self.inputs(port).collect(), self.host.check_input(port).err().map(Failure::from))
    }

    /// Calls `work` for each item of an input port, in order; stops at the first error. Copies nothing.
    pub fn for_each_item(&self, port: &str, mut work: impl FnMut(Item<'_>) -> Result<()>) -> Result<()> {
        self.host.check_input(port)?;
        self.inputs(port).try_for_each(|reader| reader.for_each(&mut work))
    }

    /// Parses all items of a small input into memory, as for a ruleset port.
    pub fn collect_items<T: DeserializeOwned>(&self, port: &str) -> Result<Vec<T>> {
        self.items(port).collect()
    }

    /// Appends one item to an output port. Buffered; the host sees it at about 128 KiB, on [`Context::flush`] or when
    /// `run` returns `Ok`.
    ///
    /// Fails if `T` is not an object that serde can write, and as [`Context::flush`] does.
    pub fn emit<T: Serialize + ?Sized>(&self, port: &str, item: &T) -> Result<()> {
        self.outputs.borrow_mut().push(&self.host, port, |bytes| {
            json::write(bytes, item).map_err(|error| Failure::failed(format!("item for output `{port}`: {error}")))
        })
    }

    /// Appends one item that is JSON text already: one line, without its line end.
    pub fn emit_line(&self, port: &str, line: &str) -> Result<()> {
        if line.is_empty() || line.bytes().any(|byte| matches!(byte, b'\n' | b'\r')) {
            return Err(Failure::failed(format!("an item for output `{port}` must be exactly one line of JSON")));
        }
        self.outputs.borrow_mut().push(&self.host, port, |bytes| {
            bytes.extend_from_slice(line.as_bytes());
            Ok(())
        })
    }

    /// Appends one item that was made into a line before.
    pub fn emit_made(&self, port: &str, line: &Line) -> Result<()> {
        self.outputs.borrow_mut().push(&self.host, port, |bytes| {
            bytes.extend_from_slice(line.as_bytes());
            Ok(())
        })
    }

    /// Hands all buffered items to the host.
    ///
    /// Fails if an item does not fit its port's schema, if the port is unknown or if the output limit is used up.
    pub fn flush(&self) -> Result<()> {
        self.outputs.borrow_mut().flush(&self.host)
    }

    /// Writes lines for people.
    pub fn log(&self) -> Log<'_> {
        Log { host: &self.host }
    }

    /// Reports how far the work is, `total` in the same unit if known. The host keeps the latest report only.
    pub fn progress(&self, done: u64, total: impl Into<Option<u64>>, note: &str) {
        self.host.progress(done, total.into(), note);
    }

    /// Says that a part of the input was left out, and why. Every skip is counted and shown at the end of the run.
    pub fn skip(&self, what: impl AsRef<str>, reason: impl AsRef<str>) {
        self.host.skip(what.as_ref(), reason.as_ref());
    }

    /// Returns the limits in force. A component that calls this is memoised only for equal limits.
    pub fn limits(&self) -> Limits {
        Limits::new(self.host.limits())
    }

    /// Returns the key that is the same for every retry of this step in this run; to be handed to the other side by
    /// connectors that write.
    pub fn idempotency_key(&self) -> String {
        self.host.idempotency_key()
    }
}

/// Lines for people; made by [`Context::log`]. Never fails: text beyond the log limit is dropped and counted.
#[derive(Debug, Clone, Copy)]
pub struct Log<'c> {
    host: &'c host::Current,
}

impl Log<'_> {
    /// Writes a line of any level.
    pub fn write(&self, level: Level, message: impl AsRef<str>) {
        self.host.log(level, message.as_ref());
    }

    /// Writes a line of level trace.
    pub fn trace(&self, message: impl AsRef<str>) {
        self.write(Level::Trace, message);
    }

    /// Writes a line of level debug.
    pub fn debug(&self, message: impl AsRef<str>) {
        self.write(Level::Debug, message);
    }

    /// Writes a line of level info.
    pub fn info(&self, message: impl AsRef<str>) {
        self.write(Level::Info, message);
    }

    /// Writes a line of level warn.
    pub fn warn(&self, message: impl AsRef<str>) {
        self.write(Level::Warn, message);
    }

    /// Writes a line of level error.
    pub fn error(&self, message: impl AsRef<str>) {
        self.write(Level::Error, message);
    }
}
