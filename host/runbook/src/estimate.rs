//! What a run will probably take, from how large its data is and what past attempts of the same components used. Data in,
//! data out: who calls measures files and reads the past.
//!
//! An estimate is no bound and stands beside the plan, never in it: it differs from machine to machine and from day to
//! day. Where nothing is known it says so and why; a limit that a manifest states is no expectation and stands in for
//! nothing.

mod compare;
mod fit;
mod past;
mod schedule;

pub use compare::{Compared, Comparison, StepCompared, compare};
pub use fit::Range;

use crate::plan::{BindingSource, Plan, PlannedBody, PlannedCall, PlannedStep, PlannedWork};
use palisade_model::{ArtifactName, Digest, StepId, Usage, canonical};
use past::{Known, Past};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Version of the form of an estimate and of a past attempt.
const FORM: u32 = 1;

/// Fuel of a millisecond of CPU time. Measured on two cores with 7.0 MB of text through three analysers and two
/// classifiers, whole runs: 9.1 to 10.0 million. A machine may do more or less, so what follows from it is only ever
/// told as "about".
pub const FUEL_PER_CPU_MS: u64 = 10_000_000;

/// Most past attempts of a component that say anything: what came before the newest of them is of another time.
pub const MAX_PAST_ATTEMPTS: usize = 32;

/// An amount of each measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PerMeasure<T> {
    /// Wasm instructions and host work.
    pub fuel: T,
    /// Milliseconds on a processor, of all instances together.
    pub cpu_ms: T,
    /// Milliseconds from start to end; of a step without what the journal takes.
    pub wall_ms: T,
    /// The most memory that one instance has.
    pub memory_bytes: T,
    /// Bytes emitted.
    pub output_bytes: T,
}

impl PerMeasure<u64> {
    /// The measured part of what was used.
    #[must_use]
    pub fn of_usage(usage: &Usage) -> Self {
        Self {
            fuel: usage.fuel,
            cpu_ms: usage.cpu_ms,
            wall_ms: usage.wall_ms,
            memory_bytes: usage.memory_peak_bytes,
            output_bytes: usage.output_bytes,
        }
    }
}

impl<T> PerMeasure<T> {
    pub(crate) fn map<V>(self, with: impl Fn(T) -> V) -> PerMeasure<V> {
        PerMeasure {
            fuel: with(self.fuel),
            cpu_ms: with(self.cpu_ms),
            wall_ms: with(self.wall_ms),
            memory_bytes: with(self.memory_bytes),
            output_bytes: with(self.output_bytes),
        }
    }

    /// Puts two together, measure by measure.
    pub(crate) fn zip<U, V>(self, other: PerMeasure<U>, with: impl Fn(T, U) -> V) -> PerMeasure<V> {
        PerMeasure {
            fuel: with(self.fuel, other.fuel),
            cpu_ms: with(self.cpu_ms, other.cpu_ms),
            wall_ms: with(self.wall_ms, other.wall_ms),
            memory_bytes: with(self.memory_bytes, other.memory_bytes),
            output_bytes: with(self.output_bytes, other.output_bytes),
        }
    }
}

/// What an attempt used that did what was wanted, and over what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastAttempt {
    /// Version of this form.
    pub v: u32,
    /// Digest of its config as planned.
    pub config: Digest,
    /// It ran once for each item.
    pub each: bool,
    /// Bytes of its artifacts and rulesets, and of the files and databases that its config names.
    pub input_bytes: u64,
    /// Milliseconds that the journal took to write down that it starts.
    pub commit_ms: u64,
    /// What it used.
    pub usage: Usage,
    /// Bytes of the items of each output port.
    pub outputs: BTreeMap<String, u64>,
}

/// What an estimate is made from.
#[derive(Debug, Clone, Copy)]
pub struct EstimateFrom<'a> {
    /// Past attempts, by the digests of their components.
    pub past: &'a BTreeMap<Digest, Vec<PastAttempt>>,
    /// Bytes of the files and databases that the configs of steps name; a step that names some and is missing here was
    /// not measured.
    pub data_bytes: &'a BTreeMap<StepId, u64>,
    /// Bytes of the items of the inputs that are given.
    pub input_bytes: &'a BTreeMap<ArtifactName, u64>,
    /// Instances that compute at once.
    pub threads: u64,
}

/// What a run will probably take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Version of this form.
    pub v: u32,
    /// The steps, in the order of the plan.
    pub steps: Vec<StepEstimate>,
    /// All steps of which something is known together; `memory_bytes` is that of the largest instance.
    pub run: PerMeasure<Range>,
    /// How many steps nothing is known of: the run takes so much more.
    pub unknown_steps: u64,
}

/// What a step will probably take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepEstimate {
    /// The step.
    pub step: StepId,
    /// Bytes of the files and databases that its config names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_bytes: Option<u64>,
    /// What is known of it.
    #[serde(flatten)]
    pub told: Told,
}

/// What is known of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Told {
    /// An estimate.
    Known {
        /// Bytes of all that it reads.
        input_bytes: Range,
        /// Its amounts.
        amounts: PerMeasure<Range>,
        /// Where that comes from.
        basis: Basis,
    },
    /// Nothing.
    Unknown {
        /// Why.
        unknown: Unknown,
    },
}

/// The past attempts that an estimate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// How many.
    pub attempts: u64,
    /// They had the config that the step has; else nobody had.
    pub same_config: bool,
    /// The fewest bytes that one of them read.
    pub least_input_bytes: u64,
    /// The most bytes that one of them read.
    pub most_input_bytes: u64,
    /// Milliseconds that the journal took for a write, the median.
    pub commit_ms: u64,
}

