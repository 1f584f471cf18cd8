//! What the child runs of a map made, put together: the items in the order of the items of the map, and one of what stands
//! beside them. It depends on nothing but what is joined, so that a replay joins the same.

use crate::attempt::host_failure;
use crate::lookup::Lookup;
use crate::map::too_many;
use crate::run::RunError;
use palisade_interpreter::{Event, ExpansionOutcome, Output};
use palisade_model::{Failure, FailureKind, SchemaRef, StepId};
use palisade_runbook::{Binding, PlannedOutput, PlannedStep, PlannedWork};
use palisade_schema::ArtifactSchema;
use palisade_store::NewArtifact;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most bytes of what stands beside the items of all artifacts that are joined to one: as much as is taken of a document from
/// outside. Lists grow with each of them, and are in memory.
const MAX_METADATA_BYTES: usize = 1 << 20;
/// Bytes of items that are copied at once.
const BATCH_BYTES: usize = 256 << 10;

/// What ended the children of a map, by the number of the item: what each made, or why it did not.
pub(crate) type OfItems<'e> = BTreeMap<u32, Result<&'e [Output], &'e Failure>>;

/// How the children of a map of a step ended, since its items were counted last.
pub(crate) fn of_items<'e>(events: &'e [Event], step: &StepId) -> OfItems<'e> {
    let counted = |event: &Event| matches!(event, Event::MapExpanded(expanded) if expanded.step == *step);
    let since = events.iter().rposition(counted).unwrap_or(0);
    let ended = events.get(since..).unwrap_or_default().iter().filter_map(|event| match event {
        Event::ChildEnded(ended) if ended.step == *step && !ended.status.can_go_on() => {
            Some((ended.iteration, ended.failure.as_ref().map_or(Ok(ended.outputs.as_slice()), Err)))
        }
        _ => None,
    });
    ended.collect()
}

/// Why a map failed: the failure of the first item that did, those aside that were only given up for it.
fn first_failure(of_items: &OfItems<'_>, port: &str) -> Option<Failure> {
    let failed = || of_items.iter().filter_map(|(item, ended)| Some((*item, *ended.as_ref().err()?)));
    let own = failed().find(|(_, failure)| failure.kind != FailureKind::Cancelled);
    let (item, failure) = own.or_else(|| failed().next())?;
    Some(Failure { at: Some((port.to_owned(), u64::from(item - 1))), ..failure.clone() })
}

/// The input whose items a map over a child goes over.
pub(crate) fn mapped_input(step: &PlannedStep) -> Option<&Binding> {
    step.inputs.first().filter(|_| step.maps_child())
}

/// What comes of counting the items of a map.
pub(crate) fn counted(step: &PlannedStep, items: u64) -> ExpansionOutcome {
    let most = match &step.work {
        PlannedWork::Map { max_items, .. } => (*max_items).min(u32::MAX.into()),
        _ => 0,
    };
    match u32::try_from(items).ok().filter(|_| items <= most) {
        Some(items) => ExpansionOutcome::Expanded { items },
        None => ExpansionOutcome::Refused { failure: too_many(items, most) },
    }
}

