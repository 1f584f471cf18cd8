//! What conditions and references see of artifacts: what stands beside the items, how many items there are, and the items
//! of a small document. The driver looks it up; the interpreter only gets the answers.

use crate::attempt::AttemptInput;
use crate::run::RunError;
use palisade_interpreter::{ConditionOutcome, ResolvedValue, RunInput, State, ValuesOutcome};
use palisade_model::{Digest, Failure, FailureKind, json_text, neutral, strict_json};
use palisade_runbook::{
    Binding, BindingSource, Condition, ITEM_COUNT, Plan, PlannedCall, PlannedCondition, PlannedStep, PlannedValue,
    PlannedWork,
};
use palisade_schema::{ConfigSchema, Registry, split};
use palisade_store::{Artifact, Fault, Store};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Most bytes of a document whose items are seen.
const MAX_SEEN_BYTES: u64 = 1 << 20;
/// Most bytes of all values that one config takes from documents: they stand in the journal.
const MAX_VALUE_BYTES: usize = 64 << 10;

/// The artifacts of a run.
#[derive(Clone, Copy)]
pub(crate) struct Lookup<'a> {
    pub(crate) store: &'a Store,
    pub(crate) schemas: &'a Registry,
    pub(crate) plan: &'a Plan,
    pub(crate) state: &'a State,
    /// The inputs of the run, by their names without case.
    pub(crate) inputs: &'a BTreeMap<String, Digest>,
    /// Artifacts that are not in the store.
    pub(crate) made: Option<&'a BTreeMap<Digest, Artifact>>,
}

/// A document as it is seen.
struct Seen {
    value: Value,
    items: u64,
    /// Where the items of a large document would be.
    cut: Option<String>,
}

/// The digests of the inputs of a run, by their names without case.
pub(crate) fn digests(inputs: &[RunInput]) -> BTreeMap<String, Digest> {
    inputs.iter().map(|input| (input.name.key(), input.artifact)).collect()
}

/// What a source stands for in a state, among inputs by their names without case; none as long as it is not there. Of a loop
/// that goes on it is not there yet.
pub(crate) fn digest_of(source: &BindingSource, state: &State, inputs: &BTreeMap<String, Digest>) -> Option<Digest> {
    match source {
        BindingSource::Step { step, port } => {
            state.outputs(step)?.iter().find(|made| made.port == *port).map(|made| made.artifact)
        }
        BindingSource::Input { name } => inputs.get(&name.key()).copied(),
        BindingSource::Ruleset { digest, .. } => Some(*digest),
    }
}

