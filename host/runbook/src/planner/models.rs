//! Which language models a step may ask, and whether it is known what they cost.

use super::Planner;
use crate::codes::Code;
use crate::components::KnownComponent;
use crate::diagnostic::Diagnostic;
use crate::runbook::Call;
use palisade_authority::Place;
use palisade_model::llm::LlmSettings;
use palisade_model::manifest::Power;

/// Why a component can't run as the models are set up, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoModel {
    /// Why.
    pub why: String,
    /// What to do.
    pub help: String,
}

/// The models that are granted to a component which asks for the power; if none is, and it needs one, the operator's
/// default model, so that it is told what is missing before anything runs.
fn asked_by(component: &KnownComponent, known: &LlmSettings) -> Vec<String> {
    let Some(request) = component.requests(Power::Llm) else { return Vec::new() };
    let name = |place| match place {
        Place::Llm(alias) => Some(alias),
        _ => None,
    };
    let mut models: Vec<String> = match component.granted.reach(Power::Llm).places() {
        Some(places) => places.into_iter().filter_map(name).collect(),
        None => known.models.iter().map(|model| model.alias.clone()).collect(),
    };
    if models.is_empty() && !request.optional {
        models.extend(known.default_model.clone());
    }
    models
}

/// What keeps a component from running that needs a model: none is there that it may ask.
#[must_use]
pub fn no_model(component: &KnownComponent, known: &LlmSettings) -> Option<NoModel> {
    let _ = component.requests(Power::Llm).filter(|request| !request.optional)?;
    let asks = asked_by(component, known);
    if asks.iter().any(|alias| known.model(alias).is_some()) {
        return None;
    }
    let id = &component.manifest.id;
    let (why, help) = match (asks.first(), known.models.first()) {
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
    Some(NoModel { why: format!("needs a language model, and {why}"), help })
}

/// Why a component can't ask each of the models that it may ask and of which nobody knows what they cost.
pub fn unpriced(component: &KnownComponent, known: &LlmSettings) -> Vec<String> {
    let is_unpriced = |alias: &String| known.model(alias).is_some_and(|model| model.price.is_none() && !model.local);
    let unpriced = asked_by(component, known).into_iter().filter(is_unpriced);
    unpriced.map(|alias| format!("may ask the model `{alias}`, and it is not known what that costs")).collect()
}

impl Planner<'_> {
    /// The models that a step may ask.
    pub(super) fn models_of(&mut self, call: &Call, component: &KnownComponent) -> Vec<String> {
        let known = self.context.models;
        let models = asked_by(component, known);
        if let Some(NoModel { why, help }) = no_model(component, known) {
            let message = format!("`{}` {why}", component.manifest.id);
            let told = Diagnostic::new(Code::NoModel, &self.runbook.source, call.component.span, message);
            self.diagnostics.push(told.with_help(help));
        }
        // Every step has a limit of what its calls may cost.
        for why in unpriced(component, known) {
            let message = format!("`{}` {why}", component.manifest.id);
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
}
