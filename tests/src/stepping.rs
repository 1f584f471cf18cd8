//! The component of tests (`plugins/stepper`), and others beside it, through the engine's API, on a disk of the caller's choice.

use crate::{Dir, root, skipped};
use palisade_authority::{Authority, FlowRule, Flows, Grant, Labels, Sink, WorkingFolder};
use palisade_engine::{
    Approving, Cancel, Catalogue, Engine, EngineParts, FirstParty, GivenInput, History, Observer, Ran, RunError,
    RunRequest, Work, default_artifact,
};
use palisade_model::llm::LlmMode;
use palisade_model::{Digest, RunId, TenantId};
use palisade_runbook::{ChildLookup, Components, KnownComponent, Plan, PlanContext, Source, parse, plan};
use palisade_sandbox::{CodeCache, Compiling, Sandbox, Settings, describe};
use palisade_schema::Registry;
use palisade_store::{Backend, Store};
use serde_json::json;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;

/// An engine whose components are the stepper and what a test adds.
#[derive(Debug)]
pub struct Stepping {
    folder: PathBuf,
    /// The engine.
    pub engine: Engine,
    schemas: Registry,
    components: Components,
    flows: Flows,
}

impl Stepping {
    /// Opens the data directory `state` of `dir` with the stepper alone; `None` and a loud line where it is not built.
    ///
    /// # Panics
    /// When that can't be done.
    #[must_use]
    pub fn open(dir: &Dir, disk: Arc<dyn Backend>) -> Option<Self> {
        Self::open_with(dir, disk, &[])
    }

    /// The same with more components, each a guest of that name and what it is granted; all data may go there.
    ///
    /// # Panics
    /// When that can't be done.
    #[must_use]
    pub fn open_with(dir: &Dir, disk: Arc<dyn Backend>, more: &[(&str, &str)]) -> Option<Self> {
        let store = Store::open_on(disk, &dir.join("state"), TenantId::default()).expect("a store");
        let sandbox = Sandbox::new(Settings::default()).expect("a sandbox");
        let home = root().join("target/test-home");
        std::fs::create_dir_all(&home).expect("a folder");
        let cache = CodeCache::open(&home.join("code"), &home.join("code.key")).expect("a cache");
        let folder = WorkingFolder::new(dir.path().as_os_str().as_bytes()).expect("a folder");
        let mut schemas = Registry::builtin().expect("schemas");
        let (mut carried, mut components, mut rules) = (Vec::new(), Components::default(), Vec::new());
        for (name, grant) in
            [("stepper", None)].into_iter().chain(more.iter().map(|&(name, grant)| (name, Some(grant))))
        {
            let Ok(bytes) = std::fs::read(root().join(format!("target/{name}/{name}.wasm"))) else {
                skipped(&format!("the guest {name} is not in target/{name}"));
                return None;
            };
            let bytes: &'static [u8] = bytes.leak();
            let digest = Digest::of(bytes);
            let loaded = sandbox.load(&digest, || Ok(bytes.to_vec()), Compiling::InPlace, Some(&cache));
            let loaded = loaded.expect("a component");
            let manifest = describe(&loaded.prepared).expect("a manifest");
            for own in &manifest.schemas {
                schemas.register(&own.schema, &own.json).expect("a schema");
            }
            carried.push(FirstParty { manifest: manifest.clone(), digest, bytes });
            let grants = grant.map(|grant| Grant::parse(&folder, grant.as_bytes()).expect("a grant"));
            rules.extend(grants.iter().map(|grant| FlowRule {
                labels: Labels::All,
                sinks: Sink::of(grant.capability()),
                never: false,
                stated: String::new(),
            }));
            components.add(KnownComponent {
                manifest,
                digest,
                first_party: true,
                granted: Authority::of_operator(grants),
                not_accepted: None,
                declassifies: std::collections::BTreeSet::new(),
            });
        }
        let catalogue = Catalogue::new(carried, None, dir.path()).expect("a catalogue");
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let executable = std::env::current_exe().expect("a program");
        let engine = Engine::new(EngineParts {
            models: None,
            network: Arc::default(),
            secrets: palisade_net::Secrets::none(),
            connections: std::sync::Arc::new(palisade_sql::Connections::none()),
            sandbox,
            cache: Some(cache),
            store,
            catalogue,
            threads,
            room: None,
            approving: Approving::default(),
            executable,
            user: None,
        });
        Some(Self { folder: dir.path().to_owned(), engine, schemas, components, flows: Flows::new(rules) })
    }

