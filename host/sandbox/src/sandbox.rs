//! The engine that all components of a process share: loads them, from the cache or by compiling.

use crate::cache::{CodeCache, Found};
use crate::compile::{CompileError, Compiling, compile};
use crate::config::{Allocator, config};
use crate::engine_id::EngineId;
use crate::import;
use crate::imports::Imports;
use crate::run::Prepared;
use crate::state::Host;
use palisade_model::{Digest, causes};
use std::{fmt, io};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

/// What a sandbox is made for.
///
/// Defaults:
/// - `instances`: 64
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Instances that may live at once. Each takes address space, none of it memory before it is used.
    pub instances: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { instances: 64 }
    }
}

/// Compiles, links and starts components. One serves a whole process, from any thread.
pub struct Sandbox {
    engine: Engine,
    id: EngineId,
    linker: Linker<Host>,
    warning: Option<Warning>,
}

/// Why a sandbox can't be made: the system or the build does not allow it.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox can't be set up")]
pub struct SandboxError(#[source] wasmtime::Error);

/// Something that went well in another way than it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// There was too little address space for a pool: instances start more slowly.
    #[error("there is too little address space for a pool of instances, so they start more slowly: {0}")]
    NoPool(String),
    /// An entry of the code cache could not be trusted: the component was compiled anew.
    #[error("the cached code of component {} was not used: {why}", component.short())]
    BadEntry {
        /// The component.
        component: Digest,
        /// What is wrong with the entry.
        why: String,
    },
    /// Code could not be put into the cache: it will be compiled again.
    #[error("the code of component {} could not be cached: {why}", component.short())]
    NotCached {
        /// The component.
        component: Digest,
        /// Why.
        why: String,
    },
}

/// Why a component was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Its bytes could not be had.
    #[error("the bytes of the component can't be read")]
    Bytes(#[source] io::Error),
    /// It was not compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It imports an interface that Palisade does not offer.
    #[error("the component imports `{interface}`, which Palisade does not offer")]
    UnknownImport {
        /// The interface.
        interface: String,
    },
    /// An interface that it imports or exports is not that of the world.
    #[error("the component does not fit the world `palisade:plugin`: {0}")]
    World(String),
    /// The engine refuses code that it just compiled: a fault of the host.
    #[error("the compiled component can't be loaded: {0}")]
    Code(String),
}

/// A component that is ready to run.
#[derive(Debug)]
pub struct Loaded {
    /// The component.
    pub prepared: Prepared,
    /// Whether it had to be compiled.
    pub compiled: bool,
    /// What a person should know.
    pub warnings: Vec<Warning>,
}

impl Sandbox {
    /// Sets up an engine.
    ///
    /// # Errors
    /// When wasmtime can't work on this system.
    pub fn new(settings: Settings) -> Result<Self, SandboxError> {
        let pooled = Engine::new(&config(Allocator::Pool { instances: settings.instances }));
        let (engine, warning) = match pooled {
            Ok(engine) => (engine, None),
            Err(error) => {
                let engine = Engine::new(&config(Allocator::OnDemand)).map_err(SandboxError)?;
                (engine, Some(Warning::NoPool(format!("{error:#}"))))
            }
        };
        let mut linker = Linker::new(&engine);
        import::add_to_linker(&mut linker).map_err(SandboxError)?;
        Ok(Self { id: EngineId::of(&engine), engine, linker, warning })
    }

    /// What compiled code depends on.
    #[must_use]
    pub fn id(&self) -> EngineId {
        self.id
    }

    /// What a person should know about how it was set up.
    #[must_use]
    pub fn warning(&self) -> Option<&Warning> {
        self.warning.as_ref()
    }

    /// Loads the component of that digest: from the cache, else by compiling the bytes that `bytes` gives.
    ///
    /// # Errors
    /// When it can't be compiled within the limits, or does not fit the world.
    pub fn load(
        &self,
        component: &Digest,
        bytes: impl FnOnce() -> io::Result<Vec<u8>>,
        compiling: Compiling<'_>,
        cache: Option<&CodeCache>,
    ) -> Result<Loaded, LoadError> {
        let span = tracing::debug_span!("load", component = %component.short());
        let _entered = span.enter();
        let mut warnings = Vec::new();
        if let Some((cached, core_instances)) = cache.and_then(|cache| self.cached(component, cache, &mut warnings)) {
            let prepared = self.link(&cached, core_instances)?;
            return Ok(Loaded { prepared, compiled: false, warnings });
        }
        let bytes = bytes().map_err(LoadError::Bytes)?;
        let found = Digest::of(&bytes);
        if found != *component {
            return Err(CompileError::OtherBytes { wanted: *component, found }.into());
        }
        let code = compile(&self.engine, &bytes, compiling)?;
        if let Some(Err(error)) = cache.map(|cache| cache.store(component, &self.id, &code)) {
            warnings.push(Warning::NotCached { component: *component, why: causes(&error) });
        }
        let compiled = self.deserialize(&code.native).map_err(|error| LoadError::Code(format!("{error:#}")))?;
        let prepared = self.link(&compiled, code.core_instances)?;
        Ok(Loaded { prepared, compiled: true, warnings })
    }

    /// Loads the component of that digest if sound code of it is in the cache: what takes milliseconds.
    #[must_use]
    pub fn load_cached(&self, component: &Digest, cache: &CodeCache) -> Option<Prepared> {
        let (cached, core_instances) = self.cached(component, cache, &mut Vec::new())?;
        self.link(&cached, core_instances).ok()
    }

    fn cached(&self, component: &Digest, cache: &CodeCache, warnings: &mut Vec<Warning>) -> Option<(Component, u32)> {
        let why = match cache.find(component, &self.id) {
            Found::Nothing => return None,
            Found::Code(code) => match self.deserialize(&code.native) {
                Ok(component) => return Some((component, code.core_instances)),
                Err(error) => format!("{error:#}"),
            },
            Found::Bad(why) => why,
        };
        warnings.push(Warning::BadEntry { component: *component, why });
        None
    }

    /// Loads native code.
    fn deserialize(&self, code: &[u8]) -> wasmtime::Result<Component> {
        #[expect(unsafe_code, reason = "wasmtime can't check native code")]
        // SAFETY: `code` was made by wasmtime's compiler. It comes from two places alone: `compile`, which runs the
        // compiler here or in a child of the same executable, over files in memory that only the two can reach; and
        // `CodeCache::find`, which gives bytes over which it has verified a MAC of ours, for this component and for an
        // engine of this version and these flags. The slice is what was verified, not a file that could still change.
        unsafe {
            Component::deserialize(&self.engine, code)
        }
    }

    fn link(&self, component: &Component, core_instances: u32) -> Result<Prepared, LoadError> {
        let imports = Imports::of(component, &self.engine);
        if let Some(interface) = imports.unknown() {
            return Err(LoadError::UnknownImport { interface: interface.to_owned() });
        }
        let wrong = |error: wasmtime::Error| LoadError::World(format!("{error:#}"));
        let pre = self.linker.instantiate_pre(component).map_err(wrong)?;
        Prepared::new(pre, core_instances, imports).map_err(wrong)
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sandbox")
    }
}
