//! A guest in the sandbox, with all of the engine's side in memory: what a test gives it and what came of it.

use palisade_authority::{
    Authority, Bound, Decision, Grant, NamedByConfig, Place, ScopedPath, SecretPlace, Use, WorkingFolder,
};
use palisade_engine::Unbounded;
use palisade_model::llm::KeyPlace;
use palisade_model::manifest::Power;
use palisade_model::sql::{Column, SqlValue};
use palisade_model::{Digest, Failure, FailureKind, LimitKind, Limits, SchemaRef, Usage};
use palisade_net::{Key, Roots};
use palisade_sandbox::ports::{
    Arena, Batch, Database, Items, ItemsInfo, Level, ModelAnswered, ModelCall, ModelFinish, ModelSpent, Network,
    PortError, Ports, Rows, StagedFile, Tool, ToolCall, ToolOutput,
};
use palisade_sandbox::{AttemptMeter, Compiling, Granted, Input, Job, NamedPath, Prepared, Sandbox, Settings, Symbols};
use palisade_schema::ArtifactSchema;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One sandbox for all tests: a pool takes its address space once.
static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new(Settings::default()).expect("a sandbox"));

/// A component that tests run.
#[derive(Debug, Clone)]
pub struct Guest(Prepared);

/// What a guest is run with; nothing but the default limits unless it is said.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    limits: BTreeMap<LimitKind, u64>,
    granted: Option<Arc<Granted>>,
    schema: Option<Arc<ArtifactSchema>>,
    stall: Duration,
    inputs: Vec<(String, Vec<u8>)>,
}

/// What came of it.
#[derive(Debug)]
pub struct Attempt {
    /// The partial state, or why it failed.
    pub result: Result<Vec<u8>, Failure>,
    /// What it used.
    pub usage: Usage,
    /// What the ports were told.
    pub told: Told,
}

/// What the ports were told.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Bytes of the items.
    pub emitted: usize,
    /// Lines of the log.
    pub log: Vec<String>,
    /// What was left out and why.
    pub skips: Vec<(String, String)>,
    /// Denials: the reason, and the option that would allow it.
    pub denials: Vec<(String, Option<String>)>,
    /// Files that it wrote: where they are to be put, and what they hold.
    pub written: Vec<(String, String)>,
}

impl Guest {
    /// The guest of that name in `target/hostile`; `None` and a loud line where it was not built.
    ///
    /// # Panics
    /// When it is there and can't be loaded.
    #[must_use]
    pub fn hostile(name: &str) -> Option<Self> {
        Self::built("hostile", name)
    }

    /// The guest of that name in a folder of `target`; `None` and a loud line where it was not built.
    ///
    /// # Panics
    /// When it is there and can't be loaded.
    #[must_use]
    pub fn built(sort: &str, name: &str) -> Option<Self> {
        let folder = crate::root().join("target").join(sort);
        let Ok(bytes) = fs::read(folder.join(format!("{name}.wasm"))) else {
            crate::skipped(&format!("the guest {name} is not in target/{sort}"));
            return None;
        };
        let symbols = folder.join(format!("{name}.symbols.wasm"));
        let Self(prepared) = Self::of_bytes(&bytes);
        Some(Self(prepared.with_symbols(Symbols::new(move || fs::read(&symbols).ok()))))
    }

    /// The component with these bytes.
    ///
    /// # Panics
    /// When it can't be loaded.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let loaded = SANDBOX.load(&Digest::of(bytes), || Ok(bytes.to_vec()), Compiling::InPlace, None);
        Self(loaded.expect("a component").prepared)
    }

    /// Calls `run` once.
    #[must_use]
    pub fn run(&self, config: &str, setting: &Setting) -> Attempt {
        self.run_with(config, setting, 1, |_, port, lines| Input::of(port, lines))
    }

    /// Calls `run` in that many instances of one attempt, one after the other, each of which gets all inputs whole. Gives
    /// what came of the last.
    #[must_use]
    pub fn run_over_all(&self, config: &str, setting: &Setting, instances: usize) -> Attempt {
        self.run_with(config, setting, instances, |number, port, lines| Input::given_to_all(port, lines, number))
    }

    fn run_with(
        &self,
        config: &str,
        setting: &Setting,
        instances: usize,
        wired: impl Fn(usize, String, Box<Lines>) -> Input,
    ) -> Attempt {
        let limits = Limits::settle(&BTreeMap::new(), &setting.limits, &BTreeMap::new());
        let meter = AttemptMeter::new(limits);
        let told = Arc::new(Mutex::new(Told::default()));
        let mut result = Ok(Vec::new());
        for _ in 0..instances {
            let ports = Memory { told: Arc::clone(&told), schema: setting.schema.clone(), stall: setting.stall };
            let job = Job {
                meter: Arc::clone(&meter),
                config: config.into(),
                ports: Box::new(ports),
                granted: setting.granted.clone(),
                seed: 1,
                cancelled: Arc::default(),
            };
            let inputs = setting.inputs.iter().enumerate().map(|(number, (port, lines))| {
                wired(number, port.clone(), Box::new(Lines { bytes: lines.clone(), handed_out: false }))
            });
            result = self.0.run(job, inputs.collect(), &mut || {});
        }
        let told = locked(&told).clone();
        Attempt { result, usage: meter.usage(), told }
    }
}

