//! Planning an agent: its goal, and the components that it may call.

use super::Planner;
use super::call::{PlannedParts, Role};
use super::child::{generated_limits, stated_limits};
use super::named::Named;
use crate::codes::Code;
use crate::components::KnownComponent;
use crate::diagnostic::Diagnostic;
use crate::plan::{PlannedCall, PlannedTool, PlannedWork};
use crate::runbook::{Agent, Call, Step, Submitting, Work};
use crate::source::{Span, Spanned};
use crate::yaml::{self, Data, Node};
use palisade_authority::{Authority, Bound, Use, authorise};
use palisade_model::id::ComponentName;
use palisade_model::manifest::{ComponentKind, InputSource, Manifest, Power};
use palisade_model::{ComponentId, Limits, neutral};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// The property of an agent's config in which it gets its goal.
const GOAL: &str = "goal";

/// The key under which a step lists what the runbooks may use that its agent submits.
const SUBMITTED: &str = "/runbooks";

impl Planner<'_> {
    /// Gives the agent's component, and what makes the work of it.
    pub(super) fn agent(
        &mut self,
        step: &Step,
        agent: &Agent,
    ) -> Option<(PlannedParts, impl FnOnce(PlannedCall) -> PlannedWork + use<>)> {
        let call = self.with_goal(&agent.call, agent)?;
        let parts = self.component_call(step, &call, Role::Agent);
        let tools: Vec<_> = agent.tools.iter().map(|call| self.tool(call)).collect();
        let members: Vec<_> = agent.members.iter().map(|call| self.member(step, agent, call)).collect();
        self.check_called_once(agent);
        let runbooks = agent.runbooks.as_ref().map(|runbooks| {
            let changes = parts.as_ref().is_some_and(|parts| parts.call.may_change_outside());
            self.submitted(runbooks).filter(|_| !self.is_sent_again(step, runbooks, changes))
        });
        let limits = generated_limits(&stated_limits(&step.limits.run));
        let goal = agent.goal.value.clone();
        let tools = tools.into_iter().collect::<Option<Vec<_>>>();
        let members = members.into_iter().collect::<Option<Vec<_>>>();
        let (parts, tools, members) = (parts?, tools?, members?);
        let runbooks = match runbooks {
            Some(runbooks) => Some(Box::new(runbooks?)),
            None => None,
        };
        Some((parts, move |call| PlannedWork::Agent { call, goal, tools, members, runbooks, limits }))
    }

    /// An agent that submits runbooks is run anew after each, and what it does outside is not written down.
    fn is_sent_again(&mut self, step: &Step, runbooks: &Submitting, changes: bool) -> bool {
        if changes {
            let message = format!(
                "the agent of step `{}` may send requests that change something, and would send them again after each runbook",
                step.id.value
            );
            let wrong = Diagnostic::new(Code::Combination, &self.runbook.source, runbooks.span, message)
                .with_help("leave `runbooks` away, or grant it requests that only read");
            self.diagnostics.push(wrong);
        }
        changes
    }

    /// A call names a component by its id, so each stands once among what an agent may call.
    fn check_called_once(&mut self, agent: &Agent) {
        let mut known: BTreeMap<&ComponentId, Span> = BTreeMap::new();
        let context = self.context;
        for call in agent.tools.iter().chain(&agent.members) {
            // A name that stands for nothing is told elsewhere.
            let Ok(component) = context.components.find(&call.component.value) else { continue };
            let span = call.component.span;
            match known.entry(&component.manifest.id) {
                Entry::Vacant(entry) => drop(entry.insert(span)),
                Entry::Occupied(first) => {
                    let message = format!("`{}` is listed twice, and a call could mean either", component.manifest.id);
                    let wrong = Diagnostic::new(Code::Combination, &self.runbook.source, span, message)
                        .with_label(*first.get(), "the other one")
                        .with_help("list it once, with the config that it is to have");
                    self.diagnostics.push(wrong);
                }
            }
        }
    }

    /// A call of the agent or of one of its team, the step's goal put into the config.
    fn with_goal(&mut self, call: &Call, agent: &Agent) -> Option<Call> {
        let mut call = call.clone();
        // What is no agent has no such property, which would be told beside what is wrong.
        let known = self.context.components.find(&call.component.value);
        if known.is_ok_and(|known| known.manifest.kind != ComponentKind::Agent) {
            return Some(call);
        }
        let span = agent.goal.span;
        let config = call.config.get_or_insert_with(|| Node { data: Data::Map(Vec::new()), span });
        // What is no mapping is told where configs are read.
        if let Data::Map(entries) = &mut config.data {
            if let Some(entry) = entries.iter().find(|entry| entry.key == GOAL) {
                let message = format!("the goal of `{}` stands in `goal` of the step", step_agent(agent));
                let wrong = Diagnostic::new(Code::Combination, &self.runbook.source, entry.key_span, message)
                    .with_help("leave `goal` away in its `config`");
                self.diagnostics.push(wrong);
                return None;
            }
            let value = Node { data: Data::Text(agent.goal.value.clone()), span };
            entries.push(yaml::Entry { key: GOAL.to_owned(), key_span: span, value });
        }
        Some(call)
    }

    /// The components that a step may have run, as tools, as its team or by runbooks, each with the key that lists it. A name that stands
    /// for none has been told.
    pub(super) fn called_by(&self, step: &Step) -> BTreeSet<(&'static str, ComponentId)> {
        let components = self.context.components;
        let listed = match &step.work {
            Work::Agent(Agent { runbooks: Some(runbooks), .. }) => runbooks.components.as_slice(),
            _ => &[],
        };
        let tools = step.tools().iter().map(|call| ("/tools", &call.component));
        let members = step.members().iter().map(|call| ("/members", &call.component));
        let names = tools.chain(members).chain(listed.iter().map(|listed| (SUBMITTED, &listed.component)));
        let found = names.filter_map(|(key, name)| Some((key, components.find(&name.value).ok()?.manifest.id.clone())));
        found.collect()
    }

    /// A component as a tool: it runs with no power at all, and reads what the agent gives it.
    fn tool(&mut self, call: &Call) -> Option<PlannedTool> {
        let name = &call.component;
        let component = self.component(name)?;
        if let Some(needs) = needs(&component.manifest, &[]) {
            let message =
                format!("`{}` can't be a tool: it needs {needs}, and a tool runs with no power", component.manifest.id);
            self.wrong_role(name, message, "read the data in a step of its own, and give it to the agent as an input");
            return None;
        }
        let nothing = Authority::of_operator([]).meet(Bound::of_manifest(&component.manifest));
        self.callable(call, stated(call), &component, nothing, Named::default())
    }

    /// An agent of the team: it may ask the models that it was granted, and call what it was granted of the tools and of the
    /// others. It reads what its caller gives it.
    fn member(&mut self, step: &Step, agent: &Agent, call: &Call) -> Option<PlannedTool> {
        let name = &call.component;
        let component = self.component(name)?;
        let id = &component.manifest.id;
        let leads = self.context.components.find(&agent.call.component.value).is_ok_and(|own| own.manifest.id == *id);
        let wrong = if component.manifest.kind != ComponentKind::Agent {
            Some((format!("`{id}` is no agent"), "list it among the `tools`"))
        } else if leads {
            Some((format!("`{id}` leads the team, so it can't be of it"), "leave it away in `members`"))
        } else {
            needs(&component.manifest, &[Power::Llm, Power::Call]).map(|needs| {
                let message = format!(
                    "`{id}` can't be of a team: it needs {needs}, and a team may only ask models and call tools"
                );
                (message, "read the data in a step of its own, and give it to the agent as an input")
            })
        };
        if let Some((message, help)) = wrong {
            self.wrong_role(name, message, help);
            return None;
        }
        // Who calls it gives it a goal, unless the runbook does; that of the step stands for either until then.
        let fixed = stated(call);
        let call = if fixed.contains(GOAL) { call.clone() } else { self.with_goal(call, agent)? };
        let own = self.alike(&component).authority;
        let authority = self.bounds.iter().cloned().fold(own, Authority::meet);
        let mut called = match component.requests(Power::Call) {
            Some(_) => self.called_by(step),
            None => BTreeSet::new(),
        };
        called.retain(|(key, other)| {
            let asked = Use::Call { component: other.clone() };
            *key != SUBMITTED && other != id && authorise(&authority, &asked).allowed()
        });
        let named = Named::default().with(called, self.models_of(&call, &component));
        let authority = authority.meet(Bound::of_config(&named.all, self.context.allowed));
        self.callable(&call, fixed, &component, authority, named)
    }

    fn wrong_role(&mut self, name: &Spanned<ComponentName>, message: String, help: &str) {
        let wrong = Diagnostic::new(Code::WrongRole, &self.runbook.source, name.span, message).with_help(help);
        self.diagnostics.push(wrong);
    }

    /// What an agent may call, with that authority. `fixed` are the properties of its config that no call changes.
    fn callable(
        &mut self,
        call: &Call,
        fixed: BTreeSet<String>,
        component: &KnownComponent,
        authority: Authority,
        named: Named,
    ) -> Option<PlannedTool> {
        let manifest = &component.manifest;
        let config = self.config(call, component);
        let lines = self.lines(call, component);
        let mut good = self.is_written(call);
        for port in &manifest.outputs {
            good &= self.fix_schema(call.component.span, &port.schema);
        }
        let config = config?;
        let name = neutral::line(&call.component.value.to_string(), 80);
        let rulesets = self
            .bind_rulesets(call, component, &config, |config| format!("`{{component: {name}, config: {config}}}`"))?;
        let written = call;
        let mut call = PlannedCall {
            component: manifest.id.clone(),
            version: manifest.version.clone(),
            component_digest: component.digest,
            first_party: component.first_party,
            config,
            values: Vec::new(),
            per_item: Vec::new(),
            limits: Limits::settle(&manifest.limits, &BTreeMap::new(), self.context.ceilings),
            default_model: None,
            authority,
            paths: named.paths,
            connections: named.connections,
            places: named.places,
            declassifies: BTreeSet::new(),
        };
        if call.asks_models() {
            call.default_model = self.default_model(component);
        }
        let tool = PlannedTool { call, fixed, rulesets, lines: lines? };
        self.check_fixed(written, component, &tool);
        good.then_some(tool)
    }

    /// What an agent may call is fixed before its step has read anything, so that its config can't come from a document.
    fn is_written(&mut self, call: &Call) -> bool {
        for (pointer, reference) in &call.references {
            let message = format!(
                "`{}` of `{}` comes from a document, and what an agent may call is fixed before it runs",
                neutral::line(pointer.trim_start_matches('/'), 80),
                neutral::line(&call.component.value.to_string(), 80)
            );
            let wrong = Diagnostic::new(Code::MustBeWritten, &self.runbook.source, reference.span, message)
                .with_help("write the value, or leave it to the agent and give that the document");
            self.diagnostics.push(wrong);
        }
        call.references.is_empty()
    }

    /// The schema of lines, for each port that an agent can give something to.
    fn lines(
        &mut self,
        call: &Call,
        component: &KnownComponent,
    ) -> Option<BTreeMap<String, palisade_model::SchemaRef>> {
        let span = call.component.span;
        let mut lines = BTreeMap::new();
        let mut good = true;
        for port in &component.manifest.inputs {
            let InputSource::Runbook { accepts } = &port.source else { continue };
            let first = accepts.first().and_then(|wanted| self.resolve_schema(&Spanned::new(wanted.clone(), span)));
            match first {
                Some(schema) => drop(lines.insert(port.name.clone(), schema)),
                None => good = false,
            }
        }
        good.then_some(lines)
    }
}

/// The properties of a config that a runbook states.
fn stated(call: &Call) -> BTreeSet<String> {
    match call.config.as_ref().map(|config| &config.data) {
        Some(Data::Map(entries)) => entries.iter().map(|entry| entry.key.clone()).collect(),
        _ => BTreeSet::new(),
    }
}

/// The powers without which a component can't do its work, beside those; none = there are no such.
fn needs(manifest: &Manifest, beside: &[Power]) -> Option<String> {
    let needed = manifest.requests.iter().filter(|request| !request.optional && !beside.contains(&request.power));
    let names: BTreeSet<String> = needed.map(|request| format!("`{}`", request.power.name())).collect();
    (!names.is_empty()).then(|| names.into_iter().collect::<Vec<_>>().join(" and "))
}

fn step_agent(agent: &Agent) -> String {
    neutral::line(&agent.call.component.value.to_string(), 80)
}