impl Lookup<'_> {
    /// The artifact that something comes from; none for an input of the run that was not given. Of a loop that goes on it
    /// is what its last iteration made.
    pub(crate) fn artifact(&self, source: &BindingSource) -> Result<Option<Artifact>, RunError> {
        let digest = match source {
            BindingSource::Step { step, port } => {
                let made = self.state.outputs(step).or_else(|| self.state.latest(step)).unwrap_or_default();
                made.iter().find(|output| output.port == *port).map(|output| output.artifact)
            }
            BindingSource::Ruleset { digest, .. } => Some(*digest),
            BindingSource::Input { name } => match self.inputs.get(&name.key()) {
                Some(digest) => Some(*digest),
                None => return Ok(None),
            },
        };
        let found = digest.map(|digest| self.find(digest)).transpose()?.flatten();
        found.map(Some).ok_or_else(|| RunError::Missing { what: format!("the artifact of {}", told(source)) })
    }

    /// The artifact of that digest, if it is there.
    pub(crate) fn find(&self, digest: Digest) -> Result<Option<Artifact>, Fault> {
        match self.made.and_then(|made| made.get(&digest)) {
            Some(made) => Ok(Some(made.clone())),
            None => self.store.artifact(digest),
        }
    }

    /// What a step reads. In later iterations of a loop its port gets what the last one made; an input that was not given
    /// is left away: the plan has made sure that the component can do without it.
    pub(crate) fn inputs(&self, step: &PlannedStep, iteration: u32) -> Result<Vec<AttemptInput>, RunError> {
        let input = |binding: &Binding| {
            let found = self.artifact(&source(step, binding, iteration))?;
            Ok(found.map(|found| AttemptInput {
                port: binding.port.clone(),
                schema: found.schema.to_string(),
                artifact: Some(found.digest),
                items: found.items,
                metadata: found.metadata,
            }))
        };
        step.inputs.iter().filter_map(|binding| input(binding).transpose()).collect()
    }

    /// Evaluates a condition of a step: `when`, or `until` after that iteration of a loop.
    pub(crate) fn condition(&self, step: &PlannedStep, iteration: u32) -> Result<ConditionOutcome, RunError> {
        let (key, planned) = match &step.work {
            PlannedWork::Loop { until, .. } if iteration > 0 => ("until", Some(until)),
            _ => ("when", step.when.as_ref()),
        };
        let missing = || RunError::Missing { what: format!("the condition of step {}", step.id) };
        let planned = planned.ok_or_else(missing)?;
        let mut documents = BTreeMap::new();
        let mut cut = Vec::new();
        for (name, source) in &planned.names {
            let seen = self.seen(source)?;
            let Value::Object(mut document) = seen.value else { continue };
            document.insert(ITEM_COUNT.to_owned(), seen.items.into());
            documents.insert(name.clone(), Value::Object(document));
            cut.extend(seen.cut.map(|_| format!("`{name}`")));
        }
        let condition = Condition::parse(&planned.text).map_err(|error| error.to_string());
        let answer = condition.and_then(|condition| condition.evaluate(&documents).map_err(|error| error.to_string()));
        Ok(match answer {
            Ok(true) => ConditionOutcome::True,
            Ok(false) => ConditionOutcome::False,
            Err(why) => ConditionOutcome::Failed { failure: self.no_answer(key, planned, &why, &cut).into() },
        })
    }

    fn no_answer(&self, key: &str, planned: &PlannedCondition, why: &str, cut: &[String]) -> Failure {
        // What an evaluation says may quote what it looked at.
        let is_sensitive = |source: &BindingSource| match source {
            BindingSource::Input { name } => {
                self.plan.inputs.iter().any(|input| input.name == *name && input.sensitive)
            }
            BindingSource::Step { .. } | BindingSource::Ruleset { .. } => false,
        };
        let hidden = planned.names.iter().any(|(_, source)| is_sensitive(source));
        let why = if hidden { "it goes wrong over data that is not to be shown" } else { why };
        let text = neutral::line(&planned.text, 200);
        let failure =
            Failure::new(FailureKind::Condition, format!("its condition `{key}: {text}` has no answer: {why}"));
        if cut.is_empty() {
            return failure;
        }
        let most = MAX_SEEN_BYTES >> 20;
        let cut = cut.join(" and ");
        failure.with_help(format!(
            "the items of {cut} are not seen, since the document has more than {most} MiB; `{ITEM_COUNT}` is"
        ))
    }

    /// Looks up what the config of a step takes from documents, and checks that it fits.
    pub(crate) fn values(&self, call: &PlannedCall, schema: &Value) -> Result<ValuesOutcome, RunError> {
        let mut values = Vec::with_capacity(call.values.len());
        let mut bytes = 0;
        for planned in &call.values {
            let value = match self.value(planned)? {
                Ok(value) => value,
                Err(failure) => return Ok(ValuesOutcome::Failed { failure: failure.into() }),
            };
            bytes += value.to_string().len();
            if bytes > MAX_VALUE_BYTES {
                let most = MAX_VALUE_BYTES >> 10;
                let message = format!("the values that its config takes from documents have more than {most} KiB");
                let failure = Failure::new(FailureKind::BadConfig, message)
                    .with_help("wire the artifact to an input of the component, which reads it item by item");
                return Ok(ValuesOutcome::Failed { failure: failure.into() });
            }
            values.push(ResolvedValue { pointer: planned.pointer.clone(), value });
        }
        Ok(match filled(call, &values, schema) {
            Ok(_) => ValuesOutcome::Resolved { values },
            Err(failure) => ValuesOutcome::Failed { failure: failure.into() },
        })
    }

    fn value(&self, planned: &PlannedValue) -> Result<Result<Value, Failure>, RunError> {
        let seen = self.seen(&planned.source)?;
        let place = neutral::line(&planned.path, 200);
        let wrong = |what: String| Ok(Err(Failure::new(FailureKind::BadConfig, what)));
        let (pointer, from) = (neutral::line(&planned.pointer, 200), told(&planned.source));
        if planned.path.strip_prefix('/') == Some(ITEM_COUNT) {
            return Ok(Ok(seen.items.into()));
        }
        if let Some(items) = &seen.cut
            && (within(&planned.path, items) || within(items, &planned.path))
        {
            let most = MAX_SEEN_BYTES >> 20;
            return wrong(format!(
                "`{pointer}` of its config is to come from `{place}` of {from}, whose items can't be taken: the document has more than {most} MiB"
            ));
        }
        match seen.value.pointer(&planned.path) {
            Some(value) => Ok(Ok(value.clone())),
            None => wrong(format!("`{pointer}` of its config is to come from `{place}` of {from}, where nothing is")),
        }
    }

    fn seen(&self, source: &BindingSource) -> Result<Seen, RunError> {
        let missing = || RunError::Missing { what: told(source) };
        let artifact = self.artifact(source)?.ok_or_else(missing)?;
        let schema = self.schemas.get(&artifact.schema).ok_or_else(missing)?;
        let pointer = schema.items_pointer();
        let mut value = artifact.metadata;
        let items = artifact.items.lines();
        let length = artifact.items.length().saturating_add(value.to_string().len() as u64);
        if length > MAX_SEEN_BYTES {
            return Ok(Seen { value, items, cut: Some(pointer.to_owned()) });
        }
        let bytes = artifact.items.read_all()?;
        let text = String::from_utf8_lossy(&bytes);
        let list: Vec<Value> = json_text::lines(&text)
            .map(strict_json::from_str)
            .collect::<Result<_, _>>()
            .map_err(|_| RunError::Missing { what: format!("a readable item of {}", told(source)) })?;
        put(&mut value, pointer, Value::Array(list));
        Ok(Seen { value, items, cut: None })
    }
}

