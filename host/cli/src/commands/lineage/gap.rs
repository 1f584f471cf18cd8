//! Runs that belong to a lineage and can't be told: which, and why.

use super::Known;
use crate::render::lineage::GapTold;
use palisade_engine::{Gap, HistoryError};
use palisade_model::unit::Count;
use palisade_model::{causes, neutral};
use palisade_store::VerifyError;
use std::collections::BTreeMap;

/// Why a run that another speaks of was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    /// It has no row.
    #[error("it is not in the store: it never began, or was removed")]
    NotStored,
    /// A newer Palisade wrote it.
    #[error(transparent)]
    Newer(HistoryError),
    /// What is stored of it is not what was written.
    #[error(transparent)]
    Damaged(HistoryError),
}

impl Unread {
    /// What an error says of the run.
    ///
    /// # Errors
    /// When it says nothing of it: the store can't be read, be it this run or another.
    pub(super) fn of(error: HistoryError) -> Result<Self, HistoryError> {
        match error {
            HistoryError::Journal(VerifyError::Unknown { .. }) => Ok(Self::NotStored),
            newer if newer.is_of_another_version() => Ok(Self::Newer(newer)),
            damage if damage.is_damage() => Ok(Self::Damaged(damage)),
            other => Err(other),
        }
    }
}

/// The reason in one word, for programs.
pub(super) const fn reason(gap: &Gap<Unread>) -> &'static str {
    match &gap.why {
        None => "too_many",
        Some(Unread::NotStored) => "not_stored",
        Some(Unread::Newer(_)) => "newer",
        Some(Unread::Damaged(_)) => "damaged",
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
        if gap.why.is_none() {
            too_many.insert((gap.met_in, gap.step.as_ref()), all.len());
        }
        all.push(GapTold {
            run_id: gap.run,
            met_in: gap.met_in,
            step: gap.step.clone(),
            reason: reason(gap),
            message: gap.why.as_ref().map_or_else(
                || format!("{} are followed, and no more", Count(super::MAX_FOLLOWED as u64).of("run")),
                |why| neutral::line(&causes(why), 300),
            ),
            runs: 1,
        });
    }
    all
}

/// Says whether what is stored of a run is not what was written.
pub(super) fn is_damage(known: &Known) -> bool {
    known.gaps.iter().any(|gap| matches!(gap.why, Some(Unread::Damaged(_))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::RunId;
    use palisade_store::Fault;
    use std::path::PathBuf;

    fn id(run: u8) -> RunId {
        RunId::new(1, [run; 10])
    }

    #[test]
    fn those_that_were_too_many_are_told_with_the_first_of_them_and_no_other() {
        let damaged = || Some(Unread::Damaged(HistoryError::NoStart { run: id(5) }));
        let whys = [Some(Unread::NotStored), None, None, damaged(), None, Some(Unread::NotStored)];
        let gap = |(run, why)| Gap { run: id(run), met_in: id(1), step: Some("s".parse().unwrap()), why };
        let mut gaps: Vec<_> = (2..).zip(whys).map(gap).collect();
        gaps.push(Gap { step: Some("t".parse().unwrap()), ..gap((9, None)) });
        let told = told(&Known { runs: Vec::new(), gaps });
        let told: Vec<_> = told.iter().map(|gap| (gap.run_id, gap.reason, gap.runs)).collect();
        let expected = [
            (id(2), "not_stored", 1),
            (id(3), "too_many", 3),
            (id(5), "damaged", 1),
            (id(7), "not_stored", 1),
            (id(9), "too_many", 1),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_keeps_the_store_from_being_read_is_no_reason_of_a_run() {
        let place = || PathBuf::from("x");
        let busy = || Fault::Busy { place: place() };
        let damaged = || Fault::Damaged { place: place(), what: "w".to_owned() };
        let io = Fault::Io { place: place(), source: std::io::ErrorKind::Other.into() };
        for fault in [HistoryError::Store(busy()), HistoryError::Journal(VerifyError::Fault(busy())), io.into()] {
            assert!(Unread::of(fault).is_err());
        }
        for damage in [
            damaged().into(),
            HistoryError::Journal(VerifyError::Fault(damaged())),
            HistoryError::Journal(VerifyError::Changed { run: id(1), seq: 1 }),
            HistoryError::Missing { run: id(1), what: "plan" },
        ] {
            assert!(matches!(Unread::of(damage), Ok(Unread::Damaged(_))));
        }
        let gone = HistoryError::Journal(VerifyError::Unknown { run: id(1) });
        assert!(matches!(Unread::of(gone), Ok(Unread::NotStored)));
    }
}
