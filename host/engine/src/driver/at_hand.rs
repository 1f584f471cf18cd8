//! An attempt that the driver runs itself: to hand it to another thread, and to be woken when it is over, would take longer
//! than most of them do.
//!
//! What the driver has to do meanwhile it does in between: the guest comes back each slice of its fuel. That is little, since
//! nothing else can begin: the time that it takes is the guest's, and so is the CPU time.

use super::{Crew, Driver, Outcome};
use crate::attempt::Attended;
use crate::cancel::Cancel;
use crate::permits::Permit;
use crate::run::RunError;
use crate::split;
use palisade_runbook::{PlannedStep, PlannedWork};
use std::cell::RefCell;
use std::sync::mpsc::Receiver;
use std::time::Instant;

/// An attempt that is ready to run, on a thread of its own or on one that has something else to do.
pub(super) type AtHand<'s> = Box<dyn FnOnce(Option<Attended<'_>>) -> Outcome + Send + 's>;

/// What a driver does while it runs an attempt.
struct Meanwhile<'d, 'a> {
    driver: &'d mut Driver<'a>,
    next: Instant,
    done: Result<(), RunError>,
}

impl<'a> Driver<'a> {
    /// Whether this thread is to run an attempt of a pure component itself. Nothing else may go on, or could begin before it is
    /// over. Being pure, it comes back in time by itself; it must ask nothing, as the answer would have to come from this thread.
    pub(super) fn is_at_hand(&self, step: &PlannedStep, input_bytes: u64) -> bool {
        let is_one = !matches!(step.work, PlannedWork::Map { .. })
            && split::worthwhile(input_bytes, self.engine.parts.threads.get()) == 1;
        is_one && !step.asks() && self.is_alone()
    }

    /// Whether nothing goes on, and nothing waits for its time, for a child or for a person.
    fn is_alone(&self) -> bool {
        let state = self.machine.state();
        let none_goes_on = self.running == 0 && self.waiting.is_empty() && self.work.gate.is_none();
        let none_waits = state.next_timer().is_none() && state.children().next().is_none();
        none_goes_on && none_waits && !(self.asks_people && state.awaited().next().is_some())
    }

    /// Runs an attempt on this thread, and does meanwhile what there is to do.
    pub(super) fn attend<'s>(
        &mut self,
        attempt: AtHand<'s>,
        crew: &Crew<'s, '_>,
        outcomes: &Receiver<Outcome>,
        cancel: &Cancel,
    ) -> Result<Outcome, RunError>
    where
        'a: 's,
    {
        let (kept, permits) = (self.permit.take().filter(Permit::may_be_kept), &self.engine.permits);
        let next = Instant::now() + self.next_look();
        let meanwhile = RefCell::new(Meanwhile { driver: self, next, done: Ok(()) });
        let look = || {
            let mut meanwhile = meanwhile.borrow_mut();
            if meanwhile.done.is_ok() && meanwhile.next <= Instant::now() {
                meanwhile.done = meanwhile.driver.go_on(crew, outcomes, cancel);
                meanwhile.next = Instant::now() + meanwhile.driver.next_look();
                if meanwhile.done.is_err() {
                    crew.stop.all();
                }
            }
        };
        let permit = RefCell::new(kept);
        // What is known already needs none.
        let begin = || {
            if permit.borrow().is_none() {
                let taken = permits.take(1, &look);
                permit.replace(Some(taken));
            }
        };
        let outcome = attempt(Some(Attended { begin: &begin, look: &look }));
        let Meanwhile { driver, done, .. } = meanwhile.into_inner();
        driver.permit = permit.into_inner();
        done.map(|()| outcome)
    }

    /// What a driver does when nothing was told for a while, though an attempt is at hand.
    fn go_on<'s>(&mut self, crew: &Crew<'s, '_>, outcomes: &Receiver<Outcome>, cancel: &Cancel) -> Result<(), RunError>
    where
        'a: 's,
    {
        self.wait_no_longer();
        self.take_outcomes(outcomes)?;
        self.look_around(cancel, crew.stop)?;
        self.send(crew)
    }
}
