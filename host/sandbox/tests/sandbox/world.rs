//! The engine's side of an attempt, in memory.

use crate::guest::Guest;
use palisade_authority::{Decision, Use};
use palisade_model::sql::SqlValue;
use palisade_model::{Digest, Failure, FailureKind, LimitKind, Limits};
use palisade_sandbox::ports::{Arena, Batch, Database, Items, ItemsInfo, Level, PortError, Ports, Rows, StagedFile};
use palisade_sandbox::{AttemptMeter, Compiling, Input, Job, Loaded, OutputMetadata, Prepared, Sandbox, Settings};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, Mutex};

/// One sandbox for all tests: a pool takes its address space once.
pub(crate) static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new(Settings::default()).unwrap());

pub(crate) fn load(guest: &Guest) -> Loaded {
    try_load(&guest.build()).unwrap()
}

pub(crate) fn try_load(component: &[u8]) -> Result<Loaded, palisade_sandbox::LoadError> {
    SANDBOX.load(&Digest::of(component), || Ok(component.to_vec()), Compiling::InPlace, None)
}

/// What the ports were given.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) emitted: Vec<u8>,
    pub(crate) logged: Vec<String>,
    pub(crate) skips: usize,
}

/// Runs a component under limits, over one input of these bytes.
pub(crate) struct Attempt {
    pub(crate) meter: Arc<AttemptMeter>,
    pub(crate) cancelled: Arc<AtomicBool>,
    pub(crate) seen: Arc<Mutex<Seen>>,
    pub(crate) input: Vec<u8>,
    pub(crate) refuse: Option<fn() -> PortError>,
}

impl Attempt {
    pub(crate) fn new(limits: &[(LimitKind, u64)]) -> Self {
        let limits: BTreeMap<_, _> = limits.iter().copied().collect();
        Self {
            meter: AttemptMeter::new(Limits::settle(&BTreeMap::new(), &limits, &BTreeMap::new())),
            cancelled: Arc::default(),
            seen: Arc::default(),
            input: Vec::new(),
            refuse: None,
        }
    }

    pub(crate) fn job(&self) -> Job {
        Job {
            meter: Arc::clone(&self.meter),
            config: "{}".into(),
            ports: Box::new(Memory { seen: Arc::clone(&self.seen), refuse: self.refuse }),
            granted: None,
            seed: 7,
            cancelled: Arc::clone(&self.cancelled),
        }
    }

    pub(crate) fn input(&self) -> Input {
        let items = Box::new(Lines { bytes: self.input.clone(), at: 0, first: 0 });
        Input::of("documents".into(), items)
    }

    pub(crate) fn run(&self, prepared: &Prepared) -> Result<Vec<u8>, Failure> {
        prepared.run(self.job(), vec![self.input()], &mut || {})
    }

    pub(crate) fn finish(&self, prepared: &Prepared, partials: &[Vec<u8>]) -> Result<Vec<OutputMetadata>, Failure> {
        prepared.finish(self.job(), partials, &mut || {})
    }
}

/// Runs a guest; gives the limit that ended it.
pub(crate) fn limit_of(guest: &Guest, limits: &[(LimitKind, u64)]) -> Option<LimitKind> {
    match Attempt::new(limits).run(&load(guest).prepared) {
        Ok(_) => None,
        Err(Failure { kind: FailureKind::Limit { limit, .. }, .. }) => Some(limit),
        Err(other) => panic!("failed otherwise: {other:?}"),
    }
}

struct Memory {
    seen: Arc<Mutex<Seen>>,
    refuse: Option<fn() -> PortError>,
}

impl Ports for Memory {
    fn emit(&mut self, _port: &str, items: &[u8]) -> Result<(), PortError> {
        if let Some(refuse) = self.refuse {
            return Err(refuse());
        }
        self.seen.lock().unwrap().emitted.extend(items);
        Ok(())
    }

    fn log(&mut self, level: Level, message: &str) {
        self.seen.lock().unwrap().logged.push(format!("{level:?}: {message}"));
    }

    fn progress(&mut self, _done: u64, _total: Option<u64>, _note: &str) {}

    fn skip(&mut self, _what: &str, _reason: &str) {
        self.seen.lock().unwrap().skips += 1;
    }

    fn idempotency_key(&self) -> String {
        "key".into()
    }

    fn decided(&mut self, _asked: &Use, _decision: &Decision<'_>) {}

    fn arena(&mut self) -> Result<Arena, PortError> {
        Err(PortError::Unavailable("no place for files".into()))
    }

    fn staged(&mut self, _: Vec<StagedFile>) {}

    fn query(&mut self, _: Database, _: &str, _: &[SqlValue]) -> Result<Box<dyn Rows>, PortError> {
        Err(PortError::Unavailable("no database".into()))
    }
}

/// Items of lines in memory.
struct Lines {
    bytes: Vec<u8>,
    at: usize,
    first: u64,
}

impl Items for Lines {
    fn info(&self) -> ItemsInfo {
        let items = self.bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        ItemsInfo {
            schema: "standard_input/1.0.0".into(),
            items,
            bytes: self.bytes.len() as u64,
            metadata: "{}".into(),
        }
    }

    fn next(&mut self, max_bytes: usize) -> Result<Option<Batch>, PortError> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        let room = &rest[..max_bytes.min(rest.len())];
        let end = room.iter().rposition(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
        let items = rest[..end].to_vec();
        let first = self.first;
        self.at += end;
        self.first += items.iter().filter(|&&byte| byte == b'\n').count() as u64;
        Ok(Some(Batch { first, items }))
    }
}
