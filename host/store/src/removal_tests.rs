//! What goes and what stays when runs are removed and data erased: against a plain model, and on a disk that fails.

use crate::crash_tests::{BrokenDisk, Failing};
use crate::*;
use palisade_model::{Digest, RunId, TenantId};
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

fn open(folder: &Path) -> Store {
    Store::open(folder, TenantId::default()).unwrap()
}

fn run(number: u8) -> RunId {
    RunId::new(u64::from(number) + 1, [number; 10])
}

fn rows(store: &Store, numbers: &[u8]) -> Vec<RunRow> {
    numbers.iter().filter_map(|number| store.run(run(*number)).unwrap()).collect()
}

/// Bytes that depend on the number alone; every third are so many that they are in files.
fn items(number: u8) -> Vec<u8> {
    let line = format!("{{\"item\":{number},\"text\":\"{}\"}}\n", "x".repeat(200));
    line.repeat(if number.is_multiple_of(3) { 900 } else { 2 }).into_bytes()
}

fn new_artifact(store: &Store, number: u8, metadata: u8) -> NewArtifact {
    let mut spool = store.spool(0);
    spool.append(&items(number)).unwrap();
    let items = store.join(vec![spool]).unwrap();
    NewArtifact::new("thing/1.0.0".parse().unwrap(), json!({"m": metadata}), items)
}

/// What the events of these tests name: `data` and `rest`, each a list of digests.
fn naming(event: &JournalEvent) -> Option<Vec<Named>> {
    let value: serde_json::Value = serde_json::from_slice(&event.bytes).ok()?;
    let list = |key: &str, is_data: bool| {
        let digests = value[key].as_array().cloned().unwrap_or_default();
        digests.into_iter().map(move |digest| Named { digest: digest.as_str().unwrap().parse().unwrap(), is_data })
    };
    (event.kind != "Unreadable").then(|| list("data", true).chain(list("rest", false)).collect())
}

fn append(store: &Store, number: u8, artifacts: Vec<NewArtifact>, contents: Vec<Pending>) -> Result<Head, AppendError> {
    let data: Vec<Digest> = artifacts.iter().map(NewArtifact::digest).collect();
    let rest: Vec<Digest> = contents.iter().map(|pending| pending.content().digest()).collect();
    let bytes = json!({"data": data, "rest": rest}).to_string();
    let summary = RunSummary {
        title: "t".to_owned(),
        status: "succeeded".to_owned(),
        started_ms: 1,
        ended_ms: Some(2),
        items: None,
        parent: None,
        key: None,
    };
    let usages = vec![NewUsage { component: Digest::of(b"c"), event: 0, bytes: b"{}".to_vec() }];
    let memos = vec![NewMemo { key: Digest::of(&[number]), event: 0 }];
    let events = [NewEvent { kind: "Did", bytes: bytes.as_bytes() }];
    let append =
        Append { events: &events, artifacts, contents, usages, memos, summary: Some(summary), ..Append::default() };
    store.append(run(number), store.run(run(number)).unwrap().map_or(0, |row| row.head.seq), append)
}

fn files_below(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.map(|entry| entry.unwrap().path()).map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

fn collect(store: &Store, numbers: &[u8]) -> Result<Collected, NamingError> {
    store.collect(&rows(store, numbers), &BTreeSet::new(), &naming, Doing::Remove, &[])
}

#[test]
fn looking_removes_nothing_and_says_what_removing_does() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&store, 0, vec![new_artifact(&store, 0, 0), new_artifact(&store, 1, 0)], Vec::new()).unwrap();
    append(&store, 1, vec![new_artifact(&store, 1, 0)], vec![store.prepare(b"plan").unwrap()]).unwrap();
    let look = || store.collect(&rows(&store, &[0]), &BTreeSet::new(), &naming, Doing::Look, &[]).unwrap();
    let found = look();
    assert_eq!((found.artifacts, found.contents, found.files), (1, 1, 1));
    assert_eq!(found.bytes, items(0).len() as u64);
    assert_eq!(look(), found);
    assert_eq!(collect(&store, &[0]).unwrap(), found);
    assert!(store.run(run(0)).unwrap().is_none());
    assert_eq!(store.usages(Digest::of(b"c"), 9).unwrap().len(), 1);
    assert_eq!([0, 1].map(|key| store.memo(Digest::of(&[key])).unwrap()), [None, Some((run(1), 1))]);
    assert_eq!(files_below(&folder.path().join("artifacts")), 0);
    assert_eq!(store.inspect(|_| {}).unwrap().damage_count, 0);
    // Nothing is left to find but what is named.
    let nothing = store.collect(&[], &BTreeSet::new(), &naming, Doing::Look, &[]).unwrap();
    assert_eq!(nothing, Collected::default());
}

