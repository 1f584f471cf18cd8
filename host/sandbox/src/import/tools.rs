//! `palisade:plugin/tools`: other components as tools. Needs the power `call`.
//!
//! This file decides and bounds; the tool runs behind the port, in an instance of its own.

use super::artifacts::Reader;
use crate::bindings::ErrorKind;
use crate::bindings::palisade::plugin::tools;
use crate::cost::Work;
use crate::meter::Total;
use crate::ports::{Tool, ToolCall, ToolItems, ToolPort};
use crate::state::{Answer, Host, denial, error};
use palisade_authority::Use;
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
        // What is no tool of the step is denied like what nobody granted, and counts and is written down like that.
        let is_tool = self.ports.tools().iter().any(|tool| tool.id.to_string() == id);
        if let Ok(component) = id.parse()
            && let Err(denied) = self.authorise(&Use::Call { component })
        {
            return Ok(Err(denied));
        }
        if !is_tool {
            self.deny(&format!("a call of `{}`", neutral::line(&id, MAX_NAME)), "it may call nothing of that name");
            return Ok(Err(denial()));
        }
        if let Err(error) = self.spend(Total::ToolCalls, 1) {
            return Ok(Err(error));
        }
        let made = match self.ports.call_tool(&ToolCall { id, config, arguments: given }) {
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
