//! Runbooks that an agent submits, on the side of its attempt: how one gets to the driver, which plans it, and what the agent
//! is answered.

use crate::calls::{CallLog, Calls, NewCall, NotAllowed, Stored, Way, bytes, refused};
use crate::planning::Refusal;
use palisade_authority::GUEST_DENIAL;
use palisade_interpreter::HostCallRecorded;
use palisade_model::{Digest, Failure, FailureKind, StepId, canonical, strict_json};
use palisade_runbook::Source;
use palisade_sandbox::ports::{PortError, Submission, Wrong};
use palisade_store::Artifact;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the call is named in journals.
pub(crate) const SUBMIT: &str = "runbooks.submit";
/// Most characters of a line of a runbook that its author is shown.
const MAX_LINE_CHARS: usize = 200;

/// What came of a runbook.
pub(crate) enum Came {
    /// What it made, by name.
    Done(Vec<(String, Artifact)>),
    /// It can't run so.
    Refused(Vec<Wrong>),
    /// A person said no.
    Rejected(String),
    /// It ran and failed.
    Failed(String),
}

/// A call that ended its attempt, since the answer needs time.
#[derive(Debug, Clone)]
pub(crate) struct Suspension {
    /// The number of the call.
    pub(crate) call: u32,
    /// What was submitted.
    pub(crate) request: Vec<u8>,
}

/// A runbook as it was submitted.
#[derive(Debug, Deserialize)]
pub(crate) struct SubmittedRunbook {
    pub(crate) definition: Value,
    /// What it gets, by name.
    pub(crate) inputs: BTreeMap<String, Digest>,
}

/// What is wrong with a runbook, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredWrong {
    code: String,
    line: String,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl SubmittedRunbook {
    /// Reads what was stored; none for what is no such call.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl Calls<'_> {
    /// Submits a runbook, or finds what came of it.
    pub(crate) fn submitted(&self, submission: &Submission) -> Result<Came, PortError> {
        let request = request(submission)?;
        self.count_runbook()?;
        match self.way(Digest::of(&request), None)? {
            Way::Again(recorded) => self.came(self.stored(recorded)?, Some(recorded)),
            Way::Make(number, log) => match log.plan_runbook(&request)? {
                Some(refusal) => self.came(refuse(number, request, refusal, log)?, None),
                None => {
                    self.suspend(Suspension { call: number, request });
                    Err(PortError::Suspended)
                }
            },
        }
    }

    fn came(&self, stored: Stored, recorded: Option<&HostCallRecorded>) -> Result<Came, PortError> {
        Ok(match stored {
            Stored::Outputs(outputs) => Came::Done(self.found(outputs, recorded.map_or(0, |call| call.call))?),
            Stored::Refused(wrong) => Came::Refused(wrong.into_iter().map(Wrong::from).collect()),
            Stored::Rejected(words) => Came::Rejected(words),
            Stored::Failed(words) => Came::Failed(words),
            other => return Err(refused(other)),
        })
    }
}

impl From<StoredWrong> for Wrong {
    fn from(stored: StoredWrong) -> Self {
        let StoredWrong { code, line, message, help } = stored;
        Self { code, line, message, help }
    }
}

/// Writes down that a runbook can't run, and why.
fn refuse(number: u32, request: Vec<u8>, refusal: Refusal, log: &dyn CallLog) -> Result<Stored, PortError> {
    if refusal.failure.kind == FailureKind::Host {
        return Err(PortError::Host(refusal.failure.message));
    }
    let definition = SubmittedRunbook::read(&request).map(|submitted| submitted.definition).unwrap_or_default();
    let stored = Stored::Refused(told(&refusal, &definition));
    let answer = bytes(&stored)?;
    let what = format!("{SUBMIT}, refused");
    log.record(NewCall { number, what, request, answer, refused: Some(NotAllowed::Runbook), ..NewCall::default() })?;
    Ok(stored)
}