/// Where an input of a step comes from: from the runbook's wiring, or from the latest iteration of a loop.
pub(crate) fn source<'s>(step: &PlannedStep, binding: &'s Binding, iteration: u32) -> Cow<'s, BindingSource> {
    match (&step.work, step.outputs.first()) {
        (PlannedWork::Loop { port, .. }, Some(output)) if iteration > 1 && *port == binding.port => {
            Cow::Owned(BindingSource::Step { step: step.id.clone(), port: output.port.clone() })
        }
        _ => Cow::Borrowed(&binding.source),
    }
}

/// The config of a call with the values that were looked up, defaults below them filled in.
///
/// # Errors
/// The first rule of the config schema that is broken.
pub(crate) fn filled(call: &PlannedCall, values: &[ResolvedValue], schema: &Value) -> Result<Value, Failure> {
    let mut config = call.config.clone();
    for ResolvedValue { pointer, value } in values {
        match config.pointer_mut(pointer) {
            Some(place) => *place = value.clone(),
            None => {
                let message = format!("its config has no `{}`", neutral::line(pointer, 200));
                return Err(Failure::new(FailureKind::Host, message));
            }
        }
    }
    let schema = ConfigSchema::new(schema).map_err(|error| {
        Failure::new(FailureKind::Host, format!("the config schema can't be used: {}", palisade_model::causes(&error)))
    })?;
    schema.fill_defaults(&mut config);
    let Some(first) = schema.validate(&config).into_iter().next() else { return Ok(config) };
    let place = if first.violation.path.is_empty() { "its root" } else { &first.violation.path };
    let source = values.iter().find(|value| within(&first.pointer, &value.pointer));
    let from = source.and_then(|value| call.values.iter().find(|planned| planned.pointer == value.pointer));
    let from = from.map_or_else(String::new, |planned| {
        format!(" (it comes from `{}` of {})", neutral::line(&planned.path, 200), told(&planned.source))
    });
    let (rule, message) = (&first.violation.rule, &first.violation.message);
    let message =
        format!("its config does not fit once values are filled in: at `{place}`, rule `{rule}`: it {message}{from}");
    Err(Failure::new(FailureKind::BadConfig, message))
}

/// Puts a value where a pointer of properties leads; objects on the way are made.
fn put(target: &mut Value, pointer: &str, value: Value) {
    let mut place = target;
    for key in split(pointer) {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(map) = place else { return };
        place = map.entry(key).or_insert(Value::Null);
    }
    *place = value;
}

/// Whether a pointer leads to the place of another or below it.
fn within(pointer: &str, place: &str) -> bool {
    pointer.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn told(source: &BindingSource) -> String {
    match source {
        BindingSource::Step { step, port } => format!("`{step}` (its output `{port}`)"),
        BindingSource::Input { name } => format!("the input `{name}`"),
        BindingSource::Ruleset { name, .. } => format!("the ruleset `{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn items_are_put_where_the_document_has_them() {
        let mut document = json!({"a": 1});
        put(&mut document, "/findings", json!([1]));
        put(&mut document, "/deep/er/list", json!([]));
        assert_eq!(document, json!({"a": 1, "findings": [1], "deep": {"er": {"list": []}}}));
    }

    #[test]
    fn a_place_holds_itself_and_what_is_below() {
        assert!(within("/a/b", "/a") && within("/a", "/a") && within("/a", ""));
        assert!(!within("/ab", "/a") && !within("/a", "/a/b"));
    }
}
