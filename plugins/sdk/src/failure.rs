//! Owns what an analyser returns when it can't do its work, and what the host answers when it says no.
//!
//! Never holds more than text and numbers: the host neutralises and labels the text before a person sees it.

use std::fmt;

/// What `run` and `finish` return.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Says why a step failed; decides whether the host may retry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// The config is wrong in a way that its schema can't say. Not retried.
    BadConfig,
    /// An input can't be worked on. Not retried.
    BadInput,
    /// Something outside failed. May be retried.
    Unavailable,
    /// Anything else. Not retried.
    Failed,
}

/// Names the item at which a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Input port.
    pub port: String,
    /// Number of the item in its artifact, from 0.
    pub item: u64,
}

/// The error of an analyser: for people, with an optional place and advice.
///
/// `?` makes one from the errors of this crate, of `serde_json` and of UTF-8 checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whose fault it is, and whether a retry may help.
    pub kind: FailureKind,
    /// What went wrong, in lower case, without a full stop.
    pub message: String,
    /// Where, if known.
    pub at: Option<Place>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Failure {
    /// Makes a failure of the given kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), at: None, help: None }
    }

    /// Makes a failure of kind [`FailureKind::BadConfig`].
    pub fn bad_config(message: impl Into<String>) -> Self {
        Self::new(FailureKind::BadConfig, message)
    }

    /// Makes a failure of kind [`FailureKind::BadInput`].
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::new(FailureKind::BadInput, message)
    }

    /// Makes a failure of kind [`FailureKind::Unavailable`].
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Unavailable, message)
    }

    /// Makes a failure of kind [`FailureKind::Failed`].
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Failed, message)
    }

    /// Adds the item at which it happened.
    #[must_use]
    pub fn at(mut self, port: impl Into<String>, item: u64) -> Self {
        self.at = Some(Place { port: port.into(), item });
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(Place { port, item }) = &self.at {
            write!(f, " (port `{port}`, item {item})")?;
        }
        if let Some(help) = &self.help {
            write!(f, "; help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// Tells the refusals of the host apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostErrorKind {
    /// Authority is missing. Recorded by the host. Retrying does not help.
    Denied,
    /// A limit of this attempt is used up. Final: the host fails the attempt whatever the guest returns.
    LimitExceeded,
    /// An argument is malformed or unknown.
    Invalid,
    /// An emitted item does not fit the schema of its port. The attempt fails.
    SchemaMismatch,
    /// The other side failed. May pass.
    Unavailable,
    /// The run is being cancelled; return soon.
    Cancelled,
    /// None of the above.
    Other,
}

/// The host's answer to a call that it refused or could not perform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostError {
    /// Why.
    pub kind: HostErrorKind,
    /// For people; never parse it.
    pub message: String,
}

impl HostError {
    /// Makes the error that the host would return; of use in tests of a plugin.
    pub fn new(kind: HostErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HostError {}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        let kind = match error.kind {
            HostErrorKind::Unavailable | HostErrorKind::Cancelled => FailureKind::Unavailable,
            _ => FailureKind::Failed,
        };
        Self::new(kind, error.message)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<std::str::Utf8Error> for Failure {
    fn from(error: std::str::Utf8Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<std::string::FromUtf8Error> for Failure {
    fn from(error: std::string::FromUtf8Error) -> Self {
        Self::failed(error.to_string())
    }
}
