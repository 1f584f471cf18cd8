//! Where a finding or an artifact is that a person names.

use super::OneRun;
use super::gap::Unread;
use crate::commands::runs::not_told;
use crate::commands::unreadable;
use crate::failure::CliError;
use crate::render::console;
use crate::workspace::not_read;
use palisade_engine::{Document, DocumentError, Export, HistoryError, LineageArtifact};
use palisade_model::unit::Count;
use palisade_model::{Digest, neutral};
use palisade_schema::{FindingId, Registry};
use palisade_store::{Started, Store};
use std::collections::{BTreeMap, BTreeSet};

/// Most runs that are looked in, the newest ones.
const MAX_RUNS: usize = 100;
/// Least digits of the beginning of an id or digest: fewer would be found anywhere.
const MIN_DIGITS: usize = 4;
/// Most ids and digests that are named where several begin alike.
const MAX_NAMED: usize = 5;

/// What was named: a name, and what it could be the beginning of.
pub(super) struct Wanted<'a> {
    text: &'a str,
    /// In lower case, if a digest can begin so.
    digest: Option<String>,
    id: Option<IdBeginning>,
}

/// The first bits of a finding's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IdBeginning {
    /// The digits as a number.
    value: u128,
    digits: u32,
}

/// What was found.
pub(super) enum Target {
    /// An artifact; two of one digest have two names.
    Artifact { names: Vec<String> },
    /// A finding. Two artifacts of one schema over the same data may both have it.
    Finding { id: FindingId, found_in: Vec<Finding> },
}

/// A finding in an artifact.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) artifact: String,
    /// Its number, from 0.
    pub(super) item: u64,
    /// As it was emitted.
    pub(super) line: String,
}

/// Why a run was not looked through.
enum NotLooked {
    /// The run can't be told.
    Run(HistoryError),
    /// What is said, whichever run it is.
    Said(CliError),
}

impl From<HistoryError> for NotLooked {
    fn from(error: HistoryError) -> Self {
        Self::Run(error)
    }
}

impl From<CliError> for NotLooked {
    fn from(error: CliError) -> Self {
        Self::Said(error)
    }
}

impl<'a> Wanted<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let lower = text.to_ascii_lowercase();
        let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digest = (MIN_DIGITS..=64).contains(&lower.len()) && hex(&lower);
        Self { text, id: IdBeginning::of(&lower), digest: digest.then_some(lower) }
    }
}

impl IdBeginning {
    fn of(text: &str) -> Option<Self> {
        let hyphen = |(index, byte): (usize, u8)| (byte == b'-') == matches!(index, 8 | 13 | 18 | 23);
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let well_formed = text.len() <= 36 && text.bytes().enumerate().all(hyphen);
        // As digits alone: `+1` would be read as a number too.
        if !well_formed || digits.len() < MIN_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let value = u128::from_str_radix(&digits, 16).ok()?;
        Some(Self { value, digits: u32::try_from(digits.len()).ok()? })
    }

    fn begins(self, id: FindingId) -> bool {
        id.as_u128() >> (128 - 4 * self.digits) == self.value
    }
}

impl Target {
    /// The artifacts that it is, or is in, with the item that it is there.
    pub(super) fn starts(&self) -> Vec<(&str, Option<u64>)> {
        match self {
            Self::Artifact { names } => names.iter().map(|name| (name.as_str(), None)).collect(),
            Self::Finding { found_in, .. } => {
                found_in.iter().map(|found| (found.artifact.as_str(), Some(found.item))).collect()
            }
        }
    }
}

/// Looks in one run.
///
/// # Errors
/// When it is not there, or several things are meant, or something can't be read.
pub(super) fn look_in_one(store: &Store, run: &OneRun, wanted: &Wanted<'_>) -> Result<Target, CliError> {
    let found = look(store, run, wanted, &mut BTreeSet::new()).map_err(|error| match error {
        NotLooked::Run(error) => not_told(&error),
        NotLooked::Said(error) => error,
    })?;
    found.ok_or_else(|| not_there(wanted, "in that run", &artifacts(run)))
}