#[test]
fn what_is_kept_for_others_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&store, 0, Vec::new(), vec![store.prepare(b"locked").unwrap(), store.prepare(b"not").unwrap()]).unwrap();
    let locked = Digest::of(b"locked");
    let done = store.collect(&rows(&store, &[0]), &BTreeSet::from([locked]), &naming, Doing::Remove, &[]).unwrap();
    assert_eq!(done.contents, 1);
    assert!(store.content(locked).unwrap().is_some());
    assert!(store.content(Digest::of(b"not")).unwrap().is_none());
}

#[test]
fn nothing_is_removed_as_long_as_it_is_not_known_what_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    append(&store, 0, vec![new_artifact(&store, 1, 0)], Vec::new()).unwrap();
    append(&store, 1, vec![new_artifact(&store, 2, 0)], Vec::new()).unwrap();
    let before = rows(&store, &[0]);
    append(&store, 0, Vec::new(), Vec::new()).unwrap();
    let removed = store.collect(&before, &BTreeSet::new(), &naming, Doing::Remove, &[]);
    assert!(matches!(removed, Err(NamingError::Other { run: other }) if other == run(0)), "{removed:?}");
    let events = [NewEvent { kind: "Unreadable", bytes: b"{}" }];
    store.append(run(1), 1, Append { events: &events, ..Append::default() }).unwrap();
    assert!(matches!(collect(&store, &[0]), Err(NamingError::Unreadable { seq: 2, .. })));
    // A run that is not believed may go itself.
    collect(&store, &[1]).unwrap();
    let database = rusqlite::Connection::open(folder.path().join("palisade.db")).unwrap();
    append(&store, 2, vec![new_artifact(&store, 2, 0)], Vec::new()).unwrap();
    database.execute("UPDATE event SET bytes = CAST('{}' AS BLOB) WHERE run = ?1", [run(2).as_bytes()]).unwrap();
    assert!(matches!(collect(&store, &[0]), Err(NamingError::Changed { seq: 1, .. })));
    assert!(store.run(run(0)).unwrap().is_some());
}

/// Looks as a run does that starts: whether something is there, so that it needs not bring the bytes.
#[test]
fn what_a_run_that_starts_has_found_stays_until_it_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let digest = Digest::of(b"a component");
    append(&store, 0, Vec::new(), vec![store.prepare(b"a component").unwrap()]).unwrap();
    let other = open(folder.path());
    let pin = store.pin().unwrap();
    assert!(store.content(digest).unwrap().is_some());
    std::thread::scope(|scope| {
        let removing = scope.spawn(|| collect(&other, &[0]).unwrap());
        let bytes = json!({"data": [], "rest": [digest]}).to_string();
        let events = [NewEvent { kind: "Did", bytes: bytes.as_bytes() }];
        let summary = store.run(run(0)).unwrap().map(|row| row.summary);
        store.append(run(1), 0, Append { events: &events, summary, ..Append::default() }).unwrap();
        drop(pin);
        assert_eq!(removing.join().unwrap().contents, 0);
    });
    assert!(store.content(digest).unwrap().is_some());
    assert!(store.run(run(0)).unwrap().is_none());
}

