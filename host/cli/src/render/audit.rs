//! The audit log for people: a line for each entry, and what checking it came to.

use crate::render::table;
use palisade_audit::{Actor, ApprovedBy, Entry, Named, Outcome, RunStart, What};
use palisade_engine::rfc3339;
use palisade_model::unit::{Bytes, Count};
use palisade_model::{Digest, RunId, neutral};
use palisade_store::{AuditVerified, OutsideState};
use serde::Serialize;

/// Most characters of a text of an entry.
const MAX_TEXT: usize = 200;
/// Most names that are listed of many.
const MAX_NAMES: usize = 5;

/// What checking the log came to, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Verdict {
    /// Something does not hold.
    #[serde(rename = "broken")]
    Broken,
    /// Nothing speaks against it, and nothing from outside for it.
    #[serde(rename = "internally consistent only")]
    Internally,
    /// It is the log that somebody outside saw.
    #[serde(rename = "consistent with what was kept outside")]
    WithOutside,
}

impl Verdict {
    pub(crate) fn of(found: &AuditVerified) -> Self {
        match (found.problem_count, found.outside.is_empty()) {
            (1.., _) => Self::Broken,
            (0, true) => Self::Internally,
            (0, false) => Self::WithOutside,
        }
    }
}

/// An entry on a line: number, time, run, kind, what it says.
pub(crate) fn row(number: u64, entry: &Entry) -> Vec<String> {
    let seconds = rfc3339(entry.at);
    let seconds = seconds.split_once('.').map_or(seconds.as_str(), |(seconds, _)| seconds);
    let run = entry.run.map_or_else(|| "–".to_owned(), |run| run.to_string());
    let (kind, text) = told(&entry.what);
    vec![number.to_string(), format!("{seconds}Z"), run, kind.to_owned(), neutral::line(&text, MAX_TEXT)]
}

/// An entry that this Palisade can't read.
pub(crate) fn unread(number: u64) -> Vec<String> {
    let text = "it can't be read here: a newer Palisade wrote it, or it is damaged".to_owned();
    vec![number.to_string(), "–".to_owned(), "–".to_owned(), "?".to_owned(), text]
}

/// Entries as text.
pub(crate) fn log(rows: Vec<Vec<String>>) -> String {
    let heads = ["entry", "time", "run", "kind", "what"].map(str::to_owned).to_vec();
    let mut out = String::new();
    table(&mut out, &std::iter::once(heads).chain(rows).collect::<Vec<_>>());
    out
}

