//! Calls of guests whose answers are written down before the guest sees them: how they get from a guest's thread to that of
//! its attempt, and what they are answered.
//!
//! An attempt that is taken up again, and one that is replayed, is given what was answered then. What is asked must be the
//! same: it follows from the inputs, the config and the answers before it.

use crate::models::{self, Models};
use crate::planning::Refusal;
use crate::submitting::{Came, StoredWrong, Suspension, one_more};
use crate::tools::{self, Toolbox};
use crate::uses::UseCount;
use palisade_audit::CallRefusal;
use palisade_interpreter::{HostCallRecorded, answers_for, answers_for_items, show_place};
use palisade_llm::Finish;
use palisade_model::{ComponentId, Digest, Failure, Usage, canonical, neutral, strict_json};
use palisade_runbook::{PlannedCall, PlannedStep, PlannedWork};
use palisade_sandbox::AttemptMeter;
use palisade_sandbox::ports::{
    ModelAnswered, ModelCall, ModelFinish, ModelRole, PortError, Submission, Tool, ToolCall, ToolItems,
};
use palisade_store::{Artifact, NewArtifact, Store};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// How often an attempt may make the same call with the same arguments: its answer can't be another one.
const MOST_REPEATS: u32 = 3;

/// What a guest gets for a call: what the tool made, by port.
pub(crate) type Answer = Result<Vec<(String, Artifact)>, PortError>;

/// A call on its way to the thread of the attempt.
#[derive(Debug)]
pub(crate) enum Request {
    /// Of a tool.
    Tool { call: ToolCall, answer: SyncSender<Answer> },
    /// Of a model.
    Model { call: ModelCall, answer: SyncSender<ModelAnswered> },
    /// To run a runbook.
    Runbook { submission: Submission, answer: SyncSender<Result<Came, PortError>> },
}

/// Sends calls to the thread of the attempt; one for each instance.
#[derive(Clone)]
pub(crate) struct Asking {
    tools: Arc<[Tool]>,
    default_model: Option<Arc<str>>,
    most_runbooks: u32,
    send: Arc<dyn Fn(Request) -> bool + Send + Sync>,
}

/// Answers the calls of one attempt, or of one item of a map.
pub(crate) trait Answering: Sync {
    /// Answers the calls of one item, of which each has its own order. They count from 0.
    fn of_item(&self, item: u64) -> Arc<dyn Answering + Send + '_>;

    /// What may be called.
    fn tools(&self) -> Arc<[Tool]>;

    /// The model that is asked where none is named.
    fn default_model(&self) -> Option<Arc<str>>;

    /// Answers a call of a tool by the attempt that has this meter.
    fn call_tool(&self, call: &ToolCall, meter: &Arc<AttemptMeter>) -> Answer;

    /// Answers a call of a model by the attempt that has this meter.
    fn ask_model(&self, call: &ModelCall, meter: &Arc<AttemptMeter>) -> ModelAnswered;

    /// How many runbooks may be submitted.
    fn most_runbooks(&self) -> u32;

    /// Answers what came of a runbook.
    fn submit(&self, submission: &Submission) -> Result<Came, PortError>;
}

/// What is to be written down of a call, before its guest sees the answer.
#[derive(Debug, Default)]
pub(crate) struct NewCall {
    /// The calls within which it is made.
    pub(crate) within: Vec<u32>,
    pub(crate) number: u32,
    pub(crate) what: String,
    pub(crate) request: Vec<u8>,
    pub(crate) answer: Vec<u8>,
    pub(crate) may_pass: bool,
    /// What of it may not be.
    pub(crate) refused: Option<NotAllowed>,
    pub(crate) artifacts: Vec<NewArtifact>,
    pub(crate) usage: Usage,
    /// What it is to be counted as once.
    pub(crate) own: Usage,
    /// How often an agent of the team, by its bytes, used its powers.
    pub(crate) used: Option<(Digest, Vec<UseCount>)>,
}

/// What the audit log tells of a call that came to nothing.
#[derive(Debug)]
pub(crate) enum NotAllowed {
    /// A runbook may not run.
    Runbook,
    /// A component can't be called so.
    Call(ComponentId, CallRefusal),
}

/// Where calls are written down.
pub(crate) trait CallLog: Sync {
    /// Makes a call durable.
    ///
    /// # Errors
    /// When nobody goes on with the run.
    fn record(&self, call: NewCall) -> Result<(), PortError>;

