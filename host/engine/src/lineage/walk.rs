//! Follows what an artifact was made from, and what was made from it, from run to run: into the child runs of steps, and to the
//! runs above. Says which runs could not be followed, and never leaves one out.

use super::{Lineage, LineageStep, Origin, Part, Read};
use palisade_model::{RunId, StepId};
use palisade_runbook::Use;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

/// What hangs together with an artifact.
#[derive(Debug)]
pub struct Followed<R, E> {
    /// The runs, that of the artifact first, then as they were met.
    pub runs: Vec<Relative<R>>,
    /// The runs that belong to it and were not followed, as they were met.
    pub gaps: Vec<Gap<E>>,
}

/// A run, and what of it belongs to a lineage.
#[derive(Debug)]
pub struct Relative<R> {
    /// Which.
    pub id: RunId,
    /// What its reader knows of it.
    pub run: R,
    /// How all in it hangs together.
    pub lineage: Rc<Lineage>,
    /// What the artifact was made from, and what had the run run.
    pub up: Part,
    /// What was made from the artifact.
    pub down: Part,
    /// What of it its parent took, by the names here, as far as that is followed upwards.
    pub results: BTreeSet<String>,
    /// Its inputs through which what its parent gave it is followed downwards.
    pub given: BTreeSet<String>,
}

/// A run that was not followed.
#[derive(Debug)]
pub struct Gap<E> {
    /// Which.
    pub run: RunId,
    /// From which run it was met.
    pub met_in: RunId,
    /// The step there that started it; none = it is the run above.
    pub step: Option<StepId>,
    /// Why it can't be told; none = there were too many.
    pub why: Option<E>,
}

/// Where to begin, and which ways to go.
#[derive(Debug, Clone)]
pub struct Start<'a> {
    /// Artifacts, each with the item of it that is asked about, from 0; none = all of it.
    pub artifacts: Vec<(&'a str, Option<u64>)>,
    /// To what it was made from.
    pub up: bool,
    /// To what was made from it.
    pub down: bool,
}

/// Reads a run: what is known of it and its lineage, or why it can't be told. Its own errors end the walk.
pub type Reader<'r, R, E, F> = dyn FnMut(RunId) -> Result<Result<(R, Rc<Lineage>), E>, F> + 'r;

impl<R, E> Followed<R, E> {
    /// Begins in a run, and reads others as they are met, `most` in all at most, be it that they can be told or not.
    ///
    /// # Errors
    /// When whoever reads them can't read on, whichever run it is.
    pub fn from<F>(
        (id, run, lineage): (RunId, R, Rc<Lineage>),
        start: &Start<'_>,
        most: usize,
        read: &mut Reader<'_, R, E, F>,
    ) -> Result<Self, F> {
        let mut walk = Walk {
            followed: Self { runs: Vec::new(), gaps: Vec::new() },
            left: most.saturating_sub(1),
            read,
            met: BTreeMap::new(),
            handing: BTreeSet::new(),
            seen: BTreeSet::new(),
            todo: VecDeque::new(),
        };
        let first = walk.add(id, run, lineage);
        walk.handing.insert(first);
        for (name, item) in &start.artifacts {
            if start.up {
                walk.push(Task::Up { run: first, artifact: (*name).to_owned(), item: *item });
            }
            if start.down {
                walk.push(Task::Down { run: first, artifact: (*name).to_owned(), item: *item });
            }
        }
        if start.up {
            walk.push(Task::Above { run: first });
        }
        while let Some(task) = walk.todo.pop_front() {
            match task {
                Task::Up { run, artifact, item } => walk.up(run, &artifact, item)?,
                Task::Above { run } => walk.above(run)?,
                Task::Down { run, artifact, item } => walk.down(run, &artifact, item)?,
                Task::All { run } => walk.all(run)?,
            }
        }
        Ok(walk.followed)
    }

    /// A run that was followed.
    #[must_use]
    pub fn run(&self, id: RunId) -> Option<&Relative<R>> {
        self.runs.iter().find(|relative| relative.id == id)
    }
}

/// What is still to be looked at. Runs are told by their places among those that were met.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    /// What an artifact, or an item of it, was made from.
    Up { run: usize, artifact: String, item: Option<u64> },
    /// What had a run run.
    Above { run: usize },
    /// What was made from an artifact, or an item of it.
    Down { run: usize, artifact: String, item: Option<u64> },
    /// All that a run made: it would not have run without what is followed.
    All { run: usize },
}

