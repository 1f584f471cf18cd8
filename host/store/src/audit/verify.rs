//! Reads the whole log and everything that it commits to, and says what does not hold together. Changes nothing.
//!
//! All is read as of one moment, while others may go on writing. That nothing was found says that the log is consistent in
//! itself; only a checkpoint that was kept elsewhere says that it is the one that was.

use crate::fault::Fault;
use crate::journal::Head;
use crate::reading::read_event;
use crate::runs;
use crate::sqlite;
use crate::store::Store;
use palisade_audit::{
    Checkpoint, Entry, EntryHead, Frontier, Node, Note, Place, RunKey, VerifyingKey, What, leaf_hash, verify_rotation,
};
use palisade_model::record::Status;
use palisade_model::{Digest, RunId};
use rusqlite::{Connection, Rows, Statement, params};
use std::collections::BTreeMap;

/// Most problems that are kept with their words; all are counted.
const MAX_PROBLEMS: usize = 100;

/// A checkpoint that somebody kept outside of the data directory.
#[derive(Debug, Clone)]
pub struct OutsideCheckpoint {
    /// Where it was kept.
    pub source: String,
    /// It.
    pub note: Note,
}

/// How the log is to one that was kept outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutsideState {
    /// It is the beginning of the log.
    Holds,
    /// It is not, or nobody knows who signed it.
    Broken(String),
}

/// A file of which it is asked whether a run wrote it.
#[derive(Debug, Clone)]
pub struct FileToFind {
    /// Its name.
    pub name: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
}

/// A run that wrote a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFound {
    /// The entry that says so.
    pub entry: u64,
    /// The run.
    pub run: RunId,
    /// What the file is in it.
    pub what: String,
}

