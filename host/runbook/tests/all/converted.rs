//! A runbook of the artifacts form, converted, is planned to the same steps.

use crate::support::{check_with, components, demo};
use palisade_runbook::{Plan, Source, convert, parse_as_written};

fn planned(source: &Source) -> Plan {
    let (plan, diagnostics) = check_with(source, &demo);
    let errors: String = diagnostics.iter().map(|told| told.render(source)).collect();
    plan.unwrap_or_else(|| panic!("{errors}\n{}", source.text()))
}

/// The plans of both, without what a rewritten text must change: its digest, and where things stand in it.
fn check(text: &str) -> String {
    let source = Source::new("x.yaml", text);
    let (runbook, _) = parse_as_written(&source);
    let (converted, _) = convert(&runbook.unwrap(), &components()).unwrap();
    let (mut before, mut after) = (planned(&source), planned(&Source::new("x.yaml", converted.clone())));
    for plan in [&mut before, &mut after] {
        plan.runbook_digest = palisade_model::Digest::of(b"");
    }
    let steps = |plan: &Plan| serde_json::to_value(&plan.steps).unwrap();
    assert_eq!(steps(&before), steps(&after), "{converted}");
    let exported = |plan: &Plan| {
        let outputs = plan.steps.iter().flat_map(|step| &step.outputs).filter(|output| output.exported);
        let named = outputs.filter_map(|output| output.artifact.clone());
        let mut names: Vec<_> = named
            .chain(plan.aliases.iter().filter(|alias| alias.exported).map(|alias| alias.artifact.clone()))
            .collect();
        names.sort();
        names
    };
    assert_eq!(exported(&before), exported(&after));
    assert_eq!((before.limits, before.rulesets, before.inputs), (after.limits, after.rulesets, after.inputs));
    converted
}

const HEAD: &str = "name: N\ndescription: D\n";

#[test]
fn steps_stand_behind_what_they_read_and_configs_are_as_wcf_reads_them() {
    let text = format!(
        "{HEAD}contact: me\nframework: GDPR\nconfig: {{timeout: '90', max_concurrency: 2.0}}\nartifacts:\n  pd:\n    name: Personal \
         data\n    inputs: [b, files]\n    process:\n      type: personal_data\n      properties:\n        pattern_matching: {{ruleset: \
         local/demo/1.0.0, maximum_evidence_count: '7', unknown: 1}}\n    output: yes\n    optional: on\n  b:\n    source: {{type: \
         sqlite, properties: {{database_path: ' x.db ', max_rows_per_table: 010}}}}\n  files:\n    source: {{type: filesystem, \
         properties: {{path: data}}}}\n    limits: {{wall: 1.5, memory: 2 MiB}}\n"
    );
    assert_eq!(
        check(&text),
        "name: \"N\"\ndescription: D\ncontact: me\nlimits:\n  max_duration: 90s\n  max_concurrency: 2\nexecution:\n  - id: b\n    type: \
         source\n    connector: sqlite\n    config:\n      database_path: x.db\n      max_rows_per_table: 8\n  - id: files\n    type: \
         source\n    connector: filesystem\n    config:\n      path: data\n    limits:\n      memory: 2097152\n      wall: 1500ms\n  - \
         id: pd\n    name: Personal data\n    analyser: personal_data\n    inputs: [b, files]\n    config:\n      pattern_matching:\n        \
         maximum_evidence_count: 7\n        ruleset: local/demo/1.0.0\n    output: pd\n    optional: true\n"
    );
}

#[test]
fn second_names_become_outputs() {
    let text = format!(
        "{HEAD}artifacts:\n  files:\n    source: {{type: filesystem, properties: {{path: data}}}}\n  again: {{inputs: files, output: \
         true}}\n  third: {{inputs: again}}\n  code: {{inputs: third, process: {{type: source_code_analyser}}, output: true}}\n"
    );
    let converted = check(&text);
    assert!(converted.contains("outputs:\n  again: files\n  code: code\n"), "{converted}");
    assert!(converted.contains("input: files"), "{converted}");
}

#[test]
fn what_can_not_be_said_is_refused() {
    let check = |text: &str| {
        let (runbook, _) = parse_as_written(&Source::new("x.yaml", text));
        convert(&runbook.unwrap(), &components())
            .unwrap_err()
            .iter()
            .map(|told| told.message.clone())
            .collect::<Vec<_>>()
    };
    let reuse = format!(
        "{HEAD}artifacts:\n  a: {{reuse: {{from_run: last, artifact: x}}, output_schema: standard_input/1.0.0}}\n"
    );
    assert_eq!(check(&reuse), ["`reuse` has no place in the execution form: give the artifact as an input of the run"]);
    assert_eq!(check("execution: []\n"), ["this is the execution form already"]);
    assert_eq!(check(&format!("{HEAD}artifacts: {{a: {{inputs: b}}, b: {{inputs: a}}}}\n")).len(), 1, "a circle");
}
