//! `palisade costs`: what calls of language models cost, and opening again what was closed since a bill was too high.

use super::Context;
use super::runs::find;
use crate::args::{CostsArgs, CostsBy, CostsCommand, Format};
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::render::{console, table};
use crate::workspace::{Workspace, existing_store, not_read};
use palisade_model::neutral;
use palisade_model::unit::{Count, MicroUsd};
use palisade_store::{Books, CallRow, Outcome};
use serde::Serialize;
use std::collections::BTreeMap;

/// What calls come to together.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Sum {
    calls: u64,
    tokens: u64,
    cost_micro_usd: u64,
    /// Calls whose cost nobody knows: all that was reserved for them is counted.
    unknown: u64,
    /// Calls that were billed with more than was reserved for them.
    overspent: u64,
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    by: BTreeMap<&'static str, &'a str>,
    #[serde(flatten)]
    sum: Sum,
}

pub(crate) fn exec(context: &Context, args: &CostsArgs) -> Result<ExitCode, CliError> {
    match args.command {
        Some(CostsCommand::Accept) => accept(context),
        None => show(context, args),
    }
}

fn show(context: &Context, args: &CostsArgs) -> Result<ExitCode, CliError> {
    let books = match &args.run {
        Some(run) => {
            let workspace = Workspace::open(&context.settings)?;
            let (store, run) = find(context, workspace.stored(), run)?;
            store.books(Some(run)).map_err(|fault| not_read(&fault))?
        }
        None => match existing_store(&context.settings)? {
            Some(store) => store.books(None).map_err(|fault| not_read(&fault))?,
            None => Books { calls: Vec::new(), wrong: false },
        },
    };
    if books.wrong {
        return Err(CliError::new(ExitCode::Integrity, "the ledger of calls does not add up")
            .help("`palisade doctor` says all that is damaged"));
    }
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    let mut all = Sum::default();
    for call in &books.calls {
        sums.entry(key(call, args.by)).or_default().add(call);
        all.add(call);
    }
    let name = word(args.by);
    if context.format == Format::Json {
        let rows = sums.iter().map(|(key, sum)| Row { by: BTreeMap::from([(name, *key)]), sum: *sum });
        console::json(&serde_json::json!({"by": name, "costs": rows.collect::<Vec<_>>(), "total": all}));
        return Ok(ExitCode::Done);
    }
    if sums.is_empty() {
        console::out(if args.run.is_some() {
            "no model was asked anything that was paid\n"
        } else {
            "no model was asked yet\n"
        });
        return Ok(ExitCode::Done);
    }
    let mut rows = vec![[name, "calls", "tokens", "cost", ""].map(str::to_owned).to_vec()];
    rows.extend(sums.iter().map(|(key, sum)| sum.row(&neutral::line(key, 100))));
    if sums.len() > 1 {
        rows.push(all.row("all"));
    }
    let mut out = String::new();
    table(&mut out, &rows);
    console::out(&out);
    Ok(ExitCode::Done)
}

fn accept(context: &Context) -> Result<ExitCode, CliError> {
    let opened = match existing_store(&context.settings)? {
        Some(store) => store.accept_overspends().map_err(|fault| not_read(&fault))?,
        None => 0,
    };
    if context.format == Format::Json {
        console::json(&serde_json::json!({"opened": opened}));
    } else {
        console::out(if opened == 0 { "no budget is closed\n" } else { "what was closed is open again\n" });
    }
    Ok(ExitCode::Done)
}

impl Sum {
    fn add(&mut self, call: &CallRow) {
        self.calls += 1;
        self.tokens = self.tokens.saturating_add(call.used.tokens);
        self.cost_micro_usd = self.cost_micro_usd.saturating_add(call.used.cost);
        self.unknown += u64::from(call.outcome == Outcome::Unknown);
        self.overspent += u64::from(call.outcome == Outcome::Overspent);
    }

    fn row(&self, key: &str) -> Vec<String> {
        let mut notes = Vec::new();
        if self.unknown > 0 {
            notes.push(format!("{} whose process died count in full", Count(self.unknown)));
        }
        if self.overspent > 0 {
            notes.push(format!("{} billed above what was reserved", Count(self.overspent)));
        }
        vec![
            key.to_owned(),
            Count(self.calls).to_string(),
            Count(self.tokens).to_string(),
            MicroUsd(self.cost_micro_usd).to_string(),
            notes.join(", "),
        ]
    }
}

const fn word(by: CostsBy) -> &'static str {
    match by {
        CostsBy::Component => "component",
        CostsBy::Model => "model",
        CostsBy::User => "user",
        CostsBy::Day => "day",
    }
}

fn key(call: &CallRow, by: CostsBy) -> &str {
    match by {
        CostsBy::Component => &call.component,
        CostsBy::Model => &call.model,
        CostsBy::User => &call.user,
        CostsBy::Day => &call.day,
    }
}
