//! `palisade.toml`: all mistakes at their places, or a file that grants nothing in Palisade's own folder.

use palisade_authority::WorkingFolder;
use palisade_model::neutral::is_hidden;
use palisade_runbook::Source;
use palisade_settings::{Mistake, Place, read, read_expectations};

/// The text of the file; it is read as one of expectations too.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let source = Source::new("palisade.toml", text);
    let folder = |path: &[u8]| WorkingFolder::new(path).expect("a folder");
    let place = Place { folder: folder(b"/w/runs"), base: folder(b"/w"), first_party: vec!["filesystem".to_owned()] };
    let file = read(&source, &place);
    match &file {
        Err(mistakes) => check(&source, mistakes),
        Ok(file) => {
            for allow in file.grants.iter().flat_map(|table| &table.allow) {
                let places = allow.capability().places().expect("a grant of the file has places");
                assert!(!places.is_empty() && !places.iter().any(|place| place.to_string().contains(".palisade/")));
                assert!(!allow.stated().contains(is_hidden));
            }
            for deny in file.denies.iter().flat_map(|table| &table.deny) {
                assert!(!deny.stated().contains(is_hidden), "{:?}", deny.stated());
            }
        }
    }
    let aliases = file.map(|file| file.aliases).unwrap_or_default();
    if let Err(mistakes) = read_expectations(&source, &place, &aliases) {
        check(&source, &mistakes);
    }
}

/// Mistakes can be shown, lie in the text, and are not without end.
fn check(source: &Source, mistakes: &[Mistake]) {
    assert!(!mistakes.is_empty() && mistakes.len() <= 21, "{}", mistakes.len());
    for mistake in mistakes {
        assert!(mistake.span.start <= mistake.span.end && mistake.span.end <= source.text().len(), "{mistake:?}");
        let shown = mistake.render(source);
        assert!(!shown.contains(|c| is_hidden(c) && c != '\n'), "{shown:?}");
        assert!(shown.len() <= 16_384, "{} bytes are shown", shown.len());
    }
}
