//! What an agent holds: its inputs and what its tools made, each by a name that a model can say.

use serde_json::{Value, json};

use super::turn::Made;
use crate::{Reader, Result};

/// Most items of an artifact that a model is shown.
const SHOWN_ITEMS: usize = 5;
/// Most characters of one of them.
const SHOWN_CHARS: usize = 400;

/// Artifacts by name.
#[derive(Debug)]
pub(super) struct Desk<'c> {
    held: Vec<(String, Held<'c>)>,
    calls: usize,
}

#[derive(Debug)]
enum Held<'c> {
    Input(&'c Reader),
    Made(Reader),
}

impl<'c> Desk<'c> {
    /// Inputs are called after their ports, with a number where a port has several.
    pub(super) fn new(inputs: impl IntoIterator<Item = &'c Reader>) -> Self {
        let mut desk = Self { held: Vec::new(), calls: 0 };
        for reader in inputs {
            let same = desk.held.iter().filter(|(_, held)| held.reader().port() == reader.port()).count();
            let name = if same == 0 { reader.port().to_owned() } else { format!("{} {}", reader.port(), same + 1) };
            desk.held.push((name, Held::Input(reader)));
        }
        desk
    }

    /// What is called so.
    pub(super) fn get(&self, name: &str) -> Option<&Reader> {
        self.held.iter().find(|(known, _)| known == name).map(|(_, held)| held.reader())
    }

    /// Takes what a tool made, and says for the model what that is.
    pub(super) fn take(&mut self, made: Vec<Reader>) -> Result<(String, Vec<Made>)> {
        let first = made.iter().map(first).collect::<Result<Vec<_>>>()?;
        let beside: Vec<String> = made.iter().map(|reader| shown(&reader.info().metadata)).collect();
        let held = self.hold(made);
        let told = held.iter().zip(first).zip(beside).map(|((Made { name, schema, items }, first), beside)| {
            json!({"name": name, "schema": schema, "items": items, "first": first, "beside": beside})
        });
        Ok((Value::Array(told.collect()).to_string(), held))
    }

    /// Takes what a call made, and says what it is called.
    pub(super) fn hold(&mut self, made: Vec<Reader>) -> Vec<Made> {
        self.calls += 1;
        let held = made.into_iter().map(|reader| {
            let info = reader.info();
            let name = format!("{} of call {}", reader.port(), self.calls);
            self.held.push((name.clone(), Held::Made(reader)));
            Made { name, schema: info.schema, items: info.item_count }
        });
        held.collect()
    }

    /// All of it, as a model is told.
    pub(super) fn told(&self) -> Value {
        let told = |(name, held): &(String, Held<'_>)| {
            let info = held.reader().info();
            json!({"name": name, "schema": info.schema, "items": info.item_count})
        };
        self.held.iter().map(told).collect()
    }
}

impl Held<'_> {
    const fn reader(&self) -> &Reader {
        match self {
            Self::Input(reader) => reader,
            Self::Made(reader) => reader,
        }
    }
}

/// The schema of what an agent did, turn by turn.
const CONVERSATION: &str = "agent_conversation";
/// Most items of an answer that another agent wrote.
const MAX_ITEMS: u64 = 1_000;

/// Whether that is what an agent did.
pub(super) fn is_conversation(reader: &Reader) -> bool {
    names_conversation(&reader.info().schema)
}

/// Whether a schema, with or without what is required of its version, is that of what an agent did.
pub(super) fn names_conversation(schema: &str) -> bool {
    schema.split('/').next() == Some(CONVERSATION)
}

/// All turns of conversations.
pub(super) fn turns(conversations: &[&Reader]) -> Result<Vec<Value>> {
    let mut turns = Vec::new();
    for reader in conversations {
        reader.for_each(|item| {
            turns.push(item.parse()?);
            Ok(())
        })?;
    }
    Ok(turns)
}

/// What another agent answers: what stands in the first of what it made, its conversation aside.
pub(super) fn whole(made: &[Reader]) -> Result<Option<Value>> {
    let first = made.iter().find(|reader| !is_conversation(reader));
    let Some(first) = first.filter(|first| (1..=MAX_ITEMS).contains(&first.info().item_count)) else { return Ok(None) };
    let mut items = Vec::new();
    first.for_each(|item| {
        items.push(item.parse()?);
        Ok(())
    })?;
    Ok(Some(match <[Value; 1]>::try_from(items) {
        Ok([only]) => only,
        Err(items) => Value::Array(items),
    }))
}

/// The first items. A tool still gets all of them: where the cursor stands means nothing to it.
fn first(reader: &Reader) -> Result<Vec<String>> {
    let mut items = Vec::new();
    while items.len() < SHOWN_ITEMS
        && let Some(batch) = reader.next_batch_of(1)?
    {
        items.extend(batch.items().take(SHOWN_ITEMS - items.len()).map(|item| shown(item.line())));
    }
    Ok(items)
}

fn shown(text: &str) -> String {
    super::cut(text, SHOWN_CHARS)
}
