//! `palisade runs erase`: shows which data of a run would be erased and what stays, and erases them once a person says so.

use super::{FORM, find, not_removed};
use crate::args::{Format, RunsEraseArgs};
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::person;
use crate::render::console;
use crate::render::runs::{ErasedRun, erased_run};
use crate::workspace::not_read;
use palisade_engine::{Family, Who, erase, now_ms};
use palisade_model::RunId;
use palisade_model::unit::{Bytes, Count};
use palisade_store::{Doing, Store};

pub(super) fn exec(context: &Context, store: Option<&Store>, args: &RunsEraseArgs) -> Result<ExitCode, CliError> {
    let (store, run) = find(context, store, &args.run)?;
    let families = Family::all(store).map_err(|fault| not_read(&fault))?;
    let family = families.into_iter().find(|family| family.rows().any(|row| row.run == run));
    let family = family.ok_or_else(|| CliError::usage(format!("there is no run {run} any more")))?;
    refuse(&family, run)?;
    let user = person::name();
    let who = Who { user: &user, now_ms: now_ms() };
    let look = || erase(store, &family, args.everywhere, Doing::Look, &who);
    let found = look().map_err(|error| not_removed(&error))?;
    let json = context.format == Format::Json;
    let plan = ErasedRun::new(FORM, &family, &found, false);
    if !json {
        console::out(&erased_run(&plan, &family, context.settings.colour_stdout));
    }
    if !args.yes && (json || found.artifacts.is_empty() || !person::agrees("Erase it for good?")) {
        if json {
            console::json(&plan);
        } else {
            console::err("nothing was erased; `--yes` erases it\n");
        }
        return Ok(ExitCode::Done);
    }
    let erased = erase(store, &family, args.everywhere, Doing::Remove, &who).map_err(|error| not_removed(&error))?;
    if json {
        console::json(&ErasedRun::new(FORM, &family, &erased, true));
    } else {
        let (artifacts, bytes) = (Count(erased.artifacts.len() as u64).of("artifact"), Bytes(erased.bytes));
        console::err(&format!("erased: {artifacts}, {bytes}; the journal stays, and what it says\n"));
    }
    if !erased.overwritten {
        console::err(
            "note: another process reads the database, so some of it is still in palisade.db-wal; the next erasing or the last process to end empties it\n",
        );
    }
    let stays = !erased.shared.is_empty() || !erased.fixed.is_empty();
    if stays {
        console::err("note: not all was erased: something of it is named elsewhere\n");
    }
    Ok(if stays { ExitCode::Failed } else { ExitCode::Done })
}

/// A run whose data somebody still needs is not erased.
fn refuse(family: &Family, run: RunId) -> Result<(), CliError> {
    let root = family.root.run;
    if run != root {
        let told = format!("run {run} was started by run {root}, whose data are the same");
        return Err(CliError::usage(told).help(format!("`palisade runs erase {root}` erases both")));
    }
    if family.goes_on {
        return Err(CliError::usage(format!("run {run} goes on"))
            .help(format!("wait until it has ended, or `palisade cancel {run}`")));
    }
    if family.can_go_on() {
        return Err(CliError::usage(format!("run {run} can still be resumed: it is {}", family.standing.name()))
            .help(format!("`palisade cancel {run}` ends it for good")));
    }
    Ok(())
}
