//! Which runs may go, and letting them go: whole families, a run that a person started with all below it.

use crate::history::{History, HistoryError, Standing};
use crate::named::named_in;
use crate::run::RUNNING;
use palisade_audit::{Actor, Entry, What};
use palisade_interpreter::{Event, StepState};
use palisade_model::record::Status;
use palisade_model::{Digest, RunId};
use palisade_store::{Collected, Doing, Erased, Fault, NamingError, OwnError, RunLock, RunRow, Store};
use std::collections::{BTreeMap, BTreeSet};

/// Which runs are not wanted any more. All that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct Retention {
    /// They ended, or started if they have not ended, at least so many milliseconds ago.
    pub older_than_ms: Option<u64>,
    /// So many of the latest stay, whatever else holds.
    pub keep: Option<usize>,
    /// They stand so; none = however they stand.
    pub states: Option<BTreeSet<String>>,
    /// Also those that could still be resumed.
    pub include_interrupted: bool,
}

/// A run that a person started, with all runs below it.
#[derive(Debug, Clone)]
pub struct Family {
    /// The run.
    pub root: RunRow,
    /// How it stands.
    pub standing: Standing,
    /// Those below it, the latest first.
    pub below: Vec<RunRow>,
    /// A process works on one of them.
    pub goes_on: bool,
}

/// Who removes or erases something, and when.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// The user, as the system knows them.
    pub user: &'a str,
    /// Milliseconds since 1970.
    pub now_ms: u64,
}

