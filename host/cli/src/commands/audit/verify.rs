//! `palisade audit verify`: does all that the log says hold together, and is it the log that others saw.

use super::{FORM, read_checkpoints};
use crate::args::{AuditVerifyArgs, Format};
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::audit::{Verdict, verified};
use crate::render::console;
use crate::witnesses;
use crate::workspace::not_read;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use palisade_audit::{Checkpoint, WitnessKey};
use palisade_engine::rfc3339;
use palisade_model::Digest;
use palisade_model::digest::Hasher;
use palisade_settings::WitnessTable;
use palisade_store::{AuditProblem, AuditVerified, FileToFind, OutsideCheckpoint, OutsideState, Store};
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::Path;

/// Bytes of a file that are read at once.
const READ_BYTES: usize = 256 << 10;

pub(super) fn exec(context: &Context, store: &Store, args: &AuditVerifyArgs) -> Result<ExitCode, CliError> {
    let mut outside = Vec::new();
    // A witness that the operator names and that nothing was appended to yet says nothing.
    let witnesses = context.settings.witnesses.iter().filter(|witness| witness.exists());
    for file in witnesses.chain(&args.checkpoint) {
        let source = context.settings.shown(std::slice::from_ref(file)).join("");
        let of_file = |note| OutsideCheckpoint { source: source.clone(), note };
        outside.extend(read_checkpoints(file)?.into_iter().map(of_file));
    }
    let mut cosigned_to = Vec::new();
    for WitnessTable { key, .. } in &context.settings.written.cosigners {
        let signed = cosigned(context, key)?;
        let size = |outside: &OutsideCheckpoint| Checkpoint::of_note(&outside.note).ok().map(|signed| signed.size);
        cosigned_to.push((key.to_string(), signed.iter().filter_map(size).max().unwrap_or(0)));
        outside.extend(signed);
    }
    let files = args.file.iter().map(|file| {
        Ok(FileToFind { name: context.settings.shown(std::slice::from_ref(file)).join(""), digest: digest(file)? })
    });
    let mut found =
        store.verify_audit(outside, files.collect::<Result<_, CliError>>()?).map_err(|fault| not_read(&fault))?;
    settle(&mut found, &cosigned_to);
    let root = STANDARD.encode(found.root.unwrap_or_else(palisade_audit::empty_root).as_bytes());
    if context.format == Format::Json {
        console::json(&told(&found, &root));
    } else {
        console::out(&verified(&found, &root));
    }
    let unknown = found.files.iter().any(|(_, by)| by.is_empty());
    Ok(if found.problem_count > 0 || unknown { ExitCode::Integrity } else { ExitCode::Done })
}

/// A witness that saw another log and signed this one later was shown that it continues what it saw.
fn settle(found: &mut AuditVerified, cosigned_to: &[(String, u64)]) {
    let before = found.problems.len();
    found.problems.retain(|problem| match problem {
        AuditProblem::SplitView { number, witness, .. } => {
            !cosigned_to.iter().any(|(key, size)| key == witness && size > number)
        }
        _ => true,
    });
    found.problem_count -= (before - found.problems.len()) as u64;
}

/// What a witness signed. Its signatures count wherever they are kept: nobody else can make them.
fn cosigned(context: &Context, key: &WitnessKey) -> Result<Vec<OutsideCheckpoint>, CliError> {
    let file = witnesses::kept(&context.settings, key);
    if !file.exists() {
        return Ok(Vec::new());
    }
    let notes = read_checkpoints(&file)?;
    let not_signed = |number: usize| {
        let what = format!("{}: checkpoint {number} is not signed by the witness `{key}`", file.display());
        CliError::new(ExitCode::Integrity, what)
            .help("somebody changed the file, or [[witness]] of palisade.toml names another key")
    };
    let signed = notes.iter().zip(1..).map(|(note, number)| key.signed(note).ok_or_else(|| not_signed(number)));
    let last = signed.collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or(0);
    let source = format!("witness `{}`, which signed last {}", key.name(), rfc3339(last.saturating_mul(1_000)));
    Ok(notes.into_iter().map(|note| OutsideCheckpoint { source: source.clone(), note }).collect())
}

fn told(found: &AuditVerified, root: &str) -> Value {
    let outside = found.outside.iter().map(|(OutsideCheckpoint { source, note }, state)| {
        let wrong = match state {
            OutsideState::Holds => None,
            OutsideState::Broken(what) => Some(what),
        };
        json!({"source": source, "size": Checkpoint::of_note(note).map(|own| own.size).ok(), "wrong": wrong})
    });
    let files = found.files.iter().map(|(file, by)| {
        let by: Vec<_> = by.iter().map(|by| json!({"run_id": by.run, "what": by.what, "entry": by.entry})).collect();
        json!({"file": file.name, "sha256": file.digest, "written_by": by})
    });
    json!({
        "v": FORM,
        "verdict": Verdict::of(found),
        "size": found.size,
        "root": root,
        "key": found.key,
        "checkpoints": found.checkpoints,
        "signed": found.signed,
        "journals": found.runs,
        "removed": found.removed,
        "outside": outside.collect::<Vec<_>>(),
        "files": files.collect::<Vec<_>>(),
        "problems": found.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "problem_count": found.problem_count,
    })
}

/// SHA-256 of a file, however large.
fn digest(file: &Path) -> Result<Digest, CliError> {
    let unreadable = |error: std::io::Error| CliError::usage(format!("{} can't be read: {error}", file.display()));
    // Before it is opened: opening a pipe waits for a writer.
    if !std::fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err(CliError::usage(format!("{} is not a file", file.display())));
    }
    let (mut file, mut hasher, mut buffer) =
        (std::fs::File::open(file).map_err(unreadable)?, Hasher::new(), vec![0; READ_BYTES]);
    loop {
        match file.read(&mut buffer).map_err(unreadable)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}
