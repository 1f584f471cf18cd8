//! Each folder below `cases/` is a test: `cmd` is run among the folder's `files`, and what it prints is compared with
//! `stdout` and `stderr` (absent = empty), its code with `exit` (absent = 0).
//!
//! `PALISADE_BLESS=1 cargo test -p palisade-tests --test system cases::` writes what came out; read it before you commit it.

use palisade_tests::{Dir, command, redact};
use std::fs;
use std::path::Path;

#[test]
fn every_case_gives_what_is_expected() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut names: Vec<_> = fs::read_dir(&cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(!names.is_empty());
    let failed: Vec<_> = names.iter().filter_map(|case| run(case).err()).collect();
    assert!(failed.is_empty(), "{} of {} cases failed:\n\n{}", failed.len(), names.len(), failed.join("\n\n"));
}

fn run(case: &Path) -> Result<(), String> {
    let dir = Dir::new();
    if case.join("files").is_dir() {
        dir.copy_from(&case.join("files"));
    }
    let line = fs::read_to_string(case.join("cmd")).map_err(|error| format!("{}: cmd: {error}", case.display()))?;
    // Through a shell, so that a case can prepare what files can't hold: links, FIFOs, modes.
    let outcome = command::shell(dir.path(), &line);
    let found = [
        ("exit", outcome.code.map_or_else(|| "signal".to_owned(), |code| code.to_string()), "0"),
        ("stdout", redact::redact(&outcome.stdout, dir.path()), ""),
        ("stderr", redact::redact(&outcome.stderr, dir.path()), ""),
    ];
    let bless = std::env::var_os("PALISADE_BLESS").is_some();
    let mut differs = Vec::new();
    for (name, found, absent) in found {
        let file = case.join(name);
        let expected = fs::read_to_string(&file).unwrap_or_else(|_| absent.to_owned());
        if expected.trim_end() == found.trim_end() {
            continue;
        }
        if !bless {
            differs.push(format!(
                "--- expected {name}\n{}\n--- found {name}\n{}",
                expected.trim_end(),
                found.trim_end()
            ));
        } else if found.trim_end() == absent {
            let _ = fs::remove_file(file);
        } else {
            fs::write(file, format!("{}\n", found.trim_end())).expect("the case's folder can be written");
        }
    }
    if differs.is_empty() { Ok(()) } else { Err(format!("=== {}\n{}", case.display(), differs.join("\n"))) }
}
