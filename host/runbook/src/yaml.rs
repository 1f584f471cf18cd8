//! Reads YAML under a budget, with the place of every value. Only the core types; no value is made by a tag.
//!
//! Two dialects: [`Dialect::V11`] reads scalars as PyYAML's `SafeLoader` does, except that dates stay text;
//! [`Dialect::V12`] reads the core schema of YAML 1.2. What is refused in both: duplicate keys, keys that are not text,
//! tags but the core ones, several documents, aliases that stand in what they name.

mod node;
mod scalar;
mod syntax;

pub use node::{Data, Entry, Node};

use crate::codes::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::{Source, Span};
use palisade_model::neutral;
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use scalar::Scalar;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

/// How plain scalars are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// YAML 1.1 as PyYAML reads it: `yes` is true, `010` is 8, `1:30` is 90; `<<` merges.
    V11,
    /// The core schema of YAML 1.2.
    V12,
}

/// What a reader may use. The limits stop files that are made to be expensive: deep nests, aliases of aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Most bytes of the text.
    pub bytes: usize,
    /// Deepest nesting of lists and mappings.
    pub depth: usize,
    /// Most values, those that aliases and merges copy included.
    pub nodes: usize,
    /// Most bytes of all texts that aliases and merges copy.
    pub copied_bytes: usize,
}

impl Budget {
    /// For a runbook: ten thousand steps, each with twenty keys and values and some hundred bytes.
    pub const RUNBOOK: Self = Self { bytes: 4 << 20, depth: 64, nodes: 400_000, copied_bytes: 4 << 20 };
    /// For a ruleset: a hundred thousand patterns.
    pub const RULESET: Self = Self { bytes: 16 << 20, depth: 32, nodes: 1_000_000, copied_bytes: 4 << 20 };
}

/// Reads one document. Where there is a tree, the diagnostics may still hold errors.
#[must_use]
pub fn read(source: &Source, budget: Budget, dialect: Dialect) -> (Option<Node>, Vec<Diagnostic>) {
    let mut reader = Reader {
        source,
        budget,
        dialect,
        offsets: offsets(source.text()),
        diagnostics: Diagnostics::default(),
        stack: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        copied_bytes: 0,
        root: None,
    };
    if source.text().len() > budget.bytes {
        let message = format!("the file has {} bytes, at most {} are read", source.text().len(), budget.bytes);
        reader.say(Code::TooLarge, source.span(0, 0), message);
        return (None, reader.diagnostics.into_sorted());
    }
    let finished = reader.read_events().is_some();
    let mut diagnostics = reader.diagnostics;
    // A document of nothing but its `---` is as empty as one without.
    let root = reader.root.filter(|root| finished && root.data != Data::Null);
    if root.is_none() && !diagnostics.has_error() {
        diagnostics.push(Diagnostic::new(Code::EmptyDocument, source.name(), source.span(0, 0), "the file is empty"));
    }
    (root, diagnostics.into_sorted())
}

/// Byte offset of each character, for texts that are not ASCII: the parser counts characters.
fn offsets(text: &str) -> Option<Vec<usize>> {
    (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).chain([text.len()]).collect())
}

struct Reader<'s> {
    source: &'s Source,
    budget: Budget,
    dialect: Dialect,
    offsets: Option<Vec<usize>>,
    diagnostics: Diagnostics,
    stack: Vec<Frame>,
    anchors: HashMap<usize, (Node, Cost)>,
    nodes: usize,
    copied_bytes: usize,
    root: Option<Node>,
}

/// What a copy of a value costs.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    nodes: usize,
    bytes: usize,
}

/// A list or mapping that is not closed yet.
struct Frame {
    start: Span,
    anchor: usize,
    nodes_before: usize,
    kind: FrameKind,
}

enum FrameKind {
    List(Vec<Node>),
    Map(OpenMap),
}

