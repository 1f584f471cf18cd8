//! `palisade grants show`: components by what they may use.

use super::{FORM, scope};
use crate::args::Format;
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::policy::{Acceptance, Policy, powers};
use crate::render::{console, table};
use crate::signature;
use crate::workspace::Workspace;
use palisade_authority::{Deny, Grant};
use palisade_engine::Entry;
use palisade_model::manifest::Power;
use palisade_model::neutral;
use palisade_settings::{DenyTable, GrantTable};
use serde::Serialize;
use serde_json::json;
use std::fmt::Write as _;

/// A component and what it may use.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct Shown {
    id: String,
    digest: palisade_model::Digest,
    /// `first-party`, `accepted`, `pending` or `not accepted`: what is granted counts for the first two.
    state: &'static str,
    /// The key that signed it; none = unsigned.
    signed_by: Option<String>,
    /// `signed by NAME`, or `unsigned`.
    #[serde(skip)]
    signer: String,
    /// Why it can't be used at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    /// It is what a name without a version means.
    in_force: bool,
    requests: Vec<Power>,
    grants: Vec<Given>,
    denies: Vec<Given>,
}

/// Something that is granted or forbidden.
#[derive(Debug, Serialize)]
struct Given {
    power: Power,
    scope: String,
    /// Where it is said.
    stated: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(super) fn exec(context: &Context, component: Option<&str>) -> Result<ExitCode, CliError> {
    let workspace = Workspace::open(&context.settings)?;
    let policy = Policy::new(&context.settings, &workspace.folder)?;
    let wanted = component.map(|name| workspace.entry(&context.settings, name)).transpose()?;
    let entries: Vec<&Entry> = match wanted {
        Some(entry) => vec![entry],
        None => workspace.catalogue.list().into_iter().filter(|entry| has_to_do(&policy, entry)).collect(),
    };
    let shown: Vec<Shown> = entries.iter().map(|entry| Shown::of(&policy, entry)).collect();
    let means =
        |table: &GrantTable, entry: &&&Entry| table.component.means(&entry.manifest.id, &entry.manifest.version);
    let all = workspace.catalogue.list();
    let nobody: Vec<&GrantTable> = context
        .settings
        .written
        .grants
        .iter()
        .filter(|table| component.is_none() && !all.iter().any(|entry| means(table, &entry)))
        .collect();
    if context.format == Format::Json {
        let nobody: Vec<_> = nobody
            .iter()
            .map(|table| json!({"component": table.component.to_string(), "line": table.line, "allow": table.written}))
            .collect();
        console::json(&json!({"v": FORM, "components": shown, "grants_to_nobody": nobody}));
    } else {
        console::out(&people(&shown, &context.settings.written.denies, &nobody, component.is_some()));
    }
    Ok(ExitCode::Done)
}

/// Whether there is anything to say of a component: what asks for nothing and is granted nothing is left out.
fn has_to_do(policy: &Policy<'_>, entry: &Entry) -> bool {
    !entry.manifest.requests.is_empty() || policy.lines(&entry.manifest).next().is_some()
}

impl Shown {
    /// What is to be shown of a component.
    pub(in crate::commands) fn of(policy: &Policy<'_>, entry: &Entry) -> Self {
        let manifest = &entry.manifest;
        let state = policy.acceptance(entry);
        let requests: Vec<Power> = powers(manifest).into_iter().collect();
        let mut grants = Vec::new();
        if entry.first_party {
            let asked = Grant::default_set().into_iter().filter(|grant| requests.contains(&grant.capability().power()));
            grants.extend(asked.map(|grant| Given::of(&grant, None, "default")));
        }
        for table in policy.tables(manifest) {
            grants.extend(table.allow.iter().map(|grant| Given::of(grant, table.reason.clone(), grant.stated())));
        }
        for table in policy.secrets(manifest) {
            grants.push(Given::of(&table.grant, table.reason.clone(), table.grant.stated()));
        }
        let denies = policy.denies(manifest).flat_map(|(table, _)| forbidden(table)).collect();
        let in_force = match policy.lock.in_force(&manifest.id) {
            Some(version) => *version == manifest.version,
            None => entry.first_party,
        };
        let (id, digest, key) = (manifest.versioned_id(), entry.digest, policy.signed_by(entry));
        let refused = policy.not_accepted(entry).filter(|_| state == Acceptance::NotSigned).map(|not| not.why);
        let (signed_by, signer) = (key.map(ToString::to_string), signature::by(key));
        Self { id, digest, state: state.name(), signed_by, signer, refused, in_force, requests, grants, denies }
    }

    /// Where its code is from, if it does not come with Palisade: who signed it, by the whole key.
    pub(in crate::commands) fn origin(&self) -> String {
        match &self.signed_by {
            Some(key) => format!("added, signed by {}", neutral::line(key, 300)),
            None => "added, unsigned".to_owned(),
        }
    }

    fn counts(&self) -> bool {
        [Acceptance::FirstParty.name(), Acceptance::Accepted.name()].contains(&self.state)
    }

