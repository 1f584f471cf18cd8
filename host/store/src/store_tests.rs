//! The store on a real disk: what goes in comes out, also after opening it again, and what is wrong is said.

use crate::fault::Fault;
use crate::reading::PART;
use crate::*;
use palisade_model::{Digest, Manifest, RunId, TenantId};
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn open(folder: &Path) -> Store {
    Store::open(folder, TenantId::default()).unwrap()
}

fn run(number: u8) -> RunId {
    RunId::new(u64::from(number), [number; 10])
}

fn summary() -> Option<RunSummary> {
    Some(RunSummary {
        title: "t".to_owned(),
        status: "running".to_owned(),
        started_ms: 1,
        ended_ms: Some(2),
        items: None,
        parent: None,
        key: None,
    })
}

fn event(bytes: &[u8]) -> NewEvent<'_> {
    NewEvent { kind: "Did", bytes }
}

fn append(store: &Store, number: u8, after: u64, events: &[NewEvent<'_>]) -> Result<Head, AppendError> {
    store.append(run(number), after, Append { events, summary: summary(), ..Append::default() })
}

fn spool(store: &Store, part: usize, chunks: &[&[u8]]) -> Spool {
    let mut spool = store.spool(part);
    for chunk in chunks {
        spool.append(chunk).unwrap();
    }
    spool
}

fn keep(store: &Store, items: Pending) -> Digest {
    let artifact = NewArtifact::new("thing/1.0.0".parse().unwrap(), json!({"a": 1}), items);
    let digest = artifact.digest();
    let after = store.run(run(1)).unwrap().map_or(0, |row| row.head.seq);
    let events = [event(b"{}")];
    let append = Append { events: &events, artifacts: vec![artifact], summary: summary(), ..Append::default() };
    store.append(run(1), after, append).unwrap();
    digest
}

fn read_to_end(mut reader: ItemsReader, max_bytes: usize) -> (Vec<u8>, u64) {
    let (mut all, mut buffer) = (Vec::new(), Vec::new());
    let mut next = reader.range().first();
    while let Some(batch) = reader.next(max_bytes, &mut buffer).unwrap() {
        assert_eq!(batch.first, next);
        assert_eq!(batch.items as usize, buffer.iter().filter(|&&byte| byte == b'\n').count());
        assert!(buffer.ends_with(b"\n"));
        next += batch.items;
        all.extend_from_slice(&buffer);
    }
    assert!(reader.next(max_bytes, &mut buffer).unwrap().is_none());
    (all, next - reader.range().first())
}

#[test]
fn events_come_back_as_they_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert_eq!(append(&store, 1, 0, &[event(b"{\"a\":1}"), event(b"{ }")]).unwrap().seq, 2);
    let head = append(&store, 1, 2, &[event(b"{}")]).unwrap();
    append(&store, 2, 0, &[event(b"{}")]).unwrap();
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.verify(run(1)).unwrap(), head);
    let bytes = |after, limit| -> Vec<_> {
        store.events(run(1), after, limit).unwrap().into_iter().map(|event| (event.seq, event.bytes)).collect()
    };
    assert_eq!(bytes(0, 2), [(1, b"{\"a\":1}".to_vec()), (2, b"{ }".to_vec())]);
    assert_eq!(bytes(2, 9), [(3, b"{}".to_vec())]);
    let runs: Vec<_> = store.runs().unwrap().iter().map(|row| row.run).collect();
    assert_eq!(runs, [run(2), run(1)]);
}

#[test]
fn the_hash_is_the_documented_one() {
    let head = Head::start(run(1)).next("Did", b"{}");
    let start = Digest::of(run(1).as_bytes());
    let chained = [start.as_bytes().as_slice(), &1_u64.to_be_bytes(), b"Did", b"{}"].concat();
    assert_eq!(head, Head { seq: 1, hash: Digest::of(&chained) });
}

#[test]
fn an_append_at_the_wrong_place_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&store, 1, 0, &[event(b"{}")]).unwrap();
    for after in [0, 2] {
        let refused = append(&store, 1, after, &[event(b"{}")]).unwrap_err();
        assert_eq!(refused.to_string(), format!("run {} is at event 1, not {after}", run(1)));
    }
    assert!(matches!(append(&store, 2, 1, &[event(b"{}")]), Err(AppendError::Conflict { found: 0, .. })));
    let without = store.append(run(3), 0, Append { events: &[event(b"{}")], ..Append::default() });
    assert!(matches!(without, Err(AppendError::NoSummary { .. })));
    assert_eq!(store.runs().unwrap().len(), 1);
}

#[test]
fn an_event_of_the_wrong_form_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for kind in ["", "a b", "a{", &"x".repeat(65)] {
        let refused = append(&store, 1, 0, &[NewEvent { kind, bytes: b"{}" }]);
        assert!(matches!(refused, Err(AppendError::Form { .. })), "{kind}");
    }
    assert!(matches!(append(&store, 1, 0, &[event(b"[]")]), Err(AppendError::Form { .. })));
    assert!(append(&store, 1, 0, &[NewEvent { kind: &"x".repeat(64), bytes: b"{}" }]).is_ok());
}

/// The numbers of all events of a run, as one who follows it gets them.
fn read_in_pages(store: &Store, run: RunId) -> Result<Vec<u64>, VerifyError> {
    let (mut journal, mut all) = (store.journal(run), Vec::new());
    loop {
        let page = journal.next_page()?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page.iter().map(|event| event.seq));
    }
}

