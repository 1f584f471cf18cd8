//! What an entry of the log says, and its bytes: one JSON object in canonical form (RFC 8785), written once.
//!
//! An entry holds no data that was analysed, and no digest by which such data could be guessed: where it speaks of data it
//! holds a digest under the run's key ([`crate::RunKey`]). Digests of code, plans and rulesets are plain.

use palisade_model::{Digest, RunId, StepId, canonical};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the form.
const VERSION: u32 = 1;
/// Most bytes of an entry: what a reader must be ready to hold.
pub const MAX_ENTRY_BYTES: usize = 16 << 20;

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The version of its form.
    v: u32,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// The run that it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The event of the run's journal to which it belongs. Whoever has the entry can check the journal up to there.
    #[serde(flatten)]
    pub event: Option<Place>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// An event of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its number, from 1.
    pub seq: u64,
    /// Its hash, and so that of all before it.
    #[serde(rename = "event")]
    pub hash: Digest,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The name of the user, as the system has it.
    pub user: String,
    /// Whether anybody proved to be that user.
    pub authenticated: bool,
}

/// Something with a name, by the digest of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// SHA-256.
    pub digest: Digest,
}

/// An input of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Its name in the runbook.
    pub name: String,
    /// The digest of the artifact, under the run's key.
    pub keyed: Digest,
}

/// A file that was written outside of the data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// What it is: `output NAME`, `record`, `report`, `wcf`, `file N of step NAME`.
    pub what: String,
    /// The SHA-256 of its bytes, under the run's key.
    pub keyed: Digest,
}

/// The event of another run that started this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentPlace {
    /// The other run.
    pub run: RunId,
    /// The number of the event.
    pub seq: u64,
}

/// Where a run was forked from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkPlace {
    /// The other run.
    pub run: RunId,
    /// The number of the last event that both share.
    pub seq: u64,
    /// Its hash.
    pub event: Digest,
}

/// How a question to a person ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Yes.
    Approved,
    /// No.
    Rejected,
    /// Nobody answered in time, which is a no.
    Expired,
}

/// Who says that a runbook may run which is there only since the run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovedBy {
    /// A person is asked.
    Person,
    /// The step that runs it, within its bounds.
    Runbook,
    /// Who started the run, beforehand.
    Caller,
}

/// Why a call of a component could not be made as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallRefusal {
    /// It was to have another config, or another ruleset, than the runbook says.
    Setting,
    /// Its config is none that the component takes.
    Config,
    /// Something was given to a port that is not there or takes no more, or nothing to one that needs it.
    Port,
    /// What was given to a port does not fit its schema.
    Items,
    /// It was to take over a task, and is none of the team.
    Member,
    /// The same was asked before, too often to be asked again.
    Repeated,
}

impl CallRefusal {
    /// It, as entries name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Setting => "setting",
            Self::Config => "config",
            Self::Port => "port",
            Self::Items => "items",
            Self::Member => "member",
            Self::Repeated => "repeated",
        }
    }
}

/// The beginning of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStart {
    /// Who started it, or the run above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
    /// The version of Palisade.
    pub palisade: String,
    /// The plan.
    pub plan: Digest,
    /// The runbook.
    pub runbook: Digest,
    /// The rulesets of the plan.
    pub rulesets: Vec<Named>,
    /// The components of the plan.
    pub components: Vec<Named>,
    /// What it was given.
    pub inputs: Vec<Given>,
    /// What was granted for this run alone, as the operator wrote it.
    pub allowed: Vec<String>,
    /// Who said yes beforehand to the runbooks that its steps make and allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<Actor>,
    /// The idempotency key, under the run's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Digest>,
    /// What started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentPlace>,
    /// The run whose beginning it shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkPlace>,
    /// How much of it a person made other than it was there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub edits: u64,
}