fn told(what: &What) -> (&'static str, String) {
    match what {
        What::RunKnown { status } => ("run_known", format!("was there before the log: {status}")),
        What::RunStarted(start) => ("run_started", started(start)),
        What::RunResumed { by } => ("run_resumed", by_whom(by.as_ref()).trim_start_matches(", ").to_owned()),
        What::Uses { step, attempt, component, power, scope, allowed, denied, sent, .. } => {
            let scope =
                scope.as_ref().map_or_else(|| "outside of what the config names".to_owned(), |s| format!("`{s}`"));
            let counts = match (allowed, denied) {
                (allowed, 0) => format!("allowed {}", Count(*allowed)),
                (0, denied) => format!("DENIED {}", Count(*denied)),
                (allowed, denied) => format!("allowed {}, DENIED {}", Count(*allowed), Count(*denied)),
            };
            let sent = if *sent == 0 { String::new() } else { format!(", sent {}", Bytes(*sent)) };
            ("uses", format!("{step} #{attempt}: {power} {scope}: {counts}{sent}, component {}", component.short()))
        }
        What::MaySend { step, attempt, sent, .. } => {
            let to: Vec<_> = sent.iter().map(|(sink, bytes)| format!("{} to {sink}", Bytes(*bytes))).collect();
            ("may_send", format!("{step} #{attempt}: up to {}", to.join(", ")))
        }
        What::FilesWritten { step, attempt, files, .. } => {
            ("files_written", format!("{step} #{attempt}: {}, to be put in their places", Count(files.len() as u64)))
        }
        What::FilesPut { step, attempt, put, .. } => {
            ("files_put", format!("{step} #{attempt}: {}", if *put { "in their places" } else { "NONE OF THEM" }))
        }
        What::ApprovalAsked { step, expires } => {
            let until = expires.map_or_else(String::new, |at| format!(", until {}", rfc3339(at)));
            ("approval_asked", format!("{step}{until}"))
        }
        What::ApprovalDecided { step, by, outcome, note } => {
            let outcome = match outcome {
                Outcome::Approved => "approved",
                Outcome::Rejected => "REJECTED",
                Outcome::Expired => "EXPIRED",
            };
            let note = if note.is_some() { ", with a note" } else { "" };
            ("approval_decided", format!("{step}: {outcome}{}{note}", by_whom(by.as_ref())))
        }
        What::ChildPlanned { step, runbook, approval, by, .. } => {
            let approval = match approval {
                ApprovedBy::Person => "a person is asked",
                ApprovedBy::Runbook => "approved beforehand by the runbook",
                ApprovedBy::Caller => "approved beforehand",
            };
            ("child_planned", format!("{step}: runbook {}, {approval}{}", runbook.short(), by_whom(by.as_ref())))
        }
        What::ChildRefused { step } => ("child_refused", format!("{step}: REFUSED")),
        What::CallRefused { step, attempt, called, why, .. } => {
            ("call_refused", format!("{step} #{attempt}: call of {called} REFUSED ({})", why.name()))
        }
        What::ChildStarted { step, child, .. } => ("child_started", format!("{step}: {child}")),
        What::CancelAsked { reason } => ("cancel_asked", reason.clone()),
        What::CompensationStarted { status, steps } => {
            let steps = cut(steps.iter().map(ToString::to_string), steps.len());
            ("compensation_started", format!("{steps}, since the run is {status}"))
        }
        What::RunEnded { status, .. } => ("run_ended", status.clone()),
        What::FilesExported { files } => {
            ("files_exported", files.iter().map(|file| file.what.as_str()).collect::<Vec<_>>().join(", "))
        }
        What::ComponentAdded { by: who, component, digest, signed_by } => {
            let signed = signed_by.as_ref().map_or_else(String::new, |key| format!(", signed by {key}"));
            ("component_added", format!("{component} {}, by {}{signed}", digest.short(), by(who)))
        }
        What::ComponentRemoved { by: who, component } => ("component_removed", format!("{component}, by {}", by(who))),
        What::LockChanged { by: who, before, after } => {
            let before = before.map_or_else(|| "new".to_owned(), |digest: Digest| digest.short());
            ("lock_changed", format!("{before} → {}, by {}", after.short(), by(who)))
        }
        What::RunsRemoved { by: who, runs } => ("runs_removed", format!("{}, by {}", list(runs), by(who))),
        What::DataErased { by: who, runs } => ("data_erased", format!("{}, by {}", list(runs), by(who))),
        What::KeyMade { key } => ("key_made", key.clone()),
        What::SplitView { witness, seen, .. } => {
            ("split_view", format!("SPLIT VIEW: the witness {witness} saw another log, with {} entries", Count(*seen)))
        }
        What::KeyRotated { by: who, key, .. } => ("key_rotated", format!("{key}, by {}", by(who))),
    }
}

fn by(actor: &Actor) -> String {
    let mark = if actor.authenticated { "" } else { " (unauthenticated)" };
    format!("{}{mark}", actor.user)
}

fn by_whom(actor: Option<&Actor>) -> String {
    actor.map_or_else(String::new, |actor| format!(", by {}", by(actor)))
}

