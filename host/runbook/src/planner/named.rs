//! The paths and databases that a component's config names.

use super::Planner;
use crate::codes::Code;
use crate::components::KnownComponent;
use crate::plan::{NamedConnection, NamedPath};
use crate::runbook::Call;
use palisade_authority::{NamedByConfig, ScopedPath};
use palisade_model::manifest::{Power, marked};
use palisade_model::{causes, neutral};
use serde_json::Value;

/// What the values of a config name.
#[derive(Default)]
pub(super) struct Named {
    pub(super) paths: Vec<NamedPath>,
    pub(super) connections: Vec<NamedConnection>,
    pub(super) powers: Vec<NamedByConfig>,
}

impl Planner<'_> {
    /// The paths and connections that the config names at the marks of the component's config schema.
    pub(super) fn named(&mut self, call: &Call, component: &KnownComponent, config: &Value) -> Option<Named> {
        let schema = &component.manifest.config_schema;
        let mut named = Named::default();
        let mut good = true;
        for (mark, power) in [("x-palisade-path", Power::FsRead), ("x-palisade-connection", Power::Sql)] {
            for found in marked(schema, mark) {
                let Some(written) = config.pointer(&found.pointer).and_then(Value::as_str) else { continue };
                let known = if power == Power::Sql { "sqlite" } else { "read" };
                let place = call.config.as_ref().map_or(call.component.span, |node| node.nearest(&found.pointer).span);
                if found.says != known {
                    let message =
                        format!("`{}` is not a `{mark}` that this build knows", neutral::line(&found.says, 60));
                    self.say(Code::ConfigSchema, call.component.span, message);
                    good = false;
                    continue;
                }
                match ScopedPath::parse(self.context.folder, written.as_bytes()) {
                    Ok(path) => named.add(found.pointer, power, written, path),
                    Err(error) => {
                        self.say(Code::BadPath, place, causes(&error));
                        good = false;
                    }
                }
            }
        }
        good.then_some(named)
    }
}

impl Named {
    fn add(&mut self, pointer: String, power: Power, written: &str, path: ScopedPath) {
        self.powers.push(NamedByConfig { pointer: pointer.clone(), power, path: path.clone() });
        match power {
            Power::FsRead => self.paths.push(NamedPath { pointer, written: written.to_owned(), path }),
            Power::Sql => self.connections.push(NamedConnection { pointer, name: format!("sqlite:{written}"), path }),
        }
    }
}
