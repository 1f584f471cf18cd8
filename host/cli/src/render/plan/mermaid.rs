//! The plan as a Mermaid flowchart: steps with their components, and what flows between them.

use super::steps::source;
use palisade_model::neutral;
use palisade_runbook::{BindingSource, Plan, PlanDocument, PlannedChildRunbook, PlannedStep};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Most characters of a label.
const MAX_LABEL: usize = 80;

/// The diagram. Its nodes have names of their own, so that no text of a runbook can become a part of its grammar.
pub(crate) fn mermaid(document: &PlanDocument) -> String {
    let mut chart = Chart { out: "flowchart TD\n".to_owned(), nodes: 0 };
    chart.plan(&document.plan, 1);
    chart.out
}

struct Chart {
    out: String,
    nodes: usize,
}

impl Chart {
    fn node(&mut self, depth: usize, shape: (&str, &str), lines: &[String]) -> String {
        self.nodes += 1;
        let name = format!("n{}", self.nodes);
        let text: Vec<String> = lines.iter().map(|line| label(line)).collect();
        let _ = writeln!(self.out, "{}{name}{}\"{}\"{}", "  ".repeat(depth), shape.0, text.join("<br/>"), shape.1);
        name
    }

    fn plan(&mut self, plan: &Plan, depth: usize) {
        // The nodes of what is read, by their names in the plan.
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        for input in &plan.inputs {
            let lines = [format!("input {}", input.name), input.schema.to_string()];
            let node = self.node(depth, ("[/", "/]"), &lines);
            known.insert(source(&BindingSource::Input { name: input.name.clone() }), node);
        }
        for step in &plan.steps {
            let node = self.step(step, depth);
            for output in &step.outputs {
                let from = BindingSource::Step { step: step.id.clone(), port: output.port.clone() };
                known.insert(source(&from), node.clone());
            }
            known.insert(step.id.to_string(), node.clone());
            self.edges(step, &node, &mut known, depth);
        }
    }

    fn step(&mut self, step: &PlannedStep, depth: usize) -> String {
        let mut lines = vec![format!("{} ({})", step.id, step.kind())];
        lines.extend(step.call().map(|call| format!("{}@{}", call.component, call.version)));
        let file = step.child().and_then(|child| match &child.runbook {
            PlannedChildRunbook::File { path, plan } => Some((path, plan)),
            PlannedChildRunbook::Artifact { .. } | PlannedChildRunbook::Agent { .. } => None,
        });
        let node = self.node(depth, if step.child().is_some() { ("[[", "]]") } else { ("[", "]") }, &lines);
        if let Some((path, plan)) = file {
            let _ = writeln!(self.out, "{}subgraph {node}c[\"{}\"]", "  ".repeat(depth), label(path));
            self.plan(plan, depth + 1);
            let _ = writeln!(self.out, "{}end", "  ".repeat(depth));
            let _ = writeln!(self.out, "{}{node} --- {node}c", "  ".repeat(depth));
        }
        node
    }

    fn edges(&mut self, step: &PlannedStep, node: &str, known: &mut BTreeMap<String, String>, depth: usize) {
        for binding in &step.inputs {
            let key = source(&binding.source);
            if let BindingSource::Ruleset { name, .. } = &binding.source
                && !known.contains_key(&key)
            {
                let ruleset = self.node(depth, ("[(", ")]"), std::slice::from_ref(name));
                known.insert(key.clone(), ruleset);
            }
            if let Some(from) = known.get(&key) {
                let text = label(&binding.schema.to_string());
                let _ = writeln!(self.out, "{}{from} -->|\"{text}\"| {node}", "  ".repeat(depth));
            }
        }
        let read: Vec<_> = step.inputs.iter().map(|binding| &binding.source).collect();
        let only_waits = step.waits_for().filter(|before| {
            !read.iter().any(|source| matches!(source, BindingSource::Step { step, .. } if step == *before))
        });
        for before in only_waits.filter_map(|before| known.get(before.as_str())) {
            let _ = writeln!(self.out, "{}{before} -.-> {node}", "  ".repeat(depth));
        }
    }
}

/// Text within quotes: what could end them or be read as markup is written as entities.
fn label(text: &str) -> String {
    let mut safe = String::new();
    for c in neutral::line(text, MAX_LABEL).chars() {
        match c {
            '"' | '<' | '>' | '&' | '#' | '`' | '\\' => {
                let _ = write!(safe, "#{};", u32::from(c));
            }
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_label() {
        assert_eq!(label("a-b_1@2"), "a-b_1@2");
        assert_eq!(label("x\"] --> evil[\"<b>"), "x#34;] --#62; evil[#34;#60;b#62;");
        assert_eq!(label("#quot; & `"), "#35;quot; #38; #96;");
    }
}
