//! WCF's own runbooks and rulesets, where they are at hand.

use crate::support;

use palisade_runbook::{BindingSource, Code, Diagnostic, RulesetLookup, Source, read_ruleset};
use palisade_schema::Registry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// WCF's reference data; none, said aloud, where it is absent.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn wcf() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/wcf");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: WCF's reference data is not at {}", folder.display());
    None
}

fn source(path: &Path) -> Source {
    Source::from_bytes(path.file_name().unwrap().to_str().unwrap(), std::fs::read(path).unwrap()).unwrap()
}

fn find(folder: &Path, wanted: &palisade_runbook::WantedRuleset) -> Option<RulesetLookup> {
    let name = &wanted.name;
    let path = folder.join("rulesets").join(&name.name).join(&name.version).join(format!("{}.yaml", name.name));
    let source = path.is_file().then(|| source(&path))?;
    let (ruleset, diagnostics) = read_ruleset(&source, Some(name), &wanted.kind, &Registry::builtin().unwrap());
    assert!(!diagnostics.iter().any(Diagnostic::is_error), "{}", rendered(&source, &diagnostics));
    Some(RulesetLookup::Found(Arc::new(ruleset.unwrap())))
}

fn rendered(source: &Source, diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|diagnostic| diagnostic.render(source)).collect()
}

#[test]
fn its_runbooks_are_planned() {
    let Some(folder) = wcf() else { return };
    for (name, steps, warnings) in [
        ("file_content_analysis", 3, vec![]),
        ("filesystem_three_analysers", 7, vec![]),
        ("sqlite_three_analysers", 7, vec![]),
        // `confidence_threshold` is a property that WCF ignores in silence.
        ("LAMP_stack_lite", 22, vec![Code::IgnoredKey, Code::IgnoredKey]),
    ] {
        let source = source(&folder.join("runbooks").join(format!("{name}.yaml")));
        let (plan, diagnostics) = support::check_with(&source, &|wanted| find(&folder, wanted));
        let codes: Vec<Code> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(codes, warnings, "{}", rendered(&source, &diagnostics));
        let plan = plan.unwrap_or_else(|| panic!("{name} has no plan"));
        assert_eq!(plan.steps.len(), steps, "{name}");
        let text = serde_json::to_string(&plan).unwrap();
        let again: palisade_runbook::Plan = serde_json::from_str(&text).unwrap();
        assert_eq!((again.digest(), &again), (plan.digest(), &plan));
        for (index, step) in plan.steps.iter().enumerate() {
            for needed in step.waits_for() {
                assert!(plan.steps.iter().take(index).any(|before| before.id == *needed), "{name}: {}", step.id);
            }
        }
    }
}

#[test]
fn a_plan_fixes_what_the_runbook_leaves_open() {
    let Some(folder) = wcf() else { return };
    let source = source(&folder.join("runbooks/filesystem_three_analysers.yaml"));
    let (plan, _) = support::check_with(&source, &|wanted| find(&folder, wanted));
    let plan = plan.unwrap();
    let files = &plan.steps[0];
    assert_eq!(files.call().unwrap().config["chunk_size"], 8192);
    assert_eq!(files.call().unwrap().paths[0].written, "samples/filesystem_mock");
    assert_eq!(files.call().unwrap().paths[0].path.to_string(), "samples/filesystem_mock");
    assert_eq!(plan.wall_ms(), 3_600_000);
    let pd = plan.steps.iter().find(|step| step.id.as_str() == "pd").unwrap();
    assert_eq!(pd.call().unwrap().per_item, ["documents"]);
    assert!(matches!(&pd.inputs[1].source, BindingSource::Ruleset { name, .. } if name.ends_with("_indicator/1.0.0")));
    assert_eq!(plan.rulesets.len(), 6);
}

#[test]
fn its_rulesets_fit_the_schemas_that_are_there() {
    let Some(folder) = wcf() else { return };
    let schemas = Registry::builtin().unwrap();
    for (name, kind, count) in [
        ("crypto_quality_indicator", "crypto_quality_indicator", 22),
        ("data_collection", "data_collection", 9),
        ("data_subject_indicator", "data_subject_indicator", 25),
        ("gdpr_data_collection_classification", "gdpr_data_collection_classification", 3),
        ("gdpr_data_subject_classification", "gdpr_data_subject_classification", 14),
        ("gdpr_personal_data_classification", "gdpr_personal_data_classification", 17),
        ("gdpr_processing_purpose_classification", "gdpr_processing_purpose_classification", 11),
        ("gdpr_service_integration_classification", "gdpr_service_integration_classification", 10),
        ("personal_data_indicator", "personal_data_indicator", 29),
        ("personal_data_indicator_erp", "personal_data_indicator", 1),
        ("processing_purposes", "processing_purpose", 24),
        ("processing_purposes_erp", "processing_purpose", 2),
        ("security_control_indicator", "security_control_indicator", 12),
        ("security_control_indicator_erp", "security_control_indicator", 4),
        ("security_control_indicator_nodejs", "security_control_indicator", 5),
        ("service_integrations", "service_integration", 12),
    ] {
        let asked = format!("local/{name}/1.0.0").parse().unwrap();
        let source = source(&folder.join("rulesets").join(name).join("1.0.0").join(format!("{name}.yaml")));
        let (ruleset, diagnostics) = read_ruleset(&source, Some(&asked), kind, &schemas);
        assert_eq!(diagnostics, [], "{}", rendered(&source, &diagnostics));
        let ruleset = ruleset.unwrap();
        assert_eq!((ruleset.count, ruleset.name.as_str()), (count, name));
        assert_eq!(ruleset.items.iter().filter(|&&byte| byte == b'\n').count() as u64, count);
        // Read as another type, the answer says which type it is.
        let other = if kind == "data_collection" { "service_integration" } else { "data_collection" };
        let (none, diagnostics) = read_ruleset(&source, None, other, &schemas);
        assert!(none.is_none());
        assert_eq!(diagnostics[0].code, Code::RulesetType, "{}", rendered(&source, &diagnostics));
        assert!(diagnostics[0].message.contains(&format!("`{kind}`")), "{}", diagnostics[0].message);
    }
}
