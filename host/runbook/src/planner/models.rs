//! Which language models a step may ask, and whether it is known what they cost.

use super::Planner;
use crate::codes::Code;
use crate::components::KnownComponent;
use crate::diagnostic::Diagnostic;
use crate::runbook::Call;
use palisade_authority::Place;
use palisade_model::manifest::Power;

impl Planner<'_> {
    /// The models that are granted to a component which asks for the power; if none is, and it needs one, the operator's
    /// default model, so that it is told what is missing before anything runs.
    pub(super) fn models_of(&mut self, call: &Call, component: &KnownComponent) -> Vec<String> {
        let Some(request) = component.requests(Power::Llm) else { return Vec::new() };
        let known = self.context.models;
        let granted = component.granted.reach(Power::Llm).places();
        let name = |place| match place {
            Place::Llm(alias) => Some(alias),
            _ => None,
        };
        let mut models: Vec<String> = match granted {
            Some(places) => places.into_iter().filter_map(name).collect(),
            None => known.models.iter().map(|model| model.alias.clone()).collect(),
        };
        if models.is_empty() && !request.optional {
            models.extend(known.default_model.clone());
        }
        if !request.optional && !models.iter().any(|alias| known.model(alias).is_some()) {
            self.no_model(call, component, models.first());
        }
        // Every step has a limit of what its calls may cost.
        for alias in &models {
            let Some(model) = known.model(alias).filter(|model| model.price.is_none() && !model.local) else {
                continue;
            };
            let message = format!(
                "`{}` may ask the model `{}`, and it is not known what that costs",
                component.manifest.id, model.alias
            );
            let told = Diagnostic::new(Code::NoPrice, &self.runbook.source, call.component.span, message)
                .with_help("set `price` of the [[model]] in palisade.toml, with the day on which it was so");
            self.diagnostics.push(told);
        }
        models
    }

    /// The model that a component asks where it names none; absent if it asks none.
    pub(super) fn default_model(&self, component: &KnownComponent) -> Option<Box<str>> {
        component.requests(Power::Llm).and(self.context.models.default_model.as_deref()).map(Box::from)
    }

    /// Tells that a component needs a model, and that none is there; the first that it may ask is not set up.
    fn no_model(&mut self, call: &Call, component: &KnownComponent, asks: Option<&String>) {
        let id = &component.manifest.id;
        let (why, help) = match (asks, self.context.models.models.first()) {
            (Some(alias), _) => (
                format!("`{alias}`, which it may ask, is not set up"),
                format!("set it up in palisade.toml: `[[model]] alias = \"{alias}\"`"),
            ),
            (None, Some(model)) => (
                "none is granted to it".to_owned(),
                format!("in palisade.toml: `[[grant]] component = \"{id}\", allow = [\"llm={}\"]`", model.alias),
            ),
            (None, None) => ("none is set up".to_owned(), "set one up in palisade.toml: `[[model]]`".to_owned()),
        };
        let message = format!("`{id}` needs a language model, and {why}");
        let told = Diagnostic::new(Code::NoModel, &self.runbook.source, call.component.span, message).with_help(help);
        self.diagnostics.push(told);
    }
}