/// Wherever an event lies in its part of a journal that threads read side by side.
#[test]
fn a_long_journal_that_was_touched_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let count = 5 * PART + 7;
    let head = append(&store, 1, 0, &vec![event(b"{}"); count as usize]).unwrap();
    let read =
        |made: &mut Vec<u64>| store.read_events(run(1), Head::start(run(1)), made, |seq, _| Ok::<_, VerifyError>(seq));
    let mut all = vec![0];
    assert_eq!(read(&mut all).unwrap(), head);
    assert!(all.iter().copied().eq(0..=count) && store.verify(run(1)).unwrap() == head);
    let refused = |_: u64, _: &[u8]| Err::<u64, _>(VerifyError::Changed { run: run(9), seq: 9 });
    let refused = store.read_events(run(1), Head::start(run(1)), &mut all, refused).unwrap_err();
    assert!(matches!(refused, VerifyError::Changed { seq: 9, .. }) && all.len() as u64 == count + 1);
    let places = (0..6).flat_map(|part| [1, 2, PART / 2, PART].map(|place| part * PART + place));
    for seq in places.filter(|seq| *seq <= count).chain([count - 1, count]) {
        for change in [
            "UPDATE event SET bytes = x'7b7c' WHERE seq = SEQ",
            "UPDATE event SET kind = 'Dif' WHERE seq = SEQ",
            "UPDATE event SET hash = zeroblob(32) WHERE seq = SEQ",
            "DELETE FROM event WHERE seq = SEQ",
            "DELETE FROM event WHERE seq >= SEQ",
            "UPDATE event SET seq = 1000000 WHERE seq = SEQ",
        ] {
            let change = change.replace("SEQ", &seq.to_string());
            let keep = "CREATE TEMP TABLE before AS SELECT * FROM event";
            store.connection().execute_batch(&format!("BEGIN; {keep}; {change}; COMMIT")).unwrap();
            let noticed = store.verify(run(1)).unwrap_err();
            assert!(told(&noticed) == seq, "{change}: {noticed}");
            assert_eq!(read_in_pages(&store, run(1)).unwrap_err().to_string(), noticed.to_string(), "{change}");
            assert_eq!(read(&mut all).unwrap_err().to_string(), noticed.to_string(), "{change}");
            assert_eq!(all.len() as u64, count + 1);
            let back = "BEGIN; DELETE FROM event; INSERT INTO event SELECT * FROM before; DROP TABLE before; COMMIT";
            store.connection().execute_batch(back).unwrap();
        }
    }
    assert_eq!(store.verify(run(1)).unwrap(), head);
}

/// The first event that is not what was written.
fn told(noticed: &VerifyError) -> u64 {
    match noticed {
        VerifyError::Changed { seq, .. } | VerifyError::Gap { expected: seq, .. } => *seq,
        VerifyError::Head { found, .. } => found + 1,
        VerifyError::Unknown { .. } | VerifyError::Fault(_) => 0,
    }
}

#[test]
fn a_journal_that_was_touched_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let touched = |sql: &str| {
        let store = open(folder.path());
        drop(store.remove_component(&"a:b".parse().unwrap(), &semver::Version::new(1, 0, 0), &[]));
        let number = store.runs().unwrap().len() as u8 + 1;
        append(&store, number, 0, &[event(b"{\"a\":1}"), event(b"{\"a\":2}"), event(b"{\"a\":3}")]).unwrap();
        assert!(store.verify(run(number)).is_ok());
        store
            .connection()
            .execute_batch(&sql.replace("RUN", &format!("run = x'{}'", run(number).to_string().replace('-', ""))))
            .unwrap();
        let noticed = store.verify(run(number)).unwrap_err();
        assert_eq!(read_in_pages(&store, run(number)).unwrap_err().to_string(), noticed.to_string());
        noticed
    };
    assert!(matches!(
        touched("UPDATE event SET bytes = CAST('{}' AS BLOB) WHERE RUN AND seq = 2"),
        VerifyError::Changed { seq: 2, .. }
    ));
    assert!(matches!(
        touched("UPDATE event SET kind = 'Didnt' WHERE RUN AND seq = 1"),
        VerifyError::Changed { seq: 1, .. }
    ));
    assert!(matches!(touched("DELETE FROM event WHERE RUN AND seq = 1"), VerifyError::Gap { expected: 1, .. }));
    assert!(matches!(
        touched("DELETE FROM event WHERE RUN AND seq = 3"),
        VerifyError::Head { expected: 3, found: 2, .. }
    ));
    assert!(matches!(open(folder.path()).verify(run(99)), Err(VerifyError::Unknown { .. })));
}

#[test]
fn a_run_is_found_by_its_beginning_or_as_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert!(matches!(store.find_run("last"), Err(FindRunError::None { .. })));
    append(&store, 1, 0, &[]).unwrap();
    append(&store, 2, 0, &[]).unwrap();
    assert_eq!(store.find_run("last").unwrap(), run(2));
    assert_eq!(store.find_run(&run(1).to_string().to_uppercase()).unwrap(), run(1));
    assert_eq!(store.find_run(&run(1).to_string()[..13]).unwrap(), run(1));
    assert!(matches!(store.find_run("0"), Err(FindRunError::Several { count: 2, .. })));
    assert!(matches!(store.find_run(""), Err(FindRunError::None { .. })));
    assert!(matches!(store.find_run("zz"), Err(FindRunError::None { .. })));
    for (text, expected) in [("last~0", 2), ("last~1", 1), ("LAST~01", 1)] {
        assert_eq!(store.find_run(text).unwrap(), run(expected), "{text}");
    }
    assert_eq!(store.find_run(&format!("{}~1", run(2))).unwrap(), run(1));
    for beyond in ["last~2", "last~", "last~x", "last~-1", "last~+1", "last~1~0", "~1", "last~99999999999999999999"] {
        assert!(matches!(store.find_run(beyond), Err(FindRunError::None { .. })), "{beyond}");
    }
    assert!(matches!(store.find_run("0~1"), Err(FindRunError::Several { count: 2, .. })));
}

