//! Whether all is there that `palisade.toml` names: components, folders of rulesets, models. Each that is not is told.

use super::{Check, State, check, missing};
use crate::commands::Context;
use crate::lock;
use crate::named;
use crate::rulesets::RulesetFolders;
use crate::workspace::Workspace;
use palisade_runbook::suggestion;

/// What is not there.
pub(super) fn checks(context: &Context) -> Vec<Check> {
    let settings = &context.settings;
    // What is wrong with the data directory, or with what was accepted, is told elsewhere.
    let (Ok(workspace), Ok(_)) = (Workspace::open(settings), lock::read(settings)) else { return Vec::new() };
    let needed = named::needed(&workspace, settings).chain(RulesetFolders::not_there(settings));
    let needed = needed.map(|error| missing("names", error.message, error.help));
    // Who forbids something to a component before it is added may mean just that.
    let others = named::denied(&workspace, settings).chain(named::trusted(&workspace, settings));
    let others = others.map(|error| check("names", State::Optional, error.message, error.help));
    needed.chain(others).chain(models(context)).collect()
}

/// Models that are granted and that nobody set up: who means another one by it is told `denied`, and not why.
fn models(context: &Context) -> impl Iterator<Item = Check> {
    let written = &context.settings.written;
    let aliases = || written.llm.models.iter().map(|model| model.alias.as_str());
    written.grants.iter().flat_map(move |grant| {
        let granted = grant.written.iter().filter_map(|capability| capability.strip_prefix("llm="));
        granted.filter(move |alias| !aliases().any(|known| known == *alias)).map(move |alias| {
            let told =
                format!("the [[grant]] on line {} of palisade.toml is of `llm={alias}`, no [[model]]", grant.line);
            missing("names", told, suggestion(alias, aliases().collect::<Vec<_>>()))
        })
    })
}
