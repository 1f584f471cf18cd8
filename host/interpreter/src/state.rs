//! How a run stands: a fold over its events, and nothing else.

use crate::account::Account;
use crate::command::Turn;
use crate::compensation::Compensation;
use crate::decide::Standing;
use crate::event::{
    ApprovalOutcome, AttemptSuspended, CancelReason, ChildApproval, ChildEnded, ChildPlanned, ConditionOutcome, Event,
    ExpansionOutcome, FilesOutcome, FilesPut, HostCallRecorded, MapEnded, MapExpanded, MapOutcome, Output,
    PlanningOutcome, ResolvedValue, RunForked, SkipCause, ValuesOutcome,
};
use crate::mapping::Mapping;
use palisade_model::record::Status;
use palisade_model::{Digest, FailureKind, RunId, StepId};
use std::collections::{BTreeMap, BTreeSet};

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    run: RunState,
    resumed: u32,
    cancelled: Option<CancelReason>,
    steps: BTreeMap<StepId, StepState>,
    /// The steps, or items of them, that wait for their next attempt, by when it is due.
    resting: BTreeSet<(u64, StepId, u32)>,
    /// The steps that wait for a person, and for no longer than that.
    expiring: BTreeSet<(u64, StepId)>,
    /// The last answer to a condition of each step, with the iteration that it judges.
    judged: BTreeMap<StepId, (u32, bool)>,
    /// The values that were looked up for configs.
    values: BTreeMap<StepId, Vec<ResolvedValue>>,
    /// What the last iteration of each loop made.
    latest: BTreeMap<StepId, Vec<Output>>,
    /// The runbooks that are artifacts and were planned, by the steps that run them; of an agent the one that it submitted and
    /// waits for.
    planned: BTreeMap<StepId, Planned>,
    /// Attempts of agents that were no tries of their own, but went on after what they submitted.
    no_tries: BTreeMap<StepId, u32>,
    /// The child runs that have not ended, by the steps for which they run and the iteration or item.
    children: BTreeMap<(StepId, u32), RunId>,
    /// How often components were run, by this run and its children that have ended, or may be by attempts that go on.
    component_runs: u64,
    /// What was spent of what the run may do in all.
    account: Account,
    /// The runs from which it was forked, one from the other.
    forked_from: BTreeSet<RunId>,
    /// The steps whose outcome is that of the run from which it was forked.
    taken_over: BTreeSet<StepId>,
    /// It undoes what it did.
    compensation: Option<Compensation>,
}

/// A runbook that is an artifact, or that an agent submitted, planned for the step that runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Its plan.
    pub plan: Digest,
    /// The iteration of a loop that runs it first; 0 = the step is none.
    pub iteration: u32,
    /// The attempt of an agent that submitted it; 0 = it is the step's own.
    pub submitted_by: u32,
    /// A person is to say that it may run.
    pub waits: bool,
    /// Milliseconds after which their answer is no; none = it waits for ever.
    pub expires_ms: Option<u64>,
}

/// How the run as a whole stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunState {
    /// Nothing has happened yet.
    #[default]
    New,
    /// It goes on.
    Running,
    /// It ended so.
    Ended(Status),
}

