//! What a component's config names outside of the run: paths, databases and whatever else a power is used on.

use super::Planner;
use crate::codes::Code;
use crate::components::KnownComponent;
use crate::config::Mark;
use crate::plan::{NamedConnection, NamedPath};
use crate::runbook::Call;
use palisade_authority::{NamedByConfig, Place};
use palisade_model::{ComponentId, causes, neutral};
use serde_json::Value;

/// What the values of a config name.
#[derive(Default)]
pub(super) struct Named {
    pub(super) paths: Vec<NamedPath>,
    pub(super) connections: Vec<NamedConnection>,
    pub(super) places: Vec<NamedByConfig>,
    /// All of the above.
    pub(super) all: Vec<NamedByConfig>,
}

impl Planner<'_> {
    /// What the config names at the marks of the component's config schema.
    pub(super) fn named(&mut self, call: &Call, component: &KnownComponent, config: &Value) -> Option<Named> {
        // A schema that can't be used has been told.
        let described = self.configs.of(component).ok()?;
        let mut named = Named::default();
        let mut good = true;
        for Mark { power, key, known, found } in described.marks() {
            let Some(written) = config.pointer(&found.pointer).and_then(Value::as_str) else { continue };
            let place = call.config.as_ref().map_or(call.component.span, |node| node.nearest(&found.pointer).span);
            if !known.contains(&found.says.as_str()) {
                let message = format!("`{}` is not a `{key}` that this build knows", neutral::line(&found.says, 60));
                self.say(Code::ConfigSchema, call.component.span, message);
                good = false;
                continue;
            }
            match Place::named(*power, self.context.folder, written) {
                Ok(place) => named.add(NamedByConfig { pointer: found.pointer.clone(), place }, written),
                Err(error) => {
                    self.say(Code::BadPath, place, causes(&error));
                    good = false;
                }
            }
        }
        good.then_some(named)
    }
}

impl Named {
    /// These, and what no config names: the components that an agent's step lists, as tools or for runbooks, and the models
    /// that a step may ask.
    pub(super) fn with(
        mut self,
        called: impl IntoIterator<Item = (&'static str, ComponentId)>,
        models: Vec<String>,
    ) -> Self {
        let called = called.into_iter().map(|(key, called)| (key, Place::Call(called)));
        for (pointer, place) in called.chain(models.into_iter().map(|model| ("", Place::Llm(model)))) {
            let named = NamedByConfig { pointer: pointer.to_owned(), place };
            self.places.push(named.clone());
            self.all.push(named);
        }
        self
    }

    fn add(&mut self, named: NamedByConfig, written: &str) {
        let pointer = named.pointer.clone();
        match named.place.clone() {
            Place::FsRead(path) => self.paths.push(NamedPath { pointer, written: written.to_owned(), path }),
            Place::Sql(path) => {
                self.connections.push(NamedConnection { pointer, name: format!("sqlite:{written}"), path });
            }
            Place::FsWrite(_)
            | Place::Database(_)
            | Place::Http(_)
            | Place::Llm(_)
            | Place::Call(_)
            | Place::Secret(_) => {
                self.places.push(named.clone());
            }
        }
        self.all.push(named);
    }
}
