//! Calls of guests whose answers are written down before the guest sees them: how they get from a guest's thread to that of
//! its attempt, and what they are answered.
//!
//! An attempt that is taken up again, and one that is replayed, is given what was answered then. What is asked must be the
//! same: it follows from the inputs, the config and the answers before it.

use crate::tools::{self, Toolbox};
use palisade_interpreter::HostCallRecorded;
use palisade_model::{Digest, Failure, Usage, canonical, strict_json};
use palisade_sandbox::AttemptMeter;
use palisade_sandbox::ports::{PortError, Tool, ToolCall, ToolItems};
use palisade_store::{Artifact, NewArtifact};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How often an attempt may make the same call with the same arguments: its answer can't be another one.
const MOST_REPEATS: u32 = 3;

/// What a guest gets for a call: what the tool made, by port.
pub(crate) type Answer = Result<Vec<(String, Artifact)>, PortError>;

/// A call on its way to the thread of the attempt.
#[derive(Debug)]
pub(crate) struct Request {
    call: ToolCall,
    answer: SyncSender<Answer>,
}

/// Sends calls to the thread of the attempt; one for each instance.
#[derive(Clone)]
pub(crate) struct Asking {
    tools: Arc<[Tool]>,
    send: Arc<dyn Fn(Request) -> bool + Send + Sync>,
}

/// Answers the calls of one attempt, on the attempt's thread.
pub(crate) trait Answering {
    /// What may be called.
    fn tools(&self) -> Arc<[Tool]>;

    /// Answers a call of the attempt that has this meter.
    fn answer(&self, call: &ToolCall, meter: &Arc<AttemptMeter>) -> Answer;
}

/// What is to be written down of a call, before its guest sees the answer.
#[derive(Debug)]
pub(crate) struct NewCall {
    pub(crate) number: u32,
    pub(crate) what: String,
    pub(crate) request: Vec<u8>,
    pub(crate) answer: Vec<u8>,
    pub(crate) may_pass: bool,
    pub(crate) artifacts: Vec<NewArtifact>,
    pub(crate) usage: Usage,
}

/// Where calls are written down.
pub(crate) trait CallLog: Sync {
    /// Makes a call durable.
    ///
    /// # Errors
    /// When nobody goes on with the run.
    fn record(&self, call: NewCall) -> Result<(), PortError>;
}

/// Answers calls by what was answered before, then by making them.
pub(crate) struct Calls<'a> {
    toolbox: Toolbox<'a>,
    /// What earlier attempts were answered, in order.
    known: Vec<HostCallRecorded>,
    /// None = nothing is made that was not recorded.
    log: Option<&'a dyn CallLog>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    answered: usize,
    asked: BTreeMap<Digest, u32>,
    /// How it departed from what was recorded.
    departed: Option<String>,
}

/// An answer as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stored {
    /// What the tool made, by port.
    Outputs(Vec<(String, Digest)>),
    /// The call can't be made.
    Invalid(String),
    /// The tool failed.
    Unavailable(String),
    /// The caller's limits were used up by it.
    Limit(Box<Failure>),
}

impl Asking {
    pub(crate) fn new(tools: Arc<[Tool]>, send: impl Fn(Request) -> bool + Send + Sync + 'static) -> Self {
        Self { tools, send: Arc::new(send) }
    }

    pub(crate) fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// Waits for the answer.
    pub(crate) fn ask(&self, call: &ToolCall) -> Answer {
        let (answer, answered) = sync_channel(1);
        if !(self.send)(Request { call: call.clone(), answer }) {
            return Err(PortError::Cancelled);
        }
        // The attempt was given up.
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
        drop(self.answer.send(by.answer(&self.call, meter)));
    }
}

impl<'a> Calls<'a> {
    pub(crate) fn new(toolbox: Toolbox<'a>, known: Vec<HostCallRecorded>, log: Option<&'a dyn CallLog>) -> Self {
        Self { toolbox, known, log, state: Mutex::default() }
    }

