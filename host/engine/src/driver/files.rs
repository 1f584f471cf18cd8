//! Files that a step wrote: put in their places once it is durable that they are to be.

use super::{Driver, now_ms};
use crate::perform::work_key;
use crate::put::{PutError, Putter};
use crate::run::RunError;
use palisade_authority::{Use, authorise};
use palisade_interpreter::{Event, FilesOutcome, FilesPut, Turn, WrittenFile};
use rustix::fd::AsFd as _;

impl Driver<'_> {
    /// Puts what an attempt wrote in its place, unless somebody did before who died then.
    pub(super) fn put_files(&mut self, turn: &Turn) -> Result<Event, RunError> {
        // Whoever comes after must know what was to be put, and the audit log what was allowed.
        self.settle()?;
        let authority = &self.call(&turn.step)?.authority;
        let may = |path: &_| authorise(authority, &Use::FsWrite { path: Clone::clone(path) }).allowed();
        let putter = Putter {
            store: self.engine.store(),
            root: self.folder.as_fd(),
            work_key: &work_key(&self.place.work_key, turn),
            may: &may,
            before: &|_| Ok(()),
        };
        let outcome = match putter.put(self.written(turn)?) {
            Ok(()) => FilesOutcome::Put,
            // Somebody else may put it right, and this run goes on from here.
            Err(error) => FilesOutcome::Refused { failure: PutError::failure(&error) },
        };
        let Turn { step, iteration, attempt } = turn.clone();
        Ok(Event::FilesPut(Box::new(FilesPut { step, attempt, iteration, at_ms: now_ms(), outcome })))
    }

    /// What the journal says that an attempt wrote.
    fn written(&self, turn: &Turn) -> Result<&[WrittenFile], RunError> {
        let found = self.events.iter().rev().find_map(|event| match event {
            Event::AttemptSucceeded(ended)
                if (&ended.step, ended.iteration, ended.attempt) == (&turn.step, turn.iteration, turn.attempt) =>
            {
                Some(ended.files.as_slice())
            }
            _ => None,
        });
        found.ok_or_else(|| RunError::Missing { what: format!("what step {} wrote", turn.step) })
    }
}
