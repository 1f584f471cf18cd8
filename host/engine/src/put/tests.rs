//! Files in their places, or none: whatever is there before, whatever fails, and whoever dies in between.

use super::*;
use palisade_authority::WorkingFolder;
use palisade_model::{RunId, TenantId};
use palisade_store::{Append, NewEvent, RunSummary};
use rustix::fd::AsFd as _;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// A run's folder with an empty `out`, a store, and three files that were written.
struct World {
    dir: tempfile::TempDir,
    store: Store,
    files: Vec<WrittenFile>,
}

const TEXTS: [(&str, &str); 3] = [("out/a.txt", "one"), ("out/sub/b.txt", ""), ("out/sub/deep/c.txt", "three")];

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("root/out")).unwrap();
        let store = Store::open(&dir.path().join("state"), TenantId::default()).unwrap();
        let contents = TEXTS.iter().map(|(_, text)| store.prepare(text.as_bytes()).unwrap()).collect();
        let events = [NewEvent { kind: "x", bytes: b"{}" }];
        let summary = RunSummary {
            title: String::new(),
            status: String::new(),
            started_ms: 0,
            ended_ms: None,
            items: None,
            parent: None,
            key: None,
        };
        let append = Append { events: &events, contents, summary: Some(summary), ..Append::default() };
        store.append(RunId::new(1, [1; 10]), 0, append).unwrap();
        let file = |(path, text): (&str, &str)| WrittenFile {
            path: path.to_owned(),
            digest: Digest::of(text.as_bytes()),
            bytes: text.len() as u64,
        };
        Self { files: TEXTS.into_iter().map(file).collect(), dir, store }
    }

    fn root(&self) -> std::path::PathBuf {
        self.dir.path().join("root")
    }

    fn put(&self) -> Result<(), PutError> {
        self.put_with(&|_| true, &|_| Ok(()))
    }

    fn put_with(
        &self,
        may: &dyn Fn(&ScopedPath) -> bool,
        before: &dyn Fn(Change) -> io::Result<()>,
    ) -> Result<(), PutError> {
        let root = File::open(self.root()).unwrap();
        let putter = Putter { store: &self.store, root: root.as_fd(), work_key: "run/step", may, before };
        putter.put(&self.files)
    }

    /// All that is below the folder, links not followed: files with their bytes.
    fn seen(&self) -> BTreeMap<String, String> {
        let mut seen = BTreeMap::new();
        let mut folders = vec![self.root()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let kind = std::fs::symlink_metadata(&path).unwrap().file_type();
                let name = path.strip_prefix(self.root()).unwrap().to_str().unwrap().to_owned();
                if kind.is_dir() {
                    folders.push(path);
                } else {
                    let text = if kind.is_file() { std::fs::read_to_string(&path).unwrap() } else { String::new() };
                    seen.insert(name, text);
                }
            }
        }
        seen
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn all() -> BTreeMap<String, String> {
    TEXTS.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn all_files_are_put_and_again_is_nothing_more() {
    let world = World::new();
    world.put().unwrap();
    assert_eq!(world.seen(), all());
    assert_eq!(changes_of(&world), 0, "nothing is left to do");
    assert_eq!(world.seen(), all());
}

#[test]
fn nothing_is_put_where_something_else_is() {
    let check = |make: &dyn Fn(&World), expected: &str| {
        let world = World::new();
        make(&world);
        let before = world.seen();
        let error = world.put().unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(error.failure().message.starts_with("nothing was written: "));
        assert_eq!(world.seen(), before, "{expected}");
    };
    let at = |world: &World, path: &str| world.root().join(path);
    check(
        &|w| w.write("out/sub/deep/c.txt", "other"),
        "`out/sub/deep/c.txt` can't be written: another file is there already",
    );
    check(
        &|w| w.write("out/sub/deep/c.txt", "thRee"),
        "`out/sub/deep/c.txt` can't be written: another file is there already",
    );
    check(&|w| w.write("out/a.txt/inner", ""), "`out/a.txt` can't be written: a folder is there already");
    check(
        &|w| symlink("/etc/passwd", at(w, "out/a.txt")).unwrap(),
        "`out/a.txt` can't be written: a link is there already",
    );
    check(
        &|w| symlink("nothing", at(w, "out/a.txt")).unwrap(),
        "`out/a.txt` can't be written: a link is there already",
    );
    check(
        &|w| {
            let pipe = at(w, "out/a.txt");
            rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
            assert!(std::fs::metadata(pipe).unwrap().file_type().is_fifo());
        },
        "`out/a.txt` can't be written: a named pipe is there already",
    );
    check(
        &|w| symlink(w.dir.path(), at(w, "out/sub")).unwrap(),
        "`out/sub` can't be written into: it is a link, and folders are reached without links",
    );
    check(
        &|w| w.write("out/sub", "x"),
        "`out/sub` can't be written into: it is a file, and folders are reached without links",
    );
}

#[test]
fn a_folder_that_was_swapped_for_a_link_leads_nowhere() {
    let world = World::new();
    let elsewhere = world.dir.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    // Just before the last change it could matter for: the files are written, and get their names.
    for at in [Change::Create, Change::Rename] {
        let before = |change| {
            if change == at && !world.root().join("kept").exists() {
                std::fs::rename(world.root().join("out"), world.root().join("kept")).unwrap();
                symlink(&elsewhere, world.root().join("out")).unwrap();
            }
            Ok(())
        };
        let _whatever = world.put_with(&|_| true, &before);
        assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0, "{at:?}");
        std::fs::remove_file(world.root().join("out")).unwrap();
        std::fs::remove_dir_all(world.root().join("kept")).unwrap();
        std::fs::create_dir(world.root().join("out")).unwrap();
    }
}

