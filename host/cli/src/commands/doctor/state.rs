//! What is stored: whether it can be opened, is what was written, and fits `palisade.lock`.

use super::{Check, State, check, damaged, ok};
use crate::exit_code::ExitCode;
use crate::lock;
use crate::settings::Settings;
use crate::workspace::Workspace;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use palisade_engine::broken_runs;
use palisade_model::causes;
use palisade_model::unit::{Bytes, Count};
use palisade_store::{Fault, Store};
use std::time::Duration;

/// Most damages that are listed; all are counted.
const MAX_LISTED: usize = 20;

/// Looks at the data directory and at the lock file.
pub(super) fn checks(settings: &Settings) -> Vec<Check> {
    let dir = settings.data_dir.display();
    match Workspace::open(settings) {
        Ok(workspace) => {
            let state = match workspace.stored() {
                Some(store) => stored(&dir.to_string(), store),
                None => ok("state", format!("{dir}: made when something is run or added")),
            };
            vec![state, locked(settings, &workspace)]
        }
        Err(error) => {
            let state = if error.code == ExitCode::Integrity { State::Damaged } else { State::Missing };
            vec![check("state", state, format!("{dir}: {}", error.message), error.help)]
        }
    }
}

fn stored(dir: &str, store: &Store) -> Check {
    match inspect(store) {
        Ok(Inspected { summary, damages, count: 0 }) if damages.is_empty() => ok("state", format!("{dir}: {summary}")),
        Ok(Inspected { summary, damages, count }) => {
            let mut detail = format!("{dir}: {summary}");
            for damage in damages.iter().take(MAX_LISTED) {
                detail.push('\n');
                detail.push_str(damage);
            }
            if count > damages.len().min(MAX_LISTED) as u64 {
                detail.push_str(&format!("\n… {} in all", Count(count)));
            }
            damaged(
                "state",
                detail,
                "what is damaged can't be mended: take the folder from a backup, or run again what is needed with another --data-dir",
            )
        }
        Err(fault) => check("state", State::Missing, format!("{dir}: {}", causes(&fault)), None),
    }
}

/// What was looked at, and what is wrong with it, in words.
struct Inspected {
    summary: String,
    damages: Vec<String>,
    count: u64,
}

fn inspect(store: &Store) -> Result<Inspected, Fault> {
    // Seen on a terminal alone, and only if it takes its time.
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
    if let Ok(style) = ProgressStyle::with_template("reading what is stored: {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    let found = store.inspect(|bytes| bar.set_message(Bytes(bytes).to_string()))?;
    let mut damages: Vec<_> = found.damages.iter().map(|damage| causes(damage)).collect();
    let mut count = found.damage_count;
    match broken_runs(store) {
        Ok(broken) => {
            count += broken.len() as u64;
            damages.extend(broken.iter().map(|broken| causes(broken)));
        }
        // It is among the damages that were found.
        Err(fault) if fault.is_damage() => {}
        Err(fault) => return Err(fault),
    }
    bar.finish_and_clear();
    let (runs, artifacts) = (Count(found.runs).of("run"), Count(found.artifacts).of("artifact"));
    let state = if count == 0 { "as they were written".to_owned() } else { Count(count).of("damage") };
    Ok(Inspected { summary: format!("{runs}, {artifacts}, {}, {state}", Bytes(found.bytes)), damages, count })
}

fn locked(settings: &Settings, workspace: &Workspace) -> Check {
    let lock = match lock::read(settings) {
        Ok(lock) => lock,
        Err(error) => return check("lock", State::Missing, error.message, error.help),
    };
    let path = lock::path(settings).display().to_string();
    let (mut other, mut absent, mut all) = (Vec::new(), Vec::new(), 0);
    for (id, version, locked) in lock.iter() {
        let digest = locked.digest;
        all += 1;
        let entries = workspace.catalogue.list();
        let entry = entries.iter().find(|entry| entry.manifest.id == *id && entry.manifest.version == *version);
        match entry {
            Some(entry) if entry.digest == digest => {}
            Some(entry) => other.push(format!("{id}@{version} is {} and not {digest}", entry.digest)),
            None => absent.push(format!("{id}@{version} is not registered")),
        }
    }
    if !other.is_empty() {
        let detail = format!("{path}: what is registered has other bytes\n{}", other.join("\n"));
        return damaged(
            "lock",
            detail,
            "find out who changed it; `palisade component remove` and `add` what you trust",
        );
    }
    if !absent.is_empty() {
        let detail = format!("{path}: {}", absent.join("\n"));
        return check("lock", State::Missing, detail, Some("add each: `palisade component add FILE`".to_owned()));
    }
    match all {
        0 => ok("lock", "no components of others are registered"),
        all => ok("lock", format!("{path}: {} registered as it says", Count(all).of("component"))),
    }
}
