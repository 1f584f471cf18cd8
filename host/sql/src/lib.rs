//! Reads databases of servers for components: one read-only statement at a time, its rows a few at a time.
//!
//! The caller has decided who may read which connection; here it is opened, with a password that leaves this crate only
//! towards its server. Whatever a server sends is bounded before it is kept, and nothing is waited for beyond the end of the
//! attempt.

mod connections;
mod error;
mod fetch;
mod mysql;
mod postgres;
mod session;
mod statement;
mod until;
mod wire;

pub use connections::{ConnectionError, Connections};
pub use error::QueryError;
pub use session::{Cursor, Session};
pub use until::Until;