/// Puts together what the children of a map made, or says why there is nothing. `schema` finds a schema by its name.
pub(crate) fn join(
    lookup: &Lookup<'_>,
    step: &PlannedStep,
    of_items: &OfItems<'_>,
    schema: &dyn Fn(&SchemaRef) -> Option<Arc<ArtifactSchema>>,
) -> Result<Result<Vec<(Output, NewArtifact)>, Failure>, RunError> {
    let port = mapped_input(step).map_or("", |binding| binding.port.as_str());
    if let Some(failure) = first_failure(of_items, port) {
        return Ok(Err(failure));
    }
    let mut made = Vec::new();
    for output in &step.outputs {
        let missing = || RunError::Missing { what: format!("schema {}", output.schema) };
        let schema = schema(&output.schema).ok_or_else(missing)?;
        match join_one(lookup, output, &schema, of_items)? {
            Ok(artifact) => made.extend(artifact.map(|artifact| (told(&output.port, &artifact), artifact))),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Ok(made))
}

/// Puts together what the items made for one output. None if no item made any, though there were items: a condition of the
/// child left it away.
fn join_one(
    lookup: &Lookup<'_>,
    output: &PlannedOutput,
    schema: &Arc<ArtifactSchema>,
    of_items: &OfItems<'_>,
) -> Result<Result<Option<NewArtifact>, Failure>, RunError> {
    let made = of_items.values().filter_map(|ended| ended.as_ref().ok());
    let made: Vec<_> = made.filter_map(|outputs| outputs.iter().find(|made| made.port == output.port)).collect();
    if made.is_empty() && !of_items.is_empty() {
        return Ok(Ok(None));
    }
    let (mut spool, mut batch) = (lookup.store.spool(0), Vec::new());
    let (mut metadata, mut metadata_bytes) = (None, 0);
    for made in made {
        let missing = || RunError::Missing { what: format!("the artifact {}", made.artifact) };
        let found = lookup.find(made.artifact)?.ok_or_else(missing)?;
        metadata_bytes += found.metadata.to_string().len();
        if metadata_bytes > MAX_METADATA_BYTES {
            let most = MAX_METADATA_BYTES >> 20;
            let message =
                format!("what stands beside the items of `{}` has more than {most} MiB together", output.port);
            return Ok(Err(Failure::new(FailureKind::Failed, message)));
        }
        metadata = Some(match metadata {
            None => Beside::of(found.metadata),
            Some(before) => Beside::and(before, Beside::of(found.metadata)),
        });
        let mut items = found.items.items();
        while items.next(BATCH_BYTES, &mut batch)?.is_some() {
            spool.append(&batch)?;
        }
    }
    let metadata = metadata.and_then(Beside::into_value).unwrap_or_else(|| Value::Object(Map::new()));
    if let Err(failure) = fits(output, schema, &metadata, of_items.is_empty()) {
        return Ok(Err(failure));
    }
    Ok(Ok(Some(NewArtifact::new(schema.name().clone(), metadata, lookup.store.join(vec![spool])?))))
}

fn told(port: &str, artifact: &NewArtifact) -> Output {
    let content = artifact.items();
    Output {
        port: port.to_owned(),
        artifact: artifact.digest(),
        schema: artifact.schema().clone(),
        items: content.lines(),
        bytes: content.length(),
    }
}

/// Whether what was joined fits its schema as what a component makes must.
fn fits(output: &PlannedOutput, schema: &ArtifactSchema, metadata: &Value, nothing: bool) -> Result<(), Failure> {
    let validator = schema.metadata().map_err(|error| host_failure("the output schema can't be used", &error))?;
    let Err(broken) = validator.check(metadata) else { return Ok(()) };
    let (name, port) = (schema.name(), output.port.clone());
    let at = if broken.path.is_empty() { "its root".to_owned() } else { format!("`{}`", broken.path) };
    let (rule, what) = (&broken.rule, &broken.message);
    let (why, help) = if nothing {
        ("there are no items, and a document without any does not fit", "let the step run only `when` there are items")
    } else {
        (
            "what its items say beside their own does not fit once it is joined",
            "the items' children say different things there, of which no one is that of the whole",
        )
    };
    let message = format!("output `{port}`: {why} {name}: at {at}, rule `{rule}`: it {what}");
    let kind = FailureKind::Schema {
        schema: name.to_string(),
        port,
        item: None,
        path: broken.path.clone(),
        rule: rule.clone(),
    };
    Err(Failure::new(kind, message).with_help(help))
}

/// What stands beside the items of one or of several artifacts.
#[derive(Debug, Clone, PartialEq)]
enum Beside {
    Object(BTreeMap<String, Self>),
    List(Vec<Value>),
    Value(Value),
    /// They say different things.
    Apart,
}

impl Beside {
    fn of(value: Value) -> Self {
        match value {
            Value::Object(map) => Self::Object(map.into_iter().map(|(key, value)| (key, Self::of(value))).collect()),
            Value::Array(list) => Self::List(list),
            value => Self::Value(value),
        }
    }

    /// Whole numbers count something, and are added up; something holds if it does for all; lists have what any of them has; of
    /// everything else stays what all say that say anything.
    fn and(one: Self, other: Self) -> Self {
        match (one, other) {
            (Self::Object(mut all), Self::Object(more)) => {
                for (key, value) in more {
                    let joined = match all.remove(&key) {
                        Some(before) => Self::and(before, value),
                        None => value,
                    };
                    all.insert(key, joined);
                }
                Self::Object(all)
            }
            (Self::List(all), Self::List(more)) => {
                let mut seen = BTreeSet::new();
                Self::List(all.into_iter().chain(more).filter(|value| seen.insert(value.to_string())).collect())
            }
            (Self::Value(Value::Bool(one)), Self::Value(Value::Bool(other))) => Self::Value((one && other).into()),
            (Self::Value(one), Self::Value(other)) => match (whole(&one), whole(&other)) {
                (Some(one), Some(other)) => one.checked_add(other).map_or(Self::Apart, |sum| Self::Value(sum.into())),
                _ if one == other => Self::Value(one),
                _ => Self::Apart,
            },
            _ => Self::Apart,
        }
    }

    fn into_value(self) -> Option<Value> {
        Some(match self {
            Self::Object(map) => {
                Value::Object(map.into_iter().filter_map(|(key, value)| Some((key, value.into_value()?))).collect())
            }
            Self::List(list) => Value::Array(list),
            Self::Value(value) => value,
            Self::Apart => return None,
        })
    }
}

fn whole(value: &Value) -> Option<i64> {
    value.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(all: &[Value], expected: Value) {
        let joined = all.iter().cloned().map(Beside::of).reduce(Beside::and);
        assert_eq!(joined.and_then(Beside::into_value), Some(expected), "{all:?}");
    }

    #[test]
    fn what_counts_is_added_up_and_what_all_say_stays() {
        check(&[json!({"total": 1, "by": "x"}), json!({"total": 2, "by": "x"})], json!({"total": 3, "by": "x"}));
        check(&[json!({"ok": true}), json!({"ok": true}), json!({"ok": false})], json!({"ok": false}));
        check(&[json!({"of": ["a", "b"]}), json!({"of": ["b", "c"]})], json!({"of": ["a", "b", "c"]}));
        check(&[json!({"deep": {"n": 1}}), json!({"deep": {"n": 1}, "more": 0})], json!({"deep": {"n": 2}, "more": 0}));
        check(&[json!({"only": 7.5})], json!({"only": 7.5}));
    }

    #[test]
    fn what_they_say_apart_is_said_of_none_and_never_comes_back() {
        check(&[json!({"name": "a"}), json!({"name": "b"}), json!({"name": "a"})], json!({}));
        check(&[json!({"n": 1}), json!({"n": "1"}), json!({"n": 1})], json!({}));
        check(&[json!({"n": i64::MAX}), json!({"n": 1})], json!({}));
        check(&[json!({"rate": 0.5}), json!({"rate": 0.25})], json!({}));
    }

    #[test]
    fn the_failure_of_the_first_item_is_told_that_was_not_only_given_up() {
        let failure = |kind| Failure::new(kind, "");
        let (failed, cancelled) = (failure(FailureKind::Failed), failure(FailureKind::Cancelled));
        let told = |all: &[&Failure]| {
            let of_items = (1..).zip(all).map(|(item, failure)| (item, Err(*failure))).collect();
            first_failure(&of_items, "texts").unwrap()
        };
        let first = told(&[&cancelled, &failed, &failed]);
        assert_eq!((first.kind, first.at), (FailureKind::Failed, Some(("texts".to_owned(), 1))));
        assert_eq!(told(&[&cancelled, &cancelled]).at, Some(("texts".to_owned(), 0)));
    }
}
