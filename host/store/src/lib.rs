//! Journal, artifacts and components on SQLite and files, in one data directory.
//!
//! [`Store::append`] is the one write of a run: its events, artifacts, audit entries and summary become durable together,
//! before it returns. Events are bytes with a kind; the store never looks inside. Every write of what is kept goes through one
//! [`Backend`], and so does every commit, so that tests can break each of them. The bytes on disk are described in
//! docs/storage.md.

mod artifacts;
mod audit;
mod backend;
mod bytes;
mod components;
mod content;
mod erase;
mod fault;
mod gc;
mod group;
mod inspect;
mod items;
mod journal;
mod ledger;
mod lock;
mod lock_file;
mod memos;
mod model_records;
mod naming;
mod reading;
mod removal;
mod requests;
mod room;
mod runs;
mod session;
mod spool;
mod sqlite;
mod store;
mod usages;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod ledger_tests;
#[cfg(test)]
mod removal_tests;
#[cfg(test)]
mod store_tests;

pub use artifacts::{Artifact, NewArtifact};
pub use audit::{
    AuditEntry, AuditKeyError, AuditProblem, AuditVerified, CheckpointFailure, FileFound, FileToFind, NewEntry,
    OutsideCheckpoint, OutsideState,
};
pub use backend::{Backend, Disk};
pub use bytes::ContentBytes;
pub use components::{AddError, Added, Registered};
pub use content::{Content, Pending};
pub use erase::{Erased, Shared};
pub use fault::Fault;
pub use gc::{Collected, Doing};
pub use inspect::{Damage, Inspection};
pub use items::{Batch, ItemsReader, Part};
pub use journal::{Append, AppendError, Head, JournalEvent, NewEvent, VerifyError};
pub use ledger::{
    Account, Balance, Books, CallRow, Ledger, Measure, NewCall, Outcome, Reservation, ReserveError, Settled, Used,
};
pub use lock::{OwnError, Pin, RunLock};
pub use lock_file::{LockFile, LockFileError, Locked, LockedComponent};
pub use memos::NewMemo;
pub use model_records::ModelRecord;
pub use naming::{Named, Naming, NamingError};
pub use reading::Journal;
pub use requests::Asked;
pub use room::{Amounts, HostRoom, Room};
pub use runs::{FindRunError, RunRow, RunSummary, Started};
pub use spool::{Spool, SpoolError};
pub use store::{OpenError, Store};
pub use usages::NewUsage;
