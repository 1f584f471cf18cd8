//! The installation as a subcommand finds it: the components and schemas, the store, an engine to run them.

use crate::embedded::FIRST_PARTY;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::model;
use crate::named;
use crate::person;
use crate::policy::Policy;
use crate::settings::{Settings, read_roots};
use palisade_authority::{Grant, WorkingFolder};
use palisade_engine::{Approving, Catalogue, ChangedBytes, Engine, EngineParts, Entry, FirstParty, SystemNetwork};
use palisade_llm::{Backoff, Gateway, HttpProvider};
use palisade_model::id::ComponentName;
use palisade_model::llm::{LlmSettings, ModelSpec};
use palisade_model::{ComponentId, Digest, Manifest, TenantId, causes};
use palisade_net::{Roots, Secrets};
use palisade_runbook::{Components, KnownComponent};
use palisade_sandbox::{CodeCache, Compiling, Imports, Sandbox};
use palisade_schema::Registry;
use palisade_settings::HostCeilings;
use palisade_sql::Connections;
use palisade_store::{Amounts, Fault, OpenError, Store};
use serde::Deserialize;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An installation. Looking at it makes nothing.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) catalogue: Catalogue,
    pub(crate) schemas: Registry,
    pub(crate) folder: WorkingFolder,
    data_dir: PathBuf,
    store: Option<Store>,
    host_ceilings: Option<Amounts>,
    approving: Approving,
    models: LlmSettings,
    secrets: Secrets,
    /// The files of the operator's authorities; read when something runs.
    root_files: Vec<PathBuf>,
    connections: Arc<Connections>,
    /// The folder of the operator's file, to which the files of keys are relative.
    base: PathBuf,
}

/// A manifest as the build wrote it.
#[derive(Debug, Deserialize)]
struct Described {
    digest: Digest,
    manifest: Manifest,
}

impl Workspace {
    /// Reads what the binary carries and, where there is a data directory, what it has.
    ///
    /// # Errors
    /// When it can't be opened or read.
    pub(crate) fn open(settings: &Settings) -> Result<Self, CliError> {
        let store = existing_store(settings)?;
        let catalogue =
            Catalogue::new(first_party()?, store.as_ref(), &settings.data_dir).map_err(|fault| not_read(&fault))?;
        let folder = WorkingFolder::new(settings.working_dir.as_os_str().as_bytes())
            .map_err(|error| CliError::usage(format!("the working folder can't be used: {error}")))?;
        let (data_dir, host_ceilings) = (settings.data_dir.clone(), settings.written.host_ceilings.map(amounts));
        let (schemas, approving) = (schemas(&catalogue)?, settings.approving.clone());
        let (models, base) = (settings.written.llm.clone(), settings.base().to_owned());
        let (secrets, root_files) = (settings.secrets(), settings.root_files());
        let connections = Arc::new(settings.connections());
        Ok(Self {
            schemas,
            catalogue,
            folder,
            data_dir,
            store,
            host_ceilings,
            approving,
            models,
            secrets,
            root_files,
            connections,
            base,
        })
    }

