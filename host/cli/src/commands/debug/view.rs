//! What can be looked at where a run is held: steps, artifacts, events. Texts of items are hidden unless they are asked for.

use super::command::{Breakpoint, Filter, Print};
use super::core::{Item, Side};
use crate::render::runs::{EventLines, state};
use crate::render::table;
use palisade_engine::{Event, Recorded, State, state_name};
use palisade_model::unit::Count;
use palisade_model::{ArtifactName, Digest, LimitSource, StepId, neutral, strict_json};
use palisade_runbook::{BindingSource, Plan, PlannedChildRunbook, PlannedStep, PlannedWork, suggestion};
use palisade_store::{Content, Fault, Store};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Most characters of an item, and of a config, that are shown.
const MAX_ITEM_CHARS: usize = 2_000;
const MAX_CONFIG_CHARS: usize = 8_000;
/// Bytes of items that are read at once.
const BATCH_BYTES: usize = 256 << 10;
/// Stands for a text that is hidden, however long it is.
const HIDDEN: &str = "•••••";

/// Stands where a schema would: what an item made is joined with what others made before it becomes an artifact.
const MADE_HERE: &str = "made here";

/// How it is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) colour: bool,
    /// The texts of items are shown.
    pub(super) full: bool,
}

/// A run at a place.
#[derive(Clone)]
pub(super) struct View<'a> {
    pub(super) store: &'a Store,
    pub(super) plan: &'a Plan,
    /// The inputs, by their names without case.
    pub(super) inputs: &'a BTreeMap<String, Digest>,
    pub(super) state: &'a State,
    /// What happened up to here.
    pub(super) events: &'a [Event],
    /// How many events there are in all.
    pub(super) total: usize,
    /// What the item made at which a map is held, by names that only count here.
    pub(super) made: Vec<(String, Content)>,
    pub(super) style: Style,
}

