//! Asks a component what it is: twice, in fresh instances without any power, under small fixed limits.

use crate::bindings::exports::palisade::plugin::manifest as wit;
use crate::manifest::{self, NotAManifest};
use crate::meter::AttemptMeter;
use crate::ports::{Arena, Database, Level, PortError, Ports, Rows, StagedFile};
use crate::run::{Job, Prepared};
use palisade_authority::{Decision, Use};
use palisade_model::manifest::{ManifestError, Power};
use palisade_model::sql::SqlValue;
use palisade_model::{Failure, FailureKind, LimitKind, Limits, Manifest};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What `describe` may use. Named in `wit/palisade.wit`, where it is exported.
const LIMITS: [(LimitKind, u64); 8] = [
    (LimitKind::Fuel, 100_000_000),
    (LimitKind::FuelPerInputByte, 0),
    (LimitKind::Memory, 64 << 20),
    (LimitKind::Wall, 2_000),
    (LimitKind::CallBytes, 1 << 20),
    (LimitKind::OutputBytes, 0),
    (LimitKind::OutputBytesPerInputByte, 0),
    (LimitKind::LogBytes, 0),
];

/// Why a component's manifest was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// A limit was reached.
    #[error("describing itself, the component reached the fixed limit `{limit}` of {value}")]
    Limit {
        /// Which.
        limit: &'static str,
        /// Its value, for people.
        value: String,
    },
    /// The component trapped.
    #[error("describing itself, the component failed: {}", .0.message)]
    Failed(Box<Failure>),
    /// It gave two answers.
    #[error("the component describes itself differently each time it is asked: {first} differs")]
    Differs {
        /// The first part that differs.
        first: &'static str,
    },
    /// What it says has no meaning.
    #[error(transparent)]
    NotAManifest(#[from] NotAManifest),
    /// What it says breaks rules.
    #[error("the manifest breaks {} rules", .0.len())]
    Rules(Vec<ManifestError>),
    /// It imports functions behind a power that it does not request.
    #[error("the component imports functions of `{interface}`, but does not request the power `{power}`")]
    PowerNotRequested {
        /// The interface.
        interface: String,
        /// The power.
        power: &'static str,
    },
}

/// Asks a component for its manifest and checks it against what the component imports.
///
/// # Errors
/// When the component fails, answers differently the second time, or says what must not be.
pub fn describe(prepared: &Prepared) -> Result<Manifest, DescribeError> {
    let span = tracing::debug_span!("describe");
    let _entered = span.enter();
    // Two seeds: an answer that depends on time or randomness must not pass.
    let (first, second) = (ask(prepared, 0)?, ask(prepared, 1)?);
    if let Some(first) = manifest::difference(&first, &second) {
        return Err(DescribeError::Differs { first });
    }
    let manifest = manifest::checked(first)?;
    manifest.check().map_err(DescribeError::Rules)?;
    // A toolchain may import all of WASI without need: files are not refused, the world behind them is empty.
    let asked = |power| power == Power::FsRead || manifest.request(power).is_some();
    match prepared.imports().behind_none_of(asked) {
        Some((power, import)) => {
            Err(DescribeError::PowerNotRequested { interface: import.interface.clone(), power: power.name() })
        }
        None => Ok(manifest),
    }
}

fn ask(prepared: &Prepared, seed: u64) -> Result<wit::Description, DescribeError> {
    let job = Job {
        meter: AttemptMeter::new(Limits::settle(&BTreeMap::new(), &BTreeMap::from(LIMITS), &BTreeMap::new())),
        config: "".into(),
        ports: Box::new(Refusing),
        granted: None,
        seed,
        cancelled: Arc::new(AtomicBool::new(false)),
    };
    prepared.describe(job).map_err(|failure| match failure.kind {
        FailureKind::Limit { limit, in_force, .. } => {
            DescribeError::Limit { limit: limit.name(), value: limit.show(in_force.value) }
        }
        _ => DescribeError::Failed(Box::new(failure)),
    })
}

/// Ports of a component that may do nothing yet.
struct Refusing;

impl Ports for Refusing {
    fn arena(&mut self) -> Result<Arena, PortError> {
        Err(refused())
    }

    fn staged(&mut self, _files: Vec<StagedFile>) {}

    fn emit(&mut self, _port: &str, _items: &[u8]) -> Result<(), PortError> {
        Err(refused())
    }

    fn log(&mut self, _level: Level, _message: &str) {}

    fn progress(&mut self, _done: u64, _total: Option<u64>, _note: &str) {}

    fn skip(&mut self, _what: &str, _reason: &str) {}

    fn idempotency_key(&self) -> String {
        String::new()
    }

    fn decided(&mut self, _asked: &Use, _decision: &Decision<'_>) {}

    fn query(
        &mut self,
        _database: Database,
        _statement: &str,
        _parameters: &[SqlValue],
    ) -> Result<Box<dyn Rows>, PortError> {
        Err(refused())
    }
}

fn refused() -> PortError {
    PortError::Denied("a component that describes itself may do nothing else".into())
}