impl Setting {
    /// Sets a limit, as a step does.
    #[must_use]
    pub fn limit(mut self, kind: LimitKind, value: u64) -> Self {
        self.limits.insert(kind, value);
        self
    }

    /// Validates what is emitted against this schema.
    ///
    /// # Panics
    /// When it is no schema.
    #[must_use]
    pub fn schema(mut self, name: &str, json: &serde_json::Value) -> Self {
        let name: SchemaRef = name.parse().expect("name/version");
        self.schema = Some(Arc::new(ArtifactSchema::new(name, json.clone()).expect("a schema")));
        self
    }

    /// Wires items, as JSON Lines, to an input port.
    #[must_use]
    pub fn input(mut self, port: &str, lines: &str) -> Self {
        self.inputs.push((port.to_owned(), lines.as_bytes().to_vec()));
        self
    }

    /// Lets every `emit` take that long.
    #[must_use]
    pub fn stall(mut self, stall: Duration) -> Self {
        self.stall = stall;
        self
    }

    /// Lets the config name paths and databases below `root`, under the operator's default set and what `allow` adds.
    ///
    /// # Panics
    /// When one of them is no path.
    #[must_use]
    pub fn files(self, root: &Path, paths: &[&str], connections: &[&str], allow: &[&str]) -> Self {
        self.files_with(root, paths, &[], connections, allow)
    }

    /// As [`Self::files`], with folders to write to.
    ///
    /// # Panics
    /// When one of them is no path.
    #[must_use]
    pub fn files_with(
        mut self,
        root: &Path,
        paths: &[&str],
        writes: &[&str],
        connections: &[&str],
        allow: &[&str],
    ) -> Self {
        let root = root.canonicalize().expect("a folder");
        let folder = WorkingFolder::new(root.as_os_str().as_encoded_bytes()).expect("a folder");
        let named = |written: &&str| NamedPath {
            written: (*written).to_owned(),
            path: ScopedPath::parse(&folder, written.as_bytes()).expect("a path"),
        };
        let of_config = |place: fn(ScopedPath) -> Place, paths: &[NamedPath]| -> Vec<_> {
            let rule =
                |named: &NamedPath| NamedByConfig { pointer: "/path".to_owned(), place: place(named.path.clone()) };
            paths.iter().map(rule).collect()
        };
        let paths: Vec<_> = paths.iter().map(named).collect();
        let writes: Vec<_> = writes.iter().map(named).collect();
        let connections: Vec<_> = connections.iter().map(named).collect();
        let mut by_config = of_config(Place::FsRead, &paths);
        by_config.extend(of_config(Place::FsWrite, &writes));
        by_config.extend(of_config(Place::Sql, &connections));
        let tools = TOOLS.iter().map(|tool| Place::Call(tool.id.clone()));
        by_config.extend(tools.map(|place| NamedByConfig { pointer: "/tools".to_owned(), place }));
        by_config.push(NamedByConfig { pointer: String::new(), place: Place::Llm("big".to_owned()) });
        let mut grants = Grant::default_set();
        grants.extend(allow.iter().map(|text| Grant::parse(&folder, text.as_bytes()).expect("a grant")));
        let authority = Authority::of_operator(grants).meet(Bound::of_config(&by_config, &[]));
        let (secrets, network) = (Vec::new(), Arc::new(Names::default()));
        self.granted = Some(Arc::new(Granted {
            authority,
            root,
            paths,
            writes,
            connections,
            secrets,
            network,
            run: Arc::new(Unbounded),
        }));
        self
    }
}

