//! The states of the log that were signed, and the keys that sign them: the first one, and those that followed.

use super::keys::{AuditKeyError, CheckpointFailure, read_key, write};
use crate::fault::Fault;
use crate::lock::KeyLock;
use crate::store::Store;
use palisade_audit::{Actor, Checkpoint, Entry, Note, SigningKey, VerifyingKey, What, root_at, rotation};
use palisade_model::Digest;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

impl Store {
    /// Appends entries and signs the state of the log with them: in one commit, durable when this returns. Where nothing is
    /// new since the last checkpoint, that one is given.
    ///
    /// # Errors
    /// When the key can't be used, the log is not what was signed last, or the disk fails.
    pub fn checkpoint(&self, entries: &[Entry], at_ms: u64) -> Result<Note, CheckpointFailure> {
        let _lock = KeyLock::acquire(self.locks())?;
        let mut connection = self.connection();
        let transaction = self.begin_writing(&mut connection)?;
        let last = self.last_checkpoint_in(&transaction)?;
        let key = self.key_in_force(last.as_ref())?;
        self.believe(&transaction, last.as_ref(), &key)?;
        if last.is_none() {
            let made = Entry::new(at_ms, What::KeyMade { key: key.verifying().to_string() });
            self.write_entries(&transaction, &[made])?;
        }
        self.write_entries(&transaction, entries)?;
        self.sign(transaction, &key, last)
    }

    /// Makes another key and lets it sign from now on. Both keys say so in an entry, and the new one signs the state with it.
    ///
    /// # Errors
    /// As [`Store::checkpoint`].
    pub fn rotate_key(&self, by: Actor, at_ms: u64) -> Result<Note, CheckpointFailure> {
        // The old key has signed what it is to hand over.
        self.checkpoint(&[], at_ms)?;
        let _lock = KeyLock::acquire(self.locks())?;
        let mut connection = self.connection();
        let transaction = self.begin_writing(&mut connection)?;
        let last = self.last_checkpoint_in(&transaction)?;
        let old = self.key_in_force(last.as_ref())?;
        self.believe(&transaction, last.as_ref(), &old)?;
        let new = self.new_key(old.verifying().name())?;
        // The log must not say that a key signs which nobody has.
        write(self.backend(), &self.keys().next, &new.reveal())?;
        let note = rotation(&old, &new)?.to_string();
        let rotated = Entry::new(at_ms, What::KeyRotated { by, key: new.verifying().to_string(), note });
        self.write_entries(&transaction, &[rotated])?;
        let note = self.sign(transaction, &new, last)?;
        self.put_in_force()?;
        Ok(note)
    }

    /// The last state that was signed, if one was.
    ///
    /// # Errors
    /// When the database fails.
    pub fn last_checkpoint(&self) -> Result<Option<Note>, CheckpointFailure> {
        self.last_checkpoint_in(&self.reader())
    }

    /// The key with which checkpoints of now are checked.
    ///
    /// # Errors
    /// When it can't be read, or nothing was signed yet.
    pub fn verifying_key(&self) -> Result<VerifyingKey, AuditKeyError> {
        self.signing_key(true).map(|key| key.verifying())
    }

    fn begin_writing<'c>(&self, connection: &'c mut Connection) -> Result<Transaction<'c>, Fault> {
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|error| self.fault(error))
    }

    fn last_checkpoint_in(&self, connection: &Connection) -> Result<Option<Note>, CheckpointFailure> {
        let sql = "SELECT note FROM audit_checkpoint WHERE tenant = ?1 ORDER BY size DESC LIMIT 1";
        let read = |connection: &Connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row([self.tenant().key()], |row| row.get::<_, String>(0)).optional()
        };
        let text = read(connection).map_err(|error| self.fault(error))?;
        Ok(text.map(|text| Note::parse(text.as_bytes())).transpose()?)
    }

    /// Makes sure that the log still begins with what was signed last: else whoever changes it would have it signed by the next
    /// run that ends.
    fn believe(&self, connection: &Connection, last: Option<&Note>, key: &SigningKey) -> Result<(), CheckpointFailure> {
        let Some(note) = last else { return Ok(()) };
        let (checkpoint, signed) = (Checkpoint::of_note(note), note.verify(&key.verifying()).is_ok());
        let frontier = self.frontier(connection)?;
        let holds = match &checkpoint {
            Ok(Checkpoint { size, root, .. }) if signed && *size <= frontier.size() => {
                root_at(*size, |node| self.node(connection, node))? == *root
            }
            _ => false,
        };
        let size = checkpoint.map_or(0, |checkpoint| checkpoint.size);
        if holds { Ok(()) } else { Err(CheckpointFailure::Contradiction { size }) }
    }

    /// The key that signs. One that was to follow it takes its place if the log says so: the process that made it may have
    /// died in between.
    fn key_in_force(&self, last: Option<&Note>) -> Result<SigningKey, AuditKeyError> {
        if let Some(next) = read_key(&self.keys().next)?
            && last.is_some_and(|note| note.verify(&next.verifying()).is_ok())
        {
            self.put_in_force()?;
        }
        self.signing_key(last.is_some())
    }

    fn put_in_force(&self) -> Result<(), Fault> {
        let keys = self.keys();
        let fault = |error| Fault::io(&keys.signing, error);
        self.backend().rename(&keys.next, &keys.signing).map_err(fault)?;
        keys.signing.parent().map_or(Ok(()), |folder| self.backend().sync_folder(folder)).map_err(fault)
    }

    /// Signs the state that the transaction leaves, and commits it; the last checkpoint stands if it is of this state.
    fn sign(
        &self,
        transaction: Transaction<'_>,
        key: &SigningKey,
        last: Option<Note>,
    ) -> Result<Note, CheckpointFailure> {
        let frontier = self.frontier(&transaction)?;
        let (size, root): (u64, Digest) = (frontier.size(), frontier.root());
        let checkpoint = Checkpoint { origin: key.verifying().name().to_owned(), size, root };
        if let Some(last) = last.filter(|last| Checkpoint::of_note(last).as_ref() == Ok(&checkpoint)) {
            return Ok(last);
        }
        let note = checkpoint.sign(key)?;
        let sql = "INSERT INTO audit_checkpoint (tenant, size, note) VALUES (?1, ?2, ?3)";
        let row = params![self.tenant().key(), size.cast_signed(), note.to_string()];
        transaction
            .prepare_cached(sql)
            .and_then(|mut insert| insert.execute(row))
            .map_err(|error| self.fault(error))?;
        self.commit(transaction, Vec::new())?;
        Ok(note)
    }
}
