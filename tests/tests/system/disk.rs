//! A disk that is full, one that may not be written, a page of the database that is damaged, a file of an artifact that is gone:
//! each is told with what to do about it, and a run that had begun goes on once it is mended.

use palisade_tests::command::shell;
use palisade_tests::told::{document, holds};
use palisade_tests::{Dir, Outcome, journal, palisade, skipped, with_stepper};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

const BOOK: &str = "
name: Files
execution:
  - {id: files, type: source, connector: filesystem, config: {path: data}, output: files}
  - {id: again, type: source, connector: filesystem, config: {path: data}, output: again, after: files}
";

/// The same with a second step that reads what the first has read.
const CHAIN: &str = "
name: Files
execution:
  - {id: files, type: source, connector: filesystem, config: {path: data}, output: files}
  - {id: again, analyser: 'test:stepper', input: files, outputs: {texts: again}}
";

/// A folder with files of one megabyte in all, and a runbook that reads them twice.
fn folder() -> Dir {
    filled(Dir::new())
}

fn filled(dir: Dir) -> Dir {
    for number in 0..20 {
        dir.write(&format!("data/{number}.txt"), format!("{number} ").repeat(20_000));
    }
    dir.write("book.yaml", BOOK);
    dir
}

/// What both steps read.
fn read(dir: &Dir) -> [Value; 2] {
    ["out/files.json", "out/again.json"].map(|file| document(dir, file)["data"].clone())
}

/// Runs a script in which `disk` is a disk of its own; none, and a loud line, where nobody may have one.
fn with_disk(dir: &Dir, script: &str) -> Option<Outcome> {
    fs::create_dir_all(dir.join("disk")).unwrap();
    let own = |script: &str| {
        dir.write("script", format!("mount -t tmpfs -o size=64m none disk || exit 99\n{script}"));
        shell(dir.path(), "unshare --user --map-root-user --mount sh script")
    };
    if own("").code != Some(0) {
        skipped("no disk can be mounted here, so none was full");
        return None;
    }
    Some(own(script))
}

#[test]
fn on_a_full_disk_a_run_stops_and_goes_on_when_there_is_room() {
    let dir = folder();
    let _ = palisade(dir.path(), ["run", "-q", "book.yaml", "--out", "out"]).exits(0);
    let expected = read(&dir);
    let (mut refused, mut resumed) = (0, 0);
    for kib in (100..).step_by(200) {
        fs::remove_dir_all(dir.join("out")).unwrap();
        let script = format!(
            "mount -o remount,size={kib}k disk\n\
             palisade --data-dir disk/state run -q book.yaml --out out && exit 0\n\
             code=$?\n\
             mount -o remount,size=64m disk\n\
             palisade --data-dir disk/state resume -q last --out out 2> told ||\n\
             palisade --data-dir disk/state run -q book.yaml --out out || exit 98\n\
             palisade --data-dir disk/state doctor > told || exit 97\n\
             palisade --data-dir disk/state runs show last --events\n\
             exit $code\n"
        );
        let Some(outcome) = with_disk(&dir, &script) else { return };
        assert_eq!(read(&dir), expected, "{kib} KiB: {outcome:?}");
        if outcome.code == Some(0) {
            break;
        }
        holds(&outcome.stderr, "is full\n  help: ");
        let help = match outcome.code {
            Some(2) => {
                refused += 1;
                "free some space there, or name a folder elsewhere"
            }
            Some(1) => {
                resumed += usize::from(outcome.stdout.contains("RunResumed"));
                "`palisade resume` goes on with"
            }
            _ => panic!("{outcome:?}"),
        };
        holds(&outcome.stderr, help);
    }
    assert!(refused > 0 && resumed > 2, "{refused} were refused, {resumed} went on");
}

