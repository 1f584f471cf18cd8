//! Witnesses over HTTP: what they sign is kept and counts, what they saw that is not here is found, and no lie of theirs
//! counts or keeps anybody from working.

use palisade_audit::{Checkpoint, Note, VerifyingKey};
use palisade_tests::command::command;
use palisade_tests::witness::{Lie, Witness};
use palisade_tests::{Dir, Outcome, palisade, root};
use serde_json::Value;
use std::fs;

/// A folder with a witness that knows its log.
fn watched() -> (Dir, Witness) {
    let (dir, witness) = (Dir::new(), Witness::start());
    dir.copy_from(&root().join("tests/cases/runs-gc/files"));
    let _ = run(&dir).exits(0);
    witness.knows(log_key(&dir));
    let settings = fs::read_to_string(dir.join("palisade.toml")).unwrap();
    dir.write("palisade.toml", format!("{settings}\n{}", witness.table()));
    (dir, witness)
}

fn run(dir: &Dir) -> Outcome {
    palisade(dir.path(), ["run", "-q", "runbook.yaml"])
}

fn verify(dir: &Dir) -> Value {
    let told = palisade(dir.path(), ["audit", "verify", "--format", "json"]);
    serde_json::from_str(&told.stdout).unwrap_or_else(|_| panic!("{}", told.stderr))
}

fn log_key(dir: &Dir) -> VerifyingKey {
    verify(dir)["key"].as_str().unwrap().parse().unwrap()
}