#[test]
fn what_is_erased_is_gone_and_known_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (large, small) = (new_artifact(&store, 0, 0), new_artifact(&store, 1, 0));
    let digests = [large.digest(), small.digest()];
    let contents = [large.items().digest(), small.items().digest()];
    append(&store, 0, vec![large, small], vec![store.prepare(b"plan").unwrap()]).unwrap();
    let erase = |doing| store.erase(&rows(&store, &[0]), &|_| false, 7, &naming, doing, &[]).unwrap();
    let found = erase(Doing::Look);
    assert!(store.erased(digests[0]).unwrap().is_none());
    let erased = erase(Doing::Remove);
    assert_eq!(erased.artifacts, BTreeSet::from(digests));
    assert_eq!((&erased.artifacts, erased.bytes, erased.usages), (&found.artifacts, found.bytes, found.usages));
    assert!(erased.overwritten);
    for (artifact, content) in digests.iter().zip(&contents) {
        assert_eq!(store.erased(*artifact).unwrap(), Some(7));
        assert!(store.artifact(*artifact).unwrap().is_none() && store.content(*content).unwrap().is_none());
    }
    store.verify(run(0)).unwrap();
    assert_eq!(store.inspect(|_| {}).unwrap().damage_count, 0);
    assert!(store.content(Digest::of(b"plan")).unwrap().is_some());
    assert_eq!(erase(Doing::Remove).before, 2);
    drop(store);
    // No byte of them is left in any file.
    let needle = b"\"text\":\"xxxx";
    for file in ["palisade.db", "palisade.db-wal"] {
        let bytes = std::fs::read(folder.path().join(file)).unwrap_or_default();
        assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{file}");
    }
    assert_eq!(files_below(&folder.path().join("artifacts")), 0);
    // What comes again is there again.
    let store = open(folder.path());
    append(&store, 1, vec![new_artifact(&store, 1, 0)], Vec::new()).unwrap();
    assert!(store.artifact(digests[1]).unwrap().is_some());
    // It is remembered for as long as somebody could ask.
    collect(&store, &[1]).unwrap();
    assert_eq!(digests.map(|digest| store.erased(digest).unwrap()), [Some(7); 2]);
    collect(&store, &[0]).unwrap();
    assert_eq!(digests.map(|digest| store.erased(digest).unwrap()), [None; 2]);
}

#[test]
fn what_others_name_stays_unless_it_is_to_go_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    // The same bytes, as another artifact.
    let (own, other) = (new_artifact(&store, 1, 0), new_artifact(&store, 1, 1));
    let (own_digest, other_digest) = (own.digest(), other.digest());
    let fixed = store.prepare(&items(2)).unwrap();
    let as_data = new_artifact(&store, 2, 0);
    let fixed_digest = as_data.digest();
    append(&store, 0, vec![own, as_data], Vec::new()).unwrap();
    append(&store, 1, vec![other], vec![fixed]).unwrap();
    append(&store, 2, Vec::new(), Vec::new()).unwrap();
    let erase = |loser: u8| {
        let may_lose = |row: &RunRow| row.run == run(loser);
        store.erase(&rows(&store, &[0]), &may_lose, 7, &naming, Doing::Remove, &[]).unwrap()
    };
    let erased = erase(2);
    assert!(erased.artifacts.is_empty());
    assert_eq!(erased.shared, [Shared { artifact: own_digest, runs: BTreeSet::from([run(1)]) }]);
    assert_eq!(erased.fixed, [fixed_digest]);
    assert!(store.artifact(own_digest).unwrap().is_some());
    let erased = erase(1);
    assert_eq!(erased.artifacts, BTreeSet::from([own_digest, other_digest]));
    assert_eq!(erased.fixed, [fixed_digest]);
    assert!(store.artifact(other_digest).unwrap().is_none());
    assert_eq!(store.erased(other_digest).unwrap(), Some(7));
    assert!(store.artifact(fixed_digest).unwrap().is_some());
}

/// What the model knows of a run: artifacts by (items, metadata).
type Model = BTreeMap<u8, BTreeSet<(u8, u8)>>;

