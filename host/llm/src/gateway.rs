//! The gateway: what is asked comes in, an answer goes out, recorded and paid for.

pub use crate::retry::Backoff;

use crate::ask::Asking;
use crate::caller::{Caller, Within, day};
use crate::error::LlmError;
use crate::gate::Gate;
use crate::provider::Provider;
use crate::recording;
use crate::request::{Answer, Asked, Finish, Request};
use crate::structured;
use palisade_model::llm::{LlmMode, LlmSettings, ModelSpec, Structured};
use palisade_net::{Key, KeyError};
use palisade_schema::Validator;
use palisade_store::{Fault, Ledger, ModelRecord, Store};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// Most messages of a request.
const MAX_MESSAGES: usize = 1_000;
/// Most bytes of all messages and the schema of a request: more than any model in use can read.
const MAX_REQUEST_BYTES: usize = 8 << 20;

/// Where the key of a model comes from.
pub(crate) type Keys = Box<dyn Fn(&ModelSpec) -> Result<Option<Key>, KeyError> + Send + Sync>;

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What the model says; with a schema, JSON that fits it.
    pub content: String,
    /// Why it ends; with a schema, it is complete.
    pub finish: Finish,
    /// The alias of the model.
    pub model: String,
    /// What was spent on the way.
    pub totals: Totals,
}

/// What was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Attempts that were sent, or may have been.
    pub calls: u64,
    /// Answers that were recorded before.
    pub recorded: u64,
    /// Tokens, read and written, as they are counted in the ledger.
    pub tokens: u64,
    /// Millionths of a US dollar.
    pub cost: u64,
}

/// The way to all models. One for a process; it may be used by many threads at once.
pub struct Gateway {
    pub(crate) settings: LlmSettings,
    pub(crate) backoff: Backoff,
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    pub(crate) provider: Box<dyn Provider>,
    pub(crate) keys: Keys,
    pub(crate) clock: fn() -> u64,
    gates: BTreeMap<String, Gate>,
}

impl Gateway {
    /// Opens the gateway. `keys` is asked for the key of a model each time one is sent; `clock` gives milliseconds since 1970.
    ///
    /// # Errors
    /// When the ledger can't be opened.
    pub fn new(
        settings: LlmSettings,
        backoff: Backoff,
        store: Store,
        provider: Box<dyn Provider>,
        keys: impl Fn(&ModelSpec) -> Result<Option<Key>, KeyError> + Send + Sync + 'static,
        clock: fn() -> u64,
    ) -> Result<Self, Fault> {
        let ledger = store.ledger()?;
        let gates =
            settings.models.iter().map(|model| (model.alias.clone(), Gate::new(model.max_concurrent))).collect();
        Ok(Self { settings, backoff, store, ledger, provider, keys: Box::new(keys), clock, gates })
    }

    /// Asks a model, or finds what it answered before. Blocks as long as `within` lets it. What was spent is counted in
    /// `totals`, also where there is no answer.
    ///
    /// # Errors
    /// When there is no answer, or none that may be asked for.
    pub fn complete(
        &self,
        caller: &Caller,
        request: &Request,
        totals: &mut Totals,
        within: Within<'_>,
    ) -> Result<Completion, LlmError> {
        if caller.mode == LlmMode::Off {
            return Err(LlmError::Off);
        }
        check(request)?;
        let model = self.model(request)?;
        let asking = Asking { gateway: self, caller, model, within };
        let mut spent = Totals::default();
        let answer = match &request.schema {
            None => self.answer(&asking, request, &mut spent),
            Some(schema) => {
                let validator = Validator::of_foreign(schema)?;
                self.fitting(&asking, request, &validator, &mut spent)
            }
        };
        *totals = Totals {
            calls: totals.calls + spent.calls,
            recorded: totals.recorded + spent.recorded,
            tokens: totals.tokens.saturating_add(spent.tokens),
            cost: totals.cost.saturating_add(spent.cost),
        };
        let Answer { content, finish, .. } = answer?;
        Ok(Completion { content, finish, model: model.alias.clone(), totals: spent })
    }

