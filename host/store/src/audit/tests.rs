//! Logs that somebody changed, in every way that the database allows: what is found without the key, and what is found of
//! somebody who has it.

use super::*;
use crate::{Append, FileToFind, NewEvent, OutsideCheckpoint, OutsideState, RunSummary};
use palisade_audit::{Actor, Checkpoint, Exported, Note, SigningKey};
use palisade_model::{RunId, TenantId};
use std::path::Path;

/// How many entries the log has that is changed.
const COUNT: u64 = 1_000;

fn entry(number: u64) -> Entry {
    let what = What::ComponentRemoved { by: Actor::unauthenticated("ann"), component: format!("acme:c@{number}.0.0") };
    Entry::new(number, what)
}

/// A store whose log has so many entries, the last but one signed with all before it.
fn store(folder: &Path, count: u64) -> Store {
    let store = Store::open(folder, TenantId::default()).unwrap();
    // Nothing dies here, and there are thousands of changes.
    store.connection().execute_batch("PRAGMA synchronous = OFF").unwrap();
    let entries: Vec<_> = (0..count - 1).map(entry).collect();
    store.record(&entries).unwrap();
    store.checkpoint(&[], 1).unwrap();
    store
}

fn problems(store: &Store) -> Vec<String> {
    told(store, Vec::new())
}

fn told(store: &Store, outside: Vec<Note>) -> Vec<String> {
    let outside = outside.into_iter().map(|note| OutsideCheckpoint { source: "w".to_owned(), note }).collect();
    let found = store.verify_audit(outside, Vec::new()).unwrap();
    assert_eq!(found.problem_count > 0, !found.problems.is_empty());
    found.problems.iter().map(ToString::to_string).collect()
}

/// Does something to the database, looks at what is found, and takes it back.
fn with(store: &Store, change: &[&str], look: impl FnOnce(Vec<String>)) {
    // What is compared is read by another connection, which sees what is committed.
    let before = store.audit_entries(0, u64::MAX >> 1, usize::MAX, None).unwrap();
    change.iter().for_each(|sql| store.connection().execute_batch(sql).unwrap());
    look(problems(store));
    let now = store.audit_entries(0, u64::MAX >> 1, usize::MAX, None).unwrap();
    if now != before {
        let connection = store.connection();
        connection.execute_batch("BEGIN; DELETE FROM audit_entry").unwrap();
        for AuditEntry { number, bytes, hash } in before {
            let sql = "INSERT INTO audit_entry VALUES ('default', ?1, ?2, ?3)";
            let row = params![number.cast_signed(), bytes, hash.as_bytes()];
            connection.prepare_cached(sql).unwrap().execute(row).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
    }
}

/// Makes all hashes anew, as somebody can who has no key.
fn rebuild(store: &Store) {
    let connection = store.connection();
    let tenant = store.tenant().key();
    let mut all = Vec::new();
    {
        let mut statement = connection.prepare("SELECT bytes FROM audit_entry ORDER BY number").unwrap();
        let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        all.extend(rows.map(Result::unwrap));
    }
    connection.execute_batch("BEGIN; DELETE FROM audit_entry; DELETE FROM audit_node").unwrap();
    let mut frontier = Frontier::default();
    all.iter().for_each(|bytes| write(&connection, &tenant, &mut frontier, bytes).unwrap());
    connection.execute_batch("COMMIT").unwrap();
}

#[test]
fn a_log_that_nobody_touched_holds() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), COUNT);
    let found = store.verify_audit(Vec::new(), Vec::new()).unwrap();
    assert_eq!((found.size, found.signed, found.checkpoints, found.problem_count), (COUNT, COUNT, 1, 0));
    assert_eq!(found.root, Some(store.audit_root(COUNT).unwrap()));
    // What comes behind a checkpoint is not signed yet, and nothing is wrong with it.
    store.record(&[entry(1)]).unwrap();
    let found = store.verify_audit(Vec::new(), Vec::new()).unwrap();
    assert_eq!((found.size, found.signed, found.problem_count), (COUNT + 1, COUNT, 0));
}

