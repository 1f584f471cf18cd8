//! What is wrong with a runbook or a ruleset, as data. The words come from here, how they are shown is the business of
//! whoever shows them; [`Diagnostic::render`] is the plain form.

use crate::codes::Code;
use crate::source::{Source, Span};
use palisade_model::neutral;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Most characters of one text of a diagnostic.
const MAX_TEXT_CHARS: usize = 600;
/// Most characters of a source line that is shown.
const MAX_LINE_CHARS: usize = 160;
/// Characters that a marked place takes at most, roughly: so far before the end of what is shown of a line it begins.
const MAX_MARK_CHARS: usize = 40;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing starts.
    Error,
    /// It runs, but probably not as meant.
    Warning,
    /// Something to know.
    Note,
}

/// Another place that has to do with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there.
    pub text: String,
}

/// Something that is wrong, or worth knowing, at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Which kind of thing; stable over releases.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// Name of the source that the spans point into.
    pub source: String,
    /// Where.
    pub span: Span,
    /// What, in one line; neutralised.
    pub message: String,
    /// Other places of the same source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Diagnostic {
    /// Makes a diagnostic with the severity of its code. Foreign text in `message` is neutralised.
    #[must_use]
    pub fn new(code: Code, source: &str, span: Span, message: impl AsRef<str>) -> Self {
        Self {
            code,
            severity: code.severity(),
            source: neutral::line(source, MAX_TEXT_CHARS),
            span,
            message: neutral::line(message.as_ref(), MAX_TEXT_CHARS),
            labels: Vec::new(),
            help: None,
        }
    }

    /// Adds another place.
    #[must_use]
    pub fn with_label(mut self, span: Span, text: impl AsRef<str>) -> Self {
        self.labels.push(Label { span, text: neutral::line(text.as_ref(), MAX_TEXT_CHARS) });
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl AsRef<str>) -> Self {
        self.help = Some(neutral::line(help.as_ref(), MAX_TEXT_CHARS));
        self
    }

    /// Says what to do, where there is something to say.
    #[must_use]
    pub(crate) fn with_help_if(self, help: Option<impl AsRef<str>>) -> Self {
        match help {
            Some(help) => self.with_help(help),
            None => self,
        }
    }

    /// Makes an error a warning: WCF accepts it.
    #[must_use]
    pub(crate) fn into_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Makes a warning an error: it is none of a person.
    #[must_use]
    pub(crate) fn into_error(mut self) -> Self {
        self.severity = Severity::Error;
        self
    }

    /// Whether it keeps a run from starting.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Shows it as plain text, with the lines it points to.
    #[must_use]
    pub fn render(&self, source: &Source) -> String {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let mut text = format!("{word}[{}]: {}\n", self.code, self.message);
        let width = self.labels.iter().map(|label| label.span.line).chain([self.span.line]).max().unwrap_or(1);
        let width = width.to_string().len();
        let _ = writeln!(text, "{:width$}--> {}:{}:{}", "", self.source, self.span.line, self.span.column);
        show(&mut text, source, width, self.span, '^', "");
        for label in &self.labels {
            show(&mut text, source, width, label.span, '-', &label.text);
        }
        if let Some(help) = &self.help {
            let _ = writeln!(text, "{:width$} = help: {help}", "");
        }
        text
    }
}

/// The line of a source on which a place is, with a mark under it: for whoever tells of places in other words.
#[must_use]
pub fn excerpt(source: &Source, span: Span) -> String {
    let mut text = String::new();
    show(&mut text, source, span.line.to_string().len(), span, '^', "");
    text
}

/// Shows one line of the source with a mark under the place.
fn show(text: &mut String, source: &Source, width: usize, span: Span, mark: char, label: &str) {
    if span.start > source.text().len() {
        return;
    }
    let (skipped, line) = window(source.line(span.line), span.column.saturating_sub(1));
    let before: String = line.chars().take(span.column.saturating_sub(1) - skipped).collect();
    let cut = if skipped > 0 { "…" } else { "" };
    let before = format!("{cut}{}", neutral::line(&before, MAX_LINE_CHARS));
    let shown = format!("{cut}{}", neutral::line(line, MAX_LINE_CHARS));
    // As shown, what can not be seen takes more room than one column.
    let marked = source.slice(span).lines().next().unwrap_or_default();
    let length = neutral::line(marked, MAX_LINE_CHARS).chars().count().max(1);
    let _ = writeln!(text, "{:width$} |", "");
    let _ = writeln!(text, "{:>width$} | {shown}", span.line);
    let marks = format!("{}{} {label}", " ".repeat(before.chars().count()), mark.to_string().repeat(length));
    let _ = writeln!(text, "{:width$} | {}", "", marks.trim_end());
}

/// The part of a line that is shown for a place after so many of its characters, and how many stand before it: the whole
/// line unless the place lies far behind in it.
fn window(line: &str, before: usize) -> (usize, &str) {
    let skipped = if before + MAX_MARK_CHARS > MAX_LINE_CHARS { before.saturating_sub(MAX_LINE_CHARS / 2) } else { 0 };
    let from = line.char_indices().nth(skipped).map_or(line.len(), |(at, _)| at);
    (skipped, line.get(from..).unwrap_or_default())
}

/// Diagnostics as they are found. Their number is bounded, for a file of nothing but mistakes; the first error is kept
/// whatever came before it, so that a bound can't turn an error into none.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    list: Vec<Diagnostic>,
    has_error: bool,
    /// Places of errors that were told before: what else seems wrong there follows from them.
    told: BTreeSet<Span>,
}