    /// Runs a plan over texts, one in each line.
    ///
    /// # Errors
    /// When the run can't be driven to its end.
    ///
    /// # Panics
    /// When they are no input of the plan.
    pub fn run(&self, plan: &Plan, runbook: &str, texts: &str, observer: &dyn Observer) -> Result<Ran, RunError> {
        let input = plan.inputs.first().expect("an input");
        let schema = self.schemas.get(&input.schema).expect("its schema");
        let item = |text: &str| json!({"content": text, "metadata": {"source": "x"}});
        let data: Vec<_> = texts.lines().map(item).collect();
        let document = json!({"schemaVersion": "1.0.0", "name": "docs", "data": data});
        let artifact = default_artifact(&document, schema, self.engine.store()).expect("a document");
        let given = vec![GivenInput { name: input.name.clone(), artifact, is_default: false }];
        let request = RunRequest {
            work: self.work(plan),
            by: None,
            approved_by: None,
            runbook: runbook.as_bytes(),
            rulesets: &BTreeMap::new(),
            child_runbooks: Vec::new(),
            allowed: Vec::new(),
            fork: None,
            key: None,
        };
        self.engine.run(&request, given, observer, &Cancel::new())
    }

    /// Goes on with a run.
    ///
    /// # Errors
    /// When it can't be driven to its end.
    pub fn resume(&self, run: RunId, plan: &Plan, observer: &dyn Observer) -> Result<Ran, RunError> {
        let mut history = History::read(self.engine.store(), run)?;
        self.engine.resume(&mut history, self.work(plan), observer, &Cancel::new())
    }

    fn work<'a>(&'a self, plan: &'a Plan) -> Work<'a> {
        Work {
            plan,
            schemas: &self.schemas,
            folder: &self.folder,
            reuse: false,
            estimate: None,
            planning: None,
            gate: None,
            llm: LlmMode::Off,
        }
    }

    /// Plans a runbook.
    ///
    /// # Panics
    /// When it has a mistake.
    #[must_use]
    pub fn plan(&self, text: &str) -> Plan {
        self.plan_with(text, &[])
    }

    /// Plans a runbook that names others by their files.
    ///
    /// # Panics
    /// When one has a mistake.
    #[must_use]
    pub fn plan_with(&self, text: &str, children: &[(&str, &str)]) -> Plan {
        let read = |name: &str, text: &str| {
            let (runbook, told) = parse(&Source::new(name, text), &BTreeMap::new());
            runbook.unwrap_or_else(|| panic!("{told:?}"))
        };
        let runbook = read("runbook.yaml", text);
        let child = |&(file, text): &(&str, &str)| {
            (("runbook.yaml".to_owned(), file.to_owned()), ChildLookup::Found(Arc::new(read(file, text))))
        };
        let folder = WorkingFolder::new(self.folder.as_os_str().as_bytes()).expect("a folder");
        let context = PlanContext {
            components: &self.components,
            schemas: &self.schemas,
            rulesets: &BTreeMap::new(),
            children: &children.iter().map(child).collect(),
            systems: &Default::default(),
            connections: &[],
            ceilings: &BTreeMap::new(),
            run_ceilings: &Default::default(),
            folder: &folder,
            allowed: &[],
            generated: None,
            flows: &self.flows,
            models: &Default::default(),
        };
        let (planned, told) = plan(&runbook, &context);
        planned.unwrap_or_else(|| panic!("{told:?}"))
    }
}

/// A runbook of steps each of which takes what the one before made, and appends to it.
#[must_use]
pub fn chain(steps: usize, append: &str) -> String {
    let step = |number: usize| {
        let input = if number == 0 { "docs".to_owned() } else { format!("t{}", number - 1) };
        format!(
            "  - {{id: s{number}, analyser: test:stepper, input: {input}, config: {{append: '{append}'}}, outputs: {{texts: t{number}}}}}\n"
        )
    };
    let steps: String = (0..steps).map(step).collect();
    format!(
        "name: Many\nlimits: {{max_runs: 1000000}}\ninputs:\n  docs: {{input_schema: standard_input}}\nexecution:\n{steps}"
    )
}