/// Why nothing is known of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Unknown {
    /// No attempt of its component, run the same way, did what was wanted in this data directory.
    NoPastRun,
    /// How often a loop goes round is not known.
    Loop,
    /// It is no component: a child runbook, an approval, an agent, or an artifact of another run.
    NoComponent,
    /// The files or databases that its config names were not measured.
    NotMeasured,
    /// An input of the run that it reads is not given.
    NotGiven {
        /// The input.
        input: ArtifactName,
    },
    /// It reads what a step makes of which nothing is known.
    Before {
        /// The step.
        step: StepId,
    },
}

impl PastAttempt {
    /// Puts together what is known of an attempt of a step.
    #[must_use]
    pub fn new(
        step: &PlannedStep,
        call: &PlannedCall,
        input_bytes: u64,
        commit_ms: u64,
        usage: Usage,
        outputs: BTreeMap<String, u64>,
    ) -> Self {
        let (config, each) = (canonical::digest(&call.config), runs_each(step));
        Self { v: FORM, config, each, input_bytes, commit_ms, usage, outputs }
    }

    /// Reads one; none if it has another form.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|past: &Self| past.v == FORM)
    }
}

impl Estimate {
    /// Reads one; none if it has another form.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|estimate: &Self| estimate.v == FORM)
    }

    /// What is known of a step.
    #[must_use]
    pub fn step(&self, step: &StepId) -> Option<&StepEstimate> {
        self.steps.iter().find(|known| known.step == *step)
    }
}

impl Basis {
    /// Says whether so many bytes are more than four times what any of the attempts read: what is told is then drawn out of
    /// a line.
    #[must_use]
    pub fn is_passed_by(&self, input_bytes: u64) -> bool {
        input_bytes / 4 > self.most_input_bytes
    }
}

/// Estimates a run. Every condition is taken to hold and every step to succeed at its first attempt.
#[must_use]
pub fn estimate(plan: &Plan, from: &EstimateFrom<'_>) -> Estimate {
    let mut past = Past::new(from.past);
    let mut made: Made<'_> = BTreeMap::new();
    let mut steps = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        let told = match known(plan, step, from, &mut past, &made) {
            Ok((input_bytes, known)) => {
                for output in &step.outputs {
                    made.insert((&step.id, output.port.as_str()), known.output(&output.port, input_bytes));
                }
                Told::Known { input_bytes, amounts: known.amounts(input_bytes), basis: known.basis }
            }
            Err(unknown) => Told::Unknown { unknown },
        };
        let data_bytes = from.data_bytes.get(&step.id).copied();
        steps.push(StepEstimate { step: step.id.clone(), data_bytes, told });
    }
    let run = schedule::run(plan, &steps, from.threads);
    let unknown_steps = steps.iter().filter(|step| matches!(step.told, Told::Unknown { .. })).count() as u64;
    Estimate { v: FORM, steps, run, unknown_steps }
}

/// Bytes of what steps make, by step and port.
type Made<'p> = BTreeMap<(&'p StepId, &'p str), Range>;

/// The bytes that a step reads, and what is known of its component.
fn known(
    plan: &Plan,
    step: &PlannedStep,
    from: &EstimateFrom<'_>,
    past: &mut Past<'_>,
    made: &Made<'_>,
) -> Result<(Range, Rc<Known>), Unknown> {
    let call = match &step.work {
        PlannedWork::Component { call } | PlannedWork::Map { body: PlannedBody::Component { call }, .. } => call,
        PlannedWork::Loop { .. } => return Err(Unknown::Loop),
        _ => return Err(Unknown::NoComponent),
    };
    let known = past.of(step, call).ok_or(Unknown::NoPastRun)?;
    let mut read = Range::default();
    for binding in &step.inputs {
        read = read.plus(bytes_of(plan, &binding.source, from, made)?);
    }
    if names_data(call) {
        read = read.plus(Range::exact(*from.data_bytes.get(&step.id).ok_or(Unknown::NotMeasured)?));
    }
    Ok((read, known))
}

/// Says whether a call reads files, databases or servers, so that what it reads is more than its inputs.
#[must_use]
pub fn names_data(call: &PlannedCall) -> bool {
    !call.paths.is_empty() || !call.connections.is_empty() || call.reads_servers() || call.asks_servers()
}

fn bytes_of(plan: &Plan, source: &BindingSource, from: &EstimateFrom<'_>, made: &Made<'_>) -> Result<Range, Unknown> {
    match source {
        BindingSource::Step { step, port } => {
            made.get(&(step, port.as_str())).copied().ok_or_else(|| Unknown::Before { step: step.clone() })
        }
        BindingSource::Ruleset { name, .. } => {
            let bytes = plan.rulesets.iter().find(|ruleset| ruleset.name == *name).map_or(0, |ruleset| ruleset.bytes);
            Ok(Range::exact(bytes))
        }
        BindingSource::Input { name } => {
            let planned = plan.inputs.iter().find(|input| input.name == *name);
            let by_default = || Some(serde_json::to_string(planned?.default.as_ref()?).ok()?.len() as u64);
            match from.input_bytes.get(name).copied().or_else(by_default) {
                Some(bytes) => Ok(Range::exact(bytes)),
                None if planned.is_some_and(|input| input.optional) => Ok(Range::default()),
                None => Err(Unknown::NotGiven { input: name.clone() }),
            }
        }
    }
}

fn runs_each(step: &PlannedStep) -> bool {
    matches!(step.work, PlannedWork::Map { .. })
}
