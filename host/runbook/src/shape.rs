//! Taking values out of a YAML tree: what has the wrong type is reported, and reading goes on.

use crate::codes::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::nearest::suggestion;
use crate::source::{Source, Span, Spanned};
use crate::yaml::{Data, Entry, Node};
use palisade_model::neutral;
use palisade_schema::lax;

/// Reads values and collects what is wrong with them.
pub(crate) struct Shape<'s> {
    pub(crate) source: &'s Source,
    pub(crate) diagnostics: Diagnostics,
}

/// What happens to keys that are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// They are errors.
    Refused,
    /// They are warnings: WCF ignores them.
    Ignored,
}

impl<'s> Shape<'s> {
    pub(crate) fn new(source: &'s Source) -> Self {
        Self { source, diagnostics: Diagnostics::default() }
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
        let help =
            (wanted == "a text" && scalar).then(|| format!("put it in quotes: \"{}\"", neutral::line(written, 60)));
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

    /// A mapping whose keys are all known.
    pub(crate) fn strict<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        known: &[&str],
        unknown: Unknown,
    ) -> Option<&'n [Entry]> {
        let entries = self.mapping(node, what)?;
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let message = format!("{what} has no key `{}`", neutral::line(&entry.key, 60));
            let help = suggestion(&entry.key, known.iter().copied());
            let mut diagnostic =
                Diagnostic::new(Code::UnknownKey, self.source.name(), entry.key_span, message).with_help_if(help);
            if unknown == Unknown::Ignored {
                diagnostic = diagnostic.into_warning();
            }
            self.push(diagnostic);
        }
        Some(entries)
    }

    /// The value of a key that must be there.
    pub(crate) fn required<'n>(&mut self, node: &'n Node, key: &str, what: &str) -> Option<&'n Node> {
        let found = node.get(key);
        if found.is_none() {
            let span = self.first_line(node.span);
            self.say(Code::MissingKey, span, format!("{what} needs the key `{key}`"));
        }
        found
    }

    /// The first line of a place, so that a mark does not run over a whole block.
    pub(crate) fn first_line(&self, span: Span) -> Span {
        let length = self.source.slice(span).lines().next().unwrap_or_default().trim_end().len();
        self.source.span(span.start, span.start + length)
    }

    pub(crate) fn text(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        match &node.data {
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
        let read = lax::boolean(&node.to_json());
        if read.is_none() {
            self.wrong_type(node, &format!("`{key}` of {what}"), "a truth value");
        }
        read.unwrap_or_default()
    }

    /// A whole number of at least 1.
    pub(crate) fn positive(&mut self, node: &Node, what: &str) -> Option<Spanned<u64>> {
        let Some(number) = lax::integer(&node.to_json()) else {
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

    /// A list of texts.
    pub(crate) fn texts(&mut self, node: &Node, what: &str) -> Option<Vec<Spanned<String>>> {
        match &node.data {
            Data::List(list) => {
                Some(list.iter().filter_map(|node| self.text(node, &format!("each element of {what}"))).collect())
            }
            _ => {
                self.wrong_type(node, what, "a list of texts");
                None
            }
        }
    }
}
