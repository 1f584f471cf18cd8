//! `palisade audit log`: entries for people, or as JSON.

use super::{FORM, PAGE};
use crate::args::{AuditLogArgs, Format};
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::{audit, console};
use crate::workspace::not_read;
use palisade_audit::Entry;
use palisade_engine::now_ms;
use palisade_model::RunId;
use palisade_store::{AuditEntry, FindRunError, Store};
use serde_json::{Value, json};

/// Which entries are wanted. All that is given must hold.
struct Wanted<'a> {
    run: Option<RunId>,
    args: &'a AuditLogArgs,
    since: u64,
}

impl Wanted<'_> {
    fn has(&self, entry: &Entry) -> bool {
        let kind = || serde_json::to_value(&entry.what).ok().and_then(|what| Some(what["kind"].as_str()?.to_owned()));
        self.run.is_none_or(|run| entry.run == Some(run))
            && entry.at >= self.since
            && (!self.args.denied || entry.what.is_denial())
            && (self.args.kind.is_empty() || kind().is_some_and(|kind| self.args.kind.contains(&kind)))
    }
}

pub(super) fn exec(context: &Context, store: &Store, args: &AuditLogArgs) -> Result<ExitCode, CliError> {
    let run = args.run.as_deref().map(|text| find(store, text)).transpose()?;
    let since = args.since.map_or(0, |age| now_ms().saturating_sub(age.0));
    let wanted = Wanted { run, args, since };
    let all = run.is_none() && args.kind.is_empty() && !args.denied && args.since.is_none();
    let size = store.audit_size().map_err(|fault| not_read(&fault))?;
    // What the database can look for, so that not every entry is read.
    let holding = run.map(|run| run.to_string()).or_else(|| match args.kind.as_slice() {
        [kind] => Some(format!("\"kind\":\"{kind}\"")),
        _ => None,
    });
    let (mut from, mut found) = (0, Vec::new());
    loop {
        let page = store.audit_entries(from, size, PAGE, holding.as_deref()).map_err(|fault| not_read(&fault))?;
        let Some(last) = page.last() else { break };
        from = last.number + 1;
        found.extend(page.into_iter().filter_map(|AuditEntry { number, bytes, .. }| {
            let entry = Entry::from_bytes(&bytes);
            let is_wanted = entry.as_ref().map_or(all, |entry| wanted.has(entry));
            is_wanted.then_some((number, entry, bytes))
        }));
    }
    if context.format == Format::Json {
        let entry = |(number, _, bytes): &(u64, Option<Entry>, Vec<u8>)| {
            let entry: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
            json!({"number": number, "entry": entry})
        };
        console::json(&json!({"v": FORM, "size": size, "entries": found.iter().map(entry).collect::<Vec<_>>()}));
    } else if found.is_empty() {
        console::err(if size == 0 { "the audit log has no entries yet\n" } else { "no entry is so\n" });
    } else {
        let row = |(number, entry, _): (u64, Option<Entry>, Vec<u8>)| {
            entry.map_or_else(|| audit::unread(number), |entry| audit::row(number, &entry))
        };
        console::out(&audit::log(found.into_iter().map(row).collect()));
    }
    Ok(ExitCode::Done)
}

/// The run that is meant: one that is there, or the id of one that was.
fn find(store: &Store, text: &str) -> Result<RunId, CliError> {
    store.find_run(text).or_else(|error| match (&error, text.parse()) {
        (FindRunError::Fault(fault), _) => Err(not_read(fault)),
        (_, Ok(run)) => Ok(run),
        (error, Err(_)) => Err(CliError::from_error(ExitCode::Usage, error)
            .help("of a run that was removed the whole id is needed; `palisade audit log --kind runs_removed` has it")),
    })
}