#[test]
fn whoever_adds_begins_where_the_log_ends() {
    let folder = tempfile::tempdir().unwrap();
    let one = store(folder.path(), 10);
    let other = Store::open(folder.path(), TenantId::default()).unwrap();
    for number in 10..40 {
        // These are never committed. What is written in their place may be as many, and end as they did.
        one.write_entries(&one.connection().transaction().unwrap(), &[entry(number), entry(number)]).unwrap();
        match number % 3 {
            0 => other.record(&[entry(number)]).unwrap(),
            1 => other.record(&[entry(number + 100), entry(number)]).unwrap(),
            _ => {}
        }
        one.record(&vec![entry(number); 1 + number as usize % 5]).unwrap();
    }
    assert_eq!(problems(&one), [] as [&str; 0]);
    let leaves = one.audit_entries(0, u64::MAX >> 1, usize::MAX, None).unwrap();
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.add(leaf_hash(&leaf.bytes), |_, _| {}));
    assert_eq!(frontier.size(), 10 + 10 + 20 + 90);
    assert_eq!(one.audit_root(frontier.size()).unwrap(), frontier.root());
}

#[test]
fn every_bit_that_is_changed_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), COUNT);
    let entries = store.audit_entries(0, COUNT, usize::MAX, None).unwrap();
    for AuditEntry { number, bytes, hash } in &entries {
        let mut changed = bytes.clone();
        for bit in 0..bytes.len() * 8 {
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(leaf_hash(&changed), *hash);
            changed[bit / 8] ^= 1 << (bit % 8);
        }
        if number % 8 != 5 {
            continue;
        }
        // One of them by way of the database, each time another; one of the kept hash.
        let bit = (*number as usize * 37) % (bytes.len() * 8);
        changed[bit / 8] ^= 1 << (bit % 8);
        let set = |column: &str, bytes: &[u8]| {
            let sql = format!("UPDATE audit_entry SET {column} = ?1 WHERE number = ?2");
            store.connection().execute(&sql, params![bytes, number.cast_signed()]).unwrap();
        };
        set("bytes", &changed);
        let found = problems(&store);
        assert!(found.contains(&format!("entry {number} is not what was written")), "{found:?}");
        set("bytes", bytes);
        let mut other = *hash.as_bytes();
        other[bit % 32] ^= 1;
        set("hash", &other);
        assert_eq!(problems(&store), [format!("entry {number} is not what was written")]);
        set("hash", hash.as_bytes());
    }
    assert_eq!(problems(&store), [] as [&str; 0]);
}

#[test]
fn every_entry_that_is_taken_out_or_swapped_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), COUNT);
    for number in (0..COUNT).step_by(7).chain([COUNT - 2, COUNT - 1]) {
        with(&store, &[&format!("DELETE FROM audit_entry WHERE number = {number}")], |found| {
            let expected = if number == COUNT - 1 {
                format!("the checkpoint over {COUNT} entries: it is over {COUNT} entries, and the log has {number}")
            } else {
                format!("entry {number} is missing")
            };
            assert!(found.contains(&expected), "{found:?}");
        });
        let other = (number + 1 + number * 13 % (COUNT - 1)) % COUNT;
        let swap = format!(
            "CREATE TEMP TABLE two AS SELECT number, bytes, hash FROM audit_entry WHERE number IN ({number}, {other}); \
             UPDATE audit_entry SET (bytes, hash) = (SELECT bytes, hash FROM two WHERE two.number <> audit_entry.number) \
             WHERE number IN ({number}, {other}); DROP TABLE two;"
        );
        // Both leaves hold; the tree over them does not.
        with(&store, &[&swap], |found| {
            assert!(found.iter().any(|told| told.starts_with("the tree over")), "{found:?}")
        });
    }
    assert_eq!(problems(&store), [] as [&str; 0]);
}

#[test]
fn who_makes_all_hashes_anew_without_the_key_is_found() {
    for change in [
        "DELETE FROM audit_entry WHERE number = 0",
        "DELETE FROM audit_entry WHERE number = 499",
        "DELETE FROM audit_entry WHERE number > 900",
        "UPDATE audit_entry SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"ann\"', '\"bob\"') AS BLOB) WHERE number = 77",
        "UPDATE audit_entry SET number = CASE number WHEN 4 THEN -5 ELSE -4 END WHERE number IN (4, 5)",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), COUNT);
        // The numbers of a swap go by way of ones that the table refuses.
        store.connection().execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
        store.connection().execute_batch(change).unwrap();
        store.connection().execute_batch("UPDATE audit_entry SET number = -number WHERE number < 0").unwrap();
        rebuild(&store);
        let found = problems(&store);
        assert!(found.iter().any(|told| told.starts_with("the checkpoint over 1000 entries: ")), "{change}: {found:?}");
        // And nobody signs it for them.
        let refused = store.checkpoint(&[entry(1)], 1);
        assert!(matches!(refused, Err(CheckpointFailure::Contradiction { size: COUNT })), "{change}: {refused:?}");
    }
}

