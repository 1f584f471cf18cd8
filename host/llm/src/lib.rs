//! The only way to a language model: budgets, prices, recordings, and the providers themselves.
//!
//! No call leaves without a reservation in the ledger, and no key leaves this crate: not in an error, a log, a record or an
//! answer. What a model says is data; nothing here acts on it.

mod ask;
mod bound;
mod caller;
mod error;
mod gate;
mod gateway;
mod provider;
mod recording;
mod request;
mod retry;
mod structured;
mod transport;
mod wire;

pub use caller::{Caller, Within};
pub use error::LlmError;
pub use gateway::{Backoff, Completion, Gateway, Totals};
pub use provider::{HttpProvider, Outgoing, Provider, ProviderError};
pub use request::{Answer, Finish, Message, Request, Role};