/// What was looked at and what was found.
#[derive(Debug, Default)]
pub struct AuditVerified {
    /// How many entries there are.
    pub size: u64,
    /// The root over them.
    pub root: Option<Digest>,
    /// The key in force at the end.
    pub key: Option<String>,
    /// Checkpoints of the log itself that were checked.
    pub checkpoints: u64,
    /// How many entries the last of them is over.
    pub signed: u64,
    /// Runs whose journals were compared with what the entries commit to.
    pub runs: u64,
    /// Runs that the log knows and that were removed since.
    pub removed: u64,
    /// Checkpoints that were kept outside, in the order in which they were given.
    pub outside: Vec<(OutsideCheckpoint, OutsideState)>,
    /// For each file that was asked for, the runs that wrote it.
    pub files: Vec<(FileToFind, Vec<FileFound>)>,
    /// What does not hold: the first hundred.
    pub problems: Vec<AuditProblem>,
    /// How many there are.
    pub problem_count: u64,
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditProblem {
    /// A number has no entry.
    #[error("entry {number} is missing")]
    Missing {
        /// Its number.
        number: u64,
    },
    /// The bytes of an entry are not those of its hash.
    #[error("entry {number} is not what was written")]
    Changed {
        /// Its number.
        number: u64,
    },
    /// An entry is none.
    #[error("entry {number} can't be read as one")]
    Form {
        /// Its number.
        number: u64,
    },
    /// A node is not what follows from the entries.
    #[error("the tree over entries {first} to {last} is not what follows from them")]
    Tree {
        /// The first entry below it.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// The database has nodes over entries that are not there.
    #[error("the tree has nodes over entries that are not there, on level {level}")]
    Overhang {
        /// Their height.
        level: u32,
    },
    /// What an entry says of keys does not hold.
    #[error("entry {number}: {what}")]
    Key {
        /// Its number.
        number: u64,
        /// What is wrong.
        what: String,
    },
    /// A witness saw another log.
    #[error("entry {number}: split view: the witness {witness} saw another log of this name, with {seen} entries")]
    SplitView {
        /// The entry that says so.
        number: u64,
        /// The key of the witness.
        witness: String,
        /// How many entries it saw.
        seen: u64,
    },
    /// A checkpoint of the log does not hold.
    #[error("the checkpoint over {size} entries: {what}")]
    Checkpoint {
        /// Over how many entries.
        size: u64,
        /// What is wrong.
        what: String,
    },
    /// A journal is not what an entry commits to.
    #[error("entry {number}: run {run}: {what}")]
    Journal {
        /// The entry's number.
        number: u64,
        /// The run.
        run: RunId,
        /// What is wrong.
        what: String,
    },
    /// A run is there of which the log knows nothing.
    #[error("run {run} is there, and no entry says that it began")]
    Unknown {
        /// The run.
        run: RunId,
    },
    /// A checkpoint that was kept outside is not of this log.
    #[error("{source_name}: {what}")]
    Outside {
        /// Where it was kept.
        source_name: String,
        /// What is wrong.
        what: String,
    },
}

impl AuditVerified {
    fn note(&mut self, problem: AuditProblem) {
        self.problem_count += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// What the entries say of a run.
#[derive(Default)]
struct RunSeen {
    began: bool,
    removed: bool,
    /// The events to which entries commit, with the entries' numbers.
    places: Vec<(Place, u64)>,
    /// The entry that says that it ended for good.
    ended: Option<u64>,
}

/// Which key signs from which entry on.
#[derive(Default)]
struct Keys(Vec<(u64, VerifyingKey)>);

impl Keys {
    /// The key that signed the state with so many entries.
    fn at(&self, size: u64) -> Option<&VerifyingKey> {
        self.0.iter().rfind(|(from, _)| *from < size).map(|(_, key)| key)
    }
}

/// A checkpoint that is waited for until the log is so long.
struct Awaited {
    checkpoint: Checkpoint,
    note: Note,
    /// Its number among those kept outside; none = it is the log's own.
    outside: Option<usize>,
}

impl Store {
    /// Reads the log as it is at this moment: every leaf against its hash, every node against the leaves, every checkpoint
    /// against tree and keys, those kept outside too, and the journal of each run that is there against all entries that
    /// commit to it.
    ///
    /// # Errors
    /// When the disk or the database fails.
    pub fn verify_audit(
        &self,
        outside: Vec<OutsideCheckpoint>,
        files: Vec<FileToFind>,
    ) -> Result<AuditVerified, Fault> {
        let mut connection = sqlite::open_to_read(self.database())?;
        let fault = |error| self.fault(error);
        let snapshot = connection.transaction().map_err(fault)?;
        let mut found = AuditVerified {
            outside: outside.into_iter().map(|outside| (outside, OutsideState::Holds)).collect(),
            files: files.into_iter().map(|file| (file, Vec::new())).collect(),
            ..AuditVerified::default()
        };
        let mut runs = BTreeMap::new();
        self.read_log(&snapshot, &mut found, &mut runs)?;
        self.compare_journals(&snapshot, &mut found, &runs).map_err(fault)?;
        Ok(found)
    }

    fn read_log(
        &self,
        connection: &Connection,
        found: &mut AuditVerified,
        runs: &mut BTreeMap<RunId, RunSeen>,
    ) -> Result<(), Fault> {
        let (tenant, fault) = (self.tenant().key(), |error| self.fault(error));
        let mut awaited = self.awaited(connection, found)?.into_iter().peekable();
        let size = super::size(connection, &tenant).map_err(fault)?;
        let mut stored = StoredNodes::prepare(connection, size).map_err(fault)?;
        let mut stored = stored.open(&tenant).map_err(fault)?;
        let (mut frontier, mut keys) = (Frontier::default(), Keys::default());
        let sql = "SELECT number, bytes, hash FROM audit_entry WHERE tenant = ?1 ORDER BY number";
        let mut statement = connection.prepare(sql).map_err(fault)?;
        let mut rows = statement.query([&tenant]).map_err(fault)?;
        // One over nothing waits for no entry.
        while let Some(empty) = awaited.next_if(|next| next.checkpoint.size == 0) {
            judge(&empty, &frontier, &keys, found);
        }
        while let Some(row) = rows.next().map_err(fault)? {
            let read = || -> rusqlite::Result<_> {
                Ok((row.get::<_, i64>(0)?.cast_unsigned(), Digest::from_bytes(row.get(2)?)))
            };
            let (number, hash) = read().map_err(fault)?;
            let bytes = row.get_ref(1).map_err(fault)?.as_blob().unwrap_or_default();
            let expected = frontier.size();
            if number != expected {
                // What comes behind a gap has other numbers, and nothing of it can hold.
                found.note(AuditProblem::Missing { number: expected });
                break;
            }
            let leaf = leaf_hash(bytes);
            if leaf != hash {
                found.note(AuditProblem::Changed { number });
            }
            let mut broken = Ok(());
            frontier.add(leaf, |node, hash| {
                if node.level > 0 && broken.is_ok() {
                    broken = stored.next_is(node, hash).map(|same| {
                        if !same {
                            let first = node.index << node.level;
                            found.note(AuditProblem::Tree { first, last: first + (1 << node.level) - 1 });
                        }
                    });
                }
            });
            broken.map_err(fault)?;
            self.take_entry(number, bytes, found, &mut keys, runs)?;
            while let Some(next) = awaited.next_if(|next| next.checkpoint.size == frontier.size()) {
                judge(&next, &frontier, &keys, found);
            }
        }
        awaited.for_each(|longer| judge(&longer, &frontier, &keys, found));
        if frontier.size() == size
            && let Some(level) = stored.overhang().map_err(fault)?
        {
            found.note(AuditProblem::Overhang { level });
        }
        found.size = frontier.size();
        found.root = Some(frontier.root());
        found.key = keys.at(u64::MAX).map(ToString::to_string);
        Ok(())
    }

    /// All checkpoints, those kept outside too, the smallest first.
    fn awaited(&self, connection: &Connection, found: &mut AuditVerified) -> Result<Vec<Awaited>, Fault> {
        let read = || {
            let sql = "SELECT size, note FROM audit_checkpoint WHERE tenant = ?1 ORDER BY size";
            let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, String>(1)?));
            connection.prepare(sql)?.query_map([self.tenant().key()], row)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        let mut all = Vec::new();
        for (size, text) in read().map_err(|error| self.fault(error))? {
            let note = Note::parse(text.as_bytes()).map_err(|error| error.to_string());
            let checkpoint = note.and_then(|note| {
                let checkpoint = Checkpoint::of_note(&note).map_err(|error| error.to_string())?;
                let same = checkpoint.size == size;
                if same { Ok((note, checkpoint)) } else { Err("it says another size".to_owned()) }
            });
            match checkpoint {
                Ok((note, checkpoint)) => all.push(Awaited { checkpoint, note, outside: None }),
                Err(what) => found.note(AuditProblem::Checkpoint { size, what }),
            }
        }
        let mut broken = Vec::new();
        for (index, (outside, _)) in found.outside.iter().enumerate() {
            match Checkpoint::of_note(&outside.note) {
                Ok(checkpoint) => {
                    all.push(Awaited { checkpoint, note: outside.note.clone(), outside: Some(index) });
                }
                Err(error) => broken.push((index, error.to_string())),
            }
        }
        broken.into_iter().for_each(|(index, what)| breaks(found, index, what));
        all.sort_by_key(|awaited| awaited.checkpoint.size);
        Ok(all)
    }

    /// Takes in what an entry says of keys, runs and files.
    fn take_entry(
        &self,
        number: u64,
        bytes: &[u8],
        found: &mut AuditVerified,
        keys: &mut Keys,
        runs: &mut BTreeMap<RunId, RunSeen>,
    ) -> Result<(), Fault> {
        let Some(head) = EntryHead::read(bytes) else {
            found.note(AuditProblem::Form { number });
            return Ok(());
        };
        if let Some((run, place)) = head.place() {
            let seen = runs.entry(run).or_default();
            seen.places.push((place, number));
            match head.kind {
                "run_started" | "run_known" => seen.began = true,
                // It went on.
                "run_resumed" => seen.ended = None,
                _ => {}
            }
        }
        if !matches!(
            head.kind,
            "run_ended"
                | "runs_removed"
                | "key_made"
                | "key_rotated"
                | "files_exported"
                | "files_written"
                | "run_known"
                | "split_view"
        ) {
            return Ok(());
        }
        let Some(entry) = Entry::from_bytes(bytes) else {
            // A newer Palisade wrote it, or nobody: in neither case can be said that all of it holds.
            found.note(AuditProblem::Form { number });
            return Ok(());
        };
        let no_key = |what: &str| AuditProblem::Key { number, what: what.to_owned() };
        match (&entry.what, entry.run) {
            (What::RunEnded { status, .. } | What::RunKnown { status }, Some(run)) => {
                let for_good = is_final(status);
                runs.entry(run).or_default().ended = for_good.then_some(number);
            }
            (What::RunsRemoved { runs: removed, .. }, _) => {
                removed.iter().for_each(|run| runs.entry(*run).or_default().removed = true);
            }
            (What::KeyMade { key }, _) => match key.parse() {
                Ok(key) if keys.0.is_empty() => keys.0.push((number, key)),
                Ok(_) => found.note(no_key("a first key is made where there was one")),
                Err(_) => found.note(no_key("its key can't be read")),
            },
            (What::KeyRotated { key, note, .. }, _) => {
                let (new, note) = (key.parse::<VerifyingKey>(), Note::parse(note.as_bytes()));
                let old = keys.0.last().map(|(_, key)| key);
                match (new, note, old) {
                    (Ok(new), Ok(note), Some(old)) => match verify_rotation(&note, old, &new) {
                        Ok(()) => keys.0.push((number, new)),
                        Err(error) => found.note(no_key(&format!("the key was not handed over: {error}"))),
                    },
                    _ => found.note(no_key("the key was not handed over: there is no such key or note")),
                }
            }
            (What::SplitView { witness, seen, .. }, _) => {
                found.note(AuditProblem::SplitView { number, witness: witness.clone(), seen: *seen });
            }
            (What::FilesExported { files } | What::FilesWritten { files, .. }, Some(run))
                if !found.files.is_empty() =>
            {
                let key: RunKey = self.run_key(run)?;
                for (asked, by) in &mut found.files {
                    let keyed = key.digest(asked.digest.as_bytes());
                    let same = files.iter().filter(|file| file.keyed == keyed);
                    by.extend(same.map(|file| FileFound { entry: number, run, what: file.what.clone() }));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Compares each journal that is there with what entries say of it.
    fn compare_journals(
        &self,
        connection: &Connection,
        found: &mut AuditVerified,
        seen: &BTreeMap<RunId, RunSeen>,
    ) -> rusqlite::Result<()> {
        let tenant = self.tenant().key();
        let rows: BTreeMap<RunId, Head> =
            runs::all(connection, &tenant)?.into_iter().map(|row| (row.run, row.head)).collect();
        // Before there is an entry, nobody said that runs would be in the log.
        let expected = if found.size > 0 { &rows } else { &BTreeMap::new() };
        for run in expected.keys() {
            if !seen.get(run).is_some_and(|seen| seen.began) {
                found.note(AuditProblem::Unknown { run: *run });
            }
        }
        for (run, seen) in seen {
            match rows.get(run) {
                Some(head) => {
                    found.runs += 1;
                    compare_journal(connection, &tenant, (*run, *head), seen, found)?;
                }
                None if seen.removed => found.removed += 1,
                None => {
                    let number = seen.places.last().map_or(0, |(_, number)| *number);
                    let what = "its journal is gone, and no entry says that it was removed".to_owned();
                    found.note(AuditProblem::Journal { number, run: *run, what });
                }
            }
        }
        Ok(())
    }
}

fn compare_journal(
    connection: &Connection,
    tenant: &str,
    (run, end): (RunId, Head),
    seen: &RunSeen,
    found: &mut AuditVerified,
) -> rusqlite::Result<()> {
    let sql = "SELECT seq, kind, bytes, hash FROM event WHERE tenant = ?1 AND run = ?2 ORDER BY seq";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![tenant, run.as_bytes()])?;
    let mut head = Head::start(run);
    let mut places = seen.places.clone();
    places.sort_by_key(|(place, number)| (place.seq, *number));
    let mut places = places.into_iter().peekable();
    let last = seen.places.last().map_or(0, |(_, number)| *number);
    let mut problem = |number, what: String| found.note(AuditProblem::Journal { number, run, what });
    while let Some(row) = rows.next()? {
        let event = read_event(row)?;
        let next = head.next(&event.kind, &event.bytes);
        let ahead = places.peek().map_or(last, |(_, number)| *number);
        if event.seq != next.seq {
            problem(ahead, format!("event {} of its journal is missing", next.seq));
            return Ok(());
        }
        if event.hash != next.hash {
            problem(ahead, format!("event {} of its journal is not what was written", next.seq));
            return Ok(());
        }
        head = next;
        while let Some((place, number)) = places.next_if(|(place, _)| place.seq == head.seq) {
            if place.hash != head.hash {
                problem(number, format!("event {} of its journal, or one before it, is another", head.seq));
                return Ok(());
            }
        }
    }
    if let Some((place, number)) = places.next() {
        problem(number, format!("event {} of its journal is missing", place.seq));
    } else if head != end {
        problem(last, format!("its journal ends at event {}, and its row says {}", head.seq, end.seq));
    } else if let Some(number) = seen.ended
        && let Some((place, _)) = seen.places.iter().find(|(_, of)| *of == number)
        && place.seq != head.seq
    {
        problem(number, format!("its journal goes on behind its end, event {}", place.seq));
    }
    Ok(())
}

/// Whether nothing comes behind such an end.
fn is_final(status: &str) -> bool {
    status != "running" && !Status::named_can_go_on(status)
}

/// Compares a checkpoint with the log, which is as long as it, or ended before.
fn judge(awaited: &Awaited, frontier: &Frontier, keys: &Keys, found: &mut AuditVerified) {
    let Awaited { checkpoint, note, outside } = awaited;
    let Checkpoint { size, .. } = *checkpoint;
    let what = if size > frontier.size() {
        Some(format!("it is over {size} entries, and the log has {}", frontier.size()))
    } else if checkpoint.root != frontier.root() {
        Some("its root is not that of the first entries of the log".to_owned())
    } else {
        match keys.at(size.max(1)) {
            None => Some("no key was in force that could have signed it".to_owned()),
            Some(key) if key.name() != checkpoint.origin => Some("it is of another log".to_owned()),
            Some(key) => note.verify(key).err().map(|error| error.to_string()),
        }
    };
    match (what, outside) {
        (None, None) => {
            found.checkpoints += 1;
            found.signed = found.signed.max(size);
        }
        (None, Some(_)) => {}
        (Some(what), None) => found.note(AuditProblem::Checkpoint { size, what }),
        (Some(what), Some(index)) => breaks(found, *index, what),
    }
}

fn breaks(found: &mut AuditVerified, index: usize, what: String) {
    let Some((outside, state)) = found.outside.get_mut(index) else { return };
    let size =
        Checkpoint::of_note(&outside.note).map_or_else(|_| String::new(), |own| format!(" over {} entries", own.size));
    *state = OutsideState::Broken(what.clone());
    let source_name = format!("the checkpoint{size} in {}", outside.source);
    found.note(AuditProblem::Outside { source_name, what });
}

/// The nodes as they are stored, each level in order.
struct StoredNodes<'c>(Vec<Statement<'c>>);

struct OpenNodes<'s>(Vec<Rows<'s>>);

impl<'c> StoredNodes<'c> {
    fn prepare(connection: &'c Connection, size: u64) -> rusqlite::Result<Self> {
        // One more than there are, where nodes may lie that belong to nothing.
        let levels = u64::BITS - size.leading_zeros() + 1;
        let sql = "SELECT number, hash FROM audit_node WHERE tenant = ?1 AND level = ?2 ORDER BY number";
        (0..levels).map(|_| connection.prepare(sql)).collect::<rusqlite::Result<_>>().map(Self)
    }

    fn open(&mut self, tenant: &str) -> rusqlite::Result<OpenNodes<'_>> {
        let levels = self.0.iter_mut().zip(1_u32..);
        levels
            .map(|(statement, level)| statement.query(params![tenant, level]))
            .collect::<rusqlite::Result<_>>()
            .map(OpenNodes)
    }
}

impl OpenNodes<'_> {
    /// Whether the next node of that level is this one.
    fn next_is(&mut self, node: Node, hash: Digest) -> rusqlite::Result<bool> {
        let Some(rows) = self.0.get_mut(node.level as usize - 1) else { return Ok(false) };
        let Some(row) = rows.next()? else { return Ok(false) };
        Ok(row.get::<_, i64>(0)?.cast_unsigned() == node.index && Digest::from_bytes(row.get(1)?) == hash)
    }

    /// The first level on which more is stored than follows from the entries.
    fn overhang(&mut self) -> rusqlite::Result<Option<u32>> {
        for (rows, level) in self.0.iter_mut().zip(1_u32..) {
            if rows.next()?.is_some() {
                return Ok(Some(level));
            }
        }
        Ok(None)
    }
}
