//! The results of a run: which artifacts they are, and which are made for nothing.

use super::Planner;
use crate::codes::Code;
use crate::diagnostic::Diagnostic;
use crate::nearest::suggestion;
use crate::plan::{BindingSource, PlannedAlias};
use crate::runbook::{DeclaredOutput, Form, Work};
use palisade_model::neutral;

impl Planner<'_> {
    /// Whether steps say themselves which artifacts are results: always in the artifacts form, whose `outputs` are for a
    /// parent; in the execution form unless the runbook lists its `outputs`.
    pub(super) fn exports_by_step(&self) -> bool {
        self.runbook.form == Form::Artifacts || self.runbook.outputs.is_none()
    }

    /// Settles the results, when all steps are planned.
    pub(super) fn outputs(&mut self) {
        let runbook = self.runbook;
        for output in runbook.outputs.iter().flatten() {
            self.declared_output(output);
        }
        let exported = runbook.steps.iter().any(|step| step.exported || step.child().is_some());
        let broken = self.diagnostics.has_error();
        if !runbook.steps.is_empty() && !exported && runbook.outputs.is_none() && !broken {
            let span = runbook.steps.first().map(|step| step.id.span).unwrap_or_default();
            let help = match runbook.form {
                Form::Artifacts => "say `output: true` where the result is wanted",
                Form::Execution => "name the result: give the step that makes it an `output`",
            };
            let message = "no artifact of this runbook is an output";
            let none = Diagnostic::new(Code::NoOutput, &runbook.source, span, message).with_help(help);
            self.diagnostics.push(none);
            return;
        }
        if !broken {
            self.never_used();
        }
    }

    fn declared_output(&mut self, output: &DeclaredOutput) {
        let key = output.artifact.value.to_lowercase();
        if self.runbook.spoilt.contains(&key) {
            return;
        }
        if self.made.get(&key).is_some_and(|made| matches!(made.source, BindingSource::Input { .. })) {
            let message = format!("output `{}` names an input, which no step makes", output.name.value);
            self.say(Code::UnknownReference, output.artifact.span, message);
            return;
        }
        let Some(made) = self.reads(&output.artifact.value) else {
            let makes = |step: &crate::runbook::Step| step.artifacts().iter().any(|name| name.value.key() == key);
            if self.runbook.steps.iter().any(makes) {
                return;
            }
            let artifacts = self.runbook.steps.iter().flat_map(crate::runbook::Step::artifacts);
            let known: Vec<&str> = artifacts.map(|name| name.value.as_str()).collect();
            let message = format!(
                "output `{}` names `{}`, which is no artifact",
                output.name.value,
                neutral::line(&output.artifact.value, 60)
            );
            let wrong = Diagnostic::new(Code::UnknownReference, &self.runbook.source, output.artifact.span, message)
                .with_help_if(suggestion(&output.artifact.value, known.iter().copied()));
            self.diagnostics.push(wrong);
            return;
        };
        if self.exports_by_step() {
            return;
        }
        // The artifact itself if it has that name already, else a second name for it.
        if let BindingSource::Step { step, port } = &made.source
            && let Some(own) = self
                .steps
                .iter_mut()
                .filter(|known| known.id == *step)
                .flat_map(|known| &mut known.outputs)
                .find(|known| known.port == *port && known.artifact.as_ref() == Some(&output.name.value))
        {
            own.exported = true;
            return;
        }
        if let Some(taken) = self.made.get(&output.name.value.key()) {
            let message = format!("output `{}` has the name of another artifact", output.name.value);
            let wrong = Diagnostic::new(Code::TwoMakers, &self.runbook.source, output.name.span, message)
                .with_label(taken.span, "this one");
            self.diagnostics.push(wrong);
            return;
        }
        let Some(schema) = self.known_schema(&output.artifact, &made) else { return };
        self.aliases.push(PlannedAlias {
            artifact: output.name.value.clone(),
            title: None,
            description: output.description.clone(),
            contact: None,
            source: made.source,
            schema,
            exported: true,
            optional: false,
        });
    }

    /// Warns of steps whose work serves nothing.
    fn never_used(&mut self) {
        for step in &self.runbook.steps {
            let artifacts = step.artifacts();
            let effect = step.child().is_some() || matches!(step.work, Work::Agent(_) | Work::Approval(_));
            let exported = step.exported && self.exports_by_step();
            let used = artifacts.iter().any(|name| self.read.contains(&name.value.key()));
            if exported || used || effect || artifacts.is_empty() {
                continue;
            }
            let message = format!("nothing uses what `{}` makes, and it is no output", step.id.value);
            let help = match self.runbook.form {
                Form::Artifacts => "say `output: true`, or leave it away",
                Form::Execution => "give it an `output`, or leave it away",
            };
            let unused = Diagnostic::new(Code::NeverUsed, &self.runbook.source, step.id.span, message).with_help(help);
            self.diagnostics.push(unused);
        }
    }
}
