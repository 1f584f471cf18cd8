//! The frame of the page: head, policy, style, script, title and foot.

use super::escape::{base64, message, name};
use crate::evidence::Evidence;
use palisade_model::Digest;
use palisade_model::record::{RunRecord, Status};
use palisade_model::unit::Millis;
use std::io::{self, Write};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The source of an inline text in a content security policy.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", base64(Digest::of(text.as_bytes()).as_bytes()))
}

/// Writes everything up to the first section.
pub(super) fn open(run: &RunRecord, evidence: Evidence, out: &mut impl Write) -> io::Result<()> {
    let title = name(&run.runbook.name);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
        <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src {style}; \
        script-src {script}; \
        base-uri 'none'; form-action 'none'\">\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
        <meta name=\"color-scheme\" content=\"light dark\">\n\
        <meta name=\"referrer\" content=\"no-referrer\">\n\
        <meta name=\"robots\" content=\"noindex\">\n\
        <title>{title} – Palisade report</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
        <a class=\"skip\" href=\"#main\">Skip to the result</a>\n",
        style = hash(STYLE),
        script = hash(SCRIPT),
    )?;
    let description = message(&run.runbook.description);
    write!(
        out,
        "<header>\n<p class=\"brand\">Palisade report</p>\n<h1>{title}</h1>\n<p class=\"lead\">{description}</p>\n\
        <p class=\"facts\">{} <span>{}</span> <span>took {}</span> <span>run <code>{}</code></span>",
        status(run.status),
        time(&run.started_at),
        Millis(run.usage.wall_ms),
        run.run_id
    )?;
    if let Some(contact) = &run.runbook.contact {
        write!(out, " <span>contact {}</span>", name(contact))?;
    }
    out.write_all(b"</p>\n")?;
    out.write_all(match evidence {
        Evidence::Masked => {
            b"<p class=\"note\">Evidence is masked: this page holds the words of the rulesets that matched and none of \
            the text around them. <code>--evidence full</code> writes a page that shows it.</p>\n"
        }
        Evidence::Full => {
            b"<p class=\"note warn\"><strong>This page holds personal data.</strong> It shows evidence as it was \
        found; \
            keep it as you keep the data itself.</p>\n" as &[u8]
        }
    })?;
    out.write_all(b"</header>\n<main id=\"main\">\n")
}

/// Writes everything behind the last section.
pub(super) fn close(run: &RunRecord, out: &mut impl Write) -> io::Result<()> {
    write!(
        out,
        "</main>\n<footer><p>Written by Palisade {}. This page loads nothing from anywhere.</p></footer>\n\
        <script>{SCRIPT}</script>\n</body>\n</html>\n",
        name(&run.palisade_version)
    )
}

/// A status as a pill.
pub(super) fn status(status: Status) -> String {
    let sign = match status {
        Status::Succeeded => "✓",
        Status::Failed => "✗",
        Status::Skipped => "–",
        Status::Cancelled | Status::Interrupted => "■",
        Status::Waiting => "…",
    };
    format!("<span class=\"status {status}\"><span aria-hidden=\"true\">{sign}</span> {status}</span>")
}

/// A time as people read it: `2026-11-23 21:00:00 UTC`. One of another form stays as it is.
pub(super) fn time(rfc3339: &str) -> String {
    let parts = rfc3339.strip_suffix('Z').and_then(|time| time.split_once('T'));
    parts.map_or_else(
        || name(rfc3339),
        |(date, time)| {
            let time = time.split_once('.').map_or(time, |(seconds, _)| seconds);
            format!("<time datetime=\"{}\">{} {} UTC</time>", name(rfc3339), name(date), name(time))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_script_cannot_end_early_and_reach_nothing() {
        for text in [STYLE, SCRIPT] {
            for forbidden in ["</", "<!--", "http:", "https:", "url(", "@import", "innerHTML", "eval(", "fetch("] {
                assert!(!text.contains(forbidden), "{forbidden}");
            }
        }
    }
}
