//! `palisade grants`: what components may use. The operator's file grants; `add` and `revoke` write into it for them, and
//! `accept` says for which bytes it counts. There is no way to stop denying.

mod accept;
mod add;
mod committed;
mod diff;
mod edit;
mod expect;
mod explain;
mod propose;
mod revoke;
mod show;
mod unused;

pub(super) use show::Shown;

use super::Context;
use crate::args::GrantsCommand;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use palisade_authority::Capability;

/// Version of the JSON forms.
const FORM: u32 = 1;

pub(crate) fn exec(context: &Context, command: &GrantsCommand) -> Result<ExitCode, CliError> {
    match command {
        GrantsCommand::Show { component } => show::exec(context, component.as_deref()),
        GrantsCommand::Accept { component, digest } => accept::exec(context, component, digest.as_deref()),
        GrantsCommand::Explain { run, step } => explain::exec(context, run, step),
        GrantsCommand::Propose { what, rulesets } => propose::exec(context, what, rulesets),
        GrantsCommand::Add { component, capabilities, reason, yes } => {
            add::exec(context, component, capabilities, reason.as_deref(), *yes)
        }
        GrantsCommand::Revoke { component, capabilities, yes } => revoke::exec(context, component, capabilities, *yes),
        GrantsCommand::Test { file } => expect::exec(context, file),
        GrantsCommand::Unused => unused::exec(context),
        GrantsCommand::Diff { old, new } => diff::exec(context, old, new),
    }
}

/// How far a capability reaches, for people. Of one that reaches a folder above the working folder, the latter is left
/// out.
pub(super) fn scope(capability: &Capability) -> String {
    let Some(places) = capability.places() else { return "everything".to_owned() };
    let shown: Vec<String> = places.iter().map(ToString::to_string).collect();
    match shown.as_slice() {
        [here, above] if here == "." => above.clone(),
        _ => shown.join(", "),
    }
}