struct Walk<'w, 'r, R, E, F> {
    followed: Followed<R, E>,
    /// How many more runs are read.
    left: usize,
    read: &'w mut Reader<'r, R, E, F>,
    /// The places of the runs that were met; none = it is a gap.
    met: BTreeMap<RunId, Option<usize>>,
    /// The run that is asked about and those above to which what is followed was handed back. Into all others the way came from
    /// above, where all that a step makes is followed anyway; and a child that a fork took over names the other run as its parent.
    handing: BTreeSet<usize>,
    seen: BTreeSet<Task>,
    todo: VecDeque<Task>,
}

impl<R, E, F> Walk<'_, '_, R, E, F> {
    fn add(&mut self, id: RunId, run: R, lineage: Rc<Lineage>) -> usize {
        let place = self.followed.runs.len();
        let (up, down, results, given) = Default::default();
        self.followed.runs.push(Relative { id, run, lineage, up, down, results, given });
        self.met.insert(id, Some(place));
        place
    }

    fn push(&mut self, task: Task) {
        if self.seen.insert(task.clone()) {
            self.todo.push_back(task);
        }
    }

    /// The place of a run that is met in another: below `step` there, or above it.
    fn open(&mut self, id: RunId, met_in: usize, step: Option<&StepId>) -> Result<Option<usize>, F> {
        if let Some(known) = self.met.get(&id) {
            return Ok(*known);
        }
        let why = match self.left.checked_sub(1) {
            None => None,
            Some(left) => {
                self.left = left;
                match (self.read)(id)? {
                    Ok((run, lineage)) => return Ok(Some(self.add(id, run, lineage))),
                    Err(why) => Some(why),
                }
            }
        };
        let (met_in, step) = (self.followed.runs[met_in].id, step.cloned());
        self.followed.gaps.push(Gap { run: id, met_in, step, why });
        self.met.insert(id, None);
        Ok(None)
    }

    fn up(&mut self, run: usize, name: &str, item: Option<u64>) -> Result<(), F> {
        let lineage = Rc::clone(&self.followed.runs[run].lineage);
        let Some(artifact) = lineage.artifact(name) else { return Ok(()) };
        let part = &mut self.followed.runs[run].up;
        part.artifacts.insert(artifact.name.clone());
        let Origin::Step { step, port } = &artifact.from else { return Ok(()) };
        let Some(step) = lineage.step(step) else { return Ok(()) };
        part.steps.insert(step.step.clone());
        let of_item = item.and_then(|item| step.child_of_item(port, item));
        self.reads_up(run, step, of_item.map(|(child, _)| child));
        for (place, child) in step.children.iter().enumerate() {
            let (port, item) = match of_item {
                // Nobody knows what an agent used of what it had run.
                _ if step.component.is_some() => (None, None),
                Some((of_item, within)) if of_item == place => (Some(port.as_str()), Some(within)),
                // What a loop made before goes into what it makes next; the items of a map have nothing to do with each other.
                Some(_) if step.maps_child => continue,
                _ if step.maps_child || place + 1 == step.children.len() => (Some(port.as_str()), None),
                _ => (None, None),
            };
            if let Some(child) = self.open(child.run_id, run, Some(&step.step))? {
                self.results_up(child, port, item);
            }
        }
        Ok(())
    }

    /// What a step read; that of its map which went to the child of that place.
    fn reads_up(&mut self, run: usize, step: &LineageStep, child: Option<usize>) {
        for read in &step.reads {
            let mapped = child.filter(|_| step.is_mapped(read)).and_then(|place| step.children.get(place));
            let item = mapped.map(|child| u64::from(child.iteration.saturating_sub(1)));
            self.push(Task::Up { run, artifact: read.artifact.clone(), item });
        }
    }

    /// What a child made under that name, or all that it handed over.
    fn results_up(&mut self, child: usize, port: Option<&str>, item: Option<u64>) {
        let lineage = Rc::clone(&self.followed.runs[child].lineage);
        for (_, artifact) in lineage.offers.iter().filter(|(name, _)| port.is_none_or(|port| port == *name)) {
            self.followed.runs[child].results.insert(artifact.clone());
            self.push(Task::Up { run: child, artifact: artifact.clone(), item });
        }
    }