    /// The store, if there is one.
    pub(crate) fn stored(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    /// The store; it is made if there is none.
    ///
    /// # Errors
    /// When it can't be made.
    pub(crate) fn store(&self) -> Result<Store, CliError> {
        self.store.clone().map_or_else(|| open_store(&self.data_dir), Ok)
    }

    /// The components as runbooks name them, each with what the operator grants it and what was `allowed` for this run.
    ///
    /// # Errors
    /// When the operator's file names a component that is not there, or the lock file can't be read.
    pub(crate) fn components(&self, settings: &Settings, allowed: &[Grant]) -> Result<Components, CliError> {
        let policy = Policy::new(settings, &self.folder)?;
        if let Some(missing) = named::needed(self, settings).next() {
            return Err(missing);
        }
        let mut components = Components::default();
        for entry in self.catalogue.list() {
            components.add(KnownComponent {
                manifest: Manifest::clone(&entry.manifest),
                digest: entry.digest,
                first_party: entry.first_party,
                granted: policy.granted(entry, allowed),
                not_accepted: policy.not_accepted(entry),
                declassifies: policy.declassified(entry),
            });
            if entry.first_party {
                components.alias(entry.manifest.id.name(), entry.manifest.id.clone());
            } else if let Some(version) = policy.lock.in_force(&entry.manifest.id) {
                components.put_in_force(&entry.manifest.id, version);
            }
        }
        for (alias, name) in &settings.written.aliases {
            let known: ComponentId =
                name.name.parse().map_err(|error| CliError::usage(format!("alias `{alias}`: {error}")))?;
            if let Some(version) = &name.version {
                components.put_in_force(&known, version);
            }
            components.alias(alias, known);
        }
        Ok(components)
    }

    /// An entry by the name that runbooks use: id or alias, with an optional version; without one, that in force.
    ///
    /// # Errors
    /// When there is none, or the lock file can't be read.
    pub(crate) fn entry(&self, settings: &Settings, name: &str) -> Result<&Entry, CliError> {
        let typed: ComponentName = name.parse().map_err(|error| CliError::usage(format!("`{name}`: {error}")))?;
        let of = settings.written.aliases.get(&typed.name);
        let named = of.map_or_else(
            || typed.clone(),
            |of| ComponentName { version: typed.version.clone().or_else(|| of.version.clone()), ..of.clone() },
        );
        let matches = |entry: &&Entry| {
            entry.manifest.id.to_string() == named.name
                || entry.first_party && !named.name.contains(':') && entry.manifest.id.name() == named.name
        };
        let found: Vec<&Entry> = self.catalogue.list().into_iter().filter(matches).collect();
        let lock = crate::lock::read(settings)?;
        let in_force = found.first().and_then(|first| lock.in_force(&first.manifest.id)).cloned();
        let wanted = named
            .version
            .or_else(|| in_force.filter(|version| found.iter().any(|entry| entry.manifest.version == *version)));
        let mut found =
            found.into_iter().filter(|entry| wanted.as_ref().is_none_or(|wanted| *wanted == entry.manifest.version));
        found.next().ok_or_else(|| {
            CliError::usage(format!("there is no component `{name}`")).help("`palisade component list` shows all")
        })
    }

    /// What a component imports, function by function.
    ///
    /// # Errors
    /// When it can't be loaded.
    pub(crate) fn imports(&self, entry: &Entry) -> Result<Imports, CliError> {
        let bug = |error: &dyn std::error::Error| CliError::from_error(ExitCode::Bug, error);
        let sandbox = Sandbox::new(palisade_sandbox::Settings::default()).map_err(|error| bug(&error))?;
        let executable = std::env::current_exe().map_err(|error| bug(&error))?;
        let how = Compiling::child(&executable);
        let cache = code_cache(&self.data_dir).ok();
        let loaded = sandbox.load(&entry.digest, || entry.bytes(), how, cache.as_ref());
        loaded
            .map(|loaded| loaded.prepared.imports().clone())
            .map_err(|error| CliError::from_error(ExitCode::Integrity, &error))
    }

    /// Makes an engine with that many threads, one for each processor by default.
    ///
    /// # Errors
    /// When the sandbox can't work on this system.
    pub(crate) fn engine(&self, threads: Option<NonZeroUsize>) -> Result<Engine, CliError> {
        let bug = |error: &dyn std::error::Error| CliError::from_error(ExitCode::Bug, error);
        let sandbox = Sandbox::new(palisade_sandbox::Settings::default()).map_err(|error| bug(&error))?;
        let executable = std::env::current_exe().map_err(|error| bug(&error))?;
        let threads = threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        let (cache, warning) = match code_cache(&self.data_dir) {
            Ok(cache) => (Some(cache), None),
            Err(why) => (None, Some(format!("compiled code is not kept, so each run compiles anew: {why}"))),
        };
        let store = self.store()?;
        let (roots, _) = read_roots(&self.root_files)?;
        let most = self.host_ceilings;
        // No process computes with more instances than all of them may.
        let of_all = most.and_then(|most| NonZeroUsize::new(usize::try_from(most.instances).unwrap_or(usize::MAX)));
        let engine = Engine::new(EngineParts {
            models: self.gateway(&store, &roots)?,
            network: Arc::new(SystemNetwork::new(roots)),
            secrets: self.secrets.clone(),
            connections: Arc::clone(&self.connections),
            sandbox,
            cache,
            approving: self.approving.clone(),
            room: most.map(|most| store.room(most)),
            store,
            catalogue: self.catalogue.clone(),
            threads: of_all.map_or(threads, |most| threads.min(most)),
            executable,
            user: Some(person::name()),
        });
        warning.into_iter().for_each(|warning| engine.warn(warning));
        Ok(engine)
    }

    /// The way to language models, if there are any.
    fn gateway(&self, store: &Store, roots: &Roots) -> Result<Option<Gateway>, CliError> {
        if self.models.models.is_empty() {
            return Ok(None);
        }
        let provider = HttpProvider::new(roots)
            .map_err(|error| CliError::new(ExitCode::Failed, format!("models can't be reached: {}", causes(&error))))?;
        let base = self.base.clone();
        let keys = move |model: &ModelSpec| model::key(model, &base);
        let (settings, backoff) = (self.models.clone(), Backoff::default());
        let gateway = Gateway::new(settings, backoff, store.clone(), Box::new(provider), keys, model::now_ms);
        gateway.map(Some).map_err(|fault| not_read(&fault))
    }
}

/// What all processes may have together.
fn amounts(most: HostCeilings) -> Amounts {
    let HostCeilings { runs, instances, memory } = most;
    let all = Amounts::UNBOUNDED;
    Amounts {
        runs: runs.unwrap_or(all.runs),
        instances: instances.unwrap_or(all.instances),
        memory: memory.unwrap_or(all.memory),
    }
}

/// The components that the binary carries.
pub(crate) fn first_party() -> Result<Vec<FirstParty>, CliError> {
    FIRST_PARTY
        .iter()
        .map(|carried| {
            let described: Described = serde_json::from_str(carried.manifest)
                .map_err(|error| CliError::new(ExitCode::Bug, format!("a built-in manifest can't be read: {error}")))?;
            Ok(FirstParty { manifest: described.manifest, digest: described.digest, bytes: carried.wasm })
        })
        .collect()
}

/// The shortest name that runbooks have for a component.
pub(crate) fn named_as(entry: &Entry) -> String {
    let id = &entry.manifest.id;
    if entry.first_party { id.name().to_owned() } else { id.to_string() }
}

/// Says that the bytes of a component were changed in the store.
pub(crate) fn changed(error: &ChangedBytes) -> CliError {
    const HELP: &str = "`palisade doctor` says all that is damaged; take the file from a backup, or begin with another folder: \
                        `--data-dir DIR`";
    CliError::from_error(ExitCode::Integrity, error).help(HELP)
}

fn schemas(catalogue: &Catalogue) -> Result<Registry, CliError> {
    let mut schemas = Registry::builtin().map_err(|error| CliError::from_error(ExitCode::Bug, &error))?;
    for entry in catalogue.list() {
        for own in &entry.manifest.schemas {
            schemas
                .register(&own.schema, &own.json)
                .map_err(|error| CliError::from_error(ExitCode::Integrity, &error))?;
        }
    }
    Ok(schemas)
}

/// Compiled code is kept for the user and not for the project, so that the first run in a new folder is quick; its key
/// is kept elsewhere. Without a home both are below the data directory. Gives why it can't be kept: slower, but no less
/// safe.
pub(crate) fn code_cache(data_dir: &Path) -> Result<CodeCache, String> {
    let (cache, state) = (cache_dir(data_dir), state_dir(data_dir));
    for dir in [&cache, &state] {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| format!("{} can't be made: {error}", dir.display()))?;
    }
    let (folder, key) = (cache.join("compiled"), state.join("compiled.key"));
    CodeCache::open(&folder, &key)
        .map_err(|error| format!("{}, key {}: {}", folder.display(), key.display(), causes(&error)))
}