#[test]
fn a_small_artifact_is_in_the_database_and_a_large_one_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let line = [b"x".repeat(1_023).as_slice(), b"\n"].concat();
    for (count, segments) in [(64, 0), (65, 1)] {
        let bytes = line.repeat(count);
        let digest = keep(&store, store.join(vec![spool(&store, 0, &[&bytes])]).unwrap());
        let artifact = open(folder.path()).artifact(digest).unwrap().unwrap();
        assert_eq!((artifact.items.lines(), artifact.items.segments().len()), (count as u64, segments));
        assert_eq!(artifact.items.digest(), Digest::of(&bytes));
        assert_eq!(artifact.items.read_all().unwrap(), bytes);
        assert_eq!(artifact.metadata, json!({"a": 1}));
    }
}

#[test]
fn parts_are_joined_in_order_without_being_copied() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let chunk = |letter: &str, count: usize| format!("{}\n", letter.repeat(99)).repeat(count).into_bytes();
    let parts = [chunk("a", 10), chunk("b", 9_000), chunk("c", 1), Vec::new(), chunk("d", 9_000), chunk("e", 5)];
    let spools = parts.iter().enumerate().map(|(part, bytes)| spool(&store, part, &[bytes])).collect();
    let pending = store.join(spools).unwrap();
    let whole = parts.concat();
    assert_eq!(pending.content().digest(), Digest::of(&whole));
    let digest = keep(&store, pending);
    let items = store.artifact(digest).unwrap().unwrap().items;
    // The first lines got a file of their own, the lines behind a file went into it.
    assert_eq!(items.segments().iter().map(|segment| segment.length).collect::<Vec<_>>(), [1_000, 900_100, 900_500]);
    assert_eq!(read_to_end(items.items(), 100_000), (whole, 18_016));
}

#[test]
fn a_spool_takes_over_another_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    // In memory; in a file and in memory; with a line that is longer than what is read at once.
    let line = |byte: u8, length: usize| [vec![byte; length], vec![b'\n']].concat();
    let long = line(b'l', 3 << 20);
    let parts: [&[&[u8]]; 4] =
        [&[b"a\n"], &[&line(b'b', 300_000), &line(b'c', 300_000), b"d\n"], &[], &[&long, &line(b'e', 900_000)]];
    let mut whole = store.spool(0);
    let mut expected = Vec::new();
    for chunks in parts {
        whole.absorb(spool(&store, 1, chunks)).unwrap();
        expected.extend(chunks.concat());
    }
    assert_eq!((whole.length(), whole.lines()), (expected.len() as u64, 6));
    let joined = store.join(vec![whole]).unwrap();
    assert_eq!(joined.content().digest(), Digest::of(&expected));
    assert_eq!(read_to_end(joined.content().items(), 100_000), (expected, 6));
}

#[test]
fn only_whole_lines_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut spool = store.spool(0);
    assert!(matches!(spool.append(b"a\nb"), Err(SpoolError::NotLines)));
    assert_eq!(spool.append(b"").unwrap(), 0);
    assert_eq!(spool.append(b"a\nb\n").unwrap(), 2);
    assert_eq!((spool.lines(), spool.length()), (2, 4));
}

#[test]
fn an_item_larger_than_the_batch_comes_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let large = [b"x".repeat(300_000).as_slice(), b"\n"].concat();
    let whole = [b"a\n".as_slice(), &large, b"b\n"].concat();
    let pending = store.join(vec![spool(&store, 0, &[&whole])]).unwrap();
    let mut reader = pending.content().items();
    let mut buffer = Vec::new();
    let lengths: Vec<_> =
        std::iter::from_fn(|| reader.next(16, &mut buffer).unwrap().map(|batch| (batch.first, batch.items))).collect();
    assert_eq!(lengths, [(0, 1), (1, 1), (2, 1)]);
}

#[test]
fn equal_contents_are_stored_once_and_can_be_read_until_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let bytes = b"0123456789\n".repeat(10_000);
    let files = || walk(&folder.path().join("artifacts"));
    let first = store.join(vec![spool(&store, 0, &[&bytes])]).unwrap();
    let second = store.join(vec![spool(&store, 0, &[&bytes])]).unwrap();
    let unused = store.join(vec![spool(&store, 0, &[&bytes])]).unwrap();
    assert_eq!(files(), 3);
    drop(unused);
    assert_eq!(files(), 2);
    let copy = second.content().clone();
    keep(&store, first);
    keep(&store, second);
    assert_eq!(read_to_end(copy.items(), 1_000).0, bytes);
    drop(copy);
    assert_eq!(files(), 1);
    drop(store);
    assert_eq!(walk(&folder.path().join("sessions")), 0);
}

fn walk(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { walk(&path) } else { 1 }).sum()
}

#[test]
fn what_a_dead_process_left_is_removed_and_what_a_living_one_writes_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let bytes = b"0123456789\n".repeat(10_000);
    let living = spool(&store, 0, &[&bytes]);
    let dead = "0123456789abcdef0123456789abcdef";
    std::fs::create_dir(folder.path().join("artifacts").join(dead)).unwrap();
    std::fs::write(folder.path().join("artifacts").join(dead).join("0"), "x").unwrap();
    std::fs::write(folder.path().join("sessions").join(dead), "").unwrap();
    std::fs::write(folder.path().join("sessions/other"), "").unwrap();
    assert_eq!(walk(&folder.path().join("artifacts")), 2);
    let other = open(folder.path());
    assert_eq!(walk(&folder.path().join("artifacts")), 1);
    assert!(!folder.path().join("artifacts").join(dead).exists());
    keep(&store, store.join(vec![living]).unwrap());
    drop((store, other));
    assert_eq!(walk(&folder.path().join("artifacts")), 1);
}