impl View<'_> {
    /// How the run and its steps stand.
    pub(super) fn state(&self) -> String {
        let behind = self.events.len() as u64;
        state(self.plan, self.state, self.events.last(), (behind, self.total), self.style.colour)
    }

    /// What a step is told to do.
    pub(super) fn step(&self, name: &str) -> Result<String, String> {
        let step = self.find_step(name)?;
        let mut out = format!("{}  {}  {}\n", step.id, step.kind(), state_name(self.state.step(&step.id)));
        let mut fact = |name: &str, text: String| {
            // Writing to a String can't fail.
            let _ = writeln!(out, "  {name:10} {text}");
        };
        if let Some(call) = step.call() {
            fact("component", format!("{}@{} {}", call.component, call.version, call.component_digest.short()));
            let config = neutral::line(&call.config.to_string(), MAX_CONFIG_CHARS);
            fact("config", config);
            for value in &call.values {
                let place = value.pointer.trim_start_matches('/').replace('/', ".");
                fact("", format!("{} from {}", neutral::line(&place, 80), self.plan.name_of(&value.source)));
            }
        }
        match &step.work {
            PlannedWork::Map { max_items, max_concurrency, .. } => {
                fact("map", format!("at most {}, {max_concurrency} at once", Count(*max_items).of("item")));
            }
            PlannedWork::Loop { until, max_iterations, .. } => {
                fact("loop", format!("until {}, at most {max_iterations} times", neutral::line(&until.text, 200)));
            }
            PlannedWork::Approval { message, .. } => fact("asks", neutral::line(message, 200)),
            _ => {}
        }
        if let Some(when) = &step.when {
            fact("when", neutral::line(&when.text, 200));
        }
        for binding in &step.inputs {
            let (name, found) = (self.plan.name_of(&binding.source), self.digest(&binding.source));
            let found = found.map_or_else(|| "not there yet".to_owned(), |digest| digest.short());
            fact("reads", format!("{} ← {name}, {found}", neutral::line(&binding.port, 64)));
        }
        for other in step.waits_for() {
            fact("behind", format!("{other} ({})", state_name(self.state.step(other))));
        }
        if let Some(call) = step.call() {
            for (kind, limit) in call.limits.iter().filter(|(_, limit)| limit.set_by != LimitSource::Default) {
                fact("limit", format!("{} {}, set by {}", kind.key(), kind.show(limit.value), limit.set_by));
            }
            for path in &call.paths {
                fact("may read", neutral::line(&path.path.to_string(), 200));
            }
        }
        Ok(out)
    }

    /// The artifacts that are there.
    pub(super) fn artifacts(&self) -> Result<String, String> {
        let mut rows = Vec::new();
        for (name, digest) in self.all().into_iter().filter_map(|(name, digest)| Some((name, digest?))) {
            let told = match self.store.artifact(digest).map_err(|fault| unreadable(&fault))? {
                Some(found) => vec![Count(found.items.lines()).of("item"), found.schema.to_string()],
                None => vec!["not there any more".to_owned(), String::new()],
            };
            rows.push([vec![name, digest.short()], told].concat());
        }
        for (name, content) in &self.made {
            let told = vec![Count(content.lines()).of("item"), MADE_HERE.to_owned()];
            rows.push([vec![name.clone(), content.digest().short()], told].concat());
        }
        if rows.is_empty() {
            return Ok("there is none yet\n".to_owned());
        }
        let mut out = String::new();
        table(&mut out, &rows);
        Ok(out)
    }

    /// A page of an artifact's items.
    pub(super) fn print(&self, print: &Print) -> Result<String, String> {
        let (name, items, what) = self.found(print)?;
        let head = format!("{name}: {}, {what}\n", Count(items.lines()).of("item"));
        self.page(print, &name, &items).map(|page| head + &page)
    }

    /// The artifact of that name: how it is written, its items, and what it is.
    fn found(&self, print: &Print) -> Result<(String, Content, String), String> {
        let wanted = print.artifact.to_lowercase();
        if let Some((name, content)) = self.made.iter().find(|(name, _)| name.to_lowercase() == wanted) {
            return Ok((name.clone(), content.clone(), MADE_HERE.to_owned()));
        }
        let all = self.all();
        let Some((name, digest)) = all.iter().find(|(name, _)| name.to_lowercase() == wanted) else {
            let help = suggestion(&print.artifact, all.iter().map(|(name, _)| name.as_str()));
            let help = help.map_or_else(String::new, |help| format!("; {help}"));
            return Err(format!("there is no artifact `{}`{help}", neutral::line(&print.artifact, 80)));
        };
        let digest = digest.ok_or_else(|| format!("`{name}` is not there yet"))?;
        let found = self.store.artifact(digest).map_err(|fault| unreadable(&fault))?;
        let found = found.ok_or_else(|| format!("`{name}` is not in the store any more"))?;
        Ok((name.clone(), found.items, format!("{}, {}", found.schema, digest.short())))
    }

    fn page(&self, print: &Print, name: &str, items: &Content) -> Result<String, String> {
        let mut out = String::new();
        let (mut shown, mut number, mut next) = (0, 0, None);
        // Items that lack what a condition speaks of are none that it holds for; that is told, since it may be misspelt.
        let (mut unanswered, mut why) = (0_u64, String::new());
        let (mut reader, mut buffer) = (items.items(), Vec::new());
        'all: while let Some(_batch) = reader.next(BATCH_BYTES, &mut buffer).map_err(|fault| unreadable(&fault))? {
            for line in String::from_utf8_lossy(&buffer).split_terminator('\n') {
                let this = number;
                number += 1;
                if this < print.from {
                    continue;
                }
                let item: Value = strict_json::from_str(line).map_err(|error| format!("item {this}: {error}"))?;
                match print.filter.takes(&item) {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(error) => {
                        if unanswered == 0 {
                            why = format!("item {this}: {}", neutral::line(&error, 200));
                        }
                        unanswered += 1;
                        continue;
                    }
                }
                if shown == print.most {
                    next = Some(this);
                    break 'all;
                }
                shown += 1;
                let item = if self.style.full { item } else { hidden(item) };
                let _ = writeln!(out, "  {this:>5}  {}", neutral::line(&item.to_string(), MAX_ITEM_CHARS));
            }
            buffer.clear();
        }
        if let Some(next) = next {
            let _ = writeln!(out, "  more: print {name} {next}");
        } else if shown == 0 && print.filter != Filter::All {
            out.push_str("  no item is so\n");
        }
        if unanswered > 0 {
            let _ = writeln!(out, "  no answer for {}; {why}", Count(unanswered).of("item"));
        }
        if shown > 0 && !self.style.full {
            out.push_str("  texts are hidden; `--items full` shows them\n");
        }
        Ok(out)
    }

    /// What there is to see of an item of a map: what it gets, once it is through, what it made.
    pub(super) fn at_item(&self, step: &PlannedStep, item: Item, side: Side) -> Result<String, String> {
        let page = |artifact: String, from| self.print(&Print { artifact, from, most: 1, filter: Filter::All });
        if side == Side::After {
            return self.made.iter().map(|(name, _)| page(name.clone(), 0)).collect();
        }
        let is_ruleset = |source: &BindingSource| matches!(source, BindingSource::Ruleset { .. });
        let mapped = step.inputs.iter().find(|binding| !is_ruleset(&binding.source));
        let mapped = mapped.map(|binding| self.plan.name_of(&binding.source)).unwrap_or_default();
        page(mapped, item.number.saturating_sub(1))
    }

    /// The latest events.
    pub(super) fn events(&self, count: usize) -> String {
        let mut lines = EventLines::new(false, self.style.colour);
        let skipped = self.events.len().saturating_sub(count);
        let mut out = String::new();
        for (event, seq) in self.events.iter().zip(1..) {
            let recorded = Recorded { seq, hash: Digest::of(b""), bytes: Vec::new(), event: event.clone() };
            let line = lines.line(&recorded);
            if seq > skipped as u64 {
                out.push_str(&line);
            }
        }
        out
    }

    /// Whether a breakpoint speaks of a step of this run, or of one below it that can be known.
    pub(super) fn has(&self, breakpoint: &Breakpoint) -> bool {
        has(breakpoint, self.plan, &mut Vec::new())
    }

    /// The step of that name.
    pub(super) fn find_step(&self, name: &str) -> Result<&PlannedStep, String> {
        let wanted = name.to_lowercase();
        let found = self.plan.steps.iter().find(|step| step.id.as_str() == wanted);
        found.ok_or_else(|| {
            let help = suggestion(name, self.plan.steps.iter().map(|step| step.id.as_str()));
            let help = help.map_or_else(String::new, |help| format!("; {help}"));
            format!("there is no step `{}`{help}", neutral::line(name, 80))
        })
    }

    /// All artifacts by name, with their digests where they are there: inputs, what steps make, second names.
    fn all(&self) -> Vec<(String, Option<Digest>)> {
        let input = |name: &ArtifactName| BindingSource::Input { name: name.clone() };
        let mut all: Vec<_> = self
            .plan
            .inputs
            .iter()
            .map(|planned| (planned.name.to_string(), self.digest(&input(&planned.name))))
            .collect();
        for step in &self.plan.steps {
            for output in &step.outputs {
                let source = BindingSource::Step { step: step.id.clone(), port: output.port.clone() };
                let name = step.output_name(output).map(|name| name.to_string());
                all.push((name.unwrap_or_else(|| format!("{}/{}", step.id, output.port)), self.digest(&source)));
            }
        }
        all.extend(self.plan.aliases.iter().map(|alias| (alias.artifact.to_string(), self.digest(&alias.source))));
        all
    }

    fn digest(&self, source: &BindingSource) -> Option<Digest> {
        let made = |step: &StepId| self.state.outputs(step).or_else(|| self.state.latest(step));
        match source {
            BindingSource::Step { step, port } => {
                Some(made(step)?.iter().find(|output| output.port == *port)?.artifact)
            }
            BindingSource::Input { name } => self.inputs.get(&name.key()).copied(),
            BindingSource::Ruleset { digest, .. } => Some(*digest),
        }
    }
}

fn has(breakpoint: &Breakpoint, plan: &Plan, way: &mut Vec<StepId>) -> bool {
    plan.all_steps().any(|step| {
        way.push(step.id.clone());
        let below = || match step.child().map(|child| &child.runbook) {
            Some(PlannedChildRunbook::File { plan, .. }) => has(breakpoint, plan, &mut way.clone()),
            _ => false,
        };
        let found = breakpoint.is_of_step(way, &step.labels) || below();
        way.pop();
        found
    })
}

/// An item without its texts.
fn hidden(item: Value) -> Value {
    match item {
        Value::String(_) => Value::String(HIDDEN.to_owned()),
        Value::Array(list) => Value::Array(list.into_iter().map(hidden).collect()),
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, hidden(value))).collect()),
        other => other,
    }
}

fn unreadable(fault: &Fault) -> String {
    palisade_model::causes(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_hidden_and_what_has_no_text_is_not() {
        let item = json!({"name": "Ann", "at": {"line": 3, "path": ["a", 1]}, "ok": true, "none": null});
        assert_eq!(
            hidden(item),
            json!({"name": HIDDEN, "at": {"line": 3, "path": [HIDDEN, 1]}, "ok": true, "none": null})
        );
    }
}
