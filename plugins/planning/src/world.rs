//! What the host says of its world: the systems there are, and the components that a runbook may use.

use palisade_sdk::{Context, Result};
use serde::Deserialize;

/// What there is to check, and what can check it.
#[derive(Default)]
pub(crate) struct World {
    /// The systems. Where the operator named any, the folder that everybody has is left away.
    pub(crate) systems: Vec<System>,
    /// The rulesets that can be found.
    pub(crate) rulesets: Vec<Ruleset>,
    /// The components, in the order in which the host tells them.
    pub(crate) components: Vec<Component>,
}

/// Data that the operator set up under a name.
#[derive(Deserialize)]
pub(crate) struct System {
    /// Its name.
    pub(crate) name: String,
    /// Other names for it.
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    /// The schema of what is read from it.
    pub(crate) schema: String,
    /// Every installation has it.
    #[serde(default)]
    pub(crate) builtin: bool,
}

/// A ruleset, with what it is for.
#[derive(Deserialize)]
pub(crate) struct Ruleset {
    /// `local/NAME/VERSION`.
    pub(crate) name: String,
    /// The types that it fits.
    pub(crate) types: Vec<String>,
}

/// A component that a runbook may use.
#[derive(Deserialize)]
pub(crate) struct Component {
    /// As a runbook names it.
    pub(crate) name: String,
    /// A title for people.
    pub(crate) title: String,
    /// What it does.
    #[serde(default)]
    pub(crate) description: String,
    /// What the runbook wires to it.
    pub(crate) inputs: Vec<Port>,
    /// What it makes.
    pub(crate) outputs: Vec<Made>,
    /// The rulesets that its config names.
    #[serde(default)]
    pub(crate) rulesets: Vec<Wanted>,
}

/// An input of a component.
#[derive(Deserialize)]
pub(crate) struct Port {
    /// The schemas among those there are that it accepts.
    pub(crate) schemas: Vec<String>,
    /// It takes several artifacts.
    #[serde(default)]
    pub(crate) many: bool,
    /// It may be left open.
    #[serde(default)]
    pub(crate) optional: bool,
}

/// An output of a component.
#[derive(Deserialize)]
pub(crate) struct Made {
    /// Its schema.
    pub(crate) schema: String,
}

/// A ruleset that a config names.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    /// JSON pointer into the config.
    pub(crate) pointer: String,
    /// The type.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// What is named where nobody says otherwise.
    pub(crate) default: Option<String>,
}

#[derive(Deserialize)]
struct Beside {
    #[serde(default)]
    systems: Vec<System>,
    #[serde(default)]
    rulesets: Vec<Ruleset>,
}

impl World {
    /// Reads what the host says.
    pub(crate) fn read(ctx: &Context) -> Result<Self> {
        let mut world = Self { components: ctx.collect_items(crate::WORLD)?, ..Self::default() };
        if let Some(reader) = ctx.inputs(crate::WORLD).next() {
            let Beside { systems, rulesets } = reader.info().metadata()?;
            let named = systems.iter().any(|system| !system.builtin);
            world.systems = systems.into_iter().filter(|system| !named || !system.builtin).collect();
            world.rulesets = rulesets;
        }
        Ok(world)
    }

    /// The ruleset that a component is given: the one that it names itself, if that is there, else the first of the type.
    pub(crate) fn ruleset(&self, wanted: &Wanted) -> Option<&str> {
        let fits = |ruleset: &&Ruleset| ruleset.types.contains(&wanted.kind);
        let own = self.rulesets.iter().filter(fits).find(|ruleset| Some(&ruleset.name) == wanted.default.as_ref());
        own.or_else(|| self.rulesets.iter().find(fits)).map(|ruleset| ruleset.name.as_str())
    }
}