/// What happened. The names of the kinds and fields are the form on disk; docs/audit.md has all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// A run was there before the log was.
    RunKnown {
        /// How it stood.
        status: String,
    },
    /// A run began.
    RunStarted(Box<RunStart>),
    /// A process took up a run that had stopped.
    RunResumed {
        /// Who.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Actor>,
    },
    /// An attempt used a power, or was denied it.
    Uses {
        /// The step.
        step: StepId,
        /// The iteration of a loop, from 1.
        #[serde(default, skip_serializing_if = "is_zero")]
        iteration: u64,
        /// The number of the attempt, from 1.
        attempt: u64,
        /// The component's bytes.
        component: Digest,
        /// The power, as `fs-read`.
        power: String,
        /// The place that the step's config names, as it is written there; none = outside of all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
        /// How often it was allowed.
        allowed: u64,
        /// How often it was denied.
        denied: u64,
        /// Bytes that were sent there.
        #[serde(default, skip_serializing_if = "is_zero")]
        sent: u64,
    },
    /// An attempt may send so much by now, and did not send it before; how much it was, its end says.
    MaySend {
        /// The step.
        step: StepId,
        /// The iteration of a loop, from 1.
        #[serde(default, skip_serializing_if = "is_zero")]
        iteration: u64,
        /// The number of the attempt, from 1.
        attempt: u64,
        /// Bytes, by the origin they may go to.
        sent: BTreeMap<String, u64>,
    },
    /// A step wrote files, which are put in their places once this is durable.
    FilesWritten {
        /// The step.
        step: StepId,
        /// The iteration of a loop, from 1.
        #[serde(default, skip_serializing_if = "is_zero")]
        iteration: u64,
        /// The number of the attempt, from 1.
        attempt: u64,
        /// Which.
        files: Vec<Exported>,
    },
    /// They are in their places, or none of them can be.
    FilesPut {
        /// The step.
        step: StepId,
        /// The iteration of a loop, from 1.
        #[serde(default, skip_serializing_if = "is_zero")]
        iteration: u64,
        /// The number of the attempt, from 1.
        attempt: u64,
        /// They are.
        put: bool,
    },
    /// A step waits for a person.
    ApprovalAsked {
        /// The step.
        step: StepId,
        /// When the answer is no by itself, in milliseconds since 1970.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<u64>,
    },
    /// A person answered, or did not.
    ApprovalDecided {
        /// The step.
        step: StepId,
        /// Who.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Actor>,
        /// The answer.
        outcome: Outcome,
        /// What they said of it, under the run's key: it is free text, and the journal has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Digest>,
    },
    /// A runbook that is an artifact was planned.
    ChildPlanned {
        /// The step that runs it.
        step: StepId,
        /// Its plan.
        plan: Digest,
        /// Its text.
        runbook: Digest,
        /// Who says that it may run.
        approval: ApprovedBy,
        /// Who, where the caller did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Actor>,
    },
    /// A runbook that is an artifact was refused.
    ChildRefused {
        /// The step that was to run it.
        step: StepId,
    },
    /// A call of a component could not be made as an agent asked for it.
    CallRefused {
        /// The step of the agent.
        step: StepId,
        /// The iteration of a loop, from 1.
        #[serde(default, skip_serializing_if = "is_zero")]
        iteration: u64,
        /// The number of the attempt, from 1.
        attempt: u64,
        /// What was called, by its id.
        called: String,
        /// Why.
        why: CallRefusal,
    },
    /// A child run began, or goes on.
    ChildStarted {
        /// The step that runs it.
        step: StepId,
        /// The child.
        child: RunId,
        /// Its plan.
        plan: Digest,
    },
    /// Somebody, or the time of the run, wants it to end.
    CancelAsked {
        /// `requested`, `interrupted` or `timeout`.
        reason: String,
    },
    /// A run that failed or was cancelled undoes what it did.
    CompensationStarted {
        /// How it ends when that is done.
        status: String,
        /// The steps that undo others, in the order in which they run.
        steps: Vec<StepId>,
    },
    /// A run ended, or stopped until it is resumed.
    RunEnded {
        /// How.
        status: String,
        /// The plan.
        plan: Digest,
        /// The runbook.
        runbook: Digest,
        /// The rulesets of the plan.
        rulesets: Vec<Named>,
    },
    /// Files were written for people when a run had ended.
    FilesExported {
        /// Which.
        files: Vec<Exported>,
    },
    /// A component was registered.
    ComponentAdded {
        /// Who.
        by: Actor,
        /// Its id and version.
        component: String,
        /// Its bytes.
        digest: Digest,
        /// The key that signed them: the owner's of its namespace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed_by: Option<String>,
    },
    /// A component is not registered any more.
    ComponentRemoved {
        /// Who.
        by: Actor,
        /// Its id and version.
        component: String,
    },
    /// `palisade.lock` was written.
    LockChanged {
        /// Who.
        by: Actor,
        /// SHA-256 of its text before; none = there was none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Digest>,
        /// SHA-256 of its text.
        after: Digest,
    },
    /// Runs were removed, with their journals.
    RunsRemoved {
        /// Who.
        by: Actor,
        /// Which.
        runs: Vec<RunId>,
    },
    /// Data of runs were erased; their journals stay.
    DataErased {
        /// Who.
        by: Actor,
        /// Which runs.
        runs: Vec<RunId>,
    },
    /// The first key of the log was made.
    KeyMade {
        /// It, as checkpoints are checked with it.
        key: String,
    },
    /// A witness saw another log than this one.
    SplitView {
        /// Its key.
        witness: String,
        /// The checkpoint that it did not sign.
        checkpoint: String,
        /// How many entries it saw.
        seen: u64,
    },
    /// Another key signs from now on.
    KeyRotated {
        /// Who.
        by: Actor,
        /// It.
        key: String,
        /// The note in which both keys say so.
        note: String,
    },
}

