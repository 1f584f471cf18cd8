//! Where a policy and the data disagree: one line for each gap, gravest first.

use super::heading;
use super::pen::{Ink, TextStyle, fit, left, width, wrap};
use crate::gap::{Gap, Gaps, Severity};
use crate::{Document, ReportError};
use palisade_model::unit::Count;
use std::io::{self, Write};

/// Most gaps shown of a document.
const MAX_SHOWN: usize = 30;

/// Writes the gaps of each gap report among the documents.
pub(super) fn gaps(documents: &[&dyn Document], style: TextStyle, out: &mut impl Write) -> Result<(), ReportError> {
    for document in documents {
        if let Some(gaps) = Gaps::of(*document)? {
            one(&gaps, style, out)?;
        }
    }
    Ok(())
}

fn one(gaps: &Gaps, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    let title = format!("Policy and data: {}", gaps.title);
    heading(&fit(&title, style.columns()), style, out)?;
    let (grave, notes) = gaps.split();
    if grave.is_empty() {
        writeln!(out, "  {}", style.ink(Ink::Good, "nothing was found in which they disagree"))?;
    }
    let shown: Vec<_> = grave.iter().take(MAX_SHOWN).collect();
    let most = style.columns() / 3;
    let names: Vec<_> = shown.iter().map(|gap| fit(&gap.category, most)).collect();
    let widest = names.iter().map(|name| width(name)).max().unwrap_or_default();
    for (gap, name) in shown.iter().zip(&names) {
        let severity = left(gap.severity.label(), "medium".len());
        let ink = ink(gap.severity);
        let used = 2 + severity.len() + 2 + widest + 2;
        let what = wrap(&says(gap), style.columns().saturating_sub(used));
        let what = what.join(&format!("\n{}", " ".repeat(used)));
        writeln!(out, "  {}  {}  {what}", style.ink(ink, &severity), style.ink(ink, &left(name, widest)))?;
    }
    let more = (grave.len() - shown.len()) as u64 + gaps.left_out;
    if more > 0 {
        let text = format!("  … {} more: the artifact's own file holds them all", Count(more));
        writeln!(out, "{}", style.ink(Ink::Quiet, &text))?;
    }
    if !notes.is_empty() {
        let text = format!("  and {} that nothing here could check", Count(notes.len() as u64).of("statement"));
        writeln!(out, "{}", style.ink(Ink::Quiet, &fit(&text, style.columns())))?;
    }
    Ok(())
}

fn ink(severity: Severity) -> Ink {
    match severity {
        Severity::High => Ink::Bad,
        Severity::Medium => Ink::Notable,
        Severity::Low | Severity::Info => Ink::Quiet,
    }
}

/// What is amiss, how often and where.
fn says(gap: &Gap) -> String {
    let mut says = gap.what.to_owned();
    if gap.findings > 0 {
        says += &format!(": {}", Count(gap.findings).of("finding"));
    }
    if let Some(place) = &gap.place {
        let more = match gap.place_count {
            0 | 1 => String::new(),
            many => format!(" and {}{}", Count(many - 1), if gap.more_places { "+ more" } else { " more" }),
        };
        says += &format!(" in {place}{more}");
    }
    says
}