#[test]
fn a_segment_that_was_cut_or_changed_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let digest = keep(&store, store.join(vec![spool(&store, 0, &[&b"0123456789\n".repeat(10_000)])]).unwrap());
    let items = store.artifact(digest).unwrap().unwrap().items;
    let path = items.segments()[0].path.clone();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..50_000]).unwrap();
    assert!(matches!(items.read_all(), Err(Fault::Damaged { .. })));
    std::fs::write(&path, b"1".repeat(bytes.len())).unwrap();
    assert!(items.read_all().unwrap_err().to_string().contains("do not have the digest"));
    let ended = items.items().next(10, &mut Vec::new()).unwrap_err();
    assert!(ended.to_string().ends_with("is damaged: an item has no end"), "{ended}");
    std::fs::remove_file(&path).unwrap();
    assert!(items.read_all().unwrap_err().to_string().ends_with("is damaged: it is gone"));
    store.connection().execute("UPDATE segment SET file = '../../../etc/passwd'", []).unwrap();
    assert!(matches!(store.artifact(digest), Err(Fault::Damaged { .. })));
}

#[test]
fn an_artifact_whose_row_was_changed_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let digest = keep(&store, store.join(vec![spool(&store, 0, &[b"{}\n"])]).unwrap());
    assert!(store.artifact(Digest::of(b"other")).unwrap().is_none());
    store.connection().execute("UPDATE artifact SET metadata = '{\"a\":2}'", []).unwrap();
    let noticed = store.artifact(digest).unwrap_err();
    assert!(noticed.to_string().ends_with("it does not have its digest"), "{noticed}");
}

/// Runs `damage` over a sound store, given its folder and the file of its large artifact, and gives what is then found.
fn found_after(damage: impl FnOnce(&Store, &Path)) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let line = b"0123456789\n";
    let digest = keep(&store, store.join(vec![spool(&store, 0, &[&line.repeat(50_000)])]).unwrap());
    keep(&store, store.join(vec![spool(&store, 0, &[line])]).unwrap());
    store.add_component(&manifest("acme:x", "1.0.0"), b"wasm", &[]).unwrap();
    append(&store, 2, 0, &[event(b"{\"a\":1}"), event(b"{}"), event(b"{}")]).unwrap();
    let mut seen = 0;
    let sound = store.inspect(|bytes| seen = bytes).unwrap();
    assert_eq!((sound.runs, sound.artifacts, sound.contents, sound.damage_count), (2, 2, 3, 0), "{:?}", sound.damages);
    assert_eq!((sound.bytes, seen), (550_000 + 11 + 4, 550_000.max(seen)));
    let items = store.artifact(digest).unwrap().unwrap().items;
    damage(&store, &items.segments()[0].path);
    let found = store.inspect(|_| {}).unwrap();
    assert_eq!(found.damage_count, found.damages.len() as u64);
    found.damages.iter().map(ToString::to_string).collect()
}

#[test]
fn every_damage_is_found_where_it_is() {
    let check = |damage: &dyn Fn(&Store, &Path), expected: &str| {
        let found = found_after(damage);
        assert!(found.len() == 1 && found[0].contains(expected), "`{expected}` and not {found:?}");
    };
    let sql = |text: &'static str| move |store: &Store, _: &Path| store.connection().execute_batch(text).unwrap();
    let flip = |at: usize| {
        move |_: &Store, file: &Path| {
            let mut bytes = std::fs::read(file).unwrap();
            bytes[at] ^= 1;
            std::fs::write(file, bytes).unwrap();
        }
    };
    check(&flip(0), "the bytes do not have the digest");
    check(&flip(549_999), "the bytes do not have the digest");
    check(&|_, file| std::fs::write(file, b"x").unwrap(), "it has 1 bytes and not 550000");
    check(&|_, file| std::fs::remove_file(file).unwrap(), "it is gone");
    check(&sql("UPDATE content SET bytes = CAST('wasn' AS BLOB) WHERE length = 4"), "do not have the digest");
    check(&sql("UPDATE content SET lines = 2 WHERE length = 11"), "counted the lines");
    let wrong_mark = "UPDATE content SET marks = x'00000000000800000000000000000001' WHERE length = 550000";
    check(&sql(wrong_mark), "counted the lines");
    check(&sql("UPDATE event SET bytes = CAST('{}' AS BLOB) WHERE length(bytes) = 7"), "event 1 is not what");
    check(&sql("UPDATE run SET head_seq = 9 WHERE head_seq = 3"), "the events end at 3");
    check(&sql("UPDATE artifact SET schema = 'other/1.0.0' WHERE rowid = 1"), "it does not have its digest");
    check(&sql("UPDATE component SET manifest = '{}'"), "the manifest of component");
    check(&sql("PRAGMA foreign_keys = OFF; DELETE FROM run WHERE head_seq = 3"), "3 rows of `event`");
}

