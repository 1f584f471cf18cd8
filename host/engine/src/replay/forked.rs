//! The events that a fork shares with another run, against those of that run, as long as it is there.

use super::ReplayError;
use super::difference::{Difference, Differs};
use crate::history::Events;
use palisade_interpreter::Fork;
use palisade_model::RunId;
use palisade_store::Store;

/// The first shared event that is not what the other run has. Without that run there is nothing to compare.
///
/// # Errors
/// When a journal can't be read.
pub(crate) fn compare(store: &Store, run: RunId, fork: &Fork) -> Result<Option<Difference>, ReplayError> {
    let from = &fork.from;
    if store.run(from.run_id)?.is_none() {
        return Ok(None);
    }
    let (mut own, mut others) = (Events::of(store, run), Events::of(store, from.run_id));
    for seq in 1..=from.event {
        let Some(own) = own.read_next()? else { return Ok(None) };
        // The first tells of each run alone; the last is named with its hash, which holds all before it.
        let same = others.read_next()?.is_some_and(|other| {
            (seq == 1 || own.bytes == other.bytes) && (seq != from.event || other.hash == from.hash)
        });
        if !same {
            let differs =
                Differs::new(format!("it is not what run {} has there, from which it was forked", from.run_id));
            return Ok(Some(Difference::at(seq, &own.event, differs)));
        }
    }
    Ok(None)
}
