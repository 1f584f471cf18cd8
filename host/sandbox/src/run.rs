//! Runs a step: one fresh instance for each part of its input, and one more to finish.
//!
//! Both calls block the present thread until the guest is done or was ended. They never start threads and keep nothing.

use crate::bindings::exports::palisade::plugin::{manifest, step};
use crate::bindings::{Guest, GuestIndices};
use crate::drive::drive;
use crate::import::artifacts::Reader;
use crate::imports::Imports;
use crate::meter::{AttemptMeter, Total};
use crate::ports::{Items, Ports};
use crate::state::{Granted, Host};
use crate::symbols::Symbols;
use crate::{failure, fuel};
use palisade_model::{Failure, FailureKind, LimitKind};
use rustix::time::{ClockId, clock_gettime};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use wasmtime::Store;
use wasmtime::component::InstancePre;

/// Most bytes of the partial state that `run` returns, and of the metadata of one output.
const MAX_RETURNED_BYTES: usize = 1 << 20;
/// Handles that a guest makes for itself are bounded too, apart from the limit `handles` on what it opens.
const MAX_OWN_HANDLES: usize = 10_000;

/// A component that is compiled, linked and type-checked: instances of it start in microseconds.
#[derive(Clone)]
pub struct Prepared {
    pre: InstancePre<Host>,
    exports: GuestIndices,
    core_instances: u32,
    imports: Arc<Imports>,
    symbols: Option<Symbols>,
}

/// What one instance works with.
pub struct Job {
    /// The meter of the attempt, the same for all its parts.
    pub meter: Arc<AttemptMeter>,
    /// JSON text of the config, defaults filled in.
    pub config: Arc<str>,
    /// The door to the world, of this instance alone.
    pub ports: Box<dyn Ports>,
    /// What may be used; none = nothing.
    pub granted: Option<Arc<Granted>>,
    /// What clocks and randomness are made from: the same on every retry and replay.
    pub seed: u64,
    /// Set from outside, it ends the guest the next time it comes up for fuel.
    pub cancelled: Arc<AtomicBool>,
}

/// An artifact, or a part of one, for an input port.
pub struct Input {
    port: String,
    items: Box<dyn Items>,
    of_all: Option<usize>,
}

impl Input {
    /// What this instance gets alone: a part of an artifact, or all of it where there is one instance.
    #[must_use]
    pub fn of(port: String, items: Box<dyn Items>) -> Self {
        Self { port, items, of_all: None }
    }

    /// An artifact that every instance of the attempt gets whole. `number` tells it from others of its kind; what is read
    /// of it counts once, however many instances read it.
    #[must_use]
    pub fn given_to_all(port: String, items: Box<dyn Items>, number: usize) -> Self {
        Self { port, items, of_all: Some(number) }
    }
}

/// What an output document holds beside its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputMetadata {
    /// The port's name.
    pub port: String,
    /// JSON text, not yet checked.
    pub json: String,
}

impl Prepared {
    pub(crate) fn new(pre: InstancePre<Host>, core_instances: u32, imports: Imports) -> wasmtime::Result<Self> {
        let exports = GuestIndices::new(&pre)?;
        Ok(Self { pre, exports, core_instances, imports: Arc::new(imports), symbols: None })
    }

    /// What it imports, and what follows from that: whether its results can be made again, or be remembered.
    #[must_use]
    pub fn imports(&self) -> &Imports {
        &self.imports
    }

    /// Adds symbols for stack traces.
    #[must_use]
    pub fn with_symbols(mut self, symbols: Symbols) -> Self {
        self.symbols = Some(symbols);
        self
    }

    /// Calls `run` in a fresh instance; gives the partial state for [`Self::finish`]. While the guest goes on, `look` is
    /// called each millisecond or so.
    ///
    /// # Errors
    /// What ended the guest or what it failed for. Nothing it emitted counts then.
    pub fn run(&self, job: Job, inputs: Vec<Input>, look: &mut dyn FnMut()) -> Result<Vec<u8>, Failure> {
        let span = tracing::debug_span!("run", inputs = inputs.len());
        let _entered = span.enter();
        let config = Arc::clone(&job.config);
        self.call(job, look, async |guest, store| {
            let mut readers = Vec::with_capacity(inputs.len());
            for Input { port, items, of_all } in inputs {
                let items = store.data_mut().push(Reader::of_input(items, of_all))?;
                readers.push(step::Input { port, items });
            }
            guest.palisade_plugin_step().call_run(store, &readers, &config).await
        })
        .and_then(|partial| bounded("the partial state", partial.len()).map(|()| partial))
    }