    /// Says why a runbook can't run, if it can't.
    ///
    /// # Errors
    /// When nobody goes on with the run.
    fn plan_runbook(&self, request: &[u8]) -> Result<Option<Refusal>, PortError>;
}

/// Answers calls of one agent by what was answered before, then by making them.
pub(crate) struct Calls<'a> {
    toolbox: Toolbox<'a>,
    models: Option<Models<'a>>,
    /// The model that is asked where none is named, as the plan has it.
    default_model: Option<Arc<str>>,
    /// How many runbooks may be submitted.
    most_runbooks: u32,
    /// The calls of the team within which it works, or the item of a map, from 1; none = it is the step's own component.
    within: Vec<u32>,
    /// What earlier attempts were answered, by place, those within other calls among them.
    known: Arc<BTreeMap<Vec<u32>, HostCallRecorded>>,
    /// None = nothing is made that was not recorded.
    log: Option<&'a dyn CallLog>,
    /// How the attempt departed from what was recorded, whoever of it did.
    departed: Arc<OnceLock<String>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    answered: u32,
    asked: BTreeMap<Digest, u32>,
    /// How many runbooks were submitted.
    runbooks: u32,
    /// The call that ends it.
    suspended: Option<Suspension>,
}

/// An answer as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stored {
    /// What the tool made, by port, or a runbook, by name.
    Outputs(Vec<(String, Digest)>),
    /// The runbook can't run.
    Refused(Vec<StoredWrong>),
    /// A person said no to it, in these words.
    Rejected(String),
    /// It ran and failed.
    Failed(String),
    /// What the model said.
    Said {
        /// The text.
        content: String,
        /// Why it ends.
        finish: Finish,
    },
    /// The call can't be made.
    Invalid(String),
    /// It may not be made. The text is for people.
    Denied(String),
    /// The tool failed, or the model gave no answer.
    Unavailable(String),
    /// The caller's limits, or a budget, were used up by it.
    Limit(Box<Failure>),
}