    /// How the attempt departed from what was recorded, if it did.
    pub(crate) fn departed(&self) -> Option<String> {
        self.lock().departed.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the attempt asks for something else than it did; it can't go on.
    fn departs(&self, how: String) -> PortError {
        self.lock().departed.get_or_insert_with(|| how.clone());
        PortError::Host(how)
    }

    /// The answer that was recorded.
    fn again(&self, recorded: &HostCallRecorded, meter: &AttemptMeter) -> Answer {
        let store = self.toolbox.store();
        let missing = |what: &str| PortError::Host(format!("{what} of call {} is not in the store", recorded.call));
        let fault = |fault: palisade_store::Fault| PortError::Host(palisade_model::causes(&fault));
        let bytes = store.content(recorded.answer).map_err(fault)?.ok_or_else(|| missing("the answer"))?;
        let bytes = bytes.read_all().map_err(fault)?;
        let stored: Stored = serde_json::from_slice(&bytes).map_err(|_| missing("a readable answer"))?;
        // It was spent when it was made, and is spent again: what is left for the rest is as much as then.
        meter.spent_before(&recorded.usage).map_err(|failure| PortError::Limit(Box::new(failure)))?;
        match stored {
            Stored::Outputs(outputs) => {
                let found = outputs.into_iter().map(|(port, artifact)| {
                    let found = store.artifact(artifact).map_err(fault)?.ok_or_else(|| missing("an artifact"))?;
                    Ok((port, found))
                });
                found.collect()
            }
            Stored::Invalid(what) => Err(PortError::Invalid(what)),
            Stored::Unavailable(what) => Err(PortError::Unavailable(what)),
            Stored::Limit(failure) => Err(PortError::Limit(failure)),
        }
    }

    /// Makes the call and writes down what came of it.
    fn make(
        &self,
        number: u32,
        call: &ToolCall,
        request: Vec<u8>,
        meter: &Arc<AttemptMeter>,
        log: &dyn CallLog,
    ) -> Answer {
        let called = self.toolbox.call(call, meter);
        let (stored, may_pass, artifacts) = match called.result {
            Ok(made) => {
                let named = made.iter().map(|(port, artifact)| (port.clone(), artifact.digest())).collect();
                (Stored::Outputs(named), false, made)
            }
            Err(tools::NotCalled::Invalid(what)) => (Stored::Invalid(what), false, Vec::new()),
            Err(tools::NotCalled::Failed { message, may_pass }) => (Stored::Unavailable(message), may_pass, Vec::new()),
            Err(tools::NotCalled::Limit(failure)) => (Stored::Limit(failure), false, Vec::new()),
            Err(tools::NotCalled::Cancelled) => return Err(PortError::Cancelled),
        };
        let (ports, artifacts): (Vec<_>, Vec<_>) = artifacts.into_iter().unzip();
        let found = artifacts.iter().map(crate::replay::unstored);
        let made: Vec<_> = ports.into_iter().zip(found).collect();
        let answer = serde_json::to_vec(&stored).map_err(|error| PortError::Host(error.to_string()))?;
        let what = format!("tools.call {}", call.id);
        log.record(NewCall { number, what, request, answer, may_pass, artifacts, usage: called.usage })?;
        match stored {
            Stored::Outputs(_) => Ok(made),
            Stored::Invalid(what) => Err(PortError::Invalid(what)),
            Stored::Unavailable(what) => Err(PortError::Unavailable(what)),
            Stored::Limit(failure) => Err(PortError::Limit(failure)),
        }
    }
}

impl Answering for Calls<'_> {
    fn tools(&self) -> Arc<[Tool]> {
        self.toolbox.told()
    }

    fn answer(&self, call: &ToolCall, meter: &Arc<AttemptMeter>) -> Answer {
        let request = request(call)?;
        let digest = Digest::of(&request);
        let index = {
            let mut state = self.lock();
            let asked = state.asked.entry(digest).or_default();
            *asked += 1;
            if *asked > MOST_REPEATS {
                let message = format!(
                    "`{}` was called with these arguments {MOST_REPEATS} times before: its answer will be the same",
                    palisade_model::neutral::line(&call.id, 100)
                );
                return Err(PortError::Invalid(message));
            }
            state.answered += 1;
            state.answered - 1
        };
        let number = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
        match (self.known.get(index), self.log) {
            (Some(recorded), _) if recorded.request == digest => self.again(recorded, meter),
            (Some(_), _) => Err(self.departs(format!("call {number} asks for something else than was recorded"))),
            (None, Some(log)) => self.make(number, call, request, meter, log),
            (None, None) => Err(self.departs(format!("call {number} was not recorded"))),
        }
    }
}

/// What was asked, in the one form by which it is known again.
fn request(call: &ToolCall) -> Result<Vec<u8>, PortError> {
    let config = strict_json::from_str(&call.config)
        .map_err(|error| PortError::Invalid(format!("the config of the tool is no JSON: {error}")))?;
    let argument = |(port, items): &(String, ToolItems)| {
        Ok(match items {
            ToolItems::Artifact(artifact) => json!({"port": port, "artifact": artifact}),
            ToolItems::Lines(lines) => {
                let text = std::str::from_utf8(lines).map_err(|error| {
                    let at = error.valid_up_to();
                    PortError::Invalid(format!("the items for the port `{port}` are not UTF-8: byte {at} is wrong"))
                })?;
                json!({"port": port, "lines": text})
            }
        })
    };
    let arguments: Vec<_> = call.arguments.iter().map(argument).collect::<Result<_, PortError>>()?;
    Ok(canonical::to_vec(&json!({"call": "tools.call", "id": call.id, "config": config, "arguments": arguments})))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(config: &str, lines: &[u8]) -> ToolCall {
        let arguments = vec![("texts".to_owned(), ToolItems::Lines(lines.to_vec()))];
        ToolCall { id: "acme:words".to_owned(), config: config.to_owned(), arguments }
    }

    #[test]
    fn what_is_asked_has_one_form() {
        let text = |config: &str| String::from_utf8(request(&call(config, b"{}\n")).unwrap()).unwrap();
        let expected = r#"{"arguments":[{"lines":"{}\n","port":"texts"}],"call":"tools.call","config":{"a":1,"b":[2]},"id":"acme:words"}"#;
        assert_eq!(text(r#"{"b": [2], "a": 1}"#), expected);
        assert_eq!(text(r#"{"a":1,"b":[2]}"#), expected);
        assert!(matches!(request(&call("{", b"")), Err(PortError::Invalid(_))));
        assert!(matches!(request(&call(r#"{"a":1,"a":2}"#, b"")), Err(PortError::Invalid(_))));
        assert!(matches!(request(&call("{}", b"\xff")), Err(PortError::Invalid(_))));
    }
}
