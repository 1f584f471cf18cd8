//! The power goes while a run goes on: whatever moment that is, what was acknowledged is there, and the run comes to the end
//! to which it would have come. What it tells a server is told once under each key, and not again once it was acknowledged.
//!
//! At each commit an image is taken of what the disk holds for certain: files up to what was synced of them, under names that
//! were. SQLite's own files are whole there, since the commit has synced them. Between two commits they may hold any
//! mixture of both: two of these are tried.

use palisade_engine::Silent;
use palisade_model::record::Status;
use palisade_runbook::Plan;
use palisade_store::{Backend, Disk};
use palisade_tests::effects::{End, Journals, told_anew};
use palisade_tests::server::Server;
use palisade_tests::stepping::Stepping;
use palisade_tests::{Dir, as_the_disk, journal};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Texts of which the first fails the last step, so that what was done is undone, and the last is too large for the database.
fn texts() -> String {
    format!("a\nbb\n{}", "c".repeat(70_000))
}

const LEAF: &str = "
name: Leaf
inputs: {texts: {input_schema: standard_input}}
outputs: {found: longer}
execution:
  - {id: tell, analyser: 'test:poster', input: texts, output: told, config: {url: 'DESK/tell'}, RETRY}
  - {id: step, analyser: 'test:stepper', input: told, outputs: {texts: longer}}
";

const BOOK: &str = "
name: Book
inputs: {docs: {input_schema: standard_input}}
execution:
  - id: first
    analyser: test:stepper
    input: docs
    outputs: {texts: one}
    compensate: {id: undo, analyser: 'test:poster', input: one, config: {url: 'DESK/undo'}, RETRY}
  - {id: each, type: map, analyser: 'test:stepper', input: one, max_items: 9, max_concurrency: 2, outputs: {texts: mapped}}
  - {id: go, type: execute_workflow, file: leaf.yaml, inputs: {texts: mapped}, outputs: {found: found}}
  - {id: all, type: map, analyser: 'test:poster', input: mapped, after: go, max_items: 9, output: told, config: {url: 'DESK/all'}, RETRY}
  - {id: last, analyser: 'test:stepper', input: mapped, after: all, config: {fail_at: axx}, outputs: {texts: never}}
";

/// The files of a data directory, by their paths in it.
type Image = BTreeMap<PathBuf, Vec<u8>>;

/// The real disk, of which an image is taken at each commit.
#[derive(Debug)]
struct Watched {
    folder: PathBuf,
    state: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Bytes of each file that was written here that are synced.
    synced: BTreeMap<PathBuf, u64>,
    /// Files and folders whose names are not durable.
    unnamed: BTreeSet<PathBuf>,
    images: Vec<Image>,
}

impl Watched {
    fn new(dir: &Dir) -> Arc<Self> {
        Arc::new(Self { folder: dir.join("state"), state: Mutex::default() })
    }

    fn image(&self, seen: &Seen) -> Image {
        let mut image = Image::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if seen.unnamed.contains(&path) {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                // Locks are the process's, and what is shared of the write-ahead log is made anew.
                let within = path.strip_prefix(&self.folder).unwrap().to_owned();
                if !within.starts_with("locks") && !within.starts_with("sessions") && !path.ends_with("palisade.db-shm")
                {
                    let mut bytes = fs::read(&path).unwrap();
                    if within.starts_with("artifacts") {
                        bytes.truncate(usize::try_from(seen.synced.get(&path).copied().unwrap_or(0)).unwrap());
                    }
                    image.insert(within, bytes);
                }
            }
        }
        image
    }
}

impl Backend for Watched {
    as_the_disk! { scratch open append read_at rename remove }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.parent().is_some_and(|above| above.ends_with("artifacts")) && !folder.exists() {
            self.state.lock().unwrap().unnamed.insert(folder.to_owned());
        }
        Disk.create_folder(folder)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.state.lock().unwrap().unnamed.insert(path.to_owned());
        Disk.create(path)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let length = file.metadata()?.len();
        Disk.sync(file)?;
        self.state.lock().unwrap().synced.insert(path, length);
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        Disk.sync_folder(folder)?;
        self.state.lock().unwrap().unnamed.retain(|path| path.parent() != Some(folder));
        Ok(())
    }

    fn commit(&self, transaction: rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
        Disk.commit(transaction)?;
        let mut seen = self.state.lock().unwrap();
        let image = self.image(&seen);
        seen.images.push(image);
        Ok(())
    }
}