/// What was written on standard error, on one line.
fn told(outcome: &Outcome) -> String {
    outcome.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn each_state_is_signed_and_shows_that_the_log_is_the_one_that_was_seen() {
    let (dir, witness) = watched();
    assert_eq!(verify(&dir)["verdict"], "internally consistent only");
    let first = run(&dir).exits(0);
    assert!(!first.stderr.contains("warning"), "{}", first.stderr);
    assert_eq!(witness.size(), verify(&dir)["size"].as_u64().unwrap());
    let _ = run(&dir).exits(0);
    let verified = verify(&dir);
    assert_eq!(verified["verdict"], "consistent with what was kept outside", "{verified}");
    let outside = verified["outside"].as_array().unwrap();
    assert_eq!(outside.len(), 2, "{verified}");
    let source = outside[0]["source"].as_str().unwrap();
    assert!(source.starts_with("witness `witness.example`, which signed last 2026-11-"), "{source}");
    // The state that did not change is shown once more, and printed with what the witness signed.
    let printed = palisade(dir.path(), ["audit", "checkpoint"]).exits(0).stdout;
    let note = Note::parse(printed.as_bytes()).unwrap();
    assert_eq!(note.signatures().len(), 2, "{printed}");
    assert_eq!(Checkpoint::of_note(&note).unwrap().size, witness.size());
    assert_eq!(witness.asked(), 3, "it is shown the way from what it saw last at once");
    // What is kept of it is no more than where to begin.
    fs::remove_dir_all(dir.join(".palisade/witnesses")).unwrap();
    let _ = run(&dir).exits(0);
    assert_eq!(witness.size(), verify(&dir)["size"].as_u64().unwrap());
    let _ = palisade(dir.path(), ["evidence", "last", "--out", "evidence"]).exits(0);
    assert_eq!(Note::parse_all(&fs::read_to_string(dir.join("evidence/cosigned.txt")).unwrap()).unwrap().len(), 1);
}

#[test]
fn a_log_that_was_put_back_is_a_split_view() {
    let (dir, witness) = watched();
    let _ = run(&dir).exits(0);
    let copy = dir.join("before");
    copy_all(&dir.join(".palisade"), &copy);
    for _ in 0..2 {
        let _ = run(&dir).exits(0);
    }
    let seen = witness.size();
    fs::remove_dir_all(dir.join(".palisade")).unwrap();
    fs::rename(&copy, dir.join(".palisade")).unwrap();
    assert_eq!(verify(&dir)["problem_count"], 0, "all that is there holds: only the witness knows better");
    let shorter = palisade(dir.path(), ["audit", "checkpoint"]).exits(7);
    let expected =
        format!("split view: the witness `witness.example` saw another log of this name, with {seen} entries");
    assert!(told(&shorter).contains(&expected), "{}", shorter.stderr);
    // As long again as the one that it saw, and longer: still another one.
    while verify(&dir)["size"].as_u64().unwrap() < seen {
        assert!(told(&run(&dir).exits(7)).contains("split view"));
    }
    let longer = run(&dir).exits(7);
    assert!(told(&longer).contains("split view"), "{}", longer.stderr);
    let verified = palisade(dir.path(), ["audit", "verify"]).exits(7);
    assert!(verified.stdout.contains("split view: the witness witness.example+"), "{}", verified.stdout);
    assert!(palisade(dir.path(), ["audit", "log", "--kind", "split_view"]).stdout.contains("SPLIT VIEW"));
    assert_eq!(witness.size(), seen, "it signs nothing of it");
}

#[test]
fn no_lie_of_a_witness_counts_and_none_keeps_a_run_from_ending_well() {
    let (dir, witness) = watched();
    for (lie, expected) in [
        (Lie::Forges, "its answer has no signature of its key under this checkpoint"),
        (Lie::Other, "its answer has no signature of its key under this checkpoint"),
        (Lie::Nonsense, "it answered no signatures"),
        (Lie::Saw(0), "it contradicts itself"),
        (Lie::Saw(1), "it contradicts itself"),
        (Lie::Mute, "it took too long"),
    ] {
        witness.lies(lie);
        let ended = run(&dir).exits(0);
        let expected = format!("warning: the witness `witness.example` did not sign the audit log: {expected}");
        assert!(told(&ended).contains(&expected), "{lie:?}: {}", ended.stderr);
        assert_eq!(verify(&dir)["outside"], serde_json::json!([]), "{lie:?}");
    }
    // One that says that it saw more than there is accuses somebody: that is told, and is over when it signs again.
    witness.lies(Lie::Saw(1_000_000));
    assert!(told(&run(&dir).exits(7)).contains("or the witness lies"));
    assert_eq!(verify(&dir)["problem_count"], 1);
    witness.lies(Lie::None);
    let _ = run(&dir).exits(0);
    let verified = verify(&dir);
    assert_eq!(
        (&verified["problem_count"], &verified["verdict"]),
        (&0.into(), &"consistent with what was kept outside".into()),
        "{verified}"
    );
}

#[test]
fn a_witness_that_does_not_know_the_log_or_is_not_there_is_told() {
    let (dir, witness) = watched();
    let stranger = Dir::new();
    stranger.copy_from(&root().join("tests/cases/runs-gc/files"));
    let settings = fs::read_to_string(stranger.join("palisade.toml")).unwrap();
    stranger.write("palisade.toml", format!("{settings}\n{}", witness.table()));
    let ended = run(&stranger).exits(0);
    let expected = format!("it does not know this log; who runs it must be given `{}`", log_key(&stranger));
    assert!(told(&ended).contains(&expected), "{}", ended.stderr);
    let table = witness.table();
    let (before, after) = table.split_once("localhost:").unwrap();
    let (_, after) = after.split_once('"').unwrap();
    dir.write("palisade.toml", format!("{settings}\n{before}localhost:1\"{after}"));
    assert!(told(&run(&dir).exits(0)).contains("it can't be reached"));
}

#[test]
fn a_program_gets_each_checkpoint_and_its_trouble_keeps_no_run_from_ending_well() {
    let dir = Dir::new();
    dir.copy_from(&root().join("tests/cases/runs-gc/files"));
    let with = |script: &str, args: &[&str]| {
        let words = serde_json::to_string(&["/bin/sh", "-c", script]).unwrap();
        Outcome::from(command(dir.path()).args(args).env("PALISADE_WITNESS_COMMAND", words).output().unwrap())
    };
    let kept = dir.join("kept");
    let keep = format!("cat >> {}", kept.display());
    let ran = with(&keep, &["run", "-q", "runbook.yaml"]).exits(0);
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    let _ = with(&keep, &["audit", "checkpoint"]).exits(0);
    assert_eq!(Note::parse_all(&fs::read_to_string(&kept).unwrap()).unwrap().len(), 2);
    let verified = palisade(dir.path(), ["audit", "verify", "--checkpoint", "kept"]).exits(0);
    assert!(verified.stdout.contains("consistent with what was kept outside"), "{}", verified.stdout);
    let failed = with("echo 'no room' >&2; exit 3", &["run", "-q", "runbook.yaml"]).exits(0);
    let expected = "warning: the program that keeps the audit log's checkpoints did not take one: it ended with exit status: 3: no room";
    assert!(told(&failed).contains(expected), "{}", failed.stderr);
    let mut wrong = command(dir.path());
    let wrong = wrong.args(["run", "runbook.yaml"]).env("PALISADE_WITNESS_COMMAND", "cat").output().unwrap();
    assert!(told(&Outcome::from(wrong).exits(2)).contains("is no JSON list of a program"));
}

#[test]
fn what_is_kept_counts_only_with_the_signature_of_the_witness() {
    let (dir, _witness) = watched();
    let _ = run(&dir).exits(0);
    let kept = fs::read_dir(dir.join(".palisade/witnesses")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&kept).unwrap();
    let unsigned: String =
        text.lines().filter(|line| !line.contains("witness.example")).map(|line| format!("{line}\n")).collect();
    fs::write(&kept, unsigned).unwrap();
    let refused = palisade(dir.path(), ["audit", "verify"]).exits(7);
    assert!(
        told(&refused).contains("checkpoint 1 is not signed by the witness `witness.example+"),
        "{}",
        refused.stderr
    );
}

fn copy_all(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
