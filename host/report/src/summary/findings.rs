//! What was found: one block for each output artifact, its categories by number.

use super::heading;
use super::pen::{Ink, TextStyle, bar, fit, left, right, width};
use crate::Document;
use crate::document::has_findings;
use crate::tally::{Count, Tally};
use palisade_model::unit;
use std::io::{self, Write};

/// Most categories shown of an artifact.
const MAX_SHOWN: usize = 20;
/// Columns of the longest bar.
const BAR: usize = 16;
/// Columns below which there is no room for bars.
const ROOM_FOR_BARS: usize = 60;

pub(super) fn findings(tallies: &[(&dyn Document, Tally)], style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    if tallies.is_empty() {
        return Ok(());
    }
    heading("Findings", style, out)?;
    let layout = Layout::of(tallies, style);
    for (index, (document, tally)) in tallies.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        let noun = if has_findings(*document) { "finding" } else { "item" };
        let count = unit::Count(tally.all.findings).of(noun);
        let name = fit(document.name().as_str(), style.columns().saturating_sub(count.len() + 4));
        let schema = document.schema().to_string();
        let room = 2 + width(&name) + 2 + count.len() + 2 + schema.len() <= style.columns();
        let schema = if room { style.ink(Ink::Quiet, &format!("  {schema}")) } else { String::new() };
        writeln!(out, "  {}  {count}{schema}", style.ink(Ink::Heading, &name))?;
        categories(tally, layout, style, out)?;
    }
    Ok(())
}

/// Columns of the categories' lines, the same for all artifacts.
#[derive(Clone, Copy)]
struct Layout {
    name: usize,
    number: usize,
    bar: usize,
}

impl Layout {
    fn of(tallies: &[(&dyn Document, Tally)], style: TextStyle) -> Self {
        let bar = if style.columns() < ROOM_FOR_BARS { 0 } else { BAR };
        let most = style.columns() / 2 - 6;
        let mut layout = Self { name: 0, number: 0, bar };
        for (_, tally) in tallies {
            for (name, count) in tally.ranked(MAX_SHOWN).0 {
                layout.name = layout.name.max(width(&fit(name, most)));
                layout.number = layout.number.max(unit::Count(count.findings).to_string().len());
            }
        }
        layout
    }
}

fn categories(tally: &Tally, layout: Layout, style: TextStyle, out: &mut impl Write) -> io::Result<()> {
    let (ranked, rest) = tally.ranked(MAX_SHOWN);
    let largest = ranked.iter().map(|(_, count)| count.findings).max().unwrap_or_default();
    for (name, count) in ranked {
        let marks = marks(&count);
        let name = left(&fit(name, layout.name), layout.name);
        let number = right(&unit::Count(count.findings).to_string(), layout.number);
        let bar = bar(count.findings, largest, layout.bar);
        let gap = " ".repeat(layout.bar.saturating_sub(width(&bar)));
        let bar = style.ink(Ink::Quiet, &bar);
        if marks.is_empty() {
            writeln!(out, "{}", format!("    {name}  {number}  {bar}").trim_end())?;
        } else {
            let gap = if layout.bar == 0 { String::new() } else { format!("{gap}  ") };
            let used = 4 + layout.name + 2 + layout.number + 2 + if layout.bar == 0 { 0 } else { layout.bar + 2 };
            let marks = fit(&format!("● {marks}"), style.columns().saturating_sub(used));
            let (name, marks) = (style.ink(Ink::Notable, &name), style.ink(Ink::Notable, &marks));
            writeln!(out, "    {name}  {number}  {bar}{gap}{marks}")?;
        }
    }
    if let Some(rest) = rest {
        let others = match rest.categories {
            0 => "further categories".to_owned(),
            1 => "1 further category".to_owned(),
            many => format!("{} further categories", unit::Count(many)),
        };
        let text = format!("… {} in {others}", unit::Count(rest.findings).of("finding"));
        writeln!(out, "    {}", style.ink(Ink::Quiet, &text))?;
    }
    Ok(())
}

/// `special category, needs review (2)`: a number where not all of them bear the mark.
fn marks(count: &Count) -> String {
    let all: Vec<_> = count
        .marks()
        .map(|(mark, marked)| {
            if marked == count.findings {
                mark.label().to_owned()
            } else {
                format!("{} ({})", mark.label(), unit::Count(marked))
            }
        })
        .collect();
    all.join(", ")
}
