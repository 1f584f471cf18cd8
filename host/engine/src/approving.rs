//! What the operator says of answers of people, and whether one counts. Every answer is judged here, whoever brings it.

use crate::fork::asks_a_person;
use crate::lookup::{digest_of, digests};
use crate::requests::Decision;
use palisade_audit::{Note, SigningKey, VerifyingKey};
use palisade_interpreter::{ApprovalOutcome, ChildApproval, Event, PlanningOutcome, State};
use palisade_model::{Digest, RunId, StepId, canonical, neutral};
use palisade_runbook::Plan;
use serde_json::json;
use std::collections::BTreeMap;

/// What the operator says of approvals.
#[derive(Debug, Clone, Default)]
pub struct Approving {
    /// A runbook that is an artifact waits for a person, whatever its step or its caller approved beforehand.
    pub always: bool,
    /// Who started a run approves nothing of it, beforehand either.
    pub four_eyes: bool,
    /// Milliseconds after which nobody has said yes to a runbook that is an artifact, which is a no; none = it waits for ever.
    pub expires_ms: Option<u64>,
    /// Whose answers count, by the keys that sign them; none = those of whoever can write the data directory.
    pub approvers: Vec<VerifyingKey>,
}

/// What a person is asked, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRequest {
    /// The run.
    pub run: RunId,
    /// The step that waits.
    pub step: StepId,
    /// What it is about: the plan of the runbook that is to run, else the plan of the run with what is shown.
    pub about: Digest,
    /// Who started the run: the text of their key, or the name of the system's user.
    pub started_by: Option<String>,
}

/// Why an answer does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCounted {
    /// Nobody signed it.
    #[error("the answer is not signed, and only those of listed approvers count")]
    Unsigned,
    /// What is signed is something else, or by somebody else.
    #[error("the answer is not one that the approver `{by}` signed: {why}")]
    Forged {
        /// Who is said to have answered.
        by: String,
        /// What is wrong.
        why: String,
    },
    /// The step waits for an answer to something else by now.
    #[error("the answer is about something that the step does not wait for any more")]
    Another,
    /// They started the run.
    #[error("`{by}` started the run, and two people are to have looked at it")]
    Same {
        /// Who answered.
        by: String,
    },
    /// No approver started the run, as far as is known.
    #[error("no listed key started the run, and two people are to have looked at it")]
    Unknown,
}

impl ApprovalRequest {
    /// What a step of a run asks in a state of it; `inputs` are those of the run, by their names without case.
    pub(crate) fn of(
        (run, plan, plan_digest): (RunId, &Plan, Digest),
        step: &StepId,
        state: &State,
        inputs: &BTreeMap<String, Digest>,
        started_by: Option<&str>,
    ) -> Self {
        let about = state.planned(step).map_or_else(
            || {
                let read = plan.step(step).map(|step| step.inputs.as_slice()).unwrap_or_default();
                let shown: Vec<_> = read.iter().map(|binding| digest_of(&binding.source, state, inputs)).collect();
                Digest::of(&canonical::to_vec(&json!({"plan": plan_digest, "step": step, "shown": shown})))
            },
            |planned| planned.plan,
        );
        Self { run, step: step.clone(), about, started_by: started_by.map(ToOwned::to_owned) }
    }

    /// The lines that an approver signs.
    fn text(&self, approved: bool, note: Option<&str>) -> String {
        let answer = if approved { "approved" } else { "rejected" };
        let note = note.map_or_else(String::new, |note| format!("note {}\n", Digest::of(note.as_bytes())));
        let Self { run, step, about, .. } = self;
        format!("palisade approval 1\nrun {run}\nstep {step}\nabout {about}\nanswer {answer}\n{note}")
    }
}

impl Decision {
    /// Signs an answer, which is then that of the key.
    #[must_use]
    pub fn signed(self, question: &ApprovalRequest, key: &SigningKey) -> Self {
        let text = question.text(self.approved, self.note.as_deref());
        // The text is lines of names, digests and words.
        let signature = Note::sign(text, &[key]).ok().map(|note| note.to_string());
        Self { by: key.verifying().name().to_owned(), signature, ..self }
    }
}

impl Approving {
    /// Whether what is approved beforehand counts.
    #[must_use]
    pub const fn beforehand(&self) -> bool {
        !self.always && !self.four_eyes
    }