/// Why runs can't be removed or erased.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// Somebody works on one.
    #[error(transparent)]
    Owned(#[from] OwnError),
    /// It can't be said what is needed, or it has changed.
    #[error(transparent)]
    Naming(#[from] NamingError),
    /// The store can't be used.
    #[error("the store can't be used")]
    Store(#[from] Fault),
}

impl Retention {
    /// Says whether nothing was given by which a run could be chosen.
    #[must_use]
    pub const fn chooses_nothing(&self) -> bool {
        self.older_than_ms.is_none() && self.keep.is_none() && self.states.is_none()
    }

    /// The families that may go, the latest first. Nothing is chosen where nothing was given to choose by.
    #[must_use]
    pub fn choose(&self, families: Vec<Family>, now_ms: u64) -> Vec<Family> {
        if self.chooses_nothing() {
            return Vec::new();
        }
        let may_go = |family: &Family| {
            let old = |limit| now_ms.saturating_sub(family.last_ms()) >= limit;
            !family.goes_on
                && (self.include_interrupted || !family.can_go_on())
                && self.older_than_ms.is_none_or(old)
                && self.states.as_ref().is_none_or(|states| states.contains(family.standing.name()))
        };
        families.into_iter().skip(self.keep.unwrap_or(0)).filter(may_go).collect()
    }
}

impl Family {
    /// All families of a store, the latest first.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn all(store: &Store) -> Result<Vec<Self>, Fault> {
        let rows = store.runs()?;
        let parents: BTreeMap<RunId, Option<RunId>> = rows.iter().map(|row| (row.run, row.summary.parent)).collect();
        let mut below: BTreeMap<RunId, Vec<RunRow>> = BTreeMap::new();
        let mut roots = Vec::new();
        for row in rows {
            match root_of(row.run, &parents) {
                root if root == row.run => roots.push(row),
                root => below.entry(root).or_default().push(row),
            }
        }
        let family = |root: RunRow| {
            let below = below.remove(&root.run).unwrap_or_default();
            let (root, standing) = Standing::of(store, root)?;
            let mut goes_on = matches!(standing, Standing::Running { .. });
            for row in below.iter().filter(|row| row.summary.status == RUNNING) {
                goes_on |= store.owner(row.run)?.is_some();
            }
            Ok(Self { root, standing, below, goes_on })
        };
        roots.into_iter().map(family).collect()
    }

    /// When something was last known to happen to it, in milliseconds since 1970.
    #[must_use]
    pub fn last_ms(&self) -> u64 {
        self.root.summary.ended_ms.unwrap_or(self.root.summary.started_ms)
    }

    /// Says whether it could be resumed.
    #[must_use]
    pub fn can_go_on(&self) -> bool {
        could_go_on(&self.root)
    }

    /// Says whether files that it wrote wait to be put in their places: whoever resumes or cancels it puts them, and takes away
    /// what lies beside them.
    ///
    /// # Errors
    /// When its journals can't be read.
    pub fn has_files_to_put(&self, store: &Store) -> Result<bool, HistoryError> {
        for row in self.rows().filter(|row| could_go_on(row)) {
            let history = History::read(store, row.run)?;
            let state = history.state_after(history.events().len());
            let is_writing = |event: &Event| match event {
                Event::AttemptSucceeded(ended) => {
                    matches!(state.step(&ended.step), Some(StepState::Writing { .. }))
                }
                _ => false,
            };
            if history.events().iter().any(is_writing) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// All its runs, the one that a person started first.
    pub fn rows(&self) -> impl Iterator<Item = &RunRow> {
        std::iter::once(&self.root).chain(&self.below)
    }
}

/// The run above all; a run whose parent is not there stands for itself.
fn root_of(run: RunId, parents: &BTreeMap<RunId, Option<RunId>>) -> RunId {
    let mut root = run;
    // Bounded, in case what the rows say goes round in a circle.
    for _ in 0..parents.len() {
        match parents.get(&root).copied().flatten().filter(|parent| parents.contains_key(parent)) {
            Some(parent) => root = parent,
            None => return root,
        }
    }
    run
}

/// Removes families with all that then nobody names, or says what would go. What is in `kept` stays. The audit log says who
/// removed which runs.
///
/// # Errors
/// When somebody works on one of them, it can't be said what other runs need, or the store fails.
pub fn collect(
    store: &Store,
    families: &[Family],
    kept: &BTreeSet<Digest>,
    doing: Doing,
    who: &Who<'_>,
) -> Result<Collected, RemovalError> {
    let rows: Vec<RunRow> = families.iter().flat_map(Family::rows).cloned().collect();
    let _locks = own(store, &rows, doing)?;
    let runs: Vec<_> = rows.iter().map(|row| row.run).collect();
    let what = What::RunsRemoved { by: Actor::unauthenticated(who.user), runs };
    // Where only bytes go that nobody names, no run does.
    let noted = (!rows.is_empty()).then(|| Entry::new(who.now_ms, what));
    Ok(store.collect(&rows, kept, &named_in, doing, noted.as_slice())?)
}

/// Erases what a family read and made, or says what would be erased. Its journals stay. What other runs name too goes only
/// if it is to go `everywhere`, and no run that names it could still go on.
///
/// # Errors
/// As [`collect`].
pub fn erase(
    store: &Store,
    family: &Family,
    everywhere: bool,
    doing: Doing,
    who: &Who<'_>,
) -> Result<Erased, RemovalError> {
    let rows: Vec<RunRow> = family.rows().cloned().collect();
    let _locks = own(store, &rows, doing)?;
    let may_lose = |row: &RunRow| everywhere && !could_go_on(row);
    let runs = rows.iter().map(|row| row.run).collect();
    let noted = Entry::new(who.now_ms, What::DataErased { by: Actor::unauthenticated(who.user), runs });
    Ok(store.erase(&rows, &may_lose, who.now_ms, &named_in, doing, &[noted])?)
}

/// Makes sure that nobody takes up one of the runs meanwhile.
fn own(store: &Store, rows: &[RunRow], doing: Doing) -> Result<Vec<RunLock>, OwnError> {
    let wanted = rows.iter().filter(|_| doing == Doing::Remove);
    // A run that ended for good is taken up by nobody; locks are files, and there may be many runs.
    wanted.filter(|row| could_go_on(row)).map(|row| store.own(row.run)).collect()
}

/// Says whether a run goes on, or could be resumed.
fn could_go_on(row: &RunRow) -> bool {
    let status = row.summary.status.as_str();
    status == RUNNING || Status::named_can_go_on(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_store::{Head, RunSummary};

    fn family(number: u64, standing: Standing) -> Family {
        let run = RunId::new(number, [1; 10]);
        let summary = RunSummary {
            title: "t".to_owned(),
            // The row of one that lost its process still says that it runs.
            status: if let Standing::Ended(status) = &standing { status.clone() } else { RUNNING.to_owned() },
            started_ms: number,
            ended_ms: matches!(standing, Standing::Ended(_)).then_some(number + 10),
            items: None,
            parent: None,
            key: None,
        };
        let goes_on = matches!(standing, Standing::Running { .. });
        Family { root: RunRow { run, head: Head::start(run), summary }, standing, below: Vec::new(), goes_on }
    }

    #[test]
    fn only_what_is_asked_for_may_go() {
        let all = || {
            let ended = |status: &str| Standing::Ended(status.to_owned());
            let standings = [
                Standing::Running { process: 1 },
                ended("succeeded"),
                ended("failed"),
                ended("waiting"),
                Standing::Abandoned,
                ended("cancelled"),
            ];
            (1..=6).rev().map(|number| number * 100).zip(standings).map(|(at, how)| family(at, how)).collect()
        };
        let check = |retention: &Retention, expected: &[u64]| {
            let chosen = retention.choose(all(), 700);
            let found: Vec<u64> = chosen.iter().map(|family| family.root.summary.started_ms).collect();
            assert_eq!(found, expected, "{retention:?}");
        };
        let any = Retention { keep: Some(0), ..Retention::default() };
        check(&Retention::default(), &[]);
        check(&Retention { include_interrupted: true, ..Retention::default() }, &[]);
        check(&any, &[500, 400, 100]);
        check(&Retention { include_interrupted: true, ..any.clone() }, &[500, 400, 300, 200, 100]);
        check(&Retention { keep: Some(2), ..any.clone() }, &[400, 100]);
        check(&Retention { older_than_ms: Some(290), ..Retention::default() }, &[400, 100]);
        check(&Retention { older_than_ms: Some(291), ..Retention::default() }, &[100]);
        check(&Retention { states: Some(["failed".to_owned()].into()), ..Retention::default() }, &[400]);
        check(&Retention { states: Some(["abandoned".to_owned()].into()), ..Retention::default() }, &[]);
    }

    #[test]
    fn a_child_goes_with_the_run_above_all() {
        let id = |number: u64| RunId::new(number, [1; 10]);
        let parents = BTreeMap::from([
            (id(1), None),
            (id(2), Some(id(1))),
            (id(3), Some(id(2))),
            (id(4), Some(id(9))),
            (id(5), Some(id(6))),
            (id(6), Some(id(5))),
        ]);
        let check = |run: u64, root: u64| assert_eq!(root_of(id(run), &parents), id(root), "{run}");
        check(1, 1);
        check(3, 1);
        check(4, 4);
        check(5, 5);
    }
}
