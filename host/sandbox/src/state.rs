//! What one instance carries through its host calls: the data of its store.
//!
//! Every import works on a [`Host`]. It never outlives its instance and shares nothing with others but the meter of
//! the attempt.

use crate::bindings::{Error, ErrorKind};
use crate::cost::{Cost, Work};
use crate::drive::Stopped;
use crate::import::filesystem::SharedStage;
use crate::import::http::Web;
use crate::import::wasi_base::World;
use crate::limiter::Limiter;
use crate::meter::{AttemptMeter, Total};
use crate::ports::{Level, Network, PortError, Ports, RunBounds};
use crate::run::thread_time;
use palisade_authority::{Authority, GUEST_DENIAL, ScopedPath, Use, authorise};
use palisade_model::manifest::Power;
use palisade_model::{Failure, FailureKind, LimitKind};
use palisade_net::Key;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::{WasiCtxView, WasiView};

/// Most bytes of an error's message that a guest gets.
const MAX_MESSAGE_BYTES: usize = 4_096;

/// What an attempt may use and where that is.
#[derive(Debug, Clone)]
pub struct Granted {
    /// What is allowed; asked at each use.
    pub authority: Authority,
    /// The run's working folder, which paths with the anchor `Root` are below.
    pub root: PathBuf,
    /// The files and folders that the config names: each becomes a preopen of that name.
    pub paths: Vec<NamedPath>,
    /// The folders that the config names to be written to: each is empty for the guest, under that name.
    pub writes: Vec<NamedPath>,
    /// The databases that the config names.
    pub connections: Vec<NamedPath>,
    /// The secrets that the instance may send, by their names. It never sees one.
    pub secrets: Vec<(String, Key)>,
    /// Where names of hosts are looked up.
    pub network: Arc<dyn Network>,
    /// What its run allows all its attempts together.
    pub run: Arc<dyn RunBounds>,
}

/// A path that the config names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPath {
    /// As the config writes it; the guest's name for it.
    pub written: String,
    /// Where it is.
    pub path: ScopedPath,
}

/// Why the host ended a guest: an error of our own that crosses wasmtime and comes out typed.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
pub(crate) struct Ended(pub(crate) Box<Failure>);

impl Ended {
    pub(crate) fn limit(meter: &AttemptMeter, kind: LimitKind, wanted: Option<u64>) -> Self {
        Self(Box::new(meter.reached(kind, wanted)))
    }
}

/// What a host function answers: its value, or an error value for the guest; or the end of the guest.
pub(crate) type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// The data of a store.
pub(crate) struct Host {
    pub(crate) table: ResourceTable,
    pub(crate) limiter: Limiter,
    pub(crate) meter: Arc<AttemptMeter>,
    pub(crate) ports: Box<dyn Ports>,
    /// What the instance may use; none while it describes itself.
    pub(crate) granted: Option<Arc<Granted>>,
    /// Fuel that host calls cost since the last settlement; taken by the call hook.
    pub(crate) cost: Cost,
    /// Wasmtime is reading values out of the guest, for a host call or as what an export returned.
    pub(crate) lifting: bool,
    wasi: Option<World>,
    /// What it has of HTTP; none before it is used.
    pub(crate) web: Option<Web>,
    /// What it wrote; none before it looked for folders.
    pub(crate) stage: Option<SharedStage>,
    seed: u64,
    /// CPU time of the thread when its use was last noted.
    noted: Duration,
    failed: Option<Failure>,
    denied: Option<Failure>,
    /// It was refused something too often.
    over: Option<Failure>,
    last_error: Option<String>,
}

