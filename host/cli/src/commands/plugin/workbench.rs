//! A built plugin in a sandbox, with a store that vanishes: attempts over inputs that a person gives.
//!
//! What a runbook's planner does for a step is done here for one attempt: defaults, rulesets, limits, authority.

use super::project::Built;
use crate::commands::Context;
use crate::exit_code::ExitCode;
use crate::failure::CliError;
use crate::given::Given;
use crate::policy::denies_in;
use crate::render::diagnostics;
use crate::rulesets::RulesetFolders;
use crate::workspace::Workspace;
use palisade_authority::{Authority, Bound, NamedByConfig, Place, ScopedPath, WorkingFolder};
use palisade_engine::{
    Approving, Attempt, AttemptInput, Cancel, Catalogue, Ended, Engine, EngineParts, SystemNetwork, Unbounded, Uses,
};
use palisade_model::manifest::{Arity, InputPort, InputSource, Manifest, Power, marked, ruleset_type};
use palisade_model::{LimitKind, Limits, TenantId};
use palisade_net::Secrets;
use palisade_runbook::{Source, WantedRuleset};
use palisade_sandbox::{Granted, NamedPath, Prepared};
use palisade_schema::{ArtifactSchema, ConfigSchema, Registry};
use palisade_sql::Connections;
use palisade_store::Store;
use serde_json::Value;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// Where attempts are made.
#[derive(Debug)]
pub(super) struct Workbench<'a> {
    context: &'a Context,
    engine: Engine,
    manifest: Arc<Manifest>,
    prepared: Prepared,
    schemas: Registry,
    config: ConfigSchema,
    rulesets: RulesetFolders,
    /// Vanishes last.
    _state: TempDir,
}

/// What one attempt is made over.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    /// What it reads.
    pub(super) inputs: Vec<Given>,
    /// The config as written.
    pub(super) config: Value,
    /// Limits that are set for it, as a step does.
    pub(super) limits: BTreeMap<LimitKind, u64>,
    /// The working folder: paths in the config and in the grants are relative to it.
    pub(super) folder: &'a Path,
    /// What the plugin is granted, as `fs-read=PATH`.
    pub(super) allow: &'a [String],
}