/// What can be read of every entry, whatever its kind: of a newer Palisade's too.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct EntryHead<'a> {
    /// Its kind.
    pub kind: &'a str,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// The run that it speaks of.
    #[serde(default)]
    pub run: Option<&'a str>,
    /// The number of the event to which it belongs.
    #[serde(default)]
    pub seq: Option<u64>,
    /// The hash of that event.
    #[serde(default)]
    pub event: Option<&'a str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Actor {
    /// A user of the system: who runs the process, and nobody asked for more.
    #[must_use]
    pub fn unauthenticated(user: impl Into<String>) -> Self {
        Self { user: user.into(), authenticated: false }
    }
}

impl What {
    /// The names of all kinds.
    pub const KINDS: [&str; 25] = [
        "run_known",
        "run_started",
        "run_resumed",
        "uses",
        "may_send",
        "files_written",
        "files_put",
        "approval_asked",
        "approval_decided",
        "child_planned",
        "child_refused",
        "call_refused",
        "child_started",
        "cancel_asked",
        "compensation_started",
        "run_ended",
        "files_exported",
        "component_added",
        "component_removed",
        "lock_changed",
        "runs_removed",
        "data_erased",
        "key_made",
        "split_view",
        "key_rotated",
    ];

    /// Whether something was denied or refused.
    #[must_use]
    pub const fn is_denial(&self) -> bool {
        match self {
            Self::Uses { denied, .. } => *denied > 0,
            Self::ApprovalDecided { outcome, .. } => matches!(outcome, Outcome::Rejected | Outcome::Expired),
            Self::ChildRefused { .. } | Self::CallRefused { .. } => true,
            _ => false,
        }
    }
}

impl Entry {
    /// An entry that belongs to no run.
    #[must_use]
    pub const fn new(at: u64, what: What) -> Self {
        Self { v: VERSION, at, run: None, event: None, what }
    }

    /// An entry of a run.
    #[must_use]
    pub const fn of_run(run: RunId, at: u64, what: What) -> Self {
        Self { v: VERSION, at, run: Some(run), event: None, what }
    }

    /// The entry with the event to which it belongs.
    #[must_use]
    pub fn at_event(self, seq: u64, hash: Digest) -> Self {
        Self { event: Some(Place { seq, hash }), ..self }
    }

    /// The bytes of the leaf.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::to_vec(self)
    }

    /// Reads the bytes of a leaf; none for what a newer Palisade wrote, or nobody.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|entry: &Self| entry.v == VERSION)
    }
}

