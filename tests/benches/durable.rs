//! Durable steps through the engine's API in one process, printed as a table: `just bench`.
//!
//! Each step runs the component of tests (`plugins/stepper`) over one small item, after the step before it; each run has
//! a journal of its own, on a real disk with full sync. What is counted is what the store asked of the disk.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use palisade_authority::{Authority, WorkingFolder};
use palisade_engine::{
    Cancel, Catalogue, Engine, EngineParts, FirstParty, GivenInput, RunRequest, Silent, Work, default_artifact,
};
use palisade_model::record::Status;
use palisade_model::{Digest, TenantId};
use palisade_runbook::{Components, KnownComponent, Plan, PlanContext, Source, parse, plan};
use palisade_sandbox::{Compiling, Sandbox, Settings, describe};
use palisade_schema::Registry;
use palisade_store::{Backend, Disk, Store};
use palisade_tests::{Dir, root, skipped};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn main() {
    let Ok(component) = fs::read(root().join("target/stepper/stepper.wasm")) else {
        skipped("the stepper is not in target/stepper");
        return;
    };
    println!("| work | steps/s | CPU for a step | commits for a step | syncs of files | goal |");
    println!("|---|---|---|---|---|---|");
    let bench = Bench::new(component.leak());
    let goals = [(1, 2_000, "≥ 5,000 steps/s"), (64, 100, "≥ 20,000 steps/s")];
    let _ = bench.run(1, 50);
    for (runs, steps, goal) in goals {
        let taken = bench.run(runs, steps);
        let all = (runs * steps) as f64;
        let (per_second, cpu_us) = (all / taken.wall.as_secs_f64(), taken.cpu.as_secs_f64() * 1e6 / all);
        let commits = taken.commits as f64 / all;
        let work = if runs == 1 { "in one run".to_owned() } else { format!("over {runs} runs at once") };
        println!(
            "| {steps} steps in sequence, {work} | {per_second:.0} | {cpu_us:.0} µs | {commits:.2} | {} | {goal} |",
            taken.syncs
        );
    }
}

/// An installation whose one component is the stepper.
struct Bench {
    dir: Dir,
    counts: Arc<Counting>,
    engine: Engine,
    schemas: Registry,
    components: Components,
}

/// What some runs took.
struct Taken {
    wall: Duration,
    cpu: Duration,
    commits: u64,
    syncs: u64,
}

impl Bench {
    fn new(bytes: &'static [u8]) -> Self {
        let dir = Dir::new();
        let counts = Arc::new(Counting::default());
        let store = Store::open_on(Arc::clone(&counts) as Arc<dyn Backend>, &dir.join("state"), TenantId::default())
            .expect("a store");
        let sandbox = Sandbox::new(Settings::default()).expect("a sandbox");
        let digest = Digest::of(bytes);
        let loaded = sandbox.load(&digest, || Ok(bytes.to_vec()), Compiling::InPlace, None).expect("a component");
        let manifest = describe(&loaded.prepared).expect("a manifest");
        let mut schemas = Registry::builtin().expect("schemas");
        for own in &manifest.schemas {
            schemas.register(&own.schema, &own.json).expect("a schema");
        }
        let carried = FirstParty { manifest: manifest.clone(), digest, bytes };
        let catalogue = Catalogue::new(vec![carried], None, dir.path()).expect("a catalogue");
        let mut components = Components::default();
        components.add(KnownComponent { manifest, digest, first_party: true, granted: Authority::none() });
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let executable = std::env::current_exe().expect("a program");
        let engine = Engine::new(EngineParts { sandbox, cache: None, store, catalogue, threads, executable });
        Self { dir, counts, engine, schemas, components }
    }

    /// Drives that many runs of that many steps at once.
    fn run(&self, runs: usize, steps: usize) -> Taken {
        let text = runbook(steps);
        let plan = self.plan(&text);
        let before = self.counts.read();
        let (start, cpu) = (Instant::now(), cpu_time());
        std::thread::scope(|scope| {
            for number in 0..runs {
                let (plan, text) = (&plan, &text);
                scope.spawn(move || self.run_one(plan, text, number));
            }
        });
        let (wall, cpu) = (start.elapsed(), cpu_time() - cpu);
        let after = self.counts.read();
        Taken { wall, cpu, commits: after.0 - before.0, syncs: after.1 - before.1 }
    }

    fn run_one(&self, plan: &Plan, text: &str, number: usize) {
        let input = plan.inputs.first().expect("an input");
        let schema = self.schemas.get(&input.schema).expect("its schema");
        // Each run has data of its own, so that none finds what another made.
        let item = json!({"content": format!("text {number}"), "metadata": {"source": "x"}});
        let document = json!({"schemaVersion": "1.0.0", "name": "docs", "data": [item]});
        let artifact = default_artifact(&document, schema, self.engine.store()).expect("a document");
        let given = vec![GivenInput { name: input.name.clone(), artifact, is_default: false }];
        let request = RunRequest {
            work: Work {
                plan,
                schemas: &self.schemas,
                folder: self.dir.path(),
                reuse: false,
                estimate: None,
                planning: None,
                gate: None,
            },
            approved_by: None,
            runbook: text.as_bytes(),
            rulesets: &BTreeMap::new(),
            child_runbooks: Vec::new(),
            allowed: Vec::new(),
            fork: None,
            key: None,
        };
        let ran = self.engine.run(&request, given, &Silent, &Cancel::new()).expect("a run");
        assert_eq!(ran.record.status, Status::Succeeded);
    }

    fn plan(&self, text: &str) -> Plan {
        let (runbook, told) = parse(&Source::new("runbook.yaml", text), &BTreeMap::new());
        let runbook = runbook.unwrap_or_else(|| panic!("{told:?}"));
        let folder = WorkingFolder::new(self.dir.path().as_os_str().as_bytes()).expect("a folder");
        let context = PlanContext {
            components: &self.components,
            schemas: &self.schemas,
            rulesets: &BTreeMap::new(),
            children: &BTreeMap::new(),
            systems: &Default::default(),
            ceilings: &BTreeMap::new(),
            run_ceilings: &Default::default(),
            folder: &folder,
            allowed: &[],
            generated: None,
        };
        let (planned, told) = plan(&runbook, &context);
        planned.unwrap_or_else(|| panic!("{told:?}"))
    }
}

/// Steps each of which takes what the one before made.
fn runbook(steps: usize) -> String {
    let step = |number: usize| {
        let input = if number == 0 { "docs".to_owned() } else { format!("t{}", number - 1) };
        format!(
            "  - {{id: s{number}, analyser: test:stepper, input: {input}, config: {{append: ''}}, outputs: {{texts: t{number}}}}}\n"
        )
    };
    let steps: String = (0..steps).map(step).collect();
    format!(
        "name: Many\nlimits: {{max_runs: 1000000}}\ninputs:\n  docs: {{input_schema: standard_input}}\nexecution:\n{steps}"
    )
}

/// The real disk, with a count of what makes something durable.
#[derive(Debug, Default)]
struct Counting {
    commits: AtomicU64,
    syncs: AtomicU64,
}

impl Counting {
    fn read(&self) -> (u64, u64) {
        (self.commits.load(Ordering::Relaxed), self.syncs.load(Ordering::Relaxed))
    }
}

impl Backend for Counting {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        Disk.create_folder(folder)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        Disk.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        Disk.open(path)
    }

    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        Disk.append(file, bytes)
    }

    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        Disk.read_at(file, buffer, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Disk.sync(file)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Disk.sync_folder(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn commit(&self, transaction: rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        Disk.commit(transaction)
    }
}

/// CPU time of all threads of this process so far.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
