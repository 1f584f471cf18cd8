//! From a runbook's file to a plan: reads everything that planning needs, and keeps every source for whoever shows what
//! is wrong in it.

use crate::children;
use crate::failure::CliError;
use crate::planning_context;
use crate::render::diagnostics;
use crate::rulesets::{FoundRulesets, RulesetFolders};
use crate::settings::Settings;
use crate::workspace::Workspace;
use palisade_authority::Grant;
use palisade_model::{RunLimits, neutral};
use palisade_runbook::{Components, Diagnostic, Plan, PlanContext, Runbook, Source, parse, plan, wanted_rulesets};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the command line says about planning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlanningArgs<'a> {
    /// Folders of rulesets.
    pub(crate) rulesets: &'a [PathBuf],
    /// Powers that are granted beside the default set, as `power=scope`.
    pub(crate) allow: &'a [String],
}

/// What came of reading and planning a runbook.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The plan; none if anything is wrong.
    pub(crate) plan: Option<Plan>,
    /// The limits that the runbook states for the run as a whole.
    pub(crate) stated: RunLimits,
    /// The rulesets of the plan.
    pub(crate) found: FoundRulesets,
    /// The texts of the child runbooks.
    pub(crate) children: Vec<Source>,
    /// Everything that was found, each with the source that it points into.
    pub(crate) told: Vec<(Source, Diagnostic)>,
}

impl Reading {
    /// Shows what was found, on standard error. Gives the number of errors.
    pub(crate) fn show(&self, settings: &Settings) -> usize {
        diagnostics::show(self.told.iter().map(|(source, told)| (source, told)), settings.colour_stderr)
    }

    /// The bytes of the child runbooks.
    pub(crate) fn child_texts(&self) -> impl Iterator<Item = &[u8]> {
        self.children.iter().map(|source| source.text().as_bytes())
    }

    /// What was found as data.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        self.told.iter().filter_map(|(_, told)| serde_json::to_value(told).ok()).collect()
    }
}

/// Reads the grants of `--allow`.
pub(crate) fn grants(workspace: &Workspace, allow: &[String]) -> Result<Vec<Grant>, CliError> {
    let grant = |text: &String| {
        Grant::parse(&workspace.folder, text.as_bytes())
            .map_err(|error| CliError::usage(format!("--allow {}: {error}", neutral::line(text, 200))))
    };
    allow.iter().map(grant).collect()
}

/// Reads and plans a runbook, its children included.
pub(crate) fn read(
    workspace: &Workspace,
    settings: &Settings,
    args: PlanningArgs<'_>,
    source: &Source,
) -> Result<Reading, CliError> {
    let allowed = grants(workspace, args.allow)?;
    let components = workspace.components(settings, &allowed)?;
    let folders = RulesetFolders::new(args.rulesets, settings)?;
    let (runbook, told) = parse(source, &settings.variables);
    let mut reading =
        Reading { told: told.into_iter().map(|told| (source.clone(), told)).collect(), ..Reading::default() };
    let Some(runbook) = runbook else { return Ok(reading) };
    reading.stated = runbook.limits.iter().map(|(&kind, stated)| (kind, stated.value)).collect();
    let children = children::read(&runbook, settings, &mut reading.told);
    reading.found = find_rulesets(&runbook, &children, &components, &folders, (workspace, settings));
    let (planned, more) = plan(
        &runbook,
        &PlanContext {
            components: &components,
            schemas: &workspace.schemas,
            rulesets: &reading.found.lookups,
            children: &children.lookups,
            systems: &settings.systems,
            ceilings: &settings.ceilings,
            run_ceilings: &settings.run_ceilings,
            folder: &workspace.folder,
            allowed: &allowed,
            generated: settings.generated.as_deref(),
        },
    );
    let by_name: BTreeMap<&str, &Source> =
        children.sources.iter().chain([source]).map(|source| (source.name(), source)).collect();
    let place = |told: Diagnostic| (by_name.get(told.source.as_str()).map_or(source, |known| *known).clone(), told);
    reading.told.extend(reading.found.diagnostics.iter().cloned());
    reading.told.extend(more.into_iter().map(place));
    reading.children = children.sources;
    let broken = reading.told.iter().any(|(_, told)| told.is_error());
    reading.plan = planned.filter(|_| !broken);
    Ok(reading)
}

fn find_rulesets(
    runbook: &Runbook,
    children: &children::Children,
    components: &Components,
    folders: &RulesetFolders,
    (workspace, settings): (&Workspace, &Settings),
) -> FoundRulesets {
    let mut wanted = wanted_rulesets(runbook, components);
    for child in children.runbooks() {
        for more in wanted_rulesets(child, components) {
            if !wanted.iter().any(|known| known.name == more.name && known.kind == more.kind) {
                wanted.push(more);
            }
        }
    }
    folders.find(wanted, &workspace.schemas, Some(&|| planning_context::source(workspace, settings, folders)))
}

/// The error of a runbook that has no plan.
pub(crate) fn unusable(workspace: &Workspace, what: &str, reading: &Reading, errors: usize) -> CliError {
    if workspace.catalogue.list().iter().all(|entry| !entry.first_party) {
        return CliError::usage(format!("{what} can't be run: this palisade was built without its components"))
            .help("build them first: `cargo xtask plugins`, then build palisade again");
    }
    let count = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
    let mut error = CliError::usage(format!("{what} has {count}; nothing was started"));
    error.diagnostics = reading.json();
    error
}
