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
        self.calls += 1;
        let (mut told, mut list) = (Vec::new(), Vec::new());
        for reader in made {
            let name = format!("{} of call {}", reader.port(), self.calls);
            let info = reader.info();
            told.push(json!({
                "name": name, "schema": info.schema, "items": info.item_count, "first": first(&reader)?,
                "beside": shown(&info.metadata),
            }));
            list.push(Made { name: name.clone(), schema: info.schema, items: info.item_count });
            self.held.push((name, Held::Made(reader)));
        }
        Ok((Value::Array(told).to_string(), list))
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
