//! Where rulesets are found: `DIR/NAME/VERSION/NAME.yaml` in each folder in turn; and the one that is built in.

use crate::failure::CliError;
use crate::input::read_bounded;
use crate::planning_context;
use crate::settings::Settings;
use palisade_model::neutral;
use palisade_runbook::{Diagnostic, Ruleset, RulesetLookup, RulesetName, Source, WantedRuleset, read_ruleset};
use palisade_schema::Registry;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most bytes of a ruleset file that are read; the reader's own budget is lower.
const MAX_BYTES: u64 = 16 << 20;

/// The folders in which rulesets are looked up, first found first taken.
#[derive(Debug)]
pub(crate) struct RulesetFolders(Vec<PathBuf>);

/// What was found for a plan.
#[derive(Debug, Default)]
pub(crate) struct FoundRulesets {
    /// For the planner: by name and wanted type.
    pub(crate) lookups: BTreeMap<(RulesetName, String), RulesetLookup>,
    /// For the run: by the name in the plan.
    pub(crate) rulesets: BTreeMap<String, Arc<Ruleset>>,
    /// What is wrong in the files, each with the file.
    pub(crate) diagnostics: Vec<(Source, Diagnostic)>,
}

impl RulesetFolders {
    /// Folders of the command line go before those of `palisade.toml`.
    pub(crate) fn new(typed: &[PathBuf], settings: &Settings) -> Result<Self, CliError> {
        let typed = typed.iter().map(|dir| settings.working_dir.join(dir)).collect::<Vec<_>>();
        if let Some(missing) = typed.iter().find(|dir| !dir.is_dir()) {
            return Err(CliError::usage(format!("--rulesets {}: there is no such folder", missing.display())));
        }
        if let Some(missing) = Self::not_there(settings).next() {
            return Err(missing);
        }
        Ok(Self(typed.into_iter().chain(settings.ruleset_paths.iter().cloned()).collect()))
    }

    /// Those of `palisade.toml` that are not there.
    pub(crate) fn not_there(settings: &Settings) -> impl Iterator<Item = CliError> {
        settings.ruleset_paths.iter().filter(|dir| !dir.is_dir()).map(|dir| {
            let told = format!("`paths` of [rulesets] in palisade.toml: {}: there is no such folder", dir.display());
            CliError::usage(told).help("they are relative to palisade.toml")
        })
    }

    /// The file of a ruleset. A name that could leave its folder finds nothing.
    pub(crate) fn file(&self, name: &RulesetName) -> Option<PathBuf> {
        let plain = |part: &str| !part.starts_with('.') && !part.contains(['/', '\\', '\0']);
        if !plain(&name.name) || !plain(&name.version) {
            return None;
        }
        let file = |dir: &PathBuf| dir.join(&name.name).join(&name.version).join(format!("{}.yaml", name.name));
        self.0.iter().map(file).find(|file| file.is_file())
    }

    /// All rulesets that would be found, by name and version, with their files.
    pub(crate) fn list(&self) -> BTreeMap<(String, String), PathBuf> {
        let mut found = BTreeMap::new();
        for dir in &self.0 {
            for name in names(dir) {
                for version in names(&dir.join(&name)) {
                    let file = dir.join(&name).join(&version).join(format!("{name}.yaml"));
                    if file.is_file() {
                        found.entry((name.clone(), version)).or_insert(file);
                    }
                }
            }
        }
        found
    }

    /// Finds and reads all rulesets that a plan wants. `built_in` gives the text of what a component is told of this
    /// installation; a workbench has none, and reads a file in its place.
    pub(crate) fn find(
        &self,
        wanted: Vec<WantedRuleset>,
        schemas: &Registry,
        built_in: Option<&(dyn Fn() -> Source + Sync)>,
    ) -> FoundRulesets {
        // To read them is most of what planning takes.
        let look_up = |wanted: WantedRuleset| {
            let looked_up = self.look_up(&wanted, schemas, built_in);
            (wanted, looked_up)
        };
        let looked_up: Vec<_> = wanted.into_par_iter().map(look_up).collect();
        let mut found = FoundRulesets::default();
        for (WantedRuleset { name, kind, .. }, (lookup, diagnostics)) in looked_up {
            if let RulesetLookup::Found(ruleset) = &lookup {
                found.rulesets.insert(name.to_string(), Arc::clone(ruleset));
            }
            found.diagnostics.extend(diagnostics);
            found.lookups.insert((name, kind), lookup);
        }
        found
    }

    /// Finds and reads one ruleset; what is wrong in its file stands beside it.
    fn look_up(
        &self,
        WantedRuleset { name, kind, .. }: &WantedRuleset,
        schemas: &Registry,
        built_in: Option<&(dyn Fn() -> Source + Sync)>,
    ) -> (RulesetLookup, Vec<(Source, Diagnostic)>) {
        let built_in = built_in.filter(|_| kind == planning_context::KIND && name.name == *kind);
        let source = if let Some(text) = built_in {
            text()
        } else {
            let Some(file) = self.file(name) else { return (self.missing(name), Vec::new()) };
            match source(&file) {
                Ok(source) => source,
                Err(error) => {
                    let told = Source::new(file.display().to_string(), "");
                    let code = palisade_runbook::Code::RulesetUnusable;
                    let diagnostic = Diagnostic::new(code, told.name(), told.span(0, 0), error.message);
                    return (RulesetLookup::Unusable, vec![(told, diagnostic)]);
                }
            }
        };
        let (ruleset, diagnostics) = read_ruleset(&source, Some(name), kind, schemas);
        let lookup = ruleset.map_or(RulesetLookup::Unusable, |ruleset| RulesetLookup::Found(Arc::new(ruleset)));
        (lookup, diagnostics.into_iter().map(|told| (source.clone(), told)).collect())
    }

    fn missing(&self, wanted: &RulesetName) -> RulesetLookup {
        let known = self.list();
        let names: BTreeSet<_> = known.keys().map(|(name, _)| name.clone()).collect();
        let versions = known.keys().filter(|(name, _)| *name == wanted.name).map(|(_, version)| version.clone());
        RulesetLookup::Missing { versions: versions.collect(), names: names.into_iter().collect() }
    }
}

/// Reads a file of YAML.
///
/// # Errors
/// When it can't be read, is too large or is not UTF-8.
pub(crate) fn source(file: &Path) -> Result<Source, CliError> {
    let name = file.display().to_string();
    let bytes = read_bounded(file, MAX_BYTES, "a file of YAML")?;
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    Source::from_bytes(name.as_str(), bytes).map_err(|wrong| {
        let place = format!("{}:{}:{}", neutral::line(&name, 400), wrong.span.line, wrong.span.column);
        let what = if utf16 { "this is UTF-16, and UTF-8 is wanted: save it as such" } else { &wrong.message };
        CliError::usage(format!("{place}: {what}"))
    })
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