#[test]
fn tenants_see_nothing_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let ours = open(folder.path());
    let theirs = Store::open(folder.path(), "other".parse().unwrap()).unwrap();
    let bytes = b"0123456789\n".repeat(10_000);
    let digest = keep(&ours, ours.join(vec![spool(&ours, 0, &[&bytes])]).unwrap());
    ours.add_component(&manifest("acme:x", "1.0.0"), b"wasm", &[]).unwrap();
    assert!(theirs.artifact(digest).unwrap().is_none());
    assert!(theirs.content(Digest::of(&bytes)).unwrap().is_none());
    assert!(theirs.runs().unwrap().is_empty() && theirs.components().unwrap().is_empty());
    append(&theirs, 1, 0, &[event(b"{}")]).unwrap();
    assert_eq!(ours.verify(run(1)).unwrap().seq, 1);
}

#[test]
fn bytes_of_any_form_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let large: Vec<u8> = (0..1_000_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    for bytes in [b"".as_slice(), b"\0asm\x01", &large] {
        let pending = store.prepare(bytes).unwrap();
        let head = store.run(run(1)).unwrap().map_or(0, |row| row.head.seq);
        let append = Append { contents: vec![pending], summary: summary(), ..Append::default() };
        store.append(run(1), head, append).unwrap();
        let content = open(folder.path()).content(Digest::of(bytes)).unwrap().unwrap();
        assert_eq!(content.read_all().unwrap(), bytes);
    }
}

#[test]
fn only_the_owner_can_look_into_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let store = open(&data);
    let _spool = spool(&store, 0, &[&b"0123456789\n".repeat(10_000)]);
    append(&store, 1, 0, &[event(b"{}")]).unwrap();
    let mut seen = 0;
    let mut folders = vec![data.clone()];
    while let Some(folder) = folders.pop() {
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700, "{}", folder.display());
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                seen += 1;
                assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
            }
        }
    }
    assert!(seen >= 5, "database, its two files, .gitignore, segment and session: {seen}");
    drop(store);
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    drop(open(&data));
    assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn the_latest_runs_are_listed_by_status_and_without_those_of_other_runs() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let all = [
        (1, "failed", None),
        (2, "succeeded", None),
        (3, "failed", None),
        (4, "running", None),
        (5, "failed", Some(4)),
    ];
    for (number, status, parent) in all {
        let (status, parent) = (status.to_owned(), parent.map(run));
        let summary = Some(RunSummary { status, items: Some(7), parent, ..summary().unwrap() });
        let append = Append { events: &[event(b"{}")], summary, ..Append::default() };
        store.append(run(number), 0, append).unwrap();
    }
    let check = |limit, started, status, expected: &[u8]| {
        let found: Vec<_> = store.latest_runs(limit, started, status).unwrap().iter().map(|row| row.run).collect();
        assert_eq!(found, expected.iter().map(|number| run(*number)).collect::<Vec<_>>());
    };
    check(9, Started::ByPeople, None, &[4, 3, 2, 1]);
    check(9, Started::ByAny, None, &[5, 4, 3, 2, 1]);
    check(9, Started::ByRuns, None, &[5]);
    check(2, Started::ByPeople, None, &[4, 3]);
    check(1, Started::ByPeople, Some("failed"), &[3]);
    check(1, Started::ByAny, Some("failed"), &[5]);
    check(9, Started::ByAny, Some("unheard"), &[]);
    let summary = store.run(run(5)).unwrap().unwrap().summary;
    assert_eq!((summary.items, summary.parent), (Some(7), Some(run(4))));
    assert_eq!(store.find_run("last").unwrap(), run(4), "the latest that a person started");
}

#[test]
fn a_key_names_one_run_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (store, other) = (open(folder.path()), open(folder.path()));
    let begin = |store: &Store, number, key: &str| {
        let summary = Some(RunSummary { key: Some(key.to_owned()), ..summary().unwrap() });
        store.append(run(number), 0, Append { events: &[event(b"{}")], summary, ..Append::default() })
    };
    begin(&store, 1, "nightly").unwrap();
    let taken = begin(&other, 2, "nightly").unwrap_err();
    assert!(matches!(taken, AppendError::KeyTaken { run: has } if has == run(1)), "{taken}");
    assert!(other.run(run(2)).unwrap().is_none(), "nothing of it was written");
    begin(&other, 2, "weekly").unwrap();
    // Its own later events don't ask for the key again.
    let summary = store.run(run(1)).unwrap().unwrap().summary;
    store.append(run(1), 1, Append { events: &[event(b"{}")], summary: Some(summary), ..Append::default() }).unwrap();
    let of = |key: &str| store.run_of_key(key).unwrap();
    assert_eq!((of("nightly"), of("weekly"), of("yearly")), (Some(run(1)), Some(run(2)), None));
}

#[test]
fn a_request_waits_until_the_events_that_answer_it_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert_eq!(store.ask(run(1), b"{}").unwrap(), None, "there is no such run");
    append(&store, 1, 0, &[event(b"{}")]).unwrap();
    append(&store, 2, 0, &[event(b"{}")]).unwrap();
    let other = open(folder.path());
    let before = store.changes().unwrap();
    let ids: Vec<i64> = (0..100).map(|_| other.ask(run(1), b"{\"kind\":\"x\"}").unwrap().unwrap()).collect();
    assert_ne!(store.changes().unwrap(), before, "whoever works on the run sees that somebody wrote");
    assert_eq!(other.ask(run(1), b"{}").unwrap(), None, "100 wait at most");
    let waiting = |number| store.asked(run(number)).unwrap().iter().map(|asked| asked.id).collect::<Vec<_>>();
    assert_eq!((waiting(1), waiting(2)), (ids.clone(), vec![]));
    let answer = |number, after, answered| {
        let append = Append { events: &[event(b"{}")], answered, ..Append::default() };
        store.append(run(number), after, append)
    };
    // Not by the events of another run, and not with events that were refused.
    answer(2, 1, vec![ids[0]]).unwrap();
    answer(1, 7, vec![ids[0]]).unwrap_err();
    assert_eq!(waiting(1).len(), 100);
    answer(1, 1, vec![ids[0], ids[2]]).unwrap();
    assert_eq!(waiting(1)[..2], [ids[1], ids[3]]);
    drop((store, other));
    assert_eq!(open(folder.path()).asked(run(1)).unwrap().len(), 98, "they outlive the process");
}

