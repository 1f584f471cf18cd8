//! Taking values out of a YAML tree: what has the wrong type is reported, and reading goes on.
//!
//! The artifacts form is read as WCF reads it: `"7"` is a number where one is wanted, `yes` a truth value. The execution
//! form is read as written.

use crate::codes::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::nearest::{nearest, suggestion};
use crate::runbook::Form;
use crate::source::{Source, Span, Spanned};
use crate::yaml::{Data, Entry, Node};
use palisade_model::neutral;
use palisade_model::unit::ParseAmountError;
use palisade_schema::lax;
use std::borrow::Cow;

/// Reads values and collects what is wrong with them.
pub(crate) struct Shape<'s> {
    pub(crate) source: &'s Source,
    pub(crate) diagnostics: Diagnostics,
    form: Form,
}

/// Words that YAML 1.1 takes for truth values and YAML 1.2 for texts.
const TRUTH_WORDS: [&str; 4] = ["yes", "no", "on", "off"];

/// What happens to keys that are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// They are errors.
    Refused,
    /// They are warnings: WCF ignores them.
    Ignored,
}

impl<'s> Shape<'s> {
    pub(crate) fn new(source: &'s Source, form: Form) -> Self {
        Self { source, diagnostics: Diagnostics::default(), form }
    }

    /// What happens to unknown keys where WCF ignores them and nobody else does.
    pub(crate) fn unknown_keys(&self) -> Unknown {
        match self.form {
            Form::Artifacts => Unknown::Ignored,
            Form::Execution => Unknown::Refused,
        }
    }

    pub(crate) fn say(&mut self, code: Code, span: Span, message: impl AsRef<str>) {
        self.push(Diagnostic::new(code, self.source.name(), span, message));
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn wrong_type(&mut self, node: &Node, what: &str, wanted: &str) {
        let message = format!("{what} must be {wanted}, not {}", node.data.kind());
        let written = self.source.slice(node.span);
        let scalar = matches!(node.data, Data::Bool(_) | Data::Int(_) | Data::Float(_));
        let help = match &node.data {
            Data::Text(text) if wanted == "an integer" && text.parse::<i64>().is_ok() => {
                Some("write it without quotes".to_owned())
            }
            _ if wanted == "a text" && scalar => Some(format!("put it in quotes: \"{}\"", neutral::line(written, 60))),
            _ => None,
        };
        let diagnostic = Diagnostic::new(Code::WrongType, self.source.name(), node.span, message).with_help_if(help);
        self.push(diagnostic);
    }

    /// The entries of a mapping.
    pub(crate) fn mapping<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Entry]> {
        match &node.data {
            Data::Map(entries) => Some(entries),
            _ => {
                self.wrong_type(node, what, "a mapping");
                None
            }
        }
    }