impl<'a> EntryHead<'a> {
    /// Reads what every entry has; none for what is no entry.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The run and the event to which it belongs.
    #[must_use]
    pub fn place(&self) -> Option<(RunId, Place)> {
        let place = Place { seq: self.seq?, hash: self.event?.parse().ok()? };
        Some((self.run?.parse().ok()?, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entry: &Entry, expected: &str) {
        assert_eq!(String::from_utf8(entry.to_bytes()).unwrap(), expected);
        assert_eq!(Entry::from_bytes(&entry.to_bytes()).as_ref(), Some(entry));
        let bytes = entry.to_bytes();
        assert!(bytes.len() < MAX_ENTRY_BYTES);
        let head = EntryHead::read(&bytes).unwrap();
        assert_eq!(head.at, entry.at);
        assert_eq!(head.place(), entry.run.zip(entry.event));
    }

    #[test]
    fn what_was_denied_is_told_from_what_was_not() {
        let uses = |denied, iteration| What::Uses {
            step: "s".parse().unwrap(),
            iteration,
            attempt: 1,
            component: Digest::of(b""),
            power: "fs-read".to_owned(),
            scope: None,
            allowed: 1,
            denied,
            sent: 0,
        };
        let decided = |outcome| What::ApprovalDecided { step: "s".parse().unwrap(), by: None, outcome, note: None };
        assert!(uses(1, 0).is_denial() && !uses(0, 0).is_denial());
        assert!(decided(Outcome::Rejected).is_denial() && decided(Outcome::Expired).is_denial());
        assert!(!decided(Outcome::Approved).is_denial());
        assert!(What::ChildRefused { step: "s".parse().unwrap() }.is_denial());
        // What is nothing is left away, and what is something is not.
        let text = |what| String::from_utf8(Entry::new(1, what).to_bytes()).unwrap();
        assert!(!text(uses(0, 0)).contains("iteration") && text(uses(0, 2)).contains("\"iteration\":2"));
    }

    #[test]
    fn the_form_on_disk_is_fixed() {
        let (run, digest) = (RunId::new(1, [2; 10]), Digest::of(b"x"));
        let what = What::RunEnded {
            status: "succeeded".to_owned(),
            plan: digest,
            runbook: digest,
            rulesets: vec![Named { name: "local/a/1.0.0".to_owned(), digest }],
        };
        let expected = format!(
            r#"{{"at":5,"event":"{digest}","kind":"run_ended","plan":"{digest}","rulesets":[{{"digest":"{digest}","name":"local/a/1.0.0"}}],"run":"{run}","runbook":"{digest}","seq":7,"status":"succeeded","v":1}}"#
        );
        check(&Entry::of_run(run, 5, what).at_event(7, digest), &expected);
        let what = What::ComponentRemoved { by: Actor::unauthenticated("ann"), component: "a:b@1.0.0".to_owned() };
        let expected = r#"{"at":9,"by":{"authenticated":false,"user":"ann"},"component":"a:b@1.0.0","kind":"component_removed","v":1}"#;
        check(&Entry::new(9, what), expected);
        for (why, name) in [
            (CallRefusal::Setting, "setting"),
            (CallRefusal::Config, "config"),
            (CallRefusal::Port, "port"),
            (CallRefusal::Items, "items"),
            (CallRefusal::Member, "member"),
            (CallRefusal::Repeated, "repeated"),
        ] {
            let (step, called) = ("look".parse().unwrap(), "acme:words".to_owned());
            let what = What::CallRefused { step, iteration: 0, attempt: 1, called, why };
            assert!(what.is_denial());
            let expected = format!(
                r#"{{"at":9,"attempt":1,"called":"acme:words","kind":"call_refused","step":"look","v":1,"why":"{name}"}}"#
            );
            check(&Entry::new(9, what), &expected);
            assert_eq!(why.name(), name);
        }
        let what = What::Uses {
            step: "files".parse().unwrap(),
            iteration: 0,
            attempt: 1,
            component: digest,
            power: "fs-read".to_owned(),
            scope: None,
            allowed: 0,
            denied: 2,
            sent: 0,
        };
        let expected = format!(
            r#"{{"allowed":0,"at":9,"attempt":1,"component":"{digest}","denied":2,"event":"{digest}","kind":"uses","power":"fs-read","run":"{run}","seq":3,"step":"files","v":1}}"#
        );
        check(&Entry::of_run(run, 9, what).at_event(3, digest), &expected);
    }

    #[test]
    fn the_kinds_are_those_that_are_read() {
        let unknown = serde_json::from_str::<What>(r#"{"kind": "none"}"#).unwrap_err().to_string();
        let known: Vec<_> = unknown.split('`').skip(3).step_by(2).collect();
        assert_eq!(known, What::KINDS);
    }

    #[test]
    fn of_a_newer_entry_the_head_is_read() {
        let newer = br#"{"at":5,"kind":"other","more":[1],"v":2}"#;
        assert_eq!(Entry::from_bytes(newer), None);
        assert_eq!(EntryHead::read(newer).unwrap().kind, "other");
        assert!(EntryHead::read(b"[]").is_none());
    }
}