#[test]
fn what_attempts_used_is_found_by_their_component() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
    let used = |component, event, bytes: &[u8]| NewUsage { component, event, bytes: bytes.to_vec() };
    for number in 1..=3 {
        let events = [event(b"{}"), event(b"{}")];
        let text = format!("{{\"run\":{number}}}");
        let usages = vec![used(one, 0, text.as_bytes()), used(one, 1, b"{}"), used(other, 1, b"{\"other\":1}")];
        store
            .append(run(number), 0, Append { events: &events, usages, summary: summary(), ..Append::default() })
            .unwrap();
    }
    let check = |component, limit, expected: &[&str]| {
        let found: Vec<_> = store
            .usages(component, limit)
            .unwrap()
            .into_iter()
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .collect();
        assert_eq!(found, expected);
    };
    check(one, 3, &["{}", "{\"run\":3}", "{}"]);
    check(one, 99, &["{}", "{\"run\":3}", "{}", "{\"run\":2}", "{}", "{\"run\":1}"]);
    check(other, 1, &["{\"other\":1}"]);
    check(Digest::of(b"nobody"), 9, &[]);
}

#[test]
fn a_journal_is_read_on_while_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, store) = (open(folder.path()), open(folder.path()));
    append(&writer, 1, 0, &[event(b"{}"), event(b"{}")]).unwrap();
    let mut journal = store.journal(run(1));
    let mut seqs = || journal.next_page().unwrap().iter().map(|event| event.seq).collect::<Vec<_>>();
    assert_eq!(seqs(), [1, 2]);
    assert_eq!(seqs(), Vec::<u64>::new());
    let before = store.changes().unwrap();
    assert_eq!(store.changes().unwrap(), before);
    append(&writer, 1, 2, &[event(b"{}")]).unwrap();
    assert_ne!(store.changes().unwrap(), before);
    assert_eq!(seqs(), [3]);
    assert!(matches!(store.journal(run(2)).next_page(), Err(VerifyError::Unknown { .. })));
}

/// A data directory as the first version of the tables had it.
#[test]
fn a_database_of_before_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let old = rusqlite::Connection::open(folder.path().join("palisade.db")).unwrap();
    old.execute_batch(include_str!("tables.sql")).unwrap();
    old.execute_batch("PRAGMA application_id = 0x506c7364; PRAGMA user_version = 1;").unwrap();
    let head = Head::start(run(1)).next("Did", b"{}");
    let id = run(1);
    let row = rusqlite::params!["default", id.as_bytes(), head.hash.as_bytes()];
    old.execute("INSERT INTO run VALUES (?1, ?2, 1, ?3, 'old', 'succeeded', 5, 6)", row).unwrap();
    old.execute("INSERT INTO event VALUES (?1, ?2, 1, 'Did', CAST('{}' AS BLOB), ?3)", row).unwrap();
    drop(old);
    let store = open(folder.path());
    assert_eq!(store.verify(run(1)).unwrap(), head);
    let summary = store.run(run(1)).unwrap().unwrap().summary;
    assert_eq!((summary.title.as_str(), summary.ended_ms, summary.items), ("old", Some(6), None));
    append(&store, 1, 1, &[event(b"{}")]).unwrap();
    assert_eq!(store.usages(Digest::of(b"x"), 9).unwrap(), Vec::<Vec<u8>>::new());
    drop(store);
    assert_eq!(open(folder.path()).run(run(1)).unwrap().unwrap().head.seq, 2);
}

/// Whoever comes while another makes the tables sees none of them or all.
#[test]
fn a_new_folder_may_be_opened_by_many_at_once() {
    for _ in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let start = std::sync::Barrier::new(6);
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    start.wait();
                    drop(open(folder.path()));
                });
            }
        });
    }
}

#[test]
fn a_database_that_can_not_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, prepare: &dyn Fn(&Path), expected: &str| {
        let data = folder.path().join(name);
        drop(open(&data));
        prepare(&data.join("palisade.db"));
        let error = Store::open(&data, TenantId::default()).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    };
    let sql =
        |sql: &'static str| move |path: &Path| rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
    check("newer", &sql("PRAGMA user_version = 99"), "written by a newer Palisade: its tables have version 99");
    check("foreign", &sql("PRAGMA application_id = 1"), "not Palisade's");
    let text =
        |path: &Path| std::fs::write(path, "this is no database, but it is long enough to look at ".repeat(9)).unwrap();
    check("text", &text, "is damaged: it is no SQLite database");
    let folder_instead = |path: &Path| {
        std::fs::remove_file(path).unwrap();
        std::fs::create_dir(path).unwrap();
    };
    check("folder", &folder_instead, "can't be used");
    let link = |path: &Path| {
        std::fs::rename(path, path.with_extension("old")).unwrap();
        std::os::unix::fs::symlink(path.with_extension("old"), path).unwrap();
    };
    check("link", &link, "can't be used");
}

