//! From text to a runbook: finds out how it is written, and has it read so.

use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::form::FormReader;
use crate::runbook::{Form, Runbook};
use crate::source::Source;
use crate::variables;
use crate::yaml::{self, Budget, Data, Dialect, Node};
use std::collections::BTreeMap;

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

fn read(source: &Source, variables: Option<&BTreeMap<String, String>>) -> (Option<Runbook>, Vec<Diagnostic>) {
    // WCF's form is YAML 1.1, the other one 1.2. Which it is, the keys tell, and those are texts in both.
    let (mut node, mut diagnostics) = yaml::read(source, Budget::RUNBOOK, Dialect::V11);
    let form = match node.as_ref().is_some_and(|root| root.entry("execution").is_some()) {
        true => Form::Execution,
        false => Form::Artifacts,
    };
    if form == Form::Execution {
        (node, diagnostics) = yaml::read(source, Budget::RUNBOOK, Dialect::V12);
    }
    let mut reader = FormReader::new(source, form);
    reader.shape.diagnostics.extend(diagnostics);
    let runbook = node.and_then(|mut node| {
        if let Some(variables) = variables {
            variables::replace(&mut node, variables, source, &mut reader.shape.diagnostics);
        }
        reader.runbook(&node, form)
    });
    (runbook, reader.shape.diagnostics.into_sorted())
}

impl FormReader<'_> {
    fn runbook(&mut self, root: &Node, form: Form) -> Option<Runbook> {
        self.shape.mapping(root, "a runbook")?;
        match form {
            Form::Artifacts => {
                self.steps_outside(root);
                Some(self.artifacts_form(root))
            }
            Form::Execution => {
                if let (Some(execution), Some(artifacts)) = (root.entry("execution"), root.entry("artifacts")) {
                    let message = "a runbook has either `artifacts` or `execution`, not both";
                    let both = Diagnostic::new(Code::TwoForms, self.shape.source.name(), execution.key_span, message)
                        .with_label(artifacts.key_span, "the other one");
                    self.shape.push(both);
                    return None;
                }
                Some(self.execution_form(root))
            }
        }
    }

    /// A list of steps under a key that other tools use: a hint is worth more than an ignored key.
    fn steps_outside(&mut self, root: &Node) {
        let guess = ["steps", "jobs", "tasks", "workflow"].iter().find_map(|key| root.entry(key));
        let list = guess.filter(|entry| matches!(entry.value.data, Data::List(_)) && root.entry("artifacts").is_none());
        if let Some(entry) = list {
            let message = format!("a runbook has no key `{}`", entry.key);
            let wrong = Diagnostic::new(Code::UnknownKey, self.shape.source.name(), entry.key_span, message)
                .with_help("a list of steps is called `execution`");
            self.shape.push(wrong);
        }
    }
}
