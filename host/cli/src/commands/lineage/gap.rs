//! Runs that belong to a lineage and can't be told: which, and why.

use super::Known;
use crate::render::lineage::GapTold;
use palisade_engine::{Gap, HistoryError};
use palisade_model::{causes, neutral};
use palisade_store::Fault;
use std::collections::BTreeMap;

const DAMAGED: &str = "damaged";

/// Why a run that another speaks of was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    /// It has no row.
    #[error("it is not in the store: it never began, or was removed")]
    NotStored,
    /// It can't be told.
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl From<Fault> for Unread {
    fn from(fault: Fault) -> Self {
        Self::History(fault.into())
    }
}

/// The reason in one word, for programs.
pub(super) fn reason(gap: &Gap<Unread>) -> &'static str {
    match &gap.why {
        None => "too_many",
        Some(Unread::NotStored) => "not_stored",
        Some(Unread::History(error)) if error.is_of_another_version() => "newer",
        Some(Unread::History(error)) if error.is_damage() => DAMAGED,
        Some(Unread::History(_)) => "unreadable",
    }
}

/// The gaps as they are told. Of those that were too many each step is told once, with their number.
pub(super) fn told(known: &Known) -> Vec<GapTold> {
    let mut all: Vec<GapTold> = Vec::new();
    let mut too_many = BTreeMap::new();
    for gap in &known.gaps {
        if gap.why.is_none()
            && let Some(place) = too_many.get(&(gap.met_in, gap.step.as_ref()))
            && let Some(first) = all.get_mut::<usize>(*place)
        {
            first.runs += 1;
            continue;
        }
        too_many.insert((gap.met_in, gap.step.as_ref()), all.len());
        all.push(GapTold {
            run_id: gap.run,
            met_in: gap.met_in,
            step: gap.step.clone(),
            reason: reason(gap),
            message: gap.why.as_ref().map_or_else(
                || format!("{} runs are followed, and no more", super::MAX_FOLLOWED),
                |why| neutral::line(&causes(why), 300),
            ),
            runs: 1,
        });
    }
    all
}

/// Says whether what is stored of a run is not what was written.
pub(super) fn is_damage(known: &Known) -> bool {
    known.gaps.iter().any(|gap| reason(gap) == DAMAGED)
}