    fn model(&self, request: &Request) -> Result<&ModelSpec, LlmError> {
        let alias = request.model.as_deref().or(self.settings.default_model.as_deref()).ok_or(LlmError::NoModel)?;
        self.settings.model(alias).ok_or_else(|| LlmError::UnknownModel { alias: alias.to_owned() })
    }

    /// An answer that fits the schema, after a few corrections at most. Each is a call like any other.
    fn fitting(
        &self,
        asking: &Asking<'_>,
        request: &Request,
        validator: &Validator,
        totals: &mut Totals,
    ) -> Result<Answer, LlmError> {
        let unfit = |why: String| LlmError::Unfit { alias: asking.model.alias.clone(), why };
        let mut request = request.clone();
        let mut corrections = 0;
        loop {
            let answer = self.answer(asking, &request, totals)?;
            if let Some(why) = structured::unfinished(&answer) {
                return Err(unfit(why.to_owned()));
            }
            match structured::check(validator, &answer) {
                Ok(content) => return Ok(Answer { content, ..answer }),
                Err(violations) if corrections == self.settings.max_corrections => {
                    let told = violations.first().cloned().unwrap_or_default();
                    return Err(unfit(format!("after {corrections} corrections, {told}")));
                }
                Err(violations) => request = structured::correction(&request, &answer, &violations),
            }
            corrections += 1;
        }
    }

    /// One answer, from the record or from the model, as the mode has it.
    fn answer(&self, asking: &Asking<'_>, request: &Request, totals: &mut Totals) -> Result<Answer, LlmError> {
        let run = asking.caller.run();
        let asked = Asked::new(asking.model, request);
        let (bytes, digest) = asked.canonical();
        if asking.caller.mode != LlmMode::Live {
            let recorded = self.store.recorded_answer(run, digest)?;
            if let Some(answer) = recorded.and_then(|answer| serde_json::from_slice(&answer).ok()) {
                totals.recorded += 1;
                return Ok(answer);
            }
        }
        if asking.caller.mode == LlmMode::Replay {
            let difference = recording::nearest(&self.store, &asked)?;
            return Err(LlmError::NotRecorded { alias: asking.model.alias.clone(), difference });
        }
        let sent = match &request.schema {
            Some(schema) if asking.model.structured == Structured::Words => &structured::in_words(request, schema),
            _ => request,
        };
        let answer = asking.ask(sent, totals)?;
        let record = ModelRecord { request: bytes, answer: palisade_model::canonical::to_vec(&answer) };
        self.store.record_answer(run, digest, (self.clock)(), &record)?;
        Ok(answer)
    }

    pub(crate) fn gate(&self, model: &ModelSpec) -> Option<&Gate> {
        self.gates.get(&model.alias)
    }

    pub(crate) fn today(&self) -> (u64, String) {
        let now = (self.clock)();
        (now, day(now))
    }

    pub(crate) fn attempt_ends(&self, until: Instant) -> Instant {
        until.min(Instant::now() + Duration::from_millis(self.settings.timeout_ms))
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("models", &self.settings.models.len()).finish_non_exhaustive()
    }
}

fn check(request: &Request) -> Result<(), LlmError> {
    let invalid = |what: String| Err(LlmError::Invalid(what));
    if request.messages.is_empty() || request.messages.len() > MAX_MESSAGES {
        return invalid(format!("a request has 1 to {MAX_MESSAGES} messages, this one has {}", request.messages.len()));
    }
    let bytes: usize = request.messages.iter().map(|message| message.content.len()).sum();
    if bytes > MAX_REQUEST_BYTES {
        return invalid(format!("the messages have {bytes} bytes, at most {MAX_REQUEST_BYTES} are allowed"));
    }
    if request.max_output_tokens == 0 {
        return invalid("an answer of no tokens is wanted".to_owned());
    }
    Ok(())
}
