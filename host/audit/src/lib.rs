//! The audit log as values: what its entries say, how they are hashed into a Merkle tree, what proves that one is in it and
//! that nothing before it changed, and how its state is signed.
//!
//! Nothing here does IO, reads a clock or makes a key by itself. Whoever verifies needs the log and a public key, and
//! nothing else of Palisade. The forms are described in docs/audit.md.

mod checkpoint;
mod entry;
mod key;
mod keyed;
mod merkle;
mod note;
mod proof;
mod rotation;
mod witness;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use entry::{
    Actor, ApprovedBy, CallRefusal, Entry, EntryHead, Exported, ForkPlace, Given, MAX_ENTRY_BYTES, Named, Outcome,
    ParentPlace, Place, RunStart, What,
};
pub use key::{KeyError, SigningKey, VerifyingKey};
pub use keyed::{DirectoryKey, RunKey};
pub use merkle::{Frontier, Node, empty_root, leaf_hash, node_hash};
pub use note::{MAX_NOTE_BYTES, Note, NoteError, Signature};
pub use proof::{ProofError, consistency, inclusion, root_at, verify_consistency, verify_inclusion};
pub use rotation::{rotation, verify_rotation};
pub use witness::{WitnessKey, Witnessed, add_checkpoint, answered};
