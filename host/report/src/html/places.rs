//! The findings, by place and rule.

use super::collect::{Collected, MAX_PIECES, Piece, PlaceFindings, RuleFindings, RuleKey, Spot};
use super::escape::name;
use crate::Document;
use crate::document::has_findings;
use crate::evidence::Evidence;
use crate::place;
use crate::tally::{Places, Tally};
use palisade_model::unit::Count;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Places that are open when the page is.
const OPEN: usize = 3;
/// Most categories offered by the filter.
const MAX_OPTIONS: usize = 300;

type Tallies<'a> = [(&'a dyn Document, Tally)];

pub(super) fn findings(
    tallies: &Tallies<'_>,
    collected: &Collected,
    places: &Places,
    evidence: Evidence,
    out: &mut impl Write,
) -> io::Result<()> {
    out.write_all(b"<section aria-labelledby=\"findings\">\n<h2 id=\"findings\">Findings by place</h2>\n")?;
    if tallies.is_empty() {
        out.write_all(b"<p>The run made no output artifact.</p>\n")?;
    } else if collected.places.is_empty() {
        out.write_all(b"<p>Nothing was found.</p>\n")?;
    } else {
        filter(tallies, collected, evidence, out)?;
    }
    for (index, place) in collected.places.iter().enumerate() {
        write_place(tallies, place, index < OPEN, out)?;
    }
    left_out(tallies, collected, places, out)?;
    out.write_all(b"</section>\n")
}

fn filter(tallies: &Tallies<'_>, collected: &Collected, evidence: Evidence, out: &mut impl Write) -> io::Result<()> {
    let hint = match evidence {
        Evidence::Masked => "file, rule, word",
        Evidence::Full => "file, rule, evidence",
    };
    write!(
        out,
        "<form id=\"filter\" role=\"search\" aria-label=\"Filter the findings\" hidden>\n\
        <label>Text <input type=\"search\" name=\"text\" placeholder=\"{hint}\" \
        autocomplete=\"off\" spellcheck=\"false\"></label>\n\
        <label>Artifact <select name=\"artifact\"><option value=\"\">all</option>"
    )?;
    let keys = || collected.places.iter().flat_map(|place| place.rules.keys());
    let shown: BTreeSet<usize> = keys().map(|key| key.artifact).collect();
    for artifact in shown {
        let artifact = artifact_name(tallies, artifact);
        write!(out, "<option value=\"{artifact}\">{artifact}</option>")?;
    }
    out.write_all(b"</select></label>\n<label>Category <select name=\"category\"><option value=\"\">all</option>")?;
    let categories: BTreeSet<&str> = keys().map(|key| key.category.as_str()).filter(|name| !name.is_empty()).collect();
    for category in categories.into_iter().take(MAX_OPTIONS) {
        let category = name(category);
        write!(out, "<option value=\"{category}\">{category}</option>")?;
    }
    out.write_all(
        b"</select></label>\n<label class=\"check\"><input type=\"checkbox\" name=\"special\" value=\"1\"> \
        special or sensitive only</label>\n\
        <button type=\"reset\">Clear</button>\n<output id=\"shown\" aria-live=\"polite\"></output>\n</form>\n",
    )
}

fn artifact_name(tallies: &Tallies<'_>, artifact: usize) -> String {
    tallies.get(artifact).map_or_else(String::new, |(document, _)| name(document.name().as_str()))
}

fn write_place(tallies: &Tallies<'_>, place: &PlaceFindings, open: bool, out: &mut impl Write) -> io::Result<()> {
    let special = match place.count.special {
        0 => String::new(),
        count => format!("<span class=\"mark\">{} special or sensitive</span> ", Count(count.into())),
    };
    write!(
        out,
        "<details class=\"place\"{}>\n<summary><h3 title=\"{}\">{}</h3> {special}\
        <span class=\"count\">{}</span></summary>\n",
        if open { " open" } else { "" },
        name(&place.source),
        name(&place::title(&place.source)),
        Count(place.count.findings.into()).of("finding"),
    )?;
    let mut rules: Vec<_> = place.rules.iter().collect();
    rules.sort_by_key(|(_, rule)| !rule.marks.special());
    for (key, rule) in rules {
        write_rule(tallies, key, rule, out)?;
    }
    if place.left_out > 0 {
        let count = Count(place.left_out).of("more finding");
        writeln!(out, "<p class=\"left-out\">{count} of this place left out: the page has no room for them.</p>")?;
    }
    out.write_all(b"</details>\n")
}