/// How a step stands. A step of which nothing is known yet has no state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    /// It waits for room.
    Scheduled {
        /// The iteration of a loop; 0 = it is none.
        iteration: u32,
        /// The number of its attempt.
        attempt: u32,
    },
    /// It runs.
    Running {
        /// The iteration of a loop; 0 = it is none.
        iteration: u32,
        /// The number of its attempt.
        attempt: u32,
    },
    /// An attempt failed, and the step waits before the next.
    Resting {
        /// The iteration of a loop; 0 = it is none.
        iteration: u32,
        /// The number of the attempt that failed.
        attempt: u32,
        /// When the next is due, in milliseconds since 1970.
        until_ms: u64,
    },
    /// Its next attempt is to be scheduled: it has waited, or a process died or was interrupted while it ran.
    Due {
        /// The iteration of a loop; 0 = it is none.
        iteration: u32,
        /// The number of the attempt before.
        attempt: u32,
    },
    /// An iteration of a loop did what was wanted; it is to be said whether it was the last.
    Iterated {
        /// Which iteration.
        iteration: u32,
        /// The number of its attempt.
        attempt: u32,
    },
    /// An agent that submitted a runbook, of which nothing runs yet.
    Suspended {
        /// The number of the attempt that did.
        attempt: u32,
    },
    /// What an agent submitted has come to its end, which is to be its answer.
    Settled {
        /// The number of the attempt before.
        attempt: u32,
    },
    /// It waits for a person, itself or its child.
    Awaiting {
        /// The iteration of a loop; 0 = it is none.
        iteration: u32,
        /// The number of the child's attempt; 0 = it waits itself.
        attempt: u32,
        /// When the answer is no by itself, in milliseconds since 1970.
        until_ms: Option<u64>,
    },
    /// It is a map over a child runbook, whose items go on.
    Mapping(Box<Mapping>),
    /// It did what was wanted, and what it wrote is to be put in its place.
    Writing {
        /// The iteration of a loop; 0 = it is none.
        iteration: u32,
        /// The number of its attempt.
        attempt: u32,
        /// What it made.
        outputs: Vec<Output>,
    },
    /// It did what was wanted.
    Succeeded {
        /// The number of its attempt; 0 = a person said yes.
        attempt: u32,
        /// What it made.
        outputs: Vec<Output>,
    },
    /// It failed.
    Failed {
        /// The number of its last attempt; 0 = it failed before the first.
        attempt: u32,
    },
    /// It was stopped, since the run was cancelled.
    Cancelled {
        /// The iteration of a loop; 0 = it is none.
        iteration: u32,
        /// The number of its last attempt.
        attempt: u32,
    },
    /// It will not run.
    Skipped {
        /// Why.
        because: SkipCause,
    },
}

impl RunState {
    /// How it ended, if nobody can go on with it.
    #[must_use]
    pub const fn over(self) -> Option<Status> {
        match self {
            Self::Ended(status) if !status.can_go_on() => Some(status),
            Self::New | Self::Running | Self::Ended(_) => None,
        }
    }
}

