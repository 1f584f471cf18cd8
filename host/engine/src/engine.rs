//! What all runs of a process share: the sandbox, compiled code, and the right to compute.

use crate::approving::Approving;
use crate::attempt::{self, Attempt, Attended, Ended, Progress, Surroundings};
use crate::calls::Answering;
use crate::cancel::Cancel;
use crate::catalogue::{Catalogue, ChangedBytes, Entry};
use crate::network::SystemNetwork;
use crate::observe::{Observed, Observer};
use crate::perform::Task;
use crate::permits::Permits;
use crate::threads::Threads;
use palisade_llm::Gateway;
use palisade_model::{Digest, Failure, FailureKind};
use palisade_net::{Key, Secrets};
use palisade_runbook::Plan;
use palisade_sandbox::{AttemptMeter, CodeCache, Compiling, DescribeError, LoadError, Prepared, Sandbox, describe};
use palisade_sql::Connections;
use palisade_store::{Content, HostRoom, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What an engine is made of.
#[derive(Debug)]
pub struct EngineParts {
    /// The sandbox.
    pub sandbox: Sandbox,
    /// Where compiled code is kept; none = it is compiled each time.
    pub cache: Option<CodeCache>,
    /// Journal and artifacts.
    pub store: Store,
    /// The components.
    pub catalogue: Catalogue,
    /// Instances that may compute at once.
    pub threads: NonZeroUsize,
    /// What the operator says of approvals.
    pub approving: Approving,
    /// What runs and attempts share with those of other processes; none = they share nothing.
    pub room: Option<HostRoom>,
    /// The executable that can be started as a compile worker.
    pub executable: PathBuf,
    /// The way to language models; none = no model is set up.
    pub models: Option<Gateway>,
    /// What servers know components by.
    pub secrets: Secrets,
    /// Where names of servers are looked up, and whom they are believed.
    pub network: Arc<SystemNetwork>,
    /// The databases of servers that the operator set up.
    pub connections: Arc<Connections>,
    /// Who runs the process, as the system knows them, for the audit log; none = nobody knows.
    pub user: Option<String>,
}

/// Performs attempts and runs. One serves a whole process.
#[derive(Debug)]
pub struct Engine {
    pub(crate) parts: EngineParts,
    pub(crate) permits: Permits,
    guests: Threads<'static>,
    loaded: Mutex<BTreeMap<Digest, Loading>>,
    /// Components whose stored bytes were compared with their digests.
    sound: Mutex<BTreeSet<Digest>>,
    warnings: Mutex<Vec<String>>,
}

/// Why stored bytes can't be run as a component.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// They can't be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// They don't say what they are.
    #[error(transparent)]
    Describe(#[from] DescribeError),
}

type Loading = Arc<OnceLock<Result<Prepared, Failure>>>;

impl Engine {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: EngineParts) -> Self {
        let permits = Permits::new(parts.threads);
        let warnings = parts.sandbox.warning().map(ToString::to_string).into_iter().collect();
        let (guests, loaded, sound) = (Threads::default(), Mutex::default(), Mutex::default());
        Self { parts, permits, guests, loaded, sound, warnings: Mutex::new(warnings) }
    }

    /// The components.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.parts.catalogue
    }

    /// Journal and artifacts.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.parts.store
    }

    /// The way to language models.
    pub(crate) fn models(&self) -> Option<&Gateway> {
        self.parts.models.as_ref()
    }

    /// Reads the secrets of these names.
    ///
    /// # Errors
    /// When one can't be had.
    pub(crate) fn secrets(&self, names: BTreeSet<String>) -> Result<Vec<(String, Key)>, Failure> {
        let read = |name: String| self.parts.secrets.read(&name).map(|key| (name, key));
        let all: Result<_, _> = names.into_iter().map(read).collect();
        all.map_err(|error| Failure::new(FailureKind::Host, palisade_model::causes(&error)))
    }

    /// Who runs the process, as the system knows them.
    pub(crate) fn user(&self) -> Option<&str> {
        self.parts.user.as_deref()
    }

    /// What compiled code depends on: results of two compilers are not taken for each other.
    pub(crate) fn compiler(&self) -> Digest {
        self.parts.sandbox.id().digest()
    }

    /// Instances that may compute at once.
    #[must_use]
    pub fn threads(&self) -> u64 {
        self.parts.threads.get() as u64
    }

    /// Adds to what a person should know about how the engine works.
    pub fn warn(&self, warning: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(warning);
    }

    /// What a person should know about how the engine works, each told once.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks whether the components of a plan are those that were added: compiled code is kept apart from their bytes, and
    /// would run whatever became of them. Each is looked at once in a process.
    ///
    /// # Errors
    /// When the bytes of one were changed.
    pub(crate) fn check_bytes(&self, plan: &Plan) -> Result<(), ChangedBytes> {
        let mut sound = self.sound.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in plan.calls().into_iter().filter_map(|call| self.catalogue().get(&call.component_digest)) {
            if !sound.contains(&entry.digest) {
                entry.check_bytes()?;
                sound.insert(entry.digest);
            }
        }
        Ok(())
    }

    /// Makes a component ready to run: once in a process, however many steps use it.
    ///
    /// # Errors
    /// When it can't be compiled or loaded.
    pub fn load(&self, component: &Entry, observer: &dyn Observer) -> Result<Prepared, Failure> {
        self.loading(component).get_or_init(|| self.load_now(component, observer)).clone()
    }

    /// As [`Engine::load`], but only if that takes no compiling; what goes wrong is left to whoever needs the component.
    pub(crate) fn load_cached(&self, component: &Entry) {
        let loading = self.loading(component);
        if loading.get().is_none()
            && let Some(cache) = &self.parts.cache
            && let Some(prepared) = self.parts.sandbox.load_cached(&component.digest, cache)
        {
            // Whoever was quicker has loaded the same.
            drop(loading.set(Ok(self.with_symbols(prepared, component))));
        }
    }

    fn loading(&self, component: &Entry) -> Loading {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(loaded.entry(component.digest).or_default())
    }

    fn with_symbols(&self, prepared: Prepared, component: &Entry) -> Prepared {
        prepared.with_symbols(self.parts.catalogue.symbols(&component.digest))
    }

    /// Whether a component is loaded and what it makes follows from what it is given alone. Loads nothing: that may take
    /// seconds.
    pub(crate) fn is_known_pure(&self, component: &Digest) -> bool {
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = loaded.get(component).and_then(|loading| loading.get());
        prepared.is_some_and(|prepared| prepared.as_ref().is_ok_and(|prepared| prepared.imports().are_pure()))
    }

    /// Takes a component into the catalogue whose bytes only the store has, and asks it what it is. It is as foreign as
    /// any that is added, whoever made it.
    ///
    /// # Errors
    /// When this Palisade can't run it.
    pub(crate) fn take_in(&mut self, component: &Content) -> Result<(), NotTaken> {
        let how = Compiling::child(&self.parts.executable);
        let bytes = || component.read_all().map_err(std::io::Error::other);
        let loaded = self.parts.sandbox.load(&component.digest(), bytes, how, self.parts.cache.as_ref())?;
        let manifest = describe(&loaded.prepared)?;
        self.parts.catalogue.take_in(component.digest(), manifest, &self.parts.store);
        let ready = self.loaded.get_mut().unwrap_or_else(PoisonError::into_inner);
        ready.insert(component.digest(), Arc::new(OnceLock::from(Ok(loaded.prepared))));
        Ok(())
    }

    fn load_now(&self, component: &Entry, observer: &dyn Observer) -> Result<Prepared, Failure> {
        let id = component.manifest.versioned_id();
        let how = if component.first_party { Compiling::InPlace } else { Compiling::child(&self.parts.executable) };
        let bytes = || {
            observer.observe(&Observed::Compiling { component: &id });
            component.bytes()
        };
        let loaded = self.parts.sandbox.load(&component.digest, bytes, how, self.parts.cache.as_ref());
        let loaded = loaded.map_err(|error| {
            Failure::new(FailureKind::Host, format!("{id} can't be loaded: {}", palisade_model::causes(&error)))
        })?;
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.extend(loaded.warnings.iter().map(ToString::to_string));
        Ok(self.with_symbols(loaded.prepared, component))
    }

    /// Runs one attempt to its end, apart from any run.
    #[must_use]
    pub fn attempt(&self, attempt: &Attempt, cancel: &Cancel) -> Ended {
        attempt::run(attempt, &self.around(cancel, &|_| {}))
    }

    /// Runs one attempt of a step to its end.
    pub(crate) fn attempt_with(
        &self,
        attempt: &Attempt,
        cancel: &Cancel,
        progress: &dyn Fn(Progress),
        attended: Option<Attended<'_>>,
        task: &Task<'_>,
    ) -> Ended {
        let answering = task.calls.as_ref().map(|calls| calls as &dyn Answering);
        let (durable, item_gate) = (task.durable.clone(), task.item_gate.clone());
        let around = self.around(cancel, progress);
        attempt::run(attempt, &Surroundings { attended, answering, durable, item_gate, ..around })
    }

    /// Runs a tool to its end, on the thread of the attempt that called it.
    pub(crate) fn attempt_of_called(
        &self,
        attempt: &Attempt,
        meter: Arc<AttemptMeter>,
        cancel: &Cancel,
        answering: Option<&dyn Answering>,
    ) -> Ended {
        attempt::run(attempt, &Surroundings { meter: Some(meter), answering, ..self.around(cancel, &|_| {}) })
    }

    fn around<'a>(&'a self, cancel: &'a Cancel, progress: &'a dyn Fn(Progress)) -> Surroundings<'a> {
        Surroundings {
            store: &self.parts.store,
            permits: &self.permits,
            guests: &self.guests,
            threads: self.parts.threads.get(),
            cancel,
            progress,
            attended: None,
            answering: None,
            durable: None,
            item_gate: None,
            meter: None,
        }
    }
}