/// How a call gets its answer.
pub(crate) enum Way<'c> {
    /// It was answered before.
    Again(&'c HostCallRecorded),
    /// It is made, and written down under that number.
    Make(u32, &'c dyn CallLog),
}

impl Asking {
    pub(crate) fn new(answering: &dyn Answering, send: impl Fn(Request) -> bool + Send + Sync + 'static) -> Self {
        Self {
            tools: answering.tools(),
            default_model: answering.default_model(),
            most_runbooks: answering.most_runbooks(),
            send: Arc::new(send),
        }
    }

    /// As it is for one item of a map.
    pub(crate) fn sending(&self, send: impl Fn(Request) -> bool + Send + Sync + 'static) -> Self {
        Self { send: Arc::new(send), ..self.clone() }
    }

    pub(crate) fn tools(&self) -> &[Tool] {
        &self.tools
    }

    pub(crate) fn default_model(&self) -> Option<&str> {
        self.default_model.as_deref()
    }

    /// Waits for what came of a tool.
    pub(crate) fn call_tool(&self, call: &ToolCall) -> Answer {
        let (answer, answered) = sync_channel(1);
        if !(self.send)(Request::Tool { call: call.clone(), answer }) {
            return Err(PortError::Cancelled);
        }
        // The attempt was given up.
        answered.recv().unwrap_or(Err(PortError::Cancelled))
    }

    /// Waits for the answer of a model.
    pub(crate) fn ask_model(&self, call: &ModelCall) -> ModelAnswered {
        let (answer, answered) = sync_channel(1);
        if !(self.send)(Request::Model { call: call.clone(), answer }) {
            return PortError::Cancelled.into();
        }
        answered.recv().unwrap_or_else(|_| PortError::Cancelled.into())
    }

    pub(crate) const fn most_runbooks(&self) -> u32 {
        self.most_runbooks
    }

    /// Waits for what came of a runbook, or that the answer needs time.
    pub(crate) fn submit(&self, submission: &Submission) -> Result<Came, PortError> {
        let (answer, answered) = sync_channel(1);
        if !(self.send)(Request::Runbook { submission: submission.clone(), answer }) {
            return Err(PortError::Cancelled);
        }
        answered.recv().unwrap_or(Err(PortError::Cancelled))
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking").field("tools", &self.tools.len()).finish()
    }
}

impl Request {
    pub(crate) fn serve(self, by: &dyn Answering, meter: &Arc<AttemptMeter>) {
        // Whoever asked may be gone.
        match self {
            Self::Tool { call, answer } => drop(answer.send(by.call_tool(&call, meter))),
            Self::Model { call, answer } => drop(answer.send(by.ask_model(&call, meter))),
            Self::Runbook { submission, answer } => drop(answer.send(by.submit(&submission))),
        }
    }
}

impl<'a> Calls<'a> {
    /// `models` is None where no call is made that was not recorded.
    pub(crate) fn new(
        toolbox: Toolbox<'a>,
        models: Option<Models<'a>>,
        default_model: Option<&str>,
        known: Vec<HostCallRecorded>,
        log: Option<&'a dyn CallLog>,
    ) -> Self {
        let most_runbooks = toolbox.step.submits().map_or(0, |submits| submits.most);
        let (default_model, departed, state) = (default_model.map(Arc::from), Arc::default(), Mutex::default());
        let known = Arc::new(known.into_iter().map(|call| (call.place().collect(), call)).collect());
        Self { toolbox, models, default_model, most_runbooks, within: Vec::new(), known, log, departed, state }
    }

    /// Answers an agent of the team while its caller waits for call `number`. It submits no runbooks: nobody could go on with it
    /// once they have run.
    fn of_member(&self, member: &PlannedCall, number: u32) -> Self {
        Self {
            toolbox: self.toolbox.of_member(&member.component),
            models: self.models.as_ref().map(|models| models.of(&member.component)),
            default_model: member.default_model.as_deref().map(Arc::from),
            ..self.within(number)
        }
    }

    /// Answers what is asked within call or item `number`, in an order of its own.
    fn within(&self, number: u32) -> Self {
        Self {
            toolbox: self.toolbox.clone(),
            models: self.models.clone(),
            default_model: self.default_model.clone(),
            most_runbooks: 0,
            within: self.place_of(number),
            known: Arc::clone(&self.known),
            log: self.log,
            departed: Arc::clone(&self.departed),
            state: Mutex::default(),
        }
    }

    /// Where a call of this agent stands.
    fn place_of(&self, number: u32) -> Vec<u32> {
        self.within.iter().copied().chain([number]).collect()
    }

    pub(crate) fn store(&self) -> &Store {
        self.toolbox.store()
    }

    /// The call that ended the attempt, if one did.
    pub(crate) fn take_suspended(&self) -> Option<Suspension> {
        self.lock().suspended.take()
    }

    pub(crate) fn suspend(&self, by: Suspension) {
        self.lock().suspended = Some(by);
    }

    /// Counts a runbook that is submitted, recorded or not: what follows is the same each time.
    pub(crate) fn count_runbook(&self) -> Result<(), PortError> {
        let mut state = self.lock();
        if state.runbooks == self.most_runbooks {
            return Err(PortError::Limit(Box::new(one_more(&self.toolbox.step.id, self.most_runbooks))));
        }
        state.runbooks += 1;
        Ok(())
    }

    /// How the attempt departed from what was recorded, if it did.
    pub(crate) fn departed(&self) -> Option<String> {
        self.departed.get().cloned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the attempt asks for something else than it did; it can't go on.
    fn departs(&self, how: String) -> PortError {
        let _ = self.departed.set(how.clone());
        PortError::Host(how)
    }

    /// How the next call of the attempt gets its answer, by the digest of what it asks. `unwritten` is what earlier builds refused it with and did not write
    /// down: where it is not recorded, what follows it has its number.
    pub(crate) fn way(&self, digest: Digest, unwritten: Option<PortError>) -> Result<Way<'_>, PortError> {
        let number = {
            let mut state = self.lock();
            state.answered = state.answered.saturating_add(1);
            state.answered
        };
        let place = self.place_of(number);
        let shown = || show_place(place.iter().copied());
        let departs = match (self.known.get(&place), self.log) {
            (Some(recorded), _) if recorded.request == digest => return Ok(Way::Again(recorded)),
            (None, Some(log)) => return Ok(Way::Make(number, log)),
            (Some(_), _) => format!("call {} asks for something else than was recorded", shown()),
            (None, None) => format!("call {} was not recorded", shown()),
        };
        if let Some(refusal) = unwritten {
            self.lock().answered = number.saturating_sub(1);
            return Err(refusal);
        }
        Err(self.departs(departs))
    }

    /// Counts a call, and says whether the same was made too often to be made again. A hand-over is the same call.
    fn is_repeated(&self, call: &ToolCall, digest: Digest) -> bool {
        let same = if call.hands_over { Digest::of(&request(call, CALL)) } else { digest };
        let mut state = self.lock();
        let asked = state.asked.entry(same).or_default();
        *asked = asked.saturating_add(1);
        *asked > MOST_REPEATS
    }

    /// The answer that was recorded.
    pub(crate) fn stored(&self, recorded: &HostCallRecorded) -> Result<Stored, PortError> {
        let missing =
            |what: &str| PortError::Host(format!("{what} of call {} is not in the store", recorded.shown_place()));
        let bytes = self.toolbox.store().content(recorded.answer).map_err(fault)?;
        let bytes = bytes.ok_or_else(|| missing("the answer"))?.read_all().map_err(fault)?;
        serde_json::from_slice(&bytes).map_err(|_| missing("a readable answer"))
    }

    /// The artifacts of an answer.
    pub(crate) fn found(
        &self,
        outputs: Vec<(String, Digest)>,
        call: u32,
    ) -> Result<Vec<(String, Artifact)>, PortError> {
        let found = outputs.into_iter().map(|(name, artifact)| {
            let found = self.store().artifact(artifact).map_err(fault)?;
            let missing = || PortError::Host(format!("an artifact of call {call} is not in the store"));
            Ok((name, found.ok_or_else(missing)?))
        });
        found.collect()
    }

    /// What a tool made when it was recorded.
    fn again(&self, recorded: &HostCallRecorded, meter: &AttemptMeter) -> Answer {
        let stored = self.stored(recorded)?;
        if recorded.own.is_some() {
            meter.told_by_call(&as_call(spent_again(&recorded.usage)));
        }
        // It was spent when it was made, and is spent again: what is left for the rest is as much as then.
        meter.spent_before(&recorded.usage).map_err(|failure| PortError::Limit(Box::new(failure)))?;
        let Stored::Outputs(outputs) = stored else { return Err(refused(stored)) };
        self.found(outputs, recorded.call)
    }

    /// Makes a call of a tool and writes down what came of it.
    fn make(
        &self,
        number: u32,
        call: &ToolCall,
        request: Vec<u8>,
        repeated: bool,
        meter: &Arc<AttemptMeter>,
        log: &dyn CallLog,
    ) -> Answer {
        let called = match self.toolbox.find(&call.id) {
            Some(_) if repeated => tools::NotCalled::Invalid(CallRefusal::Repeated, too_often(&call.id)).into(),
            Some((tool, false)) if call.hands_over => {
                let what = format!("the tool `{}` is none of the team, and takes nothing over", tool.call.component);
                tools::NotCalled::Invalid(CallRefusal::Member, what).into()
            }
            Some((tool, false)) => self.toolbox.call(tool, call, meter, None),
            Some((member, true)) => self.toolbox.call(member, call, meter, Some(&self.of_member(&member.call, number))),
            // The sandbox asks for none but those that it was told of.
            None => return Err(PortError::Invalid(format!("there is no tool `{}`", neutral::line(&call.id, 100)))),
        };
        if let Some(how) = self.departed() {
            return Err(PortError::Host(how));
        }
        let mut refused = None;
        let (stored, may_pass, artifacts) = match called.result {
            Ok(made) => {
                let named = made.iter().map(|(port, artifact)| (port.clone(), artifact.digest())).collect();
                (Stored::Outputs(named), false, made)
            }
            Err(tools::NotCalled::Invalid(why, what)) => {
                refused = call.id.parse().ok().map(|called| NotAllowed::Call(called, why));
                (Stored::Invalid(what), false, Vec::new())
            }
            Err(tools::NotCalled::Failed { message, may_pass }) => (Stored::Unavailable(message), may_pass, Vec::new()),
            Err(tools::NotCalled::Limit(failure)) => (Stored::Limit(failure), false, Vec::new()),
            Err(tools::NotCalled::Cancelled) => return Err(PortError::Cancelled),
        };
        let (ports, artifacts): (Vec<_>, Vec<_>) = artifacts.into_iter().unzip();
        let found = artifacts.iter().map(NewArtifact::unstored);
        let made: Vec<_> = ports.into_iter().zip(found).collect();
        let answer = bytes(&stored)?;
        let what = format!("{} {}", function(call), call.id);
        let (within, usage, own, used) = (self.within.clone(), called.usage, as_call(called.own), called.used);
        log.record(NewCall { within, number, what, request, answer, may_pass, refused, artifacts, usage, own, used })?;
        meter.told_by_call(&as_call(usage));
        match stored {
            Stored::Outputs(_) => Ok(made),
            refusal => Err(self::refused(refusal)),
        }
    }

    /// Asks a model, or finds what it answered, and what that took.
    fn said(
        &self,
        call: &ModelCall,
        meter: &AttemptMeter,
        usage: &mut Usage,
    ) -> Result<(String, ModelFinish), PortError> {
        let request = question(call);
        // One that an earlier build recorded is counted by each attempt that is given the answer.
        let mut is_told = true;
        let stored = match self.way(Digest::of(&request), None)? {
            Way::Again(recorded) => {
                *usage = recorded.usage;
                is_told = recorded.own.is_some();
                self.stored(recorded)?
            }
            Way::Make(number, log) => {
                let models = self.models.as_ref().ok_or(PortError::Cancelled)?;
                let asked = models.ask(call, meter);
                *usage = asked.usage;
                let (stored, may_pass) = asked.result?;
                let (within, answer) = (self.within.clone(), bytes(&stored)?);
                let (what, usage, own) = (format!("llm.complete {}", call.model), asked.usage, as_asked(asked.usage));
                let call =
                    NewCall { within, number, what, request, answer, may_pass, usage, own, ..NewCall::default() };
                log.record(call)?;
                stored
            }
        };
        if is_told {
            meter.told_by_call(&as_asked(*usage));
        }
        match stored {
            Stored::Said { content, finish } => Ok((content, models::as_told(finish))),
            refusal => Err(refused(refusal)),
        }
    }
}

impl Answering for Calls<'_> {
    fn of_item(&self, item: u64) -> Arc<dyn Answering + Send + '_> {
        // A map has a bound on its items that fits.
        Arc::new(self.within(u32::try_from(item).unwrap_or(u32::MAX).saturating_add(1)))
    }

    fn tools(&self) -> Arc<[Tool]> {
        self.toolbox.told()
    }

    fn default_model(&self) -> Option<Arc<str>> {
        self.default_model.clone()
    }

    fn call_tool(&self, call: &ToolCall, meter: &Arc<AttemptMeter>) -> Answer {
        let request = request(call, function(call));
        let digest = Digest::of(&request);
        let repeated = self.is_repeated(call, digest);
        match self.way(digest, repeated.then(|| PortError::Invalid(too_often(&call.id))))? {
            Way::Again(recorded) => self.again(recorded, meter),
            Way::Make(number, log) => self.make(number, call, request, repeated, meter, log),
        }
    }

    fn ask_model(&self, call: &ModelCall, meter: &Arc<AttemptMeter>) -> ModelAnswered {
        let mut usage = Usage::default();
        let result = self.said(call, meter, &mut usage);
        ModelAnswered { result, spent: models::spent(&usage) }
    }

    fn most_runbooks(&self) -> u32 {
        self.most_runbooks
    }

    fn submit(&self, submission: &Submission) -> Result<Came, PortError> {
        self.submitted(submission)
    }
}

