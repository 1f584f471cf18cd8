//! Something that is wrong in the operator's file, at its place.

use palisade_model::neutral;
use palisade_runbook::{Source, Span, excerpt};
use std::fmt::Write as _;

/// Most characters of a message.
const MAX_CHARS: usize = 600;

/// Something that is wrong, at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where.
    pub span: Span,
    /// What, in one line; neutralised.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Mistake {
    pub(crate) fn new(span: Span, message: &str, help: Option<String>) -> Self {
        let line = |text: &str| neutral::line(text, MAX_CHARS);
        Self { span, message: line(message), help: help.as_deref().map(line) }
    }

    /// Shows it with the line that it points to.
    #[must_use]
    pub fn render(&self, source: &Source) -> String {
        let mut text = format!("{}:{}: {}\n", self.span.line, self.span.column, self.message);
        text.push_str(&excerpt(source, self.span));
        if let Some(help) = &self.help {
            // Writing to a String can't fail.
            let _ = writeln!(text, "  = help: {help}");
        }
        text
    }
}
