//! What must come out of a case, as files below its folder; comparing it with what came out; accepting that.
//!
//! Success is a file for each output port, failure is one file. Items are compared as JSON in their order: spaces and
//! the order of keys don't matter.

use super::case::names;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use palisade_engine::Made;
use palisade_model::{Failure, canonical, neutral, strict_json};
use serde_json::Value;
use similar::TextDiff;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The file that says how a case fails: the kind of failure on its first line, below it a part of the message.
const ERROR: &str = "expected-error";
/// The folder with what each port emits.
const FOLDER: &str = "expected";
/// Most characters of one diff that are shown.
const MAX_DIFF_CHARS: usize = 20_000;

/// Path below the case's folder, and content.
pub(super) type Files = BTreeMap<String, String>;

/// Reads what must come out; none = nobody has said yet.
///
/// # Errors
/// When a file can't be read or has a name that no output has.
pub(super) fn expected(dir: &Path) -> Result<Option<Files>, CliError> {
    let mut files = Files::new();
    let mut read = |name: String| {
        let path = dir.join(&name);
        let text = fs::read_to_string(&path)
            .map_err(|error| CliError::usage(format!("{} can't be read: {error}", path.display())))?;
        files.insert(name, text);
        Ok::<_, CliError>(())
    };
    let folder = dir.join(FOLDER);
    if folder.is_dir() {
        for name in names(&folder)? {
            if !name.ends_with(".jsonl") && !name.ends_with(".metadata.json") {
                return Err(CliError::usage(format!("{FOLDER}/{} is no output", neutral::line(&name, 80)))
                    .help("PORT.jsonl and PORT.metadata.json are"));
            }
            read(format!("{FOLDER}/{name}"))?;
        }
    }
    if dir.join(ERROR).is_file() {
        read(ERROR.to_owned())?;
    }
    Ok(if files.is_empty() && !folder.is_dir() { None } else { Some(files) })
}

/// Writes down what came out.
///
/// # Errors
/// When the items can't be read.
pub(super) fn found(result: &Result<Vec<Made>, Failure>) -> Result<Files, CliError> {
    let made = match result {
        Ok(made) => made,
        Err(failure) => {
            return Ok(Files::from([(ERROR.to_owned(), format!("{}\n{}\n", kind(failure), failure.message))]));
        }
    };
    let mut files = Files::new();
    for made in made {
        let bytes = made.items.content().read_all().map_err(|error| CliError::from_error(ExitCode::Failed, &error))?;
        files.insert(format!("{FOLDER}/{}.jsonl", made.port), String::from_utf8_lossy(&bytes).into_owned());
        if made.metadata.as_object().is_none_or(|metadata| !metadata.is_empty()) {
            files.insert(format!("{FOLDER}/{}.metadata.json", made.port), sorted(&made.metadata));
        }
    }
    Ok(files)
}

/// The name of a kind of failure: `limit`, `bad_input`, `trap`, …
pub(super) fn kind(failure: &Failure) -> String {
    let written = serde_json::to_value(&failure.kind).unwrap_or_default();
    written.get("kind").and_then(Value::as_str).unwrap_or("failed").to_owned()
}

/// The differences, each as a unified diff for people; none = as expected.
pub(super) fn differences(expected: &Files, found: &Files) -> Vec<String> {
    let names: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    let none = String::new();
    let difference = |name: &&String| {
        let (wanted, came) = (expected.get(*name).unwrap_or(&none), found.get(*name).unwrap_or(&none));
        let (wanted, came) = (comparable(name, wanted), comparable(name, came));
        if wanted == came || name.as_str() == ERROR && error_fits(&wanted, &came) {
            return None;
        }
        let diff = TextDiff::from_lines(&wanted, &came);
        let text = diff.unified_diff().context_radius(2).header(&format!("{name} (expected)"), "found").to_string();
        Some(neutral::block(&text, MAX_DIFF_CHARS))
    };
    names.iter().filter_map(difference).collect()
}

/// Replaces what is expected by what was found.
///
/// # Errors
/// When it can't be written.
pub(super) fn accept(dir: &Path, expected: &Files, found: &Files) -> Result<(), CliError> {
    let failed =
        |path: &Path, error| CliError::new(ExitCode::Failed, format!("{} can't be written: {error}", path.display()));
    for name in expected.keys().filter(|name| !found.contains_key(*name)) {
        let path = dir.join(name);
        fs::remove_file(&path).map_err(|error| failed(&path, error))?;
    }
    for (name, content) in found {
        let path = dir.join(name);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, content));
        written.map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// Takes away what does not count. What is no JSON stays as it is and will differ.