/// The answers that an attempt of a step is given of those that were recorded.
pub(crate) fn known_answers<'e>(
    step: &PlannedStep,
    calls: impl Iterator<Item = &'e HostCallRecorded>,
) -> Vec<&'e HostCallRecorded> {
    match step.work {
        PlannedWork::Map { .. } => answers_for_items(calls),
        _ => answers_for(calls),
    }
}

/// What the guest gets where there is no answer.
pub(crate) fn refused(stored: Stored) -> PortError {
    match stored {
        Stored::Invalid(what) => PortError::Invalid(what),
        Stored::Denied(what) => PortError::Denied(what),
        Stored::Unavailable(what) => PortError::Unavailable(what),
        Stored::Limit(failure) => PortError::Limit(failure),
        // Each call looks for its own kind of answer first; the other kind is no answer to it.
        Stored::Outputs(_) | Stored::Said { .. } | Stored::Refused(_) | Stored::Rejected(_) | Stored::Failed(_) => {
            PortError::Host("the recorded answer is one to another call".to_owned())
        }
    }
}

pub(crate) fn bytes(stored: &Stored) -> Result<Vec<u8>, PortError> {
    serde_json::to_vec(stored).map_err(|error| PortError::Host(error.to_string()))
}

fn fault(fault: palisade_store::Fault) -> PortError {
    PortError::Host(palisade_model::causes(&fault))
}