#[test]
fn nodes_that_are_not_what_follows_from_the_entries_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), 64);
    let do_all = |all: &[&str]| all.iter().for_each(|sql| store.connection().execute_batch(sql).unwrap());
    let check = |change: &str, back: &str, expected: &str| {
        do_all(&[change]);
        assert!(problems(&store).iter().any(|told| told == expected), "{change}: {:?}", problems(&store));
        do_all(&[back]);
    };
    check(
        "CREATE TEMP TABLE kept AS SELECT * FROM audit_node; UPDATE audit_node SET hash = zeroblob(32) WHERE level = 2 AND number = 3",
        "UPDATE audit_node SET hash = (SELECT hash FROM kept WHERE level = 2 AND number = 3) WHERE level = 2 AND number = 3",
        "the tree over entries 12 to 15 is not what follows from them",
    );
    check(
        "DELETE FROM audit_node WHERE level = 6",
        "INSERT INTO audit_node SELECT * FROM kept WHERE level = 6",
        "the tree over entries 0 to 63 is not what follows from them",
    );
    check(
        "INSERT INTO audit_node VALUES ('default', 7, 0, zeroblob(32))",
        "DELETE FROM audit_node WHERE level = 7",
        "the tree has nodes over entries that are not there, on level 7",
    );
    assert_eq!(problems(&store), [] as [&str; 0]);
}

#[test]
fn who_has_the_key_and_signs_a_shorter_log_is_found_by_a_checkpoint_from_outside_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), COUNT);
    let kept = store.last_checkpoint().unwrap().unwrap();
    assert_eq!(told(&store, vec![kept.clone()]), [] as [&str; 0]);
    let sign = |size: u64| {
        let key: SigningKey = std::fs::read_to_string(folder.path().join("audit.key")).unwrap().parse().unwrap();
        let origin = key.verifying().name().to_owned();
        let note = Checkpoint { origin, size, root: store.audit_root(size).unwrap() }.sign(&key).unwrap();
        store.connection().execute_batch("DELETE FROM audit_checkpoint").unwrap();
        let sql = "INSERT INTO audit_checkpoint VALUES ('default', ?1, ?2)";
        store.connection().execute(sql, params![size.cast_signed(), note.to_string()]).unwrap();
    };
    // The last entry made the key, and stays.
    store.connection().execute_batch("DELETE FROM audit_entry WHERE number BETWEEN 900 AND 998").unwrap();
    store.connection().execute_batch("UPDATE audit_entry SET number = 900 WHERE number = 999").unwrap();
    rebuild(&store);
    sign(901);
    assert_eq!(problems(&store), [] as [&str; 0]);
    let shorter = "the checkpoint over 1000 entries in w: it is over 1000 entries, and the log has 901";
    assert_eq!(told(&store, vec![kept.clone()]), [shorter]);
    // Grown to the length that it had, it is still another.
    store.record(&(0..200).map(entry).collect::<Vec<_>>()).unwrap();
    sign(1_101);
    assert_eq!(problems(&store), [] as [&str; 0]);
    let other = "the checkpoint over 1000 entries in w: its root is not that of the first entries of the log";
    assert_eq!(told(&store, vec![kept]), [other]);
}

#[test]
fn who_takes_another_key_is_found_by_a_checkpoint_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), 10);
    let kept = store.last_checkpoint().unwrap().unwrap();
    let stranger = SigningKey::from_seed(Checkpoint::of_note(&kept).unwrap().origin, [9; 32]).unwrap();
    // A state that is the log's, signed by a key that it does not know.
    let forged = Checkpoint::of_note(&kept).unwrap().sign(&stranger).unwrap();
    let found = store.verify_audit(
        [kept, forged.clone()].map(|note| OutsideCheckpoint { source: "w".to_owned(), note }).to_vec(),
        Vec::new(),
    );
    let states: Vec<_> = found.unwrap().outside.into_iter().map(|(_, state)| state == OutsideState::Holds).collect();
    assert_eq!(states, [true, false]);
    // The same in the store, where nobody goes on from it.
    store.connection().execute("UPDATE audit_checkpoint SET note = ?1", [forged.to_string()]).unwrap();
    assert!(problems(&store)[0].starts_with("the checkpoint over 10 entries: it has no signature of the key"));
    let refused = store.checkpoint(&[], 1);
    assert!(matches!(refused, Err(CheckpointFailure::Contradiction { size: 10 })), "{refused:?}");
}