    /// Who says that a runbook may run, where its step or its caller approved it beforehand.
    pub(crate) fn of_artifact(&self, is_approved: bool, by: Option<&str>) -> ChildApproval {
        let person = ChildApproval::Person { expires_ms: self.expires_ms };
        match by {
            _ if !self.beforehand() => person,
            _ if is_approved => ChildApproval::Runbook,
            Some(by) => ChildApproval::Caller { by: by.to_owned() },
            None => person,
        }
    }

    /// Judges an answer. Where approvers are listed, only what one of them signed counts, a no as much as a yes.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn judge(&self, decision: &Decision, question: &ApprovalRequest) -> Result<(), NotCounted> {
        if decision.about.is_some_and(|about| about != question.about) {
            return Err(NotCounted::Another);
        }
        if self.approvers.is_empty() {
            return Ok(());
        }
        let key = self.signer(decision, question)?;
        if !self.four_eyes || !decision.approved {
            return Ok(());
        }
        let started_by = question.started_by.as_ref().and_then(|text| text.parse::<VerifyingKey>().ok());
        match started_by.filter(|key| self.approvers.contains(key)) {
            None => Err(NotCounted::Unknown),
            Some(started_by) if started_by == *key => Err(NotCounted::Same { by: key.name().to_owned() }),
            Some(_) => Ok(()),
        }
    }

    /// Says whether all answers count that a journal holds: who can write the database could have put them there. What
    /// stands before a fork happened in another run, of which no answer is taken over.
    ///
    /// # Errors
    /// Why the first one does not that is none.
    pub(crate) fn check(&self, of: (RunId, &Plan, Digest), events: &[Event]) -> Result<(), NotCounted> {
        if self.approvers.is_empty() {
            return Ok(());
        }
        let fork = events.iter().rposition(|event| matches!(event, Event::RunForked(_))).unwrap_or(0);
        let (mut state, mut inputs, mut started_by) = (State::default(), BTreeMap::new(), None);
        for (place, event) in events.iter().enumerate() {
            match event {
                Event::RunStarted(started) => {
                    inputs = digests(&started.inputs);
                    started_by = started.by.as_deref();
                }
                Event::RunForked(forked) => {
                    let mut kept = forked.kept.iter().filter_map(|step| of.1.step(step));
                    if kept.any(asks_a_person) {
                        return Err(NotCounted::Unsigned);
                    }
                }
                Event::ChildPlanned(planned) if place >= fork && !self.beforehand() => {
                    let beforehand = |approval: &ChildApproval| !matches!(approval, ChildApproval::Person { .. });
                    if matches!(&planned.outcome, PlanningOutcome::Planned { approval, .. } if beforehand(approval)) {
                        return Err(NotCounted::Unsigned);
                    }
                }
                Event::ApprovalDecided { step, by: Some(by), note, signature, outcome, .. } if place >= fork => {
                    let request = ApprovalRequest::of(of, step, &state, &inputs, started_by);
                    let (step, by, note, signature) = (step.clone(), by.clone(), note.clone(), signature.clone());
                    let approved = *outcome == ApprovalOutcome::Approved;
                    self.judge(&Decision { step, approved, by, about: None, note, signature }, &request)?;
                }
                // Nobody answered in time, which is no yes.
                Event::ApprovalDecided { by: None, outcome: ApprovalOutcome::Approved, .. } if place >= fork => {
                    return Err(NotCounted::Unsigned);
                }
                _ => {}
            }
            state.apply(event);
        }
        Ok(())
    }

    /// The listed key that signed an answer.
    fn signer(&self, decision: &Decision, question: &ApprovalRequest) -> Result<&VerifyingKey, NotCounted> {
        let signature = decision.signature.as_ref().ok_or(NotCounted::Unsigned)?;
        let forged = |why: String| NotCounted::Forged { by: neutral::line(&decision.by, 80), why };
        let note = Note::parse(signature.as_bytes()).map_err(|error| forged(error.to_string()))?;
        if note.text() != question.text(decision.approved, decision.note.as_deref()) {
            return Err(forged("it is an answer to something else".to_owned()));
        }
        let key = self.approvers.iter().find(|key| key.name() == decision.by);
        let key = key.ok_or_else(|| forged("no approver of that name is listed".to_owned()))?;
        note.verify(key).map_err(|error| forged(error.to_string()))?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, seed: u8) -> SigningKey {
        SigningKey::from_seed(name, [seed; 32]).unwrap()
    }

    fn question(started_by: Option<String>) -> ApprovalRequest {
        let (run, step) = (RunId::new(1, [0; 10]), "go".parse().unwrap());
        ApprovalRequest { run, step, about: Digest::of(b"plan"), started_by }
    }

    fn answer(approved: bool) -> Decision {
        let (by, note) = ("somebody".to_owned(), Some("seen".to_owned()));
        Decision { step: "go".parse().unwrap(), approved, by, about: None, note, signature: None }
    }

    #[test]
    fn where_approvers_are_listed_only_what_one_of_them_signed_counts() {
        let (ann, bob) = (key("ann", 1), key("bob", 2));
        let listed = Approving { approvers: vec![ann.verifying(), bob.verifying()], ..Approving::default() };
        let asked = question(None);
        let good = answer(true).signed(&asked, &ann);
        assert_eq!((good.by.as_str(), listed.judge(&good, &asked)), ("ann", Ok(())));
        assert_eq!(listed.judge(&answer(true), &asked), Err(NotCounted::Unsigned));
        assert_eq!(listed.judge(&answer(false), &asked), Err(NotCounted::Unsigned));
        assert_eq!(Approving::default().judge(&answer(true), &asked), Ok(()));
        // Whoever looked at one runbook has not approved the next.
        let about = |what: &[u8]| Decision { about: Some(Digest::of(what)), ..answer(true) };
        assert_eq!(Approving::default().judge(&about(b"plan"), &asked), Ok(()));
        assert_eq!(Approving::default().judge(&about(b"another"), &asked), Err(NotCounted::Another));
        let forged = |decision: Decision, question: &ApprovalRequest| {
            assert!(matches!(listed.judge(&decision, question), Err(NotCounted::Forged { .. })), "{decision:?}");
        };
        // One byte of what is approved, another answer, another step, another name, another key, no note at all.
        forged(good.clone(), &ApprovalRequest { about: Digest::of(b"Plan"), ..asked.clone() });
        forged(good.clone(), &ApprovalRequest { run: RunId::new(2, [0; 10]), ..asked.clone() });
        forged(good.clone(), &ApprovalRequest { step: "other".parse().unwrap(), ..asked.clone() });
        forged(Decision { approved: false, ..good.clone() }, &asked);
        forged(Decision { note: None, ..good.clone() }, &asked);
        forged(Decision { by: "bob".to_owned(), ..good.clone() }, &asked);
        forged(answer(true).signed(&asked, &key("ann", 3)), &asked);
        forged(answer(true).signed(&asked, &key("eve", 4)), &asked);
        forged(Decision { signature: Some("x".to_owned()), ..good }, &asked);
    }

    #[test]
    fn four_eyes_are_those_of_two_people() {
        let (ann, bob) = (key("ann", 1), key("bob", 2));
        let listed = vec![ann.verifying(), bob.verifying()];
        let two = Approving { four_eyes: true, approvers: listed, ..Approving::default() };
        let by = |key: &SigningKey| question(Some(key.verifying().to_string()));
        let asked = by(&ann);
        assert_eq!(two.judge(&answer(true).signed(&asked, &bob), &asked), Ok(()));
        let same = NotCounted::Same { by: "ann".to_owned() };
        assert_eq!(two.judge(&answer(true).signed(&asked, &ann), &asked), Err(same));
        // Who started it may take it back.
        assert_eq!(two.judge(&answer(false).signed(&asked, &ann), &asked), Ok(()));
        for unknown in [question(None), question(Some("ann".to_owned())), by(&key("eve", 3)), by(&key("ann", 3))] {
            assert_eq!(two.judge(&answer(true).signed(&unknown, &bob), &unknown), Err(NotCounted::Unknown));
        }
    }

    #[test]
    fn what_is_approved_beforehand_counts_unless_the_operator_wants_a_person() {
        let caller = ChildApproval::Caller { by: "ann".to_owned() };
        let usual = Approving::default();
        assert_eq!(usual.of_artifact(true, Some("ann")), ChildApproval::Runbook);
        assert_eq!(usual.of_artifact(false, Some("ann")), caller);
        assert_eq!(usual.of_artifact(false, None), ChildApproval::Person { expires_ms: None });
        for strict in [
            Approving { always: true, expires_ms: Some(5), ..Approving::default() },
            Approving { four_eyes: true, expires_ms: Some(5), ..Approving::default() },
        ] {
            assert_eq!(strict.of_artifact(true, Some("ann")), ChildApproval::Person { expires_ms: Some(5) });
        }
    }
}