/// What its author is told of a refusal. What is denied without a place in the runbook they learn no more of than any guest.
pub(crate) fn told(refusal: &Refusal, definition: &Value) -> Vec<StoredWrong> {
    let source = palisade_runbook::artifact_source("", definition);
    let of_diagnostics = refusal.diagnostics.iter().filter_map(|diagnostic| wrong(&source, diagnostic));
    let told: Vec<_> = of_diagnostics.collect();
    if !told.is_empty() {
        return told;
    }
    let (code, message) = match &refusal.failure.kind {
        FailureKind::Denied { .. } => ("denied", GUEST_DENIAL.to_owned()),
        _ => ("refused", refusal.failure.message.clone()),
    };
    vec![StoredWrong { code: code.to_owned(), line: String::new(), message, help: None }]
}

fn wrong(source: &Source, diagnostic: &Value) -> Option<StoredWrong> {
    let text = |key: &str| diagnostic[key].as_str().map(ToOwned::to_owned);
    let number = diagnostic["span"]["line"].as_u64().and_then(|line| usize::try_from(line).ok()).unwrap_or(0);
    let line = source.text().lines().nth(number.saturating_sub(1)).unwrap_or_default();
    let line = palisade_model::neutral::line(line.trim(), MAX_LINE_CHARS);
    Some(StoredWrong { code: text("code")?, line, message: text("message")?, help: text("help") })
}

/// Says that an agent submitted one more than its step allows.
pub(crate) fn one_more(step: &StepId, most: u32) -> Failure {
    let (most, found) = (u64::from(most), u64::from(most) + 1);
    let message = format!("step `{step}` may submit {most} runbooks, and its agent submitted one more");
    let kind = FailureKind::Bound { key: "most".to_owned(), most, found };
    Failure::new(kind, message).with_help("raise `most` of the step's `runbooks`")
}

/// What was submitted, in the one form by which it is known again.
fn request(submission: &Submission) -> Result<Vec<u8>, PortError> {
    let definition = strict_json::from_str(&submission.definition)
        .map_err(|error| PortError::Invalid(format!("the runbook is no JSON: {error}")))?;
    let mut inputs = BTreeMap::new();
    for (name, artifact) in &submission.inputs {
        if inputs.insert(name, artifact).is_some() {
            let name = palisade_model::neutral::line(name, 60);
            return Err(PortError::Invalid(format!("the input `{name}` is given twice")));
        }
    }
    Ok(canonical::to_vec(&json!({"call": SUBMIT, "definition": definition, "inputs": inputs})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_submitted_has_one_form() {
        let input = ("texts".to_owned(), Digest::of(b"texts"));
        let submission = |definition: &str, inputs| Submission { definition: definition.to_owned(), inputs };
        let bytes = request(&submission(r#"{"name": "X", "execution": []}"#, vec![input.clone()])).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let expected = format!(
            r#"{{"call":"runbooks.submit","definition":{{"execution":[],"name":"X"}},"inputs":{{"texts":"{}"}}}}"#,
            input.1
        );
        assert_eq!(text, expected);
        let read = SubmittedRunbook::read(&bytes).unwrap();
        assert_eq!((&read.definition["name"], read.inputs.get("texts")), (&json!("X"), Some(&input.1)));
        assert!(matches!(request(&submission("{", Vec::new())), Err(PortError::Invalid(_))));
        let twice = submission("{}", vec![input.clone(), input]);
        assert!(matches!(request(&twice), Err(PortError::Invalid(_))));
    }

    #[test]
    fn an_author_sees_the_line_and_no_reason_of_a_denial() {
        let definition = json!({"name": "X", "execution": [{"id": "a", "analyser": "acme:x"}]});
        let diagnostic =
            json!({"code": "PAL0301", "span": {"line": 4}, "message": "no component", "help": "write one"});
        let failure = Failure::new(FailureKind::BadRunbook, "it is refused");
        let refusal = Refusal { failure, diagnostics: vec![diagnostic] };
        let told_of = told(&refusal, &definition);
        assert_eq!((told_of[0].code.as_str(), told_of[0].message.as_str()), ("PAL0301", "no component"));
        assert_eq!(told_of[0].line, "analyser: \"acme:x\"");
        let kind = FailureKind::Denied { what: "/etc/passwd".to_owned(), allow: None };
        let denied = Refusal { failure: Failure::new(kind, "/etc/passwd is forbidden"), diagnostics: Vec::new() };
        assert_eq!(told(&denied, &definition)[0].message, GUEST_DENIAL);
    }
}