impl State {
    /// The state after all these events.
    #[must_use]
    pub fn after<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut state = Self::default();
        for event in events {
            state.apply(event);
        }
        state
    }

    /// Takes an event in. What can't follow from the state is ignored: an event that comes again, one of an attempt that
    /// is over, one after the end.
    pub fn apply(&mut self, event: &Event) {
        match (self.run, event) {
            (RunState::New, Event::RunStarted(_)) => self.run = RunState::Running,
            (RunState::Running | RunState::Ended(_), Event::RunResumed { resumed, .. })
                if self.run.over().is_none() =>
            {
                if self.resumed.checked_add(1) == Some(*resumed) {
                    self.resume();
                }
            }
            (RunState::Running, Event::RunForked(forked)) => {
                if self.forked_from.insert(forked.from) {
                    self.account.apply(event);
                    self.fork(forked);
                }
            }
            // Whoever answers needs no process that goes on with the run.
            (RunState::Ended(Status::Waiting), Event::ApprovalDecided { .. }) | (RunState::Running, _) => {
                self.apply_to_running(event);
            }
            (RunState::New | RunState::Ended(_), _) => {}
        }
    }

    fn apply_to_running(&mut self, event: &Event) {
        match event {
            // What of a map is done matters to its next attempt alone.
            Event::RunStarted(_) | Event::RunResumed { .. } | Event::RunForked(_) | Event::ItemsDone(_) => {}
            Event::SpendingReserved(reserved) => {
                if self.is_under_way(&reserved.step, reserved.iteration, reserved.attempt) {
                    self.account.apply(event);
                }
            }
            Event::AttemptSuspended(suspended) => {
                if self.is_under_way(&suspended.step, 0, suspended.attempt) {
                    self.account.apply(event);
                    self.suspend(suspended);
                }
            }
            Event::HostCallRecorded(call) => self.answer(call),
            Event::CancelRequested { reason, resumed, compensating, .. } => {
                // What undoes is not given up: it can only be interrupted.
                let heeded = !compensating || *reason == CancelReason::Interrupted;
                if *resumed == self.resumed && *compensating == self.compensation.is_some() && heeded {
                    self.cancelled.get_or_insert(*reason);
                }
            }
            Event::CompensationStarted { status, steps, resumed, .. } => {
                if *resumed == self.resumed && self.compensation.is_none() {
                    self.compensation = Some(Compensation::new(*status, steps.clone()));
                    // That it was cancelled has done its work: what undoes is not stopped by it.
                    self.cancelled = self.cancelled.filter(|reason| *reason == CancelReason::Interrupted);
                }
            }
            Event::RunEnded { status, resumed, .. } => {
                if *resumed == self.resumed {
                    self.run = RunState::Ended(*status);
                }
            }
            Event::StepScheduled { step, attempt, iteration } => {
                let follows = match self.steps.get(step) {
                    Some(StepState::Mapping(mapping)) => mapping.may_schedule(*iteration, *attempt),
                    None => *iteration <= 1,
                    Some(
                        StepState::Due { iteration: turn, attempt: before }
                        | StepState::Awaiting { iteration: turn, attempt: before @ 1.., .. },
                    ) => turn == iteration && before.checked_add(1) == Some(*attempt),
                    Some(StepState::Suspended { attempt: before }) => {
                        *iteration == 0 && before.checked_add(1) == Some(*attempt)
                    }
                    Some(StepState::Iterated { iteration: before, .. }) => before.checked_add(1) == Some(*iteration),
                    Some(_) => false,
                };
                if follows {
                    self.set_at(step, *iteration, StepState::Scheduled { iteration: *iteration, attempt: *attempt });
                }
            }
            Event::ConditionEvaluated { step, iteration, outcome } => self.judge(step, *iteration, outcome),
            Event::ValueResolved { step, outcome } => {
                if !self.steps.contains_key(step) && !self.values.contains_key(step) {
                    match outcome {
                        ValuesOutcome::Resolved { values } => drop(self.values.insert(step.clone(), values.clone())),
                        ValuesOutcome::Failed { .. } => self.set(step, StepState::Failed { attempt: 0 }),
                    }
                }
            }
            Event::LoopEnded { step, iteration, .. } => {
                if let Some(StepState::Iterated { iteration: last, attempt }) = self.steps.get(step)
                    && last == iteration
                {
                    let (attempt, outputs) = (*attempt, self.latest(step).unwrap_or_default().to_vec());
                    self.set(step, StepState::Succeeded { attempt, outputs });
                }
            }
            Event::StepSkipped { step, because } => {
                if self.steps.get(step).is_none_or(StepState::is_idle) {
                    self.forget_items(step);
                    self.set(step, StepState::Skipped { because: because.clone() });
                }
            }
            Event::ApprovalRequested { step, submitted_by, expires_at_ms, .. } => {
                if self.submitted_by(step) == Some(*submitted_by) {
                    let until_ms = *expires_at_ms;
                    self.set(step, StepState::Awaiting { iteration: 0, attempt: 0, until_ms });
                }
            }
            Event::ApprovalDecided { step, submitted_by, outcome, .. } => {
                if let Some(StepState::Awaiting { attempt: 0, .. }) = self.steps.get(step)
                    && self.waits_for(step) == *submitted_by
                {
                    let state = match (outcome, self.planned(step)) {
                        (ApprovalOutcome::Approved, Some(planned)) => {
                            StepState::Due { iteration: planned.iteration, attempt: planned.submitted_by }
                        }
                        (ApprovalOutcome::Rejected { .. }, Some(Planned { submitted_by: attempt @ 1.., .. })) => {
                            StepState::Settled { attempt }
                        }
                        (ApprovalOutcome::Approved, None) => StepState::Succeeded { attempt: 0, outputs: Vec::new() },
                        (ApprovalOutcome::Rejected { .. }, _) => StepState::Failed { attempt: 0 },
                    };
                    self.set(step, state);
                }
            }
            Event::ChildPlanned(planned) => self.plan_child(planned),
            Event::ChildStarted(started) => {
                let (iteration, attempt) = (started.iteration, started.attempt);
                let goes_on = self.child(&started.step, iteration).is_none_or(|child| child == started.child);
                if goes_on && self.at(&started.step, iteration) == Some(&StepState::Scheduled { iteration, attempt }) {
                    self.set_at(&started.step, iteration, StepState::Running { iteration, attempt });
                    self.children.insert((started.step.clone(), iteration), started.child);
                }
            }
            Event::ChildEnded(ended) => {
                if self.is_under_way(&ended.step, ended.iteration, ended.attempt) {
                    self.account.apply(event);
                    self.end_child(ended);
                }
            }
            Event::MapExpanded(expanded) => self.expand(expanded),
            Event::MapEnded(ended) => self.end_map(ended),
            Event::TimerFired { step, attempt, iteration, .. } => {
                let (iteration, attempt) = (*iteration, *attempt);
                let waits = |state: &StepState| {
                    matches!(
                        state,
                        StepState::Resting { iteration: turn, attempt: before, .. }
                        | StepState::Awaiting { iteration: turn, attempt: before @ 1.., .. }
                            if (*turn, *before) == (iteration, attempt)
                    )
                };
                if self.at(step, iteration).is_some_and(waits) {
                    self.set_at(step, iteration, StepState::Due { iteration, attempt });
                }
            }
            Event::AttemptStarted(started) => {
                let (iteration, attempt) = (started.iteration, started.attempt);
                if self.steps.get(&started.step) == Some(&StepState::Scheduled { iteration, attempt }) {
                    self.set(&started.step, StepState::Running { iteration, attempt });
                    self.account.apply(event);
                    // What undoes is not counted to what the run may do.
                    if self.compensation.is_none() {
                        self.component_runs = self.component_runs.saturating_add(started.runs);
                    }
                }
            }
            Event::AttemptSucceeded(done) => {
                let (iteration, attempt) = (done.iteration, done.attempt);
                if !self.is_under_way(&done.step, iteration, attempt) {
                    return;
                }
                self.account.apply(event);
                if done.files.is_empty() {
                    self.succeed(&done.step, iteration, attempt, &done.outputs);
                } else {
                    let outputs = done.outputs.clone();
                    self.set(&done.step, StepState::Writing { iteration, attempt, outputs });
                }
            }
            Event::FilesPut(put) => self.put(put),
            Event::AttemptFailed(done) => {
                let (iteration, attempt) = (done.iteration, done.attempt);
                if self.is_under_way(&done.step, iteration, attempt) {
                    self.account.apply(event);
                    let cancelled = self.cancelled.is_some() && done.failure.kind == FailureKind::Cancelled;
                    let state = match done.retry_at_ms {
                        _ if cancelled => StepState::Cancelled { iteration, attempt },
                        Some(until_ms) => StepState::Resting { iteration, attempt, until_ms },
                        None => StepState::Failed { attempt },
                    };
                    self.set(&done.step, state);
                }
            }
        }
    }

    /// Takes what became of a runbook that is an artifact; once.
    fn plan_child(&mut self, planned: &ChildPlanned) {
        let &ChildPlanned { ref step, iteration, submitted_by, ref outcome, .. } = planned;
        if self.submitted_by(step) != Some(submitted_by) || self.planned.contains_key(step) {
            return;
        }
        match outcome {
            PlanningOutcome::Planned { plan, approval, .. } => {
                let (waits, expires_ms) = match approval {
                    ChildApproval::Person { expires_ms } => (true, *expires_ms),
                    ChildApproval::Runbook | ChildApproval::Caller { .. } => (false, None),
                };
                let plan = *plan;
                self.planned.insert(step.clone(), Planned { plan, iteration, submitted_by, waits, expires_ms });
            }
            PlanningOutcome::Refused { .. } if submitted_by > 0 => {
                self.set(step, StepState::Settled { attempt: submitted_by });
            }
            PlanningOutcome::Refused { .. } => self.set(step, StepState::Failed { attempt: 0 }),
        }
    }

    /// The attempt of an agent that submitted what a step is to run next, 0 for its own; none if it runs already, or has
    /// ended.
    fn submitted_by(&self, step: &StepId) -> Option<u32> {
        match self.steps.get(step) {
            None => Some(0),
            Some(StepState::Suspended { attempt }) => Some(*attempt),
            Some(_) => None,
        }
    }

    /// Takes that an agent's attempt ended with what it submitted.
    fn suspend(&mut self, suspended: &AttemptSuspended) {
        let AttemptSuspended { step, attempt, .. } = suspended;
        if !self.has_child(step) {
            self.planned.remove(step);
            self.set(step, StepState::Suspended { attempt: *attempt });
        }
    }

    /// Takes the answer to what an agent submitted; it goes on then. What else a component is answered is no matter of what
    /// comes next.
    fn answer(&mut self, call: &HostCallRecorded) {
        let attempt = call.attempt;
        if self.steps.get(&call.step) != Some(&StepState::Settled { attempt }) {
            return;
        }
        let by = self.planned.remove(&call.step).map_or(attempt, |planned| planned.submitted_by);
        // The next one is the same try as the one that submitted it.
        *self.no_tries.entry(call.step.clone()).or_default() += attempt.saturating_sub(by).saturating_add(1);
        self.set(&call.step, StepState::Due { iteration: 0, attempt });
    }

    /// Takes what came of the files of an attempt; once.
    fn put(&mut self, put: &FilesPut) {
        let FilesPut { step, attempt, iteration, outcome, .. } = put;
        let Some(StepState::Writing { iteration: turn, attempt: number, outputs }) = self.steps.get(step) else {
            return;
        };
        if (turn, number) != (iteration, attempt) {
            return;
        }
        let outputs = outputs.clone();
        match outcome {
            FilesOutcome::Put => self.succeed(step, *iteration, *attempt, &outputs),
            FilesOutcome::Refused { .. } => self.set(step, StepState::Failed { attempt: *attempt }),
        }
    }

    fn succeed(&mut self, step: &StepId, iteration: u32, attempt: u32, outputs: &[Output]) {
        let outputs = outputs.to_vec();
        if matches!(self.steps.get(step), Some(StepState::Mapping(_))) {
            self.set_at(step, iteration, StepState::Succeeded { attempt, outputs });
        } else if iteration == 0 {
            self.set(step, StepState::Succeeded { attempt, outputs });
        } else {
            renew(&mut self.latest, step, outputs);
            self.set(step, StepState::Iterated { iteration, attempt });
        }
    }

    /// Takes the end of a child, or that it is to be resumed with this run. One that could not even be
    /// started has ended too.
    fn end_child(&mut self, ended: &ChildEnded) {
        let ChildEnded { step, iteration, attempt, .. } = ended;
        let (iteration, attempt) = (*iteration, *attempt);
        if ended.status.can_go_on() {
            let state = if ended.status == Status::Waiting {
                StepState::Awaiting { iteration, attempt, until_ms: None }
            } else {
                StepState::Cancelled { iteration, attempt }
            };
            return self.set_at(step, iteration, state);
        }
        self.children.remove(&(step.clone(), iteration));
        // One that is to be resumed is counted when it has ended, whole.
        self.component_runs = self.component_runs.saturating_add(ended.runs);
        let submitted = self.planned(step).is_some_and(|planned| planned.submitted_by > 0);
        match (&ended.failure, ended.retry_at_ms) {
            (None, _) if submitted => self.set(step, StepState::Settled { attempt }),
            (None, _) => self.succeed(step, iteration, attempt, &ended.outputs),
            (Some(failure), _) if self.cancelled.is_some() && failure.kind == FailureKind::Cancelled => {
                self.set_at(step, iteration, StepState::Cancelled { iteration, attempt });
            }
            (Some(_), _) if submitted => self.set(step, StepState::Settled { attempt }),
            (Some(_), Some(until_ms)) => {
                self.set_at(step, iteration, StepState::Resting { iteration, attempt, until_ms });
            }
            (Some(_), None) => self.set_at(step, iteration, StepState::Failed { attempt }),
        }
    }

    /// Takes how many items a map goes over; once.
    fn expand(&mut self, expanded: &MapExpanded) {
        let MapExpanded { step, outcome, .. } = expanded;
        if !matches!(self.steps.get(step), None | Some(StepState::Due { iteration: 0, attempt: 0 })) {
            return;
        }
        let state = match outcome {
            ExpansionOutcome::Expanded { items } => StepState::Mapping(Box::new(Mapping::new(*items))),
            ExpansionOutcome::Refused { .. } => StepState::Failed { attempt: 0 },
        };
        self.set(step, state);
    }

    /// Takes what came of all items of a map, once none of them goes on.
    fn end_map(&mut self, ended: &MapEnded) {
        let MapEnded { step, outcome, .. } = ended;
        let Some(StepState::Mapping(mapping)) = self.steps.get(step) else { return };
        let can_be = match outcome {
            MapOutcome::Joined { .. } => !mapping.has_failed() && mapping.ended() == mapping.items(),
            MapOutcome::Failed { .. } => mapping.standing() != Standing::Running,
        };
        if !can_be {
            return;
        }
        self.forget_items(step);
        let state = match outcome {
            MapOutcome::Joined { outputs } => StepState::Succeeded { attempt: 1, outputs: outputs.clone() },
            MapOutcome::Failed { .. } => StepState::Failed { attempt: 1 },
        };
        self.set(step, state);
    }

    /// Forgets what items of a map wait for that will not go on.
    fn forget_items(&mut self, step: &StepId) {
        if let Some(StepState::Mapping(_)) = self.steps.get(step) {
            self.resting.retain(|(_, resting, _)| resting != step);
        }
    }

    /// Goes on where a process left off. What it had begun, or was about to begin, is to be scheduled again; what it had
    /// stopped is too.
    fn resume(&mut self) {
        self.run = RunState::Running;
        self.resumed += 1;
        if self.cancelled == Some(CancelReason::Interrupted) {
            self.cancelled = None;
        }
        for (step, state) in &mut self.steps {
            if self.compensation.as_ref().is_some_and(|undoing| !undoing.steps().contains(step)) {
                continue;
            }
            state.resume(self.cancelled.is_some());
        }
    }

    /// Goes on from a place in another run: what ended there and is taken over stays, all else begins anew. Nothing of it
    /// ran in this run, so nothing counts for its limits.
    fn fork(&mut self, forked: &RunForked) {
        let Self { steps, resting, expiring, judged, values, latest, planned, no_tries, children, .. } = self;
        let kept: BTreeSet<&StepId> = forked.kept.iter().collect();
        steps.retain(|step, state| kept.contains(step) && state.can_be_kept());
        resting.clear();
        expiring.clear();
        children.clear();
        judged.retain(|step, _| steps.contains_key(step));
        values.retain(|step, _| steps.contains_key(step));
        latest.retain(|step, _| steps.contains_key(step));
        planned.retain(|step, _| steps.contains_key(step));
        no_tries.clear();
        self.taken_over = self.steps.keys().cloned().collect();
        self.compensation = None;
        self.cancelled = None;
        self.component_runs = 0;
    }

    /// The step that has waited longest for its next attempt, and when that is due.
    #[must_use]
    pub fn next_timer(&self) -> Option<(Turn, u64)> {
        let (until_ms, step, iteration) = self.resting.first()?;
        match self.at(step, *iteration)? {
            &StepState::Resting { iteration, attempt, .. } => {
                Some((Turn { step: step.clone(), iteration, attempt }, *until_ms))
            }
            _ => None,
        }
    }

    /// The step that waits for a person and whose time for that is over first, and when.
    #[must_use]
    pub fn next_expiry(&self) -> Option<(&StepId, u64)> {
        self.expiring.first().map(|(until_ms, step)| (step, *until_ms))
    }

    /// The steps that wait for a person themselves.
    pub fn awaited(&self) -> impl Iterator<Item = &StepId> {
        let awaited = |state: &StepState| matches!(state, StepState::Awaiting { attempt: 0, .. });
        self.steps.iter().filter(move |(_, state)| awaited(state)).map(|(step, _)| step)
    }

    /// When the answer to a step that waits for a person is no by itself, in milliseconds since 1970.
    #[must_use]
    pub fn until_ms(&self, step: &StepId) -> Option<u64> {
        match self.step(step)? {
            StepState::Awaiting { until_ms, .. } => *until_ms,
            _ => None,
        }
    }

    /// The child runs of steps that have not ended.
    pub fn children(&self) -> impl Iterator<Item = RunId> {
        self.children.values().copied()
    }

    /// The child run of a step that has not ended, in that iteration of a loop or for that item of a map; 0 = the step is neither.
    #[must_use]
    pub fn child(&self, step: &StepId, iteration: u32) -> Option<RunId> {
        self.children.get(&(step.clone(), iteration)).copied()
    }

    /// The child runs of a step that have not ended, each with its iteration of a loop or item of a map; 0 = the step is neither.
    pub fn children_of(&self, step: &StepId) -> impl Iterator<Item = (u32, RunId)> {
        let all = self.children.range((step.clone(), 0)..=(step.clone(), u32::MAX));
        all.map(|((_, iteration), child)| (*iteration, *child))
    }

    /// Whether a child run of a step has not ended.
    #[must_use]
    pub fn has_child(&self, step: &StepId) -> bool {
        self.children_of(step).next().is_some()
    }

    /// The attempt of a step that a child run is which waits for a person.
    #[must_use]
    pub fn awaiting(&self, child: RunId) -> Option<Turn> {
        let (step, iteration) = self.children.iter().find(|(_, known)| **known == child)?.0;
        match self.at(step, *iteration)? {
            &StepState::Awaiting { iteration, attempt: attempt @ 1.., .. } => {
                Some(Turn { step: step.clone(), iteration, attempt })
            }
            _ => None,
        }
    }

    /// The runbook that a step runs, where it is an artifact that was planned.
    #[must_use]
    pub fn planned(&self, step: &StepId) -> Option<Planned> {
        self.planned.get(step).copied()
    }

    /// The attempt of an agent that submitted what a step waits for a person about; 0 = it waits for itself.
    #[must_use]
    pub fn waits_for(&self, step: &StepId) -> u32 {
        self.planned(step).map_or(0, |planned| planned.submitted_by)
    }

    /// Which try of a step an attempt is: one that goes on after what it submitted is no other one.
    #[must_use]
    pub fn try_number(&self, turn: &Turn) -> u32 {
        turn.attempt.saturating_sub(self.no_tries.get(&turn.step).copied().unwrap_or(0))
    }

    /// Takes the answer to a condition: before the step starts, or to the iteration that just ended; once.
    fn judge(&mut self, step: &StepId, iteration: u32, outcome: &ConditionOutcome) {
        let attempt = match self.steps.get(step) {
            None if iteration == 0 => 0,
            Some(StepState::Iterated { iteration: last, attempt }) if *last == iteration => *attempt,
            _ => return,
        };
        if self.judged.get(step).is_some_and(|(judged, _)| *judged == iteration) {
            return;
        }
        match outcome {
            ConditionOutcome::True | ConditionOutcome::False => {
                renew(&mut self.judged, step, (iteration, *outcome == ConditionOutcome::True));
            }
            ConditionOutcome::Failed { .. } => self.set(step, StepState::Failed { attempt }),
        }
    }

    /// How the run as a whole stands.
    #[must_use]
    pub const fn run(&self) -> RunState {
        self.run
    }

    /// How often the run was resumed.
    #[must_use]
    pub const fn resumed(&self) -> u32 {
        self.resumed
    }

    /// Why the run is to end before its time, if it is.
    #[must_use]
    pub const fn cancelled(&self) -> Option<CancelReason> {
        self.cancelled
    }

    /// How far it has come if it undoes what it did.
    #[must_use]
    pub const fn compensation(&self) -> Option<&Compensation> {
        self.compensation.as_ref()
    }

    /// Whether the outcome of a step is that of the run from which this one was forked.
    pub(crate) fn is_taken_over(&self, step: &StepId) -> bool {
        self.taken_over.contains(step)
    }

    /// How often components were run, by this run and its children that have ended, or may be by attempts that go on; without
    /// what undoes.
    #[must_use]
    pub const fn component_runs(&self) -> u64 {
        self.component_runs
    }

    /// What the run has spent of what it may do in all.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// How a step stands; none as long as it waits for others.
    #[must_use]
    pub fn step(&self, step: &StepId) -> Option<&StepState> {
        self.steps.get(step)
    }

    /// How a turn of a step stands: of a map over a child runbook that of the item; none for one that has ended or not begun.
    #[must_use]
    pub fn at(&self, step: &StepId, iteration: u32) -> Option<&StepState> {
        match self.steps.get(step) {
            Some(StepState::Mapping(mapping)) => mapping.item(iteration),
            state => state,
        }
    }

    /// Whether a turn that was scheduled is not to begin any more: another item of its map failed, and it has no child yet.
    #[must_use]
    pub fn is_given_up(&self, turn: &Turn) -> bool {
        let &Turn { ref step, iteration, attempt } = turn;
        let failed = matches!(self.steps.get(step), Some(StepState::Mapping(mapping)) if mapping.has_failed());
        self.at(step, iteration) != Some(&StepState::Scheduled { iteration, attempt })
            || (failed && self.child(step, iteration).is_none())
    }

    /// What a step made; none unless it succeeded.
    #[must_use]
    pub fn outputs(&self, step: &StepId) -> Option<&[Output]> {
        match self.step(step)? {
            StepState::Succeeded { outputs, .. } => Some(outputs),
            _ => None,
        }
    }

    /// What the last iteration of a loop made; none before the first has ended, and for what is no loop.
    #[must_use]
    pub fn latest(&self, step: &StepId) -> Option<&[Output]> {
        self.latest.get(step).map(Vec::as_slice)
    }

    /// What a condition of the step answered: whether the step is to run (iteration 0), or whether a loop is done.
    #[must_use]
    pub fn held(&self, step: &StepId, iteration: u32) -> Option<bool> {
        self.judged.get(step).filter(|(judged, _)| *judged == iteration).map(|(_, held)| *held)
    }

    /// The values that were looked up for the step's config; none as long as they were not.
    #[must_use]
    pub fn values(&self, step: &StepId) -> Option<&[ResolvedValue]> {
        self.values.get(step).map(Vec::as_slice)
    }

    /// The attempt may end: it runs, or it failed before it could be started.
    fn is_under_way(&self, step: &StepId, turn: u32, number: u32) -> bool {
        matches!(
            self.at(step, turn),
            Some(StepState::Scheduled { iteration, attempt } | StepState::Running { iteration, attempt })
                if *iteration == turn && *attempt == number
        )
    }

    /// Takes how a turn stands by now: of a map the item, else the step.
    fn set_at(&mut self, step: &StepId, iteration: u32, state: StepState) {
        if !matches!(self.steps.get(step), Some(StepState::Mapping(_))) {
            return self.set(step, state);
        }
        self.note_rest(step, iteration, &state);
        if let Some(StepState::Mapping(mapping)) = self.steps.get_mut(step) {
            mapping.set(iteration, state);
        }
    }

    /// Notes when the next attempt of what is about to stand so is due.
    fn note_rest(&mut self, step: &StepId, iteration: u32, state: &StepState) {
        if let Some(&StepState::Resting { until_ms, iteration, .. }) = self.at(step, iteration) {
            self.resting.remove(&(until_ms, step.clone(), iteration));
        }
        if let &StepState::Resting { until_ms, iteration, .. } = state {
            self.resting.insert((until_ms, step.clone(), iteration));
        }
    }

    fn set(&mut self, step: &StepId, state: StepState) {
        self.note_rest(step, 0, &state);
        if let Some(&StepState::Awaiting { until_ms: Some(until_ms), .. }) = self.steps.get(step) {
            self.expiring.remove(&(until_ms, step.clone()));
        }
        if let StepState::Awaiting { until_ms: Some(until_ms), .. } = state {
            self.expiring.insert((until_ms, step.clone()));
        }
        // What was stopped goes on when the run is resumed.
        if let Some(undoing) = self.compensation.as_mut().filter(|_| state.can_be_kept()) {
            undoing.note_end(step);
        }
        renew(&mut self.steps, step, state);
    }
}