/// Looks in the newest runs, the latest first.
///
/// # Errors
/// As [`look_in_one`]. A run that can't be told is passed over, and said to be; if nothing is found then, and one is not what
/// was written, that is the error.
pub(super) fn look_in_all(store: &Store, wanted: &Wanted<'_>) -> Result<(OneRun, Target), CliError> {
    // What a person knows by name stands in the runs that people started; those below them, of which one run may have many, come after.
    let latest = |started| store.latest_runs(MAX_RUNS + 1, started, None).map_err(|fault| not_read(&fault));
    let (mut rows, children) = (latest(Started::ByPeople)?, latest(Started::ByRuns)?);
    let looked = looked_in(rows.len(), children.len());
    rows.truncate(MAX_RUNS);
    rows.extend(children.into_iter().take(MAX_RUNS));
    // What was looked through in a newer run need not be looked through again.
    let mut seen = BTreeSet::new();
    let (mut names, mut damaged) = (None, None);
    for row in &rows {
        let read = OneRun::read(store, row.run).map_err(NotLooked::Run);
        match read.and_then(|run| Ok((look(store, &run, wanted, &mut seen)?, run))) {
            Ok((Some(target), run)) => return Ok((run, target)),
            Ok((None, run)) => {
                names.get_or_insert_with(|| artifacts(&run));
            }
            Err(NotLooked::Said(error)) => return Err(error),
            Err(NotLooked::Run(error)) => {
                let unread = Unread::of(error).map_err(|error| not_told(&error))?;
                let why = neutral::line(&palisade_model::causes(&unread), 300);
                console::err(&format!("note: run {} is passed over: {why}\n", row.run));
                if let Unread::Damaged(error) = unread {
                    damaged.get_or_insert(error);
                }
            }
        }
    }
    if let Some(damaged) = damaged {
        return Err(not_told(&damaged));
    }
    Err(not_there(wanted, &looked, &names.unwrap_or_default()))
}

/// In which runs was looked, of so many that people started and so many below them.
fn looked_in(started: usize, children: usize) -> String {
    if started <= MAX_RUNS && children <= MAX_RUNS {
        return match started + children {
            1 => "in the one run there is".to_owned(),
            all => format!("in the {all} runs there are"),
        };
    }
    let newest = |all: usize, what: &str| {
        let newest = if all > MAX_RUNS { "newest " } else { "" };
        format!("in the {newest}{}", Count(all.min(MAX_RUNS) as u64).of(what))
    };
    let below = if children > 0 { format!(", nor {}", newest(children, "child run")) } else { String::new() };
    format!("{} that people started{below}; `--run RUN` looks in another", newest(started, "run"))
}

/// Looks in a run, but not for findings in artifacts that were seen before.
fn look(
    store: &Store,
    run: &OneRun,
    wanted: &Wanted<'_>,
    seen: &mut BTreeSet<Digest>,
) -> Result<Option<Target>, NotLooked> {
    if let Some(artifact) = run.lineage.artifact(wanted.text) {
        return Ok(Some(Target::Artifact { names: vec![artifact.name.clone()] }));
    }
    let mut artifacts: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
    for artifact in wanted.digest.iter().flat_map(|beginning| run.lineage.with_digest(beginning)) {
        if let Some(digest) = artifact.digest {
            artifacts.entry(digest).or_default().push(artifact.name.clone());
        }
    }
    let mut findings: BTreeMap<FindingId, Vec<Finding>> = BTreeMap::new();
    if let Some(beginning) = wanted.id {
        let (seen_before, schemas) = (seen.clone(), run.schemas(store)?);
        for artifact in &run.lineage.artifacts {
            let Some(digest) = artifact.digest.filter(|digest| !seen_before.contains(digest)) else { continue };
            seen.insert(digest);
            look_through(store, &schemas, artifact, digest, beginning, &mut findings)?;
        }
    }
    let named = artifacts.keys().map(|digest| format!("the artifact {digest}"));
    let named: Vec<_> = named.chain(findings.keys().map(|id| format!("the finding {id}"))).take(MAX_NAMED).collect();
    if named.len() > 1 {
        let told = format!("`{}` begins more than one: {}", neutral::line(wanted.text, 80), named.join(", "));
        return Err(CliError::usage(told).help("give more of it").into());
    }
    let artifact = artifacts.into_values().next().map(|names| Target::Artifact { names });
    let finding = || findings.into_iter().next().map(|(id, found_in)| Target::Finding { id, found_in });
    Ok(artifact.or_else(finding))
}