#[test]
fn a_damaged_page_is_a_typed_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for number in 0..50 {
        append(&store, 1, number, &[event(format!("{{\"a\":\"{}\"}}", "x".repeat(3_000)).as_bytes())]).unwrap();
    }
    drop(store);
    let path = folder.path().join("palisade.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let length = bytes.len();
    bytes[8_192..length].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let error = match Store::open(folder.path(), TenantId::default()) {
        Ok(store) => store.events(run(1), 0, 100).unwrap_err(),
        Err(OpenError::Fault(fault)) => fault,
        Err(other) => unreachable!("{other}"),
    };
    assert!(matches!(error, Fault::Damaged { .. }), "{error:?}");
}

#[test]
fn a_full_database_is_said_and_nothing_is_half_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&store, 1, 0, &[event(b"{}")]).unwrap();
    store.connection().execute_batch("PRAGMA max_page_count = 40").unwrap();
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(400_000));
    let refused = append(&store, 1, 1, &[event(b"{}"), event(large.as_bytes())]).unwrap_err();
    assert!(matches!(refused, AppendError::Fault(Fault::Full { .. })), "{refused}");
    assert_eq!(store.verify(run(1)).unwrap().seq, 1);
    assert_eq!(append(&store, 1, 1, &[event(b"{}")]).unwrap().seq, 2);
}

#[test]
fn two_stores_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for number in 1..=2 {
            let store = open(folder.path());
            scope.spawn(move || {
                for after in 0..50 {
                    append(&store, number, after, &[event(b"{}")]).unwrap();
                }
            });
        }
    });
    let store = open(folder.path());
    assert_eq!((store.verify(run(1)).unwrap().seq, store.verify(run(2)).unwrap().seq), (50, 50));
}

fn manifest(id: &str, version: &str) -> Manifest {
    serde_json::from_value(json!({
        "id": id, "version": version, "title": "t", "description": "", "kind": "analyser", "inputs": [], "outputs": [],
        "config_schema": {}, "schemas": [], "requests": [], "limits": {},
    }))
    .unwrap()
}

#[test]
fn the_registry_keeps_what_was_added() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for version in ["10.0.0", "9.0.0"] {
        assert_eq!(store.add_component(&manifest("acme:pii", version), version.as_bytes(), &[]).unwrap(), Added::New);
    }
    assert_eq!(store.add_component(&manifest("acme:pii", "9.0.0"), b"9.0.0", &[]).unwrap(), Added::Known);
    let store = open(folder.path());
    let known = store.components().unwrap();
    let versions: Vec<_> = known.iter().map(|component| component.manifest.version.to_string()).collect();
    assert_eq!(versions, ["9.0.0", "10.0.0"]);
    assert_eq!(store.content(known[0].digest).unwrap().unwrap().read_all().unwrap(), b"9.0.0");
    let id = known[0].manifest.id.clone();
    assert!(store.remove_component(&id, &known[0].manifest.version, &[]).unwrap());
    assert!(!store.remove_component(&id, &known[0].manifest.version, &[]).unwrap());
    assert_eq!(store.components().unwrap().len(), 1);
}

#[test]
fn the_registry_refuses_what_could_be_mistaken() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.add_component(&manifest("acme:pii_tool", "1.0.0"), b"one", &[]).unwrap();
    let refused = |id: &str, bytes: &[u8]| store.add_component(&manifest(id, "1.0.0"), bytes, &[]).unwrap_err();
    assert!(matches!(refused("acme:pii_tool", b"two"), AddError::OtherDigest { .. }));
    for alike in ["acme:pii-tool", "acme:pii_t0ol", "acrne:pii_tool"] {
        assert!(matches!(refused(alike, b"two"), AddError::Confusable { .. }), "{alike}");
    }
    for (reserved, name) in [
        ("palisade:x", "palisade"),
        ("pa1isade:x", "palisade"),
        ("personal_data:x", "personal_data"),
        ("personal-data:x", "personal_data"),
        ("sqlite:x", "sqlite"),
    ] {
        let text = refused(reserved, b"two").to_string();
        assert!(text.ends_with(&format!("it is, or looks like, `{name}`")), "{text}");
    }
    assert_eq!(store.components().unwrap().len(), 1);
    store.add_component(&manifest("acme:palisade", "1.0.0"), b"three", &[]).unwrap();
}

/// Something done to a store.
#[derive(Debug, Clone)]
enum Operation {
    /// Appends events to a run, with an artifact of that many lines.
    Append { run: u8, events: u8, lines: u16 },
    /// Adds a version of a component.
    Add(u8),
    /// Removes it.
    Remove(u8),
    /// Closes the store and opens it again.
    Reopen,
}