/// What a call is named in journals.
const CALL: &str = "tools.call";

/// What this call is named in journals.
const fn function(call: &ToolCall) -> &'static str {
    if call.hands_over { "tools.hand-over" } else { CALL }
}

/// Says that a component was called too often in the same way.
fn too_often(called: &str) -> String {
    let called = neutral::line(called, 100);
    format!("`{called}` was called with these arguments {MOST_REPEATS} times before: its answer will be the same")
}

/// What a call of a tool adds to what its caller used: it itself, and neither how long it took nor what was handed to it.
fn as_call(usage: Usage) -> Usage {
    let tool_calls = usage.tool_calls.saturating_add(1);
    Usage { tool_calls, wall_ms: 0, input_bytes: 0, log_bytes_dropped: 0, ..usage }
}

/// What a question to a model adds to what its caller used: one call at least, though its answer be recorded.
fn as_asked(usage: Usage) -> Usage {
    Usage { llm_calls: usage.llm_calls.max(1), ..usage }
}

/// What of it whoever is given the answer spends again.
fn spent_again(usage: &Usage) -> Usage {
    Usage { cpu_ms: 0, instances: 0, ..*usage }
}

/// What a model was asked, in the one form by which it is known again. What is left of the limits follows from the rest.
fn question(call: &ModelCall) -> Vec<u8> {
    let message =
        |(role, content): &(ModelRole, String)| json!({"role": models::as_asked(*role).word(), "content": content});
    canonical::to_vec(&json!({
        "call": "llm.complete",
        "model": call.model,
        "messages": call.messages.iter().map(message).collect::<Vec<_>>(),
        "output_schema": call.output_schema,
        "max_output_tokens": call.max_output_tokens,
    }))
}