/// Puts a value in the place of the one before. Of a loop there is one most times, and its key needs no copy.
fn renew<T>(of: &mut BTreeMap<StepId, T>, step: &StepId, value: T) {
    match of.get_mut(step) {
        Some(before) => *before = value,
        None => drop(of.insert(step.clone(), value)),
    }
}

impl StepState {
    /// It has begun or is about to, and nothing of it runs.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(
            self,
            Self::Scheduled { .. }
                | Self::Resting { .. }
                | Self::Due { .. }
                | Self::Iterated { .. }
                | Self::Suspended { .. }
                | Self::Settled { .. }
                | Self::Awaiting { .. }
        ) || matches!(self, Self::Mapping(mapping) if mapping.standing() != Standing::Running)
    }

    /// Makes due what a process had begun, or was about to begin, and what it had stopped.
    pub(crate) fn resume(&mut self, cancelled: bool) {
        let (iteration, attempt) = match *self {
            // The number of one that never began is used up too, so that a late word of it means nothing.
            Self::Scheduled { iteration, attempt } | Self::Running { iteration, attempt } => (iteration, attempt),
            Self::Cancelled { iteration, attempt } if !cancelled => (iteration, attempt),
            // A person may have answered what its child waits for; that never expires by itself.
            Self::Awaiting { iteration, attempt: attempt @ 1.., .. } => (iteration, attempt),
            Self::Mapping(ref mut mapping) => return mapping.resume(cancelled),
            _ => return,
        };
        *self = Self::Due { iteration, attempt };
    }

    /// It has ended in a way that holds in another run too: what was cancelled there is not cancelled here.
    #[must_use]
    pub const fn can_be_kept(&self) -> bool {
        match self {
            Self::Succeeded { .. } | Self::Failed { .. } => true,
            Self::Skipped { because } => !matches!(because, SkipCause::Cancelled),
            Self::Scheduled { .. }
            | Self::Running { .. }
            | Self::Resting { .. }
            | Self::Due { .. }
            | Self::Iterated { .. }
            | Self::Suspended { .. }
            | Self::Settled { .. }
            | Self::Awaiting { .. }
            | Self::Mapping(_)
            | Self::Writing { .. }
            | Self::Cancelled { .. } => false,
        }
    }

    /// The state in one word for people and for `run.json`; none as long as the step is under way.
    #[must_use]
    pub const fn status(&self) -> Option<Status> {
        match self {
            Self::Scheduled { .. }
            | Self::Running { .. }
            | Self::Resting { .. }
            | Self::Due { .. }
            | Self::Iterated { .. }
            | Self::Suspended { .. }
            | Self::Settled { .. }
            | Self::Awaiting { .. }
            | Self::Mapping(_)
            | Self::Writing { .. } => None,
            Self::Succeeded { .. } => Some(Status::Succeeded),
            Self::Failed { .. } => Some(Status::Failed),
            Self::Cancelled { .. } => Some(Status::Cancelled),
            Self::Skipped { .. } => Some(Status::Skipped),
        }
    }
}
