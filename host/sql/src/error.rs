//! Why a statement gave no rows, or no more.

use palisade_model::neutral;

/// Most characters of what a database says that are told.
const MAX_TOLD: usize = 500;

/// Why a statement gave no rows, or no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// It does more than read, or reads in a way that is not allowed.
    #[error("the statement does more than read")]
    NotAllowed,
    /// The database does not understand it, or a value can't be handed on.
    #[error("{0}")]
    Invalid(String),
    /// The database can't be read now.
    #[error("{0}")]
    Unavailable(String),
    /// A row is larger than a batch may be.
    #[error("a row has more than {max} bytes")]
    RowTooLarge {
        /// Most bytes of a row.
        max: usize,
    },
}

impl QueryError {
    /// A server that can't be read now, and why.
    pub(crate) fn unavailable(why: impl std::fmt::Display) -> Self {
        Self::Unavailable(neutral::line(&why.to_string(), MAX_TOLD))
    }

    /// A statement or a value that the server does not take, and why.
    pub(crate) fn invalid(why: impl std::fmt::Display) -> Self {
        Self::Invalid(neutral::line(&why.to_string(), MAX_TOLD))
    }

    /// A server that does not keep to its own protocol.
    pub(crate) fn protocol(what: &str) -> Self {
        Self::Unavailable(format!("the server does not speak as such a server does: {what}"))
    }
}
