//! The child runs from which artifacts came: what they were made from there.

use super::OneRun;
use crate::render::lineage::ChildLineage;
use palisade_engine::{HistoryError, Lineage, LineageStep, Origin, Part};
use palisade_model::RunId;
use palisade_store::Store;
use std::collections::{BTreeSet, VecDeque};

/// A child run, and the part of it that an artifact of its parent came from.
pub(super) struct ChildRun {
    pub(super) run: OneRun,
    /// The child's artifacts that its parent took.
    results: Vec<String>,
    pub(super) part: Part,
}

/// What a step took of its child.
enum Taken {
    /// The outputs of these names.
    Outputs(Vec<String>),
    /// Any of its results: an agent reads those of what it submits as it likes.
    Results,
}

impl ChildRun {
    fn read(store: &Store, child: RunId, taken: &Taken) -> Result<Self, HistoryError> {
        let run = OneRun::read(store, child)?;
        let artifacts = match taken {
            Taken::Outputs(names) => names.iter().filter_map(|name| run.lineage.artifact(name)).collect(),
            Taken::Results => run.lineage.artifacts.iter().filter(|artifact| artifact.exported).collect::<Vec<_>>(),
        };
        let results: Vec<String> = artifacts.into_iter().map(|artifact| artifact.name.clone()).collect();
        let mut part = Part::default();
        results.iter().for_each(|name| part.join(run.lineage.up(name)));
        Ok(Self { run, results, part })
    }

    pub(super) fn told(self) -> ChildLineage {
        ChildLineage { run: self.run.head(), results: self.results, up: self.part.of(&self.run.lineage) }
    }
}

/// The child runs behind a part of a run, and those behind them, nearest first. One that is not stored is left out: its
/// parent speaks of it before it begins.
///
/// # Errors
/// When one can't be read.
pub(super) fn below(store: &Store, lineage: &Lineage, part: &Part) -> Result<Vec<ChildRun>, HistoryError> {
    let (mut met, mut found): (BTreeSet<RunId>, Vec<ChildRun>) = Default::default();
    let mut todo: VecDeque<_> = children(lineage, part).collect();
    while let Some((child, taken)) = todo.pop_front() {
        if met.insert(child) && store.run(child)?.is_some() {
            let child = ChildRun::read(store, child, &taken)?;
            todo.extend(children(&child.run.lineage, &child.part));
            found.push(child);
        }
    }
    Ok(found)
}

fn children<'l>(lineage: &'l Lineage, part: &'l Part) -> impl Iterator<Item = (RunId, Taken)> + use<'l> {
    let steps = lineage.steps.iter().filter(|step| part.steps.contains(&step.step));
    steps.filter_map(|step| Some((step.child?, taken(lineage, part, step))))
}

fn taken(lineage: &Lineage, part: &Part, step: &LineageStep) -> Taken {
    if step.component.is_some() {
        return Taken::Results;
    }
    let needed = lineage.artifacts.iter().filter(|artifact| part.artifacts.contains(&artifact.name));
    let of_step = needed.filter_map(|artifact| match &artifact.from {
        Origin::Step { step: by, port } if *by == step.step => Some(port.clone()),
        _ => None,
    });
    Taken::Outputs(of_step.collect())
}
