//! Reading tables of TOML with the place of everything, so that all mistakes are told at once, each where it stands.

use crate::key_place::may_hold_a_key;
use crate::mistake::Mistake;
use palisade_model::unit::ParseAmountError;
use palisade_runbook::{Source, Spanned, suggestion};
use serde_json::Value as Json;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Most mistakes that are kept: a file of nothing but mistakes is not worth more.
const MAX_MISTAKES: usize = 20;

/// A value and its place.
pub(crate) type Value<'t> = toml::Spanned<DeValue<'t>>;

/// Reads values, and notes what is wrong with them.
#[derive(Debug)]
pub(crate) struct Reader<'s> {
    source: &'s Source,
    mistakes: Vec<Mistake>,
    /// The files in which the text says that keys are.
    pub(crate) key_files: Vec<Spanned<String>>,
    /// What is read says where a key is, so it may be the key itself: its line is not shown.
    pub(crate) near_a_key: bool,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(source: &'s Source) -> Self {
        Self { source, mistakes: Vec::new(), key_files: Vec::new(), near_a_key: false }
    }

    /// What was wrong, in the order of the text.
    pub(crate) fn into_mistakes(mut self) -> Vec<Mistake> {
        self.mistakes.sort_by_key(|mistake| mistake.span.start);
        self.mistakes
    }

    pub(crate) fn wrong(&mut self, at: Range<usize>, message: impl AsRef<str>, help: Option<String>) {
        if self.mistakes.len() < MAX_MISTAKES {
            let mistake = Mistake::new(self.source.span(at.start, at.end), message.as_ref(), help);
            self.mistakes.push(Mistake { hides_line: self.near_a_key, ..mistake });
        }
    }

    /// The line on which a place begins.
    pub(crate) fn line(&self, at: &Range<usize>) -> usize {
        self.source.span(at.start, at.end).line
    }

    /// Tells each key of a table that is not known there.
    pub(crate) fn check_keys(&mut self, of: &str, table: &DeTable<'_>, known: &[&str]) {
        for key in table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref();
            let near_a_key = self.near_a_key;
            self.near_a_key |= may_hold_a_key(name);
            self.wrong(key.span(), format!("{of} has no `{name}`"), suggestion(name, known.iter().copied()));
            self.near_a_key = near_a_key;
        }
    }

    /// The table under a key, where there is one.
    pub(crate) fn section<'t, 'i>(&mut self, table: &'t DeTable<'i>, key: &str) -> Option<&'t DeTable<'i>> {
        let value = table.get(key)?;
        let section = value.get_ref().as_table();
        if section.is_none() {
            self.wrong(value.span(), format!("`{key}` is no table: write `[{key}]`"), None);
        }
        section
    }

    /// The tables under a key that may stand there any number of times, each with its place.
    pub(crate) fn sections<'t, 'i>(
        &mut self,
        table: &'t DeTable<'i>,
        key: &str,
    ) -> Vec<(&'t DeTable<'i>, Range<usize>)> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let Some(list) = value.get_ref().as_array() else {
            self.wrong(value.span(), format!("`{key}` may stand there more than once: write `[[{key}]]`"), None);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for one in list.iter() {
            match one.get_ref().as_table() {
                Some(section) => sections.push((section, one.span())),
                None => self.wrong(one.span(), format!("this is no table: write `[[{key}]]`"), None),
            }
        }
        sections
    }

    /// A text, where there is one.
    pub(crate) fn text(&mut self, of: &str, table: &DeTable<'_>, key: &str) -> Option<Spanned<String>> {
        let value = table.get(key)?;
        self.as_text(&format!("`{key}` of {of}"), value)
    }

    /// A text that must be there.
    pub(crate) fn needed_text(
        &mut self,
        of: &str,
        table: &DeTable<'_>,
        at: &Range<usize>,
        key: &str,
    ) -> Option<Spanned<String>> {
        if table.get(key).is_none() {
            self.wrong(at.clone(), format!("{of} needs a `{key}`"), None);
        }
        self.text(of, table, key)
    }

    /// A list of texts, where there is one.
    pub(crate) fn texts(&mut self, of: &str, table: &DeTable<'_>, key: &str) -> Option<Vec<Spanned<String>>> {
        let value = table.get(key)?;
        let Some(list) = value.get_ref().as_array() else {
            self.wrong(value.span(), format!("`{key}` of {of} is no list of texts"), None);
            return None;
        };
        let what = format!("what stands in `{key}` of {of}");
        Some(list.iter().filter_map(|one| self.as_text(&what, one)).collect())
    }

    /// True or false, where it is said.
    pub(crate) fn flag(&mut self, of: &str, table: &DeTable<'_>, key: &str) -> Option<bool> {
        let value = table.get(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong(value.span(), format!("`{key}` of {of} is neither true nor false"), None);
        }
        flag
    }

    /// An amount: a number, or a text with a unit.
    pub(crate) fn amount(
        &mut self,
        what: &str,
        value: &Value<'_>,
        parse: impl FnOnce(&str) -> Result<u64, ParseAmountError>,
    ) -> Option<u64> {
        let text = match value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| number.as_str().to_owned(), |number| number.to_string()),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::String(text) => text.to_string(),
            _ => {
                self.wrong(value.span(), format!("{what} is neither a number nor a text"), None);
                return None;
            }
        };
        parse(&text).map_err(|error| self.wrong(value.span(), format!("{what}: {error}"), None)).ok()
    }

    /// A value of a config as JSON, which is what configs are; `what` says where it stands.
    pub(crate) fn json(&mut self, what: &str, value: &Value<'_>) -> Option<Json> {
        let mut refuse = |why: &str| {
            self.wrong(value.span(), format!("{what} can't hold {why}"), None);
            None
        };
        match value.get_ref() {
            DeValue::String(text) => Some(Json::from(text.as_ref())),
            DeValue::Boolean(flag) => Some(Json::from(*flag)),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Some(Json::from(number)),
                Err(_) => refuse("so large a number"),
            },
            DeValue::Float(number) => {
                let number = number.as_str().parse().ok().and_then(serde_json::Number::from_f64);
                number.map(Json::Number).or_else(|| refuse("a number that JSON can't write"))
            }
            DeValue::Datetime(_) => refuse("a date: write it as a text"),
            DeValue::Array(list) => {
                list.iter().map(|one| self.json(what, one)).collect::<Option<Vec<_>>>().map(Json::Array)
            }
            DeValue::Table(table) => {
                let entry = |(key, value): (&toml::Spanned<toml::de::DeString<'_>>, _)| {
                    Some((key.get_ref().to_string(), self.json(what, value)?))
                };
                table.iter().map(entry).collect::<Option<serde_json::Map<_, _>>>().map(Json::Object)
            }
        }
    }

    /// Notes what is wrong with a text, unless it is one.
    pub(crate) fn as_text(&mut self, what: &str, value: &Value<'_>) -> Option<Spanned<String>> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong(value.span(), format!("{what} is no text"), None);
        }
        Some(Spanned::new(text?.to_owned(), self.source.span(value.span().start, value.span().end)))
    }
}