/// What was asked, in the one form by which it is known again. What has none, since it is no JSON or no text, can't be
/// called so, which is written down as well.
fn request(call: &ToolCall, function: &str) -> Vec<u8> {
    let argument = |(port, items): &(String, ToolItems)| match items {
        ToolItems::Artifact(artifact) => json!({"port": port, "artifact": artifact}),
        ToolItems::Lines(lines) => match std::str::from_utf8(lines) {
            Ok(text) => json!({"port": port, "lines": text}),
            Err(_) => json!({"port": port, "bytes": Digest::of(lines)}),
        },
    };
    let arguments: Vec<_> = call.arguments.iter().map(argument).collect();
    let mut request = json!({"call": function, "id": call.id, "arguments": arguments});
    match strict_json::from_str(&call.config) {
        Ok(config) => request["config"] = config,
        Err(_) => request["config_text"] = json!(call.config),
    }
    canonical::to_vec(&request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(config: &str, lines: &[u8]) -> ToolCall {
        let arguments = vec![("texts".to_owned(), ToolItems::Lines(lines.to_vec()))];
        ToolCall { id: "acme:words".to_owned(), config: config.to_owned(), arguments, hands_over: false }
    }

    #[test]
    fn what_is_asked_has_one_form() {
        let text = |config: &str| String::from_utf8(request(&call(config, b"{}\n"), CALL)).unwrap();
        let expected = r#"{"arguments":[{"lines":"{}\n","port":"texts"}],"call":"tools.call","config":{"a":1,"b":[2]},"id":"acme:words"}"#;
        assert_eq!(text(r#"{"b": [2], "a": 1}"#), expected);
        assert_eq!(text(r#"{"a":1,"b":[2]}"#), expected);
        let over = ToolCall { hands_over: true, ..call(r#"{"a":1,"b":[2]}"#, b"{}\n") };
        let over = request(&over, function(&over));
        assert_eq!(String::from_utf8(over).unwrap(), expected.replace("tools.call", "tools.hand-over"));
        // What is no JSON, and what is no text, is told apart as well.
        let forms = [("{", "".as_bytes()), ("\"{\"", b""), (r#"{"a":1,"a":2}"#, b""), ("{}", b"\xff"), ("{}", b"\xfe")];
        let forms = forms.map(|(config, lines)| request(&call(config, lines), CALL));
        assert!(forms.iter().enumerate().all(|(at, form)| !forms[..at].contains(form)));
    }
}
