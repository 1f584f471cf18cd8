//! The run at a glance: the numbers that matter, and each artifact by category.

use super::escape::{fragment, name};
use crate::Document;
use crate::document::has_findings;
use crate::tally::{Count, Places, Tally};
use crate::vocabulary::Mark;
use palisade_model::record::{RunRecord, Status};
use palisade_model::unit;
use std::io::{self, Write};

/// Most categories shown of an artifact.
const MAX_CATEGORIES: usize = 60;

type Tallies<'a> = [(&'a dyn Document, Tally)];

pub(super) fn cards(run: &RunRecord, tallies: &Tallies<'_>, places: &Places, out: &mut impl Write) -> io::Result<()> {
    // What passed through bears marks too, and is no finding.
    let found = || tallies.iter().filter(|(document, _)| has_findings(*document)).map(|(_, tally)| tally);
    let sum = |mark| found().map(|tally| tally.all.of(mark)).sum::<u64>();
    let findings = found().map(|tally| tally.all.findings).sum();
    let (place_count, more) = places.len();
    let done = run.steps.iter().filter(|step| step.status == Status::Succeeded).count();
    let skipped: u64 = run.steps.iter().map(|step| step.skipped_count).sum();
    out.write_all(b"<section aria-label=\"At a glance\">\n<dl class=\"cards\">\n")?;
    // Where nothing was made, nothing is known: that is no zero.
    let known = |text: String| if tallies.is_empty() { "–".to_owned() } else { text };
    card("Findings", &known(unit::Count(findings).to_string()), "", out)?;
    let special = sum(Mark::Special);
    let class = if special > 0 { "notable" } else { "" };
    card("Special categories", &known(unit::Count(special).to_string()), class, out)?;
    for mark in [Mark::Sensitive, Mark::Dpia, Mark::Risk, Mark::Weakness, Mark::Review] {
        if sum(mark) > 0 {
            card(title(mark), &unit::Count(sum(mark)).to_string(), "notable", out)?;
        }
    }
    let at_least = if more { "+" } else { "" };
    card("Places", &known(format!("{}{at_least}", unit::Count(place_count as u64))), "", out)?;
    let failed = if done < run.steps.len() { "bad" } else { "" };
    card("Steps done", &format!("{done} of {}", run.steps.len()), failed, out)?;
    card("Inputs skipped", &unit::Count(skipped).to_string(), if skipped > 0 { "notable" } else { "" }, out)?;
    out.write_all(b"</dl>\n</section>\n")
}

fn card(title: &str, value: &str, class: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<div class=\"card {class}\"><dt>{title}</dt><dd>{value}</dd></div>")
}

fn title(mark: Mark) -> &'static str {
    match mark {
        Mark::Special => "Special categories",
        Mark::Sensitive => "Sensitive purposes",
        Mark::Dpia => "DPIA required",
        Mark::Risk => "With risk modifiers",
        Mark::Weakness => "Weaknesses",
        Mark::Review => "To be reviewed",
    }
}

pub(super) fn categories(tallies: &Tallies<'_>, out: &mut impl Write) -> io::Result<()> {
    if tallies.is_empty() {
        return Ok(());
    }
    out.write_all(b"<section aria-labelledby=\"by-category\">\n<h2 id=\"by-category\">By category</h2>\n")?;
    let (only_counted, told): (Vec<_>, Vec<_>) = tallies.iter().partition(|(_, tally)| is_only_counted(tally));
    if !told.is_empty() {
        out.write_all(b"<div class=\"tables\">\n")?;
        for (document, tally) in told {
            artifact(*document, tally, out)?;
        }
        out.write_all(b"</div>\n")?;
    }
    if !only_counted.is_empty() {
        let named: Vec<_> = only_counted.iter().map(|(document, tally)| heading(*document, tally)).collect();
        writeln!(out, "<p class=\"left-out\">Without categories, so only counted: {}.</p>", named.join("; "))?;
    }
    out.write_all(b"</section>\n")
}

/// What an artifact is called, how much it holds, and in what form.
fn heading(document: &dyn Document, tally: &Tally) -> String {
    let noun = if has_findings(document) { "finding" } else { "item" };
    let (count, schema) = (unit::Count(tally.all.findings).of(noun), document.schema().to_string());
    format!("{} <span>{count}, <code>{}</code></span>", name(document.name().as_str()), name(&schema))
}

fn is_only_counted(tally: &Tally) -> bool {
    tally.all.findings > 0 && tally.ranked(1).0.is_empty()
}

fn artifact(document: &dyn Document, tally: &Tally, out: &mut impl Write) -> io::Result<()> {
    let artifact = document.name().as_str();
    write!(out, "<table class=\"categories\">\n<caption>{}</caption>\n", heading(document, tally))?;
    let (ranked, rest) = tally.ranked(MAX_CATEGORIES);
    if !ranked.is_empty() {
        out.write_all(
            b"<thead><tr><th scope=\"col\">Category</th><th scope=\"col\" class=\"n\">Findings</th>\
            <th scope=\"col\"><span class=\"away\">Share</span></th></tr></thead>\n",
        )?;
    }
    out.write_all(b"<tbody>\n")?;
    let largest = ranked.iter().map(|(_, count)| count.findings).max().unwrap_or(1);
    for (category, count) in ranked {
        let share = count.findings.saturating_mul(100).div_ceil(largest.max(1));
        writeln!(
            out,
            "<tr><th scope=\"row\"><a href=\"#artifact={}&amp;category={}\">{}</a>{}</th><td class=\"n\">{}</td>\
            <td class=\"b\"><svg class=\"bar\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
            <rect width=\"{share}\" height=\"8\" rx=\"1\"/></svg></td></tr>",
            fragment(artifact),
            fragment(category),
            name(category),
            marks(&count),
            unit::Count(count.findings)
        )?;
    }
    if tally.all.findings == 0 {
        out.write_all(b"<tr><td>Nothing.</td></tr>\n")?;
    }
    if let Some(rest) = rest {
        let count = unit::Count(rest.findings);
        writeln!(
            out,
            "<tr><th scope=\"row\">further categories, not shown</th><td class=\"n\">{count}</td><td></td></tr>"
        )?;
    }
    out.write_all(b"</tbody>\n</table>\n")
}

fn marks(count: &Count) -> String {
    count
        .marks()
        .map(|(mark, marked)| {
            let part = if marked == count.findings { String::new() } else { format!(" ({})", unit::Count(marked)) };
            format!(" <span class=\"mark\">{}{part}</span>", mark.label())
        })
        .collect()
}