fn some_operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        (1..4_u8, 0..3_u8, 0..5_000_u16).prop_map(|(run, events, lines)| Operation::Append { run, events, lines }),
        (0..4_u8).prop_map(Operation::Add),
        (0..4_u8).prop_map(Operation::Remove),
        Just(Operation::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn it_holds_what_a_plain_map_holds(operations in proptest::collection::vec(some_operation(), 1..16)) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        let mut journals: BTreeMap<u8, Vec<Vec<u8>>> = BTreeMap::new();
        let mut artifacts: BTreeMap<Digest, Vec<u8>> = BTreeMap::new();
        let mut components: BTreeSet<u8> = BTreeSet::new();
        for operation in operations {
            match operation {
                Operation::Append { run: number, events, lines } => {
                    let journal = journals.entry(number).or_default();
                    let bytes: Vec<Vec<u8>> = (0..events).map(|n| format!("{{\"n\":{n}}}").into_bytes()).collect();
                    let written: Vec<_> = bytes.iter().map(|bytes| event(bytes)).collect();
                    let items = b"{\"some\":\"item\"}\n".repeat(usize::from(lines));
                    let pending = store.join(vec![spool(&store, 0, &[&items])]).unwrap();
                    let artifact = NewArtifact::new("thing/1.0.0".parse().unwrap(), json!({}), pending);
                    artifacts.insert(artifact.digest(), items);
                    let append = Append { events: &written, artifacts: vec![artifact], summary: summary(), ..Append::default() };
                    store.append(run(number), journal.len() as u64, append).unwrap();
                    journal.extend(bytes);
                }
                Operation::Add(patch) => {
                    let added = store.add_component(&manifest("acme:x", &format!("1.0.{patch}")), &[patch], &[]).unwrap();
                    prop_assert_eq!(added == Added::New, components.insert(patch));
                }
                Operation::Remove(patch) => {
                    let version = semver::Version::new(1, 0, u64::from(patch));
                    let removed = store.remove_component(&"acme:x".parse().unwrap(), &version, &[]).unwrap();
                    prop_assert_eq!(removed, components.remove(&patch));
                }
                Operation::Reopen => {
                    drop(store);
                    store = open(folder.path());
                }
            }
        }
        for (number, journal) in &journals {
            let events: Vec<_> = store.events(run(*number), 0, 1_000).unwrap().into_iter().map(|event| event.bytes).collect();
            prop_assert_eq!(&events, journal);
            prop_assert_eq!(store.verify(run(*number)).unwrap().seq, journal.len() as u64);
        }
        for (digest, bytes) in &artifacts {
            prop_assert_eq!(&store.artifact(*digest).unwrap().unwrap().items.read_all().unwrap(), bytes);
        }
        let known: Vec<_> = store.components().unwrap().iter().map(|known| known.manifest.version.patch as u8).collect();
        prop_assert_eq!(known, components.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn any_split_of_any_items_gives_them_back(
        lengths in proptest::collection::vec(proptest::collection::vec(prop_oneof![0..40_usize, 0..4_000_usize, 100_000..400_000_usize], 0..12), 1..4),
        parts in 1..6_usize,
        max_bytes in prop_oneof![1..100_usize, 10_000..300_000_usize],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let line = |length: &usize| [b"y".repeat(*length).as_slice(), b"\n"].concat();
        let chunks: Vec<Vec<u8>> = lengths.iter().map(|part| part.iter().flat_map(line).collect()).collect();
        let spools = chunks.iter().enumerate().map(|(part, bytes)| spool(&store, part, &[bytes])).collect();
        let whole = chunks.concat();
        let digest = keep(&store, store.join(spools).unwrap());
        let items = open(folder.path()).artifact(digest).unwrap().unwrap().items;
        prop_assert_eq!(items.digest(), Digest::of(&whole));
        let mut reader = items.items();
        let split = reader.split(parts).unwrap();
        prop_assert!(!split.is_empty() && split.len() <= parts);
        prop_assert!(split.len() == 1 || split.iter().all(|part| part.items() > 0));
        let (mut all, mut next) = (Vec::new(), 0);
        for part in split {
            prop_assert_eq!(part.first(), next);
            let inner = reader.part(part).split(2).unwrap();
            prop_assert_eq!(inner.iter().map(Part::items).sum::<u64>(), part.items());
            let (bytes, count) = read_to_end(reader.part(part), max_bytes);
            prop_assert_eq!((bytes.len() as u64, count), (part.length(), part.items()));
            next += count;
            all.extend(bytes);
        }
        prop_assert!(all == whole);
    }
}

#[test]
fn bytes_of_any_size_go_in_and_come_out_a_piece_at_a_time() {
    use std::io::Read as _;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for size in [0, 1, 64 << 10, (64 << 10) + 1, 700_000] {
        let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let pending = store.prepare_from(Path::new("x"), &mut bytes.as_slice()).unwrap();
        let content = pending.content().clone();
        assert_eq!((content.digest(), content.length()), (Digest::of(&bytes), size));
        let (mut all, mut piece) = (Vec::new(), [0; 1_000]);
        let mut reader = content.bytes();
        loop {
            match reader.read(&mut piece).unwrap() {
                0 => break,
                length => all.extend_from_slice(&piece[..length]),
            }
        }
        assert_eq!(all, bytes, "{size}");
    }
    let unreadable = store.prepare_from(Path::new("x"), &mut Unreadable).unwrap_err();
    assert!(matches!(unreadable, Fault::Io { place, .. } if place == Path::new("x")));
}

struct Unreadable;

impl std::io::Read for Unreadable {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("no"))
    }
}

#[test]
fn bytes_that_were_changed_are_noticed_at_their_end() {
    use std::io::Read as _;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let pending = store.prepare(&vec![b'a'; 200_000]).unwrap();
    let content = pending.content().clone();
    let file = content.segments()[0].path.clone();
    std::fs::write(file, vec![b'b'; 200_000]).unwrap();
    let error = content.bytes().read_to_end(&mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error}");
}

#[test]
fn a_scratch_file_has_no_name_and_can_be_written_anywhere() {
    use std::os::unix::fs::FileExt as _;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let scratch = store.scratch().unwrap();
    scratch.write_all_at(b"x", 10).unwrap();
    scratch.write_all_at(b"y", 0).unwrap();
    let mut bytes = [0; 11];
    scratch.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"y\0\0\0\0\0\0\0\0\0x");
    let inside = std::fs::read_dir(folder.path().join("artifacts")).unwrap().next().unwrap().unwrap();
    assert_eq!(std::fs::read_dir(inside.path()).unwrap().count(), 0);
    drop(store);
    assert!(std::fs::read_dir(folder.path().join("artifacts")).unwrap().next().is_none(), "nothing is left");
}
