//! What the record says: failures and limits reached, steps, what was left out, warnings, digests.

use super::escape::{id, message, name};
use super::page::{status, time};
use crate::allow::option;
use crate::evidence::Evidence;
use crate::skips::Skips;
use crate::trust::is_first_party;
use palisade_model::record::{LogLevel, OutputRecord, RunRecord, StepRecord};
use palisade_model::unit::{Bytes, Count, Millis};
use palisade_model::{Failure, FailureKind};
use std::io::{self, Write};

/// Most lines shown of a guest's stack.
const MAX_FRAMES: usize = 32;
/// Most reasons of skips, and names for each.
const MAX_REASONS: usize = 100;
const MAX_NAMES: usize = 50;
/// Most warnings of the runbook, and most of components.
const MAX_WARNINGS: usize = 200;
/// Most servers to which something was sent.
const MAX_SINKS: usize = 100;
/// Most edits of a fork.
const MAX_EDITS: usize = 200;

/// Stands for a component's message on a masked page.
const HIDDEN_MESSAGE: &str = "The component's own message is left out, since it may hold data of the inputs. \
    It is in <code>run.json</code>, and on a page written with <code>--evidence full</code>.";

pub(super) fn failures(run: &RunRecord, evidence: Evidence, out: &mut impl Write) -> io::Result<()> {
    let all = run.steps.iter().chain(&run.compensations);
    let failed: Vec<_> = all.filter_map(|step| Some((step, step.failure.as_ref()?))).collect();
    if failed.is_empty() {
        return Ok(());
    }
    out.write_all(b"<section aria-labelledby=\"failed\">\n<h2 id=\"failed\">What failed</h2>\n")?;
    for (step, failure) in failed {
        write!(
            out,
            "<article class=\"failure\">\n<h3>{} {}</h3>\n<p class=\"about\"><code>{}</code></p>\n<p>{}</p>\n",
            name(step.id.as_str()),
            status(step.status),
            component(step),
            words(step, failure, evidence),
        )?;
        if let Some((port, item)) = &failure.at {
            writeln!(out, "<p>At item {} of <code>{}</code>, counted from 0.</p>", Count(*item), name(port))?;
        }
        detail(&failure.kind, evidence == Evidence::Full || is_first_party(step), out)?;
        if let Some(help) = &failure.help {
            writeln!(out, "<p class=\"help\"><strong>Help:</strong> {}</p>", message(help))?;
        }
        let because = |other: &&StepRecord| other.skipped_because.as_ref() == Some(&step.id);
        let dependent: Vec<_> = run.steps.iter().filter(because).map(|other| name(other.id.as_str())).collect();
        if !dependent.is_empty() {
            writeln!(out, "<p>Not started because of it: {}.</p>", dependent.join(", "))?;
        }
        out.write_all(b"</article>\n")?;
    }
    out.write_all(b"</section>\n")
}

/// What is said of a failure where the message may hold data of the inputs, and this page must not: the host's own
/// messages can't, those of Palisade's components don't on purpose, and what a trap says is never on purpose.
fn words(step: &StepRecord, failure: &Failure, evidence: Evidence) -> String {
    let hidden = match failure.kind {
        FailureKind::Limit { .. }
        | FailureKind::Bound { .. }
        | FailureKind::Denied { .. }
        | FailureKind::Cancelled
        | FailureKind::Rejected
        | FailureKind::InDoubt
        | FailureKind::Host => None,
        // A component wrote it, and may have written into it what it read.
        FailureKind::BadRunbook => Some("The runbook that it was to run is wrong."),
        // What an evaluation says may quote the documents that it looked at.
        FailureKind::Condition => Some("Its condition has no answer over the documents that it names."),
        FailureKind::Schema { .. } => Some("What it emitted does not fit its schema."),
        FailureKind::Trap { .. } => Some(HIDDEN_MESSAGE),
        FailureKind::BadConfig | FailureKind::BadInput | FailureKind::Unavailable | FailureKind::Failed => {
            (!is_first_party(step)).then_some(HIDDEN_MESSAGE)
        }
    };
    match hidden {
        Some(instead) if evidence == Evidence::Masked => instead.to_owned(),
        _ => message(&failure.message),
    }
}

