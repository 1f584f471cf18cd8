//! Asks language models for the components of a run: on whose behalf, and what it means to a component that there is no
//! answer. What a call may cost is the gateway's to say.

use crate::calls::Stored;
use crate::cancel::Cancel;
use palisade_llm::{Caller, Finish, Gateway, LlmError, Message, Request, Role, Totals, Within};
use palisade_model::manifest::Power;
use palisade_model::{
    ComponentId, Failure, FailureKind, LimitKind, RunLimitKind, Usage, causes, neutral, sink, strict_json,
};
use palisade_sandbox::AttemptMeter;
use palisade_sandbox::ports::{ModelCall, ModelFinish, ModelRole, ModelSpent, PortError, RunBounds};
use palisade_store::{Measure, ReserveError};
use std::sync::Arc;

/// The models that a step may ask.
#[derive(Clone)]
pub(crate) struct Models<'a> {
    /// None = no model is set up.
    pub(crate) gateway: Option<&'a Gateway>,
    pub(crate) caller: Caller,
    pub(crate) stop: &'a Cancel,
    /// What its run may send in all.
    pub(crate) run: Arc<dyn RunBounds>,
}

/// What came of asking.
pub(crate) struct Asked {
    /// What is written down, and whether it may be another answer the next time; or why nothing is.
    pub(crate) result: Result<(Stored, bool), PortError>,
    pub(crate) usage: Usage,
}

impl Models<'_> {
    /// As an agent of the team asks them.
    pub(crate) fn of(&self, member: &ComponentId) -> Self {
        let caller = Caller { component: member.to_string(), ..self.caller.clone() };
        Self { caller, run: Arc::clone(&self.run), ..*self }
    }

    /// Asks for the attempt that has this meter.
    pub(crate) fn ask(&self, call: &ModelCall, meter: &AttemptMeter) -> Asked {
        let (mut totals, unused) = (Totals::default(), Usage::default());
        let Some(gateway) = self.gateway else {
            let why = format!(
                "there is no model `{}`: [[model]] in palisade.toml sets up models",
                neutral::line(&call.model, 100)
            );
            return Asked { result: Ok((Stored::Invalid(why), true)), usage: unused };
        };
        let request = match request(call) {
            Ok(request) => request,
            Err(why) => return Asked { result: Ok((Stored::Invalid(why), false)), usage: unused },
        };
        let caller = Caller { left: call.left, ..self.caller.clone() };
        let (sink, cancelled) = (sink(Power::Llm, &call.model), self.stop.flag());
        let sends = |bytes| self.run.send(&sink, bytes);
        let within = Within { until: meter.deadline(), cancelled: &cancelled, sends: &sends };
        let completed = gateway.complete(&caller, &request, &mut totals, within);
        let result = match completed {
            Ok(answer) => Ok((Stored::Said { content: answer.content, finish: answer.finish }, false)),
            Err(error) => self.not_answered(&error, meter),
        };
        Asked { result, usage: usage(&totals) }
    }

    fn not_answered(&self, error: &LlmError, meter: &AttemptMeter) -> Result<(Stored, bool), PortError> {
        let why = causes(error);
        let with_help = || error.help().map_or_else(|| why.clone(), |help| format!("{why} ({help})"));
        Ok(match error {
            LlmError::Cancelled => return Err(PortError::Cancelled),
            LlmError::Store(_) => return Err(PortError::Host(why)),
            LlmError::Off => (Stored::Denied(with_help()), true),
            LlmError::Invalid(_) | LlmError::Schema(_) => (Stored::Invalid(why), false),
            LlmError::UnknownModel { .. } | LlmError::NoModel | LlmError::NoPrice { .. } => {
                (Stored::Invalid(with_help()), true)
            }
            LlmError::Limit { measure, wanted, .. } => {
                let kind = match measure {
                    Measure::Calls => LimitKind::LlmCalls,
                    Measure::Tokens => LimitKind::LlmTokens,
                    Measure::Cost => LimitKind::LlmCost,
                };
                (Stored::Limit(Box::new(meter.wants_too_much(kind, *wanted))), false)
            }
            LlmError::Budget(refused) => (Stored::Limit(Box::new(self.over(refused, why, error.help()))), true),
            LlmError::NotSent(failure) if failure.kind == FailureKind::Cancelled => return Err(PortError::Cancelled),
            LlmError::NotSent(failure) => (Stored::Limit(failure.clone()), true),
            LlmError::Late { .. } => (Stored::Limit(Box::new(meter.wall_reached())), true),
            LlmError::Key { .. }
            | LlmError::NotRecorded { .. }
            | LlmError::Provider { .. }
            | LlmError::Unfit { .. } => (Stored::Unavailable(with_help()), true),
        })
    }

    /// A budget is no limit of an attempt, but it is as final: nothing that the component does makes it larger.
    fn over(&self, refused: &ReserveError, why: String, help: Option<&str>) -> Failure {
        let (key, most, found) = match refused {
            ReserveError::Budget { scope, measure, bound, spent, open, wanted, .. } => {
                let of_run =
                    self.caller.runs.iter().find(|(run, own)| run.to_string() == *scope && own.cost == Some(*bound));
                let by_runbook = *measure == Measure::Cost && of_run.is_some();
                let key = if by_runbook { RunLimitKind::MaxLlmCost.key() } else { "budget" };
                (key, *bound, spent.saturating_add(*open).saturating_add(*wanted))
            }
            ReserveError::Overspent { cost, .. } => ("budget", 0, *cost),
            ReserveError::Fault(_) => ("budget", 0, 0),
        };
        let help = match key {
            "budget" => help,
            _ => Some("raise `limits.max_llm_cost` of the runbook, or that of the step which runs it"),
        };
        let failure = Failure::new(FailureKind::Bound { key: key.to_owned(), most, found }, why);
        match help {
            Some(help) => failure.with_help(help),
            None => failure,
        }
    }
}

/// What is spent, as a guest's limits count it.
pub(crate) fn spent(usage: &Usage) -> ModelSpent {
    ModelSpent { calls: usage.llm_calls, tokens: usage.llm_tokens, cost: usage.llm_cost_micro_usd }
}

fn usage(totals: &Totals) -> Usage {
    let Totals { calls, tokens, cost, recorded } = *totals;
    Usage { llm_calls: calls, llm_recorded: recorded, llm_tokens: tokens, llm_cost_micro_usd: cost, ..Usage::default() }
}

fn request(call: &ModelCall) -> Result<Request, String> {
    let schema = call.output_schema.as_deref().map(strict_json::from_str).transpose();
    let message = |(role, content): &(ModelRole, String)| Message { role: as_asked(*role), content: content.clone() };
    Ok(Request {
        model: Some(call.model.clone()),
        messages: call.messages.iter().map(message).collect(),
        schema: schema.map_err(|error| format!("the schema of the answer is no JSON: {error}"))?,
        max_output_tokens: call.max_output_tokens,
    })
}

pub(crate) fn as_asked(role: ModelRole) -> Role {
    match role {
        ModelRole::System => Role::System,
        ModelRole::User => Role::User,
        ModelRole::Assistant => Role::Assistant,
    }
}

pub(crate) fn as_told(finish: Finish) -> ModelFinish {
    match finish {
        Finish::Complete => ModelFinish::Complete,
        Finish::CutOff => ModelFinish::CutOff,
        Finish::Refused => ModelFinish::Refused,
    }
}
