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
    /// Its line may hold a key, which is shown nowhere.
    pub(crate) hides_line: bool,
}

impl Mistake {
    pub(crate) fn new(span: Span, message: &str, help: Option<String>) -> Self {
        let line = |text: &str| neutral::line(text, MAX_CHARS);
        Self { span, message: line(message), help: help.as_deref().map(line), hides_line: false }
    }

    /// Shows it with the line that it points to, unless that may hold a key.
    #[must_use]
    pub fn render(&self, source: &Source) -> String {
        let mut text = format!("{}:{}: {}\n", self.span.line, self.span.column, self.message);
        if !self.hides_line {
            text.push_str(&excerpt(source, self.span));
        }
        if let Some(help) = &self.help {
            // Writing to a String can't fail.
            let _ = writeln!(text, "  = help: {help}");
        }
        text
    }
}