impl Host {
    pub(crate) fn new(
        meter: Arc<AttemptMeter>,
        ports: Box<dyn Ports>,
        granted: Option<Arc<Granted>>,
        seed: u64,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(meter.limits().value(LimitKind::Handles)).unwrap_or(usize::MAX));
        Self {
            table,
            limiter: Limiter::new(Arc::clone(&meter)),
            meter,
            ports,
            granted,
            cost: Cost::default(),
            lifting: false,
            wasi: None,
            web: None,
            stage: None,
            seed,
            noted: thread_time(),
            failed: None,
            denied: None,
            over: None,
            last_error: None,
        }
    }

    /// Adds to the meter what the instance used since the last time, for those who watch it; gives the CPU time of its
    /// thread up to now.
    pub(crate) fn note_use(&mut self) -> Duration {
        let now = thread_time();
        self.meter.used(self.limiter.peak(), now.saturating_sub(self.noted));
        self.noted = now;
        now
    }

    /// Charges the fuel of one host call. Call it once per call, before the work is done.
    pub(crate) fn charge(&mut self, work: Work, bytes: usize) {
        tracing::trace!(?work, bytes, "host call");
        self.lifting = false;
        self.cost.add(work, bytes);
    }

    /// Counts `more` of a total; at the limit gives the error value for the guest and fails the attempt for good.
    pub(crate) fn spend(&mut self, total: Total, more: u64) -> Result<(), Error> {
        self.meter.spend(total, more).map_err(|failure| {
            let message = failure.message.clone();
            self.fail(failure);
            error(ErrorKind::LimitExceeded, &message)
        })
    }

    /// Counts bytes that are about to leave; where the run may not send them, gives the error value for the guest and fails
    /// the attempt for good.
    pub(crate) fn send(&mut self, sink: &str, bytes: u64) -> Result<(), Error> {
        let Some(granted) = self.granted.clone() else { return Err(denial()) };
        granted.run.send(sink, bytes).map_err(|failure| self.port_error(PortError::Limit(Box::new(failure))))
    }

    /// Fails the attempt whatever the guest returns afterwards. The first failure counts.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.failed.get_or_insert(failure);
    }

    /// Asks for the authority to use something, records the decision, and gives the error value for the guest if it is
    /// denied.
    pub(crate) fn authorise(&mut self, asked: &Use) -> Result<(), Error> {
        let Some(granted) = self.granted.clone() else { return Err(denial()) };
        let decision = authorise(&granted.authority, asked);
        self.ports.decided(asked, &decision);
        if decision.allowed() {
            return Ok(());
        }
        self.count_denial();
        self.denied.get_or_insert_with(|| {
            let what = decision.denial().unwrap_or_default();
            let message = what.clone();
            Failure::new(FailureKind::Denied { what, allow: decision.allow_line() }, message)
        });
        Err(denial())
    }

    /// Refuses what nobody could be asked about; it counts as a denial does.
    pub(crate) fn deny(&mut self, power: Power, what: &str, why: &str) {
        self.ports.refused(power, what, why);
        self.count_denial();
        let failure = || Failure::new(FailureKind::Denied { what: why.to_owned(), allow: None }, why);
        self.denied.get_or_insert_with(failure);
    }

    /// Counts a refusal. A guest that has too many is ended before it sees the last.
    pub(crate) fn count_denial(&mut self) {
        let of_run = || self.granted.as_ref().map_or(Ok(()), |granted| granted.run.deny());
        if let Err(failure) = self.meter.spend(Total::Denials, 1).and_then(|()| of_run()) {
            self.over.get_or_insert(failure);
        }
    }

    /// The end of a guest that was refused something too often.
    pub(crate) fn take_over(&mut self) -> Option<Ended> {
        self.over.take().map(|failure| Ended(Box::new(failure)))
    }

    /// Puts a resource into the table; ends the guest if it has too many.
    pub(crate) fn push<T: Send + 'static>(&mut self, resource: T) -> wasmtime::Result<Resource<T>> {
        self.table.push(resource).map_err(|_full| Ended::limit(&self.meter, LimitKind::Handles, None).into())
    }

    /// The error value for what a port answered; keeps what must fail the attempt.
    pub(crate) fn port_error(&mut self, port_error: PortError) -> Error {
        let message = port_error.to_string();
        match port_error {
            PortError::Invalid(_) => error(ErrorKind::Invalid, &message),
            PortError::Schema(failure) => {
                self.fail(*failure);
                error(ErrorKind::SchemaMismatch, &message)
            }
            PortError::Denied(what) => {
                let failure = Failure::new(FailureKind::Denied { what, allow: None }, message);
                self.denied.get_or_insert(failure);
                denial()
            }
            PortError::Unavailable(_) => error(ErrorKind::Unavailable, &message),
            PortError::Limit(failure) => {
                self.fail(*failure);
                error(ErrorKind::LimitExceeded, &message)
            }
            PortError::Cancelled | PortError::Suspended => {
                self.fail(Failure::new(FailureKind::Cancelled, message.as_str()));
                error(ErrorKind::Cancelled, &message)
            }
            PortError::Host(_) => {
                self.fail(Failure::new(FailureKind::Host, message));
                error(ErrorKind::Other, "the host could not do its part")
            }
        }
    }

    /// Keeps the last line of level error: the panic hook of the SDK logs a panic's text just before it traps.
    pub(crate) fn note_error_line(&mut self, message: &str) {
        self.last_error = Some(message.to_owned());
    }

    /// What the instance has of WASI.
    pub(crate) fn wasi(&mut self) -> &mut World {
        let seed = self.seed;
        self.wasi.get_or_insert_with(|| World::new(seed))
    }

    /// The failure that holds whatever the guest returned; people are told first what the guest was not.
    pub(crate) fn take_failed(&mut self) -> Option<Failure> {
        for refused in self.web.as_mut().map(Web::take_refused).unwrap_or_default() {
            self.ports.log(Level::Warn, &refused);
        }
        self.failed.take().or_else(|| self.web.as_ref()?.take_reached())
    }

    /// The first denial, for a guest that could not do without.
    pub(crate) fn take_denied(&mut self) -> Option<Failure> {
        self.denied.take()
    }

    /// The last line of level error.
    pub(crate) fn take_last_error(&mut self) -> Option<String> {
        self.last_error.take()
    }

    /// The failure of a guest that came to no regular end because of `stopped`.
    pub(crate) fn stopped(&self, stopped: Stopped) -> Failure {
        match stopped {
            Stopped::Wall => self.meter.reached(LimitKind::Wall, None),
            Stopped::Cancelled => Failure::new(FailureKind::Cancelled, "the run is being cancelled"),
        }
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // What is linked as wasmtime-wasi has it comes through here and charges nothing itself.
        self.charge(Work::Small, 0);
        let seed = self.seed;
        let world = self.wasi.get_or_insert_with(|| World::new(seed));
        WasiCtxView { ctx: &mut world.ctx, table: &mut self.table }
    }
}

/// An error value for a guest, its message cut.
pub(crate) fn error(kind: ErrorKind, message: &str) -> Error {
    let end = message.floor_char_boundary(MAX_MESSAGE_BYTES);
    Error { kind, message: message.get(..end).unwrap_or_default().to_owned() }
}

/// The one answer to everything that is denied: it teaches an attacker nothing.
pub(crate) fn denial() -> Error {
    error(ErrorKind::Denied, GUEST_DENIAL)
}
