//! Every example of `docs/runbooks.md` is a runbook without a mistake; ` ```yaml NAME ` is the file of that name for those
//! behind it.

use crate::support::World;
use palisade_runbook::{RulesetLookup, Source, WantedRuleset, read_ruleset};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The rulesets of the demo.
fn find(wanted: &WantedRuleset) -> Option<RulesetLookup> {
    let name = &wanted.name;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/demo/rulesets");
    let text = std::fs::read(folder.join(&name.name).join(&name.version).join(format!("{}.yaml", name.name))).ok()?;
    let source = Source::from_bytes("ruleset.yaml", text).unwrap();
    let (ruleset, diagnostics) = read_ruleset(&source, Some(name), &wanted.kind, crate::support::schemas());
    Some(RulesetLookup::Found(Arc::new(ruleset.unwrap_or_else(|| panic!("{diagnostics:?}")))))
}

#[test]
fn every_example_of_the_guide_is_a_runbook() {
    let guide = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks.md")).unwrap();
    let mut files = BTreeMap::new();
    let mut count = 0;
    for block in guide.split("\n```yaml").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap();
        let (text, _) = rest.split_once("\n```").unwrap();
        let source = Source::new("guide.yaml", format!("{text}\n"));
        if !name.is_empty() {
            files.insert(name.trim().to_owned(), source.text().to_owned());
        }
        let read = |path: &str| files.get(path).map(|text: &String| Source::new(path, text.clone()));
        let (plan, found) = World::new().check(&source, &find, &read);
        let found: Vec<String> = found.iter().map(|(source, found)| found.render(source)).collect();
        assert!(plan.is_some(), "{text}\n{}", found.join("\n"));
        let warnings: Vec<&String> = found.iter().filter(|text| !text.starts_with("note")).collect();
        assert!(warnings.is_empty(), "{text}\n{warnings:?}");
        count += 1;
    }
    assert!(count >= 7, "{count}");
}