#[test]
fn a_root_that_was_renamed_is_still_the_root() {
    let world = World::new();
    let root = File::open(world.root()).unwrap();
    let moved = world.dir.path().join("moved");
    std::fs::rename(world.root(), &moved).unwrap();
    symlink("/etc", world.root()).unwrap();
    let (may, before) = (|_: &ScopedPath| true, |_| Ok(()));
    let putter = Putter { store: &world.store, root: root.as_fd(), work_key: "run/step", may: &may, before: &before };
    putter.put(&world.files).unwrap();
    assert_eq!(std::fs::read_to_string(moved.join("out/a.txt")).unwrap(), "one");
}

#[test]
fn only_what_may_be_written_is_and_only_folders_that_may_be_are_made() {
    let below = |folder: &'static str| {
        let folder = ScopedPath::parse(&WorkingFolder::new(b"/w").unwrap(), folder.as_bytes()).unwrap();
        move |path: &ScopedPath| path.is_within(&folder)
    };
    let world = World::new();
    let refused = world.put_with(&below("out/sub"), &|_| Ok(())).unwrap_err();
    assert_eq!(refused.to_string(), "`out/a.txt` may not be written");
    std::fs::remove_dir(world.root().join("out")).unwrap();
    world.put_with(&below("out"), &|_| Ok(())).unwrap();
    assert_eq!(world.seen(), all());
    let files_only = |path: &ScopedPath| path.to_string().ends_with(".txt");
    let world = World::new();
    let refused = world.put_with(&files_only, &|_| Ok(())).unwrap_err();
    assert_eq!(refused.to_string(), "the folder `out/sub` is not there, and the step may not make it");
    assert_eq!(world.seen(), BTreeMap::new());
}

