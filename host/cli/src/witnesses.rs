//! The witnesses that sign the states of the audit log elsewhere (c2sp.org/tlog-witness): what they are shown, what is kept
//! of what they sign, and what they saw that is not here.

use crate::audit_log::{append_note, entry, not_signed};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::console;
use crate::settings::{Settings, read_roots};
use palisade_audit::{Checkpoint, Note, What, WitnessKey, Witnessed, add_checkpoint, answered};
use palisade_engine::now_ms;
use palisade_model::{Digest, causes, neutral};
use palisade_net::{Address, Roots, post};
use palisade_settings::WitnessTable;
use palisade_store::Store;
use std::fs::{DirBuilder, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::Duration;

/// The folder of what witnesses signed, in the data directory. Who can write there can remove it, and make nothing of it.
const FOLDER: &str = "witnesses";
/// Most bytes of an answer: some signatures, or a number.
const MAX_ANSWER_BYTES: usize = 16 << 10;
/// Most bytes at the end of a file in which its last checkpoint is looked for.
const TAIL: u64 = 16 << 10;
/// How often a witness may say that it saw a log of another size: two processes may show it theirs at once.
const TRIES: usize = 4;

/// Why a witness did not sign.
enum Trouble {
    /// It can't, or would not. The next checkpoint holds all that this one does.
    Told(String),
    /// It saw another log.
    Split { seen: u64 },
}

/// Where it is kept what a witness signed.
pub(crate) fn kept(settings: &Settings, key: &WitnessKey) -> PathBuf {
    let name = Digest::of(key.to_string().as_bytes()).short();
    settings.data_dir.join(FOLDER).join(format!("{name}.checkpoints"))
}

fn keep(settings: &Settings, key: &WitnessKey, note: &Note) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(settings.data_dir.join(FOLDER))?;
    append_note(&kept(settings, key), note)
}

/// The last checkpoint that a witness signed, if it can be found.
pub(crate) fn last_kept(settings: &Settings, key: &WitnessKey, origin: &str) -> Option<Note> {
    let mut file = File::open(kept(settings, key)).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).ok()?;
    let tail = String::from_utf8_lossy(&tail);
    let begin = tail
        .rmatch_indices(&format!("{origin}\n"))
        .map(|(at, _)| at)
        .find(|at| *at == 0 || tail[..*at].ends_with('\n'))?;
    let note = Note::parse_all(&tail[begin..]).ok()?.pop()?;
    key.signed(&note).map(|_| note)
}

/// Shows a checkpoint to all witnesses, keeps what they sign, and gives it with their signatures. One that can't be reached
/// keeps nobody from working: it is told, and the next checkpoint holds all that this one does.
///
/// # Errors
/// When a witness saw another log than this one.
pub(crate) fn show(settings: &Settings, store: &Store, note: &Note) -> Result<Note, CliError> {
    let witnesses = &settings.written.cosigners;
    if witnesses.is_empty() {
        return Ok(note.clone());
    }
    let checkpoint = Checkpoint::of_note(note).map_err(|error| CliError::from_error(ExitCode::Bug, &error))?;
    let (roots, _) = read_roots(&settings.root_files())?;
    let ask = |witness| Asking { settings, store, note, checkpoint: &checkpoint, roots: &roots, witness }.ask();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = witnesses.iter().map(|witness| scope.spawn(move || ask(witness))).collect();
        asked
            .into_iter()
            .map(|asked| asked.join().unwrap_or(Err(Trouble::Told("Palisade itself failed".to_owned()))))
            .collect()
    });
    let (mut signed, mut split) = (note.clone(), None);
    for (witness, answer) in witnesses.iter().zip(answers) {
        let name = neutral::line(witness.key.name(), 100);
        match answer {
            Ok(cosigned) => {
                signed = signed.joined(&cosigned);
                keep(settings, &witness.key, &cosigned).map_err(|error| {
                    CliError::new(ExitCode::Failed, format!("what the witness `{name}` signed can't be kept: {error}"))
                })?;
            }
            Err(Trouble::Told(what)) => {
                console::err(&format!("warning: the witness `{name}` did not sign the audit log: {what}\n"));
            }
            Err(Trouble::Split { seen }) => split = Some((witness, seen)),
        }
    }
    match split {
        None => Ok(signed),
        Some((witness, seen)) => Err(contradicted(store, &signed, witness, seen)),
    }
}