#[test]
fn keys_follow_one_another_and_each_signs_its_part() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), 10);
    let first = store.last_checkpoint().unwrap().unwrap();
    let by = || Actor::unauthenticated("ann");
    let second = store.rotate_key(by(), 2).unwrap();
    store.record(&[entry(3)]).unwrap();
    let third = store.rotate_key(by(), 4).unwrap();
    let sizes = [&first, &second, &third].map(|note| Checkpoint::of_note(note).unwrap().size);
    assert_eq!(sizes, [10, 11, 13]);
    assert!(!folder.path().join("audit.key.next").exists());
    assert_eq!(told(&store, vec![first.clone(), second.clone(), third.clone()]), [] as [&str; 0]);
    // A key that was made and of which the log says nothing signs nothing: the process died before.
    let stray = SigningKey::from_seed("stray", [1; 32]).unwrap();
    std::fs::write(folder.path().join("audit.key.next"), stray.reveal()).unwrap();
    store.checkpoint(&[entry(5)], 5).unwrap();
    assert_eq!(problems(&store), [] as [&str; 0]);
    // One of which the log says that it signs takes its place.
    std::fs::rename(folder.path().join("audit.key"), folder.path().join("audit.key.next")).unwrap();
    std::fs::write(folder.path().join("audit.key"), stray.reveal()).unwrap();
    store.checkpoint(&[entry(6)], 6).unwrap();
    assert_eq!(problems(&store), [] as [&str; 0]);
    // Somebody who has only the database hands over to a key of their own.
    let by = Actor::unauthenticated("eve");
    let note = Note::sign("palisade key rotation\n", &[&stray]).unwrap().to_string();
    store.record(&[Entry::new(7, What::KeyRotated { by, key: stray.verifying().to_string(), note })]).unwrap();
    assert!(problems(&store)[0].starts_with("entry 15: the key was not handed over"), "{:?}", problems(&store));
}

#[test]
fn a_key_that_is_gone_is_not_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), 10);
    std::fs::remove_file(folder.path().join("audit.key")).unwrap();
    let refused = store.checkpoint(&[], 1).unwrap_err();
    assert!(matches!(refused, CheckpointFailure::Key(AuditKeyError::Gone { .. })), "{refused}");
}

fn run(number: u64) -> RunId {
    RunId::new(number, [5; 10])
}

fn append(store: &Store, run: RunId, kinds: &[&str], entries: Vec<NewEntry>) {
    let after = store.run(run).unwrap().map_or(0, |row| row.head.seq);
    let events: Vec<_> = kinds.iter().map(|kind| NewEvent { kind, bytes: b"{}" }).collect();
    let summary = RunSummary {
        title: "t".to_owned(),
        status: "succeeded".to_owned(),
        started_ms: 0,
        ended_ms: None,
        items: None,
        parent: None,
        key: None,
    };
    let append = Append { events: &events, entries, summary: Some(summary), ..Append::default() };
    store.append(run, after, append).unwrap();
}

fn ended(run: RunId, event: usize) -> NewEntry {
    let what = What::RunEnded {
        status: "succeeded".to_owned(),
        plan: Digest::of(b"p"),
        runbook: Digest::of(b"r"),
        rulesets: Vec::new(),
    };
    NewEntry { event, entry: Entry::of_run(run, 1, what) }
}

fn began(run: RunId) -> NewEntry {
    NewEntry { event: 0, entry: Entry::of_run(run, 1, What::RunKnown { status: "running".to_owned() }) }
}

