//! Whether the store has what the journals of its runs name. Changes nothing.

use crate::named::{NamedThing, named};
use palisade_interpreter::{Event, EventError};
use palisade_model::{Digest, RunId};
use palisade_store::{Fault, Store};
use std::collections::BTreeSet;

/// Events that are read at once.
const PAGE: usize = 256;

/// A journal that names what is not there, or can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// An event is of a form that this Palisade does not know.
    #[error("run {run}: event {seq} can't be read")]
    Event {
        /// The run.
        run: RunId,
        /// The event's number.
        seq: u64,
        /// What is wrong with it.
        #[source]
        source: EventError,
    },
    /// The store does not have what an event names.
    #[error("run {run}: {what} is not in the store: {digest}")]
    Missing {
        /// The run.
        run: RunId,
        /// What it is.
        what: String,
        /// Its digest.
        digest: Digest,
    },
}

/// Reads the events of all runs and gives what they name and the store does not have, unless it was erased. Whether what it has is sound is
/// for [`Store::inspect`] to say.
///
/// # Errors
/// When the store can't be read.
pub fn broken_runs(store: &Store) -> Result<Vec<Broken>, Fault> {
    let mut broken = Vec::new();
    let mut known = BTreeSet::new();
    for row in store.runs()? {
        let (run, mut after) = (row.run, 0);
        loop {
            let page = store.events(run, after, PAGE)?;
            for stored in &page {
                after = stored.seq;
                match Event::from_bytes(&stored.bytes) {
                    Ok(event) => {
                        for NamedThing { what, digest, .. } in named(&event) {
                            if known.contains(&digest) || is_there(store, digest)? || store.erased(digest)?.is_some() {
                                known.insert(digest);
                            } else {
                                broken.push(Broken::Missing { run, what, digest });
                            }
                        }
                    }
                    Err(source) => broken.push(Broken::Event { run, seq: stored.seq, source }),
                }
            }
            if page.len() < PAGE {
                break;
            }
        }
    }
    Ok(broken)
}

/// What is there but damaged is there.
fn is_there(store: &Store, digest: Digest) -> Result<bool, Fault> {
    let found = || Ok(store.content(digest)?.is_some() || store.artifact(digest)?.is_some());
    found().or_else(|fault: Fault| if fault.is_damage() { Ok(true) } else { Err(fault) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_interpreter::RunStarted;
    use palisade_model::TenantId;
    use palisade_store::{Append, NewEvent, RunSummary};

    fn append(store: &Store, after: u64, kind: &str, bytes: &[u8], content: &[u8]) {
        let summary = RunSummary {
            title: "t".to_owned(),
            status: "s".to_owned(),
            started_ms: 1,
            ended_ms: None,
            items: None,
            parent: None,
            key: None,
        };
        let contents = vec![store.prepare(content).unwrap()];
        let events = [NewEvent { kind, bytes }];
        let append = Append { events: &events, contents, summary: Some(summary), ..Append::default() };
        store.append(RunId::new(1, [1; 10]), after, append).unwrap();
    }

    #[test]
    fn what_a_run_names_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), TenantId::default()).unwrap();
        let started = |name: &str, content: &[u8]| {
            Event::RunStarted(Box::new(RunStarted {
                run: RunId::new(1, [1; 10]),
                at_ms: 1,
                title: "t".to_owned(),
                palisade_version: "0".to_owned(),
                plan: Digest::of(b"plan"),
                runbook: Digest::of(b"plan"),
                contents: [(name.to_owned(), Digest::of(content))].into(),
                allowed: Vec::new(),
                by: None,
                approved_by: None,
                llm: None,
                inputs: Vec::new(),
                folder: None,
                parent: None,
                fork: None,
            }))
            .to_bytes()
        };
        append(&store, 0, "RunStarted", &started("plan", b"plan"), b"plan");
        assert!(broken_runs(&store).unwrap().is_empty());
        append(&store, 1, "RunStarted", &started("schema a/1.0.0", b"schema"), b"plan");
        append(&store, 2, "Unheard", br#"{"v":1,"kind":"Unheard"}"#, b"plan");
        let told: Vec<_> = broken_runs(&store).unwrap().iter().map(ToString::to_string).collect();
        let run = RunId::new(1, [1; 10]);
        let missing = format!("run {run}: schema a/1.0.0 is not in the store: {}", Digest::of(b"schema"));
        assert_eq!(told, [missing, format!("run {run}: event 3 can't be read")]);
    }
}