impl Setting {
    /// Lets the config name the origins of `urls`, where `names` are known to be at these addresses, under what `allow`
    /// grants.
    ///
    /// # Panics
    /// When one of them is none.
    #[must_use]
    pub fn http(self, urls: &[&str], names: &[(&str, &[&str])], allow: &[&str]) -> Self {
        self.http_with(urls, names, allow, &[])
    }

    /// As [`Self::http`], with secrets that the config names too: name, header, origin, and what it is.
    ///
    /// # Panics
    /// When one of them is none.
    #[must_use]
    pub fn http_with(
        mut self,
        urls: &[&str],
        names: &[(&str, &[&str])],
        allow: &[&str],
        secrets: &[[&str; 4]],
    ) -> Self {
        let folder = WorkingFolder::new(b"/w").expect("a folder");
        let grants = allow.iter().map(|text| Grant::parse(&folder, text.as_bytes()).expect("a grant"));
        let given = secrets.iter().map(|[name, header, origin, _]| {
            let place = SecretPlace::granted(name, header, origin).expect("a secret");
            Grant::of_secret([place], "palisade.toml:1".to_owned())
        });
        let urls = urls.iter().map(|url| ("/url", Power::Http, *url));
        let named = urls.chain(secrets.iter().map(|[name, ..]| ("/token", Power::Secret, *name)));
        let named = named.map(|(pointer, power, text)| NamedByConfig {
            pointer: pointer.to_owned(),
            place: Place::named(power, &folder, text).expect("a place"),
        });
        let named: Vec<_> = named.collect();
        let key = |text: &str| Key::read(&KeyPlace::Env(String::new()), Path::new("/"), |_| Some(text.into()));
        let known = secrets.iter().map(|[name, .., text]| ((*name).to_owned(), key(text).expect("a key")));
        let secrets: Vec<_> = known.collect();
        let authority = Authority::of_operator(grants.chain(given)).meet(Bound::of_config(&named, &[]));
        let answers = names.iter().map(|(name, addresses)| {
            let addresses = addresses.iter().map(|address| address.parse().expect("an address"));
            ((*name).to_owned(), addresses.collect())
        });
        let network = Arc::new(Names(Mutex::new(answers.collect()), Roots::default()));
        let (root, paths, writes, connections) = ("/w".into(), Vec::new(), Vec::new(), Vec::new());
        self.granted = Some(Arc::new(Granted {
            authority,
            root,
            paths,
            writes,
            connections,
            secrets,
            network,
            run: Arc::new(Unbounded),
        }));
        self
    }
}

/// What names are at which addresses. Each answer to a name is given once if there is another one after it.
#[derive(Debug, Default)]
struct Names(Mutex<Vec<(String, Vec<IpAddr>)>>, Roots);

impl Network for Names {
    fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut answers = locked(&self.0);
        let of_name = |(known, _): &(String, Vec<IpAddr>)| known == name;
        let first = answers.iter().position(of_name).ok_or(io::ErrorKind::NotFound)?;
        let again = answers.iter().filter(|answer| of_name(answer)).count() > 1;
        Ok(if again { answers.remove(first).1 } else { answers[first].1.clone() })
    }

    fn roots(&self) -> &Roots {
        &self.1
    }
}

impl Attempt {
    /// The limit that ended it.
    ///
    /// # Panics
    /// When it ended in another way.
    #[must_use]
    pub fn limit(&self) -> (LimitKind, &Failure) {
        match &self.result {
            Err(failure @ Failure { kind: FailureKind::Limit { limit, .. }, .. }) => (*limit, failure),
            other => panic!("no limit was reached: {other:?}"),
        }
    }
}

struct Memory {
    told: Arc<Mutex<Told>>,
    schema: Option<Arc<ArtifactSchema>>,
    stall: Duration,
}

/// What every guest may call, if it was granted.
static TOOLS: LazyLock<[Tool; 1]> = LazyLock::new(|| {
    let (title, description, config_schema) = Default::default();
    let id = "test:nothing".parse().expect("an id");
    [Tool { id, title, description, config_schema, inputs: Vec::new(), outputs: Vec::new() }]
});