/// Writes what is known besides the words. The path into an item may have keys that a component took from data.
fn detail(kind: &FailureKind, with_path: bool, out: &mut impl Write) -> io::Result<()> {
    match kind {
        FailureKind::Limit { limit, in_force, reached } => {
            let wanted = reached.map_or_else(|| "not known".to_owned(), |reached| limit.show(reached));
            writeln!(
                out,
                "<dl class=\"pairs\"><dt>Limit reached</dt><dd><code>{}</code></dd><dt>In force</dt>\
        <dd>{}, set by {}</dd>\
                <dt>Wanted</dt><dd>{wanted}</dd><dt>Ceiling</dt><dd>{}</dd></dl>",
                limit.key(),
                limit.show(in_force.value),
                in_force.set_by,
                limit.show(in_force.ceiling)
            )
        }
        FailureKind::Denied { what, allow } => {
            writeln!(out, "<dl class=\"pairs\"><dt>Denied</dt><dd>{}</dd>", name(what))?;
            if let Some(allow) = allow {
                writeln!(out, "<dt>To allow it for one run</dt><dd><code>{}</code></dd>", name(&option(allow)))?;
            }
            out.write_all(b"</dl>\n")
        }
        FailureKind::Schema { schema, port, item, path, rule } => {
            let path = if with_path { name(path) } else { "…".to_owned() };
            let item = item.map_or_else(|| "the metadata".to_owned(), |item| format!("item {}", Count(item)));
            writeln!(
                out,
                "<dl class=\"pairs\"><dt>Schema</dt><dd><code>{}</code></dd><dt>Where</dt><dd>{item} of \
        <code>{}</code>, \
                <code>{}</code></dd><dt>Rule</dt><dd><code>{}</code></dd></dl>",
                name(schema),
                name(port),
                path,
                name(rule)
            )
        }
        FailureKind::Trap { frames } if !frames.is_empty() => {
            out.write_all(b"<ol class=\"frames\">\n")?;
            for frame in frames.iter().take(MAX_FRAMES) {
                writeln!(out, "<li><code>{}</code></li>", name(frame))?;
            }
            out.write_all(b"</ol>\n")
        }
        _ => Ok(()),
    }
}

/// Opens a table that scrolls by itself where the screen is narrow.
fn open_table(id: &str, caption: &str, columns: &[(&str, bool)], out: &mut impl Write) -> io::Result<()> {
    write!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"{id}\">\n\
        <table>\n<caption class=\"away\">{caption}</caption>\n<thead><tr>"
    )?;
    for (title, number) in columns {
        write!(out, "<th scope=\"col\"{}>{title}</th>", if *number { " class=\"n\"" } else { "" })?;
    }
    out.write_all(b"</tr></thead>\n<tbody>\n")
}

fn close_table(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"</tbody>\n</table>\n</div>\n")
}

pub(super) fn steps(run: &RunRecord, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"<section aria-labelledby=\"steps\">\n<h2 id=\"steps\">Steps and what they used</h2>\n")?;
    let columns = [
        ("Step", false),
        ("Component", false),
        ("Status", false),
        ("Items", true),
        ("CPU", true),
        ("Peak memory", true),
        ("Wall", true),
        ("Fuel", true),
        ("Read", true),
        ("Emitted", true),
        ("Attempts", true),
    ];
    open_table("steps", "Each step with its status and usage", &columns, out)?;
    for step in run.steps.iter().chain(&run.compensations) {
        let title = step.name.as_ref().filter(|title| title.as_str() != step.id.as_str());
        let title = title.map_or_else(String::new, |title| format!("<br><small>{}</small>", name(title)));
        let items = step.output.as_ref().map_or_else(|| "–".to_owned(), |output| Count(output.count).to_string());
        let why = match (&step.unmet_condition, &step.compensates) {
            (Some(by), _) if *by == step.id => "<br><small>its condition does not hold</small>".to_owned(),
            (Some(by), _) => format!("<br><small>{} was not wanted</small>", name(by.as_str())),
            (None, Some(undone)) => format!("<br><small>it undoes {}</small>", name(undone.as_str())),
            (None, None) => String::new(),
        };
        write!(
            out,
            "<tr><th scope=\"row\">{}{title}</th><td><code>{}</code></td><td>{}{why}</td><td class=\"n\">{items}</td>",
            name(step.id.as_str()),
            component(step),
            status(step.status),
        )?;
        usage(&step.usage, step.attempts > 0, out)?;
        writeln!(out, "<td class=\"n\">{}</td></tr>", step.attempts)?;
    }
    write!(out, "<tr class=\"sum\"><th scope=\"row\">The run</th><td></td><td>{}</td><td></td>", status(run.status))?;
    usage(&run.usage, true, out)?;
    out.write_all(b"<td></td></tr>\n")?;
    close_table(out)?;
    for (sink, bytes) in run.sent.iter().take(MAX_SINKS) {
        writeln!(out, "<p>{} went to <code>{}</code>.</p>", Bytes(*bytes), name(sink))?;
    }
    let more = run.sent.len().saturating_sub(MAX_SINKS) as u64;
    if more > 0 {
        writeln!(out, "<p>Something went to {} more servers.</p>", Count(more))?;
    }
    for step in run.steps.iter().chain(&run.compensations) {
        if let Some(of_models) = step.usage.of_models() {
            writeln!(out, "<p>{} took {of_models}.</p>", name(step.id.as_str()))?;
        }
    }
    out.write_all(b"</section>\n")
}

