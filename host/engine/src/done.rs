//! Items of a map over a component that are done: written down in batches while the map goes on, and read again by an attempt
//! that goes on behind them.

use crate::attempt::host_failure;
use crate::part::Left;
use palisade_interpreter::{Event, ItemsDone, Turn};
use palisade_model::record::{LogRecord, SkipRecord};
use palisade_model::{Failure, FailureKind, Usage};
use palisade_store::{Content, Pending, Spool, SpoolError, Store};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long a map works on before it is written down what is done: so much is lost at most, and what takes less costs
/// nothing more. Why so long: docs/design/003-runbooks.md.
pub(crate) const BATCH_TIME: Duration = Duration::from_secs(1);
/// Bytes of output after which it is written down sooner.
pub(crate) const BATCH_BYTES: u64 = 16 << 20;
/// Bytes of items that are copied at once.
const COPY_BYTES: usize = 256 << 10;

/// Items that are done, on their way into the journal.
#[derive(Debug)]
pub(crate) struct NewDone {
    pub(crate) first: u64,
    pub(crate) items: u64,
    pub(crate) outputs: Vec<Pending>,
    pub(crate) rest: Pending,
    pub(crate) usage: Usage,
}

/// Where they are written down.
pub(crate) trait DoneLog: Send + Sync {
    /// Takes items that are done. They count as done once they are durable, for which nobody waits.
    fn record(&self, done: NewDone);
}

/// How an attempt of a map is durable.
#[derive(Clone)]
pub(crate) struct Durable {
    /// What earlier attempts have done, from the first item on.
    pub(crate) known: Vec<ItemsDone>,
    pub(crate) log: Arc<dyn DoneLog>,
}

impl fmt::Debug for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Durable({} batches known)", self.known.len())
    }
}

/// What items left beside what they emitted and what their instances returned.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Told {
    skipped_count: u64,
    skipped: Vec<SkipRecord>,
    log: Vec<LogRecord>,
}

/// What was done of a turn by earlier attempts, from the first item on.
pub(crate) fn known(events: &[Event], turn: &Turn) -> Vec<ItemsDone> {
    let mut all: Vec<ItemsDone> = Vec::new();
    for event in events {
        match event {
            Event::ItemsDone(done) if done.step == turn.step && done.iteration == turn.iteration => {
                let follows = done.first == count(&all) && done.attempt < turn.attempt;
                all.extend(follows.then(|| (**done).clone()));
            }
            // What begins anew there does so from its first item.
            Event::RunForked(_) => all.clear(),
            _ => {}
        }
    }
    all
}

/// How many items they are.
pub(crate) fn count(done: &[ItemsDone]) -> u64 {
    done.iter().map(|done| done.items).fold(0, u64::saturating_add)
}

/// Puts what items left into the form in which it is kept: frames of a length and so many bytes, of which the first is what was
/// told.
pub(crate) fn rest(left: &Left, partials: &[Vec<u8>]) -> Vec<u8> {
    let Left { skipped_count, skipped, log, .. } = left;
    let told = Told { skipped_count: *skipped_count, skipped: skipped.clone(), log: log.clone() };
    // Strings and numbers: there is always a JSON form.
    let told = serde_json::to_vec(&told).unwrap_or_default();
    let mut bytes = Vec::new();
    for frame in std::iter::once(&told).chain(partials) {
        bytes.extend((frame.len() as u64).to_le_bytes());
        bytes.extend(frame);
    }
    bytes
}

/// What [`rest`] made; none for anything else.
fn read_rest(bytes: &[u8]) -> Option<(Told, Vec<Vec<u8>>)> {
    let mut frames = Vec::new();
    let mut left = bytes;
    while let Some((length, behind)) = left.split_first_chunk() {
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (frame, behind) = behind.split_at_checked(length)?;
        frames.push(frame.to_vec());
        left = behind;
    }
    if !left.is_empty() || frames.is_empty() {
        return None;
    }
    let told = serde_json::from_slice(&frames.remove(0)).ok()?;
    Some((told, frames))
}

/// Puts what earlier attempts have done into what an attempt has so far; gives the partial states.
pub(crate) fn restore(store: &Store, known: &[ItemsDone], into: &mut Left) -> Result<Vec<Vec<u8>>, Failure> {
    let unreadable = |error: &dyn std::error::Error| host_failure("what was done of it before can't be read", error);
    let missing = || Failure::new(FailureKind::Host, "what was done of it before is not in the store");
    let mut partials = Vec::new();
    for done in known {
        for (output, digest) in into.outputs.iter_mut().zip(&done.outputs) {
            let content = store.content(*digest).map_err(|error| unreadable(&error))?.ok_or_else(missing)?;
            copy(&content, &mut output.spool).map_err(|error| unreadable(&error))?;
        }
        let rest = store.content(done.rest).map_err(|error| unreadable(&error))?.ok_or_else(missing)?;
        let rest = rest.read_all().map_err(|error| unreadable(&error))?;
        let (Told { skipped_count, skipped, log }, more) = read_rest(&rest).ok_or_else(missing)?;
        let told = Left { skipped_count, skipped, log, ..Left::default() };
        into.absorb_told(told);
        partials.extend(more);
    }
    Ok(partials)
}

/// Puts all items of a content behind those of a spool.
pub(crate) fn copy(content: &Content, into: &mut Spool) -> Result<(), SpoolError> {
    let (mut items, mut batch) = (content.items(), Vec::new());
    while items.next(COPY_BYTES, &mut batch)?.is_some() {
        into.append(&batch)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::Digest;

    #[test]
    fn what_items_left_is_read_as_it_was_kept_and_nothing_else_is() {
        let skip = SkipRecord { what: "a".to_owned(), reason: "b".to_owned(), allow: None, asked: None };
        let left = Left { skipped_count: 7, skipped: vec![skip.clone()], ..Left::default() };
        let bytes = rest(&left, &[b"one".to_vec(), Vec::new()]);
        let (told, partials) = read_rest(&bytes).unwrap();
        assert_eq!((told.skipped_count, told.skipped, partials), (7, vec![skip], vec![b"one".to_vec(), Vec::new()]));
        for wrong in [&bytes[..bytes.len() - 1], &bytes[..9], &[], &[255; 8]] {
            assert!(read_rest(wrong).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn only_what_follows_from_the_first_item_is_known() {
        let turn = |attempt| Turn { step: "a".parse().unwrap(), iteration: 0, attempt };
        let done = |attempt, first, items| {
            let (rest, usage) = (Digest::of(b"r"), Usage::default());
            let (step, iteration, at_ms, outputs) = (turn(1).step, 0, 0, Vec::new());
            Event::ItemsDone(Box::new(ItemsDone {
                step,
                attempt,
                iteration,
                at_ms,
                first,
                items,
                outputs,
                rest,
                usage,
            }))
        };
        let events = [done(1, 0, 5), done(1, 9, 1), done(1, 5, 2), done(2, 7, 1)];
        assert_eq!(count(&known(&events, &turn(3))), 8);
        assert_eq!(count(&known(&events, &turn(2))), 7);
        assert_eq!(count(&known(&events, &turn(1))), 0);
        assert_eq!(count(&known(&events, &Turn { iteration: 1, ..turn(3) })), 0);
    }
}