#[test]
fn a_journal_that_names_no_path_or_bytes_that_are_gone_put_nothing() {
    let mut world = World::new();
    world.files[2].digest = Digest::of(b"never stored");
    assert!(matches!(world.put().unwrap_err(), PutError::Gone { .. }));
    assert_eq!(world.seen(), BTreeMap::new());
    for no_path in ["../x", "", ".", "%zz"] {
        world.files[2].path = no_path.to_owned();
        assert!(world.put().is_err(), "{no_path}");
        assert_eq!(world.seen(), BTreeMap::new());
    }
}

/// How many changes putting all files takes.
fn changes() -> usize {
    changes_of(&World::new())
}

fn changes_of(world: &World) -> usize {
    let count = Cell::new(0);
    let before = |_| {
        count.set(count.get() + 1);
        Ok(())
    };
    world.put_with(&|_| true, &before).unwrap();
    count.get()
}

#[test]
fn whichever_change_fails_nothing_is_left() {
    for failing in 0..changes() {
        let world = World::new();
        let count = Cell::new(0);
        let before = |_| {
            count.set(count.get() + 1);
            if count.get() == failing + 1 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        };
        let failure = world.put_with(&|_| true, &before).unwrap_err().failure();
        assert_eq!(failure.kind, FailureKind::Host, "{failing}");
        assert_eq!(world.seen(), BTreeMap::new(), "{failing}");
        assert_eq!(std::fs::read_dir(world.root().join("out")).unwrap().count(), 0, "folders go too: {failing}");
        world.put().unwrap();
        assert_eq!(world.seen(), all(), "{failing}");
    }
}

#[test]
fn whoever_dies_is_followed_by_one_who_comes_to_the_same_end() {
    for dying in 0..changes() {
        let world = World::new();
        let count = Cell::new(0);
        // Unwinding takes nothing back: it is as if the process had gone.
        let before = |_| {
            count.set(count.get() + 1);
            assert!(count.get() <= dying, "on purpose");
            Ok(())
        };
        assert!(catch_unwind(AssertUnwindSafe(|| world.put_with(&|_| true, &before))).is_err());
        // What has its name is whole.
        for (path, text) in world.seen().iter().filter(|(path, _)| !path.contains(".palisade-")) {
            assert_eq!(all().get(path), Some(text), "{dying}");
        }
        world.put().unwrap();
        assert_eq!(world.seen(), all(), "{dying}");
    }
}

#[test]
fn what_a_dead_process_left_beside_a_place_is_taken_away_whatever_comes() {
    let left = |other: &str| {
        let world = World::new();
        let at = Cell::new(0);
        // Dies with three files written, and none of them named.
        let before = |change| {
            at.set(at.get() + usize::from(change == Change::Rename));
            if at.get() == 1 { panic!("the process dies") } else { Ok(()) }
        };
        let died = catch_unwind(AssertUnwindSafe(|| world.put_with(&|_| true, &before)));
        assert!(died.is_err());
        assert_eq!(world.seen().keys().filter(|name| name.ends_with(".part")).count(), 3);
        world.write("out/sub/deep/c.txt", other);
        world
    };
    // Somebody else made the very file meanwhile, or another one.
    let world = left("three");
    world.put().unwrap();
    assert_eq!(world.seen(), all());
    let world = left("other");
    assert!(matches!(world.put(), Err(PutError::Taken { .. })));
    assert_eq!(world.seen(), [("out/sub/deep/c.txt".to_owned(), "other".to_owned())].into());
}

#[test]
fn a_name_that_is_taken_in_between_is_not_taken_over() {
    let world = World::new();
    let before = |change| {
        if change == Change::Rename && !Path::new(&world.root().join("out/sub/b.txt")).exists() {
            std::fs::write(world.root().join("out/sub/b.txt"), "somebody's").unwrap();
        }
        Ok(())
    };
    let error = world.put_with(&|_| true, &before).unwrap_err();
    assert_eq!(error.to_string(), "`out/sub/b.txt` can't be written: something new is there already");
    assert_eq!(world.seen(), BTreeMap::from([("out/sub/b.txt".to_owned(), "somebody's".to_owned())]));
}
