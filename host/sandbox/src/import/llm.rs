//! `palisade:plugin/llm`: language models. Needs the power `llm`.
//!
//! This file decides and bounds; who is asked, what that costs and what is recorded is behind the port.

use crate::bindings::ErrorKind;
use crate::bindings::palisade::plugin::llm;
use crate::cost::Work;
use crate::meter::Total;
use crate::ports::{ModelAnswered, ModelCall, ModelFinish, ModelRole, ModelSpent};
use crate::state::{Answer, Host, error};
use palisade_authority::Use;
use palisade_model::llm::Bound;
use wasmtime::component::{HasSelf, Linker};

pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    llm::add_to_linker::<_, HasSelf<_>>(linker, |host| host)
}

impl llm::Host for Host {
    fn complete(&mut self, request: llm::Request) -> Answer<llm::Answer> {
        let llm::Request { model, messages, output_schema, max_output_tokens } = request;
        let of_messages: usize = messages.iter().map(|message| message.content.len()).sum();
        self.charge(Work::AskModel, of_messages.saturating_add(output_schema.as_ref().map_or(0, String::len)));
        let Some(model) = model.or_else(|| self.ports.default_model().map(str::to_owned)) else {
            let message = "no model is named, and the operator has no default model";
            return Ok(Err(error(ErrorKind::Invalid, message)));
        };
        if let Err(denied) = self.authorise(&Use::Llm { model: model.clone() }) {
            return Ok(Err(denied));
        }
        // The first of the requests that it takes; the others are counted when they are known.
        if let Err(error) = self.spend(Total::LlmCalls, 1) {
            return Ok(Err(error));
        }
        let left = Bound {
            calls: Some(self.meter.left(Total::LlmCalls).saturating_add(1)),
            tokens: Some(self.meter.left(Total::LlmTokens)),
            cost: Some(self.meter.left(Total::LlmCost)),
        };
        let messages = messages.into_iter().map(|message| (role(message.role), message.content)).collect();
        let call = ModelCall { model, messages, output_schema, max_output_tokens, left };
        let ModelAnswered { result, spent } = self.ports.ask_model(&call);
        let ModelSpent { calls, tokens, cost } = spent;
        for (total, amount) in
            [(Total::LlmCalls, calls.saturating_sub(1)), (Total::LlmTokens, tokens), (Total::LlmCost, cost)]
        {
            if let Err(error) = self.spend(total, amount) {
                return Ok(Err(error));
            }
        }
        Ok(match result {
            Ok((content, finish)) => {
                let usage = llm::Usage { calls, tokens, cost };
                Ok(llm::Answer { content, finish: told(finish), usage })
            }
            Err(error) => Err(self.port_error(error)),
        })
    }
}

fn role(role: llm::Role) -> ModelRole {
    match role {
        llm::Role::System => ModelRole::System,
        llm::Role::User => ModelRole::User,
        llm::Role::Assistant => ModelRole::Assistant,
    }
}

fn told(finish: ModelFinish) -> llm::Finish {
    match finish {
        ModelFinish::Complete => llm::Finish::Complete,
        ModelFinish::CutOff => llm::Finish::CutOff,
        ModelFinish::Refused => llm::Finish::Refused,
    }
}