fn check(store: &Store, folder: &Path, model: &Model, known: &BTreeMap<(u8, u8), Digest>) {
    let wanted: BTreeSet<_> = model.values().flatten().copied().collect();
    for (key, digest) in known {
        let found = store.artifact(*digest).unwrap();
        assert_eq!(found.is_some(), wanted.contains(key), "{key:?}");
        if let Some(found) = found {
            assert_eq!(found.items.read_all().unwrap(), items(key.0));
        }
    }
    let contents: BTreeSet<u8> = wanted.iter().map(|(items, _)| *items).collect();
    let inspected = store.inspect(|_| {}).unwrap();
    assert_eq!(inspected.damage_count, 0, "{:?}", inspected.damages);
    assert_eq!((inspected.contents, inspected.artifacts), (contents.len() as u64, wanted.len() as u64));
    let in_files = contents.iter().filter(|number| number.is_multiple_of(3)).count();
    assert_eq!(files_below(&folder.join("artifacts")), in_files);
    for number in model.keys() {
        store.verify(run(*number)).unwrap();
    }
    assert_eq!(store.runs().unwrap().len(), model.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn everything_that_a_run_that_stays_names_is_there_and_nothing_else(
        appends in proptest::collection::vec((0..4_u8, 0..5_u8, 0..2_u8), 1..12),
        removed in proptest::collection::btree_set(0..4_u8, 0..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let (mut model, mut known) = (Model::new(), BTreeMap::new());
        for (number, items, metadata) in appends {
            let artifact = new_artifact(&store, items, metadata);
            known.insert((items, metadata), artifact.digest());
            append(&store, number, vec![artifact], Vec::new()).unwrap();
            model.entry(number).or_default().insert((items, metadata));
        }
        check(&store, folder.path(), &model, &known);
        collect(&store, &removed.iter().copied().collect::<Vec<_>>()).unwrap();
        model.retain(|number, _| !removed.contains(number));
        check(&store, folder.path(), &model, &known);
    }
}

/// Three runs that share some of what they name: the first goes, the second's data are erased, the third stays whole.
fn three_runs(folder: &Path) -> [Digest; 4] {
    let store = open(folder);
    let digest = |(items, metadata)| new_artifact(&store, items, metadata).digest();
    let all = [(0, 0), (3, 0), (6, 0), (1, 0)];
    let [first, second, third, shared] = all;
    for (number, artifacts) in [(0, [first, shared]), (1, [second, shared]), (2, [third, shared])] {
        let made = artifacts.iter().map(|(items, metadata)| new_artifact(&store, *items, *metadata)).collect();
        append(&store, number, made, Vec::new()).unwrap();
    }
    all.map(digest)
}

fn remove_and_erase(store: &Store) -> Result<(), NamingError> {
    collect(store, &[0])?;
    store.erase(&rows(store, &[1]), &|_| false, 7, &naming, Doing::Remove, &[]).map(drop)
}

fn break_everywhere(failing: Failing, recovers: bool, lose: bool) {
    let mut operations = 1;
    loop {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let [first, second, third, shared] = three_runs(&data);
        let disk = BrokenDisk::after(operations, failing, recovers);
        let done = match Store::open_on(Arc::clone(&disk) as Arc<dyn Backend>, &data, TenantId::default()) {
            Ok(store) => remove_and_erase(&store).is_ok(),
            Err(_) => false,
        };
        if lose {
            disk.lose_what_is_not_durable();
        }
        let store = open(&data);
        let inspected = store.inspect(|_| {}).unwrap();
        assert_eq!(inspected.damage_count, 0, "operation {operations}: {:?}", inspected.damages);
        for digest in [third, shared] {
            store.artifact(digest).unwrap().unwrap().items.read_all().unwrap();
        }
        let runs_left = store.runs().unwrap().len();
        assert_eq!(runs_left == 3, store.artifact(first).unwrap().is_some());
        let erased = store.erased(second).unwrap().is_some();
        assert_eq!(erased, store.artifact(second).unwrap().is_none());
        assert!(!done || (erased && runs_left == 2));
        let segments = 1 + usize::from(runs_left == 3) + usize::from(!erased);
        assert_eq!(files_below(&data.join("artifacts")), segments, "operation {operations}");
        // It can be done again, and then is.
        remove_and_erase(&store).unwrap();
        assert_eq!(files_below(&data.join("artifacts")), 1);
        if disk.left() > 0 {
            assert!(done && operations > 10, "only {operations} operations were broken");
            return;
        }
        operations += 1;
    }
}

#[test]
fn a_process_that_dies_while_it_removes_loses_nothing_that_stays() {
    break_everywhere(Failing::Before, false, false);
    break_everywhere(Failing::After, false, false);
}

#[test]
fn a_machine_that_dies_while_it_removes_loses_nothing_that_stays() {
    break_everywhere(Failing::Before, false, true);
}

#[test]
fn a_disk_that_fails_once_while_it_removes_leaves_all_or_nothing() {
    break_everywhere(Failing::Before, true, false);
    break_everywhere(Failing::After, true, false);
}