    /// Calls `finish` in a fresh instance, with the partial states of all parts in order.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn finish(
        &self,
        job: Job,
        partials: &[Vec<u8>],
        look: &mut dyn FnMut(),
    ) -> Result<Vec<OutputMetadata>, Failure> {
        let span = tracing::debug_span!("finish", partials = partials.len());
        let _entered = span.enter();
        let (config, meter) = (Arc::clone(&job.config), Arc::clone(&job.meter));
        let outputs = self.call(job, look, async |guest, store| {
            guest.palisade_plugin_step().call_finish(store, partials, &config).await
        })?;
        for output in &outputs {
            bounded("the metadata of one output", output.json.len())?;
            meter.spend(Total::OutputBytes, output.json.len() as u64)?;
        }
        Ok(outputs.into_iter().map(|step::OutputMetadata { port, json }| OutputMetadata { port, json }).collect())
    }

    /// Calls `describe` in a fresh instance.
    pub(crate) fn describe(&self, job: Job) -> Result<manifest::Description, Failure> {
        let look = &mut || {};
        self.call(job, look, async |guest, store| Ok(Ok(guest.palisade_plugin_manifest().call_describe(store).await?)))
    }

    /// Makes an instance, calls it, and settles what it used, however it ended.
    fn call<T>(
        &self,
        job: Job,
        look: &mut dyn FnMut(),
        function: impl AsyncFnOnce(&Guest, &mut Store<Host>) -> wasmtime::Result<Result<T, step::Failure>>,
    ) -> Result<T, Failure> {
        let Job { meter, config: _, ports, granted, seed, cancelled } = job;
        let instances = u64::from(self.core_instances);
        if instances > meter.limits().value(LimitKind::Instances) {
            return Err(meter.reached(LimitKind::Instances, Some(instances)));
        }
        let mut store = Store::new(self.pre.engine(), Host::new(Arc::clone(&meter), ports, granted, seed));
        prepare(&mut store);
        meter.instance_started();
        let ended = drive(
            async {
                fuel::start(&mut store)?;
                let instance = self.pre.instantiate_async(&mut store).await?;
                let guest = self.exports.load(&mut store, &instance)?;
                function(&guest, &mut store).await
            },
            meter.deadline(),
            &cancelled,
            look,
        );
        // After a trap, the count may be short of what was used since the last crossing: one slice at most.
        let settled = fuel::end(&mut store);
        let host = store.data_mut();
        let ended = ended.map(|answer| answer.and_then(|answer| settled.map(|()| answer)));
        let result = match ended {
            Err(stopped) => Err(host.take_failed().unwrap_or_else(|| host.stopped(stopped))),
            Ok(Err(error)) => Err(failure::of_error(&error, host, self.symbols.as_ref())),
            Ok(Ok(Err(failure))) => Err(failure::of_guest(failure, host)),
            Ok(Ok(Ok(answer))) => match host.take_failed() {
                Some(failure) => Err(failure),
                // A host call came back too late, and the guest was done before it came up for fuel.
                None if Instant::now() > meter.deadline() => Err(meter.wall_reached()),
                None => host.leave_staged().map(|()| answer),
            },
        };
        let noted = host.note_use();
        drop(store);
        meter.used(0, thread_time().saturating_sub(noted));
        result
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}

/// Puts the limits of one instance on its store.
fn prepare(store: &mut Store<Host>) {
    let limits = store.data().meter.limits();
    let size = |kind| usize::try_from(limits.value(kind)).unwrap_or(usize::MAX);
    let (call_bytes, handles) = (size(LimitKind::CallBytes), size(LimitKind::Handles));
    store.limiter(|host| &mut host.limiter);
    store.call_hook(fuel::hook);
    store.set_hostcall_fuel(call_bytes);
    store.set_max_component_handles(handles.saturating_add(MAX_OWN_HANDLES));
}

fn bounded(what: &str, bytes: usize) -> Result<(), Failure> {
    if bytes <= MAX_RETURNED_BYTES {
        return Ok(());
    }
    let message = format!("{what} has {bytes} bytes, at most {MAX_RETURNED_BYTES} are allowed");
    Err(Failure::new(FailureKind::Failed, message))
}

/// CPU time of this thread.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
