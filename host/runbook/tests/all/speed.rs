//! Large runbooks: bounds far above what they take, and the figures printed (`--nocapture`).

use crate::support::{World, demo};
use palisade_runbook::Source;
use palisade_runbook::yaml::{Budget, Dialect, read};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

fn runbook(steps: usize) -> String {
    let mut text = String::from(
        "execution:\n  - {id: files, type: source, connector: filesystem, config: {path: data}}\n  - {id: s0, analyser: \
         acme:words, input: files}\n",
    );
    for step in 1..steps - 1 {
        let before = step - 1;
        let _ = match step % 4 {
            0 => writeln!(
                text,
                "  - id: s{step}\n    analyser: acme:words\n    input: files\n    config: {{most: {step}, words: [a, b]}}\n    after: \
                 s{before}"
            ),
            1 => writeln!(
                text,
                "  - id: s{step}\n    analyser: acme:refine\n    input: s{before}\n    when: s{before}.item_count > 0"
            ),
            2 => writeln!(
                text,
                "  - id: s{step}\n    name: Step {step}\n    analyser: acme:refine\n    input: \"{{{{ s{before} }}}}\""
            ),
            _ => writeln!(
                text,
                "  - id: s{step}\n    type: map\n    analyser: acme:words\n    input: files\n    max_items: 5\n    config: {{most: \"{{{{ \
                 s{before}.item_count }}}}\"}}"
            ),
        };
    }
    text.push_str("outputs: {last: s1}\n");
    text
}

#[expect(clippy::print_stderr, reason = "the figure is what this is for")]
fn bounded(what: &str, took: Duration, most: Duration) {
    eprintln!("{what}: {took:?}");
    assert!(took < most, "{what}: {took:?}");
}

#[test]
fn ten_thousand_steps_are_planned_soon() {
    let source = Source::new("x.yaml", runbook(10_000));
    let world = World::new();
    let started = Instant::now();
    let (plan, found) = world.check(&source, &demo, &|_| None);
    bounded("10,000 steps", started.elapsed(), Duration::from_secs(60));
    let errors: Vec<String> = found
        .iter()
        .filter(|(_, found)| found.is_error())
        .take(3)
        .map(|(source, found)| found.render(source))
        .collect();
    assert_eq!(plan.map(|plan| plan.steps.len()), Some(10_000), "{errors:?}");
}

#[test]
fn ten_thousand_steps_with_a_mistake_each_are_judged_soon() {
    let text = runbook(10_000);
    for (right, wrong) in [
        ("input: files", "input: fles"),
        ("acme:words", "acme:wrds"),
        ("  input:", "  inptu:"),
        ("id: s", "id: t"),
        ("    input: files\n", ""),
    ] {
        let source = Source::new("x.yaml", text.replace(right, wrong));
        let started = Instant::now();
        assert!(World::new().check(&source, &demo, &|_| None).0.is_none());
        bounded(&format!("10,000 steps, `{right}` as `{wrong}`"), started.elapsed(), Duration::from_secs(60));
    }
}

#[test]
fn a_mebibyte_is_read_soon() {
    let mut text = runbook(7_000);
    while text.len() < 1 << 20 {
        text.push_str("# and a comment that fills the file up to one mebibyte, as people write them\n");
    }
    let source = Source::new("x.yaml", text);
    let started = Instant::now();
    let (node, diagnostics) = read(&source, Budget::RUNBOOK, Dialect::V12);
    bounded("1 MiB of YAML", started.elapsed(), Duration::from_secs(2));
    assert!(node.is_some() && diagnostics.is_empty());
}
