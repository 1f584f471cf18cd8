//! `palisade:plugin/runbooks`: runbooks that an agent submits. Needs the power `call`.
//!
//! This file bounds; the runbook is planned and run behind the port. What it has run is authorised where it is planned, since
//! nobody knows it before (`runbook/src/planner/generated.rs`).

use super::artifacts::Reader;
use crate::bindings::ErrorKind;
use crate::bindings::palisade::plugin::runbooks;
use crate::cost::Work;
use crate::ports::{PortError, Submission, Submitted, Wrong};
use crate::state::{Answer, Ended, Host, denial, error};
use palisade_model::manifest::Power;
use palisade_model::{Failure, FailureKind};
use wasmtime::component::{HasSelf, Linker, Resource};

pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    runbooks::add_to_linker::<_, HasSelf<_>>(linker, |host| host)
}

impl runbooks::Host for Host {
    fn most(&mut self) -> wasmtime::Result<u32> {
        self.charge(Work::Small, 0);
        Ok(self.ports.most_runbooks())
    }

    fn submit(&mut self, definition: String, inputs: Vec<runbooks::Input>) -> Answer<runbooks::Outcome> {
        let mut given = Vec::with_capacity(inputs.len());
        for runbooks::Input { name, items } in inputs {
            let Some(artifact) = self.table.get_mut(&items)?.hand_over(&self.meter) else {
                self.charge(Work::Small, 0);
                let message = format!("what the input `{name}` gets is a part of an artifact");
                return Ok(Err(error(ErrorKind::Invalid, &message)));
            };
            given.push((name, artifact));
        }
        self.charge(Work::SubmitRunbook, definition.len());
        if self.ports.most_runbooks() == 0 {
            self.deny(Power::Call, "a runbook", "it may submit none");
            return Ok(Err(denial()));
        }
        let submitted = match self.ports.submit_runbook(&Submission { definition, inputs: given }) {
            Ok(submitted) => submitted,
            Err(suspended @ PortError::Suspended) => {
                let failure = Failure::new(FailureKind::Cancelled, suspended.to_string());
                return Err(Ended(Box::new(failure)).into());
            }
            Err(error) => return Ok(Err(self.port_error(error))),
        };
        Ok(Ok(match submitted {
            Submitted::Done(made) => {
                let mut outputs = Vec::with_capacity(made.len());
                for output in made {
                    let items: Resource<Reader> = self.push(Reader::of_answer(output.items))?;
                    outputs.push(runbooks::Output { name: output.port, items });
                }
                runbooks::Outcome::Done(outputs)
            }
            Submitted::Refused(wrong) => runbooks::Outcome::Refused(wrong.into_iter().map(told).collect()),
            Submitted::Rejected(words) => runbooks::Outcome::Rejected(words),
            Submitted::Failed(words) => runbooks::Outcome::Failed(words),
        }))
    }
}

fn told(wrong: Wrong) -> runbooks::Diagnostic {
    let Wrong { code, line, message, help } = wrong;
    runbooks::Diagnostic { code, line, message, help }
}