    /// What it may use, one line each, and whether it counts.
    pub(in crate::commands) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for given in &self.grants {
            let unasked = if self.requests.contains(&given.power) { "" } else { ", which it does not ask for" };
            lines.push(format!("{} of {}  {}{unasked}", given.power.name(), given.scope, given.place()));
        }
        if self.grants.is_empty() && self.requests.is_empty() {
            lines.push("nothing, and needs nothing".to_owned());
        } else if self.grants.is_empty() {
            lines.push("nothing; `--allow POWER=PLACE` grants it for one run".to_owned());
        } else if self.state == Acceptance::Accepted.name() {
            lines.push("accepted for these bytes".to_owned());
        } else if !self.counts() && self.refused.is_none() {
            lines.push(format!("{}: none of it counts before `palisade grants accept {}`", self.state, self.id));
        }
        lines.extend(self.refused.iter().map(|why| format!("refused: {why}")));
        lines.extend(
            self.denies
                .iter()
                .map(|given| format!("never {} of {}  {}", given.power.name(), given.scope, given.place())),
        );
        lines
    }

    fn row(&self) -> Vec<Vec<String>> {
        let cells: Vec<Vec<String>> = Power::LINKED.iter().map(|power| self.cell(*power)).collect();
        let digest = self.digest.short();
        let state = match self.state {
            state @ "first-party" => state.to_owned(),
            state => format!("{state}, {digest}, {}{}", self.signer, if self.in_force { ", in force" } else { "" }),
        };
        let height = cells.iter().map(Vec::len).max().unwrap_or(1).max(1);
        (0..height)
            .map(|line| {
                let first = |text: &str| if line == 0 { text.to_owned() } else { String::new() };
                let cell = |cell: &Vec<String>| cell.get(line).cloned().unwrap_or_default();
                std::iter::once(first(&self.id)).chain(cells.iter().map(cell)).chain([first(&state)]).collect()
            })
            .collect()
    }

    fn cell(&self, power: Power) -> Vec<String> {
        let of = |given: &&Given| given.power == power;
        let uncounted = if self.counts() { "" } else { " (does not count)" };
        let mut cell: Vec<String> = self
            .grants
            .iter()
            .filter(of)
            .map(|given| format!("{} {}{uncounted}", given.scope, given.place_alone()))
            .collect();
        if cell.is_empty() {
            cell.push(if self.requests.contains(&power) { "nothing" } else { "-" }.to_owned());
        }
        cell
    }
}

fn forbidden(table: &DenyTable) -> Vec<Given> {
    // Where it is said stands before the reason, which is told by itself.
    let place = |deny: &Deny| deny.stated().split(": ").next().unwrap_or_default().to_owned();
    let given = |deny: &Deny| Given {
        power: deny.power(),
        scope: deny.place(),
        stated: place(deny),
        reason: table.reason.clone(),
    };
    table.deny.iter().map(given).collect()
}

impl Given {
    fn of(grant: &Grant, reason: Option<String>, stated: &str) -> Self {
        let capability = grant.capability();
        Self { power: capability.power(), scope: scope(capability), stated: stated.to_owned(), reason }
    }

    fn place(&self) -> String {
        match &self.reason {
            Some(reason) => format!("({}: {reason})", self.stated),
            None => self.place_alone(),
        }
    }

    fn place_alone(&self) -> String {
        format!("({})", self.stated)
    }
}

fn people(shown: &[Shown], denies: &[DenyTable], nobody: &[&GrantTable], one: bool) -> String {
    let mut text = String::new();
    let powers = Power::LINKED.iter().map(|power| power.name());
    let head = ["component"].into_iter().chain(powers).chain(["state"]).map(str::to_owned).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(shown.iter().flat_map(Shown::row)).collect();
    table(&mut text, &rows);
    let denied: Vec<Vec<String>> = denies
        .iter()
        .filter(|_| !one)
        .flat_map(|table| {
            let whom = table.component.as_ref().map_or_else(|| "everyone".to_owned(), ToString::to_string);
            forbidden(table).into_iter().map(move |given| {
                vec![whom.clone(), format!("never {} of {}", given.power.name(), given.scope), given.place()]
            })
        })
        .collect();
    if !denied.is_empty() {
        text.push_str("\nDenied, whatever else is allowed\n");
        table(&mut text, &denied);
    }
    if one {
        for line in shown.iter().flat_map(|shown| &shown.denies) {
            // Writing to a String can't fail.
            let _ = writeln!(text, "  never {} of {} {}", line.power.name(), line.scope, line.place());
        }
    }
    if !nobody.is_empty() {
        text.push_str("\nGranted to what is not registered\n");
        let rows: Vec<_> = nobody
            .iter()
            .map(|table| vec![table.component.to_string(), format!("(palisade.toml:{})", table.line)])
            .collect();
        table(&mut text, &rows);
    }
    for (one, why) in shown.iter().filter_map(|one| Some((one, one.refused.as_ref()?))) {
        let _ = writeln!(text, "\n{} is refused: {why}", one.id);
    }
    let waiting = shown
        .iter()
        .filter(|one| !one.counts() && one.refused.is_none() && (one.state == "pending" || !one.grants.is_empty()));
    for one in waiting {
        let _ = writeln!(
            text,
            "\n{} is {}: `palisade grants accept {}` shows the difference and asks",
            one.id, one.state, one.id
        );
    }
    text
}