impl<'a> Workbench<'a> {
    /// Sets up a place for attempts. `root` is the plugin's folder, in which its rulesets are.
    ///
    /// # Errors
    /// When a temporary store can't be made, or a schema of the plugin is in conflict with a known one.
    pub(super) fn new(
        context: &'a Context,
        built: Built,
        root: &Path,
        threads: Option<NonZeroUsize>,
    ) -> Result<Self, CliError> {
        let bug = |error: &dyn std::error::Error| CliError::from_error(ExitCode::Bug, error);
        let failed = |error: &dyn std::error::Error| CliError::from_error(ExitCode::Failed, error);
        let state = tempfile::tempdir().map_err(|error| failed(&error))?;
        let store = Store::open(state.path(), TenantId::default()).map_err(|error| failed(&error))?;
        let catalogue = Catalogue::new(Vec::new(), None, state.path()).map_err(|error| failed(&error))?;
        let manifest = Arc::new(built.checked.manifest);
        // A folder in which components were added knows their schemas too.
        let mut schemas = Workspace::open(&context.settings)?.schemas;
        for own in &manifest.schemas {
            schemas.register(&own.schema, &own.json).map_err(|error| {
                CliError::from_error(ExitCode::Usage, &error)
                    .help("a schema that is known never changes: raise its version")
            })?;
        }
        let rulesets = root.join("rulesets");
        let rulesets = if rulesets.is_dir() { vec![rulesets] } else { Vec::new() };
        let engine = Engine::new(EngineParts {
            sandbox: built.sandbox,
            cache: None,
            store,
            catalogue,
            threads: threads.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN),
            room: None,
            approving: Approving::default(),
            executable: std::env::current_exe().map_err(|error| bug(&error))?,
            models: None,
            secrets: Secrets::none(),
            network: Arc::default(),
            connections: Arc::new(Connections::none()),
            // Nothing that runs here is written down.
            user: None,
        });
        Ok(Self {
            context,
            engine,
            config: ConfigSchema::new(&manifest.config_schema)
                .map_err(|error| CliError::from_error(ExitCode::Usage, &error))?,
            manifest,
            prepared: built.checked.prepared,
            schemas,
            rulesets: RulesetFolders::new(&rulesets, &context.settings)?,
            _state: state,
        })
    }

    /// What the plugin says of itself.
    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The limits in force for a trial.
    pub(super) fn limits(&self, trial: &Trial<'_>) -> Limits {
        Limits::settle(&self.manifest.limits, &trial.limits, &self.context.settings.written.ceilings)
    }

    /// Makes one attempt.
    ///
    /// # Errors
    /// When what was given is wrong, so that nothing was started; how the attempt ended is in its answer.
    pub(super) fn attempt(&self, trial: &Trial<'_>, cancel: &Cancel) -> Result<Ended, CliError> {
        let config = self.config(&trial.config)?;
        let inputs = self.inputs(trial, &config)?;
        let granted = self.granted(trial, &config)?;
        let schema = |port: &palisade_model::manifest::OutputPort| {
            self.schemas.get(&port.schema).cloned().ok_or_else(|| {
                CliError::usage(format!("output `{}`: there is no schema `{}`", port.name, port.schema))
                    .help("carry it in the component: `.schema(…)` in `describe`")
            })
        };
        let attempt = Attempt {
            outputs: self.manifest.outputs.iter().map(schema).collect::<Result<_, _>>()?,
            manifest: Arc::clone(&self.manifest),
            prepared: self.prepared.clone(),
            config: config.to_string().into(),
            limits: self.limits(trial),
            granted: Arc::new(granted),
            connections: Arc::new(self.context.settings.connections()),
            uses: Uses::default(),
            // Always the same, so that clocks and randomness show nothing new.
            seed: 0,
            idempotency_key: "palisade plugin".to_owned(),
            inputs,
            each: None,
        };
        Ok(self.engine.attempt(&attempt, cancel))
    }

    /// Fills in the defaults and checks the config.
    fn config(&self, written: &Value) -> Result<Value, CliError> {
        let mut config = written.clone();
        self.config.fill_defaults(&mut config);
        let broken: Vec<String> = self
            .config
            .validate(&config)
            .iter()
            .map(|found| {
                let place = if found.pointer.is_empty() {
                    "the config".to_owned()
                } else {
                    format!("`{}`", found.violation.path)
                };
                let keys: Vec<_> =
                    found.unknown_keys.iter().map(|key| palisade_model::neutral::line(key, 60)).collect();
                let keys = if keys.is_empty() { String::new() } else { format!(": {}", keys.join(", ")) };
                format!("{place} {}{keys}", found.violation.message)
            })
            .collect();
        if broken.is_empty() {
            Ok(config)
        } else {
            Err(CliError::usage(format!("the config is wrong: {}", broken.join("; "))))
        }
    }

    /// The inputs in the order of the manifest's ports, then the rulesets.
    fn inputs(&self, trial: &Trial<'_>, config: &Value) -> Result<Vec<AttemptInput>, CliError> {
        let known =
            |given: &&Given| self.manifest.inputs.iter().any(|port| port.name == given.port && accepts(port).is_some());
        if let Some(unknown) = trial.inputs.iter().find(|given| !known(given)) {
            let ports: Vec<_> = self
                .manifest
                .inputs
                .iter()
                .filter(|port| accepts(port).is_some())
                .map(|port| port.name.as_str())
                .collect();
            return Err(CliError::usage(format!(
                "there is no input port `{}`",
                palisade_model::neutral::line(&unknown.port, 64)
            ))
            .help(if ports.is_empty() {
                "the plugin reads no artifacts".to_owned()
            } else {
                format!("there is: {}", ports.join(", "))
            }));
        }
        let mut inputs = Vec::new();
        for port in &self.manifest.inputs {
            if let InputSource::Ruleset { pointer } = &port.source {
                inputs.extend(self.ruleset(port, pointer, config)?);
                continue;
            }
            let given: Vec<_> = trial.inputs.iter().filter(|given| given.port == port.name).collect();
            if given.is_empty() && port.arity != Arity::Optional {
                let port = &port.name;
                return Err(CliError::usage(format!("nothing is given for the input port `{port}`"))
                    .help(format!("`plugin run --input {port}=FILE`; in a case, input/{port}.jsonl")));
            }
            if given.len() > 1 && port.arity != Arity::Many {
                return Err(CliError::usage(format!(
                    "the input port `{}` takes one input, {} are given",
                    port.name,
                    given.len()
                )));
            }
            for given in given {
                inputs.push(given.read(self.input_schema(port, given)?, self.engine.store())?);
            }
        }
        Ok(inputs)
    }

    fn input_schema(&self, port: &InputPort, given: &Given) -> Result<&ArtifactSchema, CliError> {
        let accepted = accepts(port).unwrap_or_default();
        let wanted = match &given.schema {
            Some(name) => {
                let schema = name.parse().map_err(|error| CliError::usage(format!("schema `{name}`: {error}")))?;
                let found = self.schemas.get(&schema);
                if found.is_some() && !accepted.iter().any(|wanted| wanted.accepts(&schema)) {
                    return Err(CliError::usage(format!("the input port `{}` does not accept {schema}", port.name)));
                }
                found
            }
            None => accepted.iter().find_map(|wanted| self.schemas.resolve(wanted)),
        };
        wanted.map(AsRef::as_ref).ok_or_else(|| {
            let names: Vec<_> = accepted.iter().map(ToString::to_string).collect();
            CliError::usage(format!(
                "no schema is known for the input port `{}`, which accepts {}",
                port.name,
                names.join(", ")
            ))
            .help("`palisade schema list` shows all; those of an added component are known where it was added")
        })
    }

    fn ruleset(&self, port: &InputPort, pointer: &str, config: &Value) -> Result<Option<AttemptInput>, CliError> {
        let Some(text) = config.pointer(pointer).and_then(Value::as_str) else {
            return match port.arity {
                Arity::Optional => Ok(None),
                Arity::One | Arity::Many => Err(CliError::usage(format!("`{pointer}` of the config names no ruleset"))),
            };
        };
        let name = text.parse().map_err(|error| CliError::usage(format!("`{pointer}` of the config: {error}")))?;
        let kind = ruleset_type(&self.manifest.config_schema, pointer).unwrap_or_default();
        let wanted = WantedRuleset { name, kind, span: Source::new("config", "").span(0, 0) };
        let mut found = self.rulesets.find(vec![wanted], &self.schemas, None);
        let told = found.diagnostics.iter().map(|(source, diagnostic)| (source, diagnostic));
        let errors = diagnostics::show(told, self.context.settings.colour_stderr);
        let Some((_, ruleset)) = found.rulesets.pop_first().filter(|_| errors == 0) else {
            return Err(CliError::usage(format!(
                "the ruleset `{}` can't be used",
                palisade_model::neutral::line(text, 120)
            ))
            .help("it is looked up as rulesets/NAME/VERSION/NAME.yaml in the plugin's folder"));
        };
        let failed = |error: &dyn std::error::Error| CliError::from_error(ExitCode::Failed, error);
        let mut spool = self.engine.store().spool(0);
        spool.append(&ruleset.items).map_err(|error| failed(&error))?;
        let items = self.engine.store().join(vec![spool]).map_err(|error| failed(&error))?;
        Ok(Some(AttemptInput {
            port: port.name.clone(),
            schema: ruleset.schema.to_string(),
            artifact: None,
            items: items.content().clone(),
            metadata: ruleset.metadata.clone(),
        }))
    }

    /// The values of the config that name files and databases, under the grants: what a plan does for a step.
    fn granted(&self, trial: &Trial<'_>, config: &Value) -> Result<Granted, CliError> {
        let root = trial
            .folder
            .canonicalize()
            .map_err(|error| CliError::usage(format!("{} can't be opened: {error}", trial.folder.display())))?;
        let folder = WorkingFolder::new(root.as_os_str().as_bytes())
            .map_err(|error| CliError::usage(format!("{} can't be used: {error}", root.display())))?;
        let grants = crate::planning::grants(&folder, trial.allow)?;
        let (mut paths, mut writes, mut connections, mut named) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let marks = Power::LINKED.iter().filter_map(|power| Some((*power, power.mark()?.0)));
        for (power, mark) in marks {
            for found in marked(&self.manifest.config_schema, mark) {
                let Some(written) = config.pointer(&found.pointer).and_then(Value::as_str) else { continue };
                let place = Place::named(power, &folder, written)
                    .map_err(|error| CliError::usage(format!("`{}` of the config: {error}", found.pointer)))?;
                named.push(NamedByConfig { pointer: found.pointer, place: place.clone() });
                match place {
                    Place::FsRead(path) => paths.push(NamedPath { written: written.to_owned(), path }),
                    Place::FsWrite(path) => writes.push(NamedPath { written: written.to_owned(), path }),
                    Place::Sql(path) => connections.push(NamedPath { written: format!("sqlite:{written}"), path }),
                    Place::Database(_) | Place::Http(_) | Place::Llm(_) | Place::Call(_) | Place::Secret(_) => {}
                }
            }
        }
        let settings = &self.context.settings;
        let mut authority =
            Authority::of_operator(grants.iter().cloned()).denying(denies_in(settings, &folder, &self.manifest));
        if let Ok(state) = ScopedPath::parse(&folder, settings.data_dir.as_os_str().as_bytes()) {
            authority = authority.without(state);
        }
        let authority = authority.meet(Bound::of_manifest(&self.manifest)).meet(Bound::of_config(&named, &grants));
        // No option grants a secret.
        let secrets = Vec::new();
        Ok(Granted {
            authority,
            root,
            paths,
            writes,
            connections,
            secrets,
            network: Arc::<SystemNetwork>::default(),
            run: Arc::new(Unbounded),
        })
    }
}

/// The schemas that a port accepts, unless it takes a ruleset.
fn accepts(port: &InputPort) -> Option<&[palisade_model::SchemaReq]> {
    match &port.source {
        InputSource::Runbook { accepts } => Some(accepts),
        InputSource::Ruleset { .. } => None,
    }
}