/// Writes down that a witness saw another log, and says so.
fn contradicted(store: &Store, note: &Note, witness: &WitnessTable, seen: u64) -> CliError {
    let (key, checkpoint) = (witness.key.to_string(), note.to_string());
    let what = What::SplitView { witness: key, checkpoint, seen };
    if let Err(error) = store.checkpoint(&[entry(what)], now_ms()) {
        return not_signed(&error);
    }
    let name = neutral::line(witness.key.name(), 100);
    let message = format!(
        "split view: the witness `{name}` saw another log of this name, with {seen} entries, which this one does not continue"
    );
    CliError::new(ExitCode::Integrity, message)
        .help("the log was changed or put back, another copy of it was used, or the witness lies: compare it with checkpoints that were kept elsewhere (`palisade audit verify --checkpoint FILE`)")
}

/// One witness, and what it is to be shown.
struct Asking<'a> {
    settings: &'a Settings,
    store: &'a Store,
    note: &'a Note,
    checkpoint: &'a Checkpoint,
    roots: &'a Roots,
    witness: &'a WitnessTable,
}

impl Asking<'_> {
    fn ask(&self) -> Result<Note, Trouble> {
        let told = |what: &str| Trouble::Told(what.to_owned());
        let (key, size) = (&self.witness.key, self.checkpoint.size);
        let address = Address::of(&self.witness.url).ok_or_else(|| told("its URL has a wrong form"))?;
        let last = last_kept(self.settings, key, &self.checkpoint.origin);
        let last = last.and_then(|note| Some(Checkpoint::of_note(&note).ok()?.size));
        let mut old = last.filter(|last| *last <= size).unwrap_or(0);
        for _ in 0..TRIES {
            let body = add_checkpoint(old, &self.way(old)?, self.note).into_bytes();
            let patience = Duration::from_millis(self.witness.timeout.0);
            let reply = post(&address, "/add-checkpoint", body, self.roots, patience, MAX_ANSWER_BYTES);
            let reply = reply.map_err(|error| Trouble::Told(neutral::line(&causes(&error), 300)))?;
            match answered(reply.status, &reply.body, old, self.note, key) {
                Witnessed::Cosigned { note, .. } => return Ok(note),
                Witnessed::Has(seen) if seen <= size => old = seen,
                // Another process may have shown it more of this log by now.
                Witnessed::Has(seen) if self.store.audit_size().is_ok_and(|now| seen <= now) => {
                    return Err(told("it has seen a later state of this log already"));
                }
                Witnessed::Has(seen) => return Err(Trouble::Split { seen }),
                Witnessed::Split => return Err(Trouble::Split { seen: old }),
                Witnessed::Unknown => return Err(self.unknown()),
                Witnessed::Refused { what } => return Err(Trouble::Told(what)),
            }
        }
        Err(told("it says that it saw a log of another size, again and again"))
    }

    /// What shows that the log continues the one of that size.
    fn way(&self, old: u64) -> Result<Vec<Digest>, Trouble> {
        if old == 0 {
            return Ok(Vec::new());
        }
        let way = self.store.audit_consistency(old, self.checkpoint.size);
        way.map_err(|fault| Trouble::Told(causes(&fault))).map(Option::unwrap_or_default)
    }

    fn unknown(&self) -> Trouble {
        let key = self.store.verifying_key().map_or_else(|_| "its key".to_owned(), |key| format!("`{key}`"));
        Trouble::Told(format!("it does not know this log; who runs it must be given {key}"))
    }
}