    /// A mapping whose keys are all known. Where they must be, a misspelt one is told and then read as the one that it
    /// was meant to be, so that nothing follows from it.
    pub(crate) fn strict<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        known: &[&str],
        unknown: Unknown,
    ) -> Option<Cow<'n, Node>> {
        let entries = self.mapping(node, what)?;
        let mut read = Cow::Borrowed(node);
        for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| !known.contains(&entry.key.as_str())) {
            let mut wrong = self.unknown_key(entry, what, known);
            if unknown == Unknown::Ignored {
                wrong = wrong.into_warning();
            } else {
                read_as_meant(&mut read, index, known);
            }
            self.push(wrong);
        }
        Some(read)
    }

    /// What is said of a key that is not known.
    pub(crate) fn unknown_key(&self, entry: &Entry, what: &str, known: &[&str]) -> Diagnostic {
        let message = format!("{what} has no key `{}`", neutral::line(&entry.key, 60));
        Diagnostic::new(Code::UnknownKey, self.source.name(), entry.key_span, message)
            .with_help_if(suggestion(&entry.key, known.iter().copied()))
    }

    /// The value of a key that must be there.
    pub(crate) fn required<'n>(&mut self, node: &'n Node, key: &str, what: &str) -> Option<&'n Node> {
        let found = node.get(key);
        if found.is_none() && !self.was_meant(node, &[key]) {
            let span = self.first_line(node.span);
            self.say(Code::MissingKey, span, format!("{what} needs the key `{key}`"));
        }
        found
    }

    /// Whether a mapping that lacks `keys` has one of them misspelt. What was a warning is an error then, and says enough.
    pub(crate) fn was_meant(&mut self, node: &Node, keys: &[&str]) -> bool {
        let Data::Map(entries) = &node.data else { return false };
        let misspelt = |entry: &&Entry| nearest(&entry.key, keys.iter().copied()).is_some();
        entries.iter().filter(misspelt).any(|entry| self.diagnostics.make_error(Code::UnknownKey, entry.key_span))
    }

    /// The first line of a place, so that a mark does not run over a whole block.
    pub(crate) fn first_line(&self, span: Span) -> Span {
        let length = self.source.slice(span).lines().next().unwrap_or_default().trim_end().len();
        self.source.span(span.start, span.start + length)
    }

    /// The place of the word, or the sign, at a character of a text value, from 0; the whole value where it is not written
    /// as it is read.
    pub(crate) fn word(&self, text: &Spanned<String>, character: usize) -> Span {
        let at = text.value.char_indices().nth(character).map_or(text.value.len(), |(at, _)| at);
        let rest = text.value.get(at..).unwrap_or_default();
        let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let length = word.max(rest.chars().next().map_or(0, char::len_utf8));
        text.span.part(&text.value, at..at + length)
    }

    pub(crate) fn text(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        match &node.data {
            Data::Text(text) if self.form == Form::Execution && self.is_truth_word(node) => {
                let message = format!("{what} is `{text}`, which other readers of YAML take for a truth value");
                let ambiguous = Diagnostic::new(Code::AmbiguousWord, self.source.name(), node.span, message)
                    .with_help(format!("put it in quotes: \"{text}\""));
                self.push(ambiguous);
                None
            }
            Data::Text(text) => Some(Spanned::new(text.clone(), node.span)),
            _ => {
                self.wrong_type(node, what, "a text");
                None
            }
        }
    }

    /// A text under a key that may be absent or null.
    pub(crate) fn optional_text(&mut self, node: &Node, key: &str, what: &str) -> Option<Spanned<String>> {
        let node = node.get(key).filter(|node| node.data != Data::Null)?;
        self.text(node, &format!("`{key}` of {what}"))
    }

    /// A truth value under a key that may be absent.
    pub(crate) fn flag(&mut self, node: &Node, key: &str, what: &str) -> bool {
        let Some(node) = node.get(key) else { return false };
        let read = match (self.form, &node.data) {
            (_, Data::Bool(truth)) => Some(*truth),
            (Form::Artifacts, _) => lax::boolean(&node.to_json()),
            (Form::Execution, _) => None,
        };
        if read.is_none() {
            let what = format!("`{key}` of {what}");
            if self.is_truth_word(node) {
                let message = format!("{what} must be a truth value, not the text `{}`", self.source.slice(node.span));
                let wrong = Diagnostic::new(Code::WrongType, self.source.name(), node.span, message)
                    .with_help("write `true` or `false`");
                self.push(wrong);
            } else {
                self.wrong_type(node, &what, "a truth value");
            }
        }
        read.unwrap_or_default()
    }

    /// Whether a value was written as a plain `yes`, `no`, `on` or `off`.
    pub(crate) fn is_truth_word(&self, node: &Node) -> bool {
        is_truth_word(self.source.slice(node.span))
    }

    /// A whole number of at least 1.
    pub(crate) fn positive(&mut self, node: &Node, what: &str) -> Option<Spanned<u64>> {
        let number = match (self.form, &node.data) {
            (_, Data::Int(number)) => Some(*number),
            (Form::Artifacts, _) => lax::integer(&node.to_json()),
            (Form::Execution, _) => None,
        };
        let Some(number) = number else {
            self.wrong_type(node, what, "an integer");
            return None;
        };
        match u64::try_from(number) {
            Ok(number) if number > 0 => Some(Spanned::new(number, node.span)),
            _ => {
                self.say(Code::BadValue, node.span, format!("{what} must be at least 1"));
                None
            }
        }
    }

    /// An amount with its unit, as `parse` reads it. `example` is one that could stand there.
    pub(crate) fn amount(
        &mut self,
        node: &Node,
        what: &str,
        example: &str,
        parse: impl FnOnce(&str) -> Result<u64, ParseAmountError>,
    ) -> Option<Spanned<u64>> {
        let written = match &node.data {
            Data::Text(text) => text.clone(),
            Data::Int(number) => number.to_string(),
            Data::Float(number) => number.to_string(),
            _ => {
                self.wrong_type(node, what, "an amount");
                return None;
            }
        };
        match parse(&written) {
            Ok(value) => Some(Spanned::new(value, node.span)),
            Err(error) => {
                let message = match written.trim().strip_prefix('-') {
                    Some(_) => format!("{what} can't be negative"),
                    None => format!("{what} can't be read as an amount: {error}"),
                };
                let wrong = Diagnostic::new(Code::BadAmount, self.source.name(), node.span, message)
                    .with_help(format!("write it as `{example}`"));
                self.push(wrong);
                None
            }
        }
    }

    /// A text, or a list of texts; none if any of them is something else.
    pub(crate) fn one_or_more(&mut self, node: &Node, what: &str) -> Option<Vec<Spanned<String>>> {
        match &node.data {
            Data::List(list) if list.is_empty() => {
                self.say(Code::BadValue, node.span, format!("{what} is empty"));
                None
            }
            Data::List(_) => self.texts(node, what),
            Data::Map(_) | Data::Null => {
                self.wrong_type(node, what, "a text or a list of texts");
                None
            }
            _ => self.text(node, what).map(|text| vec![text]),
        }
    }

    /// A list of texts; none if any of them is something else.
    pub(crate) fn texts(&mut self, node: &Node, what: &str) -> Option<Vec<Spanned<String>>> {
        match &node.data {
            Data::List(list) => {
                let texts: Vec<_> =
                    list.iter().map(|node| self.text(node, &format!("each element of {what}"))).collect();
                texts.into_iter().collect()
            }
            _ => {
                self.wrong_type(node, what, "a list of texts");
                None
            }
        }
    }
}

/// Whether a text is one that some readers of YAML take for a truth value.
pub(crate) fn is_truth_word(text: &str) -> bool {
    TRUTH_WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Gives an entry the key that it was probably meant to have, if no other has it.
pub(crate) fn read_as_meant(read: &mut Cow<'_, Node>, index: usize, known: &[&str]) {
    let Data::Map(entries) = &read.data else { return };
    let meant = entries.get(index).and_then(|entry| nearest(&entry.key, known.iter().copied()));
    let Some(meant) = meant.filter(|meant| !entries.iter().any(|entry| entry.key == *meant)) else { return };
    if let Data::Map(entries) = &mut read.to_mut().data
        && let Some(entry) = entries.get_mut(index)
    {
        meant.clone_into(&mut entry.key);
    }
}