/// A mapping that is not closed yet.
#[derive(Default)]
struct OpenMap {
    entries: Vec<Entry>,
    key: Option<Key>,
    seen: HashMap<String, Span>,
    merges: Vec<Node>,
    /// It is written `{{ … }}`: a reference that lacks its quotes.
    braces: bool,
}

struct Key {
    text: String,
    span: Span,
    role: KeyRole,
}

#[derive(PartialEq, Eq)]
enum KeyRole {
    Names,
    Merges,
    /// It is no text, which has been told: its entry is left out, so that nothing follows from it.
    Wrong,
}

impl Reader<'_> {
    /// Reads to the end; none if it had to give up.
    fn read_events(&mut self) -> Option<()> {
        let mut documents = 0;
        for event in Parser::new_from_str(self.source.text()) {
            let (event, place) = match event {
                Ok(event) => event,
                Err(error) => {
                    self.syntax_error(error.info(), error.marker().index());
                    return None;
                }
            };
            let span = self.source.span(self.byte(place.start.index()), self.byte(place.end.index()));
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        self.say(Code::SeveralDocuments, span, "the file has a second YAML document");
                        return Some(());
                    }
                }
                Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref(), span)?,
                Event::SequenceStart(anchor, tag) => {
                    self.check_tag(tag.as_deref(), "seq", span);
                    self.open(anchor, span, FrameKind::List(Vec::new()))?;
                }
                Event::MappingStart(anchor, tag) => {
                    self.check_tag(tag.as_deref(), "map", span);
                    self.open(anchor, span, FrameKind::Map(OpenMap::default()))?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
                Event::Alias(anchor) => self.alias(anchor, span)?,
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        Some(())
    }

    fn syntax_error(&mut self, message: &str, character: usize) {
        let at = self.byte(character);
        if message == "recursion limit exceeded" {
            self.say(Code::TooDeep, self.source.span(at, at + 1), "the YAML nests deeper than its reader goes");
            return;
        }
        let text = self.source.text();
        // The parser takes what it does not know at the beginning of a line for a tab, too.
        let tab = if message.contains("tab") { self.tab_from(at) } else { None };
        let message = if message.contains("tab") && tab.is_none() { "unexpected character" } else { message };
        let at = tab.unwrap_or(at);
        let words = syntax::in_words(message);
        // Where nothing is left, what is wrong stands at the end of what there is.
        let at = match text.get(..at).map(str::trim_end) {
            Some(before) if text.get(at..).is_some_and(|rest| rest.trim().is_empty()) => before.len().saturating_sub(1),
            _ => at,
        };
        let glued = words.of_list && text.get(at..).is_some_and(|rest| rest.starts_with('-'));
        let message = format!("this is not YAML: {}", neutral::line(words.says, 200));
        let mut wrong = Diagnostic::new(Code::Syntax, self.source.name(), self.source.span(at, at + 1), message);
        let begins = |open: &&Frame, with: &[&str]| {
            let rest = text.get(open.start.start..).unwrap_or_default();
            with.iter().any(|with| rest.starts_with(with))
        };
        let help = match self.stack.iter().find(|open| begins(open, &["{{"])) {
            Some(_) => Some("put a reference in quotes: \"{{ name }}\""),
            None if glued => Some("put a space behind the `-`"),
            None => words.help,
        };
        if let Some(open) = self.stack.last().filter(|open| words.of_open && begins(open, &["[", "{"])) {
            wrong = wrong.with_label(self.source.span(open.start.start, open.start.start + 1), "this is open");
        }
        self.push(wrong.with_help_if(help));
    }

    /// The tab that an error at `at` is about: that before it, or the first behind it with which a line begins.
    fn tab_from(&self, at: usize) -> Option<usize> {
        let text = self.source.text();
        if text.get(..at)?.ends_with('\t') {
            return Some(at - 1);
        }
        let begin = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
        let mut line_at = begin;
        for line in text.get(begin..)?.split_inclusive('\n') {
            let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
            if let Some(tab) = line.get(..indent)?.find('\t').filter(|tab| line_at + tab >= at) {
                return Some(line_at + tab);
            }
            line_at += line.len();
        }
        text.get(at..)?.find('\t').map(|tab| at + tab)
    }

    fn byte(&self, character: usize) -> usize {
        match &self.offsets {
            Some(offsets) => offsets.get(character).copied().unwrap_or(self.source.text().len()),
            None => character.min(self.source.text().len()),
        }
    }

    fn say(&mut self, code: Code, span: Span, message: impl AsRef<str>) {
        self.push(Diagnostic::new(code, self.source.name(), span, message));
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn charge(&mut self, nodes: usize, span: Span) -> Option<()> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= self.budget.nodes {
            return Some(());
        }
        let message = format!("there are more than {} values, copies by aliases included", self.budget.nodes);
        self.say(Code::TooManyNodes, span, message);
        None
    }

    fn charge_copy(&mut self, cost: Cost, span: Span) -> Option<()> {
        self.copied_bytes = self.copied_bytes.saturating_add(cost.bytes);
        if self.copied_bytes > self.budget.copied_bytes {
            let message = format!("aliases copy more than {} bytes of text", self.budget.copied_bytes);
            self.say(Code::TooManyNodes, span, message);
            return None;
        }
        self.charge(cost.nodes, span)
    }

    fn open(&mut self, anchor: usize, start: Span, kind: FrameKind) -> Option<()> {
        let nodes_before = self.nodes;
        self.charge(1, start)?;
        if self.stack.len() >= self.budget.depth {
            self.say(Code::TooDeep, start, format!("the YAML nests deeper than {} levels", self.budget.depth));
            return None;
        }
        self.stack.push(Frame { start, anchor, nodes_before, kind });
        Some(())
    }

    fn close(&mut self, end: Span) -> Option<()> {
        let frame = self.stack.pop()?;
        let text = self.source.text().get(frame.start.start..end.end).unwrap_or_default();
        let span = self.source.span(frame.start.start, frame.start.start + text.trim_end().len());
        let data = match frame.kind {
            FrameKind::List(items) => Data::List(items),
            FrameKind::Map(OpenMap { braces: true, .. }) => self.bare_reference(span),
            FrameKind::Map(OpenMap { entries, merges, .. }) => Data::Map(self.merged(entries, merges)?),
        };
        let nodes = self.nodes - frame.nodes_before;
        self.add(Node { data, span }, frame.anchor, nodes)
    }

    /// Tells of a reference without quotes, and reads on as if it had them.
    fn bare_reference(&mut self, span: Span) -> Data {
        let written = self.source.slice(span).to_owned();
        let shown = neutral::line(&written, 60);
        let message = format!("`{shown}` without quotes is a YAML mapping, not a reference");
        let wrong = Diagnostic::new(Code::BadReference, self.source.name(), span, message)
            .with_help(format!("put it in quotes: \"{shown}\""));
        self.push(wrong);
        Data::Text(written)
    }

    /// Entries of merged mappings come first, those of earlier mappings win, and the mapping's own win over all.
    fn merged(&mut self, own: Vec<Entry>, merges: Vec<Node>) -> Option<Vec<Entry>> {
        if merges.is_empty() {
            return Some(own);
        }
        let mut seen: std::collections::HashSet<String> = own.iter().map(|entry| entry.key.clone()).collect();
        let mut entries = Vec::new();
        let mappings = merges.into_iter().flat_map(|node| match node.data {
            Data::List(list) => list,
            data => vec![Node { data, span: node.span }],
        });
        for mapping in mappings {
            match mapping.data {
                Data::Map(more) => entries.extend(more.into_iter().filter(|entry| seen.insert(entry.key.clone()))),
                _ => self.say(Code::MergeKey, mapping.span, "`<<` can merge mappings only"),
            }
        }
        entries.extend(own);
        Some(entries)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Option<()> {
        let Some((_, cost)) = self.anchors.get(&anchor) else {
            self.say(Code::Alias, span, "the alias names a value that it stands in");
            return None;
        };
        let cost = *cost;
        self.charge_copy(cost, span)?;
        let node = self.anchors.get(&anchor).map(|(node, _)| node.clone())?;
        self.add(node, 0, cost.nodes)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, tag: Option<&Tag>, span: Span) -> Option<()> {
        self.charge(1, span)?;
        let plain = style == ScalarStyle::Plain;
        let scalar = match tag {
            None if plain => scalar::resolve(text, self.dialect),
            None => Scalar::Text,
            Some(tag) => self.tagged(text, tag, span),
        };
        let data = match scalar {
            Scalar::Null => Data::Null,
            Scalar::Bool(truth) => Data::Bool(truth),
            Scalar::Int(number) => Data::Int(number),
            Scalar::Float(number) => Data::Float(number),
            Scalar::Text => Data::Text(text.to_owned()),
            Scalar::Date => {
                self.date(span);
                Data::Text(text.to_owned())
            }
            Scalar::OutOfRange => {
                self.say(Code::Number, span, "this number can't be represented here");
                Data::Text(text.to_owned())
            }
        };
        if text.chars().any(|c| neutral::is_hidden(c) && !matches!(c, '\n' | '\t' | '\r')) {
            let message = format!("the text `{}` holds characters that can't be seen", neutral::line(text, 60));
            self.say(Code::HiddenCharacters, span, message);
        }
        if self.wants_key() {
            return self.key(text, &data, plain && tag.is_none(), span, anchor);
        }
        self.add(Node { data, span }, anchor, 1)
    }

    fn wants_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame { kind: FrameKind::Map(OpenMap { key: None, .. }), .. }))
    }

    fn date(&mut self, span: Span) {
        // As a key it is text in any case.
        if !self.wants_key() {
            let note = Diagnostic::new(Code::DateAsText, self.source.name(), span, "this date is read as text")
                .with_help("put it in quotes, so that WCF reads text too");
            self.push(note);
        }
    }

    fn key(&mut self, text: &str, data: &Data, plain: bool, span: Span, anchor: usize) -> Option<()> {
        let mut role = KeyRole::Names;
        if plain && text == "<<" && self.dialect == Dialect::V11 {
            role = KeyRole::Merges;
        }
        if !matches!(data, Data::Text(_)) {
            role = KeyRole::Wrong;
            let shown = neutral::line(text, 60);
            let message = format!("the key `{shown}` is {}, not a text", data.kind());
            self.push(
                Diagnostic::new(Code::KeyNotText, self.source.name(), span, message)
                    .with_help(format!("put it in quotes: \"{shown}\"")),
            );
        }
        if anchor != 0 {
            let node = Node { data: Data::Text(text.to_owned()), span };
            self.anchors.insert(anchor, (node, Cost { nodes: 1, bytes: text.len() }));
        }
        let Some(Frame { kind: FrameKind::Map(OpenMap { key, seen, .. }), .. }) = self.stack.last_mut() else {
            return Some(());
        };
        *key = Some(Key { text: text.to_owned(), span, role });
        let first = match seen.entry(text.to_owned()) {
            Slot::Occupied(slot) => Some(*slot.get()),
            Slot::Vacant(slot) => {
                slot.insert(span);
                None
            }
        };
        if let Some(first) = first {
            let message = format!("the key `{}` stands twice in this mapping", neutral::line(text, 60));
            let twice =
                Diagnostic::new(Code::DuplicateKey, self.source.name(), span, message).with_label(first, "first here");
            let within = self.stack.len().checked_sub(2).and_then(|outer| self.stack.get(outer));
            let of_list = matches!(within, Some(Frame { kind: FrameKind::List(_), .. }));
            self.push(
                twice.with_help_if(of_list.then_some("leave one away; the next element of the list begins with `- `")),
            );
        }
        Some(())
    }

    /// Puts a finished value into what is open, or makes it the root.
    fn add(&mut self, mut node: Node, anchor: usize, nodes: usize) -> Option<()> {
        if anchor != 0 {
            let cost = Cost { nodes, bytes: node.text_bytes() };
            // The kept copy counts too: anchors nested in anchors would otherwise multiply unseen.
            self.charge_copy(cost, node.span)?;
            self.anchors.insert(anchor, (node.clone(), cost));
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Frame { kind: FrameKind::List(items), .. }) => items.push(node),
            Some(Frame { start, kind: FrameKind::Map(map), .. }) => match map.key.take() {
                Some(Key { role: KeyRole::Merges, .. }) => map.merges.push(node),
                Some(Key { role: KeyRole::Wrong, .. }) => {}
                Some(Key { text, span, role: KeyRole::Names }) => {
                    if node.data == Data::Null && node.span.start == node.span.end {
                        // Nothing was written: the parser's place may be lines below.
                        node.span = span;
                    }
                    map.entries.push(Entry { key: text, key_span: span, value: node });
                }
                None => {
                    let (span, kind) = (node.span, node.data.kind());
                    map.key = Some(Key { text: String::new(), span, role: KeyRole::Wrong });
                    map.braces = matches!(node.data, Data::Map(_)) && start.start + 1 == span.start;
                    if !map.braces {
                        self.say(Code::KeyNotText, span, format!("{kind} can't be a key"));
                    }
                }
            },
        }
        Some(())
    }

    fn check_tag(&mut self, tag: Option<&Tag>, core: &str, span: Span) {
        if let Some(tag) = tag.filter(|tag| !is_core(tag, core) && !is_plain_bang(tag)) {
            self.refuse_tag(tag, span);
        }
    }

    fn refuse_tag(&mut self, tag: &Tag, span: Span) {
        let handle = if tag.is_yaml_core_schema() { "!!" } else { &tag.handle };
        let message = format!("the tag `{}` is not supported", neutral::line(&format!("{handle}{}", tag.suffix), 80));
        self.push(
            Diagnostic::new(Code::Tag, self.source.name(), span, message).with_help(
                "only the core tags `!!str`, `!!int`, `!!float`, `!!bool`, `!!null`, `!!seq` and `!!map` are",
            ),
        );
    }

    fn tagged(&mut self, text: &str, tag: &Tag, span: Span) -> Scalar {
        if is_plain_bang(tag) || is_core(tag, "str") {
            return Scalar::Text;
        }
        let resolved = scalar::resolve(text, self.dialect);
        let read = match (&resolved, tag.suffix.as_str()) {
            _ if !tag.is_yaml_core_schema() => None,
            (Scalar::Int(_), "int")
            | (Scalar::Float(_), "float")
            | (Scalar::Bool(_), "bool")
            | (Scalar::Null, "null") => Some(resolved),
            #[expect(clippy::cast_precision_loss, reason = "that is what `!!float` of an integer means")]
            (Scalar::Int(number), "float") => Some(Scalar::Float(*number as f64)),
            (_, "int" | "float" | "bool" | "null") => {
                let message = format!("`{}` does not fit its tag `!!{}`", neutral::line(text, 60), tag.suffix);
                self.say(Code::Tag, span, message);
                return Scalar::Text;
            }
            _ => None,
        };
        read.unwrap_or_else(|| {
            self.refuse_tag(tag, span);
            Scalar::Text
        })
    }
}

fn is_core(tag: &Tag, name: &str) -> bool {
    tag.is_yaml_core_schema() && tag.suffix == name
}

/// The non-specific tag `!`: the value is what its form says, a scalar is text.
fn is_plain_bang(tag: &Tag) -> bool {
    (tag.handle == "!" && tag.suffix.is_empty()) || (tag.handle.is_empty() && tag.suffix == "!")
}

#[cfg(test)]
mod tests;
