//! What the host says of its world: the systems there are, and the components that a runbook may use.

use palisade_sdk::{Context, Result};
use serde::Deserialize;

/// What there is to check, and what can check it.
#[derive(Default)]
pub struct World {
    /// The systems. Where the operator named any, the folder that everybody has is left away.
    pub systems: Vec<System>,
    /// The rulesets that can be found.
    pub rulesets: Vec<Ruleset>,
    /// The components, in the order in which the host tells them.
    pub components: Vec<Component>,
}

/// Data that the operator set up under a name.
#[derive(Deserialize)]
pub struct System {
    /// Its name.
    pub name: String,
    /// Other names for it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The schema of what is read from it.
    pub schema: String,
    /// Every installation has it.
    #[serde(default)]
    pub builtin: bool,
}

/// A ruleset, with what it is for.
#[derive(Deserialize)]
pub struct Ruleset {
    /// `local/NAME/VERSION`.
    pub name: String,
    /// The types that it fits.
    pub types: Vec<String>,
}

/// A component that a runbook may use.
#[derive(Deserialize)]
pub struct Component {
    /// As a runbook names it.
    pub name: String,
    /// A title for people.
    pub title: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// Why it can't run as this installation is set up.
    pub lacks: Option<String>,
    /// What the runbook wires to it.
    pub inputs: Vec<Port>,
    /// What it makes.
    pub outputs: Vec<Made>,
    /// The rulesets that its config names.
    #[serde(default)]
    pub rulesets: Vec<Wanted>,
}

/// An input of a component.
#[derive(Deserialize)]
pub struct Port {
    /// The schemas among those there are that it accepts.
    pub schemas: Vec<String>,
    /// It takes several artifacts.
    #[serde(default)]
    pub many: bool,
    /// It may be left open.
    #[serde(default)]
    pub optional: bool,
}

/// An output of a component.
#[derive(Deserialize)]
pub struct Made {
    /// Its schema.
    pub schema: String,
}

/// A ruleset that a config names.
#[derive(Deserialize)]
pub struct Wanted {
    /// JSON pointer into the config.
    pub pointer: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is named where nobody says otherwise.
    pub default: Option<String>,
}

#[derive(Deserialize)]
struct Beside {
    #[serde(default)]
    systems: Vec<System>,
    #[serde(default)]
    rulesets: Vec<Ruleset>,
}

impl World {
    /// Reads what the host says: the ruleset `planning_context` at a port.
    ///
    /// Fails if it has another form.
    pub fn read(ctx: &Context, port: &str) -> Result<Self> {
        let mut world = Self { components: ctx.collect_items(port)?, ..Self::default() };
        if let Some(reader) = ctx.inputs(port).next() {
            let Beside { systems, rulesets } = reader.info().metadata()?;
            let named = systems.iter().any(|system| !system.builtin);
            world.systems = systems.into_iter().filter(|system| !named || !system.builtin).collect();
            world.rulesets = rulesets;
        }
        Ok(world)
    }

    /// The ruleset that a component is given: the one that it names itself, if that is there, else the first of the type.
    pub fn ruleset(&self, wanted: &Wanted) -> Option<&str> {
        let fits = |ruleset: &&Ruleset| ruleset.types.contains(&wanted.kind);
        let own = self.rulesets.iter().filter(fits).find(|ruleset| Some(&ruleset.name) == wanted.default.as_ref());
        own.or_else(|| self.rulesets.iter().find(fits)).map(|ruleset| ruleset.name.as_str())
    }
}
