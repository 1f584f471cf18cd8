//! Shows what is wrong with a runbook or ruleset.

use super::console;
use palisade_runbook::{Diagnostic, Severity, Source};

/// Writes diagnostics to standard error, with the lines they point to. Gives the number of errors.
pub(crate) fn show<'d>(diagnostics: impl IntoIterator<Item = (&'d Source, &'d Diagnostic)>, colour: bool) -> usize {
    let mut errors = 0;
    for (source, diagnostic) in diagnostics {
        errors += usize::from(diagnostic.is_error());
        let text = diagnostic.render(source);
        let text = match text.split_once(':').filter(|_| colour) {
            Some((head, rest)) => format!("\x1b[{}m{head}\x1b[0m:{rest}", colour_of(diagnostic.severity)),
            None => text,
        };
        console::err(&format!("{text}\n"));
    }
    errors
}

fn colour_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "1;31",
        Severity::Warning => "1;33",
        Severity::Note => "1;36",
    }
}