#[test]
fn journals_are_held_against_what_entries_commit_to() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), TenantId::default()).unwrap();
    append(&store, run(1), &["Old"], Vec::new());
    append(&store, run(2), &["A", "B", "C"], vec![began(run(2)), ended(run(2), 2)]);
    assert_eq!(problems(&store), [] as [&str; 0]);
    // The run that was there before the log is its first entry.
    let first = store.audit_entries(0, 1, 1, None).unwrap().pop().unwrap();
    let first = Entry::from_bytes(&first.bytes).unwrap();
    assert_eq!((first.run, first.event.unwrap().seq), (Some(run(1)), 1));
    // One that comes without an entry.
    append(&store, run(3), &["A"], Vec::new());
    assert_eq!(problems(&store), [format!("run {} is there, and no entry says that it began", run(3))]);
    store.connection().execute_batch("DELETE FROM event WHERE run = (SELECT max(run) FROM run)").unwrap();
    store.connection().execute_batch("DELETE FROM run WHERE run = (SELECT max(run) FROM run)").unwrap();
    // A whole journal made anew, hashes and all.
    let rewrite = |head: Head, kinds: &[&str]| {
        let (mut head, run) = (head, run(2));
        store.connection().execute("DELETE FROM event WHERE run = ?1", [run.as_bytes()]).unwrap();
        for kind in kinds {
            head = head.next(kind, b"{}");
            let sql = "INSERT INTO event VALUES ('default', ?1, ?2, ?3, ?4, ?5)";
            let row = params![run.as_bytes(), head.seq.cast_signed(), kind, b"{}", head.hash.as_bytes()];
            store.connection().execute(sql, row).unwrap();
        }
        let sql = "UPDATE run SET head_seq = ?2, head_hash = ?3 WHERE run = ?1";
        let row = params![run.as_bytes(), head.seq.cast_signed(), head.hash.as_bytes()];
        store.connection().execute(sql, row).unwrap();
        store.verify(run).unwrap();
    };
    let told = |what: &str, number: u64| [format!("entry {number}: run {}: {what}", run(2))];
    rewrite(Head::start(run(2)), &["A", "X", "C"]);
    assert_eq!(problems(&store), told("event 3 of its journal, or one before it, is another", 2));
    rewrite(Head::start(run(2)), &["A", "B"]);
    assert_eq!(problems(&store), told("event 3 of its journal is missing", 2));
    rewrite(Head::start(run(2)), &["A", "B", "C", "D"]);
    assert_eq!(problems(&store), told("its journal goes on behind its end, event 3", 2));
    rewrite(Head::start(run(2)), &["A", "B", "C"]);
    assert_eq!(problems(&store), [] as [&str; 0]);
    store
        .connection()
        .execute("UPDATE event SET bytes = X'7B207D' WHERE run = ?1 AND seq = 2", [run(2).as_bytes()])
        .unwrap();
    assert_eq!(problems(&store), told("event 2 of its journal is not what was written", 2));
    store.connection().execute("DELETE FROM event WHERE run = ?1", [run(2).as_bytes()]).unwrap();
    store.connection().execute("DELETE FROM run WHERE run = ?1", [run(2).as_bytes()]).unwrap();
    assert_eq!(problems(&store), told("its journal is gone, and no entry says that it was removed", 2));
    store
        .record(&[Entry::new(1, What::RunsRemoved { by: Actor::unauthenticated("ann"), runs: vec![run(2)] })])
        .unwrap();
    assert_eq!(problems(&store), [] as [&str; 0]);
}

#[test]
fn a_file_leads_to_the_run_that_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), TenantId::default()).unwrap();
    let digest = Digest::of(b"the file");
    for number in 1..4 {
        let keyed = store.run_key(run(number)).unwrap().digest(digest.as_bytes());
        let files = vec![Exported { what: "output found".to_owned(), keyed }];
        // The key of another run opens nothing.
        let of = if number == 2 { run(9) } else { run(number) };
        let entry = Entry::of_run(of, 1, What::FilesExported { files });
        store.record(&[entry]).unwrap();
    }
    let asked = [digest, Digest::of(b"the file.")].map(|digest| FileToFind { name: "f".to_owned(), digest });
    let found = store.verify_audit(Vec::new(), asked.to_vec()).unwrap();
    let runs: Vec<Vec<_>> =
        found.files.iter().map(|(_, by)| by.iter().map(|by| (by.entry, by.run)).collect()).collect();
    assert_eq!(runs, [vec![(0, run(1)), (2, run(3))], vec![]]);
    // Another process reads the same secret.
    let again = Store::open(folder.path(), TenantId::default()).unwrap();
    assert_eq!(again.run_key(run(1)).unwrap(), store.run_key(run(1)).unwrap());
}

#[test]
fn many_writers_at_once_make_one_log() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path(), TenantId::default()).unwrap());
    std::thread::scope(|scope| {
        for writer in 0..4_u64 {
            let folder = folder.path();
            scope.spawn(move || {
                // As several processes: each with connections of its own.
                let store = Store::open(folder, TenantId::default()).unwrap();
                for number in 0..25 {
                    match writer % 2 {
                        0 => store.record(&[entry(number)]).unwrap(),
                        _ => drop(store.checkpoint(&[entry(number)], number).unwrap()),
                    }
                }
            });
        }
    });
    let store = Store::open(folder.path(), TenantId::default()).unwrap();
    assert_eq!(store.audit_size().unwrap(), 101);
    assert_eq!(problems(&store), [] as [&str; 0]);
}