impl Diagnostics {
    /// Most diagnostics of one reading.
    const MOST: usize = 200;

    /// For a reading that goes on from another one, which told errors at these places.
    pub(crate) fn after(told: BTreeSet<Span>) -> Self {
        Self { list: Vec::new(), has_error: !told.is_empty(), told }
    }

    /// Begins another reading of the same text: nothing more will be said of the places of errors.
    pub(crate) fn next_reading(&mut self) {
        self.told = self.places();
    }

    /// The places of all errors.
    pub(crate) fn places(&self) -> BTreeSet<Span> {
        let own = self.list.iter().filter(|found| found.is_error()).map(|found| found.span);
        self.told.iter().copied().chain(own).collect()
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if self.told.contains(&diagnostic.span) {
            return;
        }
        let first_error = diagnostic.is_error() && !self.has_error;
        self.has_error |= diagnostic.is_error();
        if self.list.len() < Self::MOST || first_error {
            self.list.push(diagnostic);
        }
    }

    pub(crate) fn extend(&mut self, more: impl IntoIterator<Item = Diagnostic>) {
        more.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// Makes what was told of a place an error, if it is of that kind. Says whether there is such a thing.
    pub(crate) fn make_error(&mut self, code: Code, span: Span) -> bool {
        let found = self.list.iter_mut().find(|found| found.code == code && found.span == span);
        if let Some(found) = found {
            found.severity = Severity::Error;
            self.has_error = true;
            return true;
        }
        false
    }

    pub(crate) fn has_error(&self) -> bool {
        self.has_error
    }

    /// Whether no more will be kept, so that finding more is of no use.
    pub(crate) fn is_full(&self) -> bool {
        self.has_error && self.list.len() >= Self::MOST
    }

    /// All of them, in the order in which a reader meets their places. A warning is left out where an error stands, and
    /// notes where there is an error at all: they are for people who are done.
    pub(crate) fn into_sorted(mut self) -> Vec<Diagnostic> {
        let errors = self.places();
        self.list.retain(|found| match found.severity {
            Severity::Error => true,
            Severity::Warning => !errors.contains(&found.span),
            Severity::Note => errors.is_empty(),
        });
        self.list.sort_by_key(|found| (found.span.start, found.severity, found.code));
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_keeps_the_first_error() {
        let at = |start| Span { start, end: start + 1, ..Span::default() };
        let of = |code: Code| Diagnostic::new(code, "x", at(usize::from(code.severity() == Severity::Error)), "x");
        let mut all = Diagnostics::default();
        all.extend(std::iter::repeat_n(of(Code::NoEffect), Diagnostics::MOST + 5));
        assert!(!all.has_error() && !all.is_full());
        all.extend([of(Code::Syntax), of(Code::Tag)]);
        assert!(all.has_error() && all.is_full());
        let codes: Vec<Code> = all.into_sorted().iter().map(|found| found.code).collect();
        assert_eq!(codes.len(), Diagnostics::MOST + 1);
        assert!(codes.contains(&Code::Syntax) && !codes.contains(&Code::Tag));
    }

    #[test]
    fn what_follows_from_an_error_is_not_told() {
        let at = |start| Span { start, end: start + 1, ..Span::default() };
        let of = |code, start| Diagnostic::new(code, "x", at(start), "x");
        let mut first = Diagnostics::default();
        first.extend([of(Code::Number, 1), of(Code::HiddenCharacters, 1), of(Code::HiddenCharacters, 2)]);
        first.next_reading();
        first.extend([of(Code::WrongType, 1), of(Code::WrongType, 2), of(Code::BadName, 2)]);
        let places = first.places();
        let codes: Vec<Code> = first.into_sorted().iter().map(|found| found.code).collect();
        assert_eq!(codes, [Code::Number, Code::WrongType, Code::BadName]);
        let mut second = Diagnostics::after(places);
        second.push(of(Code::BadConfig, 2));
        assert!(second.has_error() && second.into_sorted().is_empty());
        assert!(!Diagnostics::after(BTreeSet::new()).has_error());
    }

    #[test]
    fn a_diagnostic_shows_its_places_and_hides_tricks() {
        let source = Source::new("a.yaml", "name: x\ntype: \u{202e}evil\n");
        let diagnostic = Diagnostic::new(Code::UnknownComponent, source.name(), source.span(14, 21), "no\n\x1b[2J")
            .with_label(source.span(0, 4), "here")
            .with_help("say so");
        assert_eq!(
            diagnostic.render(&source),
            "error[PAL0301]: no\\u{a}\\u{1b}[2J\n --> a.yaml:2:7\n  |\n2 | type: \\u{202e}evil\n  |       ^^^^^^^^^^^^\n  \
             |\n1 | name: x\n  | ---- here\n  = help: say so\n"
        );
        let json = serde_json::to_value(&diagnostic).unwrap();
        let far = format!("{}wrong: {}", "x".repeat(500), "y".repeat(500));
        let source = Source::new("a.yaml", far.as_str());
        let shown = Diagnostic::new(Code::UnknownKey, "a.yaml", source.span(500, 505), "no").render(&source);
        let (line, marks) = (shown.lines().nth(3).unwrap(), shown.lines().nth(4).unwrap());
        assert_eq!(
            (marks.find('^'), marks.trim_end().len() - marks.find('^').unwrap()),
            (line.replace('…', ".").find("wrong"), 5)
        );
        assert!(line.starts_with("1 | …xx") && line.chars().count() <= 4 + 2 + MAX_LINE_CHARS, "{line}");
        assert_eq!((&json["code"], &json["span"]["line"]), (&"PAL0301".into(), &2.into()));
    }
}