    fn above(&mut self, run: usize) -> Result<(), F> {
        let (id, below) = (self.followed.runs[run].id, Rc::clone(&self.followed.runs[run].lineage));
        let Some(parent) = &below.parent else { return Ok(()) };
        let Some(above) = self.open(parent.run, run, None)? else { return Ok(()) };
        let lineage = Rc::clone(&self.followed.runs[above].lineage);
        if let Some(step) = lineage.step(&parent.step) {
            self.followed.runs[above].up.steps.insert(step.step.clone());
            self.reads_up(above, step, step.place_of(id));
            // What came of those before it may be why it is as it is.
            for child in step.before(id) {
                if let Some(child) = self.open(child.run_id, above, Some(&step.step))? {
                    self.results_up(child, None, None);
                }
            }
        }
        self.push(Task::Above { run: above });
        Ok(())
    }

    fn down(&mut self, run: usize, name: &str, item: Option<u64>) -> Result<(), F> {
        let lineage = Rc::clone(&self.followed.runs[run].lineage);
        let Some(artifact) = lineage.artifact(name) else { return Ok(()) };
        self.followed.runs[run].down.artifacts.insert(artifact.name.clone());
        for step in &lineage.steps {
            for read in step.reads.iter().filter(|read| read.artifact == artifact.name) {
                self.step_down(run, step);
                self.read_down(run, step, read, item)?;
            }
        }
        self.hand_back(run, &artifact.name)
    }

    /// A step to which what is followed went, and all that it makes.
    fn step_down(&mut self, run: usize, step: &LineageStep) {
        self.followed.runs[run].down.steps.insert(step.step.clone());
        for artifact in &step.makes {
            self.push(Task::Down { run, artifact: artifact.clone(), item: None });
        }
    }

    /// The child runs of a step that reads what is followed.
    fn read_down(&mut self, run: usize, step: &LineageStep, read: &Read, item: Option<u64>) -> Result<(), F> {
        for (place, child) in step.children.iter().enumerate() {
            let of_another = item.is_some_and(|item| u64::from(child.iteration) != item + 1);
            if step.is_mapped(read) && of_another {
                continue;
            }
            let Some(child) = self.open(child.run_id, run, Some(&step.step))? else { continue };
            let given = read.port.as_ref().filter(|_| read.used_as == Use::Input && step.component.is_none());
            // What a loop runs next gets what it ran before.
            match given.filter(|_| step.maps_child || place == 0) {
                Some(input) => {
                    self.followed.runs[child].given.insert(input.clone());
                    self.push(Task::Down { run: child, artifact: input.clone(), item: None });
                }
                None => self.push(Task::All { run: child }),
            }
        }
        Ok(())
    }

    /// What the run above calls what a child made.
    fn hand_back(&mut self, run: usize, artifact: &str) -> Result<(), F> {
        let (id, lineage) = (self.followed.runs[run].id, Rc::clone(&self.followed.runs[run].lineage));
        let Some(parent) = lineage.parent.as_ref().filter(|_| self.handing.contains(&run)) else { return Ok(()) };
        let names: Vec<&String> =
            lineage.offers.iter().filter(|(_, of)| *of == artifact).map(|(name, _)| name).collect();
        if names.is_empty() {
            return Ok(());
        }
        let Some(above) = self.open(parent.run, run, None)? else { return Ok(()) };
        self.handing.insert(above);
        let above_it = Rc::clone(&self.followed.runs[above].lineage);
        let Some(step) = above_it.step(&parent.step) else { return Ok(()) };
        let after = step.after(id);
        for child in after {
            if let Some(child) = self.open(child.run_id, above, Some(&step.step))? {
                self.push(Task::All { run: child });
            }
        }
        // What ran behind it may have put it into all that the step made.
        if step.component.is_some() || !after.is_empty() {
            self.step_down(above, step);
            return Ok(());
        }
        let taken = above_it.artifacts.iter().filter(
            |taken| matches!(&taken.from, Origin::Step { step: by, port } if *by == step.step && names.contains(&port)),
        );
        for taken in taken {
            self.followed.runs[above].down.steps.insert(step.step.clone());
            self.push(Task::Down { run: above, artifact: taken.name.clone(), item: None });
        }
        Ok(())
    }

    fn all(&mut self, run: usize) -> Result<(), F> {
        let lineage = Rc::clone(&self.followed.runs[run].lineage);
        for step in lineage.steps.iter().filter(|step| step.attempts > 0) {
            self.step_down(run, step);
            for child in &step.children {
                if let Some(child) = self.open(child.run_id, run, Some(&step.step))? {
                    self.push(Task::All { run: child });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
