//! What a component imports, by functions, and what that says about it.
//!
//! An interface of which only types are imported is no power; so functions count.

use palisade_model::manifest::Power;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

/// Palisade's interfaces that give no authority. What imports no other functions, the WASI base aside, is pure.
const WITHOUT_POWER: [&str; 5] = [
    "palisade:plugin/types@",
    "palisade:plugin/log@",
    "palisade:plugin/limits@",
    "palisade:plugin/attempt@",
    "palisade:plugin/artifacts@",
];
/// Interfaces that are linked to an empty world.
const WASI_BASE: [&str; 5] = ["wasi:io/", "wasi:clocks/", "wasi:random/", "wasi:cli/", "wasi:sockets/"];
/// The interfaces behind the powers.
const POWERS: [(&str, Power); 7] = [
    ("palisade:plugin/sql@", Power::Sql),
    ("palisade:plugin/sql@", Power::Database),
    ("palisade:plugin/tools@", Power::Call),
    ("palisade:plugin/runbooks@", Power::Call),
    ("palisade:plugin/llm@", Power::Llm),
    ("wasi:filesystem/", Power::FsRead),
    ("wasi:http/", Power::Http),
];
/// Interfaces whose answers are written down, so that who got them can be run again with the same.
const RECORDED: [&str; 3] = ["palisade:plugin/tools@", "palisade:plugin/runbooks@", "palisade:plugin/llm@"];

/// All that a component imports, in the order of its interfaces' names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imports(Vec<Import>);

/// An interface that a component imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// `namespace:package/interface@version`.
    pub interface: String,
    /// The functions of it that are imported; none = only types.
    pub functions: Vec<String>,
}

impl Imports {
    pub(crate) fn of(component: &Component, engine: &Engine) -> Self {
        let ty = component.component_type();
        let mut imports: Vec<_> = ty
            .imports(engine)
            .map(|(name, import)| Import { interface: name.to_owned(), functions: functions(name, &import.ty, engine) })
            .collect();
        imports.sort_by(|a, b| a.interface.cmp(&b.interface));
        Self(imports)
    }

    /// The interfaces.
    pub fn iter(&self) -> impl Iterator<Item = &Import> {
        self.0.iter()
    }

    /// The first interface that Palisade does not offer.
    pub(crate) fn unknown(&self) -> Option<&str> {
        let known = |name: &str| {
            let powers = POWERS.iter().map(|(prefix, _)| *prefix);
            WITHOUT_POWER.into_iter().chain(WASI_BASE).chain(powers).any(|prefix| name.starts_with(prefix))
        };
        self.iter().map(|import| import.interface.as_str()).find(|name| !known(name))
    }

    /// The first interface behind a power of which functions are imported.
    #[must_use]
    pub fn of_power(&self, power: Power) -> Option<&Import> {
        let behind = |name: &str| POWERS.iter().any(|&(prefix, of)| of == power && name.starts_with(prefix));
        self.iter().find(|import| !import.functions.is_empty() && behind(&import.interface))
    }

    /// The first interface of which functions are imported and behind none of whose powers the component is, with the first
    /// of these powers.
    pub(crate) fn behind_none_of(&self, asked: impl Fn(Power) -> bool) -> Option<(Power, &Import)> {
        self.iter().filter(|import| !import.functions.is_empty()).find_map(|import| {
            let of = POWERS.iter().filter(|(prefix, _)| import.interface.starts_with(prefix)).map(|(_, power)| *power);
            let first = of.clone().next()?;
            (!of.into_iter().any(&asked)).then_some((first, import))
        })
    }

    /// Whether what the component emits can only depend on its inputs and config, so that it may be remembered.
    #[must_use]
    pub fn are_pure(&self) -> bool {
        self.are_all(is_pure)
    }

    /// Whether what the component emits can only depend on its inputs, its config and answers that are written down.
    #[must_use]
    pub fn are_repeatable(&self) -> bool {
        self.are_all(|name| is_pure(name) || is_recorded(name))
    }

    /// Whether it asks for answers that are written down.
    #[must_use]
    pub fn are_recorded(&self) -> bool {
        self.iter().any(|import| !import.functions.is_empty() && is_recorded(&import.interface))
    }

    fn are_all(&self, holds: impl Fn(&str) -> bool) -> bool {
        self.iter().filter(|import| !import.functions.is_empty()).all(|import| holds(&import.interface))
    }

    /// Whether clocks or randomness are read, which follow from the plan, so that results hold for one seed only.
    #[must_use]
    pub fn depend_on_seed(&self) -> bool {
        let by_chance = ["wasi:clocks/", "wasi:random/"];
        self.iter().any(|import| {
            !import.functions.is_empty() && by_chance.iter().any(|prefix| import.interface.starts_with(prefix))
        })
    }

    /// Whether the limits in force are read, so that results hold for equal limits only.
    #[must_use]
    pub fn depend_on_limits(&self) -> bool {
        self.iter()
            .any(|import| import.interface.starts_with("palisade:plugin/limits@") && !import.functions.is_empty())
    }
}

fn is_pure(name: &str) -> bool {
    let known = WITHOUT_POWER.into_iter().chain(WASI_BASE).any(|prefix| name.starts_with(prefix));
    // The key differs between the runs of one plan.
    known && !name.starts_with("palisade:plugin/attempt@")
}

fn is_recorded(name: &str) -> bool {
    RECORDED.iter().any(|prefix| name.starts_with(prefix))
}

fn functions(name: &str, item: &ComponentItem, engine: &Engine) -> Vec<String> {
    match item {
        ComponentItem::ComponentFunc(_) => vec![name.to_owned()],
        ComponentItem::ComponentInstance(instance) => {
            let functions = instance.exports(engine).filter(|(_, export)| is_function(&export.ty));
            functions.map(|(name, _)| name.to_owned()).collect()
        }
        _ => Vec::new(),
    }
}

fn is_function(item: &ComponentItem) -> bool {
    matches!(item, ComponentItem::ComponentFunc(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_is_linked_if_interfaces_are_behind_it() {
        // Two have none of their own: a secret goes where a request goes, and what is written by the interface by which is read.
        let shares = |power: &Power| matches!(power, Power::Secret | Power::FsWrite);
        for power in Power::ALL.into_iter().filter(|power| !shares(power)) {
            assert_eq!(POWERS.iter().any(|&(_, behind)| behind == power), power.is_linked(), "{}", power.name());
        }
    }
}
