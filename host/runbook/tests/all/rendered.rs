//! `tests/rendered/NAME.yaml` is a runbook, `NAME.txt` what a person is shown for it. A new case needs no Rust; with
//! `BLESS=1` in the environment the texts are rewritten; read them before you commit.

use crate::support::check;
use palisade_runbook::Source;
use std::path::Path;

#[test]
fn what_is_shown_is_what_was_agreed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rendered");
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    names.sort();
    assert!(!names.is_empty());
    for path in names {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let shown = match Source::from_bytes(name, std::fs::read(&path).unwrap()) {
            Ok(source) => check(&source).1.iter().map(|found| found.render(&source)).collect::<Vec<_>>().join("\n"),
            Err(diagnostic) => diagnostic.render(&Source::new("", "")),
        };
        let agreed = path.with_extension("txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&agreed, &shown).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&agreed).unwrap_or_default(), shown, "{}", agreed.display());
    }
}