/// Computes the ids of all findings of an artifact and takes those that begin so, of at most [`MAX_NAMED`] ids.
fn look_through(
    store: &Store,
    schemas: &Registry,
    artifact: &LineageArtifact,
    digest: Digest,
    beginning: IdBeginning,
    findings: &mut BTreeMap<FindingId, Vec<Finding>>,
) -> Result<(), CliError> {
    let has_ids = schemas.get(&artifact.schema).is_some_and(|schema| schema.has_finding_ids());
    let Some(name) = artifact.artifact_name().filter(|_| has_ids) else { return Ok(()) };
    let export = Export { name: name.into(), artifact: digest, schema: artifact.schema.clone(), started_ms: 0 };
    let document = match Document::open(store, schemas, &export) {
        // Others may have what is looked for.
        Err(error @ DocumentError::Erased { .. }) => {
            console::err(&format!("note: {} and can't be looked through\n", neutral::line(&error.to_string(), 300)));
            return Ok(());
        }
        opened => opened.map_err(|error| unreadable(&error))?,
    };
    let walked = document.for_each_id(&mut |item, id, line| {
        if beginning.begins(id) && (findings.len() < MAX_NAMED || findings.contains_key(&id)) {
            let finding = Finding { artifact: artifact.name.clone(), item, line: line.to_owned() };
            findings.entry(id).or_default().push(finding);
        }
    });
    walked.map_err(|error| unreadable(&error))
}

fn artifacts(run: &OneRun) -> Vec<String> {
    run.lineage.artifacts.iter().filter(|artifact| artifact.digest.is_some()).map(|one| one.name.clone()).collect()
}

fn not_there(wanted: &Wanted<'_>, looked: &str, names: &[String]) -> CliError {
    let what = neutral::line(wanted.text, 80);
    let told = CliError::usage(format!("there is no finding and no artifact `{what}` {looked}"));
    let names: Vec<_> = names.iter().take(20).map(|name| format!("`{}`", neutral::line(name, 80))).collect();
    let digits = format!("of an id or a digest, at least {MIN_DIGITS} digits are needed");
    told.help(if names.is_empty() { digits } else { format!("there are the artifacts {}; {digits}", names.join(", ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_the_beginning_of_an_id_or_a_digest_is() {
        let check = |text: &str, id: bool, digest: bool| {
            let wanted = Wanted::new(text);
            assert_eq!((wanted.id.is_some(), wanted.digest.is_some()), (id, digest), "{text}");
        };
        check("abcd", true, true);
        check("abc", false, false);
        check("ABCDef12", true, true);
        check("abcdef12-", true, false);
        check("abcdef123", false, true);
        check("abcdef12-3456-5abc-9def-0123456789ab", true, false);
        check("abcdef12-3456-5abc-9def-0123456789abc", false, false);
        check("words", false, false);
        check("+123", false, false);
        check("ab-d", false, false);
        check(&"a".repeat(64), false, true);
        check(&"a".repeat(65), false, false);
        check("", false, false);
    }

    #[test]
    fn it_is_said_in_which_runs_was_looked() {
        let check = |started: usize, children: usize, expected: &str| {
            assert_eq!(looked_in(started, children), expected, "{started} {children}");
        };
        let another = "; `--run RUN` looks in another";
        check(1, 0, "in the one run there is");
        check(1, 100, "in the 101 runs there are");
        check(100, 100, "in the 200 runs there are");
        check(101, 0, &format!("in the newest 100 runs that people started{another}"));
        check(101, 3, &format!("in the newest 100 runs that people started, nor in the 3 child runs{another}"));
        check(1, 101, &format!("in the 1 run that people started, nor in the newest 100 child runs{another}"));
    }

    #[test]
    fn an_id_begins_with_its_digits() {
        let id = FindingId::from_u128(0xabcd_ef12_3456_5abc_9def_0123_4567_89ab);
        for text in ["abcd", "abcdef12-3", "abcdef12-3456-5abc-9def-0123456789ab"] {
            assert!(IdBeginning::of(text).unwrap().begins(id), "{text}");
        }
        assert!(!IdBeginning::of("abce").unwrap().begins(id));
        assert!(!IdBeginning::of("0000").unwrap().begins(id));
    }
}