/// The component of a step with its version; a dash where there is none.
fn component(step: &StepRecord) -> String {
    step.component.as_ref().map_or_else(|| "–".to_owned(), |ran| id(&ran.to_string()))
}

fn usage(usage: &palisade_model::Usage, ran: bool, out: &mut impl Write) -> io::Result<()> {
    let read = usage.input_bytes.max(usage.file_bytes_read);
    for cell in [
        Millis(usage.cpu_ms).to_string(),
        Bytes(usage.memory_peak_bytes).to_string(),
        Millis(usage.wall_ms).to_string(),
        Count(usage.fuel).to_string(),
        Bytes(read).to_string(),
        Bytes(usage.output_bytes).to_string(),
    ] {
        write!(out, "<td class=\"n\">{}</td>", if ran { cell.as_str() } else { "–" })?;
    }
    Ok(())
}

pub(super) fn skipped(run: &RunRecord, evidence: Evidence, out: &mut impl Write) -> io::Result<()> {
    let skips = Skips::of(run, MAX_NAMES);
    if skips.total == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "<section aria-labelledby=\"skipped\">\n<h2 id=\"skipped\">Skipped inputs</h2>\n\
        <p>{} left out, so nothing is known of them.</p>",
        Count(skips.total).of("part")
    )?;
    open_table(
        "skipped",
        "What was left out, and why",
        &[("What", false), ("Why", false), ("To let it in", false), ("Step", false)],
        out,
    )?;
    for (reason, group) in skips.by_reason.iter().take(MAX_REASONS) {
        for skip in &group.first {
            // A skip that authority would undo is the host's own; other reasons are in the component's words.
            let shown = evidence == Evidence::Full || skip.allow.is_some() || is_first_party(skip.step);
            let reason = if shown { name(reason) } else { "<i>the component's own words, left out</i>".to_owned() };
            let allow =
                skip.allow.as_ref().map_or_else(String::new, |allow| format!("<code>{}</code>", name(&option(allow))));
            writeln!(
                out,
                "<tr><th scope=\"row\"><code>{}</code></th><td>{reason}</td><td>{allow}</td><td>{}</td></tr>",
                name(&skip.what),
                name(skip.step.id.as_str())
            )?;
        }
    }
    close_table(out)?;
    let shown: u64 = skips.by_reason.iter().take(MAX_REASONS).map(|(_, group)| group.first.len() as u64).sum();
    let more = skips.total.saturating_sub(shown);
    if more > 0 {
        writeln!(out, "<p class=\"left-out\">{} more are counted, but not listed here.</p>", Count(more))?;
    }
    out.write_all(b"</section>\n")
}

pub(super) fn warnings(run: &RunRecord, evidence: Evidence, out: &mut impl Write) -> io::Result<()> {
    let mut lines: Vec<String> = run.warnings.iter().take(MAX_WARNINGS).map(|text| message(text)).collect();
    let said = run.steps.iter().flat_map(|step| step.log.iter().map(move |line| (step, line)));
    let said = said.filter(|(_, line)| line.level >= LogLevel::Warn);
    let (shown, hidden): (Vec<_>, Vec<_>) =
        said.partition(|(step, _)| evidence == Evidence::Full || is_first_party(step));
    let text = |(step, line): &(&StepRecord, &palisade_model::record::LogRecord)| {
        format!("<code>{}</code> {}", name(step.id.as_str()), message(&line.message))
    };
    lines.extend(shown.iter().take(MAX_WARNINGS).map(text));
    let more = run.warnings.len().saturating_sub(MAX_WARNINGS) + shown.len().saturating_sub(MAX_WARNINGS);
    if more > 0 {
        lines.push(format!("{} not listed here.", Count(more as u64).of("further warning")));
    }
    if !hidden.is_empty() {
        lines.push(format!(
            "{} of components left out, since they may hold data of the inputs.",
            Count(hidden.len() as u64).of("warning")
        ));
    }
    for step in run.steps.iter().filter(|step| step.usage.log_bytes_dropped > 0) {
        let (id, bytes) = (name(step.id.as_str()), Bytes(step.usage.log_bytes_dropped));
        lines.push(format!(
            "<code>{id}</code> {bytes} of what it logged were over its limit <code>log_bytes</code> and are lost."
        ));
    }
    list("warnings", "Warnings", &lines, out)?;
    let allowed: Vec<_> =
        run.allowed.iter().map(|allowed| format!("<code>{}</code>", name(&option(allowed)))).collect();
    list("allowed", "Allowed for this run alone", &allowed, out)
}

