//! `docs/diagnostics.md` holds an example of every code; this runs them all. With `BLESS=1` in the environment the
//! answers in the file are rewritten; read them before you commit.

use crate::support;

use palisade_authority::{FlowRule, Flows, Labels, Sink};
use palisade_runbook::{Code, Diagnostic, Severity, Source, read_ruleset};
use palisade_schema::Registry;
use std::fmt::Write as _;
use std::path::Path;

/// The child runbook that examples name.
const CHILD: &str = "inputs:\n  texts: {input_schema: standard_input/1.0.0}\noutputs: {found: findings}\nexecution:\n  - name: \
                     Find words\n    analyser: acme:words\n    input: texts\n    output: findings\n";

/// The runbook whose step runs the examples that are artifacts.
const CALLER: &str = "inputs:\n  made: {input_schema: runbook_definition}\nexecution:\n  - {id: run_it, type: execute_workflow, \
                      workflow: \"{{ made }}\"}\n";

/// The same with a list of components that bounds the config of one.
const BOUNDED: &str = "inputs:\n  made: {input_schema: runbook_definition}\n  texts: {input_schema: standard_input}\nexecution:\n  - id: run_it\n    \
                       type: execute_workflow\n    workflow: \"{{ made }}\"\n    inputs: {texts: texts}\n    components:\n      - {component: \
                       'acme:words', config: {most: {enum: [2, 3]}}}\n";

/// One fenced example: what stands behind `yaml`, the text, and the answers below it.
struct Example {
    flags: Vec<String>,
    text: String,
}

fn run(example: &Example) -> Vec<Diagnostic> {
    let mut bytes = example.text.clone().into_bytes();
    match example.flags.first().map(String::as_str) {
        Some("large") => bytes.extend(std::iter::repeat_n(b'#', 4 << 20)),
        Some("bytes") => {
            let at = bytes.windows(4).position(|window| window == br"\xFF").unwrap();
            bytes.splice(at..at + 4, [0xFF]);
        }
        _ => {}
    }
    let source = match Source::from_bytes("x.yaml", bytes) {
        Ok(source) => source,
        Err(diagnostic) => return vec![diagnostic],
    };
    if example.flags.first().is_some_and(|flag| flag == "ruleset") {
        let name = "local/demo/1.0.0".parse().unwrap();
        let kind = example.flags.get(1).map_or(support::KIND, String::as_str);
        return read_ruleset(&source, Some(&name), kind, &Registry::builtin().unwrap()).1;
    }
    if example.flags.first().is_some_and(|flag| flag == "artifact") {
        let caller = if example.flags.iter().any(|flag| flag == "bounded") { BOUNDED } else { CALLER };
        return support::World::new().check_artifact(&Source::new("caller.yaml", caller), &source).1;
    }
    let mut world = support::World::new();
    if example.flags.first().is_some_and(|flag| flag == "unpriced") {
        world.models.models.push(support::model("dear"));
    }
    let read = |path: &str| match path {
        "child.yaml" => Some(Source::new(path, CHILD)),
        "x.yaml" => Some(source.clone()),
        _ => None,
    };
    if example.flags.first().is_some_and(|flag| flag == "labels") {
        let labels = Labels::These(["sensitive".to_owned()].into());
        let stated = "palisade.toml:3: of the council".to_owned();
        world.flows = Flows::new(vec![FlowRule { labels, sinks: vec![Sink::Output], never: true, stated }]);
    }
    world.check(&source, &support::demo, &read).1.into_iter().map(|(_, found)| found).collect()
}

fn answer(diagnostic: &Diagnostic) -> String {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let mut text = format!(
        "> {severity}[{}] {}:{} {}\n",
        diagnostic.code, diagnostic.span.line, diagnostic.span.column, diagnostic.message
    );
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(text, "> help: {help}");
    }
    text
}

/// Rewrites the document with the answers that the examples have now, and tells which codes each section shows.
fn rewrite(document: &str) -> (String, Vec<(String, Vec<Code>)>) {
    let mut out = String::new();
    let mut sections: Vec<(String, Vec<Code>)> = Vec::new();
    let mut lines = document.lines().peekable();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        if let Some(title) = line.strip_prefix("### ") {
            sections.push((title.to_owned(), Vec::new()));
        }
        let Some(flags) = line.strip_prefix("```yaml") else { continue };
        let mut example = Example { flags: flags.split_whitespace().map(str::to_owned).collect(), text: String::new() };
        for line in lines.by_ref() {
            out.push_str(line);
            out.push('\n');
            if line == "```" {
                break;
            }
            example.text.push_str(line);
            example.text.push('\n');
        }
        while lines.next_if(|line| line.starts_with("> ")).is_some() {}
        for diagnostic in run(&example) {
            out.push_str(&answer(&diagnostic));
            if let Some((_, codes)) = sections.last_mut() {
                codes.push(diagnostic.code);
            }
        }
    }
    (out, sections)
}

#[test]
fn every_code_has_an_example_that_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/diagnostics.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (now, sections) = rewrite(&document);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &now).unwrap();
    } else {
        assert_eq!(document, now, "docs/diagnostics.md is not what happens; BLESS=1 rewrites it");
    }
    let titles: Vec<&str> = sections.iter().map(|(title, _)| title.as_str()).collect();
    let wanted: Vec<String> = Code::ALL.iter().map(|code| format!("{code} · {}", code.text())).collect();
    assert_eq!(titles, wanted);
    for (code, (title, shown)) in Code::ALL.iter().zip(&sections) {
        assert!(shown.contains(code), "{title}: the example shows {shown:?}");
    }
}
