//! Asking a model once: through its gate, with a reservation for each attempt, settled whatever comes of it.

use crate::bound;
use crate::caller::{Caller, Within};
use crate::error::LlmError;
use crate::gate::Kept;
use crate::gateway::{Gateway, Totals};
use crate::provider::{Outgoing, ProviderError};
use crate::request::{Answer, Request};
use crate::wire::{self, NoAnswer, Wire};
use palisade_model::llm::ModelSpec;
use palisade_net::Key;
use palisade_store::{Measure, NewCall, Reservation, Used};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often who waits before the next attempt looks whether it is to end.
const TICK: Duration = Duration::from_millis(20);

/// Who asks whom, and for how long.
pub(crate) struct Asking<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) caller: &'a Caller,
    pub(crate) model: &'a ModelSpec,
    pub(crate) within: Within<'a>,
}

impl Asking<'_> {
    /// Asks until there is an answer, or no attempt is left that may help.
    pub(crate) fn ask(&self, request: &Request, totals: &mut Totals) -> Result<Answer, LlmError> {
        let alias = || self.model.alias.clone();
        let gateway = self.gateway;
        let gate = gateway.gate(self.model).ok_or_else(|| LlmError::UnknownModel { alias: alias() })?;
        let key = (gateway.keys)(self.model).map_err(|source| LlmError::Key { alias: alias(), source })?;
        let wire = wire::encode(self.model, request);
        let input_bound = bound::input_tokens(request, wire.body.len());
        for attempt in 1.. {
            let pass = gate.enter(self.within.until, self.within.cancelled).map_err(|kept| match kept {
                Kept::Out => LlmError::Late { alias: alias() },
                Kept::Cancelled => LlmError::Cancelled,
            })?;
            let reservation = self.reserve(input_bound, u64::from(request.max_output_tokens), totals)?;
            if let Err(why) = (self.within.sends)(wire.body.len() as u64) {
                gateway.ledger.settle(reservation, Used { cost: 0, tokens: 0 })?;
                return Err(LlmError::NotSent(Box::new(why)));
            }
            totals.calls += 1;
            let result = self.attempt(&wire, key.as_ref());
            self.settle(reservation, &result, totals)?;
            drop(pass);
            let error = match result {
                Ok(answer) => return Ok(answer),
                Err(ProviderError::Cancelled) => return Err(LlmError::Cancelled),
                Err(error) => error,
            };
            let left = self.within.until.saturating_duration_since(Instant::now());
            // Processes that fail together differ in when that was; the time of day spreads them.
            let salt = gateway.today().0;
            let most = gateway.settings.max_attempts;
            let Some(wait) = gateway.backoff.wait(&error, attempt, most, left, salt) else {
                return Err(LlmError::Provider { alias: alias(), attempts: attempt, source: error });
            };
            tracing::info!(model = self.model.alias, attempt, %error, "asks again");
            if matches!(error, ProviderError::Status { status: 429, .. }) {
                gate.pause(wait);
            }
            self.pause(wait)?;
        }
        Err(LlmError::Late { alias: alias() })
    }

    fn reserve(&self, input_bound: u64, output_bound: u64, spent: &Totals) -> Result<Reservation, LlmError> {
        let (at_ms, day) = self.gateway.today();
        let accounts = self.caller.accounts(&self.gateway.settings, &day);
        let left = self.caller.left;
        let bounded = left.cost.is_some() || accounts.iter().any(|account| account.bound.cost.is_some());
        let cost = match &self.model.price {
            Some(price) => price.cost(input_bound, output_bound),
            // Nobody is paid for what the operator runs.
            None if self.model.local || !bounded => 0,
            None => return Err(LlmError::NoPrice { alias: self.model.alias.clone() }),
        };
        let tokens = input_bound.saturating_add(output_bound);
        for (measure, left, spent, more) in [
            (Measure::Calls, left.calls, spent.calls, 1),
            (Measure::Tokens, left.tokens, spent.tokens, tokens),
            (Measure::Cost, left.cost, spent.cost, cost),
        ] {
            let wanted = spent.saturating_add(more);
            if let Some(left) = left.filter(|left| wanted > *left) {
                return Err(LlmError::Limit { measure, left, wanted });
            }
        }
        let call = NewCall {
            run: self.caller.run(),
            step: self.caller.step.clone(),
            component: self.caller.component.clone(),
            model: self.model.alias.clone(),
            user: self.caller.user.clone(),
            day,
            at_ms,
            accounts,
            cost,
            tokens,
        };
        Ok(self.gateway.ledger.reserve(&call)?)
    }

    fn attempt(&self, wire: &Wire, key: Option<&Key>) -> Result<Answer, ProviderError> {
        let until = self.gateway.attempt_ends(self.within.until);
        let (name, before) = wire.key_header;
        let outgoing = Outgoing {
            base_url: &self.model.base_url,
            path: &wire.path,
            headers: wire.headers,
            key: key.map(|key| (name, before, key)),
            body: &wire.body,
            until,
            cancelled: self.within.cancelled,
        };
        let body = self.gateway.provider.exchange(&outgoing)?;
        let answer = wire::decode(self.model.provider, &body).map_err(|NoAnswer(why)| ProviderError::Garbage(why))?;
        Ok(match key {
            Some(key) => Answer { content: key.hide(&answer.content), ..answer },
            None => answer,
        })
    }

    /// What an attempt cost: what the provider says it counted, nothing where it is certain that nobody pays, and else all
    /// that was reserved.
    fn settle(
        &self,
        reservation: Reservation,
        result: &Result<Answer, ProviderError>,
        totals: &mut Totals,
    ) -> Result<(), LlmError> {
        let used = match result {
            Ok(Answer { input_tokens: Some(input), output_tokens: Some(output), .. }) => {
                let cost = self.model.price.as_ref().map_or(0, |price| price.cost(*input, *output));
                Used { cost, tokens: input.saturating_add(*output) }
            }
            Err(error) if error.is_free() => Used { cost: 0, tokens: 0 },
            _ => reservation.whole(),
        };
        let settled = self.gateway.ledger.settle(reservation, used)?;
        if settled.overspent {
            tracing::warn!(model = self.model.alias, "more was billed than had been reserved");
        }
        totals.tokens = totals.tokens.saturating_add(settled.used.tokens);
        totals.cost = totals.cost.saturating_add(settled.used.cost);
        Ok(())
    }

    fn pause(&self, wait: Duration) -> Result<(), LlmError> {
        let then = Instant::now() + wait;
        loop {
            if self.within.cancelled.load(Ordering::Relaxed) {
                return Err(LlmError::Cancelled);
            }
            let left = then.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(TICK));
        }
    }
}