fn list(id: &str, title: &str, lines: &[String], out: &mut impl Write) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n<ul class=\"list\">")?;
    lines.iter().try_for_each(|line| writeln!(out, "<li>{line}</li>"))?;
    out.write_all(b"</ul>\n</section>\n")
}

pub(super) fn digests(run: &RunRecord, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "<section aria-labelledby=\"digests\">\n<h2 id=\"digests\">What ran, exactly</h2>\n<dl class=\"pairs\">\
        <dt>Run</dt><dd><code>{}</code></dd><dt>Palisade</dt><dd>{}</dd><dt>Started</dt><dd>{}</dd>\
        <dt>Ended</dt><dd>{}</dd>\
        <dt>Runbook</dt><dd><code>{}</code></dd><dt>Plan</dt><dd><code>{}</code></dd>",
        run.run_id,
        name(&run.palisade_version),
        time(&run.started_at),
        time(&run.ended_at),
        run.runbook_digest,
        run.plan_digest
    )?;
    if let Some(from) = &run.forked_from {
        let (step, event) = (name(from.step.as_str()), Count(from.event));
        write!(out, "<dt>Forked from</dt><dd><code>{}</code> before {step}, behind event {event}</dd>", from.run_id)?;
    }
    for edit in run.edits.iter().take(MAX_EDITS) {
        write!(out, "<dt>Edited</dt><dd><code>{}</code></dd>", name(&edit.to_string()))?;
    }
    for child in &run.children {
        write!(out, "<dt>Child run</dt><dd><code>{child}</code></dd>")?;
    }
    out.write_all(b"</dl>\n")?;
    let columns = [
        ("Step", false),
        ("Component's digest", false),
        ("Read", false),
        ("Artifact", false),
        ("Artifact's digest", false),
    ];
    open_table("digests", "Digests of components and artifacts", &columns, out)?;
    for input in &run.inputs {
        let about = if input.is_default { "input, by default" } else { "input" };
        write!(out, "<tr><th scope=\"row\"><i>{about}</i></th><td>–</td><td>–</td>")?;
        artifact_cells(Some(&input.artifact), out)?;
    }
    for step in &run.steps {
        let inputs: Vec<_> = step.inputs.iter().map(|input| id(input)).collect();
        let digest = step.component.as_ref().map_or_else(|| "–".to_owned(), |ran| ran.digest.to_string());
        write!(
            out,
            "<tr><th scope=\"row\">{}</th><td><code class=\"digest\">{digest}</code></td><td>{}</td>",
            name(step.id.as_str()),
            inputs.join(", ")
        )?;
        artifact_cells(step.output.as_ref(), out)?;
        for more in &step.more_outputs {
            write!(out, "<tr><th scope=\"row\">{}</th><td></td><td></td>", name(step.id.as_str()))?;
            artifact_cells(Some(&more.output), out)?;
        }
    }
    close_table(out)?;
    out.write_all(b"<p class=\"about\">All digests are SHA-256.</p>\n</section>\n")
}

/// The last two cells of a row, for an artifact, and the row's end.
fn artifact_cells(artifact: Option<&OutputRecord>, out: &mut impl Write) -> io::Result<()> {
    match artifact {
        None => out.write_all(b"<td>\xe2\x80\x93</td><td>\xe2\x80\x93</td>")?,
        Some(output) => write!(
            out,
            "<td>{} <small><code>{}</code></small></td><td><code class=\"digest\">{}</code></td>",
            name(output.name.as_str()),
            id(&output.schema.to_string()),
            output.digest
        )?,
    }
    out.write_all(b"</tr>\n")
}
