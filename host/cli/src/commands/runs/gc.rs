//! `palisade runs gc`: shows which runs and bytes nobody needs, and removes them once a person says so.

use super::{FORM, not_removed, not_told};
use crate::args::{Format, RunsGcArgs, StateArg};
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::render::runs::gc::Unneeded;
use crate::workspace::not_read;
use crate::{lock, person};
use palisade_engine::{Family, Retention, Who, collect, now_ms};
use palisade_model::RunId;
use palisade_store::{Doing, Store};

pub(super) fn exec(context: &Context, store: Option<&Store>, args: &RunsGcArgs) -> Result<ExitCode, CliError> {
    let now = now_ms();
    let retention = Retention {
        older_than_ms: args.older_than.or(context.settings.written.retention).map(|age| age.0),
        keep: args.keep,
        states: (!args.status.is_empty())
            .then(|| args.status.iter().map(|state| StateArg::name(*state).to_owned()).collect()),
        include_interrupted: args.include_interrupted,
    };
    let Some(store) = store else { return Ok(told(context, &Unneeded::new(FORM, &[], &Default::default(), now))) };
    let families = Family::all(store).map_err(|fault| not_read(&fault))?;
    let (chosen, waiting) = without_files(store, retention.choose(families, now))?;
    for run in waiting {
        console::err(&format!(
            "note: run {run} stays: files that it wrote wait to be put in their places; `palisade resume {run}` or `palisade \
             cancel {run}` puts them\n"
        ));
    }
    // What `palisade.lock` names is wanted here, even where it is not registered now.
    let kept = lock::digests(&context.settings)?;
    let user = person::name();
    let who = Who { user: &user, now_ms: now };
    let found = collect(store, &chosen, &kept, Doing::Look, &who).map_err(|error| not_removed(&error))?;
    let mut unneeded = Unneeded::new(FORM, &chosen, &found, now);
    if retention.chooses_nothing() {
        console::err("note: no run is chosen: `--older-than 30d`, `--keep N` or `--status failed` chooses some\n");
    }
    if unneeded.is_empty() {
        return Ok(told(context, &unneeded));
    }
    let json = context.format == Format::Json;
    if !json {
        console::out(&unneeded.human(context.settings.colour_stdout));
    }
    if args.yes || (!json && person::agrees("Remove all of this?")) {
        let removed = collect(store, &chosen, &kept, Doing::Remove, &who).map_err(|error| not_removed(&error))?;
        unneeded = Unneeded::new(FORM, &chosen, &removed, now);
        unneeded.removed = true;
    }
    Ok(told(context, &unneeded))
}

/// Those that have no files to put, and the runs that have: without them nobody would put these, or take away what lies beside
/// their places.
fn without_files(store: &Store, chosen: Vec<Family>) -> Result<(Vec<Family>, Vec<RunId>), CliError> {
    let (mut without, mut waiting) = (Vec::new(), Vec::new());
    for family in chosen {
        match family.has_files_to_put(store).map_err(|error| not_told(&error))? {
            true => waiting.push(family.root.run),
            false => without.push(family),
        }
    }
    Ok((without, waiting))
}

fn told(context: &Context, unneeded: &Unneeded) -> ExitCode {
    if context.format == Format::Json {
        console::json(unneeded);
    } else if unneeded.is_empty() {
        console::err("there is nothing to remove\n");
    } else if unneeded.removed {
        console::err(&format!("removed: {}\n", unneeded.sum()));
    } else {
        console::err("nothing was removed; `--yes` removes it\n");
    }
    ExitCode::Done
}
