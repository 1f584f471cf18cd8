//! Owns the names of limits and of sets of them, and the values in force. Never enforces one: the host does.

/// Names of limits, for [`Description::limit`](crate::Description::limit) and [`Limits::get`].
pub mod limit {
    /// Wasm instructions, bytes of bulk memory operations, host work.
    pub const FUEL: &str = "fuel";
    /// Fuel added for each byte that the host hands out.
    pub const FUEL_PER_INPUT_BYTE: &str = "fuel-per-input-byte";
    /// Bytes of all linear memories of one instance, and what the host holds for it.
    pub const MEMORY: &str = "memory";
    /// Elements of all tables of one instance.
    pub const TABLE_ELEMENTS: &str = "table-elements";
    /// Core instances that one instantiation creates.
    pub const INSTANCES: &str = "instances";
    /// Milliseconds of the attempt, host calls included.
    pub const WALL: &str = "wall";
    /// Bytes that one call hands to the host; the most that one item can have.
    pub const CALL_BYTES: &str = "call-bytes";
    /// Bytes of all emitted items and metadata.
    pub const OUTPUT_BYTES: &str = "output-bytes";
    /// Output bytes added for each byte that the host hands out.
    pub const OUTPUT_BYTES_PER_INPUT_BYTE: &str = "output-bytes-per-input-byte";
    /// Bytes of log, progress and skip texts.
    pub const LOG_BYTES: &str = "log-bytes";
    /// Resources (readers, rows, files) open at once.
    pub const HANDLES: &str = "handles";
    /// Files opened for reading.
    pub const FILES_READ: &str = "files-read";
    /// Bytes read from files.
    pub const FILE_BYTES_READ: &str = "file-bytes-read";
    /// Rows handed out by `sql`.
    pub const ROWS: &str = "rows";
    /// Calls of other components as tools.
    pub const TOOL_CALLS: &str = "tool-calls";
    /// Calls of models, and each further attempt and correction that one takes.
    pub const LLM_CALLS: &str = "llm-calls";
    /// Tokens that models read and write.
    pub const LLM_TOKENS: &str = "llm-tokens";
    /// Millionths of a US dollar that calls of models cost.
    pub const LLM_COST: &str = "llm-cost";
    /// Refusals for want of authority.
    pub const DENIALS: &str = "denials";
    /// Requests sent to web servers.
    pub const HTTP_REQUESTS: &str = "http-requests";
    /// Bytes sent to web servers and received from them, TLS aside.
    pub const HTTP_BYTES: &str = "http-bytes";
    /// Files and folders made.
    pub const FILES_WRITTEN: &str = "files-written";
    /// Bytes written to files, and by which they grew without.
    pub const BYTES_WRITTEN: &str = "bytes-written";
}

/// A named set of limits, for [`Description::limits`](crate::Description::limits). The host knows what each gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitSet {
    /// For a few megabytes, over in seconds.
    Small,
    /// What holds when nothing is said.
    Standard,
    /// For gigabytes, or for an interpreter inside of the component.
    Large,
}

impl LimitSet {
    /// Its name, as runbooks have it too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Standard => "standard",
            Self::Large => "large",
        }
    }
}

/// The limits in force, fixed for the attempt; made by [`Context::limits`](crate::Context::limits).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    amounts: Vec<(String, u64)>,
}

impl Limits {
    pub(crate) fn new(amounts: Vec<(String, u64)>) -> Self {
        Self { amounts }
    }

    /// Returns the value of a limit by its name (see [`limit`]), in the unit of that limit.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.amounts.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// Iterates over all names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.amounts.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// Returns the most bytes of one call, which bounds one item.
    pub fn call_bytes(&self) -> Option<u64> {
        self.get(limit::CALL_BYTES)
    }

    /// Returns the bytes of memory of one instance.
    pub fn memory(&self) -> Option<u64> {
        self.get(limit::MEMORY)
    }

    /// Returns the files that may be opened.
    pub fn files_read(&self) -> Option<u64> {
        self.get(limit::FILES_READ)
    }

    /// Returns the bytes that may be read from files.
    pub fn file_bytes_read(&self) -> Option<u64> {
        self.get(limit::FILE_BYTES_READ)
    }

    /// Returns the rows that `sql` hands out.
    pub fn rows(&self) -> Option<u64> {
        self.get(limit::ROWS)
    }
}
