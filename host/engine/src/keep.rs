//! What a run needs later, made durable when it starts: its plan, its components, its inputs. Nothing is stored twice.

use crate::named::INPUT;
use crate::run::{GivenInput, RunError};
use palisade_interpreter::RunInput;
use palisade_model::Digest;
use palisade_runbook::Ruleset;
use palisade_store::{NewArtifact, Pending, Pin, Store};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a run needs later, put into the store unless it is there.
pub(crate) struct Kept<'a> {
    /// What is there stays there until the run names it.
    pub(crate) pin: Pin,
    pub(crate) store: &'a Store,
    pub(crate) pending: Vec<Pending>,
    pub(crate) artifacts: Vec<NewArtifact>,
    /// The digests of all, by what they are.
    pub(crate) contents: BTreeMap<String, Digest>,
}

impl<'a> Kept<'a> {
    pub(crate) fn new(store: &'a Store) -> Result<Self, RunError> {
        let (pending, artifacts, contents) = Default::default();
        Ok(Self { pin: store.pin()?, store, pending, artifacts, contents })
    }

    pub(crate) fn bytes(&mut self, what: &str, bytes: &[u8]) -> Result<(), RunError> {
        self.known_bytes(what, Digest::of(bytes), || Ok(bytes.to_vec()))
    }

    pub(crate) fn known_bytes(
        &mut self,
        what: &str,
        digest: Digest,
        bytes: impl FnOnce() -> Result<Vec<u8>, RunError>,
    ) -> Result<(), RunError> {
        let known = self.contents.values().any(|known| *known == digest);
        self.contents.insert(what.to_owned(), digest);
        if !known && self.store.content(digest)?.is_none() {
            self.pending.push(self.store.prepare(&bytes()?)?);
        }
        Ok(())
    }

    pub(crate) fn ruleset(&mut self, what: &str, ruleset: &Ruleset) -> Result<(), RunError> {
        let store = self.store;
        self.contents.insert(what.to_owned(), ruleset.digest);
        let pending = self.artifacts.iter().any(|known| known.digest() == ruleset.digest);
        if !pending && store.artifact(ruleset.digest)?.is_none() {
            let mut spool = store.spool(0);
            spool.append(&ruleset.items)?;
            let items = store.join(vec![spool])?;
            let metadata: Value = ruleset.metadata.clone();
            self.artifacts.push(NewArtifact::new(ruleset.schema.clone(), metadata, items));
        }
        Ok(())
    }

    /// Takes an input of the run and says what it is.
    pub(crate) fn input(&mut self, given: GivenInput) -> RunInput {
        let GivenInput { name, artifact, is_default } = given;
        let digest = artifact.digest();
        self.contents.insert(format!("{INPUT}{name}"), digest);
        let (schema, content) = (artifact.schema().clone(), artifact.items());
        let (items, bytes) = (content.lines(), content.length());
        self.artifacts.push(artifact);
        RunInput { name, artifact: digest, schema, items, bytes, is_default }
    }
}