fn comparable(name: &str, text: &str) -> String {
    if name.ends_with(".jsonl") {
        let line = |line: &str| match strict_json::from_str(line) {
            Ok(item) => format!("{}\n", String::from_utf8_lossy(&canonical::to_vec(&item))),
            Err(_) => format!("{line}\n"),
        };
        text.lines().map(line).collect()
    } else if name.ends_with(".json") {
        match strict_json::from_str(if text.is_empty() { "{}" } else { text }) {
            Ok(value) => sorted(&value),
            Err(_) => text.to_owned(),
        }
    } else {
        text.to_owned()
    }
}

/// A value over several lines, its keys in order.
fn sorted(value: &Value) -> String {
    let ordered: Value = serde_json::from_slice(&canonical::to_vec(value)).unwrap_or_default();
    let text = serde_json::to_string_pretty(&ordered).unwrap_or_default();
    text + "\n"
}

/// The kinds are equal, and the message holds what is expected of it.
fn error_fits(expected: &str, found: &str) -> bool {
    let split = |text: &str| {
        let (kind, message) = text.split_once('\n').unwrap_or((text, ""));
        (kind.trim().to_owned(), message.trim().to_owned())
    };
    let ((wanted, part), (kind, message)) = (split(expected), split(found));
    wanted == kind && message.contains(&part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::FailureKind;

    fn files(entries: &[(&str, &str)]) -> Files {
        entries.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    fn differs(expected: &[(&str, &str)], found: &[(&str, &str)]) -> Vec<String> {
        differences(&files(expected), &files(found))
    }

    #[test]
    fn items_are_compared_as_json_in_their_order() {
        let one = "{\"a\":1,\"b\":[2]}\n{\"c\":1.0}\n";
        assert!(
            differs(&[("expected/x.jsonl", one)], &[("expected/x.jsonl", "{ \"b\": [2], \"a\": 1 }\n{\"c\":1}")])
                .is_empty()
        );
        let swapped = "{\"c\":1}\n{\"a\":1,\"b\":[2]}\n";
        let diff = differs(&[("expected/x.jsonl", one)], &[("expected/x.jsonl", swapped)]);
        assert_eq!(diff.len(), 1);
        assert!(diff[0].contains("-{\"c\":1}") && diff[0].contains("+{\"c\":1}"), "{}", diff[0]);
    }

    #[test]
    fn what_is_absent_is_empty() {
        assert!(differs(&[], &[("expected/x.jsonl", "")]).is_empty());
        assert!(differs(&[("expected/x.metadata.json", "{}")], &[]).is_empty());
        assert_eq!(differs(&[], &[("expected/x.jsonl", "{}\n")]).len(), 1);
    }

    #[test]
    fn an_error_fits_by_kind_and_a_part_of_its_message() {
        let failure = Failure::new(FailureKind::BadInput, "a text holds a NUL character: is it a binary file?");
        let found = found(&Err(failure)).unwrap();
        let check = |expected: &str| differences(&files(&[("expected-error", expected)]), &found).is_empty();
        assert!(check("bad_input\na text holds a NUL"));
        assert!(check("bad_input"));
        assert!(!check("bad_config\na text holds a NUL"));
        assert!(!check("bad_input\nanother text"));
        assert_eq!(differences(&files(&[("expected/x.jsonl", "{}\n")]), &found).len(), 2);
    }

    #[test]
    fn a_diff_can_not_move_a_cursor() {
        let diff = differs(&[("expected/x.jsonl", "")], &[("expected/x.jsonl", "not json \x1b[2J\n")]);
        assert!(diff[0].contains("\\u{1b}"), "{}", diff[0]);
    }

    #[test]
    fn accepting_leaves_what_was_found_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let expect = |text| fs::write(dir.path().join(ERROR), text).unwrap();
        assert_eq!(expected(dir.path()).unwrap(), None);
        expect("failed\n");
        let before = expected(dir.path()).unwrap().unwrap();
        let now = files(&[("expected/x.jsonl", "{}\n")]);
        accept(dir.path(), &before, &now).unwrap();
        assert_eq!(expected(dir.path()).unwrap(), Some(now));
        fs::write(dir.path().join("expected/x.txt"), "").unwrap();
        assert!(expected(dir.path()).is_err());
    }
}