fn started(start: &RunStart) -> String {
    let mut text = format!("plan {}{}", start.plan.short(), by_whom(start.by.as_ref()));
    text += &start.parent.map_or_else(String::new, |parent| format!(", child of {}", parent.run));
    text += &start.forked_from.map_or_else(String::new, |from| format!(", fork of {} at {}", from.run, from.seq));
    if start.edits > 0 {
        text += &format!(", edited: {}", start.edits);
    }
    text += &names(", components", &start.components);
    text += &names(", rulesets", &start.rulesets);
    text += &start.approved_by.as_ref().map_or_else(String::new, |who| format!(", approved beforehand by {}", by(who)));
    if !start.allowed.is_empty() {
        text += &format!(", allowed {}", start.allowed.join(" "));
    }
    text
}

fn names(what: &str, named: &[Named]) -> String {
    if named.is_empty() {
        return String::new();
    }
    format!("{what} {}", cut(named.iter().map(|named| named.name.clone()), named.len()))
}

fn list(runs: &[RunId]) -> String {
    cut(runs.iter().map(ToString::to_string), runs.len())
}

fn cut(names: impl Iterator<Item = String>, count: usize) -> String {
    let shown = names.take(MAX_NAMES).collect::<Vec<_>>().join(" ");
    match count.saturating_sub(MAX_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What checking came to, as text.
pub(crate) fn verified(found: &AuditVerified, root: &str) -> String {
    let AuditVerified {
        size, key, checkpoints, signed, runs, removed, outside, files, problems, problem_count, ..
    } = found;
    let entries = if *size == 1 { "1 entry".to_owned() } else { format!("{} entries", Count(*size)) };
    let mut rows = vec![["log".to_owned(), format!("{entries}, root {root}")]];
    rows.extend(key.as_ref().map(|key| ["key".to_owned(), key.clone()]));
    let unsigned = size.saturating_sub(*signed);
    rows.push([
        "signed".to_owned(),
        match (*checkpoints, unsigned) {
            (0, _) if *problem_count > 0 => "no checkpoint holds".to_owned(),
            (0, _) => "nothing yet".to_owned(),
            (count, 0) => format!("all, in {}", Count(count).of("checkpoint")),
            (count, rest) => {
                format!("{} of them, in {}; {rest} came since", Count(*signed), Count(count).of("checkpoint"))
            }
        },
    ]);
    let gone = if *removed == 0 { String::new() } else { format!(", {} removed since", Count(*removed)) };
    rows.push(["journals".to_owned(), format!("{} compared{gone}", Count(*runs))]);
    let mut sources: Vec<(&str, u64, u64)> = Vec::new();
    for (outside, state) in outside {
        let holds = u64::from(*state == OutsideState::Holds);
        match sources.iter_mut().find(|(source, ..)| *source == outside.source) {
            Some((_, good, all)) => (*good, *all) = (*good + holds, *all + 1),
            None => sources.push((&outside.source, holds, 1)),
        }
    }
    for (source, holds, all) in sources {
        rows.push(["outside".to_owned(), format!("{source}: {} of {} checkpoints hold", Count(holds), Count(all))]);
    }
    for (file, by) in files {
        let told = by.iter().map(|by| format!("{} of run {} (entry {})", by.what, by.run, by.entry));
        let (label, told) = match told.collect::<Vec<_>>() {
            none if none.is_empty() => ("WRONG", "no run of this log wrote it".to_owned()),
            told => ("file", told.join("; ")),
        };
        rows.push([label.to_owned(), format!("{}: {told}", file.name)]);
    }
    rows.extend(problems.iter().map(|problem| ["WRONG".to_owned(), problem.to_string()]));
    let rest = problem_count.saturating_sub(problems.len() as u64);
    if rest > 0 {
        rows.push(["WRONG".to_owned(), format!("and {} more", Count(rest))]);
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(|[what, text]| vec![what, neutral::line(&text, 1_000)]).collect();
    let mut out = String::new();
    table(&mut out, &rows);
    out.push_str(match Verdict::of(found) {
        Verdict::Broken => "\nbroken: this is not the log that was written\n",
        Verdict::Internally => {
            "\ninternally consistent only: who can write the data directory could have made all of it anew; `--checkpoint FILE` compares it with one that was kept elsewhere\n"
        }
        Verdict::WithOutside => "\nconsistent with what was kept outside\n",
    });
    out
}
