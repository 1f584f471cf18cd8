//! `palisade:plugin/tools`: other components as tools. Needs the power `call`.
//!
//! This file decides and bounds; the tool runs behind the port, in an instance of its own.

use super::artifacts::Reader;
use crate::bindings::palisade::plugin::tools;
use crate::bindings::{Error, ErrorKind};
use crate::cost::Work;
use crate::meter::Total;
use crate::ports::{Tool, ToolCall, ToolItems, ToolPort};
use crate::state::{Answer, Granted, Host, denial, error};
use palisade_authority::{Use, authorise};
use palisade_model::manifest::Power;
use palisade_model::neutral;
use wasmtime::component::{HasSelf, Linker, Resource};

/// Most characters of a name that is no tool's.
const MAX_NAME: usize = 100;

pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    tools::add_to_linker::<_, HasSelf<_>>(linker, |host| host)
}

impl tools::Host for Host {
    fn available(&mut self) -> wasmtime::Result<Vec<tools::Tool>> {
        let tools: Vec<_> = self.ports.tools().iter().map(told).collect();
        let bytes = tools.iter().map(|tool| tool.config_schema.len() + tool.description.len()).sum();
        self.charge(Work::Tools, bytes);
        Ok(tools)
    }

    fn call(&mut self, id: String, config: String, arguments: Vec<tools::Argument>) -> Answer<Vec<tools::Output>> {
        self.make(id, config, arguments, false)
    }

    fn hand_over(&mut self, id: String, config: String, arguments: Vec<tools::Argument>) -> Answer<Vec<tools::Output>> {
        self.make(id, config, arguments, true)
    }
}

impl Host {
    fn make(
        &mut self,
        id: String,
        config: String,
        arguments: Vec<tools::Argument>,
        hands_over: bool,
    ) -> Answer<Vec<tools::Output>> {
        let mut bytes = id.len() + config.len();
        let mut given = Vec::with_capacity(arguments.len());
        for tools::Argument { port, items } in arguments {
            let items = match items {
                tools::Items::Lines(lines) => {
                    bytes += lines.len();
                    ToolItems::Lines(lines)
                }
                tools::Items::Artifact(reader) => match self.table.get_mut(&reader)?.hand_over(&self.meter) {
                    Some(artifact) => ToolItems::Artifact(artifact),
                    None => {
                        self.charge(Work::Small, 0);
                        let message = format!("what is given to the port `{port}` is a part of an artifact");
                        return Ok(Err(error(ErrorKind::Invalid, &message)));
                    }
                },
            };
            given.push((port, items));
        }
        self.charge(Work::CallTool, bytes);
        if let Err(denied) = self.authorise_call(&id) {
            return Ok(Err(denied));
        }
        if let Err(error) = self.spend(Total::ToolCalls, 1) {
            return Ok(Err(error));
        }
        let made = match self.ports.call_tool(&ToolCall { id, config, arguments: given, hands_over }) {
            Ok(made) => made,
            Err(error) => return Ok(Err(self.port_error(error))),
        };
        let mut outputs = Vec::with_capacity(made.len());
        for output in made {
            let items: Resource<Reader> = self.push(Reader::of_answer(output.items))?;
            outputs.push(tools::Output { port: output.port, items });
        }
        Ok(Ok(outputs))
    }

    /// Decides about a call. What is no tool of the step is denied like what nobody granted, though its name be none or that of
    /// what runbooks may use that the step submits: it counts and is written down like that.
    fn authorise_call(&mut self, id: &str) -> Result<(), Error> {
        let is_tool = self.ports.tools().iter().any(|tool| tool.id.to_string() == id);
        let asked = id.parse().ok().map(|component| Use::Call { component });
        let may = |granted: &Granted, asked: &Use| authorise(&granted.authority, asked).allowed();
        match asked {
            Some(asked) if is_tool || !self.granted.as_ref().is_some_and(|granted| may(granted, &asked)) => {
                self.authorise(&asked)
            }
            _ => {
                let what = format!("a call of `{}`", neutral::line(id, MAX_NAME));
                self.deny(Power::Call, &what, "it may call nothing of that name");
                Err(denial())
            }
        }
    }
}

fn told(tool: &Tool) -> tools::Tool {
    let port = |port: &ToolPort| tools::ToolPort {
        name: port.name.clone(),
        schemas: port.schemas.clone(),
        description: port.description.clone(),
    };
    tools::Tool {
        id: tool.id.to_string(),
        title: tool.title.clone(),
        description: tool.description.clone(),
        config_schema: tool.config_schema.clone(),
        inputs: tool.inputs.iter().map(port).collect(),
        outputs: tool.outputs.iter().map(port).collect(),
    }
}
