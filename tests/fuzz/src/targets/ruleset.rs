//! Rulesets: YAML 1.1 under a budget, checked against the schema of their type.

use super::check_diagnostics;
use super::support::schemas;
use palisade_runbook::{Diagnostic, Source, read_ruleset};

/// The length chooses the type, so that any file is a seed and most changes of one are tried with several types.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(source) = Source::from_bytes("ruleset.yaml", bytes.to_vec()) else { return };
    let kinds: Vec<&str> = schemas().names().filter_map(|name| name.name().strip_prefix("ruleset.")).collect();
    let Some(kind) = kinds.get(bytes.len() % kinds.len()) else { return };
    let (ruleset, diagnostics) = read_ruleset(&source, None, kind, schemas());
    check_diagnostics(diagnostics.iter().map(|found| (&source, found)));
    assert_eq!(ruleset.is_none(), diagnostics.iter().any(Diagnostic::is_error), "{diagnostics:?}");
    let Some(ruleset) = ruleset else { return };
    let text = std::str::from_utf8(&ruleset.items).expect("items are text");
    assert_eq!(text.lines().count() as u64, ruleset.count);
    assert!(text.is_empty() || text.ends_with('\n'));
    let schema = schemas().get(&ruleset.schema).expect("a ruleset has a known schema");
    let validator = schema.item().expect("a built-in schema compiles");
    for line in text.lines() {
        assert_eq!(validator.check_line(line), Ok(()), "{line}");
    }
}
