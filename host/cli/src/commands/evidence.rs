//! `palisade evidence`: a folder with all that is needed to check what a run was allowed, did and came to, by hand or by the
//! small program in it, on a machine that has never seen Palisade.

use super::Context;
use super::audit::Signed;
use super::replay::with_children;
use super::runs::{find, not_told};
use crate::args::{EvidenceArgs, Format};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::output;
use crate::render::console;
use crate::witnesses::last_kept;
use crate::workspace::{existing_store, not_read};
use palisade_engine::{Event, History};
use palisade_model::unit::Count;
use palisade_model::{Digest, RunId};
use palisade_store::{AuditEntry, Store};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;

/// The program that checks proofs, and which the tests run.
const VERIFIER: &str = include_str!("../../../../tests/audit/check.py");
/// Entries that are read at once.
const PAGE: usize = 1_000;
/// What is said of the folder in it.
const README: &str = "\
Evidence of a run of Palisade
=============================

entries.txt       what the audit log says of the run, its children included: an entry on each line, in order
proofs/N.json     that entry N is in the log: the entry, the hashes beside its way to the root, the signed checkpoint, the
                  key that checks it, the key that opens what the entry says of the run's data
checkpoint.txt    the checkpoint of all proofs, for who compares it with one that was kept elsewhere
cosigned.txt      the last checkpoints that witnesses signed, where there are any: each is the beginning of the log
runs/ID/          of the run and each of its children: plan.json and runbook.yaml as they were run, answers.json with what
                  people said. Their SHA-256 are `plan` and `runbook` in the entries `run_started` and `run_ended`
check.py          checks a proof: python3 check.py proofs/N.json [FILE]...; with files and the proof of an entry
                  `files_exported` it says what each file is in the run. It needs Python and nothing else

    for proof in proofs/*.json; do python3 check.py $proof || break; done

The proofs hold for the key that stands in them. That it is the right one, and that the log was not made anew with it,
shows a checkpoint that was kept elsewhere. docs/audit.md of Palisade describes all forms.
The keys of the run open digests of its data: hand the folder only to who may know them.
";

pub(crate) fn exec(context: &Context, args: &EvidenceArgs) -> Result<ExitCode, CliError> {
    let store = existing_store(&context.settings)?;
    let (store, run) = find(context, store.as_ref(), &args.run)?;
    let runs = with_children(store, run)?;
    let entries = entries(store, &runs)?;
    if entries.is_empty() {
        return Err(CliError::usage(format!("the audit log says nothing of run {run}"))
            .help("it is from before there was a log, and nothing happened in it since"));
    }
    let signed = Signed::now(store)?;
    let folder = Folder::make(&args.out)?;
    folder.write("README.txt", README.as_bytes())?;
    folder.write("check.py", VERIFIER.as_bytes())?;
    folder.write("checkpoint.txt", signed.note().to_string().as_bytes())?;
    let origin = signed.note().text().lines().next().unwrap_or_default();
    let witnesses = context.settings.written.cosigners.iter();
    let cosigned: Vec<_> = witnesses.filter_map(|known| last_kept(&context.settings, &known.key, origin)).collect();
    if !cosigned.is_empty() {
        folder.write("cosigned.txt", cosigned.iter().map(|note| format!("{note}\n")).collect::<String>().as_bytes())?;
    }
    let lines: Vec<u8> = entries.iter().flat_map(|entry| [entry.bytes.as_slice(), b"\n"].concat()).collect();
    folder.write("entries.txt", &lines)?;
    for run in &runs {
        let history = History::read(store, *run).map_err(|error| not_told(&error))?;
        let started = history.start().map_err(|error| not_told(&error))?;
        folder.write(&format!("runs/{run}/plan.json"), &stored(store, "plan", started.plan)?)?;
        folder.write(&format!("runs/{run}/runbook.yaml"), &stored(store, "runbook", started.runbook)?)?;
        let answers: Vec<Value> = history.events().iter().filter_map(answer).collect();
        folder.write(&format!("runs/{run}/answers.json"), json!(answers).to_string().as_bytes())?;
    }
    let count = entries.len() as u64;
    for entry in entries {
        let name = format!("proofs/{}.json", entry.number);
        folder.write(&name, signed.proof(entry, true)?.to_string().as_bytes())?;
    }
    let shown = context.settings.shown(std::slice::from_ref(&args.out)).join("");
    if context.format == Format::Json {
        console::json(&json!({"v": 1, "run_id": run, "runs": runs, "entries": count, "folder": shown}));
    } else {
        console::err(&format!(
            "{} entries with their proofs are in {shown}; README.txt says how to check them\n",
            Count(count)
        ));
    }
    Ok(ExitCode::Done)
}

/// All entries of the runs, in order.
fn entries(store: &Store, runs: &[RunId]) -> Result<Vec<AuditEntry>, CliError> {
    let size = store.audit_size().map_err(|fault| not_read(&fault))?;
    let mut all = Vec::new();
    for run in runs {
        let (mut from, name) = (0, run.to_string());
        loop {
            // Others may name the run too, as a parent does.
            let page = store.audit_entries(from, size, PAGE, Some(&name)).map_err(|fault| not_read(&fault))?;
            let Some(last) = page.last() else { break };
            from = last.number + 1;
            let head = |entry: &AuditEntry| palisade_audit::EntryHead::read(&entry.bytes)?.run?.parse().ok();
            all.extend(page.into_iter().filter(|entry| head(entry) == Some(*run)));
        }
    }
    all.sort_by_key(|entry| entry.number);
    Ok(all)
}

/// What a person said, as the journal has it.
fn answer(event: &Event) -> Option<Value> {
    let Event::ApprovalDecided { .. } = event else { return None };
    serde_json::to_value(event).ok()
}

fn stored(store: &Store, what: &str, digest: Digest) -> Result<Vec<u8>, CliError> {
    let missing = || CliError::new(ExitCode::Integrity, format!("the {what} {digest} is not in the store"));
    let content = store.content(digest).map_err(|fault| not_read(&fault))?.ok_or_else(missing)?;
    content.read_all().map_err(|fault| not_read(&fault))
}

/// The folder that is made.
struct Folder<'a>(&'a Path);

impl<'a> Folder<'a> {
    fn make(path: &'a Path) -> Result<Self, CliError> {
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                CliError::usage(format!("{} is there already", path.display())).help("name a folder that is not")
            }
            _ => CliError::usage(format!("{} can't be made: {error}", path.display())),
        };
        std::fs::create_dir(path).map_err(failed)?;
        Ok(Self(path))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), CliError> {
        let file = self.0.join(name);
        let made = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        made.map_err(|error| CliError::new(ExitCode::Failed, format!("{} can't be made: {error}", file.display())))?;
        output::file(&file, |out| Ok(out.write_all(bytes)?))
    }
}