impl Ports for Memory {
    fn emit(&mut self, port: &str, items: &[u8]) -> Result<(), PortError> {
        std::thread::sleep(self.stall);
        if port == "nowhere" {
            return Err(PortError::Invalid(format!("there is no output port `{port}`")));
        }
        if let Some(schema) = &self.schema {
            let validator = schema.item().map_err(|error| PortError::Host(error.to_string()))?;
            for (number, line) in (0..).zip(std::str::from_utf8(items).unwrap_or_default().lines()) {
                if let Err(violation) = validator.check_line(line) {
                    let kind = FailureKind::Schema {
                        schema: schema.name().to_string(),
                        port: port.to_owned(),
                        item: Some(number),
                        path: violation.path,
                        rule: violation.rule,
                    };
                    return Err(PortError::Schema(Box::new(Failure::new(kind, violation.message))));
                }
            }
        }
        locked(&self.told).emitted += items.len();
        Ok(())
    }

    fn log(&mut self, _level: Level, message: &str) {
        locked(&self.told).log.push(message.to_owned());
    }

    fn progress(&mut self, _done: u64, _total: Option<u64>, _note: &str) {}

    fn skip(&mut self, what: &str, reason: &str) {
        locked(&self.told).skips.push((what.to_owned(), reason.to_owned()));
    }

    fn idempotency_key(&self) -> String {
        String::new()
    }

    fn decided(&mut self, _asked: &Use, decision: &Decision<'_>) {
        if !decision.allowed() {
            locked(&self.told).denials.push((decision.denial().unwrap_or_default(), decision.allow_line()));
        }
    }

    fn arena(&mut self) -> Result<Arena, PortError> {
        let file = tempfile::tempfile().map_err(|error| PortError::Host(error.to_string()))?;
        Ok(Arena::new(file))
    }

    fn staged(&mut self, files: Vec<StagedFile>) {
        let text = |mut file: StagedFile| {
            let mut text = String::new();
            file.bytes.read_to_string(&mut text).expect("text");
            (file.path.to_string(), text)
        };
        locked(&self.told).written.extend(files.into_iter().map(text));
    }

    /// A database that has as many rows as the statement says.
    fn query(&mut self, _: Database, statement: &str, _: &[SqlValue]) -> Result<Box<dyn Rows>, PortError> {
        let left = statement.parse().map_err(|_| PortError::Invalid("the statement is no number".to_owned()))?;
        Ok(Box::new(Numbers { left }))
    }

    fn tools(&self) -> &[Tool] {
        &*TOOLS
    }

    /// A tool that makes nothing.
    fn call_tool(&mut self, _: &ToolCall) -> Result<Vec<ToolOutput>, PortError> {
        Ok(Vec::new())
    }

    fn default_model(&self) -> Option<&str> {
        Some("big")
    }

    /// A model that always says yes, for ten tokens and three millionths of a US dollar.
    fn ask_model(&mut self, _: &ModelCall) -> ModelAnswered {
        let spent = ModelSpent { calls: 1, tokens: 10, cost: 3 };
        ModelAnswered { result: Ok(("yes".to_owned(), ModelFinish::Complete)), spent }
    }
}

/// Items that come in one batch.
struct Lines {
    bytes: Vec<u8>,
    handed_out: bool,
}

impl Items for Lines {
    fn info(&self) -> ItemsInfo {
        let items = self.bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let (schema, metadata) = ("standard_input/1.0.0".to_owned(), "{}".to_owned());
        ItemsInfo { schema, items, bytes: self.bytes.len() as u64, metadata }
    }

    fn next(&mut self, _max_bytes: usize) -> Result<Option<Batch>, PortError> {
        let first_time = !std::mem::replace(&mut self.handed_out, true);
        Ok(first_time.then(|| Batch { first: 0, items: self.bytes.clone() }))
    }
}

struct Numbers {
    left: u64,
}

impl Rows for Numbers {
    fn columns(&self) -> Vec<Column> {
        vec![Column { name: "number".to_owned(), declared_type: "INTEGER".to_owned() }]
    }

    fn next(&mut self, max_rows: u64, _max_bytes: usize) -> Result<Vec<Vec<SqlValue>>, PortError> {
        let count = self.left.min(max_rows).min(1_000);
        self.left -= count;
        Ok((0..count).map(|_| vec![SqlValue::Integer(7)]).collect())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
