//! From a runbook's file to a plan: reads everything that planning needs, and keeps every source for whoever shows what
//! is wrong in it.

use crate::children;
use crate::failure::CliError;
use crate::named;
use crate::planning_context;
use crate::render::{console, diagnostics};
use crate::rulesets::{FoundRulesets, RulesetFolders};
use crate::settings::Settings;
use crate::workspace::Workspace;
use palisade_authority::{Grant, WorkingFolder};
use palisade_model::{RunLimits, causes, neutral};
use palisade_runbook::{
    ChildLookup, Components, Diagnostic, Plan, PlanContext, Runbook, Setting, SettingError, Source, parse, plan,
    wanted_rulesets,
};
use palisade_store::Store;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the command line says about planning.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PlanningArgs<'a> {
    /// Folders of rulesets.
    pub(crate) rulesets: &'a [PathBuf],
    /// Powers that are granted beside the default set, as `power=scope`.
    pub(crate) allow: &'a [String],
    /// Values that are set in the configs of steps.
    pub(crate) set: &'a [Setting],
    /// Where the texts of children are, if not in files: the store and the plan of the run that had them.
    pub(crate) stored: Option<(&'a Store, &'a Plan)>,
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
    /// What is wrong with the operator's file and keeps nothing from being planned.
    pub(crate) unheeded: Vec<String>,
}

impl Reading {
    /// Shows what was found, on standard error. Gives the number of errors.
    pub(crate) fn show(&self, settings: &Settings) -> usize {
        self.unheeded.iter().for_each(|told| console::err(&format!("warning: {told}\n")));
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

/// Reads the grants of `--allow`, whose paths are relative to a folder.
pub(crate) fn grants(folder: &WorkingFolder, allow: &[String]) -> Result<Vec<Grant>, CliError> {
    let grant = |text: &String| {
        Grant::parse(folder, text.as_bytes())
            .map_err(|error| CliError::usage(format!("--allow {}: {}", neutral::line(text, 200), causes(&error))))
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
    let allowed = grants(&workspace.folder, args.allow)?;
    let components = workspace.components(settings, &allowed)?;
    let folders = RulesetFolders::new(args.rulesets, settings)?;
    let (runbook, told) = parse(source, &settings.variables);
    let mut reading =
        Reading { told: told.into_iter().map(|told| (source.clone(), told)).collect(), ..Reading::default() };
    reading.unheeded = named::denied(workspace, settings).map(|error| error.message).collect();
    let Some(mut runbook) = runbook else { return Ok(reading) };
    let set = palisade_runbook::Settings::apply(&mut runbook, source, args.set)
        .map_err(|(number, error)| not_set(args.set.get(number), &error))?;
    reading.stated = runbook.limits.iter().map(|(&kind, stated)| (kind, stated.value)).collect();
    let children = match args.stored {
        None => children::read(&runbook, settings, &mut reading.told),
        Some((store, plan)) => children::stored(&runbook, store, plan, settings, &mut reading.told)?,
    };
    reading.found = find_rulesets(&runbook, &children, &components, &folders, (workspace, settings));
    let (planned, more) =
        plan(&runbook, &context((workspace, settings), &components, &reading.found, &children.lookups, &allowed));
    let by_name: BTreeMap<&str, &Source> =
        children.sources.iter().chain([source]).map(|source| (source.name(), source)).collect();
    let place = |told: Diagnostic| match by_name.get(told.source.as_str()) {
        Some(known) if known.name() != source.name() => ((*known).clone(), told),
        _ => set.place(told, source),
    };
    reading.told.extend(reading.found.diagnostics.iter().cloned());
    reading.told.extend(more.into_iter().map(place));
    reading.children = children.sources;
    let broken = reading.told.iter().any(|(_, told)| told.is_error());
    reading.plan = planned.filter(|_| !broken);
    Ok(reading)
}

/// Says why a value can't be set.
pub(crate) fn not_set(setting: Option<&Setting>, error: &SettingError) -> CliError {
    let place = setting.map(|setting| format!("{}{}", setting.step, setting.pointer.replace('/', ".")));
    CliError::usage(format!("--set {}: {error}", neutral::line(&place.unwrap_or_default(), 200)))
}

/// What runbooks are planned with here.
pub(crate) fn context<'c>(
    (workspace, settings): (&'c Workspace, &'c Settings),
    components: &'c Components,
    rulesets: &'c FoundRulesets,
    children: &'c BTreeMap<(String, String), ChildLookup>,
    allowed: &'c [Grant],
) -> PlanContext<'c> {
    PlanContext {
        components,
        schemas: &workspace.schemas,
        rulesets: &rulesets.lookups,
        children,
        systems: &settings.written.systems,
        connections: &settings.written.connections,
        ceilings: &settings.written.ceilings,
        run_ceilings: &settings.written.run_ceilings,
        folder: &workspace.folder,
        allowed,
        generated: settings.written.generated.as_deref(),
        flows: &settings.written.flows,
        models: &settings.written.llm,
    }
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
    folders.find(
        wanted,
        &workspace.schemas,
        Some(&|| planning_context::source((workspace, settings), components, folders)),
    )
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
