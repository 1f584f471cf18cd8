//! The rulesets that a component's config names.

use super::{NamedRuleset, Planner, named_rulesets};
use crate::codes::Code;
use crate::components::KnownComponent;
use crate::diagnostic::Diagnostic;
use crate::nearest::nearest;
use crate::plan::{Binding, BindingSource, PlannedRuleset};
use crate::ruleset::{RulesetLookup, RulesetName, RulesetNameError};
use crate::runbook::Call;
use crate::source::Span;
use serde_json::Value;

impl Planner<'_> {
    /// The rulesets that a config names. Where one is missing that nobody wrote, `write` says where the config stands that names
    /// another.
    pub(super) fn bind_rulesets(
        &mut self,
        call: &Call,
        component: &KnownComponent,
        config: &Value,
        write: impl Fn(&str) -> String,
    ) -> Option<Vec<Binding>> {
        let mut bindings = Vec::new();
        let mut good = true;
        for NamedRuleset { port, kind, text, span, instead } in named_rulesets(component, call, config) {
            match self.ruleset(&kind, &text, span, instead.as_deref().map(&write)) {
                Some(ruleset) => {
                    let source = BindingSource::Ruleset { name: ruleset.name.clone(), digest: ruleset.digest };
                    bindings.push(Binding { port, source, schema: ruleset.schema.clone() });
                    self.fix_schema(span, &ruleset.schema);
                    self.rulesets.insert(ruleset);
                }
                None => good = false,
            }
        }
        good.then_some(bindings)
    }

    fn ruleset(&mut self, kind: &str, text: &str, span: Span, write: Option<String>) -> Option<PlannedRuleset> {
        let name = match text.parse::<RulesetName>() {
            Ok(name) => name,
            Err(error) => {
                let code = match error {
                    RulesetNameError::Provider { .. } => Code::RulesetProvider,
                    _ => Code::BadRulesetName,
                };
                self.say(code, span, error.to_string());
                return None;
            }
        };
        let context = self.context;
        let missing = RulesetLookup::Missing { names: Vec::new(), versions: Vec::new() };
        match context.rulesets.get(&(name.clone(), kind.to_owned())).unwrap_or(&missing) {
            RulesetLookup::Found(ruleset) => Some(PlannedRuleset {
                name: name.to_string(),
                schema: ruleset.schema.clone(),
                digest: ruleset.digest,
                bytes: ruleset.items.len() as u64,
            }),
            RulesetLookup::Unusable => {
                let message = format!("`{name}` can't be used as a ruleset of type `{kind}`: see its own errors");
                self.say(Code::RulesetUnusable, span, message);
                None
            }
            RulesetLookup::Missing { names, versions } if versions.is_empty() => {
                let near = nearest(&name.name, names.iter().map(String::as_str)).filter(|_| write.is_none());
                let places = "say where rulesets are with `--rulesets DIR` or `[rulesets] paths`";
                let help = match (near, write) {
                    (Some(near), _) => format!("did you mean `{near}`?"),
                    (None, Some(write)) => format!("{places}, or name another: {write}"),
                    (None, None) => places.to_owned(),
                };
                let message = format!("there is no ruleset `{}`", name.name);
                let unknown =
                    Diagnostic::new(Code::UnknownRuleset, &self.runbook.source, span, message).with_help(help);
                self.diagnostics.push(unknown);
                None
            }
            RulesetLookup::Missing { versions, .. } => {
                let versions: Vec<String> = versions.iter().map(|known| format!("`{known}`")).collect();
                let message = format!("the ruleset `{}` has no version `{}`", name.name, name.version);
                let unknown = Diagnostic::new(Code::UnknownRulesetVersion, &self.runbook.source, span, message)
                    .with_help(format!("known are {}", versions.join(", ")));
                self.diagnostics.push(unknown);
                None
            }
        }
    }
}
