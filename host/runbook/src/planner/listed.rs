//! Lists of components with bounds on their configs: a step's own, the operator's, and those of the steps above, all of
//! which must hold.

use super::Planner;
use crate::codes::Code;
use crate::components::KnownComponent;
use crate::config_bound::{ConfigBound, ConfigRule, ListedComponent, stated};
use crate::diagnostic::Diagnostic;
use crate::plan::{AllowedComponent, PlannedTool};
use crate::runbook::Call;
use crate::source::Spanned;
use palisade_authority::{ScopedPath, WorkingFolder};
use palisade_model::id::ComponentName;
use palisade_model::{ComponentId, causes};
use serde_json::Value;

/// Most bounds that the lists of steps may put on one component: a runbook that nobody read may list them.
const MAX_BOUNDS: usize = 200;

impl Planner<'_> {
    /// The components that a step's list names, each once with the bytes that are meant and what its config keeps to: what
    /// the list says, and what the lists above say of the same bytes.
    pub(super) fn listed_components(&mut self, listed: &[ListedComponent]) -> Option<Vec<AllowedComponent>> {
        let mut all = Vec::new();
        let good = listed.iter().map(|entry| self.add_listed(entry, &mut all)).filter(Option::is_none).count() == 0;
        good.then_some(all)
    }

    fn add_listed(&mut self, entry: &ListedComponent, all: &mut Vec<AllowedComponent>) -> Option<()> {
        let named = self.allowed_component(&entry.component)?;
        let known = all.iter().position(|known| known.digest == named.digest);
        let mut allowed = match known {
            Some(known) => all.remove(known),
            None => {
                let above = self.whitelist.iter().flatten().filter(|above| above.digest == named.digest);
                let config = above.flat_map(|above| above.config.iter().cloned()).collect();
                AllowedComponent { config, ..named }
            }
        };
        for (pointer, rule) in &entry.config {
            let rule = self.rule(rule.clone())?;
            let stated = stated(&self.runbook.source, entry.component.span);
            let bound = ConfigBound { pointer: pointer.clone(), rule, stated };
            if !allowed.config.contains(&bound) {
                allowed.config.push(bound);
            }
        }
        if allowed.config.len() > MAX_BOUNDS {
            let message = format!("more than {MAX_BOUNDS} bounds hold for the config of `{}`", allowed.component);
            self.say(Code::BadValue, entry.component.span, message);
            return None;
        }
        all.insert(known.unwrap_or(all.len()), allowed);
        Some(())
    }

    fn rule(&mut self, rule: ConfigRule<Spanned<String>>) -> Option<ConfigRule> {
        let folder = self.context.folder;
        let read = |path: Spanned<String>| {
            ScopedPath::parse(folder, path.value.as_bytes()).map_err(|error| (path.span, causes(&error)))
        };
        rule.with_path(read).map_err(|(span, message)| self.say(Code::BadPath, span, message)).ok()
    }

    /// What the lists say of a component's config that hold for a runbook that is an artifact.
    fn bounds_on(&self, known: &KnownComponent) -> Vec<ConfigBound> {
        let by_steps = self.whitelist.iter().flatten().filter(|allowed| allowed.digest == known.digest);
        let components = self.context.components;
        let means = |name: &ComponentName| components.find(name).is_ok_and(|found| found.digest == known.digest);
        let by_operator = self.context.generated.into_iter().flatten().filter(|entry| means(&entry.component));
        let all = by_steps.flat_map(|allowed| &allowed.config).chain(by_operator.flat_map(|entry| &entry.config));
        all.cloned().collect()
    }

    /// The config of a step of a runbook that is an artifact keeps to what the lists say that allow its component.
    pub(super) fn check_config(&mut self, call: &Call, known: &KnownComponent, config: &Value) {
        if !self.is_artifact {
            return;
        }
        for bound in self.bounds_on(known) {
            let open = call.references.iter().map(|(pointer, _)| pointer.as_str());
            if let Some(what) = bound.broken_by(config, open, self.context.folder) {
                let place = call.config.as_ref().map(|node| node.nearest(&bound.pointer).span);
                let message = broken(&bound, &known.manifest.id, &what, "this step");
                self.say(Code::BeyondBound, place.unwrap_or(call.component.span), message);
            }
        }
    }

    /// What the lists of a runbook that is an artifact say of a tool's config, the step fixes: what it leaves open an agent
    /// chooses while it runs, which no list can look at before.
    pub(super) fn check_fixed(&mut self, call: &Call, known: &KnownComponent, tool: &PlannedTool) {
        if !self.is_artifact {
            return;
        }
        for bound in self.bounds_on(known) {
            let Some(message) = tool_beyond(&bound, tool, self.context.folder, "this step") else { continue };
            let stated = Value::Object(tool.fixed_config()).pointer(&bound.pointer).is_some();
            let help = (!stated)
                .then(|| format!("state `{}` in its config: `{{component: …, config: {{…}}}}`", bound.property()));
            let place = call.config.as_ref().filter(|_| stated).map(|node| node.nearest(&bound.pointer).span);
            let place = place.unwrap_or(call.component.span);
            let wrong = Diagnostic::new(Code::BeyondBound, &self.runbook.source, place, message).with_help_if(help);
            self.diagnostics.push(wrong);
        }
    }
}

/// Says that a config breaks a bound.
pub(super) fn broken(bound: &ConfigBound, component: &ComponentId, what: &str, of: &str) -> String {
    let (property, rule, stated) = (bound.property(), &bound.rule, &bound.stated);
    format!("`{property}` of `{component}` must be {rule} ({stated}), and in {of} it {what}")
}

/// How a tool may pass a bound, in words; none if what the runbook fixes keeps to it.
pub(super) fn tool_beyond(bound: &ConfigBound, tool: &PlannedTool, folder: &WorkingFolder, of: &str) -> Option<String> {
    let (fixed, component) = (Value::Object(tool.fixed_config()), &tool.call.component);
    let what = bound.broken_by(&fixed, [], folder)?;
    Some(match fixed.pointer(&bound.pointer) {
        Some(_) => broken(bound, component, &what, of),
        None => format!(
            "an agent may choose `{}` of `{component}` in {of}, and {} says that {bound}",
            bound.property(),
            bound.stated
        ),
    })
}