/// The store, if there is one: for those who look at nothing else.
///
/// # Errors
/// When it can't be opened.
pub(crate) fn existing_store(settings: &Settings) -> Result<Option<Store>, CliError> {
    settings.data_dir.exists().then(|| open_store(&settings.data_dir)).transpose()
}

fn open_store(data_dir: &Path) -> Result<Store, CliError> {
    const ELSEWHERE: &str = "name another folder: `--data-dir DIR`";
    if data_dir.is_file() {
        let told = format!("the data directory {} is a file", data_dir.display());
        return Err(CliError::usage(told).help(ELSEWHERE));
    }
    Store::open(data_dir, TenantId::default()).map_err(|error| match &error {
        OpenError::Fault(fault) => not_read(fault),
        OpenError::Newer { .. } => CliError::from_error(ExitCode::Usage, &error)
            .help(format!("run the Palisade that wrote it, or {ELSEWHERE}")),
        OpenError::Foreign { .. } | OpenError::ForeignOwner { .. } => {
            CliError::from_error(ExitCode::Usage, &error).help(ELSEWHERE)
        }
    })
}

/// Why the store can't be used, where nothing was started.
pub(crate) fn not_read(fault: &Fault) -> CliError {
    let help = match fault {
        Fault::Full { .. } => "free some space there, or name a folder elsewhere: `--data-dir DIR`",
        Fault::ReadOnly { .. } => {
            "name a folder that may be written: `--data-dir DIR`; what is in this one is seen in a copy of it"
        }
        Fault::Busy { .. } => "wait until it has ended, or end it",
        Fault::Damaged { .. } => {
            return CliError::from_error(ExitCode::Integrity, fault)
                .help("take the folder from a backup, or begin with another: `--data-dir DIR`");
        }
        Fault::Io { .. } | Fault::Database { .. } => "`--data-dir DIR` names another folder",
    };
    CliError::from_error(ExitCode::Usage, fault).help(help)
}

/// Where caches of the user are.
pub(crate) fn cache_dir(data_dir: &Path) -> PathBuf {
    user_dir("XDG_CACHE_HOME", ".cache").unwrap_or_else(|| data_dir.join("cache"))
}

/// Where keys of the user are.
pub(crate) fn state_dir(data_dir: &Path) -> PathBuf {
    user_dir("XDG_STATE_HOME", ".local/state").unwrap_or_else(|| data_dir.join("keys"))
}

/// A folder of the XDG base directory specification: absolute, or it does not count.
fn user_dir(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let set = std::env::var_os(variable).map(PathBuf::from).and_then(absolute);
    let home = || std::env::var_os("HOME").map(PathBuf::from).and_then(absolute).map(|home| home.join(below_home));
    set.or_else(home).map(|dir| dir.join("palisade"))
}