fn write_rule(tallies: &Tallies<'_>, key: &RuleKey, rule: &RuleFindings, out: &mut impl Write) -> io::Result<()> {
    let artifact = artifact_name(tallies, key.artifact);
    let category = name(&key.category);
    write!(
        out,
        "<section class=\"rule{0}\" data-artifact=\"{artifact}\" data-category=\"{category}\"{1}>\n<h4>",
        if rule.marks.special() { " special" } else { "" },
        if rule.marks.special() { " data-special" } else { "" },
    )?;
    if key.category.is_empty() {
        write!(out, "<span class=\"artifact\">{artifact}</span>")?;
    } else {
        write!(out, "{category}")?;
    }
    if let Some(rule) = key.rule.as_ref().filter(|rule| **rule != key.category) {
        write!(out, " <span class=\"sub\">{}</span>", name(rule))?;
    }
    for mark in rule.marks.iter() {
        write!(out, " <span class=\"mark\">{}</span>", mark.label())?;
    }
    let from =
        if key.category.is_empty() { String::new() } else { format!(" in <span class=\"artifact\">{artifact}</span>") };
    write!(out, "</h4>\n<p class=\"about\">{}{from}", Count(rule.findings).of("finding"))?;
    for (index, (pattern, count)) in rule.patterns.iter().enumerate() {
        let before = if index == 0 { " · matched" } else { "," };
        let times =
            if *count == 1 { String::new() } else { format!("<span class=\"times\"> ×{}</span>", Count(*count)) };
        write!(out, "{before} <code>{}</code>{times}", name(pattern))?;
    }
    out.write_all(b"</p>\n")?;
    for (title, values) in rule.facts.iter().filter(|(_, values)| !values.is_empty()) {
        let values: Vec<_> = values.iter().map(|value| name(value)).collect();
        writeln!(out, "<p class=\"about\">{title}: {}</p>", values.join(", "))?;
    }
    pieces(rule, out)?;
    out.write_all(b"</section>\n")
}

fn pieces(rule: &RuleFindings, out: &mut impl Write) -> io::Result<()> {
    if !rule.pieces.is_empty() {
        out.write_all(b"<ul class=\"pieces\">\n")?;
        for piece in &rule.pieces {
            write_piece(piece, out)?;
        }
        out.write_all(b"</ul>\n")?;
    }
    if rule.hidden > 0 {
        let count = Count(rule.hidden).of(if rule.pieces.is_empty() { "piece" } else { "further piece" });
        writeln!(out, "<p class=\"left-out\">{count} of evidence masked as a whole.</p>")?;
    }
    if rule.left_out > 0 {
        let why = if rule.pieces.len() < MAX_PIECES { "the page has no room for them" } else { "50 are shown at most" };
        let count = Count(rule.left_out).of("more piece");
        writeln!(out, "<p class=\"left-out\">{count} of evidence left out: {why}.</p>")?;
    }
    Ok(())
}

fn write_piece(piece: &Piece, out: &mut impl Write) -> io::Result<()> {
    write!(out, "<li><q>{}</q>", piece.html)?;
    if piece.times > 1 || !piece.spots.is_empty() {
        let mut notes = vec![];
        if piece.times > 1 {
            notes.push(format!("×{}", Count(piece.times)));
        }
        let more = if piece.more_spots { ", …" } else { "" };
        let numbers: Vec<_> = piece.spots.iter().map(number).collect();
        if let Some(first) = piece.spots.first() {
            let kind = if matches!(first, Spot::Row(_)) { "row" } else { "line" };
            let plural = if numbers.len() == 1 { "" } else { "s" };
            notes.push(format!("{kind}{plural} {}{more}", numbers.join(", ")));
        }
        write!(out, " <small>{}</small>", notes.join(" in "))?;
    }
    out.write_all(b"</li>\n")
}

fn number(spot: &Spot) -> String {
    match spot {
        Spot::Row(row) => name(row),
        Spot::Line(line) => line.to_string(),
    }
}

/// Says what of the findings is not on the page.
fn left_out(tallies: &Tallies<'_>, collected: &Collected, places: &Places, out: &mut impl Write) -> io::Result<()> {
    let all: u64 =
        tallies.iter().filter(|(document, _)| has_findings(*document)).map(|(_, tally)| tally.all.findings).sum();
    let shown: u64 = collected.places.iter().map(|place| u64::from(place.count.findings)).sum();
    let elsewhere = all.saturating_sub(shown).saturating_sub(places.nowhere());
    if elsewhere > 0 {
        let (known, more) = places.len();
        let others = Count(known.saturating_sub(collected.places.len()) as u64);
        let more = if more { "at least " } else { "" };
        writeln!(
            out,
            "<p class=\"left-out\">{} in {more}{others} further places left out: the page shows the {} places with the \
            most special and the most findings. The artifacts' own files hold them all.</p>",
            Count(elsewhere).of("finding"),
            Count(collected.places.len() as u64)
        )?;
    }
    if places.nowhere() > 0 {
        let count = Count(places.nowhere()).of("item");
        writeln!(out, "<p class=\"left-out\">{count} without a place, only counted.</p>")?;
    }
    Ok(())
}
