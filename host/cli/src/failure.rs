//! Why a call of `palisade` ends without what was asked for: a code, a message, what to do.

use crate::exit_code::ExitCode;

/// An error to show to a person.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CliError {
    /// What the process ends with.
    pub(crate) code: ExitCode,
    /// What happened.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) help: Option<String>,
    /// What is wrong in the files, for those who asked for JSON; people were shown it.
    pub(crate) diagnostics: Vec<serde_json::Value>,
}

impl CliError {
    /// An error with a code.
    pub(crate) fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None, diagnostics: Vec::new() }
    }

    /// Wrong use: nothing was started.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// An error of a lower layer, with its causes.
    pub(crate) fn from_error(code: ExitCode, error: &dyn std::error::Error) -> Self {
        Self::new(code, palisade_model::causes(error))
    }

    /// Adds what to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