/// What the disk may hold between two images: of what differs in the write-ahead log one half is new and the other old.
fn torn(before: &Image, after: &Image) -> Vec<Image> {
    let log = Path::new("palisade.db-wal");
    let (Some(old), Some(new)) = (before.get(log), after.get(log)) else { return Vec::new() };
    let mut old = old.clone();
    old.resize(new.len().max(old.len()), 0);
    let mut new = new.clone();
    new.resize(old.len(), 0);
    let differs = |index: &usize| old[*index] != new[*index];
    let (Some(first), Some(last)) = ((0..old.len()).find(differs), (0..old.len()).rfind(differs)) else {
        return Vec::new();
    };
    let middle = first.midpoint(last);
    [[&new[..middle], &old[middle..]], [&old[..middle], &new[middle..]]]
        .map(|halves| {
            let mut image = before.clone();
            image.insert(log.to_owned(), halves.concat());
            image
        })
        .into()
}

/// A server that is told what can't be taken back, and runbooks that tell it.
struct Desk {
    server: Server,
    grant: String,
    book: String,
    leaf: String,
}

impl Desk {
    fn new() -> Self {
        let server = Server::start();
        let origin = format!("http://localhost:{}", server.port());
        let written =
            |text: &str| text.replace("DESK", &origin).replace("RETRY", "retry: {max_attempts: 9, backoff: 1ms}");
        let (book, leaf) = (written(BOOK), written(LEAF));
        Self { server, grant: format!("http=POST {origin}"), book, leaf }
    }

    fn open(&self, dir: &Dir, disk: Arc<dyn Backend>) -> Option<(Stepping, Plan)> {
        let stepping = Stepping::open_with(dir, disk, &[("poster", &self.grant)])?;
        let plan = stepping.plan_with(&self.book, &[("leaf.yaml", &self.leaf)]);
        Some((stepping, plan))
    }
}

fn journals(dir: &Dir) -> Journals {
    journal::all(&journal::open(&dir.join("state")))
}

/// Opens what the power left, checks that what the journal held by then is there, and goes on; gives how many events were
/// there.
fn goes_on_from(image: &Image, acknowledged: usize, desk: &Desk, end: &End) -> usize {
    let dir = Dir::new();
    for (path, bytes) in image {
        let path = dir.join("state").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let (stepping, plan) = desk.open(&dir, Arc::new(Disk)).unwrap();
    let store = stepping.engine.store();
    assert_eq!(store.inspect(|_| {}).unwrap().damage_count, 0);
    let (before, told) = (journals(&dir), desk.server.told());
    let count = before.values().map(Vec::len).sum();
    assert!(count >= acknowledged, "{count} of {acknowledged} events are there");
    let Some((root, events)) = before.first_key_value() else { return count };
    if events.last().unwrap()["kind"] != "RunEnded" {
        let ran = stepping.resume(*root, &plan, &Silent).unwrap();
        assert_eq!(ran.record.status, Status::Failed);
    }
    let (after, told_then) = (journals(&dir), desk.server.told());
    assert_eq!(&End::of(&after, &told_then), end);
    let anew = told_anew(&before, &told, &told_then);
    assert!(anew.iter().all(|times| *times == 1), "{anew:?}");
    for (run, events) in &after {
        assert!(before.get(run).is_none_or(|known| events.starts_with(known)));
        store.verify(*run).unwrap();
    }
    assert_eq!(after.len(), 2);
    assert_eq!(store.inspect(|_| {}).unwrap().damage_count, 0);
    count
}

#[test]
fn whenever_the_power_goes_what_was_acknowledged_is_there_and_the_run_goes_on() {
    let (dir, desk) = (Dir::new(), Desk::new());
    let disk = Watched::new(&dir);
    let Some((stepping, plan)) = desk.open(&dir, Arc::clone(&disk) as Arc<dyn Backend>) else { return };
    let ran = stepping.run(&plan, &desk.book, &texts(), &Silent).unwrap();
    assert_eq!(ran.record.status, Status::Failed);
    let end = End::of(&journals(&dir), &desk.server.told());
    let effects: Vec<_> = end.effects.iter().map(|effect| effect.split(' ').nth(1).unwrap()).collect();
    assert_eq!(effects, ["/all", "/all", "/all", "/tell", "/undo"]);
    let images = std::mem::take(&mut disk.state.lock().unwrap().images);
    let mut acknowledged = Vec::new();
    for image in &images {
        acknowledged.push(goes_on_from(image, acknowledged.last().copied().unwrap_or(0), &desk, &end));
    }
    assert!(acknowledged.iter().collect::<BTreeSet<_>>().len() > 8, "{acknowledged:?}");
    let each = if std::env::var_os("PALISADE_SLOW_TESTS").is_none() { 5 } else { 1 };
    let mut tried = 0;
    for (pair, known) in images.windows(2).zip(&acknowledged).step_by(each) {
        for image in torn(&pair[0], &pair[1]) {
            goes_on_from(&image, *known, &desk, &end);
            tried += 1;
        }
    }
    assert!(tried > 2, "{tried} mixtures");
}