#[test]
fn a_data_directory_that_may_not_be_written_is_told_and_stays_as_it_is() {
    let dir = folder();
    let script = "palisade --data-dir disk/state run -q book.yaml || exit 98\n\
                  mount -o remount,ro disk\n\
                  palisade --data-dir disk/state run -q book.yaml\n\
                  code=$?\n\
                  cp -r disk/state copy\n\
                  palisade --data-dir copy runs list --format json\n\
                  mount -o remount,rw disk\n\
                  palisade --data-dir disk/state runs list --format json\n\
                  palisade --data-dir disk/state doctor > told || exit 97\n\
                  exit $code\n";
    let Some(outcome) = with_disk(&dir, script) else { return };
    let outcome = outcome.exits(2);
    holds(
        &outcome.stderr,
        "or its file system is read-only\n  help: name a folder that may be written: `--data-dir DIR`; what is in this one is seen in a copy of it",
    );
    assert_eq!(outcome.stdout.matches("\"succeeded\"").count(), 2, "{outcome:?}");
}

#[test]
fn a_damaged_page_is_told_and_never_taken_for_data() {
    let dir = folder();
    let _ = palisade(dir.path(), ["run", "-q", "book.yaml"]).exits(0);
    let database = dir.join(".palisade/palisade.db");
    let whole = fs::read(&database).unwrap();
    let mut damaged = 0;
    for page in 1..whole.len() / 4_096 {
        let mut bytes = whole.clone();
        bytes[page * 4_096..(page + 1) * 4_096].fill(0xa5);
        fs::write(&database, bytes).unwrap();
        let doctor = palisade(dir.path(), ["doctor"]);
        // A page may be free, or hold what nobody needs.
        if doctor.code == Some(7) {
            damaged += 1;
            holds(&doctor.stdout, "damaged");
        } else {
            let _ = doctor.exits(0);
        }
        let shown = palisade(dir.path(), ["runs", "show", "last", "--events"]);
        assert!([Some(0), Some(7)].contains(&shown.code), "page {page}: {shown:?}");
        let run = palisade(dir.path(), ["run", "-q", "book.yaml"]);
        if run.code != Some(0) {
            holds(&run.stderr, "SQLite finds it corrupt");
            let _ = run.exits(7);
        }
    }
    assert!(damaged > 10, "{damaged} of {} pages", whole.len() / 4_096);
}

/// The files of artifacts.
fn segments(dir: &Dir) -> Vec<PathBuf> {
    let sessions = fs::read_dir(dir.join(".palisade/artifacts")).unwrap().map(|session| session.unwrap().path());
    sessions.flat_map(|session| fs::read_dir(session).unwrap().map(|file| file.unwrap().path())).collect()
}

#[test]
fn an_artifact_that_is_gone_is_named_and_a_run_goes_on_once_it_is_back() {
    let Some(dir) = with_stepper().map(filled) else { return };
    dir.write("book.yaml", CHAIN);
    let _ = palisade(dir.path(), ["run", "-q", "book.yaml", "--out", "out"]).exits(0);
    let expected = read(&dir);
    let journal = || journal::open(&dir.join(".palisade"));
    let whole = journal::events(&journal());
    let first = whole.iter().position(|event| event["kind"] == "AttemptSucceeded").unwrap();
    let (mut told, mut stopped) = (0, 0);
    for segment in segments(&dir) {
        // As it was when the first step had ended.
        journal::rewrite(&journal(), &whole[..=first]);
        let aside = dir.join("aside");
        fs::rename(&segment, &aside).unwrap();
        let name = segment.strip_prefix(dir.join(".palisade/artifacts")).unwrap().display().to_string();
        let doctor = palisade(dir.path(), ["doctor"]).exits(7);
        holds(&doctor.stdout, &name);
        let resumed = palisade(dir.path(), ["resume", "-q", "last", "--out", "out"]);
        if resumed.code != Some(0) {
            told += 1;
            holds(&resumed.stderr, &format!("{name}` is damaged: it is gone"));
        }
        fs::rename(&aside, &segment).unwrap();
        let ended = journal::events(&journal()).iter().any(|event| event["kind"] == "RunEnded");
        if !ended {
            stopped += 1;
            let _ = palisade(dir.path(), ["resume", "-q", "last", "--out", "out"]).exits(0);
        }
    }
    assert!(told > 0 && stopped > 0, "{told} were missed, {stopped} by the run itself");
    let _ = palisade(dir.path(), ["doctor"]).exits(0);
    assert_eq!(read(&dir), expected);
}
