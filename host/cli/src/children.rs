//! Child runbooks that a runbook names by files: found beside it, else below its `template_paths`, and read.
//!
//! A path is relative and never climbs; where a link leads out of the folder that was searched, there is no such file.

use crate::failure::CliError;
use crate::rulesets;
use crate::settings::Settings;
use crate::workspace::not_read;
use palisade_runbook::{
    ChildLookup, Code, Diagnostic, Plan, PlannedChildRunbook, PlannedStep, Runbook, Source, Span, parse,
    wanted_children,
};
use palisade_store::Store;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most child runbooks that are read for one runbook, its children's children included.
const MOST: usize = 200;

/// The child runbooks of a runbook and of its children.
#[derive(Debug, Default)]
pub(crate) struct Children {
    /// For the planner: by the name of the parent's source and the path as written.
    pub(crate) lookups: BTreeMap<(String, String), ChildLookup>,
    /// The texts that were read.
    pub(crate) sources: Vec<Source>,
}

impl Children {
    /// The runbooks that were found.
    pub(crate) fn runbooks(&self) -> impl Iterator<Item = &Runbook> {
        self.lookups.values().filter_map(|lookup| match lookup {
            ChildLookup::Found(runbook) => Some(runbook.as_ref()),
            ChildLookup::Missing { .. } | ChildLookup::Unusable => None,
        })
    }
}

/// Reads all children. What is wrong in their texts is added to `told`.
pub(crate) fn read(runbook: &Runbook, settings: &Settings, told: &mut Vec<(Source, Diagnostic)>) -> Children {
    let mut children = Children::default();
    // By their files, so that one that is named twice, or runs itself, is read once.
    let mut known: BTreeMap<PathBuf, ChildLookup> = BTreeMap::new();
    let mut open: Vec<Arc<Runbook>> = Vec::new();
    let mut next = None;
    loop {
        let parent = next.as_deref().unwrap_or(runbook);
        for wanted in wanted_children(parent) {
            let key = (parent.source.clone(), wanted.path.clone());
            if children.lookups.contains_key(&key) || children.lookups.len() >= MOST {
                continue;
            }
            let lookup = match find(parent, &wanted.path, settings) {
                Err(tried) => ChildLookup::Missing { tried },
                Ok(file) => match known.get(&file.real) {
                    Some(lookup) => lookup.clone(),
                    None => {
                        let lookup = read_file(&file.shown, settings, &mut children.sources, told);
                        if let ChildLookup::Found(child) = &lookup {
                            open.push(Arc::clone(child));
                        }
                        known.insert(file.real, lookup.clone());
                        lookup
                    }
                },
            };
            children.lookups.insert(key, lookup);
        }
        match open.pop() {
            Some(child) => next = Some(child),
            None => return children,
        }
    }
}

/// The children as a run stored them: `plan` is what it ran by.
///
/// # Errors
/// When the store can't be read.
pub(crate) fn stored(
    runbook: &Runbook,
    store: &Store,
    plan: &Plan,
    settings: &Settings,
    told: &mut Vec<(Source, Diagnostic)>,
) -> Result<Children, CliError> {
    let mut children = Children::default();
    let mut open = vec![(Arc::new(runbook.clone()), plan)];
    while let Some((parent, plan)) = open.pop() {
        for wanted in wanted_children(&parent) {
            let key = (parent.source.clone(), wanted.path.clone());
            let mut files = plan.steps.iter().filter_map(PlannedStep::child).filter_map(|child| match &child.runbook {
                PlannedChildRunbook::File { path, plan } => Some((path, plan.as_ref())),
                PlannedChildRunbook::Artifact { .. } | PlannedChildRunbook::Agent { .. } => None,
            });
            let Some((_, plan)) = files.find(|(path, _)| **path == wanted.path) else { continue };
            let content = store.content(plan.runbook_digest).map_err(|fault| not_read(&fault))?;
            let Some(content) = content else { continue };
            let bytes = content.read_all().map_err(|fault| not_read(&fault))?;
            // Two files of one name are told apart by what is in them.
            let name = match children.sources.iter().any(|source| source.name() == wanted.path) {
                false => wanted.path.clone(),
                true => format!("{} ({})", wanted.path, plan.runbook_digest.short()),
            };
            let source = Source::new(name, String::from_utf8_lossy(&bytes));
            let lookup = take(source, settings, &mut children.sources, told);
            if let ChildLookup::Found(child) = &lookup {
                open.push((Arc::clone(child), plan));
            }
            children.lookups.insert(key, lookup);
        }
    }
    Ok(children)
}

struct Found {
    /// As it is shown.
    shown: PathBuf,
    /// Without links.
    real: PathBuf,
}

fn find(parent: &Runbook, path: &str, settings: &Settings) -> Result<Found, Vec<String>> {
    let beside = Path::new(&parent.source).parent().unwrap_or(Path::new("")).to_owned();
    let templates = parent.template_paths.iter().map(|path| PathBuf::from(&path.value));
    let mut tried = Vec::new();
    for folder in std::iter::once(beside).chain(templates) {
        let shown = folder.join(path);
        let below = |file: &Path| {
            let root = settings.working_dir.join(&folder).canonicalize().ok()?;
            let real = settings.working_dir.join(file).canonicalize().ok()?;
            real.starts_with(root).then_some(real)
        };
        match below(&shown) {
            Some(real) if real.is_file() => return Ok(Found { shown, real }),
            _ => tried.push(shown.display().to_string()),
        }
    }
    Err(tried)
}

fn read_file(
    file: &Path,
    settings: &Settings,
    sources: &mut Vec<Source>,
    told: &mut Vec<(Source, Diagnostic)>,
) -> ChildLookup {
    let source = match rulesets::source(file) {
        Ok(source) => source,
        Err(error) => {
            let empty = Source::new(file.display().to_string(), "");
            let unreadable = Diagnostic::new(Code::ChildNotFound, empty.name(), Span::default(), error.message);
            told.push((empty, unreadable));
            return ChildLookup::Unusable;
        }
    };
    take(source, settings, sources, told)
}

fn take(
    source: Source,
    settings: &Settings,
    sources: &mut Vec<Source>,
    told: &mut Vec<(Source, Diagnostic)>,
) -> ChildLookup {
    let (runbook, diagnostics) = parse(&source, &settings.variables);
    let broken = diagnostics.iter().any(Diagnostic::is_error);
    told.extend(diagnostics.into_iter().map(|told| (source.clone(), told)));
    sources.push(source);
    match runbook.filter(|_| !broken) {
        Some(runbook) => ChildLookup::Found(Arc::new(runbook)),
        None => ChildLookup::Unusable,
    }
}
