//! From text to a runbook: finds out how it is written, and has it read so.

use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::form::FormReader;
use crate::nearest::nearest;
use crate::runbook::{Form, Runbook};
use crate::source::Source;
use crate::variables;
use crate::yaml::{self, Budget, Data, Dialect, Entry, Node};
use palisade_model::neutral;
use std::collections::BTreeMap;

/// What other tools call their steps.
const ELSEWHERE: [&str; 6] = ["steps", "jobs", "tasks", "stages", "workflow", "pipeline"];

/// Reads a runbook. `variables` are those that the operator lists for `${VAR}`; nothing is taken from elsewhere.
///
/// Gives what it understood, and all diagnostics: a runbook that comes with an error can be planned to find more
/// errors, not to be run.
#[must_use]
pub fn parse(source: &Source, variables: &BTreeMap<String, String>) -> (Option<Runbook>, Vec<Diagnostic>) {
    read(source, Some(variables))
}

/// Reads a runbook in which each `${VAR}` stays as it is written: to write it down again, not to run it.
#[must_use]
pub fn parse_as_written(source: &Source) -> (Option<Runbook>, Vec<Diagnostic>) {
    read(source, None)
}

/// Reads a runbook that is an artifact: it knows no variables, and what may be a slip of a person's is none here, since no
/// person wrote it. What can't be seen deceives who approves it, and one that does nothing only looks like a check.
#[must_use]
pub fn parse_artifact(source: &Source) -> (Option<Runbook>, Vec<Diagnostic>) {
    let (runbook, told) = read(source, Some(&BTreeMap::new()));
    let judged = told.into_iter().map(|told| match told.code {
        Code::HiddenCharacters | Code::NoArtifacts => told.into_error(),
        _ => told,
    });
    (runbook, judged.collect())
}

fn read(source: &Source, variables: Option<&BTreeMap<String, String>>) -> (Option<Runbook>, Vec<Diagnostic>) {
    // WCF's form is YAML 1.1, the other one 1.2. Which it is, the keys tell, and those are texts in both; the first guess
    // only saves reading twice.
    let guess = match source.text().lines().any(|line| line.starts_with("execution:")) {
        true => Form::Execution,
        false => Form::Artifacts,
    };
    let (mut node, mut diagnostics) = yaml::read(source, Budget::RUNBOOK, dialect(guess));
    let form = match node.as_ref() {
        Some(root) if root.entry("execution").is_some() => Form::Execution,
        Some(_) => Form::Artifacts,
        None => guess,
    };
    if form != guess {
        (node, diagnostics) = yaml::read(source, Budget::RUNBOOK, dialect(form));
    }
    let mut reader = FormReader::new(source, form);
    reader.shape.diagnostics.extend(diagnostics);
    let runbook = node.and_then(|mut node| {
        if let Some(variables) = variables {
            variables::replace(&mut node, variables, source, &mut reader.shape.diagnostics);
        }
        reader.shape.diagnostics.next_reading();
        reader.runbook(&node, form)
    });
    let mistakes = reader.shape.diagnostics.places();
    (runbook.map(|runbook| Runbook { mistakes, ..runbook }), reader.shape.diagnostics.into_sorted())
}

fn dialect(form: Form) -> Dialect {
    match form {
        Form::Artifacts => Dialect::V11,
        Form::Execution => Dialect::V12,
    }
}

impl FormReader<'_> {
    fn runbook(&mut self, root: &Node, form: Form) -> Option<Runbook> {
        self.shape.mapping(root, "a runbook")?;
        match form {
            Form::Artifacts if self.steps_elsewhere(root) => None,
            Form::Artifacts => Some(self.artifacts_form(root)),
            Form::Execution => {
                if let (Some(execution), Some(artifacts)) = (root.entry("execution"), root.entry("artifacts")) {
                    let message = "a runbook has either `artifacts` or `execution`, not both";
                    let both = Diagnostic::new(Code::TwoForms, self.shape.source.name(), execution.key_span, message)
                        .with_label(artifacts.key_span, "the other one");
                    self.shape.push(both);
                    return None;
                }
                self.execution_form(root)
            }
        }
    }

    /// A list of steps under a key that other tools use, or a misspelt one: told once, instead of all that would follow.
    fn steps_elsewhere(&mut self, root: &Node) -> bool {
        if root.entry("artifacts").is_some() {
            return false;
        }
        let Data::Map(entries) = &root.data else { return false };
        let steps = |entry: &&Entry| match &entry.value.data {
            Data::List(list) => {
                let key = entry.key.as_str();
                let named = ELSEWHERE.contains(&key) || nearest(key, ["execution"]).is_some();
                named && list.iter().any(|step| matches!(step.data, Data::Map(_)))
            }
            _ => false,
        };
        let Some(entry) = entries.iter().find(steps) else { return false };
        let message = format!("a runbook has no key `{}`", neutral::line(&entry.key, 60));
        let wrong = Diagnostic::new(Code::UnknownKey, self.shape.source.name(), entry.key_span, message)
            .with_help("a list of steps is called `execution`");
        self.shape.push(wrong);
        true
    }
}
