//! Where a policy and the data disagree: a table of gaps, gravest first, and apart from it what nothing could check.

use super::escape::{lines, name};
use crate::evidence::Evidence;
use crate::gap::{Gap, Gaps};
use crate::place;
use crate::trust::is_first_party;
use crate::{Document, ReportError};
use palisade_model::record::{RunRecord, StepRecord};
use palisade_model::unit::Count;
use std::io::{self, Write};

/// Writes the gaps of each gap report among the documents. Sentences of the policy are text of the inputs: they are shown
/// on a page with all evidence alone. Title and what agrees are shown of Palisade's own component, and there too.
pub(super) fn gaps(
    run: &RunRecord,
    documents: &[&dyn Document],
    evidence: Evidence,
    out: &mut impl Write,
) -> Result<(), ReportError> {
    for document in documents {
        if let Some(gaps) = Gaps::of(*document)? {
            let name = document.name();
            let made = |step: &&StepRecord| step.outputs().any(|(output, _)| output.name == *name);
            let words = evidence == Evidence::Full || run.steps.iter().find(made).is_some_and(is_first_party);
            one(name.as_str(), &gaps, words, evidence, out)?;
        }
    }
    Ok(())
}

fn one(artifact: &str, gaps: &Gaps, words: bool, evidence: Evidence, out: &mut impl Write) -> io::Result<()> {
    let artifact = name(artifact);
    let (grave, notes) = gaps.split();
    writeln!(
        out,
        "<section aria-labelledby=\"gaps-{artifact}\">\n<h2 id=\"gaps-{artifact}\">Where policy and data disagree</h2>"
    )?;
    if words {
        writeln!(out, "<p class=\"about\">{}</p>", name(&gaps.title))?;
    }
    if grave.is_empty() {
        out.write_all(b"<p>Nothing was found in which they disagree.</p>\n")?;
    } else {
        out.write_all(
            b"<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Severity</th><th scope=\"col\">What</th>\
            <th scope=\"col\">Gap</th><th scope=\"col\" class=\"n\">Findings</th><th scope=\"col\">For example in</th></tr></thead>\n\
            <tbody>\n",
        )?;
        grave.iter().try_for_each(|gap| row(gap, evidence, out))?;
        out.write_all(b"</tbody>\n</table></div>\n")?;
    }
    if gaps.left_out > 0 {
        let more = Count(gaps.left_out).of("more gap");
        writeln!(out, "<p class=\"left-out\">{more} left out: the artifact's own file holds them all.</p>")?;
    }
    if words && !gaps.agreed.is_empty() {
        let agreed: Vec<_> = gaps.agreed.iter().map(|word| name(word)).collect();
        writeln!(out, "<p class=\"left-out\">Policy and data agree in: {}.</p>", agreed.join(", "))?;
    }
    if !notes.is_empty() {
        write!(
            out,
            "<details class=\"notes\">\n<summary><h3>Not checked</h3> <span class=\"count\">{} that nothing here could \
            check or compare</span></summary>\n<table>\n<tbody>\n",
            Count(notes.len() as u64).of("statement")
        )?;
        for gap in notes {
            writeln!(
                out,
                "<tr><td>{}</td><th scope=\"row\">{}</th><td>{}{}</td></tr>",
                gap.about,
                name(&gap.category),
                gap.what,
                sentence(gap, evidence)
            )?;
        }
        out.write_all(b"</tbody>\n</table>\n</details>\n")?;
    }
    out.write_all(b"</section>\n")
}

fn row(gap: &Gap, evidence: Evidence, out: &mut impl Write) -> io::Result<()> {
    let special = if gap.special { " <span class=\"mark\">special category</span>" } else { "" };
    let findings = if gap.findings == 0 { "–".to_owned() } else { Count(gap.findings).to_string() };
    let place = gap.place.as_deref().map_or_else(
        || "–".to_owned(),
        |place| {
            let others = gap.place_count.saturating_sub(1);
            let plus = if gap.more_places { "+" } else { "" };
            let more =
                if others == 0 { String::new() } else { format!(" <small>and {}{plus} more</small>", Count(others)) };
            format!("{}{more}", name(&place::title(place)))
        },
    );
    let label = gap.severity.label();
    writeln!(
        out,
        "<tr><td><span class=\"severity {label}\">{label}</span></td><th scope=\"row\">{}{special} <small>{}</small></th>\
        <td>{}{}</td><td class=\"n\">{findings}</td><td>{place}</td></tr>",
        name(&gap.category),
        gap.about,
        gap.what,
        sentence(gap, evidence)
    )
}

/// What the policy says, where it may be shown.
fn sentence(gap: &Gap, evidence: Evidence) -> String {
    match (&gap.sentence, evidence) {
        (Some(sentence), Evidence::Full) => {
            let cut: String = sentence.chars().take(600).collect();
            format!("<br><small>“{}”</small>", lines(&cut))
        }
        _ => String::new(),
    }
}
